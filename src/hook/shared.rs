//! Folders of dependencies that the scratch tree shares with the repository: `node_modules` and Python's virtual
//! environments.
//!
//! Does not know: git, steps. A shared folder is a real folder of links, one for each entry. A link in it that leads
//! back into the repository is made to lead into the scratch tree; what can only be changed deeper inside is
//! [`Refused`], because a check would silently read what is not staged. Python's editable installs lead back by text:
//! for those there is a `PYTHONPATH`, which goes before them.

use crate::base::{Digest, RepoPath};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Entries that tools write into: the scratch tree has its own.
const OWN: &[&str] = &[".cache", ".vite", ".vitest"];
/// Written anew by package managers whenever they change anything inside.
const WITNESSES: &[&str] = &[".package-lock.json", ".modules.yaml", ".yarn-state.yml", "pyvenv.cfg"];

/// What steps need beside the links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// Folders of the scratch tree that Python has to look into first.
    pub python_path: Vec<PathBuf>,
}

/// A folder that cannot be shared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{folder} cannot be shared with the scratch tree: {link} in it leads back to {target}, \
     which may not be as it is staged"
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
}

/// The folders that are shared, of those that git ignores.
pub fn candidates<'a>(root: &Path, ignored: impl Iterator<Item = (&'a RepoPath, bool)>) -> Vec<RepoPath> {
    let mut found: Vec<RepoPath> = ignored
        .filter_map(|(path, folder)| match (folder, path.file_name()) {
            (true, b"node_modules") => Some(path.clone()),
            (true, _) => path.under(root).join("pyvenv.cfg").is_file().then(|| path.clone()),
            // An environment that ignores itself, and so is listed by what is in it.
            (false, b"pyvenv.cfg") => Some(path.parent()),
            (false, _) => None,
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
            Some(note) if note.stamp == stamp && to.is_dir() => note,
            // What is checked out there is staged, and wins.
            None if to.symlink_metadata().is_ok() => continue,
            _ if !to.parent().is_some_and(Path::is_dir) => continue,
            _ => {
                let back = leading_back(root, folder, folders)?;
                let python = python(root, &from);
                // Whenever wf is killed, the folder is known as ours, and as not yet right.
                let unsure = Note { folder: folder.clone(), stamp: String::new(), python };
                write(&file, &unsure)?;
                mirror(scratch, &from, &to, &back)?;
                let sure = Note { stamp, ..unsure };
                write(&file, &sure)?;
                sure
            }
        };
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
    let places = site_packages(folder);
    let inside = WITNESSES.iter().map(|name| folder.join(name)).chain(places);
    format!("{:?} {:?}", of(folder), inside.map(|path| of(&path)).collect::<Vec<_>>())
}

fn site_packages(folder: &Path) -> Vec<PathBuf> {
    let versions = fs::read_dir(folder.join("lib")).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.path().join("site-packages")).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

/// Entries of a folder that lead back into the repository, by where they lead; both relative.
fn leading_back(root: &Path, folder: &RepoPath, shared: &[RepoPath]) -> Result<Vec<(PathBuf, PathBuf)>, Problem> {
    let (mut back, from) = (vec![], folder.under(root));
    for entry in WalkDir::new(&from).min_depth(1).into_iter().flatten().filter(walkdir::DirEntry::path_is_symlink) {
        let Ok(target) = entry.path().canonicalize() else { continue };
        let Ok(inside) = target.strip_prefix(root) else { continue };
        if shared.iter().any(|shared| target.starts_with(shared.under(root))) {
            continue;
        }
        let name = entry.path().strip_prefix(&from).unwrap_or(entry.path()).to_owned();
        let scope = name.iter().next().is_some_and(|first| first.as_bytes().starts_with(b"@"));
        if entry.depth() > 1 + usize::from(scope) {
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

/// Makes the folder of links, whole or not at all.
fn mirror(scratch: &Path, from: &Path, to: &Path, back: &[(PathBuf, PathBuf)]) -> io::Result<()> {
    let parent = to.parent().unwrap_or(scratch);
    let made = tempfile::Builder::new().prefix(".wf-shared").tempdir_in(parent)?;
    links(scratch, from, made.path(), Path::new(""), back)?;
    if to.symlink_metadata().is_ok() {
        fs::remove_dir_all(to)?;
    }
    fs::rename(made.keep(), to)
}

fn links(scratch: &Path, from: &Path, to: &Path, below: &Path, back: &[(PathBuf, PathBuf)]) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, is_folder) = (entry.file_name(), entry.file_type()?.is_dir());
        let (relative, place) = (below.join(&name), to.join(&name));
        if is_folder && OWN.iter().any(|own| name == OsStr::new(own)) {
            fs::create_dir(place)?;
        } else if is_folder && below == Path::new("") && name.as_bytes().starts_with(b"@") {
            fs::create_dir(&place)?;
            links(scratch, &entry.path(), &place, &relative, back)?;
        } else if let Some((_, inside)) = back.iter().find(|(link, _)| *link == relative) {
            std::os::unix::fs::symlink(scratch.join(inside), place)?;
        } else {
            std::os::unix::fs::symlink(entry.path(), place)?;
        }
    }
    Ok(())
}

/// The folders of the repository that an environment's editable installs name: in `.pth` files line by line, and as
/// texts in the finders that setuptools writes.
fn python(root: &Path, venv: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    let mut note = |path: &Path| found.extend(path.strip_prefix(root).ok().map(Path::to_owned));
    for file in site_packages(venv).iter().flat_map(|place| fs::read_dir(place).into_iter().flatten().flatten()) {
        let (path, name) = (file.path(), file.file_name());
        let is_finder = name.as_bytes().starts_with(b"__editable__") && name.as_bytes().ends_with(b"_finder.py");
        let is_list = path.extension().is_some_and(|end| end == "pth" || end == "egg-link");
        let Some(text) = (is_finder || is_list).then(|| fs::read_to_string(&path).ok()).flatten() else { continue };
        if is_list {
            text.lines().map(str::trim).filter(|line| line.starts_with('/')).for_each(|line| note(Path::new(line)));
        } else {
            let quoted = text.split(['\'', '"']).filter(|word| word.starts_with('/'));
            quoted.filter_map(|word| Path::new(word).parent()).for_each(&mut note);
        }
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Place {
        _dir: tempfile::TempDir,
        root: PathBuf,
        scratch: PathBuf,
        notes: PathBuf,
    }

    fn place(folders: &[&str]) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let [root, scratch, notes] = ["repo", "scratch", "notes"].map(|name| top.join(name));
        for folder in folders {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::create_dir_all(scratch.join("packages/a")).unwrap();
        Place { _dir: dir, root, scratch, notes }
    }

    #[test]
    fn links_that_lead_back_lead_into_the_scratch_and_the_others_do_not() {
        let here = place(&["node_modules/left", "node_modules/@org", "node_modules/.cache/x", "packages/a"]);
        symlink("../packages/a", here.root.join("node_modules/a")).unwrap();
        symlink("../../packages/a", here.root.join("node_modules/@org/a")).unwrap();
        symlink("left", here.root.join("node_modules/alias")).unwrap();
        let folders = [RepoPath::from("node_modules")];
        let share = || share(&here.root, &here.scratch, &here.notes, &folders);
        assert_eq!(share().unwrap(), Shared::default());
        let leads = |name: &str| fs::read_link(here.scratch.join("node_modules").join(name)).unwrap();
        assert_eq!(leads("a"), here.scratch.join("packages/a"));
        assert_eq!(leads("@org/a"), here.scratch.join("packages/a"));
        assert_eq!(leads("left"), here.root.join("node_modules/left"));
        assert_eq!(leads("alias"), here.root.join("node_modules/alias"));
        assert!(fs::read_dir(here.scratch.join("node_modules/.cache")).unwrap().next().is_none());
        // A new package shows; nothing of the user's is touched when it goes.
        fs::create_dir(here.root.join("node_modules/right")).unwrap();
        share().unwrap();
        assert_eq!(leads("right"), here.root.join("node_modules/right"));
        super::share(&here.root, &here.scratch, &here.notes, &[]).unwrap();
        assert!(!here.scratch.join("node_modules").exists() && here.root.join("node_modules/left").exists());
    }

    #[test]
    fn a_link_back_deep_inside_is_refused_with_its_name() {
        let here = place(&["node_modules/.pnpm/node_modules", "packages/a"]);
        symlink("../../../packages/a", here.root.join("node_modules/.pnpm/node_modules/a")).unwrap();
        let problem = share(&here.root, &here.scratch, &here.notes, &["node_modules".into()]).unwrap_err();
        let Problem::Refused(refused) = problem else { panic!("{problem}") };
        assert_eq!((refused.link.as_str(), refused.target.as_str()), (".pnpm/node_modules/a", "packages/a"));
    }

    #[test]
    fn editable_installs_are_found_before_the_repository() {
        let here = place(&[".venv/lib/python3.12/site-packages", "src/pkg", "lib/two"]);
        let site = here.root.join(".venv/lib/python3.12/site-packages");
        fs::write(here.root.join(".venv/pyvenv.cfg"), "home = /usr/bin\n").unwrap();
        let root = here.root.display();
        fs::write(site.join("_pkg.pth"), format!("{root}/src\n/usr/lib/elsewhere\nimport os\n")).unwrap();
        fs::write(site.join("__editable___two_finder.py"), format!("MAPPING = {{'two': '{root}/lib/two'}}\n")).unwrap();
        let shared = share(&here.root, &here.scratch, &here.notes, &[".venv".into()]).unwrap();
        assert_eq!(shared.python_path, [here.scratch.join("lib"), here.scratch.join("src")]);
        let again = share(&here.root, &here.scratch, &here.notes, &[".venv".into()]).unwrap();
        assert_eq!(again, shared, "remembered");
    }

    #[test]
    fn dependencies_are_told_from_what_is_built() {
        let here = place(&["node_modules", "target", ".venv", "own"]);
        fs::write(here.root.join(".venv/pyvenv.cfg"), "").unwrap();
        let ignored: [(RepoPath, bool); 5] = [
            (".venv".into(), true),
            ("env.txt".into(), false),
            ("node_modules".into(), true),
            ("own/pyvenv.cfg".into(), false),
            ("target".into(), true),
        ];
        let found = candidates(&here.root, ignored.iter().map(|(path, folder)| (path, *folder)));
        assert_eq!(found, [".venv", "node_modules", "own"].map(RepoPath::from));
    }
}
