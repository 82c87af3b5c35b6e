//! What a view knows of one step. Pure.

use crate::base::{Millis, StepId};
use crate::event::{CancelReason, Decision, ExpectedStep, Miss, NotStored, Reused, SkipReason, StepFinished, Usage};

/// More samples than this are thinned to half: a picture has no more columns to show.
const SAMPLES_MAX: usize = 240;
/// A step can print phases of its own without end.
const PHASES_MAX: usize = 100;

/// One step of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct StepView {
    /// Its id.
    pub id: StepId,
    /// Its name for people.
    pub name: Option<String>,
    /// Its stage.
    pub stage: Option<String>,
    /// What the plan says; none for a step that no plan names.
    pub decision: Option<Decision>,
    /// Whom it waits for.
    pub waits_for: Vec<StepId>,
    /// Its batch.
    pub batch: u32,
    /// Where it stands.
    pub state: State,
    /// Its attempts, in order.
    pub attempts: Vec<Attempt>,
    /// The last line it printed.
    pub tail: String,
    /// Bytes of output of the newest attempt.
    pub bytes: u64,
    /// What its processes used over time.
    pub samples: Vec<Sample>,
    /// Its phases, as they ended.
    pub phases: Vec<Phase>,
    /// What it was expected to take.
    pub expected: Option<ExpectedStep>,
    /// Why its result was not used again.
    pub miss: Option<Miss>,
    /// Why its result was not kept.
    pub not_stored: Option<NotStored>,
    /// How many of its outputs were brought back, though the plan skips it.
    pub brought_back: usize,
    /// Resident memory by the newest sample.
    pub(super) memory_now: u64,
    /// Keep one sample of this many.
    thinning: u32,
    dropped: u32,
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It will run.
    Waiting,
    /// It runs.
    Running {
        /// Since when.
        since_ms: Millis,
        /// Which attempt.
        attempt: u32,
    },
    /// It failed and will be tried again.
    Retrying {
        /// When.
        at_ms: Millis,
        /// The next attempt.
        attempt: u32,
    },
    /// It ran.
    Done(Box<StepFinished>),
    /// Its result was known: it counts as passed.
    Reused(Box<Reused>),
    /// It was not needed.
    Skipped(SkipReason),
    /// It was planned and did not run.
    Cancelled(CancelReason),
}

/// One attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// 1, 2, …
    pub number: u32,
    /// When it began.
    pub started_ms: Millis,
    /// How it ended.
    pub finished: Option<StepFinished>,
}

/// What a step's processes used at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at_ms: Millis,
    /// Processor time so far.
    pub cpu_ms: u64,
    /// Resident memory.
    pub memory_bytes: u64,
    /// Disk traffic so far.
    pub disk_bytes: u64,
}

/// A phase inside a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub wall_ms: Millis,
    /// When it was told.
    pub at_ms: Millis,
}

impl Attempt {
    pub(super) fn started(number: u32, started_ms: Millis) -> Self {
        Self { number, started_ms, finished: None }
    }
}

impl StepView {
    pub(super) fn unplanned(id: StepId) -> Self {
        Self {
            id,
            name: None,
            stage: None,
            decision: None,
            waits_for: vec![],
            batch: 0,
            state: State::Waiting,
            attempts: vec![],
            tail: String::new(),
            bytes: 0,
            samples: vec![],
            phases: vec![],
            expected: None,
            miss: None,
            not_stored: None,
            brought_back: 0,
            memory_now: 0,
            thinning: 1,
            dropped: 0,
        }
    }

    /// The end of its last attempt, if it has ended for good.
    pub fn end(&self) -> Option<&StepFinished> {
        match &self.state {
            State::Done(end) => Some(end),
            _ => None,
        }
    }

    /// How long its running attempt has run.
    pub fn running_ms(&self, now_ms: Millis) -> Option<Millis> {
        match self.state {
            State::Running { since_ms, .. } => Some(now_ms.saturating_sub(since_ms)),
            _ => None,
        }
    }

    /// Time that all its attempts took.
    pub fn time_ms(&self) -> Millis {
        self.attempts.iter().filter_map(|a| a.finished.as_ref()).fold(0, |sum, end| sum.saturating_add(end.wall_ms))
    }

    /// What all its attempts used: sums, and the largest memory.
    pub fn usage(&self) -> Usage {
        self.attempts.iter().filter_map(|a| a.finished.as_ref()).fold(Usage::default(), |sum, end| Usage {
            cpu_ms: sum.cpu_ms.saturating_add(end.usage.cpu_ms),
            memory_bytes: sum.memory_bytes.max(end.usage.memory_bytes),
            disk_bytes: sum.disk_bytes.saturating_add(end.usage.disk_bytes),
        })
    }

    /// Adds a sample and returns the memory that the one before told.
    pub(super) fn sample(&mut self, sample: Sample) -> u64 {
        self.dropped += 1;
        if self.dropped >= self.thinning {
            self.dropped = 0;
            self.samples.push(sample);
            if self.samples.len() > SAMPLES_MAX {
                let mut keep = false;
                self.samples.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.thinning = self.thinning.saturating_mul(2);
            }
        }
        std::mem::replace(&mut self.memory_now, sample.memory_bytes)
    }

    pub(super) fn phase(&mut self, phase: Phase) {
        if self.phases.len() < PHASES_MAX {
            self.phases.push(phase);
        }
    }
}
