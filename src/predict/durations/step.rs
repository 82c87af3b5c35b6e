//! What is kept of one step's durations: a few recent ones and running sums. Pure.
//!
//! Does not know: other steps, who makes an estimate of it and how.

use super::expert::Losses;
use super::interval::Spread;
use serde::{Deserialize, Serialize};

/// What is added to a duration before its logarithm is taken, in seconds: differences far below it are noise.
pub const GRAIN: f64 = 0.01;
/// The longest duration, in seconds: about four months. A longer one is a mistake, and counts as this long.
pub const LONGEST: f64 = 1e7;
/// How many durations a median is taken of.
const RECENT: usize = 10;
/// What a new duration weighs in the moving mean.
const EWMA: f64 = 0.3;

/// The logarithm of a duration in seconds, with which estimates are made and measured: `ln(seconds + 0.01)`.
pub fn log(seconds: f64) -> f64 {
    (seconds + GRAIN).ln()
}

/// The duration in seconds that has this [`log`]; 0 to four months.
pub fn exp(log: f64) -> f64 {
    (log.exp() - GRAIN).clamp(0.0, LONGEST)
}

/// One step's durations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The last [`RECENT`] durations in seconds, oldest first.
    recent: Vec<f64>,
    /// How many there were in all.
    pub samples: u32,
    sum: f64,
    log_sum: f64,
    ewma: f64,
    /// When it ran last, in seconds since 1970. 0: unknown.
    pub at: i64,
    /// Which of all durations learned its last one was.
    pub turn: u64,
    /// How wrong each expert was about it.
    pub losses: Losses,
    /// How wrong the estimates of it were.
    pub spread: Spread,
}

impl Step {
    /// Takes one more duration in: seconds, 0 to [`LONGEST`].
    pub fn add(&mut self, seconds: f64, at: i64, turn: u64) {
        self.ewma = if self.samples == 0 { seconds } else { EWMA.mul_add(seconds - self.ewma, self.ewma) };
        if self.recent.len() == RECENT {
            self.recent.remove(0);
        }
        self.recent.push(seconds);
        self.samples = self.samples.saturating_add(1);
        self.sum += seconds;
        self.log_sum += log(seconds);
        (self.at, self.turn) = (at, turn);
    }

    /// The last duration; `None` if there is none.
    pub fn last(&self) -> Option<f64> {
        self.recent.last().copied()
    }

    /// The mean of all.
    pub fn mean(&self) -> f64 {
        self.sum / f64::from(self.samples.max(1))
    }

    /// The exponentially weighted moving mean.
    pub fn ewma(&self) -> f64 {
        self.ewma
    }

    /// The median of the last ten; of an even number the mean of the middle two.
    pub fn median(&self) -> f64 {
        let mut sorted = self.recent.clone();
        sorted.sort_by(f64::total_cmp);
        let upper = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        let lower = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default();
        f64::midpoint(lower, upper)
    }

    /// The geometric mean, drawn to `others` (a [`log`]) as if that had been seen once.
    pub fn shrunk(&self, others: f64) -> f64 {
        exp((self.log_sum + others) / (f64::from(self.samples) + 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Durations; then last, mean, median of ten, moving mean, shrunk mean to 1 s.
    type Case = (&'static [f64], [f64; 5]);

    #[test]
    fn what_is_said_of_a_few_durations() {
        let table: [Case; 4] = [
            (&[4.0], [4.0, 4.0, 4.0, 4.0, 2.0025]),
            (&[1.0, 3.0], [3.0, 2.0, 2.0, 1.6, 1.4435]),
            (&[0.0, 0.0, 9.0], [9.0, 3.0, 0.0, 2.7, 0.1637]),
            (&[50.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0], [2.0, 5.9091, 1.5, 3.2161, 1.8524]),
        ];
        for (durations, expected) in table {
            let mut step = Step::default();
            for (turn, seconds) in (0..).zip(durations) {
                step.add(*seconds, 0, turn);
            }
            let said = [step.last().unwrap(), step.mean(), step.median(), step.ewma(), step.shrunk(log(1.0))];
            for (said, expected) in said.iter().zip(expected) {
                assert!((said - expected).abs() < 1e-3, "{durations:?}: {said} is not {expected}");
            }
        }
        assert_eq!(Step::default().last(), None);
    }

    #[test]
    fn a_logarithm_turns_back() {
        for seconds in [0.0, 0.001, 1.0, 3_600.0, LONGEST] {
            assert!((exp(log(seconds)) - seconds).abs() <= 1e-9 * seconds.max(1.0));
        }
        assert_eq!((exp(f64::NEG_INFINITY), exp(f64::INFINITY)), (0.0, LONGEST));
    }
}
