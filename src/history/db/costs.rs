//! What steps cost over many runs, and which results nobody can rely on; and what was found strange, kept. Does not
//! know: what is to be done about it.

use super::row::{Values, int};
use super::{Anomaly, Db, DbError, failed};
use crate::base::{Millis, RunId, StepId};
use crate::key::Key;
use sqlx::{Connection as _, Row as _};
use std::collections::BTreeMap;

/// What a step cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepCosts {
    /// In how many runs it ran.
    pub runs: usize,
    /// Attempts in all.
    pub attempts: usize,
    /// How long they took, all in all.
    pub wall_ms: Millis,
    /// Processor time, all in all.
    pub cpu_ms: Millis,
    /// How often it failed for good.
    pub failures: usize,
    /// How often it passed only after a failure.
    pub flaky: usize,
    /// How often its result was known, so that it did not run.
    pub hits: usize,
    /// How long those took when they ran, all in all.
    pub saved_ms: Millis,
}

/// A key that both passed and failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlakyKey {
    /// The key.
    pub key: Key,
    /// Whose.
    pub step: StepId,
    /// How often it passed.
    pub passed: usize,
    /// How often it failed: for good, or before it passed in the same run.
    pub failed: usize,
    /// The newest of those runs.
    pub last_run: RunId,
}

/// `?` is the oldest run that counts. Sums are made as reals, because those of integers fail when they are too large.
pub(super) const COSTS: &str = "SELECT step, count(DISTINCT run) AS runs, count(*) AS attempts, \
     CAST(total(wall_ms) AS INTEGER) AS wall_ms, CAST(total(cpu_ms) AS INTEGER) AS cpu_ms, \
     sum(last AND outcome <> '{\"is\":\"passed\"}') AS failures, sum(flaky) AS flaky \
     FROM attempts WHERE run >= ? GROUP BY step";
pub(super) const SAVED: &str = "SELECT step, count(*) AS hits, CAST(total(saved_ms) AS INTEGER) AS saved_ms \
     FROM hits WHERE run >= ? GROUP BY step";
/// The oldest of the newest `? + 1` runs.
const OLDEST: &str = "SELECT id FROM runs ORDER BY id DESC LIMIT 1 OFFSET ?";
/// A pass after a failure of the same run says both by itself.
pub(super) const FLAKY: &str = "SELECT key, step, sum(verdict) AS passed, sum(1 - verdict) + sum(flaky) AS failed, \
     max(run) AS run FROM attempts WHERE key IS NOT NULL AND verdict IS NOT NULL \
     GROUP BY key, step HAVING sum(verdict) > 0 AND sum(1 - verdict) + sum(flaky) > 0 ORDER BY max(run) DESC";

impl Db {
    /// What each step cost in the newest runs. `None`: in all of them.
    ///
    /// # Errors
    /// As [`Db::runs`].
    pub fn costs(&mut self, last: Option<usize>) -> Result<BTreeMap<StepId, StepCosts>, DbError> {
        let since = match last {
            Some(0) => return Ok(BTreeMap::new()),
            Some(last) => {
                let rows = self.ask("runs", sqlx::query(OLDEST).bind(int(last - 1)))?;
                rows.first().map(|row| row.try_get(0)).transpose().map_err(failed(&self.path))?
            }
            None => None,
        };
        let since = since.unwrap_or_else(String::new);
        let mut costs = BTreeMap::new();
        for row in &self.ask("costs", sqlx::query(COSTS).bind(since.as_str()))? {
            let values = Values(self, row);
            let cost = StepCosts {
                runs: values.number("runs")?,
                attempts: values.number("attempts")?,
                wall_ms: values.number("wall_ms")?,
                cpu_ms: values.number("cpu_ms")?,
                failures: values.number("failures")?,
                flaky: values.number("flaky")?,
                ..StepCosts::default()
            };
            costs.insert(values.step()?, cost);
        }
        for row in &self.ask("costs", sqlx::query(SAVED).bind(since.as_str()))? {
            let values = Values(self, row);
            let cost: &mut StepCosts = costs.entry(values.step()?).or_default();
            (cost.hits, cost.saved_ms) = (values.number("hits")?, values.number("saved_ms")?);
        }
        Ok(costs)
    }

    /// Keys that both passed and failed, newest first.
    ///
    /// # Errors
    /// As [`Db::runs`].
    pub fn flaky_keys(&mut self) -> Result<Vec<FlakyKey>, DbError> {
        let rows = self.ask("flaky keys", sqlx::query(FLAKY))?;
        let read = |row| {
            let values = Values(self, row);
            let key = values.key()?.ok_or_else(|| self.damaged("a flaky key is none"))?;
            let (passed, failed) = (values.number("passed")?, values.number("failed")?);
            Ok(FlakyKey { key, step: values.step()?, passed, failed, last_run: values.run()? })
        };
        rows.iter().map(read).collect()
    }

    /// Keeps what was found strange about a run, instead of what was kept before. It can be judged again from what is
    /// recorded, and goes with its run and with the database. A run that is not there has nothing strange.
    ///
    /// # Errors
    /// As [`Db::runs`].
    pub fn keep_anomalies(&mut self, run: &RunId, found: &[Anomaly]) -> Result<(), DbError> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let done = self.runtime.block_on(async {
            let mut work = connection.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query("DELETE FROM anomalies WHERE run = ?").bind(run.as_str()).execute(&mut *work).await?;
            for anomaly in found {
                let query = sqlx::query(
                    "INSERT INTO anomalies (run, step, kind, message) SELECT id, ?, ?, ? FROM runs WHERE id = ?",
                );
                let query = query.bind(anomaly.step.as_ref().map(StepId::as_str));
                let query = query.bind(anomaly.kind.as_str()).bind(anomaly.message.as_str()).bind(run.as_str());
                query.execute(&mut *work).await?;
            }
            work.commit().await
        });
        done.map_err(failed(&self.path))
    }
}
