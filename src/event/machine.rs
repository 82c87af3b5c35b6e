//! On what a run is made. Pure.
//!
//! Does not know: how it is found out. It tells runs on like machines from runs on others, and decides nothing.

use serde::{Deserialize, Serialize};

/// The machine of a run, as far as wf could tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Processors that wf may use. 0: unknown.
    pub cores: u32,
    /// Load over the last minute when the run began, per processor: 0 and more, 1 is all of them busy. 0 is also
    /// unknown.
    pub load: f32,
    /// The class of the machine: a CI runner's label, or the operating system and architecture. Empty: unknown.
    pub runner: String,
}

impl Machine {
    /// Does nobody say?
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}
