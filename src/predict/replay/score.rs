//! How far off estimates of durations were: wf's method beside each of the experts that it weighs. Pure.
//!
//! Scored apart are items with fewer than three earlier durations. Does not know: how estimates are made, in which
//! order they were asked for.

use super::{Measured, Section};
use crate::predict::durations::{EXPERTS, Estimate, Expert, log};

/// An estimate that is no further from the truth than this share of it is a good one.
const NEAR: f64 = 0.25;

/// What was said of an item before its cycle, and what came.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Position of the cycle in the table.
    pub cycle: usize,
    /// Position of the item in the table.
    pub item: u32,
    /// What wf said.
    pub estimate: Estimate,
    /// What each expert said, in seconds; `None`: the item has too few earlier durations to be scored with the others.
    pub experts: Option<[f64; EXPERTS]>,
    /// How long it took, in seconds.
    pub took: f64,
}

/// Scores of all methods over what was replayed so far.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    ours: Score,
    bounds: Bounds,
    experts: [Score; EXPERTS],
    cold: Score,
    cold_bounds: Bounds,
}

impl Scores {
    /// One more estimate, and what came.
    pub fn add(&mut self, scored: &Scored) {
        let Some(experts) = &scored.experts else {
            self.cold.add(scored.estimate.seconds, scored.took);
            self.cold_bounds.add(&scored.estimate, scored.took);
            return;
        };
        self.ours.add(scored.estimate.seconds, scored.took);
        self.bounds.add(&scored.estimate, scored.took);
        for (score, said) in self.experts.iter_mut().zip(experts) {
            score.add(*said, scored.took);
        }
    }

    /// All metrics by method; `None` where nothing was scored.
    pub fn section(self) -> Option<Section> {
        if self.ours.count == 0.0 {
            return None;
        }
        let row = |method: &str, metrics| Measured { method: method.to_owned(), metrics };
        let mut rows = vec![row("wf", [self.ours.metrics(), self.bounds.metrics()].concat())];
        rows.extend(Expert::ALL.iter().zip(&self.experts).map(|(expert, score)| row(expert.name(), score.metrics())));
        if self.cold.count > 0.0 {
            let metrics = [self.cold.metrics(), self.cold_bounds.metrics()].concat();
            rows.push(row("wf, fewer than 3 earlier", metrics));
        }
        Some(Section { name: "durations", rows })
    }
}

/// How far off estimates were.
#[derive(Clone, Debug, Default)]
pub struct Score {
    count: f64,
    missed: f64,
    seconds: f64,
    near: f64,
    squares: f64,
    /// The mean of logarithms, and the sum of squares around it (Welford 1962).
    mean: f64,
    around: f64,
}

impl Score {
    /// One more estimate, and what came, in seconds.
    pub fn add(&mut self, said: f64, took: f64) {
        self.count += 1.0;
        self.missed += (said - took).abs();
        self.seconds += took;
        // Both ends count, whatever rounding does to them.
        self.near += f64::from(u8::from((said - took).abs() <= NEAR.mul_add(took, 1e-9)));
        self.squares += (log(said) - log(took)).powi(2);
        let from = log(took) - self.mean;
        self.mean += from / self.count;
        self.around += from * (log(took) - self.mean);
    }

    /// The weighted absolute percentage error: the sum of all errors as a share of the sum of all durations, in percent.
    /// `None`: nothing took any time.
    pub fn wape(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| 100.0 * self.missed / self.seconds)
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        let mut metrics = vec![("scored", self.count)];
        metrics.extend(self.wape().map(|wape| ("wape", wape)));
        if self.count > 0.0 {
            metrics.push(("within25", 100.0 * self.near / self.count));
        }
        if self.around > 0.0 {
            metrics.push(("r2_log", 1.0 - self.squares / self.around));
        }
        metrics
    }
}

/// How good bounds were: the share of durations within them, and the median of upper by lower bound, both plus 10 ms,
/// which is how near 0 the logarithm of a duration is taken.
#[derive(Clone, Debug, Default)]
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

    #[test]
    fn near_is_a_quarter_of_what_came_on_either_side() {
        let near = |said, took| {
            let mut score = Score::default();
            score.add(said, took);
            score.metrics().iter().find(|(name, _)| *name == "within25").unwrap().1 > 0.0
        };
        for (said, took, expected) in [
            (0.75, 1.0, true),
            (1.25, 1.0, true),
            (0.74, 1.0, false),
            (1.26, 1.0, false),
            (1.0, 1.25, true),
            (1.25, 1.5625, true),
            (0.0, 0.0, true),
            (0.001, 0.0, false),
        ] {
            assert_eq!(near(said, took), expected, "{said} for {took}");
        }
    }
}
