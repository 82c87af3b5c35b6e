//! `wf hook install` and `wf hook uninstall`.

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::tree::cache_home;
use crate::git::Repo;
use crate::hook::install::{Installed, Problem, Uninstalled, any, install as put, uninstall as take};
use crate::hook::{Hook, scratch};
use std::path::PathBuf;

/// Puts the hook where git looks for it.
pub fn install(hook: Hook, cx: &Context) -> Result<Exit, Failure> {
    let (_, folder) = folder(cx)?;
    let name = hook.name();
    let place = folder.join(name);
    let done = put(&folder, hook, &cx.exe).map_err(|problem| {
        let hint = match &problem {
            Problem::Rooted { husky: Some(file) } => {
                Some(format!("put `wf hook run {name}` into {}, and husky calls it", file.display()))
            }
            Problem::Rooted { husky: None } => Some(format!("put `wf hook run {name} -- \"$@\"` into it")),
            Problem::NoFolder(_) => {
                Some("`git config --show-origin core.hooksPath` says who set that; unset it to have hooks".into())
            }
            Problem::Two(..) | Problem::Io(_) => None,
        };
        let failure = Failure::environment(format!("cannot install {}: {problem}", place.display()));
        hint.into_iter().fold(failure, Failure::hint)
    })?;
    cx.print(&match done {
        Installed::New => format!("{} calls wf now\n", place.display()),
        Installed::Again => format!("{} called wf already\n", place.display()),
        Installed::Edited => {
            format!("{} was written by wf and changed since: it stays as it is\n", place.display())
        }
        Installed::Beside(before) => format!(
            "{} calls wf now, after the hook that was there, which is {} now\n",
            place.display(),
            before.display()
        ),
    })?;
    Ok(Exit::Passed)
}

/// Takes the hook away, and the scratch tree with it if no hook of ours is left that uses it.
pub fn uninstall(hook: Hook, cx: &Context) -> Result<Exit, Failure> {
    let (repo, folder) = folder(cx)?;
    let name = hook.name();
    let done = take(&folder, hook)
        .map_err(|error| Failure::environment(format!("cannot uninstall {name} in {}: {error}", folder.display())))?;
    let place = folder.join(name);
    cx.print(&match done {
        Uninstalled::Nothing => format!("there is no {}\n", place.display()),
        Uninstalled::NotOurs => format!("{} is not wf's\n", place.display()),
        Uninstalled::Gone => format!("{} is gone\n", place.display()),
        Uninstalled::Restored => format!("{} is what it was before\n", place.display()),
        Uninstalled::Edited => {
            let changed = format!("{} was written by wf and changed since: it is not removed", place.display());
            return Err(Failure::environment(changed).hint("remove it yourself, or take your changes back"));
        }
    })?;
    if matches!(done, Uninstalled::Gone | Uninstalled::Restored)
        && !any(&folder)
        && let Some(home) = cache_home(cx)
    {
        let gone = scratch::remove(&home, repo.root());
        if !gone.map_err(|error| Failure::environment(format!("cannot remove the scratch tree: {error}")))? {
            cx.say("the scratch tree stays: a hook uses it now");
        }
    }
    Ok(Exit::Passed)
}

fn folder(cx: &Context) -> Result<(Repo, PathBuf), Failure> {
    let failed = |error: crate::git::GitError| {
        let hint = error.hint();
        hint.into_iter().fold(Failure::environment(error), Failure::hint)
    };
    let repo = cx.discover().map_err(failed)?;
    let folder = repo.hooks_dir().map_err(failed)?;
    Ok((repo, folder))
}
