//! Simple estimates beside each other, each weighed by how wrong it was lately. Pure.
//!
//! Weights fall with a power of the recent error, per step, and where a step has little history with the error over all
//! steps: a hedge in the sense of Freund and Schapire (1997), with relative losses in the place of `exp(-eta * loss)`,
//! so that no rate has to fit the scale of the durations. Does not know: what the experts look at.

use super::step::GRAIN;
use serde::{Deserialize, Serialize};

/// How many there are.
pub const EXPERTS: usize = 6;
/// How many durations of a step's own the error over all steps counts for.
const SHARED: f64 = 5.0;
/// An expert twice as wrong as another weighs `2^-POWER` of it.
const POWER: i32 = 4;
/// How fast a step's old errors fade: after so many durations they count a third.
const MEMORY: f64 = 20.0;
/// So many times the usual error of the long memory, over one round of all steps, is drift.
pub const DRIFT: f64 = 2.0;

/// Who says how long a step takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expert {
    /// As long as the last time.
    Last,
    /// The mean of all.
    Mean,
    /// The median of the last ten.
    Median,
    /// The exponentially weighted moving mean.
    Ewma,
    /// The geometric mean, drawn to the family's or to that of all steps.
    Shrunk,
    /// The regression on the circumstances.
    Ridge,
}

impl Expert {
    /// All of them, in the order of every array over them.
    pub const ALL: [Self; EXPERTS] = [Self::Last, Self::Mean, Self::Median, Self::Ewma, Self::Shrunk, Self::Ridge];

    /// The name in tables and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Mean => "mean",
            Self::Median => "median10",
            Self::Ewma => "ewma0.3",
            Self::Shrunk => "shrunk-mean",
            Self::Ridge => "ridge",
        }
    }
}

/// How wrong each expert was lately: fading sums, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Losses {
    missed: [f64; EXPERTS],
    seconds: f64,
}

impl Losses {
    /// Adds what they said and how long it took. Old errors count `keep` of what they did.
    fn add(&mut self, said: &[f64; EXPERTS], seconds: f64, keep: f64) {
        for (missed, said) in self.missed.iter_mut().zip(said) {
            *missed = missed.mul_add(keep, (said - seconds).abs());
        }
        self.seconds = self.seconds.mul_add(keep, seconds);
    }

    /// Adds them for one step.
    pub fn of_step(&mut self, said: &[f64; EXPERTS], seconds: f64) {
        self.add(said, seconds, 1.0 - 1.0 / MEMORY);
    }

    /// Errors per second.
    fn share(&self) -> [f64; EXPERTS] {
        self.missed.map(|missed| missed / (self.seconds + GRAIN))
    }
}

/// How wrong they were over all steps: over many rounds, and over about the last one. A round is as many durations as
/// there are steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shared {
    long: Losses,
    short: Losses,
}

impl Shared {
    /// Adds what they said and how long it took, where `round` durations make a round and `rounds` are remembered.
    pub fn add(&mut self, said: &[f64; EXPERTS], seconds: f64, round: f64, rounds: f64) {
        self.long.add(said, seconds, 1.0 - 1.0 / (round * rounds).max(MEMORY));
        self.short.add(said, seconds, 1.0 - 1.0 / round.max(MEMORY));
    }

    /// How much more wrong the mean of all is lately than it used to be: 1 is as ever. All steps at once are slower or
    /// faster than their past when the machine is another one.
    pub fn drift(&self) -> f64 {
        let ([_, short, ..], [_, long, ..]) = (self.short.share(), self.long.share());
        if long > 0.0 { short / long } else { 1.0 }
    }

    /// What each expert weighs for a step that usually takes `level` seconds: 0 to 1, 1 in all.
    pub fn weights(&self, own: &Losses, level: f64) -> [f64; EXPERTS] {
        let drift = self.drift() > DRIFT;
        let mut losses = if drift { self.short.share() } else { self.long.share() };
        // Under drift a step's own errors are of another machine.
        if !drift {
            let prior = SHARED * (level + GRAIN);
            for (loss, missed) in losses.iter_mut().zip(own.missed) {
                *loss = prior.mul_add(*loss, missed) / (own.seconds + prior);
            }
        }
        let best = losses.iter().copied().fold(f64::INFINITY, f64::min).max(f64::EPSILON);
        let weights = losses.map(|loss| (best / loss.max(best)).powi(POWER));
        let sum: f64 = weights.iter().sum();
        weights.map(|weight| weight / sum)
    }
}

/// The weighted median of what they say, in seconds: what is wrong by a little less than half cannot pull it away.
pub fn combine(weights: &[f64; EXPERTS], said: &[f64; EXPERTS]) -> f64 {
    let mut sorted: Vec<(f64, f64)> = said.iter().copied().zip(weights.iter().copied()).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut sum = 0.0;
    let half = |(_, weight): &&(f64, f64)| {
        sum += weight;
        sum >= 0.5
    };
    sorted.iter().find(half).or(sorted.last()).map_or(0.0, |(said, _)| *said)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: [f64; EXPERTS] = [10.0, 20.0, 11.0, 12.0, 30.0, 10.5];

    #[test]
    fn the_median_goes_with_the_weight() {
        let table = [
            ([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 10.0),
            ([0.0, 0.0, 0.0, 0.0, 1.0, 0.0], 30.0),
            ([0.3, 0.2, 0.1, 0.1, 0.1, 0.2], 10.5),
            ([0.1, 0.3, 0.1, 0.2, 0.3, 0.0], 20.0),
            ([0.0; EXPERTS], 30.0),
        ];
        for (weights, expected) in table {
            assert!((combine(&weights, &SAID) - expected).abs() < 1e-12, "{weights:?}");
        }
    }

    #[test]
    fn who_is_right_weighs_most() {
        let (mut own, mut shared) = (Losses::default(), Shared::default());
        let even = shared.weights(&own, 1.0);
        assert!(even.iter().all(|weight| (weight - 1.0 / 6.0).abs() < 1e-12));
        for _ in 0..50 {
            shared.add(&SAID, 20.0, 10.0, 20.0);
        }
        let [_, by_others, ..] = shared.weights(&own, 20.0);
        assert!(by_others > 0.99, "a step without history goes with the others: {by_others}");
        for _ in 0..200 {
            own.of_step(&SAID, 10.0);
        }
        let [last, mean, ..] = shared.weights(&own, 10.0);
        assert!(last > 3.0 * mean, "a step's own history outweighs the others: {last} {mean}");
    }

    #[test]
    fn drift_is_seen_within_a_round_and_forgets_the_past() {
        let (mut own, mut shared) = (Losses::default(), Shared::default());
        for _ in 0..2_000 {
            shared.add(&[11.0, 10.0, 11.0, 11.0, 11.0, 11.0], 10.5, 100.0, 20.0);
            own.of_step(&[11.0, 10.0, 11.0, 11.0, 11.0, 11.0], 10.0);
        }
        assert!((shared.drift() - 1.0).abs() < 0.01);
        assert!(shared.weights(&own, 10.0)[1] > 0.5);
        for _ in 0..100 {
            shared.add(&[20.0, 10.0, 11.0, 15.0, 11.0, 11.0], 20.0, 100.0, 20.0);
        }
        assert!(shared.drift() > DRIFT);
        assert!(shared.weights(&own, 10.0)[0] > 0.9);
    }
}
