//! Walks the places that a step's output globs name, and nothing else of the tree.

use super::beneath::{self, Beneath, file_stat, stat_in};
use super::check::is_private;
use super::write::Leftover;
use crate::base::{GlobSet, RepoPath};
use crate::tree::FileStat;
use rustix::fs::{Dir, FileType};
use std::io;

/// What a listed path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A regular file.
    File {
        /// May its owner execute it?
        executable: bool,
    },
    /// A symlink, not followed.
    Symlink,
    /// A folder with nothing in it.
    Folder,
    /// A pipe, a socket, a device: its name for people.
    Special(&'static str),
}

/// One thing that the globs match.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Where.
    pub path: RepoPath,
    /// What.
    pub thing: Thing,
    /// As the file system has it.
    pub stat: FileStat,
}

/// What the globs match now.
#[derive(Debug, Default)]
pub struct Listing {
    /// Sorted by path. Folders only if they are empty.
    pub things: Vec<Listed>,
    /// Files that a killed wf was writing.
    pub leftovers: Vec<RepoPath>,
}

/// A failure and the path it is about.
pub type At<T> = Result<T, (RepoPath, io::Error)>;

/// Everything the globs match. Symlinks are things, never ways; git's and wf's own folders are not looked into.
pub fn list(beneath: &Beneath, globs: &GlobSet) -> At<Listing> {
    let mut walk = Walk { beneath, globs, found: Listing::default(), folders: vec![] };
    for root in roots(globs) {
        if root.as_bytes().split(|byte| *byte == b'/').any(is_private) {
            continue;
        }
        if root.is_root() {
            walk.folders.push(root);
        } else {
            let stat = match beneath.stat(&root) {
                Err(error) if beneath::is_blocked(&error) => None,
                stat => stat.map_err(|error| (root.clone(), error))?,
            };
            if let Some(stat) = stat {
                walk.meet(root, &stat);
            }
        }
        while let Some(folder) = walk.folders.pop() {
            walk.look_into(&folder)?;
        }
    }
    let mut found = walk.found;
    found.things.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The deepest places that hold all the globs match, none inside another.
pub fn roots(globs: &GlobSet) -> Vec<RepoPath> {
    let mut roots: Vec<RepoPath> = globs.roots().collect();
    roots.sort_unstable();
    // What is below a folder does not always follow it directly (`a`, `a-b`, `a/b`), so the look is at all that stay.
    let mut kept: Vec<RepoPath> = Vec::with_capacity(roots.len());
    for root in roots {
        if !kept.iter().any(|above| root.is_in(above)) {
            kept.push(root);
        }
    }
    kept
}

struct Walk<'a> {
    beneath: &'a Beneath,
    globs: &'a GlobSet,
    found: Listing,
    /// Still to be looked into. Each is opened from the root when its turn comes, so that deep trees use one descriptor.
    folders: Vec<RepoPath>,
}

impl Walk<'_> {
    fn look_into(&mut self, folder: &RepoPath) -> At<()> {
        let failed = |error: io::Error| (folder.clone(), error);
        let open = match self.beneath.listing(folder) {
            // It went away, or something else took its place.
            Err(error) if error.kind() == io::ErrorKind::NotFound || beneath::is_blocked(&error) => return Ok(()),
            open => open.map_err(failed)?,
        };
        let mut empty = true;
        for entry in Dir::read_from(&open).map_err(|error| failed(error.into()))? {
            let entry = entry.map_err(|error| failed(error.into()))?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            empty = false;
            let path = below(folder, name);
            if Leftover::parse(name).is_some() {
                self.found.leftovers.push(path);
                continue;
            }
            if is_private(name) {
                continue;
            }
            // A look at the file system only for what matters.
            let maybe_folder = matches!(entry.file_type(), FileType::Directory | FileType::Unknown);
            if !maybe_folder && !self.globs.is_match(&path) {
                continue;
            }
            if let Some(stat) = stat_in(&open, name).map_err(failed)? {
                self.meet(path, &stat);
            }
        }
        if empty && self.globs.is_match(folder) {
            let stat = rustix::fs::fstat(&open).map_err(|error| failed(error.into()))?;
            self.found.things.push(Listed { path: folder.clone(), thing: Thing::Folder, stat: file_stat(&stat) });
        }
        Ok(())
    }

    fn meet(&mut self, path: RepoPath, stat: &rustix::fs::Stat) {
        let thing = thing(stat);
        if thing == Thing::Folder {
            // An empty one is listed when it turns out to be empty.
            if is_odd(&path) || self.globs.may_reach_into(&path) || self.globs.is_match(&path) {
                self.folders.push(path);
            }
        } else if self.globs.is_match(&path) {
            self.found.things.push(Listed { path, thing, stat: file_stat(stat) });
        }
    }
}

/// What a path is, by its stat.
pub fn thing(stat: &rustix::fs::Stat) -> Thing {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Thing::File { executable: beneath::executable(stat) },
        FileType::Symlink => Thing::Symlink,
        FileType::Directory => Thing::Folder,
        FileType::Fifo => Thing::Special("a named pipe"),
        FileType::Socket => Thing::Special("a socket"),
        FileType::BlockDevice | FileType::CharacterDevice => Thing::Special("a device"),
        FileType::Unknown => Thing::Special("something of no known kind"),
    }
}

/// A name in a folder.
pub fn below(folder: &RepoPath, name: &[u8]) -> RepoPath {
    if folder.is_root() {
        return RepoPath::from_bytes(name);
    }
    RepoPath::from_bytes(&[folder.as_bytes(), b"/", name].concat())
}

/// Globs are compared with folders as text, and this path's text is not its bytes.
fn is_odd(path: &RepoPath) -> bool {
    std::str::from_utf8(path.as_bytes()).map_or(true, |text| text.contains(|c: char| c.is_control() || c == '\\'))
}
