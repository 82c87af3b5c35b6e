//! Events for the tests of this module.

use super::{AttemptFact, LogWriter, Recorded, Row, RunFacts, RunRef, StateDir};
use crate::base::{Digest, RunId, StepId};
use crate::event::{
    Decision, Event, EventKind, Evidence, FORMAT, Machine, Outcome, Place, PlannedStep, RunStarted, RunStatus,
    SEMANTICS,
};
use crate::event::{SkipReason, StepFinished, Usage};

/// A run of everything on a clean tree at commit `c`.
pub(super) fn head() -> RunStarted {
    RunStarted {
        format: FORMAT,
        semantics: SEMANTICS,
        run: RunId("r".into()),
        started_at: "2026-01-01T00:00:00Z".into(),
        version: "0".into(),
        pid: 1,
        root: "/".into(),
        commit: Some("c".into()),
        clean: true,
        branch: None,
        smart: "on".into(),
        parallel: true,
        multi_stage: false,
        ml_optimize: false,
        jobs: 2,
        filtered: false,
        witnesses: true,
        place: Place::Hook,
        machine: Machine::default(),
        shard: None,
    }
}

/// Its first event.
pub(super) fn started() -> EventKind {
    EventKind::RunStarted(Box::new(head()))
}

/// That run in one line.
pub(super) fn facts(run: &str) -> RunFacts {
    RunFacts {
        run: RunId(run.into()),
        started_at: "2026-01-01T00:00:00Z".into(),
        semantics: SEMANTICS,
        commit: Some("c".into()),
        branch: None,
        clean: true,
        whole: true,
        witnesses: true,
        place: Place::Hook,
        status: None,
        wall_ms: 0,
        ran: 0,
        failed: 0,
        skipped: 0,
        trusted: 0,
        cancelled: 0,
        rows: 0,
        bytes: 0,
        reused: 0,
        saved_ms: 0,
        circumstances: None,
    }
}

/// A step's id.
pub(super) fn id(step: &str) -> StepId {
    StepId::parse(step).unwrap()
}

/// An attempt of a step.
pub(super) fn attempt(step: &str, passed: bool) -> Row {
    Row::Attempt(AttemptFact {
        step: id(step),
        attempt: 1,
        outcome: if passed { Outcome::Passed } else { Outcome::Failed { code: 1 } },
        last: true,
        at_ms: 1,
        wall_ms: 1,
        usage: Usage::default(),
        definition: Digest::of_bytes(b"d"),
        context: Digest::of_bytes(b"c"),
        witness: true,
        key: None,
        predicted_ms: None,
    })
}

/// A step of a plan.
pub(super) fn planned(step: &str, decision: Decision, waits_for: &[&str]) -> PlannedStep {
    PlannedStep {
        id: id(step),
        name: None,
        stage: None,
        decision,
        waits_for: waits_for.iter().map(|other| id(other)).collect(),
        batch: 0,
        definition: Digest::of_bytes(step.as_bytes()),
        context: Digest::of_bytes(b"c"),
        witnesses: true,
    }
}

/// The end of a step's only attempt.
pub(super) fn ended(step: &str, outcome: Outcome, allowed: bool) -> EventKind {
    EventKind::StepFinished(Box::new(StepFinished {
        step: id(step),
        attempt: 1,
        outcome,
        last: true,
        allowed,
        wall_ms: 7,
        usage: Usage::default(),
        log: None,
        output_bytes: 0,
        leaked: vec![],
        key: None,
    }))
}

/// The end of a run.
pub(super) fn run_ended(status: RunStatus) -> EventKind {
    EventKind::RunFinished { status, exit_code: 0, wall_ms: 99 }
}

/// A skip that was proven, or trusted.
pub(super) fn skip(proven: bool) -> Decision {
    let commit = "b".to_owned();
    let evidence = if proven { Evidence::Witnessed { commit, run: "r".into() } } else { Evidence::Trusted { commit } };
    Decision::Skip(SkipReason::Unaffected { evidence, changed: 1, only: vec![] })
}

/// Writes a whole log of a run named for this time.
pub(super) fn record(state: &StateDir, unix_ms: u64, kinds: Vec<EventKind>) -> RunRef {
    let mut writer = write(state, unix_ms, kinds);
    writer.finish().unwrap();
    writer.run().clone()
}

/// The same without an end: the writer still lives.
pub(super) fn write(state: &StateDir, unix_ms: u64, kinds: Vec<EventKind>) -> LogWriter {
    let mut writer = LogWriter::create(state, &named(unix_ms)).unwrap();
    for (seq, kind) in kinds.into_iter().enumerate() {
        writer.append(&Event { seq: seq as u64, at_ms: seq as u64 * 10, kind }).unwrap();
    }
    writer.flush().unwrap();
    writer
}

/// A run's name for a time.
pub(super) fn named(unix_ms: u64) -> RunId {
    let time = uuid::Timestamp::from_unix(uuid::NoContext, unix_ms / 1_000, (unix_ms % 1_000) as u32 * 1_000_000);
    RunId(uuid::Uuid::new_v7(time).to_string())
}

/// What is known about a base, and the runs that it is known from.
pub fn known(state: &StateDir, base: Option<&str>) -> (crate::verdict::Known, Recorded) {
    let mut recorded = Recorded::load(state);
    let known = recorded.known(base);
    (known, recorded)
}

/// Commits that a run found green as a whole, newest first.
pub fn green_commits(state: &StateDir) -> Vec<(String, RunId)> {
    Recorded::load(state).green_commits()
}
