//! A database of what happened, for questions that would otherwise read every log: `.wf/history.db`.
//!
//! It is derived: everything in it comes from logs and the facts they left, and it can be deleted at any time. Only
//! commands that ask it open it, never a run. It is not believed on sight: what has another version or another shape
//! than this wf would have written is moved away and made anew. Calls block; the runtime is inside. Does not know: what
//! the answers are for.

mod answer;
mod costs;
mod ingest;
mod open;
mod query;
mod row;
mod schema;
mod strange;
#[cfg(test)]
mod tests;

pub use answer::{Anomaly, AttemptRow, FindError, HitRow, KeyedVerdict, Of, StepTime};
pub use costs::{FlakyKey, StepCosts};
pub use ingest::{Caught, Keep};
pub use open::{Replaced, Why};
pub use row::verdict;
pub use strange::anomalies;

use super::{Recorded, StateDir};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Connection as _, Sqlite};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A query that takes longer is told: of the largest database that is kept, all but a whole reading stay below.
const SLOW: std::time::Duration = std::time::Duration::from_millis(250);

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// What is in it is not what wf wrote.
    #[error("{} is damaged: {message}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A file of it cannot be opened, locked or replaced.
    #[error("cannot {what} {}", .path.display())]
    Io {
        /// What wf tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// SQLite refuses: the disk is full, somebody else writes for too long, or the folder cannot be written.
    #[error("cannot use {}", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
}

impl DbError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => "`wf history rebuild` makes it anew from the recorded runs",
            Self::Io { .. } | Self::Refused { .. } => {
                "it is derived from the recorded runs and can be deleted; check who owns the folder, and its disk"
            }
        }
    }
}

/// The database, open. Others may use it at the same time.
#[derive(Debug)]
pub struct Db {
    path: PathBuf,
    runtime: tokio::runtime::Runtime,
    /// `None` only while it is being dropped.
    connection: Option<SqliteConnection>,
    /// Held as long as it is open, so that nobody replaces the file meanwhile.
    _lock: std::fs::File,
    slow: Vec<String>,
}

/// The database, with all that is recorded in it, and what had to be done for that.
///
/// # Errors
/// When it cannot be used. What is damaged is made anew, so that damage is no error here.
pub fn up_to_date(state: &StateDir, recorded: &Recorded, now: jiff::Timestamp) -> Result<(Db, Caught), DbError> {
    let (mut db, replaced) = Db::open(state)?;
    match db.catch_up_and_judge(state, recorded, now) {
        Ok(caught) => Ok((db, Caught { replaced, ..caught })),
        // It looked right from outside. Once is enough: what is damaged as soon as it is made, is no file's fault.
        Err(DbError::Damaged { message, .. }) => {
            drop(db);
            let (mut db, replaced) = Db::replace(state, Why::Damaged { message })?;
            let caught = db.catch_up_and_judge(state, recorded, now)?;
            Ok((db, Caught { replaced: Some(replaced), ..caught }))
        }
        Err(other) => Err(other),
    }
}

/// Where it is.
pub fn place(state: &StateDir) -> PathBuf {
    state.root().join("history.db")
}

/// What SQLite keeps beside it.
fn companions(path: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-journal"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        name.into()
    })
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

impl Db {
    fn catch_up_and_judge(
        &mut self,
        state: &StateDir,
        recorded: &Recorded,
        now: jiff::Timestamp,
    ) -> Result<Caught, DbError> {
        let caught = self.catch_up(state, recorded, &Keep::default(), now)?;
        self.judge(caught.taken)?;
        Ok(caught)
    }

    /// What was slow since the last call, one sentence each: for people, who may want to know why they waited.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.slow)
    }

    /// Asks. The name is for [`Self::take_notes`].
    fn ask(&mut self, name: &'static str, query: Query<'_>) -> Result<Vec<SqliteRow>, DbError> {
        let begin = Instant::now();
        let answer = match &mut self.connection {
            Some(connection) => self.runtime.block_on(query.fetch_all(connection)),
            None => Err(sqlx::Error::WorkerCrashed),
        };
        self.noticed(name, begin);
        answer.map_err(failed(&self.path))
    }

    fn noticed(&mut self, name: &str, begin: Instant) {
        let took = begin.elapsed();
        if took > SLOW {
            let ms = took.as_millis();
            self.slow.push(format!("history.db took {ms} ms for {name}; `wf history rebuild` makes it anew"));
        }
    }

    /// A row that wf did not write so.
    fn damaged(&self, message: impl std::fmt::Display) -> DbError {
        DbError::Damaged { path: self.path.clone(), message: message.to_string() }
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // What is committed is safe; this only lets SQLite tidy up.
            let _ = self.runtime.block_on(connection.close());
        }
    }
}

/// What SQLite says of a file that is none of its own, or has another shape than it says.
/// Primary result codes of <https://sqlite.org/rescode.html>: SQLITE_CORRUPT and SQLITE_NOTADB.
const DAMAGE: [i32; 2] = [11, 26];

fn failed(path: &Path) -> impl Fn(sqlx::Error) -> DbError {
    let path = path.to_owned();
    move |source| {
        let code = source.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
        let is_damage = match &source {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => true,
            _ => code.is_some_and(|code| DAMAGE.contains(&(code & 0xff))),
        };
        if is_damage {
            DbError::Damaged { path: path.clone(), message: source.to_string() }
        } else {
            DbError::Refused { path: path.clone(), source }
        }
    }
}
