//! A made-up history of many steps, to time predictions of all of them. Pure: the same each time.
//!
//! Does not know: clocks.

use crate::base::{RepoPath, StepId};
use crate::predict::Circumstances;
use crate::predict::durations::Durations;
use crate::predict::failures::{Failures, Verdict};
use crate::schedule::chance::Chance;
use std::collections::BTreeMap;

/// So many runs of all steps are learned: more than a median looks back, and the regression is fitted.
const RUNS: u32 = 12;
/// So many instances each step has.
const INSTANCES: usize = 100;
/// One in so many verdicts is a failure, so that most steps have something that they failed with.
const FAILS: usize = 10;
/// So many changed paths are kept of a run.
const PATHS: usize = 200;

/// What was learned of many steps, and the circumstances of the next run of all of them.
#[derive(Clone, Debug)]
pub struct Many {
    /// The steps.
    pub steps: Vec<StepId>,
    /// How long they take.
    pub durations: Durations,
    /// Which are likely to fail.
    pub failures: Failures,
    /// Of a run that changed as much as is ever kept of one.
    pub about: Circumstances,
}

/// Makes up so many steps, instances of fewer, and what they did.
pub fn many(count: usize) -> Many {
    let id = |at: usize| {
        let template = StepId::parse(&format!("step{}", at / INSTANCES)).ok()?;
        Some(template.instance(&RepoPath::from(format!("packages/p{at}").as_str())))
    };
    let steps: Vec<StepId> = (0..count).filter_map(id).collect();
    let mut chance = Chance::new(1);
    let (mut durations, mut failures) = (Durations::default(), Failures::default());
    for run in 0..RUNS {
        let about = circumstances(run);
        for (at, step) in steps.iter().enumerate() {
            // Log-uniform from a tenth of a second to a quarter of an hour, half again up and down.
            let usual = 0.1 * 9_000.0_f64.powf((at * 7_919 % count) as f64 / count as f64);
            let fails = chance.below(FAILS) == 0;
            if !fails {
                durations.learn(step.as_str(), &about, 1, usual * (0.5 + chance.share()));
            }
            failures.learn(step.as_str(), &about, if fails { Verdict::Failed } else { Verdict::Passed });
        }
        failures.end_of_run();
    }
    durations.fit();
    Many { steps, durations, failures, about: circumstances(RUNS) }
}

fn circumstances(run: u32) -> Circumstances {
    let category = |(name, count): (&str, u32)| (name.to_owned(), count);
    Circumstances {
        change_type: "mixed".into(),
        impact: "high".into(),
        files: 400 + run,
        changed_lines: Some(10 * run),
        cold: Some(run == 0),
        reused: Some(0.5),
        categories: BTreeMap::from([("code", 300), ("tests", 80 + run), ("docs", 20)].map(category)),
        paths: (0..PATHS).map(|at| format!("packages/p{}/src/{at}.rs", at % 40)).collect(),
        cores: 8,
        load: 0.5,
        runner: "linux-x86_64".into(),
        at: 1_767_225_600 + i64::from(run) * 3_600,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_known_and_most_failed_once() {
        let many = many(400);
        assert_eq!((many.steps.len(), many.steps[399].as_str()), (400, "step3@packages/p399"));
        let known = |step: &StepId| many.durations.predict(step.as_str(), &many.about, 1).unwrap();
        assert!(many.steps.iter().all(|step| known(step).samples >= 3 && known(step).high > known(step).low));
        let linked = |step: &&StepId| many.failures.risk(step.as_str(), &many.about).probability > 0.02;
        assert!(many.steps.iter().filter(linked).count() > 300);
    }
}
