//! What was learned of all recorded runs, in one file: how long steps take, and which are likely to fail.
//!
//! It is derived: the file can be deleted at any time, and what the recorded runs still tell is learned anew. A run learns
//! nothing at its end; the next one that needs predictions first learns of the runs since. Does not know how to learn; that
//! is `predict`.

mod keep;

pub use keep::ModelLock;

use super::db::AttemptRow;
use super::{AttemptFact, Recorded, RecordedRun, Row, RunFacts, StateDir, open};
use crate::base::{Millis, RunId, StepId};
use crate::event::Outcome;
use crate::key::Key;
use crate::predict::Circumstances;
use crate::predict::durations::Durations;
use crate::predict::failures::{Failures, Verdict};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::PathBuf;

/// The format that this wf writes, and the only one it reads.
const MAGIC: &[u8; 8] = b"wfmodel2";
/// Magic, CRC-32 of all that follows, how long the first part is.
const HEAD: usize = 16;
/// More is not read: ten thousand steps take a tenth of it.
const LIMIT: u64 = 256 << 20;
/// The names of so many learned runs are kept: more than are recorded at any time.
const SEEN: usize = 2_000;
/// The regression is fitted anew after so many runs that something ran in (as in the replays it is measured by), or after a
/// day.
const FIT_RUNS: u64 = 5;
const FIT_SECONDS: i64 = 24 * 3_600;

/// What was learned.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    /// How long steps take.
    pub durations: Durations,
    /// Which are likely to fail.
    pub failures: Failures,
    /// How far learning has come.
    pub progress: Progress,
    /// What each step did last.
    pub last: BTreeMap<StepId, LastRun>,
}

/// How far learning has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Runs that were learned of in which something ran.
    pub runs: u64,
    /// Attempts in them.
    pub samples: u64,
    /// When the regression was fitted last, in seconds since 1970. 0: never.
    pub fitted_at: i64,
    /// After how many runs that was.
    pub fitted_runs: u64,
    /// When all of it was learned anew (`wf ml train`), in seconds since 1970. 0: never; run by run.
    pub trained_at: i64,
    seen: BTreeSet<RunId>,
}

/// What a step did last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// How long its newest pass took; none if it never passed.
    pub passed_ms: Option<Millis>,
    /// The most memory it was ever seen to use at once, in bytes.
    pub peak_bytes: u64,
    /// The key of its newest verdict, and whether that was a pass.
    key: Option<(Key, bool)>,
}

/// An attempt, as far as something is learned of it.
struct Attempted<'a> {
    step: &'a StepId,
    attempt: u32,
    outcome: &'a Outcome,
    last: bool,
    wall_ms: Millis,
    peak_bytes: u64,
    key: Option<Key>,
}

impl<'a> From<&'a AttemptFact> for Attempted<'a> {
    fn from(it: &'a AttemptFact) -> Self {
        let peak_bytes = it.usage.memory_bytes;
        Self {
            step: &it.step,
            attempt: it.attempt,
            outcome: &it.outcome,
            last: it.last,
            wall_ms: it.wall_ms,
            peak_bytes,
            key: it.key,
        }
    }
}

impl<'a> From<&'a AttemptRow> for Attempted<'a> {
    fn from(it: &'a AttemptRow) -> Self {
        let peak_bytes = it.usage.memory_bytes;
        Self {
            step: &it.step,
            attempt: it.attempt,
            outcome: &it.outcome,
            last: it.last,
            wall_ms: it.wall_ms,
            peak_bytes,
            key: it.key,
        }
    }
}

/// Why a file of what was learned is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LearnedError {
    /// It cannot be read.
    #[error("what was learned of earlier runs cannot be read from {}: {message}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        message: String,
    },
    /// It is damaged, or another wf wrote it.
    #[error("{} is damaged or was written by another version of wf; what recorded runs tell is learned anew", .0.display())]
    Foreign(PathBuf),
}

/// Where it is kept.
pub fn place(state: &StateDir) -> PathBuf {
    state.root().join("ml").join("model")
}

fn bytes(state: &StateDir) -> Result<Option<Vec<u8>>, LearnedError> {
    let (path, mut bytes) = (place(state), Vec::new());
    match open::read(&path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LearnedError::Unreadable { path, message: error.to_string() }),
    }
    let word = |at: usize| bytes.get(at..at + 4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let whole = bytes.starts_with(MAGIC) && word(8) == bytes.get(12..).map(crc32fast::hash);
    if whole { Ok(Some(bytes)) } else { Err(LearnedError::Foreign(path)) }
}

/// The first part of a file, which most runs need no more of, and the rest.
fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = u32::from_le_bytes(bytes.get(12..HEAD)?.try_into().ok()?) as usize;
    bytes.get(HEAD..)?.split_at_checked(len)
}

/// What each step did last, and of which runs that was learned, without reading what predictions are made of. Nothing, if the file cannot be used.
pub fn last_runs(state: &StateDir) -> (BTreeMap<StepId, LastRun>, Progress) {
    let bytes = bytes(state).ok().flatten();
    bytes.and_then(|bytes| postcard::from_bytes(parts(&bytes)?.0).ok()).unwrap_or_default()
}

impl Progress {
    /// Was this run learned of?
    pub fn knows(&self, run: &RunId) -> bool {
        self.seen.contains(run)
    }

    /// After how many more runs the regression is fitted anew, however soon they come. 0: with the next run.
    pub fn runs_until_fit(&self) -> u64 {
        FIT_RUNS.saturating_sub(self.runs - self.fitted_runs.min(self.runs))
    }

    /// From when on one new run is enough for that, in seconds since 1970.
    pub fn fit_after(&self) -> i64 {
        self.fitted_at.saturating_add(FIT_SECONDS)
    }
}

impl Learned {
    /// Reads what was learned. A file that is damaged or foreign is as good as none, and told.
    pub fn read(state: &StateDir) -> (Self, Option<LearnedError>) {
        let bytes = match bytes(state) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return (Self::default(), None),
            Err(error) => return (Self::default(), Some(error)),
        };
        let read = || {
            let (first, rest) = parts(&bytes)?;
            let (last, progress) = postcard::from_bytes(first).ok()?;
            let (durations, failures) = postcard::from_bytes(rest).ok()?;
            Some(Self { durations, failures, progress, last })
        };
        read().map_or_else(|| (Self::default(), Some(LearnedError::Foreign(place(state)))), |learned| (learned, None))
    }

    /// Learns of every recorded run that was not learned of yet and is over, oldest first. Says how many those were.
    pub fn catch_up(&mut self, recorded: &Recorded) -> usize {
        let is_new = |run: &&RecordedRun| !run.live && !self.progress.seen.contains(&run.facts.run);
        let new: Vec<&RecordedRun> = recorded.runs.iter().rev().filter(is_new).collect();
        for run in &new {
            self.learn(run);
        }
        new.len()
    }

    /// Learns of one run that is over. It must be newer than those learned of before.
    pub fn learn(&mut self, run: &RecordedRun) {
        // Nothing ran in most runs: their rows, which prove what was skipped and reused, are not even read.
        let rows = if run.facts.ran == 0 { vec![] } else { run.attempts() };
        let attempts = rows.iter().filter_map(|row| if let Row::Attempt(it) = row { Some(it.into()) } else { None });
        // What changed is asked for only by those that learn something.
        let facts = if run.facts.ran == 0 { Cow::Borrowed(&run.facts) } else { run.whole_facts() };
        self.learn_of(&facts, attempts);
    }

    /// The same with what the database has of it: its attempts in the order in which they ended.
    pub fn learn_rows(&mut self, run: &RunFacts, attempts: &[AttemptRow]) {
        self.learn_of(run, attempts.iter().map(Attempted::from));
    }

    fn learn_of<'a>(&mut self, run: &RunFacts, attempts: impl IntoIterator<Item = Attempted<'a>>) {
        self.progress.seen.insert(run.run.clone());
        while self.progress.seen.len() > SEEN {
            self.progress.seen.pop_first();
        }
        if run.ran == 0 {
            return;
        }
        let none = Circumstances::default();
        let about = run.circumstances.as_ref().unwrap_or(&none);
        // A step that failed and then passed has two attempts: the same key, both verdicts.
        let mut failed_before: BTreeSet<StepId> = BTreeSet::new();
        for attempt in attempts {
            self.progress.samples += 1;
            let passed = attempt.outcome.passed();
            if passed {
                let seconds = attempt.wall_ms as f64 / 1_000.0;
                self.durations.learn(attempt.step.as_str(), about, attempt.attempt, seconds);
            }
            let last =
                self.last.entry(attempt.step.clone()).or_insert(LastRun { passed_ms: None, peak_bytes: 0, key: None });
            last.peak_bytes = last.peak_bytes.max(attempt.peak_bytes);
            if passed {
                last.passed_ms = Some(attempt.wall_ms);
            }
            if !attempt.outcome.is_verdict() {
                continue;
            }
            if !attempt.last {
                failed_before.insert(attempt.step.clone());
                continue;
            }
            let other = last.key.zip(attempt.key).is_some_and(|((key, was), now)| key == now && was != passed);
            last.key = attempt.key.map(|key| (key, passed)).or(last.key);
            let verdict = match passed {
                _ if other => Verdict::Flaky,
                true if failed_before.contains(attempt.step) => Verdict::Flaky,
                true => Verdict::Passed,
                false => Verdict::Failed,
            };
            self.failures.learn(attempt.step.as_str(), about, verdict);
        }
        self.failures.end_of_run();
        self.progress.runs += 1;
    }

    /// Is it time to fit the regression anew?
    pub fn is_due(&self, now: i64) -> bool {
        let left = self.progress.runs_until_fit();
        left == 0 || (left < FIT_RUNS && now >= self.progress.fit_after())
    }

    /// Fits the regression anew.
    pub fn fit(&mut self, now: i64) {
        self.durations.fit();
        (self.progress.fitted_at, self.progress.fitted_runs) = (now, self.progress.runs);
    }
}

#[cfg(test)]
mod tests {
    use super::super::db::{self, Of};
    use super::super::samples::{ended, planned, record, run_ended, started};
    use super::super::{ChosenBy, StateDir};
    use super::*;
    use crate::event::{Because, Decision, EventKind, RunStatus};

    /// Three runs: `b` fails in the second and passes again in the third.
    fn recorded() -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        for at in 1..=3 {
            let steps = ["a", "b"].map(|step| planned(step, Decision::Run(Because::NoBase), &[]));
            let b = if at == 2 { Outcome::Failed { code: 1 } } else { Outcome::Passed };
            let plan = EventKind::Planned { steps: steps.into(), stages: vec![] };
            let ends = [ended("a", Outcome::Passed, false), ended("b", b, false), run_ended(RunStatus::Passed)];
            record(&state, at * 1_000, [started(), plan].into_iter().chain(ends).collect());
        }
        (dir, state)
    }

    #[test]
    fn the_database_teaches_what_the_recorded_runs_teach() {
        let (_dir, state) = recorded();
        let recorded = Recorded::load(&state);
        let mut caught_up = Learned::default();
        assert_eq!(caught_up.catch_up(&recorded), 3);
        assert_eq!(caught_up.catch_up(&recorded), 0, "nothing is learned twice");
        let (mut db, _) = db::up_to_date(&state, &recorded, jiff::Timestamp::UNIX_EPOCH).unwrap();
        let mut anew = Learned::default();
        for facts in db.runs(None).unwrap().0.iter().rev() {
            anew.learn_rows(facts, &db.attempts(Of::Run(&facts.run), None).unwrap());
        }
        assert_eq!((anew.progress.runs, anew.progress.samples), (3, 6));
        assert_eq!(anew.progress, caught_up.progress);
        assert_eq!((&anew.durations, &anew.failures), (&caught_up.durations, &caught_up.failures));
        assert_eq!(anew.last, caught_up.last);
    }

    #[test]
    fn fitting_is_due_after_some_runs_or_one_and_a_day() {
        let mut learned = Learned::default();
        assert!(!learned.is_due(i64::MAX), "nothing is new");
        learned.progress = Progress { runs: 12, fitted_runs: 11, fitted_at: 1_000, ..Progress::default() };
        assert_eq!(learned.progress.runs_until_fit(), FIT_RUNS - 1);
        assert!(!learned.is_due(1_000 + FIT_SECONDS - 1) && learned.is_due(1_000 + FIT_SECONDS));
        learned.progress.fitted_runs = 12 - FIT_RUNS;
        assert_eq!(learned.progress.runs_until_fit(), 0);
        assert!(learned.is_due(1_000));
    }
}
