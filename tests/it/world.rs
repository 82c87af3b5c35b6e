//! A repository with a configuration, and the real binary run in it with nothing of this machine in its environment.

use super::git_repo::Scratch;
use std::ops::Deref;
use std::process::{Command, Stdio};

/// The binary under test.
pub const WF: &str = env!("CARGO_BIN_EXE_wf");

pub struct World(Scratch);

/// What one command line said.
#[must_use]
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Deref for World {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.0
    }
}

impl World {
    /// `main` with a configuration and a few files in one commit.
    pub fn new(config: &str) -> Self {
        let scratch = Scratch::new();
        scratch.write(".workflow-config.yaml", config).write("src/a.rs", "a\n").write("README.md", "# r\n");
        scratch.write("docs/guide.md", "guide\n").commit("seed");
        Self(scratch)
    }

    /// The same on a topic branch, where the merge base with `main` is trusted.
    pub fn topic(config: &str) -> Self {
        let world = Self::new(config);
        world.git(&["switch", "--quiet", "--create", "topic"]);
        world
    }

    /// The binary, ready to be given arguments.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.0.command(&self.root, WF);
        command.args(args).env("TZ", "UTC").stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Another program, in the same environment.
    pub fn command_of(&self, program: &str) -> Command {
        self.0.command(&self.root, program)
    }

    pub fn wf(&self, args: &[&str]) -> Said {
        Said::of(self.command(args))
    }

    /// Runs with further variables.
    pub fn wf_env(&self, env: &[(&str, &str)], args: &[&str]) -> Said {
        let mut command = self.command(args);
        command.envs(env.iter().copied());
        Said::of(command)
    }

    /// The decisions of `wf plan`, one word a step: `run:changed`, `skip:unaffected`, …
    pub fn plan(&self, args: &[&str]) -> String {
        let said = self.wf(&[&["plan", "--json"], args].concat()).passed();
        let plan: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let word = |step: &serde_json::Value| {
            let decision = &step["decision"];
            let (kind, why) = match (&decision["run"], &decision["skip"]) {
                (serde_json::Value::Null, skip) => ("skip", skip["skip"].as_str().unwrap()),
                (run, _) => ("run", run["because"].as_str().unwrap()),
            };
            format!("{} {kind}:{why}", step["id"].as_str().unwrap())
        };
        let mut words: Vec<String> = plan["steps"].as_array().unwrap().iter().map(word).collect();
        words.sort();
        words.join(", ")
    }

    /// The events of the newest run.
    pub fn events(&self) -> Vec<serde_json::Value> {
        let mut runs: Vec<_> = std::fs::read_dir(self.path(".wf/runs")).unwrap().map(|e| e.unwrap().path()).collect();
        runs.sort();
        let log = std::fs::read_to_string(runs.last().unwrap().join("events.jsonl")).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Events of one type in the newest run.
    pub fn events_of(&self, kind: &str) -> Vec<serde_json::Value> {
        self.events().into_iter().filter(|event| event["type"] == kind).collect()
    }

    /// The file that steps append a word to, as words.
    pub fn trace(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.outside("trace")).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }
}

impl Said {
    pub fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn passed(self) -> Self {
        self.exits(0)
    }

    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    pub fn says(self, words: &str) -> Self {
        assert!(self.out.contains(words), "no `{words}` in stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    pub fn complains(self, words: &str) -> Self {
        assert!(self.err.contains(words), "no `{words}` in stderr:\n{}\nstdout:\n{}", self.err, self.out);
        self
    }
}
