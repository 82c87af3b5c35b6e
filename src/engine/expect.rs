//! Once something runs: what that is expected to take, and in which order it starts.
//!
//! Most runs start nothing and never come here. Does not know how durations are learned.

use super::outlook::Outlook;
use super::{LookUp, Prepared, circumstances};
use crate::config::model::{RunOn, Settings, Strategy};
use crate::config::show::serde_word;
use crate::event::{EventKind, Expected, ExpectedStep, Interval, Machine, RunStarted};
use crate::graph::{Step, StepGraph};
use crate::plan::RunRequest;
use crate::schedule::forecast::forecast;
use crate::schedule::list::{self, Job};
use crate::schedule::strategy::{World, costs, order};
use crate::schedule::{Answer, Lookup, Scheduler, Task};

/// What a step counts for in the order of a plan if nothing is recorded of it, in milliseconds.
pub(super) const UNKNOWN_MS: u64 = 1_000;

/// What is expected of the steps of one run.
pub(super) struct Expecting {
    pub(super) outlook: Outlook,
    /// On which machine the run was begun, and when (UTC, RFC 3339).
    begun: (Machine, String),
    /// What is only looked up when something is expected.
    notice: Option<LookUp>,
    settings: Settings,
    /// In thousandths. None: one step after another, in the plan's order.
    slots: Option<u32>,
    /// For each task: is it expected to run?
    runs: Vec<bool>,
    /// How many steps were reused so far.
    reused: usize,
}

impl Expecting {
    pub(super) fn new(
        outlook: Outlook,
        settings: &Settings,
        slots: Option<u32>,
        begun: &RunStarted,
        notice: LookUp,
        tasks: usize,
    ) -> Self {
        let begun = (begun.machine.clone(), begun.started_at.clone());
        let runs = vec![false; tasks];
        Self { outlook, begun, notice: Some(notice), settings: settings.clone(), slots, runs, reused: 0 }
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

    /// The cache has answered: what it does not know runs.
    pub(super) fn answered(
        &mut self,
        answers: &[(usize, Answer)],
        scheduler: &mut Scheduler,
        prepared: &Prepared,
        steps: &[usize],
    ) -> Vec<EventKind> {
        let first = |(task, _): &&(usize, Answer)| scheduler.tasks()[*task].lookup == Lookup::First;
        let (known, missed): (Vec<_>, Vec<_>) =
            answers.iter().filter(first).partition(|(_, answer)| *answer == Answer::Hit);
        self.reused += known.len();
        let missed: Vec<usize> = missed.into_iter().map(|(task, _)| task).collect();
        self.of(&missed, scheduler, prepared, steps)
    }

    /// These tasks run after all, and so will most likely those that wait for them. If that is news: puts everything that
    /// runs in order, and says what it will take.
    fn of(
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
        let ((machine, started_at), notice) = (&self.begun, &mut self.notice);
        let mut noticed = || notice.take().map(|look| look(&prepared.change)).unwrap_or_default();
        let mut notes = self.outlook.open(|| circumstances(prepared, machine, started_at, noticed()));
        self.outlook.notice_reused(self.reused, self.runs.iter().filter(|runs| **runs).count());
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

    /// How long a further attempt is expected to take, if anything is.
    pub(super) fn again(&self, step: &Step, attempt: u32) -> Option<Interval> {
        self.outlook.of(&step.id, attempt).span.filter(|_| self.settings.ml_optimize)
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
        let expected: Vec<ExpectedStep> = open.iter().map(|task| self.of(&graph.step(steps[*task]).id, 1)).collect();
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
            noticed: self.noticed(),
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

/// The tasks that run, as list scheduling sees them: `open`, in topological order. What does not run takes no time, and
/// what waits for it waits for all that it waited for.
pub(super) fn jobs(tasks: &[Task], open: &[usize], costs: &[u64]) -> Vec<Job> {
    let mut job_of = vec![None; tasks.len()];
    open.iter().enumerate().for_each(|(job, task)| job_of[*task] = Some(job));
    // For each task that does not run, the jobs before it.
    let mut before: Vec<Vec<usize>> = vec![vec![]; tasks.len()];
    let mut jobs: Vec<Job> = Vec::with_capacity(open.len());
    for (at, task) in tasks.iter().enumerate() {
        let mut waits = Vec::with_capacity(task.waits.len());
        for &other in &task.waits {
            match job_of[other] {
                Some(job) => waits.push(job),
                None => waits.extend_from_slice(&before[other]),
            }
        }
        waits.sort_unstable();
        waits.dedup();
        let Some(job) = job_of[at] else {
            before[at] = waits;
            continue;
        };
        for other in &waits {
            jobs[*other].dependents.push(job);
        }
        jobs.push(Job { waits, dependents: vec![], ms: costs[job], slots: task.cpu_milli });
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tasks of one slot each, by what they wait for.
    fn tasks(waits: &[&[usize]]) -> Vec<Task> {
        let task = |waits: &&[usize]| Task { waits: waits.to_vec(), cpu_milli: 1_000, ..Task::default() };
        waits.iter().map(task).collect()
    }

    /// Tasks by what they wait for, those that run, and what those wait for.
    type Case = (&'static [&'static [usize]], &'static [usize], &'static [&'static [usize]]);

    #[test]
    fn order_is_kept_through_what_does_not_run() {
        let chain: &[&[usize]] = &[&[], &[0], &[1], &[2]];
        let diamond: &[&[usize]] = &[&[], &[], &[0, 1], &[0, 2], &[2, 3]];
        let table: [Case; 7] = [
            (chain, &[0, 1, 2, 3], &[&[], &[0], &[1], &[2]]),
            (chain, &[0, 2, 3], &[&[], &[0], &[1]]),
            (chain, &[0, 3], &[&[], &[0]]),
            (chain, &[3], &[&[]]),
            (diamond, &[0, 1, 3, 4], &[&[], &[], &[0, 1], &[0, 1, 2]]),
            (diamond, &[0, 1, 4], &[&[], &[], &[0, 1]]),
            (diamond, &[], &[]),
        ];
        for (waits, open, expected) in table {
            let costs: Vec<u64> = open.iter().map(|task| 10 + *task as u64).collect();
            let jobs = jobs(&tasks(waits), open, &costs);
            let found: Vec<&[usize]> = jobs.iter().map(|job| &job.waits[..]).collect();
            assert_eq!(found, expected, "{waits:?} {open:?}");
            assert_eq!(jobs.iter().map(|job| job.ms).collect::<Vec<_>>(), costs);
            for (at, job) in jobs.iter().enumerate() {
                assert!(job.waits.iter().all(|other| jobs[*other].dependents.contains(&at)), "both ways: {jobs:?}");
            }
            let [edges, back] = [|job: &Job| job.waits.len(), |job: &Job| job.dependents.len()];
            assert_eq!(jobs.iter().map(edges).sum::<usize>(), jobs.iter().map(back).sum::<usize>());
        }
    }
}
