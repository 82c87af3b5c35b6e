//! A plan as a picture: text for terminals, DOT for Graphviz, Mermaid for Markdown. Pure.
//!
//! Does not know: how a plan is made. Whether a step runs is said by words and shapes; colour says nothing alone.

mod dot;
mod mermaid;
mod text;

pub use dot::dot;
pub use mermaid::mermaid;
pub use text::text;

use super::clean;
use crate::base::StepId;
use crate::event::{Decision, PlannedStep, SkipReason};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Pictures of more steps than this draw all instances of a step as one.
const STEPS_MAX: usize = 150;
/// Longest text on one line of a node.
const LABEL_MAX: usize = 60;

/// What becomes of a node's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Runs,
    Skips,
    /// Skipped until somebody asks.
    Manual,
    /// Instances that differ.
    Mixed,
}

/// One step, or all instances of one.
#[derive(Clone, Debug, PartialEq)]
struct Node {
    /// Cleaned, not escaped.
    name: String,
    why: String,
    fate: Fate,
    stage: Option<String>,
    /// Nodes it waits for, by position.
    waits_for: BTreeSet<usize>,
}

impl Fate {
    fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Run(_) => Self::Runs,
            Decision::Skip(SkipReason::Manual) => Self::Manual,
            Decision::Skip(_) => Self::Skips,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Skips => "skipped",
            Self::Manual => "manual",
            Self::Mixed => "some run",
        }
    }
}

fn why(decision: &Decision) -> String {
    match decision {
        Decision::Run(because) => clean::text(&because.to_string()),
        Decision::Skip(reason) => clean::text(&reason.to_string()),
    }
}

/// The nodes of a picture, in the plan's order.
fn nodes(steps: &[PlannedStep]) -> Vec<Node> {
    let fold = steps.len() > STEPS_MAX;
    let name = |id: &StepId| if fold { id.template().to_owned() } else { id.as_str().to_owned() };
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut members: Vec<Vec<&PlannedStep>> = vec![];
    for step in steps {
        let at = *places.entry(name(&step.id)).or_insert(members.len());
        if at == members.len() {
            members.push(vec![]);
        }
        members[at].push(step);
    }
    members
        .iter()
        .enumerate()
        .map(|(at, steps)| {
            let first = steps[0];
            let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
            for step in steps {
                *fates.entry(Fate::of(&step.decision)).or_default() += 1;
            }
            let counts: Vec<String> = fates.iter().map(|(fate, n)| format!("{n} {}", fate.word())).collect();
            let needs = steps.iter().flat_map(|step| &step.waits_for).filter_map(|id| places.get(&name(id)));
            Node {
                name: match steps.len() {
                    1 => clean::text(first.id.as_str()),
                    n => format!("{}: {n} instances", clean::text(first.id.template())),
                },
                why: match (steps.len(), Fate::of(&first.decision)) {
                    (1, Fate::Manual) => why(&first.decision),
                    (1, fate) => format!("{}: {}", fate.word(), why(&first.decision)),
                    _ => counts.join(", "),
                },
                fate: if fates.len() == 1 { Fate::of(&first.decision) } else { Fate::Mixed },
                stage: first.stage.as_deref().map(clean::text),
                waits_for: needs.copied().filter(|need| *need != at).collect(),
            }
        })
        .collect()
}

/// Stages in the order they first appear, and which nodes are in them. Nodes without a stage come under `None`.
fn by_stage(nodes: &[Node]) -> Vec<(Option<&str>, Vec<usize>)> {
    let mut stages: Vec<(Option<&str>, Vec<usize>)> = vec![];
    for (at, node) in nodes.iter().enumerate() {
        let stage = node.stage.as_deref();
        match stages.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, members)) => members.push(at),
            None => stages.push((stage, vec![at])),
        }
    }
    stages
}

fn label(text: &str) -> String {
    super::frame::fit(text, LABEL_MAX)
}

#[cfg(test)]
mod tests;
