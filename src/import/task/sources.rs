//! What tasks read and make, by their `sources` and `generates`, with what runs whenever they do. Pure.

use super::super::draft::{Draft, Imported};
use super::super::filter::{literal, union};
use super::super::node::Look;
use super::files::Scope;
use super::{Task, Tasks};
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::BTreeSet;

/// A step that watches more patterns than this watches everything.
const PATTERNS_MAX: usize = 200;

/// What a task reads itself, and what all that run with it read, without what those leave out; or why that is not known.
pub(super) type Reads = Result<(Vec<String>, Vec<String>), &'static str>;

/// What each of the tasks reads.
pub(super) fn reads(tasks: &Tasks<'_>) -> Vec<Reads> {
    let below = |task: &Task<'_>| -> Option<Vec<usize>> {
        let names = tasks.deps(task).into_iter().chain(tasks.calls(task));
        names.map(|(name, _)| tasks.by_name.get(&name).copied()).collect()
    };
    let edges: Vec<Option<Vec<usize>>> = tasks.all.iter().map(below).collect();
    let mut done: Vec<Option<Reads>> = vec![None; edges.len()];
    let mut open = vec![false; edges.len()];
    for start in 0..edges.len() {
        // Deepest first, without recursion: a chain may be as long as a file.
        let mut path: Vec<(usize, usize)> = if done[start].is_some() { vec![] } else { vec![(start, 0)] };
        while let Some((at, next)) = path.pop() {
            open[at] = true;
            let Some(to) = edges[at].as_ref().and_then(|all| all.get(next)) else {
                open[at] = false;
                let result = done[at].take().unwrap_or_else(|| together(&tasks.all[at], edges[at].as_deref(), &done));
                done[at] = Some(result);
                continue;
            };
            path.push((at, next + 1));
            if open[*to] {
                done[at] = Some(Err("what it calls waits for it in a ring"));
            } else if done[*to].is_none() {
                path.push((*to, 0));
            }
        }
    }
    done.into_iter().map(|one| one.unwrap_or(Err(UNKNOWN))).collect()
}

const UNKNOWN: &str = "what it calls does not say its `sources`, or with variables";

/// What a task reads itself, and all that it calls.
fn together(task: &Task<'_>, below: Option<&[usize]>, done: &[Option<Reads>]) -> Reads {
    let own = list(task, "sources").map_err(|_| UNKNOWN)?;
    if own.is_empty() || decides_otherwise(task).is_some() {
        return Err(UNKNOWN);
    }
    let (mut others, mut seen) = (vec![], BTreeSet::new());
    for at in below.ok_or(UNKNOWN)? {
        let (theirs, more) = done[*at].as_ref().ok_or(UNKNOWN)?.as_ref().map_err(|why| *why)?;
        // What one task leaves out another may need.
        let added = theirs.iter().filter(|pattern| !pattern.starts_with('!')).chain(more);
        others.extend(added.filter(|pattern| seen.insert(*pattern)).cloned());
        if own.len() + others.len() > PATTERNS_MAX {
            return Err("with what it calls it reads more than 200 patterns");
        }
    }
    Ok((own, others))
}

/// What makes a task run whatever its `sources` say.
fn decides_otherwise(task: &Task<'_>) -> Option<&'static str> {
    if task.node.get("status").is_some() {
        return Some("its `status` decides, too: it watches everything");
    }
    let method = task.node.text_of("method").or_else(|| task.root.text_of("method"));
    (method == Some("none")).then_some("`method: none` runs it always: it watches everything")
}

/// Says what a step watches and makes.
pub(super) fn watch(draft: &mut Draft, task: &Task<'_>, reads: Reads, files: &[(Scope, Node)], out: &mut Imported) {
    let what = format!("the task `{}`", draft.key);
    let file = &task.scope.file;
    let mut told = |key: &str| {
        list(task, key).unwrap_or_else(|(line, text)| {
            let why = format!("`{text}` in `{key}` depends on variables, or is outside");
            out.lose(file, line, what.clone(), why, "name it by hand");
            vec![]
        })
    };
    draft.outputs = told("generates");
    if told("sources").is_empty() {
        return;
    }
    let reads = match (decides_otherwise(task), reads) {
        (Some(why), _) => Err(why.to_owned()),
        (None, reads) => reads.map_err(|why| format!("{why}: it watches everything")),
    };
    match reads {
        Err(why) => out.lose(file, task.line, format!("the sources of {what}"), why, "name its `inputs`"),
        // What runs before it may make what it reads: whatever that reads counts, too.
        Ok((own, others)) => {
            draft.inputs = union(&own, &others);
            let mut seen = BTreeSet::new();
            let read = files.iter().filter(|(scope, _)| seen.insert(&scope.file));
            draft.inputs.extend(read.filter_map(|(scope, _)| literal(&scope.file)));
        }
    }
}

/// The patterns of a key, from the root; or the line and text of one that depends on variables, or leads outside.
fn list<'a>(task: &Task<'a>, key: &str) -> Result<Vec<String>, (u32, &'a str)> {
    let mut all = vec![];
    for item in task.node.get(key).map(Look::items).unwrap_or_default() {
        let (mark, text) = match (item.text(), item.text_of("exclude")) {
            (Some(text), _) => ("", text),
            (None, Some(text)) => ("!", text),
            (None, None) => continue,
        };
        let pattern = place(task, text).ok_or((item.line(), text))?;
        all.push(format!("{mark}{pattern}"));
    }
    Ok(all)
}

/// A pattern of a task, from the root.
fn place(task: &Task<'_>, text: &str) -> Option<String> {
    let folder = task.scope.folder.as_ref()?;
    let mut base: RepoPath = match task.node.text_of("dir") {
        None => folder.clone(),
        Some(dir) if dir.contains("{{") || dir.contains(['$', '~']) => return None,
        Some(dir) => folder.join(dir.as_bytes())?,
    };
    let mut inside = text.trim_start_matches("./");
    while let Some(above) = inside.strip_prefix("../") {
        base = if base.is_root() { return None } else { base.parent() };
        inside = above;
    }
    // A leading `!` is part of a name there.
    let outside = inside.split('/').any(|part| part == "..") || inside.starts_with(['/', '~', '!']);
    if inside.contains("{{") || inside.contains('$') || outside {
        return None;
    }
    let folder = literal(&base)?;
    Some(if folder.is_empty() { inside.to_owned() } else { format!("{folder}/{inside}") })
}
