//! Removes what wf recorded for a step and is not wanted any more; never anything else.

use super::WasRecorded;
use super::beneath::{Beneath, file_stat, stat_in};
use super::list::{At, Listed, Listing, Thing, list, roots};
use super::look::{Known, is_away, there_listed};
use super::write::{Leftover, is_same};
use crate::base::{GlobSet, RepoPath};
use rustix::fs::AtFlags;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::io;

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files, symlinks and empty folders that wf had recorded.
    pub paths: Vec<RepoPath>,
}

/// Before a step runs: everything its output globs match and wf recorded for it goes, so that nothing old is gathered as if it
/// were new. Files with other bytes stay: they are somebody's.
///
/// # Errors
/// The path that cannot be read or removed.
pub fn remove_recorded(
    beneath: &Beneath,
    globs: &GlobSet,
    recorded: &WasRecorded<'_>,
    known: &dyn Known,
) -> At<Removed> {
    remove(beneath, globs, &list(beneath, globs)?, recorded, known, &|_| true)
}

/// Removes of what is listed that which is recorded and not wanted, then the folders that are empty by that.
pub fn remove(
    beneath: &Beneath,
    globs: &GlobSet,
    listing: &Listing,
    recorded: &WasRecorded<'_>,
    known: &dyn Known,
    unwanted: &dyn Fn(&Listed) -> bool,
) -> At<Removed> {
    let mut removed = Removed::default();
    let mut folders = BTreeSet::new();
    for leftover in listing.leftovers.iter().filter(|path| is_orphan(path)) {
        unlink(beneath, leftover, AtFlags::empty()).map_err(|error| (leftover.clone(), error))?;
    }
    for listed in listing.things.iter().filter(|listed| unwanted(listed)) {
        let path = &listed.path;
        let failed = |error| (path.clone(), error);
        let there = there_listed(beneath, listed, known).map_err(failed)?;
        let Some(content) = there.and_then(|there| there.content()) else { continue };
        if !recorded(path, &content) {
            continue;
        }
        let folder = match beneath.folder(&path.parent()) {
            Err(error) if is_away(&error) => continue,
            folder => folder.map_err(failed)?,
        };
        let flags = if listed.thing == Thing::Folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        // Somebody may have written it since it was read.
        let now = stat_in(&folder, path.file_name()).map_err(failed)?;
        let as_listed = |stat| flags == AtFlags::REMOVEDIR || is_same(&file_stat(&stat), &listed.stat);
        if now.is_some_and(as_listed) && unlink(beneath, path, flags).map_err(failed)? {
            removed.paths.push(path.clone());
            folders.extend(emptied(globs, path));
        }
    }
    // The deepest first: a folder sorts before what is in it.
    for folder in folders.iter().rev() {
        unlink(beneath, folder, AtFlags::REMOVEDIR).map_err(|error| (folder.clone(), error))?;
    }
    Ok(removed)
}

fn is_orphan(path: &RepoPath) -> bool {
    Leftover::parse(path.file_name()).is_some_and(Leftover::is_orphan)
}

/// The folders above a removed path that are the step's alone: below the literal beginning of a glob, or an output by name.
fn emptied(globs: &GlobSet, path: &RepoPath) -> Vec<RepoPath> {
    let roots = roots(globs);
    let ours = |folder: &RepoPath| {
        globs.is_match(folder) || roots.iter().any(|root| folder.below(root).is_some() && !root.is_root())
    };
    std::iter::successors(Some(path.parent()), |folder| (!folder.is_root()).then(|| folder.parent()))
        .take_while(|folder| !folder.is_root() && ours(folder))
        .collect()
}

/// Takes a name out of its folder. A folder that is not empty, and a name that is gone, stay as they are.
fn unlink(beneath: &Beneath, path: &RepoPath, flags: AtFlags) -> io::Result<bool> {
    match rustix::fs::unlinkat(beneath.folder(&path.parent())?, path.file_name(), flags) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
