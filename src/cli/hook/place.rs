//! `wf hook install` and `wf hook uninstall`.

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::tree::cache_home;
use crate::git::Repo;
use crate::hook::install::{Installed, Uninstalled, install as put, uninstall as take};
use crate::hook::{Hook, scratch};
use std::path::PathBuf;

/// Puts the hook where git looks for it.
pub fn install(hook: Hook, cx: &Context) -> Result<Exit, Failure> {
    let (_, folder) = folder(cx)?;
    let name = hook.name();
    let done = put(&folder, hook, &cx.exe)
        .map_err(|error| Failure::environment(format!("cannot install {name} in {}: {error}", folder.display())))?;
    let place = folder.join(name);
    cx.print(&match done {
        Installed::New => format!("{} calls wf now\n", place.display()),
        Installed::Again => format!("{} called wf already\n", place.display()),
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
        Uninstalled::NotOurs => format!("{} is not wf's\n", place.display()),
        Uninstalled::Gone => format!("{} is gone\n", place.display()),
        Uninstalled::Restored => format!("{} is what it was before\n", place.display()),
    })?;
    if done != Uninstalled::NotOurs
        && let Some(home) = cache_home(cx)
    {
        let gone = scratch::remove(&home, repo.root());
        gone.map_err(|error| Failure::environment(format!("cannot remove the scratch tree: {error}")))?;
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
