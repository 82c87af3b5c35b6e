//! The validated configuration as the rest of wf sees it. Pure.
//!
//! Does not know: YAML, files, where a value came from (that is `origin`). Everything here is resolved: defaults are
//! filled in, globs compiled, references checked.

mod ai;
mod settings;

pub use ai::*;
pub use settings::*;

use super::built_in;
use super::trigger::Trigger;
use crate::base::{GlobSet, Millis, RepoPath, Span, StepId};
use crate::event::OutcomeKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

/// A category's name: `docs`, `tests`, …
pub type Category = Arc<str>;

/// A whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Workflow {
    /// `project.kind`, if it was said.
    pub project_kind: Option<String>,
    /// What to compare with, instead of the default branch.
    pub base: Option<String>,
    /// How wf runs, after flags, environment and files were laid over each other.
    pub settings: Settings,
    /// The stages in order. Empty: not staged.
    pub stages: Vec<StageSpec>,
    /// The steps in the order they were written.
    pub steps: Vec<StepSpec>,
    /// Category rules, built-in ones first; the last rule that matches a path wins.
    pub categories: Vec<CategoryRule>,
    /// Where impact begins to be high.
    pub impact: ImpactLimits,
    /// Regular expressions over paths, and the steps whose watch such paths leave.
    pub skip_rules: Vec<SkipRule>,
    /// Which folder depends on which, where no manifest says so.
    pub workspace: WorkspaceSpec,
}

/// One stage.
#[derive(Clone, Debug, PartialEq)]
pub struct StageSpec {
    /// Its name.
    pub name: String,
    /// When it runs.
    pub trigger: Trigger,
    /// How long it should take at most; only reported.
    pub target_ms: Option<Millis>,
}

/// One entry of `steps`, before `for_each` makes instances of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSpec {
    /// Its id.
    pub id: StepId,
    /// Where its id is written.
    pub at: Span,
    /// For people.
    pub name: Option<String>,
    /// What it executes.
    pub command: Command,
    /// Its folder, relative to the root. None: the root, or an instance's own folder.
    pub dir: Option<RepoPath>,
    /// The stage's name.
    pub stage: Option<String>,
    /// Whose outputs it uses.
    pub needs: Vec<Need>,
    /// Whom it follows without using anything of theirs.
    pub after: Vec<Need>,
    /// One instance for each folder that matches.
    pub for_each: Option<GlobSet>,
    /// What it watches. None: everything, or what an instance watches by default. `./x` is relative to `dir`.
    pub inputs: Option<GlobSet>,
    /// Categories that it does not watch (`ignore`, defaults of `kind`, `skip_on_doc_only`).
    pub ignore: Vec<Category>,
    /// What it produces.
    pub outputs: Option<GlobSet>,
    /// What it edits in place.
    pub writes: Option<GlobSet>,
    /// Declared variables: a value, or none to pass the caller's through.
    pub env: BTreeMap<String, Option<String>>,
    /// Longest attempt.
    pub timeout_ms: Option<Millis>,
    /// From the polite signal to the deadly one.
    pub grace_ms: Millis,
    /// Longest time without output or CPU use. None: only a warning after ten minutes.
    pub idle_timeout_ms: Option<Millis>,
    /// When and how to try again.
    pub retries: Retries,
    /// Its failure is a warning.
    pub allow_failure: bool,
    /// Names that only one running step may hold.
    pub locks: Vec<String>,
    /// What it claims while it runs.
    pub resources: Resources,
    /// When it runs at all.
    pub when: Option<Trigger>,
    /// Labels for `--tag`.
    pub tags: Vec<String>,
    /// What it is for.
    pub kind: Option<Kind>,
    /// After what kind of end it runs.
    pub run_on: RunOn,
    /// It gets the list of changed files, and its result holds for that list only.
    pub changed_only: bool,
    /// What it asks of AI services goes through wf's proxy.
    pub ai_proxy: bool,
    /// Names of processes that may outlive it.
    pub leave_running: Vec<String>,
    /// Whether and how its results are cached; already off where nothing may ever be cached.
    pub cache: CacheUse,
    /// What it declares of the tools it uses: programs with arguments that print a version.
    pub tools: Vec<Vec<String>>,
    /// Outputs of earlier runs stay when it runs, and are not stored.
    pub incremental: bool,
    /// What of the caller's environment it gets.
    pub env_mode: EnvMode,
    /// Secret variables that are part of its key, as seals.
    pub sealed: Vec<String>,
}

/// `cache` of a step. Neither read nor write: not cached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CacheUse {
    /// Its results may be taken from the cache.
    pub read: bool,
    /// Its results may be put into the cache.
    pub write: bool,
    /// How long a result is good. None: as long as the cache keeps it.
    pub ttl_ms: Option<Millis>,
    /// Labels for `wf cache prune --tag`.
    pub tags: Vec<String>,
    /// A pass after a retry counts like any other.
    pub flaky: bool,
}

impl CacheUse {
    /// Is its result cached at all?
    pub fn is_on(&self) -> bool {
        self.read || self.write
    }
}

/// `env_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvMode {
    /// A base list and what the step declares.
    Strict,
    /// All of it, declared or not.
    #[default]
    Inherit,
}

/// What a step executes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// A text for a shell, with that shell's argv; `{}` stands where the text goes.
    Shell {
        /// The text, never templated with data.
        text: String,
        /// `["sh", "-e", "-c", "{}"]` by default.
        shell: Vec<String>,
    },
    /// A program and its arguments, no shell.
    Argv(Vec<String>),
    /// A question to a model.
    Ai(Box<AiTask>),
}

/// One entry of `needs` or `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The step.
    pub step: StepId,
    /// `^step`: that step in the folders this one depends on.
    pub upstream: bool,
    /// Where it is written.
    pub at: Span,
}

/// `retries`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retries {
    /// How many further attempts.
    pub count: u32,
    /// The wait before the first of them; doubles each time, and up to half of it is taken off by chance.
    pub backoff_ms: Millis,
    /// The longest wait.
    pub max_backoff_ms: Millis,
    /// Which outcomes are tried again.
    pub on: Vec<OutcomeKind>,
}

impl Default for Retries {
    fn default() -> Self {
        let on = vec![OutcomeKind::Failure, OutcomeKind::Signal, OutcomeKind::Timeout];
        Self { count: 0, backoff_ms: 1_000, max_backoff_ms: 60_000, on }
    }
}

/// `resources`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Resources {
    /// CPU slots, in thousandths; 1,000 by default.
    pub cpu_milli: u32,
    /// Bytes of memory; 0 claims none.
    pub memory_bytes: u64,
    /// Stop the step when it uses more memory than it claims.
    pub enforce: bool,
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpu_milli: 1_000, memory_bytes: 0, enforce: false }
    }
}

/// `kind`: only sound defaults for `ignore`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Style and static checks.
    Lint,
    /// Compiling.
    Build,
    /// Tests.
    Test,
    /// Documentation.
    Docs,
    /// Security checks.
    Security,
    /// Anything that changes the world outside: never skipped by a fallback, never run unasked.
    Deploy,
    /// Reviews by a model (later versions give it more).
    Ai,
}

/// `run_on`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOn {
    /// Ordinary: when what it waits for passed.
    #[default]
    Success,
    /// When something it waits for failed, or anything if it waits for nothing.
    Failure,
    /// Either way, also after fail-fast and the first interrupt.
    Always,
}

/// One category rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CategoryRule {
    /// The category.
    pub category: Category,
    /// Paths that belong to it.
    pub paths: Paths,
    /// Came with wf.
    pub built_in: bool,
}

/// Paths of a category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paths {
    /// As the configuration gives them.
    Given(GlobSet),
    /// Those of this built-in category.
    BuiltIn(usize),
}

impl Deref for Paths {
    type Target = GlobSet;

    fn deref(&self) -> &GlobSet {
        match self {
            Self::Given(paths) => paths,
            Self::BuiltIn(at) => built_in::paths(*at),
        }
    }
}

impl Serialize for Paths {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        GlobSet::serialize(self, to)
    }
}

/// `impact`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ImpactLimits {
    /// More changed code files than this are of high impact.
    pub code_files: usize,
}

/// One of `skip_rules`.
#[derive(Clone, Debug)]
pub struct SkipRule {
    /// Over the path, unanchored, as bytes.
    pub pattern: regex::bytes::Regex,
    /// The steps whose watch such paths leave.
    pub steps: Vec<StepId>,
}

impl PartialEq for SkipRule {
    fn eq(&self, other: &Self) -> bool {
        self.pattern.as_str() == other.pattern.as_str() && self.steps == other.steps
    }
}

/// `workspace`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkspaceSpec {
    /// Declared edges: folder → folders it depends on. None: read from manifests.
    pub depends: Option<BTreeMap<RepoPath, Vec<RepoPath>>>,
}
