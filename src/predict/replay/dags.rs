//! Made-up pipelines with heavy-tailed durations, always the same for a seed. Pure.

use crate::schedule::chance::Chance;
use crate::schedule::list::Job;

/// How many steps each has.
pub const STEPS: usize = 60;
/// On how many earlier steps each depends.
const NEEDS: usize = 2;
/// The tail of the durations: Pareto's alpha.
const ALPHA: f64 = 1.1;

/// The pipeline of a seed: each step needs two earlier ones (the first few fewer), and takes a second or more.
pub fn dag(seed: u64) -> Vec<Job> {
    let mut chance = Chance::new(seed);
    let mut jobs: Vec<Job> = Vec::with_capacity(STEPS);
    for at in 0..STEPS {
        let ms = 1_000.0 / chance.share().powf(1.0 / ALPHA);
        let mut waits: Vec<usize> = vec![];
        while waits.len() < NEEDS.min(at) {
            let wait = chance.below(at);
            if !waits.contains(&wait) {
                waits.push(wait);
                jobs[wait].dependents.push(at);
            }
        }
        jobs.push(Job { waits, dependents: vec![], ms: ms as u64, slots: 1_000 });
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_pipeline_and_its_needs_come_before() {
        let jobs = dag(7);
        assert_eq!((jobs.len(), &jobs), (STEPS, &dag(7)));
        assert_ne!(jobs, dag(8));
        for (at, job) in jobs.iter().enumerate() {
            assert_eq!(job.waits.len(), NEEDS.min(at));
            assert!(job.ms >= 1_000 && job.waits.iter().all(|wait| *wait < at && jobs[*wait].dependents.contains(&at)));
        }
    }
}
