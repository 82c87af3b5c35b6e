//! `wf ml predict`: what the next run would take, step by step and in all. Runs nothing, writes nothing.

use super::{Context, Exit, Failure, short};
use crate::cli::args::DecideArgs;
use crate::cli::history::look;
use crate::cli::history::table::aligned;
use crate::cli::prepared::{self, Keys, Ready};
use crate::cli::{plan, reuse};
use crate::engine::{Outlined, Outlook};
use crate::event::{EventKind, Expected, ExpectedStep, Predicted};
use crate::report::{Look, clean, frame, look as words, look::Tone};
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;

const HELP: &str = "\
Examples:
  wf ml predict
  wf ml predict --all             if every step ran
  wf ml predict test 'build@*'    only these, and what they need
  wf ml predict --jobs 8 --json | jq .expected.run

Between the ends of an interval lie four of five durations. What would be skipped, or reused from the cache, is not
counted.";

/// What `wf ml predict` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct PredictArgs {
    /// Only these steps and what they need: ids or globs, as in `--steps`
    #[arg(value_name = "STEP")]
    only: Vec<String>,
    #[command(flatten)]
    decide: DecideArgs,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &PredictArgs, cx: &Context) -> Result<Exit, Failure> {
    let mut decide = args.decide.clone();
    decide.steps.extend(args.only.iter().cloned());
    let mut ready = prepared::prepare(&decide, Keys::IfStored, cx)?;
    let forecast = reuse::predict(&mut ready, None, cx)?;
    let state = cx.state_for_reading(&ready.config).ok().filter(|_| ready.prepared.past);
    let about = || ready.circumstances(cx);
    let mut outlook = Outlook::new(state.zip(Some(Arc::clone(&ready.prepared.recorded))));
    let reused = |at: usize| matches!(forecast.of(at).map(|it| &it.predicted), Some(Predicted::Hit { .. }));
    let plan = &ready.prepared.plan;
    let (outlined, unread) = Outlined::of(&ready.prepared, &ready.request, &mut outlook, about, reused);
    let notes: Vec<EventKind> = ready.prepared.notes.iter().cloned().chain(unread).collect();
    let expected = outlined.expected(&ready.request);
    let all = 0..plan.graph.len();
    let reused = all.clone().filter(|at| plan.decisions[*at].runs() && reused(*at)).count();
    let skipped = all.filter(|at| !plan.decisions[*at].runs()).count();
    if args.json {
        cx.print_json(&json!({
            "format": 1,
            "jobs": at_once(&ready),
            "expected": expected,
            "reused": reused,
            "skipped": skipped,
            "notes": notes,
        }))?;
        return Ok(Exit::Passed);
    }
    let mut told = String::new();
    plan::notes(&mut told, &notes);
    if !told.is_empty() {
        cx.say(told.trim_end());
    }
    cx.print(&text(&expected, &ready, reused, skipped, &look(cx)))?;
    Ok(Exit::Passed)
}

/// How many steps run at once at most.
fn at_once(ready: &Ready) -> u32 {
    if ready.request.settings.parallel { ready.request.jobs } else { 1 }
}

fn text(expected: &Expected, ready: &Ready, reused: usize, skipped: usize, look: &Look) -> String {
    let mut text = String::new();
    if !expected.steps.is_empty() {
        text += &table(&expected.steps, look);
        text.push('\n');
    }
    let count = words::count(expected.steps.len(), "step");
    let apart = [(reused, "would be reused"), (skipped, "skipped")];
    let apart = apart.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!(", {n} {word}")).collect::<String>();
    let at_once = at_once(ready);
    let _ = match &expected.run {
        _ if expected.steps.is_empty() => writeln!(text, "nothing to run{apart}"),
        Some(run) => writeln!(
            text,
            "in all {} with {at_once} at once: {count}{apart}; the longest chain {}, all work {}",
            words::span(run),
            words::time(expected.critical_ms),
            words::time(expected.work_ms),
        ),
        None => writeln!(text, "too little is known to say what it takes in all: {count}{apart}"),
    };
    if !ready.request.settings.ml_optimize {
        text += &look.paint(Tone::Dim, "ml_optimize is off: `wf run` predicts nothing and keeps the plan's order\n");
    }
    text
}

fn table(steps: &[ExpectedStep], look: &Look) -> String {
    let head = ["step", "expected", "from", "to", "average", "passes", "risk"].map(str::to_owned);
    let row = |step: &ExpectedStep| {
        let times = step.span.map(|span| [span.ms, span.low_ms, span.high_ms, step.mean_ms].map(short));
        let [ms, low, high, mean] = times.unwrap_or_else(|| std::array::from_fn(|_| "-".to_owned()));
        let name = frame::middle(&clean::text(step.step.as_str()), 48);
        let risk = format!("{:.1} %", f64::from(step.risk_milli) / 10.0);
        ([name, ms, low, high, mean, step.samples.to_string(), risk], Tone::Strong)
    };
    aligned(head, steps.iter().map(row).collect(), 0, 1..7, look)
}
