//! Verdicts that the index lost and somebody else still knows of: the logs of the runs that found them.

use super::record::{self, Kind, Record, Sum};
use super::{Actions, Tally, frame};
use crate::base::RunId;
use crate::key::Key;
use crate::verdict::KeyVerdict;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;

impl Actions {
    /// Is less here than was written, as far as can be seen? There is no index, or it is damaged, or its end is torn.
    pub fn has_lost(&self) -> bool {
        self.lost
    }

    /// Takes over verdicts that are not here, and says how many those were. `keep`: write them down, for everybody; else they
    /// count for as long as this is open. What was lost is told of once: afterwards there is an index, if only an empty one.
    ///
    /// # Errors
    /// As [`Actions::append`]. Then the verdicts count for as long as this is open.
    pub fn recall(&mut self, told: Vec<KeyVerdict>, keep: bool) -> io::Result<usize> {
        self.lost = false;
        if !keep {
            let missing = self.missing(told);
            return Ok(self.hold_up(missing));
        }
        let folder = Arc::clone(&self.folder);
        let missing = folder.hold().and_then(|held| {
            // Somebody else may have done the same by now.
            self.catch_up()?;
            let missing = self.missing(told.clone());
            let records: Vec<Record> = missing.iter().cloned().map(Record::Verdict).collect();
            self.append_held(&held, &records)?;
            Ok(missing.len())
        });
        missing.inspect_err(|_| {
            let missing = self.missing(told);
            self.hold_up(missing);
        })
    }

    /// Verdicts count though nobody wrote them down.
    fn hold_up(&mut self, verdicts: Vec<KeyVerdict>) -> usize {
        let count = verdicts.len();
        for verdict in verdicts {
            self.recalled.entry(verdict.key).or_default().add(verdict);
        }
        count
    }

    /// Those that are not here. A run has one verdict on a key, and what was added up names only the newest: so many are taken
    /// that there are as many as were told of, the newest first.
    fn missing(&self, told: Vec<KeyVerdict>) -> Vec<KeyVerdict> {
        let mut about: BTreeMap<(Key, bool), Vec<KeyVerdict>> = BTreeMap::new();
        for verdict in told {
            about.entry((verdict.key, verdict.passed)).or_default().push(verdict);
        }
        let mut missing = Vec::new();
        for ((key, passed), mut told) in about {
            let tally = self.tally(&key);
            let count = if passed { tally.passed } else { tally.failed };
            let lost = told.len().saturating_sub(count as usize);
            let here = self.verdicts(&key);
            let here: HashSet<&RunId> = here.iter().filter(|it| it.passed == passed).map(|it| &it.run).collect();
            told.retain(|verdict| !here.contains(&verdict.run));
            told.sort_by_key(|verdict| std::cmp::Reverse(verdict.at_ms));
            missing.extend(told.into_iter().take(lost));
        }
        missing.sort_by_key(|verdict| verdict.at_ms);
        missing
    }

    /// The verdicts on a key that are known one by one, newest first. Of older ones only their number may be left: see
    /// [`Actions::tally`].
    pub fn verdicts(&self, key: &Key) -> Vec<KeyVerdict> {
        let recalled = self.recalled.get(key).into_iter().flat_map(named);
        let mut found: Vec<KeyVerdict> = self.about(key).flat_map(verdicts_in).chain(recalled).collect();
        found.sort_by_key(|verdict| std::cmp::Reverse(verdict.at_ms));
        found
    }

    /// Every verdict that is known by itself, in no order.
    pub fn all_verdicts(&self) -> impl Iterator<Item = KeyVerdict> {
        let bodies = self.index.all().map(|frame| frame::body(&self.bytes, frame));
        bodies.flat_map(verdicts_in).chain(self.recalled.values().flat_map(named))
    }
}

/// The verdicts that a record tells of.
fn verdicts_in(body: &[u8]) -> Vec<KeyVerdict> {
    match Kind::of(body) {
        Some(Kind::Verdict) => record::value(body).into_iter().collect(),
        Some(Kind::Sum) => record::value::<Sum>(body).map_or_else(Vec::new, |sum| named(&sum.tally)),
        _ => vec![],
    }
}

/// The verdicts that a tally names.
fn named(tally: &Tally) -> Vec<KeyVerdict> {
    tally.last_pass.iter().chain(&tally.last_fail).cloned().collect()
}
