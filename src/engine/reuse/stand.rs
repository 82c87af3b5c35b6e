//! Where each step stands: its key, and what it contributes to the keys of those that need it.

use super::asking::{Asking, Ledger};
use crate::base::Digest;
use crate::cache::outputs::collect;
use crate::event::{Decision, Evidence, NotCached, SkipReason};
use crate::key::{Contribution, FileGroup, Key, KeyInputs, WatchedFile};
use crate::tree::FileKind;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A group of watched files, or why it has no digest.
pub type Group = Result<Arc<FileGroup>, NotCached>;

/// A step of which everything is known that its dependents' keys want.
#[derive(Clone, Debug, Default)]
pub struct Stand {
    /// Its key, if it has one.
    pub key: Option<Key>,
    /// What it contributes; none if it has no key.
    pub contribution: Option<Contribution>,
    /// Is a verdict recorded for its present key? Only then can its dependents have one.
    pub proven: bool,
    /// Did it, or something before it, fail and was allowed to?
    pub tainted: Option<crate::base::StepId>,
}

impl Asking {
    /// Makes sure that everything these steps need stands, and that the files they watch have digests.
    pub(super) fn prepare(&self, ledger: &mut Ledger, steps: &[usize]) {
        let (mut skipped, mut open) = (BTreeSet::new(), Vec::new());
        for &at in steps {
            open.extend(self.needs(at).filter(|need| ledger.stands[*need].is_none()));
        }
        // What these need and nobody looked up was skipped: its key comes from the files as they are.
        while let Some(at) = open.pop() {
            if skipped.insert(at) {
                open.extend(self.needs(at).filter(|need| ledger.stands[*need].is_none()));
            }
        }
        let wanted: Vec<usize> = steps.iter().chain(&skipped).copied().collect();
        self.hash_groups(ledger, &wanted);
        if !skipped.is_empty() {
            let order = self.graph.order().iter().copied().filter(|at| skipped.contains(at));
            for at in order {
                let stand = self.stand_of_skipped(ledger, at);
                ledger.stands[at] = Some(stand);
            }
        }
    }

    /// Computes the digests of the groups that these steps watch, as far as it may read for that.
    pub(super) fn hash_groups(&self, ledger: &mut Ledger, steps: &[usize]) {
        let tree = &mut ledger.tree;
        let mut missing: Vec<u32> = steps.iter().flat_map(|at| tree.watches.of[*at].iter().copied()).collect();
        missing.sort_unstable();
        missing.dedup();
        missing.retain(|group| tree.groups[*group as usize].is_none());
        if missing.is_empty() {
            return;
        }
        let mut positions: Vec<u32> =
            missing.iter().flat_map(|group| tree.watches.groups[*group as usize].iter().copied()).collect();
        positions.sort_unstable();
        positions.dedup();
        let digests = self.digests.within(&tree.files, &positions, self.reads_at_most);
        let group = |number: &u32| -> Option<Group> {
            let members = &tree.watches.groups[*number as usize];
            let mut files = Vec::with_capacity(members.len());
            for position in members {
                let file = &tree.files[*position as usize];
                if file.kind == FileKind::Repository {
                    return Some(Err(NotCached::Opaque { path: file.path.to_string() }));
                }
                let found = positions.binary_search(position).ok().and_then(|at| digests.get(at)?.as_ref());
                let digest = match found? {
                    Ok(digest) => *digest,
                    Err(error) => {
                        let (path, message) = (file.path.to_string(), error.to_string());
                        return Some(Err(NotCached::Unreadable { path, message }));
                    }
                };
                files.push(WatchedFile { path: file.path.clone(), mode: file.kind.mode(), digest });
            }
            Some(Ok(Arc::new(FileGroup::new(files))))
        };
        let made: Vec<Option<Group>> = missing.par_iter().map(group).collect();
        for (number, made) in missing.iter().zip(made) {
            tree.groups[*number as usize] = made;
        }
    }

    /// A step's key inputs. What it needs stands, and what it watches has digests.
    pub(super) fn inputs(&self, ledger: &Ledger, at: usize) -> Result<KeyInputs, NotCached> {
        if let Some(why) = &self.blind[at] {
            return Err(why.clone());
        }
        let mut needs = BTreeMap::new();
        for need in self.needs(at) {
            let id = &self.graph.step(need).id;
            let stand = ledger.stands[need].as_ref();
            let Some(contribution) = stand.and_then(|stand| stand.contribution) else {
                return Err(NotCached::Need { step: id.clone() });
            };
            needs.insert(id.clone(), contribution);
        }
        let mut watched = Vec::new();
        for group in &ledger.tree.watches.of[at] {
            match &ledger.tree.groups[*group as usize] {
                Some(Ok(group)) => watched.push(Arc::clone(group)),
                Some(Err(why)) => return Err(why.clone()),
                None => return Err(NotCached::NoTree),
            }
        }
        self.world.inputs(self.graph.step(at), watched, needs, self.changed[at].clone())
    }

    /// A step that the plan skips: its outputs are those of the entry for its key, or what is there.
    pub(super) fn stand_of_skipped(&self, ledger: &Ledger, at: usize) -> Stand {
        let Ok(inputs) = self.inputs(ledger, at) else { return Stand::default() };
        let key = inputs.key();
        let witnessed = matches!(
            self.decisions[at],
            Decision::Skip(SkipReason::Unaffected { evidence: Evidence::Witnessed { .. }, .. })
        );
        let tally = ledger.actions.tally(&key);
        let proven = (witnessed || tally.passed > 0) && tally.failed == 0;
        let contribution = match self.outputs(at) {
            None => Some(Contribution::Key(key)),
            Some(globs) => {
                let stored = ledger.actions.entry(&key).map(|entry| entry.outputs_digest());
                let there = || -> Option<Digest> {
                    let made = collect(&self.beneath, globs, &self.digests, None).ok()?;
                    Some(crate::cache::outputs_digest(&made.outputs))
                };
                stored.or_else(there).map(Contribution::Outputs)
            }
        };
        Stand { key: Some(key), contribution, proven, tainted: None }
    }
}
