//! What was changed when a step broke, against how often that is changed at all. Pure.
//!
//! By the rule of Bayes the odds that a step fails grow by P(changed | it broke) / P(changed) when something is
//! changed. Only a step that broke remembers anything of this, at most 16 traits. Does not know: rates, steps that
//! pass.

use super::{DECAY, PRIOR};
use crate::predict::Circumstances;
use serde::{Deserialize, Serialize};

/// How many traits of one change are looked at, and how many a step remembers.
const TRAITS: usize = 16;
/// Of how many traits is known how often they are changed; the rarest beyond are dropped.
const SHARES: usize = 2_000;
/// From where on a link is worth a word, and counts: twice the odds.
const WORTH: f64 = 2.0;

/// Something about a change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trait {
    /// The change is of this type.
    ChangeType(String),
    /// It has files of this category.
    Category(String),
    /// It has files right in this folder.
    Folder(String),
    /// It has this file.
    File(String),
}

/// The traits of a change, general ones first. Large changes have no more than the first [`TRAITS`]: a file among
/// hundreds says little.
fn traits(circumstances: &Circumstances) -> Vec<Trait> {
    let mut found = Vec::new();
    if !circumstances.change_type.is_empty() {
        found.push(Trait::ChangeType(circumstances.change_type.clone()));
    }
    let named = circumstances.categories.iter().filter(|(name, count)| !name.is_empty() && **count > 0);
    found.extend(named.map(|(name, _)| Trait::Category(name.clone())));
    let paths = || circumstances.paths.iter().take(TRAITS);
    for (folder, _) in paths().filter_map(|path| path.rsplit_once('/')) {
        let folder = Trait::Folder(folder.to_owned());
        if !found.contains(&folder) {
            found.push(folder);
        }
    }
    found.extend(paths().map(|path| Trait::File(path.clone())));
    found.truncate(TRAITS);
    found
}

/// In how many runs each trait was changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shares {
    /// Sorted.
    counts: Vec<(Trait, f64)>,
    runs: f64,
}

impl Shares {
    /// One more run.
    pub fn count(&mut self, circumstances: &Circumstances) {
        self.runs += 1.0;
        for what in traits(circumstances) {
            match self.counts.binary_search_by(|(known, _)| known.cmp(&what)) {
                Ok(at) => self.counts[at].1 += 1.0,
                Err(at) => self.counts.insert(at, (what, 1.0)),
            }
        }
        // One in eight goes at a time, so that sorting is rare.
        if self.counts.len() > SHARES {
            let mut often: Vec<f64> = self.counts.iter().map(|(_, count)| *count).collect();
            often.sort_by(f64::total_cmp);
            let least = often[SHARES / 8];
            let mut excess = SHARES / 8;
            self.counts.retain(|(_, count)| {
                let goes = *count <= least && excess > 0;
                excess -= usize::from(goes);
                !goes
            });
        }
    }

    /// The share of runs with this trait, above 0 and below 1 (Laplace's rule of succession).
    pub fn of(&self, what: &Trait) -> f64 {
        let found = self.counts.binary_search_by(|(known, _)| known.cmp(what));
        let count = found.map_or(0.0, |at| self.counts[at].1);
        (count + 1.0) / (self.runs + 2.0)
    }
}

/// What was changed when a step broke.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Links {
    counts: Vec<(Trait, f64)>,
    broke: f64,
}

/// A trait that a change has, and how many times higher the odds are with it, at least [`WORTH`].
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    pub what: Trait,
    pub lift: f64,
}

impl Links {
    /// It broke with this change. Earlier times count for less.
    pub fn add(&mut self, circumstances: &Circumstances) {
        self.broke = self.broke * DECAY + 1.0;
        for (_, count) in &mut self.counts {
            *count *= DECAY;
        }
        for what in traits(circumstances) {
            match self.counts.iter_mut().find(|(known, _)| *known == what) {
                Some((_, count)) => *count += 1.0,
                None => self.counts.push((what, 1.0)),
            }
        }
        // A stable sort: of equal ones the older stays.
        self.counts.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        self.counts.truncate(TRAITS);
    }

    /// The trait of this change with which the step breaks most, if any is worth a word.
    pub fn strongest(&self, circumstances: &Circumstances, shares: &Shares) -> Option<Link> {
        if self.counts.is_empty() {
            return None;
        }
        let traits = traits(circumstances);
        let here = self.counts.iter().filter(|(what, _)| traits.contains(what));
        let links = here.map(|(what, count)| {
            let share = shares.of(what);
            (what, (count + PRIOR * share) / (self.broke + PRIOR) / share)
        });
        let strongest = links.reduce(|a, b| if b.1 > a.1 { b } else { a });
        strongest.filter(|(_, lift)| *lift >= WORTH).map(|(what, lift)| Link { what: what.clone(), lift })
    }
}
