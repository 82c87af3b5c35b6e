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
        match self.cpu_ms.replace(cpu_ms) {
            // It has computed since the last look, for all we know until just now.
            Some(before) if before != cpu_ms => self.idle_since = now,
            Some(_) => {}
            // The first look has nothing to compare with.
            None => return Verdict::Fine,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::StepId;
    use tokio::sync::mpsc;

    fn job(idle_timeout_ms: Option<u64>) -> Option<Job> {
        Some(Job {
            step: StepId::parse("step").ok()?,
            attempt: 1,
            argv: vec![],
            dir: "/".into(),
            env: vec![],
            log: "/nowhere".into(),
            timeout_ms: Some(3_600_000),
            grace_ms: 0,
            idle_timeout_ms,
            memory_bytes: 0,
            enforce_memory: false,
            leave_running: vec![],
            sample: false,
            profile: false,
        })
    }

    /// What was told, and how it ended; each with the second.
    type Seen = (Vec<(u64, Progress)>, Option<(u64, Outcome)>);

    /// Lets time pass to `until`, with processor time as `cpu` says; what came of it, and when.
    fn pass(job: &Job, until: u64, cpu: impl Fn(u64) -> u64, prints_at: &[u64]) -> Seen {
        let (out, mut news) = mpsc::unbounded_channel();
        let start = Instant::now();
        let mut dog = Watchdog::new(job, start);
        let mut told = vec![];
        for second in 0..until {
            let now = start + Duration::from_secs(second);
            if prints_at.contains(&second) {
                dog.heard(now);
            }
            while dog.due().is_some_and(|at| at <= now) {
                let mut verdict = dog.tick(now, job);
                if verdict == Verdict::Measure {
                    let used = Usage { cpu_ms: cpu(second), ..Usage::default() };
                    verdict = dog.measured(now, used, job, &out);
                }
                if let Verdict::End(outcome) = verdict {
                    return (told, Some((second, outcome)));
                }
            }
            while let Ok((_, progress)) = news.try_recv() {
                told.push((second, progress));
            }
        }
        (told, None)
    }

    #[test]
    fn idleness_is_a_warning_once_or_an_end() {
        let (Some(warned), Some(ended)) = (job(None), job(Some(60_000))) else { panic!("a job") };
        let warning = |second| vec![(second, Progress::Idle { for_ms: 600_000 })];
        assert_eq!(pass(&warned, 3_000, |_| 5, &[]), (warning(600), None));
        assert_eq!(pass(&warned, 3_000, |_| 5, &[100, 500]), (warning(1_100), None));
        assert_eq!(pass(&warned, 3_000, |second| second, &[]), (vec![], None));
        let idle = Outcome::Idle { after_ms: 60_000 };
        assert_eq!(pass(&ended, 3_000, |_| 5, &[]), (vec![], Some((60, idle.clone()))));
        // It computed for ten minutes, then hung: noticed after one limit, and a half at most.
        let (told, Some((second, outcome))) = pass(&ended, 3_000, |second| second.min(600), &[]) else {
            panic!("no end")
        };
        assert!((660..=720).contains(&second) && outcome == idle && told.is_empty(), "{second}");
        let timed_out = pass(&ended, 4_000, |second| second, &[]).1;
        assert_eq!(timed_out, Some((3_600, Outcome::TimedOut { after_ms: 3_600_000 })));
    }
}
