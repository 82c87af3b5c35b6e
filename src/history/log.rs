//! Writing a run's event log.

use super::facts::Fold;
use super::{RunRef, StateDir, open, recorded, runs};
use crate::base::RunId;
use crate::event::Event;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// So much is kept back between flushes before it is written anyway.
const BUFFER: usize = 64 << 10;
/// So much is kept while the disk refuses; then events are refused too, and the log ends there.
const PATIENCE: usize = 1 << 20;

/// Writes one run's log. What is on disk is at any time a prefix of what happened, its last line perhaps torn.
///
/// Whoever holds a writer holds a lock on the log: that is how others see that the run lives.
#[derive(Debug)]
pub struct LogWriter {
    run: RunRef,
    file: File,
    pending: Vec<u8>,
    gave_up: bool,
    fold: Fold,
}

impl LogWriter {
    /// Creates a new run's folder and its log. `out/` comes with the first step that prints something.
    ///
    /// # Errors
    /// When the run exists, its id is none, or the disk refuses: then the run must not start.
    pub fn create(state: &StateDir, run: &RunId) -> io::Result<Self> {
        let Some(run) = runs::place(state, run) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{run}` cannot name a run")));
        };
        open::folder(&state.runs())?;
        open::folder(&run.dir)?;
        let file = open::create(&run.log())?;
        file.lock()?;
        Ok(Self { run, file, pending: Vec::with_capacity(BUFFER), gave_up: false, fold: Fold::default() })
    }

    /// The run and its places.
    pub fn run(&self) -> &RunRef {
        &self.run
    }

    /// The folder for output logs; it may not be there yet.
    pub fn out(&self) -> PathBuf {
        self.run.out()
    }

    /// Takes an event; writes when enough has come together.
    ///
    /// # Errors
    /// When the disk refuses. The event is kept for the next try, up to a limit; after that every event is refused, so
    /// that the log never has a hole.
    pub fn append(&mut self, event: &Event) -> io::Result<()> {
        if self.gave_up || self.pending.len() > PATIENCE {
            self.gave_up = true;
            return Err(io::Error::other("the event log could not be written and takes no more events"));
        }
        serde_json::to_writer(&mut self.pending, event)?;
        self.pending.push(b'\n');
        self.fold.apply(event);
        if self.pending.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Hands everything to the operating system: at the end of each step and on signals. It does not wait for the disk:
    /// a killed wf loses nothing, a power cut may cost the last lines.
    ///
    /// # Errors
    /// When the disk refuses; what was not written is tried again by the next flush.
    pub fn flush(&mut self) -> io::Result<()> {
        let (mut written, mut result) = (0, Ok(()));
        while written < self.pending.len() && result.is_ok() {
            match self.file.write(&self.pending[written..]) {
                Ok(0) => result = Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => result = Err(error),
            }
        }
        self.pending.drain(..written);
        result
    }

    /// Ends the log: writes the rest, and leaves the run's facts beside it so that nobody needs to read it again. Dropping
    /// a writer that has seen the run's end does the same, but tells nobody of errors.
    ///
    /// # Errors
    /// When the log cannot be written. Facts that cannot be written are no error; they can be had from the log.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        if let Some(rows) = std::mem::take(&mut self.fold).rows()
            && let Ok(text) = recorded::text_of(&rows, &self.run.id)
        {
            let _ = open::whole(&recorded::facts_path(&self.run), &text, true);
        }
        Ok(())
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        // Whoever wants to know of errors calls `finish`; this keeps a panic from losing the last lines.
        let _ = if self.fold.has_ended() { self.finish() } else { self.flush() };
        // Closing would do, were it not for a child that another thread is just forking, which has the file open too.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;
    use crate::history::{ChosenBy, LogError, LogTail, new_run_id, read_log};

    fn event(seq: u64) -> Event {
        let kind =
            if seq == 0 { crate::history::samples::started() } else { EventKind::StageStarted { stage: "s".into() } };
        Event { seq, at_ms: seq, kind }
    }

    fn writer() -> (tempfile::TempDir, LogWriter) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        let writer = LogWriter::create(&state, &new_run_id()).unwrap();
        (dir, writer)
    }

    #[test]
    fn a_tail_sees_what_was_flushed_and_a_torn_line_only_when_it_is_whole() {
        let (_dir, mut writer) = writer();
        let mut tail = LogTail::open(&writer.run().log()).unwrap();
        assert_eq!(tail.poll().unwrap(), []);
        writer.append(&event(0)).unwrap();
        assert_eq!(tail.poll().unwrap(), [], "buffered");
        writer.flush().unwrap();
        assert_eq!(tail.poll().unwrap(), [event(0)]);
        let line = serde_json::to_vec(&event(1)).unwrap();
        writer.file.write_all(&line[..9]).unwrap();
        assert_eq!(tail.poll().unwrap(), []);
        assert_eq!(read_log(&writer.run().log()).unwrap(), [event(0)], "the torn line is dropped");
        writer.file.write_all(&line[9..]).unwrap();
        writer.file.write_all(b"\n").unwrap();
        assert_eq!(tail.poll().unwrap(), [event(1)]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn any_log_is_read_as_it_was_written_and_any_cut_is_a_prefix(
            events in crate::event::arbitrary::log(),
            cut in proptest::prelude::any::<proptest::sample::Index>(),
        ) {
            let (_dir, mut writer) = writer();
            for event in &events {
                writer.append(event).unwrap();
            }
            let run = writer.run().clone();
            writer.finish().unwrap();
            drop(writer);
            proptest::prop_assert_eq!(&read_log(&run.log()).unwrap(), &events);
            let left = std::fs::read(recorded::facts_path(&run)).unwrap();
            std::fs::remove_file(recorded::facts_path(&run)).unwrap();
            proptest::prop_assert_eq!(recorded::facts_of(&run).unwrap().unwrap(), left, "folding the log gives the same");
            let bytes = std::fs::read(run.log()).unwrap();
            let cut = cut.index(bytes.len() + 1);
            std::fs::write(run.log(), &bytes[..cut]).unwrap();
            match read_log(&run.log()) {
                Ok(some) => proptest::prop_assert!(events.starts_with(&some)),
                Err(error) => proptest::prop_assert!(matches!(error, LogError::Empty { .. }), "{}", error),
            }
        }
    }

    #[test]
    fn gaps_and_garbage_are_named_by_line() {
        for (second, said) in [(serde_json::to_vec(&event(2)).unwrap(), "event 1 is missing"), (b"{]".to_vec(), "")] {
            let (_dir, mut writer) = writer();
            writer.append(&event(0)).unwrap();
            writer.pending.extend([&second[..], b"\n{}\n"].concat());
            writer.flush().unwrap();
            let error = read_log(&writer.run().log()).unwrap_err();
            assert!(matches!(&error, LogError::Corrupt { line: 2, message, .. } if message.contains(said)), "{error}");
        }
    }

    #[test]
    fn a_full_disk_is_told_and_when_there_is_room_again_nothing_is_missing() {
        let (_dir, mut writer) = writer();
        writer.append(&event(0)).unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let real = std::mem::replace(&mut writer.file, full);
        assert_eq!(writer.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        writer.append(&event(1)).unwrap();
        assert_eq!(writer.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        writer.file = real;
        writer.flush().unwrap();
        assert_eq!(read_log(&writer.run().log()).unwrap(), [event(0), event(1)]);
    }

    #[test]
    fn a_disk_that_stays_full_ends_the_log_without_a_hole() {
        let (_dir, mut writer) = writer();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let real = std::mem::replace(&mut writer.file, full);
        let errors = (0..40_000).filter(|seq| writer.append(&event(*seq)).is_err()).count();
        assert!(errors > 0 && writer.pending.len() < 2 * PATIENCE);
        writer.file = real;
        writer.flush().unwrap();
        assert!(writer.append(&event(40_000)).is_err(), "it would leave a hole");
        let events = read_log(&writer.run().log()).unwrap();
        assert!(events.len() > 1_000 && events.len() < 40_000);
    }

    #[test]
    fn the_same_run_is_never_written_twice_and_ids_are_no_paths() {
        let (dir, writer) = writer();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        assert_eq!(LogWriter::create(&state, &writer.run().id).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        for bad in ["", "..", "../../x", "a/b", "018f0000"] {
            assert_eq!(LogWriter::create(&state, &RunId(bad.into())).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert!(writer.run().is_live());
        let run = writer.run().clone();
        drop(writer);
        assert!(!run.is_live());
    }
}
