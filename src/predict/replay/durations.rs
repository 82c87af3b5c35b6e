//! How well durations would have been predicted: wf's method beside each of the experts that it weighs. Pure.
//!
//! Scored are items with at least three earlier durations. Of an item that stands in a cycle more than once, the mean
//! counts. Failed attempts count like others: the published baselines have them too. Does not know: what a prediction
//! is made of.

use super::score::{Scored, Scores};
use super::{Cycle, Section, Table};
use crate::predict::Circumstances;
use crate::predict::durations::{Durations, FEW};
use std::borrow::Cow;
use std::collections::HashMap;

/// The regression is fitted after every so manieth cycle.
const FIT: usize = 5;

/// An item of a cycle, its repeats as one.
struct Run<'a> {
    item: u32,
    name: &'a str,
    seconds: f64,
    attempt: u32,
    circumstances: Cow<'a, Circumstances>,
}

/// Replays a table; `None` where nothing can be scored: no durations, or no item often enough.
pub fn measure(table: &Table) -> Option<Section> {
    let mut scores = Scores::default();
    walk(table, |scored| scores.add(scored));
    scores.section()
}

/// Walks a table forward: says of each item what was predicted from earlier cycles alone, then learns its cycle.
pub fn walk(table: &Table, mut told: impl FnMut(&Scored)) {
    let mut state = Durations::default();
    for (at, cycle) in table.cycles.iter().enumerate() {
        let runs = runs(table, cycle);
        for run in &runs {
            let Some(estimate) = state.predict(run.name, &run.circumstances, run.attempt) else { continue };
            let known =
                (estimate.samples >= FEW).then(|| state.weights(run.name, &run.circumstances, run.attempt)).flatten();
            let experts = known.map(|known| known.experts.map(|(_, seconds, _)| seconds));
            told(&Scored { cycle: at, item: run.item, estimate, experts, took: run.seconds });
        }
        for run in &runs {
            state.learn(run.name, &run.circumstances, run.attempt, run.seconds);
        }
        if (at + 1) % FIT == 0 {
            state.fit();
        }
    }
}

fn runs<'a>(table: &'a Table, cycle: &'a Cycle) -> Vec<Run<'a>> {
    let mut runs: Vec<(Run<'_>, f64)> = Vec::new();
    let mut found: HashMap<u32, usize> = HashMap::new();
    for row in &cycle.rows {
        let name = usize::try_from(row.item).ok().and_then(|item| table.items.get(item));
        let (Some(seconds), Some(name)) = (row.seconds, name) else { continue };
        let at = *found.entry(row.item).or_insert_with(|| {
            let at = cycle.time.unwrap_or_default() as i64;
            let unknown = || Cow::Owned(Circumstances { at, ..Circumstances::default() });
            let circumstances = row.circumstances.as_deref().map_or_else(unknown, Cow::Borrowed);
            runs.push((Run { item: row.item, name, seconds: 0.0, attempt: row.attempt, circumstances }, 0.0));
            runs.len() - 1
        });
        if let Some((run, count)) = runs.get_mut(at) {
            *count += 1.0;
            run.seconds += (seconds - run.seconds) / *count;
        }
    }
    runs.into_iter().map(|(run, _)| run).collect()
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
