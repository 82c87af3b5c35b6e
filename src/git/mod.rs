//! Reading the git repository, behind a concrete [`Repo`] that returns plain data.
//!
//! Does not know: configuration, steps, decisions, recorded runs. Writes nothing of a person's: not the index, not the
//! configuration, not a reference. Three exceptions are asked for by name: `fetch` deepens a clone where somebody allowed that,
//! `stage` puts fixes into the index, through git's own lock, and `twin` writes a repository of wf's own.
//!
//! Three readers stand behind it. libgit2 reads references, history and objects, and decides on submodules and filtered
//! files. wf's own walk (`index`, `walk`, `ignore`, `tree`) compares the working tree, several times faster than libgit2
//! and within git's own time. The `git` command (`cli`) reads what libgit2 refuses.

mod attribute_rules;
mod attributes;
mod base;
mod cli;
mod delta;
mod error;
mod fetch;
mod history;
mod hooks;
mod ignore;
mod index;
mod libgit;
mod lines;
mod listed;
mod listing;
mod look;
mod reach;
mod read;
mod rename;
mod tree;
mod twin;
mod walk;
mod wildmatch;
mod worktree;

pub use attributes::Attributes;
pub use base::{BaseQuery, Resolved};
pub use cli::leads_elsewhere;
pub use error::{GitError, NoBase};
pub use fetch::Depth;
pub use hooks::Staged;
pub use reach::Reach;
pub use read::{Changes, Listing, Mode};
pub use twin::{Left, Twin, TwinError};

use cli::{Cli, Place};
use git2::{ErrorCode, Repository, RepositoryOpenFlags};
use std::path::{Path, PathBuf};

/// A repository with a working tree. Reads what is on disk at each call; nothing is kept between calls.
///
/// It may be sent to another thread but not shared; do not use it on a thread of rayon's pool, which it waits for.
pub struct Repo {
    /// None: only the `git` command reads this repository.
    lib: Option<Repository>,
    cli: Cli,
    root: PathBuf,
    main_root: PathBuf,
    git_dir: PathBuf,
    common_dir: PathBuf,
    index_file: PathBuf,
    /// False: libgit2 cannot read the index that a hook works on.
    lib_index: bool,
}

impl Repo {
    /// Opens the repository that holds `dir`: any of its folders, a linked worktree, a submodule. Like git itself, it does
    /// not look beyond a file system's boundary. `GIT_DIR` and its relatives are not looked at: hooks run in the worktree
    /// they are about (see [`Repo::with_index_file`] for what does matter there).
    ///
    /// # Errors
    /// No repository, a bare one, one that another user owns, or one that cannot be read.
    pub fn discover(dir: &Path) -> Result<Self, GitError> {
        // wf does not judge the object database; git does not check hashes on reading either.
        git2::opts::strict_hash_verification(false);
        match Repository::open_ext(dir, RepositoryOpenFlags::empty(), &[] as &[&Path]) {
            Ok(lib) => Self::from_lib(lib),
            Err(error) if error.code() == ErrorCode::NotFound => Err(GitError::NotARepository { dir: dir.to_owned() }),
            Err(error) => Self::from_cli(dir, &error),
        }
    }

    fn from_lib(lib: Repository) -> Result<Self, GitError> {
        let root = lib.workdir().ok_or_else(|| GitError::Bare { dir: without_trailing_slash(lib.path()) })?;
        let root = without_trailing_slash(root);
        let main_root = if lib.is_worktree() {
            let main = Repository::open(lib.commondir()).map_err(GitError::doing("opening the main worktree"))?;
            without_trailing_slash(main.workdir().unwrap_or(lib.commondir()))
        } else {
            root.clone()
        };
        let (git_dir, common_dir) = (without_trailing_slash(lib.path()), without_trailing_slash(lib.commondir()));
        let (cli, index_file) = (Cli::new(&root), git_dir.join("index"));
        Ok(Self { lib: Some(lib), cli, root, main_root, git_dir, common_dir, index_file, lib_index: true })
    }

    /// For what libgit2 refuses: another format, or an owner that only git's own configuration (perhaps in the environment)
    /// trusts.
    fn from_cli(dir: &Path, refused: &git2::Error) -> Result<Self, GitError> {
        let place = Cli::new(dir).place().map_err(|error| match (refused.code(), error) {
            (ErrorCode::Owner, GitError::FormatUnsupported { .. }) => GitError::OwnershipRefused { path: holder(dir) },
            (_, GitError::FormatUnsupported { message } | GitError::Failed { message, .. }) => {
                GitError::FormatUnsupported { message: format!("{}; {message}", refused.message()) }
            }
            (_, error) => error,
        })?;
        let main_root = if place.common_dir == place.git_dir {
            place.root.clone()
        } else {
            Cli::new(&place.common_dir.join("..")).place().map_or_else(|_| place.common_dir.clone(), |main| main.root)
        };
        let (cli, index_file) = (Cli::new(&place.root), place.git_dir.join("index"));
        let Place { root, git_dir, common_dir } = place;
        Ok(Self { lib: None, cli, root, main_root, git_dir, common_dir, index_file, lib_index: false })
    }

    /// In a git hook: reads this index (`GIT_INDEX_FILE`) in place of the worktree's own. `git commit -a` and
    /// `git commit FILE` run their hooks on an index that exists only for that commit. A relative path starts at the root,
    /// where git runs hooks.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn with_index_file(self, index: &Path) -> Result<Self, GitError> {
        let index = self.root.join(index);
        let usable = |lib: &Repository| lib.set_index(&mut git2::Index::open(&index)?);
        // What libgit2 cannot read, the git command may.
        let lib_index = self.lib.as_ref().is_some_and(|lib| usable(lib).is_ok());
        if !index.exists() {
            let doing = format!("looking for the index {} (GIT_INDEX_FILE)", index.display());
            return Err(GitError::Failed { doing, message: "there is no such file".into() });
        }
        Ok(Self { cli: self.cli.with_index_file(&index), index_file: index, lib_index, ..self })
    }

    /// The root of the working tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The root of the *main* working tree, which linked ones share; a bare repository's git folder where there is none.
    pub fn main_root(&self) -> &Path {
        &self.main_root
    }

    /// When this checkout was made, as far as the file system remembers: its `.git` has been there since.
    pub fn made(&self) -> Option<std::time::SystemTime> {
        self.root.join(".git").symlink_metadata().ok()?.created().ok()
    }

    /// A person's own attribute rules, as far as a configuration names the file.
    fn attributes_file(&self) -> Option<PathBuf> {
        match &self.lib {
            Some(lib) => lib.config().and_then(|config| config.get_path("core.attributesfile")).ok(),
            None => self.cli.path_setting("core.attributesFile"),
        }
    }

    /// The worktree's git folder.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }
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
