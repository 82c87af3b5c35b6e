//! Questions about runs and attempts, answered with plain data. Does not know: what the answers are for.

use super::row::{Values, int, run_columns};
use super::{Db, DbError, failed};
use crate::base::{Millis, RunId, StepId};
use crate::event::{Outcome, Usage};
use crate::history::RunFacts;
use crate::key::Key;
use sqlx::Row as _;
use std::collections::HashMap;

/// Of which attempts is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// Of all, the newest first.
    All,
    /// Of one run, in the order in which they ended.
    Run(&'a RunId),
    /// Of one step, the newest first.
    Step(&'a StepId),
}

/// An attempt that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRow {
    /// Its run.
    pub run: RunId,
    /// When that began: UTC, RFC 3339.
    pub started_at: String,
    /// Its step.
    pub step: StepId,
    /// 1, 2, …
    pub attempt: u32,
    /// No further attempt followed.
    pub last: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// Did it pass after a failure in the same run?
    pub flaky: bool,
    /// How long it took.
    pub wall_ms: Millis,
    /// What it used.
    pub usage: Usage,
    /// The key it ran with.
    pub key: Option<Key>,
    /// How long it was expected to take, if somebody had said so.
    pub predicted_ms: Option<Millis>,
}

/// A step that did not run, because its result was known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HitRow {
    /// In which run.
    pub run: RunId,
    /// When that began: UTC, RFC 3339.
    pub started_at: String,
    /// Which step.
    pub step: StepId,
    /// How long it took when it ran.
    pub saved_ms: Millis,
}

/// How long a step took, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Duration {
    /// Which step.
    pub step: StepId,
    /// In which run; [`Db::runs`] has its circumstances.
    pub run: RunId,
    /// How long.
    pub wall_ms: Millis,
    /// Processor time.
    pub cpu_ms: Millis,
    /// Did it pass? Failures are often shorter.
    pub passed: bool,
}

/// What one attempt says of its step, and of its key if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedVerdict {
    /// Which step.
    pub step: StepId,
    /// On what.
    pub key: Option<Key>,
    /// In which run.
    pub run: RunId,
    /// Did it pass?
    pub passed: bool,
    /// Did it pass only after a failure in the same run?
    pub flaky: bool,
}

/// Something strange about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Which run.
    pub run: RunId,
    /// Which of its steps, if it is one.
    pub step: Option<StepId>,
    /// Which kind, for counting.
    pub kind: String,
    /// For people.
    pub message: String,
}

/// Why no run was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindError {
    /// None is called so.
    NotFound,
    /// Several start so.
    Ambiguous(Vec<RunId>),
}

/// A limit that is none.
const ALL: usize = usize::MAX;

const RUNS: &str = concat!("SELECT ", run_columns!(), " FROM runs ORDER BY id DESC LIMIT ?");
const NAMED: &str =
    concat!("SELECT ", run_columns!(), " FROM runs WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id DESC LIMIT 6");

macro_rules! attempts {
    ($rest:literal) => {
        concat!(
            "SELECT a.run, r.started_at, a.step, a.attempt, a.last, a.outcome, a.flaky, a.wall_ms, a.cpu_ms, \
             a.memory_bytes, a.disk_bytes, a.key, a.predicted_ms FROM attempts a JOIN runs r ON r.id = a.run ",
            $rest
        )
    };
}
pub(super) const OF_ALL: &str = attempts!("ORDER BY a.run DESC, a.at DESC LIMIT ?");
pub(super) const OF_RUN: &str = attempts!("WHERE a.run = ? ORDER BY a.at LIMIT ?");
pub(super) const OF_STEP: &str = attempts!("WHERE a.step = ? ORDER BY a.run DESC, a.at DESC LIMIT ?");

macro_rules! hits {
    ($rest:literal) => {
        concat!("SELECT h.run, r.started_at, h.step, h.saved_ms FROM hits h JOIN runs r ON r.id = h.run ", $rest)
    };
}
const HITS_OF_ALL: &str = hits!("ORDER BY h.run DESC, h.step LIMIT ?");
const HITS_OF_RUN: &str = hits!("WHERE h.run = ? ORDER BY h.step LIMIT ?");
pub(super) const HITS_OF_STEP: &str = hits!("WHERE h.step = ? ORDER BY h.run DESC LIMIT ?");

pub(super) const DURATIONS: &str = "SELECT step, run, wall_ms, cpu_ms, verdict FROM attempts \
                                    WHERE verdict IS NOT NULL ORDER BY run, at";
pub(super) const DURATIONS_OF: &str = "SELECT step, run, wall_ms, cpu_ms, verdict FROM attempts \
                                       WHERE step = ? AND verdict IS NOT NULL ORDER BY run, at";
const VERDICTS: &str = "SELECT step, key, run, verdict, flaky FROM attempts WHERE verdict IS NOT NULL ORDER BY run, at";
pub(super) const ANOMALIES: &str = "SELECT run, step, kind, message FROM anomalies WHERE run = ? ORDER BY rowid";

impl Db {
    /// The newest runs, newest first, and how many there are in all. `None`: all of them.
    ///
    /// # Errors
    /// As all questions: when the database is damaged or cannot be read.
    pub fn runs(&mut self, last: Option<usize>) -> Result<(Vec<RunFacts>, usize), DbError> {
        let rows = self.ask("runs", sqlx::query(RUNS).bind(int(last.unwrap_or(ALL))))?;
        let runs = rows.iter().map(|row| Values(self, row).run_facts()).collect::<Result<_, _>>()?;
        let total = self.ask("runs", sqlx::query("SELECT count(*) FROM runs"))?;
        let total: i64 = total.first().map_or(Ok(0), |row| row.try_get(0)).map_err(failed(&self.path))?;
        Ok((runs, usize::try_from(total).unwrap_or(0)))
    }

    /// The run that a person means: a whole id or the start of one, `latest` for the newest.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn find(&mut self, typed: &str) -> Result<Result<RunFacts, FindError>, DbError> {
        let typed = typed.trim().to_ascii_lowercase();
        let mut runs = match typed.as_str() {
            "latest" => self.runs(Some(1))?.0,
            // Nothing else can be the start of an id.
            text if text.is_empty() || !text.chars().all(|c| c.is_ascii_hexdigit() || c == '-') => vec![],
            text => {
                let rows = self.ask("a run by its name", sqlx::query(NAMED).bind(text))?;
                rows.iter().map(|row| Values(self, row).run_facts()).collect::<Result<_, _>>()?
            }
        };
        Ok(match runs.len() {
            1 => Ok(runs.remove(0)),
            0 => Err(FindError::NotFound),
            _ => Err(FindError::Ambiguous(runs.into_iter().map(|facts| facts.run).collect())),
        })
    }

    /// Attempts, at most so many.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn attempts(&mut self, of: Of<'_>, last: Option<usize>) -> Result<Vec<AttemptRow>, DbError> {
        let rows = self.ask_of("attempts", [OF_ALL, OF_RUN, OF_STEP], of, last)?;
        let read = |row| {
            let values = Values(self, row);
            let number = |name| values.number(name);
            Ok(AttemptRow {
                run: values.run()?,
                started_at: values.text("started_at")?,
                step: values.step()?,
                attempt: values.number("attempt")?,
                last: values.flag("last")?,
                outcome: values.outcome()?,
                flaky: values.flag("flaky")?,
                wall_ms: number("wall_ms")?,
                usage: Usage {
                    cpu_ms: number("cpu_ms")?,
                    memory_bytes: number("memory_bytes")?,
                    disk_bytes: number("disk_bytes")?,
                },
                key: values.key()?,
                predicted_ms: values.maybe_ms("predicted_ms")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Steps that did not run because their results were known, at most so many.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn hits(&mut self, of: Of<'_>, last: Option<usize>) -> Result<Vec<HitRow>, DbError> {
        let rows = self.ask_of("hits", [HITS_OF_ALL, HITS_OF_RUN, HITS_OF_STEP], of, last)?;
        let read = |row| {
            let values = Values(self, row);
            let (run, step) = (values.run()?, values.step()?);
            Ok(HitRow { run, step, started_at: values.text("started_at")?, saved_ms: values.number("saved_ms")? })
        };
        rows.iter().map(read).collect()
    }

    fn ask_of(
        &mut self,
        name: &'static str,
        [all, of_run, of_step]: [&'static str; 3],
        of: Of<'_>,
        last: Option<usize>,
    ) -> Result<Vec<sqlx::sqlite::SqliteRow>, DbError> {
        let query = match of {
            Of::All => sqlx::query(all),
            Of::Run(run) => sqlx::query(of_run).bind(run.as_str()),
            Of::Step(step) => sqlx::query(of_step).bind(step.as_str()),
        };
        self.ask(name, query.bind(int(last.unwrap_or(ALL))))
    }

    /// How long steps took, in the order in which that happened, for learning: of one step, or of all. Only what ended by itself and was
    /// not repeated counts.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn durations(&mut self, step: Option<&StepId>) -> Result<Vec<Duration>, DbError> {
        let query = step.map_or_else(|| sqlx::query(DURATIONS), |step| sqlx::query(DURATIONS_OF).bind(step.as_str()));
        let rows = self.ask("durations", query)?;
        let read = |row| {
            let values = Values(self, row);
            let (wall_ms, cpu_ms) = (values.number("wall_ms")?, values.number("cpu_ms")?);
            Ok(Duration { step: values.step()?, run: values.run()?, wall_ms, cpu_ms, passed: values.flag("verdict")? })
        };
        rows.iter().map(read).collect()
    }

    /// What attempts say of steps and their keys, in the order in which that happened.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn verdicts(&mut self) -> Result<Vec<KeyedVerdict>, DbError> {
        let rows = self.ask("verdicts", sqlx::query(VERDICTS))?;
        let read = |row| {
            let values = Values(self, row);
            let (passed, flaky) = (values.flag("verdict")?, values.flag("flaky")?);
            Ok(KeyedVerdict { step: values.step()?, key: values.key()?, run: values.run()?, passed, flaky })
        };
        rows.iter().map(read).collect()
    }

    /// Durations of all steps, run by run, with what is known of each run: what prediction learns from, oldest first.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn training(&mut self) -> Result<Vec<(RunFacts, Vec<Duration>)>, DbError> {
        let mut by_run: HashMap<RunId, Vec<Duration>> = HashMap::new();
        for duration in self.durations(None)? {
            by_run.entry(duration.run.clone()).or_default().push(duration);
        }
        let (runs, _) = self.runs(None)?;
        Ok(runs
            .into_iter()
            .rev()
            .filter_map(|facts| Some((by_run.remove(&facts.run)?, facts)))
            .map(|(d, f)| (f, d))
            .collect())
    }

    /// What was found strange about a run.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn anomalies(&mut self, run: &RunId) -> Result<Vec<Anomaly>, DbError> {
        let rows = self.ask("anomalies", sqlx::query(ANOMALIES).bind(run.as_str()))?;
        let read = |row| {
            let values = Values(self, row);
            let step = values.maybe_text("step")?.map(|_| values.step()).transpose()?;
            Ok(Anomaly { run: values.run()?, step, kind: values.text("kind")?, message: values.text("message")? })
        };
        rows.iter().map(read).collect()
    }
}
