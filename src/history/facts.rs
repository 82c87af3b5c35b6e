//! What a run leaves behind when its log is gone: a row for the run, one for each attempt, one for each proven skip.
//! Pure.
//!
//! Does not know: files. The rows are computed by a fold over the run's events, in the process that writes the log or
//! in a later one that reads it.

use super::circumstances::{changed, circumstances};
use crate::base::{Digest, Millis, RunId, StepId};
use crate::event::{
    Decision, Event, EventKind, Evidence, Noticed, Outcome, Place, PlannedStep, RunStarted, RunStatus, SkipReason,
    Usage,
};
use crate::event::{NotStored, StepFinished, WarningCode};
use crate::key::Key;
use crate::predict::Circumstances;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// The format of fact rows.
pub const FORMAT: u32 = 1;

/// One line of a facts file, after the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Row {
    /// Starts a run's rows.
    Run(RunFacts),
    /// An attempt that ended.
    Attempt(AttemptFact),
    /// A skip on recorded evidence: as good as a pass at this run's commit.
    Proven(ProvenFact),
}

/// A run in one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Its name.
    pub run: RunId,
    /// UTC, RFC 3339.
    pub started_at: String,
    /// [`crate::event::SEMANTICS`] of the writer.
    pub semantics: u32,
    /// HEAD.
    pub commit: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// Was the working tree exactly HEAD, from start to end as far as wf saw?
    pub clean: bool,
    /// Was nothing filtered out?
    pub whole: bool,
    /// Does it leave evidence?
    pub witnesses: bool,
    /// Where it was made.
    #[serde(default, skip_serializing_if = "Place::is_unknown")]
    pub place: Place,
    /// How it ended; `None` when it did not say.
    pub status: Option<RunStatus>,
    /// How long it took; for a run that did not end, up to its last event.
    pub wall_ms: Millis,
    /// Steps that had an attempt.
    pub ran: usize,
    /// Steps that failed for good, and were not allowed to.
    pub failed: usize,
    /// Steps that were skipped.
    pub skipped: usize,
    /// Those of them that were skipped on trust.
    pub trusted: usize,
    /// Steps that were planned to run and were not started.
    pub cancelled: usize,
    /// How many rows follow: a block with fewer is torn and not used.
    pub rows: usize,
    /// How many bytes they take, so that a whole block is known by its length. 0 in blocks of before that was written.
    #[serde(default, skip_serializing_if = "is_none")]
    pub bytes: usize,
    /// Steps whose results were known for their keys: they did not run.
    #[serde(default, skip_serializing_if = "is_none")]
    pub reused: usize,
    /// How long those took when they ran, all in all.
    #[serde(default, skip_serializing_if = "is_none")]
    pub saved_ms: Millis,
    /// What changed, on which machine, when; with few paths. It stands last, being the longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circumstances: Option<Circumstances>,
}

fn is_none<N: Default + PartialEq>(n: &N) -> bool {
    *n == N::default()
}

impl RunFacts {
    /// Do its verdicts speak for its commit, as this version understands them?
    pub fn speaks_for_commit(&self) -> bool {
        self.commit.is_some() && self.clean && self.witnesses && self.semantics == crate::event::SEMANTICS
    }

    /// May its commit be a base on the default branch? Everything passed there or was proven; a skip on trust proves nothing,
    /// so a run that has one does not count.
    pub fn is_green(&self) -> bool {
        self.speaks_for_commit() && self.whole && self.trusted == 0 && self.status == Some(RunStatus::Passed)
    }
}

/// An attempt in one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptFact {
    /// Which step.
    pub step: StepId,
    /// Which attempt.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// No further attempt followed.
    pub last: bool,
    /// When it ended, from the run's start.
    pub at_ms: Millis,
    /// How long it took.
    pub wall_ms: Millis,
    /// What it used.
    pub usage: Usage,
    /// The step's definition.
    pub definition: Digest,
    /// Its context.
    pub context: Digest,
    /// May it witness a skip? Not after a failure that was allowed, among all it waited for: it may have worked on less.
    pub witness: bool,
    /// The key it ran with, if this is a verdict on that key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// How long it was expected to take before it began, if that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted_ms: Option<Millis>,
}

/// A proven skip in one line, or a result that was known for its key: both passed without running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProvenFact {
    /// Which step.
    pub step: StepId,
    /// The step's definition.
    pub definition: Digest,
    /// Its context.
    pub context: Digest,
    /// May it witness a skip?
    pub witness: bool,
    /// How long it took when it ran, if its result was known for its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_ms: Option<Millis>,
}

/// Folds a log into rows.
#[derive(Debug, Default)]
pub struct Fold {
    head: Option<Box<RunStarted>>,
    planned: Vec<PlannedStep>,
    at: HashMap<StepId, usize>,
    attempts: Vec<AttemptFact>,
    allowed: HashSet<usize>,
    expected: HashMap<StepId, Millis>,
    reused: HashMap<usize, Millis>,
    changed: Option<Circumstances>,
    noticed: Noticed,
    failed: usize,
    cancelled: usize,
    tree_changed: bool,
    status: Option<RunStatus>,
    wall_ms: Millis,
}

impl Fold {
    /// Takes the next event.
    pub fn apply(&mut self, event: &Event) {
        if self.status.is_none() {
            self.wall_ms = event.at_ms;
        }
        match &event.kind {
            EventKind::RunStarted(head) => self.head = Some(head.clone()),
            EventKind::Changes { .. } => self.changed = changed(&event.kind),
            EventKind::Planned { steps, .. } => {
                self.at = steps.iter().enumerate().map(|(at, step)| (step.id.clone(), at)).collect();
                self.planned.clone_from(steps);
            }
            EventKind::StepsReused { steps } => {
                self.reused.extend(steps.iter().filter_map(|step| Some((*self.at.get(&step.step)?, step.saved_ms))));
            }
            // What it ran on is not what its key says.
            EventKind::NotStored { step, why: NotStored::InputChanged { .. } | NotStored::InputAppeared { .. } } => {
                self.attempts.iter_mut().filter(|attempt| attempt.step == *step).for_each(|attempt| attempt.key = None);
            }
            EventKind::Expected(told) => {
                let spans = told.steps.iter().filter_map(|step| Some((step.step.clone(), step.span?.ms)));
                self.expected.extend(spans);
                self.noticed = told.noticed;
            }
            EventKind::StepRetrying { step, expected: Some(span), .. } => {
                self.expected.insert(step.clone(), span.ms);
            }
            EventKind::StepFinished(end) => self.finished(event.at_ms, end),
            EventKind::StepCancelled { .. } => self.cancelled += 1,
            EventKind::Warning { code: WarningCode::TreeChanged, .. } => self.tree_changed = true,
            EventKind::RunFinished { status, wall_ms, .. } => {
                self.status = Some(*status);
                self.wall_ms = *wall_ms;
            }
            _ => {}
        }
    }

    /// Has the run said how it ended?
    pub fn has_ended(&self) -> bool {
        self.status.is_some()
    }

    fn finished(&mut self, at_ms: Millis, end: &StepFinished) {
        let Some(&at) = self.at.get(&end.step) else { return };
        let planned = &self.planned[at];
        if end.last && !end.outcome.passed() {
            if end.allowed {
                self.allowed.insert(at);
            } else {
                self.failed += 1;
            }
        }
        self.attempts.push(AttemptFact {
            step: end.step.clone(),
            attempt: end.attempt,
            outcome: end.outcome.clone(),
            last: end.last,
            at_ms,
            wall_ms: end.wall_ms,
            usage: end.usage,
            definition: planned.definition,
            context: planned.context,
            witness: planned.witnesses,
            key: end.key,
            predicted_ms: self.expected.get(&end.step).copied(),
        });
    }

    /// The rows: the run first. `None` when the log had no head.
    pub fn rows(self) -> Option<Vec<Row>> {
        let tainted = self.after_allowed_failures();
        let Self { head, planned, at, attempts, reused, changed, noticed, .. } = self;
        let head = head?;
        let (mut rows, mut trusted) = (Vec::with_capacity(attempts.len() + reused.len()), 0);
        let ran = attempts.iter().map(|attempt| &attempt.step).collect::<HashSet<_>>().len();
        for mut attempt in attempts {
            // Whether the tree stayed as it was is asked at the end: of a run that had none only failures are believed.
            attempt.witness &= !tainted[at[&attempt.step]] && (self.status.is_some() || !attempt.outcome.passed());
            rows.push(Row::Attempt(attempt));
        }
        for (at, step) in planned.iter().enumerate() {
            let proven = match &step.decision {
                _ if reused.contains_key(&at) => true,
                Decision::Skip(SkipReason::Unaffected { evidence: Evidence::Trusted { .. }, .. }) => {
                    trusted += 1;
                    false
                }
                Decision::Skip(SkipReason::Unaffected { evidence: Evidence::Witnessed { .. }, .. }) => true,
                Decision::Skip(_) | Decision::Run(_) => false,
            };
            if proven {
                rows.push(Row::Proven(ProvenFact {
                    step: step.id.clone(),
                    definition: step.definition,
                    context: step.context,
                    witness: step.witnesses && !tainted[at] && self.status.is_some(),
                    saved_ms: reused.get(&at).copied(),
                }));
            }
        }
        let circumstances = circumstances(&head, changed, noticed);
        let facts = RunFacts {
            run: head.run,
            started_at: head.started_at,
            semantics: head.semantics,
            commit: head.commit,
            branch: head.branch,
            clean: head.clean && !self.tree_changed,
            whole: !head.filtered,
            witnesses: head.witnesses,
            place: head.place,
            status: self.status,
            wall_ms: self.wall_ms,
            ran,
            failed: self.failed,
            skipped: planned.iter().filter(|step| !step.decision.runs()).count(),
            trusted,
            cancelled: self.cancelled,
            rows: rows.len(),
            bytes: 0,
            reused: reused.len(),
            saved_ms: reused.values().fold(0, |sum, ms| sum.saturating_add(*ms)),
            circumstances,
        };
        rows.insert(0, Row::Run(facts));
        Some(rows)
    }

    /// Which steps come, directly or not, after a failure that was allowed? Steps are in topological order.
    fn after_allowed_failures(&self) -> Vec<bool> {
        let mut tainted = vec![false; self.planned.len()];
        for (at, step) in self.planned.iter().enumerate() {
            let mut waits = step.waits_for.iter().filter_map(|id| self.at.get(id));
            tainted[at] = waits.any(|other| tainted[*other] || self.allowed.contains(other));
        }
        tainted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn of_any_log_attempts_come_before_proven_skips_and_rows_read_as_they_were_written(
            events in crate::event::arbitrary::log(),
        ) {
            let mut fold = Fold::default();
            for event in &events {
                fold.apply(event);
            }
            let rows = fold.rows().unwrap();
            let rank = |row: &Row| match row { Row::Run(_) => 0, Row::Attempt(_) => 1, Row::Proven(_) => 2 };
            proptest::prop_assert!(rows.is_sorted_by_key(rank));
            let text = super::super::block::lines(&rows).unwrap();
            let again: Vec<Row> = text.split(|b| *b == b'\n').filter(|l| !l.is_empty())
                .map(|line| serde_json::from_slice(line).unwrap()).collect();
            proptest::prop_assert_eq!(again, rows);
        }
    }
}
