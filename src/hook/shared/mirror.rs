//! The folder that stands for one of dependencies: real folders where tools write, links for the rest, copies of what would
//! be written through a link or says by text where it is.
//!
//! Does not know: which folders are shared, when they are made again.
//!
//! What is real how far down: of `node_modules` the folder itself, scopes and `.bin`; of a Python environment everything
//! down to the files, because installers remove and write single files there by their lists (`RECORD`).

use super::WITNESSES;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Component, Path, PathBuf};

/// Entries that tools write into: the scratch tree has its own.
const OWN: &[&str] = &[".cache", ".vite", ".vitest"];
/// Larger files are no scripts and no lists.
const TEXT: u64 = 1 << 20;

/// A folder to be made.
pub(super) struct Mirror<'a> {
    /// The repository's root.
    pub root: &'a Path,
    /// The scratch tree's.
    pub scratch: &'a Path,
    /// The folder in the repository.
    pub from: &'a Path,
    /// Links in it that lead back, by where they lead; both relative.
    pub back: &'a [(PathBuf, PathBuf)],
    /// Packages that are copied whole, relative.
    pub copied: &'a [PathBuf],
}

/// How an entry is put there.
enum How {
    /// A real folder, with the entries of the other one.
    Level,
    /// A real folder with nothing in it.
    Own,
    Copy,
    /// Copied, with the repository's place in its text replaced.
    Text,
    Link(PathBuf),
}

impl Mirror<'_> {
    /// Makes it, whole or not at all. Returns the real folders, relative, with the time of each.
    pub fn make(&self, to: &Path) -> io::Result<Vec<(PathBuf, i128)>> {
        let parent = to.parent().unwrap_or(self.scratch);
        let made = tempfile::Builder::new().prefix(".wf-shared").tempdir_in(parent)?;
        let mut levels = vec![PathBuf::new()];
        let is_venv = self.from.join("pyvenv.cfg").is_file();
        let mut at = 0;
        while let Some(below) = levels.get(at).cloned() {
            at += 1;
            for entry in fs::read_dir(self.from.join(&below))? {
                let entry = entry?;
                let (path, place) = (below.join(entry.file_name()), made.path().join(&below).join(entry.file_name()));
                match self.how(&entry, &path, is_venv)? {
                    How::Level => {
                        fs::create_dir(place)?;
                        levels.push(path);
                    }
                    How::Own => fs::create_dir(place)?,
                    How::Copy => copy(&entry.path(), &place)?,
                    How::Text => self.text(&entry.path(), &place)?,
                    How::Link(target) => symlink(target, place)?,
                }
            }
        }
        if to.symlink_metadata().is_ok() {
            fs::remove_dir_all(to)?;
        }
        fs::rename(made.keep(), to)?;
        // Python writes these as it likes.
        levels.retain(|path| !path.ends_with("__pycache__"));
        Ok(levels.into_iter().filter_map(|path| time(&to.join(&path)).map(|time| (path, time))).collect())
    }

    fn how(&self, entry: &fs::DirEntry, path: &Path, is_venv: bool) -> io::Result<How> {
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let (top, first) = (path.components().count() == 1, path.iter().next().unwrap_or_default());
        if kind.is_dir() && OWN.iter().any(|own| name == *own) && top {
            return Ok(How::Own);
        }
        if self.copied.iter().any(|copied| copied == path) {
            return Ok(How::Copy);
        }
        if let Some((_, inside)) = self.back.iter().find(|(link, _)| link == path) {
            return Ok(How::Link(self.scratch.join(inside)));
        }
        if kind.is_symlink() && (is_venv || first == ".bin") {
            let target = fs::read_link(entry.path())?;
            let as_it_is = target.is_absolute() || stays(path, &target);
            return Ok(How::Link(if as_it_is { target } else { entry.path() }));
        }
        let is_level = is_venv || (top && (name == ".bin" || name.as_bytes().starts_with(b"@")));
        if kind.is_dir() && is_level {
            return Ok(How::Level);
        }
        if kind.is_file() && top && WITNESSES.iter().any(|witness| name == *witness) {
            return Ok(How::Copy);
        }
        if kind.is_file() && is_venv && is_text(path, &name) && entry.metadata()?.len() <= TEXT {
            return Ok(How::Text);
        }
        Ok(How::Link(entry.path()))
    }

    fn text(&self, from: &Path, to: &Path) -> io::Result<()> {
        let text = fs::read(from)?;
        fs::write(to, moved(&text, self.root.as_os_str().as_bytes(), self.scratch.as_os_str().as_bytes()))?;
        fs::set_permissions(to, from.metadata()?.permissions())
    }
}

/// What says by text where things are, or is written in place: scripts, lists of paths, what is recorded of an installed
/// package.
fn is_text(path: &Path, name: &OsStr) -> bool {
    let ends = |end: &str| name.as_bytes().ends_with(end.as_bytes());
    let recorded = path.parent().and_then(Path::file_name).is_some_and(|folder| {
        let folder = folder.as_bytes();
        folder.ends_with(b".dist-info") || folder.ends_with(b".egg-info")
    });
    path.starts_with("bin")
        || ends(".pth")
        || ends(".egg-link")
        || name.as_bytes().starts_with(b"__editable__")
        || recorded
}

/// The text with one root in the place of another. A name that only begins alike is another.
pub(super) fn moved(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, from) {
        let end = at + from.len();
        let goes_on = rest.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-_.+@".contains(byte));
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(if goes_on { from } else { to });
        rest = &rest[end..];
    }
    out.extend_from_slice(rest);
    out
}

/// Does a link at this path, relative to the folder, stay in the folder by what it says?
pub(super) fn stays(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count() - 1;
    target.components().all(|part| match part {
        Component::Normal(_) => {
            depth += 1;
            true
        }
        Component::ParentDir if depth > 0 => {
            depth -= 1;
            true
        }
        Component::CurDir => true,
        _ => false,
    })
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry?;
        let place = match entry.path().strip_prefix(from) {
            Ok(inside) if inside != Path::new("") => to.join(inside),
            _ => to.to_owned(),
        };
        if entry.file_type().is_dir() {
            fs::create_dir(place)?;
        } else if entry.path_is_symlink() {
            symlink(fs::read_link(entry.path())?, place)?;
        } else if entry.file_type().is_file() {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}

/// When a folder was last changed, in nanoseconds since 1970.
pub(super) fn time(folder: &Path) -> Option<i128> {
    let about = folder.symlink_metadata().ok().filter(fs::Metadata::is_dir)?;
    Some(i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec()))
}
