//! Getting more history from the remote: the one thing that wf ever writes into a repository, and only where it may.
//!
//! In CI a clone often ends at the commit that is built. What is fetched are objects, the remote-tracking reference of one
//! branch and the list of where history is cut short; no configuration, no tags, no submodules, and nothing is asked of
//! anybody: a fetch that would prompt fails. A clone that leaves objects out (`--filter`) goes on doing so. Does not know:
//! when history is long enough.

use super::reach::Reach;
use rustix::process::{Pid, Signal, kill_process_group};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// No call takes longer. Fetching 1,000 commits of a large repository takes seconds; a server that does not answer in
/// three minutes does not answer.
const PATIENCE: Duration = Duration::from_mins(3);
/// So often a call is looked at.
const GLANCE: Duration = Duration::from_millis(5);
/// So much of what git says of an error is told, in characters.
const TOLD: usize = 300;

/// How much history is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// As the clone is: whole histories stay whole.
    AsItIs,
    /// So many commits from each tip.
    Of(u32),
    /// Everything, and the clone is shallow no more.
    Whole,
}

impl Reach<'_> {
    /// Fetches a branch into its remote-tracking reference, and commits by their full names.
    ///
    /// # Errors
    /// What git said, or that it took too long.
    pub fn fetch(&self, remote: &str, branch: Option<&str>, commits: &[&str], depth: Depth) -> Result<(), String> {
        let mut args = vec!["fetch".to_owned(), "--quiet".into(), "--no-tags".into(), "--no-write-fetch-head".into()];
        args.extend(["--no-recurse-submodules".into(), "--no-auto-maintenance".into()]);
        match depth {
            Depth::AsItIs => {}
            Depth::Of(commits) => args.push(format!("--depth={commits}")),
            Depth::Whole => args.push("--unshallow".into()),
        }
        args.extend(["--end-of-options".into(), remote.to_owned()]);
        args.extend(branch.map(|name| format!("+refs/heads/{name}:refs/remotes/{remote}/{name}")));
        args.extend(commits.iter().map(|commit| (*commit).to_owned()));
        self.call(&args).map(drop)
    }

    /// The remote's default branch, by asking it.
    ///
    /// # Errors
    /// What git said, or that it took too long.
    pub fn default_of(&self, remote: &str) -> Result<Option<String>, String> {
        let said = self.call(&["ls-remote", "--symref", "--end-of-options", remote, "HEAD"].map(str::to_owned))?;
        let line = said.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
        Ok(line.map(str::to_owned))
    }

    /// Lets a partial clone get what differs between two commits, all at once.
    ///
    /// # Errors
    /// What git said, or that it took too long.
    pub fn complete(&self, base: &str, head: &str) -> Result<(), String> {
        let args = ["diff", "--numstat", "--no-ext-diff", "--no-textconv", "-M", "--end-of-options", base, head, "--"];
        self.call(&args.map(str::to_owned)).map(drop)
    }

    /// Runs git with the network, for at most [`PATIENCE`].
    fn call(&self, args: &[String]) -> Result<String, String> {
        let mut git = self.cli.command();
        git.env_remove("GIT_NO_LAZY_FETCH");
        // A hook that somebody left in the clone has no say in what wf fetches.
        git.args(["-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "maintenance.auto=false"]).args(args);
        git.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = git.spawn().map_err(|error| format!("`git`: {error}"))?;
        let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
        let ended = wait(&mut child);
        let (out, err) = (finished(out), finished(err));
        match ended {
            Some(true) => Ok(out),
            Some(false) => {
                let said = err.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
                Err(said.chars().filter(|c| !c.is_control()).take(TOLD).collect())
            }
            None => Err(format!("no answer in {} seconds", PATIENCE.as_secs())),
        }
    }
}

/// Did it succeed? None: it took too long, and was ended with all that it started.
fn wait(child: &mut Child) -> Option<bool> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) => std::thread::sleep(GLANCE),
            Err(_) => return Some(false),
        }
    }
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
    None
}

type Reading = Option<std::thread::JoinHandle<String>>;

/// Reads a pipe beside the process, so that it never stands still; more than a megabyte is not kept.
fn reader(pipe: Option<impl std::io::Read + Send + 'static>) -> Reading {
    const KEPT: usize = 1 << 20;
    let mut pipe = pipe?;
    Some(std::thread::spawn(move || {
        let (mut kept, mut chunk) = (Vec::new(), [0; 8_192]);
        while let Ok(count @ 1..) = pipe.read(&mut chunk) {
            let room = KEPT.saturating_sub(kept.len()).min(count);
            kept.extend_from_slice(&chunk[..room]);
        }
        String::from_utf8_lossy(&kept).into_owned()
    }))
}

fn finished(reading: Reading) -> String {
    reading.and_then(|reading| reading.join().ok()).unwrap_or_default()
}
