//! A linear regression of durations on the circumstances. Pure.
//!
//! What is regressed is how far the logarithm of a duration is from that of the step's own median, over recent samples
//! of all steps. Ridge (Hoerl and Kennard 1970) is ordinary least squares over centred rows and one row `sqrt(lambda)`
//! per feature. Does not know: when it is time to fit.

use super::step::{Step, log};
use crate::predict::Circumstances;
use linfa::traits::Fit as _;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::f32::consts::TAU;

/// How many samples are kept.
const WINDOW: usize = 2_048;
/// From how many rounds of all steps they are.
const ROUNDS: u64 = 10;
/// The weight of small coefficients against small errors.
const LAMBDA: f64 = 10.0;
/// Larger differences on the log scale count as this: a factor of 2.7.
const FAR: f64 = 1.0;
/// How many features stand for words.
const WORDS: usize = 16;
/// How many features there are in all.
pub const FEATURES: usize = 20 + WORDS;
/// With fewer samples nothing is fitted.
const ENOUGH: usize = 60;
const DAY: i64 = 86_400;

/// What is known of a step before it runs, in numbers.
pub type Features = [f32; FEATURES];

/// The features of an attempt (1, 2, …) of a step. `others` is the [`log`] of what its family or all steps take.
pub fn features(step: &Step, others: f64, known: &Circumstances, attempt: u32) -> Features {
    let base = log(step.median());
    let ages = [step.last().unwrap_or_default(), step.ewma(), step.mean(), step.shrunk(others)];
    let ages = ages.map(|seconds| (log(seconds) - base) as f32);
    let [last, ewma, mean, shrunk] = ages;
    let [mut east, mut north, mut weekend, mut away] = [0.0; 4];
    if known.at > 0 {
        (east, north) = (known.at.rem_euclid(DAY) as f32 / DAY as f32 * TAU).sin_cos();
        // 1970 began on a Thursday.
        weekend = if matches!((known.at / DAY + 4) % 7, 0 | 6) { 1.0 } else { 0.0 };
        if step.at > 0 {
            away = (known.at.saturating_sub(step.at).max(0) as f32 / DAY as f32).ln_1p();
        }
    }
    let load = if known.load.is_finite() { known.load.clamp(0.0, 10.0) } else { 0.0 };
    let [files, cores] = [known.files, known.cores].map(|count| (count as f32).ln_1p());
    let [lines, uncounted] = or_unknown(known.changed_lines.map(|count| (count as f32).ln_1p()));
    let [cold, maybe_cold] = or_unknown(known.cold.map(|cold| f32::from(u8::from(cold))));
    let [reused, maybe_reused] = or_unknown(known.reused.filter(|share| share.is_finite()));
    let fresh = 1.0 / (step.samples.max(1) as f32);
    let again = (attempt.max(1) as f32).ln();
    let numbers = [last, ewma, mean, shrunk, (others - base) as f32, fresh, again];
    let around = [files, lines, uncounted, cores, load, east, north, weekend, away];
    let cache = [cold, maybe_cold, reused, maybe_reused];
    let mut all = [0.0; FEATURES];
    for (place, value) in all.iter_mut().zip(numbers.into_iter().chain(around).chain(cache).chain(words(known))) {
        *place = value;
    }
    all
}

/// What may be unknown, as two features: what it is, and whether nobody knows. So what is unknown is not taken for 0.
fn or_unknown(value: Option<f32>) -> [f32; 2] {
    value.map_or([0.0, 1.0], |value| [value, 0.0])
}

/// Words as numbers: each adds to the feature that its hash names (Weinberger et al. 2009), so that new ones need no
/// place.
fn words(known: &Circumstances) -> [f32; WORDS] {
    let mut all = [0.0; WORDS];
    let mut add = |kind: u8, word: &str, value: f32| {
        if word.is_empty() {
            return;
        }
        // FNV-1a: the same in every version and on every machine.
        let start = 0xcbf2_9ce4_8422_2325 ^ u64::from(kind);
        let hash = word.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        if let Some(place) = all.get_mut((hash ^ (hash >> 32)) as usize % WORDS) {
            *place += value;
        }
    };
    add(1, &known.change_type, 1.0);
    add(2, &known.impact, 1.0);
    add(3, &known.runner, 1.0);
    for (category, count) in &known.categories {
        add(4, category, (*count as f32).ln_1p());
    }
    all
}

/// Recent samples, and what was made of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ridge {
    samples: VecDeque<Sample>,
    seen: u64,
    slopes: Vec<f64>,
    intercept: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sample {
    features: Vec<f32>,
    /// How far the duration was from the median, on the log scale.
    value: f32,
}

impl Ridge {
    /// Keeps a sample, or with many steps only every so manieth: a window of one round would know of one machine alone.
    pub fn add(&mut self, features: &Features, value: f64, steps: usize) {
        self.seen += 1;
        let stride = 1 + steps as u64 * ROUNDS / WINDOW as u64;
        if !self.seen.is_multiple_of(stride) {
            return;
        }
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { features: features.to_vec(), value: value.clamp(-FAR, FAR) as f32 });
    }

    /// How far a duration will be from the median, on the log scale; 0 before the first fit.
    pub fn predict(&self, features: &Features) -> f64 {
        let sum: f64 = self.slopes.iter().zip(features).map(|(slope, x)| slope * f64::from(*x)).sum();
        (self.intercept + sum).clamp(-FAR, FAR)
    }

    /// Fits to the samples that are kept. With too few nothing happens.
    pub fn fit(&mut self) {
        let count = self.samples.len();
        if count < ENOUGH {
            return;
        }
        let rows = Array2::from_shape_fn((count, FEATURES), |(row, column)| {
            self.samples.get(row).and_then(|sample| sample.features.get(column)).copied().map_or(0.0, f64::from)
        });
        let values = Array1::from_iter(self.samples.iter().map(|sample| f64::from(sample.value)));
        let Some(means) = rows.mean_axis(ndarray::Axis(0)) else { return };
        let mean = values.mean().unwrap_or_default();
        let held = Array2::from_diag_elem(FEATURES, LAMBDA.sqrt());
        let Ok(all) = ndarray::concatenate(ndarray::Axis(0), &[(rows - &means).view(), held.view()]) else { return };
        let targets = Array1::from_iter((values - mean).into_iter().chain([0.0; FEATURES]));
        let plain = linfa_linear::LinearRegression::new().with_intercept(false);
        let Ok(model) = plain.fit(&linfa::Dataset::new(all, targets)) else { return };
        if model.params().iter().all(|slope| slope.is_finite()) {
            self.intercept = mean - model.params().dot(&means);
            self.slopes = model.params().to_vec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found() {
        let mut ridge = Ridge::default();
        let mut known = Circumstances::default();
        let mut step = Step::default();
        step.add(1.0, 0, 0);
        assert_eq!(ridge.predict(&features(&step, 0.0, &known, 1)).to_bits(), 0.0f64.to_bits());
        for n in 0..1_000 {
            known.files = n % 50;
            known.runner = if n % 3 == 0 { "arm".into() } else { "amd".into() };
            let value = f64::from(known.files).ln_1p() * 0.1 + if n % 3 == 0 { 0.3 } else { 0.0 };
            ridge.add(&features(&step, 0.0, &known, 1), value, 1);
        }
        ridge.fit();
        for (files, runner, expected) in [(0, "amd", 0.0), (40, "amd", 0.371), (0, "arm", 0.3), (40, "arm", 0.671)] {
            (known.files, known.runner) = (files, runner.into());
            let said = ridge.predict(&features(&step, 0.0, &known, 1));
            assert!((said - expected).abs() < 0.02, "{files} {runner}: {said} is not {expected}");
        }
    }

    #[test]
    fn what_nobody_counted_is_not_nothing() {
        let mut ridge = Ridge::default();
        let mut known = Circumstances::default();
        let mut step = Step::default();
        step.add(1.0, 0, 0);
        // Large changes are not counted, and take longest.
        let value = |lines: Option<u32>| lines.map_or(0.8, |lines| f64::from(lines).ln_1p() * 0.1);
        for n in 0..1_000 {
            known.changed_lines = Some(n % 50).filter(|lines| lines % 3 > 0);
            ridge.add(&features(&step, 0.0, &known, 1), value(known.changed_lines), 1);
        }
        ridge.fit();
        let [unknown, none, many] = [None, Some(0), Some(40)].map(|lines| {
            known.changed_lines = lines;
            ridge.predict(&features(&step, 0.0, &known, 1))
        });
        // Small slopes are held back.
        assert!((unknown - 0.8).abs() < 0.05 && (many - 0.371).abs() < 0.05 && none < 0.2, "{unknown} {none} {many}");
    }

    #[test]
    fn retries_and_cold_checkouts_have_their_own_times() {
        let mut ridge = Ridge::default();
        let mut known = Circumstances::default();
        let mut step = Step::default();
        step.add(1.0, 0, 0);
        // A retry is shorter, an empty build folder takes longer, and so does what finds nothing that others built.
        let value = |attempt: u32, cold: bool, reused: f32| {
            f64::from(u8::from(cold)) * 0.5 - f64::from(attempt).ln() * 0.4 + f64::from(reused) * 0.3
        };
        for n in 0..1_000 {
            let (attempt, cold, reused) = (1 + n % 2, n % 3 == 0, (n % 5) as f32 / 5.0);
            (known.cold, known.reused) = (Some(cold), Some(reused));
            ridge.add(&features(&step, 0.0, &known, attempt), value(attempt, cold, reused), 1);
        }
        ridge.fit();
        for (attempt, cold, reused) in [(1, false, 0.0), (2, false, 0.0), (1, true, 0.8), (2, true, 0.4)] {
            (known.cold, known.reused) = (Some(cold), Some(reused));
            let (said, right) = (ridge.predict(&features(&step, 0.0, &known, attempt)), value(attempt, cold, reused));
            assert!((said - right).abs() < 0.05, "{attempt} {cold} {reused}: {said} is not {right}");
        }
    }

    #[test]
    fn the_window_is_bounded() {
        let mut ridge = Ridge::default();
        for _ in 0..10_000 {
            ridge.add(&[0.0; FEATURES], 0.0, 1);
        }
        assert_eq!(ridge.samples.len(), WINDOW);
        ridge.fit();
        assert_eq!(ridge.predict(&[1.0; FEATURES]).to_bits(), 0.0f64.to_bits());
    }
}
