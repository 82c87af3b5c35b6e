//! Telling: everything people see is computed from a run's events. Pure until a sink writes.
//!
//! Does not know: how steps run, who makes the events, the environment; what a sink needs to know about its terminal is
//! handed in.

pub mod accuracy;
mod actions;
pub mod clean;
pub mod document;
pub mod findings;
pub mod frame;
pub mod graph;
mod json;
pub mod junit;
mod live;
pub mod look;
pub mod markdown;
pub mod metrics;
mod narrator;
pub mod openmetrics;
pub mod output;
mod plain;
pub mod stored;
#[cfg(test)]
mod story;
pub mod strange;
pub mod summary;
pub mod text;
pub mod timeline;
pub mod trace;
pub mod usage;
pub mod view;

pub use actions::ActionsFiles;
pub use look::Look;
pub use stored::Stored;
pub use view::RunView;

use crate::base::Millis;
use crate::config::model::OutputMode;
use crate::event::Event;
use std::io;
use std::path::PathBuf;

/// Somebody who is told of events as they happen. The view has taken the event already.
pub trait Sink {
    /// One more event.
    fn on(&mut self, event: &Event, view: &RunView) -> io::Result<()>;
    /// Time passed; called several times a second.
    fn tick(&mut self, _now_ms: Millis, _view: &RunView) -> io::Result<()> {
        Ok(())
    }
    /// The run is over.
    fn finish(&mut self, view: &RunView) -> io::Result<()>;
    /// For the warning when it fails.
    fn name(&self) -> &'static str;
}

/// What the sinks of one run need to know. The caller weighs flags, environment and terminals.
#[derive(Clone, Debug)]
pub struct SinkOptions {
    /// Which step output is shown.
    pub mode: OutputMode,
    /// Events as JSON lines on stdout, nothing else there.
    pub json: bool,
    /// Is stdout a terminal?
    pub stdout_terminal: bool,
    /// Is stderr a terminal?
    pub stderr_terminal: bool,
    /// `TERM=dumb`: no animation.
    pub dumb: bool,
    /// Width for text that is not drawn live; `COLUMNS`, the terminal's, or 80.
    pub columns: u16,
    /// `COLUMNS`, if it is set: the live display's width, instead of the terminal's own.
    pub columns_forced: Option<u16>,
    /// Colours on stdout.
    pub color_stdout: bool,
    /// Colours on stderr.
    pub color_stderr: bool,
    /// `CI`: no animation, and a line a minute when nothing else is said.
    pub ci: bool,
    /// GitHub Actions: groups and annotations; commands in step output are disarmed.
    pub github: bool,
    /// The files of the job, if wf is what the job runs and not a step of another wf.
    pub actions: Option<ActionsFiles>,
    /// Where times are shown.
    pub zone: jiff::tz::TimeZone,
    /// The run's folder, where step output is.
    pub run_dir: PathBuf,
    /// Where `current_run.json` and `history.jsonl` are kept; none keeps none.
    pub state_dir: Option<PathBuf>,
    /// Where JUnit goes.
    pub junit: Option<PathBuf>,
    /// Every skipped step and every start is named, however many.
    pub verbose: bool,
    /// Somebody asked to see what steps print: also what those printed whose results are used again.
    pub replay: bool,
    /// Where that is read from.
    pub stored: Stored,
}

impl SinkOptions {
    /// How text on stdout looks.
    pub fn look(&self) -> Look {
        Look {
            color: self.color_stdout,
            width: usize::from(self.columns.max(20)),
            github: self.github,
            verbose: self.verbose,
            zone: self.zone.clone(),
        }
    }
}

/// The sinks that such a run wants.
pub fn sinks(options: &SinkOptions) -> Vec<Box<dyn Sink>> {
    let stdout = || Box::new(io::stdout()) as Box<dyn io::Write>;
    let mut sinks: Vec<Box<dyn Sink>> = vec![];
    let live = options.stderr_terminal && !options.ci && !options.dumb;
    if options.json {
        sinks.push(Box::new(json::Json::new(stdout())));
        if live && !options.stdout_terminal {
            sinks.push(Box::new(live::Live::new(Box::new(io::sink()), options, false)));
        }
    } else if live {
        sinks.push(Box::new(live::Live::new(stdout(), options, true)));
    } else {
        sinks.push(Box::new(plain::Plain::new(stdout(), options)));
    }
    if let Some(files) = &options.actions {
        let out = (files.annotations && !options.json).then(stdout);
        let (run_dir, stored) = (options.run_dir.clone(), options.stored.clone());
        sinks.push(Box::new(actions::Actions::new(files.clone(), out, run_dir, options.look(), stored)));
    }
    if let Some(path) = &options.junit {
        sinks.push(Box::new(junit::Junit::new(path.clone(), options.run_dir.clone(), options.stored.clone())));
    }
    if let Some(state_dir) = &options.state_dir {
        sinks.push(Box::new(metrics::Metrics::new(state_dir.clone(), options.run_dir.clone())));
    }
    sinks
}

/// A writer whose reader may go away (`| head`): from then on nothing is written, and that is no error.
struct Pipe {
    out: Option<Box<dyn io::Write>>,
}

impl Pipe {
    fn new(out: Box<dyn io::Write>) -> Self {
        Self { out: Some(out) }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let Some(out) = self.out.as_mut().filter(|_| !text.is_empty()) else { return Ok(()) };
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.out = None;
                Ok(())
            }
            other => other,
        }
    }
}
