//! Replaying a history to see how soon each order would have found the failures. Pure.
//!
//! At each cycle an order sees earlier cycles only. A cycle counts if two or more ran and one of the failures that are
//! looked for is among them: all, or the new ones, whose item passed or was absent the last time. Items that an order
//! cannot tell apart are shuffled thirty times, so that the order of the file wins nothing. Does not know: files, how
//! it is printed.

mod metric;
mod policy;

use metric::{Mean, Ran, Score, score};
use policy::{Past, Policy};

use super::{Measured, Section, Table};
use crate::predict::Circumstances;
use crate::predict::failures::{Failures, SHORTEST, Verdict, index};

/// How often ties are broken by chance.
const SHUFFLES: usize = 30;

/// How one order did.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line {
    policy: Policy,
    /// Over all failures. None if there is none.
    all: Option<Score>,
    /// Over new failures.
    new: Option<Score>,
}

/// Replays a history and scores all orders; `None` where nothing can be scored. In the metrics `new` is over new
/// failures.
pub fn measure(table: &Table) -> Option<Section> {
    let lines = replay(table);
    lines.iter().any(|line| line.all.is_some()).then(|| Section {
        name: "ordering",
        rows: lines
            .iter()
            .map(|line| Measured { method: line.policy.name().to_owned(), metrics: line.metrics() })
            .collect(),
    })
}

impl Line {
    fn metrics(&self) -> Vec<(&'static str, f64)> {
        let named = |score: Score, names: [&'static str; 3]| {
            names.into_iter().zip([score.apfdc, score.ttff, score.napfd]).collect::<Vec<_>>()
        };
        let all = self.all.map(|score| named(score, ["apfdc", "ttff", "napfd"]));
        let new = self.new.map(|score| named(score, ["new_apfdc", "new_ttff", "new_napfd"]));
        all.into_iter().chain(new).flatten().collect()
    }
}

/// What is known of one row when its cycle is over.
struct Item<'a> {
    at: usize,
    name: &'a str,
    seconds: f64,
    predicted: f64,
    failed: bool,
    new: bool,
    circumstances: &'a Circumstances,
}

impl Item<'_> {
    /// It is one of the failures that are looked for.
    fn found(&self, new: bool) -> bool {
        if new { self.new } else { self.failed }
    }
}

/// Rows without verdict or seconds are left out.
fn replay(table: &Table) -> Vec<Line> {
    let mut pasts = vec![Past::default(); table.items.len()];
    let mut failures = Failures::default();
    let mut means = [[Mean::default(); 2]; Policy::ALL.len()];
    let unknown = Circumstances::default();
    for (cycle, rows) in table.cycles.iter().enumerate() {
        let unseen = typical(&pasts);
        let known = rows.rows.iter().filter_map(|row| {
            let (seconds, failed, at) = (row.seconds?, row.failed?, usize::try_from(row.item).ok()?);
            let (past, name) = (pasts.get(at)?, table.items.get(at)?);
            let predicted = past.seconds.unwrap_or(unseen).max(SHORTEST);
            let circumstances = row.circumstances.as_deref().unwrap_or(&unknown);
            Some(Item { at, name, seconds, predicted, failed, new: failed && !past.red, circumstances })
        });
        let items: Vec<Item> = known.collect();
        if items.len() > 1 && items.iter().any(|item| item.failed) {
            let wf = |item: &Item| index(&failures.risk(item.name, item.circumstances), item.predicted);
            let wf: Vec<f64> = items.iter().map(wf).collect();
            for (policy, means) in Policy::ALL.into_iter().zip(&mut means) {
                for (new, mean) in [false, true].into_iter().zip(means) {
                    let simple = |item: &Item| pasts[item.at].value(policy, cycle, item.predicted);
                    let first = |item: &Item| if item.found(new) { 1.0 / item.seconds.max(SHORTEST) } else { 0.0 };
                    let values = match policy {
                        Policy::Wf => wf.clone(),
                        Policy::Oracle => items.iter().map(first).collect(),
                        _ => items.iter().map(simple).collect(),
                    };
                    if let Some(score) = shuffled(&items, &values, new, Chance(cycle as u64)) {
                        mean.add(score);
                    }
                }
            }
        }
        for item in &items {
            pasts[item.at].learn(cycle, item.failed, item.seconds);
            let verdict = if item.failed { Verdict::Failed } else { Verdict::Passed };
            failures.learn(item.name, item.circumstances, verdict);
        }
        failures.end_of_run();
    }
    let lines = Policy::ALL.into_iter().zip(means);
    lines.map(|(policy, [all, new])| Line { policy, all: all.get(), new: new.get() }).collect()
}

/// The geometric mean of what is known of durations: what an unseen item is taken for.
fn typical(pasts: &[Past]) -> f64 {
    let logs = pasts.iter().filter_map(|past| past.seconds).map(|seconds| seconds.max(SHORTEST).ln());
    let (sum, of) = logs.fold((0.0, 0.0), |(sum, of), log| (sum + log, of + 1.0));
    if of > 0.0 { f64::exp(sum / of) } else { 1.0 }
}

/// The mean score of a cycle, largest values first, over orders in which ties are broken by chance.
fn shuffled(items: &[Item], values: &[f64], new: bool, mut chance: Chance) -> Option<Score> {
    if !items.iter().any(|item| item.found(new)) {
        return None;
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    let mut mean = Mean::default();
    for _ in 0..SHUFFLES {
        chance.shuffle(&mut order);
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
        let ran = |at: &usize| Ran { seconds: items[*at].seconds, found: items[*at].found(new) };
        let ran: Vec<Ran> = order.iter().map(ran).collect();
        if let Some(score) = score(&ran) {
            mean.add(score);
        }
    }
    mean.get()
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
