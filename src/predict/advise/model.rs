//! A whole run as list scheduling sees it, so that changes can be tried out. Pure.
//!
//! Knows what waits for what, stages, and how long steps take. Does not know: locks, retries, what a change would skip.

use super::record::Record;
use super::{Ended, World};
use crate::base::Millis;
use crate::config::model::RunOn;
use crate::graph::Step;
use crate::schedule::list::{self, Job, Schedule};

/// Steps that an ordinary run runs, each as long as its middle pass.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// In topological order. Between two stages is one that takes no time and waits for all before it.
    pub(super) jobs: Vec<Job>,
    /// For each job its position in the graph; none between stages.
    pub(super) steps: Vec<Option<usize>>,
    /// For each step its job.
    job_of: Vec<Option<usize>>,
    /// The processor time of all, in milliseconds.
    pub(super) cpu_ms: u64,
    slots: u32,
    /// How long the run takes.
    pub(super) makespan_ms: Millis,
}

impl Model {
    /// The run as it is configured.
    pub(super) fn of(world: &World<'_>) -> Self {
        Self::with_stages(world, |at| stage_of(world, world.graph.step(at)))
    }

    /// The run with steps in other stages.
    pub(super) fn with_stages(world: &World<'_>, stage: impl Fn(usize) -> usize) -> Self {
        let graph = world.graph;
        let record = |at: usize| {
            let of = if world.history.get(&graph.step(at).id).is_some_and(|ended| passed(ended)) {
                world.history
            } else {
                world.before
            };
            Record::of(of.get(&graph.step(at).id).map_or(&[], Vec::as_slice))
        };
        let mut order: Vec<usize> = graph.order().iter().copied().filter(|at| is_usual(world, *at)).collect();
        order.sort_by_key(|at| stage(*at));
        let mut this = Self {
            jobs: vec![],
            steps: vec![],
            job_of: vec![None; graph.len()],
            cpu_ms: 0,
            slots: world.jobs.max(1) * 1_000,
            makespan_ms: 0,
        };
        let (mut barrier, mut current, mut in_stage) = (None, 0, vec![]);
        for at in order {
            let record = record(at);
            let Some(ms) = record.median_ms() else { continue };
            if stage(at) != current && !this.jobs.is_empty() {
                barrier = Some(this.add(None, 0, 1, std::mem::take(&mut in_stage)));
            }
            current = stage(at);
            let needs = graph.waits(at).iter().filter_map(|(other, _)| this.job_of[*other]);
            let mut waits: Vec<usize> = needs.chain(barrier).collect();
            waits.sort_unstable();
            waits.dedup();
            in_stage.push(this.add(Some(at), ms, graph.step(at).resources.cpu_milli, waits));
            this.cpu_ms += record.cpu_ms();
        }
        this.makespan_ms = schedule(&this.jobs, this.slots).makespan;
        this
    }

    fn add(&mut self, step: Option<usize>, ms: u64, slots: u32, waits: Vec<usize>) -> usize {
        let job = self.jobs.len();
        for wait in &waits {
            self.jobs[*wait].dependents.push(job);
        }
        self.jobs.push(Job { waits, dependents: vec![], ms, slots });
        self.steps.push(step);
        if let Some(step) = step {
            self.job_of[step] = Some(job);
        }
        job
    }

    /// All step time of a run.
    pub(super) fn work_ms(&self) -> Millis {
        self.jobs.iter().map(|job| job.ms).sum()
    }

    /// Slots, in thousandths.
    pub(super) fn slots(&self) -> u32 {
        self.slots
    }

    /// When a step ends. None: it is no part of an ordinary run.
    pub(super) fn end_ms(&self, step: usize) -> Option<Millis> {
        let job = self.job_of[step]?;
        Some(schedule(&self.jobs, self.slots).starts[job] + self.jobs[job].ms)
    }

    /// How much sooner a run is over when these steps take only so many hundredths of their time.
    pub(super) fn saved_by_percent(&self, steps: &[usize], percent: u64) -> Millis {
        let mut jobs = self.jobs.clone();
        for job in steps.iter().filter_map(|step| self.job_of[*step]) {
            jobs[job].ms = jobs[job].ms * percent / 100;
        }
        self.makespan_ms.saturating_sub(schedule(&jobs, self.slots).makespan)
    }

    /// How much sooner a run is over when one job does not wait for another.
    pub(super) fn saved_by_not_waiting(&self, job: usize, other: usize) -> Millis {
        let mut jobs = self.jobs.clone();
        jobs[job].waits.retain(|wait| *wait != other);
        jobs[other].dependents.retain(|dependent| *dependent != job);
        self.makespan_ms.saturating_sub(schedule(&jobs, self.slots).makespan)
    }

    /// How long a run takes with so many steps at once.
    pub(super) fn makespan_with(&self, jobs: u32) -> Millis {
        schedule(&self.jobs, jobs.max(1) * 1_000).makespan
    }
}

fn passed(ended: &[Ended]) -> bool {
    ended.iter().any(|ended| ended.passed)
}

/// In the order that critical paths ask for.
fn schedule(jobs: &[Job], slots: u32) -> Schedule {
    list::schedule(jobs, slots, &list::bottom_levels(jobs))
}

/// The stage of a step, by position; 0 where there are none.
pub(super) fn stage_of(world: &World<'_>, step: &Step) -> usize {
    let named = |name: &String| world.stages.iter().position(|(stage, _)| stage == name);
    step.stage.as_ref().and_then(named).unwrap_or(0)
}

/// Does an ordinary run run it, if what it watches changed?
pub(super) fn is_usual(world: &World<'_>, at: usize) -> bool {
    let step = world.graph.step(at);
    let unasked = world.stages.get(stage_of(world, step)).is_none_or(|(_, unasked)| *unasked);
    !step.is_deploy() && step.run_on == RunOn::Success && unasked
}
