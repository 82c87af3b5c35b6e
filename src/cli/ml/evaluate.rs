//! `wf ml evaluate`: how good predictions would have been over the recorded runs, as a table, a document or a picture.

use super::past::Past;
use super::replay::tell;
use super::{Context, Exit, Failure};
use crate::predict::replay::{Section, ordering};
use crate::report::{accuracy, look};
use serde_json::json;
use std::path::PathBuf;

const HELP: &str = "\
Examples:
  wf ml evaluate
  wf ml evaluate --last 200
  wf ml evaluate --svg accuracy.svg
  wf ml evaluate --json | jq '.sections[0].rows[0].metrics'

Each run is predicted from those before it. Columns: scored, how many durations; wape, all errors by all durations in
percent; within25, how many in a hundred were off by at most a quarter; r2_log, R² of logarithms; coverage80, how many
in a hundred were within the interval that is to hold 80; width80_factor, its upper end by its lower. Where steps
failed, also how soon each order would have found the failures: apfdc and napfd, 1 is at once; ttff, the share of the
time until the first.";

/// What `wf ml evaluate` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct EvaluateArgs {
    /// Walk through so many runs, the newest
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1_000)]
    last: usize,
    /// Also draw a picture: predicted against actual, and errors over time
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &EvaluateArgs, cx: &Context) -> Result<Exit, Failure> {
    let mut past = Past::open(cx)?;
    let walk = past.walk(args.last, cx)?;
    let sections: Vec<&Section> = walk.section.iter().collect();
    let ordering = ordering::measure(&walk.table);
    let sections: Vec<&Section> = sections.into_iter().chain(&ordering).collect();
    let mut drawn = None;
    if let Some(file) = args.svg.as_ref().filter(|_| walk.section.is_some()) {
        let title = format!("Predicted and actual durations, {}", look::count(walk.runs, "run"));
        let picture = accuracy::svg(&title, &walk.scored, walk.runs).map_err(Failure::environment)?;
        std::fs::write(cx.cwd.join(file), picture)
            .map_err(|error| Failure::environment(format!("cannot write {}: {error}", file.display())))?;
        drawn = Some(file.display().to_string());
    }
    if args.json {
        cx.print_json(&json!({
            "format": 1,
            "walked_runs": walk.runs,
            "recorded_runs": walk.recorded,
            "sections": sections,
            "svg": drawn,
        }))?;
        return Ok(Exit::Passed);
    }
    let of = if walk.runs < walk.recorded { format!(" of {}", walk.recorded) } else { String::new() };
    let mut text = String::new();
    for section in sections {
        tell(&mut text, &format!("{}{of}: {}", look::count(walk.runs, "run"), section.name), &section.rows);
    }
    match (&walk.section, walk.runs) {
        (_, 0) => past.say_nothing_recorded(cx),
        (None, _) => cx.say("durations cannot be measured yet: no step passed four times"),
        _ => {}
    }
    cx.print(&text)?;
    if let Some(file) = drawn {
        cx.say(&format!("{file} is drawn"));
    }
    Ok(Exit::Passed)
}
