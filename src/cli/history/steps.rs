//! The attempts of one run, of one step, or of all: how they ended, how long they took, what was expected and saved.

use super::{HistoryArgs, Unanswered, look, table};
use crate::base::{Millis, RunId, StepId};
use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure};
use crate::history::db::{Anomaly, AttemptRow, Db, FindError, HitRow, Of};
use crate::report::{Look, clean, frame, look::Tone};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One line: an attempt, or a result that was known.
enum Line {
    Attempt(AttemptRow),
    Hit(HitRow),
}

/// Shows what was asked for. `apart`: runs that are recorded and not in the database.
pub(super) fn show(args: &HistoryArgs, db: &mut Db, apart: &BTreeSet<RunId>, cx: &Context) -> Result<Exit, Unanswered> {
    let (lines, strange) = match &args.of {
        None => (newest_first(db, Of::All, args.last)?, vec![]),
        Some(typed) => match step_lines(db, typed, args.last)? {
            Some(lines) => (lines, vec![]),
            None => run_lines(db, typed, apart)?,
        },
    };
    if args.json {
        let attempts: Vec<Value> = lines.iter().map(document).collect();
        let told = |it: &Anomaly| json!({ "step": it.step, "kind": it.kind, "message": it.message });
        let strange: Vec<Value> = strange.iter().map(told).collect();
        cx.print_json(&json!({ "format": 1, "attempts": attempts, "anomalies": strange }))?;
    } else if lines.is_empty() {
        cx.say("no step ran there");
    } else {
        cx.print(&(in_table(&lines, &look(cx)) + &in_words(&strange, &look(cx))))?;
    }
    Ok(Exit::Passed)
}

/// What is strange about a run, one line each.
fn in_words(strange: &[Anomaly], look: &Look) -> String {
    let line = |it: &Anomaly| {
        let step = it.step.as_ref().map_or(String::new(), |step| format!("{step} "));
        format!("{} {}\n", look.paint(Tone::Warn, "strange:"), clean::text(&format!("{step}{}", it.message)))
    };
    strange.iter().map(line).collect()
}

/// What a step did, if a step is called so that ever ran.
fn step_lines(db: &mut Db, typed: &str, last: usize) -> Result<Option<Vec<Line>>, Unanswered> {
    // Instances have names that nobody could write in a configuration, and are taken as they are.
    let Ok(step) = serde_json::from_value::<StepId>(Value::from(typed)) else { return Ok(None) };
    let lines = newest_first(db, Of::Step(&step), last.max(1))?;
    Ok((!lines.is_empty()).then_some(lines))
}

/// What a run did: attempts as they ended, then what was known; and what is strange about it.
fn run_lines(db: &mut Db, typed: &str, apart: &BTreeSet<RunId>) -> Result<(Vec<Line>, Vec<Anomaly>), Unanswered> {
    let shown = || typed.escape_debug().take(80).collect::<String>();
    let run = match db.find(typed)? {
        Ok(facts) => facts.run,
        Err(FindError::Ambiguous(runs)) => {
            let names: Vec<_> = runs.iter().map(RunId::as_str).collect();
            let what = format!("`{}` is the start of several runs: {}", shown(), names.join(", "));
            return Err(Failure::usage(what).hint("type more of it, or `latest`").into());
        }
        Err(FindError::NotFound) => {
            let what = format!("no recorded run or step is called `{}`", shown());
            let goes_on = apart.iter().any(|run| run.as_str().starts_with(&typed.to_ascii_lowercase()));
            let hint = if goes_on { "it may still go on: `wf status` shows it" } else { "`wf history` lists the runs" };
            return Err(Failure::usage(what).hint(hint).into());
        }
    };
    let attempts = db.attempts(Of::Run(&run), None)?.into_iter().map(Line::Attempt);
    let lines = attempts.chain(db.hits(Of::Run(&run), None)?.into_iter().map(Line::Hit)).collect();
    Ok((lines, db.anomalies(&run)?))
}

fn newest_first(db: &mut Db, of: Of<'_>, last: usize) -> Result<Vec<Line>, Unanswered> {
    let mut lines: Vec<Line> = db.attempts(of, Some(last))?.into_iter().map(Line::Attempt).collect();
    lines.extend(db.hits(of, Some(last))?.into_iter().map(Line::Hit));
    lines.sort_by(|a, b| b.run().cmp(a.run()));
    lines.truncate(last);
    Ok(lines)
}

impl Line {
    fn run(&self) -> &RunId {
        match self {
            Self::Attempt(it) => &it.run,
            Self::Hit(it) => &it.run,
        }
    }
}

fn document(line: &Line) -> Value {
    match line {
        Line::Attempt(it) => json!({
            "run": it.run,
            "started_at": it.started_at,
            "step": it.step,
            "attempt": it.attempt,
            "last": it.last,
            "outcome": it.outcome,
            "flaky": it.flaky,
            "wall_ms": it.wall_ms,
            "predicted_ms": it.predicted_ms,
            "saved_ms": null,
            "cpu_ms": it.usage.cpu_ms,
            "memory_bytes": it.usage.memory_bytes,
            "disk_bytes": it.usage.disk_bytes,
            "key": it.key,
        }),
        Line::Hit(it) => json!({
            "run": it.run,
            "started_at": it.started_at,
            "step": it.step,
            "outcome": { "is": "reused" },
            "saved_ms": it.saved_ms,
        }),
    }
}

fn in_table(lines: &[Line], look: &Look) -> String {
    let head = ["started", "step", "outcome", "time", "predicted", "saved", "run"].map(str::to_owned);
    let ms = |ms: Option<Millis>| ms.map_or_else(|| "-".into(), crate::report::look::time);
    let row = |line: &Line| {
        let (step, started_at, outcome, tone, times) = match line {
            Line::Attempt(it) => {
                let again = if it.attempt > 1 { format!(" (attempt {})", it.attempt) } else { String::new() };
                let tone = match (it.outcome.passed(), it.flaky) {
                    (true, false) => Tone::Good,
                    (true, true) => Tone::Warn,
                    (false, _) => Tone::Bad,
                };
                (
                    &it.step,
                    &it.started_at,
                    format!("{}{again}", it.outcome),
                    tone,
                    [Some(it.wall_ms), it.predicted_ms, None],
                )
            }
            Line::Hit(it) => (&it.step, &it.started_at, "reused".into(), Tone::Good, [None, None, Some(it.saved_ms)]),
        };
        let [time, predicted, saved] = times.map(ms);
        let step = frame::fit(&clean::text(step.as_str()), 48);
        let outcome = frame::fit(&clean::text(&outcome), 48);
        ([look.time(started_at), step, outcome, time, predicted, saved, line.run().to_string()], tone)
    };
    table::aligned(head, lines.iter().map(row).collect(), 2, 3..6, look)
}
