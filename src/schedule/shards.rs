//! Steps shared out over machines. Pure.
//!
//! A machine runs its steps and all they need: what two machines need, both run (with a shared cache the later one finds it
//! done). So what is shared out are the steps that nothing waits for, each with its needs.

use super::list::{self, Job};
use std::collections::BTreeSet;

/// What one machine runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shard {
    /// Positions among the jobs, in order: what was given to it, and all that needs.
    pub jobs: BTreeSet<usize>,
    /// How long it takes with the slots that each machine has.
    pub ms: u64,
}

/// Shares jobs out over `count` machines so that the slowest is done early: the longest first, each to where it makes least
/// difference (LPT: R. L. Graham, "Bounds on multiprocessing timing anomalies", 1969). Jobs come in topological order.
pub fn shards(jobs: &[Job], slots: u32, count: usize) -> Vec<Shard> {
    let mut shards = vec![Shard::default(); count.max(1)];
    let mut ends: Vec<(u64, BTreeSet<usize>)> = (0..jobs.len())
        .filter(|job| jobs[*job].dependents.is_empty())
        .map(|job| with_needs(jobs, job))
        .map(|all| (all.iter().map(|job| jobs[*job].ms).sum(), all))
        .collect();
    ends.sort_by_key(|(ms, all)| (std::cmp::Reverse(*ms), all.last().copied()));
    for (_, all) in ends {
        let joined = |shard: &Shard| {
            let jobs_then: BTreeSet<usize> = shard.jobs.union(&all).copied().collect();
            Shard { ms: takes(jobs, &jobs_then, slots), jobs: jobs_then }
        };
        let options = shards.iter().enumerate().map(|(at, shard)| (at, joined(shard)));
        // Equally long, where least is done twice; then the first.
        let best = options.min_by_key(|(at, after)| (after.ms, after.jobs.len() - shards[*at].jobs.len(), *at));
        if let Some((at, after)) = best {
            shards[at] = after;
        }
    }
    shards
}

fn with_needs(jobs: &[Job], job: usize) -> BTreeSet<usize> {
    let (mut all, mut open) = (BTreeSet::new(), vec![job]);
    while let Some(job) = open.pop() {
        if all.insert(job) {
            open.extend(&jobs[job].waits);
        }
    }
    all
}

/// How long some of the jobs take. The exact schedule is not worth its time here: no machine is done before the bound.
fn takes(jobs: &[Job], some: &BTreeSet<usize>, slots: u32) -> u64 {
    let mut levels = std::collections::HashMap::new();
    let mut area = 0;
    for &job in some.iter().rev() {
        let below = jobs[job].dependents.iter().filter_map(|dependent| levels.get(dependent)).max();
        let level = jobs[job].ms + below.copied().unwrap_or(0);
        levels.insert(job, level);
        area += jobs[job].ms * u64::from(jobs[job].slots.clamp(1, slots));
    }
    levels.into_values().max().unwrap_or(0).max(area.div_ceil(u64::from(slots.max(1))))
}

/// The longest of them against what no sharing could beat: 1 is perfect, as is sharing what takes no time.
pub fn balance(jobs: &[Job], slots: u32, shards: &[Shard]) -> f64 {
    let bound = list::lower_bound(jobs, slots.saturating_mul(u32::try_from(shards.len()).unwrap_or(u32::MAX)));
    if bound == 0 {
        return 1.0;
    }
    shards.iter().map(|shard| shard.ms).max().unwrap_or(0) as f64 / bound as f64
}

#[cfg(test)]
mod tests {
    use super::super::list::samples::jobs;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_both_need_both_run() {
        // build → three tests, and a lint alone.
        let all = jobs(&[(&[], 10), (&[0], 30), (&[0], 20), (&[0], 10), (&[], 25)]);
        let found = shards(&all, 1_000, 2);
        let sets: Vec<Vec<usize>> = found.iter().map(|shard| shard.jobs.iter().copied().collect()).collect();
        assert_eq!(sets, [vec![0, 1, 3], vec![0, 2, 4]]);
        assert_eq!(found.iter().map(|shard| shard.ms).collect::<Vec<_>>(), [50, 55]);
        assert_eq!(shards(&all, 1_000, 1)[0].ms, 95);
        assert_eq!(shards(&[], 1_000, 3), vec![Shard::default(); 3]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_needs_come_along(
            times in proptest::collection::vec((0..90u64, 0..40usize), 1..40), count in 1..6usize,
        ) {
            let of: Vec<(Vec<usize>, u64)> = times.iter().enumerate()
                .map(|(at, (ms, wait))| (if *wait < at { vec![*wait] } else { vec![] }, *ms)).collect();
            let borrowed: Vec<(&[usize], u64)> = of.iter().map(|(waits, ms)| (&waits[..], *ms)).collect();
            let all = jobs(&borrowed);
            let found = shards(&all, 2_000, count);
            prop_assert_eq!(found.len(), count);
            let together: BTreeSet<usize> = found.iter().flat_map(|shard| shard.jobs.clone()).collect();
            prop_assert_eq!(together.len(), all.len());
            for shard in &found {
                prop_assert!(shard.jobs.iter().all(|job| all[*job].waits.iter().all(|wait| shard.jobs.contains(wait))));
            }
            prop_assert!(balance(&all, 2_000, &found) >= 1.0 - 1e-9);
        }
    }
}
