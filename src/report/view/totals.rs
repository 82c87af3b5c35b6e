//! Counts and sums over a run's steps. Pure.

use super::State;
use crate::base::Millis;
use crate::event::{Evidence, Outcome, SkipReason, StepFinished};

/// Counts and sums over the steps of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Planned to run and not started yet.
    pub waiting: usize,
    /// Running now.
    pub running: usize,
    /// Waiting for their next attempt.
    pub retrying: usize,
    /// Passed.
    pub passed: usize,
    /// Failed, and it counts.
    pub failed: usize,
    /// Failed, and they are allowed to.
    pub allowed: usize,
    /// Stopped by wf: an interrupt, or `--fail-fast=kill`. No verdict on them.
    pub stopped: usize,
    /// Known already, so that they did not run.
    pub reused: usize,
    /// What running those took when they ran.
    pub reused_ms: Millis,
    /// Skipped on a recorded pass.
    pub skipped_witnessed: usize,
    /// Skipped because the base is trusted.
    pub skipped_trusted: usize,
    /// Skipped for other reasons: filters, triggers, conditions, manual.
    pub skipped_other: usize,
    /// Planned to run, and not started in the end.
    pub cancelled: usize,
    /// The time of all attempts together.
    pub step_ms: Millis,
    /// Processor time of all attempts.
    pub cpu_ms: Millis,
    /// Bytes read and written by all attempts.
    pub disk_bytes: u64,
    /// The most resident memory at once by samples, or the largest that a single attempt had.
    pub peak_memory_bytes: u64,
    /// Resident memory now, by samples.
    pub memory_now_bytes: u64,
}

/// Step time that was saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// By skipped steps whose last duration is known.
    pub ms: Millis,
    /// Skipped steps whose duration nobody knows.
    pub unknown: usize,
}

impl Totals {
    /// Steps that ran to an end.
    pub fn ran(&self) -> usize {
        self.passed + self.failed + self.allowed + self.stopped
    }

    /// Steps that were skipped, for whatever reason.
    pub fn skipped(&self) -> usize {
        self.skipped_witnessed + self.skipped_trusted + self.skipped_other
    }

    /// Steps that have something to do yet.
    pub fn left(&self) -> usize {
        self.waiting + self.running + self.retrying
    }

    /// Steps that run, ran or were meant to.
    pub fn to_run(&self) -> usize {
        self.ran() + self.reused + self.left() + self.cancelled
    }

    /// All steps.
    pub fn steps(&self) -> usize {
        self.to_run() + self.skipped()
    }

    pub(super) fn moved(&mut self, before: Option<&State>, next: &State) {
        if let Some(before) = before {
            *self.count(before) -= 1;
        }
        *self.count(next) += 1;
    }

    pub(super) fn used(&mut self, finished: &StepFinished) {
        self.step_ms = self.step_ms.saturating_add(finished.wall_ms);
        self.cpu_ms = self.cpu_ms.saturating_add(finished.usage.cpu_ms);
        self.disk_bytes = self.disk_bytes.saturating_add(finished.usage.disk_bytes);
        self.peak_memory_bytes = self.peak_memory_bytes.max(finished.usage.memory_bytes);
    }

    pub(super) fn sampled(&mut self, before: u64, now: u64) {
        self.memory_now_bytes = self.memory_now_bytes.saturating_sub(before).saturating_add(now);
        self.peak_memory_bytes = self.peak_memory_bytes.max(self.memory_now_bytes);
    }

    fn count(&mut self, state: &State) -> &mut usize {
        match state {
            State::Waiting => &mut self.waiting,
            State::Running { .. } => &mut self.running,
            State::Retrying { .. } => &mut self.retrying,
            State::Done(end) if end.outcome.passed() => &mut self.passed,
            State::Done(end) if end.outcome == Outcome::Stopped => &mut self.stopped,
            State::Done(end) if end.allowed => &mut self.allowed,
            State::Done(_) => &mut self.failed,
            State::Reused(_) => &mut self.reused,
            State::Skipped(SkipReason::Unaffected { evidence: Evidence::Witnessed { .. }, .. }) => {
                &mut self.skipped_witnessed
            }
            State::Skipped(SkipReason::Unaffected { evidence: Evidence::Trusted { .. }, .. }) => {
                &mut self.skipped_trusted
            }
            State::Skipped(_) => &mut self.skipped_other,
            State::Cancelled(_) => &mut self.cancelled,
        }
    }
}
