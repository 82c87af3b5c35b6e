//! Versions of files that wf was about to replace and had not made itself: a person's, kept until they want them back.
//!
//! They lie apart from the results (`kept/` in the cache's folder), because nothing that evicts, clears or damages results may
//! touch the only copy of somebody's work. For the same reason, and unlike results, they are written through to the disk.
//!
//! `kept/list` has one line of JSON for each version; `kept/<digest>` has its bytes.

use crate::base::{BlobRef, RepoPath, RunId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Raised when a line of the list means something else than before.
pub const FORMAT: u32 = 1;
/// Longer than any list that people made: a damaged one does not fill the memory.
const LIST_MAX: u64 = 256 << 20;

/// One version that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The format of this line.
    pub format: u32,
    /// The run that replaced it.
    pub run: RunId,
    /// When: milliseconds since 1970.
    pub at_ms: u64,
    /// In which worktree: its root, as bytes of a path.
    pub worktree: RepoPath,
    /// Where it was.
    pub path: RepoPath,
    /// What it was.
    pub kind: KeptKind,
    /// Its bytes; a symlink's are its target.
    pub blob: BlobRef,
}

/// What a kept version was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptKind {
    /// A file.
    File,
    /// A file that its owner may execute.
    Executable,
    /// A symlink.
    Symlink,
}

/// The place where versions are kept.
#[derive(Debug)]
pub struct Kept {
    dir: PathBuf,
}

/// What is kept, and for whom: handed to whoever may replace files.
#[derive(Debug)]
pub struct Keep<'a> {
    /// Where.
    pub kept: &'a Kept,
    /// The run that replaces.
    pub run: &'a RunId,
    /// Now: milliseconds since 1970.
    pub at_ms: u64,
    /// The root of the tree that is worked in.
    pub worktree: &'a Path,
}

impl Keep<'_> {
    /// Keeps a version. When this returns, its bytes and the record of it are on the disk.
    pub fn keep(&self, path: &RepoPath, kind: KeptKind, bytes: &mut dyn Read) -> io::Result<()> {
        let _lock = self.kept.lock()?;
        let blob = self.kept.put(bytes)?;
        let (run, path, worktree) = (self.run.clone(), path.clone(), worktree_name(self.worktree));
        self.kept.append(&Version { format: FORMAT, run, at_ms: self.at_ms, worktree, path, kind, blob })
    }
}

/// A worktree as it is written into the list.
pub fn worktree_name(root: &Path) -> RepoPath {
    RepoPath::from_bytes(root.as_os_str().as_bytes())
}

impl Kept {
    /// The versions kept in this cache. Nothing is made until there is something to keep.
    pub fn open(cache: &Path) -> Self {
        Self { dir: cache.join("kept") }
    }

    /// Everything kept, the newest first; and how many lines say nothing this wf understands.
    pub fn list(&self) -> io::Result<(Vec<Version>, usize)> {
        let mut text = Vec::new();
        match self.read_only(&self.dir.join("list")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            file => {
                file?.take(LIST_MAX).read_to_end(&mut text)?;
            }
        }
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let (mut versions, mut strange) = (Vec::new(), 0);
        for line in lines {
            match serde_json::from_slice::<Version>(line) {
                Ok(version) if version.format == FORMAT => versions.push(version),
                _ => strange += 1,
            }
        }
        versions.reverse();
        Ok((versions, strange))
    }

    /// A kept version's bytes. They are to be verified.
    pub fn get(&self, blob: &BlobRef) -> io::Result<Option<File>> {
        match self.read_only(&self.dir.join(blob.digest.to_string())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            file => file.map(Some),
        }
    }

    /// Forgets what was kept before that time; lines that this wf does not understand stay. Says how many were forgotten.
    pub fn forget(&self, before_ms: u64) -> io::Result<usize> {
        if !self.dir.exists() {
            return Ok(0);
        }
        let _lock = self.lock()?;
        let (versions, strange) = self.list()?;
        let (stay, go): (Vec<_>, Vec<_>) = versions.into_iter().partition(|version| version.at_ms >= before_ms);
        // What a newer wf wrote may name any of the blobs.
        if go.is_empty() || strange > 0 {
            return Ok(0);
        }
        let mut text = Vec::new();
        for version in stay.iter().rev() {
            serde_json::to_writer(&mut text, version)?;
            text.push(b'\n');
        }
        let mut list = self.temp()?;
        list.write_all(&text)?;
        list.as_file().sync_all()?;
        list.persist(self.dir.join("list"))?;
        let named: BTreeSet<_> = stay.iter().map(|version| version.blob).collect();
        for version in go.iter().filter(|version| !named.contains(&version.blob)) {
            match std::fs::remove_file(self.dir.join(version.blob.digest.to_string())) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(go.len())
    }

    /// Alone in the folder until dropped: forgetting must not overtake keeping.
    fn lock(&self) -> io::Result<File> {
        self.make()?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600).custom_flags(NOFOLLOW);
        let file = options.open(self.dir.join("lock"))?;
        file.lock()?;
        Ok(file)
    }

    fn put(&self, bytes: &mut dyn Read) -> io::Result<BlobRef> {
        let mut file = self.temp()?;
        let mut hashing = Hashing { to: file.as_file_mut(), sum: crate::base::digest::Stream::default() };
        let size = io::copy(bytes, &mut hashing)?;
        let blob = BlobRef { digest: hashing.sum.finish(), size };
        file.as_file().sync_all()?;
        file.persist(self.dir.join(blob.digest.to_string()))?;
        File::open(&self.dir)?.sync_all()?;
        Ok(blob)
    }

    fn append(&self, version: &Version) -> io::Result<()> {
        // In one write, and a line end first: what another process left torn is a line of its own.
        let mut line = vec![b'\n'];
        serde_json::to_writer(&mut line, version)?;
        line.push(b'\n');
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600).custom_flags(NOFOLLOW);
        let mut list = options.open(self.dir.join("list"))?;
        list.write_all(&line)?;
        list.sync_all()
    }

    fn make(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.dir)?;
        if std::fs::symlink_metadata(&self.dir)?.is_dir() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is a symlink", self.dir.display())))
    }

    fn temp(&self) -> io::Result<tempfile::NamedTempFile> {
        tempfile::Builder::new().prefix(".tmp-").tempfile_in(&self.dir)
    }

    fn read_only(&self, path: &Path) -> io::Result<File> {
        if self.dir.symlink_metadata()?.is_symlink() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is a symlink", self.dir.display())));
        }
        let file = OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(path)?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
    }
}

const NOFOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::NONBLOCK).bits().cast_signed();

struct Hashing<'a> {
    to: &'a mut File,
    sum: crate::base::digest::Stream,
}

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.sum.add(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
