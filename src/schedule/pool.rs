//! What steps share: CPU slots, memory, locks. Pure.

use super::task::Task;
use std::collections::BTreeSet;

/// What there is to share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// CPU slots, in thousandths: jobs × 1,000.
    pub cpu_milli: u32,
    /// Bytes of memory that may be claimed at once. None: no limit.
    pub memory_bytes: Option<u64>,
}

/// What is taken.
#[derive(Debug)]
pub struct Pools {
    capacity: Capacity,
    cpu_milli: u32,
    memory_bytes: u64,
    locks: BTreeSet<usize>,
    /// For each task, how many tasks that hold their files it conflicts with.
    blocked: Vec<u32>,
    /// Which tasks hold their files: from the cache's answer on, so that what was looked at is what is run on.
    holding: Vec<bool>,
}

impl Pools {
    /// Nothing taken yet.
    pub fn new(capacity: Capacity, tasks: usize) -> Self {
        Self {
            capacity,
            cpu_milli: 0,
            memory_bytes: 0,
            locks: BTreeSet::new(),
            blocked: vec![0; tasks],
            holding: vec![false; tasks],
        }
    }

    /// A claim above the whole pool takes the whole pool, so that the step runs alone instead of never.
    fn claim(&self, task: &Task) -> (u32, u64) {
        let memory = self.capacity.memory_bytes.map_or(0, |limit| task.memory_bytes.min(limit));
        (task.cpu_milli.min(self.capacity.cpu_milli), memory)
    }

    /// Is there no CPU slot left at all?
    pub fn is_full(&self) -> bool {
        self.cpu_milli >= self.capacity.cpu_milli
    }

    /// Keeps those it conflicts with from starting, unless one of them keeps it.
    pub fn try_hold(&mut self, at: usize, task: &Task) -> bool {
        if self.holding[at] {
            return true;
        }
        if self.blocked[at] > 0 {
            return false;
        }
        self.holding[at] = true;
        task.conflicts.iter().for_each(|other| self.blocked[*other] += 1);
        true
    }

    /// Takes back [`Self::try_hold`], if it was done.
    pub fn let_go(&mut self, at: usize, task: &Task) {
        if std::mem::take(&mut self.holding[at]) {
            task.conflicts.iter().for_each(|other| self.blocked[*other] -= 1);
        }
    }

    /// Takes all that the task claims, its files included, or nothing.
    pub fn try_take(&mut self, at: usize, task: &Task) -> bool {
        let (cpu, memory) = self.claim(task);
        let fits = self.cpu_milli + cpu <= self.capacity.cpu_milli
            && self.capacity.memory_bytes.is_none_or(|limit| self.memory_bytes + memory <= limit)
            && task.locks.iter().all(|lock| !self.locks.contains(lock))
            && self.try_hold(at, task);
        if fits {
            self.cpu_milli += cpu;
            self.memory_bytes += memory;
            self.locks.extend(&task.locks);
        }
        fits
    }

    /// Gives back what [`Self::try_take`] took.
    pub fn give_back(&mut self, at: usize, task: &Task) {
        let (cpu, memory) = self.claim(task);
        self.cpu_milli -= cpu;
        self.memory_bytes -= memory;
        self.locks.retain(|lock| !task.locks.contains(lock));
        self.let_go(at, task);
    }
}
