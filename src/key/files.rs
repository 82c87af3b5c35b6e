//! Files that one or more steps watch, and one digest that stands for them all. Pure.
//!
//! Steps that watch the same share one group; an instance that watches its folder and those it depends on has a group
//! for each folder, so that a thousand packages hash each file's digest once and not once for each dependent.

use crate::base::digest::Fields;
use crate::base::{Digest, RepoPath};
use serde::{Deserialize, Serialize};

/// One watched file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedFile {
    /// Where it is: the name.
    pub path: RepoPath,
    /// Git's mode: part of the value.
    pub mode: u32,
    /// Of its content: part of the value.
    pub digest: Digest,
}

/// Files sorted by path, and their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileGroup {
    files: Vec<WatchedFile>,
    digest: Digest,
}

impl FileGroup {
    /// Makes a group of files that are sorted by path.
    pub fn new(files: Vec<WatchedFile>) -> Self {
        let mut fields = Fields::default();
        for file in &files {
            fields.add(file.path.as_bytes()).add(&file.mode.to_le_bytes()).add(file.digest.as_bytes());
        }
        Self { files, digest: fields.finish() }
    }

    /// The files.
    pub fn files(&self) -> &[WatchedFile] {
        &self.files
    }

    /// Of all of them.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}
