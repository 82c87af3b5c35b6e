//! Asks a tool for its version: one program, no shell, no guard, a short time.
//!
//! Not for steps: nothing that a probe starts is looked after, but for its process group, which does not outlive it.

use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A version is shorter.
const LONGEST: u64 = 64 << 10;

/// What the probe printed on both streams, without blank ends.
///
/// # Errors
/// A sentence: it cannot be started, does not end, fails, or prints what is no text.
#[expect(clippy::disallowed_methods, reason = "a probe is no step: it runs before the first one and needs no guard")]
pub fn ask(argv: &[String], dir: &Path, env: &BTreeMap<OsString, OsString>, limit: Duration) -> Result<String, String> {
    let (program, arguments) = argv.split_first().ok_or("it is empty")?;
    let said = |error: io::Error| error.to_string();
    let mut out = tempfile::tempfile().map_err(said)?;
    let stdio = || out.try_clone().map(Stdio::from);
    let mut child = std::process::Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .envs(env)
        .stdin(Stdio::null())
        .stdout(stdio().map_err(said)?)
        .stderr(stdio().map_err(said)?)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    let group = Pid::from_child(&child);
    let began = Instant::now();
    let status = loop {
        match child.try_wait().map_err(said)? {
            Some(status) => break Some(status),
            None if began.elapsed() >= limit => break None,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    // What it left behind ends with it.
    let _ = kill_process_group(group, Signal::KILL);
    let Some(status) = status else {
        let _ = child.wait();
        return Err(format!("it did not end within {} seconds", limit.as_secs()));
    };
    if !status.success() {
        return Err(format!("it ended with {status}"));
    }
    let mut bytes = Vec::new();
    out.rewind().map_err(said)?;
    io::Read::take(&mut out, LONGEST).read_to_end(&mut bytes).map_err(said)?;
    let text = String::from_utf8(bytes).map_err(|_| "it prints what is no text".to_owned())?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(argv: &[&str], limit: Duration) -> Result<String, String> {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let env = [("PATH", "/usr/bin:/bin")].map(|(name, value)| (name.into(), value.into())).into();
        ask(&argv, Path::new("/"), &env, limit)
    }

    #[test]
    fn both_streams_are_heard_and_every_failure_is_a_sentence() {
        let long = Duration::from_secs(20);
        assert_eq!(asked(&["sh", "-c", "echo 1.2; echo three >&2"], long).unwrap(), "1.2\nthree");
        assert!(asked(&["sh", "-c", "exit 3"], long).unwrap_err().contains('3'));
        assert!(asked(&["wf-no-such-program"], long).unwrap_err().contains("cannot be started"));
        assert!(asked(&[], long).is_err());
        assert!(asked(&["sleep", "60"], Duration::from_millis(20)).unwrap_err().contains("did not end"));
    }
}
