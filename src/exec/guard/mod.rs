//! The guard: wf re-executed, small and single-threaded, the parent of every step.
//!
//! It lives in a session of its own and, on Linux, is the subreaper of all that steps start: a daemon that leaves its
//! group and its parents is adopted by the guard and so stays within reach. When its socket ends (wf has ended, even by
//! `kill -9`), it kills its descendants until none is left. Both killed in the same instant is best effort: then wf's
//! own parents adopt what is left.
//!
//! Because it is the parent, and waits in one thread, it signals a group only while the group's leader is not yet
//! waited for: no number can have been given to somebody else.

pub mod kin;
mod reap;
mod spawn;
mod strays;
pub mod wire;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::VecDeque;
use std::io::{self, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use wire::{Reply, Request};

/// The hidden subcommand that is the guard. `cli::main` compares argv with it before anything else.
pub const COMMAND: &str = "__guard";

/// The file to start as the guard. On Linux the running binary itself, even if its file was replaced meanwhile, as
/// happens when wf's own pipeline builds wf.
///
/// # Errors
/// The system does not know where wf is.
pub fn executable() -> io::Result<std::path::PathBuf> {
    let running = std::path::Path::new("/proc/self/exe");
    if running.exists() { Ok(running.to_owned()) } else { std::env::current_exe() }
}

/// The longest wait for something that does not die, such as a process in uninterruptible sleep.
const PATIENCE_ROUNDS: u32 = 250;

/// The guard's life. Its socket is standard input.
///
/// # Errors
/// It was not started by wf, or the system refuses it a session or a signal handler.
pub fn main() -> io::Result<()> {
    Guard::new(rustix::stdio::stdin())?.live()
}

/// An attempt the guard has a part in.
struct Step {
    id: u32,
    leader: Pid,
    /// Its leader has not been waited for.
    runs: bool,
    /// What it left behind is being killed.
    swept: bool,
    mark: Vec<Vec<u8>>,
}

struct Guard {
    socket: BorrowedFd<'static>,
    /// Gets a byte whenever a child ends.
    ended: UnixStream,
    base: spawn::Base,
    steps: Vec<Step>,
    own: kin::Own,
    /// Strays that any of several steps may have left: number and beginning. They stay until the end.
    nobodys: Vec<(i32, u64)>,
    /// Processes that may stay: number and beginning.
    kept: Vec<(i32, u64)>,
    inbox: Vec<u8>,
    files: VecDeque<OwnedFd>,
    outbox: Vec<u8>,
}

/// Why the guard stops listening.
enum Over {
    /// wf said so.
    Shutdown,
    /// wf is gone.
    Lost,
}

impl Guard {
    fn new(socket: BorrowedFd<'static>) -> io::Result<Self> {
        rustix::net::sockopt::socket_type(socket).map_err(|_| {
            io::Error::other("this command is for wf itself: it starts the process that guards its steps")
        })?;
        // Already the leader of a group when started by hand from a shell: no reason to fail.
        let _ = rustix::process::setsid();
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let (ended, told) = UnixStream::pair()?;
        ended.set_nonblocking(true)?;
        told.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, told)?;
        // Handlers that do nothing, not SIG_IGN: a step would inherit that.
        let nothing = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        for signal in [
            signal_hook::consts::SIGINT,
            signal_hook::consts::SIGHUP,
            signal_hook::consts::SIGQUIT,
            signal_hook::consts::SIGTERM,
        ] {
            signal_hook::flag::register(signal, std::sync::Arc::clone(&nothing))?;
        }
        Ok(Self {
            socket,
            ended,
            base: spawn::Base::default(),
            steps: vec![],
            own: kin::Own::default(),
            nobodys: vec![],
            kept: vec![],
            inbox: vec![],
            files: VecDeque::new(),
            outbox: vec![],
        })
    }

    fn live(mut self) -> io::Result<()> {
        let over = loop {
            let (socket, ended) = self.wait()?;
            if ended {
                self.reap();
            }
            if socket {
                // A message that cannot be read is the end too: wf would wait for answers for ever.
                match self.listen() {
                    Ok(None) => {}
                    Ok(Some(over)) => break over,
                    Err(_) => break Over::Lost,
                }
            }
        };
        let names = self.kill_all(matches!(over, Over::Shutdown));
        self.say(&Reply::Swept { id: 0, names });
        Ok(())
    }

    /// Waits until wf says something or a child ends; which of them?
    fn wait(&self) -> io::Result<(bool, bool)> {
        let mut both = [PollFd::from_borrowed_fd(self.socket, PollFlags::IN), PollFd::new(&self.ended, PollFlags::IN)];
        match poll(&mut both, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok((!both[0].revents().is_empty(), !both[1].revents().is_empty())),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits a moment, or until a child ends, and takes in who has ended. Is there any child left?
    fn breathe(&mut self) -> bool {
        let _ =
            poll(&mut [PollFd::new(&self.ended, PollFlags::IN)], Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
        self.reap()
    }

    /// Reads what wf wants and does it.
    fn listen(&mut self) -> io::Result<Option<Over>> {
        let mut chunk = [0u8; 1 << 14];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        #[cfg(target_os = "linux")]
        let flags = RecvFlags::CMSG_CLOEXEC;
        #[cfg(not(target_os = "linux"))]
        let flags = RecvFlags::empty();
        let got = match recvmsg(self.socket, &mut [IoSliceMut::new(&mut chunk)], &mut control, flags) {
            Ok(got) => got.bytes,
            Err(rustix::io::Errno::INTR) => return Ok(None),
            Err(_) => 0,
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                self.files.extend(files);
            }
        }
        #[cfg(not(target_os = "linux"))]
        for file in &self.files {
            rustix::io::fcntl_setfd(file, rustix::io::FdFlags::CLOEXEC)?;
        }
        if got == 0 {
            return Ok(Some(Over::Lost));
        }
        self.inbox.extend_from_slice(&chunk[..got]);
        let mut at = 0;
        let over = loop {
            match Request::read(&self.inbox[at..]).map_err(io::Error::other)? {
                None => break None,
                Some((Request::Shutdown, _)) => break Some(Over::Shutdown),
                Some((request, len)) => {
                    at += len;
                    self.obey(request);
                }
            }
        };
        self.inbox.drain(..at);
        Ok(over)
    }

    fn obey(&mut self, request: Request) {
        match request {
            Request::Base { env } => self.base = spawn::Base::new(env),
            Request::Spawn { id, tell, program, argv, dir, unset, set, mark } => {
                let (Some(out), Some(err)) = (self.files.pop_front(), self.files.pop_front()) else {
                    return self.say(&Reply::NotStarted { id, errno: rustix::io::Errno::BADF.raw_os_error() });
                };
                let what = spawn::Leader { program: &program, argv: &argv, dir: &dir, unset: &unset, set: &set };
                match self.base.spawn(&what, out, err) {
                    Ok(leader) => {
                        self.steps.push(Step { id, leader, runs: true, swept: false, mark });
                        if tell {
                            self.say(&Reply::Started { id });
                        }
                    }
                    Err(error) => {
                        let errno = error.raw_os_error().unwrap_or(rustix::io::Errno::INVAL.raw_os_error());
                        self.say(&Reply::NotStarted { id, errno });
                    }
                }
            }
            Request::Signal { id, signal } => {
                let step = self.steps.iter().find(|step| step.id == id && step.runs);
                if let (Some(signal), Some(step)) = (Signal::from_named_raw(signal), step) {
                    let _ = kill_process_group(step.leader, signal);
                    // A process that is stopped could not react to it.
                    let _ = kill_process_group(step.leader, Signal::CONT);
                }
            }
            Request::Kill { id } => self.kill(id),
            Request::Sweep { id, keep } => {
                let names = self.sweep(id, &keep);
                self.say(&Reply::Swept { id, names });
            }
            Request::Measure { id } => {
                let reply = self.measure(id);
                self.say(&reply);
            }
            Request::Shutdown => {}
        }
    }

    /// Kills an attempt's group, and what has left the group but not yet its parents.
    fn kill(&self, id: u32) {
        if let Some(step) = self.steps.iter().find(|step| step.id == id && step.runs) {
            let below = kin::descendants(&[step.leader.as_raw_nonzero().get()]);
            let _ = kill_process_group(step.leader, Signal::KILL);
            for kin in &below {
                kill_one(kin);
            }
        }
    }

    /// Waits for every child that has ended, and tells wf about leaders. Is there any child left?
    fn reap(&mut self) -> bool {
        let mut noise = [0u8; 64];
        while self.ended.read(&mut noise).is_ok_and(|got| got == noise.len()) {}
        let any_left = loop {
            let child = match reap::next() {
                Ok(Some(child)) => child,
                Ok(None) => break true,
                Err(_) => break false,
            };
            let Some(at) = self.steps.iter().position(|step| step.runs && step.leader == child.pid) else { continue };
            self.steps[at].runs = false;
            let left = self.left_something(at);
            let id = self.steps[at].id;
            if !left && !self.steps[at].swept {
                self.steps.swap_remove(at);
            }
            self.say(&Reply::Exited { id, end: child.end, left });
        };
        // Steps whose leader is gone and whose strays have now ended too.
        while let Some(at) = (0..self.steps.len()).find(|at| self.is_clear(*at)) {
            let step = self.steps.swap_remove(at);
            self.say(&Reply::Clear { id: step.id });
        }
        any_left
    }

    /// Answers wf. If wf is gone, the end of the socket tells so in a moment.
    fn say(&mut self, reply: &Reply) {
        self.outbox.clear();
        reply.write(&mut self.outbox);
        let mut rest = self.outbox.as_slice();
        while !rest.is_empty() {
            match rustix::net::send(self.socket, rest, SendFlags::empty()) {
                Ok(sent) => rest = &rest[sent..],
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Kills all descendants, again and again, until none is left, and names them. Those that may stay are spared if wf
    /// ended well.
    fn kill_all(&mut self, spare: bool) -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = vec![];
        if !self.reap() {
            return names;
        }
        // Rounds in a row that found nothing that could be killed.
        let mut calm = 0;
        loop {
            let (mut alive, mut refused) = (0, 0);
            for kin in self.all_but_kept(spare) {
                alive += 1;
                refused += u32::from(!kill_one(&kin));
                if !names.contains(&kin.name) {
                    names.push(kin.name);
                }
            }
            #[cfg(not(target_os = "linux"))]
            for step in self.steps.iter().filter(|step| step.runs) {
                alive += u32::from(kill_process_group(step.leader, Signal::KILL).is_ok());
            }
            calm = if alive == refused { calm + 1 } else { 0 };
            // Everything descends from a child. If there are children: they may stay, or they belong to somebody else and
            // cannot be killed, or one has come while `/proc` was read.
            if !self.reap() || (calm > 1 && alive == 0 && spare) || calm > PATIENCE_ROUNDS {
                break;
            }
            self.breathe();
        }
        names
    }
}

/// Kills exactly this process; says whether that was allowed.
fn kill_one(process: &kin::Process) -> bool {
    let Some(pid) = Pid::from_raw(process.pid) else { return true };
    // The number may have been given to somebody else since it was read, if its parent was not the guard.
    if kin::read(process.pid).is_none_or(|now| now.began != process.began) {
        return true;
    }
    kill_process(pid, Signal::KILL) != Err(rustix::io::Errno::PERM)
}
