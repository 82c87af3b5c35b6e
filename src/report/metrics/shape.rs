//! The shapes of the files: the ancestor's, and wf's own.

use super::super::RunView;
use super::super::view::{State, StepView};
use crate::base::{Millis, RunId, StepId};
use crate::event::{FallbackCode, Miss, NotStored, Outcome, RunStatus};
use serde::{Serialize, Serializer};

/// The format of `metrics.json`.
const FORMAT: u32 = 1;

/// The run in the ancestor's shape, finished or not: see [`current_run`].
#[derive(Serialize)]
pub struct CurrentRun<'a> {
    workflow_id: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
    total_duration: u64,
    status: &'static str,
    steps_completed: usize,
    total_steps: usize,
    optimizations: Optimizations,
    step_timings: Timings<'a>,
    ai_stats: AiStats,
    resource_usage: ResourceUsage,
}

#[derive(Serialize)]
struct Optimizations {
    smart_execution: bool,
    parallel_execution: bool,
    ml_optimize: bool,
    multi_stage: bool,
}

/// Zeros: no step asks a model yet.
#[derive(Default, Serialize)]
struct AiStats {
    total_calls: u64,
    cache_hits: u64,
    cache_misses: u64,
    hit_rate: f64,
    tokens_saved: u64,
}

#[derive(Serialize)]
struct ResourceUsage {
    peak_memory_mb: u64,
    disk_io_mb: u64,
    /// 100 is one processor, busy from the run's start to its end.
    cpu_avg_percent: u64,
}

/// Seconds of each step that has ended.
struct Timings<'a>(&'a RunView);

impl Serialize for Timings<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let ended = self.0.steps.iter().filter(|step| step.end().is_some());
        to.collect_map(ended.map(|step| (&step.id, (step.time_ms() / 100) as f64 / 10.0)))
    }
}

/// The run in the ancestor's shape, finished or not.
pub fn current_run(view: &RunView) -> CurrentRun<'_> {
    let run = view.run.as_ref();
    let started = run.and_then(|run| run.started_at.parse::<jiff::Timestamp>().ok());
    let text = |at: jiff::Timestamp, format: &str| at.strftime(format).to_string();
    let wall_ms = view.wall_ms();
    let ended = view.finished.and(started).and_then(|at| {
        let wall = jiff::SignedDuration::try_from(std::time::Duration::from_millis(wall_ms)).ok()?;
        at.checked_add(wall).ok()
    });
    let flag = |of: fn(&crate::event::RunStarted) -> bool| run.is_some_and(of);
    let totals = &view.totals;
    CurrentRun {
        workflow_id: started.map(|at| text(at, "workflow_%Y%m%d_%H%M%S")),
        start_time: started.map(|at| text(at, "%Y-%m-%dT%H:%M:%SZ")),
        end_time: ended.map(|at| text(at, "%Y-%m-%dT%H:%M:%SZ")),
        total_duration: wall_ms / 1_000,
        status: status(view),
        steps_completed: totals.passed + totals.allowed + totals.reused,
        total_steps: totals.steps(),
        optimizations: Optimizations {
            smart_execution: flag(|run| run.smart == "on"),
            parallel_execution: flag(|run| run.parallel),
            ml_optimize: flag(|run| run.ml_optimize),
            multi_stage: flag(|run| run.multi_stage),
        },
        step_timings: Timings(view),
        ai_stats: AiStats::default(),
        resource_usage: ResourceUsage {
            peak_memory_mb: totals.peak_memory_bytes >> 20,
            disk_io_mb: totals.disk_bytes >> 20,
            cpu_avg_percent: totals.cpu_ms.saturating_mul(100).checked_div(wall_ms).unwrap_or(0),
        },
    }
}

/// How many steps came to what: see [`counts`].
#[derive(Serialize)]
pub struct Counts {
    passed: usize,
    failed: usize,
    failed_but_allowed: usize,
    stopped: usize,
    cached: usize,
    skipped_witnessed: usize,
    skipped_trusted: usize,
    skipped_other: usize,
    cancelled: usize,
    unfinished: usize,
}

/// How many steps came to what.
pub fn counts(view: &RunView) -> Counts {
    let totals = &view.totals;
    Counts {
        passed: totals.passed,
        failed: totals.failed,
        failed_but_allowed: totals.allowed,
        stopped: totals.stopped,
        cached: totals.reused,
        skipped_witnessed: totals.skipped_witnessed,
        skipped_trusted: totals.skipped_trusted,
        skipped_other: totals.skipped_other,
        cancelled: totals.cancelled,
        unfinished: totals.left(),
    }
}

/// What `metrics.json` says: the whole run, and each step. Never built as a tree of values: with thousands of steps
/// that would take longer than everything else at a run's end.
#[derive(Serialize)]
pub(super) struct WholeRun<'a> {
    format: u32,
    run: Option<&'a RunId>,
    summary: CurrentRun<'a>,
    totals: Counts,
    wall_ms: Millis,
    step_ms: Millis,
    cpu_ms: Millis,
    saved_ms: Millis,
    saved_unknown_steps: usize,
    fallbacks: Vec<FallbackCode>,
    warnings: usize,
    steps: Steps<'a>,
}

pub(super) fn whole_run(view: &RunView) -> WholeRun<'_> {
    let saved = view.saved();
    WholeRun {
        format: FORMAT,
        run: view.run.as_ref().map(|run| &run.run),
        summary: current_run(view),
        totals: counts(view),
        wall_ms: view.wall_ms(),
        step_ms: view.totals.step_ms,
        cpu_ms: view.totals.cpu_ms,
        saved_ms: saved.ms,
        saved_unknown_steps: saved.unknown,
        fallbacks: view.fallbacks.iter().map(|fallback| fallback.code).collect(),
        warnings: view.warnings.len(),
        steps: Steps(view),
    }
}

struct Steps<'a>(&'a RunView);

impl Serialize for Steps<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.steps.iter().map(step))
    }
}

#[derive(Serialize)]
struct Step<'a> {
    id: &'a StepId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved_ms: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    miss: Option<&'a Miss>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_stored: Option<&'a NotStored>,
    #[serde(flatten)]
    tried: Option<Tried>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    phases: Vec<Phase<'a>>,
}

/// Of a step that was tried.
#[derive(Serialize)]
struct Tried {
    attempts: usize,
    started_ms: Millis,
    wall_ms: Millis,
    cpu_ms: Millis,
    memory_bytes: u64,
    disk_bytes: u64,
    output_bytes: u64,
}

#[derive(Serialize)]
struct Phase<'a> {
    name: &'a str,
    wall_ms: Millis,
}

fn step(step: &StepView) -> Step<'_> {
    let usage = step.usage();
    let tried = step.attempts.first().map(|first| Tried {
        attempts: step.attempts.len(),
        started_ms: first.started_ms,
        wall_ms: step.time_ms(),
        cpu_ms: usage.cpu_ms,
        memory_bytes: usage.memory_bytes,
        disk_bytes: usage.disk_bytes,
        output_bytes: step.bytes,
    });
    Step {
        id: &step.id,
        status: state(step),
        saved_ms: match &step.state {
            State::Reused(reused) => Some(reused.saved_ms),
            _ => None,
        },
        miss: step.miss.as_ref(),
        not_stored: step.not_stored.as_ref(),
        tried,
        phases: step.phases.iter().map(|phase| Phase { name: &phase.name, wall_ms: phase.wall_ms }).collect(),
    }
}

/// A step's state in one word.
pub fn state(step: &StepView) -> &'static str {
    match &step.state {
        State::Waiting => "waiting",
        State::Running { .. } => "running",
        State::Retrying { .. } => "retrying",
        State::Done(end) => match &end.outcome {
            Outcome::Passed => "passed",
            Outcome::Stopped => "stopped",
            _ if end.allowed => "allowed",
            _ => "failed",
        },
        State::Reused(_) => "cached",
        State::Skipped(_) => "skipped",
        State::Cancelled(_) => "cancelled",
    }
}

/// The run's state in one word of the ancestor's.
pub fn status(view: &RunView) -> &'static str {
    match view.finished.map(|end| end.status) {
        None => "running",
        Some(RunStatus::Passed) => "completed",
        Some(RunStatus::Failed | RunStatus::Broken) => "failed",
        Some(RunStatus::Interrupted) => "interrupted",
    }
}
