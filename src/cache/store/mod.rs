//! Blobs by content: the one trait, and what can be put around a store.

mod disk;
#[cfg(test)]
mod fakes;
mod layered;
#[cfg(test)]
mod tests;
mod verified;

pub use disk::Disk;
pub(super) use disk::{Present, names};
pub use layered::Layered;
pub use verified::Verified;

use super::Refused;
use crate::base::{BlobRef, digest};
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::PathBuf;

/// A place for blobs. Calls block; a remote one keeps a worker thread waiting.
pub trait Store: Send + Sync {
    /// A blob's bytes, if it is there. They are not checked: see [`Verified`].
    ///
    /// # Errors
    /// Whatever the store says. To who asks for a result, it is a miss.
    fn get(&self, blob: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>>;

    /// Keeps a blob.
    ///
    /// # Errors
    /// [`Refused::NotTheBlob`] for other bytes than the blob's; whatever else the store says. Then nothing is kept.
    fn put(&self, blob: &BlobRef, bytes: &mut dyn Read) -> io::Result<()>;

    /// What to call it.
    fn name(&self) -> &str;

    /// Keeps the `size` bytes that are left in a file, whatever they are.
    ///
    /// # Errors
    /// As [`Store::put`]; [`Refused::NotTheBlob`] also when there are not exactly so many.
    fn add_file(&self, size: u64, file: &mut File) -> io::Result<BlobRef> {
        let start = file.stream_position()?;
        let blob = BlobRef { digest: copy(size, file, &mut io::sink())?, size };
        file.seek(io::SeekFrom::Start(start))?;
        self.put(&blob, file)?;
        Ok(blob)
    }

    /// The file of this machine that may hold a blob, to share its blocks. None: there is no such file.
    fn file_of(&self, _blob: &BlobRef) -> Option<PathBuf> {
        None
    }
}

impl<S: Store + ?Sized> Store for &S {
    fn get(&self, blob: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>> {
        (**self).get(blob)
    }

    fn put(&self, blob: &BlobRef, bytes: &mut dyn Read) -> io::Result<()> {
        (**self).put(blob, bytes)
    }

    fn name(&self) -> &str {
        (**self).name()
    }

    fn add_file(&self, size: u64, file: &mut File) -> io::Result<BlobRef> {
        (**self).add_file(size, file)
    }

    fn file_of(&self, blob: &BlobRef) -> Option<PathBuf> {
        (**self).file_of(blob)
    }
}

impl<S: Store + ?Sized> Store for std::sync::Arc<S> {
    fn get(&self, blob: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>> {
        (**self).get(blob)
    }

    fn put(&self, blob: &BlobRef, bytes: &mut dyn Read) -> io::Result<()> {
        (**self).put(blob, bytes)
    }

    fn name(&self) -> &str {
        (**self).name()
    }

    fn add_file(&self, size: u64, file: &mut File) -> io::Result<BlobRef> {
        (**self).add_file(size, file)
    }

    fn file_of(&self, blob: &BlobRef) -> Option<PathBuf> {
        (**self).file_of(blob)
    }
}

/// A store that takes nothing, and says yes: what is offered to it is simply not kept.
#[derive(Clone, Debug)]
pub struct ReadOnly<S>(pub S);

impl<S: Store> Store for ReadOnly<S> {
    fn get(&self, blob: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>> {
        self.0.get(blob)
    }

    fn put(&self, _: &BlobRef, _: &mut dyn Read) -> io::Result<()> {
        Ok(())
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn file_of(&self, blob: &BlobRef) -> Option<PathBuf> {
        self.0.file_of(blob)
    }
}

/// A small blob as a whole, verified. None: it is not there, or is something else, or is larger than `most`.
///
/// # Errors
/// Whatever the store says.
pub fn bytes(store: &(impl Store + ?Sized), blob: &BlobRef, most: u64) -> io::Result<Option<Vec<u8>>> {
    if blob.size > most {
        return Ok(None);
    }
    let Some(reader) = store.get(blob)? else { return Ok(None) };
    let mut bytes = Vec::with_capacity(blob.size as usize + 1);
    reader.take(blob.size + 1).read_to_end(&mut bytes)?;
    Ok((BlobRef::of(&bytes) == *blob).then_some(bytes))
}

/// Copies exactly `size` bytes and tells their digest. One pass, whatever their number.
pub(super) fn copy(size: u64, from: &mut dyn Read, to: &mut dyn io::Write) -> io::Result<crate::base::Digest> {
    let mut buffer = vec![0; (size + 1).min(128 << 10) as usize];
    let (mut hash, mut left) = (digest::Stream::default(), size);
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        left = left.checked_sub(count as u64).ok_or(Refused::NotTheBlob)?;
        hash.add(&buffer[..count]);
        to.write_all(&buffer[..count])?;
    }
    if left == 0 { Ok(hash.finish()) } else { Err(Refused::NotTheBlob.into()) }
}
