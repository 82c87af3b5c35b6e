//! What the tests of the cache share: entries that look like real ones, and a process that works in a cache.

use crate::git_repo::Scratch;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use wf::base::{BlobRef, Digest, RepoPath, RunId, StepId};
use wf::cache::{Actions, CachePlace, Disk, Entry, Folder, Limits, Output, OutputKind, Pass, Record, Store as _};
use wf::key::{FileGroup, Key, KeyInputs, WatchedFile};

pub fn now_ms() -> u64 {
    jiff::Timestamp::now().as_millisecond().unsigned_abs()
}

/// A cache folder that nobody has opened yet.
pub fn open(dir: &Path, limits: Limits) -> (Arc<Folder>, Disk, Actions) {
    let place = CachePlace { dir: dir.into(), chosen: true };
    let (folder, problem) = Folder::open(&place, limits, now_ms());
    assert_eq!(problem, None);
    let (actions, problem) = Actions::open(&folder);
    assert_eq!(problem, None);
    let disk = Disk::new(&folder);
    (folder, disk, actions)
}

pub fn put(disk: &Disk, bytes: &[u8]) -> std::io::Result<BlobRef> {
    let blob = BlobRef::of(bytes);
    disk.put(&blob, &mut &*bytes)?;
    Ok(blob)
}

/// Bytes that no other seed has, and that do not get smaller when packed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&next());
    }
    bytes.truncate(length);
    bytes
}

/// Stores a result as the engine does: outputs, log, manifest and groups first.
pub fn stored(disk: &Disk, step: &str, seed: u64, output: &[u8]) -> std::io::Result<Entry> {
    let group = FileGroup::new(vec![WatchedFile {
        path: RepoPath::from("src/lib.rs"),
        mode: 0o100_644,
        digest: Digest::of_bytes(&seed.to_le_bytes()),
    }]);
    let inputs = KeyInputs {
        step: StepId::parse(step).unwrap(),
        argv: vec!["cargo".into(), "test".into(), "a b".into()],
        dir: RepoPath::root(),
        folder: None,
        env: [("RUSTFLAGS".into(), wf::key::EnvValue::Unset)].into(),
        ambient: std::sync::Arc::new([("CI".into(), wf::key::EnvValue::Set("1".into()))].into()),
        tools: [("rustc --version".into(), "rustc 1.95.0".into())].into(),
        platform: "linux x86_64 glibc".into(),
        outputs: Some(vec!["dist/**".into()]),
        watched: vec![Arc::new(group.clone())],
        needs: [].into(),
        changed: None,
    };
    let blob = put(disk, output)?;
    let file = Output { path: RepoPath::from("dist/out"), kind: OutputKind::File { blob, executable: true } };
    Ok(Entry {
        key: inputs.key(),
        step: inputs.step.clone(),
        outputs: vec![file],
        log: Some(put(disk, b"wflog 1\n")?),
        manifest: Some(put(disk, &postcard::to_stdvec(&inputs.manifest()).unwrap())?),
        groups: vec![put(disk, &postcard::to_stdvec(group.files()).unwrap())?],
        pass: Pass { run: RunId("018f0000-0000-7000-8000-000000000000".into()), at_ms: now_ms(), wall_ms: 61_000 },
        tags: vec![format!("tag{}", seed % 2)],
        expires_ms: None,
    })
}

/// Stores and records one result.
pub fn keep(disk: &Disk, actions: &mut Actions, step: &str, seed: u64, output: &[u8]) -> std::io::Result<Key> {
    let entry = stored(disk, step, seed, output)?;
    let key = entry.key;
    assert_eq!(actions.append(&[Record::Entry(entry)])?, []);
    Ok(key)
}

/// Bytes that a cache takes on the disk, as `du` counts. Whoever writes waits meanwhile, because a sum over a tree that
/// changes is of no moment; what is just renamed is seen in both places and counted once.
pub fn disk_usage(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let lock = std::fs::File::open(dir.join("size")).unwrap();
    lock.lock().unwrap();
    let files = walkdir::WalkDir::new(dir).into_iter().filter_map(Result::ok);
    let sizes: std::collections::BTreeMap<u64, u64> =
        files.filter_map(|file| file.metadata().ok()).map(|meta| (meta.ino(), meta.blocks() * 512)).collect();
    lock.unlock().unwrap();
    sizes.values().sum()
}

const WORK: &str = "WF_TEST_WORK";

/// What another process does: `rounds` results of `size` bytes, as fast as it can.
pub struct Work<'a> {
    pub dir: &'a Path,
    pub who: u64,
    pub rounds: u64,
    pub size: usize,
    pub limit: u64,
}

impl Work<'_> {
    /// Starts this test binary again, to work.
    pub fn start(&self, scratch: &Scratch) -> Child {
        let exe = std::env::current_exe().unwrap();
        let mut command = scratch.command(&scratch.root, exe.to_str().unwrap());
        let Self { dir, who, rounds, size, limit } = self;
        command.args(["--exact", "cache_rig::worker", "--ignored", "--nocapture"]);
        command.env(WORK, format!("{who} {rounds} {size} {limit} {}", dir.display()));
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// The other process. Where there is no room it goes on without; anything else that goes wrong fails it.
#[test]
#[ignore = "started by other tests, as a process of its own"]
fn worker() {
    let Some((_, work)) = std::env::vars().find(|(name, _)| name == WORK) else { return };
    let words: Vec<&str> = work.splitn(5, ' ').collect();
    let number = |at: usize| words[at].parse::<u64>().unwrap();
    let (who, rounds, size) = (number(0), number(1), number(2) as usize);
    // With the usual grace: on a busy machine seconds pass between a blob and the entry that names it, and a shorter one
    // would let the blob go in between.
    let limits = Limits { bytes: number(3), ..Limits::default() };
    let (_, disk, mut actions) = open(Path::new(words[4]), limits);
    for round in 0..rounds {
        let seed = who * 1_000_000 + round;
        // Every second output is one that others make too.
        let output = noise(if round % 2 == 0 { round } else { seed }, size);
        let done = stored(&disk, "build", seed, &output).and_then(|entry| {
            let uses = wf::cache::Uses { saved_ms: 1, keys: vec![wf::cache::KeyStart::of(&entry.key)] };
            actions.append(&[Record::Entry(entry), Record::Used(uses)])
        });
        match done {
            Ok(bare) => assert_eq!(bare, []),
            Err(error) => assert!(
                matches!(wf::cache::Refused::of(&error), Some(wf::cache::Refused::Full { .. })),
                "round {round}: {error}"
            ),
        }
    }
}
