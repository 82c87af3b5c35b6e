//! Gathers what a step made.

use super::beneath::Beneath;
use super::check::{Refused, check};
use super::list::{Listed, Thing, list};
use super::look::{FEW, Known, learn, link, stream};
use crate::base::{BlobRef, GlobSet, RepoPath};
use crate::cache::{Output, OutputKind, Store};
use rayon::prelude::*;
use std::io::{self, Read as _};

/// Read whole, hashed, and stored from memory up to this size.
const SMALL: u64 = 1 << 20;

/// What a step made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Sorted by path.
    pub outputs: Vec<Output>,
    /// Declared patterns that nothing matches: the step did not make what it says.
    pub missing: Vec<String>,
    /// Bytes of all files together.
    pub bytes: u64,
}

/// Why outputs could not be gathered. Each is a reason to store nothing.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// Something that cannot be stored.
    #[error("`{path}` is {what}, which cannot be stored")]
    Special {
        /// Where.
        path: RepoPath,
        /// What it is.
        what: &'static str,
    },
    /// Somebody writes there still.
    #[error("`{0}` changed while it was read: something the step started still writes it")]
    Changed(RepoPath),
    /// No entry with these could be restored everywhere.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The tree cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// Where.
        path: RepoPath,
        /// What the file system said.
        source: io::Error,
    },
    /// The store does not take it.
    #[error("cannot store `{path}`")]
    Store {
        /// Which output.
        path: RepoPath,
        /// What the store said.
        source: io::Error,
    },
}

/// Lists, hashes and stores everything that `globs` match. Without a store: only names and digests, which is what the keys of
/// dependents want. With patterns that nothing matches, nothing is stored either.
///
/// # Errors
/// Whatever makes the result one that must not be stored; what was stored until then is in no entry.
pub fn collect(
    beneath: &Beneath,
    globs: &GlobSet,
    known: &dyn Known,
    store: Option<&dyn Store>,
) -> Result<Collected, CollectError> {
    let things = list(beneath, globs).map_err(|(path, source)| CollectError::Read { path, source })?.things;
    let paths: Vec<RepoPath> = things.iter().map(|listed| listed.path.clone()).collect();
    let missing: Vec<String> = globs.idle(&paths).map(str::to_owned).collect();
    let store = store.filter(|_| missing.is_empty());
    let began = known.now();
    let one =
        |listed: &Listed| Ok(Output { path: listed.path.clone(), kind: kind(beneath, listed, known, store, began)? });
    let outputs: Vec<Output> = if things.len() < FEW {
        things.iter().map(one).collect::<Result<_, CollectError>>()?
    } else {
        things.par_iter().map(one).collect::<Result<_, CollectError>>()?
    };
    check(globs, &outputs)?;
    let size = |output: &Output| if let OutputKind::File { blob, .. } = &output.kind { blob.size } else { 0 };
    let bytes = outputs.iter().map(size).sum();
    Ok(Collected { outputs, missing, bytes })
}

fn kind(
    beneath: &Beneath,
    listed: &Listed,
    known: &dyn Known,
    store: Option<&dyn Store>,
    began: Option<i64>,
) -> Result<OutputKind, CollectError> {
    let path = &listed.path;
    let read = |source| CollectError::Read { path: path.clone(), source };
    match listed.thing {
        Thing::Folder => Ok(OutputKind::Folder),
        Thing::Symlink => Ok(OutputKind::Symlink { target: link(beneath, path).map_err(read)? }),
        Thing::Special(what) => Err(CollectError::Special { path: path.clone(), what }),
        Thing::File { executable } => {
            let blob = match known.known(path, &listed.stat) {
                Some(digest) if store.is_none() => BlobRef { digest, size: listed.stat.size },
                digest => {
                    let blob = digest.map(|digest| BlobRef { digest, size: listed.stat.size });
                    file(beneath, path, blob, known, store, began)?
                }
            };
            Ok(OutputKind::File { blob, executable })
        }
    }
}

/// Names and stores one file. `blob`: its name, if that is known already; the store checks it.
fn file(
    beneath: &Beneath,
    path: &RepoPath,
    blob: Option<BlobRef>,
    known: &dyn Known,
    store: Option<&dyn Store>,
    began: Option<i64>,
) -> Result<BlobRef, CollectError> {
    let read = |source| CollectError::Read { path: path.clone(), source };
    let put = |blob: &BlobRef, bytes: &mut dyn io::Read| match store {
        Some(store) => store.put(blob, bytes).map_err(|source| CollectError::Store { path: path.clone(), source }),
        None => Ok(()),
    };
    let (mut file, before) = beneath.file(path).map_err(read)?;
    if let Some(blob) = blob {
        put(&blob, &mut file)?;
        return Ok(blob);
    }
    let size = u64::try_from(before.st_size).unwrap_or(0);
    let stored = |source: io::Error| match source.kind() {
        // The store says the file is not as long as it was.
        io::ErrorKind::InvalidData => CollectError::Changed(path.clone()),
        _ => CollectError::Store { path: path.clone(), source },
    };
    let mut bytes = Vec::new();
    let blob = match store {
        _ if size <= SMALL => {
            bytes.reserve_exact(size as usize + 1);
            // One more than it had: a file that grows is found out, and one that never ends is not read for ever.
            (&mut file).take(size + 1).read_to_end(&mut bytes).map_err(read)?;
            BlobRef::of(&bytes)
        }
        Some(store) => store.add_file(size, &mut file).map_err(stored)?,
        None => {
            let (digest, size) = stream(&mut (&mut file).take(size + 1)).map_err(read)?;
            BlobRef { digest, size }
        }
    };
    if blob.size != size || !learn(path, &file, &before, blob.digest, known, began).map_err(read)? {
        return Err(CollectError::Changed(path.clone()));
    }
    if size <= SMALL {
        put(&blob, &mut &bytes[..])?;
    }
    Ok(blob)
}
