//! What manifests say: remembered while git says that they are the same, read and parsed otherwise.

use super::prepare::Inputs;
use crate::base::{Digest, RepoPath};
use crate::git::Listing;
use crate::history::{StateDir, memo};
use crate::workspace::{self, Manifests, Texts};
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// The largest manifest that is read.
const MANIFEST_BYTES: u64 = 4 << 20;

/// What manifests said, to be remembered when nobody waits any more.
#[derive(Debug)]
pub struct Learned {
    of: Digest,
    bytes: Vec<u8>,
}

impl Learned {
    /// Remembers it.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn keep(&self, state: &StateDir) -> std::io::Result<()> {
        memo::keep(state, memo::MANIFESTS, &self.of, &self.bytes)
    }
}

/// What the manifests say that the workflow asks for; and that again if it is worth remembering.
pub(super) fn manifests(
    inputs: &Inputs<'_>,
    files: &[RepoPath],
    listing: Option<&Listing>,
    state: Option<&StateDir>,
) -> (Manifests, Option<Learned>) {
    let wanted = workspace::manifests_wanted(inputs.workflow, files);
    let of = listing.filter(|_| !wanted.is_empty()).and_then(|listing| same_as(&wanted, listing));
    let remembered = of.as_ref().zip(state).and_then(|(of, state)| memo::recall(state, memo::MANIFESTS, of));
    if let Some(manifests) = remembered.and_then(|bytes| postcard::from_bytes(&bytes).ok()) {
        return (manifests, None);
    }
    let manifests = Manifests::read(&wanted, &texts(inputs.root, &wanted));
    let learned = of.and_then(|of| Some(Learned { of, bytes: postcard::to_stdvec(&manifests).ok()? }));
    (manifests, learned)
}

/// Names what they hold, without a look at it. None if any differs from what git has of it.
fn same_as(wanted: &[RepoPath], listing: &Listing) -> Option<Digest> {
    let mut all = Vec::with_capacity(wanted.len());
    for path in wanted {
        let at = listing.files.binary_search_by(|file| file.path.cmp(path)).ok()?;
        all.push((path, listing.files[at].blob?));
    }
    Some(Digest::of_json(&(env!("CARGO_PKG_VERSION"), workspace::READING, all)))
}

/// Their texts: of those that can be read as UTF-8.
pub(super) fn texts(root: &Path, wanted: &[RepoPath]) -> Texts {
    let read = |path: &RepoPath| {
        let full = path.under(root);
        let small = full.metadata().ok().filter(|meta| meta.is_file() && meta.len() <= MANIFEST_BYTES);
        let text = small.and_then(|_| std::fs::read_to_string(full).ok())?;
        Some((path.clone(), Arc::from(text)))
    };
    wanted.par_iter().with_min_len(32).filter_map(read).collect()
}
