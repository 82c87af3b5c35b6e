//! The response cache: what it gives, to whom, for how long, and what damage does.

use super::*;
use crate::config::model::Eviction;
use proptest::prelude::*;
use std::sync::atomic::AtomicU64;

static NOW: AtomicU64 = AtomicU64::new(1_000);

fn call(n: u32) -> Call {
    Call { provider: "openai".into(), body: format!(r#"{{"n":{n}}}"#).into_bytes(), ..Call::default() }
}

fn answer(text: &str) -> Recorded {
    Recorded::whole(200, text.as_bytes().to_vec(), 5)
}

fn open(dir: &Path, settings: AiCacheSettings, scope: Scope) -> AiCache {
    AiCache::open(&dir.join("ai_cache"), settings, scope)
}

fn keep(cache: &AiCache, n: u32) {
    cache.keep(&call(n), &answer(&format!("answer {n}")), Meta::default()).unwrap();
}

fn said(cache: &AiCache, n: u32) -> Option<Vec<u8>> {
    match cache.look(&call(n).key()) {
        Look::Hit(stored) => Some(stored.recorded.body()),
        Look::Miss => None,
    }
}

#[test]
fn what_is_kept_comes_back_until_its_time_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let settings = AiCacheSettings { ttl_ms: 100, ..AiCacheSettings::default() };
    let cache = open(dir.path(), settings, Scope::Trusted).at(|| NOW.load(Ordering::Relaxed));
    assert_eq!(said(&cache, 1), None);
    assert!(!cache.dir().exists(), "looking writes nothing");
    keep(&cache, 1);
    assert_eq!(said(&cache, 1).unwrap(), b"answer 1");
    cache.keep(&call(2), &answer("long"), Meta { ttl_ms: Some(1_000), ..Meta::default() }).unwrap();
    NOW.store(1_100, Ordering::Relaxed);
    assert_eq!((said(&cache, 1), said(&cache, 2)), (None, Some(b"long".to_vec())));
    assert_eq!(cache.index().unwrap().entries.len(), 1, "what is over is removed");
}

#[test]
fn errors_and_nothing_are_not_kept_and_a_cache_that_is_off_holds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), AiCacheSettings::default(), Scope::Trusted);
    assert!(cache.keep(&call(1), &Recorded::whole(500, b"x".to_vec(), 1), Meta::default()).is_err());
    assert!(cache.keep(&call(1), &Recorded::whole(200, vec![], 1), Meta::default()).is_err());
    assert_eq!(said(&cache, 1), None);
    let off = open(dir.path(), AiCacheSettings { enabled: false, ..AiCacheSettings::default() }, Scope::Trusted);
    keep(&off, 1);
    assert_eq!((said(&off, 1), said(&cache, 1)), (None, None));
}

#[test]
fn what_an_untrusted_branch_keeps_is_read_by_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let of = |scope| open(dir.path(), AiCacheSettings::default(), scope);
    let (main, fork, other) = (of(Scope::Trusted), of(Scope::Branch("fork".into())), of(Scope::Branch("other".into())));
    fork.keep(&call(1), &answer("poison"), Meta::default()).unwrap();
    keep(&main, 2);
    assert_eq!((said(&main, 1), said(&other, 1)), (None, None));
    keep(&main, 1);
    let names: Vec<bool> = main.index().unwrap().entries.keys().map(|name| name.contains('@')).collect();
    assert_eq!(names.iter().filter(|of_branch| **of_branch).count(), 1, "one key, two folders: {names:?}");
    assert_eq!(names.len(), 3);
    assert_eq!((said(&fork, 1).unwrap(), said(&fork, 2).unwrap()), (b"poison".to_vec(), b"answer 2".to_vec()));
}

#[test]
fn a_damaged_entry_is_a_miss_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), AiCacheSettings::default(), Scope::Trusted);
    for damage in ["", "{", "answer 2"] {
        keep(&cache, 1);
        let path = files::place(&cache.own(), &call(1).key());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, if damage == "answer 2" { text.replace("answer 1", damage) } else { damage.into() })
            .unwrap();
        assert_eq!((said(&cache, 1), path.exists()), (None, false), "{damage:?}");
    }
    // Another entry's file under this name.
    keep(&cache, 2);
    std::fs::copy(files::place(&cache.own(), &call(2).key()), files::place(&cache.own(), &call(1).key())).unwrap();
    assert_eq!(said(&cache, 1), None);
    // A link is not followed.
    std::os::unix::fs::symlink("/etc/passwd", files::place(&cache.own(), &call(1).key())).unwrap();
    assert_eq!(said(&cache, 1), None);
}

#[test]
fn the_index_is_made_anew_when_it_is_lost_and_counts_what_happened() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), AiCacheSettings::default(), Scope::Trusted);
    let meta = Meta { usage: crate::ask::Usage { input: 90, output: 10 }, micro_usd: Some(7), ..Meta::default() };
    cache.keep(&call(1), &answer("x"), meta).unwrap();
    keep(&cache, 2);
    (0..3).for_each(|_| assert!(said(&cache, 1).is_some()));
    let index = cache.index().unwrap();
    let stats = &index.stats;
    assert_eq!(
        (stats.hits, stats.misses, stats.tokens_saved, stats.micro_usd_saved, stats.asked_ms),
        (3, 2, 300, 21, 10)
    );
    assert_eq!((index.entries[&call(1).key().to_string()].hits, index.entries.len()), (3, 2));
    assert_eq!(cache.index().unwrap(), index, "nothing is counted twice");
    std::fs::write(cache.dir().join("index.json"), "{\"format\":").unwrap();
    assert_eq!(cache.index().unwrap().entries.len(), 2);
    std::fs::remove_file(cache.dir().join("index.json")).unwrap();
    assert_eq!(cache.index().unwrap().entries.len(), 2);
}

#[test]
fn a_miss_says_what_differs() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), AiCacheSettings::default(), Scope::Trusted);
    assert_eq!(cache.why(&call(1), None, 500), None);
    keep(&cache, 1);
    cache.keep(&Call { persona: "p".into(), ..call(2) }, &answer("x"), Meta::default()).unwrap();
    let near = cache.why(&call(3), None, 500).unwrap();
    assert_eq!(
        (near.key, near.differences.len(), near.differences[0].to_string()),
        (call(1).key(), 1, "n changed".into())
    );
}

#[test]
fn one_asks_and_the_others_wait_whoever_dies() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), AiCacheSettings::default(), Scope::Trusted);
    let key = call(1).key();
    let first = cache.try_alone(&key).unwrap();
    assert!(cache.try_alone(&key).is_none());
    assert!(cache.try_alone(&call(2).key()).is_some());
    drop(first);
    let asked = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    if said(&cache, 9).is_some() {
                        break;
                    }
                    if let Some(_alone) = cache.try_alone(&call(9).key()) {
                        if said(&cache, 9).is_some() {
                            break;
                        }
                        asked.fetch_add(1, Ordering::Relaxed);
                        keep(&cache, 9);
                    }
                }
            });
        }
    });
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(std::fs::read_dir(cache.dir().join("locks")).unwrap().count(), 0);
}

#[test]
fn entries_travel_and_hostile_ones_do_not_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), AiCacheSettings::default(), Scope::Trusted);
    keep(&cache, 1);
    keep(&cache, 2);
    let mut file = Vec::new();
    assert_eq!(export(&cache, &mut file).unwrap(), 2);
    let there = tempfile::tempdir().unwrap();
    let other = open(there.path(), AiCacheSettings::default(), Scope::Trusted);
    assert_eq!(import(&other, &mut file.as_slice()).unwrap(), (2, 0));
    assert_eq!(said(&other, 2).unwrap(), b"answer 2");
    // Names that lead out, names of others, links.
    let mut tar = tar::Builder::new(zstd::Encoder::new(Vec::new(), 3).unwrap());
    let good = std::fs::read(files::place(&cache.own(), &call(1).key())).unwrap();
    let mut put = |name: &str, kind: tar::EntryType, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_entry_type(kind);
        header.set_cksum();
        tar.append(&header, bytes).unwrap();
    };
    put(&format!("{}.json", call(7).key()), tar::EntryType::Regular, &good);
    put(&format!("{}.json", call(8).key()), tar::EntryType::Symlink, b"");
    put("../../evil.json", tar::EntryType::Regular, &good);
    put(&format!("../../../{}.json", call(1).key()), tar::EntryType::Regular, &good);
    let file = tar.into_inner().unwrap().finish().unwrap();
    let third = tempfile::tempdir().unwrap();
    let cache = open(third.path(), AiCacheSettings::default(), Scope::Trusted);
    assert_eq!(import(&cache, &mut file.as_slice()).unwrap(), (1, 3));
    assert_eq!(files::all(cache.dir()).len(), 1);
    assert!(import(&cache, &mut b"nonsense".as_slice()).is_err());
}

#[test]
fn policies_choose_as_they_say() {
    use std::collections::BTreeMap;
    let line = |created_ms, last_ms, hits| Line {
        created_ms,
        last_ms,
        hits,
        bytes: 10,
        expires_ms: u64::MAX,
        ..Line::default()
    };
    let keys: Vec<String> = (0..3).map(|n| call(n).key().to_string()).collect();
    let lines = [line(1, 50, 9), line(2, 3, 5), line(3, 40, 1)];
    let mut entries: BTreeMap<String, Line> = keys.iter().cloned().zip(lines).collect();
    for (policy, first) in [(Eviction::Lru, 1), (Eviction::Lfu, 2), (Eviction::Fifo, 0)] {
        let settings = AiCacheSettings { policy, entries: 2, ..AiCacheSettings::default() };
        let go = evict::choose(&entries, &settings, 100, &|_| false);
        assert_eq!(go, [(keys[first].clone(), Why::TooMany)], "{policy:?}");
        let settings = AiCacheSettings { policy, size_bytes: 25, ..AiCacheSettings::default() };
        assert_eq!(evict::choose(&entries, &settings, 100, &|_| false), [(keys[first].clone(), Why::TooLarge)]);
    }
    let asked = evict::choose(&entries, &AiCacheSettings::default(), 100, &|line| line.hits == 9);
    assert_eq!(asked, [(keys[0].clone(), Why::Asked)]);
    // A trusted answer stays before any of an untrusted branch, however often that was used.
    for (name, line) in &mut entries {
        line.scope = if *name == keys[2] { files::TRUSTED.into() } else { "entries-x".into() };
    }
    let settings = AiCacheSettings { policy: Eviction::Lfu, entries: 1, ..AiCacheSettings::default() };
    let go = evict::choose(&entries, &settings, 100, &|_| false);
    assert_eq!(go.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), [keys[1].clone(), keys[0].clone()]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever is done in whatever order: what the index says is there is there, and within the limit.
    #[test]
    fn index_and_entries_agree(work in proptest::collection::vec((0_u8..6, 0_u32..8), 1..30)) {
        let dir = tempfile::tempdir().unwrap();
        let settings = AiCacheSettings { entries: 5, ..AiCacheSettings::default() };
        let cache = open(dir.path(), settings, Scope::Trusted);
        for (what, n) in work {
            match what {
                0 | 1 => keep(&cache, n),
                2 => drop(said(&cache, n)),
                3 => drop(std::fs::remove_file(cache.dir().join("index.json"))),
                4 => files::remove(&cache.own(), &call(n).key()),
                _ => drop(cache.index()),
            }
        }
        let index = cache.index().unwrap();
        prop_assert!(index.entries.len() <= 5);
        let there: Vec<String> = files::all(cache.dir()).iter().map(|path| files::name(path)).collect();
        prop_assert_eq!(there.len(), index.entries.len());
        for key in index.entries.keys() {
            prop_assert!(there.contains(key));
        }
    }
}

#[test]
fn an_answer_that_was_asked_for_again_does_not_go_with_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let old = open(dir.path(), AiCacheSettings::default(), Scope::Trusted).at(|| 1_000_000_000_000);
    keep(&old, 1);
    assert_eq!(old.index().unwrap().entries.len(), 1);
    // As long as the old one, byte by byte: only the times differ.
    let new = open(dir.path(), AiCacheSettings::default(), Scope::Trusted).at(|| 1_900_000_000_000);
    assert_eq!(said(&new, 1), None);
    keep(&new, 1);
    assert_eq!(new.index().unwrap().entries.len(), 1);
    assert!(said(&new, 1).is_some());
}

#[test]
fn uses_are_counted_once_though_wf_is_killed_between_index_and_log() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), AiCacheSettings::default(), Scope::Trusted);
    keep(&cache, 1);
    said(&cache, 1).unwrap();
    let log = std::fs::read(cache.dir().join("uses")).unwrap();
    let counted = cache.index().unwrap();
    assert_eq!((counted.stats.hits, counted.stats.misses), (1, 1));
    std::fs::write(cache.dir().join("uses.folding"), log).unwrap();
    assert_eq!(cache.index().unwrap().stats, counted.stats);
    said(&cache, 1).unwrap();
    assert_eq!(cache.index().unwrap().stats.hits, 2);
}
