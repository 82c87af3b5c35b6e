//! What the loop does about effects that start nothing, and how it tells of attempts, signals and the end.

use super::{Finished, Loop};
use crate::base::{StepId, duration};
use crate::engine::reuse::End;
use crate::event::{Because, Decision, EventKind, FallbackCode, RunStatus, StepFinished, WarningCode};
use crate::exec::{Ended, Progress};
use crate::schedule::Effect;

impl Loop {
    /// Does what needs no start, or tells of it. `report`: of the attempt whose end led to it.
    pub(super) fn perform(&mut self, effect: Effect, report: Option<&Ended>) {
        let id = |this: &Self, task: usize| this.prepared.plan.graph.step(this.steps[task]).id.clone();
        match effect {
            Effect::Stop { task, how } => {
                if let Some(stop) = &self.stops[task] {
                    stop.send_replace(Some(how));
                }
            }
            Effect::Ended { task, attempt, last, allowed } => {
                if let Some(report) = report {
                    self.ended(task, attempt, last, allowed, report);
                }
            }
            Effect::Retry { task, attempt, after_ms } => {
                let expected = self.expecting.again(self.prepared.plan.graph.step(self.steps[task]), attempt);
                let step = id(self, task);
                self.telling.tell(EventKind::StepRetrying { step, attempt, after_ms, expected });
            }
            // The plan skipped it, and only its outputs were to be looked up: nobody waits to hear of it.
            Effect::Cancelled { task, .. } if !self.prepared.plan.decisions[self.steps[task]].runs() => {}
            Effect::Cancelled { task, why } => {
                let stage = |at: usize| self.prepared.plan.stages[at].name.clone();
                let reason = why.reason(|task| id(self, task), stage);
                let step = id(self, task);
                self.telling.tell(EventKind::StepCancelled { step, reason });
            }
            Effect::StageStarted { stage } => {
                self.stage_began[stage] = self.clock.now();
                let stage = self.prepared.plan.stages[stage].name.clone();
                self.telling.tell(EventKind::StageStarted { stage });
            }
            Effect::StageFinished { stage, passed } => {
                let wall_ms = self.clock.now() - self.stage_began[stage];
                let planned = self.prepared.plan.stages[stage].clone();
                self.telling.tell(EventKind::StageFinished { stage: planned.name.clone(), passed, wall_ms });
                if let Some(target) = planned.target_ms.filter(|target| wall_ms > *target) {
                    let (took, target) = (duration::human(wall_ms), duration::human(target));
                    let message = format!("stage {} took {took}, over its target of {target}", planned.name);
                    self.warn(WarningCode::OverTarget, None, message);
                }
            }
            Effect::Start { .. } | Effect::Lookup(_) | Effect::WakeAt(_) | Effect::Finish(_) => {}
        }
    }

    fn ended(&mut self, task: usize, attempt: u32, last: bool, allowed: bool, report: &Ended) {
        let at = self.steps[task];
        let step = self.prepared.plan.graph.step(at).id.clone();
        self.stops[task] = None;
        let kept = &self.prepared.plan.graph.step(at).leave_running;
        let left: Vec<&str> = report.leaked.iter().filter(|name| !kept.contains(name)).map(String::as_str).collect();
        if !left.is_empty() {
            let names = left.join(", ");
            let message = format!("left processes behind: {names}; name them in `leave_running` to keep them");
            self.warn(WarningCode::Leaked, Some(step.clone()), message);
        }
        let log = report.has_log.then(|| format!("out/{}.{attempt}.log", step.file_stem()));
        let (mut key, mut notes) = (None, Vec::new());
        if let Some(reuse) = self.reuse.as_ref().filter(|_| last) {
            let end = End {
                outcome: &report.outcome,
                attempt,
                allowed,
                wall_ms: report.wall_ms,
                log: report.has_log.then(|| self.common.out.join(format!("{}.{attempt}.log", step.file_stem()))),
            };
            (key, notes) = reuse.ended(at, &end, self.made.take().unwrap_or_default());
        }
        self.telling.tell(EventKind::StepFinished(Box::new(StepFinished {
            step: step.clone(),
            attempt,
            outcome: report.outcome.clone(),
            last,
            allowed,
            wall_ms: report.wall_ms,
            usage: report.usage,
            log,
            output_bytes: report.output_bytes,
            leaked: report.leaked.clone(),
            key,
        })));
        for note in notes {
            self.telling.tell(note);
        }
        if let Decision::Run(Because::Observed { skip }) = &self.prepared.plan.decisions[at]
            && last
            && report.outcome.kind().is_some()
        {
            let message = format!("smart execution would have skipped it ({skip}), and it failed");
            self.warn(WarningCode::WrongSkip, Some(step), message);
        }
    }

    /// Tells news of a running attempt.
    pub(super) fn progress(&mut self, step: StepId, news: Progress) {
        match news {
            Progress::Output { bytes, tail } => {
                let attempt = self.attempts.get(&step).copied().unwrap_or(1);
                self.telling.tell(EventKind::StepOutput { step, attempt, bytes, tail });
            }
            Progress::Sample { cpu_ms, memory_bytes, disk_bytes } => {
                self.telling.tell(EventKind::StepSample { step, cpu_ms, memory_bytes, disk_bytes });
            }
            Progress::Phase { phase, wall_ms } => self.telling.tell(EventKind::StepPhase { step, phase, wall_ms }),
            Progress::OverClaim { used_bytes } => {
                let message = format!("uses {} MiB of memory, more than it claims", used_bytes >> 20);
                self.warn(WarningCode::OverClaim, Some(step), message);
            }
            Progress::Idle { for_ms } => {
                let message = format!("has neither printed nor computed for {}", duration::human(for_ms));
                self.warn(WarningCode::Idle, Some(step), message);
            }
            Progress::Capped => {
                let message = "prints more than its log keeps; the rest is counted, not kept".to_owned();
                self.warn(WarningCode::OutputCapped, Some(step), message);
            }
            Progress::LogLost { message } => {
                let message = format!("its output cannot be kept: {message}");
                self.warn(WarningCode::OutputLost, Some(step), message);
            }
            Progress::GuardLost { message } => {
                self.telling.tell(EventKind::Fallback { code: FallbackCode::GuardLost, message, hint: None });
            }
        }
    }

    /// One more warning.
    pub(super) fn warn(&mut self, code: WarningCode, step: Option<StepId>, message: String) {
        self.telling.tell(EventKind::Warning { code, step, message });
    }

    /// The end: what waits is kept, what is true is told.
    pub(super) fn finish(&mut self, status: RunStatus) -> Finished {
        if let Some(note) = self.expecting.outlook.finish() {
            self.telling.tell(note);
        }
        if let Some(reuse) = self.reuse.take() {
            reuse.finish().into_iter().for_each(|note| self.telling.tell(note));
            // As large as the tree, and the process ends soon.
            std::mem::forget(reuse);
        }
        if let (Some(head), Some(still_at), true) =
            (&self.prepared.change.head, self.still_at.take(), self.prepared.change.is_clean() && self.ran)
            && !still_at(head)
        {
            let message = "files or HEAD changed while it ran: its results are no evidence for its commit".to_owned();
            self.warn(WarningCode::TreeChanged, None, message);
        }
        let strict = self.strict && self.telling.fallbacks > 0 && status == RunStatus::Passed;
        let status = if strict || self.telling.broken.is_some() { RunStatus::Broken } else { status };
        let exit_code = match status {
            RunStatus::Passed => 0,
            RunStatus::Failed => 1,
            RunStatus::Broken => 3,
            RunStatus::Interrupted if self.terminated => 143,
            RunStatus::Interrupted => 130,
        };
        // The lists of changed files were for the steps; a file's name may be what nobody else should read.
        let _ = std::fs::remove_dir_all(&self.lists);
        if let Some(durations) = self.durations.take() {
            self.telling.know(durations.join().unwrap_or_else(|bug| std::panic::resume_unwind(bug)));
        }
        self.telling.tell(EventKind::RunFinished { status, exit_code, wall_ms: self.clock.now() });
        self.telling.finish();
        let log_lost = self.telling.broken.take().map(|error| error.to_string());
        Finished { status, exit_code, log_lost }
    }
}
