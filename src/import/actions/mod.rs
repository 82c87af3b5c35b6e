//! Workflows of GitHub Actions: a step for each job, with the path filters of its workflow and of its `if`. Pure.
//!
//! A job is one step because its parts share a checkout and run one after the other. Does not know: actions (`uses`), but
//! for the two that filter paths.

mod changed;
mod condition;
mod expression;
mod job;
mod keys;
mod matrix;
mod script;
mod value;
mod variables;

use super::Repository;
use super::draft::Imported;
use super::filter::{Translated, github, union};
use super::node::{Look, from_yaml};
use super::write::one_line;
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
    let (of_changes, others): (Vec<_>, Vec<_>) = events.iter().partition(|(name, node)| is_of_changes(name, *node));
    if of_changes.is_empty() {
        let names: Vec<String> = events.iter().map(|(name, node)| said(name, *node)).collect();
        let why = format!("it runs on {}, not on changes of the main line", one_line(&names.join(", ")));
        out.lose(path, on.line(), "the workflow", why, "keep it where it is");
        return out;
    }
    for (name, node) in others {
        let what = format!("`on: {}`", one_line(&said(name, *node)));
        out.lose(path, on.line(), what, "wf is started by whoever starts it", "");
    }
    for (name, node) in &of_changes {
        for key in ["branches", "branches-ignore", "types", "tags", "tags-ignore"] {
            if let Some(there) = node.and_then(|node| node.get(key)) {
                let why = "wf does the same on every branch and for every request";
                out.lose(path, there.line(), format!("`{key}` of `{name}`"), why, "");
            }
        }
    }
    let events: Vec<(String, Option<&Node>)> = of_changes.into_iter().cloned().collect();
    let filter = filter(&events, path, repo, &mut out);
    let started = started(&events);
    let workflow = job::Workflow { path, root: &root, filter, started };
    const KNOWN: [&str; 7] = ["name", "run-name", "on", "permissions", "env", "defaults", "jobs"];
    keys::tell_unknown(&root, &KNOWN, "the workflow", path, &mut out);
    let jobs = root.get("jobs").map(Look::entries).unwrap_or_default();
    if jobs.is_empty() {
        out.lose(path, 0, "the workflow", "it has no jobs", "");
    }
    let rules = changed::rules(jobs, started, path, repo, &mut out);
    for (id, node) in jobs {
        workflow.job(&id.value, node, &rules, &mut out);
    }
    out
}

/// What the main line is called, where nobody has to say it.
const MAIN_LINES: [&str; 6] = ["main", "master", "trunk", "develop", "development", "dev"];

/// Does a change of what people work on bring it about: not a tag, another branch, or a label?
fn is_of_changes(name: &str, node: Option<&Node>) -> bool {
    /// Kinds of events of a pull request that come with commits.
    const WITH_COMMITS: [&str; 5] = ["opened", "synchronize", "reopened", "ready_for_review", "edited"];
    let list = |key: &str| node.and_then(|node| node.get(key)).map(Look::texts);
    match name {
        "push" => {
            let branches = list("branches");
            let tags = list("tags").is_some() || list("tags-ignore").is_some();
            let only_tags = tags && branches.is_none() && list("branches-ignore").is_none();
            let is_main = |name: &str| MAIN_LINES.contains(&name) || name.contains(['*', '?', '[', '+', '$']);
            !only_tags && branches.is_none_or(|names| names.is_empty() || names.iter().any(|(name, _)| is_main(name)))
        }
        "pull_request" | "pull_request_target" => {
            list("types").is_none_or(|types| types.iter().any(|(name, _)| WITH_COMMITS.contains(name)))
        }
        name => OF_CHANGES.contains(&name),
    }
}

/// Is it a request to take changes in?
fn is_request(name: &str) -> bool {
    matches!(name, "pull_request" | "pull_request_target")
}

/// Is it a push to named lines alone, where no work is under way: the main line, releases?
fn is_push_to_lines(name: &str, node: Option<&Node>) -> bool {
    let branches = node.and_then(|node| node.get("branches")).map(Look::texts).unwrap_or_default();
    let is_line = |name: &str| {
        MAIN_LINES.contains(&name) || name.starts_with("release") || !name.contains(['*', '?', '[', '+', '!', '$'])
    };
    name == "push" && !branches.is_empty() && branches.iter().all(|(name, _)| is_line(name))
}

/// What conditions may ask of the events.
fn started(events: &[(String, Option<&Node>)]) -> condition::Started {
    let has = |wanted: &dyn Fn(&str, Option<&Node>) -> bool| events.iter().any(|(name, node)| wanted(name, *node));
    let requests = has(&|name, _| is_request(name));
    condition::Started {
        by_push: !requests || has(&|name, node| name == "push" && !is_push_to_lines(name, node)),
        on_branch: !requests || has(&|name, _| name == "pull_request_target"),
    }
}

/// An event in words.
fn said(name: &str, node: Option<&Node>) -> String {
    let mut keys = ["tags", "branches", "types"].into_iter();
    let more = keys.find_map(|key| Some((key, node?.get(key)?.texts())));
    more.map_or_else(
        || name.to_owned(),
        |(key, texts)| {
            format!("{name} ({key}: {})", texts.iter().map(|(text, _)| *text).collect::<Vec<_>>().join(", "))
        },
    )
}

/// Each event with what is said of it.
fn events(on: &Node) -> Vec<(String, Option<&Node>)> {
    if on.entries().is_empty() {
        return on.texts().into_iter().map(|(name, _)| (name.to_owned(), None)).collect();
    }
    on.entries().iter().map(|(name, node)| (name.value.clone(), Some(node))).collect()
}

/// The paths that the workflow runs for; none: any. It is narrow only if everything that comes with the work of people has a
/// filter: requests, and pushes to any branch.
fn filter(
    events: &[(String, Option<&Node>)],
    path: &RepoPath,
    repo: &Repository<'_>,
    out: &mut Imported,
) -> Option<Vec<String>> {
    let mut filters: Vec<(&str, Vec<String>)> = vec![];
    let mut unfiltered: Vec<(&str, Option<&Node>)> = vec![];
    for (name, node) in events.iter().filter(|(name, _)| OF_CHANGES.contains(&name.as_str())) {
        let said = ["paths", "paths-ignore"].into_iter().find_map(|key| Some((key, node.as_ref()?.get(key)?)));
        let Some((key, list)) = said else {
            unfiltered.push((name, *node));
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
    for (name, node) in &unfiltered {
        let what = format!("`on: {name}` without a filter");
        if *name != "merge_group" && !is_push_to_lines(name, *node) {
            let why = "it runs for every file: the jobs watch everything, whatever filter the other events have";
            out.lose(path, node.map_or(0, Look::line), what, why, "name their `inputs`");
            return None;
        }
        let why = "the filter of the other events is taken for all";
        out.lose(path, node.map_or(0, Look::line), what, why, "there, say `wf run --all`");
    }
    for (name, patterns) in &filters[1..] {
        if *patterns != all {
            let why = "the events have different filters: wf runs what either would run";
            out.lose(path, 0, format!("the filter of `{name}`"), why, "");
            all = union(&all, patterns);
        }
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
