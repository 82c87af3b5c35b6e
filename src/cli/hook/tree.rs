//! Running steps in the scratch tree: with the configuration that is staged there, the state and the cache of the
//! repository, and nothing of git's variables, which would lead steps back.

use super::super::args::RunArgs;
use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::load::LoadedConfig;
use super::super::prepared;
use super::super::run;
use crate::change::Unseen;
use crate::exec::Variable;
use crate::git::Repo;
use crate::graph::StepGraph;
use crate::history::StateDir;
use crate::hook::scratch::{Problem, Scratch};
use crate::hook::shared;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Where the user's caches are.
pub fn cache_home(cx: &Context) -> Option<PathBuf> {
    let set = cx.env.get("XDG_CACHE_HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    set.or_else(|| Some(PathBuf::from(cx.env.get("HOME")?).join(".cache")))
}

/// What of which commit the scratch tree shall hold.
pub enum Content<'a> {
    /// What is staged, with HEAD as it is.
    Index,
    /// A commit.
    Commit(&'a str),
}

/// Takes the scratch tree and fills it. The inner error says why there is none that holds all of it: then what is on
/// disk may be looked at instead, and that has to be said.
pub fn fill(
    repo: &Repo,
    content: &Content<'_>,
    unseen: &[Unseen],
    cx: &Context,
) -> Result<Result<Scratch, String>, Failure> {
    let Some(home) = cache_home(cx) else { return Ok(Err("neither XDG_CACHE_HOME nor HOME is set".into())) };
    let ignored = unseen.iter().filter(|hidden| !hidden.assumed).map(|hidden| (&hidden.path, hidden.folder));
    let folders = shared::candidates(repo.root(), ignored);
    let wait = || cx.say("waiting for another hook, which has the scratch tree of this worktree");
    let filled = Scratch::open(repo, &home, &folders, &wait).and_then(|mut scratch| {
        let (tree, head, branch) = match content {
            Content::Index => {
                (repo.staged_tree(&scratch.twin)?, repo.head().map_err(git)?, repo.branch().map_err(git)?)
            }
            Content::Commit(commit) => (repo.tree_of(commit).map_err(git)?, Some((*commit).to_owned()), None),
        };
        scratch.fill(repo, &tree, (head.as_deref(), branch.as_deref()), &folders)?;
        Ok(scratch)
    });
    match filled {
        Ok(scratch) => Ok(Ok(scratch)),
        Err(Problem::Shared(problem @ shared::Problem::Refused(_))) => Err(Failure::environment(problem)
            .hint("stage all of your changes, so that the working tree can be checked as it is")
            .hint("or limit what the steps watch with `inputs`, so that they do not need the scratch tree")),
        Err(problem) => Ok(Err(problem.to_string())),
    }
}

fn git(error: crate::git::GitError) -> Problem {
    Problem::Twin(error.into())
}

/// Runs in the scratch tree. Returns how it ended, and the steps it was about.
pub fn run(
    scratch: &Scratch,
    args: &RunArgs,
    config: &LoadedConfig,
    told: &[Variable],
    cx: &Context,
) -> Result<(Exit, StepGraph), Failure> {
    let (place, by) = cx.state_place(config);
    let state = StateDir::open(&place, by)?;
    let there = inside(scratch, config, &place, cx);
    let ready = prepared::prepare(&args.decide, super::keys(config.workflow()), &there)?;
    let graph = ready.prepared.plan.graph.clone();
    let mut told = told.to_vec();
    told.extend(python_path(scratch, cx));
    Ok((run::go(args, (ready, None), &state, None, &told, &there)?, graph))
}

/// The same world, with the scratch tree as its place.
fn inside(scratch: &Scratch, config: &LoadedConfig, state: &Path, cx: &Context) -> Context {
    let root = scratch.twin.root();
    let moved = |path: &Path| path.strip_prefix(&config.root).ok().map(|inside| root.join(inside));
    let mut there = cx.clone();
    there.cwd = moved(&cx.cwd).filter(|dir| dir.is_dir()).unwrap_or_else(|| root.to_owned());
    // One that is not staged is used as it is on disk: there is no other.
    let file = config.path.as_ref().map(|path| moved(path).filter(|path| path.is_file()).unwrap_or(path.clone()));
    there.config_file = file;
    // Who commits, and how git behaves, may be known; which repository and which index it is about must not.
    there.env.0.retain(|name, _| !crate::engine::leads_git(name));
    for (name, value) in [
        ("WF_HOOK", OsStr::new("1")),
        ("WF_STATE_DIR", state.as_os_str()),
        ("WF_CACHE_DIR", cx.cache_place(config).dir.as_os_str()),
    ] {
        there.env.0.insert(name.into(), value.into());
    }
    there
}

/// What Python has to look into before what editable installs name.
fn python_path(scratch: &Scratch, cx: &Context) -> Option<Variable> {
    let first = &scratch.shared.python_path;
    if first.is_empty() {
        return None;
    }
    let mut value = OsString::new();
    for folder in first.iter().map(|folder| folder.as_os_str()).chain(cx.env.get("PYTHONPATH")) {
        if !value.is_empty() {
            value.push(":");
        }
        value.push(folder);
    }
    Some((OsStr::new("PYTHONPATH").into(), value.as_os_str().into()))
}
