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
        Err(Problem::Shared(problem @ shared::Problem::Refused(_))) => Err(refused(problem)),
        Err(problem) => Ok(Err(problem.to_string())),
    }
}

fn refused(problem: shared::Problem) -> Failure {
    Failure::environment(problem)
        .hint("stage all of your changes, so that the working tree can be checked as it is")
        .hint("or limit what the steps watch with `inputs`, so that they do not need the scratch tree")
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
    told.extend(python_path(scratch, &config.root, cx)?);
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
    there.env.0.retain(|name, _| !crate::git::leads_elsewhere(name));
    // An environment of the repository that is active here is the one that is shared.
    let shared = |path: &Path| {
        let inside = path.strip_prefix(&config.root).ok()?;
        let mut folders = scratch.shared.folders.iter();
        folders.any(|folder| inside.starts_with(folder.under(Path::new("")))).then(|| root.join(inside))
    };
    for (name, value) in &mut there.env.0 {
        if name == "PATH" {
            let parts = std::env::split_paths(value.as_os_str()).map(|part| shared(&part).unwrap_or(part));
            *value = std::env::join_paths(parts).unwrap_or_else(|_| value.clone());
        } else if ENVIRONMENTS.iter().any(|environment| name == *environment) {
            *value = shared(Path::new(value)).map_or_else(|| value.clone(), PathBuf::into_os_string);
        }
    }
    for (name, value) in [
        ("WF_HOOK", OsStr::new("1")),
        ("WF_STATE_DIR", state.as_os_str()),
        ("WF_CACHE_DIR", cx.cache_place(config).dir.as_os_str()),
    ] {
        there.env.0.insert(name.into(), value.into());
    }
    there
}

/// The variables that name the Python environment that is active.
const ENVIRONMENTS: [&str; 2] = ["VIRTUAL_ENV", "CONDA_PREFIX"];

/// What Python has to look into before what editable installs name, in environments that are shared and in the active one.
fn python_path(scratch: &Scratch, root: &Path, cx: &Context) -> Result<Option<Variable>, Failure> {
    let mut first = scratch.shared.python_path.clone();
    for active in ENVIRONMENTS.iter().filter_map(|name| cx.env.get(name)).map(Path::new) {
        let is_shared = scratch.shared.folders.iter().any(|folder| active.starts_with(folder.under(root)));
        if !is_shared && active.is_absolute() {
            let named = shared::outside(root, active).map_err(refused)?;
            first.extend(named.into_iter().map(|inside| scratch.twin.root().join(inside)));
        }
    }
    first.dedup();
    if first.is_empty() {
        return Ok(None);
    }
    let mut value = OsString::new();
    for folder in first.iter().map(|folder| folder.as_os_str()).chain(cx.env.get("PYTHONPATH")) {
        if !value.is_empty() {
            value.push(":");
        }
        value.push(folder);
    }
    Ok(Some((OsStr::new("PYTHONPATH").into(), value.as_os_str().into())))
}
