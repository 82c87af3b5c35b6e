//! `wf ml replay`: recorded histories through what is learned online, as tables or as one document.

use super::{Context, Exit, Failure};
use crate::engine::Outlook;
use crate::history::Learned;
use crate::predict::replay::{Measured, Section, makespan, many, means, sections, table};
use serde_json::json;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Of so many steps predictions are timed.
const TIMED: usize = 10_000;
/// So often.
const ROUNDS: usize = 11;

/// What `wf ml replay` takes.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// CSV files, plain or `.gz`: cycle, test, duration_s, failed and time, or stage runs of LRTS
    #[arg(required_unless_present_any = ["pipelines", "predictions"], value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Also order a hundred made-up pipelines
    #[arg(long)]
    pipelines: bool,
    /// Also time what is expected of ten thousand made-up steps
    #[arg(long)]
    predictions: bool,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ReplayArgs, cx: &Context) -> Result<Exit, Failure> {
    let mut told: Vec<(String, Section)> = Vec::new();
    for path in &args.files {
        let unreadable = |error| Failure::environment(format!("cannot read {}: {error}", path.display()));
        let text = read(&cx.cwd.join(path)).map_err(unreadable)?;
        let tables = table::parse(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        for table in tables {
            let file = [path.display().to_string(), table.name.clone()];
            let name = file.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
            told.extend(sections(&table).into_iter().map(|section| (name.clone(), section)));
        }
    }
    if args.pipelines {
        told.push(("made-up pipelines".into(), makespan::pipelines()));
    }
    if args.predictions {
        told.push(("made-up steps".into(), predictions()));
    }
    let means = means(told.iter().map(|(_, section)| section));
    if args.json {
        let of =
            |(file, section): &(String, Section)| json!({"file": file, "name": section.name, "rows": section.rows});
        let sections: Vec<_> = told.iter().map(of).collect();
        cx.print_json(&json!({ "format": 1, "sections": sections, "means": means }))?;
        return Ok(Exit::Passed);
    }
    let mut text = String::new();
    for (file, section) in &told {
        tell(&mut text, &format!("{file}: {}", section.name), &section.rows);
    }
    for section in &means {
        tell(&mut text, &format!("mean: {}", section.name), &section.rows);
    }
    if text.is_empty() {
        text.push_str("nothing can be measured on this\n");
    }
    cx.print(&text)?;
    Ok(Exit::Passed)
}

/// How long it takes to say what is expected of many steps, by the code with which runs and plans do: milliseconds.
fn predictions() -> Section {
    let many::Many { steps, durations, failures, about } = many::many(TIMED);
    let outlook = Outlook::knowing(Learned { durations, failures, ..Learned::default() }, about);
    let mut took: Vec<f64> = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let known = steps.iter().filter(|step| std::hint::black_box(outlook.of(step, 1)).span.is_some()).count();
        took.push(begin.elapsed().as_secs_f64() * 1_000.0);
        debug_assert_eq!(known, steps.len());
    }
    took.sort_by(f64::total_cmp);
    let at = |place: usize| took.get(place).copied().unwrap_or_default();
    let metrics = vec![
        ("steps", steps.len() as f64),
        ("rounds", ROUNDS as f64),
        ("median_ms", at(ROUNDS / 2)),
        ("fastest_ms", at(0)),
        ("slowest_ms", at(ROUNDS - 1)),
    ];
    Section { name: "predictions", rows: vec![Measured { method: "wf".into(), metrics }] }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let bytes = std::fs::read(path)?;
    if path.extension().is_none_or(|extension| extension != "gz") {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text)?;
    Ok(text)
}

/// A heading and a table: methods down, metrics across.
pub(super) fn tell(text: &mut String, heading: &str, rows: &[Measured]) {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flat_map(|row| &row.metrics) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let first = rows.iter().map(|row| row.method.chars().count()).max().unwrap_or(0);
    let _ = write!(text, "{heading}\n  {:first$}", "");
    for name in &names {
        let _ = write!(text, "  {name:>8}");
    }
    text.push('\n');
    for row in rows {
        let _ = write!(text, "  {:first$}", row.method);
        for name in &names {
            let value = row.metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
            let shown = value.map_or(String::new(), |value| match value.abs() {
                // Counts are whole.
                size if size.fract() == 0.0 && (size >= 100.0 || *name == "scored") => format!("{value}"),
                size if size >= 10.0 => format!("{value:.2}"),
                _ => format!("{value:.3}"),
            });
            let _ = write!(text, "  {shown:>width$}", width = name.len().max(8));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text.push('\n');
}
