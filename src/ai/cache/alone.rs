//! One asks, the others wait: a lock for each key, over all processes.
//!
//! The lock is the kernel's (`flock`) on a file of its own; whoever dies lets go of it. Each take opens the file anew, so that
//! tasks of one process exclude each other as well.

use super::files;
use crate::base::Digest;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The key is taken until this is dropped.
#[derive(Debug)]
pub struct Alone {
    /// None: there is no folder for locks, and everybody is alone.
    held: Option<(File, PathBuf)>,
}

pub(super) fn take(dir: &Path, key: &Digest) -> Option<Alone> {
    let folder = dir.join("locks");
    let path = folder.join(key.short());
    let opened = files::make(dir, &folder).and_then(|()| files::options().write(true).create(true).open(&path));
    // Whoever cannot lock asks twice at worst.
    let Ok(file) = opened else { return Some(Alone { held: None }) };
    file.try_lock().ok()?;
    // The last holder removes the file: a lock on a file without a name keeps nobody out.
    let same = path.symlink_metadata().is_ok_and(|named| file.metadata().is_ok_and(|own| own.ino() == named.ino()));
    same.then_some(Alone { held: Some((file, path)) })
}

impl Drop for Alone {
    fn drop(&mut self) {
        if let Some((_file, path)) = &self.held {
            let _ = std::fs::remove_file(path);
        }
    }
}
