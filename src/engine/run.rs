//! The loop: effects out, inputs in, until the scheduler says it is over.

mod before;
mod first;
mod perform;

use super::expect::{self, Expecting};
use super::job::{self, ChangedLists, Common, Inherited};
use super::reuse::{Looked, Made, Reuse};
use super::telling::Telling;
use super::{Clock, Outlook, Prepared};
use crate::ai::step::UNANSWERED;
use crate::base::{Millis, RepoPath, RunId, StepId};
use crate::change::Base;
use crate::classify;
use crate::config::model::Command;
use crate::event::{EventKind, Machine, Outcome, Place, RunStarted, RunStatus, Shard, WarningCode};
use crate::exec::mask::Masker;
use crate::exec::{Ended, Progress, RunStep, StopHow, Variable};
use crate::history::{self, LogWriter, RunRef, StateDir};
use crate::plan::RunRequest;
use crate::report::{RunView, Sink};
use crate::schedule::{self, Capacity, Effect, Input, Lookup, Rules, Scheduler};
pub use first::{LookUp, circumstances, noticed};
use first::{changes, started};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
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
    /// What every step gets on top, in no key: how a hook tells steps what it is about.
    pub extra: Vec<Variable>,
    /// `WORKFLOW_MONITOR_RESOURCES`
    pub sample: bool,
    /// `WORKFLOW_PROFILE`
    pub profile: bool,
    /// Where it is made.
    pub place: Place,
    /// On what it is made.
    pub machine: Machine,
    /// Which part of a plan it is, if machines share one.
    pub shard: Option<Shard>,
    /// `CI`: nobody watches, so a silent and idle step is ended.
    pub ci: bool,
    /// For the jitter of retries.
    pub seed: u64,
    /// Asked once at the end of a run that began on a clean tree: is it still exactly this commit?
    pub still_at: StillAt,
    /// Asked at most once, when something runs and it is to be said how long that takes.
    pub notice: LookUp,
    /// The cache, if it is to be asked.
    pub reuse: Option<Arc<Reuse>>,
    /// Where earlier runs are recorded.
    pub past: Option<StateDir>,
    /// What AI steps share.
    pub ai: crate::ai::order::Shared,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How.
    pub status: RunStatus,
    /// wf's exit code.
    pub exit_code: u8,
    /// Why the log does not tell all of it.
    pub log_lost: Option<String>,
}

/// Runs to the end. `runner` is made only if something runs.
///
/// # Errors
/// The runtime or the signal handlers cannot be had, or `runner` cannot be made.
pub fn run<R: RunStep + 'static>(run: Run<'_>, runner: impl FnOnce() -> R) -> std::io::Result<Finished> {
    let (looping, started) = Loop::begin(run);
    let looping = match looping.without_steps(started) {
        Ok(finished) => return Ok(finished),
        Err(looping) => *looping,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    runtime.block_on(local.run_until(async {
        let runner = Rc::new(runner());
        let finished = looping.drive(Rc::clone(&runner)).await;
        runner.close().await;
        finished
    }))
}

/// The process ends when the loop has: what is large is not given back piece by piece.
struct Loop {
    scheduler: ManuallyDrop<Scheduler>,
    /// For each task, its step's position in the plan's graph.
    steps: Vec<usize>,
    prepared: ManuallyDrop<Prepared>,
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
    reuse: Option<Arc<Reuse>>,
    /// What has happened and the scheduler was not told yet.
    inputs: VecDeque<(Input, Option<Ended>)>,
    /// What is to be performed once there is a runtime: starts and alarms, and what came with them.
    deferred: Vec<Effect>,
    /// Did anything run? Only then can the tree have changed by it.
    ran: bool,
    /// What the attempt that is being told of made.
    made: Option<Made>,
    /// For each step's position, its task.
    tasks: HashMap<usize, usize>,
    expecting: Expecting,
    /// How long skipped steps took before, being read for the summary.
    durations: Option<JoinHandle<BTreeMap<StepId, Millis>>>,
}

/// What ended in the background.
enum Done {
    Attempt { task: usize, report: Ended, made: Made, note: Option<String> },
    Lookup(Vec<Looked>),
}

impl Loop {
    /// Everything is laid out; nothing is told yet but what will be the first event.
    fn begin(run: Run<'_>) -> (Self, RunStarted) {
        let Run {
            prepared,
            request,
            root,
            id,
            log,
            clock,
            sinks,
            masker,
            env,
            extra,
            sample,
            profile,
            place,
            machine,
            shard,
            ci,
            seed,
            still_at,
            notice,
            reuse,
            past,
            ai,
        } = run;
        let (sequential, jobs) = expect::at_once(request);
        let lookup = |at: usize| reuse.as_ref().map_or(Lookup::None, |reuse| reuse.lookup(at));
        // Every step counts alike until something is known of it, which is asked when one is found to run.
        let (list, steps) = schedule::tasks(&prepared.plan, sequential, |_| expect::UNKNOWN_MS, lookup);
        let tasks = steps.iter().enumerate().map(|(task, at)| (*at, task)).collect();
        let rules = Rules {
            capacity: Capacity {
                cpu_milli: jobs.saturating_mul(1_000),
                memory_bytes: request.settings.max_memory_bytes,
            },
            fail_fast: request.settings.fail_fast,
            stages: prepared.plan.stages.len(),
            seed,
        };
        let folder = log.run().clone();
        let started = RunStarted { place, machine, shard, ..started(&prepared, request, &root, &id, jobs) };
        let past = past.filter(|_| prepared.past).zip(Some(Arc::clone(&prepared.recorded)));
        let durations = past
            .clone()
            .filter(|_| prepared.plan.saves())
            .map(|(state, recorded)| std::thread::spawn(move || history::durations(&state, &recorded)));
        let outlook = Outlook::new(past);
        let order = expect::slots(sequential, jobs);
        let expecting = Expecting::new(outlook, &request.settings, order, &started, notice, list.len());
        let common = Common {
            root,
            run: id.to_string(),
            env: Inherited::new(&env),
            extra,
            out: log.out(),
            base: match &prepared.change.base {
                Base::Commit { commit, .. } => Some(commit.clone()),
                Base::Staged { head } => head.clone(),
                Base::None => None,
            },
            sample,
            profile,
            idle_timeout_ms: ci.then_some(IDLE_IN_CI_MS),
            ai,
        };
        let telling = Telling::new(clock, log, sinks(&folder), RunView::default(), masker);
        let this = Self {
            stops: list.iter().map(|_| None).collect(),
            stage_began: vec![0; rules.stages],
            scheduler: ManuallyDrop::new(Scheduler::new(list, rules)),
            steps,
            prepared: ManuallyDrop::new(prepared),
            telling,
            common,
            clock,
            strict: request.settings.strict,
            lists: folder.dir.join("lists"),
            attempts: std::collections::HashMap::new(),
            still_at: Some(still_at),
            signals: 0,
            terminated: false,
            reuse,
            inputs: VecDeque::from([(Input::Begin, None)]),
            deferred: vec![],
            ran: false,
            made: None,
            tasks,
            expecting,
            durations,
        };
        (this, started)
    }

    /// Tells the beginning: what is true, what changed, what was planned.
    fn tell_plan(&mut self, started: RunStarted) {
        self.telling.tell(EventKind::RunStarted(Box::new(started)));
        self.telling.tell(changes(&self.prepared));
        for note in std::mem::take(&mut self.prepared.notes) {
            self.telling.tell(note);
        }
        let (steps, stages) = (self.prepared.plan.steps(), self.prepared.plan.stages.clone());
        self.telling.tell(EventKind::Planned { steps, stages });
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
        let mut effects = std::mem::take(&mut self.deferred);
        let mut report = None;
        loop {
            loop {
                let mut starts = false;
                for effect in &effects {
                    if let Effect::Start { task, attempt } = effect {
                        self.start(*task, *attempt, &runner, &mut attempts, &out);
                        starts = true;
                    }
                }
                // They begin now: a processor that has just become free does not wait until everything is told.
                if starts {
                    tokio::task::yield_now().await;
                }
                for effect in effects.drain(..) {
                    match effect {
                        Effect::Start { task, attempt } => {
                            let step = self.prepared.plan.graph.step(self.steps[task]).id.clone();
                            self.telling.tell(EventKind::StepStarted { step, attempt });
                        }
                        Effect::Lookup(tasks) => self.ask(tasks, &mut attempts),
                        Effect::WakeAt(at) => drop(alarms.insert(at)),
                        Effect::Finish(status) => return Ok(self.finish(status)),
                        effect => self.perform(effect, report.as_ref()),
                    }
                }
                let Some((input, about)) = self.inputs.pop_front() else { break };
                (effects, report) = (self.scheduler.step(self.clock.now(), input), about);
            }
            if let Some(error) = self.telling.broken.as_ref().filter(|_| !self.scheduler.is_stopping()) {
                let message = format!("the event log cannot be written ({error}): nothing new starts");
                self.warn(WarningCode::State, None, message);
                self.inputs.push_back((Input::Abort, None));
                continue;
            }
            let next = alarms.first().copied();
            let alarm = tokio::time::sleep_until(self.clock.instant(next.unwrap_or(u64::MAX >> 24)).into());
            tokio::select! {
                biased;
                _ = interrupt.recv() => self.signal("SIGINT"),
                _ = terminate.recv() => { self.terminated = true; self.signal("SIGTERM"); }
                _ = hangup.recv() => self.signal("SIGHUP"),
                Some(joined) = attempts.join_next() => {
                    // What it told before it ended comes before its end.
                    while let Ok((step, news)) = progress.try_recv() {
                        self.progress(step, news);
                    }
                    // An attempt that panicked is a bug in wf: it ends the run here, and the guard ends the steps.
                    match joined.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic())) {
                        Done::Lookup(looked) => self.looked(looked),
                        Done::Attempt { task, report, made, note } => {
                            if let Some(message) = note {
                                let step = self.prepared.plan.graph.step(self.steps[task]).id.clone();
                                self.warn(WarningCode::State, Some(step), message);
                            }
                            self.made = Some(made);
                            let input = Input::Done { task, outcome: report.outcome.clone() };
                            self.inputs.push_back((input, Some(report)));
                        }
                    }
                }
                () = alarm, if next.is_some() => {
                    alarms.retain(|at| *at > self.clock.now());
                    self.inputs.push_back((Input::Wake, None));
                }
                Some((step, news)) = progress.recv() => self.progress(step, news),
                _ = tick.tick() => {
                    self.keep(false);
                    self.telling.tick();
                }
            }
        }
    }

    fn start<R: RunStep + 'static>(
        &mut self,
        task: usize,
        attempt: u32,
        runner: &Rc<R>,
        attempts: &mut JoinSet<Done>,
        out: &mpsc::UnboundedSender<(StepId, Progress)>,
    ) {
        let at = self.steps[task];
        let step = std::sync::Arc::clone(self.prepared.plan.graph.step(at));
        let lists = self.lists(at, &step);
        let job = job::job(&self.common, &step, attempt, lists.as_ref());
        let (stop, stopped) = watch::channel(None);
        self.stops[task] = Some(stop);
        self.attempts.insert(step.id.clone(), attempt);
        self.ran = true;
        let asks = matches!(step.command, Command::Ai(_));
        let (runner, out, reuse) = (Rc::clone(runner), out.clone(), self.reuse.clone());
        attempts.spawn_local(async move {
            // Cleaning up and gathering read and write files, which may take their time.
            let note = match &reuse {
                Some(reuse) if reuse.clears(at) => {
                    let reuse = Arc::clone(reuse);
                    blocking(move || reuse.clear(at)).await.err()
                }
                _ => None,
            };
            let mut report = runner.run(job, stopped, out).await;
            if asks && report.outcome == (Outcome::Failed { code: i32::from(UNANSWERED) }) {
                report.outcome = Outcome::Unanswered;
            }
            let made = match reuse {
                Some(reuse) if report.outcome.passed() && reuse.gathers(at) => blocking(move || reuse.made(at)).await,
                _ => Made::default(),
            };
            Done::Attempt { task, report, made, note }
        });
    }

    /// Asks the cache in the background, because putting outputs in place may take its time.
    fn ask(&self, tasks: Vec<usize>, attempts: &mut JoinSet<Done>) {
        let (reuse, steps) = (self.reuse.clone(), tasks.iter().map(|task| self.steps[*task]).collect::<Vec<_>>());
        attempts.spawn_local(async move {
            Done::Lookup(blocking(move || reuse.map_or_else(Vec::new, |reuse| reuse.look(&steps))).await)
        });
    }

    /// Records what is sure by now.
    fn keep(&mut self, now: bool) {
        if let Some(reuse) = self.reuse.clone() {
            reuse.flush(now).into_iter().for_each(|note| self.telling.tell(note));
        }
    }

    fn lists(&mut self, at: usize, step: &crate::graph::Step) -> Option<ChangedLists> {
        let class = self.prepared.class.as_ref().filter(|_| step.changed_only)?;
        let watched = classify::watched(&self.prepared.plan.graph, at, &class.paths);
        let paths: Vec<RepoPath> = watched.cloned().collect();
        match job::write_lists(&self.common.root, &self.lists, step, &paths) {
            Ok(lists) => Some(lists),
            Err(error) => {
                let message = format!("the list of changed files could not be written, so it sees all files: {error}");
                self.warn(WarningCode::State, Some(step.id.clone()), message);
                None
            }
        }
    }

    fn signal(&mut self, name: &str) {
        self.signals += 1;
        self.telling.tell(EventKind::Interrupted { signal: name.to_owned(), times: self.signals });
        self.inputs.push_back((Input::Interrupt, None));
    }
}

/// Work that reads and writes files, beside the loop. A panic in it is a bug in wf and ends the run.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic()))
}

/// In CI a step that neither prints nor computes for so long is ended, unless it says otherwise.
const IDLE_IN_CI_MS: u64 = 10 * 60 * 1_000;
