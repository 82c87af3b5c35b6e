//! Brings back versions of files that restoring replaced ([`super::kept`]).
//!
//! What is there now is kept first, whatever it is: undoing can be undone. The list is no more trusted than an entry.

use super::kept::{Keep, Kept, KeptKind, Version, worktree_name};
use super::outputs::{Beneath, Content, Nothing, Placing, Why, check};
use crate::base::{RepoPath, RunId};
use rustix::fd::AsFd as _;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Longer than any symlink's target.
const TARGET_MAX: u64 = 4096;

/// Which run's versions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// There are none at all.
    #[error("nothing is kept for this working tree: no run replaced a file that wf had not made")]
    Nothing,
    /// None of that run.
    #[error("nothing is kept that run `{0}` replaced")]
    Run(String),
    /// Several runs begin like this.
    #[error("`{text}` is the beginning of {} runs", .matches.len())]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// Which.
        matches: Vec<RunId>,
    },
}

/// The versions of one run in one working tree, of each path the newest, sorted by path. `which`: `latest`, a run's id or its
/// beginning. `versions`: newest first.
pub fn choose(versions: &[Version], worktree: &Path, which: &str) -> Result<(RunId, Vec<Version>), NotFound> {
    let here = worktree_name(worktree);
    let mine: Vec<&Version> = versions.iter().filter(|version| version.worktree == here).collect();
    let newest = mine.first().ok_or(NotFound::Nothing)?;
    let typed = which.trim().to_ascii_lowercase();
    let run = if typed == "latest" {
        newest.run.clone()
    } else {
        let mut matches: Vec<RunId> = mine.iter().map(|version| version.run.clone()).collect();
        matches.retain(|run| !typed.is_empty() && run.as_str().starts_with(&typed));
        matches.sort_unstable();
        matches.dedup();
        match matches.as_slice() {
            [] => return Err(NotFound::Run(which.escape_debug().take(80).collect())),
            [run] => run.clone(),
            _ => return Err(NotFound::Ambiguous { text: typed, matches }),
        }
    };
    let mut newest_of: BTreeMap<&RepoPath, &Version> = BTreeMap::new();
    for version in mine.into_iter().filter(|version| version.run == run) {
        newest_of.entry(&version.path).or_insert(version);
    }
    Ok((run, newest_of.into_values().cloned().collect()))
}

/// What became of one version.
#[derive(Debug)]
pub struct Undone {
    /// Which.
    pub version: Version,
    /// Was it brought back? False: it was there.
    pub done: Result<bool, Why>,
    /// Is what was there before kept now?
    pub kept: bool,
}

/// Brings versions back, one by one: what cannot be brought back does not hold up the others.
pub fn bring_back(beneath: &Beneath, kept: &Kept, keep: &Keep<'_>, versions: Vec<Version>) -> Vec<Undone> {
    let recorded = |_: &RepoPath, _: &crate::base::Digest| false;
    let one = |version: Version| {
        let now_kept = Mutex::default();
        let placing = Placing { beneath, known: &Nothing, recorded: &recorded, keep, kept: &now_kept };
        let done = place(&placing, kept, &version);
        let kept = !now_kept.into_inner().unwrap_or_else(PoisonError::into_inner).is_empty();
        Undone { version, done, kept }
    };
    versions.into_iter().map(one).collect()
}

fn place(placing: &Placing<'_>, kept: &Kept, version: &Version) -> Result<bool, Why> {
    let path = &version.path;
    check::path(path)?;
    let folder = placing.folder(&path.parent())?;
    let now = placing.look_at(folder.as_fd(), path)?;
    let open = || Ok(kept.get(&version.blob)?.map(|file| Box::new(file) as _));
    match version.kind {
        KeptKind::File | KeptKind::Executable => {
            let executable = version.kind == KeptKind::Executable;
            let wanted = Content { blob: &version.blob, executable, open: &open, local: &|| None };
            placing.file(folder.as_fd(), path, now, &wanted)
        }
        KeptKind::Symlink => {
            let blob = version.blob;
            let mut target = Vec::new();
            let file = kept.get(&blob).map_err(|source| Why::Store { path: path.clone(), source })?;
            let file = file.ok_or_else(|| Why::Missing { path: path.clone(), blob })?;
            file.take(TARGET_MAX)
                .read_to_end(&mut target)
                .map_err(|source| Why::Store { path: path.clone(), source })?;
            if crate::base::BlobRef::of(&target) != blob || target.is_empty() || target.contains(&0) {
                return Err(Why::Damaged { path: path.clone(), blob });
            }
            placing.symlink(folder.as_fd(), path, now, &target)
        }
    }
}
