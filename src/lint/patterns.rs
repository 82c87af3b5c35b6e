//! Patterns of `inputs` that match nothing, or take nothing away. Pure.

use super::Finding;
use super::places::Places;
use crate::base::{GlobSet, RepoPath};
use crate::graph::{Inputs, Step, StepGraph};
use std::collections::BTreeMap;

/// One pattern by itself. `./x` of an instance is relative to its folder, wherever it runs.
fn alone(pattern: &str, step: &Step) -> Option<GlobSet> {
    GlobSet::parse(&[pattern], step.folder.as_ref().unwrap_or(&step.dir)).ok()
}

/// Patterns that match no file, and nothing that another step makes.
pub(super) fn idle(graph: &StepGraph, step: &Step, set: &GlobSet, files: &[RepoPath], places: &Places) -> Vec<Finding> {
    let id = step.id.template();
    let made = |pattern: &str| {
        let mut outputs = graph.steps().iter().filter_map(|other| other.outputs.as_ref());
        alone(pattern, step).is_some_and(|alone| outputs.any(|outputs| alone.may_overlap(outputs)))
    };
    set.idle(files)
        .filter(|pattern| !made(pattern))
        .map(|pattern| Finding {
            rule: "matches-nothing",
            step: id.to_owned(),
            at: places.text(id, "inputs", pattern),
            message: format!("`{id}` watches `{pattern}`, which matches no file: it never runs for that"),
            hint: meant(pattern, step, files),
        })
        .collect()
}

/// Patterns of steps with `for_each` that match no file in any of their folders, and nothing that a step makes.
pub(super) fn idle_everywhere(graph: &StepGraph, files: &[RepoPath], places: &Places) -> Vec<Finding> {
    let mut instances: BTreeMap<&str, Vec<(&Step, &RepoPath, &GlobSet)>> = BTreeMap::new();
    let mut made: BTreeMap<Option<&RepoPath>, Vec<&GlobSet>> = BTreeMap::new();
    for step in graph.steps() {
        if let Some(outputs) = &step.outputs {
            made.entry(step.folder.as_ref()).or_default().push(outputs);
        }
        if let (Some(folder), Inputs::Globs(set)) = (&step.folder, &step.inputs) {
            instances.entry(step.id.template()).or_default().push((step, folder, set));
        }
    }
    let mut found = Vec::new();
    for (id, instances) in instances {
        let Some((first, _, set)) = instances.first() else { continue };
        for pattern in set.idle(files) {
            let Some(single) = alone(pattern, first) else { continue };
            let outputs = |folder| made.get(&folder).into_iter().flatten();
            let makes = |single: &GlobSet, folder| outputs(folder).any(|outputs| single.may_overlap(outputs));
            // Others mean the same in every folder.
            let used = if pattern.starts_with("./") {
                instances.iter().any(|(_, folder, _)| {
                    let here = single.at(folder);
                    here.idle(files).next().is_none() || makes(&here, Some(*folder)) || makes(&here, None)
                })
            } else {
                made.keys().any(|folder| makes(&single, *folder))
            };
            if !used {
                found.push(Finding {
                    rule: "matches-nothing",
                    step: id.to_owned(),
                    at: places.text(id, "inputs", pattern),
                    message: format!(
                        "`{id}` watches `{pattern}`, which matches no file in any of its folders: it never runs for that"
                    ),
                    hint: meant(pattern, first, files),
                });
            }
        }
    }
    found
}

/// What a pattern without a match may mean: other letters, the step's own folder, or any folder.
fn meant(pattern: &str, step: &Step, files: &[RepoPath]) -> Option<String> {
    let matches = |text: &str| alone(text, step).is_some_and(|set| files.iter().any(|file| set.is_match(file)));
    let body = pattern.trim_start_matches("./");
    let own = format!("./{body}");
    let at_root = step.folder.as_ref().unwrap_or(&step.dir).is_root();
    if !at_root && !pattern.starts_with("./") && matches(&own) {
        return Some(format!("patterns are relative to the repository's root; did you mean `{own}`?"));
    }
    if pattern.starts_with("./") && matches(body) {
        return Some(format!("`./` is the step's folder; did you mean `{body}`?"));
    }
    let anywhere = format!("**/{body}");
    if !body.starts_with("**/") && matches(&anywhere) {
        return Some(format!("there is such a file in another folder; did you mean `{anywhere}`?"));
    }
    let lower = alone(&body.to_lowercase(), step)?;
    let alike = files.iter().find(|file| {
        std::str::from_utf8(file.as_bytes()).is_ok_and(|text| lower.is_match(&RepoPath::from(&*text.to_lowercase())))
    })?;
    Some(format!("letters match their own case only, and there is `{alike}`"))
}

/// `!p` that takes nothing away, and patterns of which later ones take everything away.
pub(super) fn negations(step: &Step, set: &GlobSet, files: &[RepoPath], places: &Places) -> Vec<Finding> {
    let id = step.id.template();
    let texts: Vec<&str> = set.texts().collect();
    if !texts.iter().any(|text| text.starts_with('!')) {
        return vec![];
    }
    let single: Vec<(bool, Option<GlobSet>)> = texts
        .iter()
        .map(|text| text.strip_prefix('!').map_or((false, alone(text, step)), |body| (true, alone(body, step))))
        .collect();
    let matches = |at: usize, file: &RepoPath| single[at].1.as_ref().is_some_and(|set| set.is_match(file));
    let mut found = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let finding = |rule, message: String, hint: &str| Finding {
            rule,
            step: id.to_owned(),
            at: places.text(id, "inputs", text),
            message,
            hint: Some(hint.to_owned()),
        };
        let of_it: Vec<&RepoPath> = files.iter().filter(|file| matches(at, file)).collect();
        // Whether the file is in the set when the patterns up to `end` are asked.
        let inside = |end: usize, file: &RepoPath| {
            (0..end).rev().find(|other| matches(*other, file)).is_some_and(|other| !single[other].0)
        };
        if single[at].0 {
            let first = !single[..at].iter().any(|(negated, _)| !negated);
            if first {
                let message = format!("`{text}` in `{id}` stands before anything that it could take away from");
                found.push(finding(
                    "subtracts-nothing",
                    message,
                    "the last pattern that matches decides: put it after the others",
                ));
            } else if !of_it.iter().any(|file| inside(at, file)) {
                let message =
                    format!("`{text}` in `{id}` takes nothing away: no file that the patterns before it match");
                found.push(finding("subtracts-nothing", message, "remove it, or mend what it names"));
            }
        } else if !of_it.is_empty() && !of_it.iter().any(|file| inside(texts.len(), file)) {
            let message = format!("all that `{text}` in `{id}` matches is taken away by a later `!`");
            found.push(finding(
                "taken-away",
                message,
                "the last pattern that matches decides: put it after the `!`, or remove it",
            ));
        }
    }
    found
}
