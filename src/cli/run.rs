//! `wf run`: what the change can affect, run for real.

use super::args::RunArgs;
use super::context::Context;
use super::failure::{Exit, Failure, Kind};
use super::look;
use super::prepared::{Keys, Ready};
use super::replay::Replay;
use super::shard;
use crate::ai::order;
use crate::config::model::{Command, StepSpec};
use crate::engine::{self, Clock, Run};
use crate::event::Shard;
use crate::exec::{self, Executor, Setup, Variable};
use crate::git::Mode;
use crate::history::lock::{Attempt, Holder, WorktreeLock};
use crate::history::{self, LogWriter, RunRef, StateDir};
use crate::report::{self, Sink, SinkOptions};
use std::path::{Path, PathBuf};

/// Runs the command.
pub fn run(args: &RunArgs, cx: &Context) -> Result<Exit, Failure> {
    let (first, shard) = shard::prepare(&args.decide, args.shard.as_ref(), Keys::Yes, cx)?;
    let (place, by) = cx.state_place(&first.config);
    let state = StateDir::open(&place, by)?;
    // A step of a run in this very worktree calls us: waiting for that run would be waiting for ourselves.
    let nested = cx.env.get("WF_RUN").is_some() && cx.env.get("WF_ROOT") == Some(first.config.root.as_os_str());
    let (lock, waited) = hold(&state, &first, nested, args.no_wait, cx)?;
    // Another run may have changed files and recorded evidence while this one waited.
    let prepared =
        if waited { shard::prepare(&args.decide, args.shard.as_ref(), Keys::Yes, cx)? } else { (first, shard) };
    go(args, prepared, &state, Some(lock), &[], cx)
}

/// Runs what is prepared, or a share of it, in a tree that nobody else runs in. `extra`: variables that every step gets on top;
/// they are no part of any key.
pub(super) fn go(
    args: &RunArgs,
    (mut ready, shard): (Ready, Option<Shard>),
    state: &StateDir,
    lock: Option<WorktreeLock>,
    extra: &[Variable],
    cx: &Context,
) -> Result<Exit, Failure> {
    let before = lock.as_ref().and_then(WorktreeLock::before);
    let place = state.root();
    // Named only now: runs that waited are in the order in which they ran.
    let clock = Clock::start();
    let id = history::next_run_id(state);
    let log = LogWriter::create(state, &id).map_err(|error| {
        Failure::environment(format!("cannot write the event log in {}: {error}", place.display()))
            .hint("make it writable, or keep the state elsewhere: WF_STATE_DIR=<folder>")
    })?;
    let masker = cx.masker(None).clone();
    let guard = exec::guard::executable().map_err(Failure::environment)?;
    let setup = Setup::new(guard, masker.clone());
    let options = options(args, &ready, cx);
    let state_root = state.root().to_owned();
    let (here, there) = (cx.clone(), cx.clone());
    let run_id = id.clone();
    let env = cx.inherited();
    let reuse = super::reuse::open(&mut ready, &id, &env, cx)?;
    let learned = ready.prepared.learned.take();
    let mut ai = order::Shared {
        project: ready.config.workflow().project_kind.clone(),
        results: Some(cx.cache_place(&ready.config)),
        ..order::Shared::new(
            ready.config.root.clone(),
            state.root().to_owned(),
            id.to_string(),
            engine::base_commit(&ready.prepared.change),
            &ready.request.settings,
        )
    };
    let steps = &ready.config.workflow().steps;
    let asks = |spec: &&StepSpec| matches!(spec.command, Command::Ai(_));
    ai.asking = steps.iter().filter(asks).map(|spec| spec.id.to_string()).collect();
    ai.why = args.verbose;
    if steps.iter().any(|spec| spec.ai_proxy || asks(&spec)) {
        ai = super::ai::trust::shared(ai, ready.config.repo.as_ref().ok(), cx);
    }
    let run = Run {
        ai,
        request: &ready.request,
        root: ready.config.root.clone(),
        id,
        log,
        clock,
        sinks: Box::new(move |run| sinks(options, run, state_root)),
        masker,
        env,
        extra: extra.to_vec(),
        reuse,
        past: Some(state.clone()),
        sample: cx.env.flag("WORKFLOW_MONITOR_RESOURCES"),
        profile: cx.env.flag("WORKFLOW_PROFILE"),
        place: cx.made_by(),
        machine: super::machine::machine(cx),
        shard,
        ci: cx.env.flag("CI"),
        seed: u64::from(std::process::id()) ^ clock_seed(),
        still_at: Box::new(move |head| still_at(&here, head)),
        notice: Box::new(move |change| engine::noticed(there.discover().ok().as_ref(), change, before)),
        prepared: ready.prepared,
    };
    let finished = guarded(|| engine::run(run, || Executor::new(setup)))
        .map_err(|bug| internal(&bug, &run_id, place))?
        .map_err(|error| Failure::environment(format!("cannot run steps: {error}")))?;
    drop(lock);
    // The process ends soon: a configuration of thousands of steps is not given back piece by piece.
    std::mem::forget(ready.config);
    if let Some(Err(error)) = learned.map(|learned| learned.keep(state)) {
        cx.say(&format!("warning: what manifests say cannot be kept, and is read again each time: {error}"));
    }
    tidy_up(state, cx);
    match finished.log_lost {
        Some(error) => Err(Failure::environment(format!("the event log of run {run_id} lacks its end: {error}"))
            .hint("free some space, or keep the state elsewhere: WF_STATE_DIR=<folder>")),
        None => Ok(exit(finished.exit_code)),
    }
}

/// Runs something; a panic in it is a bug in wf and comes back as its message. While it unwinds the log is flushed, and
/// when wf ends the guard ends every step.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

fn internal(bug: &str, run: &crate::base::RunId, place: &Path) -> Failure {
    let error = format!("a bug in wf ended run {run}: {bug}");
    let failure = Failure { kind: Kind::Internal, error: error.into(), hints: vec![] };
    failure.hint(format!("please report it with {}", place.join("runs").join(run.as_str()).display()))
}

/// What a run's exit code says.
pub fn exit(code: u8) -> Exit {
    match code {
        0 => Exit::Passed,
        1 => Exit::StepFailed,
        3 => Exit::Environment,
        143 => Exit::Terminated,
        _ => Exit::Interrupted,
    }
}

/// Takes the worktree, waiting for who holds it. Says whether it had to wait.
fn hold(
    state: &StateDir,
    ready: &Ready,
    nested: bool,
    no_wait: bool,
    cx: &Context,
) -> Result<(WorktreeLock, bool), Failure> {
    let me = Holder { pid: std::process::id(), command: "wf run".into(), since: Clock::utc() };
    let failed = |error: std::io::Error| {
        Failure::environment(format!("cannot lock the worktree in {}: {error}", state.root().display()))
            .hint("make it writable, or keep the state elsewhere: WF_STATE_DIR=<folder>")
    };
    let root: &Path = &ready.config.root;
    let holder = match WorktreeLock::try_acquire(state, root, &me, nested).map_err(failed)? {
        Attempt::Held(lock) => return Ok((lock, false)),
        Attempt::Busy(holder) => holder,
    };
    let words = |holder: Option<&Holder>| match holder {
        Some(holder) => format!("`{}` (process {}, since {})", holder.command, holder.pid, holder.since),
        None => "another wf".to_owned(),
    };
    if no_wait {
        return Err(Failure::environment(format!("{} is running in this worktree", words(holder.as_ref())))
            .hint("leave out --no-wait to wait for it; `wf status` shows it"));
    }
    let wait = |holder: &Holder| {
        cx.say(&format!("waiting for {} in this worktree (--no-wait gives up instead)", words(Some(holder))));
    };
    let lock = WorktreeLock::acquire(state, root, &me, nested, wait).map_err(failed)?;
    Ok((lock, true))
}

/// Is the working tree still exactly this commit?
fn still_at(cx: &Context, head: &str) -> bool {
    let Ok(repo) = cx.discover() else { return false };
    let same = repo.head().is_ok_and(|now| now.as_deref() == Some(head));
    same && repo.changes(None, Mode::All).is_ok_and(|changes| changes.files.is_empty())
}

/// Chance for the jitter of retries; nothing else depends on it.
fn clock_seed() -> u64 {
    u64::from(jiff::Timestamp::now().subsec_nanosecond().unsigned_abs())
}

fn options(args: &RunArgs, ready: &Ready, cx: &Context) -> SinkOptions {
    SinkOptions {
        json: args.json,
        junit: args.junit.as_ref().map(|path| cx.cwd.join(path)),
        replay: args.verbose || look::is_output_asked_for(&ready.config.loaded),
        stored: Replay::new(cx.cache_place(&ready.config), cx).stored(),
        ..look::sink_options(cx, look::mode(cx, &ready.config.loaded), Path::new(""), args.verbose)
    }
}

fn sinks(options: SinkOptions, run: &RunRef, state: PathBuf) -> Vec<Box<dyn Sink>> {
    report::sinks(&SinkOptions { run_dir: run.dir.clone(), state_dir: Some(state), ..options })
}

/// Old runs go after the run, when nobody waits for them. Failing to is worth a line, no more.
fn tidy_up(state: &StateDir, cx: &Context) {
    if let Err(error) = history::prune_after_a_run(state) {
        cx.say(&format!("warning: old runs could not be removed: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_exit_70_with_the_run_and_where_its_log_is() {
        let bug = guarded(|| -> () { panic!("task {}: an illegal change", 3) }).unwrap_err();
        let failure = internal(&bug, &crate::base::RunId("r1".into()), Path::new("/state"));
        assert_eq!(failure.exit().code(), 70);
        assert!(failure.error.to_string().contains("r1: task 3: an illegal change"));
        assert!(failure.hints[0].contains("/state/runs/r1"));
    }
}
