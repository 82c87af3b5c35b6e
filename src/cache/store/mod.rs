//! Where blobs are kept by content.

use crate::base::BlobRef;
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::PathBuf;

/// A place for blobs, named by SHA-256 and size. What it hands out is not trusted: readers check it.
pub trait Store: Send + Sync {
    /// A blob's bytes; None if it is not there.
    fn get(&self, blob: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>>;
    /// Keeps a blob. Bytes that are not this blob's are refused.
    fn put(&self, blob: &BlobRef, bytes: &mut dyn Read) -> io::Result<()>;
    /// What to call it when something is said of it.
    fn name(&self) -> &str;

    /// Keeps the `size` bytes of a file that starts here, whatever they are. A store that can do it in one pass does.
    fn add(&self, size: u64, file: &mut File) -> io::Result<BlobRef> {
        let start = file.stream_position()?;
        let mut sum = crate::base::digest::Stream::default();
        let read = io::copy(&mut Read::take(&mut *file, size.saturating_add(1)), &mut sum)?;
        if read != size {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file does not have as many bytes as it had"));
        }
        let blob = BlobRef { digest: sum.finish(), size };
        file.seek(io::SeekFrom::Start(start))?;
        self.put(&blob, file)?;
        Ok(blob)
    }

    /// The file of this machine that holds a blob, if one does: to share its blocks.
    fn path_of(&self, blob: &BlobRef) -> Option<PathBuf> {
        let _ = blob;
        None
    }
}
