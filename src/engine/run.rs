//! The loop: effects out, inputs in, until the scheduler says it is over.

use super::job::{self, ChangedLists, Common};
use super::telling::Telling;
use super::{Clock, Prepared};
use crate::base::{RunId, StepId, duration};
use crate::change::Base;
use crate::classify;
use crate::config::model::Smart;
use crate::event::{
    Because, Decision, EventKind, FORMAT, FallbackCode, RunStarted, RunStatus, SEMANTICS, StepFinished, WarningCode,
};
use crate::exec::mask::Masker;
use crate::exec::{Ended, Progress, RunStep, StopHow};
use crate::history::{LogWriter, RunRef};
use crate::plan::RunRequest;
use crate::report::{RunView, Sink};
use crate::schedule::{self, Capacity, Effect, Input, Lookup, Rules, Scheduler};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, LocalSet};

/// Makes the sinks once the run's folder is there.
pub type Sinks = Box<dyn FnOnce(&RunRef) -> Vec<Box<dyn Sink>>>;

/// Is the working tree still exactly this commit?
pub type StillAt = Box<dyn FnOnce(&str) -> bool>;

/// One run, ready to go.
pub struct Run<'a> {
    /// The plan and what it was made from.
    pub prepared: Prepared,
    /// What was asked for.
    pub request: &'a RunRequest,
    /// The root that paths are relative to.
    pub root: PathBuf,
    /// Its name.
    pub id: RunId,
    /// Its log, open.
    pub log: LogWriter,
    /// Its clock.
    pub clock: Clock,
    /// Who listens.
    pub sinks: Sinks,
    /// Hides secrets.
    pub masker: Masker,
    /// The environment that steps inherit.
    pub env: std::collections::BTreeMap<std::ffi::OsString, std::ffi::OsString>,
    /// `WORKFLOW_MONITOR_RESOURCES`
    pub sample: bool,
    /// `WORKFLOW_PROFILE`
    pub profile: bool,
    /// `CI`: nobody watches, so a silent and idle step is ended.
    pub ci: bool,
    /// For the jitter of retries.
    pub seed: u64,
    /// Asked once at the end of a run that began on a clean tree: is it still exactly this commit?
    pub still_at: StillAt,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How.
    pub status: RunStatus,
    /// wf's exit code.
    pub exit_code: u8,
}

/// Runs to the end. `runner` is made only if something runs.
///
/// # Errors
/// The runtime or the signal handlers cannot be had, or `runner` cannot be made.
pub fn run<R: RunStep + 'static>(run: Run<'_>, runner: impl FnOnce() -> R) -> std::io::Result<Finished> {
    let at_start = run.prepared.plan.running();
    let looping = Loop::begin(run);
    if at_start == 0 {
        return Ok(looping.idle());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    runtime.block_on(local.run_until(async {
        let runner = Rc::new(runner());
        let finished = looping.drive(Rc::clone(&runner)).await;
        runner.close().await;
        finished
    }))
}

struct Loop {
    scheduler: Scheduler,
    /// For each task, its step's position in the plan's graph.
    steps: Vec<usize>,
    prepared: Prepared,
    telling: Telling,
    common: Common,
    clock: Clock,
    strict: bool,
    stage_began: Vec<u64>,
    stops: Vec<Option<watch::Sender<Option<StopHow>>>>,
    lists: PathBuf,
    attempts: std::collections::HashMap<StepId, u32>,
    still_at: Option<StillAt>,
    signals: u32,
    terminated: bool,
}

impl Loop {
    /// Tells the beginning: what is true, what changed, what was planned.
    fn begin(run: Run<'_>) -> Self {
        let Run { prepared, request, root, id, log, clock, sinks, masker, env, sample, profile, ci, seed, still_at } =
            run;
        let sequential = !request.settings.parallel || request.jobs == 1;
        let jobs = if sequential { 1 } else { request.jobs };
        let known = &prepared.known.durations;
        let cost = |at: usize| known.get(&prepared.plan.graph.step(at).id).copied().unwrap_or(1_000);
        let (tasks, steps) = schedule::tasks(&prepared.plan, sequential, cost, |_| Lookup::None);
        let rules = Rules {
            capacity: Capacity {
                cpu_milli: jobs.saturating_mul(1_000),
                memory_bytes: request.settings.max_memory_bytes,
            },
            fail_fast: request.settings.fail_fast,
            stages: prepared.plan.stages.len(),
            seed,
        };
        let place = log.run().clone();
        let started = started(&prepared, request, &root, &id, jobs);
        let common = Common {
            root,
            run: id.to_string(),
            env,
            out: log.out(),
            base: match &prepared.change.base {
                Base::Commit { commit, .. } => Some(commit.clone()),
                Base::Staged { head } => head.clone(),
                Base::None => None,
            },
            sample,
            profile,
            idle_timeout_ms: ci.then_some(IDLE_IN_CI_MS),
        };
        let mut telling = Telling::new(clock, log, sinks(&place), RunView::knowing(known.clone()), masker);
        telling.tell(EventKind::RunStarted(Box::new(started)));
        telling.tell(changes(&prepared));
        prepared.notes.iter().for_each(|note| telling.tell(note.clone()));
        telling.tell(EventKind::Planned { steps: prepared.plan.steps(), stages: prepared.plan.stages.clone() });
        Self {
            stops: tasks.iter().map(|_| None).collect(),
            stage_began: vec![0; rules.stages],
            scheduler: Scheduler::new(tasks, rules),
            steps,
            prepared,
            telling,
            common,
            clock,
            strict: request.settings.strict,
            lists: place.dir.join("lists"),
            attempts: std::collections::HashMap::new(),
            still_at: Some(still_at),
            signals: 0,
            terminated: false,
        }
    }

    /// Nothing runs: no runtime, no guard, no signals.
    fn idle(mut self) -> Finished {
        self.finish(RunStatus::Passed)
    }

    async fn drive<R: RunStep + 'static>(mut self, runner: Rc<R>) -> std::io::Result<Finished> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut attempts = JoinSet::new();
        let (out, mut progress) = mpsc::unbounded_channel::<(StepId, Progress)>();
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut alarms = std::collections::BTreeSet::new();
        let mut inputs = std::collections::VecDeque::from([(Input::Begin, None)]);
        loop {
            while let Some((input, report)) = inputs.pop_front() {
                let effects = self.scheduler.step(self.clock.now(), input);
                for effect in effects {
                    match effect {
                        Effect::Start { task, attempt } => self.start(task, attempt, &runner, &mut attempts, &out),
                        Effect::WakeAt(at) => drop(alarms.insert(at)),
                        Effect::Finish(status) => return Ok(self.finish(status)),
                        effect => self.perform(effect, report.as_ref()),
                    }
                }
            }
            if self.telling.broken.is_some() && !self.scheduler.is_stopping() {
                inputs.push_back((Input::Abort, None));
                continue;
            }
            let next = alarms.first().copied();
            let alarm = tokio::time::sleep_until(self.clock.instant(next.unwrap_or(u64::MAX >> 24)).into());
            tokio::select! {
                biased;
                _ = interrupt.recv() => inputs.push_back(self.signal("SIGINT")),
                _ = terminate.recv() => { self.terminated = true; inputs.push_back(self.signal("SIGTERM")); }
                _ = hangup.recv() => inputs.push_back(self.signal("SIGHUP")),
                Some(joined) = attempts.join_next() => {
                    // What it told before it ended comes before its end.
                    while let Ok((step, news)) = progress.try_recv() {
                        self.progress(step, news);
                    }
                    // An attempt that panicked is a bug in wf: it ends the run here, and the guard ends the steps.
                    let (task, report) = joined.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic()));
                    let input = Input::Done { task, outcome: report.outcome.clone() };
                    inputs.push_back((input, Some(report)));
                }
                () = alarm, if next.is_some() => {
                    alarms.retain(|at| *at > self.clock.now());
                    inputs.push_back((Input::Wake, None));
                }
                Some((step, news)) = progress.recv() => self.progress(step, news),
                _ = tick.tick() => self.telling.tick(),
            }
        }
    }

    fn start<R: RunStep + 'static>(
        &mut self,
        task: usize,
        attempt: u32,
        runner: &Rc<R>,
        attempts: &mut JoinSet<(usize, Ended)>,
        out: &mpsc::UnboundedSender<(StepId, Progress)>,
    ) {
        let at = self.steps[task];
        let step = std::sync::Arc::clone(self.prepared.plan.graph.step(at));
        let lists = self.lists(at, &step);
        let job = job::job(&self.common, &step, attempt, lists.as_ref());
        let (stop, stopped) = watch::channel(None);
        self.stops[task] = Some(stop);
        self.attempts.insert(step.id.clone(), attempt);
        self.telling.tell(EventKind::StepStarted { step: step.id.clone(), attempt });
        let (runner, out) = (Rc::clone(runner), out.clone());
        attempts.spawn_local(async move { (task, runner.run(job, stopped, out).await) });
    }

    fn lists(&mut self, at: usize, step: &crate::graph::Step) -> Option<ChangedLists> {
        let class = self.prepared.class.as_ref().filter(|_| step.changed_only)?;
        let paths = classify::watched(&self.prepared.plan.graph, at, &class.paths);
        match job::write_lists(&self.common.root, &self.lists, step, &paths) {
            Ok(lists) => Some(lists),
            Err(error) => {
                let message = format!("the list of changed files could not be written, so it sees all files: {error}");
                self.warn(WarningCode::State, Some(step.id.clone()), message);
                None
            }
        }
    }

    fn perform(&mut self, effect: Effect, report: Option<&Ended>) {
        let id = |this: &Self, task: usize| this.prepared.plan.graph.step(this.steps[task]).id.clone();
        match effect {
            Effect::Stop { task, how } => {
                if let Some(stop) = &self.stops[task] {
                    stop.send_replace(Some(how));
                }
            }
            Effect::Ended { task, attempt, last, allowed } => {
                if let Some(report) = report {
                    self.ended(task, attempt, last, allowed, report);
                }
            }
            Effect::Retry { task, attempt, after_ms } => {
                let step = id(self, task);
                self.telling.tell(EventKind::StepRetrying { step, attempt, after_ms });
            }
            Effect::Cancelled { task, why } => {
                let stage = |at: usize| self.prepared.plan.stages[at].name.clone();
                let reason = why.reason(|task| id(self, task), stage);
                let step = id(self, task);
                self.telling.tell(EventKind::StepCancelled { step, reason });
            }
            Effect::StageStarted { stage } => {
                self.stage_began[stage] = self.clock.now();
                let stage = self.prepared.plan.stages[stage].name.clone();
                self.telling.tell(EventKind::StageStarted { stage });
            }
            Effect::StageFinished { stage, passed } => {
                let wall_ms = self.clock.now() - self.stage_began[stage];
                let planned = self.prepared.plan.stages[stage].clone();
                self.telling.tell(EventKind::StageFinished { stage: planned.name.clone(), passed, wall_ms });
                if let Some(target) = planned.target_ms.filter(|target| wall_ms > *target) {
                    let (took, target) = (duration::human(wall_ms), duration::human(target));
                    let message = format!("stage {} took {took}, over its target of {target}", planned.name);
                    self.warn(WarningCode::OverTarget, None, message);
                }
            }
            Effect::Start { .. } | Effect::Lookup(_) | Effect::WakeAt(_) | Effect::Finish(_) => {}
        }
    }

    fn ended(&mut self, task: usize, attempt: u32, last: bool, allowed: bool, report: &Ended) {
        let at = self.steps[task];
        let step = self.prepared.plan.graph.step(at).id.clone();
        self.stops[task] = None;
        let kept = &self.prepared.plan.graph.step(at).leave_running;
        let left: Vec<&str> = report.leaked.iter().filter(|name| !kept.contains(name)).map(String::as_str).collect();
        if !left.is_empty() {
            let names = left.join(", ");
            let message = format!("left processes behind: {names}; name them in `leave_running` to keep them");
            self.warn(WarningCode::Leaked, Some(step.clone()), message);
        }
        let log = report.has_log.then(|| format!("out/{}.{attempt}.log", step.file_stem()));
        self.telling.tell(EventKind::StepFinished(Box::new(StepFinished {
            step: step.clone(),
            attempt,
            outcome: report.outcome.clone(),
            last,
            allowed,
            wall_ms: report.wall_ms,
            usage: report.usage,
            log,
            output_bytes: report.output_bytes,
            leaked: report.leaked.clone(),
            key: None,
        })));
        if let Decision::Run(Because::Observed { skip }) = &self.prepared.plan.decisions[at]
            && last
            && report.outcome.kind().is_some()
        {
            let message = format!("smart execution would have skipped it ({skip}), and it failed");
            self.warn(WarningCode::WrongSkip, Some(step), message);
        }
    }

    fn progress(&mut self, step: StepId, news: Progress) {
        match news {
            Progress::Output { bytes, tail } => {
                let attempt = self.attempts.get(&step).copied().unwrap_or(1);
                self.telling.tell(EventKind::StepOutput { step, attempt, bytes, tail });
            }
            Progress::Sample { cpu_ms, memory_bytes, disk_bytes } => {
                self.telling.tell(EventKind::StepSample { step, cpu_ms, memory_bytes, disk_bytes });
            }
            Progress::Phase { phase, wall_ms } => self.telling.tell(EventKind::StepPhase { step, phase, wall_ms }),
            Progress::OverClaim { used_bytes } => {
                let message = format!("uses {} MiB of memory, more than it claims", used_bytes >> 20);
                self.warn(WarningCode::OverClaim, Some(step), message);
            }
            Progress::Idle { for_ms } => {
                let message = format!("has neither printed nor computed for {}", duration::human(for_ms));
                self.warn(WarningCode::Idle, Some(step), message);
            }
            Progress::Capped => {
                let message = "prints more than its log keeps; the rest is counted, not kept".to_owned();
                self.warn(WarningCode::OutputCapped, Some(step), message);
            }
            Progress::LogLost { message } => {
                let message = format!("its output cannot be kept: {message}");
                self.warn(WarningCode::OutputLost, Some(step), message);
            }
            Progress::GuardLost { message } => {
                self.telling.tell(EventKind::Fallback { code: FallbackCode::GuardLost, message, hint: None });
            }
        }
    }

    fn signal(&mut self, name: &str) -> (Input, Option<Ended>) {
        self.signals += 1;
        self.telling.tell(EventKind::Interrupted { signal: name.to_owned(), times: self.signals });
        (Input::Interrupt, None)
    }

    fn warn(&mut self, code: WarningCode, step: Option<StepId>, message: String) {
        self.telling.tell(EventKind::Warning { code, step, message });
    }

    fn finish(&mut self, status: RunStatus) -> Finished {
        if let (Some(head), Some(still_at), true) = (
            &self.prepared.change.head,
            self.still_at.take(),
            self.prepared.change.is_clean() && !self.steps.is_empty(),
        ) && !still_at(head)
        {
            let message = "files or HEAD changed while it ran: its results are no evidence for its commit".to_owned();
            self.warn(WarningCode::TreeChanged, None, message);
        }
        let strict = self.strict && self.telling.fallbacks > 0 && status == RunStatus::Passed;
        let status = if strict || self.telling.broken.is_some() { RunStatus::Broken } else { status };
        let exit_code = match status {
            RunStatus::Passed => 0,
            RunStatus::Failed => 1,
            RunStatus::Broken => 3,
            RunStatus::Interrupted if self.terminated => 143,
            RunStatus::Interrupted => 130,
        };
        // The lists of changed files were for the steps; a file's name may be what nobody else should read.
        let _ = std::fs::remove_dir_all(&self.lists);
        self.telling.tell(EventKind::RunFinished { status, exit_code, wall_ms: self.clock.now() });
        self.telling.finish();
        Finished { status, exit_code }
    }
}

fn started(prepared: &Prepared, request: &RunRequest, root: &std::path::Path, id: &RunId, jobs: u32) -> RunStarted {
    let settings = &request.settings;
    RunStarted {
        format: FORMAT,
        semantics: SEMANTICS,
        run: id.clone(),
        started_at: Clock::utc(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        root: root.display().to_string(),
        commit: prepared.change.head.clone(),
        clean: prepared.change.is_clean(),
        branch: prepared.change.branch.clone(),
        smart: match settings.smart_execution {
            Smart::On => "on",
            Smart::Off => "off",
            Smart::Observe => "observe",
        }
        .to_owned(),
        parallel: settings.parallel,
        multi_stage: settings.multi_stage,
        ml_optimize: settings.ml_optimize,
        jobs,
        filtered: request.filter.is_some(),
        witnesses: !request.filter.alone,
    }
}

/// In CI a step that neither prints nor computes for so long is ended, unless it says otherwise.
const IDLE_IN_CI_MS: u64 = 10 * 60 * 1_000;

/// At most so many files are named in the log.
const FILES_NAMED: usize = 1_000;

fn changes(prepared: &Prepared) -> EventKind {
    let class = prepared.class.as_ref();
    EventKind::Changes {
        base: prepared.change.base.clone(),
        total: prepared.change.files.len(),
        files: prepared.change.files.iter().take(FILES_NAMED).cloned().collect(),
        change_type: class.map_or_else(|| "unknown".into(), |class| class.change_type.clone()),
        impact: class.map_or_else(|| "unknown".into(), |class| class.impact.to_string()),
        impact_because: class.map(|class| class.impact_because.clone()).unwrap_or_default(),
    }
}
