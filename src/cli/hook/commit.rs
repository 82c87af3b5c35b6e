//! `wf hook run pre-commit`: looks at what is staged, in place where the disk agrees with it, else in the scratch tree.

use super::super::args::{DecideArgs, RunArgs};
use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::load::LoadedConfig;
use super::super::prepared::{self, Keys, Ready};
use super::super::{request, run};
use super::tree::{self, Content};
use super::{RunHookArgs, keys, quick, steps, told};
use crate::base::RepoPath;
use crate::engine::{Clock, fallback};
use crate::event::FallbackCode;
use crate::exec::{self, guard};
use crate::git::{GitError, Left, Mode, Repo};
use crate::graph::StepGraph;
use crate::history::StateDir;
use crate::history::lock::{Attempt, Holder, WorktreeLock};
use crate::hook::Hook;
use crate::hook::fixes::{self, Became, Fix};
use crate::hook::scope::{Scope, Touched, obstacle, scope, watches_any};
use crate::hook::scratch::Scratch;
use std::os::unix::ffi::OsStrExt as _;

const HOOK: Hook = Hook::PreCommit;

/// Runs the hook.
pub fn run(args: &RunHookArgs, cx: &Context) -> Result<Exit, Failure> {
    let config = cx.load_config(request::overrides(&quick()))?;
    let repo = repository(&config)?;
    let ids = match scope(config.workflow(), HOOK) {
        Scope::Steps(ids) if config.path.is_some() => ids,
        _ => return Ok(nothing(cx)),
    };
    let staged = repo.changes(None, Mode::StagedOnly).map_err(unreadable)?.files;
    let file = config_path(&config);
    let touched = Touched::by(config.workflow(), &ids, &file, &staged);
    if staged.is_empty() || touched.as_ref().is_some_and(Touched::is_empty) {
        return Ok(Exit::Passed);
    }
    // Here or in the scratch tree, most likely something runs now.
    if let Ok(program) = guard::executable() {
        exec::start_ahead(&program);
    }
    let (changes, files) = repo.changes_and_listing(None, Mode::StagedOnly).map_err(unreadable)?;
    let (beside, unseen) = (changes.beside.clone(), changes.unseen.clone());
    let rules = &config.workflow().categories;
    let in_the_way = match &touched {
        _ if beside.contains(&file) => true,
        Some(touched) => touched.obstacle(rules, &beside).is_some(),
        None => !beside.is_empty(),
    };
    let asked = steps(args, ids, DecideArgs { staged: true, ..quick() });
    let here = Here { args: &asked, beside: &beside, cx };
    let config = if in_the_way {
        config
    } else {
        let keys = keys(config.workflow());
        let ready = prepared::looked(config, Some((changes, files)), &asked.decide, keys, cx)?;
        if let Some(exit) = here.run(ready, None)? {
            return Ok(exit);
        }
        cx.load_config(request::overrides(&quick()))?
    };
    let repo = repository(&config)?;
    let filled = match hollow(repo, touched.as_ref(), &config)? {
        Some(why) => Err(why),
        None => tree::fill(repo, &Content::Index, &unseen, cx)?,
    };
    let scratch = match filled {
        Ok(scratch) => scratch,
        // Not what was asked for, and said so: as everywhere in wf, `strict` makes a failure of it.
        Err(why) => {
            let ready = prepared::prepare(&asked.decide, Keys::Yes, cx)?;
            return here.run(ready, Some(&why)).map(|exit| exit.unwrap_or(Exit::Environment));
        }
    };
    let (exit, graph) = tree::run(&scratch, &asked, &config, &told(HOOK, &[]), cx)?;
    if !matches!(exit, Exit::Passed | Exit::StepFailed) {
        return Ok(exit);
    }
    bring_over(args, repo, &scratch, &graph, exit, cx)
}

/// The repository, or what stands in the way of having one.
pub fn repository(config: &LoadedConfig) -> Result<&Repo, Failure> {
    config.repo.as_ref().map_err(|error| {
        let failure = Failure::environment(error.to_string());
        error.hint().into_iter().fold(failure, Failure::hint)
    })
}

pub fn unreadable(error: GitError) -> Failure {
    let hint = error.hint();
    hint.into_iter().fold(Failure::environment(error), Failure::hint)
}

/// Says that there is nothing for the hook, and how there would be.
fn nothing(cx: &Context) -> Exit {
    cx.say("wf: no step has the tag `pre-commit`, and none is of kind lint: nothing to look at");
    Exit::Passed
}

fn config_path(config: &LoadedConfig) -> RepoPath {
    let inside = config.path.as_ref().and_then(|path| path.strip_prefix(&config.root).ok());
    inside.map_or_else(RepoPath::root, |path| RepoPath::from_bytes(path.as_os_str().as_bytes()))
}

/// Do the steps watch a submodule? The scratch tree has none.
fn hollow(repo: &Repo, touched: Option<&Touched>, config: &LoadedConfig) -> Result<Option<String>, Failure> {
    let links = repo.submodules().map_err(unreadable)?;
    let watched = match touched {
        Some(touched) => touched.watches_any(&config.workflow().categories, &links),
        None => !links.is_empty(),
    };
    let first = links.first().filter(|_| watched);
    Ok(first.map(|path| format!("the submodule {path} is not in the scratch tree")))
}

/// A run where the user works.
struct Here<'a> {
    args: &'a RunArgs,
    beside: &'a [RepoPath],
    cx: &'a Context,
}

impl Here<'_> {
    /// Runs in place. None: it may not, somebody else runs here, or what was looked at changed meanwhile: then only the
    /// scratch tree can tell. `instead`: why there is no such tree; then whatever is on disk is looked at.
    fn run(&self, mut ready: Ready, instead: Option<&str>) -> Result<Option<Exit>, Failure> {
        let graph = ready.prepared.plan.graph.clone();
        let running = running(&ready);
        let rules = ready.config.workflow().categories.clone();
        if let Some(why) = instead {
            let message = format!("what is on disk is looked at, not what is staged: {why}");
            if ready.request.settings.strict {
                return Err(Failure::environment(format!("--strict: {message}")));
            }
            self.cx.say(&format!("warning: {message}"));
            ready.prepared.notes.push(fallback(FallbackCode::NoScratch, &message, None));
        } else if obstacle(&graph, &running, &rules, self.beside).is_some() {
            return Ok(None);
        }
        let (place, by) = self.cx.state_place(&ready.config);
        let state = StateDir::open(&place, by)?;
        let me = Holder { pid: std::process::id(), command: "wf hook run pre-commit".into(), since: Clock::utc() };
        let held = WorktreeLock::try_acquire(&state, &ready.config.root, &me, false);
        let lock = match held.map_err(Failure::environment)? {
            Attempt::Held(lock) => Some(lock),
            // Hooks do not wait.
            Attempt::Busy(_) if instead.is_none() => return Ok(None),
            Attempt::Busy(_) => None,
        };
        let exit = run::go(self.args, (ready, None), &state, lock, &told(HOOK, &[]), self.cx)?;
        if instead.is_some() || running.is_empty() {
            return Ok(Some(exit));
        }
        let repo = self.cx.discover().map_err(unreadable)?;
        let disk = repo.changes(None, Mode::All).map_err(unreadable)?;
        let differs = disk.files.iter().filter(|file| file.seen.unstaged || file.seen.untracked);
        let mut news: Vec<RepoPath> =
            differs.flat_map(|file| std::iter::once(&file.path).chain(&file.from)).cloned().collect();
        news.retain(|path| !self.beside.contains(path));
        if watches_any(&graph, &running, &rules, &news) {
            let path = news.first().map(ToString::to_string).unwrap_or_default();
            self.cx.say(&format!("{path} changed while steps looked at it: once more, in the scratch tree"));
            return Ok(None);
        }
        Ok(Some(exit))
    }
}

fn running(ready: &Ready) -> Vec<usize> {
    let plan = &ready.prepared.plan;
    (0..plan.graph.len()).filter(|at| plan.decisions[*at].runs()).collect()
}

/// Brings fixes into the working tree, and says what the commit needs now.
fn bring_over(
    args: &RunHookArgs,
    repo: &Repo,
    scratch: &Scratch,
    graph: &StepGraph,
    exit: Exit,
    cx: &Context,
) -> Result<Exit, Failure> {
    let mut left = scratch.twin.left().map_err(unreadable)?;
    // What a step makes in passing is no fix, unless it says that it writes it.
    left.new
        .retain(|path| graph.steps().iter().any(|step| step.writes.as_ref().is_some_and(|globs| globs.is_match(path))));
    if left == Left::default() {
        return Ok(exit);
    }
    let fixes = fixes::apply(repo, &scratch.twin, &left).map_err(Failure::environment)?;
    let mut text = String::new();
    for fix in &fixes {
        text.push_str(&line(fix));
    }
    cx.say(text.trim_end());
    let whole = fixes.iter().all(|fix| !matches!(fix.became, Became::Left(_)) && !fix.new);
    if !args.stage_fixes {
        cx.say("the commit stops: look at the fixes, `git add` them and commit again");
    } else if !repo.has_own_index() {
        cx.say(
            "the commit stops: fixes are not staged, because this commit has an index of its own \
             (`git commit -a`, `git commit FILE`)",
        );
    } else if !whole {
        cx.say("the commit stops: not every fix could be staged");
    } else {
        match scratch.twin.patch().and_then(|patch| repo.stage(&patch)) {
            Ok(()) => return Ok(exit),
            Err(error) => cx.say(&format!("the commit stops: fixes could not be staged: {error}")),
        }
    }
    Ok(Exit::StepFailed)
}

fn line(fix: &Fix) -> String {
    match (&fix.became, fix.new) {
        (Became::Fixed, false) => format!("fixed {}\n", fix.path),
        (Became::Fixed, true) => format!("made {}\n", fix.path),
        (Became::Already, _) => format!("{} is fixed here, and not as it is staged\n", fix.path),
        (Became::Left(why), _) => format!("not touched: {}: {why}\n", fix.path),
    }
}
