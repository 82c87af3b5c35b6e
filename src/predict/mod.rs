//! Learning from what happened: how long steps take, and which are likely to fail. Pure.
//!
//! Everything is learned online: a state is asked before a run and told after it what happened. Replaying a recorded
//! history through the same state is how it is measured. Does not know: where history comes from, files, clocks.

pub mod advise;
pub mod anomaly;
pub mod durations;
pub mod failures;
pub mod replay;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of a run before its steps run: what changed, on which machine, when. All of it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Circumstances {
    /// `docs-only`, `mixed`, …: [`crate::classify`]'s word. Empty: unknown.
    pub change_type: String,
    /// `low`, `medium`, `high`. Empty: unknown.
    pub impact: String,
    /// How many files changed.
    pub files: u32,
    /// How many lines were added and removed in all. None: nobody counted. (`lines` is what it was called when nobody ever
    /// did.)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_lines: Option<u32>,
    /// Was nothing run in this checkout before, so that build folders are empty? None: unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold: Option<bool>,
    /// What share of the steps was reused and not run, as far as that was known before the others ran, 0 to 1: what was
    /// not run built nothing that others could use. None: unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reused: Option<f32>,
    /// Changed files by category.
    pub categories: BTreeMap<String, u32>,
    /// The changed paths, at most the first 1,000.
    pub paths: Vec<String>,
    /// Processors. 0: unknown.
    pub cores: u32,
    /// Load of the machine when the run began, per processor.
    pub load: f32,
    /// The class of the machine: a CI runner's label, or the operating system and architecture.
    pub runner: String,
    /// When it began, in seconds since 1970. 0: unknown.
    pub at: i64,
}
