//! Decides when each step starts, is tried again, is cancelled: `(state, now, input) -> effects`. Pure.
//!
//! Knows: what waits for what, priorities, pools, stages, retries. Does not know: processes, clocks, files, the
//! terminal. Time enters as a number; chance enters as a seed.

pub mod chance;
pub mod forecast;
pub mod list;
pub mod outline;
mod pool;
mod ready;
pub mod shards;
mod state;
pub mod strategy;
mod task;

#[cfg(test)]
mod simulate;

pub use pool::Capacity;
pub use state::State;
pub use task::{Lookup, Rules, Task, tasks};

use crate::base::Millis;
use crate::event::{CancelReason, Outcome, RunStatus, StopHow};
use pool::Pools;
use ready::Ready;
use state::States;

/// What the scheduler is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The run begins. Comes first, once.
    Begin,
    /// The cache was asked about tasks ([`Effect::Lookup`]).
    Looked(Vec<(usize, Answer)>),
    /// An attempt ended.
    Done {
        /// The task.
        task: usize,
        /// How.
        outcome: Outcome,
    },
    /// Somebody asked wf to stop: the first time gently, the second time at once.
    Interrupt,
    /// The run cannot go on (the log cannot be written): stop gently, start nothing more, not even clean-up.
    Abort,
    /// Time passed.
    Wake,
}

/// What the cache knows of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its result is known, and what it made is in place: it counts as passed and does not run.
    Hit,
    /// It is not.
    Miss,
}

/// What the scheduler wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A stage's first step is about to start.
    StageStarted {
        /// Its position.
        stage: usize,
    },
    /// All of a stage's steps have ended.
    StageFinished {
        /// Its position.
        stage: usize,
        /// Did all of it pass?
        passed: bool,
    },
    /// Ask the cache about these tasks, all that became ready at once, and send [`Input::Looked`].
    Lookup(Vec<usize>),
    /// Start an attempt.
    Start {
        /// The task.
        task: usize,
        /// 1, 2, …
        attempt: u32,
    },
    /// Stop a running attempt.
    Stop {
        /// The task.
        task: usize,
        /// How strongly.
        how: StopHow,
    },
    /// An attempt has ended; comes before anything that follows from it.
    Ended {
        /// The task.
        task: usize,
        /// Which attempt.
        attempt: u32,
        /// No further attempt follows.
        last: bool,
        /// It failed, and is allowed to.
        allowed: bool,
    },
    /// It will be tried again.
    Retry {
        /// The task.
        task: usize,
        /// The next attempt's number.
        attempt: u32,
        /// When, from now.
        after_ms: Millis,
    },
    /// It will not start.
    Cancelled {
        /// The task.
        task: usize,
        /// Why.
        why: Cancel,
    },
    /// Send [`Input::Wake`] at this time.
    WakeAt(Millis),
    /// All is over.
    Finish(RunStatus),
}

/// Why a task will not start: [`CancelReason`] with positions for names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// A task it waits for did not pass.
    NeedFailed(usize),
    /// Another task failed, and fail-fast is on.
    FailFast(usize),
    /// An earlier stage did not pass.
    StageFailed(usize),
    /// An interrupt came first.
    Interrupted,
    /// It runs on failure, and nothing failed.
    NothingFailed,
}

impl Cancel {
    /// The same with names.
    pub fn reason(self, task: impl Fn(usize) -> crate::base::StepId, stage: impl Fn(usize) -> String) -> CancelReason {
        match self {
            Self::NeedFailed(at) => CancelReason::NeedFailed { step: task(at) },
            Self::FailFast(at) => CancelReason::FailFast { step: task(at) },
            Self::StageFailed(at) => CancelReason::StageFailed { stage: stage(at) },
            Self::Interrupted => CancelReason::Interrupted,
            Self::NothingFailed => CancelReason::NothingFailed,
        }
    }
}

/// How far stopping has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stopping {
    No,
    /// Fail-fast after this task: nothing new starts but clean-up.
    FailFast(usize),
    /// One interrupt: nothing new starts but clean-up.
    Gently,
    /// Two interrupts, or the run cannot go on: nothing new starts.
    Now,
}

/// The state machine of a run.
#[derive(Debug)]
pub struct Scheduler {
    tasks: Vec<Task>,
    rules: Rules,
    states: States,
    pools: Pools,
    ready: Ready,
    attempts: Vec<u32>,
    waiting: Vec<usize>,
    /// Tasks that became ready and are to be looked up.
    asking: Vec<usize>,
    stages: Vec<StageState>,
    current: usize,
    stopping: Stopping,
    failed: Option<usize>,
    interrupted: bool,
    aborted: bool,
    finished: bool,
    chance: chance::Chance,
}

#[derive(Clone, Debug, Default)]
struct StageState {
    open: usize,
    started: bool,
    failed: bool,
}

mod step;
