//! Reading folders and small files through descriptors: no path is resolved twice, no symlink is followed.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawMode};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A name in a folder, as one path.
pub(super) fn joined(folder: &[u8], name: &[u8], is_folder: bool) -> Vec<u8> {
    let mut path = Vec::with_capacity(folder.len() + name.len() + 1);
    path.extend_from_slice(folder);
    path.extend_from_slice(name);
    if is_folder {
        path.push(b'/');
    }
    path
}

/// Is this folder another repository's working tree?
pub(super) fn is_repository(fd: BorrowedFd<'_>) -> bool {
    let Ok(git) = rustix::fs::statat(fd, c".git", AtFlags::SYMLINK_NOFOLLOW) else { return false };
    match FileType::from_raw_mode(git.st_mode as RawMode) {
        FileType::Directory => rustix::fs::statat(fd, c".git/HEAD", AtFlags::SYMLINK_NOFOLLOW).is_ok(),
        FileType::RegularFile => {
            let mut text = vec![];
            open_file(fd, c".git").and_then(|file| read_all(file, &mut text)).is_ok() && text.starts_with(b"gitdir:")
        }
        _ => false,
    }
}

/// Opens a file, but neither through a symlink nor waiting for a pipe's other end.
pub(super) fn open_file(fd: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(fd, name, flags, Mode::empty())
}

pub(super) fn read_all(file: OwnedFd, into: &mut Vec<u8>) -> rustix::io::Result<()> {
    use std::io::Read;
    let read = std::fs::File::from(file).read_to_end(into);
    read.map(|_| ()).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Calls `each` for every name in a folder and gives the folder back.
#[cfg(target_os = "linux")]
pub(super) fn list(
    fd: OwnedFd,
    mut each: impl FnMut(BorrowedFd<'_>, &CStr, FileType) -> rustix::io::Result<()>,
) -> rustix::io::Result<OwnedFd> {
    let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 16 << 10];
    let mut names = rustix::fs::RawDir::new(fd.as_fd(), &mut buffer);
    while let Some(entry) = names.next() {
        let entry = entry?;
        each(fd.as_fd(), entry.file_name(), kind(fd.as_fd(), entry.file_name(), entry.file_type())?)?;
    }
    Ok(fd)
}

/// Calls `each` for every name in a folder and gives the folder back.
#[cfg(not(target_os = "linux"))]
pub(super) fn list(
    fd: OwnedFd,
    mut each: impl FnMut(BorrowedFd<'_>, &CStr, FileType) -> rustix::io::Result<()>,
) -> rustix::io::Result<OwnedFd> {
    for entry in rustix::fs::Dir::read_from(&fd)? {
        let entry = entry?;
        each(fd.as_fd(), entry.file_name(), kind(fd.as_fd(), entry.file_name(), entry.file_type())?)?;
    }
    Ok(fd)
}

/// Some file systems do not tell kinds in their lists.
fn kind(fd: BorrowedFd<'_>, name: &CStr, told: FileType) -> rustix::io::Result<FileType> {
    if told != FileType::Unknown {
        return Ok(told);
    }
    match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode as RawMode)),
        Err(Errno::NOENT) => Ok(FileType::Unknown),
        Err(error) => Err(error),
    }
}
