//! Between which bounds a duration will be: from how far off earlier estimates were. Pure.
//!
//! Split conformal prediction with normalised scores (Lei et al. 2018, section 5.2), made online by fading counts: an
//! error on the log scale is divided by the step's own usual error, and the shortest interval that held four fifths of
//! the recent scores of all steps is multiplied by it again. Does not know: how estimates are made.

use serde::{Deserialize, Serialize};

/// What share of durations an interval is to hold.
pub const HELD: f64 = 0.8;
/// Half the interval on the log scale while nothing is known: a factor of 4.5 each way.
pub const WIDE: f64 = 1.5;
/// How fast a step's old errors fade: after so many durations they count a third.
const MEMORY: f64 = 20.0;
/// How many durations of a step's own the usual error of all steps counts for.
const SHARED: f64 = 3.0;
/// The least usual error on the log scale: clocks are no better than a thousandth.
const LEAST: f64 = 1e-3;
/// The shortest interval over fewer scores would be short by chance.
const LEAST_MEMORY: f64 = 200.0;
/// No larger share of scores is asked for: single ones far off are not to stretch the interval of all.
const CERTAIN: f64 = 0.99;
/// Scores are counted in bins of this width, so many on each side of 0.
const WIDTH: f64 = 0.1;
const SIDE: usize = 100;
/// Fewer scores than this do not bound a tenth on each side: `ceil(0.9 (n + 1)) <= n` needs 9 (Vovk et al. 2005).
const ENOUGH: u32 = 9;

/// How wrong estimates usually are: the fading mean of errors on the log scale.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    sum: f64,
    weight: f64,
}

impl Spread {
    fn add(&mut self, error: f64, keep: f64) {
        self.sum = self.sum.mul_add(keep, error.abs());
        self.weight = self.weight.mul_add(keep, 1.0);
    }
}

/// What is known over all steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    spread: Spread,
    scores: Vec<f64>,
    total: f64,
    held: f64,
    /// How many errors there were, not faded.
    errors: u32,
}

impl Default for Intervals {
    fn default() -> Self {
        Self { spread: Spread::default(), scores: vec![0.0; 2 * SIDE + 1], total: 0.0, held: 0.0, errors: 0 }
    }
}

impl Intervals {
    /// Whether there are enough errors to tell.
    pub fn enough(&self) -> bool {
        self.errors >= ENOUGH
    }

    /// What share of recent durations was within the bounds told before: to be compared with [`HELD`].
    pub fn coverage(&self) -> Option<f64> {
        self.enough().then(|| self.held / self.total)
    }

    /// The usual error of a step.
    fn unit(&self, own: &Spread) -> f64 {
        let all = if self.spread.weight > 0.0 { self.spread.sum / self.spread.weight } else { WIDE };
        (SHARED.mul_add(all, own.sum) / (SHARED + own.weight)).max(LEAST)
    }

    /// What to add to the logarithm of an estimate: for the lower bound, at most 0, and for the upper, at least 0.
    pub fn bounds(&self, own: &Spread) -> (f64, f64) {
        if !self.enough() {
            return (-WIDE, WIDE);
        }
        let (low, high) = self.shortest();
        let unit = self.unit(own);
        ((low * unit).min(0.0), (high * unit).max(0.0))
    }

    /// Adds an error, on the log scale, of an estimate of a step. About the last `memory` errors of all steps count,
    /// and no fewer than [`LEAST_MEMORY`].
    pub fn add(&mut self, own: &mut Spread, error: f64, memory: f64) {
        let keep = 1.0 - 1.0 / memory.max(LEAST_MEMORY);
        let (low, high) = self.bounds(own);
        let bin = (error / self.unit(own) / WIDTH).round() + SIDE as f64;
        for score in &mut self.scores {
            *score *= keep;
        }
        // A cast from a float saturates.
        if let Some(score) = self.scores.get_mut((bin as usize).min(2 * SIDE)) {
            *score += 1.0;
        }
        self.errors = self.errors.saturating_add(1);
        self.total = self.total.mul_add(keep, 1.0);
        self.held = self.held.mul_add(keep, f64::from(u8::from(low <= error && error <= high)));
        self.spread.add(error, keep);
        own.add(error, 1.0 - 1.0 / MEMORY);
    }

    /// The shortest interval of scores that holds [`HELD`] of them and of one to come. One end is at a bin's edge, the
    /// other within a bin.
    fn shortest(&self) -> (f64, f64) {
        // What lately was too little, or too much, is made up for.
        let share = HELD + (HELD - self.held / self.total);
        let want = (share * (self.total + 1.0)).min(CERTAIN * self.total);
        let edge = |bin: usize| (bin as f64 - SIDE as f64 - 0.5) * WIDTH;
        let mut best = (edge(0), edge(2 * SIDE + 1));
        let (mut end, mut sum) = (0, 0.0);
        for (start, first) in self.scores.iter().enumerate() {
            while let Some(score) = self.scores.get(end).filter(|_| sum < want) {
                sum += score;
                end += 1;
            }
            if sum < want {
                break;
            }
            // What is too much is cut off within the last bin.
            let last = self.scores.get(end.saturating_sub(1)).copied().unwrap_or_default();
            let cut = if last > 0.0 { ((sum - want) / last).clamp(0.0, 1.0) } else { 0.0 };
            let (low, high) = (edge(start), edge(end) - cut * WIDTH);
            if high - low < best.1 - best.0 {
                best = (low, high);
            }
            sum -= first;
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Intervals after scores of exactly these errors, each in units of 1.
    fn after(errors: &[f64]) -> Intervals {
        let mut intervals = Intervals::default();
        for error in errors {
            let bin = (error / WIDTH).round() + SIDE as f64;
            intervals.scores[bin as usize] += 1.0;
            intervals.total += 1.0;
            intervals.held += HELD;
        }
        intervals
    }

    #[test]
    fn the_shortest_interval_that_holds_enough() {
        let even: Vec<f64> = (-50..50).map(|n| f64::from(n) / 10.0).collect();
        let skewed: Vec<f64> = [vec![0.0; 85], vec![5.0; 15]].concat();
        let sided: Vec<f64> = [vec![-5.0; 15], vec![2.0; 85]].concat();
        let table = [(even, 8.0, 0.0), (skewed, 0.1, 0.0), (sided, 0.1, 2.0)];
        for (errors, wide, near) in table {
            let (low, high) = after(&errors).shortest();
            assert!((high - low - wide).abs() < 0.11, "{low} to {high} is not {wide} wide");
            assert!(low - 0.01 <= near && near <= high + 0.01, "{low} to {high} is not near {near}");
        }
    }

    #[test]
    fn too_few_errors_tell_nothing() {
        let (mut intervals, mut own) = (Intervals::default(), Spread::default());
        for _ in 0..8 {
            intervals.add(&mut own, 0.1, 1.0);
            assert_eq!((intervals.bounds(&own), intervals.coverage()), ((-WIDE, WIDE), None));
        }
        intervals.add(&mut own, 0.1, 1.0);
        assert_eq!(intervals.coverage(), Some(1.0));
        assert_ne!(intervals.bounds(&own), (-WIDE, WIDE));
    }

    #[test]
    fn a_step_that_varies_more_has_wider_bounds() {
        let (mut intervals, mut calm, mut wild) = (Intervals::default(), Spread::default(), Spread::default());
        for n in 0..400 {
            let error = if n % 2 == 0 { 0.1 } else { -0.1 };
            intervals.add(&mut calm, error, 100.0);
            intervals.add(&mut wild, 10.0 * error, 100.0);
        }
        let wide = |own| intervals.bounds(own).1 - intervals.bounds(own).0;
        assert!(wide(&wild) > 4.0 * wide(&calm));
    }
}
