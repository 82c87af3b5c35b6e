//! Blobs as files of this machine: `cas/ab/cdef…` by SHA-256.
//!
//! A blob is written to a temporary file and renamed, so that it is there whole or not at all. Nothing waits for the disk:
//! what a power cut leaves of a blob is found out by who reads it.

use super::{Store, copy};
use crate::base::{BlobRef, Digest};
use crate::cache::folder::{Folder, cache_place};
use crate::cache::{CachePlace, Limits, Refused, file, size};
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How temporary files are called; no blob is.
const TEMP: &str = ".tmp-";

/// The local store.
#[derive(Clone, Debug)]
pub struct Disk {
    pub(super) folder: Arc<Folder>,
}

impl Disk {
    /// The store in a cache folder.
    pub fn new(folder: &Arc<Folder>) -> Self {
        Self { folder: Arc::clone(folder) }
    }

    /// The store in the folder `cache` of a state folder, with the limits that everybody has.
    pub fn open(state_root: &Path, now_ms: u64) -> Self {
        let place: CachePlace = cache_place(state_root, None);
        Self { folder: Folder::open(&place, Limits::default(), now_ms).0 }
    }

    /// Where a blob's file is, if it is there.
    pub fn path_of(&self, blob: &BlobRef) -> PathBuf {
        let (fan, rest) = names(&blob.digest);
        self.folder.path("cas").join(fan).join(rest)
    }

    /// Keeps `size` bytes, whatever they are, in one pass over them.
    ///
    /// # Errors
    /// As [`Store::put`]; also when there are not exactly so many.
    pub fn add(&self, size: u64, bytes: &mut dyn Read) -> io::Result<BlobRef> {
        let temp = Temp::create(&self.folder, size)?;
        let digest = copy(size, bytes, &mut &temp.file)?;
        let blob = BlobRef { digest, size };
        let (fan, rest) = (self.fan(&digest)?, names(&digest).1);
        if !Self::is_there(&fan, &rest, size)? {
            temp.rename(&fan, &rest)?;
        }
        Ok(blob)
    }

    /// Removes a blob whose bytes are not what its name says. A right one stays.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn forget(&self, blob: &BlobRef) -> io::Result<()> {
        let path = self.path_of(blob);
        let mut file = match file::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        let size = file.metadata()?.len();
        if size != blob.size || copy(size, &mut file, &mut io::sink())? != blob.digest {
            self.fan(&blob.digest)?;
            let held = self.folder.hold()?;
            std::fs::remove_file(&path)?;
            held.give_back(size::cost(size))?;
        }
        Ok(())
    }

    /// The folder of a blob, opened; it is made if it is missing.
    fn fan(&self, digest: &Digest) -> io::Result<OwnedFd> {
        let cas = self.folder.cas()?;
        let fan = names(digest).0;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(cas, &fan, flags, Mode::empty());
        match open() {
            Err(Errno::NOENT) => {
                let held = self.folder.hold()?;
                held.take(size::FOLDER)?;
                match rustix::fs::mkdirat(cas, &fan, Mode::RWXU) {
                    Ok(()) => {}
                    Err(error) => {
                        held.give_back(size::FOLDER)?;
                        if error != Errno::EXIST {
                            return Err(error.into());
                        }
                    }
                }
                Ok(open()?)
            }
            fan => Ok(fan?),
        }
    }

    /// Is there a file of this name and size? Then it is marked as wanted, so that no sweep takes it now.
    fn is_there(fan: &OwnedFd, rest: &str, size: u64) -> io::Result<bool> {
        match rustix::fs::statat(fan, rest, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_file() && stat.st_size as u64 == size => {}
            Ok(_) | Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        match rustix::fs::utimensat(fan, rest, &times, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(false),
            // It is there all the same; that it cannot be marked costs at most a miss later.
            _ => Ok(true),
        }
    }
}

impl Store for Disk {
    fn get(&self, blob: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>> {
        if self.folder.problem().is_some() {
            return Ok(None);
        }
        match file::read(&self.path_of(blob)) {
            Ok(file) if file.metadata()?.len() == blob.size => Ok(Some(Box::new(file))),
            Ok(_) => Ok(None),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn put(&self, blob: &BlobRef, bytes: &mut dyn Read) -> io::Result<()> {
        let (fan, rest) = (self.fan(&blob.digest)?, names(&blob.digest).1);
        if Self::is_there(&fan, &rest, blob.size)? {
            return Ok(());
        }
        let temp = Temp::create(&self.folder, blob.size)?;
        if copy(blob.size, bytes, &mut &temp.file)? != blob.digest {
            return Err(Refused::NotTheBlob.into());
        }
        temp.rename(&fan, &rest)
    }

    fn name(&self) -> &'static str {
        "local"
    }

    fn add_file(&self, size: u64, file: &mut File) -> io::Result<BlobRef> {
        self.add(size, file)
    }

    fn file_of(&self, blob: &BlobRef) -> Option<PathBuf> {
        Some(self.path_of(blob))
    }
}

/// Which blobs are there, each asked for once. Wants the lock, so that none goes meanwhile.
pub(in crate::cache) struct Present<'a> {
    cas: BorrowedFd<'a>,
    seen: HashSet<BlobRef>,
}

impl<'a> Present<'a> {
    pub(in crate::cache) fn new(folder: &'a Folder) -> io::Result<Self> {
        Ok(Self { cas: folder.cas()?, seen: HashSet::new() })
    }

    pub(in crate::cache) fn has(&mut self, blob: &BlobRef) -> bool {
        if self.seen.contains(blob) {
            return true;
        }
        let (fan, rest) = names(&blob.digest);
        let there = rustix::fs::statat(self.cas, format!("{fan}/{rest}"), AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file() && stat.st_size as u64 == blob.size);
        if there {
            self.seen.insert(*blob);
        }
        there
    }
}

/// The folder and the file of a blob.
pub(in crate::cache) fn names(digest: &Digest) -> (String, String) {
    let mut fan = digest.to_string();
    let rest = fan.split_off(2);
    (fan, rest)
}

/// A file that is not yet a blob. Removed when dropped.
///
/// It has its full length from the start, and begins and ends under the lock: whoever counts meanwhile counts it whole.
struct Temp<'a> {
    folder: &'a Arc<Folder>,
    name: String,
    file: File,
    cost: u64,
    renamed: bool,
}

impl<'a> Temp<'a> {
    fn create(folder: &'a Arc<Folder>, size: u64) -> io::Result<Self> {
        let cost = size::cost(size);
        let held = folder.hold()?;
        held.take(cost)?;
        match Self::sized(folder, size) {
            Ok((name, file)) => Ok(Self { folder, name, file, cost, renamed: false }),
            Err(error) => {
                held.give_back(cost)?;
                Err(error)
            }
        }
    }

    /// A new file of so many bytes, none of which takes room yet.
    fn sized(folder: &Folder, size: u64) -> io::Result<(String, File)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let cas = folder.cas()?;
        loop {
            // Two machines, or two containers, may share a folder and process ids: then the name is taken.
            let name = format!("{TEMP}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            match rustix::fs::openat(cas, &name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => {
                    let file = File::from(file);
                    return match file.set_len(size) {
                        Ok(()) => Ok((name, file)),
                        Err(error) => {
                            rustix::fs::unlinkat(cas, &name, AtFlags::empty())?;
                            Err(error)
                        }
                    };
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Makes it the blob, unless somebody else was faster.
    fn rename(mut self, fan: &OwnedFd, rest: &str) -> io::Result<()> {
        let cas = self.folder.cas()?;
        match rustix::fs::renameat_with(cas, &self.name, fan.as_fd(), rest, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.renamed = true;
                return Ok(());
            }
            // A file of another size is in the way, or this file system cannot tell; then the last one wins.
            Err(Errno::EXIST) => {
                let there = rustix::fs::statat(fan, rest, AtFlags::SYMLINK_NOFOLLOW);
                let ours = rustix::fs::fstat(&self.file)?.st_size;
                if there.is_ok_and(|stat| stat.st_size == ours) {
                    return Ok(());
                }
            }
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
        rustix::fs::renameat(cas, &self.name, fan.as_fd(), rest)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if self.renamed {
            return;
        }
        // If this fails the number stays too large, and the file there, until somebody sweeps.
        if let (Ok(held), Ok(cas)) = (self.folder.hold(), self.folder.cas())
            && rustix::fs::unlinkat(cas, &self.name, AtFlags::empty()).is_ok()
        {
            let _ = held.give_back(self.cost);
        }
    }
}
