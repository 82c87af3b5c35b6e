//! What questions are about, and what answers are made of. Plain data. Does not know: SQL.

use crate::base::{Digest, Millis, RunId, StepId};
use crate::event::{Outcome, Usage};
use crate::key::Key;

/// Of which attempts is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// Of all, the newest first.
    All,
    /// Of one run, in the order in which they ended.
    Run(&'a RunId),
    /// Of one step, the newest first.
    Step(&'a StepId),
}

/// An attempt that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRow {
    /// Its run.
    pub run: RunId,
    /// When that began: UTC, RFC 3339.
    pub started_at: String,
    /// Its step.
    pub step: StepId,
    /// 1, 2, …
    pub attempt: u32,
    /// No further attempt followed.
    pub last: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// Did it pass after a failure in the same run?
    pub flaky: bool,
    /// How long it took.
    pub wall_ms: Millis,
    /// What it used.
    pub usage: Usage,
    /// The key it ran with.
    pub key: Option<Key>,
    /// How long it was expected to take, if somebody had said so.
    pub predicted_ms: Option<Millis>,
    /// The step's definition by then.
    pub definition: Digest,
}

/// A step that did not run, because its result was known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HitRow {
    /// In which run.
    pub run: RunId,
    /// When that began: UTC, RFC 3339.
    pub started_at: String,
    /// Which step.
    pub step: StepId,
    /// How long it took when it ran.
    pub saved_ms: Millis,
}

/// How long a step took, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct StepTime {
    /// Which step.
    pub step: StepId,
    /// In which run; [`super::Db::runs`] has its circumstances.
    pub run: RunId,
    /// How long.
    pub wall_ms: Millis,
    /// Processor time.
    pub cpu_ms: Millis,
    /// Did it pass? Failures are often shorter.
    pub passed: bool,
    /// Which attempt it was: 1, 2, …
    pub attempt: u32,
}

/// What one attempt says of its step, and of its key if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedVerdict {
    /// Which step.
    pub step: StepId,
    /// On what.
    pub key: Option<Key>,
    /// In which run.
    pub run: RunId,
    /// Did it pass?
    pub passed: bool,
    /// Did it pass only after a failure in the same run?
    pub flaky: bool,
}

/// Something strange about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Which run.
    pub run: RunId,
    /// Which of its steps, if it is one.
    pub step: Option<StepId>,
    /// Which kind, for counting.
    pub kind: String,
    /// For people.
    pub message: String,
}

/// Why no run was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindError {
    /// None is called so.
    NotFound,
    /// Several start so.
    Ambiguous(Vec<RunId>),
}
