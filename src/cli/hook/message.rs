//! `wf hook run commit-msg`: the steps that look at the message. What is staged is not their business, so they run whatever
//! changed, and nothing is recorded of them.

use super::super::args::DecideArgs;
use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::prepared::{self, Keys};
use super::super::run;
use super::{RunHookArgs, steps, told};
use crate::history::StateDir;
use crate::hook::Hook;
use crate::hook::scope::{Scope, scope};

/// Runs the hook.
pub fn run(args: &RunHookArgs, cx: &Context) -> Result<Exit, Failure> {
    // The disk's configuration: which message is good is not part of the commit.
    let root = cx.discover().ok().map(|repo| repo.root().to_owned());
    if cx.find_config(root.as_deref())?.is_none() {
        return Ok(Exit::Passed);
    }
    let config = cx.load_config(vec![])?;
    let Scope::Steps(ids) = scope(config.workflow(), Hook::CommitMsg) else { return Ok(Exit::Passed) };
    let Some(file) = args.given.first() else {
        return Err(Failure::usage("commit-msg is given the file that the message is in")
            .hint("wf hook run commit-msg -- .git/COMMIT_EDITMSG"));
    };
    let file = cx.cwd.join(file);
    let decide = DecideArgs { staged: true, no_needs: true, no_cache: true, ..DecideArgs::default() };
    let asked = steps(args, ids, decide);
    let ready = prepared::prepare(&asked.decide, Keys::No, cx)?;
    let (place, by) = cx.state_place(&config);
    let state = StateDir::open(&place, by)?;
    // It does not wait for a run in this worktree: nothing of that is about the message.
    run::go(
        &asked,
        (ready, None),
        &state,
        None,
        &told(Hook::CommitMsg, &[("WF_COMMIT_MSG_FILE", file.as_os_str())]),
        cx,
    )
}
