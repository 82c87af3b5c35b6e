//! A plan in numbers, before anything runs: what it would take, and how its steps would be shared out over machines.

use super::expect::{UNKNOWN_MS, at_once, jobs, runs_anyway};
use super::{Outlook, Prepared};
use crate::config::show::serde_word;
use crate::event::{EventKind, Expected, ExpectedStep, Interval, Noticed};
use crate::plan::RunRequest;
use crate::predict::Circumstances;
use crate::schedule::list::Job;
use crate::schedule::outline::{Outline, STRATEGIES, outline};
use crate::schedule::shards::{Shard, balance, shards};
use crate::schedule::strategy::{World, costs};
use crate::schedule::{Lookup, tasks};

/// Strategies are compared without being asked for up to so many steps: that takes milliseconds.
const COMPARED: usize = 300;

/// What is expected of the steps of a plan that would run.
#[derive(Debug)]
pub struct Outlined {
    /// What is expected of each, in topological order.
    pub steps: Vec<ExpectedStep>,
    /// Slots, in thousandths.
    pub slots: u32,
    jobs: Vec<Job>,
    noticed: Noticed,
}

impl Outlined {
    /// Of all steps that the plan runs, but for those whose results are expected to be known: `is_known` by position. Says
    /// also what could not be read.
    pub fn of(
        prepared: &Prepared,
        request: &RunRequest,
        outlook: &mut Outlook,
        about: impl FnOnce() -> Circumstances,
        is_known: impl Fn(usize) -> bool,
    ) -> (Self, Vec<EventKind>) {
        let notes = outlook.open(about);
        let (sequential, at_once) = at_once(request);
        // What a run would make of the plan; every step counts alike until it is known.
        let (tasks, at) = tasks(&prepared.plan, sequential, |_| UNKNOWN_MS, |_| Lookup::None);
        let runs = |task: &usize| runs_anyway(&tasks[*task]) && !is_known(at[*task]);
        let open: Vec<usize> = (0..tasks.len()).filter(runs).collect();
        outlook.notice_reused((0..tasks.len()).filter(|task| is_known(at[*task])).count(), open.len());
        let steps = open.iter().map(|task| outlook.of(&prepared.plan.graph.step(at[*task]).id, 1));
        let steps: Vec<ExpectedStep> = steps.collect();
        let means: Vec<Option<u64>> = steps.iter().map(|step| step.span.map(|_| step.mean_ms)).collect();
        let jobs = jobs(&tasks, &open, &costs(&means));
        (Self { steps, slots: at_once.saturating_mul(1_000), jobs, noticed: outlook.noticed() }, notes)
    }

    /// Is enough known to say when it would be over? At least half of the steps.
    pub fn is_known(&self) -> bool {
        let known = self.steps.iter().filter(|step| step.span.is_some()).count();
        known > 0 && known * 2 >= self.steps.len()
    }

    /// The plan in numbers, in the order that was asked for; `compare`: also what each strategy gives.
    pub fn outline(&self, request: &RunRequest, compare: bool) -> Outline {
        let risks: Vec<f64> = self.steps.iter().map(|step| f64::from(step.risk_milli) / 1_000.0).collect();
        let spans: Vec<Option<Interval>> = self.steps.iter().map(|step| step.span).collect();
        let world = World { jobs: &self.jobs, risks: &risks, slots: self.slots };
        let compared = if compare || self.jobs.len() <= COMPARED { &STRATEGIES[..] } else { &[] };
        outline(world, &spans, request.settings.strategy, request.settings.optimization_level, compared)
    }

    /// The plan as a run would tell it before it starts.
    pub fn expected(&self, request: &RunRequest) -> Expected {
        let outline = self.outline(request, false);
        Expected {
            strategy: serde_word(&request.settings.strategy),
            level: serde_word(&request.settings.optimization_level),
            run: outline.run,
            critical_ms: outline.critical_ms,
            work_ms: outline.work_ms,
            noticed: self.noticed,
            steps: self.steps.clone(),
        }
    }

    /// How many steps nothing waits for: over more machines there is nothing to share out.
    pub fn ends(&self) -> usize {
        self.jobs.iter().filter(|job| job.dependents.is_empty()).count()
    }

    /// The steps shared out over so many machines, and how even that is: 1 is perfect.
    pub fn shards(&self, count: usize) -> (Vec<Shard>, f64) {
        let found = shards(&self.jobs, self.slots, count);
        let even = balance(&self.jobs, self.slots, &found);
        (found, even)
    }
}
