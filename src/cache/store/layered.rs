//! A near store before a far one.

use super::Store;
use crate::base::BlobRef;
use std::io::{self, Read, Seek as _};

/// What is larger than this waits in a file.
const IN_MEMORY: usize = 1 << 20;

/// Asks the near store first, and fills it with what the far one has. The near one's errors cost time only; the far one's
/// are told.
#[derive(Clone, Debug)]
pub struct Layered<N, F> {
    near: N,
    far: F,
}

impl<N: Store, F: Store> Layered<N, F> {
    /// Puts one before the other.
    pub fn new(near: N, far: F) -> Self {
        Self { near, far }
    }
}

impl<N: Store, F: Store> Store for Layered<N, F> {
    fn get(&self, blob: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>> {
        if let Ok(Some(found)) = self.near.get(blob) {
            return Ok(Some(found));
        }
        let Some(mut found) = self.far.get(blob)? else { return Ok(None) };
        if self.near.put(blob, &mut found).is_ok()
            && let Ok(Some(found)) = self.near.get(blob)
        {
            return Ok(Some(found));
        }
        self.far.get(blob)
    }

    fn put(&self, blob: &BlobRef, bytes: &mut dyn Read) -> io::Result<()> {
        // Both want to read them.
        let mut spool = tempfile::spooled_tempfile(IN_MEMORY);
        io::copy(&mut bytes.take(blob.size.saturating_add(1)), &mut spool)?;
        spool.rewind()?;
        let _ = self.near.put(blob, &mut spool);
        spool.rewind()?;
        self.far.put(blob, &mut spool)
    }

    fn name(&self) -> &str {
        self.far.name()
    }

    fn file_of(&self, blob: &BlobRef) -> Option<std::path::PathBuf> {
        self.near.file_of(blob)
    }
}
