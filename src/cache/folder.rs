//! The cache's folder: where it is, that it ignores itself, its format, and the lock under which its size is kept.
//!
//! Several processes and worktrees share it. Opening it to look writes nothing; the first write makes what is missing.

use super::{Limits, Problem, Refused, file};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The folder's format: which files lie where. The files in it have formats of their own.
pub const FORMAT: u32 = 1;
/// So long a process waits for others; then it stores nothing. A cache never holds up a run.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a cache is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CachePlace {
    /// The folder.
    pub dir: PathBuf,
    /// Did a person choose it? Then symlinks on the way are theirs, and missing parents are made.
    pub chosen: bool,
}

/// The place of the cache: `cache` in the state folder, or what a person says (`WF_CACHE_DIR`, absolute).
pub fn cache_place(state_root: &Path, chosen: Option<&Path>) -> CachePlace {
    match chosen {
        Some(dir) => CachePlace { dir: dir.into(), chosen: true },
        None => CachePlace { dir: state_root.join("cache"), chosen: false },
    }
}

impl CachePlace {
    /// Is anything recorded there at all? Costs one look, so that plans without a cache cost nothing more.
    pub fn holds_anything(&self) -> bool {
        self.dir.join("actions").symlink_metadata().is_ok_and(|meta| meta.len() > 0)
    }
}

/// One cache folder, shared by everything that works in it.
#[derive(Debug)]
pub struct Folder {
    place: CachePlace,
    limits: Limits,
    /// None: it can be used.
    problem: Option<Problem>,
    opened: (Instant, u64),
    /// The folder of blobs, once there was something to write.
    cas: OnceLock<OwnedFd>,
    /// The file that is locked, which also says how much the blobs take.
    size: Mutex<Option<File>>,
}

impl Folder {
    /// Opens a cache. Never fails: one that cannot be used holds nothing and takes nothing. `now_ms`: since 1970.
    pub fn open(place: &CachePlace, limits: Limits, now_ms: u64) -> (Arc<Self>, Option<Problem>) {
        let problem = check(place).err();
        let opened = (Instant::now(), now_ms);
        let (cas, size) = (OnceLock::new(), Mutex::new(None));
        let folder = Self { place: place.clone(), limits, problem: problem.clone(), opened, cas, size };
        (Arc::new(folder), problem)
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.place.dir
    }

    /// The index of digests of one working tree.
    pub fn digests_of(&self, root: &Path) -> PathBuf {
        let name = crate::base::Digest::of_bytes(root.as_os_str().as_encoded_bytes()).short();
        self.path("digests").join(name)
    }

    /// What tools said in one working tree.
    pub(super) fn tools_of(&self, root: &Path) -> PathBuf {
        let name = crate::base::Digest::of_bytes(root.as_os_str().as_encoded_bytes()).short();
        self.path("tools").join(name)
    }

    /// What it may keep.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Why it cannot be used, if so.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// Milliseconds since 1970, on a clock that does not go back while this is open.
    pub fn now_ms(&self) -> u64 {
        self.opened.1 + self.opened.0.elapsed().as_millis() as u64
    }

    /// A file in it.
    pub(super) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.place.dir.join(name.as_ref())
    }

    /// Makes it, if it is not there yet.
    ///
    /// # Errors
    /// It cannot be used or written.
    pub fn make(&self) -> io::Result<()> {
        self.cas().map(drop)
    }

    /// The folder of blobs, to write into. Makes what is missing.
    pub(super) fn cas(&self) -> io::Result<BorrowedFd<'_>> {
        if let Some(cas) = self.cas.get() {
            return Ok(cas.as_fd());
        }
        if let Some(problem) = &self.problem {
            return Err(Refused::Unusable(problem.clone()).into());
        }
        let dir = &self.place.dir;
        if self.place.chosen {
            std::fs::create_dir_all(dir)?;
        } else {
            file::folder(dir)?;
        }
        file::whole_if_missing(&dir.join(".gitignore"), b"*\n")?;
        file::whole_if_missing(&dir.join("format"), format!("{FORMAT}\n").as_bytes())?;
        let cas = dir.join("cas");
        file::folder(&cas)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let cas = rustix::fs::open(&cas, flags, Mode::empty())?;
        Ok(self.cas.get_or_init(|| cas).as_fd())
    }

    /// Takes the folder for this thread of this process alone.
    pub(super) fn hold(self: &Arc<Self>) -> io::Result<Held<'_>> {
        self.cas()?;
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        if size.is_none() {
            *size = Some(file::update(&self.path("size"))?);
        }
        if let Some(file) = size.as_ref() {
            lock(file)?;
        }
        Ok(Held { folder: self, size })
    }
}

/// The folder, held. Let go when dropped.
pub(super) struct Held<'a> {
    pub(super) folder: &'a Arc<Folder>,
    size: MutexGuard<'a, Option<File>>,
}

impl Held<'_> {
    /// The file of the size, which is the lock too.
    pub(super) fn size(&self) -> io::Result<&File> {
        self.size.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.size.as_ref() {
            let _ = file.unlock();
        }
    }
}

fn lock(file: &File) -> io::Result<()> {
    let (began, mut pause) = (Instant::now(), Duration::from_micros(100));
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Err(Refused::Busy.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// What lies in a cache. A folder that a person names and that holds something else is not taken for one.
const OURS: &[&str] = &["format", ".gitignore", "cas", "actions", "size", "digests", "kept", "tools"];

/// Is there anything that no cache has?
fn is_foreign(dir: &Path) -> bool {
    let names = std::fs::read_dir(dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.file_name()));
    let mut names = names.filter(|name| !name.as_encoded_bytes().starts_with(b".tmp-"));
    names.any(|name| !OURS.iter().any(|ours| name == *ours))
}

/// May this folder be used?
fn check(place: &CachePlace) -> Result<(), Problem> {
    let dir = &place.dir;
    let cas = dir.join("cas");
    for path in [&cas].into_iter().chain((!place.chosen).then_some(dir)) {
        if path.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            return Err(Problem::Symlink { path: path.clone() });
        }
    }
    let path = dir.join("format");
    let mut text = String::new();
    let read = file::read(&path).and_then(|file| io::Read::read_to_string(&mut io::Read::take(file, 64), &mut text));
    match read {
        // Nothing of a person's is hidden from git, or counted, because its folder was named by mistake.
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_foreign(dir) => {
            Err(Problem::Foreign { path: dir.clone() })
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(Problem::Unreadable { path, message: error.to_string() }),
        Ok(_) => match text.trim().parse::<u32>() {
            Ok(FORMAT) => Ok(()),
            Ok(found) if found > FORMAT => Err(Problem::Newer { path: dir.clone(), found, known: FORMAT }),
            _ => Err(Problem::Foreign { path }),
        },
    }
}
