//! What a run was asked to do, with every flag, variable and setting already weighed. Pure.

use crate::base::StepId;
use crate::ci::Situation;
use crate::config::model::Settings;
use std::collections::BTreeSet;

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
    /// `--steps`: ids or globs over ids; an id takes all its instances.
    pub steps: Vec<String>,
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
        self.steps.iter().any(|pattern| {
            pattern == id.as_str()
                || pattern == id.template()
                || globset::Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(id.as_str()))
        })
    }
}
