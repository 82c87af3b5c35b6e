//! What the cache says of a step before anything is put in place: known, or why not. Reads, and writes nothing.

use super::asking::{Asking, Ledger};
use crate::base::{Digest, Millis, RunId};
use crate::cache::{self, Entry, Pass, Tally};
use crate::event::{Miss, NotCached};
use crate::graph::Step;
use crate::key::{Contribution, FileGroup, Key, KeyInputs, Manifest, WatchedFile, diff};
use std::collections::HashMap;

/// So many differences are named where there is one line for them.
pub(super) const CHANGES_NAMED: usize = 3;
/// No manifest and no group of files is larger; what says so is damaged.
const MANIFEST_BYTES: u64 = 256 << 20;

/// What is said of a step.
pub(super) struct Judged {
    /// Its key, if it has one.
    pub key: Option<Key>,
    /// What is known for that key, or why nothing is, or why that is not used.
    pub answer: Result<Hit, Miss>,
    /// The earlier result that a miss is compared with.
    pub against: Option<Pass>,
}

/// A result that serves, if what it made can be put in place.
pub(super) enum Hit {
    /// An entry.
    Stored(Box<Entry>),
    /// A verdict of the run that this one goes on from; what it made is there.
    Resumed { run: RunId, wall_ms: Millis, contribution: Contribution },
}

impl Hit {
    /// What it contributes to the keys of those that need it.
    pub(super) fn contribution(&self, step: &Step, key: Key) -> Contribution {
        match self {
            Self::Resumed { contribution, .. } => *contribution,
            Self::Stored(entry) if step.outputs.is_some() => Contribution::Outputs(entry.outputs_digest()),
            Self::Stored(_) => Contribution::Key(key),
        }
    }

    /// How long it took when it ran, and in which run.
    pub(super) fn ran(&self) -> (Millis, &RunId) {
        match self {
            Self::Stored(entry) => (entry.pass.wall_ms, &entry.pass.run),
            Self::Resumed { run, wall_ms, .. } => (*wall_ms, run),
        }
    }
}

impl Asking {
    /// Judges a step: what it needs stands, and what it watches has digests. `named`: so many differences are named.
    pub(super) fn judge(&self, ledger: &Ledger, at: usize, named: usize) -> Judged {
        let inputs = match self.inputs(ledger, at) {
            Ok(inputs) => inputs,
            Err(why) => return Judged { key: None, answer: Err(Miss::NotCached { why }), against: None },
        };
        let key = inputs.key();
        let tally = ledger.actions.tally(&key);
        let judged = |answer| Judged { key: Some(key), answer, against: None };
        if let Some(hit) = self.resumed(at, &key, &tally) {
            return judged(Ok(hit));
        }
        if let Some(why) = self.refused(at) {
            return judged(Err(why));
        }
        if tally.failed > 0 && !self.graph.step(at).cache.flaky {
            return judged(Err(doubt(&tally)));
        }
        match ledger.actions.entry(&key) {
            Some(entry) if entry.is_expired(self.folder.now_ms()) => judged(Err(Miss::Expired)),
            Some(entry) => judged(Ok(Hit::Stored(Box::new(entry)))),
            None => {
                let (why, against) = self.why_missed(ledger, at, &inputs, named);
                Judged { key: Some(key), answer: Err(why), against }
            }
        }
    }

    /// Why no stored result is used, whatever its key is.
    pub(super) fn refused(&self, at: usize) -> Option<Miss> {
        let step = self.graph.step(at);
        if !step.cache.is_on() {
            Some(Miss::NotCached { why: NotCached::NotAsked })
        } else if !(step.cache.read && self.mode.read) || self.is_observed(at) {
            Some(Miss::Off)
        } else {
            None
        }
    }

    /// Does a verdict of the run that this one goes on from serve here? What a step made is still there then: nothing ran
    /// since but what this run ran. A step whose outputs were to be kept has an entry, which is asked instead.
    fn resumed(&self, at: usize, key: &Key, tally: &Tally) -> Option<Hit> {
        let before = self.resume.as_ref()?;
        let step = self.graph.step(at);
        let pass = tally.last_pass.as_ref().filter(|pass| pass.run == *before && tally.failed == 0)?;
        if pass.flaky || self.is_observed(at) || (step.outputs.is_some() && step.cache.write && self.mode.write) {
            return None;
        }
        let contribution = match &step.outputs {
            None => Contribution::Key(*key),
            Some(globs) => {
                let there = cache::outputs::collect(&self.beneath, globs, &self.digests, None).ok()?;
                if !there.missing.is_empty() {
                    return None;
                }
                Contribution::Outputs(cache::outputs_digest(&there.outputs))
            }
        };
        Some(Hit::Resumed { run: pass.run.clone(), wall_ms: pass.wall_ms, contribution })
    }

    /// What differs from the nearest earlier entry of this step, and which that is.
    fn why_missed(&self, ledger: &Ledger, at: usize, inputs: &KeyInputs, named: usize) -> (Miss, Option<Pass>) {
        let Some(nearest) = ledger.actions.nearest(&self.graph.step(at).id) else { return (Miss::Never, None) };
        let against = Some(nearest.pass);
        let then = nearest.manifest.as_ref().and_then(|blob| self.read::<Manifest>(blob));
        let Some(then) = then else { return (Miss::Changed { changes: vec![], more: 0 }, against) };
        let now = inputs.manifest();
        let mut groups: HashMap<Digest, FileGroup> = HashMap::new();
        for (digest, blob) in then.groups.iter().zip(&nearest.groups) {
            if !now.groups.contains(digest)
                && let Some(files) = self.read::<Vec<WatchedFile>>(blob)
            {
                groups.insert(*digest, FileGroup::new(files));
            }
        }
        let of = |digest: &Digest| {
            let mine = inputs.watched.iter().find(|group| group.digest() == *digest).map(|group| &**group);
            mine.or_else(|| groups.get(digest))
        };
        let mut changes = diff(&then, &now, of);
        let more = changes.len().saturating_sub(named);
        changes.truncate(named);
        (Miss::Changed { changes, more }, against)
    }

    fn read<T: serde::de::DeserializeOwned>(&self, blob: &crate::base::BlobRef) -> Option<T> {
        let bytes = cache::store::bytes(&self.store, blob, MANIFEST_BYTES).ok()??;
        postcard::from_bytes(&bytes).ok()
    }
}

/// A key that failed, or both passed and failed, serves nobody.
fn doubt(tally: &Tally) -> Miss {
    match &tally.last_fail {
        Some(fail) if tally.passed == 0 => Miss::Failed { run: fail.run.clone() },
        _ => Miss::Flaky { passed: tally.passed, failed: tally.failed },
    }
}
