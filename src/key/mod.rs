//! The key of a step: the digest of everything that may change its result. Pure.
//!
//! [`KeyInputs`] is described once, by [`KeyInputs::walk`], and walked twice: to hash it, and to write it down readably
//! ([`Manifest`]), so that wf can always say what differs between two keys. Does not know: files, processes, stores.

mod change;
mod files;
mod manifest;

pub use change::{Field, How, KeyChange, diff};
pub use files::{FileGroup, WatchedFile};
pub use manifest::Manifest;

use crate::base::digest::Fields;
use crate::base::{Digest, RepoPath, StepId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Raised whenever a key means something else than before: another field, another order, other glob rules.
pub const FORMAT: u32 = 1;

/// Digest of everything that may change a step's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub Digest);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A variable as a step sees it. Unset and empty differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvValue {
    /// Not there.
    Unset,
    /// There, perhaps empty.
    Set(String),
    /// A secret that is to be in the key: its HMAC under a secret of this machine, never itself.
    Sealed(Digest),
}

/// What a need adds to the keys of its dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contribution {
    /// It declares outputs: their digest. A need that ran again and made the same changes nothing.
    Outputs(Digest),
    /// It declares none: its own key.
    Key(Key),
}

/// The list that a `changed_only` step gets: its result holds for that base and that list alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedList {
    /// `WF_BASE`.
    pub base: Option<String>,
    /// The paths.
    pub paths: Vec<RepoPath>,
}

/// Everything that may change a step's result. Of each field it says which part names a thing and which is its value.
#[derive(Clone, Debug)]
pub struct KeyInputs {
    /// Value: who it is (it sees that as `WF_STEP`).
    pub step: StepId,
    /// Value: program and arguments, the shell's included.
    pub argv: Vec<String>,
    /// Value: the folder it runs in.
    pub dir: RepoPath,
    /// Value: the folder it is an instance for (`WF_DIR`).
    pub folder: Option<RepoPath>,
    /// Name → value: declared variables.
    pub env: BTreeMap<String, EnvValue>,
    /// Name → value: variables that change what programs do without being declared (CI, TZ, LANG, LC_*).
    pub ambient: Arc<BTreeMap<String, EnvValue>>,
    /// Probe → what it printed.
    pub tools: BTreeMap<String, String>,
    /// Value: operating system, architecture, C library.
    pub platform: Arc<str>,
    /// Value: what it declares as outputs. None: nothing.
    pub outputs: Option<Vec<String>>,
    /// Path → mode and digest: what it watches, in groups that steps share.
    pub watched: Vec<Arc<FileGroup>>,
    /// Need → its contribution.
    pub needs: BTreeMap<StepId, Contribution>,
    /// Value: the list of changed files it is given.
    pub changed: Option<ChangedList>,
}

/// Who walks over [`KeyInputs`].
trait Visit {
    /// A field: what names it, and its value; none where there is nothing.
    fn entry(&mut self, field: Field, name: &[u8], value: Option<&[u8]>);
    /// Files, whose digest stands for them all.
    fn files(&mut self, group: &Arc<FileGroup>);
}

impl KeyInputs {
    /// The key.
    pub fn key(&self) -> Key {
        let mut hashing = Hashing::default();
        self.walk(&mut hashing);
        Key(hashing.0.finish())
    }

    /// The same, written down.
    pub fn manifest(&self) -> Manifest {
        let mut manifest = Manifest::default();
        self.walk(&mut manifest);
        manifest
    }

    /// Every field once, in an order that is part of the format.
    fn walk(&self, to: &mut impl Visit) {
        to.entry(Field::Format, b"", Some(&FORMAT.to_le_bytes()));
        to.entry(Field::Step, b"", Some(self.step.as_str().as_bytes()));
        to.entry(Field::Command, b"", Some(&list(self.argv.iter().map(String::as_bytes))));
        to.entry(Field::Dir, b"", Some(self.dir.as_bytes()));
        to.entry(Field::Folder, b"", self.folder.as_ref().map(RepoPath::as_bytes));
        for (field, variables) in [(Field::Env, &self.env), (Field::Ambient, &*self.ambient)] {
            for (name, value) in variables {
                match value {
                    EnvValue::Unset => to.entry(field, name.as_bytes(), None),
                    EnvValue::Set(text) => to.entry(field, name.as_bytes(), Some(text.as_bytes())),
                    EnvValue::Sealed(seal) => to.entry(Field::Sealed, name.as_bytes(), Some(seal.as_bytes())),
                }
            }
        }
        for (probe, said) in &self.tools {
            to.entry(Field::Tool, probe.as_bytes(), Some(said.as_bytes()));
        }
        to.entry(Field::Platform, b"", Some(self.platform.as_bytes()));
        let outputs = self.outputs.as_ref().map(|globs| list(globs.iter().map(String::as_bytes)));
        to.entry(Field::Outputs, b"", outputs.as_deref());
        for (need, contribution) in &self.needs {
            let (kind, digest) = match contribution {
                Contribution::Outputs(digest) => (b'o', digest),
                Contribution::Key(key) => (b'k', &key.0),
            };
            let mut value = [kind; 33];
            value[1..].copy_from_slice(digest.as_bytes());
            to.entry(Field::Need, need.as_str().as_bytes(), Some(&value));
        }
        if let Some(changed) = &self.changed {
            to.entry(Field::Base, b"", changed.base.as_ref().map(String::as_bytes));
            to.entry(Field::Changed, b"", Some(&list(changed.paths.iter().map(RepoPath::as_bytes))));
        }
        self.watched.iter().for_each(|group| to.files(group));
    }
}

/// Several texts as one value; none can run into the next.
fn list<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text);
    }
    bytes
}

/// The texts that a value of several holds. None: it is no such value.
pub fn texts(mut value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut texts = Vec::new();
    while !value.is_empty() {
        let (length, rest) = value.split_first_chunk()?;
        let (text, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        texts.push(text);
        value = rest;
    }
    Some(texts)
}

#[derive(Default)]
struct Hashing(Fields);

impl Visit for Hashing {
    fn entry(&mut self, field: Field, name: &[u8], value: Option<&[u8]>) {
        self.0.add(&[field as u8, u8::from(value.is_some())]).add(name).add(value.unwrap_or_default());
    }

    fn files(&mut self, group: &Arc<FileGroup>) {
        self.0.add(&[Field::File as u8]).add(group.digest().as_bytes());
    }
}

#[cfg(test)]
mod tests;
