//! What is recorded, as plain data for the plan. Pure.
//!
//! Does not know: where it is kept. `history` fills it from logs and facts, `cache` has an index of what concerns keys.

use crate::base::{Digest, Millis, RunId, StepId};
use crate::event::{Place, RunStatus};
use crate::key::Key;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one run found out about a step at a commit, on a clean tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The step's definition then.
    pub definition: Digest,
    /// Its declared environment and platform then.
    pub context: Digest,
    /// Did it pass?
    pub passed: bool,
    /// The run that recorded it.
    pub run: RunId,
    /// When, UTC, RFC 3339.
    pub at: String,
}

/// How a step ended once with a key, whatever commit and tree that was on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyVerdict {
    /// With which key. The first field: the action index finds it without decoding the rest.
    pub key: Key,
    /// Which step.
    pub step: StepId,
    /// Did it pass?
    pub passed: bool,
    /// Did it pass only after a retry?
    pub flaky: bool,
    /// In which run.
    pub run: RunId,
    /// When it ended: milliseconds since 1970.
    pub at_ms: u64,
    /// How long it took.
    pub wall_ms: Millis,
    /// Where.
    pub place: Place,
}

/// Everything the plan may know of the past.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The commit that `at_base` speaks of.
    pub base: Option<String>,
    /// The newest verdict of each step at the base.
    pub at_base: BTreeMap<StepId, Verdict>,
    /// The newest run that is over, and how it ended; none if it was killed.
    pub last_run: Option<(RunId, Option<RunStatus>)>,
}
