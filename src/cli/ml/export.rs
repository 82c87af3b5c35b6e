//! `wf ml export`: recorded durations as a table that `wf ml replay` reads, or with all circumstances as JSON.

use super::past::Past;
use super::{Context, Exit, Failure};
use crate::history::RunFacts;
use crate::history::db::{self, AttemptRow, Of};
use crate::report::look;
use serde_json::{Value, json};
use std::path::PathBuf;

const HELP: &str = "\
Examples:
  wf ml export history.csv
  wf ml export | wf ml replay /dev/stdin
  wf ml export --format json | jq '.runs[0].circumstances'

What a step printed, its command and its environment are not in it; ids of steps are, and in JSON changed paths.";

/// The columns of the table. `wf ml replay` reads the first six.
const COLUMNS: [&str; 16] = [
    "cycle",
    "test",
    "duration_s",
    "failed",
    "time",
    "attempt",
    "outcome",
    "change_type",
    "impact",
    "files",
    "lines",
    "cold",
    "reused",
    "cores",
    "load",
    "runner",
];

/// What `wf ml export` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct ExportArgs {
    /// Where to write it; without it to standard output
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Which format
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "csv")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// cycle, test, duration_s, failed, time and more, one line for each step of a run
    Csv,
    /// The same with all circumstances, run by run
    Json,
}

/// A run, and how each of its steps ended.
type Sampled = (RunFacts, Vec<AttemptRow>);

pub(super) fn run(args: &ExportArgs, cx: &Context) -> Result<Exit, Failure> {
    let mut past = Past::open(cx)?;
    let samples: Vec<Sampled> = past.ask(cx, |all| {
        let (runs, _) = all.runs(None)?;
        let of = |facts: RunFacts| {
            let mut attempts = all.attempts(Of::Run(&facts.run), None)?;
            attempts.retain(|it| db::verdict(&facts, it.last, &it.outcome).is_some());
            Ok((facts, attempts))
        };
        runs.into_iter().rev().map(of).filter(|of| of.as_ref().map_or(true, |(_, rows)| !rows.is_empty())).collect()
    })?;
    if samples.is_empty() {
        past.say_nothing_recorded(cx);
    }
    let text = match args.format {
        Format::Csv => table(&samples).map_err(Failure::environment)?,
        Format::Json => {
            let text = serde_json::to_string_pretty(&document(&samples)).map_err(Failure::environment)?;
            text + "\n"
        }
    };
    let Some(file) = &args.file else {
        cx.print(&text)?;
        return Ok(Exit::Passed);
    };
    let path = cx.cwd.join(file);
    std::fs::write(&path, cx.masker(None).text(&text).as_bytes())
        .map_err(|error| Failure::environment(format!("cannot write {}: {error}", file.display())))?;
    let steps: usize = samples.iter().map(|(_, attempts)| attempts.len()).sum();
    cx.say(&format!("{}: {} of {}", file.display(), look::count(steps, "sample"), look::count(samples.len(), "run")));
    Ok(Exit::Passed)
}

/// One word for an outcome, as it is written in logs.
fn word(attempt: &AttemptRow) -> Value {
    serde_json::to_value(&attempt.outcome).map_or(Value::Null, |mut outcome| outcome["is"].take())
}

fn table(samples: &[Sampled]) -> Result<String, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|error| error.to_string())?;
    for (facts, attempts) in samples {
        let about = facts.circumstances.clone().unwrap_or_default();
        // Times without a zone are taken for UTC.
        let began = facts.started_at.trim_end_matches('Z');
        for attempt in attempts {
            let known = |n: u32| if n == 0 { String::new() } else { n.to_string() };
            let record = [
                facts.run.to_string(),
                attempt.step.to_string(),
                format!("{}.{:03}", attempt.wall_ms / 1_000, attempt.wall_ms % 1_000),
                u8::from(!attempt.outcome.passed()).to_string(),
                began.to_owned(),
                attempt.attempt.to_string(),
                word(attempt).as_str().unwrap_or_default().to_owned(),
                about.change_type.clone(),
                about.impact.clone(),
                if facts.circumstances.is_some() { about.files.to_string() } else { String::new() },
                about.changed_lines.map(|lines| lines.to_string()).unwrap_or_default(),
                about.cold.map(|cold| u8::from(cold).to_string()).unwrap_or_default(),
                about.reused.map(|share| share.to_string()).unwrap_or_default(),
                known(about.cores),
                if about.cores == 0 { String::new() } else { about.load.to_string() },
                about.runner.clone(),
            ];
            writer.write_record(&record).map_err(|error| error.to_string())?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

fn document(samples: &[Sampled]) -> Value {
    let sample = |attempt: &AttemptRow| {
        json!({
            "step": attempt.step,
            "attempt": attempt.attempt,
            "outcome": word(attempt),
            "failed": !attempt.outcome.passed(),
            "wall_ms": attempt.wall_ms,
        })
    };
    let run = |(facts, attempts): &Sampled| {
        json!({
            "run": facts.run,
            "started_at": facts.started_at,
            "circumstances": facts.circumstances,
            "samples": attempts.iter().map(sample).collect::<Vec<_>>(),
        })
    };
    json!({ "format": 1, "runs": samples.iter().map(run).collect::<Vec<_>>() })
}
