//! `wf cache undo`: what restoring replaced comes back, and that can be undone as well.

use super::outputs_rig::{Rig, globs, run, tree};
use super::world::World;
use std::fs;
use std::path::Path;
use wf::base::{BlobRef, Digest, RepoPath};
use wf::cache::kept::{KEPT_FOR_MS, Keep, Kept};
use wf::cache::outputs::{Beneath, Nothing, Restore, collect};
use wf::cache::undo::{NotFound, bring_back, choose};
use wf::cache::{CachePlace, Disk, Folder, Limits, Store as _, sweep};

const DIST: &[&str] = &["dist/**"];

#[test]
fn every_kind_comes_back_as_it_was() {
    let rig = Rig::new();
    rig.write("dist/a", "built").write("dist/x", "built").link("dist/l", "a").write("dist/was-link", "built");
    let outputs = rig.collect(DIST);
    rig.write("dist/a", "mine").write("dist/x", "mine x").executable("dist/x");
    for (path, target) in [("dist/l", Some("mine")), ("dist/was-link", Some("../target"))] {
        fs::remove_file(rig.path(path)).unwrap();
        target.map(|target| rig.link(path, target));
    }
    let mine = tree(&rig.root);
    rig.restore(DIST, &outputs).unwrap();
    let built = tree(&rig.root);
    assert_ne!(mine, built);

    let (first, second) = (run("0198-undo"), run("0199-undo"));
    for (which, by, expected) in [("latest", &first, &mine), ("0198-u", &second, &built)] {
        let (_, versions) = choose(&rig.kept.list().unwrap().versions, &rig.root, which).unwrap();
        assert_eq!(versions.len(), 4);
        let keep = Keep { kept: &rig.kept, run: by, at_ms: 2, worktree: &rig.root };
        let undone = bring_back(&rig.beneath(), &rig.kept, &keep, versions);
        assert!(undone.iter().all(|one| matches!(one.done, Ok(true)) && one.kept), "{undone:?}");
        assert_eq!(tree(&rig.root), *expected);
    }
}

#[test]
fn versions_are_chosen_by_run_and_worktree() {
    let rig = Rig::new();
    rig.write("dist/a", "built").write("dist/b", "built");
    let outputs = rig.collect(DIST);
    assert_eq!(choose(&rig.kept.list().unwrap().versions, &rig.root, "latest").unwrap_err(), NotFound::Nothing);
    for (name, path, text) in [("aa1", "a", "1"), ("aa1", "a", "2"), ("aa2", "b", "3"), ("ab3", "a", "4")] {
        rig.write(&format!("dist/{path}"), text);
        rig.restore_in(&run(name), DIST, &outputs).unwrap();
    }
    let versions = rig.kept.list().unwrap().versions;
    let chosen = |which: &str| {
        let (run, versions) = choose(&versions, &rig.root, which)?;
        let said = versions.iter().map(|version| format!("{}={:.6}", version.path, version.blob.digest.to_string()));
        Ok::<_, NotFound>(format!("{run}: {}", said.collect::<Vec<_>>().join(" ")))
    };
    let of = |text: &str| Digest::of_bytes(text.as_bytes()).to_string()[..6].to_owned();
    assert_eq!(chosen("latest"), Ok(format!("ab3: dist/a={}", of("4"))));
    assert_eq!(chosen("AA1"), Ok(format!("aa1: dist/a={}", of("2"))), "of each path the newest");
    assert_eq!(chosen("aa2"), Ok(format!("aa2: dist/b={}", of("3"))));
    assert!(matches!(chosen("a"), Err(NotFound::Ambiguous { matches, .. }) if matches.len() == 3));
    for text in ["", "zz", "../x", "\u{1b}[2J"] {
        let error = chosen(text).unwrap_err();
        assert!(matches!(error, NotFound::Run(_)) && error.to_string().is_ascii(), "{error}");
    }
    assert_eq!(choose(&versions, Path::new("/elsewhere"), "latest").unwrap_err(), NotFound::Nothing);
}

/// A world in which a run replaced two files of somebody's.
fn replaced() -> World {
    let world = World::new("steps: [{id: build, run: 'true', outputs: ['dist/**']}]\n");
    world.write(".gitignore", "dist/\n").write("dist/a", "built").write("dist/b", "built");
    let (beneath, store) = (Beneath::open(&world.root).unwrap(), super::outputs_rig::Memory::default());
    let outputs = collect(&beneath, &globs(DIST), &Nothing, Some(&store)).unwrap().outputs;
    world.write("dist/a", "mine a").write("dist/b", "mine b");
    let (kept, run) = (Kept::open(&world.path(".wf/cache")), run("0198c7aa-run"));
    let restore = Restore {
        beneath: &beneath,
        globs: &globs(DIST),
        known: &Nothing,
        store: &store,
        recorded: &|_: &RepoPath, _: &Digest| false,
        keep: &Keep { kept: &kept, run: &run, at_ms: 1, worktree: &world.root },
    };
    assert_eq!(restore.run(&outputs).unwrap().kept.len(), 2);
    world
}

fn dist(world: &World) -> [String; 2] {
    ["dist/a", "dist/b"].map(|path| fs::read_to_string(world.path(path)).unwrap())
}

#[test]
fn the_command_brings_back_and_can_be_undone() {
    let world = replaced();
    let _ =
        world.wf(&["cache", "undo", "--dry-run"]).passed().says("would bring back dist/a\nwould bring back dist/b\n");
    assert_eq!(dist(&world), ["built", "built"]);
    let said = world.wf(&["cache", "undo"]).passed().says("2 files that run 0198c7aa-run had replaced");
    assert_eq!(dist(&world), ["mine a", "mine b"]);
    let back = said.out.split('`').nth(1).unwrap().to_owned();
    let words: Vec<&str> = back.split(' ').skip(1).collect();
    assert_eq!(words[..2], ["cache", "undo"]);
    let document = world.wf(&[words.as_slice(), &["--json"]].concat()).passed().out;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["files"][1]["state"], "brought_back");
    assert_eq!(document["files"][1]["path"], "dist/b");
    assert_eq!(dist(&world), ["built", "built"]);
    let _ = world.wf(&["cache", "undo", "0198c7"]).passed();
    let _ = world.wf(&["cache", "undo", "0198c7"]).passed().says("already there: dist/a").says("0 files");
    assert_eq!(dist(&world), ["mine a", "mine b"]);
}

#[test]
fn what_cannot_be_brought_back_is_told_and_the_rest_is() {
    let world = replaced();
    fs::remove_file(world.path("dist/a")).unwrap();
    world.write("dist/a/in-the-way", "x");
    let said = world.wf(&["cache", "undo"]).exits(3).complains("dist/a is not brought back");
    assert_eq!(fs::read_to_string(world.path("dist/b")).unwrap(), "mine b");
    assert!(said.err.contains("a folder"), "{}", said.err);
    fs::remove_dir_all(world.path("dist/a")).unwrap();
    let _ = world.wf(&["cache", "undo", "0198c7"]).passed();
    assert_eq!(dist(&world), ["mine a", "mine b"]);
}

#[test]
fn nothing_kept_and_wrong_names_are_usage_errors() {
    let world = World::new("steps: [{id: a, run: 'true'}]\n");
    let _ = world.wf(&["cache", "undo"]).exits(2).complains("nothing is kept for this working tree");
    assert!(!world.path(".wf").exists(), "looking writes nothing");
    let _ = replaced().wf(&["cache", "undo", "ffff"]).exits(2).complains("`ffff`");
}

#[test]
fn clearing_the_cache_leaves_what_is_kept() {
    let world = replaced();
    let _ = world.wf(&["cache", "clear"]).passed();
    let _ = world.wf(&["cache", "undo"]).passed();
    assert_eq!(dist(&world), ["mine a", "mine b"]);
}

#[test]
fn versions_go_after_a_month_when_the_cache_is_tended() {
    let rig = Rig::new();
    rig.write("dist/a", "built");
    let outputs = rig.collect(DIST);
    let place = CachePlace { dir: rig.cache(), chosen: true };
    let open = |now_ms| Folder::open(&place, Limits::default(), now_ms).0;
    let bytes = b"something stored";
    Disk::new(&open(1_000)).put(&BlobRef::of(bytes), &mut &bytes[..]).unwrap();
    rig.write("dist/a", "mine");
    rig.restore(DIST, &outputs).unwrap(); // At 1,000 ms since 1970.
    let kept_after = |now_ms| {
        let swept = sweep::tend(&open(now_ms)).unwrap();
        (swept.is_some(), rig.kept.list().unwrap().versions.len())
    };
    assert_eq!(kept_after(1_000 + KEPT_FOR_MS), (true, 1), "not a day too early");
    assert_eq!(kept_after(2_000 + KEPT_FOR_MS), (false, 1), "it was looked at that day");
    // Whoever clears or prunes does not shorten it.
    sweep::sweep(&open(2_000 + KEPT_FOR_MS), &sweep::Request { all: true, ..sweep::Request::default() }).unwrap();
    assert_eq!(rig.kept.list().unwrap().versions.len(), 1);
    assert_eq!(kept_after(2_000 + 2 * KEPT_FOR_MS), (true, 0));
    let left = fs::read_dir(rig.cache().join("kept")).unwrap().map(|file| file.unwrap().file_name());
    let mut left: Vec<_> = left.collect();
    left.sort();
    assert_eq!(left, ["list", "lock"], "their bytes are gone too");
}

#[test]
fn a_run_forgets_what_was_kept_for_a_month() {
    let world = replaced();
    // One of the two was kept only now; the other one in 1970.
    let list = world.path(".wf/cache/kept/list");
    let now = format!("\"at_ms\":{}", jiff::Timestamp::now().as_millisecond());
    let text = fs::read_to_string(&list).unwrap().replacen("\"at_ms\":1", &now, 1);
    fs::write(&list, text).unwrap();
    let versions = || Kept::open(&world.path(".wf/cache")).list().unwrap().versions;
    let place = CachePlace { dir: world.path(".wf/cache"), chosen: false };
    let store = |now_ms| Disk::new(&Folder::open(&place, Limits::default(), now_ms).0);
    let day = 24 * 60 * 60 * 1000;
    let yesterday = jiff::Timestamp::now().as_millisecond().unsigned_abs() - day;
    store(yesterday + day / 2).put(&BlobRef::of(b"a"), &mut &b"a"[..]).unwrap();
    let _ = world.wf(&["run", "--all", "--cache", "read"]).passed();
    assert_eq!(versions().len(), 2);
    let _ = world.wf(&["run", "--all"]).passed();
    assert_eq!(versions().len(), 2, "the cache was looked through today");
    fs::remove_file(world.path(".wf/cache/size")).unwrap();
    store(yesterday).put(&BlobRef::of(b"b"), &mut &b"b"[..]).unwrap();
    let _ = world.wf(&["run", "--all"]).passed();
    assert_eq!(versions().len(), 1);
    let _ = world.wf(&["cache", "undo"]).passed().says("dist/a");
}
