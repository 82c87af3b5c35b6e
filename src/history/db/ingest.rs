//! Taking recorded runs into the database, and letting old ones go.
//!
//! One transaction for each run, and a run that is there is not taken again: whoever is killed in between, or comes
//! second, changes nothing. Does not know: logs; it takes what [`Recorded`] found.

use super::open::Replaced;
use super::row::{int, run_columns, verdict, word};
use super::{Db, DbError, failed};
use crate::base::RunId;
use crate::event::Place;
use crate::history::runs::named_at;
use crate::history::{AttemptFact, ProvenFact, Recorded, Row, RunFacts, StateDir, runs};
use sqlx::{Connection as _, Row as _, Sqlite, Transaction};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What is kept in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// At most so many runs.
    pub runs: usize,
    /// None older than this; but the newest stays whatever its age.
    pub age: Duration,
}

impl Default for Keep {
    /// More than a year, so that the same season can be compared; and at most some hundred MB.
    fn default() -> Self {
        Self { runs: 10_000, age: Duration::from_hours(400 * 24) }
    }
}

/// What was done so that the database holds all that is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caught {
    /// The one that was moved away, if it could not be used.
    pub replaced: Option<Replaced>,
    /// How many runs were taken.
    pub taken: usize,
    /// How many went: they are past what is kept, or their logs cannot be read any more.
    pub gone: usize,
    /// Runs that are recorded and not in it: they go on, are damaged, or are past what is kept.
    pub apart: BTreeSet<RunId>,
    /// Runs that could not be taken, one sentence each.
    pub problems: Vec<String>,
}

const RUN: &str = concat!(
    "INSERT OR IGNORE INTO runs (",
    run_columns!(),
    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
);
const ATTEMPT: &str = "INSERT INTO attempts (run, at, step, attempt, last, outcome, verdict, flaky, at_ms, wall_ms, \
                       cpu_ms, memory_bytes, disk_bytes, key, predicted_ms, definition) \
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const HIT: &str = "INSERT OR IGNORE INTO hits (run, step, saved_ms) VALUES (?, ?, ?)";
const GONE: &str = "DELETE FROM runs WHERE id = ?";

impl Db {
    /// Takes the runs that it does not have and that have ended, and lets go those past what is kept. When there is
    /// nothing to do, nothing is written.
    ///
    /// # Errors
    /// When the database cannot be used. A run that cannot be read is in [`Caught::problems`].
    pub fn catch_up(
        &mut self,
        state: &StateDir,
        recorded: &Recorded,
        keep: &Keep,
        now: jiff::Timestamp,
    ) -> Result<Caught, DbError> {
        let mut caught = Caught::default();
        let have = self.run_ids()?;
        let found = recorded.runs.iter().map(|run| run.facts.run.as_str());
        let all: BTreeSet<&str> = have.iter().map(String::as_str).chain(found).collect();
        let oldest = oldest(&all, keep, now);
        // Oldest first, so that a process that is killed leaves the beginning of what happened.
        for run in recorded.runs.iter().rev().filter(|run| !have.contains(run.facts.run.as_str())) {
            let id = &run.facts.run;
            if run.live || *id.0 < *oldest {
                caught.apart.insert(id.clone());
                continue;
            }
            match run.rows() {
                Ok(rows) => caught.taken += usize::from(self.take(&run.whole_facts(), &rows)?),
                Err(error) => {
                    caught.problems.push(format!("facts of run {id} are damaged: {error}"));
                    caught.apart.insert(id.clone());
                }
            }
        }
        // Of a log that is there and cannot be read any more nobody can say what it told.
        let readable: BTreeSet<&str> = recorded.runs.iter().map(|run| run.facts.run.as_str()).collect();
        let unreadable = runs(state).unwrap_or_default().into_iter().filter(|run| !readable.contains(run.id.as_str()));
        let unreadable: BTreeSet<String> = unreadable.map(|run| run.id.0).collect();
        let gone: Vec<&String> = have.iter().filter(|id| **id < oldest || unreadable.contains(*id)).collect();
        caught.gone = gone.len();
        let still = gone.iter().filter(|id| readable.contains(id.as_str()));
        caught.apart.extend(still.map(|id| RunId((*id).clone())));
        self.let_go(&gone)?;
        Ok(caught)
    }

    fn run_ids(&mut self) -> Result<BTreeSet<String>, DbError> {
        let rows = self.ask("which runs it has", sqlx::query("SELECT id FROM runs"))?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed(&self.path))
    }

    /// Takes a run, unless it is there.
    fn take(&mut self, facts: &RunFacts, rows: &[Row]) -> Result<bool, DbError> {
        let mut begin = Instant::now();
        let Some(connection) = &mut self.connection else { return Ok(false) };
        let done = self.runtime.block_on(async {
            let mut work = connection.begin_with("BEGIN IMMEDIATE").await?;
            // Waiting for others who write is not slow.
            begin = Instant::now();
            let new = insert_run(&mut work, facts).await?;
            if new {
                for (at, row) in rows.iter().enumerate() {
                    match row {
                        Row::Attempt(attempt) => insert_attempt(&mut work, facts, at, attempt).await?,
                        Row::Proven(ProvenFact { step, saved_ms: Some(saved_ms), .. }) => {
                            let query = sqlx::query(HIT).bind(facts.run.as_str());
                            query.bind(step.as_str()).bind(int(*saved_ms)).execute(&mut *work).await?;
                        }
                        Row::Run(_) | Row::Proven(_) => {}
                    }
                }
            }
            work.commit().await?;
            Ok(new)
        });
        self.noticed("taking a run", begin);
        done.map_err(failed(&self.path))
    }

    fn let_go(&mut self, runs: &[&String]) -> Result<(), DbError> {
        let Some(connection) = self.connection.as_mut().filter(|_| !runs.is_empty()) else { return Ok(()) };
        let done = self.runtime.block_on(async {
            let mut work = connection.begin_with("BEGIN IMMEDIATE").await?;
            for run in runs {
                sqlx::query(GONE).bind(run.as_str()).execute(&mut *work).await?;
            }
            work.commit().await
        });
        done.map_err(failed(&self.path))
    }
}

async fn insert_run(work: &mut Transaction<'_, Sqlite>, facts: &RunFacts) -> Result<bool, sqlx::Error> {
    let circumstances = facts.circumstances.as_ref().map(serde_json::to_string).transpose();
    let query = sqlx::query(RUN)
        .bind(facts.run.as_str())
        .bind(facts.started_at.as_str())
        .bind(int(facts.semantics))
        .bind(facts.commit.as_deref())
        .bind(facts.branch.as_deref())
        .bind(facts.clean)
        .bind(facts.whole)
        .bind(facts.witnesses)
        .bind(word(&facts.place).or_else(|| word(&Place::Unknown)))
        .bind(facts.status.as_ref().and_then(word))
        .bind(int(facts.wall_ms))
        .bind(int(facts.ran))
        .bind(int(facts.failed))
        .bind(int(facts.skipped))
        .bind(int(facts.trusted))
        .bind(int(facts.cancelled))
        .bind(int(facts.reused))
        .bind(int(facts.saved_ms))
        .bind(circumstances.map_err(|error| sqlx::Error::Encode(error.into()))?);
    Ok(query.execute(&mut **work).await?.rows_affected() == 1)
}

async fn insert_attempt(
    work: &mut Transaction<'_, Sqlite>,
    run: &RunFacts,
    at: usize,
    attempt: &AttemptFact,
) -> Result<(), sqlx::Error> {
    let outcome = serde_json::to_string(&attempt.outcome).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let query = sqlx::query(ATTEMPT)
        .bind(run.run.as_str())
        .bind(int(at))
        .bind(attempt.step.as_str())
        .bind(int(attempt.attempt))
        .bind(attempt.last)
        .bind(outcome)
        .bind(verdict(run, attempt.last, &attempt.outcome))
        .bind(attempt.outcome.passed() && attempt.attempt > 1)
        .bind(int(attempt.at_ms))
        .bind(int(attempt.wall_ms))
        .bind(int(attempt.usage.cpu_ms))
        .bind(int(attempt.usage.memory_bytes))
        .bind(int(attempt.usage.disk_bytes))
        .bind(attempt.key.map(|key| key.to_string()))
        .bind(attempt.predicted_ms.map(int))
        .bind(attempt.definition.to_string());
    query.execute(&mut **work).await.map(|_| ())
}

/// The start of the ids that are kept: what sorts before it is past the limits.
fn oldest(all: &BTreeSet<&str>, keep: &Keep, now: jiff::Timestamp) -> String {
    let age = i64::try_from(keep.age.as_millis()).unwrap_or(i64::MAX);
    let since = u64::try_from(now.as_millisecond().saturating_sub(age)).unwrap_or(0);
    let of_age = all.iter().find(|id| named_at(id).is_some_and(|ms| ms >= since)).or(all.last());
    let of_number = all.iter().nth_back(keep.runs.saturating_sub(1));
    of_age.max(of_number).map(|id| (*id).to_owned()).unwrap_or_default()
}
