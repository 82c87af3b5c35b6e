//! `wf clean`: removes old runs, or all of them.

use super::context::Context;
use super::failure::{Exit, Failure};
use crate::base::{Millis, duration};
use crate::history::{self, Limits, Pruned, StateDir};
use crate::report::{clean, look};
use std::fmt::Write as _;
use std::time::Duration;

/// What `wf clean` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf clean --dry-run\n  wf clean --older-than 7d\n  wf clean --all\n\n\
    Without a flag: what wf also removes after every tenth run, that is all but the newest 50 runs, runs older\n\
    than 30 days, and the oldest ones while all take more than 1 GiB. The newest run stays. What removed\n\
    runs found out stays recorded as facts, unless --all is given.")]
pub struct CleanArgs {
    /// Remove every run and all that is recorded
    #[arg(long, conflicts_with = "older_than")]
    pub all: bool,
    /// Remove runs older than this, such as 7d or 12h
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub older_than: Option<Millis>,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs the command.
pub fn run(args: &CleanArgs, cx: &Context) -> Result<Exit, Failure> {
    let (place, by) = cx.state_place_here()?;
    let refused = |error: std::io::Error| Failure::environment(format!("cannot clean {}: {error}", place.display()));
    let looking = StateDir::open_read_only(&place, by)?;
    let done = if !place.exists() {
        Pruned::default()
    } else if args.all {
        let state = if args.dry_run { looking } else { StateDir::open(&place, by)? };
        history::clean_all(&state, args.dry_run).map_err(refused)?
    } else {
        let age = args.older_than.map(Duration::from_millis);
        let limits = age.map_or_else(Limits::default, |age| Limits { age, ..Limits::default() });
        let now = jiff::Timestamp::now();
        let done = if args.dry_run {
            history::would_prune(&looking, &limits, now)
        } else {
            history::prune(&StateDir::open(&place, by)?, &limits, now)
        };
        done.map_err(refused)?
    };
    for (run, why) in &done.stuck {
        cx.say(&format!("warning: run {run} stays: {}", clean::text(why)));
    }
    for run in &done.lost {
        cx.say(&format!("warning: the log of run {run} was damaged; nothing it found out is kept"));
    }
    cx.print(&words(&done, args))?;
    Ok(Exit::Passed)
}

fn words(done: &Pruned, args: &CleanArgs) -> String {
    if done.runs.is_empty() && (args.dry_run || !args.all) {
        return "nothing to remove\n".into();
    }
    let verb = if args.dry_run { "would remove" } else { "removed" };
    let mut text = format!("{verb} {} ({})\n", look::count(done.runs.len(), "run"), look::bytes(done.bytes));
    if args.dry_run {
        for run in &done.runs {
            let _ = writeln!(text, "  {run}");
        }
    }
    text
}
