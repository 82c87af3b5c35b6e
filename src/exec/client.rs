//! wf's end of the guard's socket: starts the guard, sends requests, hands replies to the attempts they are about.

use super::guard::{self, kin, wire};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};
use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{Mutex as Turn, mpsc, watch};
use tokio::task::JoinHandle;
use wire::{Reply, Request};

/// Replies about one attempt. Ends when the guard is lost.
pub type Replies = mpsc::UnboundedReceiver<Reply>;

/// A running guard.
pub struct Client {
    socket: Arc<UnixStream>,
    routes: Arc<Routes>,
    /// Whose turn it is to write: a message is never cut by another.
    turn: Turn<Vec<u8>>,
    reader: JoinHandle<()>,
    child: Mutex<Option<Child>>,
    /// The environment that was sent as the base, sorted.
    pub base: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Who waits for replies.
#[derive(Default)]
struct Routes {
    state: Mutex<State>,
    gone: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    attempts: HashMap<u32, mpsc::UnboundedSender<Reply>>,
    last: u32,
    /// wf itself ended the guard, or it was lost: no attempt starts through it any more.
    over: bool,
    /// What the guard killed at the end.
    last_words: Vec<Vec<u8>>,
}

impl Routes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guard that was started before anybody knew what it is to run.
static AHEAD: Mutex<Option<Spawned>> = Mutex::new(None);

/// Starts the guard of the first attempt now, by somebody who knows that there will be one: a program takes its time to be
/// loaded. One that nobody comes to need ends when wf does. One that cannot be started is tried again, and told of, by who needs it.
pub fn start_ahead(executable: &Path) {
    let mut ahead = AHEAD.lock().unwrap_or_else(PoisonError::into_inner);
    if ahead.is_none() {
        *ahead = Spawned::new(executable).ok();
    }
}

/// A guard's process, and wf's end of the socket to it.
struct Spawned {
    child: Child,
    ours: std::os::unix::net::UnixStream,
}

impl Spawned {
    #[expect(
        clippy::disallowed_methods,
        reason = "the guard is the one child of wf that must not be spawned by the guard"
    )]
    fn new(executable: &Path) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(getpid()))?;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let mut command = Command::new(executable);
        command.arg0("wf").arg(guard::COMMAND).env_clear().current_dir("/");
        let child = command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).spawn()?;
        drop(command);
        guards().push(child.id());
        ours.set_nonblocking(true)?;
        Ok(Self { child, ours })
    }
}

impl Client {
    /// Starts a guard. From now on wf adopts what the guard would leave behind, should it be killed.
    ///
    /// # Errors
    /// The executable cannot be started, or the system refuses a socket.
    pub fn start(executable: &Path, base: Vec<(Vec<u8>, Vec<u8>)>) -> io::Result<Self> {
        let ahead = AHEAD.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Spawned { child, ours } = match ahead {
            Some(spawned) => spawned,
            None => Spawned::new(executable)?,
        };
        let socket = Arc::new(UnixStream::from_std(ours)?);
        let routes = Arc::new(Routes::default());
        let reader = tokio::spawn(read(Arc::clone(&socket), Arc::clone(&routes), child.id()));
        let mut first = Vec::new();
        Request::Base { env: base.clone() }.write(&mut first);
        Ok(Self { socket, routes, turn: Turn::new(first), reader, child: Mutex::new(Some(child)), base })
    }

    /// A number for a new attempt and the replies about it; none if the guard is gone.
    pub fn attempt(&self) -> Option<(u32, Replies)> {
        let mut state = self.routes.state();
        if state.over {
            return None;
        }
        state.last += 1;
        let (sender, replies) = mpsc::unbounded_channel();
        let id = state.last;
        state.attempts.insert(id, sender);
        Some((id, replies))
    }

    /// Replies about this attempt are of no interest any more.
    pub fn forget(&self, id: u32) {
        self.routes.state().attempts.remove(&id);
    }

    /// Is the guard still there?
    pub fn lives(&self) -> bool {
        !self.routes.state().over
    }

    /// Sends a request, and descriptors with it. A guard that is gone shows in the replies, not here.
    ///
    /// May be dropped at any await: then the message is either not sent at all, or its rest is sent by the next call.
    pub async fn send(&self, request: &Request, files: &[BorrowedFd<'_>]) {
        let mut out = self.turn.lock().await;
        self.flush(&mut out).await;
        loop {
            request.write(&mut out);
            match self.try_send(&out, files) {
                Ok(sent) => {
                    out.drain(..sent);
                    break;
                }
                Err(error) => {
                    out.clear();
                    if error.kind() != io::ErrorKind::WouldBlock || self.socket.writable().await.is_err() {
                        return;
                    }
                }
            }
        }
        self.flush(&mut out).await;
    }

    async fn flush(&self, out: &mut Vec<u8>) {
        while !out.is_empty() {
            match self.try_send(out, &[]) {
                Ok(sent) => drop(out.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.socket.writable().await.is_err() {
                        return;
                    }
                }
                Err(_) => out.clear(),
            }
        }
    }

    fn try_send(&self, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.socket.try_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !files.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(files));
            }
            let bytes = [IoSlice::new(bytes)];
            let send = || sendmsg(&*self.socket, &bytes, &mut control, SendFlags::empty());
            Ok(rustix::io::retry_on_intr(send)?)
        })
    }

    async fn gone(&self) {
        let _ = self.routes.gone.subscribe().wait_for(|gone| *gone).await;
    }

    /// Lets the guard end: what was left running on purpose stays, everything else is killed and named.
    pub async fn shutdown(&self) -> Vec<String> {
        self.routes.state().over = true;
        self.send(&Request::Shutdown, &[]).await;
        // The guard closes its end by ending; nothing to wait for if something does not die.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.gone()).await;
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child
            && *self.routes.gone.borrow()
        {
            let _ = child.wait();
        }
        let names = std::mem::take(&mut self.routes.state().last_words);
        names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }
}

impl Drop for Client {
    /// Nobody said goodbye: if nothing runs, this does; else the guard takes wf for dead and kills all. Either way wf waits
    /// for it a moment, so that nothing of a run is left when wf has ended.
    fn drop(&mut self) {
        self.reader.abort();
        let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let idle = {
            let mut state = self.routes.state();
            state.over = true;
            state.attempts.is_empty()
        };
        if idle {
            let mut bye = Vec::new();
            Request::Shutdown.write(&mut bye);
            let _ = rustix::net::send(&*self.socket, &bye, SendFlags::empty());
        }
        let _ = rustix::net::shutdown(&*self.socket, rustix::net::Shutdown::Write);
        // Its end of the socket closes with it.
        let limit = Timespec { tv_sec: 2, tv_nsec: 0 };
        if poll(&mut [PollFd::new(&*self.socket, PollFlags::empty())], Some(&limit)).is_ok_and(|ready| ready > 0) {
            let _ = child.wait();
        }
        guards().retain(|living| *living != child.id());
    }
}

/// Reads replies until the guard is gone.
async fn read(socket: Arc<UnixStream>, routes: Arc<Routes>, guard: u32) {
    let mut inbox: Vec<u8> = Vec::new();
    let mut chunk = [0u8; 4096];
    loop {
        if socket.readable().await.is_err() {
            break;
        }
        match socket.try_read(&mut chunk) {
            Ok(0) => break,
            Ok(got) => inbox.extend_from_slice(&chunk[..got]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => continue,
            Err(_) => break,
        }
        let mut at = 0;
        while let Ok(Some((reply, len))) = Reply::read(&inbox[at..]) {
            at += len;
            if let Reply::Swept { id: 0, names } = reply {
                routes.state().last_words = names;
            } else if let Some(attempt) = routes.state().attempts.get(&reply.id()) {
                let _ = attempt.send(reply);
            }
        }
        inbox.drain(..at);
    }
    let expected = std::mem::replace(&mut routes.state().over, true);
    guards().retain(|living| *living != guard);
    if !expected {
        // Before the attempts learn of it: when they end, their processes are gone.
        hunt().await;
    }
    routes.state().attempts.clear();
    routes.gone.send_replace(true);
}

/// The living guards of this process: there is more than one only if it has more than one executor.
static GUARDS: Mutex<Vec<u32>> = Mutex::new(vec![]);

fn guards() -> MutexGuard<'static, Vec<u32>> {
    GUARDS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_guard(kin: &kin::Process) -> bool {
    guards().contains(&kin.pid.cast_unsigned())
}

/// Kills what a killed guard left behind. wf has adopted it all, and knows it from its own helpers by the session: the
/// guard's steps are never in wf's.
async fn hunt() {
    // As `/proc` tells it: 0 for a session that began outside of this container.
    let own = kin::read(getpid().as_raw_nonzero().get()).map_or(0, |own| own.session);
    for _ in 0..200 {
        let mut strays: Vec<kin::Process> =
            kin::children(getpid()).into_iter().filter(|kin| kin.session != own && !is_guard(kin)).collect();
        if strays.is_empty() {
            return;
        }
        strays.extend(kin::descendants(&strays.iter().map(|kin| kin.pid).collect::<Vec<_>>()));
        for pid in strays.iter().filter_map(|kin| Pid::from_raw(kin.pid)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        for pid in strays.iter().filter_map(|kin| Pid::from_raw(kin.pid)) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}
