//! `wf ml`: what is learned, and how good it is.

mod replay;

use super::context::Context;
use super::failure::{Exit, Failure};

/// What `wf ml` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf ml replay history.csv\n  wf ml replay history.csv.gz other.csv.gz\n  \
    wf ml replay --json history.csv")]
pub struct MlArgs {
    /// What to do
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Say how good predictions would have been on recorded histories
    Replay(replay::ReplayArgs),
}

/// Runs the command.
pub fn run(args: &MlArgs, cx: &Context) -> Result<Exit, Failure> {
    match &args.command {
        Command::Replay(args) => replay::run(args, cx),
    }
}
