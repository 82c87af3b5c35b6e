//! `wf ci`: what jobs of a CI service need beside a run.

mod checks;
pub mod workflow;

use super::context::Context;
use super::failure::{Exit, Failure};

/// What `wf ci` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf ci checks\n  wf ci checks latest --dry-run\n  wf ci checks 0192 --json")]
pub struct CiArgs {
    /// What to do
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// One completed check of GitHub for each step of a run
    Checks(checks::ChecksArgs),
}

/// Runs the command.
pub fn run(args: CiArgs, cx: &Context) -> Result<Exit, Failure> {
    match args.command {
        Command::Checks(args) => checks::run(&args, cx),
    }
}
