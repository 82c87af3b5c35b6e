//! Each fault of the cache's folder, caused for real.

use crate::cache_rig::{keep, noise, open, put, stored};
use crate::git_repo::Scratch;
use crate::history_faults::Mounted;
use crate::world::World;
use std::fs;
use std::io;
use wf::cache::sweep::{Request, sweep};
use wf::cache::verify::verify;
use wf::cache::{Actions, Disk, Limits, Record, Store as _, Verified};

const CONFIG: &str = "steps: [{id: a, run: \"true\"}]\n";

#[test]
fn a_full_disk_stores_nothing_breaks_nothing_and_can_be_swept() {
    let scratch = Scratch::new();
    let dir = scratch.outside("cache");
    let Some(_mounted) = Mounted::new(&dir, "size=400k,mode=700") else { return };
    let (folder, disk, mut actions) = open(&dir, Limits { grace_ms: 0, ..Limits::default() });
    let (mut kept, mut refused) = (Vec::new(), 0);
    for n in 0..60 {
        match stored(&disk, "build", n, &noise(n, 10_000)).and_then(|entry| {
            let key = entry.key;
            actions.append(&[Record::Entry(entry)]).map(|_| key)
        }) {
            Ok(key) => kept.push(key),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
                refused += 1;
            }
        }
    }
    assert!(kept.len() > 5 && refused > 5, "{} kept, {refused} refused", kept.len());
    let (again, problem) = Actions::open(&folder);
    assert_eq!((problem, kept.iter().all(|key| again.entry(key).is_some())), (None, true));
    assert_eq!(verify(&folder).unwrap().wrong, []);
    // To write the index anew there is no room: what goes makes some.
    put(&disk, &noise(1000, 3000)).unwrap_err();
    let target = wf::cache::used(&folder).unwrap() - 60_000;
    sweep(&folder, &Request { max_bytes: Some(target), ..Request::default() }).unwrap();
    put(&disk, &noise(1000, 3000)).unwrap();
    let found = verify(&folder).unwrap();
    assert!(found.wrong.is_empty() && found.entries > 0 && found.entries < kept.len(), "{found:?}");
}

#[test]
fn a_read_only_folder_serves_and_takes_nothing() {
    let scratch = Scratch::new();
    let dir = scratch.outside("cache");
    let Some(mounted) = Mounted::new(&dir, "size=1m,mode=700") else { return };
    let (_, disk, mut actions) = open(&dir, Limits::default());
    let key = keep(&disk, &mut actions, "build", 1, b"made").unwrap();
    drop((disk, actions));
    mounted.make_read_only();
    let (_, disk, mut actions) = open(&dir, Limits::default());
    let entry = actions.entry(&key).unwrap();
    let store = Verified::forgetting(disk.clone());
    assert!(entry.blobs().all(|blob| store.get(blob).unwrap().is_some()));
    assert_eq!(put(&disk, b"new").unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
    assert!(actions.append(&[Record::Gone(key)]).is_err());
    assert!(actions.entry(&key).is_some());
}

#[test]
fn a_newer_cache_is_left_alone_with_a_hint() {
    let world = World::new(CONFIG);
    let dir = world.outside("cache");
    let (_, disk, mut actions) = open(&dir, Limits::default());
    keep(&disk, &mut actions, "build", 1, b"made").unwrap();
    let env = [("WF_CACHE_DIR", dir.to_str().unwrap())];
    let _ = world.wf_env(&env, &["cache", "stats"]).passed().says("1 of at most");
    fs::write(dir.join("format"), "2\n").unwrap();
    for words in [&["stats"][..], &["ls"], &["show", "build"], &["verify"], &["prune"], &["clear"]] {
        let said = world.wf_env(&env, &[&["cache"], words].concat()).exits(3);
        let _ = said.complains("format 2").complains("WF_CACHE_DIR=");
    }
    fs::write(dir.join("format"), "1\n").unwrap();
    let index = fs::read(dir.join("actions")).unwrap();
    fs::write(dir.join("actions"), [b"wfact 7\n", &index[8..]].concat()).unwrap();
    let _ = world.wf_env(&env, &["cache", "stats"]).passed().complains("format 7");
    let _ = world.wf_env(&env, &["cache", "verify"]).exits(3).complains("format 7");
    let _ = world.wf_env(&env, &["cache", "clear"]).exits(3).complains("format 7");
    assert_eq!(fs::read(dir.join("actions")).unwrap()[..8], *b"wfact 7\n");
    let blobs =
        walkdir::WalkDir::new(dir.join("cas")).into_iter().filter(|f| f.as_ref().unwrap().file_type().is_file());
    assert_eq!(blobs.count(), 4, "what a newer index names is not known: nothing goes");
}

#[test]
fn a_symlink_in_the_state_folder_is_not_followed() {
    let world = World::new(CONFIG);
    let elsewhere = world.outside("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::create_dir_all(world.path(".wf")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, world.path(".wf/cache")).unwrap();
    for words in [&["stats"][..], &["clear"], &["prune"]] {
        let _ = world.wf(&[&["cache"], words].concat()).exits(3).complains("symlink");
    }
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_folder_of_somebody_else_is_not_taken_for_a_cache() {
    let world = World::new(CONFIG);
    let home = world.outside("home");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("thesis.tex"), "").unwrap();
    let env = [("WF_CACHE_DIR", home.to_str().unwrap())];
    let _ = world.wf_env(&env, &["cache", "clear"]).exits(3).complains("something else than wf's cache");
    assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
}

#[test]
fn damaged_blobs_are_found_removed_and_stored_again() {
    let world = World::new(CONFIG);
    let dir = world.outside("cache");
    let (folder, disk, mut actions) = open(&dir, Limits::default());
    let good = keep(&disk, &mut actions, "good", 1, b"good").unwrap();
    let bad = keep(&disk, &mut actions, "bad", 2, b"made").unwrap();
    let entry = actions.entry(&bad).unwrap();
    let output = *entry.blobs().next().unwrap();
    fs::write(disk.path_of(&output), b"MADE").unwrap();
    let env = [("WF_CACHE_DIR", dir.to_str().unwrap())];
    let said = world.wf_env(&env, &["cache", "verify"]).exits(1);
    let _ = said.says(&output.digest.to_string()).says("result of bad").says("2 wrong");
    let _ = world.wf_env(&env, &["cache", "verify"]).passed().says("all is right");
    let (again, _) = Actions::open(&folder);
    assert!(again.entry(&good).is_some() && again.entry(&bad).is_none());
    assert_eq!(keep(&Disk::new(&folder), &mut actions, "bad", 2, b"made").unwrap(), bad);
    let _ = world.wf_env(&env, &["cache", "verify"]).passed();

    // The index itself: what is left of it is used, and it is mended.
    let mut index = fs::read(dir.join("actions")).unwrap();
    index[20] ^= 1;
    fs::write(dir.join("actions"), &index).unwrap();
    let _ = world.wf_env(&env, &["cache", "stats"]).passed().complains("damaged in 1 place");
    let said = world.wf_env(&env, &["cache", "verify", "--json"]).exits(1);
    let found: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(found["verified"]["wrong"][0]["what"], "index");
    let said = world.wf_env(&env, &["cache", "verify"]).passed();
    assert!(!said.err.contains("damaged"), "{}", said.err);
}

/// Whoever can commit could plant results, which others would then be served.
#[test]
fn a_cache_that_a_commit_brings_along_is_not_used() {
    let world = World::new("steps: [{id: a, run: 'echo a >> ../trace', inputs: [.workflow-config.yaml]}]\n");
    let _ = world.wf(&["run", "--all"]).passed();
    let _ = world.wf(&["run", "--all"]).passed().says("1 cached");
    world.git(&["add", "--force", ".wf/cache/actions"]);
    world.git(&["commit", "--quiet", "--message", "results"]);
    let said = world.wf(&["run", "--all"]).passed().says("1 passed");
    let _ = said.says(".wf/cache is committed to this repository; results that a commit brings along are not used");
    let _ = world.wf(&["run", "--all", "--strict"]).exits(3);
    assert_eq!(world.trace(), ["a", "a"], "strict starts nothing");
    world.git(&["rm", "--quiet", "-r", "--cached", ".wf"]);
    world.git(&["commit", "--quiet", "--message", "no results"]);
    let _ = world.wf(&["run", "--all"]).passed().says("1 cached");
}
