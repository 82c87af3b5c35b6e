//! Output on a terminal: what runs is drawn on stderr, what ended scrolls by above it on stdout.

use super::frame::{Size, frame};
use super::narrator::Narrator;
use super::{Look, Pipe, RunView, Sink, SinkOptions};
use crate::base::Millis;
use crate::event::{Event, EventKind, Interval};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io;

/// At most 20 pictures a second.
const FRAME_MS: Millis = 50;
/// How long the run goes on is asked twice a second.
const ETA_MS: Millis = 500;
/// Less than this is not worth a word.
const ETA_MIN_MS: Millis = 1_000;

pub(super) struct Live {
    out: Pipe,
    narrator: Option<Narrator>,
    screen: Screen,
    /// Lines that wait for the next picture, so that a thousand short steps do not make a thousand pictures.
    pending: String,
}

impl Live {
    /// `narrated`: stdout is for people. Else somebody reads events there, and only the picture is drawn.
    pub(super) fn new(out: Box<dyn io::Write>, options: &SinkOptions, narrated: bool) -> Self {
        Self {
            out: Pipe::new(out),
            narrator: narrated.then(|| Narrator::new(options, true)),
            screen: Screen::new(Look { color: options.color_stderr, ..options.look() }, options.columns_forced),
            pending: String::new(),
        }
    }

    fn draw(&mut self, now_ms: Millis, view: &RunView) -> io::Result<()> {
        let (out, pending) = (&mut self.out, std::mem::take(&mut self.pending));
        self.screen.draw(now_ms, view, || out.write(&pending), pending.is_empty())
    }
}

impl Sink for Live {
    fn on(&mut self, event: &Event, view: &RunView) -> io::Result<()> {
        if let Some(narrator) = &mut self.narrator {
            self.pending.push_str(&narrator.tell(event, view));
        }
        let now = matches!(event.kind, EventKind::Planned { .. } | EventKind::Interrupted { .. });
        if now || self.screen.is_due(event.at_ms) { self.draw(event.at_ms, view) } else { Ok(()) }
    }

    fn tick(&mut self, now_ms: Millis, view: &RunView) -> io::Result<()> {
        if self.screen.is_due(now_ms) { self.draw(now_ms, view) } else { Ok(()) }
    }

    fn finish(&mut self, view: &RunView) -> io::Result<()> {
        self.screen.clear();
        if let Some(narrator) = &self.narrator {
            self.pending.push_str(&narrator.summary(view));
        }
        self.out.write(&std::mem::take(&mut self.pending))
    }

    fn name(&self) -> &'static str {
        "live"
    }
}

/// The part of the terminal that is drawn again and again.
struct Screen {
    bar: ProgressBar,
    term: console::Term,
    look: Look,
    columns: Option<u16>,
    drawn_ms: Option<Millis>,
    /// How long the run goes on, and when that was asked.
    eta: Option<(Millis, Option<Interval>)>,
}

impl Screen {
    /// On stderr. `columns` beats the terminal's own width.
    fn new(look: Look, columns: Option<u16>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(20));
        bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Self { bar, term: console::Term::stderr(), look, columns, drawn_ms: None, eta: None }
    }

    /// How long the run goes on. Rehearsing it for each picture would take too long.
    fn left(&mut self, now_ms: Millis, view: &RunView) -> Option<Interval> {
        if self.eta.is_none_or(|(at, _)| now_ms.saturating_sub(at) >= ETA_MS) {
            self.eta = Some((now_ms, view.eta(now_ms)));
        }
        self.eta.and_then(|(_, left)| left).filter(|left| left.ms >= ETA_MIN_MS)
    }

    /// Has enough time passed since the last picture?
    fn is_due(&self, now_ms: Millis) -> bool {
        self.drawn_ms.is_none_or(|drawn| now_ms.saturating_sub(drawn) >= FRAME_MS)
    }

    /// Draws; `print` writes what goes above the picture, unless there is `nothing` to print.
    fn draw(
        &mut self,
        now_ms: Millis,
        view: &RunView,
        print: impl FnOnce() -> io::Result<()>,
        nothing: bool,
    ) -> io::Result<()> {
        self.drawn_ms = Some(now_ms);
        let (height, width) = self.term.size();
        let width = self.columns.map_or(width, |forced| forced.min(width)).max(1);
        let left = self.left(now_ms, view);
        let lines = frame(view, Size { width: width.into(), height: height.into() }, now_ms, left);
        let text: Vec<String> = lines.iter().map(|line| line.painted(&self.look)).collect();
        self.bar.set_message(text.join("\n"));
        if nothing { Ok(()) } else { self.bar.suspend(print) }
    }

    /// Takes the picture away.
    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
