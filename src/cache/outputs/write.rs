//! Files that appear whole under their names: written without a name, or under one of wf's own, then moved.
//!
//! Who has the old file open, or another name for it, keeps the old bytes. A crash leaves nothing, or a file whose name says
//! that wf was writing it ([`Leftover`]).

use super::beneath::{file_stat, stat_in};
use crate::tree::FileStat;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const PREFIX: &str = ".wf-new-";

/// A name in the tree that says a wf was writing there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leftover {
    pid: i32,
}

impl Leftover {
    /// Reads such a name.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let (pid, n) = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?.split_once('-')?;
        n.parse::<u64>().ok()?;
        Some(Self { pid: pid.parse().ok().filter(|pid| *pid > 0)? })
    }

    /// Is nobody writing it any more?
    pub fn is_orphan(self) -> bool {
        let alive = |pid| rustix::process::test_kill_process(pid) != Err(Errno::SRCH);
        !rustix::process::Pid::from_raw(self.pid).is_some_and(alive)
    }
}

fn temp_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{n}", rustix::process::getpid().as_raw_nonzero())
}

/// A file being written into a folder, and not there yet.
#[derive(Debug)]
pub struct Staged<'a> {
    folder: BorrowedFd<'a>,
    file: Option<File>,
    mode: Mode,
    name: Name,
}

/// What a staged thing is called.
#[derive(Debug)]
enum Name {
    /// Nothing yet: the kernel forgets it if we die.
    None,
    /// One of wf's own; removed when dropped.
    Temp(String),
    /// Done.
    Placed,
}

/// What was in the way, now out of it.
#[derive(Debug)]
pub enum Before<'a> {
    /// What was expected, or nothing.
    AsExpected,
    /// Something newer than what was looked at. It must be kept.
    Other(Aside<'a>),
}

/// A thing under one of wf's own names; removed when dropped.
#[derive(Debug)]
pub struct Aside<'a> {
    /// Where it is.
    pub folder: BorrowedFd<'a>,
    /// What it is called.
    pub name: String,
}

impl Aside<'_> {
    /// Changes places with what has its name now, which goes instead.
    pub fn put_back(&self, name: &[u8]) {
        let _ = rustix::fs::renameat_with(self.folder, self.name.as_str(), self.folder, name, RenameFlags::EXCHANGE);
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        let _ = rustix::fs::unlinkat(self.folder, self.name.as_str(), AtFlags::empty());
    }
}

/// Files without a name are not for every file system; found out once.
static NAMELESS: AtomicBool = AtomicBool::new(cfg!(target_os = "linux"));

impl<'a> Staged<'a> {
    /// Begins a file. Its permissions are what a program that creates files gets here.
    pub fn file(folder: BorrowedFd<'a>, executable: bool) -> io::Result<Self> {
        let mode = Mode::from_raw_mode(if executable { 0o777 } else { 0o666 });
        #[cfg(target_os = "linux")]
        if NAMELESS.load(Ordering::Relaxed) {
            match rustix::fs::openat(folder, ".", OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
                Ok(file) => return Ok(Self { folder, file: Some(file.into()), mode, name: Name::None }),
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => NAMELESS.store(false, Ordering::Relaxed),
                Err(error) => return Err(error.into()),
            }
        }
        let (name, file) = create(folder, mode)?;
        Ok(Self { folder, file: Some(file), mode, name: Name::Temp(name) })
    }

    /// Makes a symlink under a name of wf's own.
    pub fn symlink(folder: BorrowedFd<'a>, target: &[u8]) -> io::Result<Self> {
        let name = temp_name();
        rustix::fs::symlinkat(target, folder, name.as_str())?;
        Ok(Self { folder, file: None, mode: Mode::empty(), name: Name::Temp(name) })
    }

    /// To write it. None: it is a symlink.
    pub fn open(&mut self) -> Option<&mut File> {
        self.file.as_mut()
    }

    /// Gives it its name, which is free.
    ///
    /// # Errors
    /// `AlreadyExists` when the name is not free; then it can be tried again.
    pub fn place(&mut self, name: &[u8]) -> io::Result<()> {
        if matches!(self.name, Name::None) {
            match self.link(name) {
                Ok(()) => {
                    self.name = Name::Placed;
                    return Ok(());
                }
                Err(Errno::EXIST) => return Err(Errno::EXIST.into()),
                Err(_) => self.take_a_name()?,
            }
        }
        let Name::Temp(temp) = &self.name else { return Ok(()) };
        match rustix::fs::renameat_with(self.folder, temp.as_str(), self.folder, name, RenameFlags::NOREPLACE) {
            // Not every file system can promise it. Then a look has to do.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                if stat_in(self.folder, name)?.is_some() {
                    return Err(Errno::EXIST.into());
                }
                rustix::fs::renameat(self.folder, temp.as_str(), self.folder, name)?;
            }
            done => done?,
        }
        self.name = Name::Placed;
        Ok(())
    }

    /// Gives it its name, which something has that was looked at: `seen`. What is under the name at that very moment is handed
    /// out if it is something else.
    ///
    /// # Errors
    /// `NotFound` when the name has become free; `IsADirectory` when a folder has it now.
    pub fn replace(&mut self, name: &[u8], seen: &FileStat) -> io::Result<Before<'a>> {
        if matches!(self.name, Name::None) {
            self.take_a_name()?;
        }
        let Name::Temp(temp) = &self.name else { return Ok(Before::AsExpected) };
        let temp = temp.clone();
        let as_seen = |stat: Option<rustix::fs::Stat>| stat.is_none_or(|stat| is_same(&file_stat(&stat), seen));
        match rustix::fs::renameat_with(self.folder, temp.as_str(), self.folder, name, RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                if !as_seen(stat_in(self.folder, name)?) {
                    return Err(Errno::AGAIN.into());
                }
                rustix::fs::renameat(self.folder, temp.as_str(), self.folder, name)?;
                self.name = Name::Placed;
                return Ok(Before::AsExpected);
            }
            done => done?,
        }
        let before = stat_in(self.folder, temp.as_bytes())?;
        if before.as_ref().is_some_and(|stat| super::list::thing(stat) == super::list::Thing::Folder) {
            rustix::fs::renameat_with(self.folder, temp.as_str(), self.folder, name, RenameFlags::EXCHANGE)?;
            return Err(Errno::ISDIR.into());
        }
        self.name = Name::Placed;
        let aside = Aside { folder: self.folder, name: temp };
        Ok(if as_seen(before) { Before::AsExpected } else { Before::Other(aside) })
    }

    /// A file without a name gets one of wf's own.
    fn take_a_name(&mut self) -> io::Result<()> {
        let name = temp_name();
        if self.link(name.as_bytes()).is_err() {
            // There is no /proc, or the file system cannot do it: from now on files are created with names.
            NAMELESS.store(false, Ordering::Relaxed);
            let (name, mut copy) = create(self.folder, self.mode)?;
            if let Some(file) = &mut self.file {
                io::Seek::rewind(file)?;
                io::copy(file, &mut copy)?;
            }
            (self.file, self.name) = (Some(copy), Name::Temp(name));
            return Ok(());
        }
        self.name = Name::Temp(name);
        Ok(())
    }

    fn link(&self, name: &[u8]) -> Result<(), Errno> {
        use std::os::fd::AsRawFd as _;
        let Some(file) = &self.file else { return Err(Errno::INVAL) };
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        rustix::fs::linkat(rustix::fs::CWD, path.as_str(), self.folder, name, AtFlags::SYMLINK_FOLLOW)
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if let Name::Temp(name) = &self.name {
            let _ = rustix::fs::unlinkat(self.folder, name.as_str(), AtFlags::empty());
        }
    }
}

fn create(folder: BorrowedFd<'_>, mode: Mode) -> io::Result<(String, File)> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        let name = temp_name();
        match rustix::fs::openat(folder, name.as_str(), flags, mode) {
            Ok(file) => return Ok((name, file.into())),
            // Left by a process that had our number.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Is it the same file with the same content? A new name changes the time of change, and nothing else.
pub fn is_same(a: &FileStat, b: &FileStat) -> bool {
    (a.inode, a.size, a.mtime_ns, a.mode) == (b.inode, b.size, b.mtime_ns, b.mode)
}

#[cfg(test)]
mod tests {
    use super::super::Beneath;
    use super::*;
    use crate::base::RepoPath;
    use std::io::Write as _;
    use std::path::Path;

    /// A staged file with some bytes, nameless or under a name of wf's own, as systems without nameless files have it.
    fn staged(folder: BorrowedFd<'_>, nameless: bool) -> Staged<'_> {
        let mut staged = if nameless {
            Staged::file(folder, true).unwrap()
        } else {
            let (name, file) = create(folder, Mode::from_raw_mode(0o777)).unwrap();
            Staged { folder, file: Some(file), mode: Mode::from_raw_mode(0o777), name: Name::Temp(name) }
        };
        staged.open().unwrap().write_all(b"new").unwrap();
        staged
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn seen(beneath: &Beneath, name: &str) -> FileStat {
        file_stat(&beneath.stat(&name.into()).unwrap().unwrap())
    }

    #[test]
    fn files_appear_whole_and_leave_nothing_behind() {
        for nameless in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let beneath = Beneath::open(dir.path()).unwrap();
            let folder = beneath.folder(&RepoPath::root()).unwrap();
            let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();

            drop(staged(folder.as_fd(), nameless));
            assert_eq!(names(dir.path()), [""; 0]);
            staged(folder.as_fd(), nameless).place(b"a").unwrap();
            assert_eq!((names(dir.path()), read("a")), (vec!["a".into()], "new".into()));

            let mut second = staged(folder.as_fd(), nameless);
            std::fs::write(dir.path().join("a"), "theirs").unwrap();
            assert_eq!(second.place(b"a").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(read("a"), "theirs");
            let look = seen(&beneath, "a");
            assert!(matches!(second.replace(b"a", &look).unwrap(), Before::AsExpected));
            assert_eq!((names(dir.path()), read("a")), (vec!["a".into()], "new".into()));
        }
    }

    #[test]
    fn what_came_meanwhile_is_handed_out() {
        for nameless in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let beneath = Beneath::open(dir.path()).unwrap();
            let folder = beneath.folder(&RepoPath::root()).unwrap();
            std::fs::write(dir.path().join("a"), "looked at").unwrap();
            let look = seen(&beneath, "a");
            std::fs::write(dir.path().join("b"), "newer").unwrap();
            std::fs::rename(dir.path().join("b"), dir.path().join("a")).unwrap();
            let Before::Other(aside) = staged(folder.as_fd(), nameless).replace(b"a", &look).unwrap() else { panic!() };
            assert_eq!(std::fs::read_to_string(dir.path().join(&aside.name)).unwrap(), "newer");
            aside.put_back(b"a");
            drop(aside);
            assert_eq!(names(dir.path()), ["a"]);
            assert_eq!(std::fs::read_to_string(dir.path().join("a")).unwrap(), "newer");

            std::fs::remove_file(dir.path().join("a")).unwrap();
            let gone = staged(folder.as_fd(), nameless).replace(b"a", &look).unwrap_err();
            assert_eq!(gone.kind(), io::ErrorKind::NotFound);
            std::fs::create_dir(dir.path().join("a")).unwrap();
            let folder_now = staged(folder.as_fd(), nameless).replace(b"a", &look).unwrap_err();
            assert_eq!(folder_now.kind(), io::ErrorKind::IsADirectory);
            assert_eq!(names(dir.path()), ["a"]);
        }
    }

    #[test]
    fn names_of_leftovers_are_wfs_alone() {
        assert_eq!(Leftover::parse(temp_name().as_bytes()), Some(Leftover { pid: std::process::id().cast_signed() }));
        assert!(!Leftover::parse(temp_name().as_bytes()).unwrap().is_orphan());
        for name in [
            ".wf-new-",
            ".wf-new-1",
            ".wf-new-x-1",
            ".wf-new-1-x",
            ".wf-new--1-1",
            ".wf-new-0-1",
            "wf-new-1-1",
            "\u{e9}",
        ] {
            assert_eq!(Leftover::parse(name.as_bytes()), None, "{name}");
        }
    }
}
