//! How likely each step is to fail, learned online from verdicts and from what was changed. Pure.
//!
//! A step fails for its own reasons, which its recent past tells, or because of a change that breaks anything, which
//! nothing of its past tells. Its own part is a failure rate that forgets, pulled towards the rate of all steps with
//! the weight of one run (a Beta prior), so that a step that never ran or ran twice gets a sensible answer. Where the
//! files at hand are those with which it broke before, that counts as well. Flaky verdicts are counted apart and are no
//! failures.
//!
//! It orders; it never skips. Does not know: how long steps take, what a step is, where verdicts come from.

mod link;
mod memory;
mod why;

pub use link::Trait;
pub use why::Reason;

use super::Circumstances;
use link::Shares;
use memory::Memory;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a step's earlier runs count for after one more: it remembers about ten. Chosen on Apache Druid's tests, as the
/// other constants; there APFDc changes by no more than 0.0006 between 0.7 and 0.97.
const DECAY: f64 = 0.9;
/// How many runs a more general rate counts for beside the rate that is asked for: APFDc is within 0.0002 from 0.3 to
/// 10.
const PRIOR: f64 = 1.0;
/// How much of the rate of all steps any step has on top of its own, whatever its past, so that among steps that did
/// not fail lately cost decides and not failures of long ago. APFDc is within 0.0002 from 0 to 2.
const COMMON: f64 = 0.2;
/// The rate of failures before anything was learned.
const FIRST_GUESS: f64 = 0.01;
/// A step that did not run for so many runs is forgotten.
const FORGOTTEN: u64 = 2_000;
/// No step is taken for shorter, in seconds: a process needs a millisecond to start.
pub const SHORTEST: f64 = 0.001;

/// How one step ended in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// The same key had both verdicts: it says nothing of the change.
    Flaky,
}

/// What is expected of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Risk {
    /// That it fails, 0 to 1.
    pub probability: f64,
    /// That it fails although it passed, or did not run, the last time; 0 if it failed the last time.
    pub new_failure: f64,
    /// The share of its recent verdicts that were flaky, 0 to 1; no part of the others.
    pub flaky: f64,
    /// Why, strongest first.
    pub why: Vec<Reason>,
}

/// A share of failures among runs, which may forget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Rate {
    failed: f64,
    of: f64,
}

impl Rate {
    /// One more run, after which the earlier ones count for `keep` of what they did.
    fn add(&mut self, failed: bool, keep: f64) {
        self.failed = self.failed * keep + f64::from(u8::from(failed));
        self.of = self.of * keep + 1.0;
    }

    /// The mean of a Beta distribution whose prior has this mean and the weight [`PRIOR`].
    fn towards(self, prior: f64) -> f64 {
        (self.failed + PRIOR * prior) / (self.of + PRIOR)
    }
}

/// What was learned of all steps. Its size is bounded for each step, and steps that do not come back are dropped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failures {
    steps: BTreeMap<String, Memory>,
    /// Of all verdicts.
    all: Rate,
    /// Of the first verdicts of steps.
    first: Rate,
    /// Of verdicts of steps that had passed the last time.
    fresh: Rate,
    /// How often what was changed.
    shares: Shares,
    /// Runs that ended.
    runs: u64,
    /// The changes of the run at hand are counted.
    counted: bool,
}

impl Failures {
    /// What is expected of a step in a run under these circumstances.
    pub fn risk(&self, step: &str, circumstances: &Circumstances) -> Risk {
        let common = self.all.towards(FIRST_GUESS);
        let any = |own: f64| 1.0 - (1.0 - own) * (1.0 - COMMON * common);
        let Some(memory) = self.steps.get(step) else {
            let probability = any(self.first.towards(common));
            return Risk { probability, new_failure: probability, flaky: 0.0, why: vec![Reason::NeverRan] };
        };
        let link = memory.links.strongest(circumstances, &self.shares);
        let lift = link.as_ref().map_or(1.0, |link| link.lift);
        let probability = any(lifted(memory.all.towards(common), lift));
        let fresh = any(lifted(memory.fresh.towards(self.fresh.towards(common)), lift));
        Risk {
            probability,
            new_failure: if memory.failing > 0 { 0.0 } else { fresh.min(probability) },
            flaky: memory.flaky.towards(0.0),
            why: memory.reasons(link.map(|link| link.what)),
        }
    }

    /// What became of a step. Each verdict of a run is told before [`Failures::end_of_run`], with the circumstances of
    /// the run.
    pub fn learn(&mut self, step: &str, circumstances: &Circumstances, verdict: Verdict) {
        if !std::mem::replace(&mut self.counted, true) {
            self.shares.count(circumstances);
        }
        let failed = verdict == Verdict::Failed;
        self.all.add(failed, 1.0);
        let memory = if let Some(memory) = self.steps.get_mut(step) {
            if memory.failing == 0 {
                self.fresh.add(failed, 1.0);
            }
            memory
        } else {
            self.first.add(failed, 1.0);
            self.steps.entry(step.to_owned()).or_default()
        };
        memory.learn(verdict, circumstances);
        memory.seen = self.runs;
    }

    /// The run is over: what follows belongs to the next one.
    pub fn end_of_run(&mut self) {
        self.runs += 1;
        self.counted = false;
        let runs = self.runs;
        self.steps.retain(|_, memory| runs - memory.seen.min(runs) <= FORGOTTEN);
    }
}

/// A probability whose odds are so many times as high.
fn lifted(probability: f64, lift: f64) -> f64 {
    probability * lift / (1.0 - probability + probability * lift)
}

/// By what independent work is ordered, largest first: the probability of failing per second, which makes the expected
/// wait for the failures least (the ratio rule: W. E. Smith, Various optimizers for single-stage production, 1956).
/// `seconds` is what the step is predicted to take. Finite and not negative.
pub fn index(risk: &Risk, seconds: f64) -> f64 {
    risk.probability / seconds.max(SHORTEST)
}

#[cfg(test)]
mod tests;
