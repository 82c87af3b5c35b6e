//! The runs that are recorded, and finding one by what a person typed.

use super::{StateDir, open};
use crate::base::RunId;
use std::io;
use std::path::PathBuf;

/// A recorded run: its name and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRef {
    /// Its name.
    pub id: RunId,
    /// Its folder.
    pub dir: PathBuf,
}

impl RunRef {
    /// Its event log.
    pub fn log(&self) -> PathBuf {
        self.dir.join("events.jsonl")
    }

    /// The folder of its output logs.
    pub fn out(&self) -> PathBuf {
        self.dir.join("out")
    }

    /// Is a process writing it now? The writer holds a lock on the log, which the kernel drops when it dies.
    pub fn is_live(&self) -> bool {
        open::read(&self.log())
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
    }
}

/// Why no run was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nothing was ever recorded.
    #[error("no run is recorded in {}", .0.display())]
    NoRuns(PathBuf),
    /// No run has this name.
    #[error("no recorded run is called `{0}`")]
    NotFound(String),
    /// Several runs start so.
    #[error("`{text}` is the start of {} runs: {}", .matches.len(), shown(.matches))]
    Ambiguous {
        /// What was typed.
        text: String,
        /// The runs, newest first.
        matches: Vec<RunId>,
    },
    /// The folder cannot be read.
    #[error("cannot read the runs in {}: {message}", .dir.display())]
    Unreadable {
        /// The folder.
        dir: PathBuf,
        /// Why not.
        message: String,
    },
}

impl ResolveError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoRuns(_) => "`wf run` records one",
            Self::NotFound(_) => "`wf history` lists them; `latest` is the newest",
            Self::Ambiguous { .. } => "type more of it, or `latest`",
            Self::Unreadable { .. } => "check who owns the folder",
        }
    }
}

fn shown(matches: &[RunId]) -> String {
    let first: Vec<_> = matches.iter().take(5).map(|id| id.0.as_str()).collect();
    first.join(", ") + if matches.len() > 5 { ", …" } else { "" }
}

/// A name for a new run. Names sort by time, as long as the clock does not go back.
pub fn new_run_id() -> RunId {
    RunId(uuid::Uuid::now_v7().to_string())
}

/// A name for a new run that sorts after all that are recorded, even if the clock went back since: the newest run is the
/// one that was made last, and its verdicts win.
pub fn next_run_id(state: &StateDir) -> RunId {
    let now = new_run_id();
    let newest = runs(state).ok().and_then(|runs| runs.into_iter().next());
    match newest.filter(|newest| newest.id >= now).and_then(|newest| named_at(&newest.id.0)) {
        None => now,
        Some(ms) => {
            let (seconds, ms) = ((ms + 1) / 1_000, (ms + 1) % 1_000);
            let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds, ms as u32 * 1_000_000);
            RunId(uuid::Uuid::new_v7(time).to_string())
        }
    }
}

/// When a run was named, in milliseconds since 1970; `None` for what is no run's name.
pub(super) fn named_at(id: &str) -> Option<u64> {
    let uuid = uuid::Uuid::try_parse(id).ok().filter(|uuid| uuid.hyphenated().to_string() == id)?;
    let (seconds, nanos) = uuid.get_timestamp()?.to_unix();
    Some(seconds * 1_000 + u64::from(nanos) / 1_000_000)
}

/// The place of a run, if this can be a run's name at all: an id never leads out of the folder.
pub(super) fn place(state: &StateDir, id: &RunId) -> Option<RunRef> {
    named_at(&id.0)?;
    Some(RunRef { id: id.clone(), dir: state.runs().join(&id.0) })
}

/// All runs that have a folder, newest first. No folder yet: none.
///
/// # Errors
/// When the folder is there and cannot be read.
pub fn runs(state: &StateDir) -> io::Result<Vec<RunRef>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(state.runs()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
            && named_at(&name).is_some()
        {
            found.push(RunRef { dir: entry.path(), id: RunId(name) });
        }
    }
    found.sort_unstable_by(|a, b| b.id.cmp(&a.id));
    Ok(found)
}

/// The run that a person means: `latest`, a whole id, or the start of one. What was typed is only compared with the
/// names that are there, never made into a path.
///
/// # Errors
/// When it names none or several.
pub fn resolve_run(state: &StateDir, text: &str) -> Result<RunRef, ResolveError> {
    let all = runs(state).map_err(|e| ResolveError::Unreadable { dir: state.runs(), message: e.to_string() })?;
    let Some(newest) = all.first() else { return Err(ResolveError::NoRuns(state.root().into())) };
    let typed = text.trim().to_ascii_lowercase();
    if typed == "latest" {
        return Ok(newest.clone());
    }
    let mut matches = all.iter().filter(|run| !typed.is_empty() && run.id.0.starts_with(&typed));
    match (matches.next(), matches.next()) {
        (None, _) => Err(ResolveError::NotFound(text.escape_debug().take(80).collect())),
        (Some(run), None) => Ok(run.clone()),
        (Some(first), Some(second)) => {
            let matches = [first, second].into_iter().chain(matches).map(|run| run.id.clone()).collect();
            Err(ResolveError::Ambiguous { text: typed, matches })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ChosenBy;
    use crate::history::samples::{named, record, started};

    #[test]
    fn runs_are_found_by_latest_whole_id_or_unique_start() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        assert!(matches!(resolve_run(&state, "latest"), Err(ResolveError::NoRuns(_))));
        let old = record(&state, 0x018f_0000_0000, vec![started()]);
        let new = record(&state, 0x018f_1000_0000, vec![started()]);
        for stranger in ["not-a-run", ".gone-x", "..."] {
            std::fs::create_dir(state.runs().join(stranger)).unwrap();
        }
        let found = |text: &str| resolve_run(&state, text);
        assert_eq!(found("latest").as_ref(), Ok(&new));
        assert_eq!(found(&old.id.0.to_uppercase()).as_ref(), Ok(&old));
        assert_eq!(found(&new.id.0[..10]).as_ref(), Ok(&new));
        let matches = vec![new.id.clone(), old.id.clone()];
        assert_eq!(found(&old.id.0[..4]), Err(ResolveError::Ambiguous { text: old.id.0[..4].into(), matches }));
        for text in ["", " ", "..", "../runs", "not-a-run", "/etc", "%", &format!("{}/../x", old.id)] {
            assert!(matches!(found(text), Err(ResolveError::NotFound(_))), "{text}");
        }
        assert!(found("\u{1b}[31m").unwrap_err().to_string().is_ascii());
    }

    #[test]
    fn a_clock_that_went_back_does_not_make_the_newest_run_old() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        assert!(next_run_id(&state) > named(1_700_000_000_000));
        let mut last = record(&state, 4_000_000_000_999, vec![started()]).id;
        for _ in 0..3 {
            let next = next_run_id(&state);
            assert!(next > last && named_at(&next.0).is_some_and(|ms| ms < 4_000_000_002_000), "{next} after {last}");
            let _ = crate::history::LogWriter::create(&state, &next).unwrap();
            assert_eq!(resolve_run(&state, "latest").unwrap().id, next);
            last = next;
        }
    }

    #[test]
    fn names_tell_their_time() {
        assert_eq!(named_at(&named(1_234_567).0), Some(1_234_567));
        assert!(named_at(&new_run_id().0).is_some_and(|ms| ms > 1_700_000_000_000));
        for bad in ["", "latest", "018F0000-0000-7000-8000-000000000000", "018f0000000070008000000000000000"] {
            assert_eq!(named_at(bad), None, "{bad}");
        }
    }
}
