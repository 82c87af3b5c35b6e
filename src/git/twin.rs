//! A repository of wf's own that follows another one's index: the same HEAD, borrowed objects, and in its working tree
//! exactly what is staged there, put in place by git through its own filters.
//!
//! Does not know: where it lies, who else uses it (its holder has a lock), what runs in it. Nothing in it is
//! hard-linked. Whatever is left in it by steps or by a killed wf is put right by the next [`Twin::follow`].

use super::cli::Cli;
use super::{GitError, Mode, Repo, tree, without_trailing_slash};
use crate::base::{Digest, RepoPath};
use git2::{Index, Oid, Repository};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// The tree that its files are of, and under which rules git put them there. Written last.
const STATE: &str = "wf-twin";
/// There while files may be as young as the index, so that every look has to read them.
const YOUNG: &str = "wf-young";

/// A twin, made and open.
#[derive(Debug)]
pub struct Twin {
    dir: PathBuf,
    git_dir: PathBuf,
    cli: Cli,
    /// Digest of everything but trees that says how files look.
    rules: String,
}

/// Why there is no twin that can be used.
#[derive(Debug, thiserror::Error)]
pub enum TwinError {
    /// Its index has open conflicts, misses objects, or is of a format that libgit2 does not read.
    #[error("the index cannot be written as a tree: {0}")]
    Index(String),
    /// git could not put the files in place: a filter failed, or an object that it needs (LFS, partial clone) is not
    /// here.
    #[error("git could not check the staged files out: {0}")]
    Checkout(String),
    /// The folder cannot be written.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Something else of git.
    #[error(transparent)]
    Git(#[from] GitError),
}

fn at(path: &Path) -> impl Fn(io::Error) -> TwinError {
    move |error| TwinError::Io { path: path.to_owned(), error }
}

impl Twin {
    /// Opens the twin of a repository, and makes it if it is not there. `exclude`: paths that git shall not see in it.
    ///
    /// # Errors
    /// It cannot be written, or git refuses.
    pub fn open(of: &Repo, dir: &Path, exclude: &[RepoPath]) -> Result<Self, TwinError> {
        if of.lib.is_none() {
            return Err(TwinError::Index("only the git command reads this repository".into()));
        }
        let git_dir = dir.join(".git");
        std::fs::create_dir_all(dir).map_err(at(dir))?;
        let dir = dir.canonicalize().map_err(at(dir))?;
        // A git that was killed may have made a part of it.
        if !["HEAD", "objects", "refs"].iter().all(|name| git_dir.join(name).exists()) {
            let init = ["init", "--quiet", "--template=", "--initial-branch=wf"].map(OsStr::new);
            Cli::new(&dir).run_os(&[&init[..], &[dir.as_os_str()]].concat())?;
        }
        let theirs = |name: &str| std::fs::read(of.common_dir.join("info").join(name)).unwrap_or_default();
        let (config, attributes) = (config(of, &dir), theirs("attributes"));
        let mut hidden = theirs("exclude");
        for path in exclude {
            hidden.extend_from_slice(b"\n/");
            hidden.extend(path.as_bytes().iter().flat_map(|byte| match byte {
                b'*' | b'?' | b'[' | b'\\' | b' ' | b'!' | b'#' => vec![b'\\', *byte],
                byte => vec![*byte],
            }));
        }
        hidden.push(b'\n');
        let info = git_dir.join("info");
        let borrowed = [of.common_dir.join("objects").as_os_str().as_bytes(), b"\n"].concat();
        put(&git_dir.join("objects/info/alternates"), &borrowed)?;
        put(&git_dir.join("config"), &config)?;
        put(&info.join("attributes"), &attributes)?;
        put(&info.join("exclude"), &hidden)?;
        let shallow = git_dir.join("shallow");
        match std::fs::read(of.common_dir.join("shallow")) {
            // Where history ends here, it ends there too.
            Ok(theirs) => put(&shallow, &theirs)?,
            Err(_) => drop(std::fs::remove_file(&shallow)),
        }
        let theirs = std::fs::read(of.common_dir.join("config")).unwrap_or_default();
        let rules = Digest::of_json(&(config, attributes, theirs)).to_string();
        Ok(Self { cli: Cli::new(&dir), git_dir, dir, rules })
    }

    /// Its working tree.
    pub fn root(&self) -> &Path {
        &self.dir
    }

    /// Makes it hold exactly this tree, with HEAD at this commit, on a branch of this name. Returns whether any file had to
    /// be touched.
    ///
    /// # Errors
    /// git could not put the files in place. What is there then is mended by the next call.
    pub fn follow(&self, tree: &str, head: Option<&str>, branch: Option<&str>) -> Result<bool, TwinError> {
        // Its holder is the only one here: a lock is what a killed git left.
        let _ = std::fs::remove_file(self.git_dir.join("index.lock"));
        let (state, index) = (self.git_dir.join(STATE), self.git_dir.join("index"));
        let before = std::fs::read_to_string(&state).unwrap_or_default();
        let (old, rules) = before.trim_end().split_once(' ').unwrap_or_default();
        let left = if rules == self.rules && index.exists() { self.left().ok() } else { None };
        self.point(head, branch)?;
        if old == tree && left.as_ref().is_some_and(|left| left.changed.is_empty() && left.new.is_empty()) {
            self.grow_old(&index);
            return Ok(false);
        }
        for path in left.iter().flat_map(|left| &left.new) {
            let path = path.under(&self.dir);
            let gone = if path.is_dir() && !path.is_symlink() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            gone.map_err(at(&path))?;
        }
        if left.is_none() || self.attributes_differ(old, tree) {
            // Every file is written anew: how they look may have changed with none of them changed.
            let _ = std::fs::remove_file(&index);
        }
        let _ = std::fs::remove_file(&state);
        put(&self.git_dir.join(YOUNG), b"")?;
        let checked_out = self.cli.run(&["read-tree", "--reset", "-u", "--no-recurse-submodules", tree]);
        checked_out.map_err(|error| match error {
            GitError::Failed { message, .. } => TwinError::Checkout(message),
            error => error.into(),
        })?;
        put(&state, format!("{tree} {}\n", self.rules).as_bytes())?;
        Ok(true)
    }

    /// Puts HEAD at a commit: on a branch of that name, which is the only one, or on none.
    fn point(&self, head: Option<&str>, branch: Option<&str>) -> Result<(), TwinError> {
        let line = head.map(|head| format!("{head}\n"));
        let is_plain = |name: &&str| Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        let branch = branch.filter(is_plain).or(if head.is_none() { Some("wf") } else { None });
        let says = |path: &Path, text: &str| std::fs::read_to_string(path).is_ok_and(|now| now == text);
        let heads = self.git_dir.join("refs/heads");
        let Some(branch) = branch else { return put(&self.git_dir.join("HEAD"), line.unwrap_or_default().as_bytes()) };
        let (name, file) = (format!("ref: refs/heads/{branch}\n"), heads.join(branch));
        let is_there = line.as_ref().map_or(!file.exists(), |line| says(&file, line));
        if !is_there || !says(&self.git_dir.join("HEAD"), &name) {
            // `a` stands in the way of `a/b`.
            let _ = std::fs::remove_dir_all(&heads);
            let _ = std::fs::remove_file(self.git_dir.join("packed-refs"));
            std::fs::create_dir_all(&heads).map_err(at(&heads))?;
            line.map_or(Ok(()), |line| put(&file, line.as_bytes()))?;
        }
        put(&self.git_dir.join("HEAD"), name.as_bytes())
    }

    /// What steps left in it: files that differ from what was put there, and new ones that git does not ignore.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn left(&self) -> Result<Left, GitError> {
        let mut left = Left::default();
        for file in Repo::discover(&self.dir)?.changes(None, Mode::All)?.files {
            if file.seen.untracked {
                left.new.push(file.path);
            } else if file.seen.unstaged {
                // `from` is a name in HEAD: a rename that is staged is nothing that a step did.
                left.changed.push(file.path);
            }
        }
        Ok(left)
    }

    /// A staged file's bytes as git puts them into a working tree.
    ///
    /// # Errors
    /// There is no such file.
    pub fn staged(&self, path: &RepoPath) -> Result<Vec<u8>, GitError> {
        let name = [b":0:", path.as_bytes()].concat();
        self.cli.run_os(&[OsStr::new("cat-file"), OsStr::new("--filters"), OsStr::from_bytes(&name)])
    }

    /// Mode and object name of what is staged at these paths.
    ///
    /// # Errors
    /// git cannot be asked.
    pub fn entries(&self, paths: &[RepoPath]) -> Result<BTreeMap<RepoPath, (u32, String)>, GitError> {
        if paths.is_empty() { Ok(BTreeMap::new()) } else { Ok(self.cli.entries(paths)?.into_iter().collect()) }
    }

    /// Does a file's mode on disk say anything (`core.fileMode`)?
    pub fn trusts_modes(&self) -> bool {
        let config = Repository::open(&self.dir).and_then(|repo| repo.config());
        config.and_then(|config| config.get_bool("core.filemode")).unwrap_or(true)
    }

    /// What differs in it from what is staged, as a patch for [`Repo::stage`].
    ///
    /// # Errors
    /// git cannot be asked.
    pub fn patch(&self) -> Result<Vec<u8>, GitError> {
        let plain = ["--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--ignore-submodules"];
        let prefixes = ["--src-prefix=a/", "--dst-prefix=b/", "--binary", "--full-index"];
        self.cli.run(&[&["diff"], &plain[..], &prefixes[..]].concat())
    }

    /// Nobody works in it now, and every file was just found to be what is staged: the index may say so from now on
    /// without anybody reading them again, if none is as young as the index.
    fn grow_old(&self, index: &Path) {
        use std::os::unix::fs::MetadataExt;
        let young = self.git_dir.join(YOUNG);
        let written = || index.metadata().map_or(0, |about| about.mtime());
        if !young.exists() {
            return;
        }
        let before = written();
        let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
        let _ = rustix::fs::utimensat(rustix::fs::CWD, index, &times, rustix::fs::AtFlags::empty());
        if written() > before {
            let _ = std::fs::remove_file(young);
        }
    }

    fn attributes_differ(&self, old: &str, new: &str) -> bool {
        let changes = || {
            let repo = Repository::open(&self.dir)?;
            tree::between(&repo, Oid::from_str(old)?, Oid::from_str(new)?)
        };
        changes().map_or(true, |changes| changes.iter().any(|change| change.path.ends_with(b".gitattributes")))
    }
}

/// What a twin holds beside what is staged.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Files that differ or are gone.
    pub changed: Vec<RepoPath>,
    /// Files that are new, and that git does not ignore; a repository inside counts as one.
    pub new: Vec<RepoPath>,
}

impl Repo {
    /// The tree that a commit of the index at hand would have. Its objects are written into the twin, not into this
    /// repository.
    ///
    /// # Errors
    /// It has open conflicts, lacks objects, or cannot be read.
    pub fn staged_tree(&self, twin: &Twin) -> Result<String, TwinError> {
        const INTENT_TO_ADD: u16 = 0x2000;
        let write = || {
            let mut index = Index::open(&self.index_file)?;
            // No commit has them, and they have no content yet.
            let promised = index.iter().filter(|entry| entry.flags_extended & INTENT_TO_ADD != 0);
            for entry in promised.collect::<Vec<_>>() {
                index.remove(Path::new(OsStr::from_bytes(&entry.path)), 0)?;
            }
            index.write_tree_to(&Repository::open(&twin.dir)?)
        };
        let id: Result<Oid, git2::Error> = write();
        id.map(|id| id.to_string()).map_err(|error| TwinError::Index(error.message().to_owned()))
    }
}

/// Everything that the repository's own configuration says, filters above all, but for what is about its place and what
/// it runs or does on its own.
fn config(of: &Repo, dir: &Path) -> Vec<u8> {
    let quoted = |path: &Path| {
        let mut text = vec![b'"'];
        text.extend(without_trailing_slash(path).into_os_string().into_vec().into_iter().flat_map(|byte| match byte {
            b'"' | b'\\' => vec![b'\\', byte],
            byte => vec![byte],
        }));
        text.push(b'"');
        text
    };
    let mut text = b"[include]\n".to_vec();
    let own = of.git_dir.join("config.worktree");
    for file in [of.common_dir.join("config"), own].iter().filter(|file| file.exists()) {
        text.extend([b"\tpath = ".as_slice(), &quoted(file), b"\n"].concat());
    }
    text.extend(b"[core]\n\trepositoryFormatVersion = 0\n\tbare = false\n\thooksPath = /dev/null\n\tworktree = ");
    text.extend(quoted(dir));
    text.extend(b"\n\tfsmonitor = false\n\tsparseCheckout = false\n\tuntrackedCache = false\n\tsplitIndex = false\n");
    text.extend(b"\tlogAllRefUpdates = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n");
    text.extend(b"[submodule]\n\trecurse = false\n[lfs]\n\tstorage = ");
    text.extend(quoted(&of.common_dir.join("lfs")));
    text.push(b'\n');
    text
}

/// Writes a small file in one piece, unless it says so already.
fn put(file: &Path, text: &[u8]) -> Result<(), TwinError> {
    if std::fs::read(file).is_ok_and(|now| now == text) {
        return Ok(());
    }
    let folder = file.parent().unwrap_or(file);
    let write = || {
        std::fs::create_dir_all(folder)?;
        let mut temp = tempfile::NamedTempFile::new_in(folder)?;
        io::Write::write_all(&mut temp, text)?;
        temp.persist(file).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(at(file))
}
