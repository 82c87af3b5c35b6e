//! What a plan would take, and what holds it up, if every step takes as long as expected. Pure.

use super::forecast::forecast;
use super::list::{self, Job};
use super::strategy::{World, order};
use crate::config::model::{Level, Strategy};
use crate::event::Interval;

/// So many steps are tried out as bottlenecks.
const TRIED: usize = 12;

/// What strategies are compared.
pub const STRATEGIES: [Strategy; 5] =
    [Strategy::Balanced, Strategy::Latency, Strategy::FailFast, Strategy::Cost, Strategy::Memory];

/// A plan in numbers. Positions are among the jobs.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// Until everything has passed; none while too little is known.
    pub run: Option<Interval>,
    /// All time of the steps.
    pub work_ms: u64,
    /// The longest chain of steps, in order.
    pub critical: Vec<usize>,
    /// How long that takes: however many run at once, it is never less.
    pub critical_ms: u64,
    /// How long the run takes in the order that was asked for.
    pub makespan_ms: u64,
    /// Steps without which the run would be over sooner, and by how much; most first.
    pub bottlenecks: Vec<(usize, u64)>,
    /// What each strategy gives.
    pub strategies: Vec<Choice>,
}

/// What a strategy gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Which.
    pub strategy: Strategy,
    /// How long a run takes in which everything passes.
    pub green_ms: u64,
    /// When the first failure is to be expected, if there is one; none if nothing is likely to fail.
    pub first_failure_ms: Option<u64>,
}

impl Outline {
    /// How many times as fast as one step after the other it could be, with slots without end: the parallelisation ratio.
    pub fn ratio(&self) -> f64 {
        self.work_ms as f64 / self.critical_ms.max(1) as f64
    }

    /// How busy so many slots (in thousandths) are, from 0 to 1: the efficiency.
    pub fn efficiency(&self, slots: u32) -> f64 {
        self.work_ms as f64 * 1_000.0 / (self.makespan_ms.max(1) as f64 * f64::from(slots.max(1)))
    }
}

/// Outlines jobs, which come in topological order with the time that is likely; `spans` says how sure that is.
pub fn outline(
    world: World<'_>,
    spans: &[Option<Interval>],
    strategy: Strategy,
    level: Level,
    compared: &[Strategy],
) -> Outline {
    let (jobs, slots) = (world.jobs, world.slots);
    let chosen = order(world, strategy, level);
    let levels = list::bottom_levels(jobs);
    let critical = critical_path(jobs, &levels);
    let mut tried = critical.clone();
    tried.sort_by_key(|job| std::cmp::Reverse(jobs[*job].ms));
    let without = |job: usize| {
        let mut fewer = jobs.to_vec();
        fewer[job].ms = 0;
        let schedule = list::schedule(&fewer, slots, &list::bottom_levels(&fewer));
        (job, chosen.schedule.makespan.saturating_sub(schedule.makespan))
    };
    let mut bottlenecks: Vec<(usize, u64)> =
        tried.into_iter().take(TRIED).map(without).filter(|(_, saves)| *saves > 0).collect();
    bottlenecks.sort_by_key(|(_, saves)| std::cmp::Reverse(*saves));
    let choice = |strategy: Strategy| {
        let found = order(world, strategy, level);
        let first_failure_ms = first_failure(world, &found.schedule.starts);
        Choice { strategy, green_ms: found.schedule.makespan, first_failure_ms }
    };
    Outline {
        run: forecast(jobs, spans, slots, &chosen.urgency),
        work_ms: jobs.iter().map(|job| job.ms).sum(),
        critical_ms: levels.iter().max().copied().unwrap_or(0),
        critical,
        makespan_ms: chosen.schedule.makespan,
        bottlenecks,
        strategies: compared.iter().copied().map(choice).collect(),
    }
}

/// The longest chain: from the start that has the most behind it, always to the one with the most.
fn critical_path(jobs: &[Job], levels: &[u64]) -> Vec<usize> {
    let most = |all: &mut dyn Iterator<Item = usize>| all.max_by_key(|job| (levels[*job], std::cmp::Reverse(*job)));
    let mut path: Vec<usize> = vec![];
    let mut next = most(&mut (0..jobs.len()).filter(|job| jobs[*job].waits.is_empty()));
    while let Some(job) = next {
        path.push(job);
        next = most(&mut jobs[job].dependents.iter().copied());
    }
    path
}

/// When the first failure ends on average, given that there is one: each step fails by its own risk, whatever others do.
fn first_failure(world: World<'_>, starts: &[u64]) -> Option<u64> {
    let mut ends: Vec<(u64, f64)> =
        world.jobs.iter().zip(starts).zip(world.risks).map(|((job, start), risk)| (start + job.ms, *risk)).collect();
    ends.sort_by_key(|(end, _)| *end);
    let (mut still_green, mut sum, mut any) = (1.0, 0.0, 0.0);
    for (end, risk) in ends {
        sum += still_green * risk * end as f64;
        any += still_green * risk;
        still_green *= 1.0 - risk;
    }
    (any > 1e-6).then(|| (sum / any) as u64)
}

#[cfg(test)]
mod tests {
    use super::super::list::samples::jobs;
    use super::*;

    #[test]
    fn a_plan_in_numbers() {
        // a → b → c is the longest chain; d is long and alone.
        let all = jobs(&[(&[], 100), (&[0], 300), (&[1], 100), (&[], 400)]);
        let risks = [0.0, 0.0, 0.5, 0.0];
        let world = World { jobs: &all, risks: &risks, slots: 2_000 };
        let sure: Vec<_> =
            all.iter().map(|job| Some(Interval { ms: job.ms, low_ms: job.ms, high_ms: job.ms })).collect();
        let found = outline(world, &sure, Strategy::Balanced, Level::Balanced, &STRATEGIES);
        assert_eq!((found.work_ms, found.critical_ms, found.makespan_ms), (900, 500, 500));
        assert_eq!((found.critical.clone(), found.run.unwrap().ms), (vec![0, 1, 2], 500));
        assert_eq!(found.bottlenecks[0], (1, 100), "then `d` is the longest");
        assert!((found.ratio() - 1.8).abs() < 1e-9 && (found.efficiency(2_000) - 0.9).abs() < 1e-9);
        assert!(found.strategies.iter().all(|choice| choice.green_ms == 500 && choice.first_failure_ms == Some(500)));
    }

    #[test]
    fn the_likely_failure_comes_first_where_that_is_asked_for() {
        let all = jobs(&[(&[], 900), (&[], 1_000), (&[], 10)]);
        let world = World { jobs: &all, risks: &[0.0, 0.0, 0.3], slots: 1_000 };
        let found = outline(world, &[None, None, None], Strategy::Latency, Level::Balanced, &STRATEGIES);
        let first: Vec<_> = found.strategies.iter().map(|choice| choice.first_failure_ms.unwrap()).collect();
        assert_eq!(first, [10, 1_910, 10, 10, 1_910]);
        assert_eq!(found.run, None);
    }
}
