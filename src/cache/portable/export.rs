//! Writing a cache into one file.

use super::{Copied, HEAD};
use crate::base::BlobRef;
use crate::cache::actions::{self, Actions};
use crate::cache::folder::Folder;
use crate::cache::{Disk, Entry, Record, Store as _, Verified};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Writes every entry whose blobs are whole, with them, and what is known of how steps ended.
///
/// # Errors
/// When the cache cannot be read or the file not be written.
pub fn export(folder: &Arc<Folder>, actions: &Actions, to: impl Write) -> io::Result<Copied> {
    let mut tar = tar::Builder::new(zstd::Encoder::new(to, 0)?);
    add(&mut tar, "format", HEAD.len() as u64, &mut HEAD.as_bytes())?;
    let mut entries: Vec<Entry> = actions.entries().map(|(entry, ..)| entry).collect();
    entries.sort_by_key(|entry| entry.key);
    let (store, mut copied) = (Verified::new(Disk::new(folder)), Copied::default());
    let mut blobs: BTreeMap<BlobRef, bool> = entries.iter().flat_map(Entry::blobs).map(|blob| (*blob, false)).collect();
    for (blob, whole) in &mut blobs {
        // A wrong one, and one that was evicted meanwhile, leaves its entries behind.
        let Some(mut bytes) = store.get(blob)? else { continue };
        let (fan, rest) = crate::cache::store::names(&blob.digest);
        add(&mut tar, &format!("cas/{fan}/{rest}"), blob.size, &mut bytes)?;
        (*whole, copied.blobs, copied.bytes) = (true, copied.blobs + 1, copied.bytes + blob.size);
    }
    let all = entries.len();
    entries.retain(|entry| entry.blobs().all(|blob| blobs.get(blob) == Some(&true)));
    (copied.entries, copied.left) = (entries.len(), all - entries.len());
    let sums = actions.sums().into_iter().map(Record::Sum);
    let index = actions::file_of(entries.into_iter().map(Record::Entry).chain(sums), 0);
    add(&mut tar, "actions", index.len() as u64, &mut index.as_slice())?;
    tar.into_inner()?.finish()?.flush()?;
    Ok(copied)
}

fn add(tar: &mut tar::Builder<impl Write>, name: &str, size: u64, bytes: &mut dyn Read) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(0);
    tar.append_data(&mut header, name, bytes)
}
