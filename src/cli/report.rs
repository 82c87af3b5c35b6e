//! `wf report`: a recorded run told again from its log.

use super::replay::Replay;
use super::{Context, Exit, Failure, look, recorded};
use crate::ask::Finding;
use crate::base::StepId;
use crate::event::{Evidence, Reused, SkipReason};
use crate::history::{self, RunRef, StateDir};
use crate::report::clean::{self, Colors};
use crate::report::view::{State, StepView};
use crate::report::{RunView, document, findings, junit, markdown, openmetrics, output, text, timeline, trace};
use clap::{Args, ValueEnum};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Arguments of `wf report`.
#[derive(Clone, Debug, Default, Args)]
#[command(
    after_help = "Examples:\n  wf report\n  wf report latest --step test\n  wf report 0192 --format html > run.html\n  \
                  wf report --trace run.json --junit junit.xml"
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
    /// Write a trace of the run for about:tracing and Perfetto
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", help_heading = "Files")]
    pub trace: Option<PathBuf>,
    /// Write numbers for Prometheus, as OpenMetrics text
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", help_heading = "Files")]
    pub openmetrics: Option<PathBuf>,
    /// Write JUnit XML
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", help_heading = "Files")]
    pub junit: Option<PathBuf>,
    /// Write Markdown
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", help_heading = "Files")]
    pub markdown: Option<PathBuf>,
    /// Write what steps found, as SARIF
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", help_heading = "Files")]
    pub sarif: Option<PathBuf>,
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
    /// What steps found, for code scanning: file, line, severity, message
    Sarif,
    /// What steps found, as annotations of GitHub Actions
    Github,
    /// A picture of the run over time
    Svg,
    /// The picture, with tables, as a page
    Html,
    /// The run over time, for about:tracing and Perfetto
    Trace,
    /// Numbers, for Prometheus
    Openmetrics,
}

impl ReportArgs {
    /// The files that are asked for; `-` is standard output.
    fn files(&self) -> Vec<(ReportFormat, &Path)> {
        let all = [
            (ReportFormat::Trace, &self.trace),
            (ReportFormat::Openmetrics, &self.openmetrics),
            (ReportFormat::Junit, &self.junit),
            (ReportFormat::Markdown, &self.markdown),
            (ReportFormat::Sarif, &self.sarif),
        ];
        all.into_iter().filter_map(|(format, file)| Some((format, file.as_deref()?))).collect()
    }
}

/// Runs the command.
pub fn run(args: &ReportArgs, cx: &Context) -> Result<Exit, Failure> {
    let run = recorded::run(cx, &args.run)?;
    let events = history::read_log(&run.log()).map_err(recorded::unreadable)?;
    let mut view = RunView::of(events);
    // What skipped steps took before is not in this run's log.
    let state = recorded::state(cx)?;
    view.known = history::durations(&state, &history::Recorded::load(&state));
    let look = look::look(cx, args.verbose);
    if let Some(step) = &args.step {
        return printed(cx, &run, &view, step, look.color);
    }
    let files = args.files();
    if files.is_empty() {
        let format = if args.json { ReportFormat::Json } else { args.format };
        cx.print(&told(format, cx, &view, &run, &look)?)?;
        return Ok(Exit::Passed);
    }
    for (format, file) in files {
        let text = told(format, cx, &view, &run, &look)?;
        if file == Path::new("-") {
            cx.print(&text)?;
            continue;
        }
        std::fs::write(cx.cwd.join(file), cx.masker(None).text(&text))
            .map_err(|error| Failure::environment(format!("cannot write {}: {error}", file.display())))?;
    }
    Ok(Exit::Passed)
}

/// The run in one form.
fn told(
    format: ReportFormat,
    cx: &Context,
    view: &RunView,
    run: &RunRef,
    look: &crate::report::Look,
) -> Result<String, Failure> {
    Ok(match format {
        ReportFormat::Json => json(&document::document(view))?,
        ReportFormat::Text => text::render(view, &run.dir, look),
        ReportFormat::Junit => junit::render(view, &run.dir, &Replay::new(cx.cache_here()?.0, cx).stored()),
        ReportFormat::Markdown => {
            let mut text = markdown::render(view, &run.dir, look);
            markdown::findings(&mut text, &found(cx, view, run)?);
            text
        }
        ReportFormat::Sarif => {
            let Scanned { found, unknown } = scanned(cx, view, run)?;
            json(&findings::sarif(&found, &unknown, env!("CARGO_PKG_VERSION")))?
        }
        ReportFormat::Github => findings::annotations(&found(cx, view, run)?),
        ReportFormat::Svg => timeline::svg(view, look),
        ReportFormat::Html => timeline::html(view, &run.dir, look),
        ReportFormat::Trace => json(&trace::trace(view))?,
        ReportFormat::Openmetrics => openmetrics::render(view),
    })
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::environment(error.to_string()))?;
    Ok(text + "\n")
}

/// What steps found, those whose results were used again included.
fn found(cx: &Context, view: &RunView, run: &RunRef) -> Result<Vec<(StepId, Finding)>, Failure> {
    Ok(findings::of(view, &run.dir, &Replay::new(cx.cache_here()?.0, cx).stored()))
}

/// What code scanning is told.
#[derive(Default)]
struct Scanned {
    found: Vec<(StepId, Finding)>,
    /// Steps of which nobody knows what they would find.
    unknown: Vec<StepId>,
}

/// For code scanning, which takes what is not named any more for mended: what steps found, what skipped ones found in the run
/// that their skip stands on, and the steps of which that is not known.
fn scanned(cx: &Context, view: &RunView, run: &RunRef) -> Result<Scanned, Failure> {
    let stored = Replay::new(cx.cache_here()?.0, cx).stored();
    let mut before = Before { state: recorded::state(cx)?, runs: HashMap::new() };
    let mut scanned = Scanned::default();
    for step in &view.steps {
        let found = match &step.state {
            State::Skipped(SkipReason::Unaffected { evidence: Evidence::Witnessed { run, .. }, .. }) => {
                before.run(run).and_then(|(dir, steps)| findings::of_step(steps.get(&step.id)?, dir, &stored))
            }
            State::Done(_) | State::Reused(_) => findings::of_step(step, &run.dir, &stored),
            _ => None,
        };
        match found {
            Some(found) => scanned.found.extend(found.into_iter().map(|finding| (step.id.clone(), finding))),
            None => scanned.unknown.push(step.id.clone()),
        }
    }
    Ok(scanned)
}

/// A run's folder and its steps.
type Told = (PathBuf, HashMap<StepId, StepView>);

/// Runs that skips stand on, each read once.
struct Before {
    state: StateDir,
    runs: HashMap<String, Option<Told>>,
}

impl Before {
    /// None if it is not there any more.
    fn run(&mut self, id: &str) -> Option<&Told> {
        let read = || {
            let run = history::resolve_run(&self.state, id).ok()?;
            let view = RunView::of(history::read_log(&run.log()).ok()?);
            Some((run.dir, view.steps.into_iter().map(|step| (step.id.clone(), step)).collect()))
        };
        if !self.runs.contains_key(id) {
            let told = read();
            self.runs.insert(id.to_owned(), told);
        }
        self.runs.get(id)?.as_ref()
    }
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
    if let State::Reused(reused) = &step.state {
        replayed(cx, reused, color)?;
    }
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

/// What a step printed when it ran, in the run whose result this one used: as it is stored, else from that run's own log.
fn replayed(cx: &Context, reused: &Reused, color: bool) -> Result<(), Failure> {
    let run = clean::text(reused.run.as_str());
    let mut lines = Lines::new(cx, color);
    if let Some(blob) = &reused.output {
        let read = Replay::new(cx.cache_here()?.0, cx).each(blob, |bytes| lines.push(bytes));
        let stored = read.map_err(|error| {
            let what = format!("cannot read what {} printed in run {run}: {error}", clean::text(reused.step.as_str()));
            Failure::environment(what)
        })?;
        if stored {
            cx.say(&format!("replayed from run {run}, whose result was used"));
            return lines.finish();
        }
    }
    match printed_then(cx, reused) {
        Some(log) => {
            cx.say(&format!("from the log of run {run}, whose result was used"));
            print_log(cx, &log, &reused.step, color)
        }
        None if reused.output.is_none() && !reused.resumed => Ok(()),
        None => {
            cx.say(&format!("what it printed in run {run}, whose result was used, is not stored any more"));
            Ok(())
        }
    }
}

/// The log of the attempt that a run used the result of, if that run is still there.
fn printed_then(cx: &Context, reused: &Reused) -> Option<PathBuf> {
    let run = history::resolve_run(&recorded::state(cx).ok()?, reused.run.as_str()).ok()?;
    // What an entry says is a name, not what a person would type.
    let run = Some(run).filter(|run| run.id == reused.run)?;
    let view = RunView::of(history::read_log(&run.log()).ok()?);
    output::inside(&run.dir, view.step(&reused.step)?.end()?.log.as_ref()?)
}

/// What a step printed, on standard output. To a terminal: lines, with colours at most. To a file or pipe: the bytes as they
/// were printed, without escapes too, because nobody knows which terminal will show them.
struct Lines<'a> {
    cx: &'a Context,
    colors: Colors,
    partial: Vec<u8>,
    printed: Result<(), Failure>,
}

impl<'a> Lines<'a> {
    fn new(cx: &'a Context, color: bool) -> Self {
        Self { cx, colors: if color { Colors::Keep } else { Colors::Drop }, partial: vec![], printed: Ok(()) }
    }

    /// Prints the lines that are whole.
    fn push(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        let whole = memchr::memrchr(b'\n', &self.partial).map_or(0, |at| at + 1);
        let rest = self.partial.split_off(whole);
        let lines: String = output::lines(&self.partial).map(|line| self.line(line)).collect();
        self.partial = rest;
        if self.printed.is_ok() && !lines.is_empty() {
            self.printed = self.cx.print(&lines);
        }
    }

    /// In a job of GitHub's, what a step printed is no command of the job.
    fn line(&self, line: &[u8]) -> String {
        let line = clean::line(line, self.colors);
        (if self.cx.env.flag("GITHUB_ACTIONS") { clean::disarm(&line) } else { line }) + "\n"
    }

    /// Prints what has no end of a line.
    fn finish(self) -> Result<(), Failure> {
        let rest = self.line(&self.partial);
        self.printed?;
        if self.partial.is_empty() { Ok(()) } else { self.cx.print(&rest) }
    }
}

fn print_log(cx: &Context, path: &Path, step: &StepId, color: bool) -> Result<(), Failure> {
    let mut lines = Lines::new(cx, color);
    let mut log = output::Follow::open(path)
        .map_err(|error| Failure::environment(format!("cannot open {}: {error}", path.display())))?;
    let read = log.read(|bytes| lines.push(bytes));
    lines.finish()?;
    read.map_err(|error| Failure::environment(format!("cannot read what {step} printed: {}: {error}", path.display())))
}
