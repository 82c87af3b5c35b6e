//! Reading the git repository, behind a concrete [`Repo`] that returns plain data.
//!
//! Does not know: configuration, steps, decisions, the history. Never writes anything: not the index, not the
//! configuration, not a reference.

mod base;
mod delta;
mod error;
mod ignore;
mod index;
mod libgit;
mod rename;
mod tree;
mod walk;
mod wildmatch;
mod worktree;

pub use base::{BaseQuery, Resolved};
pub use error::{GitError, NoBase};

use crate::base::RepoPath;
use crate::change::{ChangedFile, Unseen};
use delta::{Delta, Layer, Merge};
use git2::{ErrorCode, Oid, Repository, RepositoryOpenFlags};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use worktree::{Look, Worktree};

/// Which layers count as changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything from the base to the working tree, untracked files included.
    All,
    /// Only HEAD against the index (`--staged`).
    StagedOnly,
}

/// What differs, and what git cannot tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Every changed path once, sorted.
    pub files: Vec<ChangedFile>,
    /// Ignored files and folders, and tracked ones that git was told not to look at.
    pub unseen: Vec<Unseen>,
}

/// A repository with a working tree. Reads what is on disk at each call; nothing is kept between calls.
pub struct Repo {
    lib: Repository,
    root: PathBuf,
    main_root: PathBuf,
    git_dir: PathBuf,
    index_file: PathBuf,
}

impl Repo {
    /// Opens the repository that holds `dir`: any of its folders, a linked worktree, a submodule. Like git itself, it does
    /// not look beyond a file system's boundary.
    ///
    /// # Errors
    /// No repository, a bare one, one that another user owns, or one that cannot be read.
    pub fn discover(dir: &Path) -> Result<Self, GitError> {
        // wf does not judge the object database; git does not check hashes on reading either.
        git2::opts::strict_hash_verification(false);
        let lib =
            Repository::open_ext(dir, RepositoryOpenFlags::empty(), &[] as &[&Path]).map_err(|error| {
                match error.code() {
                    ErrorCode::NotFound => GitError::NotARepository { dir: dir.to_owned() },
                    ErrorCode::Owner => GitError::OwnershipRefused { path: holder(dir) },
                    _ => GitError::doing("opening it")(error),
                }
            })?;
        let root = lib.workdir().ok_or_else(|| GitError::Bare { dir: lib.path().to_owned() })?;
        let root = without_trailing_slash(root);
        let main_root = if lib.is_worktree() {
            let main = Repository::open(lib.commondir()).map_err(GitError::doing("opening the main worktree"))?;
            without_trailing_slash(main.workdir().unwrap_or(lib.commondir()))
        } else {
            root.clone()
        };
        let git_dir = without_trailing_slash(lib.path());
        let index_file = git_dir.join("index");
        Ok(Self { lib, root, main_root, git_dir, index_file })
    }

    /// In a git hook: reads this index (`GIT_INDEX_FILE`) in place of the worktree's own. `git commit -a` and
    /// `git commit FILE` run their hooks on an index that exists only for that commit. A relative path starts at the root,
    /// where git runs hooks.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn with_index_file(self, index: &Path) -> Result<Self, GitError> {
        let index = self.root.join(index);
        let set = |index: &Path| self.lib.set_index(&mut git2::Index::open(index)?);
        set(&index).map_err(GitError::doing("reading the index that GIT_INDEX_FILE names"))?;
        Ok(Self { index_file: index, ..self })
    }

    /// The root of the working tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The root of the *main* working tree, which linked ones share; a bare repository's git folder where there is none.
    pub fn main_root(&self) -> &Path {
        &self.main_root
    }

    /// The worktree's git folder.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// HEAD's commit; none before the first one.
    ///
    /// # Errors
    /// HEAD cannot be read.
    pub fn head(&self) -> Result<Option<String>, GitError> {
        Ok(libgit::head(&self.lib)?.map(|head| head.to_string()))
    }

    /// The branch HEAD is on (born or not); none when detached.
    ///
    /// # Errors
    /// HEAD cannot be read.
    pub fn branch(&self) -> Result<Option<String>, GitError> {
        Ok(libgit::branch(&self.lib))
    }

    /// Does history end early here?
    pub fn is_shallow(&self) -> bool {
        self.lib.is_shallow()
    }

    /// The commit that a revision names, with the full name of the reference if it is one; none if it names nothing.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn commit_of(&self, revision: &str) -> Result<Option<(String, Option<String>)>, GitError> {
        Ok(libgit::commit_of(&self.lib, revision).map(|(commit, name)| (commit.to_string(), name)))
    }

    /// The best common ancestor of two commits; none if they share none (that this clone reaches).
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn merge_base(&self, one: &str, two: &str) -> Result<Option<String>, GitError> {
        Ok(libgit::merge_base(&self.lib, oid(one)?, oid(two)?)?.map(|base| base.to_string()))
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
        let Some(head) = libgit::head(&self.lib)?.filter(|_| !candidates.is_empty()) else { return Ok(None) };
        for commit in libgit::ancestors(&self.lib, head)?.take(limit) {
            // A shallow clone's walk ends with an error at its boundary: there is nothing more to see.
            let Ok(commit) = commit else { return Ok(None) };
            let name = commit.to_string();
            if candidates.contains(&name) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Everything that differs from `base` (none: from HEAD) to the working tree.
    ///
    /// A path counts if any layer touched it: base to HEAD, HEAD to index, index to working tree, untracked. A change that
    /// a later layer takes back still counts.
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn changes(&self, base: Option<&str>, mode: Mode) -> Result<Changes, GitError> {
        let read = self.read(base, mode)?;
        let mut merge = Merge::default();
        merge.add(Layer::Committed, read.committed);
        merge.add(Layer::Staged, read.staged);
        merge.add(Layer::Unstaged, read.worktree.changed);
        merge.add(Layer::Untracked, read.worktree.untracked);
        Ok(Changes { files: merge.finish(), unseen: read.worktree.unseen })
    }

    fn read(&self, base: Option<&str>, mode: Mode) -> Result<Read, GitError> {
        let base = base.filter(|_| mode == Mode::All).map(oid).transpose()?;
        let prepared = Look::prepare(&self.lib, &self.root, &self.index_file);
        let Some(look) = prepared.map_err(GitError::doing("reading the configuration"))? else {
            return self.read_slowly(base, mode);
        };
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        let mut seen = None;
        // The walk goes on in the pool while this thread, which owns libgit2's repository, compares trees.
        let (committed, staged) = rayon::in_place_scope(|scope| {
            scope.spawn(|_| {
                let mut look = look;
                let index = look.index().map(|index| index.map(Arc::new));
                let walked = index.as_ref().ok().cloned().flatten();
                // The other side only ever waits for this one message.
                let _ = send.send(index);
                seen = walked.filter(|_| mode == Mode::All).and_then(|index| look.walk(&index));
            });
            let head = libgit::head(&self.lib);
            let committed = match (&head, base) {
                (Ok(Some(head)), Some(base)) => libgit::committed(&self.lib, base, *head),
                _ => Ok(vec![]),
            };
            let staged = receive
                .recv()
                .ok()
                .map(|index| index?.map(|index| libgit::staged(&self.lib, head?, &index)).transpose());
            (committed, staged)
        });
        let (committed, Some(staged)) = (committed?, staged.transpose()?.flatten()) else {
            return self.read_slowly(base, mode);
        };
        let worktree = match (mode, seen) {
            (Mode::StagedOnly, _) => Worktree::default(),
            (Mode::All, Some(seen)) => seen.settle(&self.lib)?,
            (Mode::All, None) => libgit::worktree(&self.lib)?,
        };
        Ok(Read { committed, staged, worktree })
    }

    /// With libgit2 alone, for what wf's own reader does not understand.
    fn read_slowly(&self, base: Option<Oid>, mode: Mode) -> Result<Read, GitError> {
        let head = libgit::head(&self.lib)?;
        let committed = match (head, base) {
            (Some(head), Some(base)) => libgit::committed(&self.lib, base, head)?,
            _ => vec![],
        };
        let staged = libgit::staged_slowly(&self.lib, head)?;
        let worktree = if mode == Mode::All { libgit::worktree(&self.lib)? } else { Worktree::default() };
        Ok(Read { committed, staged, worktree })
    }

    /// Every file that is here and not ignored, tracked or not, sorted. Submodules and repositories inside count as one.
    ///
    /// # Errors
    /// The working tree cannot be read.
    pub fn files(&self) -> Result<Vec<RepoPath>, GitError> {
        let index = self.lib.index().map_err(GitError::doing("reading the index"))?;
        let mut files: BTreeSet<RepoPath> = index.iter().map(|entry| RepoPath::from_bytes(&entry.path)).collect();
        let worktree = libgit::worktree(&self.lib)?;
        for gone in worktree.changed.iter().filter(|delta| delta.modes.1 == 0) {
            files.remove(&gone.path);
        }
        files.extend(worktree.untracked.into_iter().map(|delta| delta.path));
        Ok(files.into_iter().collect())
    }

    /// The bytes of a file as it was at a commit; none if it was not there (or was a folder or a submodule).
    ///
    /// # Errors
    /// The commit or the file cannot be read.
    pub fn read_at(&self, commit: &str, path: &RepoPath) -> Result<Option<Vec<u8>>, GitError> {
        libgit::blob(&self.lib, oid(commit)?, path)
    }

    /// Does git ignore this path (tracked files are never ignored)?
    pub fn is_ignored(&self, path: &RepoPath) -> bool {
        let tracked = || {
            let index = self.lib.index().ok()?;
            index.get_path(&path.under(Path::new("")), 0)
        };
        self.lib.is_path_ignored(path.under(Path::new(""))).unwrap_or(false) && tracked().is_none()
    }
}

/// The layers, before they are merged.
struct Read {
    committed: Vec<Delta>,
    staged: Vec<Delta>,
    worktree: Worktree,
}

fn oid(name: &str) -> Result<Oid, GitError> {
    Oid::from_str(name).map_err(GitError::doing("reading an object name"))
}

/// `RepoPath::under` and people like roots without the slash that libgit2 puts there.
fn without_trailing_slash(path: &Path) -> PathBuf {
    path.components().collect()
}

/// The folder whose `.git` git refuses: the one that `safe.directory` wants to hear.
fn holder(dir: &Path) -> PathBuf {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    dir.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&dir).to_owned()
}
