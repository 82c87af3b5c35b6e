//! What steps changed in the scratch tree, brought into the working tree: each file whole or not at all, and only where
//! it still says what was merged.
//!
//! Does not know: why a step changed a file. A file is made beside git's own, compared, and exchanged with the user's
//! in one move of the file system. If what came out is not what was merged, because an editor was quicker, it is
//! exchanged back. A wf that is killed leaves each file old or new; the next hook makes the rest.

use crate::base::RepoPath;
use crate::git::{GitError, Left, Repo, Twin};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tempfile::TempPath;

/// So often a file is merged again because somebody else wrote it meanwhile.
const TRIES: usize = 3;

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Became {
    /// It is fixed now.
    Fixed,
    /// It was as the fix would make it, and only what is staged is not.
    Already,
    /// Not touched, with the reason.
    Left(&'static str),
}

/// One file that steps changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Which.
    pub path: RepoPath,
    /// What became of it.
    pub became: Became,
    /// Is it unknown to git?
    pub new: bool,
}

/// Why fixes are not brought over at all.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// git cannot be asked.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: RepoPath,
        /// Why.
        error: io::Error,
    },
}

/// Brings everything over that steps left in the scratch tree.
///
/// # Errors
/// The first file that cannot be read or written; those before it are done.
pub fn apply(repo: &Repo, twin: &Twin, left: &Left) -> Result<Vec<Fix>, Problem> {
    let desk = Desk::open(repo.git_dir()).map_err(|error| Problem::Io { path: RepoPath::root(), error })?;
    let mut fixes = vec![];
    for path in &left.changed {
        let became = changed(repo, twin, &desk, path)?;
        fixes.push(Fix { path: path.clone(), became, new: false });
    }
    for path in &left.new {
        let became = new(repo, twin, &desk, path).map_err(|error| Problem::Io { path: path.clone(), error })?;
        fixes.push(Fix { path: path.clone(), became, new: true });
    }
    Ok(fixes)
}

/// Where files are made: on the file system of the working tree, but not in it.
struct Desk(PathBuf);

impl Desk {
    fn open(git_dir: &Path) -> io::Result<Self> {
        let dir = git_dir.join("wf-fixes");
        fs::create_dir_all(&dir)?;
        // Only a wf that was killed leaves anything here, and what it left is old by now.
        for entry in fs::read_dir(&dir)? {
            let _ = fs::remove_file(entry?.path());
        }
        Ok(Self(dir))
    }

    fn file(&self, bytes: &[u8]) -> io::Result<TempPath> {
        Self::file_in(&self.0, bytes)
    }

    fn file_in(folder: &Path, bytes: &[u8]) -> io::Result<TempPath> {
        let mut file = tempfile::Builder::new().prefix(".wf-fix").tempfile_in(folder)?;
        file.write_all(bytes)?;
        Ok(file.into_temp_path())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

fn changed(repo: &Repo, twin: &Twin, desk: &Desk, path: &RepoPath) -> Result<Became, Problem> {
    let failed = |error| Problem::Io { path: path.clone(), error };
    let (here, there) = (path.under(repo.root()), path.under(twin.root()));
    let Some(theirs) = regular(&there).map_err(failed)? else {
        return Ok(Became::Left("the step removed it, or put something else there; wf does not"));
    };
    let base = twin.staged(path)?;
    for _ in 0..TRIES {
        let Some(ours) = regular(&here).map_err(failed)? else {
            return Ok(Became::Left("it is not a file here any more"));
        };
        if ours == theirs {
            return Ok(Became::Already);
        }
        let merged = if ours == base {
            Some(theirs.clone())
        } else {
            let files = [&ours, &base, &theirs].map(|bytes| desk.file(bytes));
            let [mine, old, new] = files;
            repo.merge_file(&mine.map_err(failed)?, &old.map_err(failed)?, &new.map_err(failed)?)?
        };
        match merged {
            None => return Ok(Became::Left("you changed the same lines since they were staged")),
            Some(merged) if merged == ours => return Ok(Became::Already),
            Some(merged) => {
                if replace(desk, &here, &ours, &merged).map_err(failed)? {
                    return Ok(Became::Fixed);
                }
            }
        }
    }
    Ok(Became::Left("it is being written to"))
}

fn new(repo: &Repo, twin: &Twin, desk: &Desk, path: &RepoPath) -> io::Result<Became> {
    let (here, there) = (path.under(repo.root()), path.under(twin.root()));
    let Some(bytes) = regular(&there)? else { return Ok(Became::Left("it is no file")) };
    if here.symlink_metadata().is_ok() {
        let same = regular(&here)?.is_some_and(|now| now == bytes);
        return Ok(if same { Became::Already } else { Became::Left("something else is there") });
    }
    if let Some(folder) = here.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = desk.file(&bytes)?;
    fs::set_permissions(&file, there.metadata()?.permissions())?;
    match file.persist_noclobber(&here) {
        Ok(()) => Ok(Became::Fixed),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(Became::Left("something else is there")),
        Err(error) => Err(error.error),
    }
}

/// A regular file's bytes; none if it is none.
fn regular(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match path.symlink_metadata() {
        Ok(about) if about.is_file() => fs::read(path).map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts new bytes in the place of old ones. False: it does not say `old` (any more), and is as somebody else left it.
fn replace(desk: &Desk, target: &Path, old: &[u8], new: &[u8]) -> io::Result<bool> {
    match exchange(&desk.file(new)?, target, old) {
        // git's folder is on another file system.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            exchange(&Desk::file_in(target.parent().unwrap_or(target), new)?, target, old)
        }
        result => result,
    }
}

fn exchange(file: &Path, target: &Path, old: &[u8]) -> io::Result<bool> {
    fs::set_permissions(file, target.metadata()?.permissions())?;
    if fs::read(target)? != old {
        return Ok(false);
    }
    match renameat_with(CWD, file, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        // A file system that cannot exchange: the moment since the comparison is all that is left to chance.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            fs::rename(file, target)?;
            return Ok(true);
        }
        Err(error) => return Err(error.into()),
    }
    if fs::read(file)? == old {
        return Ok(true);
    }
    renameat_with(CWD, file, CWD, target, RenameFlags::EXCHANGE)?;
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::open(dir.path()).unwrap();
        let target = dir.path().join("a.sh");
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o751)).unwrap();
        assert!(!replace(&desk, &target, b"other", b"new").unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert!(replace(&desk, &target, b"old", b"new").unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(target.metadata().unwrap().permissions().mode() & 0o777, 0o751);
        assert_eq!(fs::read_dir(dir.path().join("wf-fixes")).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_wf_left_is_cleared_away() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("wf-fixes")).unwrap();
        fs::write(dir.path().join("wf-fixes/.wf-fixABC"), "half").unwrap();
        drop(Desk::open(dir.path()).unwrap());
        assert!(!dir.path().join("wf-fixes").exists());
    }
}
