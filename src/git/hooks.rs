//! What hooks need of the repository: where git looks for them, which index a commit is made from, and putting fixes
//! into it.
//!
//! Does not know: what a hook runs, the scratch tree's place.

use super::cli::trimmed;
use super::{GitError, Repo};
use crate::base::RepoPath;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

impl Repo {
    /// The folder in which git looks for hooks: `core.hooksPath`, else the one that all worktrees share.
    ///
    /// # Errors
    /// git cannot be asked.
    pub fn hooks_dir(&self) -> Result<PathBuf, GitError> {
        let said = self.cli.run(&["rev-parse", "--path-format=absolute", "--git-path", "hooks"])?;
        Ok(PathBuf::from(OsString::from_vec(trimmed(said))))
    }

    /// The git folder that all worktrees share.
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Is the index at hand the worktree's own? `git commit -a` and `git commit FILE` make one for that commit alone.
    pub fn has_own_index(&self) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        real(&self.index_file) == real(&self.git_dir.join("index"))
    }

    /// Merges what two sides made of one text, as `git merge-file` does. None: they touch the same lines, or it is no
    /// text. The three files are where their bytes are already.
    ///
    /// # Errors
    /// git cannot be asked.
    pub fn merge_file(&self, ours: &Path, base: &Path, theirs: &Path) -> Result<Option<Vec<u8>>, GitError> {
        let words = ["merge-file", "--stdout", "--quiet", "--"].map(OsStr::new);
        let (code, text) = self.cli.coded(&[&words[..], &[ours, base, theirs].map(Path::as_os_str)].concat())?;
        Ok((code == 0).then_some(text))
    }

    /// Applies a patch to the index, all of it or nothing: git holds its own lock meanwhile, and refuses what no longer
    /// fits.
    ///
    /// # Errors
    /// It does not fit, or somebody holds the lock.
    pub fn stage(&self, patch: &[u8]) -> Result<(), GitError> {
        self.cli.feed(&["apply", "--cached", "--whitespace=nowarn", "-p1", "-"], patch).map(drop)
    }

    /// The commit's own tree.
    ///
    /// # Errors
    /// There is no such commit.
    pub fn tree_of(&self, commit: &str) -> Result<String, GitError> {
        let said = self.cli.run(&["rev-parse", "--verify", "--quiet", &format!("{commit}^{{tree}}")])?;
        Ok(String::from_utf8_lossy(&trimmed(said)).into_owned())
    }

    /// The best common ancestor of two commits, if they have one.
    ///
    /// # Errors
    /// One of them is not there.
    pub fn merge_base_of(&self, one: &str, two: &str) -> Result<Option<String>, GitError> {
        self.cli.merge_base(one, two)
    }

    /// Every submodule of the index, checked out or not.
    ///
    /// # Errors
    /// git cannot be asked.
    pub fn submodules(&self) -> Result<Vec<RepoPath>, GitError> {
        // Without this file git itself knows of none.
        if !self.root.join(".gitmodules").exists() {
            return Ok(vec![]);
        }
        self.cli.gitlinks()
    }
}
