//! Where an attempt's time goes: `spawn`, `run`, `drain`, and the phases that the step itself names by printing lines of
//! exactly the form `##wf[phase NAME]`.

use super::job::{Job, OutputSink, Progress};
use super::mask::Masker;
use crate::base::Millis;
use memchr::memmem;
use tokio::time::Instant;

const MARK: &[u8] = b"##wf[phase ";

/// Longest name of a phase.
const LONGEST: usize = 64;

/// Measures phases, if the job wants them.
pub struct Phases {
    wanted: bool,
    masker: Masker,
    since: Instant,
    own: Option<(String, Instant)>,
    /// The line that each stream is in the middle of, as far as it may be a mark.
    lines: [Vec<u8>; 2],
}

impl Phases {
    /// Begins with the phase `spawn`.
    pub fn new(wanted: bool, now: Instant, masker: Masker) -> Self {
        Self { wanted, masker, since: now, own: None, lines: [vec![], vec![]] }
    }

    /// The leader runs.
    pub fn spawned(&mut self, job: &Job, out: &OutputSink) {
        self.end("spawn", job, out);
    }

    /// The leader has ended.
    pub fn ran(&mut self, job: &Job, out: &OutputSink) {
        self.begin(None, job, out);
        self.end("run", job, out);
    }

    /// All output is here.
    pub fn drained(&mut self, job: &Job, out: &OutputSink) {
        self.end("drain", job, out);
    }

    /// Looks for marks in output as it came from stream `at`.
    pub fn look(&mut self, bytes: &[u8], at: usize, job: &Job, out: &OutputSink) {
        if !self.wanted {
            return;
        }
        let longest = MARK.len() + LONGEST + 1;
        let mut line = std::mem::take(&mut self.lines[at]);
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            if line.is_empty() && memmem::find(&rest[..=end], MARK).is_none() {
                // The usual case: skip straight to the line of the next mark, if there is one.
                let next = memmem::find(rest, MARK).unwrap_or(rest.len());
                let skip = memchr::memrchr(b'\n', &rest[..next]).map_or(end + 1, |last| last + 1);
                rest = &rest[skip..];
                continue;
            }
            line.extend_from_slice(&rest[..end.min(longest + 1)]);
            if let Some(name) = named(&line) {
                self.begin(Some(self.masker.text(&name)), job, out);
            }
            line.clear();
            rest = &rest[end + 1..];
        }
        if line.len() <= longest {
            line.extend_from_slice(&rest[..rest.len().min(longest + 1)]);
        }
        self.lines[at] = line;
    }

    fn begin(&mut self, name: Option<String>, job: &Job, out: &OutputSink) {
        let now = Instant::now();
        if let Some((phase, since)) = self.own.take() {
            tell(phase, since, now, job, out);
        }
        self.own = name.map(|name| (name, now));
    }

    fn end(&mut self, phase: &str, job: &Job, out: &OutputSink) {
        let now = Instant::now();
        if self.wanted {
            tell(phase.into(), self.since, now, job, out);
        }
        self.since = now;
    }
}

fn tell(phase: String, since: Instant, now: Instant, job: &Job, out: &OutputSink) {
    let wall_ms = (now - since).as_millis() as Millis;
    let _ = out.send((job.step.clone(), Progress::Phase { phase, wall_ms }));
}

/// The phase that a line names.
fn named(line: &[u8]) -> Option<String> {
    let name = line.strip_suffix(b"\r").unwrap_or(line).strip_prefix(MARK)?.strip_suffix(b"]")?;
    let name = std::str::from_utf8(name).ok()?;
    let fits = !name.is_empty() && name.len() <= LONGEST && !name.contains(|c: char| c.is_control());
    fits.then(|| name.to_owned())
}
