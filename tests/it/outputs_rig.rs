//! A working tree with something precious beside it, a store in memory, and what wf recorded.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use wf::base::{BlobRef, Digest, GlobSet, RepoPath, RunId};
use wf::cache::kept::{Keep, Kept};
use wf::cache::outputs::{Beneath, CollectError, Collected, Nothing, Restore, RestoreError, Restored, collect};
use wf::cache::outputs::{Removed, remove_recorded};
use wf::cache::{Output, OutputKind, Store};

/// Blobs by whatever name they were given: it can lie.
#[derive(Default)]
pub struct Memory(pub Mutex<HashMap<BlobRef, Vec<u8>>>);

impl Store for Memory {
    fn get(&self, blob: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>> {
        Ok(self.0.lock().unwrap().get(blob).map(|bytes| Box::new(io::Cursor::new(bytes.clone())) as _))
    }

    fn put(&self, blob: &BlobRef, bytes: &mut dyn Read) -> io::Result<()> {
        let mut all = Vec::new();
        bytes.read_to_end(&mut all)?;
        if BlobRef::of(&all) != *blob {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.0.lock().unwrap().insert(*blob, all);
        Ok(())
    }

    fn name(&self) -> &'static str {
        "memory"
    }
}

pub struct Rig {
    dir: tempfile::TempDir,
    /// The working tree.
    pub root: PathBuf,
    /// What must never change.
    pub outside: PathBuf,
    pub store: Memory,
    pub recorded: Mutex<HashSet<(RepoPath, Digest)>>,
    pub kept: Kept,
}

pub fn globs(patterns: &[&str]) -> GlobSet {
    GlobSet::parse(patterns, &RepoPath::root()).unwrap()
}

pub fn run(name: &str) -> RunId {
    RunId(name.into())
}

impl Rig {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        let (root, outside) = (path.join("tree"), path.join("outside"));
        fs::create_dir(&root).unwrap();
        fs::create_dir_all(outside.join("dir")).unwrap();
        fs::write(outside.join("precious"), "precious").unwrap();
        fs::write(outside.join("dir/a"), "outside a").unwrap();
        let kept = Kept::open(&path.join("cache"));
        Self { dir, root, outside, store: Memory::default(), recorded: Mutex::default(), kept }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub fn cache(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("cache")
    }

    pub fn beneath(&self) -> Beneath {
        Beneath::open(&self.root).unwrap()
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn executable(&self, path: &str) -> &Self {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub fn link(&self, path: &str, target: impl AsRef<Path>) -> &Self {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
        self
    }

    pub fn folder(&self, path: &str) -> &Self {
        fs::create_dir_all(self.path(path)).unwrap();
        self
    }

    pub fn pipe(&self, path: &str) -> &Self {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mknodat(rustix::fs::CWD, self.path(path), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        self
    }

    pub fn read(&self, path: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(path)).unwrap()).into_owned()
    }

    pub fn wipe(&self) {
        fs::remove_dir_all(&self.root).unwrap();
        fs::create_dir(&self.root).unwrap();
    }

    pub fn try_collect(&self, patterns: &[&str]) -> Result<Collected, CollectError> {
        collect(&self.beneath(), &globs(patterns), &Nothing, Some(&self.store))
    }

    /// Collects, and records what was collected, as a run does.
    pub fn collect(&self, patterns: &[&str]) -> Vec<Output> {
        let collected = self.try_collect(patterns).unwrap();
        self.record(&collected.outputs);
        collected.outputs
    }

    pub fn record(&self, outputs: &[Output]) {
        let both = |output: &Output| (output.path.clone(), output.kind.content());
        self.recorded.lock().unwrap().extend(outputs.iter().map(both));
    }

    pub fn restore_in(&self, run: &RunId, patterns: &[&str], outputs: &[Output]) -> Result<Restored, RestoreError> {
        let recorded = self.recorded.lock().unwrap().clone();
        let was = |path: &RepoPath, digest: &Digest| recorded.contains(&(path.clone(), *digest));
        let restore = Restore {
            beneath: &self.beneath(),
            globs: &globs(patterns),
            known: &Nothing,
            store: &self.store,
            recorded: &was,
            keep: &Keep { kept: &self.kept, run, at_ms: 1_000, worktree: &self.root },
        };
        restore.run(outputs)
    }

    pub fn restore(&self, patterns: &[&str], outputs: &[Output]) -> Result<Restored, RestoreError> {
        self.restore_in(&run("0198-run"), patterns, outputs)
    }

    pub fn remove_recorded(&self, patterns: &[&str]) -> Removed {
        let recorded = self.recorded.lock().unwrap().clone();
        let was = |path: &RepoPath, digest: &Digest| recorded.contains(&(path.clone(), *digest));
        remove_recorded(&self.beneath(), &globs(patterns), &was, &Nothing).unwrap()
    }

    /// An output with this content, which the store has.
    pub fn output(&self, path: &str, text: &str) -> Output {
        let blob = BlobRef::of(text.as_bytes());
        self.store.0.lock().unwrap().insert(blob, text.into());
        Output { path: path.into(), kind: OutputKind::File { blob, executable: false } }
    }

    /// The bytes that are kept of a path, the newest first.
    pub fn kept_of(&self, path: &str) -> Vec<String> {
        let listed = self.kept.list().unwrap();
        assert_eq!((listed.newer, listed.damaged), (0, 0));
        let mine = listed.versions.into_iter().filter(|version| version.path == RepoPath::from(path));
        mine.map(|version| {
            let mut text = String::new();
            self.kept.get(&version.blob).unwrap().unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(BlobRef::of(text.as_bytes()), version.blob);
            text
        })
        .collect()
    }
}

/// Everything below a folder, exactly: kind, mode, inode, times, links, content.
pub fn picture(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    for entry in walkdir::WalkDir::new(dir) {
        let entry = entry.unwrap();
        let meta = entry.path().symlink_metadata().unwrap();
        let content = match () {
            () if meta.is_symlink() => fs::read_link(entry.path()).unwrap().as_os_str().as_bytes().to_vec(),
            () if meta.is_file() => fs::read(entry.path()).unwrap(),
            () => vec![],
        };
        let times = (meta.mtime_nsec(), meta.ctime_nsec(), meta.nlink());
        let what = format!("{:o} {} {times:?} {}", meta.mode(), meta.ino(), String::from_utf8_lossy(&content));
        all.insert(entry.path().to_owned(), what);
    }
    all
}

/// Names and contents below a folder, as a person sees them.
pub fn tree(dir: &Path) -> Vec<String> {
    let walk = walkdir::WalkDir::new(dir).min_depth(1).sort_by_file_name();
    walk.into_iter()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.path().strip_prefix(dir).unwrap().display().to_string();
            let meta = entry.path().symlink_metadata().unwrap();
            match () {
                () if meta.is_symlink() => format!("{name} -> {}", fs::read_link(entry.path()).unwrap().display()),
                () if meta.is_dir() => format!("{name}/"),
                () => {
                    let mark = if meta.mode() & 0o100 == 0 { "" } else { "*" };
                    format!("{name}{mark} = {}", String::from_utf8_lossy(&fs::read(entry.path()).unwrap_or_default()))
                }
            }
        })
        .collect()
}
