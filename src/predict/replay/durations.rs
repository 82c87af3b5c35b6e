//! How well durations would have been predicted: wf's method beside each of the experts that it weighs. Pure.
//!
//! Scored are items with at least three earlier durations. Of an item that stands in a cycle more than once, the mean
//! counts. Failed attempts count like others: the published baselines have them too. Does not know: what a prediction
//! is made of.

use super::{Cycle, Measured, Section, Table};
use crate::predict::Circumstances;
use crate::predict::durations::{Durations, EXPERTS, Estimate, Expert, FEW, log};
use std::collections::HashMap;

/// The regression is fitted after every so manieth cycle.
const FIT: usize = 5;

/// An item of a cycle, its repeats as one.
struct Run<'a> {
    name: &'a str,
    seconds: f64,
    circumstances: Circumstances,
}

/// Replays a table; `None` where nothing can be scored: no durations, or no item often enough.
pub fn measure(table: &Table) -> Option<Section> {
    let mut state = Durations::default();
    let (mut ours, mut cold) = (Score::default(), Score::default());
    let (mut bounds, mut cold_bounds) = (Bounds::default(), Bounds::default());
    let mut experts: [Score; EXPERTS] = Default::default();
    for (count, cycle) in (1..).zip(&table.cycles) {
        let runs = runs(table, cycle);
        for run in &runs {
            let Some(estimate) = state.predict(run.name, &run.circumstances) else { continue };
            if estimate.samples < FEW {
                cold.add(estimate.seconds, run.seconds);
                cold_bounds.add(&estimate, run.seconds);
                continue;
            }
            ours.add(estimate.seconds, run.seconds);
            bounds.add(&estimate, run.seconds);
            let said = state.weights(run.name, &run.circumstances);
            for (score, (_, seconds, _)) in experts.iter_mut().zip(said.iter().flat_map(|said| said.experts)) {
                score.add(seconds, run.seconds);
            }
        }
        for run in &runs {
            state.learn(run.name, &run.circumstances, run.seconds);
        }
        if count % FIT == 0 {
            state.fit();
        }
    }
    if ours.count == 0.0 {
        return None;
    }
    let row = |method: &str, metrics| Measured { method: method.to_owned(), metrics };
    let mut rows = vec![row("wf", [ours.metrics(), bounds.metrics()].concat())];
    rows.extend(Expert::ALL.iter().zip(&experts).map(|(expert, score)| row(expert.name(), score.metrics())));
    if cold.count > 0.0 {
        rows.push(row("wf, fewer than 3 earlier", [cold.metrics(), cold_bounds.metrics()].concat()));
    }
    Some(Section { name: "durations", rows })
}

fn runs<'a>(table: &'a Table, cycle: &'a Cycle) -> Vec<Run<'a>> {
    let mut runs: Vec<(Run<'_>, f64)> = Vec::new();
    let mut found: HashMap<u32, usize> = HashMap::new();
    for row in &cycle.rows {
        let name = usize::try_from(row.item).ok().and_then(|item| table.items.get(item));
        let (Some(seconds), Some(name)) = (row.seconds, name) else { continue };
        let at = *found.entry(row.item).or_insert_with(|| {
            let at = cycle.time.unwrap_or_default() as i64;
            let unknown = || Circumstances { at, ..Circumstances::default() };
            let circumstances = row.circumstances.as_deref().cloned().unwrap_or_else(unknown);
            runs.push((Run { name, seconds: 0.0, circumstances }, 0.0));
            runs.len() - 1
        });
        if let Some((run, count)) = runs.get_mut(at) {
            *count += 1.0;
            run.seconds += (seconds - run.seconds) / *count;
        }
    }
    runs.into_iter().map(|(run, _)| run).collect()
}

/// How far off estimates were.
#[derive(Default)]
struct Score {
    count: f64,
    missed: f64,
    seconds: f64,
    squares: f64,
    /// The mean of logarithms, and the sum of squares around it (Welford 1962).
    mean: f64,
    around: f64,
}

impl Score {
    fn add(&mut self, said: f64, took: f64) {
        self.count += 1.0;
        self.missed += (said - took).abs();
        self.seconds += took;
        self.squares += (log(said) - log(took)).powi(2);
        let from = log(took) - self.mean;
        self.mean += from / self.count;
        self.around += from * (log(took) - self.mean);
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        let mut metrics = vec![("scored", self.count)];
        // Nothing takes no time, but a history may say so.
        if self.seconds > 0.0 {
            metrics.push(("wape", 100.0 * self.missed / self.seconds));
        }
        if self.around > 0.0 {
            metrics.push(("r2_log", 1.0 - self.squares / self.around));
        }
        metrics
    }
}

/// How good bounds were: the share of durations within them, and the median of upper by lower bound, both plus 10 ms,
/// which is how near 0 the logarithm of a duration is taken.
#[derive(Default)]
struct Bounds {
    within: f64,
    widths: Vec<f64>,
}

impl Bounds {
    fn add(&mut self, estimate: &Estimate, took: f64) {
        // A duration is as good as its bound if both are the same but for rounding.
        let near = 1e-9 * took.max(1.0);
        self.within += f64::from(u8::from(estimate.low - near <= took && took <= estimate.high + near));
        self.widths.push(log(estimate.high) - log(estimate.low));
    }

    fn metrics(mut self) -> Vec<(&'static str, f64)> {
        self.widths.sort_by(f64::total_cmp);
        let width = self.widths.get(self.widths.len() / 2).copied().unwrap_or_default();
        let share = self.within / (self.widths.len().max(1) as f64);
        vec![("coverage80", 100.0 * share), ("width80_factor", width.exp())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::replay::table;
    use std::fmt::Write as _;

    fn value(section: &Section, method: &str, metric: &str) -> f64 {
        let row = section.rows.iter().find(|row| row.method == method).unwrap();
        row.metrics.iter().find(|(name, _)| *name == metric).unwrap().1
    }

    fn replay(text: &str) -> Option<Section> {
        measure(&table::parse(text.as_bytes()).unwrap()[0])
    }

    #[test]
    fn baselines_are_what_a_hand_computes() {
        // Repeats in a cycle are one: 3 and 5 make 4. Scored are cycles 4 and 5.
        let text = "cycle,test,duration_s\n1,a,1\n2,a,2\n3,a,3\n3,a,5\n4,a,6\n5,a,8\n";
        let section = replay(text).unwrap();
        let ewma3 = 0.7 * (0.7 + 0.3 * 2.0) + 0.3 * 4.0;
        let ewma4 = 0.7 * ewma3 + 0.3 * 6.0;
        let table = [
            ("last", 2.0 + 2.0),
            ("mean", (6.0 - 7.0 / 3.0) + (8.0 - 13.0 / 4.0)),
            ("median10", 4.0 + 5.0),
            ("ewma0.3", (6.0 - ewma3) + (8.0 - ewma4)),
        ];
        for (method, missed) in table {
            let wape = value(&section, method, "wape");
            assert!((wape - 100.0 * missed / 14.0).abs() < 1e-9, "{method}: {wape}");
        }
        let scored = ["wf", "last", "wf, fewer than 3 earlier"].map(|method| value(&section, method, "scored") as u32);
        assert_eq!(scored, [2, 2, 2]);
    }

    #[test]
    fn what_cannot_be_scored_is_not() {
        for text in ["cycle,test,failed\n1,a,0\n", "cycle,test,duration_s\n1,a,1\n2,a,1\n3,a,1\n"] {
            assert_eq!(replay(text), None);
        }
    }

    #[test]
    fn a_cycle_does_not_know_itself() {
        let mut text = String::from("cycle,test,duration_s\n");
        for cycle in 0..10 {
            // Each cycle takes twice as long as the one before, in every test.
            (0..20).for_each(|test| writeln!(text, "{cycle},t{test},{}", 1 << cycle).unwrap());
        }
        let section = replay(&text).unwrap();
        for method in ["wf", "last", "ridge"] {
            assert!(value(&section, method, "wape") > 10.0, "{method} looked ahead");
        }
    }
}
