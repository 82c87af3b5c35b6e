//! What the numbers of `wf ml status` mean, in a sentence each. Pure.
//!
//! Does not know: where the numbers come from, how they are shown.

use crate::predict::durations::{DRIFT, Expert, HELD};
use crate::predict::replay::Section;

/// With fewer runs predictions are a beginning: a step's own past is three durations, bounds need nine errors.
pub(super) const FULL: u64 = 10;
/// A coverage further than this from what is wanted is told, in percent.
const OFF: f64 = 10.0;
/// With fewer estimates chance alone moves a coverage of 80 % by [`OFF`]: two standard deviations of a share are
/// `2 sqrt(0.16 / n)`.
const TOLD: f64 = 64.0;

/// What is known of predictions.
pub(super) struct Numbers<'a> {
    /// The file of what was learned cannot be used.
    pub damaged: bool,
    /// Runs that were learned of.
    pub runs: u64,
    /// What the walk through the runs gave.
    pub section: Option<&'a Section>,
    /// How much wf weighs each expert, 0 to 1, on average over time spent; in the order of [`Expert::ALL`].
    pub weights: Option<&'a [f64]>,
    /// How much more wrong the long memory is lately.
    pub drift: f64,
}

/// A metric of a method, if it was measured.
pub(super) fn metric(section: &Section, method: &str, name: &str) -> Option<f64> {
    let row = section.rows.iter().find(|row| row.method == method)?;
    row.metrics.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// Sentences, the most important first. None: all is well.
pub(super) fn advice(numbers: &Numbers<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    if numbers.damaged {
        lines.push("the model cannot be read and is not used: `wf ml train` makes it anew".to_owned());
    }
    if numbers.runs == 0 {
        lines.push("nothing was learned yet: `wf run` records runs, and the next one learns of them".to_owned());
        return lines;
    }
    if numbers.runs < FULL {
        lines.push(format!("too few runs: {} of {FULL} that predictions need to be used in full", numbers.runs));
    }
    let Some(section) = numbers.section else {
        lines.push("no step ran four times yet: accuracy cannot be measured".to_owned());
        return lines;
    };
    let wape = |method| metric(section, method, "wape");
    let best = Expert::ALL.iter().enumerate().filter_map(|(at, expert)| Some((at, expert, wape(expert.name())?)));
    if let (Some(ours), Some((at, best, least))) = (wape("wf"), best.min_by(|a, b| a.2.total_cmp(&b.2)))
        && least < ours
    {
        let weighs = numbers.weights.and_then(|weights| weights.get(at));
        let weighs = weighs.map(|weight| format!(": wf weighs it {:.0} %", 100.0 * weight)).unwrap_or_default();
        let name = best.name();
        lines.push(format!("the baseline {name} is better so far, off by {least:.1} % against {ours:.1} %{weighs}"));
    }
    let coverage = metric(section, "wf", "coverage80").filter(|_| metric(section, "wf", "scored") >= Some(TOLD));
    if let Some(coverage) = coverage.filter(|coverage| (coverage - 100.0 * HELD).abs() > OFF) {
        let how = if coverage < 100.0 * HELD { "too narrow" } else { "wider than they need be" };
        lines.push(format!("intervals held {coverage:.0} %, not {:.0} %: they are {how}", 100.0 * HELD));
    }
    if numbers.drift > DRIFT {
        lines.push(format!(
            "durations are lately {:.1} times as far from their past as usual (another machine?): recent ones \
             alone count",
            numbers.drift
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::replay::Measured;

    fn section(wf: &[(&'static str, f64)], last: f64) -> Section {
        let row = |method: &str, metrics: &[_]| Measured { method: method.into(), metrics: metrics.to_vec() };
        Section { name: "durations", rows: vec![row("wf", wf), row("last", &[("wape", last)])] }
    }

    fn told(runs: u64, section: Option<&Section>, drift: f64) -> Vec<String> {
        let weights = [0.8, 0.04, 0.04, 0.04, 0.04, 0.04];
        advice(&Numbers { damaged: false, runs, section, weights: Some(&weights), drift })
    }

    #[test]
    fn each_number_out_of_bounds_is_told_and_no_other() {
        let scored = |scored, wape, coverage| [("scored", scored), ("wape", wape), ("coverage80", coverage)];
        let good = scored(100.0, 10.0, 80.0);
        let table: [(u64, _, f64, f64, &[&str]); 9] = [
            (10, good, 11.0, 1.0, &[]),
            (9, good, 11.0, 1.0, &["too few runs: 9 of 10"]),
            (
                10,
                good,
                9.0,
                1.0,
                &["the baseline last is better so far, off by 9.0 % against 10.0 %: wf weighs it 80 %"],
            ),
            (10, scored(100.0, 10.0, 60.0), 11.0, 1.0, &["intervals held 60 %, not 80 %: they are too narrow"]),
            (10, scored(100.0, 10.0, 95.0), 11.0, 1.0, &["intervals held 95 %, not 80 %: they are wider"]),
            (10, scored(63.0, 10.0, 60.0), 11.0, 1.0, &[]),
            (10, scored(100.0, 10.0, 89.0), 11.0, 1.0, &[]),
            (10, good, 11.0, 2.5, &["durations are lately 2.5 times"]),
            (3, scored(100.0, 10.0, 10.0), 9.0, 3.0, &["too few", "the baseline", "intervals", "durations"]),
        ];
        for (runs, wf, last, drift, expected) in table {
            let lines = told(runs, Some(&section(&wf, last)), drift);
            assert_eq!(lines.len(), expected.len(), "{lines:?}");
            lines.iter().zip(expected).for_each(|(line, start)| assert!(line.starts_with(start), "{line}"));
        }
    }

    #[test]
    fn nothing_known_is_told_first() {
        assert!(told(0, None, 1.0)[0].starts_with("nothing was learned yet"));
        assert!(told(20, None, 1.0)[0].starts_with("no step ran four times"));
        let none = Numbers { damaged: true, runs: 0, section: None, weights: None, drift: 1.0 };
        assert!(advice(&none)[0].contains("`wf ml train`"));
    }
}
