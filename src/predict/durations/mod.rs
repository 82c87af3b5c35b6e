//! How long steps take: simple experts, weighed by their recent errors, with bounds that hold four fifths. Pure.
//!
//! Learned online: [`Durations::predict`] before a run, [`Durations::learn`] after it, [`Durations::fit`] now and then.
//! Does not know: where durations come from, when a run is.

mod expert;
mod interval;
mod ridge;
mod step;

pub use expert::{DRIFT, EXPERTS, Expert};
pub use interval::HELD;
pub use step::{exp, log};

use crate::predict::Circumstances;
use expert::Shared;
use interval::{Intervals, WIDE};
use ridge::{Features, Ridge};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use step::{LONGEST, Step};

/// With fewer durations of its own an estimate is a guess.
pub const FEW: u32 = 3;
/// How many rounds of all steps are remembered of what is shared between steps; a round is as many durations as steps.
const ROUNDS: f64 = 20.0;
/// How many steps are kept; with more, those that ran last longest ago go.
const MOST: usize = 12_000;
/// Half an interval of four fifths, in standard deviations of a normal distribution.
const FIFTHS: f64 = 1.2816;

/// What an estimate is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Other steps: this one has not run yet.
    Unseen,
    /// Fewer than [`FEW`] durations, or too few errors of earlier estimates to know the bounds.
    Few,
    /// Enough of both.
    Learned,
}

/// How long a step will take, in seconds: `0 <= low <= seconds <= high`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The best guess.
    pub seconds: f64,
    /// Four fifths of durations are between this and `high`.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// What it takes on average, in seconds: the moving mean of its durations. More than the best guess where it sometimes
    /// takes much longer; by this steps are ordered, since one that is long now and then must not start last.
    pub mean: f64,
    /// How many durations of this step are known.
    pub samples: u32,
    /// What it is made from.
    pub basis: Basis,
}

/// What `wf ml status` shows of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// What each expert says, in seconds, and what it weighs: 0 to 1, 1 in all.
    pub experts: [(Expert, f64, f64); EXPERTS],
    /// How much more wrong the long memory is lately over all steps than it used to be: 1 is as ever.
    pub drift: f64,
    /// What share of recent durations of all steps was within the bounds; `None`: too few to tell.
    pub coverage: Option<f64>,
}

/// Sums over a family of steps, or all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Level {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Level {
    fn add(&mut self, log: f64) {
        self.count += 1.0;
        self.sum += log;
        self.squares = log.mul_add(log, self.squares);
    }

    /// The mean of logarithms.
    fn mean(&self) -> f64 {
        self.sum / self.count.max(1.0)
    }

    /// Half the interval of four fifths on the log scale, as if one more had been as far off as is thought wide.
    fn wide(&self) -> f64 {
        let squares = self.mean().mul_add(-self.sum, self.squares).max(0.0);
        let one = (WIDE / FIFTHS).powi(2);
        FIFTHS * ((squares + one) / (self.count + 1.0)).sqrt()
    }
}

/// All that is known of durations. At most a few megabytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Durations {
    steps: BTreeMap<String, Step>,
    families: BTreeMap<String, Level>,
    all: Level,
    shared: Shared,
    intervals: Intervals,
    ridge: Ridge,
    /// How many durations were learned.
    turn: u64,
}

/// What is thought of a step that has run.
struct Opinion {
    said: [f64; EXPERTS],
    weights: [f64; EXPERTS],
    seconds: f64,
    features: Features,
}

/// The part of a step's id before `@`, if it has one: instances of one step are a family.
fn family(step: &str) -> Option<&str> {
    step.split_once('@').map(|(family, _)| family)
}

impl Durations {
    /// How long an attempt of a step (1, 2, …) will take; `None` if nothing is known at all.
    pub fn predict(&self, step: &str, circumstances: &Circumstances, attempt: u32) -> Option<Estimate> {
        let Some(known) = self.steps.get(step) else { return self.unseen(step) };
        let seconds = self.opinion(step, known, circumstances, attempt)?.seconds;
        let (low, high) = self.intervals.bounds(&known.spread);
        let (samples, mean) = (known.samples, known.ewma());
        let basis = if samples < FEW || !self.intervals.enough() { Basis::Few } else { Basis::Learned };
        Some(Estimate { mean, ..Estimate::within(seconds, low, high, samples, basis) })
    }

    /// What each expert says and weighs for an attempt of a step that has run.
    pub fn weights(&self, step: &str, circumstances: &Circumstances, attempt: u32) -> Option<Weights> {
        let opinion = self.opinion(step, self.steps.get(step)?, circumstances, attempt)?;
        let mut experts = Expert::ALL.map(|expert| (expert, 0.0, 0.0));
        for ((place, said), weight) in experts.iter_mut().zip(opinion.said).zip(opinion.weights) {
            (place.1, place.2) = (said, weight);
        }
        Some(Weights { experts, drift: self.shared.drift(), coverage: self.intervals.coverage() })
    }

    /// Takes in how many seconds an attempt that passed took: the first one, or a later. What is no number, or less than 0,
    /// is passed over.
    pub fn learn(&mut self, step: &str, circumstances: &Circumstances, attempt: u32, seconds: f64) {
        if !seconds.is_finite() || seconds < 0.0 {
            return;
        }
        let seconds = seconds.min(LONGEST);
        let mut known = self.steps.remove(step).unwrap_or_default();
        let round = self.steps.len() + 1;
        if let Some(opinion) = self.opinion(step, &known, circumstances, attempt) {
            self.intervals.add(&mut known.spread, log(seconds) - log(opinion.seconds), ROUNDS * round as f64);
            self.shared.add(&opinion.said, seconds, round as f64, ROUNDS);
            known.losses.of_step(&opinion.said, seconds);
            self.ridge.add(&opinion.features, log(seconds) - log(known.median()), round);
        }
        if let Some(family) = family(step) {
            self.families.entry(family.to_owned()).or_default().add(log(seconds));
        }
        self.all.add(log(seconds));
        self.turn += 1;
        known.add(seconds, circumstances.at, self.turn);
        self.steps.insert(step.to_owned(), known);
        if self.steps.len() > MOST {
            self.forget();
        }
    }

    /// Fits the regression anew, over the samples kept. Takes milliseconds; may be done on a copy.
    pub fn fit(&mut self) {
        self.ridge.fit();
    }

    /// The mean logarithm of the step's family, else of all steps.
    fn others(&self, step: &str) -> &Level {
        family(step).and_then(|family| self.families.get(family)).unwrap_or(&self.all)
    }

    fn unseen(&self, step: &str) -> Option<Estimate> {
        let level = self.others(step);
        let wide = level.wide();
        (level.count > 0.0).then(|| Estimate::within(exp(level.mean()), -wide, wide, 0, Basis::Unseen))
    }

    fn opinion(&self, name: &str, step: &Step, circumstances: &Circumstances, attempt: u32) -> Option<Opinion> {
        let last = step.last()?;
        let others = self.others(name).mean();
        let features = ridge::features(step, others, circumstances, attempt);
        let ridge = exp(log(step.median()) + self.ridge.predict(&features));
        let said = [last, step.mean(), step.median(), step.ewma(), step.shrunk(others), ridge];
        let weights = self.shared.weights(&step.losses, step.ewma());
        Some(Opinion { said, weights, seconds: expert::combine(&weights, &said), features })
    }

    /// Lets the quarter go that ran last longest ago, and families without steps.
    fn forget(&mut self) {
        let mut turns: Vec<u64> = self.steps.values().map(|step| step.turn).collect();
        let (_, limit, _) = turns.select_nth_unstable(MOST / 4);
        let limit = *limit;
        self.steps.retain(|_, step| step.turn > limit);
        let left: std::collections::BTreeSet<&str> = self.steps.keys().filter_map(|step| family(step)).collect();
        self.families.retain(|name, _| left.contains(name.as_str()));
    }
}

impl Estimate {
    /// With bounds that are told on the log scale.
    fn within(seconds: f64, low: f64, high: f64, samples: u32, basis: Basis) -> Self {
        let (low, high) = (exp(log(seconds) + low).min(seconds), exp(log(seconds) + high).max(seconds));
        Self { seconds, low, high, mean: seconds, samples, basis }
    }
}

#[cfg(test)]
mod tests;
