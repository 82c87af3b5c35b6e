//! Decides when an attempt has taken too long, been idle too long, or used too much. Does not end anything itself.

use super::job::{Job, OutputSink, Progress};
use crate::event::{Outcome, Usage};
use std::time::Duration;
use tokio::time::Instant;

/// Time between two samples, where samples are wanted.
const SAMPLE: Duration = Duration::from_millis(500);
/// Silence and idleness that is worth a warning where there is no `idle_timeout`.
const IDLE_WARNING: Duration = Duration::from_mins(10);

/// What follows from what it saw.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// Nothing.
    Fine,
    /// Ask the guard what the attempt uses.
    Measure,
    /// End it, for this reason.
    End(Outcome),
}

/// Watches one attempt.
pub struct Watchdog {
    timeout_at: Option<Instant>,
    sample_at: Option<Instant>,
    idle_limit: Duration,
    idle_fatal: bool,
    /// Since when it has neither printed nor computed.
    idle_since: Instant,
    idle_check_at: Option<Instant>,
    cpu_ms: Option<u64>,
    over_claim: bool,
}

impl Watchdog {
    /// Begins to watch.
    pub fn new(job: &Job, now: Instant) -> Self {
        let idle_limit = job.idle_timeout_ms.map_or(IDLE_WARNING, Duration::from_millis);
        let wants_samples = job.sample || job.memory_bytes > 0;
        Self {
            timeout_at: job.timeout_ms.map(|limit| now + Duration::from_millis(limit)),
            sample_at: wants_samples.then(|| now + SAMPLE),
            idle_limit,
            idle_fatal: job.idle_timeout_ms.is_some(),
            idle_since: now,
            // Halfway the processor time is noted, at the limit it is compared: two rare samples.
            idle_check_at: Some(now + idle_limit / 2),
            cpu_ms: None,
            over_claim: false,
        }
    }

    /// It printed something.
    pub fn heard(&mut self, now: Instant) {
        self.idle_since = now;
    }

    /// When [`Watchdog::tick`] wants to be called.
    pub fn due(&self) -> Option<Instant> {
        [self.timeout_at, self.sample_at, self.idle_check_at].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant, job: &Job) -> Verdict {
        if self.timeout_at.take_if(|at| *at <= now).is_some() {
            return Verdict::End(Outcome::TimedOut { after_ms: job.timeout_ms.unwrap_or_default() });
        }
        let mut measure = false;
        if let Some(at) = self.sample_at.as_mut().filter(|at| **at <= now) {
            *at = now + SAMPLE;
            measure = true;
        }
        if self.idle_check_at.is_some_and(|at| at <= now) {
            let halfway = self.idle_since + self.idle_limit / 2;
            if now < halfway {
                // It has printed since; nothing to measure yet.
                self.idle_check_at = Some(halfway);
                self.cpu_ms = None;
            } else {
                self.idle_check_at = Some((self.idle_since + self.idle_limit).max(now + SAMPLE));
                measure = true;
            }
        }
        if measure { Verdict::Measure } else { Verdict::Fine }
    }

    /// What its processes use.
    pub fn measured(&mut self, now: Instant, used: Usage, job: &Job, out: &OutputSink) -> Verdict {
        let Usage { cpu_ms, memory_bytes, disk_bytes } = used;
        let say = |progress| drop(out.send((job.step.clone(), progress)));
        if job.sample {
            say(Progress::Sample { cpu_ms, memory_bytes, disk_bytes });
        }
        if job.memory_bytes > 0 && memory_bytes > job.memory_bytes {
            if !std::mem::replace(&mut self.over_claim, true) {
                say(Progress::OverClaim { used_bytes: memory_bytes });
            }
            if job.enforce_memory {
                return Verdict::End(Outcome::OutOfMemory { used_bytes: memory_bytes, limit_bytes: job.memory_bytes });
            }
        }
        if self.cpu_ms.replace(cpu_ms) != Some(cpu_ms) {
            // It has computed (or this is the first look): idle at most since the last look.
            if self.idle_since + self.idle_limit / 2 < now {
                self.idle_since = now - self.idle_limit / 2;
            }
            return Verdict::Fine;
        }
        if now < self.idle_since + self.idle_limit {
            return Verdict::Fine;
        }
        let for_ms = self.idle_limit.as_millis() as u64;
        if self.idle_fatal {
            return Verdict::End(Outcome::Idle { after_ms: for_ms });
        }
        self.idle_check_at = None;
        say(Progress::Idle { for_ms });
        Verdict::Fine
    }
}
