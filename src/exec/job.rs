//! The door between the engine and processes: what goes in, what comes out.

use crate::base::{Millis, StepId};
pub use crate::event::StopHow;
use crate::event::{Outcome, Usage};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// A variable: name and value. Shared, because thousands of jobs have the same ones.
pub type Variable = (Arc<OsStr>, Arc<OsStr>);

/// One attempt, fully resolved: nothing in it is looked up later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Which step.
    pub step: StepId,
    /// 1, 2, …
    pub attempt: u32,
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// The folder it runs in, absolute.
    pub dir: PathBuf,
    /// Its whole environment, sorted by name.
    pub env: Vec<Variable>,
    /// Where its output is kept, absolute; created at the first byte.
    pub log: PathBuf,
    /// Longest attempt.
    pub timeout_ms: Option<Millis>,
    /// From the polite signal to the deadly one.
    pub grace_ms: Millis,
    /// Longest time without output or CPU use.
    pub idle_timeout_ms: Option<Millis>,
    /// Memory it claims; 0 claims none.
    pub memory_bytes: u64,
    /// Stop it when it uses more than it claims.
    pub enforce_memory: bool,
    /// Process names that may outlive its leader.
    pub leave_running: Vec<String>,
    /// Send samples of resource use (`WORKFLOW_MONITOR_RESOURCES`).
    pub sample: bool,
    /// Send phases (`WORKFLOW_PROFILE`).
    pub profile: bool,
}

/// Tells a running attempt to stop; `None` until then, and it may grow stronger.
pub type StopSignal = watch::Receiver<Option<StopHow>>;

/// What a running attempt tells while it runs.
pub type OutputSink = mpsc::UnboundedSender<(StepId, Progress)>;

/// News of a running attempt. Output comes coalesced, a few times a second.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Output grew.
    Output {
        /// Bytes so far.
        bytes: u64,
        /// The last line so far, masked; at most 400 bytes.
        tail: String,
    },
    /// What its processes use now.
    Sample {
        /// Processor time so far.
        cpu_ms: u64,
        /// Resident memory now.
        memory_bytes: u64,
        /// Disk reads and writes so far.
        disk_bytes: u64,
    },
    /// A phase ended.
    Phase {
        /// `spawn`, `run`, `drain`, or a name that the step printed.
        phase: String,
        /// How long it took.
        wall_ms: Millis,
    },
    /// It uses more memory than it claims (once an attempt).
    OverClaim {
        /// Bytes in use.
        used_bytes: u64,
    },
    /// It has been silent and idle for this long (once an attempt, only without `idle_timeout_ms`).
    Idle {
        /// For how long.
        for_ms: Millis,
    },
    /// Its log reached the cap; the rest is counted, not kept.
    Capped,
    /// wf's guard process could not be had or was lost; the attempt ends as [`Outcome::NotStarted`].
    GuardLost {
        /// What happened.
        message: String,
    },
    /// Its log cannot be written; the step goes on.
    LogLost {
        /// Why.
        message: String,
    },
}

/// How an attempt ended, with what the event log wants to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// From start to end.
    pub wall_ms: Millis,
    /// What it used.
    pub usage: Usage,
    /// Was there any output to keep?
    pub has_log: bool,
    /// Bytes of output in all.
    pub output_bytes: u64,
    /// Processes that outlived the leader, by name.
    pub leaked: Vec<String>,
}

/// Runs attempts. The one real implementation is `exec::Executor`; tests have a scripted one.
pub trait RunStep {
    /// Runs one attempt to its end. Never fails: a job that cannot be started has an outcome too.
    fn run(&self, job: Job, stop: StopSignal, out: OutputSink) -> impl Future<Output = Ended>;
    /// No attempt follows; lets go of everything.
    fn close(&self) -> impl Future<Output = ()>;
}
