//! Steps and what they wait for, proven acyclic once. Pure.

use super::step::{Edge, Step};
use crate::base::StepId;
use std::collections::HashMap;
use std::sync::Arc;

/// Steps by position, with their edges and an order that proves there is no cycle. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StepGraph(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    steps: Vec<Arc<Step>>,
    waits: Vec<Vec<(usize, Edge)>>,
    dependents: Vec<Vec<(usize, Edge)>>,
    order: Vec<usize>,
    batch: Vec<u32>,
    by_id: HashMap<StepId, usize>,
}

/// Why steps are no graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A step waits for something that is not there.
    #[error("step `{step}` waits for `{missing}`, which is not a step")]
    Unknown {
        /// Who waits.
        step: StepId,
        /// For what.
        missing: StepId,
    },
    /// Two steps have one id.
    #[error("two steps are called `{0}`")]
    Twice(StepId),
    /// Steps wait for each other in a ring; the first is repeated at the end.
    #[error("steps wait for each other: {}", .0.iter().map(StepId::as_str).collect::<Vec<_>>().join(" → "))]
    Cycle(Vec<StepId>),
}

impl StepGraph {
    /// Checks and orders. Steps that could go first come first, in the order they were given.
    ///
    /// # Errors
    /// The first unknown id, repeated id, or cycle (the whole loop).
    pub fn build<S: Into<Arc<Step>>>(steps: Vec<S>) -> Result<Self, GraphError> {
        let steps: Vec<Arc<Step>> = steps.into_iter().map(Into::into).collect();
        let mut by_id = HashMap::with_capacity(steps.len());
        for (at, step) in steps.iter().enumerate() {
            if by_id.insert(step.id.clone(), at).is_some() {
                return Err(GraphError::Twice(step.id.clone()));
            }
        }
        let (mut waits, mut dependents) = (vec![vec![]; steps.len()], vec![vec![]; steps.len()]);
        for (at, step) in steps.iter().enumerate() {
            let needs = step.needs.iter().map(|id| (id, Edge::Needs));
            for (id, edge) in needs.chain(step.after.iter().map(|id| (id, Edge::After))) {
                let Some(&other) = by_id.get(id) else {
                    return Err(GraphError::Unknown { step: step.id.clone(), missing: id.clone() });
                };
                waits[at].push((other, edge));
                dependents[other].push((at, edge));
            }
        }
        let mut open: Vec<usize> = waits.iter().map(Vec::len).collect();
        let mut batch = vec![0u32; steps.len()];
        let mut order: Vec<usize> = (0..steps.len()).filter(|at| open[*at] == 0).collect();
        let mut next = 0;
        while let Some(&at) = order.get(next) {
            next += 1;
            for &(dependent, _) in &dependents[at] {
                batch[dependent] = batch[dependent].max(batch[at] + 1);
                open[dependent] -= 1;
                if open[dependent] == 0 {
                    order.push(dependent);
                }
            }
        }
        if order.len() < steps.len() {
            let ring = find_ring(&waits, &open);
            return Err(GraphError::Cycle(ring.into_iter().map(|at| steps[at].id.clone()).collect()));
        }
        Ok(Self(Arc::new(Parts { steps, waits, dependents, order, batch, by_id })))
    }

    /// How many steps.
    pub fn len(&self) -> usize {
        self.0.steps.len()
    }

    /// Is there no step at all?
    pub fn is_empty(&self) -> bool {
        self.0.steps.is_empty()
    }

    /// The step at a position.
    pub fn step(&self, at: usize) -> &Arc<Step> {
        &self.0.steps[at]
    }

    /// All steps by position.
    pub fn steps(&self) -> &[Arc<Step>] {
        &self.0.steps
    }

    /// A step's position.
    pub fn find(&self, id: &StepId) -> Option<usize> {
        self.0.by_id.get(id).copied()
    }

    /// Positions so that each comes after all it waits for.
    pub fn order(&self) -> &[usize] {
        &self.0.order
    }

    /// What a step waits for.
    pub fn waits(&self, at: usize) -> &[(usize, Edge)] {
        &self.0.waits[at]
    }

    /// Who waits for a step.
    pub fn dependents(&self, at: usize) -> &[(usize, Edge)] {
        &self.0.dependents[at]
    }

    /// The length of the longest chain that ends before it: steps of one batch could start together.
    pub fn batch(&self, at: usize) -> u32 {
        self.0.batch[at]
    }

    /// Longest path from each step to an end, its own cost included: the scheduler's priority (critical path method,
    /// Kelley and Walker 1959; as in ninja's `Plan::ComputeCriticalPath`).
    pub fn bottom_levels(&self, cost: impl Fn(usize) -> u64) -> Vec<u64> {
        let mut level = vec![0; self.len()];
        for &at in self.0.order.iter().rev() {
            let below = self.0.dependents[at].iter().map(|(dependent, _)| level[*dependent]).max();
            level[at] = cost(at) + below.unwrap_or(0);
        }
        level
    }
}

/// Walks along unfinished waits until a step repeats.
fn find_ring(waits: &[Vec<(usize, Edge)>], open: &[usize]) -> Vec<usize> {
    let (mut path, mut at) = (Vec::new(), open.iter().position(|n| *n > 0).unwrap_or(0));
    while !path.contains(&at) {
        path.push(at);
        at = waits[at].iter().map(|(other, _)| *other).find(|other| open[*other] > 0).unwrap_or(at);
    }
    let start = path.iter().position(|p| *p == at).unwrap_or(0);
    path.drain(..start);
    path.push(at);
    path
}

impl StepGraph {
    /// May `maker` produce files that `other` names in its `inputs`? Errs towards yes where a pattern names the place
    /// (`src/**` and `src/gen/*.rs`) or the very file (`**/*.rs` and `src/gen.rs`); that `**/*.rs` also matches below
    /// `target/**` means nothing, since patterns mean what git tracks. Watches that are not declared leave outputs alone.
    pub fn may_feed(&self, maker: usize, other: usize) -> bool {
        let (Some(outputs), super::Inputs::Globs(inputs)) = (&self.0.steps[maker].outputs, &self.0.steps[other].inputs)
        else {
            return false;
        };
        let meets = |a: &crate::base::RepoPath, b: &crate::base::RepoPath| a.is_in(b) || b.is_in(a);
        let named =
            |made: &crate::base::RepoPath| inputs.roots().any(|watched| !watched.is_root() && meets(made, &watched));
        outputs.literals().any(|made| inputs.is_match(&made))
            || (outputs.roots().any(|made| named(&made)) && inputs.may_overlap(outputs))
    }

    /// May `writer`, which edits files in place, change what `other` watches or produces? Errs towards yes.
    pub fn may_rewrite(&self, writer: usize, other: usize) -> bool {
        let Some(writes) = &self.0.steps[writer].writes else { return false };
        let other = &self.0.steps[other];
        let watched = match &other.inputs {
            super::Inputs::Everything => true,
            super::Inputs::Globs(set) => set.may_overlap(writes),
            super::Inputs::Folders { own, manifests, all } => writes.roots().any(|root| {
                let meets = |folder: &crate::base::RepoPath| root.is_in(folder) || folder.is_in(&root);
                own.iter().any(meets) || manifests.iter().any(meets) || !all.iter().any(|folder| root.is_in(folder))
            }),
        };
        let overlaps = |set: &Option<crate::base::GlobSet>| set.as_ref().is_some_and(|set| set.may_overlap(writes));
        watched || overlaps(&other.outputs) || overlaps(&other.writes)
    }
}
