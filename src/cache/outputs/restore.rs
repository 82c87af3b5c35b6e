//! Puts an entry's outputs back.

use super::WasRecorded;
use super::beneath::{self, Beneath};
use super::check::check;
use super::list::{Listed, Listing, Thing, list, thing};
use super::look::{FEW, Known, There, there_listed};
use super::place::{Content, Placing, Why, file_kind, in_the_way, tree};
use super::stale;
use crate::base::{Digest, GlobSet, RepoPath};
use crate::cache::kept::{Keep, Keeping, KeptKind};
use crate::cache::{Output, OutputKind, Store};
use rayon::prelude::*;
use rustix::fd::{AsFd as _, BorrowedFd};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What restoring needs, apart from the outputs.
pub struct Restore<'a> {
    /// The working tree.
    pub beneath: &'a Beneath,
    /// What the step declares as outputs: nothing else is touched.
    pub globs: &'a GlobSet,
    /// What is known of files without reading them.
    pub known: &'a dyn Known,
    /// Where the bytes are. They are verified here; the store need not.
    pub store: &'a dyn Store,
    /// What wf recorded for this step: what it may replace and remove.
    pub recorded: &'a WasRecorded<'a>,
    /// Where everything else is kept before it is replaced.
    pub keep: &'a Keep<'a>,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Files, symlinks and empty folders that were made.
    pub written: usize,
    /// Those that were there, and right.
    pub already: usize,
    /// Recorded ones that are not in the entry and went.
    pub removed: usize,
    /// Bytes written.
    pub bytes: u64,
    /// Where somebody's version was replaced: it is kept. Sorted.
    pub kept: Vec<RepoPath>,
}

/// Restoring ended early. The step has to run.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct RestoreError {
    /// What was done until then. What was kept has to be told all the same.
    pub done: Restored,
    /// Why it ended.
    #[source]
    pub why: Why,
}

#[derive(Default)]
struct Counts {
    written: AtomicUsize,
    already: AtomicUsize,
    removed: AtomicUsize,
    bytes: AtomicU64,
}

impl Restore<'_> {
    /// Makes the places that the globs match hold exactly these outputs, and what is somebody's own.
    ///
    /// # Errors
    /// Before anything is written: an entry that no step could have made, and places with something in the way. Later:
    /// content that is missing or damaged, and a file system that refuses.
    pub fn run(&self, outputs: &[Output]) -> Result<Restored, RestoreError> {
        let counts = Counts::default();
        let kept = Mutex::default();
        let done = self.try_run(outputs, &kept, &counts);
        let mut kept = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        kept.sort_unstable();
        let restored = Restored {
            written: counts.written.into_inner(),
            already: counts.already.into_inner(),
            removed: counts.removed.into_inner(),
            bytes: counts.bytes.into_inner(),
            kept,
        };
        match done {
            Ok(()) => Ok(restored),
            Err(why) => Err(RestoreError { done: restored, why }),
        }
    }

    fn try_run(&self, outputs: &[Output], kept: &Mutex<Vec<RepoPath>>, counts: &Counts) -> Result<(), Why> {
        check(self.globs, outputs)?;
        let listing = list(self.beneath, self.globs).map_err(|(path, source)| tree(&path, source))?;
        let now: HashMap<&RepoPath, &Listed> = listing.things.iter().map(|listed| (&listed.path, listed)).collect();
        let is_folder = |output: &Output| output.kind == OutputKind::Folder;
        let wanted: Wanted<'_> = outputs.iter().map(|output| (&output.path, is_folder(output))).collect();
        let groups = by_folder(outputs);
        for (folder, _) in &groups {
            self.refuse_blocked(folder, &now, &wanted)?;
        }
        let there = self.look(outputs, &now)?;
        let theirs = self.theirs(outputs, &there)?;
        let removed = self.remove_unwanted(&listing, &wanted)?;
        counts.removed.store(removed.paths.len(), Ordering::Relaxed);

        let safe: HashSet<(RepoPath, Digest)> = self.keep_all(theirs)?.into_iter().collect();
        lock(kept).extend(safe.iter().map(|(path, _)| path.clone()));
        let recorded = |path: &RepoPath, digest: &Digest| {
            (self.recorded)(path, digest) || (!safe.is_empty() && safe.contains(&(path.clone(), *digest)))
        };
        let (beneath, known, keep) = (self.beneath, self.known, self.keep);
        let placing = Placing { beneath, known, recorded: &recorded, keep, kept };
        let one = |folder: BorrowedFd<'_>, output: &Output| {
            // A recorded empty folder is gone by now.
            let there = there.get(&output.path).filter(|there| !matches!(there, There::Folder)).cloned();
            self.one(&placing, folder, output, there, counts)
        };
        let group = |(path, outputs): &(RepoPath, Vec<&Output>)| {
            let folder = self.beneath.make_folder(path).map_err(|source| tree(path, source))?;
            if outputs.len() < FEW {
                outputs.iter().try_for_each(|output| one(folder.as_fd(), output))
            } else {
                outputs.par_iter().try_for_each(|output| one(folder.as_fd(), output))
            }
        };
        if outputs.len() < FEW { groups.iter().try_for_each(group) } else { groups.par_iter().try_for_each(group) }
    }

    /// What stands in the places of the outputs.
    fn look<'o>(
        &self,
        outputs: &'o [Output],
        now: &HashMap<&RepoPath, &Listed>,
    ) -> Result<HashMap<&'o RepoPath, There>, Why> {
        let one = |output: &'o Output| {
            let there = now.get(&output.path).map_or(Ok(None), |listed| there_listed(self.beneath, listed, self.known));
            Ok(there.map_err(|source| tree(&output.path, source))?.map(|there| (&output.path, there)))
        };
        if now.len() < FEW {
            outputs.iter().filter_map(|output| one(output).transpose()).collect()
        } else {
            outputs.par_iter().filter_map(|output| one(output).transpose()).collect()
        }
    }

    /// What is somebody's and is about to be replaced. Refuses what cannot be.
    fn theirs<'t>(
        &self,
        outputs: &'t [Output],
        there: &'t HashMap<&RepoPath, There>,
    ) -> Result<Vec<(&'t RepoPath, &'t There)>, Why> {
        let mut theirs = Vec::new();
        for Output { path, kind } in outputs {
            let Some(there) = there.get(path) else { continue };
            match (there, kind) {
                (There::Special(what), _) => return Err(in_the_way(path, what)),
                (There::Folder, OutputKind::Folder) => {}
                _ if there.content().is_some_and(|content| (self.recorded)(path, &content)) => {}
                (There::Folder, _) => return Err(in_the_way(path, "a folder")),
                (_, OutputKind::Folder) => return Err(in_the_way(path, "no folder")),
                (There::File { digest, .. }, OutputKind::File { blob, .. }) if *digest == blob.digest => {}
                (There::Symlink { target, .. }, OutputKind::Symlink { target: t }) if target == t => {}
                _ => theirs.push((path, there)),
            }
        }
        Ok(theirs)
    }

    /// Keeps all of it at once: writing each through to the disk by itself takes its time.
    fn keep_all(&self, theirs: Vec<(&RepoPath, &There)>) -> Result<Vec<(RepoPath, Digest)>, Why> {
        let version = |(path, there): (&RepoPath, &There)| {
            let path = path.clone();
            if let There::Symlink { target, .. } = there {
                return Ok(Keeping { path, kind: KeptKind::Symlink, bytes: Box::new(io::Cursor::new(target.clone())) });
            }
            let (file, stat) = self.beneath.file(&path).map_err(|error| (path.clone(), error))?;
            Ok(Keeping { path, kind: file_kind(beneath::executable(&stat)), bytes: Box::new(file) })
        };
        let keep = self.keep.keep(theirs.into_iter().map(version));
        keep.map_err(|(path, source)| Why::Keep { path, source })
    }

    fn remove_unwanted(&self, listing: &Listing, wanted: &Wanted<'_>) -> Result<stale::Removed, Why> {
        let unwanted = |listed: &Listed| is_unwanted(listed, wanted);
        stale::remove(self.beneath, self.globs, listing, self.recorded, self.known, &unwanted)
            .map_err(|(path, source)| tree(&path, source))
    }

    /// A folder that is needed must be there or be free to be made: nothing but a file that goes anyway may have its name.
    fn refuse_blocked(
        &self,
        folder: &RepoPath,
        now: &HashMap<&RepoPath, &Listed>,
        wanted: &Wanted<'_>,
    ) -> Result<(), Why> {
        match self.beneath.folder(folder) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if !beneath::is_blocked(&error) => return Err(tree(folder, error)),
            Err(_) => {}
        }
        let mut above: Vec<RepoPath> =
            std::iter::successors(Some(folder.clone()), |path| (!path.is_root()).then(|| path.parent())).collect();
        above.reverse();
        for path in above.iter().skip(1) {
            let Some(stat) = self.beneath.stat(path).map_err(|source| tree(path, source))? else { break };
            let what = match thing(&stat) {
                Thing::Folder => continue,
                Thing::Special(what) => what,
                Thing::File { .. } => "a file where a folder should be",
                Thing::Symlink => "a symlink where a folder should be",
            };
            let goes = now.get(path).is_some_and(|listed| is_unwanted(listed, wanted) && self.is_recorded(listed));
            return if goes { Ok(()) } else { Err(in_the_way(path, what)) };
        }
        Ok(())
    }

    fn is_recorded(&self, listed: &Listed) -> bool {
        let there = there_listed(self.beneath, listed, self.known).ok().flatten();
        let content = there.and_then(|there| there.content());
        content.is_some_and(|content| (self.recorded)(&listed.path, &content))
    }

    fn one(
        &self,
        placing: &Placing<'_>,
        folder: BorrowedFd<'_>,
        output: &Output,
        there: Option<There>,
        counts: &Counts,
    ) -> Result<(), Why> {
        let path = &output.path;
        let (written, bytes) = match &output.kind {
            OutputKind::File { blob, executable } => {
                let (open, local) = (|| self.store.get(blob), || self.store.file_of(blob));
                let wanted = Content { blob, executable: *executable, open: &open, local: &local };
                (placing.file(folder, path, there, &wanted)?, blob.size)
            }
            OutputKind::Symlink { target } => (placing.symlink(folder, path, there, target)?, 0),
            OutputKind::Folder => match rustix::fs::mkdirat(folder, path.file_name(), 0o777.into()) {
                Ok(()) => (true, 0),
                Err(error) if error != Errno::EXIST => return Err(tree(path, error.into())),
                Err(_) => match self.beneath.folder(path) {
                    Ok(_) => (false, 0),
                    Err(error) if beneath::is_blocked(&error) => return Err(in_the_way(path, "no folder")),
                    Err(error) => return Err(tree(path, error)),
                },
            },
        };
        if written {
            counts.written.fetch_add(1, Ordering::Relaxed);
            counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        } else {
            counts.already.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is wanted at a path: is it an empty folder?
type Wanted<'a> = HashMap<&'a RepoPath, bool>;

/// Nothing is wanted there, or a folder instead of a file, or a file instead of a folder: no version of what is wanted.
fn is_unwanted(listed: &Listed, wanted: &Wanted<'_>) -> bool {
    wanted.get(&listed.path).is_none_or(|folder| *folder != (listed.thing == Thing::Folder))
}

/// Outputs by the folder that holds them, so that each is opened once.
fn by_folder(outputs: &[Output]) -> Vec<(RepoPath, Vec<&Output>)> {
    let mut groups: Vec<(RepoPath, Vec<&Output>)> = Vec::new();
    let mut place: HashMap<RepoPath, usize> = HashMap::new();
    for output in outputs {
        let at = *place.entry(output.path.parent()).or_insert_with_key(|folder| {
            groups.push((folder.clone(), vec![]));
            groups.len() - 1
        });
        groups[at].1.push(output);
    }
    groups
}
