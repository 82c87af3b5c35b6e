//! One attempt from its first process to its last byte: who ends it, when, and what is said of it.

use super::client::{Client, Replies};
use super::guard::wire::{End, Reply, Request};
use super::job::{Ended, Job, OutputSink, StopHow, StopSignal};
use super::output::Output;
use super::watchdog::{Verdict, Watchdog};
use crate::base::Millis;
use crate::event::{Outcome, Usage};
use std::future::pending;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long pipes may drain after the leader has ended, and what it left behind may end by itself.
const DRAIN: Duration = Duration::from_millis(200);

/// What a turn of the loop brought.
enum News {
    Stop(Option<StopHow>),
    Guard(Option<Reply>),
    Time,
    Readable(usize),
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
    job: &'a Job,
    out: &'a OutputSink,
    client: &'a Client,
    id: u32,
    started: Instant,
    output: Output<'a>,
    watchdog: Watchdog,
    stage: Stage,
    end: End,
    /// Processes are left behind.
    left: bool,
    leaked: Vec<String>,
    /// Why wf ends it, if it does.
    verdict: Option<Outcome>,
    kill_at: Option<Instant>,
    drain_until: Option<Instant>,
}

/// Why an attempt came to no end of its own.
pub enum Broken {
    /// The operating system would not start the leader.
    Refused(i32),
    /// The guard is gone, and its processes with it.
    GuardLost,
}

impl<'a> Attempt<'a> {
    /// An attempt whose leader is being started.
    pub fn new(
        job: &'a Job,
        out: &'a OutputSink,
        client: &'a Client,
        id: u32,
        started: Instant,
        output: Output<'a>,
    ) -> Self {
        Self {
            job,
            out,
            client,
            id,
            started,
            output,
            watchdog: Watchdog::new(job, started),
            stage: Stage::Runs,
            end: End::default(),
            left: false,
            leaked: vec![],
            verdict: None,
            kill_at: None,
            drain_until: None,
        }
    }

    /// Sees it through.
    pub async fn run(&mut self, mut replies: Replies, mut stop: StopSignal) -> Result<Ended, Broken> {
        let mut asked = None;
        loop {
            // What ends a step comes before what it prints, or endless output could not be stopped.
            let news = tokio::select! {
                biased;
                how = stronger(&mut stop, asked) => News::Stop(how),
                reply = replies.recv() => News::Guard(reply),
                () = sleep_until(self.due()) => News::Time,
                at = self.output.readable() => News::Readable(at),
            };
            match news {
                News::Stop(how) => {
                    asked = how;
                    self.stop(how.unwrap_or(StopHow::Gently), Outcome::Stopped).await;
                }
                News::Guard(None) => {
                    self.output.finish();
                    return Err(Broken::GuardLost);
                }
                News::Guard(Some(Reply::NotStarted { errno, .. })) => return Err(Broken::Refused(errno)),
                News::Guard(Some(reply)) => self.hear(reply).await,
                News::Time => self.tick().await,
                News::Readable(at) => {
                    if self.output.read(at) {
                        self.watchdog.heard(Instant::now());
                    }
                }
            }
            if self.is_over() {
                self.output.finish();
                return Ok(self.ended());
            }
        }
    }

    async fn hear(&mut self, reply: Reply) {
        match reply {
            Reply::Started { .. } => self.output.phases.spawned(self.job, self.out),
            Reply::Exited { end, left, .. } => {
                (self.end, self.left, self.stage) = (end, left, Stage::Drains);
                self.output.phases.ran(self.job, self.out);
                // What a stopped step leaves behind has what remains of its grace.
                let drained = Instant::now() + DRAIN;
                let grace = self.kill_at.filter(|_| left).map_or(drained, |at| at.max(drained));
                self.drain_until = Some(grace);
            }
            Reply::Clear { .. } => {
                self.left = false;
                let soon = Instant::now() + DRAIN;
                self.drain_until = self.drain_until.map(|at| at.min(soon));
            }
            Reply::Swept { names, .. } => {
                self.leaked = names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
                self.left = false;
                // What was killed has closed its pipes; what may stay never does.
                self.drain_until = Some(Instant::now());
            }
            Reply::Measured { cpu_ms, memory_bytes, disk_bytes, .. } => {
                let used = Usage { cpu_ms, memory_bytes, disk_bytes };
                let verdict = self.watchdog.measured(Instant::now(), used, self.job, self.out);
                self.heed(verdict).await;
            }
            Reply::NotStarted { .. } => {}
        }
    }

    fn is_over(&self) -> bool {
        let drained = self.output.has_ended() || self.drain_until.is_some_and(|at| at <= Instant::now());
        self.stage != Stage::Runs && !self.left && drained
    }

    /// The next moment at which something is due.
    fn due(&self) -> Instant {
        let watch = if self.stage == Stage::Runs { self.watchdog.due() } else { None };
        let all = [self.kill_at, self.drain_until, self.output.due(), watch];
        all.into_iter().flatten().min().unwrap_or_else(|| Instant::now() + Duration::from_hours(1))
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        self.output.tick(now);
        if self.kill_at.take_if(|at| *at <= now).is_some() && self.stage == Stage::Runs {
            self.client.send(&Request::Kill { id: self.id }, &[]).await;
        }
        if self.stage == Stage::Drains && self.left && self.drain_until.is_some_and(|at| at <= now) {
            self.stage = Stage::Swept;
            self.drain_until = None;
            let keep = self.job.leave_running.iter().map(|name| name.clone().into_bytes()).collect();
            self.client.send(&Request::Sweep { id: self.id, keep }, &[]).await;
        }
        if self.stage == Stage::Runs && self.watchdog.due().is_some_and(|at| at <= now) {
            let verdict = self.watchdog.tick(now, self.job);
            self.heed(verdict).await;
        }
    }

    async fn heed(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Fine => {}
            Verdict::Measure => self.client.send(&Request::Measure { id: self.id }, &[]).await,
            Verdict::End(outcome) => self.stop(StopHow::Gently, outcome).await,
        }
    }

    /// Begins to end it, or ends it faster. The first reason stays the reason.
    async fn stop(&mut self, how: StopHow, reason: Outcome) {
        if self.stage != Stage::Runs {
            // Its leader has ended by itself; only what it left behind is still waited for.
            if how == StopHow::Now && self.stage == Stage::Drains && self.left {
                self.drain_until = Some(Instant::now());
            }
            return;
        }
        let first = self.verdict.is_none();
        self.verdict.get_or_insert(reason);
        if how == StopHow::Now {
            self.kill_at = None;
            self.client.send(&Request::Kill { id: self.id }, &[]).await;
        } else if first {
            let signal = rustix::process::Signal::TERM.as_raw();
            self.client.send(&Request::Signal { id: self.id, signal }, &[]).await;
            self.kill_at = Some(Instant::now() + Duration::from_millis(self.job.grace_ms));
        }
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
        let End { cpu_ms, memory_bytes, disk_bytes, .. } = self.end;
        Ended {
            outcome,
            wall_ms: self.started.elapsed().as_millis() as Millis,
            usage: Usage { cpu_ms, memory_bytes, disk_bytes },
            has_log: self.output.has_log(),
            output_bytes: self.output.bytes(),
            leaked: std::mem::take(&mut self.leaked),
        }
    }
}

/// The next, stronger wish to stop.
async fn stronger(stop: &mut StopSignal, asked: Option<StopHow>) -> Option<StopHow> {
    match stop.wait_for(|how| *how > asked).await {
        Ok(how) => *how,
        // Nobody can ask any more.
        Err(_) => pending().await,
    }
}
