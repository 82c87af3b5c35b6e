//! HEAD, names of commits, how commits relate, and files as they were.

use super::error::GitError;
use super::{Repo, libgit};
use crate::base::RepoPath;
use git2::Oid;
use std::collections::BTreeSet;
use std::path::Path;

impl Repo {
    /// HEAD's commit; none before the first one.
    ///
    /// # Errors
    /// HEAD cannot be read.
    pub fn head(&self) -> Result<Option<String>, GitError> {
        match &self.lib {
            Some(lib) => Ok(libgit::head(lib)?.map(|head| head.to_string())),
            None => self.cli.head(),
        }
    }

    /// The difference between a commit and the working tree as people read it.
    ///
    /// # Errors
    /// The commit is not there, or git cannot be run.
    pub fn diff_text(&self, base: &str) -> Result<String, GitError> {
        Ok(String::from_utf8_lossy(&self.cli.diff_text(base)?).into_owned())
    }

    /// The branch HEAD is on (born or not); none when detached.
    ///
    /// # Errors
    /// HEAD cannot be read.
    pub fn branch(&self) -> Result<Option<String>, GitError> {
        match &self.lib {
            Some(lib) => Ok(libgit::branch(lib)),
            None => self.cli.branch(),
        }
    }

    /// Does a tag name this commit?
    ///
    /// # Errors
    /// The tags cannot be read.
    pub fn is_tagged(&self, commit: &str) -> Result<bool, GitError> {
        match &self.lib {
            Some(lib) => libgit::is_tagged(lib, oid(commit)?),
            None => self.cli.is_tagged(commit),
        }
    }

    /// Is it a sparse checkout, which leaves out part of HEAD?
    pub fn is_sparse(&self) -> bool {
        self.lib.as_ref().map_or_else(|| self.cli.is_sparse(), libgit::is_sparse)
    }

    /// Does history end early here?
    pub fn is_shallow(&self) -> bool {
        self.lib.as_ref().map_or_else(|| self.cli.is_shallow(), git2::Repository::is_shallow)
    }

    /// The commit that a revision names, with the full name of the reference if it is one; none if it names nothing.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn commit_of(&self, revision: &str) -> Result<Option<(String, Option<String>)>, GitError> {
        match &self.lib {
            Some(lib) => Ok(libgit::commit_of(lib, revision).map(|(commit, name)| (commit.to_string(), name))),
            None => self.cli.commit_of(revision),
        }
    }

    /// The best common ancestor of two commits; none if they share none (that this clone reaches).
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn merge_base(&self, one: &str, two: &str) -> Result<Option<String>, GitError> {
        match &self.lib {
            Some(lib) => Ok(libgit::merge_base(lib, oid(one)?, oid(two)?)?.map(|base| base.to_string())),
            None => self.cli.merge_base(one, two),
        }
    }

    /// Is `ancestor` the commit itself or one it descends from?
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn is_ancestor(&self, ancestor: &str, commit: &str) -> Result<bool, GitError> {
        Ok(ancestor == commit || self.merge_base(ancestor, commit)?.as_deref() == Some(ancestor))
    }

    /// The newest of these commits that HEAD contains (HEAD itself included), looking at most at `limit` commits.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn newest_ancestor(&self, candidates: &BTreeSet<String>, limit: usize) -> Result<Option<String>, GitError> {
        let Some(head) = self.head()?.filter(|_| !candidates.is_empty()) else { return Ok(None) };
        let Some(lib) = &self.lib else {
            return Ok(self.cli.ancestors(&head, limit)?.into_iter().find(|commit| candidates.contains(commit)));
        };
        for commit in libgit::ancestors(lib, oid(&head)?)?.take(limit) {
            // Where history is cut short, the walk ends with an error: there is nothing more to see.
            let Ok(commit) = commit else { return Ok(None) };
            let name = commit.to_string();
            if candidates.contains(&name) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// The bytes of a file as it was at a commit; none if it was not there (or was a folder or a submodule).
    ///
    /// # Errors
    /// The commit or the file cannot be read.
    pub fn read_at(&self, commit: &str, path: &RepoPath) -> Result<Option<Vec<u8>>, GitError> {
        match &self.lib {
            Some(lib) => libgit::blob(lib, oid(commit)?, path),
            None => self.cli.blob(commit, path),
        }
    }

    /// Is there anything at this path in a commit, a file or a folder?
    ///
    /// # Errors
    /// The commit cannot be read.
    pub fn holds(&self, commit: &str, path: &RepoPath) -> Result<bool, GitError> {
        match &self.lib {
            Some(lib) => libgit::holds(lib, oid(commit)?, path),
            None => self.cli.holds(commit, path),
        }
    }

    /// Does git ignore this path (tracked files are never ignored)?
    pub fn is_ignored(&self, path: &RepoPath) -> bool {
        let Some(lib) = self.lib.as_ref().filter(|_| self.lib_index) else { return self.cli.is_ignored(path) };
        let relative = path.under(Path::new(""));
        match lib.index() {
            Ok(index) => index.get_path(&relative, 0).is_none() && lib.is_path_ignored(&relative).unwrap_or(false),
            Err(_) => self.cli.is_ignored(path),
        }
    }
}

pub(super) fn oid(name: &str) -> Result<Oid, GitError> {
    Oid::from_str(name).map_err(GitError::doing("reading an object name"))
}
