//! Evidence: what the recorded runs prove about a commit.

use super::facts::Row;
use super::{Recorded, StateDir, learned};
use crate::base::{Millis, RunId, StepId};
use crate::verdict::{Known, Verdict};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

/// At most so many bytes of rows are read for durations, newest runs first. They only serve estimates: a step that ran
/// in none of these runs has no estimate.
const DURATIONS: usize = 4 << 20;

/// Once a run that was green at the base was asked, which has a verdict on all its steps, at most so many bytes of older
/// runs' rows are read: they may be of another configuration. What is not read is no evidence.
const OLDER: usize = 1 << 20;

/// How the row of an attempt starts, up to the step's name.
const ATTEMPT: &[u8] = b"{\"fact\":\"attempt\",\"step\":\"";

/// How long each step's newest passing attempt took. It decides nothing, and with thousands of steps takes milliseconds:
/// only who tells people of it asks.
pub fn durations(state: &StateDir, recorded: &Recorded) -> BTreeMap<StepId, Millis> {
    let (last, progress) = learned::last_runs(state);
    let mut found = recorded.durations(|run| !progress.knows(run));
    for (step, last) in last {
        if let Some(ms) = last.passed_ms {
            found.entry(step).or_insert(ms);
        }
    }
    found
}

impl Recorded {
    /// Commits that a run found green as a whole, newest first; see [`super::RunFacts::is_green`].
    pub fn green_commits(&self) -> Vec<(String, RunId)> {
        let green = self.runs.iter().filter(|run| run.facts.is_green());
        green.filter_map(|run| Some((run.facts.commit.clone()?, run.facts.run.clone()))).collect()
    }

    /// Does any run speak for this commit, whatever it found?
    pub fn speaks_for(&self, commit: &str) -> bool {
        self.runs.iter().any(|run| run.facts.commit.as_deref() == Some(commit) && run.facts.speaks_for_commit())
    }

    /// What is known about a base commit.
    ///
    /// A step's verdict there is the one of the newest run that began on that commit with a clean tree and has one: its last
    /// attempt that ended by itself, or a skip that was itself proven. A run that was killed still speaks for the attempts
    /// that ended. A run during which the tree changed (as its log says) speaks for nothing.
    pub fn known(&mut self, base: Option<&str>) -> Known {
        let last = self.runs.iter().find(|run| !run.live).map(|run| (run.facts.run.clone(), run.facts.status));
        let mut known = Known { base: base.map(str::to_owned), last_run: last, ..Known::default() };
        let mut older = usize::MAX;
        for run in &self.runs {
            if base.is_some()
                && run.size() <= older
                && run.facts.commit.as_deref() == base
                && run.facts.speaks_for_commit()
            {
                match run.rows() {
                    Ok(rows) => {
                        take_verdicts(&mut known, run, &rows);
                        older = older.saturating_sub(run.size());
                        older = if run.facts.is_green() { older.min(OLDER) } else { older };
                    }
                    Err(error) => self.problems.push(format!("facts of run {} are damaged: {error}", run.facts.run)),
                }
            }
        }
        known
    }

    /// How long each step's newest passing attempt took, by the runs that `tells` names.
    fn durations(&self, tells: impl Fn(&RunId) -> bool) -> BTreeMap<StepId, Millis> {
        let (mut found, mut timed, mut budget) = (BTreeMap::new(), HashSet::new(), DURATIONS);
        for run in &self.runs {
            if run.facts.ran > 0 && run.size() <= budget && tells(&run.facts.run) {
                budget -= run.size();
                take_durations(&mut found, &mut timed, run);
            }
        }
        found
    }
}

fn take_verdicts(known: &mut Known, run: &super::RecordedRun, rows: &[Row]) {
    // Later rows of one step win within the run, so they are walked from the end, and the first to come stays.
    for row in rows.iter().rev() {
        let (step, definition, context, passed, at_ms) = match row {
            Row::Attempt(it) if it.witness && it.outcome.is_verdict() => {
                (&it.step, it.definition, it.context, it.outcome.passed(), it.at_ms)
            }
            Row::Proven(it) if it.witness => (&it.step, it.definition, it.context, true, 0),
            _ => continue,
        };
        if let Entry::Vacant(free) = known.at_base.entry(step.clone()) {
            let (run, at) = (run.facts.run.clone(), later(&run.facts.started_at, at_ms));
            free.insert(Verdict { definition, context, passed, run, at });
        }
    }
}

/// Only the newest pass of each step is parsed: `timed` holds the names of those that have one, as they stand in the rows.
fn take_durations<'a>(
    found: &mut BTreeMap<StepId, Millis>,
    timed: &mut HashSet<&'a [u8]>,
    run: &'a super::RecordedRun,
) {
    // Attempts come first, and later ones of a step win.
    let attempts: Vec<&[u8]> = run.lines().skip(1).take_while(|line| line.starts_with(ATTEMPT)).collect();
    for line in attempts.into_iter().rev() {
        let Some(name) = line.strip_prefix(ATTEMPT).and_then(|rest| Some(&rest[..memchr::memchr(b'"', rest)?])) else {
            continue;
        };
        if !timed.contains(name)
            && memchr::memmem::find(line, PASSED).is_some()
            && let (Some(step), Some(wall_ms)) = (step_named(name, line), number_after(line, WALL))
        {
            found.entry(step).or_insert(wall_ms);
            // A name with an escape in it may be cut short, and then stand for others.
            if !name.contains(&b'\\') {
                timed.insert(name);
            }
        }
    }
}

/// How a pass and its length look in a row. A quote inside of a string is escaped, so that neither can stand in one.
const PASSED: &[u8] = b"\"outcome\":{\"is\":\"passed\"}";
const WALL: &[u8] = b"\"wall_ms\":";

/// The step of a row, whose name begins so. One with an escape in it may be cut short, and is read as a whole.
fn step_named(name: &[u8], line: &[u8]) -> Option<StepId> {
    if name.contains(&b'\\') {
        return match serde_json::from_slice(line) {
            Ok(Row::Attempt(it)) => Some(it.step),
            _ => None,
        };
    }
    serde_json::from_slice(&[b"\"", name, b"\""].concat()).ok()
}

/// The number that follows these bytes.
fn number_after(line: &[u8], what: &[u8]) -> Option<u64> {
    let from = memchr::memmem::find(line, what)? + what.len();
    let end = from + line[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&line[from..end]).ok()?.parse().ok()
}

/// The time `ms` after a time; that time itself when it is none.
fn later(start: &str, ms: u64) -> String {
    let offset = jiff::SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    let sum = start.parse::<jiff::Timestamp>().ok().and_then(|start| start.checked_add(offset).ok());
    sum.map_or_else(|| start.to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Digest;
    use crate::event::{Because, Decision, EventKind, Outcome, RunStarted, RunStatus, WarningCode};
    use crate::history::samples::{
        ended, green_commits, head, id, known, planned, record, run_ended, skip, started, write,
    };
    use crate::history::{ChosenBy, RunRef};
    use proptest::prelude::*;
    use proptest::sample::select;

    const RUN: Decision = Decision::Run(Because::NoBase);

    fn state() -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        (dir, state)
    }

    fn with(change: impl FnOnce(&mut RunStarted)) -> EventKind {
        let mut head = head();
        change(&mut head);
        EventKind::RunStarted(Box::new(head))
    }

    fn plan(steps: Vec<crate::event::PlannedStep>) -> EventKind {
        EventKind::Planned { steps, stages: vec![] }
    }

    /// A run whose only step ends so.
    fn simple(state: &StateDir, at: u64, first: EventKind, outcome: Outcome, status: RunStatus) -> RunRef {
        record(
            state,
            at,
            vec![first, plan(vec![planned("s", RUN, &[])]), ended("s", outcome, false), run_ended(status)],
        )
    }

    fn passed_at_c(state: &StateDir) -> Vec<(String, bool)> {
        let (known, recorded) = known(state, Some("c"));
        assert_eq!(recorded.problems, [""; 0]);
        known.at_base.iter().map(|(step, verdict)| (step.to_string(), verdict.passed)).collect()
    }

    #[test]
    fn the_newest_run_wins_and_times_are_when_the_attempt_ended() {
        let (_dir, state) = state();
        simple(&state, 1_000, started(), Outcome::Passed, RunStatus::Passed);
        let newer = simple(&state, 2_000, started(), Outcome::Failed { code: 1 }, RunStatus::Failed);
        let (known, recorded) = known(&state, Some("c"));
        let verdict = &known.at_base[&id("s")];
        assert_eq!((verdict.passed, &verdict.run, verdict.at.as_str()), (false, &newer.id, "2026-01-01T00:00:00.02Z"));
        assert_eq!(verdict.definition, Digest::of_bytes(b"s"));
        assert_eq!(durations(&state, &recorded)[&id("s")], 7, "of the older run, which passed");
    }

    #[test]
    fn every_step_has_the_time_of_its_newest_pass_whatever_its_name() {
        let (_dir, state) = state();
        let folders = ["a\"b", "a\\\\x", "a\"c", "é"];
        let ids: Vec<_> =
            folders.iter().map(|folder| id("s").instance(&crate::base::RepoPath::from(*folder))).collect();
        for (at, wall_ms) in [(1_000, 70), (2_000, 50)] {
            let steps =
                ids.iter().map(|id| crate::event::PlannedStep { id: id.clone(), ..planned("s", RUN, &[]) }).collect();
            let mut kinds = vec![started(), plan(steps)];
            for id in &ids {
                let EventKind::StepFinished(mut end) = ended("s", Outcome::Passed, false) else { unreachable!() };
                (end.step, end.wall_ms) = (id.clone(), wall_ms);
                kinds.push(EventKind::StepFinished(end));
            }
            record(&state, at, kinds);
        }
        let found = durations(&state, &Recorded::load(&state));
        assert_eq!(found.len(), 4);
        assert!(ids.iter().all(|id| found[id] == 50), "{found:?}");
    }

    #[test]
    fn only_clean_unbroken_runs_of_these_semantics_at_this_commit_speak() {
        for (why, first) in [
            ("dirty", with(|head| head.clean = false)),
            ("another commit", with(|head| head.commit = Some("d".into()))),
            ("no commit", with(|head| head.commit = None)),
            ("--no-needs", with(|head| head.witnesses = false)),
            ("other rules", with(|head| head.semantics += 1)),
        ] {
            let (_dir, state) = state();
            simple(&state, 1_000, first, Outcome::Passed, RunStatus::Passed);
            assert_eq!(passed_at_c(&state), [], "{why}");
            let green: Vec<_> = green_commits(&state).into_iter().map(|(commit, _)| commit).collect();
            assert_eq!(green, if why == "another commit" { vec!["d"] } else { vec![] }, "{why}");
        }
        let (_dir, state) = state();
        let warning = EventKind::Warning { code: WarningCode::TreeChanged, step: None, message: String::new() };
        let kinds = vec![started(), plan(vec![planned("s", RUN, &[])]), ended("s", Outcome::Passed, false), warning];
        record(&state, 1_000, kinds);
        assert_eq!(passed_at_c(&state), [], "the tree changed");
    }

    #[test]
    fn what_is_no_verdict_leaves_the_older_one_standing() {
        let (_dir, state) = state();
        simple(&state, 1_000, started(), Outcome::Passed, RunStatus::Passed);
        for (at, outcome) in [(2_000, Outcome::Signalled { signal: 9 }), (3_000, Outcome::Stopped)] {
            simple(&state, at, started(), outcome, RunStatus::Interrupted);
        }
        assert_eq!(passed_at_c(&state), [("s".into(), true)]);
    }

    #[test]
    fn a_proven_skip_counts_as_a_pass_and_a_trusted_one_as_nothing() {
        let (_dir, state) = state();
        let steps = vec![planned("proven", skip(true), &[]), planned("trusted", skip(false), &[])];
        record(&state, 1_000, vec![started(), plan(steps), run_ended(RunStatus::Passed)]);
        assert_eq!(passed_at_c(&state), [("proven".into(), true)]);
        assert_eq!(green_commits(&state), [], "trust never turns into proof");
        let steps = vec![planned("proven", skip(true), &[])];
        let green = record(&state, 2_000, vec![started(), plan(steps), run_ended(RunStatus::Passed)]);
        assert_eq!(green_commits(&state), [("c".into(), green.id)]);
        let steps = vec![planned("proven", skip(true), &[])];
        record(&state, 3_000, vec![with(|head| head.filtered = true), plan(steps), run_ended(RunStatus::Passed)]);
        assert_eq!(green_commits(&state).len(), 1, "a filtered run says nothing about the whole");
    }

    #[test]
    fn nothing_after_an_allowed_failure_witnesses() {
        let (_dir, state) = state();
        let mut quiet = planned("quiet", RUN, &[]);
        quiet.witnesses = false;
        let steps = vec![
            planned("a", RUN, &[]),
            planned("b", RUN, &["a"]),
            planned("c", RUN, &["b"]),
            planned("d", RUN, &[]),
            quiet,
        ];
        let mut kinds = vec![started(), plan(steps), ended("a", Outcome::Failed { code: 1 }, true)];
        kinds.extend(["b", "c", "d", "quiet"].map(|step| ended(step, Outcome::Passed, false)));
        kinds.push(run_ended(RunStatus::Passed));
        record(&state, 1_000, kinds);
        assert_eq!(passed_at_c(&state), [("a".into(), false), ("d".into(), true)]);
    }

    #[test]
    fn killed_and_running_runs_prove_nothing() {
        let (_dir, state) = state();
        let kinds = vec![
            started(),
            plan(vec![planned("s", RUN, &[]), planned("t", RUN, &[])]),
            ended("s", Outcome::Passed, false),
        ];
        let writer = write(&state, 1_000, kinds);
        // Nobody looked yet, or ever will, whether the tree stayed as it was.
        assert_eq!(passed_at_c(&state), [], "while it runs");
        drop(writer);
        assert_eq!(passed_at_c(&state), [], "when it was killed");
        assert_eq!(green_commits(&state), []);
    }

    #[test]
    fn what_cannot_be_read_is_told_and_the_rest_used() {
        let (_dir, state) = state();
        simple(&state, 1_000, started(), Outcome::Passed, RunStatus::Passed);
        let newer = write(&state, 2_000, vec![with(|head| head.format += 1)]).run().clone();
        let broken = write(&state, 3_000, vec![started()]).run().clone();
        std::fs::write(broken.log(), b"\xff\n").unwrap();
        let folder = write(&state, 4_000, vec![]).run().clone();
        std::fs::remove_file(folder.log()).unwrap();
        std::fs::create_dir(folder.log()).unwrap();
        let (known, recorded) = known(&state, Some("c"));
        assert!(known.at_base[&id("s")].passed);
        let words = recorded.problems;
        assert_eq!(words.len(), 3, "{words:?}");
        assert!(words[0].contains(&folder.id.0) && words[0].contains("not a regular file"), "{words:?}");
        assert!(words[1].contains(&broken.id.0) && words[1].contains(":1: "), "{words:?}");
        assert!(words[2].contains(&newer.id.0) && words[2].contains("format 2"), "{words:?}");
    }

    /// One step's way through a run.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Way {
        Passes,
        Fails,
        Killed,
        Proven,
        Trusted,
    }

    #[derive(Clone, Copy, Debug)]
    struct Past {
        way: Way,
        commit: bool,
        clean: bool,
        witnesses: bool,
        filtered: bool,
        ends: bool,
        keeps_facts: bool,
    }

    fn past() -> impl Strategy<Value = Past> {
        let way = select(vec![Way::Passes, Way::Passes, Way::Fails, Way::Killed, Way::Proven, Way::Trusted]);
        // Flags are mostly as usual, or nothing would ever be known.
        let mostly = || proptest::bool::weighted(0.8);
        (way, any::<bool>(), mostly(), mostly(), any::<bool>(), mostly(), any::<bool>()).prop_map(
            |(way, commit, clean, witnesses, filtered, ends, keeps_facts)| Past {
                way,
                commit,
                clean,
                witnesses,
                filtered,
                ends,
                keeps_facts,
            },
        )
    }

    fn record_past(state: &StateDir, at: usize, past: Past) {
        let first = with(|head| {
            head.commit = Some(if past.commit { "c" } else { "d" }.into());
            (head.clean, head.witnesses, head.filtered) = (past.clean, past.witnesses, past.filtered);
        });
        let decision = match past.way {
            Way::Proven => skip(true),
            Way::Trusted => skip(false),
            _ => RUN,
        };
        let mut kinds = vec![first, plan(vec![planned("s", decision, &[])])];
        kinds.extend(match past.way {
            Way::Passes => Some(ended("s", Outcome::Passed, false)),
            Way::Fails => Some(ended("s", Outcome::Failed { code: 1 }, false)),
            Way::Killed => Some(ended("s", Outcome::Signalled { signal: 9 }, false)),
            Way::Proven | Way::Trusted => None,
        });
        let good = !matches!(past.way, Way::Fails | Way::Killed);
        kinds.extend(past.ends.then(|| run_ended(if good { RunStatus::Passed } else { RunStatus::Failed })));
        let run = record(state, at as u64 * 1_000, kinds);
        if !past.keeps_facts {
            std::fs::remove_file(run.dir.join("facts.jsonl")).unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn whatever_happened_and_was_pruned_the_newest_verdict_counts(
            pasts in proptest::collection::vec(past(), 1..8),
            keep in 0usize..8,
        ) {
            let (_dir, state) = state();
            pasts.iter().enumerate().for_each(|(at, past)| record_past(&state, at + 1, *past));
            let speaking = || pasts.iter().rev().filter(|past| past.clean && past.witnesses);
            let verdict = speaking().filter(|past| past.commit).find_map(|past| match past.way {
                // A run that did not end was not asked whether its tree stayed clean: only its failures are believed.
                Way::Passes | Way::Proven => past.ends.then_some(true),
                Way::Fails => Some(false),
                Way::Killed | Way::Trusted => None,
            });
            let proof = |past: &&Past| matches!(past.way, Way::Passes | Way::Proven) && past.ends && !past.filtered;
            let green: Vec<_> = speaking().filter(proof).map(|past| if past.commit { "c" } else { "d" }).collect();
            let limits = crate::history::Limits { runs: keep, ..Default::default() };
            for _ in 0..3 {
                let (known, recorded) = known(&state, Some("c"));
                prop_assert!(recorded.problems.is_empty(), "{:?}", recorded.problems);
                prop_assert_eq!(known.at_base.get(&id("s")).map(|verdict| verdict.passed), verdict);
                let found: Vec<_> = green_commits(&state).into_iter().map(|(commit, _)| commit).collect();
                prop_assert_eq!(&found, &green);
                crate::history::prune(&state, &limits, jiff::Timestamp::UNIX_EPOCH).unwrap();
            }
        }
    }
}
