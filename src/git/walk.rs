//! One parallel pass over the working tree: every folder is listed once, every tracked file is looked at once, and what is
//! left over in the lists is untracked.
//!
//! Does not know: libgit2's repository, HEAD, the base. Nothing is followed: a symlink is a symlink.

use super::delta::{Delta, GITLINK};
use super::ignore::Rules;
use super::index::Index;
use super::listed::{self, Sight};
use super::listing::{is_repository, joined, list, open_file, read_all};
use super::look::Settings;
use crate::base::RepoPath;
use crate::change::Unseen;
use crate::tree::Listed;
use rayon::Scope;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Tracked files that are there, if they were to be listed.
    pub sights: Vec<Sight>,
    /// Untracked files as they are listed.
    pub strangers: Vec<Listed>,
}

/// Walks the working tree below `root`.
///
/// # Errors
/// A tracked folder cannot be read, or the index has a form this walk does not handle.
pub(super) fn walk(
    root: &Path,
    index: &Index,
    settings: Settings,
    rules: Rules,
    list: bool,
) -> rustix::io::Result<Found> {
    let fd = rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let walk = Walk {
        root: fd,
        root_path: root,
        index,
        settings,
        list,
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

/// The pass itself, shared by all threads.
pub(super) struct Walk<'a> {
    root: OwnedFd,
    pub root_path: &'a Path,
    pub index: &'a Index,
    pub settings: Settings,
    /// Is everything that is there to be told, and not only what differs?
    pub list: bool,
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
                self.repository(&folder.path, &mut found);
                self.add(found);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if !folder.known && is_repository(fd.as_fd()) {
            self.repository(&folder.path, &mut found);
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
            } else if self.file(fd, name, child.range.clone(), &mut found)? {
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
        all.sights.extend(found.sights);
        all.strangers.extend(found.strangers);
    }

    /// A repository inside, or a folder that nobody can look into: one path.
    fn repository(&self, path: &[u8], found: &mut Found) {
        found.untracked.push(new(path, GITLINK));
        if self.list
            && let Ok(stat) = rustix::fs::statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW)
        {
            found.strangers.extend(listed::untracked(path, GITLINK, &stat));
        }
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
                found.unseen.push(Unseen { path: RepoPath::from_bytes(&path), folder, assumed: false, opaque: false });
                continue;
            }
            match kind {
                FileType::Directory => {
                    inner.push((joined(&path, b"/", false), 0..0, false));
                }
                FileType::Symlink => {
                    found.untracked.push(new(&path, 0o120_000));
                    if self.list
                        && let Ok(stat) = rustix::fs::statat(fd, &name, AtFlags::SYMLINK_NOFOLLOW)
                    {
                        found.strangers.extend(listed::untracked(&path, 0o120_000, &stat));
                    }
                }
                FileType::RegularFile => {
                    let stat = rustix::fs::statat(fd, &name, AtFlags::SYMLINK_NOFOLLOW).ok();
                    let executable = stat.is_some_and(|stat| stat.st_mode & 0o100 != 0);
                    let mode = if executable && self.settings.trust_mode { 0o100_755 } else { 0o100_644 };
                    found.untracked.push(new(&path, mode));
                    if let Some(stat) = stat.filter(|_| self.list) {
                        found.strangers.extend(listed::untracked(&path, mode, &stat));
                    }
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
            && self.sights.is_empty()
            && self.strangers.is_empty()
    }
}

fn new(path: &[u8], mode: u32) -> Delta {
    Delta::plain(RepoPath::from_bytes(path), (0, mode))
}

/// The rules for what is in a folder that has a `.gitignore` of its own.
fn own_rules_of(fd: BorrowedFd<'_>, folder: &Folder) -> rustix::io::Result<Arc<Rules>> {
    let mut text = vec![];
    read_all(open_file(fd, c".gitignore")?, &mut text)?;
    let name = folder.path.strip_suffix(b"/").unwrap_or(&folder.path);
    Ok(Arc::new(Rules::parse(&text, name, Some(folder.rules.clone()))))
}
