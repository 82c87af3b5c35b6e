//! Several processes in one cache, and processes that are killed in it.

use crate::cache_rig::{Work, disk_usage, keep, noise, now_ms, open};
use crate::git_repo::Scratch;
use crate::world::World;
use std::io::Read as _;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};
use wf::base::StepId;
use wf::cache::sweep::{Request, Why, sweep, tend};
use wf::cache::verify::verify;
use wf::cache::{CachePlace, Folder, Limits, Record, used};

fn ends(mut child: Child) {
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.success(), "{said}");
}

fn verified(dir: &Path) -> usize {
    let (folder, ..) = open(dir, Limits::default());
    let found = verify(&folder).unwrap();
    assert_eq!(found.wrong, []);
    found.entries
}

/// What is written down is what is there.
fn counted(dir: &Path) {
    let (folder, ..) = open(dir, Limits::default());
    let written = used(&folder).unwrap();
    std::fs::remove_file(dir.join("size")).unwrap();
    // Counted again by the next who writes.
    let (folder, disk, _) = open(dir, Limits::default());
    crate::cache_rig::put(&disk, b"wflog 1\n").unwrap();
    disk.add(3, &mut &b"new"[..]).unwrap();
    let again = used(&folder).unwrap();
    assert!(again > written && again - written <= 2 * 8192 + 256, "written {written}, counted {again}");
}

#[test]
fn eight_processes_share_a_cache() {
    let scratch = Scratch::new();
    let dir = scratch.outside("cache");
    let work = |who| Work { dir: &dir, who, rounds: 30, size: 5000, limit: 1 << 30 };
    let children: Vec<Child> = (0..8).map(|who| work(who).start(&scratch)).collect();
    children.into_iter().for_each(ends);
    assert_eq!(verified(&dir), 8 * 30);
    let (_, _, actions) = open(&dir, Limits::default());
    assert_eq!((actions.entries_of(&StepId::parse("build").unwrap()).count(), actions.usage().1.hits), (240, 240));
    counted(&dir);
}

#[test]
fn ten_writers_never_pass_the_limit() {
    let scratch = Scratch::new();
    let (dir, limit) = (scratch.outside("cache"), 2 << 20);
    let (_, disk, mut actions) = open(&dir, Limits::default());
    let first = keep(&disk, &mut actions, "old", 99, &noise(99, 10_000)).unwrap();
    let work = |who| Work { dir: &dir, who, rounds: 40, size: 20_000, limit };
    let mut children: Vec<Child> = (0..10).map(|who| work(who).start(&scratch)).collect();
    let (mut largest, mut looks) = (0, 0);
    while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        largest = largest.max(disk_usage(&dir));
        looks += 1;
        // They are to write meanwhile.
        std::thread::sleep(Duration::from_millis(2));
    }
    children.into_iter().for_each(ends);
    largest = largest.max(disk_usage(&dir));
    assert!(largest <= limit, "{largest} bytes, in {looks} looks");
    assert!(largest > limit / 2, "{largest}: it was never full");
    let left = verified(&dir);
    assert!(left > 10 && left < 400, "{left}");
    let (_, _, actions) = open(&dir, Limits::default());
    assert_eq!(actions.entry(&first), None, "what was stored first went first");
}

#[test]
fn killed_writers_leave_nothing_wrong() {
    let scratch = Scratch::new();
    let dir = scratch.outside("cache");
    let mut killed = 0;
    for round in 0..40 {
        let work = Work { dir: &dir, who: round, rounds: 1_000_000, size: 300_000, limit: 1 << 30 };
        let mut child = work.start(&scratch);
        let began = Instant::now();
        while !dir.join("actions").exists() && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(2));
        }
        // Different instants, from the first write on.
        std::thread::sleep(Duration::from_micros(20_000 + 1_700 * round));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        verified(&dir);
    }
    assert_eq!(killed, 40);
    let temporary = || {
        dir.join("cas")
            .read_dir()
            .unwrap()
            .filter(|file| file.as_ref().unwrap().file_name().as_encoded_bytes().starts_with(b".tmp-"))
    };
    assert!(temporary().count() > 0, "no kill met a writer between its first write and its rename");
    let (folder, disk, mut actions) = open(&dir, Limits::default());
    keep(&disk, &mut actions, "after", 1, b"after").unwrap();
    for file in temporary() {
        // As if it had been there for long.
        let file = std::fs::File::options().write(true).open(file.unwrap().path()).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    sweep(&folder, &Request::default()).unwrap();
    assert_eq!(temporary().count(), 0);
    counted(&dir);
}

#[test]
fn a_sweep_takes_what_is_asked_for_and_nothing_that_is_named() {
    let scratch = Scratch::new();
    let dir = scratch.outside("cache");
    let (folder, disk, mut actions) = open(&dir, Limits::default());
    let shared = noise(0, 9000);
    let keys: Vec<_> = (0..4).map(|n| keep(&disk, &mut actions, "build", n, &shared).unwrap()).collect();
    let request = Request { tag: Some("tag1".into()), dry: true, ..Request::default() };
    let would = sweep(&folder, &request).unwrap();
    let gone: Vec<_> = would.entries.iter().map(|gone| (gone.key, gone.why)).collect();
    assert_eq!(gone, [(keys[1], Why::Asked), (keys[3], Why::Asked)]);
    assert_eq!(verified(&dir), 4);
    let done = sweep(&folder, &Request { dry: false, ..request }).unwrap();
    assert_eq!((&done.entries, done.blobs), (&would.entries, would.blobs));
    assert_eq!(done.blobs, 4, "two manifests and two groups; the output is of others too");
    assert_eq!(verified(&dir), 2);
    sweep(&folder, &Request { older_than_ms: Some(0), ..Request::default() }).unwrap();
    assert_eq!(verified(&dir), 0);
    let blobs =
        walkdir::WalkDir::new(dir.join("cas")).into_iter().filter(|f| f.as_ref().unwrap().file_type().is_file());
    assert_eq!(blobs.count(), 0);
}

#[test]
fn entries_past_their_time_and_too_many_of_them_go() {
    let scratch = Scratch::new();
    let dir = scratch.outside("cache");
    let (folder, disk, mut actions) = open(&dir, Limits { entries: 2, ..Limits::default() });
    let keys: Vec<_> = (0..4)
        .map(|n| {
            let mut entry = crate::cache_rig::stored(&disk, "build", n, &noise(n, 100)).unwrap();
            entry.expires_ms = (n == 3).then_some(1);
            let key = entry.key;
            actions.append(&[Record::Entry(entry)]).unwrap();
            std::thread::sleep(Duration::from_millis(3));
            key
        })
        .collect();
    let uses = wf::cache::Uses { saved_ms: 1, keys: vec![wf::cache::KeyStart::of(&keys[0])] };
    actions.append(&[Record::Used(uses)]).unwrap();
    assert!(tend(&folder).unwrap().is_none(), "somebody has looked today");
    let place = CachePlace { dir: dir.clone(), chosen: true };
    let tomorrow = Folder::open(&place, *folder.limits(), now_ms() + 25 * 60 * 60 * 1000).0;
    let done = tend(&tomorrow).unwrap().unwrap();
    assert!(tend(&tomorrow).unwrap().is_none());
    let gone: Vec<_> = done.entries.iter().map(|gone| (gone.key, gone.why)).collect();
    assert_eq!(
        gone,
        [(keys[3], Why::Expired), (keys[1], Why::TooMany)],
        "the first was used after the second was made"
    );
}

/// As if nobody had looked through the cache for long.
fn long_ago(dir: &Path) {
    let mut size = std::fs::read(dir.join("size")).unwrap();
    size[16..24].fill(0);
    let check = crc32fast::hash(&size[..32]).to_le_bytes();
    size[32..].copy_from_slice(&check);
    std::fs::write(dir.join("size"), size).unwrap();
}

#[test]
fn a_run_looks_through_the_cache_once_a_day() {
    let world = World::new(
        "cache: {max_entries: 1}\nsteps:\n  - {id: a, run: \"true\", inputs: [src/]}\n  - {id: b, run: \"true\", inputs: [docs/]}\n",
    );
    let entries = || open(&world.path(".wf/cache"), Limits::default()).2.entries().count();
    let _ = world.wf(&["run", "--all"]).passed();
    let _ = world.wf(&["run", "--all"]).passed().says("2 cached");
    assert_eq!(entries(), 2);
    long_ago(&world.path(".wf/cache"));
    let _ = world.wf(&["run", "--all"]).passed().says("2 cached");
    assert_eq!(entries(), 1);
    let _ = world.wf(&["run", "--all"]).passed().says("1 cached");
    assert_eq!(entries(), 2);
}
