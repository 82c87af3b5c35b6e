//! What the environment and the terminals say about how output looks, weighed once for every command that tells of runs.

use super::Context;
use crate::config::model::OutputMode;
use crate::config::{Loaded, Origin};
use crate::report::{ActionsFiles, Look, SinkOptions, Stored};
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// How results look on standard output.
pub fn look(cx: &Context, verbose: bool) -> Look {
    Look {
        color: cx.color(cx.stdout_is_terminal),
        width: usize::from(columns(cx)).max(20),
        github: github(cx),
        verbose,
        zone: zone(cx),
    }
}

/// The time zone of this machine, or of `TZ`. To ask for it by its name, a library reads the whole database of zones, which
/// takes longer than a small run; the file that says which one it is says everything about it.
pub fn zone(cx: &Context) -> TimeZone {
    let here = || TimeZone::tzif("local", &std::fs::read("/etc/localtime").ok()?).ok();
    let named = cx.env.get("TZ").is_some();
    (!named).then(here).flatten().unwrap_or_else(TimeZone::system)
}

/// What the sinks of a run need to know. `json`, `junit` and `state_dir` are for the caller to fill in.
pub fn sink_options(cx: &Context, mode: OutputMode, run_dir: &Path, verbose: bool) -> SinkOptions {
    SinkOptions {
        mode,
        json: false,
        stdout_terminal: cx.stdout_is_terminal,
        stderr_terminal: cx.stderr_is_terminal,
        dumb: cx.env.text("TERM").is_none_or(|term| term == "dumb"),
        columns: columns(cx),
        columns_forced: forced(cx),
        color_stdout: cx.color(cx.stdout_is_terminal),
        color_stderr: cx.color(cx.stderr_is_terminal),
        ci: cx.env.flag("CI"),
        github: github(cx),
        actions: actions(cx),
        zone: zone(cx),
        run_dir: run_dir.to_owned(),
        state_dir: None,
        junit: None,
        verbose,
        replay: verbose,
        stored: Stored::default(),
    }
}

/// How step output is shown: as somebody said, else only that of failed steps where a live display shows the rest, and
/// all of it in one piece per step anywhere else.
pub fn mode(cx: &Context, loaded: &Loaded) -> OutputMode {
    let live = cx.stderr_is_terminal && !cx.env.flag("CI") && cx.env.text("TERM").is_some_and(|term| term != "dumb");
    match loaded.origins.get("output") {
        None if live => OutputMode::Errors,
        _ => loaded.workflow.settings.output,
    }
}

/// Did somebody ask for the output of steps on this very command line? Then that of steps whose results are used again is
/// wanted too.
pub fn is_output_asked_for(loaded: &Loaded) -> bool {
    matches!(loaded.origins.get("output"), Some(said) if matches!(said.origin, Origin::Flag(_)))
        && loaded.workflow.settings.output != OutputMode::Errors
}

/// `COLUMNS`, else the terminal's width, else 80.
pub fn columns(cx: &Context) -> u16 {
    let term = console::Term::stdout();
    forced(cx).or_else(|| term.size_checked().map(|(_, columns)| columns)).unwrap_or(80)
}

fn forced(cx: &Context) -> Option<u16> {
    cx.env.text("COLUMNS")?.parse().ok().filter(|columns| *columns > 0)
}

/// The files that a job of GitHub Actions gives to what it runs. A wf within a step of another wf leaves them alone.
fn actions(cx: &Context) -> Option<ActionsFiles> {
    let file = |name: &str| cx.env.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let of_job = github(cx) && cx.env.get("WF_RUN").is_none();
    of_job.then(|| ActionsFiles {
        summary: file("GITHUB_STEP_SUMMARY"),
        output: file("GITHUB_OUTPUT"),
        annotations: cx.env.text("WF_ANNOTATIONS") != Some("off"),
    })
}

fn github(cx: &Context) -> bool {
    cx.env.flag("GITHUB_ACTIONS")
}
