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

impl FileStat {
    /// From times as seconds and nanoseconds. Times past the year 2262 stay there.
    pub fn new(size: u64, mtime: (i64, i64), ctime: (i64, i64), inode: u64, mode: u32) -> Self {
        let ns = |(seconds, nanos): (i64, i64)| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        Self { size, mtime_ns: ns(mtime), ctime_ns: ns(ctime), inode, mode }
    }
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
    /// The blob whose bytes git's index has for it, if the file is unchanged.
    pub blob: Option<BlobName>,
    /// The file had to be read to know that `blob` is right: it is so young that a later change may not show in `stat`.
    pub read: bool,
}

/// How a file's bytes in the working tree and in git's objects go together: what `.gitattributes` say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// They are the same; nothing says that it is text.
    #[default]
    Raw,
    /// Text: lines may end as the checkout likes (`text`, `eol=…`).
    Text,
    /// Text, unless it looks binary (`text=auto`).
    Auto,
    /// Something else turns one into the other (lfs, ident, an encoding, a filter of one's own).
    Filtered,
}
