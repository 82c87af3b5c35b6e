//! Where blobs are kept by content.

use crate::base::BlobRef;
use std::io::{self, Read};

/// A place for blobs, named by SHA-256 and size. What it hands out is not trusted: readers check it.
pub trait Store: Send + Sync {
    /// A blob's bytes; None if it is not there.
    fn get(&self, blob: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>>;
    /// Keeps a blob. Bytes that are not this blob's are refused.
    fn put(&self, blob: &BlobRef, bytes: &mut dyn Read) -> io::Result<()>;
    /// What to call it when something is said of it.
    fn name(&self) -> &str;
}
