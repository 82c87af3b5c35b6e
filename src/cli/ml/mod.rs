//! `wf ml`: what is learned of recorded runs, how good it is, and what it says of the next one.

mod advice;
mod evaluate;
mod export;
mod past;
mod predict;
mod replay;
mod status;
mod train;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::later::Later;
use crate::base::Millis;
use crate::report::look;

const HELP: &str = "\
Examples:
  wf ml status
  wf ml evaluate --svg accuracy.svg
  wf ml predict
  wf ml train
  wf ml export history.csv
  wf ml replay history.csv other.csv.gz

What is learned is kept in .wf/ml/model, which is made of the recorded runs and may be deleted.";

/// What `wf ml` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct MlArgs {
    /// What to do
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Show what was learned, how good it is, and what would make it better
    Status(Later<status::StatusArgs>),
    /// Learn everything anew from the recorded runs
    Train(Later<train::TrainArgs>),
    /// Say how good predictions would have been over the recorded runs
    Evaluate(Later<evaluate::EvaluateArgs>),
    /// Say what the next run would take
    Predict(Later<predict::PredictArgs>),
    /// Write the recorded durations as a table, which `wf ml replay` reads
    Export(Later<export::ExportArgs>),
    /// Say how good predictions would have been on histories in files
    Replay(Later<replay::ReplayArgs>),
}

/// Runs the command.
pub fn run(args: &MlArgs, cx: &Context) -> Result<Exit, Failure> {
    match &args.command {
        Command::Status(args) => status::run(args, cx),
        Command::Train(args) => train::run(args, cx),
        Command::Evaluate(args) => evaluate::run(args, cx),
        Command::Predict(args) => predict::run(args, cx),
        Command::Export(args) => export::run(args, cx),
        Command::Replay(args) => replay::run(args, cx),
    }
}

/// A duration in a column: to the millisecond below a second, where many steps are.
fn short(ms: Millis) -> String {
    if ms < 1_000 { format!("{ms}ms") } else { look::time(ms) }
}
