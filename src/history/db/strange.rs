//! What is strange about runs that were just taken, kept beside them. Does not know: what strange is; that is
//! [`crate::predict::anomaly`].

use super::row::{Values, int};
use super::{Anomaly, Db, DbError};
use crate::base::{RunId, StepId};
use crate::predict::anomaly::{Ended, Kind, judge};
use sqlx::Row as _;
use std::collections::BTreeMap;

/// At most so many new runs are judged: of a whole history that is read anew, the newest.
const JUDGED: usize = 200;
/// They are seen against so many runs before them.
const BEFORE: usize = 200;
/// A change that is found again is found in about the same place: so many passes apart at most.
const SAME: usize = 8;

/// The anomalies of so many newest runs.
const RECENT: &str = "SELECT run, step, kind, message FROM anomalies WHERE run >= ? ORDER BY run DESC, rowid";

/// What is strange about the newest runs, newest first.
///
/// # Errors
/// When the database is damaged or cannot be read.
pub fn anomalies(db: &mut Db, last_runs: usize) -> Result<Vec<Anomaly>, DbError> {
    let rows = db.ask("runs", sqlx::query("SELECT id FROM runs ORDER BY id DESC LIMIT ?").bind(int(last_runs)))?;
    let Some(oldest) = rows.last().map(|row| row.try_get::<String, _>(0)) else { return Ok(vec![]) };
    let oldest = oldest.map_err(super::failed(&db.path))?;
    let rows = db.ask("anomalies", sqlx::query(RECENT).bind(oldest.as_str()))?;
    rows.iter().map(|row| Values(db, row).anomaly()).collect()
}

impl Db {
    /// Judges the newest runs, so many of them, and keeps what is strange.
    pub(super) fn judge(&mut self, new: usize) -> Result<(), DbError> {
        let new = new.min(JUDGED);
        let Some(first) = self.runs(Some(new))?.0.pop().filter(|_| new > 0) else { return Ok(()) };
        let mut steps: BTreeMap<StepId, Vec<Ended>> = BTreeMap::new();
        for (facts, times) in self.training(new + BEFORE)? {
            for time in times {
                let (run, commit) = (time.run, facts.commit.clone());
                let ended = Ended { run, commit, wall_ms: time.wall_ms, passed: time.passed };
                steps.entry(time.step).or_default().push(ended);
            }
        }
        let known = anomalies(self, new + BEFORE)?;
        let mut found: BTreeMap<RunId, Vec<Anomaly>> = BTreeMap::new();
        for (step, series) in &steps {
            let from = series.partition_point(|ended| ended.run < first.run);
            for strange in judge(series, from) {
                let told = |other: &&Anomaly| other.step.as_ref() == Some(step) && other.kind == strange.kind.word();
                let near = |other: &Anomaly| {
                    let at = series.partition_point(|ended| ended.run < other.run);
                    at.abs_diff(strange.at) <= SAME
                };
                if strange.kind == Kind::Change && known.iter().filter(told).any(near) {
                    continue;
                }
                let (run, kind) = (series[strange.at].run.clone(), strange.kind.word().to_owned());
                let anomaly = Anomaly { run: run.clone(), step: Some(step.clone()), kind, message: strange.message };
                found.entry(run).or_default().push(anomaly);
            }
        }
        for (run, new) in found {
            let kept = known.iter().filter(|anomaly| anomaly.run == run).cloned();
            let all: Vec<Anomaly> = kept.filter(|anomaly| !new.contains(anomaly)).chain(new.iter().cloned()).collect();
            self.keep_anomalies(&run, &all)?;
        }
        Ok(())
    }
}
