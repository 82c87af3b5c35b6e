//! What is stored for a key. Pure.

use crate::base::digest::Fields;
use crate::base::{BlobRef, Digest, Millis, RepoPath, RunId, StepId};
use crate::key::Key;
use serde::{Deserialize, Serialize};

/// A result that can be used again: a step passed with this key, and this is what it printed and made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose result.
    pub step: StepId,
    /// For which key.
    pub key: Key,
    /// What it made, sorted by path. Empty if it declares no outputs.
    pub outputs: Vec<Output>,
    /// What it printed, as it was interleaved: a file of [`crate::event::frame`]. None: nothing.
    pub log: Option<BlobRef>,
    /// The key's inputs ([`crate::key::Manifest`], postcard), to say later why another key is another.
    pub manifest: Option<BlobRef>,
    /// The groups that the manifest names (`Vec<WatchedFile>`, postcard), in its order.
    pub groups: Vec<BlobRef>,
    /// How the attempt went.
    pub pass: Pass,
    /// Labels to forget it by.
    pub tags: Vec<String>,
    /// Serve it until then: milliseconds since 1970. None: as long as it is kept.
    pub expires_ms: Option<u64>,
}

/// The attempt that passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// In which run.
    pub run: RunId,
    /// When it ended: milliseconds since 1970.
    pub at_ms: u64,
    /// How long it took, in milliseconds: what a hit saves.
    pub wall_ms: Millis,
}

/// One thing a step made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Output {
    /// Where.
    pub path: RepoPath,
    /// What.
    pub kind: OutputKind,
}

/// What an output is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OutputKind {
    /// A file.
    File {
        /// Its content.
        blob: BlobRef,
        /// May it be executed?
        executable: bool,
    },
    /// A symbolic link, and what it says.
    Symlink {
        /// The target, as it was written.
        target: Vec<u8>,
    },
    /// An empty folder; others come with what is in them.
    Folder,
}

impl Entry {
    /// Digest of all it made: what it contributes to the keys of its dependents.
    pub fn outputs_digest(&self) -> Digest {
        outputs_digest(&self.outputs)
    }

    /// Bytes of all its blobs, as they count towards the store's size.
    pub fn blobs(&self) -> impl Iterator<Item = &BlobRef> {
        let outputs = self.outputs.iter().filter_map(|output| match &output.kind {
            OutputKind::File { blob, .. } => Some(blob),
            OutputKind::Symlink { .. } | OutputKind::Folder => None,
        });
        outputs.chain(&self.log).chain(&self.manifest).chain(&self.groups)
    }
}

/// Digest of outputs, sorted by path.
pub fn outputs_digest(outputs: &[Output]) -> Digest {
    let mut fields = Fields::default();
    for output in outputs {
        fields.add(output.path.as_bytes());
        match &output.kind {
            OutputKind::File { blob, executable } => {
                fields.add(&[b'f', u8::from(*executable)]).add(blob.digest.as_bytes())
            }
            OutputKind::Symlink { target } => fields.add(b"l").add(target),
            OutputKind::Folder => fields.add(b"d").add(b""),
        };
    }
    fields.finish()
}
