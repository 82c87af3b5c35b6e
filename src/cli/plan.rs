//! `wf plan` and `wf run --dry-run`: what would run, and why. Runs nothing, writes nothing.

use super::args::PlanArgs;
use super::changes::base_words;
use super::context::Context;
use super::failure::{Exit, Failure};
use super::forecast::Forecast;
use super::outline;
use super::prepared::{self, Keys, Ready};
use super::{reuse, shard};
use crate::engine::reuse::Foretold;
use crate::engine::{Outlined, Outlook};
use crate::event::{Decision, EventKind, PlannedStage, PlannedStep, Predicted, WarningCode};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// So many steps with one and the same reason are named; more are counted.
const NAMED: usize = 12;

/// Runs the command.
pub fn run(args: &PlanArgs, cx: &Context) -> Result<Exit, Failure> {
    let mut ready = prepared::prepare(&args.decide, Keys::IfStored, cx)?;
    if args.shards.is_some() || args.shard.is_some() {
        return shards(args, &shard::outlined(&ready, cx), cx);
    }
    let forecast = reuse::predict(&mut ready, None, cx)?;
    let outlined = outlined(&mut ready, &forecast, cx);
    let outline = outlined.is_known().then(|| outlined.outline(&ready.request, args.verbose));
    let steps = ready.prepared.plan.steps();
    if args.json {
        let class = ready.prepared.class.as_ref();
        cx.print_json(&Document {
            format: 1,
            change: json!({
                "base": ready.prepared.change.base,
                "type": class.map_or("unknown", |class| &class.change_type),
                "impact": class.map_or_else(|| "unknown".into(), |class| class.impact.to_string()),
                "impact_because": class.map(|class| class.impact_because.clone()).unwrap_or_default(),
                "files": ready.prepared.change.files.len(),
            }),
            notes: &ready.prepared.notes,
            stages: &ready.prepared.plan.stages,
            cache: forecast.json(),
            expected: outline.as_ref().map(|outline| outline::json(&outlined, outline)),
            steps: steps.iter().map(|step| Told::of(step, &ready, &forecast)).collect(),
        })?;
        // The process ends: thousands of steps are not given back one by one.
        std::mem::forget((ready, steps));
        return Ok(Exit::Passed);
    }
    let mut said = text(&ready, &steps, &forecast, args.verbose);
    if let Some(outline) = outline.filter(|_| outlined.steps.len() > 1) {
        said.push_str(&outline::text(&ready, &outlined, &outline, args.verbose));
    }
    cx.print(&said)?;
    Ok(Exit::Passed)
}

/// What is expected of the steps that would really run. What could not be read is told with the other notes.
fn outlined(ready: &mut Ready, forecast: &Forecast, cx: &Context) -> Outlined {
    let predicts = ready.prepared.past && ready.request.settings.ml_optimize;
    let state = cx.state_for_reading(&ready.config).ok().filter(|_| predicts);
    let about = || ready.circumstances(cx);
    let mut outlook = Outlook::new(state.zip(Some(Arc::clone(&ready.prepared.recorded))));
    let is_known = |at: usize| forecast.of(at).is_some_and(|told| matches!(told.predicted, Predicted::Hit { .. }));
    let (outlined, notes) = Outlined::of(&ready.prepared, &ready.request, &mut outlook, about, is_known);
    ready.prepared.notes.extend(notes);
    outlined
}

/// Only which machine runs what: as `wf run --shard` does it.
fn shards(args: &PlanArgs, outlined: &Outlined, cx: &Context) -> Result<Exit, Failure> {
    let said = args.shard.as_ref().and_then(|which| which.count);
    let count = match (args.shards, said) {
        (Some(all), Some(said)) if all != said => {
            return Err(Failure::usage(format!("--shards says {all} machines, and --shard says {said}")));
        }
        (all, said) => all.or(said).ok_or_else(|| {
            Failure::usage("--shard: of how many machines?").hint("`--shard 2/3`, or `--shard 2 --shards 3`")
        })?,
    };
    let only = args.shard.as_ref().map(|which| usize::from(which.index));
    if only.is_some_and(|only| only > count.into()) {
        return Err(Failure::usage(format!("--shard is one of 1 to {count}")));
    }
    let (found, even) = outlined.shards(count.into());
    if args.json {
        let all: Vec<_> = found.iter().map(|shard| outline::shard_json(outlined, shard)).collect();
        let shown = only.map_or_else(|| json!(all), |only| json!(all[only - 1]));
        cx.print_json(&json!({ "format": 1, "known": outlined.is_known(), "balance": even, "shards": shown }))?;
    } else {
        cx.print(&outline::shards_text(outlined, &found, even, only))?;
    }
    Ok(Exit::Passed)
}

/// The document. Never built as a tree of values: with thousands of steps that takes as long as all reading of git.
#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    change: Value,
    notes: &'a [EventKind],
    stages: &'a [PlannedStage],
    cache: Value,
    expected: Option<Value>,
    steps: Vec<Told<'a>>,
}

/// A step in the document: as the log of a run has it, and what the cache is expected to say of it if it runs.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    step: &'a PlannedStep,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<&'a Foretold>,
}

impl<'a> Told<'a> {
    fn of(step: &'a PlannedStep, ready: &Ready, forecast: &'a Forecast) -> Self {
        let at = ready.prepared.plan.graph.find(&step.id);
        Self { step, cache: at.and_then(|at| forecast.of(at)) }
    }
}

fn text(ready: &Ready, steps: &[PlannedStep], forecast: &Forecast, verbose: bool) -> String {
    let prepared = &ready.prepared;
    let mut text = format!("base    {}\n", base_words(&prepared.change.base));
    if let Some(class) = &prepared.class {
        let count = prepared.change.files.len();
        let files = if count == 1 { "1 file" } else { &format!("{count} files") };
        let _ = writeln!(
            text,
            "change  {} ({files}), impact {}: {}",
            class.change_type,
            class.impact,
            class.impact_because.join("; ")
        );
    }
    if matches!(forecast, Forecast::Empty(_)) && steps.iter().any(|step| step.decision.runs()) {
        let _ = writeln!(text, "cache   nothing is stored yet");
    }
    notes(&mut text, &prepared.notes);
    let running: Vec<&PlannedStep> = steps.iter().filter(|step| step.decision.runs()).collect();
    let width = running.iter().map(|step| step.id.as_str().chars().count()).max().unwrap_or(0).min(40);
    for (title, steps) in batches(&running, !prepared.plan.stages.is_empty()) {
        let _ = writeln!(text, "\n{title}");
        let shown = if verbose { usize::MAX } else { 200 };
        for step in steps.iter().take(shown) {
            if let Decision::Run(because) = &step.decision {
                let mark = prepared.plan.graph.find(&step.id).map(|at| forecast.mark(at, verbose)).unwrap_or_default();
                let _ = writeln!(text, "  run   {:<width$}  {because}{mark}", step.id);
            }
        }
        if steps.len() > shown {
            let _ = writeln!(text, "  … and {} more (--verbose names them)", steps.len() - shown);
        }
    }
    skipped(&mut text, steps, verbose);
    let (run, skipped) = (running.len(), steps.len() - running.len());
    let _ = writeln!(text, "\n{run} to run, {skipped} skipped{}", forecast.sum());
    text
}

/// Steps of one batch could start together; a staged plan has batches of its own inside each stage.
fn batches<'a>(running: &[&'a PlannedStep], staged: bool) -> Vec<(String, Vec<&'a PlannedStep>)> {
    let mut found: Vec<(String, Vec<&PlannedStep>)> = Vec::new();
    // Stages in the order of the plan, and in each the batches in theirs.
    let mut stages: Vec<&str> = Vec::new();
    let mut batches: BTreeMap<(usize, u32), Vec<&PlannedStep>> = BTreeMap::new();
    for step in running {
        let stage = step.stage.as_deref().filter(|_| staged).unwrap_or_default();
        if stages.last() != Some(&stage) {
            stages.push(stage);
        }
        batches.entry((stages.len(), step.batch)).or_default().push(step);
    }
    let (mut last, mut number) = (0, 0);
    for ((at, _), steps) in batches {
        number = if at == last { number + 1 } else { 1 };
        last = at;
        let stage = stages[at - 1];
        let stage = if stage.is_empty() { String::new() } else { format!("stage {stage}, ") };
        found.push((format!("{stage}batch {number}"), steps));
    }
    found
}

fn skipped(text: &mut String, steps: &[PlannedStep], verbose: bool) {
    let mut reasons: BTreeMap<String, Vec<&PlannedStep>> = BTreeMap::new();
    for step in steps {
        if let Decision::Skip(skip) = &step.decision {
            let evidence = match skip {
                crate::event::SkipReason::Unaffected { evidence, .. } => format!(" [{evidence}]"),
                _ => String::new(),
            };
            reasons.entry(format!("{skip}{evidence}")).or_default().push(step);
        }
    }
    if !reasons.is_empty() {
        text.push('\n');
    }
    for (reason, steps) in reasons {
        let named = if verbose { steps.len() } else { NAMED };
        let names: Vec<&str> = steps.iter().take(named).map(|step| step.id.as_str()).collect();
        let more = steps.len().saturating_sub(named);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(text, "  skip  {}{more}: {reason}", names.join(", "));
    }
}

/// Fallbacks and warnings, one line each.
pub fn notes(text: &mut String, notes: &[EventKind]) {
    for note in notes {
        let _ = match note {
            EventKind::Fallback { message, hint: Some(hint), .. } => {
                writeln!(text, "note    {message}\n        hint: {hint}")
            }
            EventKind::Fallback { message, .. } | EventKind::Warning { code: WarningCode::Fetched, message, .. } => {
                writeln!(text, "note    {message}")
            }
            EventKind::Warning { message, .. } => writeln!(text, "warning {message}"),
            _ => Ok(()),
        };
    }
}
