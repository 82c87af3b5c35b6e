//! Made-up pipelines with heavy-tailed durations, always the same for a seed. Pure.

use crate::schedule::list::Job;

/// How many steps each has.
pub const STEPS: usize = 60;
/// On how many earlier steps each depends.
const NEEDS: usize = 2;
/// The tail of the durations: Pareto's alpha.
const ALPHA: f64 = 1.1;

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Always the same for a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next share, above 0 and at most 1.
    pub fn share(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// The next number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

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
