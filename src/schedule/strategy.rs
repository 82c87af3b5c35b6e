//! In which order what is ready starts: one urgency for each job, by strategy. Pure.
//!
//! Knows how long jobs are expected to take and how likely each is to fail; does not know how that was learned.

use super::list::{self, Job, Schedule};
use crate::config::model::{Level, Strategy};

/// By how much a green run may be expected to take longer so that failures come sooner. The bound is 2 % of what
/// really happens, and expectations err: half of it.
const FAIL_FAST: f64 = 0.01;
/// The same for [`Strategy::Balanced`]: less than anybody notices.
const BALANCED: f64 = 0.002;
/// What is started later than it could be must still be over in time if it, and the chain behind it, takes so many times as
/// long as expected: what now and then takes much longer is not to be caught starting late.
const DOUBT: u64 = 2;
/// Passes of forward-backward improvement; it has mostly converged after three.
const PASSES: usize = 8;
/// So many jobs are scheduled in all while looking for a better order: a few milliseconds.
const BUDGET: usize = 60_000;

/// What strategies are chosen for.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The jobs, in topological order.
    pub jobs: &'a [Job],
    /// For each, how likely it fails.
    pub risks: &'a [f64],
    /// Slots, in thousandths.
    pub slots: u32,
}

/// The order that a strategy found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Larger starts first.
    pub urgency: Vec<u64>,
    /// What happens if all takes as long as expected and nothing fails.
    pub schedule: Schedule,
}

impl Order {
    fn of(world: World<'_>, urgency: Vec<u64>) -> Self {
        Self { schedule: list::schedule(world.jobs, world.slots, &urgency), urgency }
    }
}

/// How long each job is taken to last when an order is made, from what it takes on average. What was never seen comes as
/// early as the longest: if it is long, starting it late is what hurts.
pub fn costs(means: &[Option<u64>]) -> Vec<u64> {
    let longest = means.iter().flatten().max().copied().unwrap_or(1_000);
    means.iter().map(|mean| mean.unwrap_or(longest).max(1)).collect()
}

/// The order of a strategy.
pub fn order(world: World<'_>, strategy: Strategy, level: Level) -> Order {
    let fastest = latency(world);
    let allowance = match strategy {
        Strategy::Latency | Strategy::Memory => return fastest,
        Strategy::Cost => return promoted(world, &fastest, &by_index(world)),
        Strategy::FailFast => FAIL_FAST,
        Strategy::Balanced => BALANCED,
    };
    let allowance = match level {
        Level::Conservative => 0.0,
        Level::Balanced => allowance,
        Level::Aggressive => 5.0 * allowance,
    };
    soonest_failure(world, &fastest, allowance)
}

/// The shortest schedule that is found: by the critical path, then improved by scheduling from the end and from the start
/// in turn (forward-backward improvement, K. Y. Li and R. J. Willis, 1992), as long as that helps.
fn latency(world: World<'_>) -> Order {
    let (jobs, slots) = (world.jobs, world.slots);
    let mut best = Order::of(world, list::bottom_levels(jobs));
    let bound = list::lower_bound(jobs, slots);
    let backward = list::reversed(jobs);
    let mut current = best.clone();
    for _ in 0..PASSES.min(BUDGET / jobs.len().max(1)) {
        if best.schedule.makespan <= bound {
            break;
        }
        // What ends last comes first from behind; and what comes last from behind is the first.
        let ends: Vec<u64> =
            current.schedule.starts.iter().zip(jobs).map(|(start, job)| start + job.ms).rev().collect();
        let turned = list::schedule(&backward, slots, &ends);
        let urgency = turned.starts.iter().zip(&backward).map(|(start, job)| start + job.ms).rev().collect();
        current = Order::of(world, urgency);
        if current.schedule.makespan < best.schedule.makespan {
            best = current.clone();
        }
    }
    best
}

/// Jobs by how likely they fail for each second until they have ended, with what has to come before; the likeliest first.
/// For independent jobs on one machine that is the best order (W. E. Smith, "Various optimizers for single-stage
/// production", 1956); under precedence it is how Sidney (1975) begins.
fn by_index(world: World<'_>) -> Vec<usize> {
    let mut before = vec![0u64; world.jobs.len()];
    for (at, job) in world.jobs.iter().enumerate() {
        before[at] = job.waits.iter().map(|wait| before[*wait]).max().unwrap_or(0) + job.ms.max(1);
    }
    let index = |job: &usize| world.risks[*job] / before[*job] as f64;
    let mut order: Vec<usize> = (0..world.jobs.len()).filter(|job| world.risks[*job] > 0.0).collect();
    order.sort_by(|a, b| index(b).total_cmp(&index(a)).then(a.cmp(b)));
    order
}

/// Some jobs, in their order, and all they wait for, before everything else.
fn promoted(world: World<'_>, otherwise: &Order, first: &[usize]) -> Order {
    let ahead = otherwise.urgency.iter().max().map_or(0, |most| most + 1);
    let mut urgency = otherwise.urgency.clone();
    let mut open = vec![];
    for (rank, job) in first.iter().enumerate() {
        open.push(*job);
        while let Some(job) = open.pop() {
            if urgency[job] < ahead {
                urgency[job] = ahead + (first.len() - rank) as u64;
                open.extend(&world.jobs[job].waits);
            }
        }
    }
    Order::of(world, urgency)
}

/// Promotes the jobs that are likely to fail, as far as the run is not expected to take longer by more than a share of its
/// time. One that does not fit among those before it is left out; more of them mostly take longer, so that the next such one
/// is found by bisection.
fn soonest_failure(world: World<'_>, fastest: &Order, allowance: f64) -> Order {
    let most = (fastest.schedule.makespan as f64 * (1.0 + allowance)) as u64;
    let levels = list::bottom_levels(world.jobs);
    let slots = u64::from((world.slots / 1_000).max(1));
    let area: u64 = world.jobs.iter().map(|job| job.ms).sum();
    let is_late = |job: usize, start: u64| {
        // More work takes longer in any order.
        let anyway = (area + (DOUBT - 1) * levels[job]) / slots;
        start > fastest.schedule.starts[job] && start.saturating_add(DOUBT * levels[job]) > most.max(anyway)
    };
    let fits_in = |found: &Schedule| {
        found.makespan <= most && !found.starts.iter().enumerate().any(|(job, start)| is_late(job, *start))
    };
    let (mut kept, mut rest, mut best) = (Vec::new(), &by_index(world)[..], fastest.clone());
    let mut tries = BUDGET / world.jobs.len().max(1);
    while !rest.is_empty() {
        let (mut fits, mut fails, mut count) = (0, rest.len() + 1, rest.len());
        while fails - fits > 1 {
            if tries == 0 {
                return best;
            }
            tries -= 1;
            let found = promoted(world, fastest, &[&kept[..], &rest[..count]].concat());
            if fits_in(&found.schedule) {
                (fits, best) = (count, found);
            } else {
                fails = count;
            }
            count = fits.midpoint(fails);
        }
        kept.extend(&rest[..fits]);
        rest = rest.get(fits + 1..).unwrap_or_default();
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::list::samples::jobs;
    use super::*;
    use crate::config::model::Strategy;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn what_was_never_seen_counts_as_the_longest() {
        assert_eq!(costs(&[Some(5), None, Some(0), Some(9)]), [5, 9, 1, 9]);
        assert_eq!(costs(&[None, None]), [1_000, 1_000]);
    }

    #[test]
    fn a_likely_failure_comes_first_where_there_is_room_for_it() {
        // The long one must start at once; beside it there is room for the risky one.
        let all = jobs(&[(&[], 100), (&[], 20), (&[], 10)]);
        let world = World { jobs: &all, risks: &[0.0, 0.0, 0.5], slots: 2_000 };
        let starts = |strategy| order(world, strategy, Level::Balanced).schedule.starts;
        assert_eq!(starts(Strategy::Latency), [0, 0, 20]);
        assert_eq!(starts(Strategy::FailFast), [0, 10, 0]);
        // One that would push the long one back waits; the next in line does not.
        let world = World { jobs: &all, risks: &[0.0, 0.5, 0.4], slots: 1_000 };
        let first = order(world, Strategy::Cost, Level::Balanced).schedule.starts;
        assert_eq!(first, [30, 10, 0], "by risk per second");
    }

    proptest! {
        #[test]
        fn green_runs_take_no_longer_than_allowed(
            shape in proptest::collection::vec((0..30usize, 1..90u64, 0..100u32), 1..30), slots in 1..5u32,
        ) {
            let of: Vec<(Vec<usize>, u64)> = shape.iter().enumerate()
                .map(|(at, (wait, ms, _))| (if *wait < at { vec![*wait] } else { vec![] }, *ms)).collect();
            let borrowed: Vec<(&[usize], u64)> = of.iter().map(|(waits, ms)| (&waits[..], *ms)).collect();
            let all = jobs(&borrowed);
            let risks: Vec<f64> = shape.iter().map(|(_, _, risk)| f64::from(*risk) / 100.0).collect();
            let world = World { jobs: &all, risks: &risks, slots: slots * 1_000 };
            let end = |strategy, level| order(world, strategy, level).schedule.makespan as f64;
            let fastest = end(Strategy::Latency, Level::Balanced);
            let by_level = list::schedule(&all, world.slots, &list::bottom_levels(&all)).makespan as f64;
            prop_assert!(fastest <= by_level);
            prop_assert!(end(Strategy::FailFast, Level::Balanced) <= fastest * (1.0 + FAIL_FAST));
            prop_assert!(end(Strategy::Balanced, Level::Balanced) <= fastest * (1.0 + BALANCED));
            prop_assert!(end(Strategy::FailFast, Level::Conservative) <= fastest);
        }
    }
}
