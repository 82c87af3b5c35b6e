//! One resolved step: a `StepSpec`, or one instance of it, with every default filled in. Pure.

use crate::base::{Digest, GlobSet, Millis, RepoPath, StepId};
use crate::config::model::{CacheUse, Category, Command, EnvMode, Kind, Resources, Retries, RunOn};
use crate::config::trigger::Trigger;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One thing to execute.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// For people; not part of the definition.
    #[serde(skip)]
    pub name: Option<String>,
    /// What it executes.
    pub command: Command,
    /// The folder it runs in.
    pub dir: RepoPath,
    /// The folder it is an instance for.
    pub folder: Option<RepoPath>,
    /// Its stage's name.
    #[serde(skip)]
    pub stage: Option<String>,
    /// The steps whose outputs it uses.
    pub needs: Vec<StepId>,
    /// The steps it only follows.
    #[serde(skip)]
    pub after: Vec<StepId>,
    /// What it watches.
    pub inputs: Inputs,
    /// Categories it does not watch.
    pub ignore: Vec<Category>,
    /// Digest of the rules that say what is in `ignore`; none if it ignores nothing.
    pub ignore_rules: Option<Digest>,
    /// Regular expressions over paths it does not watch (`skip_rules`).
    pub unwatched: Vec<String>,
    /// What it produces.
    pub outputs: Option<GlobSet>,
    /// What it edits in place.
    pub writes: Option<GlobSet>,
    /// Declared variables: a value, or none to pass the caller's through.
    pub env: BTreeMap<String, Option<String>>,
    /// Longest attempt.
    pub timeout_ms: Option<Millis>,
    /// From the polite signal to the deadly one.
    #[serde(skip)]
    pub grace_ms: Millis,
    /// Longest silence.
    #[serde(skip)]
    pub idle_timeout_ms: Option<Millis>,
    /// When to try again.
    #[serde(skip)]
    pub retries: Retries,
    /// Its failure is a warning.
    pub allow_failure: bool,
    /// Names only one running step may hold.
    #[serde(skip)]
    pub locks: Vec<String>,
    /// What it claims.
    #[serde(skip)]
    pub resources: Resources,
    /// When it runs at all. Part of the definition, like its stage's: of a step that was held back at the base, a green
    /// base says nothing.
    pub when: Option<Trigger>,
    /// When its stage runs at all; none if always.
    pub stage_when: Option<Trigger>,
    /// Labels.
    #[serde(skip)]
    pub tags: Vec<String>,
    /// What it is for.
    pub kind: Option<Kind>,
    /// After what kind of end it runs.
    pub run_on: RunOn,
    /// It gets the list of changed files.
    pub changed_only: bool,
    /// What it asks of AI services goes through wf's proxy.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ai_proxy: bool,
    /// Processes that may outlive it.
    #[serde(skip)]
    pub leave_running: Vec<String>,
    /// Whether and how its results are cached. No part of the definition: how long a result is kept changes none.
    #[serde(skip)]
    pub cache: CacheUse,
    /// Programs with arguments that print a version of what it uses.
    pub tools: Vec<Vec<String>>,
    /// Outputs of earlier runs stay when it runs, and are not stored.
    pub incremental: bool,
    /// What of the caller's environment it gets.
    pub env_mode: EnvMode,
    /// Secret variables that are part of its key, as seals.
    pub sealed: Vec<String>,
}

/// What a step watches, before ignored categories are taken off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inputs {
    /// Every file git tracks or would track.
    Everything,
    /// What these patterns match.
    Globs(GlobSet),
    /// An instance's default: its folder, the folders it depends on, and what no instance owns.
    Folders {
        /// Its own folder and those of its transitive workspace dependencies.
        own: Vec<RepoPath>,
        /// The manifests that its edges were read from.
        manifests: Vec<RepoPath>,
        /// Every instance's folder: a file in none of them is shared by all. Not part of the definition.
        #[serde(skip)]
        all: Arc<BTreeSet<RepoPath>>,
    },
}

/// How one step waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// `needs`: it uses the other's outputs.
    Needs,
    /// `after`: it only follows.
    After,
}

impl Inputs {
    /// Is the path outside its folders and yet watched by an instance: a manifest, or a file that no instance owns?
    pub fn shares(&self, path: &RepoPath) -> bool {
        let Self::Folders { manifests, all, .. } = self else { return false };
        let mut above = std::iter::successors(Some(path.clone()), |at| (!at.is_root()).then(|| at.parent()));
        manifests.contains(path) || !above.any(|place| all.contains(&place))
    }
}

impl Step {
    /// Digest of all that defines what the step does and what may skip it; not of how it is scheduled.
    pub fn definition(&self) -> Digest {
        Digest::of_json(self)
    }

    /// Does it run only when asked for, whatever else is set?
    pub fn is_deploy(&self) -> bool {
        self.kind == Some(Kind::Deploy)
    }

    /// May its outcome witness a later skip?
    pub fn witnesses(&self) -> bool {
        !self.changed_only && !self.is_deploy() && self.run_on == RunOn::Success
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample;

    /// What may change a result is in the definition; how long a result is kept is not.
    #[test]
    fn the_definition_holds_what_changes_a_result() {
        let plain = sample("a").definition();
        let probe = vec![vec!["cc".to_owned(), "-v".to_owned()]];
        for (what, step) in [
            ("tools", Step { tools: probe, ..sample("a") }),
            ("env_mode", Step { env_mode: EnvMode::Strict, ..sample("a") }),
            ("sealed", Step { sealed: vec!["LICENCE".into()], ..sample("a") }),
            ("incremental", Step { incremental: true, ..sample("a") }),
        ] {
            assert_ne!(step.definition(), plain, "{what}");
        }
        let cache = CacheUse { read: true, write: true, ttl_ms: Some(1), tags: vec!["x".into()], flaky: true };
        assert_eq!(Step { cache, ..sample("a") }.definition(), plain);
    }
}
