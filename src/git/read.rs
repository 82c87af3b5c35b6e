//! What differs and what is there: the layers are read side by side, by the fastest reader that understands them.

use super::attributes::Attributes;
use super::delta::{Delta, GITLINK, Layer, Merge};
use super::error::GitError;
use super::history::oid;
use super::index::{Entry, Index};
use super::worktree::{Look, Worktree};
use super::{Repo, libgit, listed};
use crate::base::RepoPath;
use crate::change::{ChangedFile, Unseen};
use crate::tree::Listed;
use git2::{Oid, Repository};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

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
    /// Is there a submodule that is not checked out? Git calls such a tree clean, and it does not hold all of HEAD.
    pub hollow: bool,
    /// Where the working tree is not what is staged, both sides of renames. Only told by [`Repo::changes_and_listing`] about
    /// what is staged: there these are no changes.
    pub beside: Vec<RepoPath>,
}

/// Everything that is here and not ignored, tracked or not, as the file system sees it.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The files, sorted. Submodules and repositories inside count as one; pipes, sockets and devices do not count.
    pub files: Vec<Listed>,
    /// What is said of their bytes.
    pub attributes: Attributes,
}

impl Repo {
    /// Everything that differs from `base` (none: from HEAD) to the working tree.
    ///
    /// A path counts if any layer touched it: base to HEAD, HEAD to index, index to working tree, untracked. A change that
    /// a later layer takes back still counts.
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn changes(&self, base: Option<&str>, mode: Mode) -> Result<Changes, GitError> {
        let read = self.read(base, mode)?;
        let hollow = read.is_hollow(self)?;
        Ok(read.changes(hollow))
    }

    /// Every file that is here and not ignored, tracked or not, sorted. Submodules and repositories inside count as one.
    ///
    /// # Errors
    /// The working tree cannot be read.
    pub fn files(&self) -> Result<Vec<RepoPath>, GitError> {
        self.read(None, Mode::All)?.files(self)
    }

    /// Both of the above for the price of one.
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn changes_and_files(&self, base: Option<&str>) -> Result<(Changes, Vec<RepoPath>), GitError> {
        let read = self.read(base, Mode::All)?;
        let files = read.files(self)?;
        let hollow = read.is_hollow(self)?;
        Ok((read.changes(hollow), files))
    }

    /// What differs, and everything that is there as the file system sees it, for the price of one walk. The mode is about
    /// what counts as a change; unseen files and the listing are of the working tree in any case.
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn changes_and_listing(&self, base: Option<&str>, mode: Mode) -> Result<(Changes, Listing), GitError> {
        let mut layers = self.look(base, mode, true)?;
        let files = match layers.listed.take() {
            Some(files) => files,
            None => listed::stat_all(&self.root, layers.files(self)?),
        };
        let mut beside = vec![];
        if mode == Mode::StagedOnly {
            let Worktree { changed, untracked, unseen } = layers.worktree;
            let paths = |delta: Delta| [Some(delta.path), delta.from].into_iter().flatten();
            beside = changed.into_iter().chain(untracked).flat_map(paths).collect();
            layers.worktree = Worktree { unseen, ..Worktree::default() };
        }
        let hollow = layers.is_hollow(self)?;
        let changes = Changes { beside, ..layers.changes(hollow) };
        let attributes = Attributes::of(self, &files, &changes.unseen);
        Ok((changes, Listing { files, attributes }))
    }

    pub(super) fn read(&self, base: Option<&str>, mode: Mode) -> Result<Layers, GitError> {
        self.look(base, mode, false)
    }

    /// Reads the layers. With `list` the working tree is looked at in any mode, and told as a whole where wf's own walk can.
    fn look(&self, base: Option<&str>, mode: Mode, list: bool) -> Result<Layers, GitError> {
        let (base, whole) = (base.filter(|_| mode == Mode::All), list || mode == Mode::All);
        let Some(lib) = &self.lib else { return self.read_by_command(base, whole) };
        let wanted = base.map(oid).transpose()?;
        if let Some(layers) = self.read_fast(lib, wanted, whole, list)? {
            return Ok(layers);
        }
        if !self.lib_index {
            return self.read_by_command(base, whole);
        }
        read_slowly(lib, wanted, whole).or_else(|refused| {
            self.read_by_command(base, whole).map_err(|error| match error {
                GitError::FormatUnsupported { message } => {
                    GitError::FormatUnsupported { message: format!("{refused}; {message}") }
                }
                error => error,
            })
        })
    }

    /// With wf's own readers. None if they cannot be trusted here.
    fn read_fast(
        &self,
        lib: &Repository,
        base: Option<Oid>,
        whole: bool,
        list: bool,
    ) -> Result<Option<Layers>, GitError> {
        let prepared = Look::prepare(lib, &self.root, &self.index_file);
        let Some(mut look) = prepared.map_err(GitError::doing("reading the configuration"))? else { return Ok(None) };
        let (send, receive) = sync_channel(1);
        let mut seen = None;
        let walked = &mut seen;
        // The walk goes on in the pool while this thread, which owns libgit2's repository, compares trees.
        let trees = rayon::in_place_scope(|scope| {
            scope.spawn(move |_| {
                let index = look.index().map(|index| index.map(Arc::new));
                let found = index.as_ref().ok().cloned().flatten();
                // The other side waits for nothing but this one message, or for `send` to be dropped.
                let _ = send.send(index);
                *walked = found.filter(|_| whole).and_then(|index| look.walk(&index, list));
            });
            let head = libgit::head(lib)?;
            match receive.recv() {
                Ok(Ok(Some(index))) => Ok(Some((libgit::layers(lib, base, head, &index)?, index))),
                Ok(Ok(None)) | Err(_) => Ok(None),
                Ok(Err(error)) => Err(error),
            }
        });
        let Some(((committed, staged), index)) = trees? else { return Ok(None) };
        let (worktree, listed) = match seen {
            _ if !whole => (Worktree::default(), None),
            Some(mut seen) => {
                let listed = seen.files.take();
                (seen.settle(lib, &self.cli)?, listed)
            }
            None => return Ok(None),
        };
        Ok(Some(Layers { committed, staged, worktree, index: Some(index), listed }))
    }

    fn read_by_command(&self, base: Option<&str>, whole: bool) -> Result<Layers, GitError> {
        let committed = match (base, self.cli.head()?) {
            (Some(base), Some(head)) => self.cli.committed(base, &head)?,
            _ => vec![],
        };
        let status = self.cli.status(!whole)?;
        Ok(Layers { committed, staged: status.staged, worktree: status.worktree, index: None, listed: None })
    }
}

/// With libgit2 alone: file systems that fold case, and what wf's own walk gives up on.
fn read_slowly(lib: &Repository, base: Option<Oid>, whole: bool) -> Result<Layers, GitError> {
    let head = libgit::head(lib)?;
    let committed = match (head, base) {
        (Some(head), Some(base)) => libgit::committed(lib, base, head)?,
        _ => vec![],
    };
    let staged = libgit::staged_slowly(lib, head)?;
    let worktree = if whole { libgit::worktree(lib)? } else { Worktree::default() };
    Ok(Layers { committed, staged, worktree, index: None, listed: None })
}

/// The layers, before they are merged.
pub(super) struct Layers {
    committed: Vec<Delta>,
    staged: Vec<Delta>,
    worktree: Worktree,
    /// None if another reader had to read it.
    pub index: Option<Arc<Index>>,
    /// Everything that is there, if it was asked for and wf's own walk saw it.
    listed: Option<Vec<Listed>>,
}

impl Layers {
    pub fn changes(self, hollow: bool) -> Changes {
        let mut merge = Merge::default();
        merge.add(Layer::Committed, self.committed);
        merge.add(Layer::Staged, self.staged);
        merge.add(Layer::Unstaged, self.worktree.changed);
        merge.add(Layer::Untracked, self.worktree.untracked);
        Changes { files: merge.finish(), unseen: self.worktree.unseen, hollow, beside: vec![] }
    }

    pub fn is_hollow(&self, repo: &Repo) -> Result<bool, GitError> {
        let empty = |path: RepoPath| path.under(&repo.root).join(".git").symlink_metadata().is_err();
        if let Some(index) = &self.index {
            let mut links = index.entries.iter().filter(|entry| index.stat(entry).mode == GITLINK);
            Ok(links.any(|entry| empty(RepoPath::from_bytes(index.path(entry)))))
        } else if let Some(Ok(index)) = repo.lib.as_ref().filter(|_| repo.lib_index).map(Repository::index) {
            let mut links = index.iter().filter(|entry| entry.mode == GITLINK);
            Ok(links.any(|entry| empty(RepoPath::from_bytes(&entry.path))))
        } else {
            Ok(repo.cli.gitlinks()?.into_iter().any(empty))
        }
    }

    fn files(&self, repo: &Repo) -> Result<Vec<RepoPath>, GitError> {
        // An entry outside the sparse checkout may or may not be there.
        let here = |path: &RepoPath| path.under(&repo.root).symlink_metadata().is_ok();
        let mut files: Vec<RepoPath> = if let Some(index) = &self.index {
            let path = |entry: &Entry| {
                let path = RepoPath::from_bytes(index.path(entry));
                (!entry.skip_worktree() || here(&path)).then_some(path)
            };
            index.entries.iter().filter_map(path).collect()
        } else if let Some(Ok(index)) = repo.lib.as_ref().filter(|_| repo.lib_index).map(Repository::index) {
            index.iter().map(|entry| RepoPath::from_bytes(&entry.path)).filter(here).collect()
        } else {
            repo.cli.tracked()?.into_iter().filter(here).collect()
        };
        let gone: HashSet<&RepoPath> =
            self.worktree.changed.iter().filter(|delta| delta.modes.1 == 0).map(|delta| &delta.path).collect();
        files.retain(|path| !gone.contains(path));
        files.extend(self.worktree.untracked.iter().map(|delta| delta.path.clone()));
        files.sort_unstable();
        files.dedup();
        Ok(files)
    }
}
