//! What a run was asked to do, with every flag, variable and setting already weighed. Pure.

use crate::base::StepId;
use crate::ci::Situation;
use crate::config::model::Settings;
use globset::{Glob, GlobMatcher};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// One run, as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRequest {
    /// How wf runs.
    pub settings: Settings,
    /// What to compare with.
    pub base: BaseRef,
    /// May the remote be asked for history that the base needs?
    pub fetch: bool,
    /// Which steps.
    pub filter: Filter,
    /// Stages asked for by `--manual-trigger`.
    pub manual: BTreeSet<String>,
    /// Most steps at once.
    pub jobs: u32,
}

/// What to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseRef {
    /// As CONFIGURATION.md's "base" says: merge base with the default branch, or a green ancestor on it.
    Default,
    /// `--base REF`: a person typed it, so it must exist.
    Asked(String),
    /// `--staged`: only the index against HEAD.
    Staged,
    /// In CI without `--base`, or with `--fetch`: as the service says.
    Ci(Box<Situation>),
}

/// Which steps a run is limited to. Empty lists do not limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `--steps`
    pub steps: Vec<StepName>,
    /// `--stage`
    pub stages: Vec<String>,
    /// `--tag`
    pub tags: Vec<String>,
    /// `--failed`: only these, which did not pass in the run before.
    pub failed: Option<BTreeSet<StepId>>,
    /// `--here`: only instances of these folders.
    pub here: Option<crate::base::RepoPath>,
    /// `--shard`: other machines run these.
    pub elsewhere: BTreeSet<StepId>,
    /// `--no-needs`: do not pull in what they need.
    pub alone: bool,
}

impl Filter {
    /// Does it limit anything?
    pub fn is_some(&self) -> bool {
        let named = !self.steps.is_empty() || !self.stages.is_empty() || !self.tags.is_empty();
        named || self.failed.is_some() || self.here.is_some() || !self.elsewhere.is_empty()
    }

    /// Is this step's id named by `--steps`?
    pub fn names(&self, id: &StepId) -> bool {
        self.steps.iter().any(|name| name.is_of(id))
    }
}

/// What `--steps` takes: an id, which takes all its instances, or a glob over ids. Equal if it was written the same.
#[derive(Clone, Debug)]
pub struct StepName {
    text: String,
    /// Compiled at the first look: most names are ids.
    glob: OnceLock<Option<GlobMatcher>>,
}

impl StepName {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Does it name this step?
    pub fn is_of(&self, id: &StepId) -> bool {
        let compiled = || Glob::new(&self.text).ok().map(|glob| glob.compile_matcher());
        let has_wildcard = self.text.contains(['*', '?', '[', '{', '\\']);
        self.text == id.as_str()
            || self.text == id.template()
            || (has_wildcard && self.glob.get_or_init(compiled).as_ref().is_some_and(|glob| glob.is_match(id.as_str())))
    }
}

impl<T: Into<String>> From<T> for StepName {
    fn from(text: T) -> Self {
        Self { text: text.into(), glob: OnceLock::new() }
    }
}

impl PartialEq for StepName {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for StepName {}
