//! Hostile entries and hostile trees: whatever they hold, nothing outside the root changes, and nothing inside that wf did
//! not record is lost.

use super::outputs_rig::{Rig, picture, run, tree};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use wf::base::{BlobRef, Digest, RepoPath};
use wf::cache::kept::{FORMAT, Keep, KeptKind, Version, worktree_name};
use wf::cache::outputs::{Refused, Why};
use wf::cache::{Output, OutputKind, undo};

const ALL: &[&str] = &["**"];
const DIST: &[&str] = &["dist/**"];

/// Restores a hostile entry: it is refused, and neither the tree nor what is outside changes.
fn refused(rig: &Rig, patterns: &[&str], outputs: &[Output]) -> Refused {
    let (inside, outside) = (picture(&rig.root), picture(&rig.outside));
    let error = rig.restore(patterns, outputs).unwrap_err();
    assert_eq!((picture(&rig.root), picture(&rig.outside)), (inside, outside), "{error}");
    match error.why {
        Why::Refused(refused) => refused,
        other => panic!("{other}"),
    }
}

/// The same where something in the tree is in the way.
fn blocked(rig: &Rig, patterns: &[&str], outputs: &[Output], by: &str) {
    let (inside, outside) = (picture(&rig.root), picture(&rig.outside));
    let error = rig.restore(patterns, outputs).unwrap_err();
    assert_eq!((picture(&rig.root), picture(&rig.outside)), (inside, outside), "{error}");
    assert!(matches!(&error.why, Why::InTheWay { path, .. } if *path == by.into()), "{error}");
}

#[test]
fn paths_that_lead_out() {
    let rig = Rig::new();
    rig.write("dist/a", "a");
    let good = rig.output("dist/b", "good");
    let precious = rig.outside.join("precious");
    let absolute = String::from_utf8(precious.as_os_str().as_bytes().to_vec()).unwrap();
    let paths = [
        "../outside/precious",
        "dist/../../outside/precious",
        "dist/../a",
        "..",
        "./../outside/precious",
        "dist//../..",
        absolute.as_str(),
        "/",
        "",
        ".",
        "dist/./b",
        ".git/hooks/post-checkout",
        ".GIT/config",
        ".wf/cache/actions",
        "sub/.git/config",
        "dist/x\0/../../y",
    ];
    for path in paths {
        // The good one first: nothing of a bad entry is written, in whatever order.
        let refused = refused(&rig, ALL, &[good.clone(), rig.output(path, "evil")]);
        assert!(matches!(refused, Refused::Path { .. }), "{path}: {refused}");
        let link = Output { path: path.into(), kind: OutputKind::Symlink { target: b"/etc".to_vec() } };
        let folder = Output { path: path.into(), kind: OutputKind::Folder };
        for hostile in [link, folder] {
            assert!(rig.restore(ALL, &[good.clone(), hostile]).is_err(), "{path}");
        }
    }
}

#[test]
fn what_is_elsewhere_is_not_in_its_place() {
    use wf::cache::outputs::{Nothing, wrong};
    let rig = Rig::new();
    rig.link("dist", &rig.outside).link("out", "../outside/dir");
    let absolute = rig.outside.join("precious").display().to_string();
    let file = |path: &str, text: &str| rig.output(path, text);
    let mut hostile = vec![
        file("../outside/precious", "precious"),
        file(&absolute, "precious"),
        file("dist/precious", "precious"),
        file("out/a", "outside a"),
    ];
    for path in ["../outside/dir", "..", "/", "dist/dir", "out"] {
        hostile.push(Output { path: path.into(), kind: OutputKind::Folder });
    }
    for output in &hostile {
        assert_eq!(wrong(&rig.beneath(), std::slice::from_ref(output), &Nothing), [output]);
    }
}

#[test]
fn places_that_the_step_does_not_declare() {
    let rig = Rig::new();
    rig.write("src/main.rs", "fn main() {}").write("dist/a", "a");
    for path in ["src/main.rs", ".workflow-config.yaml", "dist", "distant", "dist/keep/x"] {
        let refused = refused(&rig, &["dist/**", "!dist/keep/**"], &[rig.output(path, "evil")]);
        assert_eq!(refused, Refused::Undeclared(path.into()));
    }
}

#[test]
fn names_that_are_one_on_other_systems() {
    let rig = Rig::new();
    let link = |path: &str| Output { path: path.into(), kind: OutputKind::Symlink { target: b"../outside".to_vec() } };
    let file = |path: &str| rig.output(path, "evil");
    assert!(matches!(refused(&rig, DIST, &[link("dist/X"), file("dist/x/precious")]), Refused::Case(..)));
    assert!(matches!(refused(&rig, DIST, &[file("dist/A"), file("dist/a")]), Refused::Case(..)));
    assert!(matches!(refused(&rig, DIST, &[file("dist/a"), file("dist/a")]), Refused::Twice(_)));
    assert!(matches!(refused(&rig, DIST, &[link("dist/x"), file("dist/x/precious")]), Refused::Clash(..)));
    assert!(matches!(refused(&rig, DIST, &[file("dist/x/precious"), link("dist/x")]), Refused::Clash(..)));
}

#[test]
fn entries_that_are_too_large() {
    let rig = Rig::new();
    let claims = |path: &str, size| {
        let blob = BlobRef { digest: Digest::of_bytes(b"x"), size };
        Output { path: path.into(), kind: OutputKind::File { blob, executable: false } }
    };
    assert_eq!(refused(&rig, DIST, &[claims("dist/a", u64::MAX)]), Refused::TooLarge);
    assert_eq!(refused(&rig, DIST, &[claims("dist/a", u64::MAX), claims("dist/b", 2)]), Refused::TooLarge);
    let many = vec![claims("dist/a", 1); 1_000_001];
    assert_eq!(refused(&rig, DIST, &many), Refused::TooMany(1_000_001));
    let long = Output { path: "dist/l".into(), kind: OutputKind::Symlink { target: vec![b'a'; 1 << 20] } };
    assert_eq!(refused(&rig, DIST, &[long]), Refused::Target("dist/l".into()));
}

/// Gives bytes without end for every name.
struct Endless;

impl wf::cache::Store for Endless {
    fn get(&self, _: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>> {
        Ok(Some(Box::new(io::repeat(b'x'))))
    }
    fn put(&self, _: &BlobRef, _: &mut dyn Read) -> io::Result<()> {
        Ok(())
    }
    fn name(&self) -> &'static str {
        "endless"
    }
}

#[test]
fn a_blob_without_end() {
    let rig = Rig::new();
    let output = rig.output("dist/a", "ten bytes.");
    let (run, recorded) = (run("r"), |_: &RepoPath, _: &Digest| false);
    let restore = wf::cache::outputs::Restore {
        beneath: &rig.beneath(),
        globs: &super::outputs_rig::globs(DIST),
        known: &wf::cache::outputs::Nothing,
        store: &Endless,
        recorded: &recorded,
        keep: &Keep { kept: &rig.kept, run: &run, at_ms: 0, worktree: &rig.root },
    };
    assert!(matches!(restore.run(&[output]).unwrap_err().why, Why::Damaged { .. }));
    assert_eq!(tree(&rig.root), ["dist/"]);
}

#[test]
fn folders_that_are_symlinks() {
    for (link, target) in
        [("dist", "../outside"), ("dist/dir", "../../outside/dir"), ("dist", "nowhere"), ("dist", "/")]
    {
        let rig = Rig::new();
        rig.link(link, target);
        let entry = [rig.output("dist/dir/a", "evil"), rig.output("dist/dir/precious", "evil")];
        blocked(&rig, DIST, &entry, link);
        let folder = Output { path: "dist/dir/made".into(), kind: OutputKind::Folder };
        blocked(&rig, DIST, &[folder], link);
    }
}

#[test]
fn a_recorded_symlink_is_replaced_by_a_folder_and_not_followed() {
    let rig = Rig::new();
    rig.link("dist/dir", &rig.outside);
    rig.collect(DIST);
    let before = picture(&rig.outside);
    rig.restore(DIST, &[rig.output("dist/dir/precious", "of the entry")]).unwrap();
    assert_eq!(tree(&rig.root), ["dist/", "dist/dir/", "dist/dir/precious = of the entry"]);
    assert_eq!(picture(&rig.outside), before);
}

#[test]
fn a_file_that_is_a_symlink_to_something_precious() {
    for recorded in [false, true] {
        let rig = Rig::new();
        rig.link("dist/a", rig.outside.join("precious"));
        if recorded {
            rig.collect(DIST);
        }
        let before = picture(&rig.outside);
        let done = rig.restore(DIST, &[rig.output("dist/a", "built")]).unwrap();
        assert_eq!((tree(&rig.root), picture(&rig.outside)), (vec!["dist/".into(), "dist/a = built".into()], before));
        assert_eq!(done.kept.len(), usize::from(!recorded));
    }
}

#[test]
fn pipes_where_files_should_be() {
    let rig = Rig::new();
    rig.pipe("dist/p");
    blocked(&rig, DIST, &[rig.output("dist/p", "evil")], "dist/p");
    blocked(&rig, DIST, &[rig.output("dist/p/a", "evil")], "dist/p");
    assert_eq!(rig.remove_recorded(DIST).paths, []);
}

#[test]
fn a_file_of_somebody_where_a_folder_should_be() {
    let rig = Rig::new();
    rig.write("dist/a", "mine");
    blocked(&rig, DIST, &[rig.output("dist/a/b", "evil")], "dist/a");
    let folder = Output { path: "dist/a".into(), kind: OutputKind::Folder };
    blocked(&rig, DIST, &[folder], "dist/a");
    rig.write("dist/f/mine", "mine").folder("dist/e");
    rig.restore(DIST, &[rig.output("dist/f", "evil")]).unwrap_err();
    blocked(&rig, DIST, &[rig.output("dist/e", "evil")], "dist/e");
    assert_eq!(rig.read("dist/f/mine"), "mine");
}

#[test]
fn removing_does_not_follow_symlinks() {
    let rig = Rig::new();
    rig.write("dist/dir/a", "outside a").write("dist/precious", "precious");
    rig.collect(DIST);
    fs::remove_dir_all(rig.path("dist")).unwrap();
    let before = picture(&rig.outside);
    rig.link("dist", &rig.outside);
    assert_eq!(rig.remove_recorded(DIST).paths, []);
    assert_eq!(rig.remove_recorded(&["dist/dir/a", "dist/precious"]).paths, []);
    fs::remove_file(rig.path("dist")).unwrap();
    rig.link("dist/dir", rig.outside.join("dir"));
    assert_eq!(rig.remove_recorded(DIST).paths, []);
    assert_eq!(picture(&rig.outside), before);
}

#[test]
fn nothing_special_about_permissions_comes_back() {
    use std::os::unix::fs::MetadataExt as _;
    let rig = Rig::new();
    rig.write("dist/a", "a").executable("dist/a");
    fs::set_permissions(rig.path("dist/a"), std::os::unix::fs::PermissionsExt::from_mode(0o6777)).unwrap();
    let outputs = rig.collect(DIST);
    rig.wipe();
    rig.restore(DIST, &outputs).unwrap();
    let mode = fs::metadata(rig.path("dist/a")).unwrap().mode();
    assert_eq!(mode & 0o7022, 0, "{mode:o}: no set-id, not for others to write");
    assert_eq!(mode & 0o100, 0o100);
}

const PAUSE: std::time::Duration = std::time::Duration::from_micros(100);

/// Swaps a folder for a symlink to the outside and back, as fast as it can, while `work` is done again and again.
fn while_swapping(rig: &Rig, times: usize, work: impl Fn()) {
    let (stop, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (real, moved, target) = (rig.path("dist/dir"), rig.path("aside"), rig.outside.join("dir"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                if fs::rename(&real, &moved).is_ok() {
                    if std::os::unix::fs::symlink(&target, &real).is_ok() {
                        // Long enough for the other side to do all of its work with it.
                        std::thread::sleep(PAUSE);
                        let _ = fs::remove_file(&real);
                    }
                    // The other side may have made the folder anew.
                    let _ = fs::remove_dir_all(&real);
                    let _ = fs::rename(&moved, &real);
                    std::thread::sleep(PAUSE);
                    swaps.fetch_add(1, Ordering::Relaxed);
                } else {
                    // The other side made the folder anew before it could be put back: it would stay aside for ever.
                    let _ = fs::remove_dir_all(&moved);
                    let _ = fs::remove_file(&real);
                    let _ = fs::create_dir_all(&real);
                }
            }
        });
        let mut done = 0;
        while done < times || swaps.load(Ordering::Relaxed) < times / 10 {
            work();
            done += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_folder_swapped_for_a_symlink_while_restoring() {
    let rig = Rig::new();
    rig.write("dist/dir/a", "inside");
    let before = picture(&rig.outside);
    let entry =
        [rig.output("dist/dir/a", "evil"), rig.output("dist/dir/b/c", "evil"), rig.output("dist/dir/new", "evil")];
    let (done, failed) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    while_swapping(&rig, 400, || {
        let count = if rig.restore(DIST, &entry).is_ok() { &done } else { &failed };
        count.set(count.get() + 1);
    });
    assert_eq!(picture(&rig.outside), before, "{done:?} restored, {failed:?} not");
}

#[test]
fn a_folder_swapped_for_a_symlink_while_gathering_and_removing() {
    let rig = Rig::new();
    rig.write("dist/dir/a", "inside");
    let before = picture(&rig.outside);
    let outside = BlobRef::of(b"outside a");
    // Recorded: so that a removal which followed the symlink would find the outside file to be its own.
    rig.recorded.lock().unwrap().insert(("dist/dir/a".into(), outside.digest));
    while_swapping(&rig, 1_000, || {
        let _ = rig.try_collect(DIST);
        let recorded = rig.recorded.lock().unwrap().clone();
        let was = |path: &RepoPath, digest: &Digest| recorded.contains(&(path.clone(), *digest));
        let globs = super::outputs_rig::globs(DIST);
        let _ = wf::cache::outputs::remove_recorded(&rig.beneath(), &globs, &was, &wf::cache::outputs::Nothing);
    });
    assert!(!rig.store.0.lock().unwrap().contains_key(&outside), "something outside was read");
    assert_eq!(picture(&rig.outside), before);
}

#[test]
fn a_person_who_writes_while_wf_restores_loses_nothing() {
    let rig = Rig::new();
    rig.write("dist/a", "built");
    let outputs = rig.collect(DIST);
    let (stop, saved) = (AtomicBool::new(false), AtomicUsize::new(0));
    let written = std::thread::scope(|scope| {
        let person = scope.spawn(|| {
            let mut written = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                // As editors save: a new file takes the name.
                let text = format!("mine {}", written.len());
                rig.write("mine", &text);
                fs::rename(rig.path("mine"), rig.path("dist/a")).unwrap();
                written.push(text);
                saved.fetch_add(1, Ordering::Relaxed);
                while !stop.load(Ordering::Relaxed) && rig.read("dist/a") != "built" {
                    std::thread::yield_now();
                }
            }
            written
        });
        while saved.load(Ordering::Relaxed) < 60 {
            rig.restore(DIST, &outputs).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        person.join().unwrap()
    });
    let mut kept = rig.kept_of("dist/a");
    kept.push(rig.read("dist/a"));
    let lost: Vec<_> = written.iter().filter(|text| !kept.contains(text)).collect();
    assert!(lost.is_empty(), "{} of {} versions are lost: {lost:?}", lost.len(), written.len());
}

#[test]
fn a_hostile_list_of_kept_versions() {
    let rig = Rig::new();
    rig.write("dist/a", "a").link("link", &rig.outside);
    let (run_id, before) = (run("0198"), (tree(&rig.root), picture(&rig.outside)));
    let keep = Keep { kept: &rig.kept, run: &run_id, at_ms: 1, worktree: &rig.root };
    let evil = |path: &str, kind| {
        let version = wf::cache::kept::Keeping { path: path.into(), kind, bytes: Box::new(&b"evil"[..]) };
        keep.keep([Ok(version)]).unwrap();
    };
    for path in ["../outside/precious", "/etc/x", ".git/config", "dist/../../outside/precious", "", "link/precious"] {
        evil(path, KeptKind::File);
        evil(path, KeptKind::Symlink);
    }
    // A name whose bytes are others, and one that leads out of the folder of kept bytes.
    let blob = BlobRef::of(b"not what is there");
    fs::write(rig.cache().join("kept").join(blob.digest.to_string()), "something else...").unwrap();
    let version = Version {
        format: FORMAT,
        run: run_id.clone(),
        at_ms: 1,
        worktree: worktree_name(&rig.root),
        path: "dist/b".into(),
        kind: KeptKind::File,
        blob,
    };
    let mut listed = rig.kept.list().unwrap();
    listed.versions.push(version.clone());
    listed.versions.push(Version { kind: KeptKind::Symlink, path: "dist/c".into(), ..version });
    for versions in listed.versions.chunks(1) {
        let undone = undo::bring_back(&rig.beneath(), &rig.kept, &keep, versions.to_vec());
        assert!(undone.iter().all(|one| one.done.is_err()), "{undone:?}");
    }
    assert_eq!((tree(&rig.root), picture(&rig.outside)), before);
}
