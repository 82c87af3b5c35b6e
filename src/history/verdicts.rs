//! Verdicts on keys, as the recorded runs tell of them.

use super::facts::{AttemptFact, Row, RunFacts};
use super::{Recorded, StateDir};
use crate::verdict::KeyVerdict;

/// What the recorded runs say of keys.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Every verdict on a key, those of the newest run first.
    pub verdicts: Vec<KeyVerdict>,
    /// How many runs were asked.
    pub runs: usize,
    /// What could not be read, one sentence each.
    pub problems: Vec<String>,
}

/// What all runs but those that go on say of keys: these record it themselves. Reads all of their facts, so it is only for
/// those who have lost what they knew.
pub fn verdicts(state: &StateDir) -> Told {
    let mut told = Told::default();
    for run in Recorded::load(state).runs.iter().filter(|run| !run.live) {
        told.runs += 1;
        match run.rows() {
            Ok(rows) => told.verdicts.extend(rows.iter().filter_map(|row| match row {
                Row::Attempt(attempt) => verdict(&run.facts, attempt),
                Row::Run(_) | Row::Proven(_) => None,
            })),
            Err(error) => told.problems.push(format!("facts of run {} are damaged: {error}", run.facts.run)),
        }
    }
    told
}

/// The verdict that an attempt is, if it is one.
fn verdict(run: &RunFacts, attempt: &AttemptFact) -> Option<KeyVerdict> {
    let passed = attempt.outcome.passed();
    // Whether what a step watches stayed as it was is asked after it ended: of a run that was killed only failures are believed.
    if passed && run.status.is_none() {
        return None;
    }
    let began = run.started_at.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    Some(KeyVerdict {
        key: attempt.key.filter(|_| attempt.last && attempt.outcome.is_verdict())?,
        step: attempt.step.clone(),
        passed,
        flaky: passed && attempt.attempt > 1,
        run: run.run.clone(),
        at_ms: u64::try_from(began).ok()?.saturating_add(attempt.at_ms),
        wall_ms: attempt.wall_ms,
        place: run.place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Digest;
    use crate::event::{Because, Decision, EventKind, NotStored, Outcome, Place, RunStatus};
    use crate::history::samples::{ended, id, planned, record, run_ended, started, write};
    use crate::history::{ChosenBy, Limits, prune};
    use crate::key::Key;

    fn end(step: &str, outcome: Outcome, attempt: u32) -> EventKind {
        match ended(step, outcome, false) {
            EventKind::StepFinished(mut end) => {
                (end.key, end.attempt) = (Some(Key(Digest::of_bytes(b"k"))), attempt);
                EventKind::StepFinished(end)
            }
            other => other,
        }
    }

    #[test]
    fn logs_and_facts_tell_the_same_verdicts() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        let plan = || {
            let steps = ["a", "b", "c"].map(|step| planned(step, Decision::Run(Because::NoBase), &[]));
            EventKind::Planned { steps: steps.into(), stages: vec![] }
        };
        let withdrawn = || EventKind::NotStored { step: id("c"), why: NotStored::InputChanged { path: "x".into() } };
        let failed = || Outcome::Failed { code: 3 };
        let ended = run_ended(RunStatus::Interrupted);
        let first = [started(), plan(), end("a", Outcome::Passed, 2), end("b", Outcome::Stopped, 1), ended];
        let run = record(&state, 1_000, first.into());
        let second = [started(), plan(), end("a", failed(), 1), end("c", Outcome::Passed, 1), withdrawn()];
        record(&state, 2_000, second.into_iter().chain([run_ended(RunStatus::Failed)]).collect());
        let open = vec![started(), plan(), end("b", failed(), 1), end("a", Outcome::Passed, 1)];
        let live = write(&state, 3_000, open);
        let Told { verdicts: found, runs, problems } = verdicts(&state);
        let told: Vec<_> = found.iter().map(|it| (it.step.as_str(), it.passed, it.flaky, it.wall_ms)).collect();
        assert_eq!((told, runs, problems), (vec![("a", false, false, 7), ("a", true, true, 7)], 2, vec![]));
        assert_eq!((&found[1].run, found[1].place), (&run.id, Place::Hook));
        let began = "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond() as u64;
        assert_eq!(found[1].at_ms, began + 20, "it ended 20 ms after the run began");
        drop(live);
        prune(&state, &Limits { runs: 1, ..Limits::default() }, jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert!(!run.dir.exists());
        let later = verdicts(&state).verdicts;
        assert_eq!(later[1..], found[..], "from facts as from logs");
        assert_eq!((later[0].step.as_str(), later[0].passed), ("b", false), "of a killed run failures are believed");
    }
}
