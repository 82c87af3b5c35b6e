//! Reading everything again: is each blob what its name says, and is everything there that entries name?

use super::actions::Record;
use super::file;
use super::folder::Folder;
use super::store::{Disk, Present, copy};
use super::sweep::{digest_at, readable, walk};
use crate::base::{BlobRef, Digest, StepId};
use crate::key::Key;
use rayon::prelude::*;
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was looked at, and what was wrong and is removed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Checked {
    /// Entries that were looked at.
    pub entries: usize,
    /// Blobs that were read.
    pub blobs: usize,
    /// How many bytes that was.
    pub bytes: u64,
    /// What is wrong.
    pub wrong: Vec<Wrong>,
}

/// Something that is wrong. It is removed: a miss instead of a wrong result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Wrong {
    /// The bytes of a blob are not those that its name says.
    Blob {
        /// Its name.
        digest: Digest,
    },
    /// A blob cannot be read, or not be removed.
    Unreadable {
        /// Its file.
        path: PathBuf,
        /// Why not.
        message: String,
    },
    /// An entry names a blob that is not there.
    Entry {
        /// Whose result it was.
        step: StepId,
        /// For which key.
        key: Key,
        /// What it names.
        blob: Digest,
    },
    /// The action index itself is damaged.
    Index {
        /// How.
        message: String,
    },
}

/// Verifies everything, and removes what is wrong.
///
/// # Errors
/// When the cache cannot be used or read as a whole.
pub fn verify(folder: &Arc<Folder>) -> io::Result<Checked> {
    let mut paths = Vec::new();
    walk(folder, |path, _, written| {
        if let Some(digest) = written.and_then(|_| digest_at(&path)) {
            paths.push((path, digest));
        }
    })?;
    let looked: Vec<(u64, Option<Wrong>)> =
        paths.par_iter().map(|(path, digest)| look(folder, path, *digest)).collect();
    let mut found = Checked { blobs: looked.len(), ..Checked::default() };
    for (bytes, wrong) in looked {
        found.bytes += bytes;
        found.wrong.extend(wrong);
    }
    let held = folder.hold()?;
    let (mut actions, problem) = readable(folder)?;
    found.wrong.extend(problem.map(|problem| Wrong::Index { message: problem.to_string() }));
    let (mut there, mut gone) = (Present::new(folder)?, Vec::new());
    for (entry, ..) in actions.entries() {
        found.entries += 1;
        if let Some(blob) = entry.blobs().find(|blob| !there.has(blob)) {
            gone.push(Record::Gone(entry.key));
            found.wrong.push(Wrong::Entry { step: entry.step.clone(), key: entry.key, blob: blob.digest });
        }
    }
    if !found.wrong.is_empty() {
        // Also mends the index, if it is damaged.
        actions.append_held(&held, &gone)?;
    }
    Ok(found)
}

fn look(folder: &Arc<Folder>, path: &Path, digest: Digest) -> (u64, Option<Wrong>) {
    let unreadable = |error: io::Error| Some(Wrong::Unreadable { path: path.into(), message: error.to_string() });
    let read = || {
        let mut file = file::read(path)?;
        let size = file.metadata()?.len();
        Ok((size, copy(size, &mut file, &mut io::sink())?))
    };
    match read() {
        // Evicted since it was listed.
        Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => (0, None),
        Err(error) => (0, unreadable(error)),
        Ok((size, found)) if found == digest => (size, None),
        Ok((size, _)) => match Disk::new(folder).forget(&BlobRef { digest, size }) {
            Ok(()) => (size, Some(Wrong::Blob { digest })),
            Err(error) => (size, unreadable(error)),
        },
    }
}
