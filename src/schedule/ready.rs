//! Tasks that could start, the most urgent first. Pure.

use std::cmp::Reverse;
use std::collections::BTreeSet;

/// A queue by priority, then by position, so that equal runs are equal.
#[derive(Debug, Default)]
pub struct Ready(BTreeSet<(Reverse<u64>, usize)>);

impl Ready {
    /// Adds a task.
    pub fn push(&mut self, priority: u64, task: usize) {
        self.0.insert((Reverse(priority), task));
    }

    /// Takes a task out.
    pub fn remove(&mut self, priority: u64, task: usize) {
        self.0.remove(&(Reverse(priority), task));
    }

    /// The most urgent first.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|(_, task)| *task)
    }
}
