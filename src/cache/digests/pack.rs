//! The packed index on disk: rows by path, blobs by name, read at once and searched as it is.
//!
//! Head: magic (8 bytes; the digit is the format), CRC-32 of all that follows, how many rows, how many blobs, bytes of paths
//! (4 bytes each, little-endian). Then the rows in order of path (see [`ROW`]), the blobs in order of name ([`BLOB`]), the
//! paths. Nothing of it is decoded until it is asked for.

use super::Holds;
use crate::base::{Digest, RepoPath};
use crate::cache::{Problem, file};
use crate::tree::{BlobName, FileStat};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

const MAGIC: &[u8; 8] = b"wfdig 1\n";
const HEAD: usize = 24;
/// Where the path is (4), how long it is (4), size, mtime, ctime, inode (8 each), mode (4), for which form (4), digest (32).
const ROW: usize = 80;
/// Name (20), for which form (4), digest (32).
const BLOB: usize = 56;
/// Rows of files that nobody asked about are kept until there are so many more of them.
const SLACK: usize = 200_000;

/// What is known of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub stat: FileStat,
    pub holds: Holds,
    pub digest: Digest,
    /// Not to be trusted later; never written.
    pub racy: bool,
}

/// Marks the table of blobs.
pub struct Blob;

/// An index as it was read.
#[derive(Debug, Default)]
pub struct Pack {
    bytes: Vec<u8>,
    rows: usize,
    blobs: usize,
    newer: bool,
}

/// The form that a byte says.
pub fn holds(byte: u8) -> Option<Holds> {
    [Holds::Always, Holds::Raw, Holds::Text, Holds::Binary].into_iter().find(|holds| *holds as u8 == byte)
}

impl Pack {
    /// Reads an index, or says why not.
    pub fn open(path: &Path) -> (Self, Option<Problem>) {
        let mut bytes = Vec::new();
        match file::read(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return (Self::default(), None);
            }
            Err(error) => {
                let (path, message) = (path.to_owned(), error.to_string());
                return (Self::default(), Some(Problem::Unreadable { path, message }));
            }
        }
        let path = path.to_owned();
        if let Some(found) = format(&bytes).filter(|found| *found > 1) {
            let newer = Self { newer: true, ..Self::default() };
            return (newer, Some(Problem::Newer { path, found, known: 1 }));
        }
        match Self::parse(bytes) {
            Some(pack) => (pack, None),
            None => (Self::default(), Some(Problem::Damaged { path, places: 1 })),
        }
    }

    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let (check, rows, blobs, paths) = (word(8)?, word(12)? as usize, word(16)? as usize, word(20)? as usize);
        let whole = bytes.starts_with(MAGIC) && bytes.len() == HEAD + rows * ROW + blobs * BLOB + paths;
        (whole && crc32fast::hash(&bytes[12..]) == check).then_some(Self { bytes, rows, blobs, newer: false })
    }

    /// Did a newer wf write it?
    pub fn is_newer(&self) -> bool {
        self.newer
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

    /// What is known of a path.
    pub fn row(&self, path: &RepoPath) -> Option<Row> {
        self.row_at(search(self.rows, |at| self.path(at).cmp(path.as_bytes()))?)
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
        Some(Row { stat, holds: holds(row[44])?, digest: digest(&row[48..80])?, racy: false })
    }

    fn blob_bytes(&self, at: usize) -> &[u8] {
        let start = HEAD + self.rows * ROW + at * BLOB;
        &self.bytes[start..start + BLOB]
    }

    /// The digest of a blob, in a form that serves.
    pub fn blob(&self, name: &BlobName, serves: impl Fn(Holds) -> bool) -> Option<Digest> {
        let first = partition(self.blobs, |at| self.blob_bytes(at)[..20] < name[..]);
        let same = (first..self.blobs).map(|at| self.blob_bytes(at)).take_while(|blob| blob[..20] == name[..]);
        let found = same.into_iter().find(|blob| Blob::serves(blob[20], &serves))?;
        digest(&found[24..56])
    }

    /// Writes this and what is new into a new file, which takes the old one's place.
    pub fn save<'a>(
        &self,
        path: &Path,
        new: impl Iterator<Item = (&'a RepoPath, &'a Row)>,
        blobs: &HashMap<(BlobName, Holds), Digest>,
        alive: &dyn Fn(&RepoPath) -> bool,
    ) -> io::Result<()> {
        if self.newer {
            return Ok(());
        }
        // They are in order, so that collecting them takes no search.
        let old = |at: usize| Some((RepoPath::from_bytes(self.path(at)), self.row_at(at)?));
        let mut rows: BTreeMap<RepoPath, Row> = (0..self.rows).filter_map(old).collect();
        for (path, row) in new {
            rows.insert(path.clone(), row.clone());
        }
        if rows.len() > self.rows + SLACK / 10 || rows.len() > SLACK {
            rows.retain(|path, _| alive(path));
        }
        let old = |at: usize| {
            let blob = self.blob_bytes(at);
            Some(((blob[..20].try_into().ok()?, blob[20]), digest(&blob[24..56])?))
        };
        let mut all: BTreeMap<(BlobName, u8), Digest> = (0..self.blobs).filter_map(old).collect();
        // Blobs of old checkouts are no use to anybody once there are far more of them than files.
        if all.len() > 4 * rows.len() + SLACK {
            all.clear();
        }
        all.extend(blobs.iter().map(|((name, holds), digest)| ((*name, *holds as u8), *digest)));
        write(path, &rows, &all)
    }
}

fn write(path: &Path, rows: &BTreeMap<RepoPath, Row>, blobs: &BTreeMap<(BlobName, u8), Digest>) -> io::Result<()> {
    let mut body = Vec::with_capacity(rows.len() * (ROW + 40) + blobs.len() * BLOB + HEAD);
    let mut paths: Vec<u8> = Vec::with_capacity(rows.len() * 40);
    for (path, row) in rows {
        body.extend_from_slice(&(paths.len() as u32).to_le_bytes());
        body.extend_from_slice(&(path.as_bytes().len() as u32).to_le_bytes());
        paths.extend_from_slice(path.as_bytes());
        for long in
            [row.stat.size, row.stat.mtime_ns.cast_unsigned(), row.stat.ctime_ns.cast_unsigned(), row.stat.inode]
        {
            body.extend_from_slice(&long.to_le_bytes());
        }
        body.extend_from_slice(&row.stat.mode.to_le_bytes());
        body.extend_from_slice(&[row.holds as u8, 0, 0, 0]);
        body.extend_from_slice(row.digest.as_bytes());
    }
    for ((name, holds), digest) in blobs {
        body.extend_from_slice(name);
        body.extend_from_slice(&[*holds, 0, 0, 0]);
        body.extend_from_slice(digest.as_bytes());
    }
    let mut counts = Vec::with_capacity(12);
    for count in [rows.len(), blobs.len(), paths.len()] {
        counts.extend_from_slice(&u32::try_from(count).map_err(io::Error::other)?.to_le_bytes());
    }
    let mut check = crc32fast::Hasher::new();
    for part in [&counts, &body, &paths] {
        check.update(part);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    file::folder(folder)?;
    let mut temp = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder)?;
    for part in [&MAGIC[..], &check.finalize().to_le_bytes(), &counts, &body, &paths] {
        temp.write_all(part)?;
    }
    temp.persist(path).map(drop).map_err(|error| error.error)
}

/// The format that a file says.
fn format(bytes: &[u8]) -> Option<u32> {
    let text = bytes.strip_prefix(b"wfdig ")?;
    let end = memchr::memchr(b'\n', text.get(..text.len().min(12))?)?;
    std::str::from_utf8(&text[..end]).ok()?.parse().ok()
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

fn search(len: usize, compare: impl Fn(usize) -> std::cmp::Ordering) -> Option<usize> {
    let at = partition(len, |at| compare(at).is_lt());
    (at < len && compare(at).is_eq()).then_some(at)
}
