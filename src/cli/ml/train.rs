//! `wf ml train`: everything is learned anew from the recorded runs, and kept.

use super::past::Past;
use super::{Context, Exit, Failure, short};
use crate::history::db::Of;
use crate::history::learned::ModelLock;
use crate::history::{Learned, StateDir, learned};
use crate::report::look;
use serde_json::json;

const HELP: &str = "\
Examples:
  wf ml train
  wf ml train --json | jq .runs

`wf run` learns of new runs by itself. This is for a model that is damaged, lost or from another machine.";

/// What `wf ml train` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct TrainArgs {
    /// One JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &TrainArgs, cx: &Context) -> Result<Exit, Failure> {
    let clock = crate::engine::Clock::start();
    let mut past = Past::open(cx)?;
    let mut known = Learned::default();
    // What the database does not keep is older than all that it has.
    for run in past.recorded.runs.iter().rev().filter(|run| !run.live && past.apart.contains(&run.facts.run)) {
        known.learn(run);
    }
    let now = jiff::Timestamp::now().as_second();
    let (runs, _) = past.ask(cx, |db| db.runs(None))?;
    for facts in runs.iter().rev() {
        let attempts = past.ask(cx, |db| db.attempts(Of::Run(&facts.run), None))?;
        known.learn_rows(facts, &attempts);
        // As often as runs would have done it: how much the regression is believed depends on that.
        if known.progress.runs_until_fit() == 0 {
            known.fit(now);
        }
    }
    if known.progress.runs == 0 {
        if args.json {
            cx.print_json(&json!({ "format": 1, "runs": 0, "samples": 0, "model": null, "took_ms": clock.now() }))?;
        } else {
            past.say_nothing_recorded(cx);
        }
        return Ok(Exit::Passed);
    }
    known.fit(now);
    known.progress.trained_at = now;
    let (place, by) = cx.state_place_here()?;
    let state = StateDir::open(&place, by)?;
    let path = learned::place(&state);
    // A run that goes on with what was there before does not replace it, and what it did meanwhile is learned again.
    let written = ModelLock::take(&state).and_then(|lock| known.replace(&state, &lock));
    written.map_err(|error| Failure::environment(format!("cannot write {}: {error}", path.display())))?;
    let (progress, took) = (&known.progress, clock.now());
    if args.json {
        cx.print_json(&json!({
            "format": 1,
            "runs": progress.runs,
            "samples": progress.samples,
            "steps": known.last.len(),
            "model": path.display().to_string(),
            "took_ms": took,
        }))?;
        return Ok(Exit::Passed);
    }
    cx.print(&format!(
        "learned of {}, {} of {} in {}; kept in {}\n",
        look::count(progress.runs as usize, "run"),
        look::count(progress.samples as usize, "attempt"),
        look::count(known.last.len(), "step"),
        short(took),
        path.display(),
    ))?;
    Ok(Exit::Passed)
}
