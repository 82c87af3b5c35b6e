//! What the environment and the terminals say about how a run is told, weighed once for all commands that tell of one.

use super::Context;
use crate::config::Loaded;
use crate::config::model::OutputMode;
use crate::report::SinkOptions;
use std::path::Path;

/// What the sinks of a run need to know. Events as JSON, JUnit and metrics files are for the caller to ask for.
pub fn options(cx: &Context, mode: OutputMode, run_dir: &Path, verbose: bool) -> SinkOptions {
    let look = cx.look();
    SinkOptions {
        mode,
        json: false,
        stdout_terminal: cx.stdout_is_terminal,
        stderr_terminal: cx.stderr_is_terminal,
        // indicatif takes an unset one for dumb, too; then plain lines are better than silence.
        dumb: cx.env.text("TERM").is_none_or(|term| term == "dumb"),
        columns: u16::try_from(look.width).unwrap_or(u16::MAX),
        columns_forced: cx.env.text("COLUMNS").and_then(|text| text.parse().ok()).filter(|columns| *columns > 0),
        color_stdout: look.color,
        color_stderr: cx.color(cx.stderr_is_terminal),
        ci: cx.env.flag("CI"),
        github: look.github,
        zone: look.zone,
        run_dir: run_dir.to_owned(),
        state_dir: None,
        junit: None,
        verbose,
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
