//! Looking at one tracked file: is it what the index remembers?
//!
//! Does not know: folders, ignore rules, what is untracked. A file that looks different is compared by its bytes; whether a
//! filter makes different bytes equal is decided elsewhere.

use super::delta::{Delta, GITLINK};
use super::index::{Entry, Stat};
use super::listed::{Known, Sight};
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

/// The mode of a folder, which git never writes.
const FOLDER: u32 = 0o040_000;

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

    /// Looks at one tracked file (`range`: all its stages). True if something untracked is in its place.
    pub fn file(
        &self,
        fd: BorrowedFd<'_>,
        name: &CStr,
        range: Range<usize>,
        found: &mut Found,
    ) -> rustix::io::Result<bool> {
        let (entry, at) = (&self.index.entries[range.start], range.start as u32);
        let path = self.index.path(entry);
        if entry.assume_unchanged() || entry.skip_worktree() {
            found.unseen.push(Unseen { path: RepoPath::from_bytes(path), folder: false, assumed: true, opaque: false });
            if entry.assume_unchanged() || !self.settings.sparse {
                // Nobody is told whether it changed; what is in it counts nevertheless.
                if self.list
                    && let Ok(now) = rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW)
                {
                    found.sights.extend(Sight::of(at, self.mode(&now, &self.index.stat(entry)), &now, Known::Nothing));
                }
                return Ok(false);
            }
        }
        let now = match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(now) => now,
            Err(Errno::NOENT) => {
                self.gone(range, found);
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let then = self.index.stat(entry);
        let mode = self.mode(&now, &then);
        let mut known = Known::Nothing;
        if mode == FOLDER {
            self.gone(range, found);
            return Ok(true);
        }
        if mode == GITLINK {
            if rustix::fs::statat(fd, joined(name.to_bytes(), b"/.git", false), AtFlags::empty()).is_ok() {
                found.submodules.push(RepoPath::from_bytes(path));
            }
            found.sights.extend(Sight::of(at, mode, &now, known).filter(|_| self.list));
            return Ok(false);
        }
        let mut delta = Delta::plain(RepoPath::from_bytes(path), (then.mode, mode));
        if entry.stage() != 0 {
            delta.conflicted = true;
            found.changed.push(delta);
        } else if entry.intent_to_add() {
            delta.modes.0 = 0;
            found.changed.push(delta);
        } else if then.mode & 0o170_000 != mode & 0o170_000 || (then.size != now.st_size as u32 && then.size != 0) {
            found.changed.push(delta);
        } else if mode != then.mode || !same(&then, &now, &self.settings) {
            match self.content(fd, name, path, mode, now.st_size as u64, entry)? {
                Content::Same => {
                    known = Known::Read;
                    found.changed.extend((mode != then.mode).then_some(Delta { same_content: true, ..delta }));
                }
                Content::Differs if mode == 0o120_000 => found.changed.push(delta),
                Content::Differs => found.doubtful.push(delta),
            }
        } else if self.list && same(&then, &now, &Settings { trust_ctime: true, minimal_stat: false, ..self.settings })
        {
            known = Known::Unchanged;
        }
        found.sights.extend(Sight::of(at, mode, &now, known).filter(|_| self.list));
        Ok(false)
    }

    /// Git's mode of what is there; [`FOLDER`] for a folder that is no submodule.
    fn mode(&self, now: &rustix::fs::Stat, then: &Stat) -> u32 {
        match FileType::from_raw_mode(now.st_mode as RawMode) {
            FileType::RegularFile if !self.settings.trust_mode && is_regular(then.mode) => then.mode,
            FileType::RegularFile if now.st_mode & 0o100 != 0 => 0o100_755,
            FileType::RegularFile => 0o100_644,
            FileType::Symlink => 0o120_000,
            FileType::Directory if then.mode == GITLINK => GITLINK,
            FileType::Directory => FOLDER,
            _ => 0o010_000, // a pipe, a socket, a device: git has no mode for them
        }
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

/// Does `stat` say what it said when git last compared the content, and so that a later change would show?
fn same(then: &Stat, now: &rustix::fs::Stat, settings: &Settings) -> bool {
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
    !racy && rest && then.size == now.st_size as u32 && time(then.mtime, now.st_mtime as u32, now.st_mtime_nsec as u32)
}

fn is_regular(mode: u32) -> bool {
    mode & 0o170_000 == 0o100_000
}
