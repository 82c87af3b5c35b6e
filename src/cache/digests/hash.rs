//! Reading files and hashing them, with line ends as git would store them where the file is text.

use super::Holds;
use crate::base::{Digest, digest::Stream};
use crate::tree::{FileStat, Form};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// What reading a file told.
#[derive(Debug)]
pub struct Hashed {
    pub digest: Digest,
    pub holds: Holds,
    pub bytes: u64,
}

/// Larger files are hashed as a stream; text of that size is hashed as it is (git itself leaves files above
/// `core.bigFileThreshold` alone).
const WHOLE: u64 = 64 << 20;

/// What `lstat` says.
pub fn stat(path: &Path) -> io::Result<FileStat> {
    Ok(plain(&path.symlink_metadata()?))
}

/// The same, from what std has.
pub fn plain(meta: &std::fs::Metadata) -> FileStat {
    FileStat::new(
        meta.size(),
        (meta.mtime(), meta.mtime_nsec()),
        (meta.ctime(), meta.ctime_nsec()),
        meta.ino(),
        meta.mode(),
    )
}

/// Hashes a regular file that is to look like `seen`.
///
/// # Errors
/// It cannot be read, or is another file than was listed: before or after.
pub fn file(path: &Path, form: Form, seen: &FileStat) -> io::Result<Hashed> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut file = std::fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let same = |file: &std::fs::File| -> io::Result<()> {
        if plain(&file.metadata()?) == *seen { Ok(()) } else { Err(io::Error::other("it changed while it was read")) }
    };
    same(&file)?;
    let hashed = if seen.size > WHOLE {
        let (mut stream, mut buffer) = (Stream::default(), vec![0; 1 << 20]);
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            stream.add(&buffer[..read]);
        }
        Hashed { digest: stream.finish(), holds: Holds::Always, bytes: seen.size }
    } else {
        let mut bytes = Vec::with_capacity(seen.size as usize + 1);
        file.read_to_end(&mut bytes)?;
        of(&bytes, form)
    };
    same(&file)?;
    Ok(hashed)
}

/// Hashes what a symlink says.
pub fn symlink(path: &Path) -> io::Result<Hashed> {
    let target = std::fs::read_link(path)?;
    let bytes = target.as_os_str().as_bytes();
    Ok(Hashed { digest: Digest::of_bytes(bytes), holds: Holds::Always, bytes: bytes.len() as u64 })
}

/// Hashes bytes.
pub fn of(bytes: &[u8], form: Form) -> Hashed {
    let size = bytes.len() as u64;
    let raw = |holds| Hashed { digest: Digest::of_bytes(bytes), holds, bytes: size };
    if memchr::memmem::find(bytes, b"\r\n").is_none() {
        return raw(Holds::Always);
    }
    match form {
        Form::Raw | Form::Filtered => raw(Holds::Raw),
        Form::Auto if is_binary(bytes) => raw(Holds::Binary),
        Form::Text | Form::Auto => {
            let mut stream = Stream::default();
            let mut from = 0;
            for at in memchr::memmem::find_iter(bytes, b"\r\n") {
                stream.add(&bytes[from..at]);
                from = at + 1;
            }
            stream.add(&bytes[from..]);
            Hashed { digest: stream.finish(), holds: Holds::Text, bytes: size }
        }
    }
}

/// Does `text=auto` leave it alone? As git judges (`convert.c`, `gather_stats` and `convert_is_binary`): a NUL, a lone CR,
/// or more than one byte in 128 that is not printable.
fn is_binary(bytes: &[u8]) -> bool {
    let (mut printable, mut odd) = (0u64, 0u64);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => {}
            b'\r' | 0 => return true,
            b'\n' => {}
            8 | b'\t' | 27 | 12 => printable += 1,
            0..32 | 127 => odd += 1,
            _ => printable += 1,
        }
    }
    // A trailing ^Z is no sign of anything.
    if bytes.last() == Some(&26) {
        odd -= 1;
    }
    (printable >> 7) < odd
}
