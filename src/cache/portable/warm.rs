//! Filling a cache from another one of this machine.

use super::{Copied, NotTaken, import};
use crate::base::BlobRef;
use crate::cache::actions::{Actions, Record, Tally};
use crate::cache::folder::{CachePlace, Folder};
use crate::cache::{Disk, Entry, Limits, Store, Verified, file};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Entries that are recorded at once.
const BATCH: usize = 256;

/// Copies what is not here yet from another cache's folder, or from a file that was exported: the newest first, as far as
/// there is room.
///
/// # Errors
/// [`NotTaken`]. What was copied until then stays.
pub fn warm(folder: &Arc<Folder>, actions: &mut Actions, from: &Path) -> Result<Copied, NotTaken> {
    if !from.metadata()?.is_dir() {
        return import(folder, actions, file::read(&from.canonicalize()?)?);
    }
    if !from.join("format").exists() {
        return Err(NotTaken::Strange(format!("{} is not a cache's folder", from.display())));
    }
    let place = CachePlace { dir: from.into(), chosen: true };
    let (other, problem) = Folder::open(&place, Limits::default(), folder.now_ms());
    let (theirs, trouble) = Actions::open(&other);
    // What is damaged is only partly there; what cannot be read at all is told.
    if let Some(problem) = problem.or(trouble.filter(|_| theirs.is_empty())) {
        return Err(problem.into());
    }
    let (source, disk, mut copied) = (Verified::new(Disk::new(&other)), Disk::new(folder), Copied::default());
    let mut entries: Vec<(Entry, u64)> = theirs.entries().map(|(entry, at_ms, _)| (entry, at_ms)).collect();
    entries.sort_by_key(|(entry, at_ms)| (std::cmp::Reverse(*at_ms), entry.key));
    for batch in entries.chunks(BATCH) {
        let mut records = Vec::new();
        for (entry, _) in batch {
            let mut whole = actions.entry(&entry.key).is_none();
            for blob in entry.blobs() {
                whole = whole && copy(&source, &disk, blob, &mut copied)?;
            }
            if whole {
                records.push(Record::Entry(entry.clone()));
            } else {
                copied.left += 1;
            }
        }
        let bare = actions.append(&records)?.len();
        copied.entries += records.len() - bare;
        copied.left += bare;
    }
    let sums = theirs.sums().into_iter().filter(|sum| actions.tally(&sum.key) == Tally::default());
    let sums: Vec<Record> = sums.map(Record::Sum).collect();
    actions.append(&sums)?;
    Ok(copied)
}

/// Is the blob here now?
fn copy(source: &impl Store, disk: &Disk, blob: &BlobRef, copied: &mut Copied) -> io::Result<bool> {
    let there = disk.path_of(blob).symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.len() == blob.size);
    if there {
        return Ok(true);
    }
    let Some(mut bytes) = source.get(blob)? else { return Ok(false) };
    disk.put(blob, &mut bytes)?;
    (copied.blobs, copied.bytes) = (copied.blobs + 1, copied.bytes + blob.size);
    Ok(true)
}
