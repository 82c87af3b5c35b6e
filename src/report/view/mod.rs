//! The fold of a run's events that everything people see is drawn from. Pure.
//!
//! Does not know: terminals, files, clocks; where the events come from. Takes any sequence of events, also of a torn or
//! forged log, and costs little per event however many steps there are.

mod eta;
mod step;
mod totals;

#[cfg(test)]
pub(crate) use tests::any_log;

pub use step::{Attempt, Phase, Sample, State, StepView};
pub use totals::{Saved, Totals};

use crate::base::{Millis, StepId};
use crate::change::Base;
use crate::event::{
    Because, Decision, Event, EventKind, Expected, FallbackCode, Outcome, PlannedStage, PlannedStep, Reused,
    RunStarted, RunStatus, StepFinished, WarningCode,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A run as far as it has been told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunView {
    /// What was true when it began.
    pub run: Option<RunStarted>,
    /// What differs from the base.
    pub changes: Option<Changes>,
    /// Its steps, in the plan's order; a step that no plan names comes last.
    pub steps: Vec<StepView>,
    /// Its stages, in order.
    pub stages: Vec<StageView>,
    /// What it could not do and did the safe way instead.
    pub fallbacks: Vec<Fallback>,
    /// What people should know.
    pub warnings: Vec<Warning>,
    /// Counts and sums over the steps.
    pub totals: Totals,
    /// The first signal that asked it to stop, and how often it was asked.
    pub interrupted: Option<(String, u32)>,
    /// How it ended; none while it runs, and for ever if it was killed.
    pub finished: Option<Finished>,
    /// Has a plan been told?
    pub planned: bool,
    /// What the steps that run were last expected to take, and when that was told; the steps' own are at the steps.
    pub expected: Option<(Millis, Expected)>,
    /// The time of the newest event.
    pub at_ms: Millis,
    /// How long each step took when it last ran, as far as is known; handed in, for [`RunView::saved`].
    pub known: BTreeMap<StepId, Millis>,
    index: HashMap<StepId, usize>,
    running: BTreeSet<usize>,
}

/// The change, as the log keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// The measure.
    pub base: Base,
    /// How many files differ.
    pub total: usize,
    /// Paths of the first of them, escaped for people.
    pub files: Vec<String>,
    /// `docs-only`, `mixed`, …
    pub change_type: String,
    /// `low`, `medium`, `high`.
    pub impact: String,
    /// Why.
    pub impact_because: Vec<String>,
}

/// A stage and how it went.
#[derive(Clone, Debug, PartialEq)]
pub struct StageView {
    /// As it was planned.
    pub plan: PlannedStage,
    /// When its first step could start.
    pub started_ms: Option<Millis>,
    /// When it ended, whether all of it passed, and how long it took.
    pub finished: Option<(Millis, bool, Millis)>,
}

/// A typed fallback.
#[derive(Clone, Debug, PartialEq)]
pub struct Fallback {
    /// Which one.
    pub code: FallbackCode,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A warning.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// Which one.
    pub code: WarningCode,
    /// The step it concerns.
    pub step: Option<StepId>,
    /// For people.
    pub message: String,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How.
    pub status: RunStatus,
    /// wf's exit code.
    pub exit_code: u8,
    /// How long it took.
    pub wall_ms: Millis,
}

impl RunView {
    /// The view of a whole log.
    pub fn of(events: impl IntoIterator<Item = Event>) -> Self {
        let mut view = Self::default();
        events.into_iter().for_each(|event| view.apply(&event));
        view
    }

    /// Takes one more event.
    pub fn apply(&mut self, event: &Event) {
        self.at_ms = self.at_ms.max(event.at_ms);
        let at_ms = event.at_ms;
        match &event.kind {
            EventKind::RunStarted(started) => self.run = Some((**started).clone()),
            EventKind::Changes { base, total, files, change_type, impact, impact_because, .. } => {
                self.changes = Some(Changes {
                    base: base.clone(),
                    total: *total,
                    files: files.iter().map(|file| file.path.to_string()).collect(),
                    change_type: change_type.clone(),
                    impact: impact.clone(),
                    impact_because: impact_because.clone(),
                });
            }
            EventKind::Planned { steps, stages } => self.plan(steps, stages),
            EventKind::Fallback { code, message, hint } => {
                self.fallbacks.push(Fallback { code: *code, message: message.clone(), hint: hint.clone() });
            }
            EventKind::Warning { code, step, message } => {
                self.warnings.push(Warning { code: *code, step: step.clone(), message: message.clone() });
            }
            EventKind::StageStarted { stage } => {
                if let Some(stage) = self.stages.iter_mut().find(|s| s.plan.name == *stage) {
                    stage.started_ms = Some(at_ms);
                }
            }
            EventKind::StageFinished { stage, passed, wall_ms } => {
                if let Some(stage) = self.stages.iter_mut().find(|s| s.plan.name == *stage) {
                    stage.finished = Some((at_ms, *passed, *wall_ms));
                }
            }
            EventKind::StepsReused { steps } => steps.iter().for_each(|step| self.reused(step)),
            EventKind::StepMissed { step, why } => {
                let at = self.at(step);
                self.steps[at].miss = Some(why.clone());
            }
            EventKind::Expected(expected) => {
                for step in &expected.steps {
                    let at = self.at(&step.step);
                    self.steps[at].expected = Some(step.clone());
                }
                self.expected = Some((at_ms, Expected { steps: vec![], ..(**expected).clone() }));
            }
            EventKind::NotStored { step, why } => {
                let at = self.at(step);
                self.steps[at].not_stored = Some(why.clone());
            }
            EventKind::StepStarted { step, attempt } => {
                let at = self.at(step);
                self.steps[at].attempts.push(Attempt::started(*attempt, at_ms));
                self.set(at, State::Running { since_ms: at_ms, attempt: *attempt });
            }
            EventKind::StepOutput { step, bytes, tail, .. } => {
                let at = self.at(step);
                (self.steps[at].bytes, self.steps[at].tail) = (*bytes, tail.clone());
            }
            EventKind::StepSample { step, cpu_ms, memory_bytes, disk_bytes } => {
                let sample = Sample { at_ms, cpu_ms: *cpu_ms, memory_bytes: *memory_bytes, disk_bytes: *disk_bytes };
                let at = self.at(step);
                let before = self.steps[at].sample(sample);
                self.totals.sampled(before, *memory_bytes);
            }
            EventKind::StepPhase { step, phase, wall_ms } => {
                let at = self.at(step);
                self.steps[at].phase(Phase { name: phase.clone(), wall_ms: *wall_ms, at_ms });
            }
            EventKind::StepFinished(finished) => self.finish_step(at_ms, finished),
            EventKind::StepRetrying { step, attempt, after_ms, expected } => {
                let at = self.at(step);
                if let Some(known) = self.steps[at].expected.as_mut().filter(|_| expected.is_some()) {
                    known.span = *expected;
                }
                self.set(at, State::Retrying { at_ms: at_ms.saturating_add(*after_ms), attempt: *attempt });
            }
            EventKind::StepCancelled { step, reason } => {
                let at = self.at(step);
                self.set(at, State::Cancelled(reason.clone()));
            }
            EventKind::Interrupted { signal, times } => {
                let first = self.interrupted.take().map_or_else(|| signal.clone(), |(first, _)| first);
                self.interrupted = Some((first, *times));
            }
            EventKind::RunFinished { status, exit_code, wall_ms } => {
                self.finished = Some(Finished { status: *status, exit_code: *exit_code, wall_ms: *wall_ms });
            }
        }
    }

    /// The step of that name.
    pub fn step(&self, id: &StepId) -> Option<&StepView> {
        self.index.get(id).map(|at| &self.steps[*at])
    }

    /// The steps that run now, in the plan's order.
    pub fn running(&self) -> impl ExactSizeIterator<Item = &StepView> {
        self.running.iter().map(|at| &self.steps[*at])
    }

    /// Steps that ended in a failure that counts.
    pub fn failed(&self) -> impl Iterator<Item = &StepView> {
        self.ended(|end| end.outcome.kind().is_some() && !end.allowed)
    }

    /// Steps that ended in a failure they are allowed to have.
    pub fn failed_but_allowed(&self) -> impl Iterator<Item = &StepView> {
        self.ended(|end| end.outcome.kind().is_some() && end.allowed)
    }

    /// Steps that wf stopped.
    pub fn stopped(&self) -> impl Iterator<Item = &StepView> {
        self.ended(|end| end.outcome == Outcome::Stopped)
    }

    fn ended(&self, how: impl Fn(&StepFinished) -> bool) -> impl Iterator<Item = &StepView> {
        self.steps.iter().filter(move |step| step.end().is_some_and(&how))
    }

    /// Steps that would have been skipped and failed: what `--smart-execution=observe` is for. A step that wf stopped
    /// says nothing.
    pub fn wrong_skips(&self) -> impl Iterator<Item = (&StepView, &crate::event::SkipReason)> {
        self.steps.iter().filter_map(|step| match (&step.decision, &step.state) {
            (Some(Decision::Run(Because::Observed { skip })), State::Done(end)) if end.outcome.kind().is_some() => {
                Some((step, &**skip))
            }
            _ => None,
        })
    }

    /// Step time that skips and known results saved, as far as it is known. Only steps that a full run would run count.
    pub fn saved(&self) -> Saved {
        let mut saved = Saved { ms: self.totals.reused_ms, unknown: 0 };
        for step in &self.steps {
            if let State::Skipped(crate::event::SkipReason::Unaffected { .. }) = step.state {
                match self.known.get(&step.id) {
                    Some(ms) => saved.ms = saved.ms.saturating_add(*ms),
                    None => saved.unknown += 1,
                }
            }
        }
        saved
    }

    /// How long the run took, or has taken so far by its newest event.
    pub fn wall_ms(&self) -> Millis {
        self.finished.map_or(self.at_ms, |end| end.wall_ms)
    }

    fn plan(&mut self, steps: &[PlannedStep], stages: &[PlannedStage]) {
        self.planned = true;
        self.stages =
            stages.iter().map(|plan| StageView { plan: plan.clone(), started_ms: None, finished: None }).collect();
        self.steps.reserve(steps.len());
        self.index.reserve(steps.len());
        for planned in steps {
            let at = self.at(&planned.id);
            let step = &mut self.steps[at];
            step.name.clone_from(&planned.name);
            step.stage.clone_from(&planned.stage);
            step.waits_for.clone_from(&planned.waits_for);
            step.batch = planned.batch;
            step.decision = Some(planned.decision.clone());
            match &planned.decision {
                Decision::Run(_) => self.set(at, State::Waiting),
                Decision::Skip(reason) => self.set(at, State::Skipped(reason.clone())),
            }
        }
    }

    fn reused(&mut self, reused: &Reused) {
        let at = self.at(&reused.step);
        if let State::Skipped(_) = self.steps[at].state {
            self.steps[at].brought_back = reused.restored;
            return;
        }
        self.totals.reused_ms = self.totals.reused_ms.saturating_add(reused.saved_ms);
        self.set(at, State::Reused(Box::new(reused.clone())));
    }

    fn finish_step(&mut self, at_ms: Millis, finished: &StepFinished) {
        let at = self.at(&finished.step);
        let step = &mut self.steps[at];
        self.totals.sampled(step.memory_now, 0);
        step.memory_now = 0;
        step.bytes = finished.output_bytes;
        match step.attempts.iter_mut().rev().find(|a| a.number == finished.attempt && a.finished.is_none()) {
            Some(attempt) => attempt.finished = Some(finished.clone()),
            None => step.attempts.push(Attempt {
                finished: Some(finished.clone()),
                ..Attempt::started(finished.attempt, at_ms.saturating_sub(finished.wall_ms))
            }),
        }
        self.totals.used(finished);
        if finished.last {
            self.set(at, State::Done(Box::new(finished.clone())));
        } else {
            // Until `StepRetrying` says when, it waits for its next attempt.
            self.set(at, State::Retrying { at_ms, attempt: finished.attempt.saturating_add(1) });
        }
    }

    /// The step's place; an unknown one is added, because a view must take every log.
    fn at(&mut self, id: &StepId) -> usize {
        if let Some(at) = self.index.get(id) {
            return *at;
        }
        let at = self.steps.len();
        self.steps.push(StepView::unplanned(id.clone()));
        self.index.insert(id.clone(), at);
        self.totals.moved(None, &State::Waiting);
        at
    }

    /// The one place where a step's state changes, so that counts cannot drift from it.
    fn set(&mut self, at: usize, next: State) {
        if matches!(next, State::Running { .. }) {
            self.running.insert(at);
        } else {
            self.running.remove(&at);
        }
        let before = std::mem::replace(&mut self.steps[at].state, next);
        self.totals.moved(Some(&before), &self.steps[at].state);
    }
}

#[cfg(test)]
mod tests;
