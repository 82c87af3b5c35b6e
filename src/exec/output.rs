//! What a step prints: read from its two pipes, masked, kept, and told of a few times a second.

use super::capture::Capture;
use super::executor::Setup;
use super::job::{Job, OutputSink, Progress};
use super::mask;
use super::phase::Phases;
use super::tail::Tail;
use crate::event::frame::Stream;
use std::future::pending;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::unix::pipe;
use tokio::time::Instant;

/// The first news of output comes after this; later ones after [`NEXT_NEWS`].
const FIRST_NEWS: Duration = Duration::from_millis(50);
const NEXT_NEWS: Duration = Duration::from_millis(250);
/// Silence after which a held-back piece of a prompt is shown.
const QUIET: Duration = Duration::from_millis(100);
/// Most that is read at a time.
const CHUNK: usize = 64 << 10;
/// How often a pipe is read at the end: a pipe holds at most a mebibyte, more comes only from who still writes.
const LAST_READS: usize = 16;

/// One end of the step's output.
struct Pipe {
    from: pipe::Receiver,
    stream: Stream,
    mask: mask::Stream,
}

/// The output of one attempt.
pub struct Output<'a> {
    job: &'a Job,
    out: &'a OutputSink,
    /// What all attempts read into, one after the other.
    buffer: &'a Mutex<Vec<u8>>,
    started: Instant,
    pipes: [Option<Pipe>; 2],
    capture: Capture,
    tail: Tail,
    pub phases: Phases,
    news_at: Option<Instant>,
    quiet_at: Option<Instant>,
    told_bytes: u64,
    told_capped: bool,
    /// Which pipe is asked first: each in turn, lest one starve the other.
    turn: bool,
}

impl<'a> Output<'a> {
    /// Nothing was printed yet.
    pub fn new(
        job: &'a Job,
        out: &'a OutputSink,
        setup: &Setup,
        buffer: &'a Mutex<Vec<u8>>,
        started: Instant,
        [stdout, stderr]: [pipe::Receiver; 2],
    ) -> Self {
        let pipe = |from, stream| Some(Pipe { from, stream, mask: setup.masker.stream() });
        Self {
            job,
            out,
            buffer,
            started,
            pipes: [pipe(stdout, Stream::Stdout), pipe(stderr, Stream::Stderr)],
            capture: Capture::new(job.log.clone(), setup.log_cap_bytes),
            tail: Tail::default(),
            phases: Phases::new(job.profile, started, setup.masker.clone()),
            news_at: None,
            quiet_at: None,
            told_bytes: 0,
            told_capped: false,
            turn: false,
        }
    }

    /// Comes when one of the pipes has something to read, or its end; says which. Never, when both have ended.
    pub async fn readable(&self) -> usize {
        let [first, second] = if self.turn { [1, 0] } else { [0, 1] };
        tokio::select! {
            biased;
            () = readable(self.pipes[first].as_ref()) => first,
            () = readable(self.pipes[second].as_ref()) => second,
        }
    }

    /// Have both pipes ended?
    pub fn has_ended(&self) -> bool {
        self.pipes.iter().all(Option::is_none)
    }

    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.capture.bytes
    }

    /// Is there a log to read?
    pub fn has_log(&self) -> bool {
        self.capture.has_file()
    }

    /// When [`Output::tick`] wants to be called.
    pub fn due(&self) -> Option<Instant> {
        self.news_at.into_iter().chain(self.quiet_at).min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        if self.quiet_at.take_if(|at| *at <= now).is_some() {
            let mut shown = Vec::new();
            for at in 0..2 {
                if let Some(pipe) = &mut self.pipes[at] {
                    pipe.mask.quiet(&mut shown);
                    let stream = pipe.stream;
                    self.take(stream, &shown);
                    shown.clear();
                }
            }
            // What it shows is news, too.
            self.news_at.get_or_insert(now);
        }
        if self.news_at.take_if(|at| *at <= now).is_some() {
            self.tell();
        }
    }

    /// Reads what one pipe has now, at most one buffer full. Was there anything?
    pub fn read(&mut self, at: usize) -> bool {
        self.turn = at == 0;
        let Some(pipe) = &mut self.pipes[at] else { return false };
        let (stream, mut shown) = (pipe.stream, Vec::new());
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.resize(CHUNK, 0);
        let got = match pipe.from.try_read(&mut buffer) {
            Ok(got) => got,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return false;
            }
            Err(_) => 0,
        };
        if got == 0 {
            pipe.mask.finish(&mut shown);
            self.pipes[at] = None;
            self.take(stream, &shown);
            return false;
        }
        let now = Instant::now();
        self.phases.look(&buffer[..got], at, self.job, self.out);
        if pipe.mask.is_idle() {
            let at_ms = self.at_ms();
            self.capture.push(stream, at_ms, &buffer[..got]);
            self.tail.push(&buffer[..got]);
        } else {
            pipe.mask.push(&buffer[..got], &mut shown);
            self.quiet_at = pipe.mask.holds().then(|| now + QUIET).or(self.quiet_at);
            self.take(stream, &shown);
        }
        let wait = if self.told_bytes == 0 { FIRST_NEWS } else { NEXT_NEWS };
        self.news_at.get_or_insert(now + wait);
        true
    }

    /// Takes what is still in the pipes, and ends them.
    pub fn finish(&mut self) {
        for at in 0..2 {
            for _ in 0..LAST_READS {
                if !self.read(at) {
                    break;
                }
            }
            if let Some(mut pipe) = self.pipes[at].take() {
                let mut shown = Vec::new();
                pipe.mask.finish(&mut shown);
                self.take(pipe.stream, &shown);
            }
        }
        if self.capture.bytes > 0 {
            let at_ms = self.at_ms();
            self.capture.finish(at_ms);
            self.tell();
        }
        self.phases.drained(self.job, self.out);
    }

    fn at_ms(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_millis()).unwrap_or(u32::MAX)
    }

    /// Keeps masked output.
    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        if !bytes.is_empty() {
            let at_ms = self.at_ms();
            self.capture.push(stream, at_ms, bytes);
            self.tail.push(bytes);
        }
    }

    /// Writes what came and tells of it.
    fn tell(&mut self) {
        self.capture.flush();
        let say = |progress| drop(self.out.send((self.job.step.clone(), progress)));
        if self.capture.bytes > self.told_bytes {
            self.told_bytes = self.capture.bytes;
            say(Progress::Output { bytes: self.told_bytes, tail: self.tail.last_line() });
        }
        if self.capture.is_capped() && !self.told_capped {
            self.told_capped = true;
            say(Progress::Capped);
        }
        if let Some(message) = self.capture.take_loss() {
            say(Progress::LogLost { message });
        }
    }
}

async fn readable(pipe: Option<&Pipe>) {
    match pipe {
        Some(pipe) => drop(pipe.from.ready(Interest::READABLE).await),
        None => pending().await,
    }
}
