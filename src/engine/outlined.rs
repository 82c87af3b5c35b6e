//! A plan in numbers, before anything runs: what it would take, and how its steps would be shared out over machines.

use super::{Outlook, Prepared};
use crate::event::{EventKind, ExpectedStep, Interval};
use crate::graph::StepGraph;
use crate::plan::RunRequest;
use crate::schedule::list::Job;
use crate::schedule::outline::{Outline, STRATEGIES, outline};
use crate::schedule::shards::{Shard, balance, shards};
use crate::schedule::strategy::{World, costs};
use std::collections::HashMap;

/// Strategies are compared without being asked for up to so many steps: that takes milliseconds.
const COMPARED: usize = 300;

/// What is expected of the steps of a plan that would run.
#[derive(Debug)]
pub struct Outlined {
    /// Their positions in the plan's graph, in topological order.
    pub at: Vec<usize>,
    /// What is expected of each.
    pub steps: Vec<ExpectedStep>,
    /// Slots, in thousandths.
    pub slots: u32,
    jobs: Vec<Job>,
}

impl Outlined {
    /// Of all steps that the plan runs, but for those whose results are expected to be known: `is_known` by position. Says
    /// also what could not be read.
    pub fn of(
        prepared: &Prepared,
        request: &RunRequest,
        outlook: &mut Outlook,
        is_known: impl Fn(usize) -> bool,
    ) -> (Self, Vec<EventKind>) {
        let notes = outlook.open();
        let graph = &prepared.plan.graph;
        let runs = |at: &usize| prepared.plan.decisions[*at].runs() && !is_known(*at);
        let at: Vec<usize> = graph.order().iter().copied().filter(runs).collect();
        let steps: Vec<ExpectedStep> = at.iter().map(|at| outlook.of(graph.step(*at))).collect();
        let means: Vec<Option<u64>> = steps.iter().map(|step| step.span.map(|_| step.mean_ms)).collect();
        let jobs = jobs(graph, &at, &costs(&means));
        let slots = if request.settings.parallel { request.jobs.max(1) } else { 1 }.saturating_mul(1_000);
        (Self { at, steps, slots, jobs }, notes)
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

    /// The steps shared out over so many machines, and how even that is: 1 is perfect.
    pub fn shards(&self, count: usize) -> (Vec<Shard>, f64) {
        let found = shards(&self.jobs, self.slots, count);
        let even = balance(&self.jobs, self.slots, &found);
        (found, even)
    }
}

fn jobs(graph: &StepGraph, at: &[usize], costs: &[u64]) -> Vec<Job> {
    let job_of: HashMap<usize, usize> = at.iter().enumerate().map(|(job, at)| (*at, job)).collect();
    let among = |edges: &[(usize, crate::graph::Edge)]| {
        let mut found: Vec<usize> = edges.iter().filter_map(|(other, _)| job_of.get(other).copied()).collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    let job = |(at, ms): (&usize, &u64)| Job {
        waits: among(graph.waits(*at)),
        dependents: among(graph.dependents(*at)),
        ms: *ms,
        slots: graph.step(*at).resources.cpu_milli,
    };
    at.iter().zip(costs).map(job).collect()
}
