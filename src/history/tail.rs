//! Following a log that another process writes.

use super::{LogError, LogReader};
use crate::event::Event;
use std::path::Path;

/// Gives a log's events as they come.
#[derive(Debug)]
pub struct LogTail {
    reader: LogReader,
}

impl LogTail {
    /// Starts at the log's beginning.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        Ok(Self { reader: LogReader::open(path)? })
    }

    /// The events that have come since the last call. A line that is only half there comes with a later call.
    ///
    /// # Errors
    /// As [`LogReader::next_event`]; the log cannot be followed any further then.
    pub fn poll(&mut self) -> Result<Vec<Event>, LogError> {
        let mut events = Vec::new();
        while let Some(event) = self.reader.next_event()? {
            events.push(event);
        }
        Ok(events)
    }
}
