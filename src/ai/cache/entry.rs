//! One stored answer as a file.

use super::files;
use crate::ask::{Call, Parts, Recorded, Usage};
use crate::base::{Digest, Millis};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io;
use std::path::Path;

/// Of the file's form.
const FORMAT: u32 = 1;

/// What is known of an answer besides its words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// What it was charged for.
    pub usage: Usage,
    /// What that cost, in millionths of a dollar, if the price is known.
    pub micro_usd: Option<u64>,
    /// The model.
    pub model: String,
    /// The persona; empty for the proxy.
    pub persona: String,
    /// The file that was asked about, if it was one.
    pub file: Option<String>,
    /// The step that asked.
    pub step: String,
    /// Labels for `wf ai cache prune --tag`.
    pub tags: Vec<String>,
    /// How long it is good; none: as the cache says.
    pub ttl_ms: Option<Millis>,
}

/// Digests of the parts of a request as they are written, for whoever asks what differs: who only wants the answer need not
/// read them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parted(Box<RawValue>);

impl Parted {
    fn new(parts: &Parts) -> Self {
        Self(serde_json::value::to_raw_value(parts).unwrap_or_else(|error| unreachable!("keys are texts: {error}")))
    }

    /// The digests; none if they are damaged.
    pub fn read(&self) -> Parts {
        serde_json::from_str(self.0.get()).unwrap_or_default()
    }
}

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    format: u32,
    pub key: Digest,
    pub created_ms: u64,
    pub expires_ms: u64,
    pub meta: Meta,
    pub parts: Parted,
    /// Digest of the answer.
    answer: Digest,
    recorded: Recorded,
}

/// A stored answer.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its key.
    pub key: Digest,
    /// When it came: milliseconds since 1970.
    pub created_ms: u64,
    /// Until when it is good.
    pub expires_ms: u64,
    /// What is known of it.
    pub meta: Meta,
    /// Digests of the parts of the request.
    pub parts: Parted,
    /// The answer.
    pub recorded: Recorded,
}

impl Entry {
    pub(super) fn new(call: &Call, recorded: &Recorded, meta: Meta, now: u64, expires_ms: u64) -> Self {
        let (key, parts, answer) = (call.key(), Parted::new(&call.parts()), recorded.digest());
        Self { format: FORMAT, key, created_ms: now, expires_ms, meta, parts, answer, recorded: recorded.clone() }
    }

    pub(super) fn is_good(&self, now: u64) -> bool {
        now < self.expires_ms
    }

    pub(super) fn stored(self) -> Stored {
        let Self { key, created_ms, expires_ms, meta, parts, recorded, .. } = self;
        Stored { key, created_ms, expires_ms, meta, parts, recorded }
    }

    /// Is it what its name and its own digest say?
    fn is_whole(&self, key: &str) -> bool {
        self.format == FORMAT && self.key.to_string() == key && self.answer == self.recorded.digest()
    }
}

/// The entry of a key; none if there is none.
///
/// # Errors
/// It is damaged, or of another format.
pub(super) fn read(folder: &Path, key: &Digest) -> io::Result<Option<Entry>> {
    match read_file(&files::place(folder, key)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

pub(super) fn read_file(path: &Path) -> io::Result<Entry> {
    let bytes = files::read(path)?.ok_or(io::ErrorKind::NotFound)?;
    parse(&bytes, &files::name(path))
}

/// Does an error of [`read`] say that the file itself is wrong, and not only that it cannot be read now?
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Reads an entry from its file's bytes and verifies it.
pub(super) fn parse(bytes: &[u8], key: &str) -> io::Result<Entry> {
    let entry: Entry = serde_json::from_slice(bytes)?;
    if entry.is_whole(key) {
        Ok(entry)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "this is not the entry of its name"))
    }
}

pub(super) fn bytes(entry: &Entry) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(entry)?;
    bytes.push(b'\n');
    Ok(bytes)
}

pub(super) fn write(folder: &Path, entry: &Entry) -> io::Result<()> {
    files::write(&files::place(folder, &entry.key), &bytes(entry)?)
}
