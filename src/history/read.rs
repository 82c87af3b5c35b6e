//! Reading a run's event log.

use super::open;
use crate::event::{Event, EventKind, FORMAT, RunStarted};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// The longest line that wf believes. Plans of 10,000 steps stay far below.
const LONGEST: u64 = 256 << 20;

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system refuses.
    #[error("cannot read {}", .path.display())]
    Io {
        /// The log.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// It has no whole line yet.
    #[error("{} has no event yet", .path.display())]
    Empty {
        /// The log.
        path: PathBuf,
    },
    /// A newer wf wrote it.
    #[error("{} has format {found}, and this wf reads formats up to {FORMAT}", .path.display())]
    Newer {
        /// The log.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A line in the middle is damaged.
    #[error("{}:{line}: {message}", .path.display())]
    Corrupt {
        /// The log.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
}

impl LogError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "check that the file is there and who owns it",
            Self::Empty { .. } => "the run ended before it began, or begins right now",
            Self::Newer { .. } => "read it with the wf that wrote it, or a newer one",
            Self::Corrupt { .. } => "the run's folder can be deleted; nothing else depends on it",
        }
    }
}

/// Events from a log, one at a time. Ends quietly before a torn last line; ends after the first error.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    file: BufReader<File>,
    line: u64,
    bytes: Vec<u8>,
    failed: bool,
}

impl LogReader {
    /// Opens a log.
    ///
    /// # Errors
    /// When it cannot be opened. What is inside is judged while reading.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let file = open::read(path).map_err(|source| LogError::Io { path: path.into(), source })?;
        Ok(Self { path: path.into(), file: BufReader::new(file), line: 0, bytes: Vec::new(), failed: false })
    }

    /// The next event; `None` at the end of what is whole. After more was written, there may be more. A line that is only half there is kept until it is whole.
    ///
    /// # Errors
    /// A newer format, a damaged line, or a refusal of the file system.
    pub fn next_event(&mut self) -> Result<Option<Event>, LogError> {
        let room = LONGEST.saturating_sub(self.bytes.len() as u64);
        (&mut self.file)
            .take(room)
            .read_until(b'\n', &mut self.bytes)
            .map_err(|source| LogError::Io { path: self.path.clone(), source })?;
        if self.bytes.last() != Some(&b'\n') {
            return if self.bytes.len() as u64 >= LONGEST {
                Err(self.corrupt("longer than any event"))
            } else {
                Ok(None)
            };
        }
        let event = decode(&self.path, self.line, &self.bytes)?;
        self.line += 1;
        self.bytes.clear();
        Ok(Some(event))
    }

    fn corrupt(&self, message: &str) -> LogError {
        LogError::Corrupt { path: self.path.clone(), line: self.line + 1, message: message.into() }
    }
}

impl Iterator for LogReader {
    type Item = Result<Event, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_event();
        self.failed = next.is_err();
        next.transpose()
    }
}

/// All that a head of any format, also a newer one, is known to have.
#[derive(serde::Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
    format: u32,
}

/// Decodes the line with this number (from 0), which is also the sequence number it must have.
fn decode(path: &Path, line: u64, bytes: &[u8]) -> Result<Event, LogError> {
    let corrupt = |message: String| LogError::Corrupt { path: path.into(), line: line + 1, message };
    if line == 0 {
        let head: Head = serde_json::from_slice(bytes).map_err(|e| corrupt(format!("not the head of a log: {e}")))?;
        if head.format > FORMAT {
            return Err(LogError::Newer { path: path.into(), found: head.format });
        }
        if head.kind != "run-started" {
            return Err(corrupt(format!("a log starts with run-started, not {}", head.kind.escape_debug())));
        }
    }
    let event: Event = serde_json::from_slice(bytes).map_err(|e| corrupt(e.to_string()))?;
    if event.seq != line {
        return Err(corrupt(format!("event {line} is missing; this line has number {}", event.seq)));
    }
    Ok(event)
}

/// Reads a whole log, without a torn last line.
///
/// # Errors
/// As [`LogReader::next_event`], and when there is no event at all.
pub fn read_log(path: &Path) -> Result<Vec<Event>, LogError> {
    let events = LogReader::open(path)?.collect::<Result<Vec<_>, _>>()?;
    if events.is_empty() { Err(LogError::Empty { path: path.into() }) } else { Ok(events) }
}

/// Reads only a log's first line.
///
/// # Errors
/// As [`read_log`].
pub fn read_head(path: &Path) -> Result<RunStarted, LogError> {
    let mut reader = LogReader::open(path)?;
    match reader.next_event()?.map(|event| event.kind) {
        Some(EventKind::RunStarted(head)) => Ok(*head),
        Some(_) => Err(reader.corrupt("not the head of a log")),
        None => Err(LogError::Empty { path: path.into() }),
    }
}
