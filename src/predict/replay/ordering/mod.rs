//! Replaying a history to see how soon each order would have found the failures. Pure.
//!
//! At each cycle an order sees earlier cycles only. A cycle counts if two or more ran and one of the failures that are
//! looked for is among them: all, or the new ones, whose item passed or was absent the last time. Items that an order cannot
//! tell apart are shuffled thirty times, so that the order of the file wins nothing. Does not know: files, how it is printed.

mod metric;
mod policy;

pub use metric::{Mean, Ran, Score, score};
pub use policy::{Past, Policy};

use super::Table;
use crate::predict::Circumstances;
use crate::predict::failures::{Failures, Verdict, index};
use serde::Serialize;

/// How often ties are broken by chance.
const SHUFFLES: usize = 30;
/// No item is taken for shorter.
const SHORTEST: f64 = 0.001;

/// How one order did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The order.
    pub policy: Policy,
    /// Over all failures. None if there is none.
    pub all: Option<Score>,
    /// Over new failures.
    pub new: Option<Score>,
}

/// What is known of one row when its cycle is over.
struct Item<'a> {
    at: usize,
    seconds: f64,
    predicted: f64,
    failed: bool,
    new: bool,
    circumstances: &'a Circumstances,
}

/// Replays a history and scores all orders. Rows without verdict or seconds are left out.
pub fn replay(table: &Table) -> Vec<Line> {
    let mut pasts = vec![Past::default(); table.items.len()];
    let mut failures = Failures::default();
    let mut means = [[Mean::default(); 2]; Policy::ALL.len()];
    let unknown = Circumstances::default();
    for (cycle, rows) in table.cycles.iter().enumerate() {
        let unseen = typical(&pasts);
        let known = rows.rows.iter().filter_map(|row| {
            let (seconds, failed) = (row.seconds?, row.failed?);
            let past = pasts.get(row.item as usize)?;
            Some(Item {
                at: row.item as usize,
                seconds,
                predicted: past.seconds.unwrap_or(unseen).max(SHORTEST),
                failed,
                new: failed && !past.red,
                circumstances: row.circumstances.as_deref().unwrap_or(&unknown),
            })
        });
        let items: Vec<Item> = known.collect();
        if items.len() > 1 && items.iter().any(|item| item.failed) {
            for (policy, means) in Policy::ALL.into_iter().zip(&mut means) {
                for (new, mean) in [false, true].into_iter().zip(means) {
                    let value = |item: &Item| match policy {
                        Policy::Oracle if found(item, new) => 1.0 / item.seconds.max(SHORTEST),
                        Policy::Wf => index(&failures.risk(&table.items[item.at], item.circumstances), item.predicted),
                        _ => pasts[item.at].value(policy, cycle, item.predicted),
                    };
                    measure(&items, &value, new, mean, Chance(cycle as u64));
                }
            }
        }
        for item in &items {
            pasts[item.at].learn(cycle, item.failed, item.seconds);
            let verdict = if item.failed { Verdict::Failed } else { Verdict::Passed };
            failures.learn(&table.items[item.at], item.circumstances, verdict);
        }
        failures.end_of_run();
    }
    let lines = Policy::ALL.into_iter().zip(means);
    lines.map(|(policy, [all, new])| Line { policy, all: all.get(), new: new.get() }).collect()
}

/// One of the failures that are looked for.
fn found(item: &Item, new: bool) -> bool {
    if new { item.new } else { item.failed }
}

/// The geometric mean of what is known of durations: what an unseen item is taken for.
fn typical(pasts: &[Past]) -> f64 {
    let logs = pasts.iter().filter_map(|past| past.seconds).map(|seconds| seconds.max(SHORTEST).ln());
    let (sum, of) = logs.fold((0.0, 0.0), |(sum, of), log| (sum + log, of + 1.0));
    if of > 0.0 { f64::exp(sum / of) } else { 1.0 }
}

/// Adds the mean score of one cycle, over orders in which ties are broken by chance, the same for all policies.
fn measure(items: &[Item], value: &dyn Fn(&Item) -> f64, new: bool, mean: &mut Mean, mut chance: Chance) {
    if !items.iter().any(|item| found(item, new)) {
        return;
    }
    let values: Vec<f64> = items.iter().map(value).collect();
    let mut order: Vec<usize> = (0..items.len()).collect();
    let mut of_cycle = Mean::default();
    for _ in 0..SHUFFLES {
        chance.shuffle(&mut order);
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
        let ran = |at: &usize| Ran { seconds: items[*at].seconds, found: found(&items[*at], new) };
        let ran: Vec<Ran> = order.iter().map(ran).collect();
        if let Some(score) = score(&ran) {
            of_cycle.add(score);
        }
    }
    if let Some(score) = of_cycle.get() {
        mean.add(score);
    }
}

/// Repeatable chance: SplitMix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Fisher and Yates's shuffle.
    fn shuffle(&mut self, order: &mut [usize]) {
        for end in (1..order.len()).rev() {
            order.swap(end, (self.next() % (end as u64 + 1)) as usize);
        }
    }
}

#[cfg(test)]
mod tests;
