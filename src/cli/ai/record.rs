//! `wf ai record`: answers for `ai.lock`.

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use crate::ai::asking;
use crate::ai::lock::{self, Lock};
use crate::config::model::Command;

/// What it takes.
#[derive(Clone, Debug, clap::Args)]
pub struct RecordArgs {
    /// Only these steps (all that ask models, without it)
    #[arg(long, value_delimiter = ',')]
    steps: Vec<String>,
}

/// Runs the steps that ask, whatever changed, and says what is recorded. When all of them passed, what nobody asks any more
/// is forgotten.
pub fn run(args: &RecordArgs, cx: &Context) -> Result<Exit, Failure> {
    let config = cx.load_config(vec![])?;
    let asks = |spec: &&crate::config::model::StepSpec| matches!(spec.command, Command::Ai(_)) || spec.ai_proxy;
    let all: Vec<String> = config.workflow().steps.iter().filter(asks).map(|spec| spec.id.to_string()).collect();
    let steps = if args.steps.is_empty() { all } else { args.steps.clone() };
    if steps.is_empty() {
        return Err(Failure::usage("no step asks a model").hint("a step that does has `ai`, or `ai_proxy: true`"));
    }
    let path = asking::lock_path(&config.root);
    // Nobody pays for answers that can then not be written down.
    Lock::read(&path).map_err(|error| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Failure::usage(error.to_string()).hint(format!("remove `{name}` and record again: `rm {name} && wf ai record`"))
    })?;
    let steps = steps.join(",");
    let flags = ["run", "--ai=record", "--no-cache", "--smart-execution=off", "--no-resume", "--steps", &steps];
    lock::begin(&path).map_err(Failure::environment)?;
    let done = super::super::also(&flags, cx);
    // After a run that failed, somebody may still need what was recorded before.
    let only = args.steps.is_empty() && matches!(done, Ok(Exit::Passed));
    lock::end(&path, only).map_err(Failure::environment)?;
    let exit = done?;
    let lock = Lock::read(&path).map_err(Failure::environment)?;
    cx.say(&format!("{} answers in {}; commit it with {}.d", lock.len(), path.display(), path.display()));
    Ok(exit)
}
