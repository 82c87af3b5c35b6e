//! What a plan expects the cache to say. Asks as a run asks, and executes, makes and writes nothing.
//!
//! Goes over the steps in their order as if each that runs passed. Where a run would know more by then (what a need made,
//! what an editing step left behind), it says that it cannot tell.

use super::Setup;
use super::asking::{Asking, Ledger};
use super::judge::{CHANGES_NAMED, Hit, Judged};
use super::stand::Stand;
use super::watched::blind;
use crate::cache::{Pass, Verified};
use crate::change::Unseen;
use crate::config::model::CacheMode;
use crate::event::{Because, Decision, Miss, NotCached, Predicted, Unforeseen};
use crate::graph::StepGraph;
use crate::key::{Contribution, Key};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// So many bytes are read for a prediction, of files that no run has hashed: what is read is not remembered, and would be
/// read again by every plan until a run does.
const READS_AT_MOST: u64 = 64 << 20;

/// What is said of one step.
#[derive(Clone, Debug, Serialize)]
pub struct Foretold {
    /// Its key, if that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// What the cache is expected to say.
    #[serde(flatten)]
    pub predicted: Predicted,
    /// The earlier result that a miss is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Pass>,
}

/// Predicts for the steps that run, by position; or for one step alone, whatever the plan says of it, and then with
/// every difference named.
///
/// # Errors
/// The root cannot be opened.
pub fn predict(setup: Setup, only: Option<usize>) -> std::io::Result<Vec<Option<Foretold>>> {
    if only.is_none() && !setup.decisions.iter().any(Decision::runs) {
        return Ok(vec![None; setup.graph.len()]);
    }
    let (asking, mut ledger) = Asking::begin(setup, Verified::new, Some(READS_AT_MOST))?;
    let named = if only.is_some() { usize::MAX } else { CHANGES_NAMED };
    let mut oracle = Oracle { named, only, asking, open: BTreeSet::new(), editors: BTreeMap::new() };
    let mut told = vec![None; oracle.asking.graph.len()];
    oracle.all(&mut ledger, &mut told);
    Ok(told)
}

/// What can be said of the cache without looking at a file.
#[derive(Clone, Copy, Debug)]
pub struct Nothing<'a> {
    /// The steps.
    pub graph: &'a StepGraph,
    /// What the plan says of each.
    pub decisions: &'a [Decision],
    /// What git does not list.
    pub unseen: &'a [Unseen],
    /// May results be taken?
    pub mode: CacheMode,
}

/// The predictions where nothing is stored yet: nobody has to hash anything to know that nothing will be found.
pub fn nothing_stored(facts: Nothing<'_>) -> Vec<Option<Foretold>> {
    let one = |at: usize| {
        let Decision::Run(because) = &facts.decisions[at] else { return None };
        let step = facts.graph.step(at);
        let predicted = if !Asking::asks_about(step) {
            Predicted::NotCached(NotCached::Kind)
        } else if !step.cache.is_on() {
            Predicted::NotCached(NotCached::NotAsked)
        } else if let Some(why) = blind(facts.graph, at, &[], facts.unseen) {
            Predicted::NotCached(why)
        } else if !(step.cache.read && facts.mode.read) || matches!(because, Because::Observed { .. }) {
            Predicted::Miss(Miss::Off)
        } else {
            Predicted::Miss(Miss::Never)
        };
        Some(Foretold { key: None, predicted, against: None })
    };
    (0..facts.graph.len()).map(one).collect()
}

struct Oracle {
    asking: Asking,
    named: usize,
    only: Option<usize>,
    /// Steps of which only the run will know what they contribute.
    open: BTreeSet<usize>,
    /// Steps that may run and edit files in place, each with what comes before it.
    editors: BTreeMap<usize, BTreeSet<usize>>,
}

impl Oracle {
    fn all(&mut self, ledger: &mut Ledger, told: &mut [Option<Foretold>]) {
        let wanted = self.wanted();
        self.asking.hash_groups(ledger, &wanted);
        let mut levels: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for at in wanted {
            levels.entry(self.asking.graph.batch(at)).or_default().push(at);
        }
        for level in levels.into_values() {
            let (run, skipped): (Vec<usize>, Vec<usize>) = level.into_iter().partition(|at| self.runs(*at));
            for at in skipped {
                self.pass_over(ledger, at);
            }
            let mut found: Vec<(usize, Foretold, Option<Stand>)> = {
                let (this, ledger) = (&*self, &*ledger);
                let one = |at: &usize| {
                    let (foretold, stand) = this.foretell(ledger, *at);
                    (*at, foretold, stand)
                };
                run.par_iter().with_min_len(16).map(one).collect()
            };
            self.account_for_edits(&mut found);
            for (at, foretold, stand) in found {
                if stand.is_none() {
                    self.open.insert(at);
                }
                ledger.stands[at] = stand;
                told[at] = Some(foretold).filter(|_| self.only.is_none_or(|only| only == at));
            }
        }
    }

    /// The steps to predict for, and all that their keys want, in order.
    fn wanted(&self) -> Vec<usize> {
        let graph = &self.asking.graph;
        let mut open: Vec<usize> = match self.only {
            Some(only) => vec![only],
            None => (0..graph.len()).filter(|at| self.asking.decisions[*at].runs()).collect(),
        };
        // Who edits what another watches is no need of it, and matters all the same.
        open.extend(
            (0..graph.len()).filter(|at| self.asking.decisions[*at].runs() && graph.step(*at).writes.is_some()),
        );
        let mut wanted = vec![false; graph.len()];
        while let Some(at) = open.pop() {
            if !std::mem::replace(&mut wanted[at], true) {
                open.extend(self.asking.needs(at));
            }
        }
        graph.order().iter().copied().filter(|at| wanted[*at]).collect()
    }

    fn runs(&self, at: usize) -> bool {
        self.asking.decisions[at].runs() || self.only == Some(at)
    }

    /// A step that the plan skips: others need to know where it stands.
    fn pass_over(&mut self, ledger: &mut Ledger, at: usize) {
        if self.cannot_tell(ledger, at).is_some() {
            self.open.insert(at);
        } else {
            ledger.stands[at] = Some(self.asking.stand_of_skipped(ledger, at));
        }
    }

    /// One step that runs, and where it will stand when it has passed; none if only the run can say that.
    fn foretell(&self, ledger: &Ledger, at: usize) -> (Foretold, Option<Stand>) {
        let step = self.asking.graph.step(at);
        let says = |predicted| Foretold { key: None, predicted, against: None };
        let keyless = |why| (says(Predicted::NotCached(why)), Some(Stand::default()));
        if !Asking::asks_about(step) {
            return keyless(NotCached::Kind);
        }
        if let Some(unknown) = self.cannot_tell(ledger, at) {
            if let Some(why) = self.never_has_a_key(ledger, at) {
                return keyless(why);
            }
            // A run that is gone on from may serve what else would not be asked for.
            let refused = self.asking.refused(at).filter(|_| self.asking.resume.is_none());
            return (says(refused.map_or(Predicted::Unknown(unknown), missed)), None);
        }
        let Judged { key, answer, against } = self.asking.judge(ledger, at, self.named);
        let contribution = match (&answer, key) {
            (Ok(hit), Some(key)) => Some(hit.contribution(step, key)),
            // Who declares outputs contributes what it will have made.
            (Err(_), Some(_)) if step.outputs.is_some() => {
                return (Foretold { key, predicted: told(answer), against }, None);
            }
            (Err(_), Some(key)) => Some(Contribution::Key(key)),
            (_, None) => None,
        };
        let stand = Stand { key, contribution, ..Stand::default() };
        (Foretold { key, predicted: told(answer), against }, Some(stand))
    }

    /// Why its key cannot be told now.
    fn cannot_tell(&self, ledger: &Ledger, at: usize) -> Option<Unforeseen> {
        let step = self.asking.graph.step(at);
        if let Some(need) = self.asking.needs(at).find(|need| self.open.contains(need)) {
            return Some(Unforeseen::Need { step: self.asking.graph.step(need).id.clone() });
        }
        let unread = |group: &u32| ledger.tree.groups[*group as usize].is_none();
        let unread = || ledger.tree.watches.of[at].iter().any(unread).then_some(Unforeseen::NotRead);
        self.asking.world.unforeseen(step).or_else(unread)
    }

    /// Why it has no key whatever comes.
    fn never_has_a_key(&self, ledger: &Ledger, at: usize) -> Option<NotCached> {
        let keyless = |need: &usize| {
            let stand = ledger.stands[*need].as_ref();
            !self.open.contains(need) && stand.is_none_or(|stand| stand.contribution.is_none())
        };
        let need = || {
            let need = self.asking.needs(at).find(keyless)?;
            Some(NotCached::Need { step: self.asking.graph.step(need).id.clone() })
        };
        self.asking.blind[at].clone().or_else(need)
    }

    /// Steps of one level start together. Whoever may run and edits what another watches makes that unknown; and that one
    /// may then edit, too.
    fn account_for_edits(&mut self, found: &mut [(usize, Foretold, Option<Stand>)]) {
        let edits = |this: &Self, at: usize, foretold: &Foretold| {
            this.asking.graph.step(at).writes.is_some()
                && this.asking.decisions[at].runs()
                && !matches!(foretold.predicted, Predicted::Hit { .. })
        };
        for (at, foretold, _) in &*found {
            if edits(self, *at, foretold) {
                self.editors.insert(*at, self.before(*at));
            }
        }
        loop {
            let mut more = Vec::new();
            for (at, foretold, stand) in &mut *found {
                let has_key = stand.as_ref().is_some_and(|stand| stand.key.is_some()) || foretold.key.is_some();
                let Some(editor) = self.editor_of(*at).filter(|_| has_key) else { continue };
                *stand = None;
                foretold.key = None;
                let is_hit = matches!(foretold.predicted, Predicted::Hit { .. });
                if is_hit || self.asking.refused(*at).is_none() {
                    let by = self.asking.graph.step(editor).id.clone();
                    let predicted = Predicted::Unknown(Unforeseen::Edited { by });
                    *foretold = Foretold { key: None, predicted, against: None };
                    if edits(self, *at, foretold) && !self.editors.contains_key(at) {
                        more.push(*at);
                    }
                }
            }
            if more.is_empty() {
                return;
            }
            for at in more {
                self.editors.insert(at, self.before(at));
            }
        }
    }

    /// Who may edit what a step watches before its key is made.
    fn editor_of(&self, at: usize) -> Option<usize> {
        let mut editors = self.editors.iter().filter(|(editor, before)| **editor != at && !before.contains(&at));
        editors.find(|(editor, _)| self.asking.graph.may_rewrite(**editor, at)).map(|(editor, _)| *editor)
    }

    /// All that a step waits for.
    fn before(&self, at: usize) -> BTreeSet<usize> {
        let (mut before, mut open) = (BTreeSet::new(), vec![at]);
        while let Some(at) = open.pop() {
            open.extend(self.asking.graph.waits(at).iter().map(|(other, _)| *other).filter(|o| before.insert(*o)));
        }
        before
    }
}

fn told(answer: Result<Hit, Miss>) -> Predicted {
    match answer {
        Ok(hit) => {
            let (saved_ms, run) = hit.ran();
            Predicted::Hit { saved_ms, run: run.clone(), resumed: matches!(hit, Hit::Resumed { .. }) }
        }
        Err(why) => missed(why),
    }
}

fn missed(why: Miss) -> Predicted {
    match why {
        Miss::NotCached { why } => Predicted::NotCached(why),
        why => Predicted::Miss(why),
    }
}
