//! `wf report`: a recorded run told again from its log.

use super::{Context, Exit, Failure, look, recorded};
use crate::base::StepId;
use crate::history::{self, RunRef};
use crate::report::clean::{self, Colors};
use crate::report::{RunView, document, junit, markdown, output, text, timeline};
use clap::{Args, ValueEnum};
use std::path::Path;

/// Arguments of `wf report`.
#[derive(Clone, Debug, Default, Args)]
#[command(
    after_help = "Examples:\n  wf report\n  wf report latest --step test\n  wf report 0192 --format html > run.html"
)]
pub struct ReportArgs {
    /// Which run: its id, the start of it, or `latest`
    #[arg(default_value = "latest", value_name = "RUN")]
    pub run: String,
    /// How
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Print all that this step printed, and nothing else
    #[arg(long, value_name = "STEP", conflicts_with_all = ["format", "json"])]
    pub step: Option<String>,
    /// Name every step, however many there are
    #[arg(long, short)]
    pub verbose: bool,
}

/// The forms a report can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For terminals
    #[default]
    Text,
    /// One JSON document
    Json,
    /// JUnit XML
    Junit,
    /// For GitHub's job summary
    Markdown,
    /// A picture of the run over time
    Svg,
    /// The picture, with tables, as a page
    Html,
}

/// Runs the command.
pub fn run(args: &ReportArgs, cx: &Context) -> Result<Exit, Failure> {
    let run = recorded::run(cx, &args.run)?;
    let events = history::read_log(&run.log()).map_err(recorded::unreadable)?;
    let mut view = RunView::of(events);
    // What skipped steps took before is not in this run's log.
    view.known = history::known(&recorded::state(cx)?, None).0.durations;
    let look = look::look(cx, args.verbose);
    if let Some(step) = &args.step {
        return printed(cx, &run, &view, step, look.color);
    }
    let format = if args.json { ReportFormat::Json } else { args.format };
    match format {
        ReportFormat::Json => cx.print_json(&document::document(&view))?,
        ReportFormat::Text => cx.print(&text::render(&view, &run.dir, &look))?,
        ReportFormat::Junit => cx.print(&junit::render(&view, &run.dir))?,
        ReportFormat::Markdown => cx.print(&markdown::render(&view, &run.dir, &look))?,
        ReportFormat::Svg => cx.print(&timeline::svg(&view, &look))?,
        ReportFormat::Html => cx.print(&timeline::html(&view, &run.dir, &look))?,
    }
    Ok(Exit::Passed)
}

/// All that a step printed, attempt by attempt.
fn printed(cx: &Context, run: &RunRef, view: &RunView, name: &str, color: bool) -> Result<Exit, Failure> {
    let Some(step) = view.steps.iter().find(|step| step.id.as_str() == name) else {
        let failure = Failure::usage(format!("run {} has no step `{}`", run.id, clean::text(name)));
        let near = crate::base::suggest::nearest(name, view.steps.iter().map(|step| step.id.as_str()));
        return Err(match near {
            Some(near) => failure.hint(format!("did you mean `{}`?", clean::text(near))),
            None => failure.hint("`wf report` lists the steps of a run"),
        });
    };
    for attempt in &step.attempts {
        if step.attempts.len() > 1 {
            cx.say(&format!("attempt {}", attempt.number));
        }
        let log = attempt.finished.as_ref().and_then(|end| end.log.clone());
        // A step that still runs has a log that no event names yet.
        let log = log.unwrap_or_else(|| output::path_of(&step.id, attempt.number));
        if let Some(path) = output::inside(&run.dir, &log)
            && path.exists()
        {
            print_log(cx, &path, &step.id, color)?;
        }
    }
    Ok(Exit::Passed)
}

/// To a terminal: lines, with colours at most. To a file or pipe: the bytes as they were printed, without escapes too,
/// because nobody knows which terminal will show them.
fn print_log(cx: &Context, path: &Path, step: &StepId, color: bool) -> Result<(), Failure> {
    let colors = if color { Colors::Keep } else { Colors::Drop };
    let (mut partial, mut printed) = (Vec::new(), Ok(()));
    let mut log = output::Follow::open(path)
        .map_err(|error| Failure::environment(format!("cannot open {}: {error}", path.display())))?;
    let read = log.read(|bytes| {
        partial.extend_from_slice(bytes);
        let whole = memchr::memrchr(b'\n', &partial).map_or(0, |at| at + 1);
        let rest = partial.split_off(whole);
        let lines: String = output::lines(&partial).map(|line| clean::line(line, colors) + "\n").collect();
        partial = rest;
        if printed.is_ok() && !lines.is_empty() {
            printed = cx.print(&lines);
        }
    });
    printed?;
    if !partial.is_empty() {
        cx.print(&(clean::line(&partial, colors) + "\n"))?;
    }
    read.map_err(|error| Failure::environment(format!("cannot read what {step} printed: {}: {error}", path.display())))
}
