//! Filters that do not mean what they say: for `wf check --lint`. Pure.
//!
//! Looks at resolved steps and at the files that are there; every finding has the place in the configuration that it is about.
//! A lone `!p` and `**.ext` need no rule here: wf's reader refuses them. Does not know: the file system, the history.

mod commands;
mod patterns;
mod places;

use crate::base::{RepoPath, Span, StepId};
use crate::classify::{Classified, category, causes};
use crate::config::model::{Category, RunOn};
use crate::config::{ConfigError, Source, Workflow};
use crate::graph::{Inputs, StepGraph};
use places::Places;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule found it: a word that stays.
    pub rule: &'static str,
    /// The step, without the folder of an instance.
    pub step: String,
    /// Where; none for what no file says.
    pub at: Option<Span>,
    /// What, for people.
    pub message: String,
    /// What may be meant.
    pub hint: Option<String>,
}

impl Finding {
    /// As one JSON value, with the place by line and column.
    pub fn to_json(&self, sources: &[Source]) -> Value {
        let place = self.at.map(|at| {
            let name = sources.get(usize::from(at.source)).map(|source| source.name.as_str());
            json!({ "file": name, "line": at.line, "column": at.column, "start": at.start, "end": at.end })
        });
        json!({ "rule": self.rule, "step": self.step, "at": place, "message": self.message, "hint": self.hint })
    }

    /// As something that can be shown at its place.
    pub fn to_error(&self) -> ConfigError {
        ConfigError::new(self.at.unwrap_or_default(), self.message.clone()).maybe_hint(self.hint.clone())
    }
}

/// Everything that is found, by place. `files` is every file that git tracks or would track, sorted.
pub fn lint(workflow: &Workflow, sources: &[Source], graph: &StepGraph, files: &[RepoPath]) -> Vec<Finding> {
    let places = Places::of(sources);
    let mut found: Vec<Finding> = patterns::idle_everywhere(graph, files, &places);
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for step in graph.steps() {
        let id = step.id.template();
        // Instances share what is written; what one of them lacks, others may have.
        if !seen.insert(id) || step.folder.is_some() {
            continue;
        }
        if let Inputs::Globs(set) = &step.inputs {
            found.extend(patterns::idle(graph, step, set, files, &places));
            found.extend(patterns::negations(step, set, files, &places));
        }
        found.extend(commands::unwatched(graph, step, files, &places));
    }
    for id in unreachable(workflow, graph, files) {
        found.push(Finding {
            rule: "never-runs",
            at: places.step(&id),
            message: format!("no change to a file that is there can ever reach `{id}`"),
            hint: Some("see what it watches: `inputs`, less what `ignore` and `skip_rules` take off".into()),
            step: id,
        });
    }
    found.sort_by(|a, b| (a.at, &a.step, &a.message).cmp(&(b.at, &b.step, &b.message)));
    found.dedup();
    found
}

/// Steps of which no instance watches any file, and that run after nothing that does.
fn unreachable(workflow: &Workflow, graph: &StepGraph, files: &[RepoPath]) -> Vec<String> {
    if files.is_empty() {
        return vec![];
    }
    let classified: Vec<Classified> = files
        .iter()
        .map(|path| {
            let of: Option<Category> = category(&workflow.categories, path).map(|rule| rule.category.clone());
            Classified { path: path.clone(), category: of }
        })
        .collect();
    let reached = causes(graph, &classified);
    // Who needs a step that runs, runs too.
    let mut runs: Vec<bool> = reached.iter().map(Option::is_some).collect();
    for at in graph.order() {
        let step = graph.step(*at);
        let asked = step.is_deploy() || step.run_on != RunOn::Success || step.changed_only;
        runs[*at] |= asked || step.needs.iter().any(|need: &StepId| graph.find(need).is_some_and(|of| runs[of]));
    }
    let living: BTreeSet<&str> =
        graph.steps().iter().zip(&runs).filter(|(_, runs)| **runs).map(|(step, _)| step.id.template()).collect();
    let mut dead: Vec<String> = Vec::new();
    for step in graph.steps() {
        let id = step.id.template();
        if !living.contains(id) && !dead.iter().any(|known| known == id) {
            dead.push(id.to_owned());
        }
    }
    dead
}

#[cfg(test)]
mod tests;
