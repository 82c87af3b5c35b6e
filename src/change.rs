//! What differs from the base, as plain data. Pure.
//!
//! Does not know: git. `git` fills these types, `classify` reads them.

use crate::base::RepoPath;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How one path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// New since the base.
    Added,
    /// Content differs.
    Modified,
    /// Gone since the base.
    Deleted,
    /// Moved from `from`, perhaps edited too.
    Renamed,
    /// Same content, other mode, or another kind of file (a symlink became a file).
    TypeChanged,
    /// A submodule points at another commit or is dirty.
    Submodule,
    /// A merge conflict is open on it.
    Conflicted,
}

impl Status {
    /// As `git status --short` writes it.
    pub fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Modified | Self::Submodule => 'M',
            Self::Deleted => 'D',
            Self::Renamed => 'R',
            Self::TypeChanged => 'T',
            Self::Conflicted => 'U',
        }
    }
}

/// Where a difference was seen; several may hold at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Where {
    /// Between the base commit and HEAD.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub committed: bool,
    /// Between HEAD and the index.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub staged: bool,
    /// Between the index and the working tree.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unstaged: bool,
    /// In the working tree, unknown to git and not ignored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untracked: bool,
}

/// One file that differs from the base.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChangedFile {
    /// Its path now (for a deletion: its path then).
    pub path: RepoPath,
    /// Where it was renamed from. Both sides count as changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<RepoPath>,
    /// How it differs.
    pub status: Status,
    /// Where that was seen.
    #[serde(rename = "where")]
    pub seen: Where,
    /// Git's file mode before and after (octal, as 0o100644); 0 where there is no file.
    pub modes: (u32, u32),
}

/// What the change is measured against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Base {
    /// A commit, and how it was found.
    Commit {
        /// Its full object name.
        commit: String,
        /// How wf came to it.
        how: BaseHow,
    },
    /// Only what is staged counts (`--staged`); measured against HEAD.
    Staged {
        /// HEAD's object name, none before the first commit.
        head: Option<String>,
    },
    /// None: everything runs.
    None,
}

/// How the base commit was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum BaseHow {
    /// `--base REF` or `base:` in the configuration, as it was written.
    Asked {
        /// The revision.
        reference: String,
    },
    /// The merge base of HEAD and the default branch.
    MergeBase {
        /// The default branch's reference name.
        branch: String,
    },
    /// The newest ancestor with a recorded green run (on the default branch itself).
    GreenAncestor {
        /// The run that was green.
        run: String,
    },
    /// What a CI service merged a request into, to build the merge.
    Target {
        /// The branch.
        branch: String,
    },
    /// The commit of a branch that has the same files as one of HEAD's: HEAD's commits were squashed into it.
    SameFiles {
        /// The branch's reference name.
        branch: String,
    },
    /// Where HEAD left a branch that was rewritten since.
    ForkPoint {
        /// The branch's reference name.
        branch: String,
    },
    /// Where the branch was before this push, by what is recorded there.
    Before,
}

impl fmt::Display for BaseHow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked { reference } => write!(f, "asked for: {reference}"),
            Self::MergeBase { branch } => write!(f, "merge base with {branch}"),
            Self::GreenAncestor { run } => write!(f, "green in run {run}"),
            Self::Target { branch } => write!(f, "merged into {branch}"),
            Self::SameFiles { branch } => write!(f, "squashed into {branch}"),
            Self::ForkPoint { branch } => write!(f, "fork point from {branch}"),
            Self::Before => f.write_str("before this push"),
        }
    }
}

/// Everything that differs from the base, sorted by path, each path once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// What it is measured against.
    pub base: Base,
    /// HEAD's object name; none before the first commit or outside git.
    pub head: Option<String>,
    /// The branch, if HEAD is on one.
    pub branch: Option<String>,
    /// May the base be trusted without a recorded pass? True when HEAD is not on the default branch and the base is a
    /// commit of that branch, which CI guards; and for `--staged`, where only the staged change is asked about.
    pub base_guarded: bool,
    /// The files.
    pub files: Vec<ChangedFile>,
    /// What no diff can speak for, sorted.
    pub unseen: Vec<Unseen>,
    /// The working tree does not hold all of HEAD (a sparse checkout, a submodule that is not checked out), or git was told
    /// not to look at some of it.
    #[serde(default)]
    pub partial: bool,
}

/// A file or folder whose changes git does not show.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unseen {
    /// Where it is.
    pub path: RepoPath,
    /// A folder stands for everything below it.
    pub folder: bool,
    /// Tracked, but git was told to assume it unchanged; otherwise it is ignored.
    pub assumed: bool,
    /// It changed as a whole (a submodule, a symlink): anything at or below it may have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opaque: bool,
}

impl ChangeSet {
    /// No base, nothing known.
    pub fn unknown() -> Self {
        Self {
            base: Base::None,
            head: None,
            branch: None,
            base_guarded: false,
            files: vec![],
            unseen: vec![],
            partial: false,
        }
    }

    /// Is the working tree exactly HEAD? Nobody looked, if only what is staged was asked about.
    pub fn is_clean(&self) -> bool {
        !matches!(self.base, Base::Staged { .. })
            && !self.partial
            && self.head.is_some()
            && self.files.iter().all(|f| f.seen == Where { committed: true, ..Where::default() })
    }

    /// Every changed path, both sides of renames, in order, with repetitions possible.
    pub fn paths(&self) -> impl Iterator<Item = &RepoPath> {
        self.files.iter().flat_map(|file| std::iter::once(&file.path).chain(&file.from))
    }
}
