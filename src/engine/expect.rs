//! Once something runs: what that is expected to take, and in which order it starts.
//!
//! Most runs start nothing and never come here. Does not know how durations are learned.

use super::outlook::Outlook;
use super::{Prepared, circumstances};
use crate::config::model::{RunOn, Settings, Strategy};
use crate::config::show::serde_word;
use crate::event::{EventKind, Expected, ExpectedStep, Interval, Machine, RunStarted};
use crate::graph::StepGraph;
use crate::plan::RunRequest;
use crate::schedule::forecast::forecast;
use crate::schedule::list::{self, Job};
use crate::schedule::strategy::{World, costs, order};
use crate::schedule::{Lookup, Scheduler, Task};
use std::collections::HashMap;

/// What a step counts for in the order of a plan if nothing is recorded of it, in milliseconds.
pub(super) const UNKNOWN_MS: u64 = 1_000;

/// What is expected of the steps of one run.
pub(super) struct Expecting {
    pub(super) outlook: Outlook,
    /// On which machine the run was begun, and when (UTC, RFC 3339).
    begun: (Machine, String),
    settings: Settings,
    /// In thousandths. None: one step after another, in the plan's order.
    slots: Option<u32>,
    /// For each task: is it expected to run?
    runs: Vec<bool>,
}

impl Expecting {
    pub(super) fn new(
        outlook: Outlook,
        settings: &Settings,
        slots: Option<u32>,
        begun: &RunStarted,
        tasks: usize,
    ) -> Self {
        let begun = (begun.machine.clone(), begun.started_at.clone());
        Self { outlook, begun, settings: settings.clone(), slots, runs: vec![false; tasks] }
    }

    /// Tasks that are asked nothing run anyway: what is expected of them, and of those behind them.
    pub(super) fn at_first(
        &mut self,
        scheduler: &mut Scheduler,
        prepared: &Prepared,
        steps: &[usize],
    ) -> Vec<EventKind> {
        let run: Vec<usize> = (0..steps.len()).filter(|task| runs_anyway(&scheduler.tasks()[*task])).collect();
        self.of(&run, scheduler, prepared, steps)
    }

    /// These tasks run after all, and so will most likely those that wait for them. If that is news: puts everything that
    /// runs in order, and says what it will take.
    pub(super) fn of(
        &mut self,
        found: &[usize],
        scheduler: &mut Scheduler,
        prepared: &Prepared,
        steps: &[usize],
    ) -> Vec<EventKind> {
        if !self.settings.ml_optimize || !self.add(found, scheduler.tasks()) {
            return vec![];
        }
        let graph = &prepared.plan.graph;
        let (machine, started_at) = &self.begun;
        let mut notes = self.outlook.open(|| circumstances(prepared, machine, started_at));
        let open: Vec<usize> =
            (0..steps.len()).filter(|task| self.runs[*task] && !scheduler.state(*task).is_over()).collect();
        if self.settings.strategy == Strategy::Memory {
            for task in &open {
                scheduler.claim(*task, self.outlook.peak_bytes(graph.step(steps[*task])));
            }
        }
        let (expected, urgency) =
            self.outlook.expect(scheduler.tasks(), &open, graph, steps, &self.settings, self.slots);
        if self.slots.is_some() {
            scheduler.reorder(open.iter().copied().zip(urgency));
        }
        notes.push(EventKind::Expected(Box::new(expected)));
        self.outlook.keep();
        notes
    }

    /// Marks tasks and all behind them. Was one of them not marked?
    fn add(&mut self, found: &[usize], tasks: &[Task]) -> bool {
        let mut open: Vec<usize> = found.iter().copied().filter(|task| !self.runs[*task]).collect();
        let is_news = !open.is_empty();
        while let Some(task) = open.pop() {
            if !std::mem::replace(&mut self.runs[task], true) {
                let runs =
                    |next: &&usize| tasks[**next].lookup != Lookup::Only && tasks[**next].run_on != RunOn::Failure;
                open.extend(tasks[task].dependents.iter().filter(runs));
            }
        }
        is_news
    }
}

impl Outlook {
    /// What these tasks are expected to take together, and in which order they start: larger first. `slots` as
    /// [`Expecting::slots`].
    pub(super) fn expect(
        &self,
        tasks: &[Task],
        open: &[usize],
        graph: &StepGraph,
        steps: &[usize],
        settings: &Settings,
        slots: Option<u32>,
    ) -> (Expected, Vec<u64>) {
        // Tasks are in topological order, and so are the jobs.
        let expected: Vec<ExpectedStep> = open.iter().map(|task| self.of(graph.step(steps[*task]))).collect();
        let spans: Vec<Option<Interval>> = expected.iter().map(|step| step.span).collect();
        let means: Vec<Option<u64>> = expected.iter().map(|step| step.span.map(|_| step.mean_ms)).collect();
        let costs = costs(&means);
        let jobs = jobs(tasks, open, &costs);
        let risks: Vec<f64> = expected.iter().map(|step| f64::from(step.risk_milli) / 1_000.0).collect();
        let urgency = match slots {
            Some(slots) => {
                order(World { jobs: &jobs, risks: &risks, slots }, settings.strategy, settings.optimization_level)
                    .urgency
            }
            None => open.iter().map(|task| tasks[*task].priority).collect(),
        };
        let expected = Expected {
            strategy: serde_word(&settings.strategy),
            level: serde_word(&settings.optimization_level),
            run: forecast(&jobs, &spans, slots.unwrap_or(1), &urgency),
            critical_ms: list::bottom_levels(&jobs).into_iter().max().unwrap_or(0),
            work_ms: jobs.iter().map(|job| job.ms).sum(),
            steps: expected,
        };
        (expected, urgency)
    }
}

/// Does one step run after another? And how many at once at most.
pub(super) fn at_once(request: &RunRequest) -> (bool, u32) {
    let sequential = !request.settings.parallel || request.jobs == 1;
    (sequential, if sequential { 1 } else { request.jobs })
}

/// What an order is made for, in thousandths of a step; none where the plan's order is kept.
pub(super) fn slots(sequential: bool, jobs: u32) -> Option<u32> {
    (!sequential).then(|| jobs.saturating_mul(1_000))
}

pub(super) fn runs_anyway(task: &Task) -> bool {
    task.lookup == Lookup::None && task.run_on != RunOn::Failure
}

/// The tasks that run, as list scheduling sees them.
pub(super) fn jobs(tasks: &[Task], open: &[usize], costs: &[u64]) -> Vec<Job> {
    let at: HashMap<usize, usize> = open.iter().enumerate().map(|(job, task)| (*task, job)).collect();
    let among = |all: &[usize]| all.iter().filter_map(|task| at.get(task).copied()).collect();
    let job = |(task, ms): (&usize, &u64)| Job {
        waits: among(&tasks[*task].waits),
        dependents: among(&tasks[*task].dependents),
        ms: *ms,
        slots: tasks[*task].cpu_milli,
    };
    open.iter().zip(costs).map(job).collect()
}
