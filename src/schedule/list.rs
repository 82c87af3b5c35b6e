//! List scheduling: what a run would take if every step took as long as expected. Pure.
//!
//! Work-conserving, by a fixed urgency (R. L. Graham, "Bounds on multiprocessing timing anomalies", 1969). Knows slots and
//! who waits for whom; does not know stages, locks, memory, failures: those are rehearsed with the scheduler itself.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A piece of work, as far as list scheduling looks at it. Positions are among the jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// Jobs it waits for.
    pub waits: Vec<usize>,
    /// Jobs that wait for it.
    pub dependents: Vec<usize>,
    /// How long it is expected to take, in milliseconds.
    pub ms: u64,
    /// How many slots it takes, in thousandths; more than there are counts as all of them.
    pub slots: u32,
}

/// When each job would start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// By position, in milliseconds from the start.
    pub starts: Vec<u64>,
    /// When the last job would end.
    pub makespan: u64,
}

/// Schedules jobs: whenever slots are free, the most urgent ready job that fits starts; equally urgent ones by position.
pub fn schedule(jobs: &[Job], slots: u32, urgency: &[u64]) -> Schedule {
    let mut waiting: Vec<usize> = jobs.iter().map(|job| job.waits.len()).collect();
    let ready = (0..jobs.len()).filter(|job| waiting[*job] == 0).map(|job| (urgency[job], Reverse(job)));
    let mut ready: BinaryHeap<(u64, Reverse<usize>)> = ready.collect();
    let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let (mut starts, mut now, mut free, mut aside) = (vec![0; jobs.len()], 0, slots, vec![]);
    loop {
        while free > 0 {
            let Some((urgent, Reverse(job))) = ready.pop() else { break };
            let takes = jobs[job].slots.clamp(1, slots);
            if takes > free {
                aside.push((urgent, Reverse(job)));
                continue;
            }
            free -= takes;
            starts[job] = now;
            running.push(Reverse((now + jobs[job].ms, job)));
        }
        ready.extend(aside.drain(..));
        let Some(Reverse((end, job))) = running.pop() else { break };
        now = end;
        free += jobs[job].slots.clamp(1, slots);
        for &dependent in &jobs[job].dependents {
            waiting[dependent] -= 1;
            if waiting[dependent] == 0 {
                ready.push((urgency[dependent], Reverse(dependent)));
            }
        }
    }
    Schedule { makespan: now, starts }
}

/// The longest path from each job to an end, its own time included (critical path method, Kelley and Walker 1959).
/// Jobs come in topological order.
pub fn bottom_levels(jobs: &[Job]) -> Vec<u64> {
    let mut levels = vec![0; jobs.len()];
    for job in (0..jobs.len()).rev() {
        let below = jobs[job].dependents.iter().map(|dependent| levels[*dependent]).max();
        levels[job] = jobs[job].ms + below.unwrap_or(0);
    }
    levels
}

/// No schedule is shorter: the longest chain, and all the work shared evenly.
pub fn lower_bound(jobs: &[Job], slots: u32) -> u64 {
    let chain = bottom_levels(jobs).into_iter().max().unwrap_or(0);
    let area: u128 = jobs.iter().map(|job| u128::from(job.ms) * u128::from(job.slots.clamp(1, slots))).sum();
    chain.max(u64::try_from(area.div_ceil(u128::from(slots.max(1)))).unwrap_or(u64::MAX))
}

/// The same work from the end to the start: positions turned round, so that order stays topological.
pub fn reversed(jobs: &[Job]) -> Vec<Job> {
    let turn = |all: &[usize]| all.iter().map(|job| jobs.len() - 1 - job).collect();
    let job = |job: &Job| Job { waits: turn(&job.dependents), dependents: turn(&job.waits), ..*job };
    jobs.iter().rev().map(job).collect()
}

#[cfg(test)]
/// Jobs for tests.
pub mod samples {
    use super::Job;

    /// Jobs from who waits for whom and how long each takes, one slot each.
    pub fn jobs(of: &[(&[usize], u64)]) -> Vec<Job> {
        let job =
            |(waits, ms): &(&[usize], u64)| Job { waits: waits.to_vec(), ms: *ms, slots: 1_000, ..Job::default() };
        let mut jobs: Vec<Job> = of.iter().map(job).collect();
        for at in 0..jobs.len() {
            for wait in jobs[at].waits.clone() {
                jobs[wait].dependents.push(at);
            }
        }
        jobs
    }
}

#[cfg(test)]
mod tests {
    use super::samples::jobs;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_urgent_start_first_and_nothing_idles() {
        let all = jobs(&[(&[], 3), (&[], 5), (&[0], 4), (&[], 2)]);
        let by_level = schedule(&all, 2_000, &bottom_levels(&all));
        assert_eq!(by_level, Schedule { starts: vec![0, 0, 3, 5], makespan: 7 });
        assert_eq!(lower_bound(&all, 2_000), 7);
        let last_first = schedule(&all, 2_000, &[0, 1, 2, 3]);
        assert_eq!(last_first, Schedule { starts: vec![2, 0, 5, 0], makespan: 9 });
    }

    #[test]
    fn wide_jobs_wait_until_they_fit_and_others_pass_them() {
        let mut all = jobs(&[(&[], 4), (&[], 2), (&[], 1)]);
        all[1].slots = 9_000;
        assert_eq!(schedule(&all, 2_000, &[3, 2, 1]), Schedule { starts: vec![0, 4, 0], makespan: 6 });
    }

    proptest! {
        #[test]
        fn schedules_are_sound(
            shape in proptest::collection::vec((proptest::collection::vec(0..20usize, 0..3), 0..50u64, 1..4u32), 1..20),
            slots in 1..5u32,
            seed in any::<u64>(),
        ) {
            let of: Vec<(Vec<usize>, u64)> = shape.iter().enumerate().map(|(at, (waits, ms, _))| {
                let mut waits: Vec<usize> = waits.iter().filter(|wait| **wait < at).copied().collect();
                waits.sort_unstable();
                waits.dedup();
                (waits, *ms)
            }).collect();
            let borrowed: Vec<(&[usize], u64)> = of.iter().map(|(waits, ms)| (&waits[..], *ms)).collect();
            let mut all = jobs(&borrowed);
            for (job, (_, _, wide)) in all.iter_mut().zip(&shape) {
                job.slots = wide * 1_000;
            }
            let slots = slots * 1_000;
            let urgency: Vec<u64> = (0..all.len() as u64).map(|at| at.wrapping_mul(seed)).collect();
            let found = schedule(&all, slots, &urgency);
            prop_assert!(found.makespan >= lower_bound(&all, slots));
            prop_assert!(found.makespan <= all.iter().map(|job| job.ms).sum());
            for (at, job) in all.iter().enumerate() {
                for wait in &job.waits {
                    prop_assert!(found.starts[*wait] + all[*wait].ms <= found.starts[at]);
                }
                let at_once: u32 = (0..all.len())
                    .filter(|other| (found.starts[*other]..found.starts[*other] + all[*other].ms).contains(&found.starts[at]))
                    .map(|other| all[other].slots.min(slots)).sum();
                prop_assert!(job.ms == 0 || at_once <= slots);
            }
            prop_assert_eq!(reversed(&reversed(&all)), all);
        }
    }
}
