//! A repository whose commits call wf, and steps that say where they ran and what they saw.

use super::world::{Said, WF, World};
use std::ops::Deref;
use std::path::PathBuf;

/// A step that writes down where it runs and what it sees of one file, and fails on the word BAD in it.
pub const LOOK: &str = "
steps:
  - {id: look, run: 'pwd >> $HOME/trace; cat src/a.rs >> $HOME/seen; ! grep -q BAD src/a.rs', inputs: ['src/**'], tags: [pre-commit], cache: false}
";

pub struct Rig(pub World);

impl Deref for Rig {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl Rig {
    /// The hook is in place, and everything is committed.
    pub fn new(config: &str) -> Self {
        let world = World::new(config);
        let _ = world.wf(&["hook", "install"]).passed().says("calls wf now");
        // An index as young as its files is read again and again; that is another test's matter.
        Self(world)
    }

    /// `git commit`, which calls the hook.
    pub fn try_commit(&self, args: &[&str]) -> Said {
        let mut command = self.command_of("git");
        command.args(["commit", "--quiet", "--message", "x"]).args(args);
        Said::of(command)
    }

    /// The hook as git calls it, with further arguments.
    pub fn hook(&self, args: &[&str]) -> Said {
        let mut command = self.command_of(WF);
        command.args(["hook", "run", "pre-commit"]).args(args).env("GIT_INDEX_FILE", ".git/index");
        Said::of(command)
    }

    /// Where the step ran, once for each time; `here` for the repository itself.
    pub fn ran(&self) -> Vec<String> {
        let here = self.root.to_str().unwrap().to_owned();
        let place = |line: String| if line == here { "here".to_owned() } else { line };
        let ran = self.trace().into_iter().map(place).collect();
        let _ = std::fs::remove_file(self.outside("trace"));
        ran
    }

    /// What the step saw.
    pub fn seen(&self) -> String {
        let seen = std::fs::read_to_string(self.outside("seen")).unwrap_or_default();
        let _ = std::fs::remove_file(self.outside("seen"));
        seen
    }

    /// The scratch tree of the main worktree, if it was made.
    pub fn scratch(&self) -> Option<PathBuf> {
        let places = std::fs::read_dir(self.outside(".cache/wf/scratch")).ok()?;
        Some(places.map(|place| place.unwrap().path()).next()?.join("repo"))
    }

    /// The event of the newest run that says that there was no scratch tree.
    pub fn fell_back(&self) -> bool {
        self.events_of("fallback").iter().any(|event| event["code"] == "no-scratch")
    }
}
