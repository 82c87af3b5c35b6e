//! `wf cache ls`: stored results as a table.

use super::super::{Context, Exit, Failure};
use super::{Json, Opened, look, size, utc};
use crate::cache::{Entry, KeyStart};
use crate::report::{clean, frame, look as words, look::Tone};
use serde_json::json;
use std::fmt::Write as _;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct LsArgs {
    /// Only results of this step; without an instance, of all its instances
    step: Option<String>,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(args: &LsArgs, opened: &Opened, cx: &Context) -> Result<Exit, Failure> {
    let wanted = |entry: &Entry| {
        args.step.as_ref().is_none_or(|step| entry.step.as_str() == step || entry.step.template() == step)
    };
    let mut entries: Vec<_> = opened.actions.entries().filter(|(entry, ..)| wanted(entry)).collect();
    // The newest first; of those of one millisecond the one that was written last.
    entries.reverse();
    entries.sort_by_key(|(_, stored_ms, _)| std::cmp::Reverse(*stored_ms));
    let (usage, _) = opened.actions.usage();
    let hits = |entry: &Entry| usage.get(&KeyStart::of(&entry.key)).map_or(0, |usage| usage.hits);
    if args.json.json {
        let rows = entries.iter().map(|(entry, at_ms, _)| {
            json!({
                "step": entry.step,
                "key": entry.key,
                "stored_at": utc(*at_ms),
                "run": entry.pass.run,
                "wall_ms": entry.pass.wall_ms,
                "outputs": entry.outputs.len(),
                "size": size(entry),
                "hits": hits(entry),
                "tags": entry.tags,
                "expires_at": entry.expires_ms.map(utc),
            })
        });
        cx.print_json(&json!({ "format": 1, "entries": rows.collect::<Vec<_>>() }))?;
        return Ok(Exit::Passed);
    }
    if entries.is_empty() {
        cx.say("nothing is stored");
        return Ok(Exit::Passed);
    }
    let look = look(cx);
    let mut rows = vec![["stored", "step", "took", "size", "used", "key"].map(str::to_owned)];
    for (entry, at_ms, _) in &entries {
        rows.push([
            look.time(&utc(*at_ms)),
            clean::text(entry.step.as_str()),
            words::time(entry.pass.wall_ms),
            words::bytes(size(entry)),
            hits(entry).to_string(),
            entry.key.0.short(),
        ]);
    }
    let width = |at: usize| rows.iter().map(|cells| frame::cells(&cells[at])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    for (line, cells) in rows.iter().enumerate() {
        let mut row = String::new();
        for (at, cell) in cells.iter().enumerate() {
            let fill = " ".repeat(widths[at] - frame::cells(cell));
            let painted = if line == 0 { look.paint(Tone::Strong, cell) } else { cell.clone() };
            let (left, right) = if (2..5).contains(&at) { (fill, painted) } else { (painted, fill) };
            row.extend([left.as_str(), &right, "  "]);
        }
        let _ = writeln!(text, "{}", row.trim_end());
    }
    cx.print(&text)?;
    Ok(Exit::Passed)
}
