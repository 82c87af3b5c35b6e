//! Putting a hook of ours into git's hooks folder, beside the one that is there, and taking it away again.
//!
//! Does not know: which folder that is, what the hook does. A hook that was there is moved, called first, and comes back byte
//! for byte (it is renamed, never copied). Some find out by their own path which hook they are, others what lies beside them:
//! see [`Keep`].

use super::Hook;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What a hook that was there before is called, if it stays in its folder; else the folder that it is moved to.
const BEFORE: &str = "wf-before";

/// What became of the folder.
#[derive(Debug, PartialEq, Eq)]
pub enum Installed {
    /// There was no such hook.
    New,
    /// It was ours already, and is as this wf writes it.
    Again,
    /// It was ours already, and somebody changed it since: it stays as it is.
    Edited,
    /// There was one; it is called first.
    Beside(PathBuf),
}

/// What was taken away.
#[derive(Debug, PartialEq, Eq)]
pub enum Uninstalled {
    /// Nothing: there is no such hook.
    Nothing,
    /// Nothing: it is not ours.
    NotOurs,
    /// Nothing: it is ours, and somebody changed it since.
    Edited,
    /// Ours; there was none before.
    Gone,
    /// Ours, and the one before it is back.
    Restored,
}

/// Why a hook is not put there.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The folder cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Two hooks that would both be called first.
    #[error("{} and {} are both there; remove one of them", .0.display(), .1.display())]
    Two(PathBuf, PathBuf),
    /// The hook that is there finds out by its own path who it is, or sources what does; it would do nothing elsewhere.
    #[error("the hook that is there goes by its own name and place, and would not work under another")]
    Rooted {
        /// A file of the user's that it calls, if it is husky's.
        husky: Option<PathBuf>,
    },
    /// Something that is no folder is in its place.
    #[error("git looks for hooks in {}, which is no folder, so hooks are switched off", .0.display())]
    NoFolder(PathBuf),
}

/// Puts the hook there. `wf`: started if no `wf` is on the `PATH`.
///
/// # Errors
/// The folder cannot be written, or the hook that is there cannot be kept.
pub fn install(folder: &Path, hook: Hook, wf: &Path) -> Result<Installed, Problem> {
    if folder.metadata().is_ok_and(|about| !about.is_dir()) {
        return Err(Problem::NoFolder(folder.to_owned()));
    }
    fs::create_dir_all(folder)?;
    let place = folder.join(hook.name());
    let moved = moved_before(folder, hook);
    let there = place.symlink_metadata().is_ok();
    match whose(&place, hook) {
        Whose::Edited => return Ok(Installed::Edited),
        Whose::Ours => {
            let keep = moved.as_ref().map_or(Keep::Folder, |(keep, _)| *keep);
            write(&place, &script(hook, &quoted(wf), keep))?;
            return Ok(Installed::Again);
        }
        Whose::Others => {}
    }
    match moved {
        Some((_, before)) if there => return Err(Problem::Two(place, before)),
        None if there => {}
        moved => {
            let keep = moved.map_or(Keep::Folder, |(keep, _)| keep);
            write(&place, &script(hook, &quoted(wf), keep))?;
            return Ok(Installed::New);
        }
    }
    let keep = Keep::of(&place)?;
    let before = keep.place(folder, hook);
    fs::create_dir_all(before.parent().unwrap_or(folder))?;
    fs::rename(&place, &before)?;
    if let Err(error) = write(&place, &script(hook, &quoted(wf), keep)) {
        fs::rename(&before, &place)?;
        return Err(error.into());
    }
    Ok(Installed::Beside(before))
}

/// Takes the hook away, if it is ours, and puts back what was there before.
///
/// # Errors
/// The folder cannot be written.
pub fn uninstall(folder: &Path, hook: Hook) -> io::Result<Uninstalled> {
    let place = folder.join(hook.name());
    match whose(&place, hook) {
        Whose::Others if place.symlink_metadata().is_err() => return Ok(Uninstalled::Nothing),
        Whose::Others => return Ok(Uninstalled::NotOurs),
        Whose::Edited => return Ok(Uninstalled::Edited),
        Whose::Ours => {}
    }
    if let Some((_, before)) = moved_before(folder, hook) {
        fs::rename(&before, &place)?;
        // Another hook may be kept there.
        let _ = fs::remove_dir(folder.join(BEFORE));
        return Ok(Uninstalled::Restored);
    }
    fs::remove_file(&place)?;
    Ok(Uninstalled::Gone)
}

/// Is any hook of ours in this folder?
pub fn any(folder: &Path) -> bool {
    [Hook::PreCommit, Hook::PrePush, Hook::CommitMsg].into_iter().any(|hook| {
        let whose = whose(&folder.join(hook.name()), hook);
        whose != Whose::Others
    })
}

/// How a hook that was there before is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    /// Under its name, in a folder of its own: many ask `basename "$0"` which hook they are.
    Folder,
    /// Under another name beside it: it asks where it lies, or is a link that says so relative to its place.
    Suffix,
}

impl Keep {
    fn of(place: &Path) -> Result<Self, Problem> {
        let text = String::from_utf8_lossy(&fs::read(place).unwrap_or_default()).into_owned();
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let by_name = has(&["basename", "${0##", "argv[0]", "PROGRAM_NAME"]);
        let linked = fs::read_link(place).is_ok_and(|target| target.is_relative());
        let by_place = linked || has(&["dirname", "${0%", "__FILE__", "__file__", "__dir__"]);
        // What it sources from beside it sees the same `$0`, and nobody knows what that makes of it.
        let sources = |line: &str| line.trim_start().starts_with(". ") || line.trim_start().starts_with("source ");
        match (by_name, by_place) {
            (true, true) => Err(Self::rooted(place)),
            (false, true) if text.lines().any(sources) => Err(Self::rooted(place)),
            (false, true) => Ok(Self::Suffix),
            (_, false) => Ok(Self::Folder),
        }
    }

    /// husky 9 has `core.hooksPath` at `.husky/_`, and its hooks call those of `.husky`; older ones are `.husky` itself.
    fn rooted(place: &Path) -> Problem {
        let (folder, name) = (place.parent().unwrap_or(place), place.file_name().unwrap_or_default());
        let folder = if folder.ends_with("_") { folder.parent().unwrap_or(folder) } else { folder };
        Problem::Rooted { husky: folder.ends_with(".husky").then(|| folder.join(name)) }
    }

    fn place(self, folder: &Path, hook: Hook) -> PathBuf {
        folder.join(self.relative(hook))
    }

    fn relative(self, hook: Hook) -> String {
        match self {
            Self::Folder => format!("{BEFORE}/{}", hook.name()),
            Self::Suffix => format!("{}.{BEFORE}", hook.name()),
        }
    }
}

/// The hook that was there before ours, if one was.
fn moved_before(folder: &Path, hook: Hook) -> Option<(Keep, PathBuf)> {
    let all = [Keep::Folder, Keep::Suffix].map(|keep| (keep, keep.place(folder, hook)));
    all.into_iter().find(|(_, before)| before.symlink_metadata().is_ok())
}

/// The line by which ours is known.
fn mark(hook: Hook) -> String {
    format!("# Written by `wf hook install {0}`; `wf hook uninstall {0}` puts back what was here before.", hook.name())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    /// Ours by its mark, but not as any wf writes it.
    Edited,
    Others,
}

fn whose(place: &Path, hook: Hook) -> Whose {
    let text = match fs::read_to_string(place) {
        Ok(text) if text.lines().any(|line| line == mark(hook)) => text,
        _ => return Whose::Others,
    };
    let path = text.lines().find_map(|line| line.strip_prefix(START)).unwrap_or("wf");
    let all = [script(hook, path, Keep::Folder), script(hook, path, Keep::Suffix)];
    if all.contains(&text) { Whose::Ours } else { Whose::Edited }
}

/// How the line begins that names the wf that installed the hook.
const START: &str = "command -v wf >/dev/null || wf=";

fn quoted(wf: &Path) -> String {
    let path = wf.to_string_lossy();
    shlex::try_quote(&path).map_or_else(|_| "wf".into(), std::borrow::Cow::into_owned)
}

/// A few lines that start no process but those that they are about. What is pushed comes on standard input, and both
/// hooks have to read it, the first one exactly what git wrote.
fn script(hook: Hook, wf: &str, keep: Keep) -> String {
    let (name, mark, before) = (hook.name(), mark(hook), keep.relative(hook));
    let (read, give) = match hook {
        Hook::PrePush => ("pushed=$(cat)\ngive() { [ -z \"$pushed\" ] || printf '%s\\n' \"$pushed\"; }\n", "give | "),
        Hook::PreCommit | Hook::CommitMsg => ("", ""),
    };
    let exec = if give.is_empty() { "exec " } else { "" };
    format!(
        "#!/bin/sh\n{mark}\nbefore=\"${{0%/*}}/{before}\"\n{read}if [ -x \"$before\" ]; then\n  \
         {give}\"$before\" \"$@\" || exit\nfi\nwf=wf\n{START}{wf}\n{give}{exec}\"$wf\" hook run {name} -- \"$@\"\n"
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
            assert_eq!(uninstall(&folder, hook).unwrap(), Uninstalled::Nothing);
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
        assert!(matches!(install(dir.path(), hook, wf), Err(Problem::Two(..))));
        assert_eq!(uninstall(dir.path(), hook).unwrap(), Uninstalled::NotOurs);
        assert_eq!(fs::read(dir.path().join("pre-commit")).unwrap(), b"second");
        assert_eq!(fs::read(dir.path().join("wf-before/pre-commit")).unwrap(), b"first");
    }

    #[test]
    fn a_hook_keeps_what_it_knows_itself_by() {
        let dir = tempfile::tempdir().unwrap();
        let (hook, wf, place) = (Hook::PreCommit, Path::new("/wf"), dir.path().join("pre-commit"));
        let kept = |text: &str| {
            fs::write(&place, text).unwrap();
            let Installed::Beside(before) = install(dir.path(), hook, wf).unwrap() else { panic!("{text}") };
            assert_eq!(uninstall(dir.path(), hook).unwrap(), Uninstalled::Restored);
            assert_eq!(fs::read_to_string(&place).unwrap(), text);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
            before.strip_prefix(dir.path()).unwrap().to_owned()
        };
        assert_eq!(kept("#!/bin/sh\nrun-hook \"$(basename \"$0\")\"\n"), Path::new("wf-before/pre-commit"));
        assert_eq!(kept("#!/bin/sh\n\"$(dirname \"$0\")/lib.sh\"\n"), Path::new("pre-commit.wf-before"));
        assert_eq!(kept("#!/bin/sh\nexit 0\n"), Path::new("wf-before/pre-commit"));
        for text in ["#!/bin/sh\n\"$(dirname \"$0\")/x\" \"${0##*/}\"\n", "#!/bin/sh\n. \"${0%/*}/h\"\n"] {
            fs::write(&place, text).unwrap();
            assert!(matches!(install(dir.path(), hook, wf), Err(Problem::Rooted { husky: None })), "{text}");
            assert_eq!(fs::read_to_string(&place).unwrap(), text);
        }
    }

    #[test]
    fn what_another_wf_installed_is_known_and_what_was_edited_stays() {
        let dir = tempfile::tempdir().unwrap();
        let wf = Path::new("/wf");
        for hook in ALL {
            let (place, before) = (dir.path().join(hook.name()), Keep::Suffix.place(dir.path(), hook));
            fs::write(&before, "before").unwrap();
            fs::write(&place, script(hook, "'/old wf'", Keep::Suffix)).unwrap();
            assert_eq!(install(dir.path(), hook, wf).unwrap(), Installed::Again);
            assert!(fs::read_to_string(&place).unwrap().contains(".wf-before"), "it still calls what is there");
            fs::write(&place, script(hook, "/old", Keep::Suffix)).unwrap();
            assert_eq!(uninstall(dir.path(), hook).unwrap(), Uninstalled::Restored);
            assert_eq!(fs::read(&place).unwrap(), b"before");
            fs::remove_file(&place).unwrap();
            install(dir.path(), hook, wf).unwrap();
            let mine = fs::read_to_string(&place).unwrap() + "echo mine\n";
            fs::write(&place, &mine).unwrap();
            assert_eq!(install(dir.path(), hook, wf).unwrap(), Installed::Edited);
            assert_eq!(uninstall(dir.path(), hook).unwrap(), Uninstalled::Edited);
            assert_eq!(fs::read_to_string(&place).unwrap(), mine);
        }
        assert!(any(dir.path()));
    }
}
