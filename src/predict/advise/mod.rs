//! What could be changed so that runs take less time, each with its evidence. Pure.
//!
//! Everything comes from what was recorded of the steps as they are configured now, and from rehearsing a whole run by
//! list scheduling. Advice is conservative: too little evidence is none. Does not know: where history comes from, how
//! a configuration is changed; it says which key should have which value.

mod model;
mod record;
mod reuse;
mod safety;
mod shape;
#[cfg(test)]
mod tests;

use crate::base::{Millis, RunId, StepId};
use crate::config::edit::Edit;
use crate::event::Usage;
use crate::graph::StepGraph;
use crate::key::Key;
use model::Model;
use record::Record;
use serde::Serialize;
use std::collections::BTreeMap;

/// In fewer runs nothing is said of a step.
pub const MIN_RUNS: usize = 10;
/// What happened less often may be chance: failures, results that were known, keys with both verdicts.
const OFTEN: usize = 3;
/// What saves less of a run is not worth reading, in milliseconds.
const WORTH_MS: Millis = 1_000;
/// A step costs much if it takes this share of all step time or more, 0 to 1.
const COSTLY: f64 = 0.05;
/// Runs that are named as evidence, the newest.
const NAMED: usize = 3;

/// An attempt that ended, as advice looks at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// In which run.
    pub run: RunId,
    /// No further attempt followed.
    pub last: bool,
    /// Did it pass?
    pub passed: bool,
    /// Did it end by itself? Only then it says something of its step.
    pub is_verdict: bool,
    /// How long it took.
    pub wall_ms: Millis,
    /// What it used.
    pub usage: Usage,
    /// On what it ran, if that is known.
    pub key: Option<Key>,
}

/// All that advice is made from.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The steps as they are configured now.
    pub graph: &'a StepGraph,
    /// The stages in order, and whether each runs unasked. Empty: not staged.
    pub stages: &'a [(String, bool)],
    /// What each step did since it is defined as it is now, oldest first.
    pub history: &'a BTreeMap<StepId, Vec<Ended>>,
    /// What steps did that were defined otherwise: no evidence for a change, only a guess at how long a whole run takes.
    pub before: &'a BTreeMap<StepId, Vec<Ended>>,
    /// Runs in which anything ran.
    pub runs: usize,
    /// Most steps at once.
    pub jobs: u32,
    /// Did somebody say so? Otherwise it is the number of processors.
    pub jobs_said: bool,
    /// Processors of this machine.
    pub cores: u32,
    /// Memory that steps may use together, in bytes; none: nobody said.
    pub memory_bytes: Option<u64>,
}

/// What kind of change is advised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Say what a step watches.
    Inputs,
    /// Let a step that never fails run later or less often.
    Seldom,
    /// Let two steps run together.
    Edge,
    /// Make two steps of one.
    Split,
    /// Let a step run in an earlier stage.
    Stage,
    /// Use results again.
    Cache,
    /// More or fewer steps at once.
    Jobs,
    /// Try again.
    Retries,
    /// Stop sooner what hangs.
    Timeout,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Inputs => "inputs",
            Self::Seldom => "seldom",
            Self::Edge => "edge",
            Self::Split => "split",
            Self::Stage => "stage",
            Self::Cache => "cache",
            Self::Jobs => "jobs",
            Self::Retries => "retries",
            Self::Timeout => "timeout",
        }
    }
}

/// One change that is advised.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// Its name: the kind and the step, `cache:test`.
    pub id: String,
    /// The kind.
    pub kind: Kind,
    /// The entry of `steps` that it is about.
    pub step: Option<StepId>,
    /// What to do.
    pub what: String,
    /// Why: numbers.
    pub evidence: String,
    /// Some of the runs that tell it, newest first.
    pub runs: Vec<RunId>,
    /// How much sooner an average run would be over.
    pub saves_ms: Millis,
    /// How much less the steps of an average run would take, one after the other.
    pub saves_work_ms: Millis,
    /// It saves that at most: how much depends on what is changed.
    pub at_most: bool,
    /// The change itself, where it is safe to make without thinking.
    pub edit: Option<Edit>,
}

impl Advice {
    fn new(kind: Kind, step: Option<&StepId>, what: String, evidence: String) -> Self {
        let id = step.map_or_else(|| kind.word().to_owned(), |step| format!("{}:{step}", kind.word()));
        Self {
            id,
            kind,
            step: step.cloned(),
            what,
            evidence,
            runs: vec![],
            saves_ms: 0,
            saves_work_ms: 0,
            at_most: false,
            edit: None,
        }
    }

    fn saving(self, saves_ms: Millis, saves_work_ms: Millis) -> Self {
        Self { saves_ms, saves_work_ms, ..self }
    }

    fn seen_in<'r>(self, runs: impl DoubleEndedIterator<Item = &'r RunId>) -> Self {
        let mut named: Vec<RunId> = runs.rev().cloned().collect();
        named.dedup();
        named.truncate(NAMED);
        Self { runs: named, ..self }
    }

    fn edit(self, key: &str, value: impl ToString) -> Self {
        let edit = Edit { step: self.step.clone(), key: key.to_owned(), value: value.to_string() };
        Self { edit: Some(edit), ..self }
    }
}

/// An entry of `steps`: its instances, by position in the graph, and what all of them did.
struct Spec<'a> {
    id: StepId,
    instances: Vec<usize>,
    record: Record<'a>,
}

/// Everything that is advised, the best first.
pub fn advise(world: &World<'_>) -> Vec<Advice> {
    let model = Model::of(world);
    let mut all = Vec::new();
    for spec in specs(world) {
        if spec.record.runs().len() < MIN_RUNS {
            continue;
        }
        all.extend(reuse::advise(world, &model, &spec));
        all.extend(safety::advise(world, &model, &spec));
        all.extend(shape::of_step(world, &model, &spec));
    }
    all.extend(shape::of_all(world, &model));
    all.sort_by(|a, b| (b.saves_ms, b.saves_work_ms).cmp(&(a.saves_ms, a.saves_work_ms)).then_with(|| a.id.cmp(&b.id)));
    all.dedup_by(|a, b| a.id == b.id);
    all
}

fn specs<'a>(world: &World<'a>) -> Vec<Spec<'a>> {
    let mut specs: BTreeMap<&str, Spec<'a>> = BTreeMap::new();
    for (at, step) in world.graph.steps().iter().enumerate() {
        let Ok(id) = StepId::parse(step.id.template()) else { continue };
        let spec = specs.entry(step.id.template()).or_insert_with(|| Spec {
            id,
            instances: vec![],
            record: Record::default(),
        });
        spec.instances.push(at);
        spec.record.add(world.history.get(&step.id).map_or(&[], Vec::as_slice));
    }
    specs.into_values().collect()
}
