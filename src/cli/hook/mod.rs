//! `wf hook`: puts git hooks in place, takes them away, and is what they call.

mod chosen;
mod commit;
mod here;
mod message;
mod place;
mod push;
mod tree;

use super::args::{DecideArgs, RunArgs};
use super::context::Context;
use super::failure::{Exit, Failure};
use super::later::Later;
use super::prepared::Keys;
use crate::config::Workflow;
use crate::exec::Variable;
use crate::hook::Hook;
use std::ffi::{OsStr, OsString};

const HELP: &str = "\
Examples:
  wf hook install                      before each commit: what is staged
  wf hook install pre-push
  wf hook run pre-commit               the same by hand
  wf hook uninstall                    puts back what was there before

A hook runs the steps that have its name among their `tags`. If none has, pre-commit runs the steps of kind lint, and
pre-push what the pushed commits can affect. docs/HOOKS.md says what is looked at, and where.";

/// What `wf hook` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct HookArgs {
    /// What to do
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Put a hook where git looks for it; one that is there is kept and called first
    Install(Later<WhichArgs>),
    /// Take a hook of wf's away, and put back what was there before
    Uninstall(Later<WhichArgs>),
    /// Run what belongs to a hook
    Run(Later<RunHookArgs>),
}

/// Which hook.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Name {
    /// Before a commit
    PreCommit,
    /// Before a push
    PrePush,
    /// Once the message is written
    CommitMsg,
}

impl From<Name> for Hook {
    fn from(name: Name) -> Self {
        match name {
            Name::PreCommit => Self::PreCommit,
            Name::PrePush => Self::PrePush,
            Name::CommitMsg => Self::CommitMsg,
        }
    }
}

/// What `wf hook install` and `uninstall` take.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf hook install\n  wf hook install pre-push\n  wf hook uninstall pre-push")]
pub struct WhichArgs {
    /// Which hook
    #[arg(value_enum, default_value_t = Name::PreCommit)]
    hook: Name,
}

/// What `wf hook run` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf hook run pre-commit\n  wf hook run pre-commit --stage-fixes\n  \
    wf hook run commit-msg -- .git/COMMIT_EDITMSG")]
pub struct RunHookArgs {
    /// Which hook
    #[arg(value_enum, default_value_t = Name::PreCommit)]
    hook: Name,
    /// Put fixes that steps make into the index too, and let the commit go on
    #[arg(long)]
    stage_fixes: bool,
    /// Name every start, and show all output
    #[arg(long, short)]
    verbose: bool,
    /// What git gave the hook
    #[arg(last = true, value_name = "ARG")]
    given: Vec<OsString>,
}

/// Runs the command.
pub fn run(args: &HookArgs, cx: &Context) -> Result<Exit, Failure> {
    match &args.command {
        Command::Install(which) => place::install(which.hook.into(), cx),
        Command::Uninstall(which) => place::uninstall(which.hook.into(), cx),
        Command::Run(args) => match args.hook.into() {
            Hook::PreCommit => commit::run(args, cx),
            Hook::PrePush => push::run(args, cx),
            Hook::CommitMsg => message::run(args, cx),
        },
    }
}

/// A run of these steps.
fn steps(args: &RunHookArgs, steps: Vec<String>, decide: DecideArgs) -> RunArgs {
    RunArgs {
        shard: None,
        decide: DecideArgs { steps, ..decide },
        dry_run: false,
        no_wait: true,
        json: false,
        junit: None,
        verbose: args.verbose,
    }
}

/// A hook's steps are short, and somebody waits: nothing is foretold.
fn quick() -> DecideArgs {
    DecideArgs { no_ml_optimize: true, ..DecideArgs::default() }
}

/// Keys take a look at every file: only for whom they can serve.
fn keys(workflow: &Workflow) -> Keys {
    if workflow.steps.iter().any(|step| step.cache.is_on()) { Keys::Yes } else { Keys::No }
}

/// What steps are told of the hook.
fn told(hook: Hook, more: &[(&str, &OsStr)]) -> Vec<Variable> {
    let first = [("WF_HOOK", OsStr::new(hook.name()))];
    first.iter().chain(more).map(|(name, value)| (OsStr::new(name).into(), (*value).into())).collect()
}
