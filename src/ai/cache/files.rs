//! The folder's files: where they are, and that nothing leads elsewhere.

use crate::base::Digest;
use rustix::fs::OFlags;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The folder of what anybody may read.
pub const TRUSTED: &str = "entries";
/// No entry is larger.
const LARGEST: u64 = 128 << 20;

/// Why an answer is not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is an error.
    #[error("an answer with status {0} is not kept")]
    Error(u16),
    /// It says nothing.
    #[error("an empty answer is not kept")]
    Empty,
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        Self::new(io::ErrorKind::InvalidData, refused)
    }
}

/// The folder of what one untrusted branch kept.
pub fn branch(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{TRUSTED}-{}", Digest::of_bytes(name.as_bytes()).short()))
}

/// Makes the cache's folder and one in it; only their owner may look inside.
pub fn make(dir: &Path, below: &Path) -> io::Result<()> {
    for folder in [dir, below] {
        if let Some(parent) = folder.parent().filter(|parent| !parent.exists()) {
            std::fs::create_dir_all(parent)?;
        }
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if !std::fs::symlink_metadata(folder)?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "not a folder (a symlink is not followed)"));
        }
    }
    Ok(())
}

/// Options that follow no symlink and wait for no pipe.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    options
}

/// Reads a small regular file; none if there is none.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match options().read(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    // One byte more than it has, to see its end at once.
    let mut bytes = Vec::with_capacity(about.len().min(LARGEST) as usize + 1);
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes a file so that readers see all of it or what was there before.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut temp = tempfile::Builder::new().prefix(".tmp-").tempfile_in(dir)?;
    temp.write_all(bytes)?;
    temp.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Opens a file to write behind what it holds.
pub fn append(path: &Path) -> io::Result<File> {
    options().append(true).create(true).open(path)
}

/// Where an entry is.
pub fn place(folder: &Path, key: &Digest) -> PathBuf {
    folder.join(format!("{key}.json"))
}

/// Removes an entry, if it is there.
pub fn remove(folder: &Path, key: &Digest) {
    let _ = std::fs::remove_file(place(folder, key));
}

/// The key in a file's name; empty if it is none.
pub fn name(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The entries of all folders, in no order. Leftovers of writers that were killed are removed once they are a day old.
pub fn all(dir: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let folders = folders.filter(|entry| {
        entry.file_name().to_string_lossy().starts_with(TRUSTED) && entry.file_type().is_ok_and(|kind| kind.is_dir())
    });
    folders.flat_map(|folder| entries(&folder.path())).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let day = std::time::Duration::from_hours(24);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, file) = (entry.path(), entry.file_name());
        let file = file.to_string_lossy();
        if file.strip_suffix(".json").and_then(Digest::parse).is_some() {
            found.push(path);
        } else if file.starts_with(".tmp-")
            && entry.metadata().and_then(|meta| meta.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|age| age > day))
        {
            let _ = std::fs::remove_file(path);
        }
    }
    found
}

/// The entries of one folder, each with when it was written: seconds since 1970.
pub fn by_age(folder: &Path) -> Vec<(u64, PathBuf)> {
    use std::os::unix::fs::MetadataExt as _;
    let aged = |path: PathBuf| Some((path.symlink_metadata().ok()?.mtime().unsigned_abs(), path));
    entries(folder).into_iter().filter_map(aged).collect()
}
