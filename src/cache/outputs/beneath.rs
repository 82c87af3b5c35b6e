//! Opening things below a folder, whatever the paths say and whoever swaps folders for symlinks meanwhile.
//!
//! Linux resolves a whole path in one call that refuses symlinks and leaving (`openat2`); where that is missing, folder by
//! folder without following the last name. Nothing here resolves a path in any other way.

use crate::base::RepoPath;
use crate::tree::FileStat;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A folder, and the way to what is below it.
#[derive(Debug)]
pub struct Beneath {
    folder: OwnedFd,
    path: PathBuf,
}

/// A folder as a place: enough to reach what is in it.
#[cfg(target_os = "linux")]
const PLACE: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PLACE: OFlags = OFlags::RDONLY;

impl Beneath {
    /// The working tree's root. Symlinks on the way to the root itself are its owner's.
    pub fn open(root: &Path) -> io::Result<Self> {
        let flags = PLACE | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { folder: rustix::fs::openat(CWD, root, flags, Mode::empty())?, path: root.into() })
    }

    /// The root, to compare and to name.
    pub fn root(&self) -> &Path {
        &self.path
    }

    /// A folder as a place.
    ///
    /// # Errors
    /// `NotFound`; `NotADirectory` or `FilesystemLoop` when something else, or a symlink, is on the way.
    pub fn folder(&self, path: &RepoPath) -> io::Result<OwnedFd> {
        self.open_at(path, PLACE | OFlags::DIRECTORY)
    }

    /// A folder to list.
    pub(super) fn listing(&self, path: &RepoPath) -> io::Result<OwnedFd> {
        self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// A folder; it and those above it are made if they are missing.
    pub fn make_folder(&self, path: &RepoPath) -> io::Result<OwnedFd> {
        match self.folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_root() => {}
            done => return done,
        }
        let above = self.make_folder(&path.parent())?;
        match rustix::fs::mkdirat(&above, path.file_name(), Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => step(&above, path.file_name(), PLACE | OFlags::DIRECTORY),
            Err(error) => Err(error.into()),
        }
    }

    /// A regular file to read, and what the file system says of it.
    ///
    /// # Errors
    /// As [`Self::folder`]; `InvalidInput` when it is no regular file.
    pub fn file(&self, path: &RepoPath) -> io::Result<(File, Stat)> {
        // Not blocking: it may have become a pipe since somebody looked.
        let file = self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW)?;
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        Ok((File::from(file), stat))
    }

    /// What is there, not followed. None: nothing.
    pub fn stat(&self, path: &RepoPath) -> io::Result<Option<Stat>> {
        no_way_up(path.file_name())?;
        let folder = match self.folder(&path.parent()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            folder => folder?,
        };
        stat_in(&folder, path.file_name())
    }

    /// What is there, in one call that is led anywhere: only to find out that a known file looks as it did.
    pub(super) fn glance(&self, path: &RepoPath) -> io::Result<Option<Stat>> {
        stat_in(&self.folder, path.as_bytes())
    }

    fn open_at(&self, path: &RepoPath, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        let bytes = if path.is_root() { &b"."[..] } else { path.as_bytes() };
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::ResolveFlags as R;
            let resolve = R::BENEATH | R::NO_SYMLINKS | R::NO_MAGICLINKS;
            match rustix::fs::openat2(&self.folder, bytes, flags, Mode::empty(), resolve) {
                // An old kernel, or a sandbox that does not know the call.
                Err(Errno::NOSYS | Errno::PERM) => {}
                done => return Ok(done?),
            }
        }
        walk(&self.folder, bytes, flags)
    }
}

/// Folder by folder, following nothing.
fn walk(from: &OwnedFd, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let (above, name) = match memchr::memrchr(b'/', path) {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&b""[..], path),
    };
    let mut here: Option<OwnedFd> = None;
    for segment in above.split(|byte| *byte == b'/').filter(|_| !above.is_empty()) {
        here = Some(step(here.as_ref().unwrap_or(from), segment, PLACE | OFlags::DIRECTORY)?);
    }
    step(here.as_ref().unwrap_or(from), name, flags)
}

/// One name in a folder.
fn step(folder: impl AsFd, name: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    no_way_up(name)?;
    Ok(rustix::fs::openat(folder, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
}

/// Refuses what is no name of something in a folder.
fn no_way_up(name: &[u8]) -> io::Result<()> {
    if name == b".." || name.contains(&b'/') || name.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no name in a folder"));
    }
    Ok(())
}

/// What is there under a name in a folder, not followed. None: nothing.
pub(super) fn stat_in(folder: impl AsFd, name: &[u8]) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// As wf keeps it.
pub fn file_stat(stat: &Stat) -> FileStat {
    // The types differ between systems.
    #[expect(clippy::allow_attributes, reason = "it warns on some systems only")]
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    FileStat::new(
        u64::try_from(stat.st_size).unwrap_or(0),
        (stat.st_mtime as i64, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        (stat.st_ctime as i64, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
        stat.st_ino,
        u32::from(stat.st_mode),
    )
}

/// May its owner execute it?
pub fn executable(stat: &Stat) -> bool {
    stat.st_mode & 0o100 != 0
}

/// Is the way blocked: a file or a symlink where a folder should be?
pub fn is_blocked(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw_os_error), Some(Errno::NOTDIR | Errno::LOOP | Errno::MLINK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn place() -> (tempfile::TempDir, Beneath) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir(dir.path().join("outside")).unwrap();
        std::fs::write(dir.path().join("outside/f"), "outside").unwrap();
        std::fs::write(root.join("a/b/f"), "f").unwrap();
        symlink("b", root.join("a/inner")).unwrap();
        symlink("../outside", root.join("out")).unwrap();
        symlink("/", root.join("slash")).unwrap();
        symlink("b/f", root.join("a/l")).unwrap();
        let beneath = Beneath::open(&root).unwrap();
        (dir, beneath)
    }

    /// Both ways of opening say the same, so that a system without `openat2` refuses as much.
    #[test]
    fn by_hand_is_as_strict_as_the_kernel() {
        let (_dir, beneath) = place();
        let flags = [OFlags::RDONLY, OFlags::RDONLY | OFlags::NOFOLLOW, PLACE | OFlags::DIRECTORY];
        let paths =
            ["a", "a/b", "a/b/f", "a/x", "a/b/f/x", "a/inner", "a/inner/f", "out", "out/f", "slash/etc", "a/l", "."];
        for path in paths {
            for flags in flags {
                let kernel = beneath.open_at(&path.into(), flags).map(drop).map_err(|e| e.kind());
                let hand = walk(&beneath.folder, path.as_bytes(), flags | OFlags::CLOEXEC).map(drop);
                let blocked = |e: &io::Error| is_blocked(e);
                assert_eq!(hand.is_ok(), kernel.is_ok(), "{path} {flags:?}: {kernel:?} {hand:?}");
                if let Err(error) = hand {
                    assert!(blocked(&error) || error.kind() == io::ErrorKind::NotFound, "{path}: {error}");
                }
            }
        }
        for path in ["..", "a/../..", "../outside/f", "/etc", "a/../../outside/f", "a//b"] {
            let path = RepoPath::from(path);
            assert!(walk(&beneath.folder, path.as_bytes(), OFlags::RDONLY).is_err(), "{path}");
        }
        for path in ["..", "a/../..", "../outside/f", "/etc", "a/../../outside/f"] {
            assert!(beneath.open_at(&path.into(), OFlags::RDONLY).is_err(), "{path}");
        }
    }

    #[test]
    fn a_walk_by_hand_is_not_led_astray_by_swaps() {
        let (dir, beneath) = place();
        let (real, aside) = (dir.path().join("root/a/b"), dir.path().join("aside"));
        let stop = std::sync::atomic::AtomicBool::new(false);
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(relaxed) {
                    std::fs::rename(&real, &aside).unwrap();
                    symlink("../../outside", &real).unwrap();
                    std::fs::remove_file(&real).unwrap();
                    std::fs::rename(&aside, &real).unwrap();
                }
            });
            let (mut met, mut missed) = (0, 0);
            while met < 200 || missed < 200 {
                if let Ok(fd) = walk(&beneath.folder, b"a/b/f", OFlags::RDONLY | OFlags::CLOEXEC) {
                    met += 1;
                    assert_eq!(io::read_to_string(File::from(fd)).unwrap(), "f");
                } else {
                    missed += 1;
                }
            }
            stop.store(true, relaxed);
        });
    }

    #[test]
    fn folders_are_made_and_only_real_ones() {
        let (dir, beneath) = place();
        for _ in 0..2 {
            beneath.make_folder(&"a/x/y/z".into()).unwrap();
        }
        assert!(dir.path().join("root/a/x/y/z").is_dir());
        for path in ["out/x", "a/inner/x", "a/b/f/x", "slash/tmp/x"] {
            let error = beneath.make_folder(&path.into()).unwrap_err();
            assert!(is_blocked(&error), "{path}: {error}");
        }
        assert_eq!(std::fs::read_dir(dir.path().join("outside")).unwrap().count(), 1);
    }
}
