//! The working tree as plain data: which files are there, and what the file system says of each. Pure.
//!
//! Does not know: git, contents. `git` lists what is tracked or would be; `cache` turns it into digests.

use crate::base::RepoPath;

/// What `lstat` says of a file, as far as it tells whether the content may have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileStat {
    /// Bytes.
    pub size: u64,
    /// When the content was written: nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When the content or anything about the file changed: nanoseconds since 1970.
    pub ctime_ns: i64,
    /// The inode.
    pub inode: u64,
    /// Kind and permissions, as the file system has them.
    pub mode: u32,
}

/// What kind of thing a path is, as git tells kinds apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A file, and whether its owner may execute it.
    Regular {
        /// May its owner execute it?
        executable: bool,
    },
    /// A symbolic link; it is never followed.
    Symlink,
    /// A submodule, or a repository inside: one path, whose inside nobody looks at.
    Repository,
}

impl FileKind {
    /// Git's mode.
    pub fn mode(self) -> u32 {
        match self {
            Self::Regular { executable: false } => 0o100_644,
            Self::Regular { executable: true } => 0o100_755,
            Self::Symlink => 0o120_000,
            Self::Repository => 0o160_000,
        }
    }
}

/// The name git gives a blob (SHA-1).
pub type BlobName = [u8; 20];

/// One file of the working tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub path: RepoPath,
    /// What it is.
    pub kind: FileKind,
    /// What the file system says.
    pub stat: FileStat,
    /// The blob that git's index has for it, if the index says for sure that the file is unchanged.
    pub blob: Option<BlobName>,
}
