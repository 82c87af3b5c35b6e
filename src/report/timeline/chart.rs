//! What the picture shows: rows, bars, stages and the critical path. Pure.

use super::super::metrics;
use super::super::view::{RunView, StepView};
use crate::base::{Millis, StepId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A picture of more rows than this shows nothing.
const ROWS_MAX: usize = 300;
/// A step that starts this soon after another ended was waiting for its place.
const HANDOVER_MS: Millis = 100;

/// The picture.
pub(super) struct Chart<'a> {
    pub rows: Vec<Row<'a>>,
    pub bands: Vec<Band<'a>>,
    /// The right end.
    pub end_ms: Millis,
    /// Steps that ran and have no row.
    pub hidden: usize,
    /// Rows that made the run as long as it was, from first to last.
    pub critical: Vec<usize>,
}

/// One step.
pub(super) struct Row<'a> {
    pub step: &'a StepView,
    pub bars: Vec<Bar>,
    /// Since when it could have run.
    pub ready_ms: Millis,
    pub critical: bool,
}

/// One attempt.
pub(super) struct Bar {
    pub from_ms: Millis,
    pub to_ms: Millis,
    /// `passed`, `failed`, `allowed`, `stopped` or `running`.
    pub how: &'static str,
}

/// The rows of one stage.
pub(super) struct Band<'a> {
    pub name: Option<&'a str>,
    pub rows: Range<usize>,
    /// When it ran, if it was told.
    pub span: Option<(Millis, Millis)>,
}

impl Row<'_> {
    pub fn begins_ms(&self) -> Millis {
        self.bars.first().map_or(0, |bar| bar.from_ms)
    }

    pub fn ends_ms(&self) -> Millis {
        self.bars.last().map_or(0, |bar| bar.to_ms)
    }
}

impl<'a> Chart<'a> {
    pub fn of(view: &'a RunView) -> Self {
        let end_ms = view.wall_ms().max(view.steps.iter().flat_map(ends).max().unwrap_or(0)).max(1);
        let ran: Vec<&StepView> = view.steps.iter().filter(|step| !step.attempts.is_empty()).collect();
        let chain = critical_path(view, end_ms);
        let shown = keep(&ran, &chain);
        let hidden = ran.len() - shown.len();
        let stage_of = |step: &StepView| {
            let name = step.stage.as_ref();
            name.and_then(|name| view.stages.iter().position(|s| s.plan.name == *name)).unwrap_or(usize::MAX)
        };
        let mut rows: Vec<Row<'_>> = shown.into_iter().map(|step| row(view, step, &chain, end_ms)).collect();
        rows.sort_by_key(|row| (stage_of(row.step), row.begins_ms(), row.ends_ms()));
        let mut bands: Vec<Band<'_>> = vec![];
        for (at, row) in rows.iter().enumerate() {
            let name = row.step.stage.as_deref().filter(|_| stage_of(row.step) != usize::MAX);
            match bands.last_mut() {
                Some(band) if band.name == name => band.rows.end = at + 1,
                _ => {
                    let stage = view.stages.get(stage_of(row.step));
                    let span = stage.and_then(|s| Some((s.started_ms?, s.finished.map_or(end_ms, |(at, ..)| at))));
                    bands.push(Band { name, rows: at..at + 1, span });
                }
            }
        }
        let place = |id: &StepId| rows.iter().position(|row| row.step.id == *id);
        let critical = chain.iter().filter_map(place).collect();
        Self { rows, bands, end_ms, hidden, critical }
    }
}

fn row<'a>(view: &'a RunView, step: &'a StepView, chain: &[StepId], end_ms: Millis) -> Row<'a> {
    let bars: Vec<Bar> = step
        .attempts
        .iter()
        .map(|attempt| match &attempt.finished {
            Some(end) => {
                let how = super::super::narrator::ended(end).1;
                Bar {
                    from_ms: attempt.started_ms,
                    to_ms: attempt.started_ms.saturating_add(end.wall_ms).min(end_ms),
                    how,
                }
            }
            None => Bar { from_ms: attempt.started_ms, to_ms: end_ms, how: "running" },
        })
        .map(|bar| Bar { from_ms: bar.from_ms.min(end_ms), to_ms: bar.to_ms.max(bar.from_ms.min(end_ms)), ..bar })
        .collect();
    let from = bars.first().map_or(0, |bar| bar.from_ms);
    let needs = step.waits_for.iter().filter_map(|id| view.step(id)).filter_map(|need| ends(need).max());
    let stage = view.stages.iter().find(|stage| Some(&stage.plan.name) == step.stage.as_ref());
    let ready = needs.chain(stage.and_then(|stage| stage.started_ms)).max();
    Row { step, ready_ms: ready.unwrap_or(from).min(from), critical: chain.contains(&step.id), bars }
}

/// The rows that tell most: the critical path, what did not pass, and then the longest.
fn keep<'a>(ran: &[&'a StepView], chain: &[StepId]) -> Vec<&'a StepView> {
    let mut order: Vec<&StepView> = ran.to_vec();
    if order.len() > ROWS_MAX {
        let chain: BTreeSet<&StepId> = chain.iter().collect();
        order.sort_by_key(|step| {
            (!chain.contains(&step.id), metrics::state(step) == "passed", std::cmp::Reverse(step.time_ms()))
        });
        order.truncate(ROWS_MAX);
    }
    order
}

fn ends(step: &StepView) -> impl Iterator<Item = Millis> {
    step.attempts.iter().map(|a| a.started_ms.saturating_add(a.finished.as_ref().map_or(0, |end| end.wall_ms)))
}

/// From the step that ended last, back over what each step waited for: the need that ended last, or the step whose
/// place it took.
fn critical_path(view: &RunView, end_ms: Millis) -> Vec<StepId> {
    let ran = || view.steps.iter().filter(|step| !step.attempts.is_empty());
    let end_of = |step: &StepView| ends(step).max().unwrap_or(0);
    let mut by_end: BTreeMap<Millis, &StepView> = BTreeMap::new();
    for step in ran() {
        by_end.entry(end_of(step).min(end_ms)).or_insert(step);
    }
    let mut chain: Vec<StepId> = vec![];
    let mut next = by_end.last_key_value().map(|(_, step)| *step);
    let mut seen = BTreeSet::new();
    while let Some(step) = next.filter(|step| seen.insert(step.id.clone())) {
        chain.push(step.id.clone());
        let from = step.attempts[0].started_ms;
        let needs = step.waits_for.iter().filter_map(|id| view.step(id)).filter(|need| !need.attempts.is_empty());
        let need = needs.max_by_key(|need| end_of(need));
        let holder = by_end.range(..=from).next_back().map(|(_, step)| *step);
        next = match (need, holder) {
            // It started later than its needs allowed: somebody else was in its place.
            (Some(need), Some(holder)) if from.saturating_sub(end_of(need)) > HANDOVER_MS => {
                Some(if from.saturating_sub(end_of(holder)) <= HANDOVER_MS { holder } else { need })
            }
            (Some(need), _) => Some(need),
            (None, holder) => {
                holder.filter(|holder| from.saturating_sub(end_of(holder)) <= HANDOVER_MS && from > HANDOVER_MS)
            }
        };
    }
    chain.reverse();
    chain
}
