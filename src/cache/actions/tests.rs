//! Whatever is recorded is read back; whatever happens to the file, what is left of it is right.

use super::*;
use crate::base::{BlobRef, Digest, RunId};
use crate::cache::entry::Pass;
use crate::cache::{CachePlace, Limits};
use crate::event::Place;
use crate::verdict::KeyVerdict;
use proptest::prelude::*;
use std::path::Path;

const NOW: u64 = 1_700_000_000_000;

fn folder(dir: &Path) -> Arc<Folder> {
    let place = CachePlace { dir: dir.join("cache"), chosen: true };
    Folder::open(&place, Limits::default(), NOW).0
}

fn key(n: u8) -> Key {
    Key(Digest::of_bytes(&[n]))
}

fn step(n: u8) -> StepId {
    StepId::parse(&format!("step{n}")).unwrap()
}

fn entry(n: u8, of: u8, wall_ms: u64) -> Entry {
    let pass = Pass { run: RunId("run".into()), at_ms: NOW, wall_ms };
    let (outputs, groups, tags) = (vec![], vec![], vec![]);
    Entry { step: step(of), key: key(n), outputs, log: None, manifest: None, groups, pass, tags, expires_ms: None }
}

fn verdict(n: u8, passed: bool, at_ms: u64) -> KeyVerdict {
    let run = RunId(format!("run{at_ms}"));
    KeyVerdict { step: step(n), key: key(n), passed, flaky: false, run, at_ms, wall_ms: 5, place: Place::Ci }
}

fn uses(keys: &[u8]) -> Record {
    Record::Used(Uses { saved_ms: 7, keys: keys.iter().map(|n| KeyStart::of(&key(*n))).collect() })
}

fn record() -> impl Strategy<Value = Record> {
    let of = 0_u8..5;
    prop_oneof![
        (of.clone(), 0_u8..3, 0_u64..1000).prop_map(|(n, of, wall)| Record::Entry(entry(n, of, wall))),
        (of.clone(), any::<bool>(), 0_u64..1000).prop_map(|(n, passed, at)| Record::Verdict(verdict(n, passed, at))),
        proptest::collection::vec(of.clone(), 0..4).prop_map(|keys| uses(&keys)),
        of.prop_map(|n| Record::Gone(key(n))),
    ]
}

/// Everything that an index says about the few keys there are.
fn all(actions: &Actions) -> impl PartialEq + std::fmt::Debug {
    let keys = (0..5).map(key).map(|key| (actions.entry(&key), actions.tally(&key)));
    let steps = (0..3).map(|n| {
        let mut entries: Vec<Entry> = actions.entries_of(&step(n)).collect();
        entries.sort_by_key(|entry| entry.key);
        entries
    });
    let (usage, totals) = actions.usage();
    // Uses of what is no more are added to the totals alone.
    let used = |n: &u8| actions.entry(&key(*n)).is_some();
    let usage: Vec<_> =
        (0..5).filter(used).map(|n| usage.get(&KeyStart::of(&key(n))).map_or(0, |usage| usage.hits)).collect();
    (keys.collect::<Vec<_>>(), steps.collect::<Vec<_>>(), usage, totals)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_records_are_read_back_by_everybody(batches in proptest::collection::vec(proptest::collection::vec(record(), 0..6), 0..6)) {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(dir.path());
        let (mut one, mut other) = (Actions::open(&folder).0, Actions::open(&folder).0);
        let (mut entries, mut tallies) = (HashMap::new(), HashMap::<Key, Tally>::new());
        for (at, batch) in batches.iter().enumerate() {
            // Two take turns and see what the other wrote.
            let who = if at % 2 == 0 { &mut one } else { &mut other };
            prop_assert_eq!(who.append(batch).unwrap(), vec![]);
            for record in batch {
                match record {
                    Record::Entry(entry) => drop(entries.insert(entry.key, entry.clone())),
                    Record::Gone(key) => drop(entries.remove(key)),
                    Record::Verdict(verdict) => tallies.entry(verdict.key).or_default().add(verdict.clone()),
                    _ => {}
                }
            }
        }
        one.append(&[]).unwrap();
        let (fresh, problem) = Actions::open(&folder);
        prop_assert_eq!(problem, None);
        for key in (0..5).map(key) {
            prop_assert_eq!(fresh.entry(&key), entries.get(&key).cloned());
            prop_assert_eq!(fresh.tally(&key), tallies.get(&key).cloned().unwrap_or_default());
        }
        prop_assert_eq!(all(&one), all(&fresh));

        // Written anew it says the same, also to those who had it open.
        let before = all(&fresh);
        one.rewrite(&folder.hold().unwrap(), &Drop::default()).unwrap();
        prop_assert_eq!(all(&one), before);
        other.append(&[]).unwrap();
        prop_assert_eq!(all(&other), all(&one));
    }

    #[test]
    fn any_damage_costs_records_and_never_makes_one_up(
        records in proptest::collection::vec(record(), 1..6), at in any::<proptest::sample::Index>(), with in 1_u8..,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(dir.path());
        Actions::open(&folder).0.append(&records).unwrap();
        let path = folder.path("actions");
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= with;
        std::fs::write(&path, &bytes).unwrap();
        let (mut actions, problem) = Actions::open(&folder);
        if let Some(Problem::Newer { .. }) = problem {
            prop_assert!(actions.append(&[]).is_err());
            prop_assert_eq!(std::fs::read(&path).unwrap(), bytes, "left alone");
            return Ok(());
        }
        for key in (0..5).map(key) {
            if let Some(entry) = actions.entry(&key) {
                prop_assert!(records.contains(&Record::Entry(entry)));
            }
        }
        actions.append(&[Record::Entry(entry(9, 9, 9))]).unwrap();
        let (again, problem) = Actions::open(&folder);
        prop_assert_eq!(problem, None, "it is mended by the next who writes");
        prop_assert!(again.entry(&key(9)).is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn a_file_that_is_cut_anywhere_is_a_prefix_and_can_be_appended_to(records in proptest::collection::vec(record(), 1..5)) {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(dir.path());
        let mut actions = Actions::open(&folder).0;
        let mut said = vec![format!("{:?}", all(&actions))];
        for record in &records {
            actions.append(std::slice::from_ref(record)).unwrap();
            said.push(format!("{:?}", all(&actions)));
        }
        let path = folder.path("actions");
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut torn, problem) = Actions::open(&folder);
            prop_assert_eq!(problem, None, "cut at {}", cut);
            prop_assert!(said.contains(&format!("{:?}", all(&torn))), "cut at {}", cut);
            torn.append(&[Record::Entry(entry(9, 9, 9))]).unwrap();
            let (again, problem) = Actions::open(&folder);
            prop_assert_eq!(problem, None);
            prop_assert_eq!(again.entry(&key(9)), Some(entry(9, 9, 9)), "cut at {}", cut);
        }
    }
}

#[test]
fn zeros_and_garbage_are_told_and_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    Actions::open(&folder).0.append(&[Record::Entry(entry(1, 1, 1))]).unwrap();
    let path = folder.path("actions");
    let good = std::fs::read(&path).unwrap();
    for (bytes, kept) in [([&good[..], &[0; 4096]].concat(), true), (vec![0; 4096], false), (b"hello".to_vec(), false)]
    {
        std::fs::write(&path, bytes).unwrap();
        let (mut actions, problem) = Actions::open(&folder);
        assert!(matches!(problem, Some(Problem::Damaged { .. })), "{problem:?}");
        assert_eq!(actions.entry(&key(1)).is_some(), kept);
        actions.append(&[Record::Entry(entry(2, 2, 2))]).unwrap();
        let (actions, problem) = Actions::open(&folder);
        assert_eq!((problem, actions.entry(&key(1)).is_some(), actions.entry(&key(2)).is_some()), (None, kept, true));
    }
    std::fs::write(&path, "wfact 2\nwhatever").unwrap();
    let (mut actions, problem) = Actions::open(&folder);
    assert!(matches!(problem, Some(Problem::Newer { found: 2, .. })), "{problem:?}");
    assert!(actions.append(&[Record::Gone(key(1))]).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"wfact 2\nwhatever");
}

#[test]
fn a_file_of_format_1_stays_readable() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    Actions::open(&folder).0.append(&[]).unwrap();
    std::fs::write(folder.path("actions"), include_bytes!("../../../tests/fixtures/cache/actions-1")).unwrap();
    let (actions, problem) = Actions::open(&folder);
    assert_eq!((problem, actions.entry(&key(1))), (None, Some(entry(1, 1, 60_000))));
    let tally = actions.tally(&key(1));
    assert_eq!((tally.passed, tally.failed, tally.is_split()), (2, 1, true));
    assert_eq!(tally.last_pass, Some(verdict(1, true, 30)));
    let (usage, totals) = actions.usage();
    assert_eq!((usage[&KeyStart::of(&key(1))].hits, totals), (2, Totals { hits: 2, saved_ms: 14 }));
    assert_eq!(actions.entry(&key(2)), None);
}

#[test]
fn what_the_index_lost_is_taken_back_and_nothing_is_counted_twice() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let told = || vec![verdict(1, false, 3), verdict(1, true, 2), verdict(2, true, 2), verdict(1, true, 1)];
    let counts = |actions: &Actions, n: u8| {
        let tally = actions.tally(&key(n));
        (tally.passed, tally.failed)
    };
    let (mut lost, problem) = Actions::open(&folder);
    assert!(lost.has_lost() && problem.is_none());
    // Only looked at: it counts here, and nothing is written.
    assert_eq!(lost.recall(told(), false).unwrap(), 4);
    assert_eq!((counts(&lost, 1), counts(&lost, 2), lost.all_verdicts().count()), ((2, 1), (1, 0), 3));
    assert!(!dir.path().join("cache").exists());
    let (mut kept, mut late) = (Actions::open(&folder).0, Actions::open(&folder).0);
    assert_eq!(kept.recall(told(), true).unwrap(), 4);
    assert_eq!(late.recall(told(), true).unwrap(), 0, "another process was faster");
    let newest = kept.verdicts(&key(1));
    assert_eq!(newest.iter().map(|it| (it.at_ms, it.passed)).collect::<Vec<_>>(), [(3, false), (2, true), (1, true)]);
    assert_eq!((newest[0].place, newest[0].wall_ms, newest[0].run.as_str()), (Place::Ci, 5, "run3"));

    let (again, _) = Actions::open(&folder);
    assert_eq!((again.has_lost(), counts(&again, 1), counts(&again, 2)), (false, (2, 1), (1, 0)));
    // The last record is damaged, then torn: what is left counts, and only the rest comes back.
    let path = dir.path().join("cache/actions");
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bytes in [&flipped[..], &whole[..whole.len() - 5], b"nonsense", b""] {
        std::fs::write(&path, bytes).unwrap();
        let (mut actions, _) = Actions::open(&folder);
        assert!(actions.has_lost());
        let back = actions.recall(told(), true).unwrap();
        assert_eq!(back, if bytes.len() > 8 { 1 } else { 4 });
        let (read, problem) = Actions::open(&folder);
        assert_eq!((read.has_lost(), problem, counts(&read, 1), counts(&read, 2)), (false, None, (2, 1), (1, 0)));
    }
    // What was added up counts as what it is.
    let (mut actions, _) = Actions::open(&folder);
    actions.rewrite(&folder.hold().unwrap(), &Drop::default()).unwrap();
    assert_eq!(actions.recall(told(), true).unwrap(), 0);
    // An index that nothing is known of is made all the same, so that nobody reads all logs again.
    std::fs::remove_file(&path).unwrap();
    assert_eq!(Actions::open(&folder).0.recall(vec![], true).unwrap(), 0);
    assert!(!Actions::open(&folder).0.has_lost());
    std::fs::write(&path, b"wfact 7\n").unwrap();
    assert!(!Actions::open(&folder).0.has_lost(), "a newer one is left alone");
}

#[test]
fn an_entry_whose_blobs_are_gone_is_not_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let mut actions = Actions::open(&folder).0;
    let bare = Entry { log: Some(BlobRef::of(b"a log")), ..entry(1, 1, 1) };
    let records = [Record::Entry(bare.clone()), Record::Entry(entry(2, 2, 2)), Record::Verdict(verdict(1, true, 1))];
    assert_eq!(actions.append(&records).unwrap(), [key(1)]);
    assert_eq!(
        (actions.entry(&key(1)), actions.entry(&key(2)).is_some(), actions.tally(&key(1)).passed),
        (None, true, 1)
    );
    crate::cache::Store::put(&crate::cache::Disk::new(&folder), &BlobRef::of(b"a log"), &mut &b"a log"[..]).unwrap();
    assert_eq!(actions.append(&records[..1]).unwrap(), []);
    assert_eq!(actions.entry(&key(1)), Some(bare));
}

#[test]
fn the_nearest_is_the_newest_of_the_step() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let mut actions = Actions::open(&folder).0;
    assert_eq!(actions.nearest(&step(1)), None);
    for n in 0..4 {
        actions.append(&[Record::Entry(entry(n, 1, 1)), Record::Entry(entry(n + 10, 2, 1))]).unwrap();
        assert_eq!(actions.nearest(&step(1)).unwrap().key, key(n));
    }
    actions.append(&[Record::Gone(key(3)), Record::Entry(entry(0, 1, 9))]).unwrap();
    let order: Vec<Key> = actions.entries_of(&step(1)).map(|entry| entry.key).collect();
    assert_eq!(order, [key(0), key(2), key(1)]);
}

#[test]
fn what_is_of_no_use_is_dropped_when_the_file_has_grown() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let (mut actions, mut largest) = (Actions::open(&folder).0, 0);
    let many = vec![KeyStart(1); 20_000];
    for n in 0..60 {
        let uses = Record::Used(Uses { saved_ms: 1, keys: many.clone() });
        actions.append(&[Record::Entry(entry(1, 1, n)), Record::Verdict(verdict(1, true, n)), uses]).unwrap();
        largest = largest.max(folder.path("actions").metadata().unwrap().len());
    }
    assert!(largest > 1 << 20 && largest < 2 << 20, "{largest}");
    assert_eq!(actions.entry(&key(1)), Some(entry(1, 1, 59)));
    assert_eq!(actions.tally(&key(1)).passed, 60);
    assert_eq!(actions.usage().1, Totals { hits: 60 * 20_000, saved_ms: 60 });
}

#[test]
fn a_full_cache_leaves_the_index_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let place = CachePlace { dir: dir.path().join("cache"), chosen: true };
    let folder = Folder::open(&place, Limits { bytes: 60_000, ..Limits::default() }, NOW).0;
    let mut actions = Actions::open(&folder).0;
    actions.append(&[Record::Entry(entry(1, 1, 1))]).unwrap();
    let before = std::fs::read(folder.path("actions")).unwrap();
    let error =
        actions.append(&[Record::Used(Uses { saved_ms: 1, keys: vec![KeyStart(u64::MAX); 9000] })]).unwrap_err();
    assert!(matches!(Refused::of(&error), Some(Refused::Full { .. })), "{error}");
    assert_eq!(std::fs::read(folder.path("actions")).unwrap().len(), before.len());
    actions.append(&[Record::Entry(entry(2, 1, 1))]).unwrap();
    assert!(actions.entry(&key(1)).is_some() && actions.entry(&key(2)).is_some());
}

/// Writes the fixture. To be run by hand when the format changes: then the old one stays, under its own number.
#[test]
#[ignore = "writes tests/fixtures/cache/actions-1"]
fn write_the_fixture() {
    let records = [
        Record::Entry(entry(1, 1, 60_000)),
        Record::Verdict(verdict(1, true, 10)),
        Record::Verdict(verdict(1, false, 20)),
        Record::Verdict(verdict(1, true, 30)),
        uses(&[1]),
        Record::Entry(entry(2, 1, 5)),
        Record::Gone(key(2)),
        Record::Sum(Sum { key: key(1), tally: Tally::default(), usage: Usage { hits: 1, last_ms: NOW } }),
        Record::Past(Totals { hits: 1, saved_ms: 7 }),
    ];
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cache/actions-1");
    std::fs::write(place, file_of(records.into_iter(), NOW)).unwrap();
}
