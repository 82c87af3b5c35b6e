//! How good orders are: how long runs take in them, against what no order can beat. Pure.
//!
//! Two kinds of work: recorded cycles, whose tests wait for nothing, ordered by what was learned of earlier cycles; and
//! made-up pipelines with needs, whose durations are known. Everything is ordered by the code that orders runs.

use super::dags;
use super::{Measured, Section, Table};
use crate::config::model::{Level, Strategy};
use crate::predict::Circumstances;
use crate::predict::durations::Durations;
use crate::predict::failures::{Failures, Verdict};
use crate::schedule::chance::Chance;
use crate::schedule::list::{self, Job};
use crate::schedule::strategy::{World, costs, order};
use std::collections::HashMap;

/// How many slots, and what is measured with them: the makespan by its bound, the same by that of latency, and when the first
/// failing test has ended, by the bound.
const SLOTS: [(u32, [&str; 3]); 2] = [(4, ["P4", "P4_green", "P4_first"]), (8, ["P8", "P8_green", "P8_first"])];
/// So many pipelines are made up.
const DAGS: u64 = 100;
/// So many random orders are tried on each.
const TRIED: usize = 1_000;

/// The orders that are compared, wf's own first.
const METHODS: [&str; 9] =
    ["wf latency", "wf balanced", "wf fail-fast", "wf cost", "LPT last", "LPT EWMA0.3", "FIFO", "random", "oracle LPT"];

/// Measures the cycles of a table that have durations: the mean over cycles of makespan by lower bound, and how much longer
/// the fail-fast strategy takes than latency when nothing fails.
pub fn measure(table: &Table) -> Option<Section> {
    let (mut durations, mut failures) = (Durations::default(), Failures::default());
    let mut sums = vec![[0.0; SLOTS.len()]; METHODS.len()];
    let (mut green, mut firsts) = (sums.clone(), sums.clone());
    let (mut cycles, mut failing) = (0.0, 0.0);
    let (mut last, mut ewma) = (HashMap::new(), HashMap::new());
    let mut chance = Chance::new(1);
    let none = Circumstances::default();
    for cycle in &table.cycles {
        let row = |row: &super::Row| Some((row.item, ms(row.seconds?), row.failed == Some(true)));
        let rows: Vec<(u32, u64, bool)> = cycle.rows.iter().filter_map(row).filter(|(_, ms, _)| *ms > 0).collect();
        let of = |row: &super::Row| row.circumstances.as_deref().unwrap_or(&none).clone();
        let about = cycle.rows.first().map(of).unwrap_or_default();
        if rows.len() > 1 {
            cycles += 1.0;
            failing += f64::from(u8::from(rows.iter().any(|row| row.2)));
            let name = |item: u32| table.items[item as usize].as_str();
            let truth: Vec<Job> =
                rows.iter().map(|(_, ms, _)| Job { ms: *ms, slots: 1_000, ..Job::default() }).collect();
            let means: Vec<Option<u64>> = rows.iter().map(|(item, ..)| mean(&durations, name(*item), &about)).collect();
            let risks: Vec<f64> =
                rows.iter().map(|(item, ..)| failures.risk(name(*item), &about).probability).collect();
            let expected: Vec<Job> =
                costs(&means).into_iter().map(|ms| Job { ms, slots: 1_000, ..Job::default() }).collect();
            let by = |known: &HashMap<u32, f64>| -> Vec<u64> {
                rows.iter().map(|(item, ..)| known.get(item).map_or(u64::MAX, |ms| *ms as u64)).collect()
            };
            for (at, (count, _)) in SLOTS.iter().enumerate() {
                let slots = count * 1_000;
                let world = World { jobs: &expected, risks: &risks, slots };
                let ordered = |strategy| order(world, strategy, Level::Balanced).urgency;
                let orders = [
                    ordered(Strategy::Latency),
                    ordered(Strategy::Balanced),
                    ordered(Strategy::FailFast),
                    ordered(Strategy::Cost),
                    by(&last),
                    by(&ewma),
                    (0..rows.len() as u64).rev().collect(),
                    rows.iter().map(|_| chance.draw()).collect(),
                    truth.iter().map(|job| job.ms).collect(),
                ];
                let bound = list::lower_bound(&truth, slots) as f64;
                let found = orders.map(|urgency| list::schedule(&truth, slots, &urgency));
                let fastest = found[0].makespan as f64;
                for (method, found) in found.iter().enumerate() {
                    sums[method][at] += found.makespan as f64 / bound;
                    green[method][at] += found.makespan as f64 / fastest;
                    let ends =
                        found.starts.iter().zip(&rows).filter(|(_, row)| row.2).map(|(start, row)| start + row.1);
                    firsts[method][at] += ends.min().unwrap_or(0) as f64 / bound;
                }
            }
        }
        for row in &cycle.rows {
            let (name, about) = (table.items[row.item as usize].as_str(), of(row));
            if let Some(seconds) = row.seconds.filter(|seconds| *seconds > 0.0) {
                durations.learn(name, &about, 1, seconds);
                last.insert(row.item, seconds * 1_000.0);
                let moving = ewma.entry(row.item).or_insert(seconds * 1_000.0);
                *moving += 0.3 * (seconds * 1_000.0 - *moving);
            }
            if let Some(failed) = row.failed {
                failures.learn(name, &about, if failed { Verdict::Failed } else { Verdict::Passed });
            }
        }
        failures.end_of_run();
        durations.fit();
    }
    if cycles == 0.0 {
        return None;
    }
    let row = |(at, method): (usize, &&str)| {
        let of = |(slots, (_, names)): (usize, &(u32, [&'static str; 3]))| {
            let first = (failing > 0.0).then(|| (names[2], firsts[at][slots] / failing));
            let all = [(names[0], sums[at][slots] / cycles), (names[1], green[at][slots] / cycles)];
            all.into_iter().chain(first).collect::<Vec<_>>()
        };
        Measured { method: (*method).to_owned(), metrics: SLOTS.iter().enumerate().flat_map(of).collect() }
    };
    Some(Section { name: "makespan", rows: METHODS.iter().enumerate().map(row).collect() })
}

fn ms(seconds: f64) -> u64 {
    (seconds * 1_000.0).round().max(0.0) as u64
}

/// As a run asks.
fn mean(durations: &Durations, name: &str, about: &Circumstances) -> Option<u64> {
    durations.predict(name, about, 1).filter(|estimate| estimate.samples > 0).map(|estimate| ms(estimate.mean))
}

/// Measures made-up pipelines: makespan by the best of a thousand random orders, and by the lower bound.
pub fn pipelines() -> Section {
    let methods = ["wf", "wf fail-fast", "critical path", "declaration order", "random"];
    let mut sums = vec![[[0.0; 2]; SLOTS.len()]; methods.len()];
    let mut green = [0.0; SLOTS.len()];
    for seed in 1..=DAGS {
        let (jobs, mut chance) = (dags::dag(seed), Chance::new(!seed));
        let risks: Vec<f64> = jobs.iter().map(|_| 0.1 * chance.share()).collect();
        for (at, (count, _)) in SLOTS.iter().enumerate() {
            let slots = count * 1_000;
            let world = World { jobs: &jobs, risks: &risks, slots };
            let mut random = || -> Vec<u64> { jobs.iter().map(|_| chance.draw()).collect() };
            let orders = [
                order(world, Strategy::Latency, Level::Balanced).urgency,
                order(world, Strategy::FailFast, Level::Balanced).urgency,
                list::bottom_levels(&jobs),
                (0..jobs.len() as u64).rev().collect(),
                random(),
            ];
            let end = |urgency: &Vec<u64>| list::schedule(&jobs, slots, urgency).makespan as f64;
            let best = (0..TRIED).map(|_| end(&random())).fold(f64::INFINITY, f64::min);
            let bound = list::lower_bound(&jobs, slots) as f64;
            let ends = orders.each_ref().map(end);
            for (sum, end) in sums.iter_mut().zip(ends) {
                sum[at][0] += end / best;
                sum[at][1] += end / bound;
            }
            green[at] += ends[1] / ends[0];
        }
    }
    let names = [["P4_by_best", "P4_by_bound"], ["P8_by_best", "P8_by_bound"]];
    let row = |(at, method): (usize, &&str)| {
        let of = |(names, sums): (&[&'static str; 2], [f64; 2])| {
            names.iter().copied().zip(sums.map(|sum| sum / DAGS as f64)).collect::<Vec<_>>()
        };
        let mut metrics: Vec<(&'static str, f64)> = names.iter().zip(sums[at]).flat_map(of).collect();
        if *method == "wf fail-fast" {
            metrics.extend(SLOTS.iter().zip(green).map(|((_, names), sum)| (names[1], sum / DAGS as f64)));
        }
        Measured { method: (*method).to_owned(), metrics }
    };
    Section { name: "pipelines", rows: methods.iter().enumerate().map(row).collect() }
}
