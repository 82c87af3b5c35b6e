//! How much a cache takes, kept in one small file under the lock, so that it never takes more than it may.
//!
//! What is about to be written is written down first. A process that is killed in between leaves the number too large,
//! never too small; the next sweep counts again, what is only half written at its full length.

use super::folder::{Folder, Held};
use super::{Refused, sweep};
use std::io;
use std::os::unix::fs::FileExt as _;

const HEAD: &[u8; 8] = b"wfsize 1";
const LENGTH: usize = 36;
/// A sweep that could not make enough room is not tried again for so long.
const TIRED_MS: u64 = 30_000;
/// What the folder itself and its small files take, roundly.
const OWN: u64 = 32 << 10;
/// What a file takes beside its blocks: its name in a folder.
const NAME: u64 = 128;
/// What a folder takes.
pub(super) const FOLDER: u64 = 4096;

/// What the file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    /// What all blobs take, those that are being written included.
    pub blobs: u64,
    /// When somebody last looked through everything.
    pub swept_ms: u64,
    /// Was there too little room even then?
    pub tight: bool,
}

/// What a blob takes, as a file system counts: whole blocks.
pub(super) fn cost(bytes: u64) -> u64 {
    bytes.div_ceil(4096).saturating_mul(4096).saturating_add(NAME)
}

impl Ledger {
    /// None: it was never written, or is damaged; everything has to be counted.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let check = u32::from_le_bytes(bytes.get(32..LENGTH)?.try_into().ok()?);
        let good = bytes.starts_with(HEAD) && crc32fast::hash(&bytes[..32]) == check;
        good.then_some(Self { blobs: word(8)?, swept_ms: word(16)?, tight: word(24)? == 1 })
    }

    fn encode(self) -> Vec<u8> {
        let mut bytes = HEAD.to_vec();
        for word in [self.blobs, self.swept_ms, u64::from(self.tight)] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// What a folder's file says now, for those who only look.
    pub(super) fn peek(folder: &Folder) -> Option<Self> {
        Self::decode(&std::fs::read(folder.path("size")).ok()?)
    }
}

impl Held<'_> {
    pub(super) fn ledger(&self) -> io::Result<Option<Ledger>> {
        let mut bytes = [0; LENGTH];
        match self.size()?.read_exact_at(&mut bytes, 0) {
            Ok(()) => Ok(Ledger::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn set_ledger(&self, ledger: Ledger) -> io::Result<()> {
        self.size()?.write_all_at(&ledger.encode(), 0)
    }

    /// Makes sure that so many bytes more stay below the limit, by making room if need be.
    ///
    /// # Errors
    /// [`Refused::Full`] when there is no room to be made.
    pub(super) fn room_for(&self, bytes: u64) -> io::Result<Ledger> {
        let limit = usable(self.folder);
        let full = || Err(Refused::Full { wanted: bytes, limit: self.folder.limits().bytes }.into());
        let now = self.folder.now_ms();
        let (ledger, fresh) = match self.ledger()? {
            Some(ledger) => (ledger, false),
            None => (sweep::count(self)?, true),
        };
        if self.taken(ledger)?.saturating_add(bytes) <= limit {
            return Ok(ledger);
        }
        if bytes > limit || (!fresh && ledger.tight && now.saturating_sub(ledger.swept_ms) < TIRED_MS) {
            return full();
        }
        let ledger = sweep::make_room(self, bytes)?;
        if self.taken(ledger)?.saturating_add(bytes) <= limit { Ok(ledger) } else { full() }
    }

    /// Writes down what is about to be written, before it is: who is killed in between leaves too much, never too little.
    ///
    /// # Errors
    /// See [`Held::room_for`].
    pub(super) fn take(&self, bytes: u64) -> io::Result<()> {
        let ledger = self.room_for(bytes)?;
        self.set_ledger(Ledger { blobs: ledger.blobs.saturating_add(bytes), ..ledger })
    }

    /// Gives back what something took that is gone.
    pub(super) fn give_back(&self, bytes: u64) -> io::Result<()> {
        match self.ledger()? {
            Some(ledger) => self.set_ledger(Ledger { blobs: ledger.blobs.saturating_sub(bytes), ..ledger }),
            None => Ok(()),
        }
    }

    /// What everything takes. The action index counts twice: while it is rewritten it is there twice.
    pub(super) fn taken(&self, ledger: Ledger) -> io::Result<u64> {
        taken(self.folder, ledger)
    }
}

/// What blobs and the index may take.
pub(super) fn usable(folder: &Folder) -> u64 {
    folder.limits().bytes.saturating_sub(OWN)
}

/// What a cache takes now, as far as is written down.
///
/// # Errors
/// When the action index cannot be looked at.
pub fn used(folder: &Folder) -> io::Result<u64> {
    taken(folder, Ledger::peek(folder).unwrap_or_default())
}

/// What everything takes, by a ledger.
fn taken(folder: &Folder, ledger: Ledger) -> io::Result<u64> {
    let index = match std::fs::symlink_metadata(folder.path("actions")) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(ledger.blobs.saturating_add(index.saturating_mul(2)))
}
