//! wf: a git-aware CI pipeline accelerator.
//!
//! The map, from the ground up; a module may use what stands above it in this list, never what stands below.
//! `docs/ARCHITECTURE.md` has the reasons, `tests/tidy.rs` holds the layers.
//!
//! * vocabulary (pure): [`base`], [`tree`], [`key`], [`event`], [`change`], [`verdict`], [`ci`]
//! * deciding (pure): [`config`], [`ask`], [`graph`], [`workspace`], [`import`], [`classify`],
//!   [`lint`], [`plan`], [`schedule`]
//! * telling (pure until a sink writes): [`report`]
//! * acting: [`git`], [`exec`], [`cache`], [`history`], [`template`], [`github`], [`ai`], [`hook`]
//! * driving: [`engine`], [`cli`]

pub mod ai;
pub mod ask;
pub mod base;
pub mod cache;
pub mod change;
pub mod ci;
pub mod classify;
pub mod cli;
pub mod config;
pub mod engine;
pub mod event;
pub mod exec;
pub mod git;
pub mod github;
pub mod graph;
pub mod history;
pub mod hook;
pub mod import;
pub mod key;
pub mod lint;
pub mod plan;
pub mod predict;
pub mod report;
pub mod schedule;
pub mod template;
pub mod tree;
pub mod verdict;
pub mod workspace;
