//! A stale digest would serve a wrong result, so every way in which a file can change is tried.

use super::*;
use proptest::prelude::*;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

struct World {
    dir: tempfile::TempDir,
    form: Form,
}

impl World {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), form: Form::Raw }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &[u8]) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Makes a file older than any clock tick that matters.
    fn age(&self, name: &str) {
        let old = std::fs::File::open(self.path(name)).unwrap();
        old.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000)).unwrap();
    }

    fn digests(&self) -> Digests {
        let form = self.form;
        let (digests, problem) = Digests::open(&self.path("state/digests"), self.dir.path());
        assert_eq!(problem, None);
        digests.with(Box::new(move |_| form), Box::new(|_| false))
    }

    fn listed(&self, name: &str) -> Listed {
        let meta = self.path(name).symlink_metadata().unwrap();
        let executable = meta.permissions().mode() & 0o100 != 0;
        let kind = if meta.is_symlink() { FileKind::Symlink } else { FileKind::Regular { executable } };
        Listed { path: RepoPath::from(name), kind, stat: hash::plain(&meta), blob: None, read: false }
    }

    fn digest(&self, digests: &Digests, name: &str) -> Digest {
        digests.of(&[self.listed(name)], &[0]).remove(0).unwrap()
    }
}

/// The clock by which files get their times ticks every few milliseconds.
fn tick() {
    std::thread::sleep(Duration::from_millis(30));
}

#[test]
fn what_did_not_change_is_read_once_ever() {
    let world = World::new();
    world.write("a", b"one");
    std::fs::create_dir(world.path("state")).unwrap();
    symlink("a", world.path("l")).unwrap();
    tick();
    let first = world.digests();
    let (a, l) = (world.digest(&first, "a"), world.digest(&first, "l"));
    assert_eq!((a, l), (Digest::of_bytes(b"one"), Digest::of_bytes(b"a")));
    assert_eq!((world.digest(&first, "a"), first.read_so_far().0), (a, 2));
    first.save().unwrap();
    let again = world.digests();
    assert_eq!((world.digest(&again, "a"), world.digest(&again, "l"), again.read_so_far()), (a, l, (0, 0)));
}

#[test]
fn every_change_is_seen() {
    let world = World::new();
    world.write("a", b"one");
    std::fs::create_dir(world.path("state")).unwrap();
    tick();
    let first = world.digests();
    world.digest(&first, "a");
    first.save().unwrap();
    type Change = fn(&World);
    let changes: [(&str, Change); 4] = [
        ("same size", |world| world.write("a", b"two")),
        ("same size and time", |world| {
            world.write("a", b"tre");
            world.age("a");
        }),
        ("another file in its place", |world| {
            world.write("b", b"for");
            world.age("b");
            std::fs::rename(world.path("b"), world.path("a")).unwrap();
        }),
        ("mode", |world| {
            std::fs::set_permissions(world.path("a"), std::fs::Permissions::from_mode(0o755)).unwrap();
        }),
    ];
    for (what, change) in changes {
        change(&world);
        let now = world.digests();
        let bytes = std::fs::read(world.path("a")).unwrap();
        assert_eq!(world.digest(&now, "a"), Digest::of_bytes(&bytes), "{what}");
        assert_eq!(now.read_so_far().0, 1, "{what}");
        tick();
        world.digest(&now, "a");
        now.save().unwrap();
    }
}

#[test]
fn a_file_written_in_the_tick_in_which_it_is_read_is_not_trusted_later() {
    let world = World::new();
    std::fs::create_dir(world.path("state")).unwrap();
    for round in 0..50u8 {
        world.write("a", &[round, 1]);
        let digests = world.digests();
        let listed = world.listed("a");
        digests.of(std::slice::from_ref(&listed), &[0]).remove(0).unwrap();
        // In place, with the same size, and often within the same tick: only the content tells.
        std::fs::OpenOptions::new()
            .write(true)
            .open(world.path("a"))
            .and_then(|mut f| io::Write::write_all(&mut f, &[round, 2]))
            .unwrap();
        digests.save().unwrap();
        let again = world.digests();
        assert_eq!(world.digest(&again, "a"), Digest::of_bytes(&[round, 2]), "round {round}");
        assert_eq!(digests.changed(std::slice::from_ref(&listed), &[0]), [0], "round {round}");
    }
}

#[test]
fn text_is_the_same_whatever_its_line_ends_and_binaries_are_left_alone() {
    let cases: [(&[u8], Form, &[u8], Holds); 8] = [
        (b"a\nb\n", Form::Auto, b"a\nb\n", Holds::Always),
        (b"a\r\nb\r\n", Form::Text, b"a\nb\n", Holds::Text),
        (b"a\r\nb\r\n", Form::Auto, b"a\nb\n", Holds::Text),
        (b"a\r\nb\r\n", Form::Raw, b"a\r\nb\r\n", Holds::Raw),
        (b"a\r\nb\r\n", Form::Filtered, b"a\r\nb\r\n", Holds::Raw),
        (b"\x89PNG\r\n\x1a\n\0", Form::Auto, b"\x89PNG\r\n\x1a\n\0", Holds::Binary),
        (b"a\rb\r\n", Form::Auto, b"a\rb\r\n", Holds::Binary),
        (b"a\rb\r\n", Form::Text, b"a\rb\n", Holds::Text),
    ];
    for (bytes, form, as_hashed, holds) in cases {
        let hashed = hash::of(bytes, form);
        assert_eq!((hashed.digest, hashed.holds), (Digest::of_bytes(as_hashed), holds), "{bytes:?} {form:?}");
        assert!(hashed.holds.serves(form));
    }
}

#[test]
fn other_attributes_make_another_digest() {
    let mut world = World::new();
    world.write("a", b"x\r\ny");
    std::fs::create_dir(world.path("state")).unwrap();
    tick();
    let raw = world.digests();
    assert_eq!(world.digest(&raw, "a"), Digest::of_bytes(b"x\r\ny"));
    raw.save().unwrap();
    world.form = Form::Text;
    let text = world.digests();
    assert_eq!(world.digest(&text, "a"), Digest::of_bytes(b"x\ny"));
    let known: &dyn Known = &text;
    assert_eq!(known.known(&RepoPath::from("a"), &world.listed("a").stat), None, "an output's bytes are as they are");
}

#[test]
fn a_fresh_clone_knows_blobs_by_name() {
    let (old, new) = (World::new(), World::new());
    for world in [&old, &new] {
        world.write("a", b"one");
        std::fs::create_dir(world.path("state")).unwrap();
    }
    tick();
    let listed = |world: &World| Listed { blob: Some([7; 20]), ..world.listed("a") };
    let first = old.digests();
    first.of(&[listed(&old)], &[0]).remove(0).unwrap();
    first.save().unwrap();
    std::fs::copy(old.path("state/digests"), new.path("state/digests")).unwrap();
    let clone = new.digests();
    assert_eq!(clone.of(&[listed(&new)], &[0]).remove(0).unwrap(), Digest::of_bytes(b"one"));
    assert_eq!(clone.read_so_far(), (0, 0));
    // A filter stands between blob and file: then the name says nothing.
    let filtered = World { form: Form::Filtered, ..new };
    let again = filtered.digests();
    again.of(&[listed(&filtered)], &[0]).remove(0).unwrap();
    assert_eq!(again.read_so_far().0, 1);
}

#[test]
fn damage_and_newer_formats_are_told_and_never_believed() {
    let world = World::new();
    world.write("a", b"one");
    std::fs::create_dir(world.path("state")).unwrap();
    tick();
    let first = world.digests();
    world.digest(&first, "a");
    first.save().unwrap();
    let file = world.path("state/digests");
    let whole = std::fs::read(&file).unwrap();
    for at in 0..whole.len() {
        let mut broken = whole.clone();
        broken[at] ^= 0x10;
        std::fs::write(&file, &broken).unwrap();
        let (digests, problem) = Digests::open(&file, world.dir.path());
        assert!(problem.is_some(), "byte {at}");
        assert_eq!(digests.of(&[world.listed("a")], &[0]).remove(0).unwrap(), Digest::of_bytes(b"one"));
        std::fs::write(&file, &whole[..at]).unwrap();
        assert!(Digests::open(&file, world.dir.path()).1.is_some(), "cut at {at}");
    }
    std::fs::write(&file, b"wfdig 2\nwhatever").unwrap();
    let (newer, problem) = Digests::open(&file, world.dir.path());
    assert!(matches!(problem, Some(Problem::Newer { found: 2, .. })));
    world.digest(&newer, "a");
    newer.save().unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"wfdig 2\nwhatever");
}

fn row(of: u64) -> Row {
    let stat = FileStat { size: of, mtime_ns: -1, ctime_ns: !of.cast_signed(), inode: of ^ 5, mode: 0o100_644 };
    Row { stat, holds: Holds::Text, digest: Digest::of_bytes(&of.to_le_bytes()), racy: false }
}

proptest! {
    /// However what is known came there, over however many runs: the latest holds.
    #[test]
    fn rows_come_back(saves in proptest::collection::vec(proptest::collection::hash_map("[a-c]{1,2}(/[a-c]{1,2})?", any::<u64>(), 0..20), 1..6)) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("d");
        let mut latest = std::collections::HashMap::new();
        for save in saves {
            let rows = save.iter().map(|(name, of)| (RepoPath::from_bytes(name.as_bytes()), row(*of)));
            latest.extend(rows.clone());
            let new = New { rows: rows.collect(), ..New::default() };
            Pack::open(&file).0.save(&file, &new, &|_| true).unwrap();
        }
        let (pack, problem) = Pack::open(&file);
        prop_assert_eq!(problem, None);
        for (path, row) in latest {
            prop_assert_eq!(pack.row(&path), Some(row));
        }
        prop_assert_eq!(pack.row(&RepoPath::from("zz")), None);
    }
}

#[test]
fn what_a_run_adds_is_written_behind_the_rest_until_that_is_much() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("d");
    let size = || std::fs::metadata(&file).unwrap().len();
    let add = |names: std::ops::Range<u64>| {
        let rows = names.map(|of| (RepoPath::from(format!("{of:05}").as_str()), row(of))).collect();
        Pack::open(&file).0.save(&file, &New { rows, ..New::default() }, &|_| true).unwrap();
    };
    add(0..5_000);
    let (first, one) = (size(), 24 + 80 + 5);
    for _ in 0..3 {
        add(4_999..5_000);
    }
    assert_eq!(size(), first + 3 * one, "three parts more");
    add(4_001..5_000);
    assert_eq!(size(), first + 3 * one + 24 + 999 * 85, "so many may stand behind the first part");
    add(5_000..5_002);
    assert_eq!(size(), first + 2 * 85, "all of it anew, each file once");

    // What one run added is torn: the rest is used, and written anew with the next.
    add(5_002..5_003);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let (pack, problem) = Pack::open(&file);
    assert!(matches!(problem, Some(Problem::Damaged { .. })));
    assert_eq!(pack.row(&RepoPath::from("05001")), Some(row(5_001)));
    assert_eq!(pack.row(&RepoPath::from("05002")), None);
    add(5_002..5_003);
    assert_eq!((size(), Pack::open(&file).1), (first + 3 * 85, None));

    // Another wf put something newer there meanwhile.
    let (old, _) = Pack::open(&file);
    std::fs::write(&file, b"wfdig 2\nwhatever").unwrap();
    let rows = [(RepoPath::from("x"), row(1))].into();
    old.save(&file, &New { rows, ..New::default() }, &|_| true).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"wfdig 2\nwhatever");
}

#[test]
fn who_only_looks_reads_no_more_than_allowed_and_leaves_nothing() {
    let world = World::new();
    world.write("a", b"one");
    world.write("b", b"two");
    std::fs::create_dir(world.path("state")).unwrap();
    tick();
    let within = |bytes: Option<u64>| -> Vec<Option<Digest>> {
        let files = [world.listed("a"), world.listed("b")];
        let found = world.digests().looking().within(&files, &[0, 1], bytes);
        found.into_iter().map(|digest| digest.map(Result::unwrap)).collect()
    };
    let both = [Some(Digest::of_bytes(b"one")), Some(Digest::of_bytes(b"two"))];
    assert_eq!((within(None), within(Some(6))), (both.to_vec(), both.to_vec()));
    assert_eq!(within(Some(5)), [None, None]);
    assert_eq!(world.path("state").read_dir().unwrap().count(), 0);
    let digests = world.digests();
    world.digest(&digests, "a");
    digests.save().unwrap();
    assert_eq!(within(Some(2)), [both[0], None], "what is known is not read");
    assert_eq!(within(Some(3)), both);
}
