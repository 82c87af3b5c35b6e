//! Questions about runs and attempts, answered with plain data. Does not know: what the answers are for.

use super::row::{Values, int, run_columns};
use super::{Anomaly, AttemptRow, Db, DbError, FindError, HitRow, KeyedVerdict, Of, StepTime, failed};
use crate::base::{RunId, StepId};
use crate::event::Usage;
use crate::history::RunFacts;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::collections::HashMap;

/// A limit that is none.
const ALL: usize = usize::MAX;

pub(super) const RUNS: &str = concat!("SELECT ", run_columns!(), " FROM runs ORDER BY id DESC LIMIT ?");
pub(super) const NAMED: &str =
    concat!("SELECT ", run_columns!(), " FROM runs WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id DESC LIMIT 6");

macro_rules! attempts {
    ($rest:literal) => {
        concat!(
            "SELECT a.run, r.started_at, a.step, a.attempt, a.last, a.outcome, a.flaky, a.wall_ms, a.cpu_ms, \
             a.memory_bytes, a.disk_bytes, a.key, a.predicted_ms, a.definition FROM attempts a JOIN runs r ON r.id = a.run ",
            $rest
        )
    };
}
pub(super) const OF_ALL: &str = attempts!("ORDER BY a.run DESC, a.at DESC LIMIT ?");
pub(super) const OF_RUN: &str = attempts!("WHERE a.run = ? ORDER BY a.at LIMIT ?");
pub(super) const SINCE: &str = attempts!("WHERE a.run >= ? ORDER BY a.run, a.at");
pub(super) const OF_STEP: &str = attempts!("WHERE a.step = ? ORDER BY a.run DESC, a.at DESC LIMIT ?");

macro_rules! hits {
    ($rest:literal) => {
        concat!("SELECT h.run, r.started_at, h.step, h.saved_ms FROM hits h JOIN runs r ON r.id = h.run ", $rest)
    };
}
const HITS_OF_ALL: &str = hits!("ORDER BY h.run DESC, h.step LIMIT ?");
const HITS_OF_RUN: &str = hits!("WHERE h.run = ? ORDER BY h.step LIMIT ?");
pub(super) const HITS_OF_STEP: &str = hits!("WHERE h.step = ? ORDER BY h.run DESC LIMIT ?");

pub(super) const DURATIONS: &str = "SELECT step, run, wall_ms, cpu_ms, verdict, attempt FROM attempts \
                                    WHERE run >= ? AND verdict IS NOT NULL ORDER BY run, at";
pub(super) const DURATIONS_OF: &str = "SELECT step, run, wall_ms, cpu_ms, verdict, attempt FROM attempts \
                                       WHERE step = ? AND verdict IS NOT NULL ORDER BY run, at";
pub(super) const VERDICTS: &str = "SELECT step, key, run, verdict, flaky FROM attempts \
                                   WHERE verdict IS NOT NULL ORDER BY run, at";
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
        rows.iter().map(|row| self.attempt(row)).collect()
    }

    /// All attempts of this run and of newer ones, in the order in which they ended.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn attempts_since(&mut self, run: &RunId) -> Result<Vec<AttemptRow>, DbError> {
        let rows = self.ask("attempts", sqlx::query(SINCE).bind(run.as_str()))?;
        rows.iter().map(|row| self.attempt(row)).collect()
    }

    fn attempt(&self, row: &SqliteRow) -> Result<AttemptRow, DbError> {
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
            definition: values.definition()?,
        })
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
    ) -> Result<Vec<SqliteRow>, DbError> {
        let query = match of {
            Of::All => sqlx::query(all),
            Of::Run(run) => sqlx::query(of_run).bind(run.as_str()),
            Of::Step(step) => sqlx::query(of_step).bind(step.as_str()),
        };
        self.ask(name, query.bind(int(last.unwrap_or(ALL))))
    }

    /// How long a step took, in the order in which that happened. Only what ended by itself and was not repeated
    /// counts.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn times(&mut self, step: &StepId) -> Result<Vec<StepTime>, DbError> {
        let rows = self.ask("durations of a step", sqlx::query(DURATIONS_OF).bind(step.as_str()))?;
        rows.iter().map(|row| self.step_time(row)).collect()
    }

    fn step_time(&self, row: &SqliteRow) -> Result<StepTime, DbError> {
        let values = Values(self, row);
        let (wall_ms, cpu_ms) = (values.number("wall_ms")?, values.number("cpu_ms")?);
        let (passed, attempt) = (values.flag("verdict")?, values.number("attempt")?);
        Ok(StepTime { step: values.step()?, run: values.run()?, wall_ms, cpu_ms, passed, attempt })
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

    /// Durations of all steps in the newest runs, run by run, with what is known of each: what prediction learns from,
    /// oldest first. Runs in which no step ended are left out.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn training(&mut self, last: usize) -> Result<Vec<(RunFacts, Vec<StepTime>)>, DbError> {
        let (runs, _) = self.runs(Some(last))?;
        let Some(oldest) = runs.last() else { return Ok(vec![]) };
        let rows = self.ask("durations", sqlx::query(DURATIONS).bind(oldest.run.as_str()))?;
        let mut by_run: HashMap<RunId, Vec<StepTime>> = HashMap::new();
        for row in &rows {
            let time = self.step_time(row)?;
            by_run.entry(time.run.clone()).or_default().push(time);
        }
        let with_times = |facts: RunFacts| by_run.remove(&facts.run).map(|times| (facts, times));
        Ok(runs.into_iter().rev().filter_map(with_times).collect())
    }

    /// What was found strange about a run.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn anomalies(&mut self, run: &RunId) -> Result<Vec<Anomaly>, DbError> {
        let rows = self.ask("anomalies", sqlx::query(ANOMALIES).bind(run.as_str()))?;
        rows.iter().map(|row| Values(self, row).anomaly()).collect()
    }
}
