//! Asking the cache before a step starts.

use super::stand::Stand;
use super::{Reuse, State};
use crate::base::{Digest, RepoPath};
use crate::cache::kept::Keep;
use crate::cache::outputs::{Restore, Restored, Why, wrong};
use crate::cache::{self, Entry, KeyStart, Tally};
use crate::event::{EventKind, Miss, NotCached, Reused, WarningCode};
use crate::key::{Contribution, FileGroup, Key, KeyInputs, Manifest, WatchedFile, diff};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// So many differences are named.
const CHANGES_NAMED: usize = 3;
/// No manifest and no group of files is larger; what says so is damaged.
const MANIFEST_BYTES: u64 = 256 << 20;

/// What the cache said of one step.
#[derive(Debug)]
pub struct Looked {
    /// Its position.
    pub at: usize,
    /// Used again, or why not.
    pub answer: Result<Reused, Miss>,
    /// What people should know beside.
    pub notes: Vec<EventKind>,
}

struct Found {
    key: Option<Key>,
    contribution: Option<Contribution>,
    answer: Result<Reused, Miss>,
    notes: Vec<EventKind>,
    proven: bool,
}

impl Reuse {
    /// Looks up steps that became ready together, side by side, and puts in place what they made.
    pub fn look(&self, steps: &[usize]) -> Vec<Looked> {
        let mut state = self.state();
        self.prepare(&mut state, steps);
        let found: Vec<Found> = {
            let state = &*state;
            steps.par_iter().with_min_len(16).map(|at| self.look_at(state, *at)).collect()
        };
        let mut looked = Vec::with_capacity(steps.len());
        for (&at, found) in steps.iter().zip(found) {
            if let Ok(reused) = &found.answer {
                state.used.push(KeyStart::of(&reused.key));
                state.saved_ms += reused.saved_ms;
            }
            // A step that runs says what it contributes when it has run.
            let contribution = found.contribution.filter(|_| found.answer.is_ok());
            state.stands[at] =
                Some(Stand { key: found.key, contribution, proven: found.proven, tainted: self.taint(&state, at) });
            looked.push(Looked { at, answer: found.answer, notes: found.notes });
        }
        looked
    }

    fn look_at(&self, state: &State, at: usize) -> Found {
        let step = self.graph.step(at);
        let miss = |key, miss| Found { key, contribution: None, answer: Err(miss), notes: vec![], proven: false };
        let inputs = match self.inputs(state, at) {
            Ok(inputs) => inputs,
            Err(why) => return miss(None, Miss::NotCached { why }),
        };
        let key = inputs.key();
        let tally = state.actions.tally(&key);
        if let Some(found) = self.resumed(at, &key, &tally) {
            return found;
        }
        let why = if !step.cache.is_on() {
            Some(Miss::NotCached { why: NotCached::NotAsked })
        } else if !(step.cache.read && self.mode.read) || self.is_observed(at) {
            Some(Miss::Off)
        } else if tally.failed > 0 && !step.cache.flaky {
            Some(doubt(&tally))
        } else {
            None
        };
        if let Some(why) = why {
            return miss(Some(key), why);
        }
        let Some(entry) = state.actions.entry(&key) else {
            return miss(Some(key), self.why_missed(state, at, &inputs));
        };
        if entry.is_expired(self.folder.now_ms()) {
            return miss(Some(key), Miss::Expired);
        }
        match self.put_in_place(state, at, &entry) {
            Ok((restored, notes)) => {
                let reused = Reused {
                    step: step.id.clone(),
                    key,
                    saved_ms: entry.pass.wall_ms,
                    run: entry.pass.run.clone(),
                    restored,
                    output: entry.log,
                    resumed: false,
                };
                let contribution = Some(match step.outputs {
                    Some(_) => Contribution::Outputs(entry.outputs_digest()),
                    None => Contribution::Key(key),
                });
                Found { key: Some(key), contribution, answer: Ok(reused), notes, proven: true }
            }
            Err((why, notes)) => Found { notes, ..miss(Some(key), why) },
        }
    }

    /// Does a verdict of the run that this one goes on from serve here? What a step made is still there then: nothing ran
    /// since but what this run ran. A step whose outputs were to be kept has an entry, which is asked instead.
    fn resumed(&self, at: usize, key: &Key, tally: &Tally) -> Option<Found> {
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
        let reused = Reused {
            step: step.id.clone(),
            key: *key,
            saved_ms: pass.wall_ms,
            run: pass.run.clone(),
            restored: 0,
            output: None,
            resumed: true,
        };
        let (key, contribution) = (Some(*key), Some(contribution));
        Some(Found { key, contribution, answer: Ok(reused), notes: vec![], proven: true })
    }

    /// `--smart-execution=observe` runs what would be skipped, to see whether that would be right.
    fn is_observed(&self, at: usize) -> bool {
        use crate::event::{Because, Decision};
        matches!(self.decisions[at], Decision::Run(Because::Observed { .. }))
    }

    fn put_in_place(
        &self,
        state: &State,
        at: usize,
        entry: &Entry,
    ) -> Result<(usize, Vec<EventKind>), (Miss, Vec<EventKind>)> {
        let Some(globs) = self.outputs(at) else { return Ok((0, vec![])) };
        // Right as it is, and nothing of another result lies between.
        let extra = || self.has_extra(state, at, entry);
        if wrong(&self.beneath, &entry.outputs, &self.digests).is_empty() && !extra() {
            return Ok((0, vec![]));
        }
        let recorded = self.recorded(state, at);
        let keep = Keep { kept: &self.kept, run: &self.run, at_ms: self.folder.now_ms(), worktree: &self.root };
        let restore = Restore {
            beneath: &self.beneath,
            globs,
            known: &self.digests,
            // Restoring checks the bytes while it writes them.
            store: self.store.bare(),
            recorded: &|path: &RepoPath, digest: &Digest| recorded.contains(&(path.clone(), *digest)),
            keep: &keep,
        };
        match restore.run(&entry.outputs) {
            Ok(done) => Ok((done.written + done.removed, self.kept_notes(at, &done))),
            Err(error) => {
                if let Why::Damaged { blob, .. } = &error.why {
                    self.store.forget(blob);
                }
                let notes = self.kept_notes(at, &error.done);
                let miss = match &error.why {
                    Why::Missing { path, .. } => Miss::Missing { path: path.to_string() },
                    Why::Damaged { path, .. } => Miss::Damaged { path: path.to_string() },
                    _ => Miss::NotRestored { message: error.to_string() },
                };
                Err((miss, notes))
            }
        }
    }

    /// Does a file lie in the output places that wf recorded for this step under another key? Only steps that have other
    /// entries can have left one.
    fn has_extra(&self, state: &State, at: usize, entry: &Entry) -> bool {
        let wanted: HashSet<&RepoPath> = entry.outputs.iter().map(|output| &output.path).collect();
        let others = state.actions.entries_of(&self.graph.step(at).id).filter(|other| other.key != entry.key);
        others.flat_map(|other| other.outputs).any(|output| {
            !wanted.contains(&output.path) && self.beneath.stat(&output.path).is_ok_and(|stat| stat.is_some())
        })
    }

    /// Everything that wf recorded for a step: what it may replace and remove.
    pub(super) fn recorded(&self, state: &State, at: usize) -> HashSet<(RepoPath, Digest)> {
        let entries = state.actions.entries_of(&self.graph.step(at).id);
        entries.flat_map(|entry| entry.outputs).map(|output| (output.path.clone(), output.kind.content())).collect()
    }

    fn kept_notes(&self, at: usize, done: &Restored) -> Vec<EventKind> {
        let note = |path: &RepoPath| EventKind::Warning {
            code: WarningCode::Kept,
            step: Some(self.graph.step(at).id.clone()),
            message: format!(
                "{path} was not what wf made; it was kept before it was replaced: `wf cache undo` brings it back"
            ),
        };
        done.kept.iter().map(note).collect()
    }

    /// What differs from the nearest earlier entry of this step.
    fn why_missed(&self, state: &State, at: usize, inputs: &KeyInputs) -> Miss {
        let Some(nearest) = state.actions.nearest(&self.graph.step(at).id) else { return Miss::Never };
        let then = nearest.manifest.as_ref().and_then(|blob| self.read::<Manifest>(blob));
        let Some(then) = then else { return Miss::Changed { changes: vec![], more: 0 } };
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
        let more = changes.len().saturating_sub(CHANGES_NAMED);
        changes.truncate(CHANGES_NAMED);
        Miss::Changed { changes, more }
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
