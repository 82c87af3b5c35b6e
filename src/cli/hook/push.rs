//! `wf hook run pre-push`: looks at the commits that are pushed, each as a whole tree. What was found out about the same
//! content before, by a commit's hook or by hand, is not found out again.

use super::super::args::DecideArgs;
use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::load::LoadedConfig;
use super::super::prepared::{self, Keys};
use super::super::run;
use super::commit::{repository, unreadable};
use super::tree::{self, Content};
use super::{RunHookArgs, chosen, steps, told};
use crate::engine::{Clock, fallback};
use crate::event::FallbackCode;
use crate::git::{BaseQuery, Mode, Repo};
use crate::history::StateDir;
use crate::history::lock::{Attempt, Holder, WorktreeLock};
use crate::hook::Hook;
use crate::hook::pushed::{self, Pushed};
use crate::hook::scope::{Scope, scope};
use std::io::{IsTerminal as _, Read as _};

const HOOK: Hook = Hook::PrePush;

/// Runs the hook.
pub fn run(args: &RunHookArgs, cx: &Context) -> Result<Exit, Failure> {
    let repo = cx.discover().map_err(unreadable)?;
    let commit_of = |name: &str| repo.commit_of(name).ok().flatten().map(|(commit, _)| commit);
    let mut worst = Exit::Passed;
    for pushed in pushed::commits(asked_for(&repo)?, commit_of) {
        // Each commit is checked as its own configuration says.
        let Some(config) = chosen::pushed(cx, &pushed.commit)? else { continue };
        let ids = match scope(config.workflow(), HOOK) {
            Scope::Nothing => continue,
            Scope::Steps(ids) => ids,
            Scope::Everything => vec![],
        };
        let decide = DecideArgs { base: base(&repo, &pushed, &config), ..DecideArgs::default() };
        let exit = one(args, &pushed, ids, decide, config, cx)?;
        if exit != Exit::Passed {
            worst = exit;
        }
    }
    Ok(worst)
}

/// What git says is pushed; at a terminal, where nobody says anything, HEAD.
fn asked_for(repo: &Repo) -> Result<Vec<Pushed>, Failure> {
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        let head = repo.head().map_err(unreadable)?;
        return Ok(head.map(|commit| Pushed { name: "HEAD".into(), commit, theirs: None }).into_iter().collect());
    }
    let mut text = String::new();
    stdin.read_to_string(&mut text).map_err(Failure::environment)?;
    Ok(pushed::parse(&text))
}

/// What a pushed commit is compared with: what the other side has, else where it left the default branch.
fn base(repo: &Repo, pushed: &Pushed, config: &LoadedConfig) -> Option<String> {
    if let Some(theirs) = &pushed.theirs {
        return Some(theirs.clone());
    }
    let query = BaseQuery::Default { configured: config.workflow().base.clone() };
    let branch = repo.resolve_base(&query).ok()?.default_branch?;
    let (tip, _) = repo.commit_of(&branch).ok()??;
    repo.merge_base_of(&pushed.commit, &tip).ok()?.filter(|base| *base != pushed.commit)
}

fn one(
    args: &RunHookArgs,
    pushed: &Pushed,
    ids: Vec<String>,
    decide: DecideArgs,
    config: LoadedConfig,
    cx: &Context,
) -> Result<Exit, Failure> {
    let repo = repository(&config)?;
    let asked = steps(args, ids, decide);
    let disk = repo.changes(None, Mode::All).map_err(unreadable)?;
    let (place, by) = cx.state_place(&config);
    let state = StateDir::open(&place, by)?;
    let me = Holder { pid: std::process::id(), command: "wf hook run pre-push".into(), since: Clock::utc() };
    let hold = || WorktreeLock::try_acquire(&state, &config.root, &me, false).map_err(Failure::environment);
    // Nobody looks whether files that git was told not to look at are those of the commit.
    let is_clean = disk.files.is_empty() && !disk.unseen.iter().any(|hidden| hidden.assumed);
    let is_here = is_clean && repo.head().map_err(unreadable)?.as_ref() == Some(&pushed.commit);
    if is_here && let Attempt::Held(lock) = hold()? {
        let ready = prepared::looked(config, None, &asked.decide, Keys::Yes, cx)?;
        return run::go(&asked, (ready, None), &state, Some(lock), &told(HOOK, &[]), cx);
    }
    match tree::fill(repo, &Content::Commit(&pushed.commit), &disk.unseen, cx)? {
        Ok(scratch) => {
            cx.say(&format!("in the scratch tree, because what is on disk is not {}", pushed.name));
            Ok(tree::run(&scratch, &asked, &config, &told(HOOK, &[]), cx)?.0)
        }
        Err(why) => {
            let mut ready = prepared::looked(config, None, &asked.decide, Keys::Yes, cx)?;
            let message = format!("what is on disk is looked at, not what is pushed: {why}");
            if ready.request.settings.strict {
                return Err(Failure::environment(format!("--strict: {message}")));
            }
            cx.say(&format!("warning: {message}"));
            ready.prepared.notes.push(fallback(FallbackCode::NoScratch, &message, None));
            run::go(&asked, (ready, None), &state, None, &told(HOOK, &[]), cx)
        }
    }
}
