//! Reading what steps printed from the cache, for runs that used their results again.
//!
//! An entry may come from anywhere: its output is verified, bounded and masked again with the secrets that are known here.

use super::Context;
use crate::base::BlobRef;
use crate::cache::{Disk, Folder, Limits, Store as _, Verified};
use crate::exec::mask::Masker;
use crate::report::Stored;
use crate::report::output::{Follow, Last};
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};

/// No output that wf keeps is longer, with what it keeps beside it.
const LONGEST: u64 = 1 << 30;

/// The cache of this repository, opened when somebody asks for something in it.
#[derive(Clone)]
pub struct Replay {
    place: crate::cache::CachePlace,
    masker: Masker,
    disk: Arc<OnceLock<Disk>>,
}

impl Replay {
    /// Reads from the cache at that place.
    pub fn new(place: crate::cache::CachePlace, cx: &Context) -> Self {
        Self { place, masker: cx.masker(None).clone(), disk: Arc::default() }
    }

    /// An output as it was kept, verified. None: it is not stored any more.
    ///
    /// # Errors
    /// Whatever the store says.
    pub fn open(&self, blob: &BlobRef) -> io::Result<Option<Follow<impl Read + use<>>>> {
        // Who only looks needs no clock.
        let open = || Disk::new(&Folder::open(&self.place, Limits::default(), 0).0);
        let disk = self.disk.get_or_init(open);
        if blob.size > LONGEST {
            return Ok(None);
        }
        Ok(Verified::new(disk).get(blob)?.map(Follow::over))
    }

    /// Hands over all of an output, without secrets. Says whether it is stored.
    ///
    /// # Errors
    /// Whatever the store says; it is no output.
    pub fn each(&self, blob: &BlobRef, mut take: impl FnMut(&[u8])) -> io::Result<bool> {
        let Some(mut log) = self.open(blob)? else { return Ok(false) };
        let (mut mask, mut shown) = (self.masker.stream(), Vec::new());
        log.read(|bytes| {
            mask.push(bytes, &mut shown);
            take(&shown);
            shown.clear();
        })?;
        mask.finish(&mut shown);
        take(&shown);
        Ok(true)
    }

    /// What was printed on standard output, for a prompt: the answer of a step that asks, without wf's words about it.
    pub fn answers(self) -> Stored {
        Stored::new(move |blob, most| {
            let Some(log) = self.open(blob)? else { return Ok(None) };
            let (mut all, mut last) = (Vec::new(), Last::new(most));
            log.stdout_only().read(|bytes| all.extend_from_slice(bytes))?;
            last.push(&self.masker.bytes(&all));
            Ok(Some(last.tail()))
        })
    }

    /// For those who tell of runs.
    pub fn stored(self) -> Stored {
        Stored::new(move |blob, most| {
            let mut last = Last::new(most);
            Ok(self.each(blob, |bytes| last.push(bytes))?.then(|| last.tail()))
        })
    }
}
