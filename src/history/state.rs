//! The state folder, `.wf/`: where it is, that it ignores itself, and which format it has.

use super::open;
use std::io;
use std::path::{Path, PathBuf};

/// The folder's format: which files lie where. The files in it have formats of their own.
pub const FORMAT: u32 = 1;

/// Who said where the folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// Nobody: it is `.wf` in the worktree, where a repository could have put a symlink. Symlinks are refused.
    Default,
    /// A person, with `WF_STATE_DIR`. Symlinks on the way are theirs.
    Person,
}

/// The state folder.
#[derive(Clone, Debug)]
pub struct StateDir {
    root: PathBuf,
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A newer wf wrote it.
    #[error("{} has format {found}, and this wf knows formats up to {FORMAT}", .path.display())]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Its format file says nothing that wf ever wrote.
    #[error("{} says `{text}`, which is no format number", .path.display())]
    NotAFormat {
        /// The file.
        path: PathBuf,
        /// The start of what it says.
        text: String,
    },
    /// It, or a folder in it, is a symlink that no person asked for.
    #[error("{} is a symlink, and wf does not follow it", .path.display())]
    Symlink {
        /// The symlink.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("cannot {what} {}", .path.display())]
    Io {
        /// What wf tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

impl StateError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Newer { path, .. } => format!(
                "update wf, or let this version keep its state elsewhere: WF_STATE_DIR=<folder>; nothing in {} was touched",
                path.display()
            ),
            Self::NotAFormat { path, .. } => {
                format!("if the folder is wf's, delete {} and it is written again", path.display())
            }
            Self::Symlink { path } => {
                format!("remove {}, or name the folder it should be: WF_STATE_DIR=<folder>", path.display())
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space (`wf clean` removes old runs), or keep the state elsewhere: WF_STATE_DIR=<folder>"
                    .into()
            }
            Self::Io { .. } => "make it writable, or keep the state elsewhere: WF_STATE_DIR=<folder>".into(),
        }
    }
}

impl StateDir {
    /// Opens the folder for a run; creates what is missing. Its parent must exist, unless a person chose it.
    ///
    /// # Errors
    /// Everything that would make a run unable to keep its log; nothing is written when the format is newer.
    pub fn open(root: &Path, by: ChosenBy) -> Result<Self, StateError> {
        if by == ChosenBy::Person {
            std::fs::create_dir_all(root).map_err(failed("create", root))?;
        }
        let this = Self::open_read_only(root, by)?;
        let make = |path: &Path| open::folder(path).map_err(failed("create the folder", path));
        if by == ChosenBy::Default {
            make(root)?;
        }
        for name in ["runs", "facts", "locks"] {
            make(&root.join(name))?;
        }
        for (name, text) in [(".gitignore", "*\n".to_owned()), ("format", format!("{FORMAT}\n"))] {
            let path = root.join(name);
            if !path.exists() {
                open::whole(&path, text.as_bytes(), false).map_err(failed("write", &path))?;
            }
        }
        Ok(this)
    }

    /// Opens the folder for looking: nothing is written, and a folder that is missing is an empty one.
    ///
    /// # Errors
    /// A newer format, or a symlink nobody asked for. A folder that cannot be read is found out by those who read.
    pub fn open_read_only(root: &Path, by: ChosenBy) -> Result<Self, StateError> {
        let inner = ["runs", "facts", "locks", "cache"].map(|name| root.join(name));
        for path in inner.iter().map(PathBuf::as_path).chain((by == ChosenBy::Default).then_some(root)) {
            if path.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
                return Err(StateError::Symlink { path: path.into() });
            }
        }
        let path = root.join("format");
        match open::read(&path) {
            Ok(file) => check_format(root, &path, file)?,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(failed("read", &path)(error)),
        }
        Ok(Self { root: root.into() })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// One folder for each run.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// What is left of pruned runs.
    pub fn facts(&self) -> PathBuf {
        self.root.join("facts")
    }

    /// Lock files.
    pub(super) fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    /// The metrics of the run that goes on, or of the last one: derived, for people with `jq`.
    pub fn current_run(&self) -> PathBuf {
        self.root.join("current_run.json")
    }

    /// One line for each run: derived, for people with `jq`.
    pub fn history(&self) -> PathBuf {
        self.root.join("history.jsonl")
    }
}

/// Migrations from older formats start here, once there is an older one.
fn check_format(root: &Path, path: &Path, file: std::fs::File) -> Result<(), StateError> {
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, 64), &mut text).map_err(failed("read", path))?;
    match text.trim().parse::<u32>() {
        Ok(FORMAT) => Ok(()),
        Ok(found) if found > FORMAT => Err(StateError::Newer { path: root.into(), found }),
        _ => Err(StateError::NotAFormat { path: path.into(), text: text.escape_debug().take(40).collect() }),
    }
}

fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { what, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn it_ignores_itself_is_private_and_opens_again() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(".wf");
        for _ in 0..2 {
            StateDir::open(&root, ChosenBy::Default).unwrap();
            assert_eq!(names(&root), [".gitignore", "facts", "format", "locks", "runs"]);
        }
        assert_eq!(std::fs::read(root.join(".gitignore")).unwrap(), b"*\n");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&root), mode(&root.join("runs")), mode(&root.join("format"))), (0o700, 0o700, 0o600));
    }

    #[test]
    fn looking_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open_read_only(&dir.path().join("no/.wf"), ChosenBy::Default).unwrap();
        assert_eq!(names(dir.path()), [""; 0]);
        assert_eq!(super::super::runs(&state).unwrap(), []);
        assert!(super::super::Recorded::load(&state).problems.is_empty());
    }

    #[test]
    fn a_newer_or_strange_format_is_left_alone() {
        for (text, newer) in [("2\n", true), ("0\n", false), ("", false), ("x", false), ("\u{1b}[2J", false)] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("format"), text).unwrap();
            let error = StateDir::open(dir.path(), ChosenBy::Default).unwrap_err();
            assert_eq!(matches!(error, StateError::Newer { found: 2, .. }), newer, "{error}");
            assert!(
                !error.to_string().contains('\u{1b}')
                    && error.hint().contains(if newer { "WF_STATE_DIR" } else { "delete" })
            );
            assert_eq!(names(dir.path()), ["format"]);
        }
    }

    #[test]
    fn a_repository_cannot_lead_wf_elsewhere() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = dir.path().join(".wf");
        symlink(elsewhere.path(), &root).unwrap();
        let error = StateDir::open(&root, ChosenBy::Default).unwrap_err();
        assert!(matches!(error, StateError::Symlink { .. }), "{error}");
        assert_eq!(names(elsewhere.path()), [""; 0]);
        StateDir::open(&root, ChosenBy::Person).unwrap();
        assert!(elsewhere.path().join("runs").is_dir(), "a person may");

        let inner = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), inner.path().join("runs")).unwrap();
        for by in [ChosenBy::Default, ChosenBy::Person] {
            assert!(matches!(StateDir::open(inner.path(), by), Err(StateError::Symlink { .. })));
        }
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(".wf");
        std::fs::write(&root, "").unwrap();
        let error = StateDir::open(&root, ChosenBy::Default).unwrap_err();
        assert!(error.to_string().contains(".wf"), "{error}");
        assert!(
            StateDir::open(&dir.path().join("missing/.wf"), ChosenBy::Default).is_err(),
            "the parent must be there"
        );
    }
}
