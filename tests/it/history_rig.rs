//! What the history tests share: a repository with a pipeline, and the real wf in it.

use crate::git_repo::Scratch;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Two steps; `wait` goes on when the file `go` is there, outside of what git sees.
pub const PIPELINE: &str = "steps:\n  - id: build\n    run: echo built\n  - id: wait\n    needs: [build]\n    \
                            run: touch .git/waiting; while [ ! -e .git/go ]; do sleep 0.02; done\n";

pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("wf prints UTF-8");
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    /// Asserts on the exit code, and shows everything when it differs.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        self
    }
}

/// A repository with one commit; the pipeline's last step does not wait until [`hold`] says so.
pub fn repository() -> Scratch {
    let scratch = Scratch::new();
    scratch.write(".workflow-config.yaml", PIPELINE).commit("pipeline");
    scratch.write(".git/go", "");
    scratch
}

pub fn hold(scratch: &Scratch) {
    let _ = std::fs::remove_file(scratch.path(".git/waiting"));
    scratch.remove(".git/go");
}

pub fn release(scratch: &Scratch) {
    scratch.write(".git/go", "");
}

pub fn command(scratch: &Scratch, dir: &Path, args: &[&str]) -> Command {
    let mut command = scratch.command(dir, env!("CARGO_BIN_EXE_wf"));
    command.args(args);
    command
}

pub fn wf(scratch: &Scratch, args: &[&str]) -> Said {
    command(scratch, &scratch.root, args).output().expect("wf starts").into()
}

/// Starts `wf run` and comes back when its last step waits.
pub fn start_held(scratch: &Scratch, args: &[&str]) -> Child {
    hold(scratch);
    let mut command = command(scratch, &scratch.root, args);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("wf starts");
    until(|| scratch.path(".git/waiting").exists());
    child
}

#[track_caller]
pub fn until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "it never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `wf history --json`.
pub fn history(scratch: &Scratch) -> Vec<Value> {
    let said = wf(scratch, &["history", "--json", "--last", "1000"]).exits(0);
    let document: Value = serde_json::from_str(&said.out).expect("one JSON document");
    assert_eq!(document["format"], 1);
    document["runs"].as_array().expect("runs").clone()
}

pub fn run_dir(run: &Value) -> PathBuf {
    PathBuf::from(run["dir"].as_str().expect("a folder"))
}
