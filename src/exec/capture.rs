//! Keeps an attempt's output: framed, capped, with a beginning and an end when there is too much of it.
//!
//! Memory stays bounded whatever comes: the file takes `cap` bytes, then only the last [`TAIL`] bytes are held, and are
//! appended when the attempt ends, so that a failure always shows its last words.

use crate::event::frame::{self, Frame, Stream};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

/// How much of the end of an over-long output is kept beside its beginning.
pub const TAIL: usize = 256 << 10;

/// Enough to be worth a write.
const ENOUGH: usize = 64 << 10;

/// Where an attempt's output goes.
pub struct Capture {
    path: PathBuf,
    file: Option<File>,
    lost: Option<String>,
    pending: Vec<u8>,
    cap: u64,
    kept: u64,
    /// Bytes that came, masked.
    pub bytes: u64,
    recent: Vec<u8>,
    older: Vec<u8>,
    left_out: u64,
    older_bytes: u64,
    recent_bytes: u64,
}

impl Capture {
    /// Keeps output in `path`, which is created by the first byte.
    pub fn new(path: PathBuf, cap: u64) -> Self {
        Self {
            path,
            file: None,
            lost: None,
            pending: vec![],
            cap,
            kept: 0,
            bytes: 0,
            recent: vec![],
            older: vec![],
            left_out: 0,
            older_bytes: 0,
            recent_bytes: 0,
        }
    }

    /// Takes masked output.
    pub fn push(&mut self, stream: Stream, at_ms: u32, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let room = usize::try_from(self.cap - self.kept).unwrap_or(usize::MAX).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        if !head.is_empty() {
            self.kept += head.len() as u64;
            frame::write(&mut self.pending, Frame { stream, at_ms, bytes: head });
            if self.pending.len() >= ENOUGH {
                self.flush();
            }
        }
        if !rest.is_empty() {
            if self.recent.len() >= TAIL / 2 {
                std::mem::swap(&mut self.recent, &mut self.older);
                self.left_out += std::mem::replace(&mut self.older_bytes, std::mem::take(&mut self.recent_bytes));
                self.recent.clear();
            }
            self.recent_bytes += rest.len() as u64;
            frame::write(&mut self.recent, Frame { stream, at_ms, bytes: rest });
        }
    }

    /// Did the output outgrow its file?
    pub fn is_capped(&self) -> bool {
        self.bytes > self.kept
    }

    /// Hands everything that came so far to the operating system.
    pub fn flush(&mut self) {
        if self.pending.is_empty() || self.lost.is_some() {
            self.pending.clear();
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let wrote = self.open().and_then(|mut file| file.write_all(&pending));
        self.pending = pending;
        if let Err(error) = wrote {
            self.lost = Some(format!("{} cannot be written: {error}", self.path.display()));
        }
        self.pending.clear();
    }

    fn open(&mut self) -> std::io::Result<&File> {
        if self.file.is_none() {
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = File::create(&self.path)?;
            file.write_all(frame::HEADER)?;
            self.file = Some(file);
        }
        self.file.as_ref().ok_or_else(|| std::io::Error::other("no file"))
    }

    /// Writes the end of an over-long output behind its beginning.
    pub fn finish(&mut self, at_ms: u32) {
        if self.is_capped() {
            let (cap, left_out) = (self.cap, self.left_out);
            let notice = if left_out > 0 {
                format!("\n[wf: the log reached its limit of {cap} bytes; {left_out} bytes are left out here]\n")
            } else {
                format!("\n[wf: the log reached its limit of {cap} bytes; what follows is the end of the output]\n")
            };
            frame::write(&mut self.pending, Frame { stream: Stream::Stderr, at_ms, bytes: notice.as_bytes() });
            self.pending.append(&mut self.older);
            self.pending.append(&mut self.recent);
        }
        self.flush();
    }

    /// Why the log is lost, once.
    pub fn take_loss(&mut self) -> Option<String> {
        let text = self.lost.as_ref().filter(|text| !text.is_empty())?.clone();
        self.lost = Some(String::new());
        Some(text)
    }

    /// Is there a file to read?
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_beginning_and_the_end() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("deep").join("a.log");
        let mut capture = Capture::new(path.clone(), 10);
        assert!(!path.exists());
        let piece = vec![b'x'; 100 << 10];
        capture.push(Stream::Stdout, 0, b"beginning and more");
        for _ in 0..20 {
            capture.push(Stream::Stdout, 1, &piece);
            assert!(capture.recent.len() + capture.older.len() < TAIL + 2 * piece.len());
        }
        capture.push(Stream::Stdout, 2, b"the end");
        capture.finish(3);
        let text = frame::plain(&fs::read(&path)?);
        assert!(text.starts_with(b"beginning "), "{:?}", String::from_utf8_lossy(&text[..20]));
        assert!(text.ends_with(b"the end") && text.len() < 2 * TAIL + piece.len());
        assert!(String::from_utf8_lossy(&text).contains("bytes are left out here"));
        assert_eq!(capture.bytes, 18 + 20 * piece.len() as u64 + 7);
        Ok(())
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_once() {
        let mut capture = Capture::new("/dev/full".into(), 1 << 20);
        capture.push(Stream::Stderr, 0, b"lost");
        capture.flush();
        assert!(capture.take_loss().is_some_and(|text| text.contains("/dev/full") && text.contains("No space")));
        capture.push(Stream::Stderr, 0, b"more");
        capture.finish(0);
        assert_eq!((capture.take_loss(), capture.bytes, capture.has_file()), (None, 8, false));
    }
}
