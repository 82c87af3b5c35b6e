//! How many lines changed. Reads the changed files on both sides, and so only when somebody asks and they are few.
//!
//! Does not know: what a change is; it is told which files changed.

use super::history::oid;
use super::{Mode, Repo};
use crate::base::RepoPath;
use crate::change::ChangedFile;
use git2::{DiffOptions, ObjectType, Oid, Patch, Repository};
use std::io::Read as _;

/// More changed files are not counted.
pub const FILES: usize = 200;
/// Nor are more bytes, both sides of all of them together: reading and comparing them takes some ten milliseconds.
pub const BYTES: u64 = 1 << 20;

/// A regular file, executable or not, as git writes modes.
const REGULAR: u32 = 0o100_000;
const KIND: u32 = 0o170_000;

impl Repo {
    /// How many lines these files have gained and lost since a commit (none: since HEAD), as a line diff has it (Myers
    /// 1986, by libgit2): up to the working tree, or with [`Mode::StagedOnly`] up to the index. Ends of lines do not count,
    /// nor do files without lines: binary ones, submodules, symlinks.
    ///
    /// None: nobody counted. They are more than [`FILES`], or larger than [`BYTES`], or libgit2 cannot read them.
    pub fn changed_lines(&self, base: Option<&str>, files: &[ChangedFile], mode: Mode) -> Option<u64> {
        let lib = self.lib.as_ref().filter(|_| files.len() <= FILES)?;
        let base = match base {
            Some(base) => oid(base).ok()?,
            None => lib.head().ok()?.peel_to_commit().ok()?.id(),
        };
        let tree = lib.find_commit(base).ok()?.tree().ok()?;
        let index = if mode == Mode::StagedOnly && self.lib_index { Some(lib.index().ok()?) } else { None };
        let (mut left, mut lines) = (BYTES, 0);
        for file in files {
            let before = file.from.as_ref().unwrap_or(&file.path).under(std::path::Path::new(""));
            let id = tree.get_path(&before).ok().filter(|entry| entry.filemode() as u32 & KIND == REGULAR);
            let old = id.map_or(Some(vec![]), |entry| blob(lib, entry.id(), &mut left))?;
            let new = match mode {
                Mode::All => self.bytes(&file.path, &mut left)?,
                Mode::StagedOnly => {
                    let entry = index.as_ref()?.get_path(&file.path.under(std::path::Path::new("")), 0);
                    let entry = entry.filter(|entry| entry.mode & KIND == REGULAR);
                    entry.map_or(Some(vec![]), |entry| blob(lib, entry.id, &mut left))?
                }
            };
            lines += between(&old, &new)?;
        }
        Some(lines)
    }

    /// What is in a file of the working tree; nothing if there is no regular file. None: it is too large, or unreadable.
    fn bytes(&self, path: &RepoPath, left: &mut u64) -> Option<Vec<u8>> {
        let full = path.under(&self.root);
        let Some(meta) = full.symlink_metadata().ok().filter(std::fs::Metadata::is_file) else { return Some(vec![]) };
        let mut bytes = Vec::new();
        take(left, meta.len())?;
        // It may have grown since.
        std::fs::File::open(full).ok()?.take(meta.len()).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

fn blob(lib: &Repository, id: Oid, left: &mut u64) -> Option<Vec<u8>> {
    let (size, kind) = lib.odb().ok()?.read_header(id).ok()?;
    take(left, size as u64)?;
    if kind == ObjectType::Blob { super::libgit::content(lib, id) } else { None }
}

fn take(left: &mut u64, bytes: u64) -> Option<()> {
    *left = left.checked_sub(bytes)?;
    Some(())
}

/// Lines added and removed.
fn between(old: &[u8], new: &[u8]) -> Option<u64> {
    if old == new {
        return Some(0);
    }
    let mut options = DiffOptions::new();
    options.context_lines(0).ignore_whitespace_eol(true);
    let patch = Patch::from_buffers(old, None, new, None, Some(&mut options)).ok()?;
    let (_, added, removed) = patch.line_stats().ok()?;
    Some(added as u64 + removed as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_on_both_sides_and_not_in_binary_files() {
        let table: [(&[u8], &[u8], u64); 8] = [
            (b"", b"", 0),
            (b"", b"a\nb\n", 2),
            (b"a\nb\n", b"", 2),
            (b"a\nb\nc\n", b"a\nx\nc\n", 2),
            (b"a\nb\n", b"a\r\nb\r\n", 0),
            (b"a", b"a\nb", 1),
            (b"a\0b\n", b"a\0c\nd\n", 0),
            (b"1\n2\n3\n4\n5\n", b"0\n1\n2\n4\n5\n6\n7\n", 4),
        ];
        for (old, new, expected) in table {
            let shown = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
            assert_eq!(between(old, new), Some(expected), "{shown:?}");
        }
    }

    #[test]
    fn what_is_left_never_goes_below_nothing() {
        let mut left = 10;
        assert_eq!((take(&mut left, 10), left, take(&mut left, 0), take(&mut left, 1)), (Some(()), 0, Some(()), None));
    }
}
