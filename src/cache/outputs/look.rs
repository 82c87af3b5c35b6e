//! What is in a place now, by content, reading as little as possible.

use super::beneath::{self, Beneath, executable, file_stat, stat_in};
use super::list::{Listed, Thing, thing};
use crate::base::{Digest, RepoPath, digest::Stream};
use crate::cache::{Output, OutputKind};
use crate::tree::FileStat;
use rayon::prelude::*;
use std::fs::File;
use std::io;

/// Digests of files by what the file system says of them, so that nothing is read twice. Bytes as they are: no line
/// endings are changed.
pub trait Known: Sync {
    /// The digest of the file here, if a file that looked exactly like this was read before.
    fn known(&self, path: &RepoPath, stat: &FileStat) -> Option<Digest>;
    /// The time that files written now get, in nanoseconds since 1970: asked for before a file is read. None: nobody can tell,
    /// and no file is to be believed by its looks.
    fn now(&self) -> Option<i64>;
    /// A file was read, not before `began`, and looked like this before and after.
    fn learn(&self, path: &RepoPath, stat: &FileStat, digest: Digest, began: Option<i64>);
}

/// Knows nothing and remembers nothing: every file is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Known for Nothing {
    fn known(&self, _: &RepoPath, _: &FileStat) -> Option<Digest> {
        None
    }

    fn now(&self) -> Option<i64> {
        None
    }

    fn learn(&self, _: &RepoPath, _: &FileStat, _: Digest, _: Option<i64>) {}
}

/// So few files are looked at faster than they are handed to other threads.
pub const FEW: usize = 16;

/// The outputs that are not in their places as they should be. A file is read only if it is of the right size and not known.
pub fn wrong<'a>(beneath: &Beneath, outputs: &'a [Output], known: &dyn Known) -> Vec<&'a Output> {
    let is_wrong = |output: &&Output| !is_there(beneath, output, known);
    match outputs.len() {
        0 => vec![],
        1..FEW => outputs.iter().filter(is_wrong).collect(),
        _ => outputs.par_iter().filter(is_wrong).collect(),
    }
}

/// A place that cannot be looked at is wrong: restoring says why.
fn is_there(beneath: &Beneath, output: &Output, known: &dyn Known) -> bool {
    // For a file one call has to do: a path that leads through a symlink or out of the root is nowhere known, and reading it
    // is refused.
    let is_file = matches!(output.kind, OutputKind::File { .. });
    let stat = if is_file { beneath.glance(&output.path) } else { beneath.stat(&output.path) };
    let Ok(Some(stat)) = stat else { return false };
    match (&output.kind, thing(&stat)) {
        (OutputKind::File { blob, executable }, Thing::File { executable: now }) => {
            let seen = file_stat(&stat);
            let known = || match known.known(&output.path, &seen) {
                Some(digest) => Some(digest),
                None => digest(beneath, &output.path, known).ok(),
            };
            *executable == now && seen.size == blob.size && known() == Some(blob.digest)
        }
        (OutputKind::Symlink { target }, Thing::Symlink) => link(beneath, &output.path).is_ok_and(|now| now == *target),
        (OutputKind::Folder, Thing::Folder) => true,
        _ => false,
    }
}

/// Reads a file for its digest, and remembers that.
pub fn digest(beneath: &Beneath, path: &RepoPath, known: &dyn Known) -> io::Result<Digest> {
    let began = known.now();
    let (mut file, before) = beneath.file(path)?;
    let digest = stream(&mut file)?.0;
    learn(path, &file, &before, digest, known, began)?;
    Ok(digest)
}

/// Remembers a digest, unless the file changed under the reading. Says whether it did not.
pub fn learn(
    path: &RepoPath,
    file: &File,
    before: &rustix::fs::Stat,
    digest: Digest,
    known: &dyn Known,
    began: Option<i64>,
) -> io::Result<bool> {
    let (before, after) = (file_stat(before), file_stat(&rustix::fs::fstat(file)?));
    let steady = before == after;
    if steady {
        known.learn(path, &after, digest, began);
    }
    Ok(steady)
}

/// Digest and length of everything that is left to read.
pub fn stream(file: &mut impl io::Read) -> io::Result<(Digest, u64)> {
    let (mut sum, mut size, mut buffer) = (Stream::default(), 0, vec![0; 64 << 10]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((sum.finish(), size)),
            Ok(n) => {
                sum.add(&buffer[..n]);
                size += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What a symlink says.
pub fn link(beneath: &Beneath, path: &RepoPath) -> io::Result<Vec<u8>> {
    Ok(link_in(&beneath.folder(&path.parent())?, path.file_name())?)
}

/// What a symlink in a folder says.
pub fn link_in(folder: impl std::os::fd::AsFd, name: &[u8]) -> rustix::io::Result<Vec<u8>> {
    Ok(rustix::fs::readlinkat(folder, name, Vec::new())?.into_bytes())
}

/// What is under a name in a folder, with the digest of its bytes.
#[derive(Clone, Debug)]
pub enum There {
    /// A file.
    File {
        /// As the file system has it.
        stat: FileStat,
        /// Of its bytes.
        digest: Digest,
        /// May its owner execute it?
        executable: bool,
    },
    /// A symlink.
    Symlink {
        /// As the file system has it.
        stat: FileStat,
        /// What it says.
        target: Vec<u8>,
    },
    /// A folder, empty or not.
    Folder,
    /// Something that is neither made nor kept.
    Special(&'static str),
}

/// What a listed thing is. None: it went away.
pub fn there_listed(beneath: &Beneath, listed: &Listed, known: &dyn Known) -> io::Result<Option<There>> {
    let Listed { path, thing, stat } = listed;
    let there = match *thing {
        Thing::File { executable } => known
            .known(path, stat)
            .map_or_else(|| digest(beneath, path, known), Ok)
            .map(|digest| There::File { stat: *stat, digest, executable }),
        Thing::Symlink => link(beneath, path).map(|target| There::Symlink { stat: *stat, target }),
        Thing::Folder => Ok(There::Folder),
        Thing::Special(what) => Ok(There::Special(what)),
    };
    match there {
        Err(error) if is_away(&error) => Ok(None),
        there => there.map(Some),
    }
}

impl There {
    /// Of its bytes. None: it is nothing that wf makes.
    pub fn content(&self) -> Option<Digest> {
        match self {
            Self::File { digest, .. } => Some(*digest),
            Self::Symlink { target, .. } => Some(Digest::of_bytes(target)),
            Self::Folder => Some(Digest::of_bytes(b"")),
            Self::Special(_) => None,
        }
    }
}

/// Looks at what is under the name of `path` in the folder that holds it. None: nothing.
pub fn there(
    beneath: &Beneath,
    folder: impl std::os::fd::AsFd,
    path: &RepoPath,
    known: &dyn Known,
) -> io::Result<Option<There>> {
    let Some(stat) = stat_in(&folder, path.file_name())? else { return Ok(None) };
    let seen = file_stat(&stat);
    Ok(Some(match thing(&stat) {
        Thing::File { .. } => {
            let digest = match known.known(path, &seen) {
                Some(digest) => digest,
                None => digest(beneath, path, known)?,
            };
            There::File { stat: seen, digest, executable: executable(&stat) }
        }
        Thing::Symlink => There::Symlink { stat: seen, target: link_in(folder, path.file_name())? },
        Thing::Folder => There::Folder,
        Thing::Special(what) => There::Special(what),
    }))
}

/// Is the way to it blocked, or is it away? Then it is not there, whatever else that means.
pub fn is_away(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || beneath::is_blocked(error)
}
