//! Workflows of GitHub Actions: a step for each job, with the path filters of its workflow and of its `if`. Pure.
//!
//! A job is one step because its parts share a checkout and run one after the other. Does not know: actions (`uses`), but
//! for the two that filter paths.

mod changed;
mod expression;
mod job;
mod script;

use super::Repository;
use super::draft::Imported;
use super::filter::{Translated, github, union};
use super::node::{Look, from_yaml};
use crate::base::RepoPath;
use crate::config::yaml::Node;

/// Events that a change brings about.
const OF_CHANGES: [&str; 4] = ["pull_request", "push", "merge_group", "pull_request_target"];

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("github");
    let root = match from_yaml(text) {
        Ok(root) => root,
        Err((line, why)) => return out.unreadable(path, line, why),
    };
    let Some(on) = root.get("on") else {
        return out.unreadable(path, 0, "it has no `on`, so that it is no workflow");
    };
    let events = events(on);
    if !events.iter().any(|(name, _)| OF_CHANGES.contains(&name.as_str())) {
        let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
        let why = format!("it runs on {}, not on changes", names.join(", "));
        out.lose(path, on.line(), "the workflow", why, "keep it where it is");
        return out;
    }
    for (name, _) in events.iter().filter(|(name, _)| !OF_CHANGES.contains(&name.as_str())) {
        out.lose(path, on.line(), format!("`on: {name}`"), "wf is started by whoever starts it", "");
    }
    let filter = filter(&events, path, repo, &mut out);
    let workflow = job::Workflow { path, root: &root, filter };
    let jobs = root.get("jobs").map(Look::entries).unwrap_or_default();
    if jobs.is_empty() {
        out.lose(path, 0, "the workflow", "it has no jobs", "");
    }
    let rules = changed::rules(jobs, path, repo, &mut out);
    for (id, node) in jobs {
        workflow.job(&id.value, node, &rules, &mut out);
    }
    out
}

/// Each event with what is said of it.
fn events(on: &Node) -> Vec<(String, Option<&Node>)> {
    if on.entries().is_empty() {
        return on.texts().into_iter().map(|(name, _)| (name.to_owned(), None)).collect();
    }
    on.entries().iter().map(|(name, node)| (name.value.clone(), Some(node))).collect()
}

/// The paths that the workflow runs for; none: any.
fn filter(
    events: &[(String, Option<&Node>)],
    path: &RepoPath,
    repo: &Repository<'_>,
    out: &mut Imported,
) -> Option<Vec<String>> {
    let mut filters: Vec<(&str, Vec<String>)> = vec![];
    let mut unfiltered: Vec<&str> = vec![];
    for (name, node) in events.iter().filter(|(name, _)| OF_CHANGES.contains(&name.as_str())) {
        let said = ["paths", "paths-ignore"].into_iter().find_map(|key| Some((key, node.as_ref()?.get(key)?)));
        let Some((key, list)) = said else {
            unfiltered.push(name);
            continue;
        };
        match translated(key, list, path, repo, out) {
            Ok(patterns) => filters.push((name, patterns)),
            Err(why) => {
                let advice = "its jobs watch everything; name their `inputs`";
                out.lose(path, list.line(), format!("`{key}` of `{name}`"), why, advice);
                return None;
            }
        }
    }
    let mut all = filters.first()?.1.clone();
    for (name, patterns) in &filters[1..] {
        if *patterns != all {
            let why = "the events have different filters: wf runs what either would run";
            out.lose(path, 0, format!("the filter of `{name}`"), why, "");
            all = union(&all, patterns);
        }
    }
    if !unfiltered.is_empty() {
        let what = format!("`on: {}` without a filter", unfiltered.join(", "));
        out.lose(path, 0, what, "the filter of the other events is taken for all", "there, say `wf run --all`");
    }
    Some(all)
}

fn translated(key: &str, list: &Node, path: &RepoPath, repo: &Repository<'_>, out: &mut Imported) -> Translated {
    let mut patterns: Vec<&str> = vec![];
    for (text, line) in list.texts() {
        let (mark, body) = text.strip_prefix('!').map_or(("", text), |body| ("!", body));
        let body = body.trim_end_matches('/');
        let names_folder = !body.contains(['*', '?', '[', '\\', '+']) && repo.is_folder(&RepoPath::from(body));
        if names_folder {
            let subtracts = (key == "paths") != mark.is_empty();
            let (why, advice) = if subtracts {
                ("it names a folder, and GitHub takes it for a file: it takes nothing away", "")
            } else {
                ("it names a folder, and GitHub takes it for a file: wf watches what is in the folder", "")
            };
            out.lose(path, line, format!("`{text}` in `{key}`"), why, advice);
            if subtracts {
                continue;
            }
        }
        patterns.push(text);
    }
    if key == "paths" { github::paths(&patterns) } else { github::paths_ignore(&patterns) }
}

#[cfg(test)]
mod tests;
