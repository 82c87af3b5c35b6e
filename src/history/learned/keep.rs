//! Keeping what was learned, when several processes do so at once: whoever knows more wins, and nobody waits for a run.
//!
//! A kernel lock is held while a file is compared and replaced. Does not know: what was learned.

use super::{Learned, MAGIC, Progress, last_runs, place};
use crate::base::RunId;
use crate::history::{StateDir, open};
use std::fs::{File, TryLockError};
use std::io;

/// The right to replace what was learned. Let go when dropped, or when the process ends.
#[derive(Debug)]
pub struct ModelLock(File);

impl ModelLock {
    /// Takes it, waiting for whoever has it.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn take(state: &StateDir) -> io::Result<Self> {
        let file = file(state)?;
        file.lock()?;
        Ok(Self(file))
    }

    /// Takes it, unless somebody has it.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn try_take(state: &StateDir) -> io::Result<Option<Self>> {
        let file = file(state)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for ModelLock {
    fn drop(&mut self) {
        // Closing would unlock too, were it not for a child that another thread is just forking.
        let _ = self.0.unlock();
    }
}

fn file(state: &StateDir) -> io::Result<File> {
    open::folder(&state.locks())?;
    open::update(&state.locks().join("model.lock"))
}

impl Progress {
    /// By this two that were learned of the same recorded runs are compared: what was learned anew beats what was there
    /// before; then who knows more runs, was fitted later, and looked at newer ones.
    fn rank(&self) -> (i64, u64, u64, Option<&RunId>) {
        (self.trained_at, self.runs, self.fitted_runs, self.seen.last())
    }
}

impl Learned {
    /// Keeps it, whole or not at all; unless somebody is just keeping theirs, or what is kept knows as much. What a run
    /// does not keep the next one learns again.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn keep(&self, state: &StateDir) -> io::Result<bool> {
        let Some(lock) = ModelLock::try_take(state)? else { return Ok(false) };
        // A file that cannot be used knows nothing.
        let is_more = self.progress.rank() > last_runs(state).1.rank();
        if is_more {
            self.replace(state, &lock)?;
        }
        Ok(is_more)
    }

    /// Keeps it, whole or not at all, whatever is kept.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn replace(&self, state: &StateDir, _lock: &ModelLock) -> io::Result<()> {
        let path = place(state);
        open::folder(path.parent().unwrap_or(state.root()))?;
        let first = postcard::to_stdvec(&(&self.last, &self.progress)).map_err(io::Error::other)?;
        let rest = postcard::to_stdvec(&(&self.durations, &self.failures)).map_err(io::Error::other)?;
        let len = u32::try_from(first.len()).map_err(io::Error::other)?.to_le_bytes();
        let body = [&len[..], &first, &rest].concat();
        open::whole(&path, &[&MAGIC[..], &crc32fast::hash(&body).to_le_bytes(), &body].concat(), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ChosenBy;

    fn learned(trained_at: i64, runs: u64, fitted_runs: u64) -> Learned {
        let progress = Progress { runs, fitted_runs, trained_at, ..Progress::default() };
        Learned { progress, ..Learned::default() }
    }

    fn state() -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        (dir, state)
    }

    #[test]
    fn who_knows_more_wins_whoever_comes_last() {
        let (_dir, state) = state();
        let kept = || Learned::read(&state).0.progress;
        // Each: trained anew when, runs, fitted after; is it kept?
        let table = [
            ((0, 1, 0), true),
            ((0, 1, 0), false),
            ((0, 3, 0), true),
            ((0, 2, 2), false),
            ((0, 3, 3), true),
            // `wf ml train` while a run was going on that had read what was there before it.
            ((7, 3, 3), true),
            ((0, 9, 9), false),
            ((7, 4, 3), true),
        ];
        let mut best = Progress::default();
        for ((trained_at, runs, fitted), wins) in table {
            let new = learned(trained_at, runs, fitted);
            assert_eq!(new.keep(&state).unwrap(), wins, "{trained_at} {runs} {fitted}");
            if wins {
                best = new.progress;
            }
            assert_eq!(kept(), best);
        }
        std::fs::write(place(&state), "rubbish").unwrap();
        assert!(learned(0, 1, 0).keep(&state).unwrap(), "damage knows nothing");
    }

    #[test]
    fn nobody_waits_for_who_keeps_and_runs_that_ran_nothing_are_remembered() {
        let (_dir, state) = state();
        let lock = ModelLock::take(&state).unwrap();
        assert!(ModelLock::try_take(&state).unwrap().is_none());
        assert!(!learned(0, 5, 5).keep(&state).unwrap(), "it is learned again");
        learned(1, 2, 2).replace(&state, &lock).unwrap();
        drop(lock);
        let mut later = learned(1, 2, 2);
        later.progress.seen.insert(RunId("b".into()));
        assert!(later.keep(&state).unwrap());
        assert!(Learned::read(&state).0.progress.knows(&RunId("b".into())));
    }
}
