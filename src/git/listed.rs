//! The working tree as plain data: what the walk saw, in order, and the same by `lstat` where another reader had to walk.
//!
//! Does not know: what differs from what, ignore rules.

use super::delta::GITLINK;
use super::index::Index;
use crate::base::RepoPath;
use crate::tree::{FileKind, FileStat, Listed};
use rayon::prelude::*;
use rustix::fs::{AtFlags, CWD, FileType, RawMode, Stat};
use std::path::Path;

/// A tracked file as the walk saw it.
#[derive(Debug)]
pub(super) struct Sight {
    /// Its first entry's position in the index.
    entry: u32,
    kind: FileKind,
    stat: FileStat,
    known: Known,
}

/// What the index says about the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing, or that they differ.
    Nothing,
    /// They are the entry's: the file looks as it did then, and a change since would show.
    Unchanged,
    /// They are the entry's: the file was read.
    Read,
}

impl Sight {
    /// None for what git has no kind for.
    pub fn of(entry: u32, mode: u32, stat: &Stat, known: Known) -> Option<Self> {
        Some(Self { entry, kind: kind(mode)?, stat: plain(stat), known })
    }
}

/// An untracked file. None for what git has no kind for.
pub(super) fn untracked(path: &[u8], mode: u32, stat: &Stat) -> Option<Listed> {
    let path = RepoPath::from_bytes(path);
    Some(Listed { path, kind: kind(mode)?, stat: plain(stat), blob: None, read: false })
}

/// Everything the walk saw, sorted by path.
pub(super) fn files(index: &Index, mut sights: Vec<Sight>, mut strangers: Vec<Listed>) -> Vec<Listed> {
    // The index is sorted by path already; of two stages of one path only the first was looked at.
    sights.par_sort_unstable_by_key(|sight| sight.entry);
    strangers.sort_unstable_by(|one, two| one.path.cmp(&two.path));
    let tracked = |sight: Sight| {
        let entry = &index.entries[sight.entry as usize];
        let path = RepoPath::from_bytes(index.path(entry));
        let blob = (sight.known != Known::Nothing).then(|| index.id(entry));
        Listed { path, kind: sight.kind, stat: sight.stat, blob, read: sight.known == Known::Read }
    };
    let tracked: Vec<Listed> = sights.into_par_iter().with_min_len(1_000).map(tracked).collect();
    if strangers.is_empty() {
        return tracked;
    }
    let mut files = Vec::with_capacity(tracked.len() + strangers.len());
    let mut strangers = strangers.into_iter().peekable();
    for file in tracked {
        while let Some(stranger) = strangers.next_if(|stranger| stranger.path < file.path) {
            files.push(stranger);
        }
        files.push(file);
    }
    files.extend(strangers);
    files
}

/// The same for paths that another reader found. What has vanished, or is nothing that git knows, is left out.
pub(super) fn stat_all(root: &Path, paths: Vec<RepoPath>) -> Vec<Listed> {
    let look = |path: RepoPath| {
        let stat = rustix::fs::statat(CWD, path.under(root), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let kind = match FileType::from_raw_mode(stat.st_mode as RawMode) {
            FileType::RegularFile => FileKind::Regular { executable: stat.st_mode & 0o100 != 0 },
            FileType::Symlink => FileKind::Symlink,
            FileType::Directory => FileKind::Repository,
            _ => return None,
        };
        Some(Listed { path, kind, stat: plain(&stat), blob: None, read: false })
    };
    paths.into_par_iter().filter_map(look).collect()
}

fn kind(mode: u32) -> Option<FileKind> {
    match mode {
        0o100_644 => Some(FileKind::Regular { executable: false }),
        0o100_755 => Some(FileKind::Regular { executable: true }),
        0o120_000 => Some(FileKind::Symlink),
        GITLINK => Some(FileKind::Repository),
        _ => None,
    }
}

fn plain(stat: &Stat) -> FileStat {
    let (mtime, ctime) = (
        (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
    );
    FileStat::new(stat.st_size as u64, mtime, ctime, stat.st_ino, stat.st_mode)
}
