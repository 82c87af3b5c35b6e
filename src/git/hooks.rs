//! What hooks need of the repository: where git looks for them, which index a commit is made from, and putting fixes
//! into it.
//!
//! Does not know: what a hook runs, the scratch tree's place.

use super::cli::trimmed;
use super::history::oid;
use super::index::Index;
use super::{Changes, GitError, Mode, Repo, libgit};
use crate::base::RepoPath;
use git2::{ObjectType, Oid};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The index as it was read once. None: another reader than wf's own has to read it.
#[derive(Debug)]
pub struct Staged(Option<Arc<Index>>);

impl Repo {
    /// What is staged, and the index that says so.
    ///
    /// # Errors
    /// The index or HEAD cannot be read.
    pub fn staged(&self) -> Result<(Changes, Staged), GitError> {
        let layers = self.read(None, Mode::StagedOnly)?;
        let (hollow, index) = (layers.is_hollow(self)?, layers.index.clone());
        Ok((layers.changes(hollow), Staged(index)))
    }

    /// Mode and object name of what the index has at a path; none if nothing, or an open conflict.
    ///
    /// # Errors
    /// git cannot be asked.
    pub fn staged_entry(&self, staged: &Staged, path: &RepoPath) -> Result<Option<(u32, String)>, GitError> {
        let Some(index) = &staged.0 else {
            return Ok(self.cli.entries(std::slice::from_ref(path))?.into_iter().next().map(|(_, entry)| entry));
        };
        let found = index.entries.binary_search_by_key(&(path.as_bytes(), 0), |one| (index.path(one), one.stage()));
        let entry = found.ok().map(|at| &index.entries[at]);
        let name = |id: &[u8]| Oid::from_bytes(id).map_err(GitError::doing("reading an object name"));
        let read = |entry| Ok((index.stat(entry).mode, name(&index.id(entry))?.to_string()));
        entry.map(read).transpose()
    }

    /// The same of a commit.
    ///
    /// # Errors
    /// The commit cannot be read.
    pub fn entry_at(&self, commit: &str, path: &RepoPath) -> Result<Option<(u32, String)>, GitError> {
        match &self.lib {
            Some(lib) => libgit::entry(lib, oid(commit)?, path),
            None => self.cli.entry(commit, path),
        }
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// It is not here.
    pub fn blob(&self, name: &str) -> Result<Vec<u8>, GitError> {
        match &self.lib {
            Some(lib) => libgit::content(lib, oid(name)?).ok_or_else(|| GitError::Failed {
                doing: format!("reading the blob {name}"),
                message: "it is not here".into(),
            }),
            None => self.cli.run(&["cat-file", "blob", name]),
        }
    }

    /// The name that git would give these bytes, unfiltered; none where names are of another kind than SHA-1.
    pub fn name_of(&self, bytes: &[u8]) -> Option<String> {
        self.lib.as_ref()?;
        Oid::hash_object(ObjectType::Blob, bytes).ok().map(|name| name.to_string())
    }

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

    /// The name that git would give a file of the working tree, through the filters of its path.
    ///
    /// # Errors
    /// It cannot be read, or a filter fails.
    pub fn clean_name(&self, path: &RepoPath) -> Result<String, GitError> {
        let said = self.cli.run_os(
            &["hash-object", "--"]
                .map(OsStr::new)
                .into_iter()
                .chain([OsStr::from_bytes(path.as_bytes())])
                .collect::<Vec<_>>(),
        )?;
        Ok(String::from_utf8_lossy(&trimmed(said)).into_owned())
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
