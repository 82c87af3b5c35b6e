//! Putting a hook of ours into git's hooks folder, beside the one that is there, and taking it away again.
//!
//! Does not know: which folder that is, what the hook does. A hook that was there stays in the same folder under
//! another name, is called first, and comes back byte for byte (it is renamed, never copied).

use super::Hook;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What a hook that was there before is called.
const BEFORE: &str = ".wf-before";

/// What became of the folder.
#[derive(Debug, PartialEq, Eq)]
pub enum Installed {
    /// There was no such hook.
    New,
    /// It was ours already, and is as this wf writes it.
    Again,
    /// There was one; it is called first.
    Beside(PathBuf),
}

/// What was taken away.
#[derive(Debug, PartialEq, Eq)]
pub enum Uninstalled {
    /// Nothing: there is none of ours.
    NotOurs,
    /// Ours; there was none before.
    Gone,
    /// Ours, and the one before it is back.
    Restored,
}

/// Puts the hook there. `wf`: started if no `wf` is on the `PATH`.
///
/// # Errors
/// The folder cannot be written, or holds a hook that somebody put over ours.
pub fn install(folder: &Path, hook: Hook, wf: &Path) -> io::Result<Installed> {
    fs::create_dir_all(folder)?;
    let (place, before) = places(folder, hook);
    let there = place.symlink_metadata().is_ok();
    let ours = is_ours(&place, hook);
    if there && !ours {
        if before.symlink_metadata().is_ok() {
            let words = format!("{} and {} are both there; remove one of them", place.display(), before.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
        }
        fs::rename(&place, &before)?;
    }
    let written = write(&place, &script(hook, wf));
    if written.is_err() && there && !ours {
        fs::rename(&before, &place)?;
    }
    written?;
    Ok(if ours {
        Installed::Again
    } else if there {
        Installed::Beside(before)
    } else {
        Installed::New
    })
}

/// Takes the hook away, if it is ours, and puts back what was there before.
///
/// # Errors
/// The folder cannot be written.
pub fn uninstall(folder: &Path, hook: Hook) -> io::Result<Uninstalled> {
    let (place, before) = places(folder, hook);
    if !is_ours(&place, hook) {
        return Ok(Uninstalled::NotOurs);
    }
    if before.symlink_metadata().is_ok() {
        fs::rename(&before, &place)?;
        return Ok(Uninstalled::Restored);
    }
    fs::remove_file(&place)?;
    Ok(Uninstalled::Gone)
}

fn places(folder: &Path, hook: Hook) -> (PathBuf, PathBuf) {
    (folder.join(hook.name()), folder.join(format!("{}{BEFORE}", hook.name())))
}

/// The line by which ours is known.
fn mark(hook: Hook) -> String {
    format!("# Written by `wf hook install {0}`; `wf hook uninstall {0}` puts back what was here before.", hook.name())
}

fn is_ours(place: &Path, hook: Hook) -> bool {
    fs::read_to_string(place).is_ok_and(|text| text.lines().any(|line| line == mark(hook)))
}

/// A few lines that start no process but those that they are about. What is pushed comes on standard input, and both
/// hooks have to read it.
fn script(hook: Hook, wf: &Path) -> String {
    let (name, mark) = (hook.name(), mark(hook));
    let path = wf.to_string_lossy();
    let path = shlex::try_quote(&path).map_or_else(|_| "wf".into(), std::borrow::Cow::into_owned);
    let (read, give) = match hook {
        Hook::PrePush => ("pushed=$(cat)\n", "printf '%s\\n' \"$pushed\" | "),
        Hook::PreCommit | Hook::CommitMsg => ("", ""),
    };
    let exec = if give.is_empty() { "exec " } else { "" };
    format!(
        "#!/bin/sh\n{mark}\nbefore=\"${{0%/*}}/{name}{BEFORE}\"\n{read}if [ -x \"$before\" ]; then\n  \
         {give}\"$before\" \"$@\" || exit\nfi\nwf=wf\ncommand -v wf >/dev/null || wf={path}\n\
         {give}{exec}\"$wf\" hook run {name} -- \"$@\"\n"
    )
}

/// In one piece: git may be starting hooks meanwhile.
fn write(place: &Path, text: &str) -> io::Result<()> {
    let folder = place.parent().unwrap_or(place);
    let mode = fs::Permissions::from_mode(0o755);
    let mut file = tempfile::Builder::new().permissions(mode).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(place).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Hook; 3] = [Hook::PreCommit, Hook::PrePush, Hook::CommitMsg];

    #[test]
    fn what_was_there_comes_back_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, wf) = (dir.path().join("deep/hooks"), Path::new("/opt/my tools/wf"));
        for hook in ALL {
            let place = folder.join(hook.name());
            assert_eq!(install(&folder, hook, wf).unwrap(), Installed::New);
            assert_eq!(install(&folder, hook, wf).unwrap(), Installed::Again);
            assert_eq!(uninstall(&folder, hook).unwrap(), Uninstalled::Gone);
            assert_eq!(uninstall(&folder, hook).unwrap(), Uninstalled::NotOurs);
            fs::write(&place, b"#!/bin/sh\nexit 3 # \xff").unwrap();
            fs::set_permissions(&place, fs::Permissions::from_mode(0o750)).unwrap();
            assert!(matches!(install(&folder, hook, wf).unwrap(), Installed::Beside(_)));
            assert_eq!(install(&folder, hook, wf).unwrap(), Installed::Again);
            assert_eq!(uninstall(&folder, hook).unwrap(), Uninstalled::Restored);
            assert_eq!(fs::read(&place).unwrap(), b"#!/bin/sh\nexit 3 # \xff");
            assert_eq!(place.metadata().unwrap().permissions().mode() & 0o777, 0o750);
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), ALL.len(), "nothing of ours is left");
    }

    #[test]
    fn a_hook_that_somebody_put_over_ours_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let (hook, wf) = (Hook::PreCommit, Path::new("/wf"));
        fs::write(dir.path().join("pre-commit"), "first").unwrap();
        install(dir.path(), hook, wf).unwrap();
        fs::write(dir.path().join("pre-commit"), "second").unwrap();
        assert_eq!(install(dir.path(), hook, wf).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(uninstall(dir.path(), hook).unwrap(), Uninstalled::NotOurs);
        assert_eq!(fs::read(dir.path().join("pre-commit")).unwrap(), b"second");
        assert_eq!(fs::read(dir.path().join("pre-commit.wf-before")).unwrap(), b"first");
    }
}
