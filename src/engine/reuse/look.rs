//! Asking the cache before a step starts.

use super::judge::{CHANGES_NAMED, Hit, Judged};
use super::stand::Stand;
use super::{Reuse, State};
use crate::base::{Digest, RepoPath};
use crate::cache::kept::Keep;
use crate::cache::outputs::{Restore, Restored, Why, wrong};
use crate::cache::{Entry, KeyStart};
use crate::event::{EventKind, Miss, Reused, WarningCode};
use crate::key::{Contribution, Key};
use rayon::prelude::*;
use std::collections::HashSet;

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
}

impl Reuse {
    /// Looks up steps that became ready together, side by side, and puts in place what they made.
    pub fn look(&self, steps: &[usize]) -> Vec<Looked> {
        let mut state = self.state();
        self.asking.prepare(&mut state.ledger, steps);
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
            state.ledger.stands[at] = Some(Stand {
                key: found.key,
                contribution: found.contribution,
                proven: found.answer.is_ok(),
                tainted: self.taint(&state, at),
            });
            looked.push(Looked { at, answer: found.answer, notes: found.notes });
        }
        looked
    }

    fn look_at(&self, state: &State, at: usize) -> Found {
        let step = self.asking.graph.step(at);
        let Judged { key, answer, .. } = self.asking.judge(&state.ledger, at, CHANGES_NAMED);
        let miss = |why, notes| Found { key, contribution: None, answer: Err(why), notes };
        let (hit, key) = match (answer, key) {
            (Ok(hit), Some(key)) => (hit, key),
            (Err(why), _) => return miss(why, vec![]),
            // What has no key has no result.
            (Ok(_), None) => return miss(Miss::Never, vec![]),
        };
        let put = match &hit {
            Hit::Stored(entry) => self.put_in_place(state, at, entry),
            Hit::Resumed { .. } => Ok((0, vec![])),
        };
        let (restored, notes) = match put {
            Ok(done) => done,
            Err((why, notes)) => return miss(why, notes),
        };
        let (saved_ms, run) = hit.ran();
        let (output, resumed) = match &hit {
            Hit::Stored(entry) => (entry.log, false),
            Hit::Resumed { .. } => (None, true),
        };
        let reused = Reused { step: step.id.clone(), key, saved_ms, run: run.clone(), restored, output, resumed };
        Found { key: Some(key), contribution: Some(hit.contribution(step, key)), answer: Ok(reused), notes }
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
        if wrong(&self.asking.beneath, &entry.outputs, &self.asking.digests).is_empty() && !extra() {
            return Ok((0, vec![]));
        }
        let recorded = self.recorded(state, at);
        let keep = Keep { kept: &self.kept, run: &self.run, at_ms: self.asking.folder.now_ms(), worktree: &self.root };
        let restore = Restore {
            beneath: &self.asking.beneath,
            globs,
            known: &self.asking.digests,
            // Restoring checks the bytes while it writes them.
            store: self.asking.store.bare(),
            recorded: &|path: &RepoPath, digest: &Digest| recorded.contains(&(path.clone(), *digest)),
            keep: &keep,
        };
        match restore.run(&entry.outputs) {
            Ok(done) => Ok((done.written + done.removed, self.kept_notes(at, &done))),
            Err(error) => {
                if let Why::Damaged { blob, .. } = &error.why {
                    self.asking.store.forget(blob);
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
        let others = state.ledger.actions.entries_but(&self.asking.graph.step(at).id, Some(entry.key));
        others.flat_map(|other| other.outputs).any(|output| {
            !wanted.contains(&output.path) && self.asking.beneath.stat(&output.path).is_ok_and(|stat| stat.is_some())
        })
    }

    /// Everything that wf recorded for a step: what it may replace and remove.
    pub(super) fn recorded(&self, state: &State, at: usize) -> HashSet<(RepoPath, Digest)> {
        let entries = state.ledger.actions.entries_of(&self.asking.graph.step(at).id);
        entries.flat_map(|entry| entry.outputs).map(|output| (output.path.clone(), output.kind.content())).collect()
    }

    fn kept_notes(&self, at: usize, done: &Restored) -> Vec<EventKind> {
        let note = |path: &RepoPath| EventKind::Warning {
            code: WarningCode::Kept,
            step: Some(self.asking.graph.step(at).id.clone()),
            message: format!(
                "{path} was not what wf made; it was kept before it was replaced: `wf cache undo` brings it back"
            ),
        };
        done.kept.iter().map(note).collect()
    }
}
