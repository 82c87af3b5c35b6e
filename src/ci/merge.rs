//! The logs of machines that shared a plan, joined into the log of one run. Pure.
//!
//! Each step is told once: as the part tells it that it belongs to. A step that no part brought to an end makes the whole
//! incomplete, and never green. Does not know: files, where the logs come from.

use crate::base::{Millis, RunId, StepId};
use crate::event::{
    Decision, Event, EventKind, PlannedStage, PlannedStep, RunStarted, RunStatus, Shard, SkipReason, WarningCode,
};
use std::collections::{BTreeMap, BTreeSet};

/// Why parts are no whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmergeable {
    /// A log without its beginning or without its plan, or one that is no part.
    #[error("run {0} is no part of a shared plan")]
    NoPart(String),
    /// Parts of different plans.
    #[error("the runs are not parts of one plan: {0} differs")]
    Different(&'static str),
    /// Parts that are not there.
    #[error("parts are missing: {}", list(.0))]
    Missing(Vec<u16>),
}

fn list(numbers: &[u16]) -> String {
    numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

/// One run made of many.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Its events.
    pub events: Vec<Event>,
    /// Output logs that the events name, each with the part (by position) that has it.
    pub logs: Vec<(usize, String)>,
    /// wf's exit code for the whole.
    pub exit_code: u8,
}

struct Part<'a> {
    head: &'a RunStarted,
    shard: &'a Shard,
    steps: &'a [PlannedStep],
    stages: &'a [PlannedStage],
    events: &'a [Event],
    /// How much later it began than the first.
    later: Millis,
    end: Option<(RunStatus, u8)>,
}

/// Joins the logs of all parts into one run with this name.
///
/// # Errors
/// They are not all the parts of one plan.
pub fn join(logs: &[Vec<Event>], run: &RunId) -> Result<Joined, Unmergeable> {
    let mut parts = logs.iter().map(|log| part(log)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = parts.first() else { return Err(Unmergeable::Missing(vec![1])) };
    check(&parts)?;
    let began = |part: &Part<'_>| part.head.started_at.parse::<jiff::Timestamp>().ok();
    let (earliest, text) = parts
        .iter()
        .filter_map(|part| Some((began(part)?, part.head.started_at.clone())))
        .min()
        .unwrap_or_else(|| (jiff::Timestamp::UNIX_EPOCH, first.head.started_at.clone()));
    for part in &mut parts {
        let later = began(part).map_or(0, |began| began.as_millisecond() - earliest.as_millisecond());
        part.later = u64::try_from(later).unwrap_or(0);
    }
    let tellers = tellers(&parts);
    let mut told = Telling { tellers: &tellers, timed: vec![], logs: vec![], ended: BTreeSet::new() };
    parts.iter().enumerate().for_each(|(at, part)| told.part(at, part));
    let planned = planned(&parts, &tellers);
    let open: Vec<&StepId> = planned
        .iter()
        .filter(|step| step.decision.runs() && !told.ended.contains(&step.id))
        .map(|step| &step.id)
        .collect();
    let Telling { timed: mut all, logs, .. } = told;
    all.extend(stages(&parts));
    all.sort_by_key(|(at, _)| *at);
    let wall_ms = all.last().map_or(0, |(at, _)| *at).max(ends(&parts));
    let (status, exit_code) = status(&parts, !open.is_empty());
    let mut kinds = vec![(0, EventKind::RunStarted(Box::new(head(&parts, run, text))))];
    kinds.extend(changes(&parts).map(|kind| (0, kind)));
    kinds.extend(notes(&parts).into_iter().map(|kind| (0, kind)));
    kinds.extend(open.iter().map(|step| {
        let message = format!("no machine brought {step} to an end");
        (0, EventKind::Warning { code: WarningCode::State, step: Some((*step).clone()), message })
    }));
    let stages = parts.first().map(|part| part.stages.to_vec()).unwrap_or_default();
    kinds.push((0, EventKind::Planned { steps: planned, stages }));
    kinds.extend(all);
    kinds.push((wall_ms, EventKind::RunFinished { status, exit_code, wall_ms }));
    let number = |(seq, (at_ms, kind)): (usize, (Millis, EventKind))| Event { seq: seq as u64, at_ms, kind };
    Ok(Joined { events: kinds.into_iter().enumerate().map(number).collect(), logs, exit_code })
}

fn part(log: &[Event]) -> Result<Part<'_>, Unmergeable> {
    let Some(EventKind::RunStarted(head)) = log.first().map(|event| &event.kind) else {
        return Err(Unmergeable::NoPart("without a beginning".into()));
    };
    let none = || Unmergeable::NoPart(head.run.to_string());
    let plan = log.iter().find_map(|event| match &event.kind {
        EventKind::Planned { steps, stages } => Some((steps, stages)),
        _ => None,
    });
    let (shard, (steps, stages)) = head.shard.as_ref().zip(plan).ok_or_else(none)?;
    let end = log.iter().rev().find_map(|event| match &event.kind {
        EventKind::RunFinished { status, exit_code, .. } => Some((*status, *exit_code)),
        _ => None,
    });
    Ok(Part { head, shard, steps, stages, events: log, later: 0, end })
}

fn check(parts: &[Part<'_>]) -> Result<(), Unmergeable> {
    let Some(first) = parts.first() else { return Ok(()) };
    let same = |differs: fn(&Part<'_>, &Part<'_>) -> bool| parts.iter().all(|part| !differs(first, part));
    if !same(|one, two| one.head.commit != two.head.commit) {
        return Err(Unmergeable::Different("the commit"));
    }
    if !same(|one, two| one.shard.plan != two.shard.plan || one.shard.count != two.shard.count) {
        return Err(Unmergeable::Different("who runs what"));
    }
    if !same(|one, two| one.head.semantics != two.head.semantics || one.head.version != two.head.version) {
        return Err(Unmergeable::Different("wf's version"));
    }
    let have: BTreeSet<u16> = parts.iter().map(|part| part.shard.index).collect();
    let missing: Vec<u16> = (1..=first.shard.count).filter(|index| !have.contains(index)).collect();
    if !missing.is_empty() {
        return Err(Unmergeable::Missing(missing));
    }
    if have.len() == parts.len() {
        Ok(())
    } else {
        Err(Unmergeable::Different("which part a run is: two are the same"))
    }
}

/// Which part tells of each step: the one that owns it; else one in which it ended, else one that does not leave it out.
fn tellers(parts: &[Part<'_>]) -> BTreeMap<StepId, usize> {
    let mut tellers = BTreeMap::new();
    for (at, part) in parts.iter().enumerate() {
        tellers.extend(part.shard.owns.iter().map(|step| (step.clone(), at)));
    }
    let owned: BTreeSet<StepId> = tellers.keys().cloned().collect();
    for (at, part) in parts.iter().enumerate().rev() {
        let told = part.steps.iter().filter(|step| !matches!(step.decision, Decision::Skip(SkipReason::Filtered)));
        for step in told.filter(|step| !owned.contains(&step.id)) {
            tellers.insert(step.id.clone(), at);
        }
    }
    for (at, part) in parts.iter().enumerate().rev() {
        for event in part.events {
            if let EventKind::StepFinished(end) = &event.kind
                && !owned.contains(&end.step)
            {
                tellers.insert(end.step.clone(), at);
            }
        }
    }
    tellers
}

fn planned(parts: &[Part<'_>], tellers: &BTreeMap<StepId, usize>) -> Vec<PlannedStep> {
    let by_id: Vec<BTreeMap<&StepId, &PlannedStep>> =
        parts.iter().map(|part| part.steps.iter().map(|step| (&step.id, step)).collect()).collect();
    let told = |step: &PlannedStep| {
        let teller = tellers.get(&step.id).and_then(|at| by_id[*at].get(&step.id));
        teller.map_or_else(|| step.clone(), |step| (*step).clone())
    };
    parts.first().map(|part| part.steps.iter().map(told).collect()).unwrap_or_default()
}

fn head(parts: &[Part<'_>], run: &RunId, started_at: String) -> RunStarted {
    let first = parts[0].head;
    RunStarted {
        run: run.clone(),
        started_at,
        clean: parts.iter().all(|part| part.head.clean),
        witnesses: parts.iter().all(|part| part.head.witnesses),
        filtered: parts.iter().any(|part| part.shard.narrowed),
        jobs: parts.iter().fold(0, |sum, part| sum.saturating_add(part.head.jobs)),
        shard: None,
        ..first.clone()
    }
}

fn changes(parts: &[Part<'_>]) -> Option<EventKind> {
    let mut events = parts.first()?.events.iter();
    events.find(|event| matches!(event.kind, EventKind::Changes { .. })).map(|event| event.kind.clone())
}

/// Fallbacks and warnings about no step, each once.
fn notes(parts: &[Part<'_>]) -> Vec<EventKind> {
    let mut notes: Vec<EventKind> = vec![];
    for event in parts.iter().flat_map(|part| part.events) {
        let is_note = matches!(event.kind, EventKind::Fallback { .. } | EventKind::Warning { step: None, .. });
        if is_note && !notes.contains(&event.kind) {
            notes.push(event.kind.clone());
        }
    }
    notes
}

/// The worst of all parts. A failure says more than that something else was not brought to its end.
fn status(parts: &[Part<'_>], open: bool) -> (RunStatus, u8) {
    let ends = parts.iter().map(|part| part.end.unwrap_or((RunStatus::Broken, 3)));
    let open = open.then_some((RunStatus::Broken, 3));
    let rank = |(status, _): &(RunStatus, u8)| match status {
        RunStatus::Passed => 0,
        RunStatus::Interrupted => 1,
        RunStatus::Broken => 2,
        RunStatus::Failed => 3,
    };
    ends.chain(open).max_by_key(rank).unwrap_or((RunStatus::Broken, 3))
}

fn ends(parts: &[Part<'_>]) -> Millis {
    parts.iter().filter_map(|part| Some(part.later.saturating_add(part.events.last()?.at_ms))).max().unwrap_or(0)
}

/// A stage begins with the first part and ends with the last.
fn stages(parts: &[Part<'_>]) -> Vec<(Millis, EventKind)> {
    let (mut begun, mut over) = (BTreeMap::<&str, Millis>::new(), BTreeMap::<&str, (Millis, bool, usize)>::new());
    for part in parts {
        for event in part.events {
            let at = event.at_ms.saturating_add(part.later);
            match &event.kind {
                EventKind::StageStarted { stage } => {
                    let first = begun.entry(stage).or_insert(at);
                    *first = at.min(*first);
                }
                EventKind::StageFinished { stage, passed, .. } => {
                    let last = over.entry(stage).or_insert((at, true, 0));
                    *last = (at.max(last.0), *passed && last.1, last.2 + 1);
                }
                _ => {}
            }
        }
    }
    let starts = begun.iter().map(|(stage, at)| (*at, EventKind::StageStarted { stage: (*stage).to_owned() }));
    let ends = over.iter().map(|(stage, (at, passed, _))| {
        let wall_ms = at.saturating_sub(begun.get(stage).copied().unwrap_or(*at));
        (*at, EventKind::StageFinished { stage: (*stage).to_owned(), passed: *passed, wall_ms })
    });
    starts.chain(ends).collect()
}

/// What is told of steps, as one log after another is gone through.
struct Telling<'a> {
    tellers: &'a BTreeMap<StepId, usize>,
    timed: Vec<(Millis, EventKind)>,
    logs: Vec<(usize, String)>,
    ended: BTreeSet<StepId>,
}

impl Telling<'_> {
    fn part(&mut self, at: usize, part: &Part<'_>) {
        for event in part.events {
            let mine = |step: &StepId| self.tellers.get(step) == Some(&at);
            let kind = match &event.kind {
                EventKind::StepsReused { steps } => {
                    let steps: Vec<_> = steps.iter().filter(|step| mine(&step.step)).cloned().collect();
                    self.ended.extend(steps.iter().map(|step| step.step.clone()));
                    (!steps.is_empty()).then_some(EventKind::StepsReused { steps })
                }
                EventKind::Expected(told) => {
                    let mut told = told.clone();
                    told.steps.retain(|step| mine(&step.step));
                    told.run = None;
                    (!told.steps.is_empty()).then_some(EventKind::Expected(told))
                }
                EventKind::Interrupted { .. } => Some(event.kind.clone()),
                kind => about(kind).filter(|step| mine(step)).map(|_| kind.clone()),
            };
            let Some(kind) = kind else { continue };
            match &kind {
                EventKind::StepFinished(end) => {
                    self.logs.extend(end.log.iter().map(|log| (at, log.clone())));
                    self.ended.extend(end.last.then(|| end.step.clone()));
                }
                EventKind::StepCancelled { step, .. } => drop(self.ended.insert(step.clone())),
                _ => {}
            }
            self.timed.push((event.at_ms.saturating_add(part.later), kind));
        }
    }
}

/// The step that an event is about, if it is about one.
fn about(kind: &EventKind) -> Option<&StepId> {
    match kind {
        EventKind::Warning { step: Some(step), .. }
        | EventKind::StepMissed { step, .. }
        | EventKind::NotStored { step, .. }
        | EventKind::StepStarted { step, .. }
        | EventKind::StepOutput { step, .. }
        | EventKind::StepSample { step, .. }
        | EventKind::StepPhase { step, .. }
        | EventKind::StepRetrying { step, .. }
        | EventKind::StepCancelled { step, .. } => Some(step),
        EventKind::StepFinished(end) => Some(&end.step),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::arbitrary;
    use proptest::prelude::*;

    /// Logs that somebody cut and shuffled the ends of, made parts of one plan.
    fn parts() -> impl Strategy<Value = Vec<Vec<Event>>> {
        proptest::collection::vec((arbitrary::log(), any::<prop::sample::Index>()), 1..5).prop_map(|logs| {
            let count = logs.len() as u16;
            let mut first: Option<RunStarted> = None;
            let part = |(at, (mut log, cut)): (usize, (Vec<Event>, prop::sample::Index))| {
                let keep = 2 + cut.index(log.len());
                log.truncate(keep.max(1));
                let steps = log.iter().find_map(|event| match &event.kind {
                    EventKind::Planned { steps, .. } => Some(steps.clone()),
                    _ => None,
                });
                let owns = steps.iter().flatten().enumerate().filter(|(n, _)| n % usize::from(count) == at);
                let owns = owns.map(|(_, step)| step.id.clone()).collect();
                if let Some(EventKind::RunStarted(head)) = log.first_mut().map(|event| &mut event.kind) {
                    let known = first.get_or_insert_with(|| (**head).clone());
                    (head.commit, head.version) = (known.commit.clone(), known.version.clone());
                    let index = at as u16 + 1;
                    head.shard = Some(Shard { index, count, plan: "p".into(), owns, narrowed: false });
                }
                log
            };
            logs.into_iter().enumerate().map(part).collect()
        })
    }

    proptest! {
        #[test]
        fn a_whole_is_a_log_and_green_only_if_every_part_is(logs in parts()) {
            let run = RunId("joined".into());
            let planned = |log: &Vec<Event>| log.iter().any(|event| matches!(event.kind, EventKind::Planned { .. }));
            let found = join(&logs, &run);
            if !logs.iter().all(planned) {
                prop_assert!(matches!(found, Err(Unmergeable::NoPart(_))));
                return Ok(());
            }
            let joined = found.unwrap();
            prop_assert!(joined.events.iter().enumerate().all(|(seq, event)| event.seq == seq as u64));
            prop_assert!(joined.events.is_sorted_by_key(|event| event.at_ms));
            let EventKind::RunStarted(head) = &joined.events[0].kind else { panic!("no head") };
            prop_assert!(head.run == run && head.shard.is_none());
            let EventKind::RunFinished { status, .. } = joined.events.last().unwrap().kind else { panic!("no end") };
            let passed = |log: &Vec<Event>| log.iter().any(|event| {
                matches!(event.kind, EventKind::RunFinished { status: RunStatus::Passed, .. })
            });
            prop_assert!(status != RunStatus::Passed || logs.iter().all(passed));
            let fewer = join(&logs[1..], &run);
            prop_assert!(matches!(fewer, Err(Unmergeable::Missing(_))));
        }
    }
}
