//! From text to a [`Workflow`], or to every error of it at once. Pure.
//!
//! Does not know: files, the environment, git. Sources and variables are handed in.

pub mod model;
pub mod trigger;

pub use model::Workflow;
