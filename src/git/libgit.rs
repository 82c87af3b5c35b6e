//! What wf asks of libgit2, as plain data.
//!
//! Does not know: layers, bases, the `git` command. Never calls `diff_tree_to_workdir`, which hashes every file.

use super::delta::Delta as Difference;
use super::error::GitError;
use super::index::Index;
use super::worktree::Worktree;
use super::{rename, tree};
use crate::base::RepoPath;
use crate::change::Unseen;
use git2::{Delta, Diff, DiffFindOptions, DiffOptions, ObjectType, Oid, Repository};
use std::path::Path;

/// Above this many possible pairs only identical files are paired as renames: libgit2 compares contents.
const INEXACT_RENAMES: usize = 200;

/// HEAD's commit; none before the first.
pub(super) fn head(repo: &Repository) -> Result<Option<Oid>, GitError> {
    match repo.head().and_then(|head| head.peel_to_commit()) {
        Ok(commit) => Ok(Some(commit.id())),
        Err(error) if matches!(error.code(), git2::ErrorCode::UnbornBranch | git2::ErrorCode::NotFound) => Ok(None),
        Err(error) => Err(GitError::doing("reading HEAD")(error)),
    }
}

/// The branch that HEAD is on.
pub(super) fn branch(repo: &Repository) -> Option<String> {
    let head = repo.find_reference("HEAD").ok()?;
    let target = head.symbolic_target_bytes()?;
    Some(String::from_utf8_lossy(target.strip_prefix(b"refs/heads/")?).into_owned())
}

/// The commit that a revision names, and the full reference name if it is a reference.
pub(super) fn commit_of(repo: &Repository, revision: &str) -> Option<(Oid, Option<String>)> {
    let (object, reference) = repo.revparse_ext(revision).ok()?;
    let commit = object.peel(ObjectType::Commit).ok()?;
    let name = reference.and_then(|reference| {
        let reference = reference.resolve().unwrap_or(reference);
        reference.name().ok().map(str::to_owned)
    });
    Some((commit.id(), name))
}

/// The best common ancestor; none for unrelated histories.
pub(super) fn merge_base(repo: &Repository, one: Oid, two: Oid) -> Result<Option<Oid>, GitError> {
    match repo.merge_base(one, two) {
        Ok(base) => Ok(Some(base)),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(GitError::doing("looking for the merge base")(error)),
    }
}

/// The commits reachable from `from`, children before parents, newest first.
pub(super) fn ancestors(repo: &Repository, from: Oid) -> Result<git2::Revwalk<'_>, GitError> {
    let walk = || {
        let mut walk = repo.revwalk()?;
        walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::TIME)?;
        walk.push(from)?;
        Ok(walk)
    };
    walk().map_err(GitError::doing("walking the history"))
}

/// The tree of a commit, as an object name.
pub(super) fn tree_of(repo: &Repository, commit: Oid) -> Result<Oid, GitError> {
    repo.find_commit(commit).map(|commit| commit.tree_id()).map_err(GitError::doing("reading a commit"))
}

/// What differs between two commits.
pub(super) fn committed(repo: &Repository, base: Oid, head: Oid) -> Result<Vec<Difference>, GitError> {
    let changes = tree::between(repo, tree_of(repo, base)?, tree_of(repo, head)?);
    Ok(rename::pair(changes.map_err(GitError::doing("comparing the base with HEAD"))?, |id| content(repo, id)))
}

/// The bytes of an object, for telling how alike two files are.
pub(super) fn content(repo: &Repository, id: Oid) -> Option<Vec<u8>> {
    Some(repo.find_blob(id).ok()?.content().to_vec())
}

/// What differs between the base and HEAD (none: nothing committed yet), and between HEAD and the index.
pub(super) fn layers(
    repo: &Repository,
    base: Option<Oid>,
    head: Option<Oid>,
    index: &Index,
) -> Result<(Vec<Difference>, Vec<Difference>), GitError> {
    let tree = head.map(|head| tree_of(repo, head)).transpose()?;
    let cached = index.trees.first().and_then(|root| root.id);
    if tree.is_some_and(|tree| cached.is_some_and(|cached| tree.as_bytes() == cached)) {
        // Nothing is staged, so the index stands for HEAD, and HEAD's own trees need not be read.
        let committed = match base {
            Some(base) => against_index(repo, Some(tree_of(repo, base)?), index, "comparing the base with HEAD")?,
            None => vec![],
        };
        return Ok((committed, vec![]));
    }
    let committed = match (base, head) {
        (Some(base), Some(head)) => committed(repo, base, head)?,
        _ => vec![],
    };
    Ok((committed, against_index(repo, tree, index, "comparing HEAD with the index")?))
}

fn against_index(
    repo: &Repository,
    tree: Option<Oid>,
    index: &Index,
    doing: &str,
) -> Result<Vec<Difference>, GitError> {
    let changes = tree::to_index(repo, tree, index).map_err(GitError::doing(doing))?;
    Ok(rename::pair(changes, |id| content(repo, id)))
}

/// What differs between HEAD and the index, with libgit2's own reading of it.
pub(super) fn staged_slowly(repo: &Repository, head: Option<Oid>) -> Result<Vec<Difference>, GitError> {
    let diff = || {
        let tree = head.map(|head| repo.find_commit(head)?.tree()).transpose()?;
        let mut diff = repo.diff_tree_to_index(tree.as_ref(), Some(&repo.index()?), Some(&mut options()))?;
        pair_renames(&mut diff)?;
        Ok(diff.deltas().filter_map(|delta| difference(&delta)).collect())
    };
    diff().map_err(GitError::doing("comparing HEAD with the index"))
}

/// What differs between the index and the working tree.
pub(super) fn worktree(repo: &Repository) -> Result<Worktree, GitError> {
    let diff = || {
        let index = repo.index()?;
        let mut options = options();
        options.include_untracked(true).recurse_untracked_dirs(true).include_ignored(true);
        options.include_unreadable_as_untracked(true);
        let diff = repo.diff_index_to_workdir(Some(&index), Some(&mut options))?;
        let mut found = Worktree::default();
        let sparse = repo.config()?.get_bool("core.sparsecheckout").unwrap_or(false);
        let mut blind = std::collections::HashSet::new();
        for entry in index.iter().filter(hidden) {
            let path = RepoPath::from_bytes(&entry.path);
            blind.insert(path.clone());
            // What a sparse checkout leaves out is not there to be watched.
            let here = || repo.workdir().is_some_and(|root| path.under(root).symlink_metadata().is_ok());
            if !(sparse && skipped(&entry)) || here() {
                found.unseen.push(Unseen { path, folder: false, assumed: true, opaque: false });
            }
        }
        for delta in diff.deltas() {
            let Some(mut difference) = difference(&delta) else { continue };
            if blind.contains(&difference.path) || is_state(&difference.path) {
                continue;
            }
            match delta.status() {
                Delta::Ignored => {
                    let folder = delta.new_file().path_bytes().is_some_and(|path| path.ends_with(b"/"));
                    found.unseen.push(Unseen { path: difference.path, folder, assumed: false, opaque: false });
                }
                Delta::Untracked => {
                    difference.modes.0 = 0;
                    if delta.new_file().path_bytes().is_some_and(|path| path.ends_with(b"/")) {
                        difference.modes.1 = super::delta::GITLINK; // a repository inside, which git does not track
                    }
                    found.untracked.push(difference);
                }
                _ => {
                    let full = repo.workdir().map(|root| difference.path.under(root));
                    if let (Delta::Modified, Some(full)) = (delta.status(), full)
                        && difference.modes.0 != difference.modes.1
                    {
                        let now = Oid::hash_file(ObjectType::Blob, full);
                        difference.same_content = now.is_ok_and(|now| now == delta.old_file().id());
                    }
                    found.changed.push(difference);
                }
            }
        }
        found.unseen.sort_unstable();
        Ok(found)
    };
    diff().map_err(GitError::doing("comparing the index with the working tree"))
}

/// Which of these paths really differ from the index: submodules, and files that filters may make equal.
pub(super) fn recheck<'a>(
    repo: &Repository,
    paths: impl Iterator<Item = &'a RepoPath>,
) -> Result<Vec<Difference>, GitError> {
    let mut options = options();
    options.disable_pathspec_match(true);
    let paths: Vec<&RepoPath> = paths.collect();
    if paths.is_empty() {
        return Ok(vec![]);
    }
    for path in &paths {
        options.pathspec(path.as_bytes());
    }
    let diff = repo.diff_index_to_workdir(None, Some(&mut options));
    let diff = diff.map_err(GitError::doing("comparing files with the index"))?;
    let mut found: Vec<Difference> = diff.deltas().filter_map(|delta| difference(&delta)).collect();
    // `ignore` in .gitmodules is for people's eyes; a step that builds the submodule sees what is there.
    let told: std::collections::HashSet<RepoPath> = found.iter().map(|difference| difference.path.clone()).collect();
    for path in paths.into_iter().filter(|path| !told.contains(*path)) {
        let name = String::from_utf8_lossy(path.as_bytes());
        let status = repo.submodule_status(&name, git2::SubmoduleIgnore::None);
        if status.is_ok_and(|status| status.is_wd_modified() || status.is_wd_wd_modified() || dirty(status)) {
            found.push(Difference::plain(path.clone(), (super::delta::GITLINK, super::delta::GITLINK)));
        }
    }
    Ok(found)
}

/// Does a program of the user's stand between this file and git's objects (`filter=…`)? libgit2 starts none.
pub(super) fn is_filtered(repo: &Repository, path: &RepoPath) -> bool {
    let flags = git2::AttrCheckFlags::FILE_THEN_INDEX;
    let value = repo.get_attr_bytes(&path.under(Path::new("")), "filter", flags);
    value.is_ok_and(|value| {
        matches!(git2::AttrValue::from_bytes(value), git2::AttrValue::String(_) | git2::AttrValue::Bytes(_))
    })
}

/// Staged or new files inside a submodule.
fn dirty(status: git2::SubmoduleStatus) -> bool {
    status.contains(git2::SubmoduleStatus::WD_INDEX_MODIFIED) || status.is_wd_untracked()
}

const ASSUME_UNCHANGED: u16 = 0x8000;

/// Was git told not to look at this entry? (assume-unchanged, skip-worktree)
fn hidden(entry: &git2::IndexEntry) -> bool {
    entry.flags & ASSUME_UNCHANGED != 0 || skipped(entry)
}

/// Is it outside the sparse checkout?
pub(super) fn skipped(entry: &git2::IndexEntry) -> bool {
    const SKIP_WORKTREE: u16 = 0x4000;
    entry.flags_extended & SKIP_WORKTREE != 0
}

/// wf's own folder never counts.
pub(super) fn is_state(path: &RepoPath) -> bool {
    path.is_in(&RepoPath::from(".wf"))
}

/// Is it a sparse checkout?
pub(super) fn is_sparse(repo: &Repository) -> bool {
    repo.config().and_then(|config| config.get_bool("core.sparsecheckout")).unwrap_or(false)
}

/// Does a tag name this commit?
pub(super) fn is_tagged(repo: &Repository, commit: Oid) -> Result<bool, GitError> {
    let tags = repo.references_glob("refs/tags/*").map_err(GitError::doing("listing tags"))?;
    Ok(tags.flatten().any(|tag| tag.peel_to_commit().is_ok_and(|tagged| tagged.id() == commit)))
}

/// Is there anything at this path in a commit?
pub(super) fn holds(repo: &Repository, commit: Oid, path: &RepoPath) -> Result<bool, GitError> {
    let tree = || repo.find_commit(commit)?.tree();
    let tree = tree().map_err(GitError::doing("reading a commit"))?;
    Ok(tree.get_path(&path.under(Path::new(""))).is_ok())
}

/// Mode and object name of what a commit has at a path.
pub(super) fn entry(repo: &Repository, commit: Oid, path: &RepoPath) -> Result<Option<(u32, String)>, GitError> {
    let read = || match repo.find_commit(commit)?.tree()?.get_path(&path.under(Path::new(""))) {
        Ok(entry) => Ok(Some((u32::from_ne_bytes(entry.filemode().to_ne_bytes()), entry.id().to_string()))),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    read().map_err(GitError::doing("reading a commit"))
}

/// The bytes of a file at a commit; none if there is no such file.
pub(super) fn blob(repo: &Repository, commit: Oid, path: &RepoPath) -> Result<Option<Vec<u8>>, GitError> {
    use std::os::unix::ffi::OsStrExt;
    let read = || {
        let tree = repo.find_commit(commit)?.tree()?;
        let entry = match tree.get_path(Path::new(std::ffi::OsStr::from_bytes(path.as_bytes()))) {
            Ok(entry) => entry,
            Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if entry.kind() != Some(ObjectType::Blob) {
            return Ok(None);
        }
        Ok(Some(repo.find_blob(entry.id())?.content().to_vec()))
    };
    read().map_err(GitError::doing("reading a file of a commit"))
}

fn options() -> DiffOptions {
    let mut options = DiffOptions::new();
    options.skip_binary_check(true).include_typechange(true);
    options
}

fn pair_renames(diff: &mut Diff<'_>) -> Result<(), git2::Error> {
    let count = |status| diff.deltas().filter(|delta| delta.status() == status).count();
    let (added, deleted) = (count(Delta::Added), count(Delta::Deleted));
    if added == 0 || deleted == 0 {
        return Ok(());
    }
    let mut find = DiffFindOptions::new();
    find.renames(true).exact_match_only(added.max(deleted) > INEXACT_RENAMES);
    diff.find_similar(Some(&mut find))
}

fn difference(delta: &git2::DiffDelta<'_>) -> Option<Difference> {
    let (old, new) = (delta.old_file(), delta.new_file());
    let mode = |file: &git2::DiffFile<'_>| u32::from(file.mode());
    let path = |file: &git2::DiffFile<'_>| file.path_bytes().map(RepoPath::from_bytes);
    let (old_path, new_path) = (path(&old), path(&new));
    let modes = match delta.status() {
        Delta::Unmodified => return None,
        Delta::Added | Delta::Copied => (0, mode(&new)),
        Delta::Deleted => (mode(&old), 0),
        _ => (mode(&old), mode(&new)),
    };
    Some(Difference {
        path: new_path.or_else(|| old_path.clone())?,
        from: old_path.filter(|_| delta.status() == Delta::Renamed),
        modes,
        conflicted: delta.status() == Delta::Conflicted,
        same_content: delta.status() == Delta::Modified && !old.id().is_zero() && old.id() == new.id(),
    })
}
