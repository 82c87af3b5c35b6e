//! `wf ai`: asking models by hand, and what belongs to it.

mod cache;
pub mod check;
mod personas;
pub mod proxy;
mod record;
mod run;
pub mod step;
pub mod trust;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::later::Later;

const HELP: &str = "\
Examples:
  wf ai personas
  wf ai run code_reviewer src/main.rs
  wf ai run documentation_specialist README.md docs/*.md --json

Whom to ask is said by `ai` in the configuration; --model names another model. Keys come from the environment, never from files.
docs/AI.md shows how to put an AI review into a pipeline in five lines.";

/// What `wf ai` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct AiArgs {
    /// What to do
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Ask one persona about some files
    Run(Later<run::RunArgs>),
    /// Serve the caching proxy, for programs that ask AI services themselves
    Proxy(Later<proxy::ProxyArgs>),
    /// Run the AI steps and write their answers into ai.lock
    Record(Later<record::RecordArgs>),
    /// Look at what models answered, and manage it
    Cache(Later<cache::CacheArgs>),
    /// List personas and prompts
    Personas(Later<personas::PersonasArgs>),
}

/// Runs the command.
pub fn run(args: AiArgs, cx: &Context) -> Result<Exit, Failure> {
    match args.command {
        Command::Run(args) => run::run(&args, cx),
        Command::Proxy(args) => proxy::run(&args, cx),
        Command::Record(args) => record::run(&args, cx),
        Command::Cache(args) => cache::run(&args, cx),
        Command::Personas(args) => personas::run(&args, cx),
    }
}
