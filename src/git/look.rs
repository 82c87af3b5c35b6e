//! Looking at one tracked file: is it what the index remembers?
//!
//! Does not know: folders, ignore rules, what is untracked. A file that looks different is compared by its bytes; whether a
//! filter makes different bytes equal is decided elsewhere.

use super::delta::{Delta, GITLINK};
use super::index::{Entry, Stat};
use super::listing::{joined, open_file, read_all};
use super::walk::{Found, Walk};
use crate::base::RepoPath;
use crate::change::Unseen;
use git2::{ObjectType, Oid};
use rustix::fs::{AtFlags, FileType, RawMode};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

/// Larger files are hashed as a stream.
const WHOLE: u64 = 8 << 20;

/// What the repository's configuration says about looking at files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// `core.fileMode`
    pub trust_mode: bool,
    /// `core.trustCtime`
    pub trust_ctime: bool,
    /// `core.checkStat = minimal`
    pub minimal_stat: bool,
    /// `core.sparseCheckout`: then an entry outside it that is there nevertheless counts.
    pub sparse: bool,
    /// When the index was written, in seconds: files written in that second or later may differ though they look the same.
    pub written: i64,
}

enum Content {
    Same,
    Differs,
}

impl Walk<'_> {
    /// Entries that have no file any more.
    pub fn gone(&self, range: Range<usize>, found: &mut Found) {
        let mut last: &[u8] = &[];
        for entry in &self.index.entries[range] {
            let path = self.index.path(entry);
            let told = entry.assume_unchanged() || entry.skip_worktree();
            if told && self.settings.sparse && !entry.assume_unchanged() {
                // What a sparse checkout leaves out is not there to be watched.
            } else if told {
                found.unseen.push(Unseen {
                    path: RepoPath::from_bytes(path),
                    folder: false,
                    assumed: true,
                    opaque: false,
                });
            } else if path != last {
                let conflicted = entry.stage() != 0;
                let modes = (self.index.stat(entry).mode, 0);
                found.changed.push(Delta { conflicted, ..Delta::plain(RepoPath::from_bytes(path), modes) });
            }
            last = path;
        }
    }

    /// Looks at one tracked file (`entries`: all its stages). True if something untracked is in its place.
    pub fn file(
        &self,
        fd: BorrowedFd<'_>,
        name: &CStr,
        entries: &[Entry],
        found: &mut Found,
    ) -> rustix::io::Result<bool> {
        let entry = &entries[0];
        let path = self.index.path(entry);
        if entry.assume_unchanged() || entry.skip_worktree() {
            found.unseen.push(Unseen { path: RepoPath::from_bytes(path), folder: false, assumed: true, opaque: false });
            if entry.assume_unchanged() || !self.settings.sparse {
                return Ok(false);
            }
        }
        let now = match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(now) => now,
            Err(Errno::NOENT) => {
                self.gone(self.range_of(entries), found);
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let then = self.index.stat(entry);
        let mode = match FileType::from_raw_mode(now.st_mode as RawMode) {
            FileType::RegularFile if !self.settings.trust_mode && is_regular(then.mode) => then.mode,
            FileType::RegularFile if now.st_mode & 0o100 != 0 => 0o100_755,
            FileType::RegularFile => 0o100_644,
            FileType::Symlink => 0o120_000,
            FileType::Directory if then.mode == GITLINK => {
                if rustix::fs::statat(fd, joined(name.to_bytes(), b"/.git", false), AtFlags::empty()).is_ok() {
                    found.submodules.push(RepoPath::from_bytes(path));
                }
                return Ok(false);
            }
            FileType::Directory => {
                self.gone(self.range_of(entries), found);
                return Ok(true);
            }
            _ => 0o010_000, // a pipe, a socket, a device: git has no mode for them
        };
        let mut delta = Delta::plain(RepoPath::from_bytes(path), (then.mode, mode));
        if entry.stage() != 0 {
            delta.conflicted = true;
            found.changed.push(delta);
        } else if entry.intent_to_add() {
            delta.modes.0 = 0;
            found.changed.push(delta);
        } else if then.mode & 0o170_000 != mode & 0o170_000 || (then.size != now.st_size as u32 && then.size != 0) {
            found.changed.push(delta);
        } else if mode != then.mode || !self.looks_the_same(&then, &now) {
            match self.content(fd, name, path, mode, now.st_size as u64, entry)? {
                Content::Same if mode == then.mode => {}
                Content::Same => found.changed.push(Delta { same_content: true, ..delta }),
                Content::Differs if mode == 0o120_000 => found.changed.push(delta),
                Content::Differs => found.doubtful.push(delta),
            }
        }
        Ok(false)
    }

    fn range_of(&self, entries: &[Entry]) -> Range<usize> {
        let path = self.index.path(&entries[0]);
        let start = self.index.entries.partition_point(|entry| self.index.path(entry) < path);
        start..start + entries.len()
    }

    /// Does `stat` say what it said when git last compared the content?
    fn looks_the_same(&self, then: &Stat, now: &rustix::fs::Stat) -> bool {
        let settings = &self.settings;
        // Some writers of indexes know no nanoseconds and leave 0.
        let time = |then: (u32, u32), seconds: u32, nanos: u32| {
            then.0 == seconds && (then.1 == nanos || then.1 == 0 || settings.minimal_stat)
        };
        let racy = i64::from(then.mtime.0) >= settings.written;
        let rest = settings.minimal_stat
            || ((!settings.trust_ctime || time(then.ctime, now.st_ctime as u32, now.st_ctime_nsec as u32))
                && then.inode == now.st_ino as u32
                && then.uid == now.st_uid
                && then.gid == now.st_gid);
        !racy
            && rest
            && then.size == now.st_size as u32
            && time(then.mtime, now.st_mtime as u32, now.st_mtime_nsec as u32)
    }

    /// Compares the bytes, unfiltered.
    fn content(
        &self,
        fd: BorrowedFd<'_>,
        name: &CStr,
        path: &[u8],
        mode: u32,
        size: u64,
        entry: &Entry,
    ) -> rustix::io::Result<Content> {
        let id = if mode == 0o120_000 {
            let target = rustix::fs::readlinkat(fd, name, vec![])?;
            Oid::hash_object(ObjectType::Blob, target.as_bytes())
        } else if size > WHOLE {
            Oid::hash_file(ObjectType::Blob, self.root_path.join(OsStr::from_bytes(path)))
        } else {
            let file = open_file(fd, name)?;
            let mut bytes = Vec::with_capacity(size as usize + 1);
            read_all(file, &mut bytes)?;
            Oid::hash_object(ObjectType::Blob, &bytes)
        };
        let same = id.is_ok_and(|id| id.as_bytes() == self.index.id(entry));
        Ok(if same { Content::Same } else { Content::Differs })
    }
}

fn is_regular(mode: u32) -> bool {
    mode & 0o170_000 == 0o100_000
}
