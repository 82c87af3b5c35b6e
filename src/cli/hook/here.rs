//! A hook's run where the user works, and the look afterwards whether that was still what is staged.
//!
//! Does not know: why no other place was chosen, the scratch tree.

use super::super::args::RunArgs;
use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::prepared::Ready;
use super::super::run;
use super::commit::unreadable;
use super::told;
use crate::base::{Digest, RepoPath};
use crate::engine::{Clock, fallback};
use crate::event::FallbackCode;
use crate::git::Mode;
use crate::graph::StepGraph;
use crate::history::StateDir;
use crate::history::lock::{Attempt, Holder, WorktreeLock};
use crate::hook::Hook;
use crate::hook::scope::{obstacle, watches_any};
use std::collections::BTreeMap;

/// How it went.
pub enum Went {
    /// It is over.
    Ended(Exit),
    /// Only the scratch tree can tell, because of this.
    NotHere(String),
}

/// A run where the user works.
pub struct Here<'a> {
    /// What runs.
    pub args: &'a RunArgs,
    /// Where the working tree is not what is staged.
    pub beside: &'a [RepoPath],
    /// The world.
    pub cx: &'a Context,
}

impl Here<'_> {
    /// Runs in place, unless it may not, somebody else runs here, or what was looked at changed meanwhile.
    pub fn run(&self, ready: Ready) -> Result<Went, Failure> {
        let graph = ready.prepared.plan.graph.clone();
        let running = running(&ready);
        let rules = ready.config.workflow().categories.clone();
        if let Some(why) = obstacle(&graph, &running, &rules, self.beside) {
            return Ok(Went::NotHere(why.to_string()));
        }
        let state = self.state(&ready)?;
        let Some(lock) = lock(&ready, &state)? else {
            // Hooks do not wait.
            return Ok(Went::NotHere("another run has this worktree".into()));
        };
        let exit = run::go(self.args, (ready, None), &state, Some(lock), &told(Hook::PreCommit, &[]), self.cx)?;
        if running.is_empty() {
            return Ok(Went::Ended(exit));
        }
        let repo = self.cx.discover().map_err(unreadable)?;
        let disk = repo.changes(None, Mode::All).map_err(unreadable)?;
        let differs = disk.files.iter().filter(|file| file.seen.unstaged || file.seen.untracked);
        let mut news: Vec<RepoPath> =
            differs.flat_map(|file| std::iter::once(&file.path).chain(&file.from)).cloned().collect();
        news.retain(|path| !self.beside.contains(path));
        if watches_any(&graph, &running, &rules, &news) {
            let path = news.first().map(ToString::to_string).unwrap_or_default();
            return Ok(Went::NotHere(format!("{path} changed while steps looked at it")));
        }
        Ok(Went::Ended(exit))
    }

    /// Runs on what is on disk, because there is no scratch tree, for this reason. What steps edit then is not staged, so
    /// the commit stops.
    pub fn instead(&self, mut ready: Ready, why: &str) -> Result<Exit, Failure> {
        let message = format!("what is on disk is looked at, not what is staged: {why}");
        if ready.request.settings.strict {
            return Err(Failure::environment(format!("--strict: {message}")));
        }
        self.cx.say(&format!("warning: {message}"));
        ready.prepared.notes.push(fallback(FallbackCode::NoScratch, &message, None));
        let graph = ready.prepared.plan.graph.clone();
        let running = running(&ready);
        let rules = ready.config.workflow().categories.clone();
        let state = self.state(&ready)?;
        let lock = lock(&ready, &state)?;
        let before = self.unlike_staged()?;
        let exit = run::go(self.args, (ready, None), &state, lock, &told(Hook::PreCommit, &[]), self.cx)?;
        let after = self.unlike_staged()?;
        let other = |(path, _): &(&RepoPath, _)| before.get(*path) != after.get(*path);
        let all = before.iter().chain(after.iter().filter(|(path, _)| !before.contains_key(*path)));
        let mut news: Vec<RepoPath> = all.filter(other).map(|(path, _)| path.clone()).collect();
        news.sort_unstable();
        news.retain(|path| {
            let writes = |at: &usize| graph.step(*at).writes.as_ref().is_some_and(|globs| globs.is_match(path));
            running.iter().any(writes) || watches_any(&graph, &running, &rules, std::slice::from_ref(path))
        });
        let Some(first) = news.first().filter(|_| matches!(exit, Exit::Passed | Exit::StepFailed)) else {
            return Ok(exit);
        };
        let more = if news.len() > 1 { format!(" (and {} more)", news.len() - 1) } else { String::new() };
        self.cx.say(&format!(
            "the commit stops: {first}{more} changed on disk while steps ran, and what is staged did not; \
             look at it, `git add` it and commit again"
        ));
        Ok(Exit::StepFailed)
    }

    fn state(&self, ready: &Ready) -> Result<StateDir, Failure> {
        let (place, by) = self.cx.state_place(&ready.config);
        Ok(StateDir::open(&place, by)?)
    }

    /// The files that are not as they are staged, with what is in them.
    fn unlike_staged(&self) -> Result<BTreeMap<RepoPath, Option<Digest>>, Failure> {
        let repo = self.cx.discover().map_err(unreadable)?;
        let files = repo.changes(None, Mode::All).map_err(unreadable)?.files;
        let differs = files.into_iter().filter(|file| file.seen.unstaged || file.seen.untracked);
        let content = |path: &RepoPath| {
            let path = path.under(repo.root());
            // What a link leads to, or a pipe holds, is not what a step edited.
            let is_file = path.symlink_metadata().is_ok_and(|about| about.is_file());
            is_file.then(|| std::fs::read(&path).ok()).flatten().map(|bytes| Digest::of_bytes(&bytes))
        };
        Ok(differs.map(|file| (file.path.clone(), content(&file.path))).collect())
    }
}

/// None: somebody else runs here.
fn lock(ready: &Ready, state: &StateDir) -> Result<Option<WorktreeLock>, Failure> {
    let me = Holder { pid: std::process::id(), command: "wf hook run pre-commit".into(), since: Clock::utc() };
    match WorktreeLock::try_acquire(state, &ready.config.root, &me, false).map_err(Failure::environment)? {
        Attempt::Held(lock) => Ok(Some(lock)),
        Attempt::Busy(_) => Ok(None),
    }
}

/// Which steps of the plan run, in the graph's numbering.
pub fn running(ready: &Ready) -> Vec<usize> {
    let plan = &ready.prepared.plan;
    (0..plan.graph.len()).filter(|at| plan.decisions[*at].runs()).collect()
}

/// Do the steps that would run watch any of these paths?
pub fn watched(ready: &Ready, paths: &[RepoPath]) -> bool {
    let graph: &StepGraph = &ready.prepared.plan.graph;
    watches_any(graph, &running(ready), &ready.config.workflow().categories, paths)
}
