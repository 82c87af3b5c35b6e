//! Opening the database file, and replacing one that cannot be believed.
//!
//! A lock on `locks/history.lock` is shared by all who have it open. Who replaces the file holds it alone, because
//! SQLite would take the old file's journal for the new one's. Does not know: what is in the tables.

use super::schema::{SET_VERSION, TABLES, VERSION};
use super::{Db, DbError, companions, failed, place};
use crate::history::{StateDir, open};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// So long is waited for another process that writes. Each of its transactions holds one run.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a database was not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Another wf wrote it.
    #[error("it has version {0}, and this wf uses version {VERSION}")]
    OtherVersion(i64),
    /// It is no database, or not one that wf wrote.
    #[error("it is damaged: {message}")]
    Damaged {
        /// What is wrong with it.
        message: String,
    },
}

/// A database that was moved away, to be made anew from the recorded runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("history.db is made anew from the recorded runs, because {why}; the old one is {}", .kept_as.display())]
pub struct Replaced {
    /// Why it was.
    pub why: Why,
    /// Where it is now. The one that was there before is gone.
    pub kept_as: PathBuf,
}

/// How a try to open ended.
enum Tried {
    Open(SqliteConnection),
    Missing,
    Not(Why),
}

impl Db {
    /// Opens it; creates it when it is missing, and moves away what cannot be believed.
    ///
    /// # Errors
    /// When the folder cannot be written, or somebody else writes for too long.
    pub fn open(state: &StateDir) -> Result<(Self, Option<Replaced>), DbError> {
        let path = place(state);
        let lock = lock_file(state)?;
        lock.lock_shared().map_err(io("lock", &path))?;
        let runtime = runtime(&path)?;
        if let Tried::Open(connection) = runtime.block_on(try_open(&path))? {
            return Ok((Self::of(path, runtime, connection, lock), None));
        }
        // Not one step: somebody else may have been faster, so it is looked at again.
        lock.lock().map_err(io("lock", &path))?;
        let (connection, replaced) = match runtime.block_on(try_open(&path))? {
            Tried::Open(connection) => (connection, None),
            Tried::Missing => (runtime.block_on(create(&path))?, None),
            Tried::Not(why) => {
                let replaced = move_away(&path, why)?;
                (runtime.block_on(create(&path))?, Some(replaced))
            }
        };
        lock.lock_shared().map_err(io("lock", &path))?;
        Ok((Self::of(path, runtime, connection, lock), replaced))
    }

    /// Moves it away, whatever it is, and makes a new one that is empty. Waits for all who use it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn replace(state: &StateDir, why: Why) -> Result<(Self, Replaced), DbError> {
        let path = place(state);
        let lock = lock_file(state)?;
        lock.lock().map_err(io("lock", &path))?;
        let runtime = runtime(&path)?;
        let replaced = move_away(&path, why)?;
        let connection = runtime.block_on(create(&path))?;
        lock.lock_shared().map_err(io("lock", &path))?;
        Ok((Self::of(path, runtime, connection, lock), replaced))
    }

    /// Removes it and what was moved away before. Waits for all who use it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove(state: &StateDir) -> Result<(), DbError> {
        let path = place(state);
        let all = companions(&path).into_iter().chain([path.clone(), kept_as(&path)]);
        if all.clone().all(|file| file.symlink_metadata().is_err()) {
            return Ok(());
        }
        let lock = lock_file(state)?;
        lock.lock().map_err(io("lock", &path))?;
        all.into_iter().try_for_each(|file| remove(&file))
    }

    fn of(path: PathBuf, runtime: tokio::runtime::Runtime, connection: SqliteConnection, lock: File) -> Self {
        Self { path, runtime, connection: Some(connection), _lock: lock, slow: vec![] }
    }
}

fn runtime(path: &Path) -> Result<tokio::runtime::Runtime, DbError> {
    tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(io("start reading", path))
}

fn lock_file(state: &StateDir) -> Result<File, DbError> {
    let path = state.locks().join("history.lock");
    open::folder(&state.locks()).and_then(|()| open::update(&path)).map_err(io("open", &path))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(PATIENCE)
        // A power cut may cost the last runs, which are ingested again.
        .synchronous(SqliteSynchronous::Normal)
        // For files that others may have made: <https://sqlite.org/security.html>.
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .disable_statement_logging()
}

/// Opens the file if it is there and what this wf would have written.
async fn try_open(path: &Path) -> Result<Tried, DbError> {
    for file in companions(path).iter().map(PathBuf::as_path).chain([path]) {
        // Asked without opening: closing a file lets go of the locks that SQLite has on it in this process.
        match file.symlink_metadata() {
            Ok(meta) if meta.is_file() => {}
            // SQLite would follow a symlink, and wait for a pipe.
            Ok(_) => return Err(io("open", file)(io::Error::other("not a regular file"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && file == path => return Ok(Tried::Missing),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io("open", file)(error)),
        }
    }
    let opened = async {
        let mut connection = options(path).connect().await.map_err(failed(path))?;
        let why = strange(&mut connection).await.map_err(failed(path))?;
        Ok(match why {
            None => Tried::Open(connection),
            Some(why) => {
                connection.close().await.map_err(failed(path))?;
                Tried::Not(why)
            }
        })
    };
    match opened.await {
        Err(DbError::Damaged { message, .. }) => Ok(Tried::Not(Why::Damaged { message })),
        other => other,
    }
}

/// Why this is not a database that this wf would have written, if it is not.
async fn strange(connection: &mut SqliteConnection) -> Result<Option<Why>, sqlx::Error> {
    let version: i64 = sqlx::query("PRAGMA user_version").fetch_one(&mut *connection).await?.try_get(0)?;
    if version != VERSION {
        return Ok(Some(Why::OtherVersion(version)));
    }
    // Views and triggers would work while we ask, and a table that lacks an index is slow: all of it has to be ours.
    let found = sqlx::query("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid");
    let found = found.fetch_all(connection).await?;
    let found: Vec<String> = found.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok((found != TABLES).then(|| Why::Damaged { message: "its tables are not those of wf".into() }))
}

/// Makes an empty database. It gets its name when it is whole, so that a crash leaves none.
async fn create(path: &Path) -> Result<SqliteConnection, DbError> {
    let new = path.with_extension("db.new");
    // A journal whose database somebody deleted would be taken for the new one's.
    let left = companions(&new).into_iter().chain(companions(path)).chain([new.clone()]);
    left.into_iter().try_for_each(|file| remove(&file))?;
    // With our rights before SQLite sees it; its journal gets the same.
    open::create(&new).map_err(io("create", &new))?;
    let made = async {
        let mut connection = options(&new).connect().await?;
        // Readers and a writer at once. It stays so, and cannot be waited for: so it is said where nobody else is.
        sqlx::query("PRAGMA journal_mode = WAL").execute(&mut connection).await?;
        let mut work = connection.begin_with("BEGIN IMMEDIATE").await?;
        for table in TABLES {
            sqlx::query(*table).execute(&mut *work).await?;
        }
        sqlx::query(SET_VERSION).execute(&mut *work).await?;
        work.commit().await?;
        connection.close().await
    };
    made.await.map_err(failed(&new))?;
    std::fs::rename(&new, path).map_err(io("name", path))?;
    options(path).connect().await.map_err(failed(path))
}

fn kept_as(path: &Path) -> PathBuf {
    path.with_extension("db.old")
}

fn move_away(path: &Path, why: Why) -> Result<Replaced, DbError> {
    let kept_as = kept_as(path);
    match std::fs::rename(path, &kept_as) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("move away", path)(error)),
        _ => {}
    }
    companions(path).iter().try_for_each(|file| remove(file))?;
    Ok(Replaced { why, kept_as })
}

fn remove(file: &Path) -> Result<(), DbError> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io("remove", file)(error)),
        _ => Ok(()),
    }
}

fn io(what: &'static str, path: &Path) -> impl Fn(io::Error) -> DbError {
    let path = path.to_owned();
    move |source| DbError::Io { what, path: path.clone(), source }
}
