//! Digests of files by what the file system says of them, so that a file that did not change is never read twice.
//!
//! A row is trusted only if size, times, inode and mode are those of the moment it was hashed, and if the file was older
//! then than the clock tick in which it was read: a later change in the same tick would leave no trace ("racy git",
//! Documentation/technical/racy-git.txt of git). Does not know: git, steps; how a file's line endings are meant is handed in.

mod hash;
mod pack;
mod part;

use super::Problem;
use super::outputs::Known;
use crate::base::{Digest, RepoPath};
use crate::tree::{FileKind, FileStat, Form, Listed};
use hash::Hashed;
use pack::{Known as New, Pack, Row};
use rayon::prelude::*;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// For which form of a file's bytes a digest holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(in crate::cache) enum Holds {
    /// There is nothing to convert in it: for every form.
    Always = 0,
    /// For the bytes as they are; read as text it would be another.
    Raw = 1,
    /// For text with line ends as git stores them.
    Text = 2,
    /// For the bytes as they are, and for `text=auto` too, because it looks binary.
    Binary = 3,
}

impl Holds {
    const ALL: [Self; 4] = [Self::Always, Self::Raw, Self::Text, Self::Binary];

    /// The form that a byte says.
    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|holds| *holds as u8 == byte)
    }

    fn serves(self, form: Form) -> bool {
        match form {
            Form::Raw | Form::Filtered => self != Self::Text,
            Form::Text => matches!(self, Self::Always | Self::Text),
            Form::Auto => self != Self::Raw,
        }
    }
}

/// How a file's bytes are meant.
pub type Forms = Box<dyn Fn(&RepoPath) -> Form + Send + Sync>;

/// Which names are to be written nowhere.
pub type Unnamed = Box<dyn Fn(&RepoPath) -> bool + Send + Sync>;

/// The digests of one working tree. Shared by threads.
pub struct Digests {
    file: PathBuf,
    root: PathBuf,
    forms: Forms,
    unnamed: Unnamed,
    pack: Pack,
    /// A file without a name beside the index, written to learn what time it is there. None: nothing can be written.
    clock: OnceLock<Option<File>>,
    new: Mutex<New>,
    files_read: AtomicU64,
    bytes_read: AtomicU64,
}

impl Digests {
    /// Opens the index. One that is missing, damaged or of another format knows nothing; a newer one is never replaced.
    pub fn open(file: &Path, root: &Path) -> (Self, Option<Problem>) {
        let (pack, problem) = Pack::open(file);
        let this = Self {
            file: file.to_owned(),
            root: root.to_owned(),
            forms: Box::new(|_| Form::Raw),
            unnamed: Box::new(|_| false),
            pack,
            clock: OnceLock::new(),
            new: Mutex::default(),
            files_read: AtomicU64::new(0),
            bytes_read: AtomicU64::new(0),
        };
        (this, problem)
    }

    /// Says how files are meant, and which are never written down: those are read each time.
    #[must_use]
    pub fn with(self, forms: Forms, unnamed: Unnamed) -> Self {
        Self { forms, unnamed, ..self }
    }

    /// To look only: nothing is written, not even the file that tells what time it is. What is read is not remembered.
    #[must_use]
    pub fn looking(self) -> Self {
        Self { clock: OnceLock::from(None), ..self }
    }

    fn fresh(&self) -> MutexGuard<'_, New> {
        self.new.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The digests of some of the files, in the order of `positions`. Only what is not known is read.
    pub fn of(&self, files: &[Listed], positions: &[u32]) -> Vec<io::Result<Digest>> {
        let began = self.now();
        let fresh = self.is_fresh();
        let one = |near: &mut usize, position: &u32| {
            let file = &files[*position as usize];
            match self.look_up(file, fresh, near) {
                Some(digest) => Ok(digest),
                None => self.read(file, began),
            }
        };
        positions.par_iter().with_min_len(64).map_init(usize::default, one).collect()
    }

    /// The same without reading any file: what is not known is none.
    pub fn known_of(&self, files: &[Listed], positions: &[u32]) -> Vec<Option<Digest>> {
        let fresh = self.is_fresh();
        let one = |near: &mut usize, position: &u32| self.look_up(&files[*position as usize], fresh, near);
        positions.par_iter().with_min_len(256).map_init(usize::default, one).collect()
    }

    /// The digests of all of them, unless more than so many bytes have to be read for that: then what is not known is none.
    pub fn within(&self, files: &[Listed], positions: &[u32], bytes: Option<u64>) -> Vec<Option<io::Result<Digest>>> {
        let Some(bytes) = bytes else { return self.of(files, positions).into_iter().map(Some).collect() };
        let known = self.known_of(files, positions);
        let unknown =
            || positions.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(position, _)| *position);
        let wanted = unknown().fold(0u64, |sum, position| sum.saturating_add(files[position as usize].stat.size));
        let open: Vec<u32> = if wanted <= bytes { unknown().collect() } else { vec![] };
        let mut read = self.of(files, &open).into_iter();
        known.into_iter().map(|known| known.map(Ok).or_else(|| read.next())).collect()
    }

    /// Which of these files are not any more what they were when they were listed. One that is so young that a change might
    /// not show is read again.
    pub fn changed(&self, files: &[Listed], positions: &[u32]) -> Vec<u32> {
        let is_other = |position: &&u32| {
            let file = &files[**position as usize];
            let Ok(now) = hash::stat(&file.path.under(&self.root)) else { return true };
            if now != file.stat {
                return true;
            }
            if self.look_up(file, true, &mut 0).is_some() {
                return false;
            }
            let before = self.fresh().rows.get(&file.path).map(|row| row.digest);
            before.is_some_and(|before| self.read(file, self.now()).map_or(true, |digest| digest != before))
        };
        positions.par_iter().with_min_len(64).filter(is_other).copied().collect()
    }

    /// How many files and bytes were really read.
    pub fn read_so_far(&self) -> (u64, u64) {
        (self.files_read.load(Ordering::Relaxed), self.bytes_read.load(Ordering::Relaxed))
    }

    /// Keeps what is new, together with what others kept meanwhile. Files that are gone are forgotten.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(&self) -> io::Result<()> {
        let mut new = std::mem::take(&mut *self.fresh());
        new.rows.retain(|path, row| !row.racy && !(self.unnamed)(path));
        if new.rows.is_empty() && new.blobs.is_empty() {
            return Ok(());
        }
        let alive = |path: &RepoPath| path.under(&self.root).symlink_metadata().is_ok();
        self.pack.save(&self.file, &new, &alive)
    }

    /// Is anything known that [`Digests::save`] would keep?
    pub fn knows_more(&self) -> bool {
        let new = self.fresh();
        !new.rows.is_empty() || !new.blobs.is_empty()
    }

    /// Is anything known that the index does not have?
    fn is_fresh(&self) -> bool {
        !self.fresh().rows.is_empty()
    }

    /// `fresh`: may there be something about this file that the index does not have? `near`: see [`Pack::row_near`].
    fn look_up(&self, file: &Listed, fresh: bool, near: &mut usize) -> Option<Digest> {
        let form = self.form(file);
        if fresh && let Some(row) = self.fresh().rows.get(&file.path) {
            return (row.stat == file.stat && row.holds.serves(form) && !row.racy).then_some(row.digest);
        }
        if let Some(row) = self.pack.row_near(&file.path, near)
            && row.stat == file.stat
            && row.holds.serves(form)
        {
            return Some(row.digest);
        }
        // The same blob was hashed before, perhaps in another checkout: git says that the file is unchanged, and no filter
        // stands between the two.
        let blob = file.blob.filter(|_| form != Form::Filtered && !file.read)?;
        let digest = self.pack.blob(&blob, |holds| holds.serves(form))?;
        let holds = if form == Form::Raw { Holds::Raw } else { Holds::Text };
        self.fresh().rows.insert(file.path.clone(), Row { stat: file.stat, holds, digest, racy: false });
        Some(digest)
    }

    fn form(&self, file: &Listed) -> Form {
        match file.kind {
            FileKind::Regular { .. } => (self.forms)(&file.path),
            FileKind::Symlink | FileKind::Repository => Form::Raw,
        }
    }

    fn read(&self, file: &Listed, began: Option<i64>) -> io::Result<Digest> {
        let form = self.form(file);
        let path = file.path.under(&self.root);
        let Hashed { digest, holds, bytes } = match file.kind {
            FileKind::Regular { .. } => hash::file(&path, form, &file.stat)?,
            FileKind::Symlink => hash::symlink(&path)?,
            FileKind::Repository => return Err(io::Error::other("a repository of its own")),
        };
        self.files_read.fetch_add(1, Ordering::Relaxed);
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
        let racy = is_racy(&file.stat, began);
        let mut new = self.fresh();
        new.rows.insert(file.path.clone(), Row { stat: file.stat, holds, digest, racy });
        // What a checkout made of a blob (`core.autocrlf`) is not what another makes of it.
        if let Some(blob) = file.blob.filter(|_| form != Form::Filtered && holds != Holds::Raw) {
            new.blobs.insert((blob, holds), digest);
        }
        Ok(digest)
    }
}

/// A change after the hashing began could leave the file with the times it has; so could any where nobody knows the time.
fn is_racy(stat: &FileStat, began: Option<i64>) -> bool {
    began.is_none_or(|began| stat.mtime_ns.max(stat.ctime_ns) >= began)
}

/// Outputs: bytes as they are.
impl Known for Digests {
    fn known(&self, path: &RepoPath, stat: &FileStat) -> Option<Digest> {
        let good = |row: &Row| (row.stat == *stat && row.holds.serves(Form::Raw) && !row.racy).then_some(row.digest);
        match self.fresh().rows.get(path) {
            Some(row) => good(row),
            None => self.pack.row(path).and_then(|row| good(&row)),
        }
    }

    /// As the file system tells time where the index is. Where nothing can be written nothing is remembered either.
    fn now(&self) -> Option<i64> {
        use std::os::unix::fs::FileExt as _;
        let folder = self.file.parent().unwrap_or(Path::new("."));
        // Made once: making a file takes a hundred times as long as writing to one.
        let clock = || tempfile::tempfile_in(if folder.is_dir() { folder } else { &self.root }).ok();
        let clock = self.clock.get_or_init(clock).as_ref()?;
        clock.write_all_at(b"t", 0).ok()?;
        Some(hash::plain(&clock.metadata().ok()?).mtime_ns)
    }

    fn learn(&self, path: &RepoPath, stat: &FileStat, digest: Digest, began: Option<i64>) {
        let row = Row { stat: *stat, holds: Holds::Raw, digest, racy: is_racy(stat, began) };
        self.fresh().rows.insert(path.clone(), row);
    }
}

#[cfg(test)]
mod tests;
