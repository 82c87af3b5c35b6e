//! Puts one file or symlink into its place, and keeps what a person had there.

use super::WasRecorded;
use super::beneath::Beneath;
use super::list::Thing;
use super::look::{Known, There, is_away, link_in, stream, there};
use super::write::{Aside, Before, Staged};
use crate::base::digest::Stream;
use crate::base::{BlobRef, Digest, RepoPath};
use crate::cache::kept::{Keep, Keeping, KeptKind};
use crate::tree::FileStat;
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::PathBuf;
use std::sync::Mutex;

/// Why something was not put into its place. What stood there stands there still.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// The entry is none that a step could have made.
    #[error("the entry is refused: {0}")]
    Refused(#[from] super::Refused),
    /// Something that wf neither made nor can keep.
    #[error("`{path}` is {what}, which wf does not replace")]
    InTheWay {
        /// Where.
        path: RepoPath,
        /// What it is.
        what: &'static str,
    },
    /// The store has it no more.
    #[error("the content of `{path}` is not in the store")]
    Missing {
        /// Of which output.
        path: RepoPath,
        /// Its name.
        blob: BlobRef,
    },
    /// The store has other bytes under its name.
    #[error("the content of `{path}` in the store is damaged")]
    Damaged {
        /// Of which output.
        path: RepoPath,
        /// Its name.
        blob: BlobRef,
    },
    /// The store cannot be read.
    #[error("cannot read the content of `{path}` from the store")]
    Store {
        /// Of which output.
        path: RepoPath,
        /// What the store said.
        source: io::Error,
    },
    /// The tree cannot be read or written.
    #[error("cannot put `{path}` into its place")]
    Tree {
        /// Where.
        path: RepoPath,
        /// What the file system said.
        source: io::Error,
    },
    /// What stood there cannot be kept, so it stays.
    #[error("cannot keep the present version of `{path}`, so it is not replaced")]
    Keep {
        /// Where.
        path: RepoPath,
        /// What happened.
        source: io::Error,
    },
    /// Somebody writes the same place all the time.
    #[error("`{0}` changes all the time")]
    Restless(RepoPath),
}

/// How often a place that changes while it is looked at is looked at again.
const TRIES: usize = 8;

/// Who puts things into places below one root.
pub struct Placing<'a> {
    /// The root.
    pub beneath: &'a Beneath,
    /// What is known of files without reading them.
    pub known: &'a dyn Known,
    /// What wf recorded, and may replace.
    pub recorded: &'a WasRecorded<'a>,
    /// Where the rest is kept.
    pub keep: &'a Keep<'a>,
    /// Of what a version was kept.
    pub kept: &'a Mutex<Vec<RepoPath>>,
}

/// What is to be in a file.
pub struct Content<'a> {
    /// The name of the bytes.
    pub blob: &'a BlobRef,
    /// May it be executed?
    pub executable: bool,
    /// Opens the bytes, which are not trusted. None: they are not there.
    pub open: &'a dyn Fn() -> io::Result<Option<Box<dyn Read + Send>>>,
    /// A file that should have the bytes, to share its blocks.
    pub local: &'a dyn Fn() -> Option<PathBuf>,
}

/// Sharing blocks pays from here on.
const LARGE: u64 = 1 << 20;

impl Placing<'_> {
    /// A file. `folder` holds it. Says whether it had to be written.
    pub fn file(
        &self,
        folder: BorrowedFd<'_>,
        path: &RepoPath,
        now: Option<There>,
        wanted: &Content<'_>,
    ) -> Result<bool, Why> {
        if let Some(There::File { digest, executable, .. }) = &now
            && (digest, executable) == (&wanted.blob.digest, &wanted.executable)
        {
            return Ok(false);
        }
        refuse_what_stays(path, now.as_ref())?;
        let mut staged = Staged::file(folder, wanted.executable).map_err(|source| tree(path, source))?;
        if let Some(file) = staged.open() {
            fill(file, path, wanted)?;
        }
        self.settle(folder, path, now, staged)
    }

    /// A symlink.
    pub fn symlink(
        &self,
        folder: BorrowedFd<'_>,
        path: &RepoPath,
        now: Option<There>,
        target: &[u8],
    ) -> Result<bool, Why> {
        if matches!(&now, Some(There::Symlink { target: t, .. }) if t == target) {
            return Ok(false);
        }
        refuse_what_stays(path, now.as_ref())?;
        let staged = Staged::symlink(folder, target).map_err(|source| tree(path, source))?;
        self.settle(folder, path, now, staged)
    }

    /// The folder that is to hold something; made if it is missing.
    pub fn folder(&self, path: &RepoPath) -> Result<OwnedFd, Why> {
        self.beneath.make_folder(path).map_err(|source| tree(path, source))
    }

    /// What is there now.
    pub fn look_at(&self, folder: BorrowedFd<'_>, path: &RepoPath) -> Result<Option<There>, Why> {
        there(self.beneath, folder, path, self.known).map_err(|source| tree(path, source))
    }

    fn settle(
        &self,
        folder: BorrowedFd<'_>,
        path: &RepoPath,
        mut now: Option<There>,
        mut staged: Staged<'_>,
    ) -> Result<bool, Why> {
        for _ in 0..TRIES {
            refuse_what_stays(path, now.as_ref())?;
            let placed = match &now {
                None => staged.place(path.file_name()).map(|()| Before::AsExpected),
                Some(there) => {
                    let seen = self.keep_first(path, there)?;
                    staged.replace(path.file_name(), &seen)
                }
            };
            match placed {
                Ok(Before::AsExpected) => return Ok(true),
                Ok(Before::Other(aside)) => return self.keep_aside(path, aside).map(|()| true),
                Err(error) => match error.kind() {
                    io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound | io::ErrorKind::WouldBlock => {}
                    io::ErrorKind::IsADirectory => return Err(in_the_way(path, "a folder")),
                    _ => return Err(tree(path, error)),
                },
            }
            now = match there(self.beneath, folder, path, self.known) {
                Err(error) if is_away(&error) => None,
                now => now.map_err(|source| tree(path, source))?,
            };
        }
        Err(Why::Restless(path.clone()))
    }

    /// Keeps what is there, unless wf made it. Hands back what it looks like.
    fn keep_first(&self, path: &RepoPath, there: &There) -> Result<FileStat, Why> {
        let kept = |source| Why::Keep { path: path.clone(), source };
        match there {
            There::File { stat, digest, executable } => {
                if !(self.recorded)(path, digest) {
                    let (mut file, _) = self.beneath.file(path).map_err(kept)?;
                    self.keep(path, file_kind(*executable), &mut file)?;
                }
                Ok(*stat)
            }
            There::Symlink { stat, target } => {
                if !(self.recorded)(path, &Digest::of_bytes(target)) {
                    self.keep(path, KeptKind::Symlink, &mut &target[..])?;
                }
                Ok(*stat)
            }
            There::Folder => Err(in_the_way(path, "a folder")),
            There::Special(what) => Err(in_the_way(path, what)),
        }
    }

    /// Keeps what came between the look and the exchange. If that cannot be, it goes back where it was.
    fn keep_aside(&self, path: &RepoPath, aside: Aside<'_>) -> Result<(), Why> {
        let kept = |source| Why::Keep { path: path.clone(), source };
        let keep = || match aside_bytes(&aside).map_err(kept)? {
            AsideBytes::File(mut file, executable) => self.keep(path, file_kind(executable), &mut file),
            AsideBytes::Symlink(target) => self.keep(path, KeptKind::Symlink, &mut &target[..]),
        };
        keep().inspect_err(|_| aside.put_back(path.file_name()))
    }

    fn keep(&self, path: &RepoPath, kind: KeptKind, bytes: &mut dyn Read) -> Result<(), Why> {
        let version = Keeping { path: path.clone(), kind, bytes: Box::new(bytes) };
        self.keep.keep([Ok(version)]).map_err(|(path, source)| Why::Keep { path, source })?;
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !kept.contains(path) {
            kept.push(path.clone());
        }
        Ok(())
    }
}

enum AsideBytes {
    File(File, bool),
    Symlink(Vec<u8>),
}

fn aside_bytes(aside: &Aside<'_>) -> io::Result<AsideBytes> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(aside.folder.as_fd(), aside.name.as_str(), flags, Mode::empty()) {
        Ok(file) => {
            let stat = rustix::fs::fstat(&file)?;
            if !matches!(super::list::thing(&stat), Thing::File { .. }) {
                return Err(io::Error::other("it became something that is no file"));
            }
            Ok(AsideBytes::File(file.into(), super::beneath::executable(&stat)))
        }
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::MLINK) => {
            Ok(AsideBytes::Symlink(link_in(aside.folder, aside.name.as_bytes())?))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn file_kind(executable: bool) -> KeptKind {
    if executable { KeptKind::Executable } else { KeptKind::File }
}

fn refuse_what_stays(path: &RepoPath, now: Option<&There>) -> Result<(), Why> {
    match now {
        Some(There::Folder) => Err(in_the_way(path, "a folder")),
        Some(There::Special(what)) => Err(in_the_way(path, what)),
        _ => Ok(()),
    }
}

pub(super) fn in_the_way(path: &RepoPath, what: &'static str) -> Why {
    Why::InTheWay { path: path.clone(), what }
}

pub(super) fn tree(path: &RepoPath, source: io::Error) -> Why {
    Why::Tree { path: path.clone(), source }
}

/// Writes the bytes, which have to be those that the blob's name says.
fn fill(file: &mut File, path: &RepoPath, wanted: &Content<'_>) -> Result<(), Why> {
    let blob = *wanted.blob;
    if blob.size >= LARGE && share(file, wanted).map_err(|source| tree(path, source))? {
        return Ok(());
    }
    let store = |source| Why::Store { path: path.clone(), source };
    let damaged = || Why::Damaged { path: path.clone(), blob };
    let from = (wanted.open)().map_err(store)?.ok_or_else(|| {
        // Bytes of another number are none to the store; that there are some tells damage from loss.
        let is_there = (wanted.local)().is_some_and(|file| file.symlink_metadata().is_ok());
        if is_there { damaged() } else { Why::Missing { path: path.clone(), blob } }
    })?;
    // One byte more than there may be: a blob that never ends does not fill the disk.
    let mut from = from.take(blob.size.saturating_add(1));
    let (mut sum, mut size) = (Stream::default(), 0);
    let mut buffer = vec![0; usize::try_from(blob.size.saturating_add(1)).unwrap_or(usize::MAX).min(128 << 10)];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(store(error)),
        };
        sum.add(&buffer[..n]);
        size += n as u64;
        if size > blob.size {
            return Err(damaged());
        }
        file.write_all(&buffer[..n]).map_err(|source| tree(path, source))?;
    }
    if size == blob.size && sum.finish() == blob.digest { Ok(()) } else { Err(damaged()) }
}

/// Shares the blocks of the store's file, where the file system can, and verifies what came of it. False: the bytes are to be
/// copied.
fn share(file: &mut File, wanted: &Content<'_>) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    if let Some(source) = (wanted.local)() {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(source) = rustix::fs::open(&source, flags, Mode::empty()) else { return Ok(false) };
        if rustix::fs::ioctl_ficlone(&*file, &source).is_ok() {
            if stream(&mut (&*file).take(wanted.blob.size.saturating_add(1)))? == (wanted.blob.digest, wanted.blob.size)
            {
                return Ok(true);
            }
            file.set_len(0)?;
            io::Seek::rewind(file)?;
        }
    }
    let _ = (file, wanted);
    Ok(false)
}
