//! Once something runs: what that is expected to take, and in which order it starts.
//!
//! Most runs start nothing and never come here. Does not know how durations are learned.

use super::outlook::Outlook;
use crate::config::model::{RunOn, Settings, Strategy};
use crate::event::{EventKind, Expected, ExpectedStep, Interval};
use crate::graph::StepGraph;
use crate::schedule::forecast::forecast;
use crate::schedule::list::{self, Job};
use crate::schedule::strategy::{World, costs, order};
use crate::schedule::{Lookup, Scheduler, Task};
use std::collections::HashMap;

/// What is expected of the steps of one run.
pub(super) struct Expecting {
    pub(super) outlook: Outlook,
    /// When the run began, in seconds since 1970.
    now: i64,
    settings: Settings,
    /// In thousandths. None: one step after another, in the plan's order.
    slots: Option<u32>,
    /// For each task: is it expected to run?
    runs: Vec<bool>,
}

impl Expecting {
    pub(super) fn new(outlook: Outlook, settings: &Settings, slots: Option<u32>, now: i64, tasks: usize) -> Self {
        Self { outlook, now, settings: settings.clone(), slots, runs: vec![false; tasks] }
    }

    /// Tasks that are asked nothing run anyway: what is expected of them, and of those behind them.
    pub(super) fn at_first(&mut self, scheduler: &mut Scheduler, graph: &StepGraph, steps: &[usize]) -> Vec<EventKind> {
        let run: Vec<usize> = (0..steps.len()).filter(|task| runs_anyway(&scheduler.tasks()[*task])).collect();
        self.of(&run, scheduler, graph, steps)
    }

    /// These tasks run after all, and so will most likely those that wait for them. If that is news: puts everything that
    /// runs in order, and says what it will take.
    pub(super) fn of(
        &mut self,
        found: &[usize],
        scheduler: &mut Scheduler,
        graph: &StepGraph,
        steps: &[usize],
    ) -> Vec<EventKind> {
        if !self.settings.ml_optimize || !self.add(found, scheduler.tasks()) {
            return vec![];
        }
        let mut notes = self.outlook.open();
        let open: Vec<usize> =
            (0..steps.len()).filter(|task| self.runs[*task] && !scheduler.state(*task).is_over()).collect();
        // Tasks are in topological order, and so are the jobs.
        let expected = open.iter().map(|task| self.outlook.of(graph.step(steps[*task])));
        let expected: Vec<ExpectedStep> = expected.collect();
        if self.settings.strategy == Strategy::Memory {
            for task in &open {
                scheduler.claim(*task, self.outlook.peak_bytes(graph.step(steps[*task])));
            }
        }
        let spans: Vec<Option<Interval>> = expected.iter().map(|step| step.span).collect();
        let means: Vec<Option<u64>> = expected.iter().map(|step| step.span.map(|_| step.mean_ms)).collect();
        let costs = costs(&means);
        let jobs = jobs(scheduler.tasks(), &open, &costs);
        let risks: Vec<f64> = expected.iter().map(|step| f64::from(step.risk_milli) / 1_000.0).collect();
        let urgency = match self.slots {
            Some(slots) => {
                let world = World { jobs: &jobs, risks: &risks, slots };
                let found = order(world, self.settings.strategy, self.settings.optimization_level).urgency;
                scheduler.reorder(open.iter().copied().zip(found.iter().copied()));
                found
            }
            None => open.iter().map(|task| scheduler.tasks()[*task].priority).collect(),
        };
        notes.push(EventKind::Expected(Box::new(Expected {
            strategy: word(&self.settings.strategy),
            level: word(&self.settings.optimization_level),
            run: forecast(&jobs, &spans, self.slots.unwrap_or(1), &urgency),
            critical_ms: list::bottom_levels(&jobs).into_iter().max().unwrap_or(0),
            work_ms: jobs.iter().map(|job| job.ms).sum(),
            steps: expected,
        })));
        self.outlook.keep(self.now);
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

fn runs_anyway(task: &Task) -> bool {
    task.lookup == Lookup::None && task.run_on != RunOn::Failure
}

/// The tasks that run, as list scheduling sees them.
fn jobs(tasks: &[Task], open: &[usize], costs: &[u64]) -> Vec<Job> {
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

/// As it is written in a configuration.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
