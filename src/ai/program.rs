//! `provider: command`: a program that reads the prompt and prints the answer. It has a process group of its own, and nothing
//! of that is left once nobody waits for its answer any more.

use super::order::Shared;
use super::problem::{Kind, Problem};
use crate::ask::{Call, Recorded};
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// No answer is longer.
const LONGEST: u64 = 64 << 20;

/// A program with all that it started. Whatever of it is left is killed when this is dropped: a group of its own gets no signal
/// from the terminal.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Runs it, without a shell, in the repository's root. Its errors go where the step's go.
///
/// # Errors
/// It cannot be started, fails, prints too much, or is silent for longer than `read_timeout`.
pub async fn run(argv: &[String], call: &Call, shared: &Shared) -> Result<Recorded, Problem> {
    let failed = |what: String| Problem::new(Kind::Program, what);
    let (program, arguments) = argv.split_first().ok_or_else(|| failed("`command` names no program".into()))?;
    let question: serde_json::Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let prompt = question["stdin"].as_str().unwrap_or_default().to_owned();
    let began = Instant::now();
    let mut command = tokio::process::Command::new(program);
    for name in &shared.hidden {
        command.env_remove(name);
    }
    let mut child = command
        .args(arguments)
        .current_dir(&shared.root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("{program} cannot be started: {error}")))?;
    let _group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read all of it may answer all the same.
            let _ = stdin.write_all(prompt.as_bytes()).await;
        }
    };
    let read = async {
        let mut answer = Vec::new();
        match stdout {
            Some(stdout) => stdout.take(LONGEST + 1).read_to_end(&mut answer).await.map(|_| answer),
            None => Ok(answer),
        }
    };
    let both = async { tokio::join!(write, read, child.wait()) };
    let limit = Duration::from_millis(shared.manners.read_timeout_ms);
    let Ok(((), answer, status)) = tokio::time::timeout(limit, both).await else {
        return Err(failed(format!("{program} did not answer within {} s (`read_timeout`)", limit.as_secs())));
    };
    let status = status.map_err(|error| failed(format!("{program}: {error}")))?;
    let answer = answer.map_err(|error| failed(format!("what {program} prints cannot be read: {error}")))?;
    if answer.len() as u64 > LONGEST {
        return Err(failed(format!("{program} printed more than 64 MiB")));
    }
    if !status.success() {
        return Err(failed(format!("{program} ended with {status}")));
    }
    Ok(Recorded::whole(200, answer, began.elapsed().as_millis() as u64))
}
