//! `--json`: every event as one line of JSON on stdout.

use super::{Pipe, RunView, Sink};
use crate::event::Event;
use std::io;

pub(super) struct Json {
    out: Pipe,
}

impl Json {
    pub(super) fn new(out: Box<dyn io::Write>) -> Self {
        Self { out: Pipe::new(out) }
    }
}

impl Sink for Json {
    fn on(&mut self, event: &Event, _view: &RunView) -> io::Result<()> {
        let mut line = serde_json::to_string(event).map_err(io::Error::other)?;
        line.push('\n');
        self.out.write(&line)
    }

    fn finish(&mut self, _view: &RunView) -> io::Result<()> {
        Ok(())
    }

    fn name(&self) -> &'static str {
        "json"
    }
}
