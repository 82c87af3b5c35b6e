//! `wf hook run pre-commit`: looks at what is staged, in place where the disk agrees with it, else in the scratch tree.

use super::super::args::{DecideArgs, RunArgs};
use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::load::LoadedConfig;
use super::super::prepared::{self, Keys};
use super::super::request;
use super::chosen::{self, Chosen};
use super::here::{self, Here, Went};
use super::tree::{self, Content};
use super::{RunHookArgs, keys, quick, steps, told};
use crate::base::RepoPath;
use crate::exec::{self, guard};
use crate::git::{GitError, Left, Mode, Repo};
use crate::graph::StepGraph;
use crate::hook::Hook;
use crate::hook::fixes::{self, Became, Fix};
use crate::hook::scope::{Scope, Touched, scope};
use crate::hook::scratch::Scratch;

const HOOK: Hook = Hook::PreCommit;

/// Runs the hook.
pub fn run(args: &RunHookArgs, cx: &Context) -> Result<Exit, Failure> {
    let flags = || request::overrides(&quick());
    let Some((Chosen { config, files }, staged)) = chosen::staged(cx, flags())? else { return Ok(Exit::Passed) };
    let repo = repository(&config)?;
    let Scope::Steps(ids) = scope(config.workflow(), HOOK) else { return Ok(nothing(cx)) };
    let touched = Touched::by(config.workflow(), &ids, &files, &staged);
    if touched.as_ref().is_some_and(Touched::is_empty) {
        return Ok(Exit::Passed);
    }
    // Here or in the scratch tree, most likely something runs now.
    if let Ok(program) = guard::executable() {
        exec::start_ahead(&program);
    }
    let (changes, listing) = repo.changes_and_listing(None, Mode::StagedOnly).map_err(unreadable)?;
    let (mut beside, unseen) = (changes.beside.clone(), changes.unseen.clone());
    // Nobody looks whether these are as they are staged.
    beside.extend(unseen.iter().filter(|hidden| hidden.assumed).map(|hidden| hidden.path.clone()));
    let rules = &config.workflow().categories;
    let not_staged = |path: &RepoPath| format!("{path} is not as it is staged");
    let in_the_way = match (files.iter().find(|file| beside.contains(file)), &touched) {
        (Some(file), _) => Some(not_staged(file)),
        (None, Some(touched)) => touched.obstacle(rules, &beside).map(|obstacle| obstacle.to_string()),
        (None, None) => beside.first().map(not_staged),
    };
    let asked = steps(args, ids, DecideArgs { staged: true, ..quick() });
    let here = Here { args: &asked, beside: &beside, cx };
    let (config, why) = if let Some(why) = in_the_way {
        (config, why)
    } else {
        let keys = keys(config.workflow());
        let ready = prepared::looked(config, Some((changes, listing)), &asked.decide, keys, cx)?;
        let why = match here.run(ready)? {
            Went::Ended(exit) => return Ok(exit),
            Went::NotHere(why) => why,
        };
        let Some((again, _)) = chosen::staged(cx, flags())? else { return Ok(Exit::Passed) };
        (again.config, why)
    };
    let repo = repository(&config)?;
    let links = repo.submodules().map_err(unreadable)?;
    let filled = match hollow(&links, touched.as_ref(), &config, &asked, cx)? {
        Some(why) => Err(why),
        None => tree::fill(repo, &Content::Index, &unseen, cx)?,
    };
    let scratch = match filled {
        Ok(scratch) => scratch,
        // Not what was asked for, and said so: as everywhere in wf, `strict` makes a failure of it.
        Err(why) => return here.instead(prepared::looked(config, None, &asked.decide, Keys::Yes, cx)?, &why),
    };
    cx.say(&format!("in the scratch tree, because {why}"));
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

/// Do the steps watch a submodule (`links`: all there are)? The scratch tree has none.
fn hollow(
    links: &[RepoPath],
    touched: Option<&Touched>,
    config: &LoadedConfig,
    asked: &RunArgs,
    cx: &Context,
) -> Result<Option<String>, Failure> {
    let Some(first) = links.first() else { return Ok(None) };
    let watched = match touched {
        Some(touched) => touched.watches_any(&config.workflow().categories, links),
        // Only the plan knows the steps.
        None => match chosen::staged(cx, request::overrides(&quick()))? {
            Some((again, _)) => {
                here::watched(&prepared::looked(again.config, None, &asked.decide, Keys::No, cx)?, links)
            }
            None => false,
        },
    };
    Ok(watched.then(|| format!("the submodule {first} is not in the scratch tree")))
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
    if fixes.is_empty() {
        return Ok(exit);
    }
    let mut text = String::new();
    for fix in &fixes {
        text.push_str(&line(fix));
    }
    cx.say(text.trim_end());
    let whole = fixes.iter().all(|fix| !matches!(fix.became, Became::Left(_)) && !fix.new);
    if fixes.iter().all(|fix| matches!(fix.became, Became::Left(_))) {
        cx.say("the commit stops: steps changed files in the scratch tree, and none of that could be brought here");
    } else if !args.stage_fixes {
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
