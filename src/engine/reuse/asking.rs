//! What asking takes: everything a key is made of and everything recorded, and nothing that writes. A run and a plan ask in
//! the same way, so that a prediction is made by the very code that it predicts.

use super::stand::{Group, Stand};
use super::watched::groups;
use super::{Setup, World};
use crate::base::{GlobSet, RunId};
use crate::cache::outputs::Beneath;
use crate::cache::{Actions, Digests, Disk, Folder, Verified};
use crate::classify::Watches;
use crate::config::model::{CacheMode, CategoryRule, RunOn};
use crate::event::{Because, Decision, NotCached, SkipReason};
use crate::graph::{Edge, Step, StepGraph};
use crate::schedule::Lookup;
use crate::tree::Listed;
use std::sync::Arc;

/// Who asks: what does not change while it goes on.
pub(super) struct Asking {
    pub(super) beneath: Beneath,
    pub(super) graph: StepGraph,
    pub(super) decisions: Arc<[Decision]>,
    /// Why no key of a step can hold all it watches.
    pub(super) blind: Vec<Option<NotCached>>,
    pub(super) world: World,
    pub(super) changed: Vec<Option<crate::key::ChangedList>>,
    pub(super) folder: Arc<Folder>,
    pub(super) store: Verified<Disk>,
    pub(super) digests: Digests,
    pub(super) mode: CacheMode,
    pub(super) resume: Option<RunId>,
    /// So many bytes are read for digests that nobody knows yet. None: as many as it takes.
    pub(super) reads_at_most: Option<u64>,
}

/// What is known by now; it grows while a run goes on.
pub(super) struct Ledger {
    /// What is recorded.
    pub(super) actions: Actions,
    pub(super) tree: Tree,
    /// Where each step stands, by position.
    pub(super) stands: Vec<Option<Stand>>,
}

/// The files as they were listed, and which step watches which.
pub(super) struct Tree {
    pub(super) files: Arc<Vec<Listed>>,
    pub(super) watches: Watches,
    /// The digests of groups. None: not computed.
    pub(super) groups: Vec<Option<Group>>,
}

impl Asking {
    /// Begins. Nothing is hashed yet. `store` may be one that removes what is wrong in it, or one that leaves it.
    ///
    /// # Errors
    /// The root cannot be opened.
    pub(super) fn begin(
        setup: Setup,
        store: fn(Disk) -> Verified<Disk>,
        reads_at_most: Option<u64>,
    ) -> std::io::Result<(Self, Ledger)> {
        let Setup { root, graph, decisions, files, watched, world, changed, folder, actions, digests, .. } = setup;
        let tree = Tree::new(files, watched.watches);
        let ledger = Ledger { actions, tree, stands: vec![None; graph.len()] };
        let asking = Self {
            beneath: Beneath::open(&root)?,
            store: store(Disk::new(&folder)),
            graph,
            decisions,
            blind: watched.blind,
            world,
            changed,
            folder,
            digests,
            mode: setup.mode,
            resume: setup.resume,
            reads_at_most,
        };
        Ok((asking, ledger))
    }

    /// What the cache is asked about a step before it starts.
    pub(super) fn lookup(&self, at: usize) -> Lookup {
        let step = self.graph.step(at);
        match &self.decisions[at] {
            Decision::Run(_) if Self::asks_about(step) => Lookup::First,
            Decision::Skip(SkipReason::Unaffected { .. })
                if step.outputs.is_some() && step.cache.read && self.mode.read && !step.incremental =>
            {
                Lookup::Only
            }
            _ => Lookup::None,
        }
    }

    /// Is the cache asked about a step when it runs? What acts on the world outside, and what comes at the end, just runs.
    pub(super) fn asks_about(step: &Step) -> bool {
        step.run_on == RunOn::Success && !step.is_deploy()
    }

    /// The steps whose outputs it uses.
    pub(super) fn needs(&self, at: usize) -> impl Iterator<Item = usize> {
        self.graph.waits(at).iter().filter(|(_, edge)| *edge == Edge::Needs).map(|(need, _)| *need)
    }

    pub(super) fn outputs(&self, at: usize) -> Option<&GlobSet> {
        self.graph.step(at).outputs.as_ref()
    }

    /// `--smart-execution=observe` runs what would be skipped, to see whether that would be right.
    pub(super) fn is_observed(&self, at: usize) -> bool {
        matches!(self.decisions[at], Decision::Run(Because::Observed { .. }))
    }
}

impl Tree {
    pub(super) fn of(graph: &StepGraph, files: Vec<Listed>, rules: &[CategoryRule]) -> Self {
        let watches = groups(graph, &files, rules);
        Self::new(files, watches)
    }

    fn new(files: Vec<Listed>, watches: Watches) -> Self {
        let groups = watches.groups.iter().map(|_| None).collect();
        Self { files: Arc::new(files), watches, groups }
    }
}
