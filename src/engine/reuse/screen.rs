//! Keeps secrets out of the cache: what would be stored is read along, and refused if it holds one.

use crate::base::BlobRef;
use crate::cache::Store;
use crate::exec::mask::Masker;
use std::io::{self, Read};

/// A store that takes no bytes in which a secret stands, in any form in which it may be printed.
pub struct Screened<S> {
    store: S,
    masker: Masker,
}

impl<S: Store> Screened<S> {
    /// Screens what goes into `store`.
    pub fn new(store: S, masker: Masker) -> Self {
        Self { store, masker }
    }

    /// Are these bytes free of secrets?
    pub fn is_clean(&self, bytes: &[u8]) -> bool {
        self.masker.is_empty() || !self.masker.finds(bytes)
    }
}

impl<S: Store> Store for Screened<S> {
    fn get(&self, blob: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>> {
        self.store.get(blob)
    }

    fn put(&self, blob: &BlobRef, bytes: &mut dyn Read) -> io::Result<()> {
        if self.masker.is_empty() {
            return self.store.put(blob, bytes);
        }
        self.store.put(blob, &mut Screen { bytes, masker: &self.masker, seam: Vec::new() })
    }

    fn name(&self) -> &str {
        self.store.name()
    }
}

struct Screen<'a> {
    bytes: &'a mut dyn Read,
    masker: &'a Masker,
    seam: Vec<u8>,
}

impl Read for Screen<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(into)?;
        self.seam.extend_from_slice(&into[..read]);
        if self.masker.finds(&self.seam) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds the value of a secret"));
        }
        // So much of this piece is searched again with the next one, so that nothing hides on the seam.
        let past = self.seam.len().saturating_sub(self.masker.longest().saturating_sub(1));
        self.seam.drain(..past);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Reads all and keeps it.
    struct Memory(Mutex<Vec<u8>>);

    impl Store for Memory {
        fn get(&self, _: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>> {
            Ok(None)
        }

        fn put(&self, _: &BlobRef, bytes: &mut dyn Read) -> io::Result<()> {
            let mut all = Vec::new();
            bytes.read_to_end(&mut all)?;
            *self.0.lock().unwrap() = all;
            Ok(())
        }

        fn name(&self) -> &'static str {
            "memory"
        }
    }

    #[test]
    fn a_secret_on_a_seam_is_found_and_all_else_passes_as_it_is() {
        let store = Screened::new(Memory(Mutex::default()), Masker::new(vec![b"hunter2-hunter2".to_vec()]));
        let put = |bytes: &[u8]| store.put(&BlobRef::of(bytes), &mut &*bytes);
        let clean = vec![b'x'; 300_000];
        put(&clean).unwrap();
        assert_eq!(*store.store.0.lock().unwrap(), clean);
        for at in [0, 32, 8_190, 65_530, 131_070, 299_000] {
            let mut bytes = clean.clone();
            bytes[at..at + 15].copy_from_slice(b"hunter2-hunter2");
            assert!(put(&bytes).is_err(), "at {at}");
        }
        assert!(store.is_clean(b"hunter") && !store.is_clean(b"a hunter2-hunter2"));
    }
}
