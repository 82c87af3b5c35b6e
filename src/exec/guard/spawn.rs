//! Starts the leader of an attempt: in a group of its own, with nothing but what it was given.

use rustix::process::Pid;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// The environment that spawns differ from.
#[derive(Default)]
pub struct Base(BTreeMap<OsString, OsString>);

/// What to start.
pub struct Leader<'a> {
    /// The file, absolute.
    pub program: &'a [u8],
    /// Its arguments, with its name.
    pub argv: &'a [Vec<u8>],
    /// Its folder.
    pub dir: &'a [u8],
    /// Base variables it does not get.
    pub unset: &'a [Vec<u8>],
    /// Variables it gets beside or in place of the base.
    pub set: &'a [(Vec<u8>, Vec<u8>)],
}

impl Base {
    /// Takes the environment as it came.
    pub fn new(env: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        Self(env.into_iter().map(|(name, value)| (OsString::from_vec(name), OsString::from_vec(value))).collect())
    }

    /// Starts a leader. Its number stays its own until the guard waits for it.
    ///
    /// # Errors
    /// What the operating system says.
    #[expect(clippy::disallowed_methods, reason = "this is where every step is spawned, by the guard")]
    pub fn spawn(&self, leader: &Leader<'_>, out: OwnedFd, err: OwnedFd) -> io::Result<Pid> {
        // Nothing here may need code between fork and exec: then std uses posix_spawn, which does not copy the guard.
        let mut command = Command::new(OsStr::from_bytes(leader.program));
        if let [name, rest @ ..] = leader.argv {
            command.arg0(OsStr::from_bytes(name)).args(rest.iter().map(|arg| OsStr::from_bytes(arg)));
        }
        command.env_clear().envs(&self.0);
        for name in leader.unset {
            command.env_remove(OsStr::from_bytes(name));
        }
        command.envs(leader.set.iter().map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value))));
        command.current_dir(OsStr::from_bytes(leader.dir)).process_group(0);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn()?;
        // Dropping a Child does not wait for it: `reap` does, by number.
        Pid::from_raw(child.id().cast_signed()).ok_or_else(|| io::Error::other("the system gave the process no number"))
    }
}
