//! The entries as one file, to take elsewhere. What comes from elsewhere is hostile.

use super::{AiCache, entry, files};
use crate::base::Digest;
use std::io::{self, Read, Write};
use std::path::Path;

/// A file with more or larger entries is not read on.
const MOST: usize = 200_000;
const LARGEST: u64 = 64 << 20;
/// All of it together.
const LARGEST_SUM: u64 = 4 << 30;

/// Writes all trusted entries into a `tar` compressed by zstd; returns how many.
///
/// # Errors
/// The file cannot be written.
pub fn export(cache: &AiCache, to: &mut impl Write) -> io::Result<usize> {
    let mut tar = tar::Builder::new(zstd::Encoder::new(to, 3)?);
    let mut paths = files::by_age(&cache.dir().join(files::TRUSTED));
    paths.sort_by(|a, b| a.1.cmp(&b.1));
    let mut count = 0;
    for (_, path) in paths {
        let Ok(entry) = entry::read_file(&path) else { continue };
        let bytes = entry::bytes(&entry)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        tar.append_data(&mut header, format!("{}.json", entry.key), bytes.as_slice())?;
        count += 1;
    }
    tar.into_inner()?.finish()?;
    Ok(count)
}

/// Takes in the entries of such a file: each has to be what its name and its digest say. Names lead nowhere, because only the
/// key in them is used. Entries that are there already stay. Returns how many are new, and how many were refused.
///
/// # Errors
/// The file is not of this kind, or the folder cannot be written.
pub fn import(cache: &AiCache, from: &mut impl Read) -> io::Result<(usize, usize)> {
    let folder = cache.dir().join(files::TRUSTED);
    files::make(cache.dir(), &folder)?;
    let (mut new, mut refused) = (0, 0);
    // What unpacks to more than this was made to fill the disk.
    let mut unpacked = zstd::Decoder::new(from)?;
    unpacked.window_log_max(27)?;
    let mut tar = tar::Archive::new(unpacked.take(LARGEST_SUM));
    for (number, file) in tar.entries()?.enumerate() {
        if number >= MOST {
            return Err(io::Error::other("more than 200,000 entries are not taken in"));
        }
        let file = file?;
        let name = file.path().map(|path| files::name(&path)).unwrap_or_default();
        let plain = file.header().entry_type().is_file() && file.size() <= LARGEST;
        let Some(key) = Digest::parse(&name).filter(|_| plain) else {
            refused += 1;
            continue;
        };
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes)?;
        match entry::parse(&bytes, &name) {
            Ok(entry) if !Path::exists(&files::place(&folder, &key)) => {
                entry::write(&folder, &entry)?;
                new += 1;
            }
            Ok(_) => {}
            Err(_) => refused += 1,
        }
    }
    Ok((new, refused))
}
