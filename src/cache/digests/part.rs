//! One part of the packed index: bytes, in which a row is found by search. Nothing is decoded until it is asked for.
//!
//! Head: magic (8 bytes; the digit is the format), CRC-32 of all that follows, how many rows, how many blobs, bytes of paths
//! (4 bytes each, little-endian). Then the rows in order of path (see [`ROW`]), the blobs in order of name ([`BLOB`]), the
//! paths. Does not know: files, and that there can be several parts.

use super::Holds;
use super::pack::Row;
use crate::base::{Digest, RepoPath};
use crate::tree::{BlobName, FileStat};
use std::io;

/// The format that this wf writes, and the newest it reads.
pub const FORMAT: u32 = 1;
const MAGIC: &[u8; 8] = b"wfdig 1\n";
const HEAD: usize = 24;
/// Where the path is (4), how long it is (4), size, mtime, ctime, inode (8 each), mode (4), for which form (4), digest (32).
const ROW: usize = 80;
/// Name (20), for which form (4), digest (32).
const BLOB: usize = 56;

/// One part as it was read.
#[derive(Debug, Default)]
pub struct Part {
    bytes: Vec<u8>,
    rows: usize,
    blobs: usize,
}

/// How long the part is that these bytes begin with, if they hold all of it.
pub fn len(bytes: &[u8]) -> Option<usize> {
    let count = |at: usize| Some(word(bytes.get(at..at + 4)?, 0) as usize);
    let len = HEAD + count(12)? * ROW + count(16)? * BLOB + count(20)?;
    (bytes.starts_with(MAGIC) && len <= bytes.len()).then_some(len)
}

/// The format that a file says.
pub fn format(bytes: &[u8]) -> Option<u32> {
    let text = bytes.strip_prefix(b"wfdig ")?;
    let end = memchr::memchr(b'\n', text.get(..text.len().min(12))?)?;
    std::str::from_utf8(&text[..end]).ok()?.parse().ok()
}

impl Part {
    /// Takes the bytes of one part, if they are what was written.
    pub fn parse(bytes: Vec<u8>) -> Option<Self> {
        let whole = len(&bytes)? == bytes.len() && crc32fast::hash(&bytes[12..]) == word(&bytes, 8);
        let (rows, blobs) = (word(&bytes, 12) as usize, word(&bytes, 16) as usize);
        whole.then_some(Self { bytes, rows, blobs })
    }

    /// How many files and blobs.
    pub fn len(&self) -> usize {
        self.rows + self.blobs
    }

    /// How many files.
    pub fn files(&self) -> usize {
        self.rows
    }

    /// What it says of a path. `near` is where it is looked for first, and then the place behind it.
    pub fn row_near(&self, path: &RepoPath, near: &mut usize) -> Option<Row> {
        let is_at = |at: usize| at < self.rows && self.path(at) == path.as_bytes();
        let found = if is_at(*near) { *near } else { partition(self.rows, |at| self.path(at) < path.as_bytes()) };
        *near = found + 1;
        is_at(found).then(|| self.row_at(found))?
    }

    /// All rows, in order of path.
    pub fn rows(&self) -> impl Iterator<Item = (RepoPath, Row)> {
        (0..self.rows).filter_map(|at| Some((RepoPath::from_bytes(self.path(at)), self.row_at(at)?)))
    }

    /// The digest of a blob, in a form that serves.
    pub fn blob(&self, name: &BlobName, serves: impl Fn(Holds) -> bool) -> Option<Digest> {
        let first = partition(self.blobs, |at| self.blob_bytes(at)[..20] < name[..]);
        let same = (first..self.blobs).map_while(|at| self.blob_at(at)).take_while(|((other, _), _)| other == name);
        same.into_iter().find(|((_, holds), _)| serves(*holds)).map(|(_, digest)| digest)
    }

    /// All blobs, in order of name.
    pub fn blobs(&self) -> impl Iterator<Item = ((BlobName, Holds), Digest)> {
        (0..self.blobs).filter_map(|at| self.blob_at(at))
    }

    fn row_bytes(&self, at: usize) -> &[u8] {
        &self.bytes[HEAD + at * ROW..HEAD + (at + 1) * ROW]
    }

    fn path(&self, at: usize) -> &[u8] {
        let row = self.row_bytes(at);
        let (from, len) = (word(row, 0) as usize, word(row, 4) as usize);
        let start = HEAD + self.rows * ROW + self.blobs * BLOB;
        self.bytes.get(start + from..start + from + len).unwrap_or_default()
    }

    fn row_at(&self, at: usize) -> Option<Row> {
        let row = self.row_bytes(at);
        let stat = FileStat {
            size: long(row, 8),
            mtime_ns: long(row, 16).cast_signed(),
            ctime_ns: long(row, 24).cast_signed(),
            inode: long(row, 32),
            mode: word(row, 40),
        };
        Some(Row { stat, holds: Holds::of(row[44])?, digest: digest(&row[48..80])?, racy: false })
    }

    fn blob_bytes(&self, at: usize) -> &[u8] {
        let start = HEAD + self.rows * ROW + at * BLOB;
        &self.bytes[start..start + BLOB]
    }

    fn blob_at(&self, at: usize) -> Option<((BlobName, Holds), Digest)> {
        let blob = self.blob_bytes(at);
        Some(((blob[..20].try_into().ok()?, Holds::of(blob[20])?), digest(&blob[24..56])?))
    }
}

/// The bytes of a part with these rows and blobs, which are put in order.
pub fn encode(mut rows: Vec<(&RepoPath, &Row)>, mut blobs: Vec<(&(BlobName, Holds), &Digest)>) -> io::Result<Vec<u8>> {
    rows.sort_unstable_by(|a, b| a.0.cmp(b.0));
    blobs.sort_unstable_by_key(|(blob, _)| *blob);
    let paths: usize = rows.iter().map(|(path, _)| path.as_bytes().len()).sum();
    let mut part = Vec::with_capacity(HEAD + rows.len() * ROW + blobs.len() * BLOB + paths);
    part.extend_from_slice(MAGIC);
    part.extend_from_slice(&[0; 4]);
    for count in [rows.len(), blobs.len(), paths] {
        part.extend_from_slice(&u32::try_from(count).map_err(io::Error::other)?.to_le_bytes());
    }
    let mut from = 0u32;
    for (path, row) in &rows {
        let len = path.as_bytes().len() as u32;
        part.extend_from_slice(&from.to_le_bytes());
        part.extend_from_slice(&len.to_le_bytes());
        from += len;
        let FileStat { size, mtime_ns, ctime_ns, inode, mode } = row.stat;
        for long in [size, mtime_ns.cast_unsigned(), ctime_ns.cast_unsigned(), inode] {
            part.extend_from_slice(&long.to_le_bytes());
        }
        part.extend_from_slice(&mode.to_le_bytes());
        part.extend_from_slice(&[row.holds as u8, 0, 0, 0]);
        part.extend_from_slice(row.digest.as_bytes());
    }
    for ((name, holds), digest) in &blobs {
        part.extend_from_slice(name);
        part.extend_from_slice(&[*holds as u8, 0, 0, 0]);
        part.extend_from_slice(digest.as_bytes());
    }
    for (path, _) in &rows {
        part.extend_from_slice(path.as_bytes());
    }
    let check = crc32fast::hash(&part[12..]);
    part[8..12].copy_from_slice(&check.to_le_bytes());
    Ok(part)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

fn digest(bytes: &[u8]) -> Option<Digest> {
    Some(Digest::from_bytes(bytes.try_into().ok()?))
}

fn partition(len: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}
