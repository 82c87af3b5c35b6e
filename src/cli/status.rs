//! `wf status`: watching a run that another process makes, by its log.

use super::look::{look, sink_options};
use super::{Context, Exit, Failure, recorded};
use crate::base::Millis;
use crate::config::model::OutputMode;
use crate::history::{self, LogTail, RunRef};
use crate::report::frame::{Size, frame};
use crate::report::{self, RunView, document, look as words, summary};
use clap::Args;
use std::time::{Duration, Instant};

/// How often the log is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Arguments of `wf status`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:\n  wf status\n  wf status --once\n  wf status latest --json")]
pub struct StatusArgs {
    /// Which run; without one: the run that goes on, else the last one
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Say how it stands now, and do not stay; so without a terminal
    #[arg(long)]
    pub once: bool,
    /// Stay until the run ends, also without a terminal
    #[arg(long, conflicts_with = "once")]
    pub follow: bool,
    /// How it stands now as one JSON document
    #[arg(long, conflicts_with = "follow")]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &StatusArgs, cx: &Context) -> Result<Exit, Failure> {
    let run = find(args, cx)?;
    let mut tail = LogTail::open(&run.log()).map_err(recorded::unreadable)?;
    let live = run.is_live();
    let stays = live && !args.once && !args.json && (args.follow || cx.stderr_is_terminal);
    if stays { follow(cx, &run, &mut tail) } else { once(args, cx, &mut tail, live) }
}

fn find(args: &StatusArgs, cx: &Context) -> Result<RunRef, Failure> {
    if let Some(text) = &args.run {
        return recorded::run(cx, text);
    }
    let state = recorded::state(cx)?;
    let all = history::runs(&state)
        .map_err(|error| Failure::environment(format!("cannot read {}: {error}", state.runs().display())))?;
    match all.iter().find(|run| run.is_live()) {
        Some(run) => Ok(run.clone()),
        None => recorded::run(cx, "latest"),
    }
}

/// How it stands now.
fn once(args: &StatusArgs, cx: &Context, tail: &mut LogTail, live: bool) -> Result<Exit, Failure> {
    let view = RunView::of(tail.poll().map_err(recorded::unreadable)?);
    if args.json {
        let mut value = document::document(&view);
        value["live"] = live.into();
        cx.print_json(&value)?;
        return Ok(Exit::Passed);
    }
    let look = look(cx, false);
    let mut text = String::new();
    if let Some(run) = &view.run {
        text = format!("run       {}, process {}\n", summary::run_line(run, &look), run.pid);
    }
    match (live, view.finished) {
        (true, _) => {
            let now = since_start(&view);
            let lines = frame(&view, Size { width: look.width, height: usize::MAX }, now, view.eta(now));
            text.extend(lines.iter().map(|line| line.painted(&look) + "\n"));
        }
        (false, Some(_)) => text.push_str(&summary::closing_line(&view, &look)),
        (false, None) => {
            text.push_str(&summary::closing_line(&view, &look));
            let what = format!("it was killed: its log ends {} after its start", words::time(view.at_ms));
            text = format!("{text}          {what}\n");
        }
    }
    cx.print(&text)?;
    Ok(Exit::Passed)
}

/// What the run tells, as if it ran here, until it ends.
fn follow(cx: &Context, run: &RunRef, tail: &mut LogTail) -> Result<Exit, Failure> {
    let options = sink_options(cx, OutputMode::Errors, &run.dir, false);
    let mut all = report::sinks(&options);
    let mut view = RunView::default();
    let mut clock: Option<(Instant, Millis)> = None;
    let told = |error: std::io::Error| Failure::environment(format!("cannot show the run: {error}"));
    loop {
        // Asked before reading: what was written before the end is read after it.
        let live = run.is_live();
        for event in tail.poll().map_err(recorded::unreadable)? {
            view.apply(&event);
            for sink in &mut all {
                sink.on(&event, &view).map_err(told)?;
            }
        }
        if view.finished.is_some() || !live {
            break;
        }
        let (began, at) = *clock.get_or_insert_with(|| (Instant::now(), since_start(&view)));
        let now = at + began.elapsed().as_millis() as Millis;
        for sink in &mut all {
            sink.tick(now.max(view.at_ms), &view).map_err(told)?;
        }
        std::thread::sleep(POLL);
    }
    for sink in &mut all {
        sink.finish(&view).map_err(told)?;
    }
    Ok(Exit::Passed)
}

/// Where the run's clock is now, by the wall clock: only the running process has the true one.
fn since_start(view: &RunView) -> Millis {
    let started = view.run.as_ref().and_then(|run| run.started_at.parse::<jiff::Timestamp>().ok());
    let since = started.map_or(0, |at| jiff::Timestamp::now().as_millisecond() - at.as_millisecond());
    view.at_ms.max(u64::try_from(since).unwrap_or(0))
}
