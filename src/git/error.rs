//! What can go wrong with git, as types that say what to do next.

use crate::event::FallbackCode;
use std::path::PathBuf;

/// Why a repository cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// No repository holds the folder.
    #[error("{} is not inside a git repository", .dir.display())]
    NotARepository {
        /// Where the search began.
        dir: PathBuf,
    },
    /// A bare repository has no files to run steps on.
    #[error("{} is a bare repository: there is no working tree to run in", .dir.display())]
    Bare {
        /// The repository.
        dir: PathBuf,
    },
    /// git protects people from repositories of other users.
    #[error("git refuses {}: another user owns it", .path.display())]
    OwnershipRefused {
        /// The repository's root.
        path: PathBuf,
    },
    /// No backend reads the repository's format.
    #[error("this repository's format needs the `git` command, and that failed: {message}")]
    FormatUnsupported {
        /// What both backends said.
        message: String,
    },
    /// Something else.
    #[error("reading the git repository failed while {doing}: {message}")]
    Failed {
        /// What wf was doing.
        doing: String,
        /// What git said.
        message: String,
    },
}

impl GitError {
    /// For `map_err`: what was being done when libgit2 failed.
    pub(super) fn doing(doing: &str) -> impl Fn(git2::Error) -> Self {
        move |error| Self::Failed { doing: doing.to_owned(), message: error.message().to_owned() }
    }

    /// The fallback it leads to.
    pub fn code(&self) -> FallbackCode {
        match self {
            Self::NotARepository { .. } | Self::Bare { .. } => FallbackCode::NotARepository,
            Self::OwnershipRefused { .. } => FallbackCode::OwnershipRefused,
            Self::FormatUnsupported { .. } => FallbackCode::FormatUnsupported,
            Self::Failed { .. } => FallbackCode::GitFailed,
        }
    }

    /// What to do about it; a command can be pasted as it stands.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotARepository { .. } => Some("run `git init`, or go to a folder of a repository".into()),
            Self::Bare { .. } => Some("go to one of its worktrees (`git worktree list`)".into()),
            Self::OwnershipRefused { path } => {
                let path = path.to_string_lossy();
                let quoted = shlex::try_quote(&path).map_or_else(|_| path.to_string(), |quoted| quoted.to_string());
                Some(format!("git config --global --add safe.directory {quoted}"))
            }
            Self::FormatUnsupported { .. } => Some("install git 2.35 or newer and put it on PATH".into()),
            Self::Failed { .. } => Some("`git fsck` tells whether the repository is whole".into()),
        }
    }
}

/// Why there is no base to compare with.
#[derive(Debug, thiserror::Error)]
pub enum NoBase {
    /// `--base REF` names nothing. A person typed it: wrong usage, not a fallback.
    #[error("`{reference}` does not name a commit in this repository")]
    AskedMissing {
        /// What was typed.
        reference: String,
    },
    /// The configuration's `base` names nothing here.
    #[error("the configured base `{reference}` does not name a commit in this repository")]
    ConfiguredMissing {
        /// What is configured.
        reference: String,
    },
    /// None of the usual names exists.
    #[error("no default branch: none of origin/HEAD, origin/main, origin/master, main, master exists")]
    NoDefaultBranch,
    /// A branch that the CI service names is not here.
    #[error("`{branch}` is not here and was not to be had")]
    BranchMissing {
        /// Its reference.
        branch: String,
    },
    /// HEAD and the default branch share no history.
    #[error("HEAD and `{branch}` have no common ancestor")]
    Unrelated {
        /// The default branch.
        branch: String,
    },
    /// A shallow clone ends before the merge base.
    #[error("this shallow clone ends before the merge base of HEAD and `{branch}`")]
    Shallow {
        /// The default branch.
        branch: String,
    },
    /// No commit yet.
    #[error("there is no commit yet")]
    Unborn,
    /// Reading failed.
    #[error(transparent)]
    Failed(#[from] GitError),
}

impl NoBase {
    /// The fallback it leads to.
    pub fn code(&self) -> FallbackCode {
        match self {
            Self::AskedMissing { .. }
            | Self::ConfiguredMissing { .. }
            | Self::NoDefaultBranch
            | Self::BranchMissing { .. }
            | Self::Unrelated { .. } => FallbackCode::NoBase,
            Self::Shallow { .. } => FallbackCode::Shallow,
            Self::Unborn => FallbackCode::Unborn,
            Self::Failed(error) => error.code(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::AskedMissing { .. } => Some("`git branch --all` lists the names; `git fetch` may bring it".into()),
            Self::ConfiguredMissing { .. } => Some("fetch it, or correct `base:` in the configuration".into()),
            Self::NoDefaultBranch => Some("name one with `base:` in the configuration or with `--base REF`".into()),
            Self::BranchMissing { .. } => Some("let wf fetch it (leave out --no-fetch), or fetch it before".into()),
            Self::Unrelated { .. } => Some("name a base with `--base REF`".into()),
            Self::Shallow { .. } => Some("git fetch --unshallow (in CI: fetch-depth 0)".into()),
            Self::Unborn => None,
            Self::Failed(error) => error.hint(),
        }
    }
}
