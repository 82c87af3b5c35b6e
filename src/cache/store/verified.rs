//! A store whose blobs are checked before anybody sees them.

use super::{Disk, Store, copy};
use crate::base::BlobRef;
use std::io::{self, Read, Seek as _};

/// What is larger than this waits in a file.
const IN_MEMORY: usize = 1 << 20;

/// Hands out a blob only after all of it was read and is what its name says. Otherwise it counts as missing.
pub struct Verified<S> {
    store: S,
    forget: Box<dyn Fn(&BlobRef) + Send + Sync>,
}

impl<S: Store> Verified<S> {
    /// Checks what a store gives.
    pub fn new(store: S) -> Self {
        Self { store, forget: Box::new(|_| ()) }
    }

    /// The store itself, for those who check what they read while they use it.
    pub fn bare(&self) -> &S {
        &self.store
    }

    /// A blob's bytes are not what its name says: it counts as missing from now on.
    pub fn forget(&self, blob: &BlobRef) {
        (self.forget)(blob);
    }
}

impl Verified<Disk> {
    /// Checks what the local store gives, and removes what is wrong so that it can be stored again.
    pub fn forgetting(disk: Disk) -> Self {
        let forgetful = disk.clone();
        // Should it fail, the blob is found wrong again the next time.
        Self { store: disk, forget: Box::new(move |blob| drop(forgetful.forget(blob))) }
    }
}

impl<S: Store> Store for Verified<S> {
    fn get(&self, blob: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>> {
        let Some(mut found) = self.store.get(blob)? else { return Ok(None) };
        let mut spool = tempfile::spooled_tempfile(IN_MEMORY);
        match copy(blob.size, &mut found, &mut spool) {
            Ok(digest) if digest == blob.digest => {
                spool.rewind()?;
                Ok(Some(Box::new(spool)))
            }
            Err(error) if crate::cache::Refused::of(&error).is_none() => Err(error),
            _ => {
                (self.forget)(blob);
                Ok(None)
            }
        }
    }

    fn put(&self, blob: &BlobRef, bytes: &mut dyn Read) -> io::Result<()> {
        self.store.put(blob, bytes)
    }

    fn name(&self) -> &str {
        self.store.name()
    }

    fn add_file(&self, size: u64, file: &mut std::fs::File) -> io::Result<BlobRef> {
        self.store.add_file(size, file)
    }
}
