//! The scratch tree: one for each worktree, kept between hooks, outside of the repository, held by one hook at a time.
//!
//! Does not know: how git fills it (`git::Twin`), what runs in it.

use super::shared::{self, Shared};
use crate::base::{Digest, RepoPath};
use crate::git::{Repo, Twin, TwinError};
use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A scratch tree, held.
#[derive(Debug)]
pub struct Scratch {
    /// Its repository.
    pub twin: Twin,
    /// What steps in it need.
    pub shared: Shared,
    /// Let go when dropped, or when wf ends in whatever way.
    _lock: File,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Its place is inside of the repository, where linters would find the wrong settings and the wrong ignore files.
    #[error("the scratch tree would be inside of the repository ({})", .0.display())]
    Inside(PathBuf),
    /// It cannot be written.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// git does not fill it.
    #[error(transparent)]
    Twin(#[from] TwinError),
    /// A folder of dependencies cannot be shared.
    #[error(transparent)]
    Shared(#[from] shared::Problem),
}

/// Where all of them are, in the folder of the user's caches.
const PLACES: &str = "wf/scratch";
/// The file that names the worktree it is of, so that it can go when that is gone.
const OF: &str = "of";

/// The folder that holds the scratch tree of a worktree. `home`: where the user's caches are.
pub fn place(home: &Path, worktree: &Path) -> PathBuf {
    let name = Digest::of_bytes(worktree.as_os_str().as_encoded_bytes()).short();
    home.join(PLACES).join(name)
}

impl Scratch {
    /// Takes the scratch tree of a worktree, and shares these ignored folders with it. `wait` is called once if another
    /// hook holds it.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn open(repo: &Repo, home: &Path, folders: &[RepoPath], wait: &dyn Fn()) -> Result<Self, Problem> {
        let place = place(home, repo.root());
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| Problem::Io { path, error }
        };
        std::fs::create_dir_all(&place).map_err(at(&place))?;
        let real = place.canonicalize().map_err(at(&place))?;
        if real.starts_with(repo.root()) || real.starts_with(repo.main_root()) {
            return Err(Problem::Inside(real));
        }
        let path = real.join("lock");
        let lock = File::options().create(true).append(true).open(&path).map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                wait();
                lock.lock().map_err(at(&path))?;
            }
            Err(TryLockError::Error(error)) => return Err(at(&path)(error)),
        }
        // It was removed while this hook waited.
        let inode = |about: std::fs::Metadata| about.ino();
        if path.metadata().ok().map(inode) != lock.metadata().ok().map(inode) {
            return Self::open(repo, home, folders, wait);
        }
        let (of, worktree) = (real.join(OF), repo.root().as_os_str().as_bytes());
        if std::fs::read(&of).ok().as_deref() != Some(worktree) {
            std::fs::write(&of, worktree).map_err(at(&of))?;
            sweep(&home.join(PLACES));
        }
        // Tools show the folder's name, and some take the project's from it.
        let tree = real.join(repo.root().file_name().unwrap_or(OsStr::new("tree")));
        let twin = Twin::open(repo, &tree, folders)?;
        Ok(Self { twin, shared: Shared::default(), _lock: lock })
    }

    /// Fills it with this tree, HEAD at a commit and on a branch, and links the shared folders. Returns whether any file had
    /// to be touched.
    ///
    /// # Errors
    /// git does not fill it, or a folder cannot be shared.
    pub fn fill(
        &mut self,
        repo: &Repo,
        tree: &str,
        (head, branch): (Option<&str>, Option<&str>),
        folders: &[RepoPath],
    ) -> Result<bool, Problem> {
        let touched = self.twin.follow(tree, head, branch)?;
        let notes = self.twin.root().with_file_name("shared");
        self.shared = shared::share(repo.root(), self.twin.root(), &notes, folders)?;
        Ok(touched)
    }
}

/// Removes those whose worktree is gone. What cannot be removed stays: it only takes room.
fn sweep(places: &Path) {
    for place in std::fs::read_dir(places).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let Ok(of) = std::fs::read(place.join(OF)) else { continue };
        let is_gone = matches!(Path::new(OsStr::from_bytes(&of)).try_exists(), Ok(false));
        let lock = File::options().append(true).open(place.join("lock"));
        if is_gone && lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = std::fs::remove_dir_all(&place);
        }
    }
}

/// Removes the scratch tree of a worktree, if there is one; nothing of the user's is in it. False: a hook holds it.
///
/// # Errors
/// It cannot be removed.
pub fn remove(home: &Path, worktree: &Path) -> io::Result<bool> {
    let place = place(home, worktree);
    // Held until all is gone; a hook that waits for it makes a new one.
    let _lock = match File::options().append(true).open(place.join("lock")) {
        Ok(lock) => match lock.try_lock() {
            Ok(()) => Some(lock),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    match std::fs::remove_dir_all(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(true),
    }
}
