//! `wf optimize`: what of the configuration to change so that runs take less time; and changing it.

mod apply;
mod diff;
mod gather;

use super::context::Context;
use super::failure::{Exit, Failure};
use crate::base::RunId;
use crate::predict::advise::{Advice, MIN_RUNS, advise};
use crate::report::{Look, clean, look, look::Tone};
use serde_json::json;
use std::fmt::Write as _;

const HELP: &str = "\
Examples:
  wf optimize
  wf optimize --json | jq '.advice[0]'
  wf optimize --diff                        what --apply would change
  wf optimize --apply                       every change that is safe to make unseen
  wf optimize --apply retries:e2e,timeout:e2e

Retries, timeouts, the cache and the number of jobs are changed by it; all else is told, for you to do.
Comments and formatting stay. No network is used: everything comes from the recorded runs.";

/// What `wf optimize` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct OptimizeArgs {
    /// Change the configuration: all that is safe, or what these names say
    #[arg(long, value_name = "NAME", num_args = 0.., value_delimiter = ',', conflicts_with = "json")]
    pub apply: Option<Vec<String>>,
    /// Show what --apply would change, and change nothing
    #[arg(long, conflicts_with = "json")]
    pub diff: bool,
    /// Look at so many newest runs
    #[arg(long, short = 'n', value_name = "N", default_value_t = 200)]
    pub last: usize,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &OptimizeArgs, cx: &Context) -> Result<Exit, Failure> {
    let gathered = gather::gather(args.last, cx)?;
    let advice = advise(&gathered.world());
    if args.json {
        cx.print_json(&json!({ "format": 1, "runs": gathered.runs, "advice": advice }))?;
    } else if args.apply.is_some() || args.diff {
        let named = args.apply.as_deref().unwrap_or_default();
        apply::apply(&gathered.config, &advice, named, args.diff, cx)?;
    } else {
        cx.print(&text(&advice, gathered.runs, &super::history::look(cx)))?;
    }
    Ok(Exit::Passed)
}

fn text(advice: &[Advice], runs: usize, look: &Look) -> String {
    let mut text = String::new();
    if advice.is_empty() {
        let _ = writeln!(text, "nothing to change, as far as {} tell", look::count(runs, "run"));
        if runs < MIN_RUNS {
            let _ = writeln!(text, "of a step that ran in fewer than {MIN_RUNS} runs nothing is said");
        }
        return text;
    }
    for one in advice {
        let _ = writeln!(text, "{}  {}", look.paint(Tone::Strong, &one.id), saving(one));
        let _ = writeln!(text, "  {}", clean::text(&one.what));
        let seen = names(&one.runs);
        let _ = writeln!(text, "  because {}{seen}\n", clean::text(&one.evidence));
    }
    let edits = advice.iter().filter(|one| one.edit.is_some()).count();
    let found = look::count(advice.len(), "change");
    let _ = match edits {
        0 => writeln!(text, "{found} from {}; none can be made for you", look::count(runs, "run")),
        _ => writeln!(text, "{found} from {}; `wf optimize --apply` makes {edits}", look::count(runs, "run")),
    };
    text
}

fn saving(one: &Advice) -> String {
    let up_to = if one.at_most { "up to " } else { "" };
    match (one.saves_ms, one.saves_work_ms) {
        (0, 0) => "saves time only when something goes wrong".into(),
        (0, work) => format!("saves {up_to}{} of step time per run", look::time(work)),
        (ms, work) if work > ms => {
            format!("saves {up_to}{} per run, {} of step time", look::time(ms), look::time(work))
        }
        (ms, _) => format!("saves {up_to}{} per run", look::time(ms)),
    }
}

fn names(runs: &[RunId]) -> String {
    // The first half of a run's name is its time, which is enough to find it.
    let short: Vec<String> = runs.iter().map(|run| run.as_str().chars().take(13).collect()).collect();
    if short.is_empty() { String::new() } else { format!(" (runs {})", short.join(", ")) }
}
