//! Versions of files that wf was about to replace and had not made itself: a person's, kept until they want them back.
//!
//! They lie apart from the results (`kept/` in the cache's folder), because nothing that evicts, clears or damages results may
//! touch the only copy of somebody's work. For the same reason, and unlike results, they are written through to the disk. Only
//! time takes them: after [`KEPT_FOR_MS`] they are forgotten, when the cache is [tended](super::sweep::tend).
//!
//! `kept/list` has one line of JSON for each version; `kept/<digest>` has its bytes.

use super::file;
use crate::base::{BlobRef, Digest, Millis, RepoPath, RunId, digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// Raised when a line of the list means something else than before.
pub const FORMAT: u32 = 1;
/// So long a version is kept, whatever the limits of the cache say.
pub const KEPT_FOR_MS: Millis = 30 * 24 * 60 * 60 * 1000;
/// Longer than any list that people made: a damaged one does not fill the memory.
const LIST_MAX: u64 = 256 << 20;

/// How files are called while they are written.
const TEMP: &str = ".tmp-";

/// One version that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The format of this line.
    pub format: u32,
    /// The run that replaced it.
    pub run: RunId,
    /// When: milliseconds since 1970.
    pub at_ms: u64,
    /// In which worktree: its root, as bytes of a path.
    pub worktree: RepoPath,
    /// Where it was.
    pub path: RepoPath,
    /// What it was.
    pub kind: KeptKind,
    /// Its bytes; a symlink's are its target.
    pub blob: BlobRef,
}

/// What a kept version was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptKind {
    /// A file.
    File,
    /// A file that its owner may execute.
    Executable,
    /// A symlink.
    Symlink,
}

/// The place where versions are kept.
#[derive(Debug)]
pub struct Kept {
    dir: PathBuf,
}

/// What is kept, and for whom: handed to whoever may replace files.
#[derive(Debug)]
pub struct Keep<'a> {
    /// Where.
    pub kept: &'a Kept,
    /// The run that replaces.
    pub run: &'a RunId,
    /// Now: milliseconds since 1970.
    pub at_ms: u64,
    /// The root of the tree that is worked in.
    pub worktree: &'a Path,
}

/// One version to be kept.
pub struct Keeping<'a> {
    /// Where it is.
    pub path: RepoPath,
    /// What it is.
    pub kind: KeptKind,
    /// Its bytes.
    pub bytes: Box<dyn Read + 'a>,
}

/// What the list says.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The versions, newest first.
    pub versions: Vec<Version>,
    /// Lines that a newer wf wrote.
    pub newer: usize,
    /// Lines that say nothing.
    pub damaged: usize,
    /// The list goes on, longer than any that people made.
    pub cut: bool,
}

impl Keep<'_> {
    /// Keeps versions, and tells what the bytes were. When this returns, all of them and the record of each are on the disk.
    ///
    /// # Errors
    /// The path that could not be kept; then none of them is recorded.
    pub fn keep<'b>(
        &self,
        versions: impl IntoIterator<Item = Result<Keeping<'b>, (RepoPath, io::Error)>>,
    ) -> Result<Vec<(RepoPath, Digest)>, (RepoPath, io::Error)> {
        let mut lock = None;
        let (mut files, mut kept, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        for version in versions {
            let Keeping { path, kind, mut bytes } = version?;
            let failed = |error| (path.clone(), error);
            if lock.is_none() {
                lock = Some(self.kept.lock().map_err(failed)?);
            }
            let (blob, file) = self.kept.put(&mut bytes).map_err(failed)?;
            if files.len() < SYNCED_ONE_BY_ONE {
                files.push(file);
            }
            kept.push((path.clone(), blob.digest));
            let (run, worktree) = (self.run.clone(), worktree_name(self.worktree));
            let line = Version { format: FORMAT, run, at_ms: self.at_ms, worktree, path: path.clone(), kind, blob };
            serde_json::to_writer(&mut lines, &line).map_err(|error| failed(error.into()))?;
            lines.push(b'\n');
        }
        if let Some((first, _)) = kept.first() {
            self.kept.finish(&files, kept.len(), &lines).map_err(|error| (first.clone(), error))?;
        }
        Ok(kept)
    }
}

/// More files than this are written through by one call for all that the file system has to write.
const SYNCED_ONE_BY_ONE: usize = 16;

/// A worktree as it is written into the list.
pub fn worktree_name(root: &Path) -> RepoPath {
    RepoPath::from_bytes(root.as_os_str().as_bytes())
}

impl Kept {
    /// The versions kept in this cache. Nothing is made until there is something to keep.
    pub fn open(cache: &Path) -> Self {
        Self { dir: cache.join("kept") }
    }

    /// Everything kept.
    pub fn list(&self) -> io::Result<Listed> {
        let mut text = Vec::new();
        match self.read("list") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            file => {
                file?.take(LIST_MAX).read_to_end(&mut text)?;
            }
        }
        let mut listed = Listed { cut: text.len() as u64 == LIST_MAX, ..Listed::default() };
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<Version>(line) {
                Ok(version) if version.format == FORMAT => listed.versions.push(version),
                _ if is_newer(line) => listed.newer += 1,
                _ => listed.damaged += 1,
            }
        }
        listed.versions.reverse();
        Ok(listed)
    }

    /// A kept version's bytes. They are to be verified.
    pub fn get(&self, blob: &BlobRef) -> io::Result<Option<File>> {
        match self.read(&blob.digest.to_string()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            file => file.map(Some),
        }
    }

    /// Forgets what was kept before that time, and says how many versions that were. Bytes that are as old and that no version
    /// names go too: a writer that was killed left them, or a line that is damaged.
    ///
    /// Nothing while there is anything that a newer wf kept: it may name any of the bytes. Nothing while somebody keeps: whoever
    /// forgets comes again.
    ///
    /// # Errors
    /// What the file system says. A version whose bytes could not be removed is forgotten all the same.
    pub fn forget(&self, before_ms: u64) -> io::Result<usize> {
        if self.dir.symlink_metadata().is_err() {
            return Ok(0);
        }
        let lock = self.lock_file()?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(0),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let Listed { versions, newer, cut, .. } = self.list()?;
        if newer > 0 || cut {
            return Ok(0);
        }
        let (stay, go): (Vec<_>, Vec<_>) = versions.into_iter().partition(|version| version.at_ms >= before_ms);
        if !go.is_empty() {
            self.write_list(stay.iter().rev())?;
        }
        let names = |versions: &[Version]| versions.iter().map(|version| version.blob.digest).collect::<BTreeSet<_>>();
        self.remove_old(&names(&stay), &names(&go), before_ms)?;
        Ok(go.len())
    }

    /// Puts a list of these versions in place, through to the disk: only then may their bytes go.
    fn write_list<'a>(&self, versions: impl Iterator<Item = &'a Version>) -> io::Result<()> {
        let mut text = Vec::new();
        for version in versions {
            serde_json::to_writer(&mut text, version)?;
            text.push(b'\n');
        }
        let mut list = self.temp()?;
        list.write_all(&text)?;
        list.as_file().sync_all()?;
        list.persist(self.dir.join("list"))?;
        File::open(&self.dir)?.sync_all()
    }

    /// Removes bytes that go, and those that nobody names and that were written before that time.
    fn remove_old(&self, stay: &BTreeSet<Digest>, go: &BTreeSet<Digest>, before_ms: u64) -> io::Result<()> {
        let before = UNIX_EPOCH + Duration::from_millis(before_ms);
        for file in std::fs::read_dir(&self.dir)? {
            let file = file?;
            let Ok(name) = file.file_name().into_string() else { continue };
            let digest = Digest::parse(&name);
            let is_ours = digest.is_some() || name.starts_with(TEMP);
            let named = |set: &BTreeSet<Digest>| digest.is_some_and(|digest| set.contains(&digest));
            if !is_ours || named(stay) {
                continue;
            }
            let is_old = || file.metadata().and_then(|meta| meta.modified()).is_ok_and(|at| at < before);
            if named(go) || is_old() {
                std::fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }

    /// Alone in the folder until dropped: forgetting must not overtake keeping.
    fn lock(&self) -> io::Result<File> {
        let lock = self.lock_file()?;
        lock.lock()?;
        Ok(lock)
    }

    fn lock_file(&self) -> io::Result<File> {
        if let Some(cache) = self.dir.parent() {
            std::fs::create_dir_all(cache)?;
        }
        file::folder(&self.dir)?;
        file::update(&self.dir.join("lock"))
    }

    /// Writes bytes under their name; not yet through to the disk.
    fn put(&self, bytes: &mut dyn Read) -> io::Result<(BlobRef, File)> {
        let mut temp = self.temp()?;
        let mut to = Hashing { to: temp.as_file_mut(), sum: digest::Stream::default() };
        let size = io::copy(bytes, &mut to)?;
        let blob = BlobRef { digest: to.sum.finish(), size };
        Ok((blob, temp.persist(self.dir.join(blob.digest.to_string()))?))
    }

    /// Puts all of it through to the disk: first the bytes, then the lines that name them.
    fn finish(&self, files: &[File], all: usize, lines: &[u8]) -> io::Result<()> {
        let dir = File::open(&self.dir)?;
        #[cfg(target_os = "linux")]
        let at_once = all > files.len() && rustix::fs::syncfs(&dir).is_ok();
        #[cfg(not(target_os = "linux"))]
        let at_once = false;
        if !at_once {
            files.iter().try_for_each(File::sync_all)?;
            if all > files.len() {
                rustix::fs::sync();
            }
            dir.sync_all()?;
        }
        // In one write, and a line end first: what another process left torn is a line of its own.
        let mut list = file::update(&self.dir.join("list"))?;
        list.seek(io::SeekFrom::End(0))?;
        list.write_all(&[b"\n", lines].concat())?;
        list.sync_all()
    }

    fn temp(&self) -> io::Result<tempfile::NamedTempFile> {
        tempfile::Builder::new().prefix(TEMP).tempfile_in(&self.dir)
    }

    fn read(&self, name: &str) -> io::Result<File> {
        if self.dir.symlink_metadata()?.is_symlink() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is a symlink", self.dir.display())));
        }
        file::read(&self.dir.join(name))
    }
}

/// Did a newer wf write this line?
fn is_newer(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    serde_json::from_slice::<Head>(line).is_ok_and(|head| head.format > FORMAT)
}

struct Hashing<'a> {
    to: &'a mut File,
    sum: digest::Stream,
}

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.sum.add(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(kept: &Kept, at_ms: u64, path: &str, text: &'static str) {
        let (run, worktree) = (RunId("run".into()), Path::new("/tree"));
        let keep = Keep { kept, run: &run, at_ms, worktree };
        let version = Keeping { path: path.into(), kind: KeptKind::File, bytes: Box::new(text.as_bytes()) };
        let kept = keep.keep([Ok(version)]).unwrap();
        assert_eq!(kept, [(path.into(), Digest::of_bytes(text.as_bytes()))]);
    }

    fn texts(kept: &Kept) -> Vec<String> {
        let read = |version: Version| io::read_to_string(kept.get(&version.blob).unwrap().unwrap()).unwrap();
        kept.list().unwrap().versions.into_iter().map(read).collect()
    }

    #[test]
    fn the_newest_comes_first_and_old_ones_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::open(&dir.path().join("not/yet/cache"));
        assert_eq!((texts(&kept).len(), kept.forget(u64::MAX).unwrap()), (0, 0));
        assert!(!dir.path().join("not").exists(), "looking makes nothing");
        for (at, text) in [(1, "one"), (2, "two"), (3, "one"), (4, "four")] {
            keep(&kept, at, "a", text);
        }
        assert_eq!(texts(&kept), ["four", "one", "two", "one"]);
        assert_eq!(kept.forget(3).unwrap(), 2);
        assert_eq!(texts(&kept), ["four", "one"], "bytes that a version still names stay");
        assert!(kept.get(&BlobRef::of(b"two")).unwrap().is_none());
        keep(&kept, 5, "a", "five");
        assert_eq!(texts(&kept), ["five", "four", "one"]);
    }

    #[test]
    fn what_nobody_names_goes_when_it_is_old_and_a_held_folder_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::open(dir.path());
        let now = || UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
        keep(&kept, now(), "a", "one");
        keep(&kept, 1, "b", "old");
        let orphan = |name: &str, age_s: u64| {
            let path = dir.path().join("kept").join(name);
            let file = File::create(&path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_millis(now()) - Duration::from_secs(age_s)).unwrap();
            path
        };
        let (old, young) = (Digest::of_bytes(b"x").to_string(), Digest::of_bytes(b"y").to_string());
        let gone = [orphan(&old, 100), orphan(".tmp-old", 100)];
        let stays = [orphan(&young, 1), orphan(".tmp-young", 1), orphan("notes", 100), orphan("list.bak", 100)];
        let held = kept.lock().unwrap();
        assert_eq!(kept.forget(now() - 50_000).unwrap(), 0, "somebody keeps something just now");
        drop(held);
        assert_eq!(kept.forget(now() - 50_000).unwrap(), 1);
        assert_eq!(texts(&kept), ["one"]);
        assert!(gone.iter().all(|path| !path.exists()) && stays.iter().all(|path| path.exists()));
    }

    #[test]
    fn a_torn_list_loses_one_line_and_a_newer_one_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::open(dir.path());
        keep(&kept, 1, "a", "one");
        let list = dir.path().join("kept/list");
        let whole = std::fs::read(&list).unwrap();
        for end in 0..whole.len() {
            std::fs::write(&list, &whole[..end]).unwrap();
            keep(&kept, 2, "b", "two");
            let listed = kept.list().unwrap();
            assert_eq!(listed.versions[0].path, "b".into(), "torn at {end}");
            assert_eq!(listed.newer, 0);
        }
        std::fs::write(&list, [whole.as_slice(), b"{\"format\":2,\"what\":[]}\n"].concat()).unwrap();
        assert_eq!(kept.list().unwrap().newer, 1);
        assert_eq!(kept.forget(u64::MAX).unwrap(), 0);
        assert_eq!(texts(&kept), ["one"]);
    }

    #[test]
    fn many_at_once_and_none_if_one_fails() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::open(dir.path());
        let (run, worktree) = (RunId("run".into()), Path::new("/tree"));
        let keep = Keep { kept: &kept, run: &run, at_ms: 1, worktree };
        let version = |n: u32| {
            let path = RepoPath::from(n.to_string().as_str());
            Ok(Keeping { path, kind: KeptKind::Executable, bytes: Box::new(io::Cursor::new(n.to_le_bytes())) })
        };
        let failing = Err(("bad".into(), io::ErrorKind::PermissionDenied.into()));
        let error = keep.keep((0..40).map(version).chain([failing])).unwrap_err();
        assert_eq!((error.0, kept.list().unwrap().versions.len()), ("bad".into(), 0));
        assert_eq!(keep.keep((0..40).map(version)).unwrap().len(), 40);
        assert_eq!(kept.list().unwrap().versions.len(), 40);
    }

    #[test]
    fn a_kept_folder_that_leads_elsewhere_is_not_used() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("kept")).unwrap();
        let kept = Kept::open(dir.path());
        let run = RunId("run".into());
        let keep = Keep { kept: &kept, run: &run, at_ms: 1, worktree: Path::new("/tree") };
        let version = Keeping { path: "a".into(), kind: KeptKind::File, bytes: Box::new(&b"x"[..]) };
        assert!(keep.keep([Ok(version)]).is_err() && kept.list().is_err());
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}
