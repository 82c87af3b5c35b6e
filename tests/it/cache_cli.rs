//! `wf cache`, as people and scripts use it.

use crate::cache_rig::{keep, noise, open};
use crate::world::World;
use serde_json::Value;
use std::path::PathBuf;
use wf::cache::{KeyStart, Limits, Record, Uses};

const CONFIG: &str = "steps: [{id: a, run: \"true\"}]\n";

/// A repository whose cache holds three results.
fn world() -> (World, PathBuf) {
    let world = World::new(CONFIG);
    let _ = world.wf(&["run"]).passed();
    let dir = world.path(".wf/cache");
    let (_, disk, mut actions) = open(&dir, Limits::default());
    let first = keep(&disk, &mut actions, "build", 1, &noise(1, 5000)).unwrap();
    keep(&disk, &mut actions, "build", 2, &noise(2, 5000)).unwrap();
    keep(&disk, &mut actions, "test", 3, b"three").unwrap();
    actions.append(&[Record::Used(Uses { saved_ms: 120_000, keys: vec![KeyStart::of(&first); 2] })]).unwrap();
    (world, dir)
}

fn json(world: &World, args: &[&str]) -> Value {
    let said = world.wf(&[&["cache"], args, &["--json"]].concat()).passed();
    let document: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["format"], 1);
    document
}

#[test]
fn an_empty_cache_is_told_and_not_made() {
    let world = World::new(CONFIG);
    let _ = world.wf(&["cache", "stats"]).passed().says("entries  0 of at most 100000");
    let _ = world.wf(&["cache", "ls"]).passed().complains("nothing is stored");
    let _ = world.wf(&["cache", "verify"]).passed().says("0 entries and 0 blobs");
    let _ = world.wf(&["cache", "prune"]).passed().says("nothing to remove");
    let _ = world.wf(&["cache", "clear"]).passed().says("nothing to remove");
    let _ = world.wf(&["cache", "show", "a"]).exits(2).complains("nothing is stored for `a`");
    assert!(!world.path(".wf").exists());
}

#[test]
fn stats_ls_and_show_tell_what_is_there() {
    let (world, _) = world();
    let _ = world.wf(&["cache", "stats"]).passed().says("entries  3 of").says("2 times, which saved 2m00s").says("lru");
    let stats = json(&world, &["stats"]);
    assert_eq!((&stats["entries"], &stats["steps"], &stats["hits"]), (&3.into(), &2.into(), &2.into()));
    assert_eq!((&stats["saved_ms"], &stats["limit"]["size"]), (&120_000.into(), &(4_u64 << 30).into()));
    assert!(stats["size"].as_u64().unwrap() > 10_000);

    let listed = json(&world, &["ls"]);
    let steps: Vec<&str> = listed["entries"].as_array().unwrap().iter().map(|e| e["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["test", "build", "build"], "the newest first");
    assert_eq!(json(&world, &["ls", "build"])["entries"].as_array().unwrap().len(), 2);
    let _ = world.wf(&["cache", "ls", "build"]).passed().says("1m01s").says("stored");

    let said = world.wf(&["cache", "show", "test", "--files"]).passed();
    let said =
        said.says("dist/out (5 B, executable)").says("command: cargo test 'a b'").says("env RUSTFLAGS: (nothing)");
    let said = said.says("ambient CI: 1").says("tool rustc --version: rustc 1.95.0").says("src/lib.rs");
    let key = said.out.lines().find_map(|line| line.strip_prefix("key ")).unwrap().trim().to_owned();
    let shown = json(&world, &["show", &key[..10]]);
    assert_eq!((&shown["entry"]["key"], &shown["stored_whole"]), (&key.clone().into(), &true.into()));
    assert_eq!(shown["files"][0]["path"], "src/lib.rs");
    let _ = world.wf(&["cache", "show", "nothing"]).exits(2).complains("wf cache ls");
}

#[test]
fn prune_and_clear_remove() {
    let (world, dir) = world();
    let _ = world.wf(&["cache", "prune"]).passed().says("nothing to remove");
    let _ = world
        .wf(&["cache", "prune", "--tag", "tag0", "--dry-run"])
        .passed()
        .says("would remove 1 result")
        .says("build");
    assert_eq!(json(&world, &["stats"])["entries"], 3);
    let _ = world.wf(&["cache", "prune", "--tag", "tag0"]).passed().says("removed 1 result");
    let _ = world.wf(&["cache", "prune", "--older-than", "1h"]).passed().says("nothing to remove");
    let _ = world.wf(&["cache", "prune", "--max-size", "12KiB"]).passed().says("removed 2 results");
    let _ = world.wf(&["cache", "prune", "--max-size", "12"]).exits(2).complains("has no unit");
    let (_, disk, mut actions) = open(&dir, Limits::default());
    keep(&disk, &mut actions, "build", 1, b"one").unwrap();
    let removed = json(&world, &["clear"]);
    assert_eq!(removed["removed"]["entries"][0]["step"], "build");
    assert_eq!(json(&world, &["stats"])["entries"], 0);
    let blobs =
        walkdir::WalkDir::new(dir.join("cas")).into_iter().filter(|f| f.as_ref().unwrap().file_type().is_file());
    assert_eq!(blobs.count(), 0);
}

#[test]
fn a_cache_travels_in_a_file_and_fills_another() {
    let (from, _) = world();
    let file = from.outside("cache.tar.zst");
    let name = file.to_str().unwrap();
    let _ = from.wf(&["cache", "export", name]).passed().says("exported 3 results and 10 blobs");
    let bytes = std::fs::read(&file).unwrap();
    let _ = from.wf(&["cache", "export", name]).passed();
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "the same content is the same file");

    let entries = |world: &World| {
        let mut all = json(world, &["ls"])["entries"].as_array().unwrap().clone();
        for entry in &mut *all {
            entry.as_object_mut().unwrap().remove("stored_at");
        }
        for entry in &mut *all {
            entry.as_object_mut().unwrap().remove("hits");
        }
        all.sort_by_key(|entry| entry["key"].to_string());
        all
    };
    let other = World::new(CONFIG);
    let _ = other.wf(&["cache", "import", name]).passed().says("imported 3 results and 10 blobs");
    assert_eq!(entries(&other), entries(&from));
    let _ = other.wf(&["cache", "verify"]).passed();
    let _ = other.wf(&["cache", "import", name]).passed().says("imported 0 results").says("3 left out");

    for source in [name.to_owned(), from.path(".wf/cache").display().to_string()] {
        let third = World::new(CONFIG);
        let _ = third.wf(&["cache", "warm", &source]).passed().says("copied 3 results and 10 blobs");
        assert_eq!(entries(&third), entries(&from));
        let _ = third.wf(&["cache", "warm", &source]).passed().says("copied 0 results").says("3 left out");
        let _ = third.wf(&["cache", "verify"]).passed();
    }
    let _ = other.wf(&["cache", "warm", "src"]).exits(3).complains("is not a cache's folder");
    let _ = other.wf(&["cache", "export", "no/such/folder/x"]).exits(3).complains("cannot export");
}
