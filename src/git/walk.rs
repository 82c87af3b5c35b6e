//! One parallel pass over the working tree: every folder is listed once, every tracked file is looked at once, and what is
//! left over in the lists is untracked.
//!
//! Does not know: libgit2's repository, HEAD, the base. Nothing is followed: a symlink is a symlink.

use super::delta::{Delta, GITLINK};
use super::ignore::Rules;
use super::index::{Entry, Index, Stat};
use crate::base::RepoPath;
use crate::change::Unseen;
use git2::{ObjectType, Oid};
use rayon::Scope;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawMode};
use rustix::io::Errno;
use std::ffi::{CStr, CString, OsStr};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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

/// What the pass found. No list is sorted.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Tracked files that differ for sure.
    pub changed: Vec<Delta>,
    /// Tracked files whose bytes differ, though a filter (line endings) may make them equal.
    pub doubtful: Vec<Delta>,
    /// Submodules that are checked out.
    pub submodules: Vec<RepoPath>,
    /// Neither tracked nor ignored.
    pub untracked: Vec<Delta>,
    /// Ignored files and folders, and entries git was told not to look at.
    pub unseen: Vec<Unseen>,
    /// Is there a `.gitattributes` anywhere?
    pub attributes: bool,
}

/// Walks the working tree below `root`.
///
/// # Errors
/// A tracked folder cannot be read, or the index has a form this walk does not handle.
pub(super) fn walk(root: &Path, index: &Index, settings: Settings, rules: Rules) -> rustix::io::Result<Found> {
    let fd = rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let walk = Walk {
        root: fd,
        root_path: root,
        index,
        settings,
        found: Mutex::default(),
        attributes: AtomicBool::new(false),
        failed: Mutex::new(None),
    };
    let folder = Folder { path: vec![], range: 0..index.entries.len(), rules: Arc::new(rules), known: true };
    rayon::scope(|scope| walk.spawn(scope, folder));
    if let Some(error) = walk.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut found = walk.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.attributes = walk.attributes.into_inner();
    Ok(found)
}

struct Walk<'a> {
    root: OwnedFd,
    root_path: &'a Path,
    index: &'a Index,
    settings: Settings,
    found: Mutex<Found>,
    attributes: AtomicBool,
    failed: Mutex<Option<Errno>>,
}

/// A folder still to be walked.
struct Folder {
    /// With `/` at its end, but for the root.
    path: Vec<u8>,
    /// Its entries.
    range: Range<usize>,
    /// The ignore rules of what is above it.
    rules: Arc<Rules>,
    /// Does the index know it? If not, it is known that no rule ignores it.
    known: bool,
}

/// What the index has under one name of a folder.
struct Child<'a> {
    name: &'a [u8],
    range: Range<usize>,
    folder: bool,
    seen: bool,
}

enum Content {
    Same,
    Differs,
}

impl<'a> Walk<'a> {
    fn spawn<'s>(&'s self, scope: &Scope<'s>, folder: Folder) {
        scope.spawn(move |scope| {
            if let Err(error) = self.folder(scope, folder) {
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        });
    }

    fn folder<'s>(&'s self, scope: &Scope<'s>, folder: Folder) -> rustix::io::Result<()> {
        let mut found = Found::default();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = if folder.path.is_empty() { &b"."[..] } else { &folder.path };
        let fd = match rustix::fs::openat(&self.root, path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                self.gone(folder.range, &mut found);
                self.add(found);
                return Ok(());
            }
            Err(_) if !folder.known => {
                // Nobody can say what is in it: then the folder itself counts.
                found.untracked.push(new(&folder.path, GITLINK));
                self.add(found);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if !folder.known && is_repository(fd.as_fd()) {
            found.untracked.push(new(&folder.path, GITLINK));
            self.add(found);
            return Ok(());
        }
        let mut children = self.children(&folder)?;
        let mut strangers: Vec<(CString, FileType)> = vec![];
        let mut inner: Vec<(Vec<u8>, Range<usize>, bool)> = vec![];
        let mut own_rules = false;
        let fd = list(fd, |fd, name, kind| {
            let bytes = name.to_bytes();
            if matches!(bytes, b"." | b".." | b".git") {
                return Ok(());
            }
            if bytes.starts_with(b".git") {
                own_rules |= bytes == b".gitignore" && kind == FileType::RegularFile;
                if bytes == b".gitattributes" {
                    self.attributes.store(true, Ordering::Relaxed);
                }
            }
            let Ok(at) = children.binary_search_by(|child| child.name.cmp(bytes)) else {
                if !(folder.path.is_empty() && bytes == b".wf") {
                    strangers.push((name.to_owned(), kind));
                }
                return Ok(());
            };
            let child = &mut children[at];
            child.seen = true;
            if child.folder {
                if kind == FileType::Directory {
                    inner.push((joined(&folder.path, bytes, true), child.range.clone(), true));
                } else {
                    self.gone(child.range.clone(), &mut found);
                    strangers.push((name.to_owned(), kind));
                }
            } else if self.file(fd, name, &self.index.entries[child.range.clone()], &mut found)? {
                strangers.push((name.to_owned(), kind));
            }
            Ok(())
        })?;
        for child in children.iter().filter(|child| !child.seen) {
            self.gone(child.range.clone(), &mut found);
        }
        let rules = if own_rules { own_rules_of(fd.as_fd(), &folder)? } else { folder.rules.clone() };
        if !strangers.is_empty() {
            self.strangers(fd.as_fd(), &folder, &rules, strangers, &mut found, &mut inner);
        }
        for (path, range, known) in inner {
            self.spawn(scope, Folder { path, range, rules: rules.clone(), known });
        }
        self.add(found);
        Ok(())
    }

    fn add(&self, found: Found) {
        if found.is_empty() {
            return;
        }
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        all.changed.extend(found.changed);
        all.doubtful.extend(found.doubtful);
        all.submodules.extend(found.submodules);
        all.untracked.extend(found.untracked);
        all.unseen.extend(found.unseen);
    }

    /// What the index has directly in a folder, sorted by name.
    fn children(&self, folder: &Folder) -> rustix::io::Result<Vec<Child<'a>>> {
        let (mut children, mut at, mut mixed) = (vec![], folder.range.start, false);
        let prefix = folder.path.len();
        while at < folder.range.end {
            let path = self.index.path(&self.index.entries[at]);
            let below = &path[prefix..];
            let (name, end, inside) = if let Some(slash) = memchr::memchr(b'/', below) {
                mixed = true;
                (&below[..slash], self.index.end_of(at..folder.range.end, &path[..=prefix + slash]), true)
            } else {
                let mut end = at + 1;
                while end < folder.range.end && self.index.path(&self.index.entries[end]) == path {
                    end += 1;
                }
                (below, end, false)
            };
            children.push(Child { name, range: at..end, folder: inside, seen: false });
            at = end;
        }
        if mixed {
            children.sort_unstable_by_key(|child: &Child<'a>| child.name);
            if children.windows(2).any(|two| two[0].name == two[1].name) {
                return Err(Errno::OPNOTSUPP); // a file and a folder of one name, as some conflicts leave them
            }
        }
        Ok(children)
    }

    /// Entries that have no file any more.
    fn gone(&self, range: Range<usize>, found: &mut Found) {
        let mut last: &[u8] = &[];
        for entry in &self.index.entries[range] {
            let path = self.index.path(entry);
            let told = entry.assume_unchanged() || entry.skip_worktree();
            if told && self.settings.sparse && !entry.assume_unchanged() {
                // What a sparse checkout leaves out is not there to be watched.
            } else if told {
                found.unseen.push(Unseen { path: RepoPath::from_bytes(path), folder: false, assumed: true });
            } else if path != last {
                let conflicted = entry.stage() != 0;
                let modes = (self.index.stat(entry).mode, 0);
                found.changed.push(Delta { conflicted, ..Delta::plain(RepoPath::from_bytes(path), modes) });
            }
            last = path;
        }
    }

    /// Looks at one tracked file (`entries`: all its stages). True if something untracked is in its place.
    fn file(&self, fd: BorrowedFd<'_>, name: &CStr, entries: &[Entry], found: &mut Found) -> rustix::io::Result<bool> {
        let entry = &entries[0];
        let path = self.index.path(entry);
        if entry.assume_unchanged() || entry.skip_worktree() {
            found.unseen.push(Unseen { path: RepoPath::from_bytes(path), folder: false, assumed: true });
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

    /// What is in a folder that the index does not know.
    fn strangers(
        &self,
        fd: BorrowedFd<'_>,
        folder: &Folder,
        rules: &Rules,
        strangers: Vec<(CString, FileType)>,
        found: &mut Found,
        inner: &mut Vec<(Vec<u8>, Range<usize>, bool)>,
    ) {
        let name = folder.path.strip_suffix(b"/").unwrap_or(&folder.path);
        let all_ignored = folder.known && rules.ignores_folder(name);
        for (name, kind) in strangers {
            let path = joined(&folder.path, name.to_bytes(), false);
            if all_ignored || rules.ignores(&path, kind == FileType::Directory) {
                let folder = kind == FileType::Directory;
                found.unseen.push(Unseen { path: RepoPath::from_bytes(&path), folder, assumed: false });
                continue;
            }
            match kind {
                FileType::Directory => {
                    inner.push((joined(&path, b"/", false), 0..0, false));
                }
                FileType::Symlink => found.untracked.push(new(&path, 0o120_000)),
                FileType::RegularFile => {
                    let executable = rustix::fs::statat(fd, &name, AtFlags::SYMLINK_NOFOLLOW)
                        .is_ok_and(|stat| stat.st_mode & 0o100 != 0);
                    let mode = if executable && self.settings.trust_mode { 0o100_755 } else { 0o100_644 };
                    found.untracked.push(new(&path, mode));
                }
                _ => {} // git does not see pipes, sockets and devices
            }
        }
    }
}

impl Found {
    fn is_empty(&self) -> bool {
        self.changed.is_empty()
            && self.doubtful.is_empty()
            && self.submodules.is_empty()
            && self.untracked.is_empty()
            && self.unseen.is_empty()
    }
}

fn is_regular(mode: u32) -> bool {
    mode & 0o170_000 == 0o100_000
}

fn new(path: &[u8], mode: u32) -> Delta {
    Delta::plain(RepoPath::from_bytes(path), (0, mode))
}

fn joined(folder: &[u8], name: &[u8], is_folder: bool) -> Vec<u8> {
    let mut path = Vec::with_capacity(folder.len() + name.len() + 1);
    path.extend_from_slice(folder);
    path.extend_from_slice(name);
    if is_folder {
        path.push(b'/');
    }
    path
}

/// The rules for what is in a folder that has a `.gitignore` of its own.
fn own_rules_of(fd: BorrowedFd<'_>, folder: &Folder) -> rustix::io::Result<Arc<Rules>> {
    let mut text = vec![];
    read_all(open_file(fd, c".gitignore")?, &mut text)?;
    let name = folder.path.strip_suffix(b"/").unwrap_or(&folder.path);
    Ok(Arc::new(Rules::parse(&text, name, Some(folder.rules.clone()))))
}

/// Is this folder another repository's working tree?
fn is_repository(fd: BorrowedFd<'_>) -> bool {
    let Ok(git) = rustix::fs::statat(fd, c".git", AtFlags::SYMLINK_NOFOLLOW) else { return false };
    match FileType::from_raw_mode(git.st_mode as RawMode) {
        FileType::Directory => rustix::fs::statat(fd, c".git/HEAD", AtFlags::SYMLINK_NOFOLLOW).is_ok(),
        FileType::RegularFile => {
            let mut text = vec![];
            open_file(fd, c".git").and_then(|file| read_all(file, &mut text)).is_ok() && text.starts_with(b"gitdir:")
        }
        _ => false,
    }
}

/// Opens a file, but neither through a symlink nor waiting for a pipe's other end.
fn open_file(fd: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(fd, name, flags, Mode::empty())
}

fn read_all(file: OwnedFd, into: &mut Vec<u8>) -> rustix::io::Result<()> {
    use std::io::Read;
    let read = std::fs::File::from(file).read_to_end(into);
    read.map(|_| ()).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Calls `each` for every name in a folder and gives the folder back.
#[cfg(target_os = "linux")]
fn list(
    fd: OwnedFd,
    mut each: impl FnMut(BorrowedFd<'_>, &CStr, FileType) -> rustix::io::Result<()>,
) -> rustix::io::Result<OwnedFd> {
    let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 16 << 10];
    let mut names = rustix::fs::RawDir::new(fd.as_fd(), &mut buffer);
    while let Some(entry) = names.next() {
        let entry = entry?;
        each(fd.as_fd(), entry.file_name(), kind(fd.as_fd(), entry.file_name(), entry.file_type())?)?;
    }
    Ok(fd)
}

/// Calls `each` for every name in a folder and gives the folder back.
#[cfg(not(target_os = "linux"))]
fn list(
    fd: OwnedFd,
    mut each: impl FnMut(BorrowedFd<'_>, &CStr, FileType) -> rustix::io::Result<()>,
) -> rustix::io::Result<OwnedFd> {
    for entry in rustix::fs::Dir::read_from(&fd)? {
        let entry = entry?;
        each(fd.as_fd(), entry.file_name(), kind(fd.as_fd(), entry.file_name(), entry.file_type())?)?;
    }
    Ok(fd)
}

/// Some file systems do not tell kinds in their lists.
fn kind(fd: BorrowedFd<'_>, name: &CStr, told: FileType) -> rustix::io::Result<FileType> {
    if told != FileType::Unknown {
        return Ok(told);
    }
    match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode as RawMode)),
        Err(Errno::NOENT) => Ok(FileType::Unknown),
        Err(error) => Err(error),
    }
}
