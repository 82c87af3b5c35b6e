//! Outputs of steps: gathered, put back, removed; and whose files are never lost.

use super::outputs_rig::{Rig, globs, picture, tree};
use super::world::World;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;
use wf::base::{BlobRef, Digest, RepoPath};
use wf::cache::outputs::{CollectError, Known, Nothing, Why, collect, wrong};
use wf::cache::{Output, OutputKind};
use wf::tree::FileStat;

const DIST: &[&str] = &["dist/**"];

fn paths(outputs: &[Output]) -> Vec<String> {
    outputs.iter().map(|output| output.path.to_string()).collect()
}

#[test]
fn what_globs_match_is_gathered_and_nothing_else() {
    let rig = Rig::new();
    rig.write("dist/a.js", "a").write("dist/sub/b.js", "b").executable("dist/sub/b.js").write("dist/b.map", "m");
    rig.link("dist/l", "../elsewhere").folder("dist/empty/inner").write("src/x.js", "x").write("bundle.js", "top");
    rig.write("dist/.git/config", "git").write("dist/.wf/x", "wf").write("dist/.hidden", "h").folder("distant");
    rig.link("dist/out", &rig.outside);
    let cases: &[(&[&str], &str)] = &[
        (DIST, "dist/.hidden dist/a.js dist/b.map dist/empty/inner dist/l dist/out dist/sub/b.js"),
        (&["dist"], "dist/.hidden dist/a.js dist/b.map dist/empty/inner dist/l dist/out dist/sub/b.js"),
        (&["dist/**", "!dist/**/*.map", "!dist/out"], "dist/.hidden dist/a.js dist/empty/inner dist/l dist/sub/b.js"),
        (&["dist/*.js", "bundle.js"], "bundle.js dist/a.js"),
        (&["**/*.js"], "bundle.js dist/a.js dist/sub/b.js src/x.js"),
        (&["dist/sub/**", "dist/**/b.js"], "dist/sub/b.js"),
    ];
    for (patterns, expected) in cases {
        let collected = rig.try_collect(patterns).unwrap();
        assert_eq!(paths(&collected.outputs).join(" "), *expected, "{patterns:?}");
        assert_eq!(collected.missing, [""; 0], "{patterns:?}");
    }
    let kinds: HashMap<String, OutputKind> =
        rig.collect(DIST).into_iter().map(|output| (output.path.to_string(), output.kind)).collect();
    let file = |text: &str, executable| OutputKind::File { blob: BlobRef::of(text.as_bytes()), executable };
    assert_eq!((&kinds["dist/a.js"], &kinds["dist/sub/b.js"]), (&file("a", false), &file("b", true)));
    assert_eq!(kinds["dist/l"], OutputKind::Symlink { target: b"../elsewhere".to_vec() });
    assert_eq!(kinds["dist/empty/inner"], OutputKind::Folder);
}

#[test]
fn a_pattern_that_nothing_matches_is_told_and_nothing_is_stored() {
    let rig = Rig::new();
    rig.write("dist/a.js", "a").write("dist/b.map", "b");
    let collected = rig.try_collect(&["dist/*.js", "coverage/**", "dist/*.css", "dist/*.map", "!dist/b.map"]).unwrap();
    assert_eq!(collected.missing, ["coverage/**", "dist/*.css", "dist/*.map"]);
    assert_eq!(paths(&collected.outputs), ["dist/a.js"], "its digest is known all the same");
    assert!(rig.store.0.lock().unwrap().is_empty());
    assert_eq!(rig.try_collect(&["none/x"]).unwrap().outputs, []);
}

#[test]
fn what_cannot_be_stored_is_named() {
    let rig = Rig::new();
    rig.write("dist/a", "a").pipe("dist/p");
    let Err(CollectError::Special { path, what }) = rig.try_collect(DIST) else { panic!() };
    assert_eq!((path, what), ("dist/p".into(), "a named pipe"));
    fs::remove_file(rig.path("dist/p")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(rig.path("dist/s")).unwrap();
    let error = rig.try_collect(DIST).unwrap_err();
    assert!(error.to_string().contains("`dist/s` is a socket"), "{error}");
    fs::remove_file(rig.path("dist/s")).unwrap();
    rig.write("dist/A", "case");
    assert!(matches!(rig.try_collect(DIST), Err(CollectError::Refused(_))), "no other machine could restore both");
}

#[test]
fn output_folders_that_are_symlinks_are_not_followed() {
    let rig = Rig::new();
    rig.link("dist", &rig.outside).write("real/a", "a").link("real/in", "../real");
    assert_eq!(rig.try_collect(DIST).unwrap().missing, ["dist/**"]);
    assert_eq!(paths(&rig.try_collect(&["real/**"]).unwrap().outputs), ["real/a", "real/in"]);
    assert_eq!(rig.try_collect(&["dist/dir/a"]).unwrap().outputs, []);
}

#[test]
fn restoring_makes_the_tree_as_it_was() {
    let rig = Rig::new();
    rig.write("dist/a", "a").write("dist/x/y/z", "z").executable("dist/x/y/z").link("dist/x/l", "y/z");
    rig.folder("dist/e/e").write("dist/big", vec![7; 3 << 20]).write("dist/none", "");
    let outputs = rig.collect(DIST);
    let before = tree(&rig.root);
    rig.wipe();
    let done = rig.restore(DIST, &outputs).unwrap();
    assert_eq!(tree(&rig.root), before);
    assert_eq!((done.written, done.already, done.removed, done.kept.len()), (6, 0, 0, 0));
    assert_eq!(done.bytes, (3 << 20) + 2);
    assert_eq!(rig.collect(DIST), outputs);

    let untouched = picture(&rig.root);
    let done = rig.restore(DIST, &outputs).unwrap();
    assert_eq!((done.written, done.already), (0, 6));
    assert_eq!(picture(&rig.root), untouched, "what is right is not written again");
}

#[test]
fn what_is_wrong_is_found_and_only_that_is_written() {
    let rig = Rig::new();
    rig.write("dist/a", "a").write("dist/b", "b").write("dist/c", "c").link("dist/l", "a").folder("dist/e");
    let outputs = rig.collect(DIST);
    let wrong_now = || paths(&wrong(&rig.beneath(), &outputs, &Nothing).into_iter().cloned().collect::<Vec<_>>());
    assert_eq!(wrong_now(), [""; 0]);
    rig.write("dist/a", "A").executable("dist/b");
    fs::remove_file(rig.path("dist/l")).unwrap();
    rig.link("dist/l", "b");
    fs::remove_dir(rig.path("dist/e")).unwrap();
    assert_eq!(wrong_now(), ["dist/a", "dist/b", "dist/e", "dist/l"]);
    rig.record(&[rig.output("dist/a", "A")]);
    rig.record(&[Output { path: "dist/l".into(), kind: OutputKind::Symlink { target: b"b".to_vec() } }]);
    let done = rig.restore(DIST, &outputs).unwrap();
    assert_eq!((done.written, done.already, done.kept.len()), (4, 1, 0));
    assert_eq!(wrong_now(), [""; 0]);
    fs::remove_dir_all(rig.path("dist")).unwrap();
    assert_eq!(wrong_now().len(), 5);
    rig.link("dist", &rig.outside);
    assert_eq!(wrong_now().len(), 5);
}

#[test]
fn files_of_another_entry_go_and_files_of_people_stay() {
    let rig = Rig::new();
    rig.write("dist/a", "1").write("dist/old/deep/x", "x").link("dist/old/l", "a").folder("dist/old/empty");
    rig.collect(DIST);
    rig.wipe();
    rig.write("dist/a", "2").write("dist/b", "2");
    let second = rig.collect(DIST);
    rig.wipe();
    rig.write("dist/a", "1").write("dist/old/deep/x", "x").link("dist/old/l", "a").folder("dist/old/empty");
    rig.write("dist/mine", "mine").write("dist/notes/n", "n");
    let done = rig.restore(DIST, &second).unwrap();
    assert_eq!(
        tree(&rig.root),
        ["dist/", "dist/a = 2", "dist/b = 2", "dist/mine = mine", "dist/notes/", "dist/notes/n = n"]
    );
    assert_eq!((done.written, done.removed, done.kept.len()), (2, 3, 0), "recorded bytes are no loss");
    rig.write("dist/old/deep/x", "edited");
    rig.restore(DIST, &second).unwrap();
    assert_eq!(rig.read("dist/old/deep/x"), "edited", "not the bytes wf recorded: it stays");
}

#[test]
fn a_file_becomes_a_folder_and_back() {
    let rig = Rig::new();
    rig.write("dist/a", "file").write("dist/l/x", "x");
    let first = rig.collect(DIST);
    rig.wipe();
    rig.write("dist/a/index", "index").link("dist/l", "a");
    let second = rig.collect(DIST);
    rig.restore(DIST, &first).unwrap();
    assert_eq!(tree(&rig.root), ["dist/", "dist/a = file", "dist/l/", "dist/l/x = x"]);
    rig.restore(DIST, &second).unwrap();
    assert_eq!(tree(&rig.root), ["dist/", "dist/a/", "dist/a/index = index", "dist/l -> a"]);
    rig.write("dist/a/mine", "mine");
    let error = rig.restore(DIST, &first).unwrap_err();
    assert!(matches!(&error.why, Why::InTheWay { path, .. } if *path == "dist/a".into()), "{error}");
    assert_eq!(rig.read("dist/a/mine"), "mine");
}

#[test]
fn somebodys_version_is_kept_before_it_is_replaced() {
    let rig = Rig::new();
    rig.write("dist/a", "built").write("dist/b", "built b").link("dist/l", "a");
    let outputs = rig.collect(DIST);
    rig.write("dist/a", "mine").executable("dist/a");
    fs::remove_file(rig.path("dist/b")).unwrap();
    rig.link("dist/b", "my/target");
    fs::remove_file(rig.path("dist/l")).unwrap();
    rig.write("dist/l", "no link");
    let done = rig.restore(DIST, &outputs).unwrap();
    assert_eq!(done.kept.iter().map(ToString::to_string).collect::<Vec<_>>(), ["dist/a", "dist/b", "dist/l"]);
    assert_eq!(tree(&rig.root), ["dist/", "dist/a = built", "dist/b = built b", "dist/l -> a"]);
    assert_eq!((rig.kept_of("dist/a"), rig.kept_of("dist/b")), (vec!["mine".into()], vec!["my/target".into()]));
    assert_eq!(rig.kept_of("dist/l"), ["no link"]);
    let mode = fs::metadata(rig.cache().join("kept")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700, "nobody else's business");
}

#[test]
fn what_cannot_be_kept_is_not_replaced() {
    let rig = Rig::new();
    rig.write("dist/a", "built");
    let outputs = rig.collect(DIST);
    rig.write("dist/a", "mine");
    fs::write(rig.cache(), "no folder").unwrap();
    let error = rig.restore(DIST, &outputs).unwrap_err();
    assert!(matches!(error.why, Why::Keep { .. }), "{error}");
    assert_eq!(tree(&rig.root), ["dist/", "dist/a = mine"]);
}

#[test]
fn old_names_and_open_readers_keep_the_old_bytes() {
    let rig = Rig::new();
    rig.write("dist/a", "new");
    let outputs = rig.collect(DIST);
    rig.write("dist/a", "old");
    rig.record(&[rig.output("dist/a", "old")]);
    fs::hard_link(rig.path("dist/a"), rig.outside.join("linked")).unwrap();
    let mut reader = fs::File::open(rig.path("dist/a")).unwrap();
    rig.restore(DIST, &outputs).unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), fs::read_to_string(rig.outside.join("linked")).unwrap().as_str()), ("old", "old"));
    assert_eq!(rig.read("dist/a"), "new");
}

#[test]
fn before_a_run_recorded_files_go_and_others_stay() {
    let rig = Rig::new();
    rig.write("dist/a", "a").write("dist/x/y", "y").link("dist/l", "a").folder("dist/e").write("top.txt", "t");
    let globs = &["dist/**", "top.txt"];
    rig.collect(globs);
    rig.write("dist/mine", "mine").write("dist/a", "edited").write("dist/.wf-new-1-x", "a person's odd name");
    let removed = rig.remove_recorded(globs).paths;
    assert_eq!(
        removed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["dist/e", "dist/l", "dist/x/y", "top.txt"]
    );
    assert_eq!(
        tree(&rig.root),
        ["dist/", "dist/.wf-new-1-x = a person's odd name", "dist/a = edited", "dist/mine = mine"]
    );
    assert_eq!(rig.remove_recorded(globs).paths, []);
}

#[test]
fn the_folder_a_step_starts_in_stays() {
    let rig = Rig::new();
    rig.write("packages/a/dist/x", "x");
    rig.collect(&["packages/a/dist/**"]);
    rig.remove_recorded(&["packages/a/dist/**"]);
    assert_eq!(tree(&rig.root), ["packages/", "packages/a/", "packages/a/dist/"]);
    rig.write("packages/a/dist/x", "x");
    rig.collect(&["packages/*/dist"]);
    rig.remove_recorded(&["packages/a/dist"]);
    assert_eq!(tree(&rig.root), ["packages/", "packages/a/"], "an output by name, gone when it is empty");
}

#[expect(clippy::disallowed_methods, reason = "a process that is over, and nothing else")]
#[test]
fn what_a_killed_wf_left_is_no_output_and_goes() {
    let rig = Rig::new();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let (dead, alive) = (format!("dist/.wf-new-{}-7", child.id()), format!("dist/.wf-new-{}-7", std::process::id()));
    rig.write("dist/a", "a").write(&dead, "half").write(&alive, "being written");
    let outputs = rig.collect(DIST);
    assert_eq!(paths(&outputs), ["dist/a"]);
    rig.restore(DIST, &outputs).unwrap();
    assert!(!rig.path(&dead).exists());
    assert_eq!(rig.read(&alive), "being written");
}

#[test]
fn missing_and_damaged_content_replaces_nothing() {
    let rig = Rig::new();
    rig.write("dist/a", "right").write("dist/b", vec![b'x'; 300 << 10]);
    let outputs = rig.collect(DIST);
    let blobs: Vec<BlobRef> = rig.store.0.lock().unwrap().keys().copied().collect();
    rig.record(&[rig.output("dist/a", "old"), rig.output("dist/b", "old b")]);
    let small = blobs.iter().find(|blob| blob.size == 5).unwrap();
    let large = blobs.iter().find(|blob| blob.size > 5).unwrap();
    type Hurt<'a> = &'a dyn Fn(&mut Vec<u8>);
    let hurt: &[(&BlobRef, Hurt<'_>)] = &[
        (small, &|bytes| bytes[0] ^= 1),
        (small, &|bytes| bytes.truncate(4)),
        (small, &|bytes| bytes.push(b'!')),
        (small, &|bytes| bytes.extend(vec![0; 1 << 20])),
        (small, &Vec::clear),
        (large, &|bytes| bytes[200 << 10] ^= 1),
        (large, &|bytes| bytes.truncate(128 << 10)),
    ];
    for (n, (blob, hurt)) in hurt.iter().enumerate() {
        rig.write("dist/a", "old").write("dist/b", "old b");
        let right = rig.store.0.lock().unwrap()[blob].clone();
        hurt(rig.store.0.lock().unwrap().get_mut(blob).unwrap());
        let error = rig.restore(DIST, &outputs).unwrap_err();
        assert!(matches!(&error.why, Why::Damaged { blob: b, .. } if b == *blob), "{n}: {error}");
        let path = if *blob == small { "dist/a" } else { "dist/b" };
        assert!(rig.read(path).starts_with("old"), "{n}");
        assert!(!tree(&rig.root).iter().any(|name| name.contains(".wf-new")), "{n}");
        rig.store.0.lock().unwrap().insert(**blob, right);
    }
    rig.write("dist/a", "old").store.0.lock().unwrap().remove(small);
    let error = rig.restore(DIST, &outputs).unwrap_err();
    assert!(matches!(error.why, Why::Missing { .. }), "{error}");
}

/// Remembers like the index of digests does, and counts.
#[derive(Default)]
struct Index {
    rows: Mutex<HashMap<RepoPath, (FileStat, Digest)>>,
}

impl Known for Index {
    fn known(&self, path: &RepoPath, stat: &FileStat) -> Option<Digest> {
        self.rows.lock().unwrap().get(path).filter(|(then, _)| then == stat).map(|(_, digest)| *digest)
    }

    fn now(&self) -> Option<i64> {
        None
    }

    fn learn(&self, path: &RepoPath, stat: &FileStat, digest: Digest, _: Option<i64>) {
        self.rows.lock().unwrap().insert(path.clone(), (*stat, digest));
    }
}

#[test]
fn known_files_are_not_read() {
    let rig = Rig::new();
    rig.write("dist/a", "a").write("dist/b", "b");
    let index = Index::default();
    let first = collect(&rig.beneath(), &globs(DIST), &index, None).unwrap().outputs;
    assert_eq!(index.rows.lock().unwrap().len(), 2);
    assert!(rig.store.0.lock().unwrap().is_empty());
    let lie = Digest::of_bytes(b"what the index says");
    index.rows.lock().unwrap().get_mut(&RepoPath::from("dist/a")).unwrap().1 = lie;
    let again = collect(&rig.beneath(), &globs(DIST), &index, None).unwrap().outputs;
    assert_eq!(again[0].kind.content(), lie, "the index was asked and the file not read");
    assert_eq!(again[1], first[1]);
    assert_eq!(paths(&wrong(&rig.beneath(), &first, &index).into_iter().cloned().collect::<Vec<_>>()), ["dist/a"]);
    let error = collect(&rig.beneath(), &globs(DIST), &index, Some(&rig.store)).unwrap_err();
    assert!(matches!(error, CollectError::Store { .. }), "what the index says is checked before it is stored: {error}");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_stored() {
    /// Writes the file again in the middle: whoever asks for the time is about to read.
    struct Writer<'a>(&'a Rig);
    impl Known for Writer<'_> {
        fn known(&self, path: &RepoPath, stat: &FileStat) -> Option<Digest> {
            // Between the listing and the reading.
            (stat.size == 3).then(|| Digest::of_bytes(&fs::read(path.under(&self.0.root)).unwrap())).inspect(|_| {
                self.0.write("dist/a", "newer");
            })
        }
        fn now(&self) -> Option<i64> {
            None
        }
        fn learn(&self, _: &RepoPath, _: &FileStat, _: Digest, _: Option<i64>) {}
    }
    let rig = Rig::new();
    rig.write("dist/a", "old");
    assert!(collect(&rig.beneath(), &globs(DIST), &Writer(&rig), Some(&rig.store)).is_err());
    assert!(rig.store.0.lock().unwrap().is_empty());
}

/// A way to name things in small trees: folders and files meet often.
fn trees() -> impl Strategy<Value = Vec<(Vec<String>, u8)>> {
    let name = prop_oneof![Just("a"), Just("b"), Just("c"), Just("ü"), Just("x\n y")].prop_map(str::to_owned);
    proptest::collection::vec((proptest::collection::vec(name, 1..4), 0u8..5), 0..12)
}

/// Makes what fits; what clashes with something made before is left out.
fn make(rig: &Rig, things: &[(Vec<String>, u8)], word: &str) {
    rig.folder("dist");
    for (path, kind) in things {
        let path = format!("dist/{}", path.join("/"));
        let parent = rig.path(&path).parent().unwrap().to_owned();
        if fs::create_dir_all(&parent).is_err() || rig.path(&path).symlink_metadata().is_ok() {
            continue;
        }
        match kind {
            0 => fs::create_dir(rig.path(&path)).unwrap(),
            1 => {
                rig.link(&path, word);
            }
            2 => {
                rig.write(&path, format!("{word}{path}")).executable(&path);
            }
            _ => {
                rig.write(&path, format!("{word}{}", path.len()));
            }
        }
    }
}

fn contents(rig: &Rig) -> BTreeMap<String, String> {
    let walk = walkdir::WalkDir::new(rig.path("dist")).into_iter().map(Result::unwrap);
    let file = |entry: walkdir::DirEntry| {
        let name = entry.path().strip_prefix(&rig.root).unwrap().display().to_string();
        entry.file_type().is_file().then(|| (name, fs::read_to_string(entry.path()).unwrap()))
    };
    walk.filter_map(file).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Any tree comes back as it was; nothing that a person had is lost, whatever is there.
    #[test]
    fn trees_come_back_and_nothing_is_lost(built in trees(), theirs in trees(), other in trees()) {
        let rig = Rig::new();
        make(&rig, &built, "built");
        let outputs = rig.try_collect(&["dist", "dist/**"]).unwrap().outputs;
        rig.record(&outputs);
        rig.wipe();
        make(&rig, &other, "other");
        rig.collect(&["dist", "dist/**"]);
        make(&rig, &theirs, "theirs");
        let before = contents(&rig);
        let outside = picture(&rig.outside);
        let done = rig.restore(&["dist", "dist/**"], &outputs);
        let after = contents(&rig);
        for (path, text) in before.iter().filter(|(_, text)| text.starts_with("theirs")) {
            let there = after.get(path) == Some(text);
            prop_assert!(there || rig.kept_of(path).contains(text), "{path} is lost: {done:?}");
        }
        if done.is_ok() {
            prop_assert_eq!(wrong(&rig.beneath(), &outputs, &Nothing), Vec::<&Output>::new());
        } else {
            let why = done.unwrap_err().why;
            prop_assert!(matches!(why, Why::InTheWay { .. }), "{why:?}");
        }
        prop_assert_eq!(picture(&rig.outside), outside);
        rig.wipe();
        rig.restore(&["dist", "dist/**"], &outputs).unwrap();
        prop_assert_eq!(rig.try_collect(&["dist", "dist/**"]).unwrap().outputs, outputs);
    }
}

#[test]
fn many_files_are_handled_by_many_threads() {
    let rig = Rig::new();
    for n in 0..600 {
        rig.write(&format!("dist/{}/{n}", n % 7), format!("file {n}"));
    }
    let outputs = rig.collect(DIST);
    assert_eq!(outputs.len(), 600);
    assert!(outputs.is_sorted());
    let before = tree(&rig.root);
    rig.wipe();
    assert_eq!(rig.restore(DIST, &outputs).unwrap().written, 600);
    assert_eq!(tree(&rig.root), before);
    for n in 0..600 {
        rig.write(&format!("dist/{}/{n}", n % 7), format!("mine {n}"));
    }
    assert_eq!(rig.restore(DIST, &outputs).unwrap().kept.len(), 600);
    assert_eq!(tree(&rig.root), before);
    assert_eq!(rig.kept_of("dist/3/3"), ["mine 3"]);
}

/// Says where the bytes of everything are: blocks could be shared with that file.
struct Sharing<'a>(&'a Rig, std::path::PathBuf);

impl wf::cache::Store for Sharing<'_> {
    fn get(&self, blob: &BlobRef) -> std::io::Result<Option<Box<dyn std::io::Read + Send>>> {
        self.0.store.get(blob)
    }
    fn put(&self, blob: &BlobRef, bytes: &mut dyn std::io::Read) -> std::io::Result<()> {
        self.0.store.put(blob, bytes)
    }
    fn name(&self) -> &'static str {
        "sharing"
    }
    fn file_of(&self, _: &BlobRef) -> Option<std::path::PathBuf> {
        Some(self.1.clone())
    }
}

#[test]
fn blocks_are_shared_only_with_the_right_bytes() {
    let rig = Rig::new();
    let (right, wrong) = (vec![b'r'; 2 << 20], vec![b'w'; 2 << 20]);
    rig.write("dist/large", &right);
    let outputs = rig.collect(DIST);
    let sources = [("right", Some(&right)), ("wrong", Some(&wrong)), ("missing", None), ("folder", None)];
    for (name, bytes) in sources {
        // Beside the tree, so on its file system; where that shares no blocks, the bytes are copied from the store.
        let source = rig.outside.join(name);
        match bytes {
            Some(bytes) => fs::write(&source, bytes).unwrap(),
            None if name == "folder" => fs::create_dir(&source).unwrap(),
            None => {}
        }
        rig.wipe();
        let (sharing, run) = (Sharing(&rig, source), super::outputs_rig::run("r"));
        let restore = wf::cache::outputs::Restore {
            beneath: &rig.beneath(),
            globs: &globs(DIST),
            known: &Nothing,
            store: &sharing,
            recorded: &|_: &RepoPath, _: &Digest| false,
            keep: &wf::cache::kept::Keep { kept: &rig.kept, run: &run, at_ms: 0, worktree: &rig.root },
        };
        restore.run(&outputs).unwrap();
        assert!(fs::read(rig.path("dist/large")).unwrap() == right, "{name}");
    }
}

#[test]
fn a_blob_that_is_damaged_in_the_store_costs_a_run_and_no_more() {
    let world = World::new(
        "steps: [{id: build, run: 'mkdir -p dist; cp src/a.rs dist/out; echo ran >> ../trace', inputs: [src/], outputs: [dist/]}]",
    );
    world.write(".gitignore", "dist/\n.wf/\n").commit("ignore");
    let run = || world.wf(&["run", "--all"]).passed();
    let ran = |times: usize| assert_eq!(world.trace().len(), times);
    let _ = run();
    fs::remove_dir_all(world.path("dist")).unwrap();
    let _ = run();
    ran(1);
    let name = BlobRef::of(b"a\n").digest.to_string();
    let blob = world.path(".wf/cache/cas").join(&name[..2]).join(&name[2..]);
    fs::write(&blob, "b\n").unwrap();
    fs::remove_dir_all(world.path("dist")).unwrap();
    let _ = run().says("damaged");
    ran(2);
    assert_eq!(fs::read_to_string(world.path("dist/out")).unwrap(), "a\n");
    assert_eq!(fs::read_to_string(&blob).unwrap(), "a\n", "the store has the right bytes again");
    fs::remove_dir_all(world.path("dist")).unwrap();
    let _ = run();
    ran(2);
}
