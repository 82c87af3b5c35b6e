//! Reading a cache from a file that anybody may have made.
//!
//! Nothing in it becomes a path: a name is either one of three forms or refuses the file. Every blob is verified as it is
//! stored, sizes are bounded before anything is read, and an entry counts only if all of its blobs are there.

use super::{Copied, HEAD, INDEX_MAX, NotTaken};
use crate::base::{BlobRef, Digest};
use crate::cache::actions::{self, Actions, Record, Tally};
use crate::cache::folder::Folder;
use crate::cache::{Disk, Refused, Store as _};
use std::io::{self, Read};
use std::sync::Arc;
use tar::EntryType;

/// zstd may ask for a window of 2 to this many bytes.
const WINDOW_LOG: u32 = 27;
/// So many files are in no export: a blob takes 4 KiB and there is a limit on all of them.
const HEADERS_MAX: u64 = 1 << 30;

/// One file of an export, by its name.
enum Name {
    Format,
    Actions,
    Blob(Digest),
}

/// Takes over what is not here yet. What is here wins.
///
/// # Errors
/// [`NotTaken`]. Blobs that were stored until then stay until the next sweep; no entry names them.
pub fn import(folder: &Arc<Folder>, actions: &mut Actions, from: impl Read) -> Result<Copied, NotTaken> {
    let most = folder.limits().bytes;
    let mut zstd = zstd::Decoder::new(from)?;
    zstd.window_log_max(WINDOW_LOG)?;
    // One byte more than may be there tells that there is too much.
    let bounded = zstd.take(most.saturating_add(INDEX_MAX).saturating_add(HEADERS_MAX));
    let mut tar = tar::Archive::new(bounded);
    let (disk, mut copied, mut index, mut seen) = (Disk::new(folder), Copied::default(), None, 0);
    // Raw: otherwise names of any length would be read into memory for extensions that no export has.
    for file in tar.entries().map_err(strange)?.raw(true) {
        let mut file = file.map_err(strange)?;
        if file.header().entry_type() != EntryType::Regular {
            return Err(NotTaken::Strange("it holds something else than plain files".into()));
        }
        let size = file.header().entry_size().map_err(strange)?;
        let name = name(&file.path_bytes())?;
        if (seen == 0) != matches!(name, Name::Format) || index.is_some() {
            return Err(NotTaken::Strange("its files are not in the order of an export".into()));
        }
        seen += 1;
        match name {
            Name::Format => format(&mut file, size)?,
            Name::Actions if size > INDEX_MAX => return Err(NotTaken::Strange("its index is too large".into())),
            Name::Actions => {
                let mut bytes = Vec::new();
                (&mut file).take(size).read_to_end(&mut bytes)?;
                index = Some(bytes);
            }
            Name::Blob(digest) => {
                let blob = BlobRef { digest, size };
                disk.put(&blob, &mut file).map_err(|error| match Refused::of(&error) {
                    Some(Refused::NotTheBlob) => NotTaken::Strange(format!("a blob is not {digest}")),
                    _ => NotTaken::Io(error),
                })?;
                (copied.blobs, copied.bytes) = (copied.blobs + 1, copied.bytes.saturating_add(size));
            }
        }
    }
    let index = index.ok_or_else(|| NotTaken::Strange("it ends before its index".into()))?;
    let records = actions::records_of(&index).ok_or_else(|| NotTaken::Strange("its index is damaged".into()))?;
    take(actions, records, &mut copied)?;
    Ok(copied)
}

/// Records what is not known here.
fn take(actions: &mut Actions, records: Vec<Record>, copied: &mut Copied) -> Result<(), NotTaken> {
    let fresh = |record: &Record| match record {
        Record::Entry(entry) => actions.entry(&entry.key).is_none(),
        // Counting a verdict twice would be as wrong as not at all.
        Record::Sum(sum) => actions.tally(&sum.key) == Tally::default(),
        _ => false,
    };
    let all = records.iter().filter(|record| matches!(record, Record::Entry(_))).count();
    let fresh: Vec<Record> = records.into_iter().filter(fresh).collect();
    let entries = fresh.iter().filter(|record| matches!(record, Record::Entry(_))).count();
    let bare = actions.append(&fresh)?.len();
    (copied.entries, copied.left) = (entries - bare, all - entries + bare);
    Ok(())
}

fn format(file: &mut impl Read, size: u64) -> Result<(), NotTaken> {
    let mut text = String::new();
    file.take(size.min(64)).read_to_string(&mut text).map_err(strange)?;
    if text == HEAD {
        return Ok(());
    }
    let number = text.strip_prefix("wfcache ").and_then(|number| number.trim().parse::<u32>().ok());
    match number {
        Some(number) if number > 1 => Err(NotTaken::Newer(number)),
        _ => Err(NotTaken::Strange("it says no format that wf ever wrote".into())),
    }
}

fn name(bytes: &[u8]) -> Result<Name, NotTaken> {
    let bad = || NotTaken::Strange(format!("it holds a file called `{}`", bytes.escape_ascii()));
    let text = std::str::from_utf8(bytes).map_err(|_| bad())?;
    match text {
        "format" => return Ok(Name::Format),
        "actions" => return Ok(Name::Actions),
        _ => {}
    }
    let (fan, rest) = text.strip_prefix("cas/").and_then(|text| text.split_once('/')).ok_or_else(bad)?;
    let digest = Digest::parse(&format!("{fan}{rest}")).ok_or_else(bad)?;
    let right = crate::cache::store::names(&digest);
    if (right.0.as_str(), right.1.as_str()) == (fan, rest) { Ok(Name::Blob(digest)) } else { Err(bad()) }
}

fn strange(error: io::Error) -> NotTaken {
    NotTaken::Strange(error.to_string())
}
