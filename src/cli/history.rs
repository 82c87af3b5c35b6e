//! `wf history`: the runs that are recorded, newest first.

use super::context::Context;
use super::failure::{Exit, Failure};
use crate::event::RunStatus;
use crate::history::{Recorded, RecordedRun, StateDir};
use crate::report::{Look, clean, frame, look::Tone};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What `wf history` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf history\n  wf history --last 100\n  wf history --json | jq '.runs[0]'")]
pub struct HistoryArgs {
    /// Show so many runs
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    pub last: usize,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command. Writes nothing.
pub fn run(args: &HistoryArgs, cx: &Context) -> Result<Exit, Failure> {
    let (place, by) = cx.state_place_here()?;
    let recorded = Recorded::load(&StateDir::open_read_only(&place, by)?);
    for problem in &recorded.problems {
        cx.say(&format!("warning: {}", clean::text(problem)));
    }
    let shown = &recorded.runs[..recorded.runs.len().min(args.last)];
    if args.json {
        let runs: Vec<Value> = shown.iter().map(document).collect();
        cx.print_json(
            &json!({ "format": 1, "total": recorded.runs.len(), "runs": runs, "problems": recorded.problems }),
        )?;
        return Ok(Exit::Passed);
    }
    if shown.is_empty() {
        cx.say(&format!("no run is recorded in {}; `wf run` records one", place.display()));
        return Ok(Exit::Passed);
    }
    let look = Look {
        color: cx.color(cx.stdout_is_terminal),
        width: usize::MAX,
        github: false,
        verbose: false,
        zone: super::look::zone(cx),
    };
    cx.print(&table(shown, recorded.runs.len(), &look))?;
    Ok(Exit::Passed)
}

fn status(run: &RecordedRun) -> (&'static str, Tone) {
    match run.facts.status {
        Some(RunStatus::Passed) => ("passed", Tone::Good),
        Some(RunStatus::Failed) => ("failed", Tone::Bad),
        Some(RunStatus::Interrupted) => ("interrupted", Tone::Warn),
        Some(RunStatus::Broken) => ("broken", Tone::Bad),
        None if run.live => ("running", Tone::Strong),
        None => ("killed", Tone::Bad),
    }
}

fn document(run: &RecordedRun) -> Value {
    let facts = &run.facts;
    json!({
        "run": facts.run,
        "started_at": facts.started_at,
        "status": status(run).0,
        "commit": facts.commit,
        "branch": facts.branch,
        "clean": facts.clean,
        "whole": facts.whole,
        "green": facts.is_green(),
        "ran": facts.ran,
        "skipped": facts.skipped,
        "skipped_on_trust": facts.trusted,
        "failed": facts.failed,
        "cancelled": facts.cancelled,
        "wall_ms": facts.wall_ms,
        // None: pruned, only its facts are left.
        "dir": run.place.as_ref().map(|place| place.dir.display().to_string()),
    })
}

fn table(runs: &[RecordedRun], total: usize, look: &Look) -> String {
    let head = ["started", "status", "commit", "branch", "ran", "skipped", "failed", "time", "run"].map(str::to_owned);
    let mut rows = vec![(head, Tone::Strong)];
    for run in runs {
        let (facts, (word, tone)) = (&run.facts, status(run));
        let commit = facts.commit.as_deref().map_or("-".into(), |commit| commit.chars().take(10).collect::<String>());
        let cells = [
            look.time(&facts.started_at),
            word.into(),
            clean::text(&commit) + if facts.clean { "" } else { "+" },
            frame::fit(&clean::text(facts.branch.as_deref().unwrap_or("-")), 24),
            facts.ran.to_string(),
            facts.skipped.to_string(),
            facts.failed.to_string(),
            crate::report::look::time(facts.wall_ms),
            facts.run.to_string() + if run.place.is_some() { "" } else { " (pruned)" },
        ];
        rows.push((cells, tone));
    }
    let width = |at: usize| rows.iter().map(|(cells, _)| frame::cells(&cells[at])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..9).map(width).collect();
    let mut text = String::new();
    for (i, (cells, tone)) in rows.iter().enumerate() {
        let mut line = String::new();
        for (at, cell) in cells.iter().enumerate() {
            let fill = " ".repeat(widths[at] - frame::cells(cell));
            let painted = if i == 0 || at == 1 { look.paint(*tone, cell) } else { cell.clone() };
            let (left, right) = if (4..8).contains(&at) { (fill, painted) } else { (painted, fill) };
            line.extend([left.as_str(), &right, "  "]);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if runs.iter().any(|run| !run.facts.clean) {
        text += &look.paint(Tone::Dim, "+ the working tree was not clean: such a run is no evidence for its commit\n");
    }
    if total > runs.len() {
        let more = format!("{} older; `wf history --last {total}` shows all\n", total - runs.len());
        text += &look.paint(Tone::Dim, &more);
    }
    text
}
