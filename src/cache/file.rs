//! Opening files of the cache without being led elsewhere, as `history` does it in the state folder.
//!
//! Nothing here follows a symlink in the last component, reads from a device or a pipe, or lets other users read what
//! steps printed and made (files 0600, folders 0700).

use rustix::fs::OFlags;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

const FLAGS: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK);

fn options(write: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(write).mode(0o600).custom_flags(FLAGS.bits().cast_signed());
    options
}

fn only_regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// Opens a regular file for reading.
pub(super) fn read(path: &Path) -> io::Result<File> {
    only_regular(options(false).open(path)?)
}

/// Opens a regular file for reading and writing; creates it when it is missing.
pub(super) fn update(path: &Path) -> io::Result<File> {
    only_regular(options(true).create(true).truncate(false).open(path)?)
}

/// Opens a regular file that is there, to write behind what it holds.
pub(super) fn append(path: &Path) -> io::Result<File> {
    only_regular(options(false).append(true).open(path)?)
}

/// Makes sure that a real folder is there. Its parent must be.
pub(super) fn folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    if std::fs::symlink_metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::NotADirectory, "not a folder (a symlink is not followed)"))
    }
}

/// Writes a small file so that readers see all of it or none of it. An existing one stays.
pub(super) fn whole_if_missing(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let mut temp = tempfile::Builder::new().prefix(".tmp-").tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    io::Write::write_all(&mut temp, bytes)?;
    match temp.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
        _ => Ok(()),
    }
}
