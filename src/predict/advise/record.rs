//! What a step did, summed up. Pure. Does not know: what follows from it.

use super::Ended;
use crate::base::{Millis, RunId};
use crate::key::Key;
use std::collections::{BTreeMap, BTreeSet};

/// What the instances of one entry of `steps` did. Instances have keys of their own.
#[derive(Clone, Debug, Default)]
pub(super) struct Record<'a> {
    ended: Vec<&'a [Ended]>,
}

impl<'a> Record<'a> {
    /// What one instance did.
    pub(super) fn of(ended: &'a [Ended]) -> Self {
        Self { ended: vec![ended] }
    }

    pub(super) fn add(&mut self, ended: &'a [Ended]) {
        self.ended.push(ended);
    }

    fn all(&self) -> impl Iterator<Item = &'a Ended> {
        self.ended.iter().flat_map(|ended| ended.iter())
    }

    /// The runs in which it ran, oldest first.
    pub(super) fn runs(&self) -> BTreeSet<&'a RunId> {
        self.all().map(|ended| &ended.run).collect()
    }

    /// How long its passes took, sorted.
    fn passes(&self) -> Vec<Millis> {
        let mut passes: Vec<Millis> = self.all().filter(|ended| ended.passed).map(|ended| ended.wall_ms).collect();
        passes.sort_unstable();
        passes
    }

    /// How long its passes take: the middle one. None: it never passed.
    pub(super) fn median_ms(&self) -> Option<Millis> {
        let passes = self.passes();
        passes.get(passes.len() / 2).copied()
    }

    /// Its longest pass, and how many there were.
    pub(super) fn longest_pass_ms(&self) -> Option<(Millis, usize)> {
        let passes = self.passes();
        Some((*passes.last()?, passes.len()))
    }

    /// How often it ended, and in which runs it failed for good.
    pub(super) fn failures(&self) -> (usize, Vec<&'a RunId>) {
        let is_end = |ended: &&Ended| ended.last && (ended.passed || ended.is_verdict);
        let ends: Vec<&Ended> = self.all().filter(is_end).collect();
        let failed = ends.iter().filter(|ended| !ended.passed).map(|ended| &ended.run);
        (ends.len(), failed.collect())
    }

    /// Attempts that failed on a key on which another passed, oldest first.
    pub(super) fn flaky(&self) -> Vec<&'a Ended> {
        let mut found = Vec::new();
        for ended in &self.ended {
            let verdicts = || ended.iter().filter(|it| it.is_verdict);
            let passed: BTreeSet<Key> = verdicts().filter(|it| it.passed).filter_map(|it| it.key).collect();
            found.extend(verdicts().filter(|it| !it.passed && it.key.is_some_and(|key| passed.contains(&key))));
        }
        found.sort_by(|a, b| a.run.cmp(&b.run));
        found
    }

    /// Passes on a key on which it had passed before: what it need not have done.
    pub(super) fn repeated(&self) -> Vec<&'a Ended> {
        let mut found = Vec::new();
        for ended in &self.ended {
            let mut before: BTreeMap<Key, &RunId> = BTreeMap::new();
            for it in ended.iter().filter(|it| it.passed) {
                let Some(key) = it.key else { continue };
                if before.insert(key, &it.run).is_some_and(|run| *run != it.run) {
                    found.push(it);
                }
            }
        }
        found.sort_by(|a, b| a.run.cmp(&b.run));
        found
    }

    /// Processor time of its newest pass, in milliseconds.
    pub(super) fn cpu_ms(&self) -> u64 {
        self.all().filter(|ended| ended.passed).last().map_or(0, |ended| ended.usage.cpu_ms)
    }

    /// The most memory that an attempt was seen to use, in bytes.
    pub(super) fn peak_bytes(&self) -> u64 {
        self.all().map(|ended| ended.usage.memory_bytes).max().unwrap_or(0)
    }
}
