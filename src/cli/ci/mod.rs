//! `wf ci`: what jobs of a CI service need beside a run: its share of the steps, the shares joined, checks.

mod checks;
mod generate;
mod matrix;
mod merge;
pub mod workflow;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::later::Later;

/// What `wf ci` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf ci matrix --shards 4 --github-output\n  \
    wf ci merge shards/*\n  \
    wf ci generate gitlab --shards 4 > child.yml\n  \
    wf ci checks")]
pub struct CiArgs {
    /// What to do
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Print a matrix of machines, each with an equal share of what is expected to take time
    Matrix(Later<matrix::MatrixArgs>),
    /// Join the recorded runs of all machines into one, and end as that ended
    Merge(Later<merge::MergeArgs>),
    /// Print a pipeline with one job for each machine
    Generate(Later<generate::GenerateArgs>),
    /// Make one completed check of GitHub for each step of a run
    Checks(Later<checks::ChecksArgs>),
}

/// Runs the command.
pub fn run(args: &CiArgs, cx: &Context) -> Result<Exit, Failure> {
    match &args.command {
        Command::Matrix(args) => matrix::run(args, cx),
        Command::Merge(args) => merge::run(args, cx),
        Command::Generate(args) => generate::run(args, cx),
        Command::Checks(args) => checks::run(args, cx),
    }
}
