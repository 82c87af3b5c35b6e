//! Which part of a plan a run is, when several machines share one. Pure.

use crate::base::StepId;
use serde::{Deserialize, Serialize};

/// A part of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which one, from 1.
    pub index: u16,
    /// Of how many.
    pub count: u16,
    /// Digest of who runs what: parts of one plan have the same.
    pub plan: String,
    /// The steps whose results are this part's: what several parts run belongs to the first of them.
    pub owns: Vec<StepId>,
    /// Did a filter narrow the plan before it was shared out? Then all parts together say nothing about the whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub narrowed: bool,
}
