//! The real [`RunStep`]: one guard for all attempts, one loop for each.

use super::attempt::{Attempt, Broken};
use super::client::Client;
use super::guard::wire::Request;
use super::job::{Ended, Job, OutputSink, Progress, RunStep, StopSignal, Variable};
use super::lookup;
use super::mask::Masker;
use super::output::Output;
use crate::event::{Outcome, Usage};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::unix::pipe;
use tokio::time::Instant;

/// What every attempt of a run has in common.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The executable to run as the guard: wf itself (see [`super::guard::executable`]).
    pub guard: PathBuf,
    /// What no log may show.
    pub masker: Masker,
    /// Most bytes of output that an attempt's log keeps from its beginning.
    pub log_cap_bytes: u64,
}

impl Setup {
    /// The usual limits.
    pub fn new(guard: PathBuf, masker: Masker) -> Self {
        Self { guard, masker, log_cap_bytes: 64 << 20 }
    }
}

/// Runs attempts. Clones share one guard, which is started by the first attempt, or was before ([`super::start_ahead`]).
#[derive(Clone)]
pub struct Executor(Arc<Inner>);

struct Inner {
    setup: Setup,
    client: Mutex<Option<Arc<Client>>>,
    /// What all attempts read into, one after the other.
    buffer: Mutex<Vec<u8>>,
    /// Where `sh` is, by this `PATH`.
    sh: Mutex<Option<(Arc<OsStr>, PathBuf)>>,
}

type Bytes = Vec<u8>;

impl Executor {
    /// Starts nothing yet.
    pub fn new(setup: Setup) -> Self {
        Self(Arc::new(Inner { setup, client: Mutex::new(None), buffer: Mutex::new(vec![]), sh: Mutex::new(None) }))
    }

    /// Ends the guard, if there is one. What `leave_running` kept stays; whatever else is left is killed, and its names
    /// are returned: daemons that hid from whom they came.
    pub async fn shutdown(&self) -> Vec<String> {
        let client = self.0.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        match client {
            Some(client) => client.shutdown().await.iter().map(|name| self.0.setup.masker.text(name)).collect(),
            None => vec![],
        }
    }

    /// The guard; a new one if there is none or it was lost.
    fn client(&self, job: &Job) -> io::Result<Arc<Client>> {
        let mut slot = self.0.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = slot.as_ref().filter(|client| client.lives()) {
            return Ok(Arc::clone(client));
        }
        let base = job.env.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
        let client = Arc::new(Client::start(&self.0.setup.guard, base)?);
        *slot = Some(Arc::clone(&client));
        Ok(client)
    }

    /// The file to execute. The shell of nearly every step is looked for once: no step installs another `sh`, as it may
    /// install any other program.
    fn program(&self, job: &Job) -> Result<PathBuf, String> {
        lookup::check(job)?;
        let by = lookup::path(job).filter(|_| job.argv.first().is_some_and(|name| name == "sh"));
        let Some(by) = by else { return lookup::program(job) };
        let mut known = self.0.sh.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = known.as_ref().filter(|(path, _)| path == by) {
            return Ok(file.clone());
        }
        let file = lookup::program(job)?;
        // A relative entry of `PATH` leads elsewhere from each step's own folder.
        let anywhere = std::env::split_paths(by).all(|folder| folder.is_absolute());
        *known = anywhere.then(|| (Arc::clone(by), file.clone()));
        Ok(file)
    }

    async fn attempt(&self, job: &Job, stop: StopSignal, out: &OutputSink) -> Ended {
        let started = Instant::now();
        let asked = *stop.borrow();
        if asked.is_some() {
            return nothing(Outcome::Stopped, started);
        }
        let masker = &self.0.setup.masker;
        let not_started = |message: String| {
            let message = masker.text(&message);
            nothing(Outcome::NotStarted { message }, started)
        };
        let program = match self.program(job) {
            Ok(program) => program,
            Err(message) => return not_started(message),
        };
        let client = match self.client(job) {
            Ok(client) => client,
            Err(error) => {
                let message = format!("wf's guard process could not be started: {error}");
                let _ = out.send((job.step.clone(), Progress::GuardLost { message: message.clone() }));
                return not_started(message);
            }
        };
        let Some((id, replies)) = client.attempt() else {
            return not_started("wf's guard process has just ended".into());
        };
        let mut leash = Leash { client: &client, id, ended: false };
        let (ours, theirs) = match pipes() {
            Ok(pipes) => pipes,
            Err(error) => {
                leash.ended = true;
                return not_started(format!("no pipe for its output: {error}; lower `--jobs` or raise `ulimit -n`"));
            }
        };
        let request = spawn(id, job, &program, &client.base);
        client.send(&request, &[theirs[0].as_fd(), theirs[1].as_fd()]).await;
        drop(theirs);
        let output = Output::new(job, out, &self.0.setup, &self.0.buffer, started, ours);
        let mut attempt = Attempt::new(job, out, &client, id, started, output);
        let result = attempt.run(replies, stop).await;
        leash.ended = true;
        match result {
            Ok(mut ended) => {
                for name in &mut ended.leaked {
                    *name = masker.text(name);
                }
                ended
            }
            Err(Broken::Refused(errno)) => {
                let message = masker.text(&lookup::refusal(errno, job, &program));
                attempt.report(Outcome::NotStarted { message })
            }
            Err(Broken::GuardLost) => {
                let message = "wf's guard process was killed; wf has killed the processes of its steps".to_owned();
                let _ = out.send((job.step.clone(), Progress::GuardLost { message: message.clone() }));
                attempt.report(Outcome::NotStarted { message })
            }
        }
    }
}

impl RunStep for Executor {
    async fn close(&self) {
        self.shutdown().await;
    }

    async fn run(&self, job: Job, stop: StopSignal, out: OutputSink) -> Ended {
        self.attempt(&job, stop, &out).await
    }
}

/// An attempt whose future is dropped is killed.
struct Leash<'a> {
    client: &'a Arc<Client>,
    id: u32,
    ended: bool,
}

impl Drop for Leash<'_> {
    fn drop(&mut self) {
        self.client.forget(self.id);
        if !self.ended
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (client, id) = (Arc::clone(self.client), self.id);
            runtime.spawn(async move {
                client.send(&Request::Kill { id }, &[]).await;
                client.send(&Request::Sweep { id, keep: vec![] }, &[]).await;
            });
        }
    }
}

fn nothing(outcome: Outcome, started: Instant) -> Ended {
    Ended {
        outcome,
        wall_ms: started.elapsed().as_millis() as u64,
        usage: Usage::default(),
        has_log: false,
        output_bytes: 0,
        leaked: vec![],
    }
}

/// Two pipes: the ends that are read, and the ends that the step writes to.
fn pipes() -> io::Result<([pipe::Receiver; 2], [OwnedFd; 2])> {
    let one = || {
        let (from, to) = io::pipe()?;
        rustix::io::ioctl_fionbio(&from, true)?;
        // It is a pipe and does not block: nothing to check.
        io::Result::Ok((pipe::Receiver::from_owned_fd_unchecked(from.into())?, to.into()))
    };
    let ((out, to_out), (err, to_err)) = (one()?, one()?);
    Ok(([out, err], [to_out, to_err]))
}

fn bytes(text: &OsStr) -> Bytes {
    text.as_bytes().to_vec()
}

/// The request to start a job, its environment as differences from the base.
fn spawn(id: u32, job: &Job, program: &Path, base: &[(Bytes, Bytes)]) -> Request {
    let (unset, set) = differences(base, &job.env);
    let marks = job.env.iter().filter(|(name, _)| **name == *"WF_STEP" || **name == *"WF_ATTEMPT");
    Request::Spawn {
        id,
        tell: job.profile,
        program: program.as_os_str().as_bytes().to_vec(),
        argv: job.argv.iter().map(|word| bytes(word)).collect(),
        dir: job.dir.as_os_str().as_bytes().to_vec(),
        unset,
        set,
        mark: marks.map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat()).collect(),
    }
}

/// What to take from `base`, and what to put on top, to get `env`. Quick when both are sorted by name, as they should be.
fn differences(base: &[(Bytes, Bytes)], env: &[Variable]) -> (Vec<Bytes>, Vec<(Bytes, Bytes)>) {
    let sorted = base.is_sorted_by(|one, next| one.0 < next.0) && env.is_sorted_by(|one, next| one.0 < next.0);
    if !sorted {
        let all = env.iter().map(|(name, value)| (bytes(name), bytes(value)));
        return (base.iter().map(|(name, _)| name.clone()).collect(), all.collect());
    }
    let (mut unset, mut set) = (vec![], vec![]);
    let mut old = base.iter().peekable();
    for (name, value) in env {
        while let Some((gone, _)) = old.next_if(|(held, _)| held.as_slice() < name.as_bytes()) {
            unset.push(gone.clone());
        }
        let same = old.next_if(|(held, _)| held.as_slice() == name.as_bytes());
        if same.is_none_or(|(_, held)| held.as_slice() != value.as_bytes()) {
            set.push((bytes(name), bytes(value)));
        }
    }
    unset.extend(old.map(|(gone, _)| gone.clone()));
    (unset, set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn env() -> impl Strategy<Value = Vec<Variable>> {
        proptest::collection::vec(("[a-e]", "[xy]"), 0..6).prop_map(|pairs| {
            pairs.into_iter().map(|(name, value)| (OsStr::new(&name).into(), OsStr::new(&value).into())).collect()
        })
    }

    proptest! {
        #[test]
        fn differences_lead_from_any_environment_to_any_other(base in env(), want in env(), sort: bool) {
            let tidy = |env: Vec<Variable>| -> Vec<_> {
                if sort { env.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect() } else { env }
            };
            let (base, want) = (tidy(base), tidy(want));
            let raw: Vec<(Bytes, Bytes)> = base.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
            let (unset, set) = differences(&raw, &want);
            let mut have: BTreeMap<Bytes, Bytes> = raw.into_iter().collect();
            have.retain(|name, _| !unset.contains(name));
            have.extend(set);
            let want: BTreeMap<Bytes, Bytes> = want.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
            prop_assert_eq!(have, want);
        }
    }
}
