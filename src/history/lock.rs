//! One `wf run` at a time in a worktree.
//!
//! A kernel lock (`flock`) on a file for each worktree: it is gone when its holder dies, however that happens. What the file
//! says is only for telling people who holds it.

use super::{StateDir, open};
use crate::base::Digest;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const POLL: Duration = Duration::from_millis(50);

/// Who holds a worktree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// What was typed, shell-quoted, without secrets.
    pub command: String,
    /// Since when: UTC, RFC 3339.
    pub since: String,
}

/// A worktree, held. Let go when dropped.
#[derive(Debug)]
pub struct WorktreeLock {
    /// None: a wf above this one holds it.
    file: Option<File>,
    before: Option<SystemTime>,
}

/// When a worktree was held last, for it or for what was in its place before it. None: never, as far as this state folder
/// knows.
pub fn last_held(state: &StateDir, worktree: &Path) -> Option<SystemTime> {
    place(state, worktree).symlink_metadata().ok()?.modified().ok()
}

fn place(state: &StateDir, worktree: &Path) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    let name = Digest::of_bytes(worktree.as_os_str().as_bytes()).short();
    state.locks().join(format!("{name}.lock"))
}

/// What became of a try.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours.
    Held(WorktreeLock),
    /// Somebody else holds it; `None` when they have not said who they are yet.
    Busy(Option<Holder>),
}

impl WorktreeLock {
    /// Tries to take a worktree, without waiting. `nested`: a wf above this process, which waits for it, runs in this same
    /// worktree; then somebody holding it is no reason to wait.
    ///
    /// # Errors
    /// When the lock file cannot be opened or written.
    pub fn try_acquire(state: &StateDir, worktree: &Path, me: &Holder, nested: bool) -> io::Result<Attempt> {
        open::folder(&state.locks())?;
        let before = last_held(state, worktree);
        let mut file = open::update(&place(state, worktree))?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.write_all(&serde_json::to_vec(me)?)?;
                Ok(Attempt::Held(Self { file: Some(file), before }))
            }
            Err(TryLockError::WouldBlock) if nested => Ok(Attempt::Held(Self { file: None, before })),
            Err(TryLockError::WouldBlock) => {
                let mut text = Vec::new();
                file.rewind()?;
                file.take(64 << 10).read_to_end(&mut text)?;
                Ok(Attempt::Busy(serde_json::from_slice(&text).ok()))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// When it was held last before: see [`last_held`].
    pub fn before(&self) -> Option<SystemTime> {
        self.before
    }

    /// Takes a worktree, waiting as long as it takes: it blocks its thread, and a signal ends the process as usual. `on_wait` is
    /// called when there is somebody to wait for, and again when it becomes somebody else.
    ///
    /// # Errors
    /// As [`Self::try_acquire`].
    pub fn acquire(
        state: &StateDir,
        worktree: &Path,
        me: &Holder,
        nested: bool,
        mut on_wait: impl FnMut(&Holder),
    ) -> io::Result<Self> {
        let mut told = None;
        loop {
            match Self::try_acquire(state, worktree, me, nested)? {
                Attempt::Held(lock) => return Ok(lock),
                Attempt::Busy(Some(holder)) if told.as_ref() != Some(&holder) => {
                    on_wait(&holder);
                    told = Some(holder);
                }
                Attempt::Busy(_) => {}
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for WorktreeLock {
    fn drop(&mut self) {
        // Nobody is told of a holder that is gone. Closing would unlock too, were it not for a child that another thread is
        // just forking, which has the file open as well.
        if let Some(file) = &self.file {
            let _ = file.set_len(0);
            let _ = file.unlock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ChosenBy;

    fn holder(command: &str) -> Holder {
        Holder { pid: 7, command: command.into(), since: "2026-01-01T00:00:00Z".into() }
    }

    #[test]
    fn the_second_waits_names_the_first_and_gets_it_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        let (a, b, tree) = (holder("wf run a"), holder("wf run b"), Path::new("/tree"));
        let attempt = |tree, who, nested| WorktreeLock::try_acquire(&state, Path::new(tree), who, nested).unwrap();
        let Attempt::Held(first) = attempt("/tree", &a, false) else { panic!("free") };
        assert!(matches!(attempt("/tree", &b, false), Attempt::Busy(Some(who)) if who == a));
        assert!(matches!(attempt("/other", &b, false), Attempt::Held(_)), "linked worktrees run at once");
        assert!(matches!(attempt("/tree", &b, true), Attempt::Held(_)), "wf inside wf does not wait");
        assert!(matches!(attempt("/tree", &b, false), Attempt::Busy(Some(_))), "and does not let go for its parent");

        let (mut told, mut first) = (Vec::new(), Some(first));
        let second = WorktreeLock::acquire(&state, tree, &b, false, |who| {
            told.push(who.command.clone());
            first.take();
        });
        assert!(second.is_ok());
        assert_eq!(told, ["wf run a"]);
        assert!(matches!(attempt("/tree", &a, false), Attempt::Busy(Some(who)) if who == b));
    }

    #[test]
    fn when_a_worktree_was_held_last_is_known_before_it_is_held_again() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        let take = |tree: &str| match WorktreeLock::try_acquire(&state, Path::new(tree), &holder("a"), false).unwrap() {
            Attempt::Held(lock) => lock.before(),
            Attempt::Busy(_) => panic!("free"),
        };
        assert_eq!((last_held(&state, Path::new("/a")), take("/a")), (None, None));
        let then = last_held(&state, Path::new("/a"));
        assert!(then.is_some());
        assert_eq!(take("/a"), then);
        assert_eq!(take("/b"), None, "each worktree by itself");
    }

    #[test]
    fn a_lock_file_that_says_nothing_is_still_a_lock() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        let a = holder("wf run");
        let Attempt::Held(lock) = WorktreeLock::try_acquire(&state, Path::new("/t"), &a, false).unwrap() else {
            panic!()
        };
        lock.file.as_ref().unwrap().set_len(0).unwrap();
        assert!(matches!(WorktreeLock::try_acquire(&state, Path::new("/t"), &a, false).unwrap(), Attempt::Busy(None)));
    }
}
