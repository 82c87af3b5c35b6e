//! One attempt from its first process to its last byte.

use super::capture::Capture;
use super::client::{Client, Replies};
use super::guard::wire::{End, Reply, Request};
use super::job::{Ended, Job, OutputSink, Progress, StopHow, StopSignal};
use super::mask;
use super::phase::Phases;
use super::tail::Tail;
use super::watchdog::{Verdict, Watchdog};
use crate::base::Millis;
use crate::event::frame::Stream;
use crate::event::{Outcome, Usage};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep_until};

/// How long pipes may drain after the leader has ended.
const DRAIN: Duration = Duration::from_millis(200);
/// The first news of output comes after this; later ones after [`NEXT_NEWS`].
const FIRST_NEWS: Duration = Duration::from_millis(50);
const NEXT_NEWS: Duration = Duration::from_millis(250);
/// Silence after which a held-back piece of a prompt is shown.
const QUIET: Duration = Duration::from_millis(100);
/// Most that is read at a time.
const CHUNK: usize = 64 << 10;

/// One end of the step's output.
struct Pipe {
    from: pipe::Receiver,
    stream: Stream,
    mask: mask::Stream,
}

/// What a turn of the loop brought.
enum News {
    Stop(Option<StopHow>),
    Guard(Option<Reply>),
    Readable(usize),
    Time,
}

/// How far the end of an attempt has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The leader runs.
    Runs,
    /// It has ended; pipes drain, and what is left behind may end by itself.
    Drains,
    /// The guard kills what is left.
    Swept,
}

/// A running attempt.
pub struct Attempt<'a> {
    pub job: &'a Job,
    pub client: &'a Arc<Client>,
    pub id: u32,
    pub out: &'a OutputSink,
    started: Instant,
    pipes: [Option<Pipe>; 2],
    capture: Capture,
    tail: Tail,
    phases: Phases,
    watchdog: Watchdog,
    stage: Stage,
    end: End,
    left: bool,
    leaked: Vec<String>,
    /// Why wf ends it, if it does.
    verdict: Option<Outcome>,
    kill_at: Option<Instant>,
    drain_until: Option<Instant>,
    news_at: Option<Instant>,
    quiet_at: Option<Instant>,
    told_bytes: u64,
    told_capped: bool,
    turn: usize,
}

impl<'a> Attempt<'a> {
    /// An attempt whose leader is being started.
    pub fn new(
        job: &'a Job,
        client: &'a Arc<Client>,
        id: u32,
        out: &'a OutputSink,
        started: Instant,
        pipes: [pipe::Receiver; 2],
        masker: &mask::Masker,
        log_cap: u64,
    ) -> Self {
        let [stdout, stderr] = pipes;
        let pipe = |from, stream| Some(Pipe { from, stream, mask: masker.stream() });
        Self {
            job,
            client,
            id,
            out,
            started,
            pipes: [pipe(stdout, Stream::Stdout), pipe(stderr, Stream::Stderr)],
            capture: Capture::new(job.log.clone(), log_cap),
            tail: Tail::default(),
            phases: Phases::new(job.profile, started),
            watchdog: Watchdog::new(job, started),
            stage: Stage::Runs,
            end: End::default(),
            left: false,
            leaked: vec![],
            verdict: None,
            kill_at: None,
            drain_until: None,
            news_at: None,
            quiet_at: None,
            told_bytes: 0,
            told_capped: false,
            turn: 0,
        }
    }

    /// Sees it through. `Err` is the operating system's refusal to start the leader, or the loss of the guard.
    pub async fn run(&mut self, mut replies: Replies, mut stop: StopSignal) -> Result<Ended, Broken> {
        let mut asked = None;
        let mut buffer = vec![0u8; CHUNK];
        loop {
            let first = self.turn & 1;
            self.turn += 1;
            let news = tokio::select! {
                biased;
                how = changed(&mut stop, asked) => News::Stop(how),
                reply = replies.recv() => News::Guard(reply),
                () = sleep_until(self.next_time()) => News::Time,
                () = readable(self.pipes[first].as_ref()) => News::Readable(first),
                () = readable(self.pipes[1 - first].as_ref()) => News::Readable(1 - first),
            };
            match news {
                News::Stop(how) => {
                    asked = how;
                    self.stop(how, Outcome::Stopped).await;
                }
                News::Guard(None) => {
                    self.finish_output(&mut buffer);
                    return Err(Broken::GuardLost);
                }
                News::Guard(Some(Reply::NotStarted { errno, .. })) => return Err(Broken::Refused(errno)),
                News::Guard(Some(reply)) => self.hear(reply).await,
                News::Readable(at) => self.read(at, &mut buffer),
                News::Time => self.tick().await,
            }
            if self.is_over() {
                self.finish_output(&mut buffer);
                return Ok(self.ended());
            }
        }
    }

    async fn hear(&mut self, reply: Reply) {
        match reply {
            Reply::Started { .. } => self.phases.spawned(self.job, self.out),
            Reply::Exited { end, left, .. } => {
                (self.end, self.left, self.stage) = (end, left, Stage::Drains);
                self.phases.ran(self.job, self.out);
                // What a stopped step leaves behind has what is left of its grace.
                let drained = Instant::now() + DRAIN;
                self.drain_until =
                    Some(self.kill_at.map_or(drained, |at| if left { at.max(drained) } else { drained }));
            }
            Reply::Clear { .. } => self.left = false,
            Reply::Swept { names, .. } => {
                self.leaked = names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
                self.left = false;
                // What was killed closes its pipes at once; what may stay never does.
                self.pipes.iter_mut().flatten().for_each(|_| ());
                self.drain_until = Some(Instant::now());
            }
            Reply::Measured { cpu_ms, memory_bytes, disk_bytes, .. } => {
                let verdict =
                    self.watchdog.measured(Instant::now(), cpu_ms, memory_bytes, disk_bytes, self.job, self.out);
                self.heed(verdict).await;
            }
            Reply::NotStarted { .. } => {}
        }
    }

    fn is_over(&self) -> bool {
        let drained = self.pipes.iter().all(Option::is_none) || self.drain_until.is_some_and(|at| at <= Instant::now());
        self.stage != Stage::Runs && !self.left && drained
    }

    /// The next moment at which something is due.
    fn next_time(&self) -> Instant {
        let own = [self.kill_at, self.drain_until, self.news_at, self.quiet_at];
        let watch = if self.stage == Stage::Runs { self.watchdog.due() } else { None };
        own.into_iter().flatten().chain(watch).min().unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        let is_due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        if is_due(&mut self.quiet_at) {
            let at_ms = self.at_ms();
            let mut shown = Vec::new();
            for pipe in self.pipes.iter_mut().flatten() {
                pipe.mask.quiet(&mut shown);
                take(&mut self.capture, &mut self.tail, pipe.stream, at_ms, &shown);
                shown.clear();
            }
        }
        if is_due(&mut self.news_at) {
            self.tell();
        }
        if is_due(&mut self.kill_at) && self.stage == Stage::Runs {
            self.client.send(&Request::Kill { id: self.id }, &[]).await;
        }
        if self.stage == Stage::Drains && self.left && self.drain_until.is_some_and(|at| at <= now) {
            self.stage = Stage::Swept;
            self.drain_until = None;
            let keep = self.job.leave_running.iter().map(|name| name.clone().into_bytes()).collect();
            self.client.send(&Request::Sweep { id: self.id, keep }, &[]).await;
        }
        if self.stage == Stage::Runs && self.watchdog.due().is_some_and(|at| at <= now) {
            let verdict = self.watchdog.tick(now, self.job, self.out);
            self.heed(verdict).await;
        }
    }

    async fn heed(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Fine => {}
            Verdict::Measure => self.client.send(&Request::Measure { id: self.id }, &[]).await,
            Verdict::End(outcome) => self.stop(Some(StopHow::Gently), outcome).await,
        }
    }

    /// Begins to end it, or ends it faster. The first reason stays the reason.
    async fn stop(&mut self, how: Option<StopHow>, reason: Outcome) {
        let Some(how) = how else { return };
        if self.stage != Stage::Runs {
            // Its leader has ended by itself; only what it left behind is still waited for.
            if how == StopHow::Now && self.left {
                self.drain_until = Some(Instant::now());
            }
            return;
        }
        let first = self.verdict.is_none();
        self.verdict.get_or_insert(reason);
        match how {
            StopHow::Gently if first => {
                let signal = rustix::process::Signal::TERM.as_raw();
                self.client.send(&Request::Signal { id: self.id, signal }, &[]).await;
                self.kill_at = Some(Instant::now() + Duration::from_millis(self.job.grace_ms));
            }
            StopHow::Gently => {}
            StopHow::Now => {
                self.kill_at = None;
                self.client.send(&Request::Kill { id: self.id }, &[]).await;
            }
        }
    }

    fn at_ms(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_millis()).unwrap_or(u32::MAX)
    }

    /// Reads what one pipe has now, at most one buffer full.
    fn read(&mut self, at: usize, buffer: &mut [u8]) {
        let at_ms = self.at_ms();
        let Some(pipe) = &mut self.pipes[at] else { return };
        let got = match pipe.from.try_read(buffer) {
            Ok(got) => got,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) => {
                return;
            }
            Err(_) => 0,
        };
        let mut shown = Vec::new();
        if got == 0 {
            pipe.mask.finish(&mut shown);
            take(&mut self.capture, &mut self.tail, pipe.stream, at_ms, &shown);
            self.pipes[at] = None;
            return;
        }
        let now = Instant::now();
        self.watchdog.heard(now);
        self.phases.look(&buffer[..got], at, self.job, self.out);
        if pipe.mask.is_idle() {
            take(&mut self.capture, &mut self.tail, pipe.stream, at_ms, &buffer[..got]);
        } else {
            pipe.mask.push(&buffer[..got], &mut shown);
            take(&mut self.capture, &mut self.tail, pipe.stream, at_ms, &shown);
            self.quiet_at = pipe.mask.holds().then(|| now + QUIET).or(self.quiet_at);
        }
        let wait = if self.told_bytes == 0 { FIRST_NEWS } else { NEXT_NEWS };
        self.news_at.get_or_insert(now + wait);
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

    /// Takes what is still in the pipes, and ends them.
    fn finish_output(&mut self, buffer: &mut [u8]) {
        for at in 0..2 {
            // A pipe holds at most a mebibyte by default limits; more comes only from somebody who still writes.
            for _ in 0..16 {
                let before = self.capture.bytes;
                self.read(at, buffer);
                if self.pipes[at].is_none() || self.capture.bytes == before {
                    break;
                }
            }
            if let Some(mut pipe) = self.pipes[at].take() {
                let mut shown = Vec::new();
                pipe.mask.finish(&mut shown);
                let at_ms = self.at_ms();
                take(&mut self.capture, &mut self.tail, pipe.stream, at_ms, &shown);
            }
        }
        if self.capture.bytes > 0 {
            let at_ms = self.at_ms();
            self.capture.finish(at_ms);
            self.tell();
        }
        self.phases.drained(self.job, self.out);
    }

    fn ended(&mut self) -> Ended {
        let own = match self.end {
            End { signal, .. } if signal != 0 => Outcome::Signalled { signal },
            End { code: 0, .. } => Outcome::Passed,
            End { code, .. } => Outcome::Failed { code },
        };
        let outcome = self.verdict.take().unwrap_or(own);
        self.report(outcome)
    }

    /// What there is to say about it, however it ended.
    pub fn report(&mut self, outcome: Outcome) -> Ended {
        Ended {
            outcome,
            wall_ms: self.started.elapsed().as_millis() as Millis,
            usage: Usage {
                cpu_ms: self.end.cpu_ms,
                memory_bytes: self.end.memory_bytes,
                disk_bytes: self.end.disk_bytes,
            },
            has_log: self.capture.has_file(),
            output_bytes: self.capture.bytes,
            leaked: std::mem::take(&mut self.leaked),
        }
    }
}

/// Why an attempt came to no end of its own.
pub enum Broken {
    /// The operating system would not start the leader.
    Refused(i32),
    /// The guard is gone, and its processes with it.
    GuardLost,
}

fn take(capture: &mut Capture, tail: &mut Tail, stream: Stream, at_ms: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        capture.push(stream, at_ms, bytes);
        tail.push(bytes);
    }
}

/// The next, stronger wish to stop.
async fn changed(stop: &mut StopSignal, asked: Option<StopHow>) -> Option<StopHow> {
    match stop.wait_for(|how| *how > asked).await {
        Ok(how) => *how,
        // Nobody can ask any more.
        Err(_) => pending().await,
    }
}

/// Comes when the pipe has something to read, or its end.
async fn readable(pipe: Option<&Pipe>) {
    match pipe {
        Some(pipe) => drop(pipe.from.ready(Interest::READABLE).await),
        None => pending().await,
    }
}
