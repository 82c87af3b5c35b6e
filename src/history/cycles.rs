//! Recorded runs as the table that a replay walks through. Pure.
//!
//! Does not know: where the runs come from, what is measured with the table.

use super::RunFacts;
use super::db::StepTime;
use crate::predict::replay::{Cycle, Row, Table};
use std::collections::HashMap;
use std::sync::Arc;

/// A cycle for each run, oldest first as given. All steps have their durations, those that failed too:
/// [`Table::of_passes`] leaves these out.
pub fn table(runs: &[(RunFacts, Vec<StepTime>)]) -> Table {
    let (mut table, mut items) = (Table::default(), HashMap::new());
    for (facts, times) in runs {
        let about = facts.circumstances.clone().map(Arc::new);
        let mut rows = Vec::with_capacity(times.len());
        for time in times {
            let item = *items.entry(time.step.as_str()).or_insert_with(|| {
                table.items.push(time.step.to_string());
                table.items.len() - 1
            });
            // More steps than fit are more than any database holds.
            let Ok(item) = u32::try_from(item) else { continue };
            let seconds = Some(time.wall_ms as f64 / 1_000.0);
            rows.push(Row {
                item,
                seconds,
                failed: Some(!time.passed),
                attempt: time.attempt,
                circumstances: about.clone(),
            });
        }
        let began = facts.started_at.parse::<jiff::Timestamp>().ok();
        let time = began.map(|began| began.as_second() as f64);
        table.cycles.push(Cycle { name: facts.run.to_string(), time, rows });
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::base::RunId;
    use crate::predict::Circumstances;

    #[test]
    fn a_run_is_a_cycle_and_failures_are_no_durations_of_passes() {
        let time = |step: &str, wall_ms, passed| StepTime {
            step: samples::id(step),
            run: RunId("r".into()),
            wall_ms,
            cpu_ms: 0,
            passed,
            attempt: 1,
        };
        let about = Circumstances { files: 3, ..Circumstances::default() };
        let first = RunFacts { circumstances: Some(about.clone()), ..samples::facts("1") };
        let runs = [
            (first, vec![time("a", 1_500, true), time("b", 20, false)]),
            (samples::facts("2"), vec![time("b", 1, true)]),
        ];
        let found = table(&runs);
        assert_eq!(found.items, ["a", "b"]);
        let rows = |at: usize| -> Vec<_> {
            found.cycles[at].rows.iter().map(|row| (row.item, row.seconds.unwrap(), row.failed.unwrap())).collect()
        };
        assert_eq!((rows(0), rows(1)), (vec![(0, 1.5, false), (1, 0.02, true)], vec![(1, 0.001, false)]));
        assert_eq!((found.cycles[1].name.as_str(), found.cycles[1].time), ("2", Some(1_767_225_600.0)));
        assert_eq!(found.cycles[0].rows[1].circumstances.as_deref(), Some(&about));
        let passes = found.of_passes();
        let known: Vec<_> = passes.cycles.iter().flat_map(|cycle| &cycle.rows).map(|row| row.seconds).collect();
        assert_eq!(known, [Some(1.5), None, Some(0.001)]);
    }
}
