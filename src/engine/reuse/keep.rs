//! Keeping what a step made, once it is sure that it belongs to the key.

use super::asking::Tree;
use super::stand::Stand;
use super::{Reuse, State};
use crate::base::{BlobRef, Digest, Millis, StepId};
use crate::cache::outputs::{CollectError, Collected, collect, remove_recorded};
use crate::cache::{Entry, Pass, Record, Refused, Store as _, Uses, outputs_digest};
use crate::event::{EventKind, NotStored, Outcome, WarningCode};
use crate::key::{Contribution, FileGroup, Key, KeyInputs};
use crate::verdict::KeyVerdict;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Watches are looked at again at most so often, for all steps that ended meanwhile.
const PAUSE: Duration = Duration::from_millis(100);
/// And no more than one part in so many of the time is spent on it.
const SHARE: u32 = 20;

/// What a step that passed made; gathered while nothing that writes the same files runs.
#[derive(Debug, Default)]
pub struct Made(Option<Result<Collected, CollectError>>);

/// A verdict that waits to be recorded: what the step watched has to be looked at once more.
pub struct Pending {
    at: usize,
    key: Key,
    inputs: Option<Arc<KeyInputs>>,
    /// None: only the verdict is kept.
    outputs: Option<Vec<crate::cache::Output>>,
    log: Option<PathBuf>,
    verdict: KeyVerdict,
}

/// How an attempt went, as far as keeping cares.
#[derive(Clone, Debug)]
pub struct End<'a> {
    /// How it ended.
    pub outcome: &'a Outcome,
    /// Which attempt it was.
    pub attempt: u32,
    /// A failure that it is allowed to have.
    pub allowed: bool,
    /// How long it took.
    pub wall_ms: Millis,
    /// Its output on disk, if it printed anything.
    pub log: Option<PathBuf>,
}

impl Reuse {
    /// Before a step runs: what earlier runs of it made goes, so that nothing old is gathered as if it were new.
    pub fn clear(&self, at: usize) -> Result<(), String> {
        let Some(globs) = self.outputs(at).filter(|_| self.stores(at)) else {
            return Ok(());
        };
        let recorded = self.recorded(&self.state(), at);
        if recorded.is_empty() {
            return Ok(());
        }
        let was = |path: &crate::base::RepoPath, digest: &Digest| recorded.contains(&(path.clone(), *digest));
        match remove_recorded(&self.asking.beneath, globs, &was, &self.asking.digests) {
            Ok(_) => Ok(()),
            Err((path, error)) => Err(format!("{path}, which it made before, cannot be removed: {error}")),
        }
    }

    /// After a step passed: what it made. Whoever needs it has a key only when this is done.
    pub fn made(&self, at: usize) -> Made {
        let store: Option<&dyn crate::cache::Store> = if self.stores(at) { Some(&self.screened) } else { None };
        Made(self.outputs(at).map(|globs| collect(&self.asking.beneath, globs, &self.asking.digests, store)))
    }

    /// A step's last attempt has ended. Says the key it is a verdict on, and why its result is not kept, if so.
    pub fn ended(&self, at: usize, end: &End<'_>, made: Made) -> (Option<Key>, Vec<EventKind>) {
        let step = Arc::clone(self.asking.graph.step(at));
        let mut state = self.state();
        let before = state.ledger.stands[at].clone().unwrap_or_default();
        let passed = end.outcome.passed();
        let tainted = if end.allowed { Some(step.id.clone()) } else { before.tainted.clone() };
        let digest = match &made.0 {
            Some(Ok(made)) => Some(Contribution::Outputs(outputs_digest(&made.outputs))),
            Some(Err(_)) => None,
            None => before.key.map(Contribution::Key),
        };
        // What is known of a failure that is allowed is not what it would have made.
        let contribution = digest.filter(|_| passed && before.key.is_some());
        let mut notes = Vec::new();
        let mut edited = false;
        if step.writes.is_some() {
            notes.extend(self.flush_state(&mut state, true));
            self.look_again(&mut state, at);
            self.asking.prepare(&mut state.ledger, &[at]);
            edited = before.key.is_some()
                && self.asking.inputs(&state.ledger, at).ok().map(|inputs| inputs.key()) != before.key;
        }
        let unproven =
            self.asking.needs(at).find(|need| !state.ledger.stands[*need].as_ref().is_some_and(|stand| stand.proven));
        let unproven = unproven.map(|need| self.asking.graph.step(need).id.clone());
        let is_verdict =
            end.outcome.is_verdict() && before.key.is_some() && unproven.is_none() && tainted.is_none() && !edited;
        let flaky = passed && end.attempt > 1 && !step.cache.flaky;
        state.ledger.stands[at] = Some(Stand {
            key: before.key,
            contribution,
            proven: is_verdict && passed && !flaky,
            tainted: tainted.clone(),
        });
        let mut outputs = None;
        if passed && step.cache.write && self.asking.mode.write && before.key.is_some() {
            match Self::may_keep(&step, &made, flaky, edited, unproven, tainted) {
                Ok(()) => outputs = Some(made.0.and_then(Result::ok).map(|made| made.outputs).unwrap_or_default()),
                Err(why) => notes.push(EventKind::NotStored { step: step.id.clone(), why }),
            }
        }
        let key = before.key.filter(|_| is_verdict);
        if let Some(key) = key.filter(|_| self.asking.mode.write) {
            let verdict = KeyVerdict {
                key,
                step: step.id.clone(),
                passed,
                flaky: passed && end.attempt > 1,
                run: self.run.clone(),
                at_ms: self.asking.folder.now_ms(),
                wall_ms: end.wall_ms,
                place: self.place,
            };
            // A step that edited other files meanwhile had the tree listed anew, and nothing of it hashed.
            self.asking.prepare(&mut state.ledger, &[at]);
            let inputs = outputs.as_ref().and_then(|_| self.asking.inputs(&state.ledger, at).ok());
            let inputs = inputs.filter(|inputs| inputs.key() == key).map(Arc::new);
            state.pending.push(Pending { at, key, inputs, outputs, log: end.log.clone(), verdict });
        }
        (key, notes)
    }

    fn may_keep(
        step: &crate::graph::Step,
        made: &Made,
        flaky: bool,
        edited: bool,
        unproven: Option<StepId>,
        tainted: Option<StepId>,
    ) -> Result<(), NotStored> {
        if let Some(step) = tainted {
            return Err(NotStored::AllowedFailure { step });
        }
        if let Some(step) = unproven {
            return Err(NotStored::Need { step });
        }
        if edited {
            return Err(NotStored::Edited);
        }
        if flaky {
            return Err(NotStored::FlakyPass);
        }
        match &made.0 {
            Some(Err(CollectError::Store { source, .. })) if no_room(source).is_some() => {
                Err(NotStored::NoRoom { bytes: no_room(source).unwrap_or(0) })
            }
            Some(Err(error)) => Err(NotStored::Refused { message: sentence(error) }),
            Some(Ok(made)) if !made.missing.is_empty() => Err(NotStored::Missing { patterns: made.missing.clone() }),
            _ if step.incremental => Err(NotStored::Incremental),
            _ => Ok(()),
        }
    }

    /// Who of those a step comes after failed and was allowed to.
    pub(super) fn taint(&self, state: &State, at: usize) -> Option<StepId> {
        let mut waits = self.asking.graph.waits(at).iter().map(|(other, _)| *other);
        waits.find_map(|other| state.ledger.stands[other].as_ref().and_then(|stand| stand.tainted.clone()))
    }

    /// Records what waits to be, if it is time. `now`: it is.
    pub fn flush(&self, now: bool) -> Vec<EventKind> {
        self.flush_state(&mut self.state(), now)
    }

    fn flush_state(&self, state: &mut State, now: bool) -> Vec<EventKind> {
        let due = state.flushed.is_none_or(|(at, cost)| at.elapsed() >= PAUSE.max(cost * SHARE));
        if state.pending.is_empty() || !(now || due) {
            return vec![];
        }
        let began = Instant::now();
        let pending = std::mem::take(&mut state.pending);
        let changed = self.changed_since(state, &pending);
        let steps: Vec<usize> = pending.iter().map(|one| one.at).collect();
        let appeared = self.appeared(state, &steps);
        let mut notes = Vec::new();
        let mut records = Vec::new();
        for one in pending {
            let groups = &state.ledger.tree.watches.of[one.at];
            let hit = changed.iter().find(|position| {
                groups
                    .iter()
                    .any(|group| state.ledger.tree.watches.groups[*group as usize].binary_search(position).is_ok())
            });
            let id = self.asking.graph.step(one.at).id.clone();
            let changed = hit.map(|position| &state.ledger.tree.files[*position as usize].path);
            let changed = changed.map(|path| NotStored::InputChanged { path: path.to_string() });
            let new = || appeared.as_ref()?.watched_by(one.at);
            let new = || new().map(|path| NotStored::InputAppeared { path: path.to_string() });
            if let Some(why) = changed.or_else(new) {
                if let Some(stand) = &mut state.ledger.stands[one.at] {
                    stand.proven = false;
                }
                notes.push(EventKind::NotStored { step: id, why });
                continue;
            }
            if one.verdict.passed && state.ledger.actions.tally(&one.key).failed > 0
                || !one.verdict.passed && state.ledger.actions.tally(&one.key).passed > 0
            {
                let message =
                    "passed and failed with the very same inputs: flaky, so it is not taken from the cache".to_owned();
                notes.push(EventKind::Warning { code: WarningCode::Flaky, step: Some(id.clone()), message });
            }
            match self.entry(state, &one) {
                Ok(Some(entry)) => {
                    notes.extend(Self::differs(state, &entry));
                    records.push(Record::Entry(entry));
                }
                Ok(None) => {}
                Err(error) => {
                    let why = match no_room(&error) {
                        Some(bytes) => NotStored::NoRoom { bytes },
                        None => NotStored::Refused { message: error.to_string() },
                    };
                    notes.push(EventKind::NotStored { step: id, why });
                }
            }
            records.push(Record::Verdict(one.verdict));
        }
        if !records.is_empty()
            && let Err(error) = state.ledger.actions.append(&records)
        {
            notes.push(crate::engine::change::fallback(
                crate::event::FallbackCode::CacheUnwritable,
                &format!("results cannot be recorded in {}: {error}", self.asking.folder.dir().display()),
                None,
            ));
        }
        state.flushed = Some((Instant::now(), began.elapsed()));
        notes
    }

    /// Positions of files that do not look any more as they did when keys were made of them.
    fn changed_since(&self, state: &State, pending: &[Pending]) -> Vec<u32> {
        let watches = &state.ledger.tree.watches;
        let groups = pending.iter().flat_map(|one| &watches.of[one.at]);
        let mut positions: Vec<u32> = groups.flat_map(|group| &watches.groups[*group as usize]).copied().collect();
        positions.sort_unstable();
        positions.dedup();
        self.asking.digests.changed(&state.ledger.tree.files, &positions)
    }

    /// The entry, with everything it names stored. None: only the verdict counts.
    fn entry(&self, state: &mut State, one: &Pending) -> io::Result<Option<Entry>> {
        let (Some(outputs), Some(inputs)) = (&one.outputs, &one.inputs) else { return Ok(None) };
        let step = self.asking.graph.step(one.at);
        let log = match &one.log {
            Some(path) => {
                let bytes = std::fs::read(path)?;
                Some(self.put(&bytes)?)
            }
            None => None,
        };
        let manifest = self.put(&postcard::to_stdvec(&inputs.manifest()).map_err(io::Error::other)?)?;
        let mut groups = Vec::with_capacity(inputs.watched.len());
        for group in &inputs.watched {
            groups.push(self.put_group(state, group)?);
        }
        // Names of outputs stand in the entry itself.
        if outputs.iter().any(|output| !self.screened.is_clean(output.path.as_bytes())) {
            return Err(io::Error::other("the name of an output holds the value of a secret"));
        }
        let expires = step.cache.ttl_ms.map(|ttl| one.verdict.at_ms.saturating_add(ttl));
        Ok(Some(Entry {
            step: step.id.clone(),
            key: one.key,
            outputs: outputs.clone(),
            log,
            manifest: Some(manifest),
            groups,
            pass: Pass { run: self.run.clone(), at_ms: one.verdict.at_ms, wall_ms: one.verdict.wall_ms },
            tags: step.cache.tags.clone(),
            expires_ms: expires,
        }))
    }

    fn put_group(&self, state: &mut State, group: &FileGroup) -> io::Result<BlobRef> {
        let bytes = postcard::to_stdvec(group.files()).map_err(io::Error::other)?;
        let blob = BlobRef::of(&bytes);
        if state.stored.insert(blob.digest) {
            self.screened.put(&blob, &mut bytes.as_slice())?;
        }
        Ok(blob)
    }

    fn put(&self, bytes: &[u8]) -> io::Result<BlobRef> {
        let blob = BlobRef::of(bytes);
        self.screened.put(&blob, &mut &*bytes)?;
        Ok(blob)
    }

    /// Did the same key make something else before?
    fn differs(state: &State, entry: &Entry) -> Option<EventKind> {
        let before = state.ledger.actions.entry(&entry.key)?;
        let new = entry.outputs.iter().find(|output| !before.outputs.contains(output));
        let gone = || before.outputs.iter().find(|output| !entry.outputs.contains(output));
        let first = new.or_else(gone)?;
        Some(EventKind::Warning {
            code: WarningCode::NonDeterministic,
            step: Some(entry.step.clone()),
            message: format!("made something else from the very same inputs: {} differs", first.path),
        })
    }

    /// A step that edits files in place has run: what it declares to write is looked at again, and nothing else. What else
    /// changed was declared by nobody, and withholds the results of those that watch it.
    fn look_again(&self, state: &mut State, at: usize) {
        let Some(writes) = &self.asking.graph.step(at).writes else { return };
        let Some(now) = (self.relist)() else { return };
        let mut files: Vec<_> =
            state.ledger.tree.files.iter().filter(|file| !writes.is_match(&file.path)).cloned().collect();
        files.extend(now.into_iter().filter(|file| writes.is_match(&file.path)));
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        state.ledger.tree = Tree::of(&self.asking.graph, files, &self.rules);
    }

    /// The run is over.
    pub fn finish(&self) -> Vec<EventKind> {
        let mut state = self.state();
        let mut notes = self.flush_state(&mut state, true);
        let keys = std::mem::take(&mut state.used);
        if !keys.is_empty() && self.asking.mode.write {
            let uses = Record::Used(Uses { saved_ms: std::mem::take(&mut state.saved_ms), keys });
            // How often results were used only orders what is removed first.
            let _ = state.ledger.actions.append(&[uses]);
        }
        if self.asking.mode.write
            && let Err(error) = crate::cache::sweep::tend(&self.asking.folder)
        {
            let message = format!("old results cannot be removed from {}: {error}", self.asking.folder.dir().display());
            notes.push(crate::engine::change::fallback(crate::event::FallbackCode::CacheUnwritable, &message, None));
        }
        if let Err(error) = self.record_tools() {
            let message = format!("what tools said cannot be kept for plans: {error}");
            notes.push(crate::engine::change::fallback(crate::event::FallbackCode::CacheUnwritable, &message, None));
        }
        if let Err(error) = self.save_digests() {
            let place = self.asking.folder.dir().display();
            let message = format!("digests of files cannot be kept in {place}, and will be computed again: {error}");
            notes.push(crate::engine::change::fallback(crate::event::FallbackCode::CacheUnwritable, &message, None));
        }
        notes
    }
}

impl Reuse {
    /// Keeps digests of files. The cache's folder may not be there yet: it is made for results, and perhaps there was none.
    fn save_digests(&self) -> io::Result<()> {
        if self.asking.digests.knows_more() && self.asking.folder.problem().is_none() {
            if self.asking.mode.write {
                self.asking.folder.make()?;
            } else if !self.asking.folder.dir().is_dir() {
                return Ok(());
            }
        }
        self.asking.digests.save()
    }

    /// Keeps what tools said for plans, which ask nobody. Nothing that holds a secret is written down.
    fn record_tools(&self) -> io::Result<()> {
        if !self.asking.mode.write || self.asking.folder.problem().is_some() {
            return Ok(());
        }
        let is_clean = |text: &String| self.screened.is_clean(text.as_bytes());
        let said = self.asking.world.tools().all().iter().filter(|(probe, said)| {
            let (Ok(text) | Err(text)) = said;
            probe.iter().all(is_clean) && is_clean(text)
        });
        let said = said.map(|(probe, said)| (probe.clone(), said.clone())).collect();
        crate::cache::tools::record(&self.asking.folder, &self.root, &said)
    }
}

fn no_room(error: &io::Error) -> Option<u64> {
    match Refused::of(error)? {
        Refused::Full { wanted, .. } => Some(*wanted),
        _ => None,
    }
}

/// An error with what caused it.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
