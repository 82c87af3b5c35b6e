//! What happened: the one stream from which everything people see is computed. Pure.
//!
//! Does not know: who writes the log, who reads it. Events refer to step output (`out/<step>.<attempt>.log`), they never
//! contain it, but for the short tail that a live display shows.

#[cfg(test)]
pub(crate) mod arbitrary;
mod expected;
pub mod frame;
mod machine;
mod outcome;
mod place;
mod predicted;
mod reason;
mod reuse;
mod shard;

pub use expected::{Expected, ExpectedStep, Interval, Noticed};
pub use machine::Machine;
pub use outcome::{Outcome, OutcomeKind, RunStatus, StopHow, Usage};
pub use place::Place;
pub use predicted::{Predicted, Unforeseen};
pub use reason::{Because, CancelReason, Decision, Evidence, FallbackCode, RunRule, SkipReason, WarningCode};
pub use reuse::{Miss, NotCached, NotStored, Reused};
pub use shard::Shard;

use crate::base::{Digest, Millis, RunId, StepId};
use crate::change::{Base, ChangedFile};
use crate::key::Key;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The log's format. A reader takes this and older ones; a newer one is left alone with a hint.
pub const FORMAT: u32 = 1;

/// What "the same evidence" means. Raised whenever defaults, built-in categories or glob rules change, so that passes
/// recorded under other rules witness nothing.
pub const SEMANTICS: u32 = 2;

/// One line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// 0, 1, 2 …: without gaps.
    pub seq: u64,
    /// Milliseconds since the run began, on a clock that never goes back.
    pub at_ms: Millis,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What can happen in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EventKind {
    /// The first event of every log.
    RunStarted(Box<RunStarted>),
    /// What differs from the base. `files` holds at most the first 1,000; `total` counts all.
    Changes {
        /// The measure.
        base: Base,
        /// How many files differ.
        total: usize,
        /// The first of them.
        files: Vec<ChangedFile>,
        /// `docs-only`, `mixed`, `none`, …; `unknown` without a base.
        change_type: String,
        /// `low`, `medium`, `high`; `unknown` without a base.
        impact: String,
        /// Why the impact is what it is.
        impact_because: Vec<String>,
        /// How many changed paths are in each category; the empty name counts those in none.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        categories: BTreeMap<String, usize>,
    },
    /// What will run, what will not, and why.
    Planned {
        /// In topological order.
        steps: Vec<PlannedStep>,
        /// The stages in order, if the run is staged.
        stages: Vec<PlannedStage>,
    },
    /// wf could not do the better thing and did the safe one.
    Fallback {
        /// Which one, for counting and alarms.
        code: FallbackCode,
        /// What happened, for people.
        message: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// Something people should know that changes no result.
    Warning {
        /// Which one.
        code: WarningCode,
        /// The step it concerns.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
        /// For people.
        message: String,
    },
    /// A stage's first step may start.
    StageStarted {
        /// Its name.
        stage: String,
    },
    /// All of a stage's steps have ended.
    StageFinished {
        /// Its name.
        stage: String,
        /// Did all of it pass?
        passed: bool,
        /// How long it took.
        wall_ms: Millis,
    },
    /// Steps whose results were known: they count as passed and did not run. All that were found at once.
    StepsReused {
        /// Which, and what that saved.
        steps: Vec<Reused>,
    },
    /// A step's result is not known, or not used: it will run.
    StepMissed {
        /// Which step.
        step: StepId,
        /// Why.
        why: Miss,
    },
    /// What the steps that run are expected to take; before the first of them starts.
    Expected(Box<Expected>),
    /// A step passed, and its result was not kept.
    NotStored {
        /// Which step.
        step: StepId,
        /// Why.
        why: NotStored,
    },
    /// An attempt begins.
    StepStarted {
        /// Which step.
        step: StepId,
        /// 1, 2, …
        attempt: u32,
    },
    /// Output grew. At most a few a second and step.
    StepOutput {
        /// Which step.
        step: StepId,
        /// Which attempt.
        attempt: u32,
        /// Bytes of output so far.
        bytes: u64,
        /// The last line so far, masked, for a live display.
        tail: String,
    },
    /// A sample of what the step's processes use (`WORKFLOW_MONITOR_RESOURCES`).
    StepSample {
        /// Which step.
        step: StepId,
        /// Processor time so far, all processes.
        cpu_ms: u64,
        /// Resident memory now, all processes.
        memory_bytes: u64,
        /// Bytes read from and written to disk so far.
        disk_bytes: u64,
    },
    /// A phase inside a step began (`WORKFLOW_PROFILE`).
    StepPhase {
        /// Which step.
        step: StepId,
        /// `spawn`, `run`, `drain`, or a name the step printed.
        phase: String,
        /// How long it took.
        wall_ms: Millis,
    },
    /// An attempt ended.
    StepFinished(Box<StepFinished>),
    /// A failed attempt will be repeated.
    StepRetrying {
        /// Which step.
        step: StepId,
        /// The next attempt's number.
        attempt: u32,
        /// When, from now.
        after_ms: Millis,
        /// How long that is expected to take, if anything is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected: Option<Interval>,
    },
    /// A step that was planned to run will not.
    StepCancelled {
        /// Which step.
        step: StepId,
        /// Why.
        reason: CancelReason,
    },
    /// Somebody asked wf to stop.
    Interrupted {
        /// `SIGINT`, `SIGTERM`, …
        signal: String,
        /// 1 stops gently, 2 at once.
        times: u32,
    },
    /// The last event of every log that is whole.
    RunFinished {
        /// How the run ended.
        status: RunStatus,
        /// wf's exit code.
        exit_code: u8,
        /// How long it took.
        wall_ms: Millis,
    },
}

/// What was true when a run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// [`SEMANTICS`] of the writer.
    pub semantics: u32,
    /// The run's name.
    pub run: RunId,
    /// UTC, RFC 3339.
    pub started_at: String,
    /// wf's version.
    pub version: String,
    /// The process, for `wf status`.
    pub pid: u32,
    /// The worktree's root, escaped for people.
    pub root: String,
    /// HEAD, if there is one.
    pub commit: Option<String>,
    /// Was the working tree exactly HEAD?
    pub clean: bool,
    /// The branch.
    pub branch: Option<String>,
    /// `--smart-execution`: `on`, `off` or `observe`.
    pub smart: String,
    /// `--parallel`.
    pub parallel: bool,
    /// `--multi-stage`.
    pub multi_stage: bool,
    /// Was prediction asked for (`ml_optimize`)?
    #[serde(default)]
    pub ml_optimize: bool,
    /// Most steps at once.
    pub jobs: u32,
    /// Did a filter (`--steps`, `--stage`, `--tag`) narrow the run? Then it says nothing about the whole.
    pub filtered: bool,
    /// Does it leave evidence? Not with `--no-needs`.
    pub witnesses: bool,
    /// Where it is made.
    #[serde(default, skip_serializing_if = "Place::is_unknown")]
    pub place: Place,
    /// On what.
    #[serde(default, skip_serializing_if = "Machine::is_unknown")]
    pub machine: Machine,
    /// Which part of a plan it is, if machines share one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// One step of a plan, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its id.
    pub id: StepId,
    /// Its name for people, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Run or skip, and why.
    pub decision: Decision,
    /// Whose results it needs, and whom it only follows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<StepId>,
    /// Steps of the same batch could start together.
    pub batch: u32,
    /// Digest of the resolved definition.
    pub definition: Digest,
    /// Digest of declared environment values and platform. Secret values are left out.
    pub context: Digest,
    /// May its outcome witness a later skip? Not for `changed_only`, `run_on` and deploy steps.
    pub witnesses: bool,
}

/// One stage of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStage {
    /// Its name.
    pub name: String,
    /// How long it should take at most; only reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_ms: Option<Millis>,
    /// Does its trigger hold?
    pub triggered: bool,
    /// The trigger as it was written.
    pub trigger: String,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepFinished {
    /// Which step.
    pub step: StepId,
    /// Which attempt.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// No further attempt follows.
    pub last: bool,
    /// A failure that the step is allowed to have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allowed: bool,
    /// From start to end.
    pub wall_ms: Millis,
    /// What it used.
    pub usage: Usage,
    /// Bytes of output kept, and where: relative to the run's folder. None: it printed nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Bytes of output in all, kept or not.
    pub output_bytes: u64,
    /// Processes that outlived the step's leader, by name; they were killed unless `leave_running` names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaked: Vec<String>,
    /// The key it ran with, if it has one and the result is a verdict on it: every need had one too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
}
