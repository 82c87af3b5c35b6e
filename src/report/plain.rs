//! Output without a terminal, or in CI: one line per change on stdout, and the closing summary.

use super::narrator::Narrator;
use super::{Pipe, RunView, Sink, SinkOptions, look};
use crate::base::Millis;
use crate::event::Event;
use std::io;

/// The longest silence in CI, where a silent job looks like a dead one.
const HEARTBEAT_MS: Millis = 60_000;

pub(super) struct Plain {
    out: Pipe,
    narrator: Narrator,
    heartbeat: bool,
    said_ms: Millis,
}

impl Plain {
    pub(super) fn new(out: Box<dyn io::Write>, options: &SinkOptions) -> Self {
        let narrator = Narrator::new(options, false);
        Self { out: Pipe::new(out), narrator, heartbeat: options.ci, said_ms: 0 }
    }

    fn say(&mut self, text: &str, now_ms: Millis) -> io::Result<()> {
        if !text.is_empty() {
            self.said_ms = self.said_ms.max(now_ms);
        }
        self.out.write(text)
    }
}

impl Sink for Plain {
    fn on(&mut self, event: &Event, view: &RunView) -> io::Result<()> {
        let text = self.narrator.tell(event, view);
        self.say(&text, event.at_ms)
    }

    fn tick(&mut self, now_ms: Millis, view: &RunView) -> io::Result<()> {
        if !self.heartbeat || view.finished.is_some() || now_ms.saturating_sub(self.said_ms) < HEARTBEAT_MS {
            return Ok(());
        }
        self.say(&heartbeat(now_ms, view), now_ms)
    }

    fn finish(&mut self, view: &RunView) -> io::Result<()> {
        let text = self.narrator.summary(view);
        self.say(&text, view.at_ms)
    }

    fn name(&self) -> &'static str {
        "plain"
    }
}

fn heartbeat(now_ms: Millis, view: &RunView) -> String {
    let mut longest: Vec<_> = view.running().collect();
    longest.sort_by_key(|step| std::cmp::Reverse(step.running_ms(now_ms)));
    let names: Vec<String> = longest
        .iter()
        .map(|step| format!("{} ({})", step.id, look::time(step.running_ms(now_ms).unwrap_or(0))))
        .collect();
    let done = view.totals.ran();
    let of = view.totals.to_run();
    match names.len() {
        0 => format!("waiting   {done} of {of} done after {}\n", look::time(now_ms)),
        _ => format!("running   {}; {done} of {of} done after {}\n", look::names(&names, 5), look::time(now_ms)),
    }
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
