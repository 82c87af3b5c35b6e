//! What steps changed in the scratch tree, brought into the working tree: each file whole or not at all, and only where
//! it still says what was merged.
//!
//! Does not know: why a step changed a file. A file is made beside git's own, compared, and exchanged with the user's
//! in one move of the file system. If what came out is not what was merged, because an editor was quicker, it is
//! exchanged back. A wf that is killed leaves each file old or new; the next hook makes the rest.

use crate::base::RepoPath;
use crate::git::{GitError, Left, Repo, Twin};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::borrow::Cow;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
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
    Left(Cow<'static, str>),
}

fn left(why: &'static str) -> Became {
    Became::Left(Cow::Borrowed(why))
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
    let (staged, trusts_modes) = (twin.entries(&left.changed)?, twin.trusts_modes());
    let mut fixes = vec![];
    for path in &left.changed {
        let failed = |error| Problem::Io { path: path.clone(), error };
        let became = match link_before(repo.root(), path).map_err(failed)? {
            Some(link) => Some(Became::Left(format!("{link} is a link here").into())),
            None => changed(repo, twin, &desk, path, staged.get(path).map(|entry| (entry, trusts_modes)))?,
        };
        fixes.extend(became.map(|became| Fix { path: path.clone(), became, new: false }));
    }
    for path in &left.new {
        let failed = |error| Problem::Io { path: path.clone(), error };
        let became = match link_before(repo.root(), path).map_err(failed)? {
            Some(link) => Became::Left(format!("{link} is a link here").into()),
            None => new(repo, twin, &desk, path).map_err(failed)?,
        };
        fixes.push(Fix { path: path.clone(), became, new: true });
    }
    Ok(fixes)
}

/// The first folder above a path that is a link on disk (`has_symlink_leading_path` in git's symlinks.c): what is written
/// behind it is not in the repository.
fn link_before(root: &Path, path: &RepoPath) -> io::Result<Option<RepoPath>> {
    let mut folders = vec![];
    let mut folder = path.parent();
    while !folder.is_root() {
        let above = folder.parent();
        folders.push(folder);
        folder = above;
    }
    for folder in folders.into_iter().rev() {
        match folder.under(root).symlink_metadata() {
            Ok(about) if about.is_symlink() => return Ok(Some(folder)),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(None)
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

/// What becomes of one file; nothing if no step changed it after all. `entry`: what is staged, and whether modes on disk
/// say anything.
fn changed(
    repo: &Repo,
    twin: &Twin,
    desk: &Desk,
    path: &RepoPath,
    entry: Option<(&(u32, String), bool)>,
) -> Result<Option<Became>, Problem> {
    let failed = |error| Problem::Io { path: path.clone(), error };
    let (here, there) = (path.under(repo.root()), path.under(twin.root()));
    let Some(theirs) = regular(&there).map_err(failed)? else {
        return Ok(Some(left("the step removed it, or put something else there; wf does not")));
    };
    // May it be executed from now on? None: the step did not touch that.
    let executable = match entry {
        Some(((mode, _), true)) => {
            let now = is_executable(&there).map_err(failed)?;
            (now != (mode & 0o100 != 0)).then_some(now)
        }
        _ => None,
    };
    let base = twin.staged(path)?;
    if theirs == base && executable.is_none() {
        return Ok(None);
    }
    for _ in 0..TRIES {
        let Some(ours) = regular(&here).map_err(failed)? else {
            return Ok(Some(left("it is not a file here any more")));
        };
        let merged = if ours == theirs || theirs == base {
            Some(ours.clone())
        } else if ours == base || is_staged(repo, path, entry) {
            Some(theirs.clone())
        } else {
            let files = [&ours, &base, &theirs].map(|bytes| desk.file(bytes));
            let [mine, old, new] = files;
            repo.merge_file(&mine.map_err(failed)?, &old.map_err(failed)?, &new.map_err(failed)?)?
        };
        let mode = match executable {
            Some(wanted) if is_executable(&here).map_err(failed)? != wanted => Some(wanted),
            _ => None,
        };
        match merged {
            None => return Ok(Some(left("you changed the same lines since they were staged"))),
            Some(merged) if merged == ours => {
                let Some(wanted) = mode else { return Ok(Some(Became::Already)) };
                let about = here.metadata().map_err(failed)?;
                fs::set_permissions(&here, with_execute(about.permissions(), wanted)).map_err(failed)?;
                return Ok(Some(Became::Fixed));
            }
            Some(merged) => {
                if replace(desk, &here, &ours, &merged, mode).map_err(failed)? {
                    return Ok(Some(Became::Fixed));
                }
            }
        }
    }
    Ok(Some(left("it is being written to")))
}

/// Is the file on disk what is staged, though other bytes (line ends, `ident`) than git would put there today?
fn is_staged(repo: &Repo, path: &RepoPath, entry: Option<(&(u32, String), bool)>) -> bool {
    let name = |(_, name): &(u32, String)| repo.clean_name(path).is_ok_and(|now| now == *name);
    entry.is_some_and(|(entry, _)| name(entry))
}

fn is_executable(path: &Path) -> io::Result<bool> {
    Ok(path.metadata()?.permissions().mode() & 0o100 != 0)
}

/// As `chmod +x` and `-x`: whoever may read it may execute it.
fn with_execute(mut permissions: fs::Permissions, execute: bool) -> fs::Permissions {
    let mode = permissions.mode();
    permissions.set_mode(if execute { mode | ((mode & 0o444) >> 2) } else { mode & !0o111 });
    permissions
}

fn new(repo: &Repo, twin: &Twin, desk: &Desk, path: &RepoPath) -> io::Result<Became> {
    let (here, there) = (path.under(repo.root()), path.under(twin.root()));
    let Some(bytes) = regular(&there)? else { return Ok(left("it is no file")) };
    if here.symlink_metadata().is_ok() {
        let same = regular(&here)?.is_some_and(|now| now == bytes);
        return Ok(if same { Became::Already } else { left("something else is there") });
    }
    if let Some(folder) = here.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = desk.file(&bytes)?;
    fs::set_permissions(&file, there.metadata()?.permissions())?;
    match file.persist_noclobber(&here) {
        Ok(()) => Ok(Became::Fixed),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(left("something else is there")),
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
/// `execute`: whether it may be executed from now on, if that changes.
fn replace(desk: &Desk, target: &Path, old: &[u8], new: &[u8], execute: Option<bool>) -> io::Result<bool> {
    match exchange(&desk.file(new)?, target, old, execute) {
        // git's folder is on another file system.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            exchange(&Desk::file_in(target.parent().unwrap_or(target), new)?, target, old, execute)
        }
        result => result,
    }
}

fn exchange(file: &Path, target: &Path, old: &[u8], execute: Option<bool>) -> io::Result<bool> {
    let permissions = target.metadata()?.permissions();
    fs::set_permissions(file, execute.map_or(permissions.clone(), |execute| with_execute(permissions, execute)))?;
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

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::open(dir.path()).unwrap();
        let target = dir.path().join("a.sh");
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o751)).unwrap();
        assert!(!replace(&desk, &target, b"other", b"new", None).unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert!(replace(&desk, &target, b"old", b"new", None).unwrap());
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
