//! Which entries go, and which blobs with them. Pure.
//!
//! The policy `value` keeps what saves most for its bytes: GreedyDual-Size-Frequency (Cherkasova 1998, after Cao and Irani
//! 1997) ranks by frequency × cost / size. The cost of a miss is known here: the seconds that the step took. Frequency
//! becomes a probability of reuse by Laplace's rule of succession, each use a success and each day since the last one a
//! failure, which also does what the original's ageing does: what was popular once sinks day by day.

use super::limits::{Limits, Policy};
use crate::base::Millis;
use std::cmp::Ordering;

const DAY_MS: f64 = 86_400_000.0;
/// Clocks of files and of processes differ by so much.
const SLACK_MS: u64 = 100;

/// A stored result, as far as it matters for whether it stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Candidate {
    /// When it was recorded: milliseconds since 1970.
    pub stored_ms: u64,
    /// When it was used last; 0: never.
    pub last_ms: u64,
    /// How often it was used.
    pub hits: u64,
    /// What a use saves.
    pub saves_ms: Millis,
    /// What its record takes.
    pub record: u64,
    /// Its blobs, by their places among all; each once.
    pub blobs: Vec<usize>,
    /// Is it past its time to live, or was it asked that it goes?
    pub must: Option<Why>,
}

/// A blob that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Blob {
    /// What it takes.
    pub cost: u64,
    /// When it was written, or wanted again.
    pub at_ms: u64,
}

/// Why an entry goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Its time to live is over.
    Expired,
    /// Somebody asked for it.
    Asked,
    /// It was not used for too long.
    Unused,
    /// There are too many.
    TooMany,
    /// All take too much.
    TooLarge,
}

/// What goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Chosen {
    /// Entries by their places, and why.
    pub entries: Vec<(usize, Why)>,
    /// Blobs by their places.
    pub blobs: Vec<usize>,
    /// What all that stays takes.
    pub left: u64,
}

/// Chooses so that not more than `target` bytes are left, if that can be. `fixed`: what takes room and never goes.
pub(super) fn choose(
    entries: &[Candidate],
    blobs: &[Blob],
    fixed: u64,
    target: u64,
    limits: &Limits,
    now: u64,
) -> Chosen {
    let mut names = vec![0_u32; blobs.len()];
    entries.iter().flat_map(|entry| &entry.blobs).for_each(|blob| names[*blob] += 1);
    let is_old = |blob: &Blob| blob.at_ms.saturating_add(limits.grace_ms) <= now;
    let all: u64 = blobs.iter().map(|blob| blob.cost).chain(entries.iter().map(|entry| entry.record)).sum();
    let mut chosen = Chosen { left: all.saturating_add(fixed), ..Chosen::default() };
    for (at, blob) in blobs.iter().enumerate() {
        if names[at] == 0 && is_old(blob) {
            chosen.blobs.push(at);
            chosen.left -= blob.cost;
        }
    }
    let order = order(entries, &names, blobs, limits, now);
    let mut kept = entries.len();
    for at in order {
        let entry = &entries[at];
        let unused = entry.used_ms().saturating_add(limits.age_ms) <= now;
        let why = match entry.must {
            Some(why) => why,
            None if unused => Why::Unused,
            None if kept > limits.entries => Why::TooMany,
            None if chosen.left > target => Why::TooLarge,
            None => break,
        };
        kept -= 1;
        chosen.entries.push((at, why));
        chosen.left -= entry.record;
        for &blob in &entry.blobs {
            names[blob] -= 1;
            let it = &blobs[blob];
            // Written before the entry was, and not wanted since: nobody is about to name it.
            let settled = it.at_ms <= entry.stored_ms.saturating_add(SLACK_MS) || is_old(it);
            if names[blob] == 0 && settled {
                chosen.blobs.push(blob);
                chosen.left -= it.cost;
            }
        }
    }
    chosen
}

/// All entries, those that go first first: what must go, what is unused, then by the policy.
fn order(entries: &[Candidate], names: &[u32], blobs: &[Blob], limits: &Limits, now: u64) -> Vec<usize> {
    let worth: Vec<f64> = match limits.policy {
        Policy::Value => entries.iter().map(|entry| entry.value(names, blobs, now)).collect(),
        _ => vec![],
    };
    let group = |entry: &Candidate| match entry.must {
        Some(_) => 0,
        None if entry.used_ms().saturating_add(limits.age_ms) <= now => 1,
        None => 2,
    };
    let by_policy = |a: usize, b: usize| -> Ordering {
        let (x, y) = (&entries[a], &entries[b]);
        match limits.policy {
            Policy::Lru => Ordering::Equal,
            Policy::Lfu => x.hits.cmp(&y.hits),
            Policy::Fifo => x.stored_ms.cmp(&y.stored_ms),
            Policy::Value => worth[a].total_cmp(&worth[b]),
        }
    };
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by(|&a, &b| {
        let (x, y) = (&entries[a], &entries[b]);
        let used = || x.used_ms().cmp(&y.used_ms());
        group(x).cmp(&group(y)).then_with(|| by_policy(a, b)).then_with(used).then(a.cmp(&b))
    });
    order
}

impl Candidate {
    /// When it was used last, or stored.
    fn used_ms(&self) -> u64 {
        self.last_ms.max(self.stored_ms)
    }

    /// Seconds saved × probability of reuse, for each byte. A blob counts by its share among those that name it.
    fn value(&self, names: &[u32], blobs: &[Blob], now: u64) -> f64 {
        let share = |blob: &usize| blobs[*blob].cost as f64 / f64::from(names[*blob].max(1));
        let bytes = self.record as f64 + self.blobs.iter().map(share).sum::<f64>();
        let idle_days = now.saturating_sub(self.used_ms()) as f64 / DAY_MS;
        let hits = self.hits as f64;
        let reuse = (hits + 1.0) / (hits + idle_days + 2.0);
        self.saves_ms as f64 / 1000.0 * reuse / bytes.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: u64 = 86_400_000;
    const NOW: u64 = 100 * DAY;

    /// Entries with a blob of a thousand bytes each.
    fn world(entries: &[Candidate]) -> (Vec<Candidate>, Vec<Blob>) {
        let with = |(at, entry): (usize, &Candidate)| Candidate { blobs: vec![at], ..entry.clone() };
        let blob = |entry: &Candidate| Blob { cost: 1000, at_ms: entry.stored_ms };
        (entries.iter().enumerate().map(with).collect(), entries.iter().map(blob).collect())
    }

    fn gone(entries: &[Candidate], limits: &Limits, target: u64) -> Vec<usize> {
        let (entries, blobs) = world(entries);
        let chosen = choose(&entries, &blobs, 0, target, limits, NOW);
        let gone: Vec<usize> = chosen.entries.iter().map(|(at, _)| *at).collect();
        assert_eq!(gone, chosen.blobs, "each takes its blob with it");
        gone
    }

    #[test]
    fn each_policy_has_its_own_first() {
        let entry = |stored: u64, last: u64, hits, saves_ms| Candidate {
            stored_ms: NOW - stored * DAY,
            last_ms: if last == 0 { 0 } else { NOW - last * DAY },
            hits,
            saves_ms,
            ..Candidate::default()
        };
        let all = [
            entry(9, 1, 2, 60_000), // the oldest, just used
            entry(5, 4, 9, 60_000), // used most, but not lately
            entry(3, 3, 3, 1),      // saves nothing
            entry(2, 0, 1, 60_000),
        ];
        for (policy, first) in [(Policy::Lru, 1), (Policy::Lfu, 3), (Policy::Fifo, 0), (Policy::Value, 2)] {
            let limits = Limits { policy, ..Limits::default() };
            assert_eq!(gone(&all, &limits, 3000), [first], "{policy:?}");
            assert_eq!(gone(&all, &limits, 4000), [0; 0], "{policy:?}: enough room");
        }
    }

    #[test]
    fn value_is_time_saved_times_reuse_for_each_byte() {
        let small = Candidate { stored_ms: NOW, saves_ms: 1000, blobs: vec![0], ..Candidate::default() };
        let large = Candidate { blobs: vec![1], ..small.clone() };
        let slow = Candidate { saves_ms: 20_000, ..large.clone() };
        let idle = Candidate { stored_ms: NOW - 8 * DAY, ..small.clone() };
        let blobs = [Blob { cost: 100, ..Blob::default() }, Blob { cost: 1000, ..Blob::default() }];
        let value = |entry: &Candidate| entry.value(&[1, 1], &blobs, NOW);
        assert!((value(&small) - 1.0 * 0.5 / 100.0).abs() < 1e-9);
        assert!((value(&idle) - 1.0 * 0.1 / 100.0).abs() < 1e-9);
        assert!(value(&slow) > value(&small) && value(&small) > value(&large));
        let shared = small.value(&[4, 1], &blobs, NOW);
        assert!((shared - 4.0 * value(&small)).abs() < 1e-9, "a quarter of the bytes");
    }

    #[test]
    fn ages_numbers_and_what_must_go() {
        let entry = |days: u64| Candidate { stored_ms: NOW - days * DAY, ..Candidate::default() };
        let (mut must, used) = (entry(1), Candidate { last_ms: NOW, hits: 1, ..entry(90) });
        must.must = Some(Why::Expired);
        let all = [entry(3), must, used, entry(40), entry(2)];
        assert_eq!(gone(&all, &Limits::default(), u64::MAX), [1, 3]);
        assert_eq!(gone(&all, &Limits { entries: 2, ..Limits::default() }, u64::MAX), [1, 3, 0]);
    }

    #[test]
    fn a_blob_that_somebody_may_be_about_to_name_stays() {
        let limits = Limits { grace_ms: 1000, ..Limits::default() };
        let entry = Candidate { stored_ms: NOW - 500, blobs: vec![0], must: Some(Why::Asked), ..Candidate::default() };
        for (at_ms, goes) in [(NOW - 600, true), (NOW - 300, false), (NOW - 5000, true)] {
            let blob = Blob { cost: 1, at_ms };
            let named = choose(&[entry.clone()], &[blob], 0, 0, &limits, NOW);
            assert_eq!(named.blobs.is_empty(), !goes, "{at_ms}");
            let orphan = choose(&[], &[blob], 0, 0, &limits, NOW);
            assert_eq!(orphan.blobs.is_empty(), at_ms > NOW - 1000, "{at_ms}");
        }
    }

    proptest! {
        /// What goes is not named by what stays, what is left is what stays, and no more goes than has to.
        #[test]
        fn nothing_that_is_needed_goes(
            entries in proptest::collection::vec((0u64..40, proptest::collection::btree_set(0usize..8, 0..4), 0u64..3), 0..12),
            costs in proptest::collection::vec((0u64..100, 0u64..40), 8),
            target in 0u64..1000,
            policy in prop_oneof![Just(Policy::Lru), Just(Policy::Lfu), Just(Policy::Fifo), Just(Policy::Value)],
        ) {
            let limits = Limits { policy, grace_ms: DAY, ..Limits::default() };
            let entries: Vec<Candidate> = entries.into_iter().map(|(days, blobs, hits)| Candidate {
                stored_ms: NOW - days * DAY, hits, saves_ms: 5, record: 10, blobs: blobs.into_iter().collect(), ..Candidate::default()
            }).collect();
            let blobs: Vec<Blob> =
                costs.iter().map(|(cost, days)| Blob { cost: *cost, at_ms: NOW - days * DAY }).collect();
            let chosen = choose(&entries, &blobs, 7, target, &limits, NOW);
            let stays = |at: &usize| !chosen.entries.iter().any(|(gone, _)| gone == at);
            let kept: Vec<usize> = (0..entries.len()).filter(stays).collect();
            for blob in kept.iter().flat_map(|at| &entries[*at].blobs) {
                prop_assert!(!chosen.blobs.contains(blob));
            }
            let left: u64 = (0..blobs.len()).filter(|at| !chosen.blobs.contains(at)).map(|at| blobs[at].cost).sum();
            prop_assert_eq!(chosen.left, left + 10 * kept.len() as u64 + 7);
            for at in &kept {
                prop_assert!(entries[*at].used_ms() + limits.age_ms > NOW);
            }
            if chosen.entries.iter().all(|(_, why)| *why != Why::TooLarge) { return Ok(()); }
            let last = chosen.entries.len() - 1;
            let before = choose(&entries, &blobs, 7, chosen.left, &limits, NOW);
            prop_assert!(before.entries.len() <= last + 1);
        }
    }
}
