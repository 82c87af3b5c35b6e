//! Facts as rows of tables, and back. Does not know: which rows are asked for, and when.

use super::{Anomaly, Db, DbError};
use crate::base::{Digest, Millis, RunId, StepId};
use crate::event::Outcome;
use crate::history::RunFacts;
use crate::key::Key;
use serde::de::DeserializeOwned;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

/// All columns of a run, in the order in which `run_of` and [`super::ingest`] take them.
macro_rules! run_columns {
    () => {
        "id, started_at, semantics, commit_id, branch, clean, whole, witnesses, place, status, wall_ms, ran, failed, \
         skipped, trusted, cancelled, reused, saved_ms, circumstances"
    };
}
pub(super) use run_columns;

/// A number as SQLite keeps it. What does not fit is as large as can be: nothing that is counted here comes near.
pub(super) fn int(n: impl TryInto<i64>) -> i64 {
    n.try_into().unwrap_or(i64::MAX)
}

/// An enum without contents, as it is written in logs.
pub(super) fn word<T: Serialize>(value: &T) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Some(word),
        _ => None,
    }
}

fn of_word<T: for<'a> Deserialize<'a>>(word: &str) -> Result<T, Error> {
    let word: StrDeserializer<'_, Error> = word.into_deserializer();
    T::deserialize(word)
}

/// Does an attempt that ended so say something of its step, and of its key? As [`crate::history::verdicts()`] has it: the
/// last attempt, if it ended by itself; of a run that did not end, only failures are believed.
pub fn verdict(run: &RunFacts, last: bool, outcome: &Outcome) -> Option<bool> {
    let passed = outcome.passed();
    (last && outcome.is_verdict() && !(passed && run.status.is_none())).then_some(passed)
}

/// Reads values of one row, and says which is damaged.
pub(super) struct Values<'a>(pub &'a Db, pub &'a SqliteRow);

impl Values<'_> {
    fn get<'r, T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>>(
        &'r self,
        name: &str,
    ) -> Result<T, DbError> {
        self.1.try_get(name).map_err(|error| self.0.damaged(error))
    }

    pub fn text(&self, name: &str) -> Result<String, DbError> {
        self.get(name)
    }

    pub fn maybe_text(&self, name: &str) -> Result<Option<String>, DbError> {
        self.get(name)
    }

    pub fn flag(&self, name: &str) -> Result<bool, DbError> {
        Ok(self.get::<i64>(name)? != 0)
    }

    /// A number that is never negative.
    pub fn number<N: TryFrom<i64>>(&self, name: &str) -> Result<N, DbError> {
        let n = self.get::<i64>(name)?;
        N::try_from(n).map_err(|_| self.0.damaged(format!("{name} is {n}")))
    }

    pub fn maybe_ms(&self, name: &str) -> Result<Option<Millis>, DbError> {
        Ok(self.get::<Option<i64>>(name)?.and_then(|n| Millis::try_from(n).ok()))
    }

    pub fn word<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Result<T, DbError> {
        of_word(&self.text(name)?).map_err(|error| self.0.damaged(error))
    }

    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, DbError> {
        let text = self.maybe_text(name)?;
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| self.0.damaged(error))
    }

    pub fn run(&self) -> Result<RunId, DbError> {
        Ok(RunId(self.text("run")?))
    }

    pub fn step(&self) -> Result<StepId, DbError> {
        self.word("step")
    }

    pub fn outcome(&self) -> Result<Outcome, DbError> {
        self.json("outcome")?.ok_or_else(|| self.0.damaged("an attempt has no outcome"))
    }

    pub fn key(&self) -> Result<Option<Key>, DbError> {
        let Some(text) = self.maybe_text("key")? else { return Ok(None) };
        Digest::parse(&text).map(|digest| Some(Key(digest))).ok_or_else(|| self.0.damaged("a key is none"))
    }

    pub fn definition(&self) -> Result<Digest, DbError> {
        Digest::parse(&self.text("definition")?).ok_or_else(|| self.0.damaged("a definition is no digest"))
    }

    pub fn anomaly(&self) -> Result<Anomaly, DbError> {
        let step = self.maybe_text("step")?.map(|_| self.step()).transpose()?;
        Ok(Anomaly { run: self.run()?, step, kind: self.text("kind")?, message: self.text("message")? })
    }

    /// A whole run. How its facts lay in a file is not known any more: `rows` and `bytes` are 0.
    pub fn run_facts(&self) -> Result<RunFacts, DbError> {
        let status = self.maybe_text("status")?.map(|word| of_word(&word)).transpose();
        Ok(RunFacts {
            run: RunId(self.text("id")?),
            started_at: self.text("started_at")?,
            semantics: self.number("semantics")?,
            commit: self.maybe_text("commit_id")?,
            branch: self.maybe_text("branch")?,
            clean: self.flag("clean")?,
            whole: self.flag("whole")?,
            witnesses: self.flag("witnesses")?,
            place: self.word("place")?,
            status: status.map_err(|error| self.0.damaged(error))?,
            wall_ms: self.number("wall_ms")?,
            ran: self.number("ran")?,
            failed: self.number("failed")?,
            skipped: self.number("skipped")?,
            trusted: self.number("trusted")?,
            cancelled: self.number("cancelled")?,
            rows: 0,
            bytes: 0,
            reused: self.number("reused")?,
            saved_ms: self.number("saved_ms")?,
            circumstances: self.json("circumstances")?,
        })
    }
}
