//! Reading what steps printed, from `out/<step>.<attempt>.log`, in bounded memory.

use super::clean::{self, Colors};
use crate::base::StepId;
use crate::event::frame::{Frame, Stream};
use crate::event::{StepFinished, frame};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// Memory that a single record may take; wf writes none that is longer.
const RECORD_MAX: usize = 64 << 20;

/// The end of a step's output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The last bytes.
    pub bytes: Vec<u8>,
    /// How many bytes come before them.
    pub left_out: u64,
}

impl Tail {
    /// Without the line that it begins in the middle of.
    #[must_use]
    pub fn whole_lines(mut self) -> Self {
        if self.left_out > 0 {
            let cut = self.bytes.iter().position(|byte| *byte == b'\n').map_or(self.bytes.len(), |at| at + 1);
            self.bytes.drain(..cut);
            self.left_out += cut as u64;
        }
        self
    }

    /// As plain text, with a word about what is left out.
    pub fn text(&self) -> String {
        let (lines, _) = self.lines(usize::MAX, Colors::Drop);
        let mut text = lines.join("\n");
        if self.left_out > 0 {
            text = format!("… {} before this\n{text}", super::look::bytes(self.left_out));
        }
        text
    }

    /// The last `most` lines, cleaned for showing, and how many lines of what was read come before them.
    pub fn lines(&self, most: usize, colors: Colors) -> (Vec<String>, usize) {
        let all: Vec<&[u8]> = lines(&self.bytes).collect();
        let from = all.len().saturating_sub(most);
        (all[from..].iter().map(|l| clean::line(l, colors)).collect(), from)
    }
}

/// The end of what an attempt printed; none when it printed nothing or cannot be read, which the text in its place says.
pub fn of(run_dir: &Path, end: &StepFinished, most: usize) -> Option<Tail> {
    let log = end.log.as_ref()?;
    let read = match inside(run_dir, log) {
        Some(path) => tail(&path, most).map_err(|error| format!("{}: {error}", path.display())),
        None => Err(format!("{log}: outside the run's folder")),
    };
    Some(read.unwrap_or_else(|error| Tail { bytes: format!("(cannot show {error})").into_bytes(), left_out: 0 }))
}

/// Where an attempt's output is, by the convention of the run's folder.
pub fn path_of(step: &StepId, attempt: u32) -> String {
    format!("out/{}.{attempt}.log", step.file_stem())
}

/// A path that a log names, below the run's folder; none if it would leave it.
pub fn inside(run_dir: &Path, log: &str) -> Option<PathBuf> {
    let log = Path::new(log);
    log.components().all(|part| matches!(part, Component::Normal(_))).then(|| run_dir.join(log))
}

/// The last `most` bytes that an attempt printed.
pub fn tail(path: &Path, most: usize) -> io::Result<Tail> {
    let mut last = Last::new(most);
    Follow::open(path)?.read(|bytes| last.push(bytes))?;
    Ok(last.tail())
}

/// The last `most` bytes that an attempt printed on standard output.
pub fn stdout_tail(path: &Path, most: usize) -> io::Result<Tail> {
    let mut last = Last::new(most);
    Follow::open(path)?.stdout_only().read(|bytes| last.push(bytes))?;
    Ok(last.tail())
}

/// Keeps the end of what it is given.
pub struct Last {
    kept: VecDeque<u8>,
    most: usize,
    left_out: u64,
}

impl Last {
    /// Keeps at most so many bytes.
    pub fn new(most: usize) -> Self {
        Self { kept: VecDeque::new(), most, left_out: 0 }
    }

    /// Takes more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.kept.extend(bytes);
        let over = self.kept.len().saturating_sub(self.most);
        self.left_out += over as u64;
        self.kept.drain(..over);
    }

    /// What was kept.
    pub fn tail(self) -> Tail {
        Tail { bytes: self.kept.into(), left_out: self.left_out }
    }
}

/// A log that is read, also while it grows.
pub struct Follow<R = File> {
    from: R,
    pending: Vec<u8>,
    begun: bool,
    given_up: bool,
    stdout_only: bool,
}

impl Follow {
    /// Opens a log.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::over(File::open(path)?))
    }
}

impl<R: Read> Follow<R> {
    /// Reads a log from anywhere.
    pub fn over(from: R) -> Self {
        Self { from, pending: vec![], begun: false, given_up: false, stdout_only: false }
    }

    /// Leaves out what was printed on standard error.
    pub fn stdout_only(self) -> Self {
        Self { stdout_only: true, ..self }
    }

    /// Hands over what was printed since the last call.
    pub fn read(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let mut chunk = vec![0; 64 << 10];
        while !self.given_up {
            let n = self.from.read(&mut chunk)?;
            if n == 0 {
                return Ok(());
            }
            self.pending.extend_from_slice(&chunk[..n]);
            if !self.begun {
                if self.pending.len() < frame::HEADER.len() {
                    continue;
                }
                if !self.pending.starts_with(frame::HEADER) {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "not a step log of this format"));
                }
                self.pending.drain(..frame::HEADER.len());
                self.begun = true;
            }
            let (frames, used) = frame::read(&self.pending);
            let taken = |frame: &&Frame<'_>| !self.stdout_only || frame.stream == Stream::Stdout;
            for record in frames.iter().filter(taken) {
                take(record.bytes);
            }
            self.pending.drain(..used);
            if self.pending.len() > RECORD_MAX {
                (self.given_up, self.pending) = (true, vec![]);
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a record of the step log is too long"));
            }
        }
        Ok(())
    }
}

/// Splits output into lines without their ends; a last line without end is a line too.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|b| *b == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn record(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![];
        frame::write(&mut out, Frame { stream: Stream::Stdout, at_ms: 0, bytes });
        out
    }

    #[test]
    fn the_end_is_read_and_growth_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut file = File::create(&path).unwrap();
        file.write_all(frame::HEADER).unwrap();
        file.write_all(&record(b"one\ntwo\n")).unwrap();
        let second = record(b"three");
        file.write_all(&second[..4]).unwrap();
        let mut follow = Follow::open(&path).unwrap();
        let mut seen = vec![];
        follow.read(|bytes| seen.extend_from_slice(bytes)).unwrap();
        assert_eq!(seen, b"one\ntwo\n");
        file.write_all(&second[4..]).unwrap();
        follow.read(|bytes| seen.extend_from_slice(bytes)).unwrap();
        assert_eq!(seen, b"one\ntwo\nthree");
        let tail = tail(&path, 9).unwrap();
        assert_eq!((tail.bytes.as_slice(), tail.left_out), (&b"two\nthree"[..], 4));
        assert_eq!(tail.lines(1, Colors::Drop), (vec!["three".into()], 1));
        let whole = tail.whole_lines();
        assert_eq!((whole.bytes.as_slice(), whole.left_out), (&b"three"[..], 8));
        let all = Tail { left_out: 0, ..whole };
        assert_eq!(all.clone().whole_lines(), all);
    }

    #[test]
    fn strange_files_and_paths_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, b"something else").unwrap();
        assert!(tail(&path, 9).is_err());
        for bad in ["/etc/passwd", "../x", "out/../../x"] {
            assert_eq!(inside(dir.path(), bad), None, "{bad}");
        }
        assert!(inside(dir.path(), "out/a.1.log").is_some());
    }
}
