//! Workflow, change and knowledge become a plan: what runs, what is skipped, and why. Pure.
//!
//! Does not know: processes, clocks, the order in which things will really happen. Printing a plan is the dry run.

mod decide;
mod request;
mod select;

pub use request::{BaseRef, Filter, RunRequest};
pub use select::UnknownSelection;

use crate::base::{Digest, RepoPath, StepId};
use crate::change::ChangeSet;
use crate::classify::{self, Classification};
use crate::config::model::StageSpec;
use crate::event::{Decision, PlannedStage, PlannedStep, SkipReason};
use crate::graph::StepGraph;
use crate::verdict::Known;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All that a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The steps.
    pub graph: &'a StepGraph,
    /// Digest of each step's definition, by position.
    pub definitions: &'a [Digest],
    /// The stages in order.
    pub stages: &'a [StageSpec],
    /// What differs from the base.
    pub change: &'a ChangeSet,
    /// The same, understood. None: nothing is known about the change.
    pub class: Option<&'a Classification>,
    /// The steps' definitions at the base.
    pub at_base: &'a BaseDefinitions,
    /// What is recorded.
    pub known: &'a Known,
    /// Digest of each step's declared environment and platform, by position.
    pub contexts: &'a [Digest],
    /// What was asked for.
    pub request: &'a RunRequest,
}

/// The definitions that steps had at the base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseDefinitions {
    /// The configuration is the same file there.
    Same,
    /// Resolved from the base's configuration by this binary, with this run's flags and environment.
    Of(BTreeMap<StepId, Digest>),
    /// They cannot be told.
    Unknown(String),
}

/// What will run, what will not, and why.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The steps.
    pub graph: StepGraph,
    /// One decision for each step, by position.
    pub decisions: Arc<[Decision]>,
    /// Digest of each step's definition, by position.
    pub definitions: Vec<Digest>,
    /// Digest of each step's context, by position.
    pub contexts: Vec<Digest>,
    /// Whether each step watches something that no diff can speak for: then its pass proves nothing about a commit.
    pub unseen: Vec<bool>,
    /// The stages in order. Empty: not staged.
    pub stages: Vec<PlannedStage>,
}

/// Makes the plan.
///
/// # Errors
/// A filter names something that does not exist.
pub fn build(facts: Facts<'_>) -> Result<Plan, UnknownSelection> {
    let graph = facts.graph;
    let selected = select::selected(graph, facts.stages, &facts.request.filter)?;
    select::check_stages(facts.stages, facts.request.manual.iter())?;
    let stages = decide::stages(&facts);
    let unseen: Vec<Option<&RepoPath>> =
        graph.steps().iter().map(|step| classify::unseen(step, &facts.change.unseen)).collect();
    let decisions = decide::decisions(&facts, &selected, &stages, &unseen);
    let stages = if facts.request.settings.multi_stage { stages } else { vec![] };
    let unseen = unseen.iter().map(Option::is_some).collect();
    Ok(Plan {
        graph: graph.clone(),
        decisions: decisions.into(),
        definitions: facts.definitions.to_vec(),
        contexts: facts.contexts.to_vec(),
        unseen,
        stages,
    })
}

impl Plan {
    /// The plan as the log keeps it, in topological order; a staged one stage after stage.
    pub fn steps(&self) -> Vec<PlannedStep> {
        let planned = |at: &usize| {
            let step = self.graph.step(*at);
            PlannedStep {
                id: step.id.clone(),
                name: step.name.clone(),
                stage: step.stage.clone(),
                decision: self.decisions[*at].clone(),
                waits_for: step.needs.iter().chain(&step.after).cloned().collect(),
                batch: self.graph.batch(*at),
                definition: self.definitions[*at],
                context: self.contexts[*at],
                witnesses: step.witnesses() && !self.unseen[*at],
            }
        };
        let mut steps: Vec<PlannedStep> = self.graph.order().iter().map(planned).collect();
        steps.sort_by_key(|step| self.stages.iter().position(|stage| Some(&stage.name) == step.stage.as_ref()));
        steps
    }

    /// Leaves steps to other machines. What else runs needs none of them.
    pub fn leave(&mut self, elsewhere: &BTreeSet<StepId>) {
        let left = |at: usize| elsewhere.contains(&self.graph.step(at).id);
        let decide = |(at, decision): (usize, &Decision)| {
            if left(at) { Decision::Skip(SkipReason::Filtered) } else { decision.clone() }
        };
        self.decisions = self.decisions.iter().enumerate().map(decide).collect();
    }

    /// Does it skip steps that the change does not affect? What that saves is told.
    pub fn saves(&self) -> bool {
        self.decisions.iter().any(|decision| matches!(decision, Decision::Skip(SkipReason::Unaffected { .. })))
    }

    /// How many steps run.
    pub fn running(&self) -> usize {
        self.decisions.iter().filter(|decision| decision.runs()).count()
    }
}

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub use sample::sample;
