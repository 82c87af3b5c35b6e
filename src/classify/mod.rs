//! What kind of change it is, how far it reaches, and which steps watch something that changed. Pure.
//!
//! Finds causes; the plan decides. Does not know: evidence, history, what runs.

mod groups;
mod lint;
mod watch;

pub use groups::{Watches, groups};
pub use lint::{idle, lint, risks};
pub use watch::{Cause, causes, ignored, unseen, watched};

use crate::base::RepoPath;
use crate::change::ChangeSet;
use crate::config::model::{Category, CategoryRule, ImpactLimits};
use crate::config::trigger::Impact;
use std::collections::BTreeMap;

/// A change, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    /// Every changed path, both sides of renames, each once, sorted.
    pub paths: Vec<Classified>,
    /// `docs-only`, `tests-only`, …, `mixed`, `none`.
    pub change_type: String,
    /// How far it reaches.
    pub impact: Impact,
    /// Why.
    pub impact_because: Vec<String>,
    /// How many paths are in each category; the empty name counts those in none.
    pub counts: BTreeMap<String, usize>,
}

/// One changed path and its category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// The path.
    pub path: RepoPath,
    /// The last category rule that matches it, if any does.
    pub category: Option<Category>,
}

impl Classification {
    /// Is a path of this category changed?
    pub fn changes(&self, category: &str) -> bool {
        self.counts.contains_key(category)
    }
}

/// The category of one path: that of the last rule that matches.
pub fn category<'a>(rules: &'a [CategoryRule], path: &RepoPath) -> Option<&'a CategoryRule> {
    rules.iter().rev().find(|rule| rule.paths.is_match(path))
}

/// Understands a change.
pub fn classify(rules: &[CategoryRule], limits: ImpactLimits, change: &ChangeSet) -> Classification {
    let mut paths: Vec<RepoPath> = change.paths().cloned().collect();
    paths.sort_unstable();
    paths.dedup();
    let paths: Vec<Classified> = paths
        .into_iter()
        .map(|path| Classified { category: category(rules, &path).map(|rule| rule.category.clone()), path })
        .collect();
    let mut counts = BTreeMap::new();
    for file in &paths {
        *counts.entry(file.category.as_deref().unwrap_or("").to_owned()).or_insert(0) += 1;
    }
    let change_type = match counts.keys().next() {
        None => "none".to_owned(),
        Some(only) if counts.len() == 1 && !only.is_empty() => format!("{only}-only"),
        Some(_) => "mixed".to_owned(),
    };
    let (impact, impact_because) = impact(&counts, &paths, limits);
    Classification { paths, change_type, impact, impact_because, counts }
}

fn impact(counts: &BTreeMap<String, usize>, paths: &[Classified], limits: ImpactLimits) -> (Impact, Vec<String>) {
    let example = |category: &str| {
        let first = paths.iter().find(|file| file.category.as_deref() == Some(category));
        first.map(|file| file.path.to_string()).unwrap_or_default()
    };
    let mut high = Vec::new();
    for (category, what) in [("dependencies", "dependencies change"), ("ci", "CI or wf's own configuration changes")] {
        if counts.contains_key(category) {
            high.push(format!("{what} ({})", example(category)));
        }
    }
    match counts.get("code") {
        Some(&n) if n > limits.code_files => {
            high.push(format!("{n} code files change, more than {}", limits.code_files));
        }
        _ => {}
    }
    if !high.is_empty() {
        return (Impact::High, high);
    }
    let harmless = ["docs", "tests", "assets"];
    match counts.keys().find(|name| !harmless.contains(&name.as_str())) {
        None if counts.is_empty() => (Impact::Low, vec!["nothing changes".into()]),
        None => (Impact::Low, vec![format!("only {} change", counts.keys().cloned().collect::<Vec<_>>().join(", "))]),
        Some(name) if name.is_empty() => {
            let path = paths.iter().find(|file| file.category.is_none()).map(|file| file.path.to_string());
            (Impact::Medium, vec![format!("{} is in no category", path.unwrap_or_default())])
        }
        Some(name) => (Impact::Medium, vec![format!("{name} change ({})", example(name))]),
    }
}

#[cfg(test)]
mod tests;
