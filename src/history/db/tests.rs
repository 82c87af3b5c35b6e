//! The database against what is recorded: whatever happened to either, the answers are those of a fold of the logs.

use super::row::verdict;
use super::*;
use crate::base::{Digest, RunId};
use crate::event::{Because, Decision, Event, EventKind, Outcome, Reused, RunStatus};
use crate::history::samples::{ended, id, named, planned, record, run_ended, started, write};
use crate::history::{AttemptFact, ChosenBy, Limits, ProvenFact, Row, RunFacts, clean_all, prune};
use crate::key::Key;
use proptest::prelude::*;
use sqlx::Row as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

const EPOCH: jiff::Timestamp = jiff::Timestamp::UNIX_EPOCH;

fn state() -> (tempfile::TempDir, StateDir) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
    (dir, state)
}

fn caught_up(state: &StateDir) -> (Db, Caught) {
    up_to_date(state, &Recorded::load(state), EPOCH).unwrap()
}

fn plan(steps: &[&str]) -> EventKind {
    let steps = steps.iter().map(|step| planned(step, Decision::Run(Because::NoBase), &[])).collect();
    EventKind::Planned { steps, stages: vec![] }
}

fn key(n: u8) -> Key {
    Key(Digest::from_bytes([n; 32]))
}

/// The end of an attempt with a key.
fn attempt(step: &str, number: u32, last: bool, passed: bool, with: Option<u8>) -> EventKind {
    let outcome = if passed { Outcome::Passed } else { Outcome::Failed { code: 3 } };
    let EventKind::StepFinished(mut end) = ended(step, outcome, false) else { unreachable!() };
    (end.attempt, end.last, end.key) = (number, last, with.map(key));
    EventKind::StepFinished(end)
}

fn reused(step: &str, saved_ms: u64) -> EventKind {
    let step = Reused {
        step: id(step),
        key: key(9),
        saved_ms,
        run: RunId("r".into()),
        restored: 0,
        output: None,
        resumed: false,
    };
    EventKind::StepsReused { steps: vec![step] }
}

fn passed_run(state: &StateDir, at: u64) -> RunId {
    let kinds = vec![started(), plan(&["a", "b"]), attempt("a", 1, true, true, Some(1)), reused("b", 40)];
    record(state, at, kinds.into_iter().chain([run_ended(RunStatus::Passed)]).collect()).id
}

/// What the database should hold of a run: what numbers SQLite cannot keep are as large as can be.
fn expected(facts: &RunFacts) -> RunFacts {
    const MOST: u64 = i64::MAX as u64;
    RunFacts {
        wall_ms: facts.wall_ms.min(MOST),
        saved_ms: facts.saved_ms.min(MOST),
        rows: 0,
        bytes: 0,
        ..facts.clone()
    }
}

/// Everything in it, as text.
fn dump(db: &mut Db) -> Vec<String> {
    let mut all = Vec::new();
    let (runs, total) = db.runs(None).unwrap();
    assert_eq!(runs.len(), total);
    for facts in runs {
        all.push(format!("{facts:?}"));
        all.extend(db.attempts(Of::Run(&facts.run), None).unwrap().iter().map(|row| format!("{row:?}")));
        all.extend(db.hits(Of::Run(&facts.run), None).unwrap().iter().map(|row| format!("{row:?}")));
    }
    all.extend(db.verdicts().unwrap().iter().map(|row| format!("{row:?}")));
    all
}

fn same_as_recorded(db: &mut Db, state: &StateDir) {
    let recorded = Recorded::load(state);
    let ended: Vec<_> = recorded.runs.iter().filter(|run| !run.live).collect();
    let (runs, _) = db.runs(None).unwrap();
    assert_eq!(runs, ended.iter().map(|run| expected(&run.whole_facts())).collect::<Vec<_>>());
    let mut verdicts = Vec::new();
    for run in ended.iter().rev() {
        let rows = run.rows().unwrap();
        let attempts: Vec<&AttemptFact> =
            rows.iter().filter_map(|row| if let Row::Attempt(it) = row { Some(it) } else { None }).collect();
        let got = db.attempts(Of::Run(&run.facts.run), None).unwrap();
        assert_eq!(got.len(), attempts.len());
        for (got, fact) in got.iter().zip(&attempts) {
            let most = i64::MAX as u64;
            assert_eq!((&got.step, got.attempt, got.last), (&fact.step, fact.attempt, fact.last));
            assert_eq!(
                (&got.outcome, got.wall_ms, got.key, got.definition),
                (&fact.outcome, fact.wall_ms.min(most), fact.key, fact.definition)
            );
            assert_eq!(got.usage.cpu_ms, fact.usage.cpu_ms.min(most));
            let predicted = fact.predicted_ms.map(|ms| ms.min(most));
            assert_eq!((got.flaky, got.predicted_ms), (fact.outcome.passed() && fact.attempt > 1, predicted));
        }
        let judged = attempts
            .iter()
            .filter_map(|fact| Some((fact.step.clone(), fact.key, verdict(&run.facts, fact.last, &fact.outcome)?)));
        verdicts.extend(judged);
        let mut hits: Vec<_> = rows
            .iter()
            .filter_map(|row| match row {
                Row::Proven(ProvenFact { step, saved_ms: Some(ms), .. }) => Some((step.clone(), *ms)),
                _ => None,
            })
            .collect();
        hits.sort();
        let got = db.hits(Of::Run(&run.facts.run), None).unwrap();
        assert_eq!(got.into_iter().map(|hit| (hit.step, hit.saved_ms)).collect::<Vec<_>>(), hits);
    }
    let got: Vec<_> = db.verdicts().unwrap().into_iter().map(|it| (it.step, it.key, it.passed)).collect();
    assert_eq!(got, verdicts);
}

#[test]
fn it_holds_what_is_recorded_is_private_and_a_second_time_changes_nothing() {
    let (dir, state) = state();
    for at in 1..=3 {
        passed_run(&state, at * 1_000);
    }
    let (mut db, caught) = caught_up(&state);
    assert_eq!((caught.taken, caught.gone, caught.replaced), (3, 0, None));
    same_as_recorded(&mut db, &state);
    let before = dump(&mut db);
    drop(db);
    let (mut db, caught) = caught_up(&state);
    assert_eq!(caught, Caught::default());
    assert_eq!(dump(&mut db), before);
    assert_eq!(db.take_notes(), [""; 0]);
    let mode = place(&state).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    drop(db);
    let left = std::fs::read_dir(dir.path().join(".wf")).unwrap().count();
    assert_eq!(left, 6, "the journal goes with the last who has it open");
}

#[test]
fn a_run_that_goes_on_is_taken_when_it_has_ended_and_a_killed_one_as_it_was() {
    let (_dir, state) = state();
    let writer = write(&state, 1_000, vec![started(), plan(&["a"]), attempt("a", 1, true, true, Some(1))]);
    let run = writer.run().id.clone();
    let (mut db, caught) = caught_up(&state);
    assert_eq!((caught.taken, caught.apart), (0, [run.clone()].into()));
    drop(writer);
    let caught = db.catch_up(&state, &Recorded::load(&state), &Keep::default(), EPOCH).unwrap();
    assert_eq!((caught.taken, caught.apart.len()), (1, 0));
    same_as_recorded(&mut db, &state);
    assert_eq!(db.verdicts().unwrap(), [], "nobody asked whether what it read stayed as it was");
    assert_eq!(db.attempts(Of::Run(&run), None).unwrap().len(), 1);
}

#[test]
fn pruned_runs_stay_and_cleaning_everything_takes_them_too() {
    let (_dir, state) = state();
    let old = passed_run(&state, 1_000);
    passed_run(&state, 2_000);
    let (mut db, _) = caught_up(&state);
    let before = dump(&mut db);
    prune(&state, &Limits { runs: 1, ..Limits::default() }, EPOCH).unwrap();
    for facts in std::fs::read_dir(state.facts()).unwrap() {
        std::fs::remove_file(facts.unwrap().path()).unwrap();
    }
    assert_eq!(Recorded::load(&state).runs.len(), 1);
    assert_eq!(db.catch_up(&state, &Recorded::load(&state), &Keep::default(), EPOCH).unwrap(), Caught::default());
    assert_eq!(dump(&mut db), before);
    assert_eq!(db.find(&old.0[..13]).unwrap().unwrap().run, old);
    drop(db);
    clean_all(&state, true).unwrap();
    assert!(place(&state).exists(), "a dry run");
    clean_all(&state, false).unwrap();
    assert!(!place(&state).exists());
    assert_eq!(caught_up(&state).0.runs(None).unwrap().1, 0);
}

#[test]
fn what_is_past_the_limits_goes_with_all_its_rows_and_is_not_taken_again() {
    let (_dir, state) = state();
    const DAY: u64 = 24 * 3_600_000;
    for day in 1..=5 {
        passed_run(&state, day * DAY);
    }
    let (mut db, _) = Db::open(&state).unwrap();
    let day = |n: u64| jiff::Timestamp::from_millisecond((n * DAY).cast_signed()).unwrap();
    let mut keep = |runs, days: u64, now| {
        let keep = Keep { runs, age: std::time::Duration::from_hours(days * 24) };
        let caught = db.catch_up(&state, &Recorded::load(&state), &keep, day(now)).unwrap();
        let attempts = db.attempts(Of::All, None).unwrap().len();
        let (_, runs) = db.runs(None).unwrap();
        assert_eq!((attempts, db.hits(Of::All, None).unwrap().len()), (runs, runs));
        (caught.taken, caught.gone, caught.apart.len(), runs)
    };
    assert_eq!(keep(4, 400, 5), (4, 0, 1, 4));
    assert_eq!(keep(4, 400, 5), (0, 0, 1, 4), "it stays out");
    assert_eq!(keep(4, 2, 5), (0, 1, 2, 3));
    assert_eq!(keep(2, 400, 5), (0, 1, 3, 2));
    assert_eq!(keep(2, 1, 100), (0, 1, 4, 1), "the newest stays whatever its age");
    assert_eq!(keep(9, 400, 5), (4, 0, 0, 5), "and what is allowed again comes back");
}

#[test]
fn a_log_that_cannot_be_read_any_more_is_not_remembered() {
    let (_dir, state) = state();
    let broken = passed_run(&state, 1_000);
    passed_run(&state, 2_000);
    let (mut db, _) = caught_up(&state);
    std::fs::write(state.runs().join(&broken.0).join("events.jsonl"), b"\xff\n").unwrap();
    std::fs::remove_file(state.runs().join(&broken.0).join("facts.jsonl")).unwrap();
    let recorded = Recorded::load(&state);
    assert_eq!((recorded.runs.len(), recorded.problems.len()), (1, 1));
    assert_eq!(db.catch_up(&state, &recorded, &Keep::default(), EPOCH).unwrap().gone, 1);
    same_as_recorded(&mut db, &state);
}

#[test]
fn what_wf_did_not_write_so_is_moved_away_and_made_anew() {
    let (_dir, state) = state();
    for at in 1..=20 {
        passed_run(&state, at * 1_000);
    }
    let (mut db, _) = caught_up(&state);
    let right = dump(&mut db);
    drop(db);
    let good = std::fs::read(place(&state)).unwrap();
    let with = |sql: &'static str| {
        std::fs::write(place(&state), &good).unwrap();
        let (mut db, _) = Db::open(&state).unwrap();
        db.ask("a change", sqlx::query(sql)).unwrap();
        drop(db);
        std::fs::read(place(&state)).unwrap()
    };
    let scribbled: Vec<u8> = good.iter().enumerate().map(|(at, byte)| if at < 8_192 { *byte } else { 0xa5 }).collect();
    for (what, bytes, word) in [
        ("nothing", vec![], "version 0"),
        ("text", b"hello ".repeat(900), "not a database"),
        ("a newer one", with("PRAGMA user_version = 3"), "version 3"),
        ("a trigger", with("CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM hits; END"), "tables"),
        ("a view", with("CREATE VIEW v AS SELECT 1"), "tables"),
        ("no index", with("DROP INDEX hits_by_step"), "tables"),
        ("half of it", good[..good.len() / 2].to_vec(), "malformed"),
        ("its pages are scribbled on", scribbled, "malformed"),
    ] {
        std::fs::write(place(&state), &bytes).unwrap();
        let (mut db, caught) = caught_up(&state);
        let replaced = caught.replaced.unwrap_or_else(|| panic!("{what} was believed"));
        assert!(replaced.to_string().contains(word), "{what}: {replaced}");
        assert_eq!(std::fs::read(&replaced.kept_as).unwrap().len(), bytes.len(), "{what}");
        assert_eq!((caught.taken, dump(&mut db)), (20, right.clone()), "{what}");
    }
}

#[test]
fn a_row_of_nonsense_is_damage_and_a_rebuild_mends_it() {
    let (_dir, state) = state();
    passed_run(&state, 1_000);
    let (mut db, _) = caught_up(&state);
    let right = dump(&mut db);
    for (sql, back) in [
        ("UPDATE attempts SET outcome = 'x'", "UPDATE attempts SET outcome = '{\"is\":\"passed\"}'"),
        ("UPDATE attempts SET wall_ms = -1", "UPDATE attempts SET wall_ms = 7"),
        ("UPDATE attempts SET key = 'k'", "UPDATE attempts SET key = NULL"),
    ] {
        db.ask("a change", sqlx::query(sql)).unwrap();
        let error = db.attempts(Of::All, None).unwrap_err();
        assert!(matches!(error, DbError::Damaged { .. }) && error.hint().contains("rebuild"), "{sql}: {error}");
        db.ask("a change", sqlx::query(back)).unwrap();
        db.attempts(Of::All, None).unwrap();
    }
    db.ask("a change", sqlx::query("UPDATE runs SET status = 'so-so'")).unwrap();
    assert!(matches!(db.runs(None), Err(DbError::Damaged { .. })));
    drop(db);
    Db::remove(&state).unwrap();
    assert_eq!(dump(&mut caught_up(&state).0), right);
}

#[test]
fn a_crash_while_it_is_made_leaves_nothing_that_matters() {
    let (_dir, state) = state();
    passed_run(&state, 1_000);
    for left in ["history.db.new", "history.db.new-wal", "history.db.new-journal"] {
        std::fs::write(state.root().join(left), "half").unwrap();
    }
    let (mut db, caught) = caught_up(&state);
    assert_eq!((caught.taken, caught.replaced), (1, None));
    same_as_recorded(&mut db, &state);
    assert!(!state.root().join("history.db.new").exists());
}

#[test]
fn a_journal_whose_database_was_deleted_is_not_taken_for_the_new_ones() {
    let (_dir, state) = state();
    for at in 1..=9 {
        passed_run(&state, at * 1_000);
    }
    let [wal, ..] = companions(&place(&state));
    let (mut db, _) = caught_up(&state);
    db.ask("a change", sqlx::query("UPDATE runs SET ran = 77")).unwrap();
    let journal = std::fs::read(&wal).unwrap();
    assert!(!journal.is_empty());
    drop(db);
    std::fs::remove_file(place(&state)).unwrap();
    std::fs::write(&wal, journal).unwrap();
    let (mut db, caught) = caught_up(&state);
    assert_eq!((caught.taken, caught.replaced), (9, None));
    same_as_recorded(&mut db, &state);
}

#[test]
fn symlinks_and_other_strange_files_are_refused_and_nothing_behind_them_is_touched() {
    for name in ["history.db", "history.db-wal", "history.db-shm"] {
        let (dir, state) = state();
        passed_run(&state, 1_000);
        drop(caught_up(&state));
        let outside = dir.path().join("outside");
        std::fs::write(&outside, "mine").unwrap();
        let _ = std::fs::remove_file(state.root().join(name));
        symlink(&outside, state.root().join(name)).unwrap();
        let error = Db::open(&state).map(|_| ()).unwrap_err();
        assert!(matches!(error, DbError::Io { .. }), "{error}");
        assert_eq!(std::fs::read(&outside).unwrap(), b"mine");
        Db::remove(&state).unwrap();
        assert_eq!(std::fs::read(&outside).unwrap(), b"mine");
        assert_eq!(caught_up(&state).1.taken, 1);
    }
}

#[test]
fn many_at_once_take_every_run_once() {
    let (_dir, state) = state();
    for at in 1..=30 {
        passed_run(&state, at * 1_000);
    }
    let caught = || up_to_date(&state, &Recorded::load(&state), EPOCH).unwrap().1.taken;
    let taken: usize = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(caught)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken, 30, "no run was taken twice");
    same_as_recorded(&mut caught_up(&state).0, &state);
}

#[test]
fn costs_and_flaky_keys_are_counted() {
    let (_dir, state) = state();
    let run = |at: u64, kinds: Vec<EventKind>| {
        let all = [started(), plan(&["a", "b"])].into_iter().chain(kinds).chain([run_ended(RunStatus::Passed)]);
        record(&state, at, all.collect()).id
    };
    run(1_000, vec![attempt("a", 1, true, true, Some(1)), reused("b", 40)]);
    let second = run(2_000, vec![attempt("a", 1, true, false, Some(1)), reused("b", 2)]);
    run(3_000, vec![attempt("a", 1, false, false, None), attempt("a", 2, true, true, Some(2))]);
    let last = run(4_000, vec![attempt("a", 1, true, true, Some(3)), attempt("b", 1, true, true, None)]);
    let (mut db, _) = caught_up(&state);
    let flaky: Vec<_> = db.flaky_keys().unwrap().into_iter().map(|it| (it.key, it.passed, it.failed)).collect();
    assert_eq!(flaky, [(key(2), 1, 1), (key(1), 1, 1)]);
    assert_eq!(db.flaky_keys().unwrap()[1].last_run, second);
    let costs = db.costs(None).unwrap();
    let a = StepCosts { runs: 4, attempts: 5, wall_ms: 35, failures: 1, flaky: 1, ..StepCosts::default() };
    let b = StepCosts { runs: 1, attempts: 1, wall_ms: 7, hits: 2, saved_ms: 42, ..StepCosts::default() };
    assert_eq!((&costs[&id("a")], &costs[&id("b")], costs.len()), (&a, &b, 2));
    let costs = db.costs(Some(3)).unwrap();
    assert_eq!((costs[&id("a")].runs, costs[&id("b")].hits, costs[&id("b")].saved_ms), (3, 1, 2));
    assert_eq!((db.costs(Some(0)).unwrap().len(), db.costs(Some(99)).unwrap()[&id("a")].runs), (0, 4));
    let durations: Vec<_> = db.times(&id("a")).unwrap().iter().map(|it| it.passed).collect();
    assert_eq!(durations, [true, false, true, true], "what was repeated does not count");
    let training = db.training(9).unwrap();
    assert_eq!(training.iter().map(|(_, all)| all.len()).collect::<Vec<_>>(), [1, 1, 1, 2]);
    assert!(training.is_sorted_by_key(|(facts, _)| facts.run.clone()));
    assert_eq!(db.training(2).unwrap(), training[2..]);
    assert_eq!(db.attempts(Of::Step(&id("a")), Some(2)).unwrap()[0].run, last);
}

#[test]
fn anomalies_are_kept_with_their_run() {
    let (_dir, state) = state();
    let run = passed_run(&state, 1_000);
    let (mut db, _) = caught_up(&state);
    let one = |step| Anomaly { run: run.clone(), step, kind: "slow".into(), message: "'; DROP TABLE runs".into() };
    let found = [one(Some(id("a"))), one(None)];
    for _ in 0..2 {
        db.keep_anomalies(&run, &found).unwrap();
        assert_eq!(db.anomalies(&run).unwrap(), found);
    }
    db.keep_anomalies(&named(9_000), &found).unwrap();
    assert_eq!(db.anomalies(&named(9_000)).unwrap(), []);
    db.keep_anomalies(&run, &[]).unwrap();
    assert_eq!(db.anomalies(&run).unwrap(), []);
}

#[test]
fn a_run_is_found_by_what_a_person_types() {
    let (_dir, state) = state();
    let old = passed_run(&state, 0x018f_0000_0000);
    let new = passed_run(&state, 0x018f_1000_0000);
    let (mut db, _) = caught_up(&state);
    let mut found = |text: &str| db.find(text).unwrap().map(|facts| facts.run);
    assert_eq!((found("latest"), found(&old.0.to_uppercase())), (Ok(new.clone()), Ok(old.clone())));
    assert_eq!(found(&new.0[..10]), Ok(new.clone()));
    assert_eq!(found(&new.0[..4]), Err(FindError::Ambiguous(vec![new, old])));
    for text in ["", "%", "..", "' OR 1 --", "ffff", "g"] {
        assert_eq!(found(text), Err(FindError::NotFound), "{text}");
    }
}

#[test]
fn questions_use_indexes() {
    let (_dir, state) = state();
    let (mut db, _) = caught_up(&state);
    let mut plan = |sql: &str| -> String {
        let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let mut query = sqlx::query(sql);
        for _ in 0..2 {
            query = query.bind("1");
        }
        let rows = db.ask("a plan", query).unwrap_or_else(|error| panic!("{error:?}"));
        rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("; ")
    };
    for (sql, index) in [
        (query::RUNS, "SCAN runs USING INDEX sqlite_autoindex_runs_1"),
        (query::NAMED, "SEARCH runs USING INDEX sqlite_autoindex_runs_1 (id>? AND id<?)"),
        (query::VERDICTS, "SCAN attempts"),
        (query::OF_ALL, "SCAN a"),
        (query::OF_RUN, "SEARCH a USING PRIMARY KEY (run=?)"),
        (query::SINCE, "SEARCH a USING PRIMARY KEY (run>?)"),
        (query::OF_STEP, "SEARCH a USING INDEX attempts_by_step (step=?)"),
        (query::HITS_OF_STEP, "SEARCH h USING COVERING INDEX hits_by_step (step=?)"),
        (query::DURATIONS, "SEARCH attempts USING PRIMARY KEY (run>?)"),
        (query::DURATIONS_OF, "SEARCH attempts USING COVERING INDEX attempts_by_step (step=?)"),
        (query::ANOMALIES, "SEARCH anomalies USING INDEX anomalies_by_run (run=?)"),
        (costs::COSTS, "SCAN attempts USING COVERING INDEX attempts_by_step"),
        (costs::SAVED, "SCAN hits USING COVERING INDEX hits_by_step"),
        (costs::FLAKY, "COVERING INDEX attempts_by_key (key>?)"),
    ] {
        let plan = plan(sql);
        assert!(plan.contains(index), "{sql}\n{plan}");
        let sorts = plan.contains("TEMP B-TREE") && sql != costs::FLAKY && sql != costs::COSTS;
        assert!(!sorts, "what is in order is not sorted again: {sql}\n{plan}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_was_logged_and_pruned_the_database_is_the_fold_of_it(
        logs in proptest::collection::vec((crate::event::arbitrary::log(), any::<bool>()), 1..5),
        keep in 0usize..5,
        midway in 0usize..5,
    ) {
        let (_dir, state) = state();
        for (at, (events, whole)) in logs.iter().enumerate() {
            let kinds = events.iter().map(|Event { kind, .. }| kind.clone()).collect();
            if *whole {
                record(&state, at as u64 * 1_000 + 1, kinds);
            } else {
                drop(write(&state, at as u64 * 1_000 + 1, kinds));
            }
            if at == midway {
                caught_up(&state);
            }
        }
        let caught = |state: &StateDir| {
            let (mut db, replaced) = Db::open(state).unwrap();
            let caught = db.catch_up(state, &Recorded::load(state), &Keep::default(), EPOCH).unwrap();
            prop_assert!(replaced.is_none() && caught.problems.is_empty(), "{caught:?}");
            Ok(db)
        };
        same_as_recorded(&mut caught(&state)?, &state);
        let before = dump(&mut caught(&state)?);
        prune(&state, &Limits { runs: keep, ..Limits::default() }, EPOCH).unwrap();
        prop_assert_eq!(&dump(&mut caught(&state)?), &before);
        Db::remove(&state).unwrap();
        prop_assert_eq!(&dump(&mut caught(&state)?), &before, "made anew from what is left");
    }
}
