//! A cache in one file: a tar archive, packed by zstd. It holds `format`, then blobs as the store has them, then the action
//! index; always in the same order, so that the same content is the same file.

mod export;
mod import;
mod warm;

pub use export::export;
pub use import::import;
pub use warm::warm;

use serde::Serialize;
use std::io;

/// What the file `format` says; the digit is the format number.
const HEAD: &str = "wfcache 1\n";
/// No index in a file is larger.
const INDEX_MAX: u64 = 1 << 30;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Entries.
    pub entries: usize,
    /// Blobs.
    pub blobs: usize,
    /// The bytes of the blobs.
    pub bytes: u64,
    /// Entries that stay behind: there was one for the key already, or a blob is missing or is not what it should be.
    pub left: usize,
}

/// Why a file or folder is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It is no export of a cache.
    #[error("it is no cache that `wf cache export` wrote: {0}")]
    Strange(String),
    /// A newer wf wrote it.
    #[error("it has format {0}, and this wf knows formats up to 1")]
    Newer(u32),
    /// The cache that is to be read cannot be used.
    #[error(transparent)]
    Problem(#[from] super::Problem),
    /// It cannot be read, or its content not be stored.
    #[error(transparent)]
    Io(#[from] io::Error),
}
