//! Folders of dependencies that the scratch tree shares with the repository: `node_modules` and Python's virtual
//! environments.
//!
//! Does not know: git, steps. A shared folder is made of real folders, as far down as tools write ([`mirror`]), and of links
//! for the rest. A link that leads back into the repository is made to lead into the scratch tree; what cannot be mended is
//! [`Refused`], because a check would silently read what is not staged. Python's editable installs lead back by text: that is
//! rewritten in what is copied, and for what else they are found by there is a `PYTHONPATH`, which goes before it.

mod mirror;
mod node;
mod python;
#[cfg(test)]
mod tests;

use crate::base::{Digest, RepoPath};
use mirror::Mirror;
pub use python::outside;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Written anew by package managers whenever they change anything inside; steps that install write them too, so they are
/// copied.
const WITNESSES: &[&str] = &[".package-lock.json", ".modules.yaml", ".yarn-state.yml", "pyvenv.cfg"];

/// What steps need beside the links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// Folders of the scratch tree that Python has to look into first.
    pub python_path: Vec<PathBuf>,
    /// The folders that are shared, relative to both roots.
    pub folders: Vec<RepoPath>,
}

/// A folder that cannot be shared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{folder} cannot be shared with the scratch tree: {link} in it leads back to {target}, which may not be as it is staged"
)]
pub struct Refused {
    /// The folder, relative to the root.
    pub folder: String,
    /// The link, relative to the folder.
    pub link: String,
    /// Where that leads, relative to the root.
    pub target: String,
}

/// Why folders are not shared.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// One leads back.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The scratch tree cannot be written, or the folder cannot be read.
    #[error("a folder of dependencies cannot be shared with the scratch tree: {0}")]
    Io(#[from] io::Error),
}

/// What is remembered of a folder, so that it is gone through only once.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    folder: RepoPath,
    /// What the file system said of it.
    stamp: String,
    /// Folders of the repository, relative to it, that Python finds through it.
    python: Vec<PathBuf>,
    /// The folders that were made, with the time at which each was last changed: a step that removes or replaces a link shows
    /// in that.
    #[serde(default)]
    made: Vec<(PathBuf, i128)>,
}

impl Note {
    /// Is everything there as it was made? What an older wf made is not.
    fn is_whole(&self, to: &Path) -> bool {
        let same = |(path, then): &(PathBuf, i128)| mirror::time(&to.join(path)) == Some(*then);
        !self.made.is_empty() && self.made.iter().all(same)
    }
}

/// The folders that are shared, of those that git ignores.
pub fn candidates<'a>(root: &Path, ignored: impl Iterator<Item = (&'a RepoPath, bool)>) -> Vec<RepoPath> {
    let mut found: Vec<RepoPath> = ignored
        .filter_map(|(path, folder)| match (folder, path.file_name()) {
            (true, b"node_modules") => Some(path.clone()),
            // A link to such a folder is no folder to git.
            (false, b"node_modules") => path.under(root).is_dir().then(|| path.clone()),
            // An environment that ignores itself, and so is listed by what is in it.
            (false, b"pyvenv.cfg") => Some(path.parent()),
            _ => path.under(root).join("pyvenv.cfg").is_file().then(|| path.clone()),
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Shares them. `notes`: a folder for what is remembered.
///
/// # Errors
/// A folder leads back in a way that cannot be mended, or something cannot be read or written.
pub fn share(root: &Path, scratch: &Path, notes: &Path, folders: &[RepoPath]) -> Result<Shared, Problem> {
    fs::create_dir_all(notes)?;
    forget(scratch, notes, folders)?;
    let mut shared = Shared::default();
    for folder in folders {
        let (from, to) = (folder.under(root), folder.under(scratch));
        let file = notes.join(Digest::of_bytes(folder.as_bytes()).short());
        let known: Option<Note> = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let stamp = stamp(&from);
        let note = match known {
            Some(note) if note.stamp == stamp && note.is_whole(&to) => note,
            // What is checked out there is staged, and wins.
            None if to.symlink_metadata().is_ok() => continue,
            _ if !to.parent().is_some_and(Path::is_dir) => continue,
            _ => {
                let back = leading_back(root, folder, folders)?;
                let copied = node::requiring(&from, &back);
                let python = python::named(root, &from, false)?;
                // Whenever wf is killed, the folder is known as ours, and as not yet right.
                let unsure = Note { folder: folder.clone(), stamp: String::new(), python, made: vec![] };
                write(&file, &unsure)?;
                let made = Mirror { root, scratch, from: &from, back: &back, copied: &copied }.make(&to)?;
                let sure = Note { stamp, made, ..unsure };
                write(&file, &sure)?;
                sure
            }
        };
        shared.folders.push(folder.clone());
        shared.python_path.extend(note.python.iter().map(|inside| scratch.join(inside)));
    }
    Ok(shared)
}

fn write(file: &Path, note: &Note) -> io::Result<()> {
    fs::write(file, serde_json::to_vec(note).map_err(io::Error::other)?)
}

/// Takes away what is shared no more.
fn forget(scratch: &Path, notes: &Path, folders: &[RepoPath]) -> io::Result<()> {
    for file in fs::read_dir(notes)? {
        let file = file?.path();
        let note: Option<Note> = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(note) = note.filter(|note| !folders.contains(&note.folder)) {
            // Links are removed, not followed.
            let _ = fs::remove_dir_all(note.folder.under(scratch));
            fs::remove_file(file)?;
        }
    }
    Ok(())
}

fn stamp(folder: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let of = |path: &Path| path.metadata().map(|about| (about.ino(), about.mtime(), about.mtime_nsec())).ok();
    let places = python::site_packages(folder);
    let inside = WITNESSES.iter().map(|name| folder.join(name)).chain(places);
    format!("{:?} {:?}", of(folder), inside.map(|path| of(&path)).collect::<Vec<_>>())
}

/// Entries of a folder that lead back into the repository, by where they lead; both relative.
fn leading_back(root: &Path, folder: &RepoPath, shared: &[RepoPath]) -> Result<Vec<(PathBuf, PathBuf)>, Problem> {
    let (mut back, from) = (vec![], folder.under(root));
    let is_venv = from.join("pyvenv.cfg").is_file();
    for entry in WalkDir::new(&from).min_depth(1).into_iter().flatten().filter(walkdir::DirEntry::path_is_symlink) {
        let Ok(target) = entry.path().canonicalize() else { continue };
        let Ok(inside) = target.strip_prefix(root) else { continue };
        if shared.iter().any(|shared| target.starts_with(shared.under(root))) {
            continue;
        }
        let name = entry.path().strip_prefix(&from).unwrap_or(entry.path()).to_owned();
        let first = name.iter().next().map_or(&b""[..], OsStr::as_bytes);
        // `.bin/a -> ../a/cli.js` is made again as it is, and then leads through the link of `a`.
        let through = first == b".bin" && fs::read_link(entry.path()).is_ok_and(|target| mirror::stays(&name, &target));
        if through {
            continue;
        }
        // Of an environment every folder is made.
        if entry.depth() > 1 + usize::from(first.starts_with(b"@")) && !is_venv {
            return Err(Problem::Refused(Refused {
                folder: folder.to_string(),
                link: name.display().to_string(),
                target: inside.display().to_string(),
            }));
        }
        back.push((name, inside.to_owned()));
    }
    Ok(back)
}
