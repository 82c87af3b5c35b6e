//! What a target of nx watches, makes and sees, as a step says it. Pure.

use super::super::draft::{Draft, Imported};
use super::super::filter::literal;
use super::super::node::Look;
use super::super::packages::is_covered;
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::BTreeMap;

/// What is said of one target: by the project itself, else in nx.json.
#[derive(Clone, Copy, Default)]
pub(super) struct Said<'a> {
    pub own: Option<&'a Node>,
    pub base: Option<&'a Node>,
}

impl<'a> Said<'a> {
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.own.and_then(|own| own.get(key)).or_else(|| self.base.and_then(|base| base.get(key)))
    }
}

/// What nx.json says for all.
pub(super) struct Shared<'a> {
    pub path: &'a RepoPath,
    pub named: BTreeMap<&'a str, &'a Node>,
    /// Folders of all projects.
    pub folders: Vec<&'a RepoPath>,
}

impl Shared<'_> {
    /// Fills in what the target watches, makes and sees. `known`: wf can read what its projects depend on.
    pub fn watch(
        &self,
        draft: &mut Draft,
        said: &Said<'_>,
        known: bool,
        (path, line): (&RepoPath, u32),
        out: &mut Imported,
    ) {
        let what = format!("the target `{}`", draft.key);
        draft.outputs = said
            .get("outputs")
            .map(Look::texts)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(text, line)| {
                let place = place(text);
                if place.is_none() {
                    let why = format!("its output `{text}` depends on its options");
                    out.lose(path, line, what.clone(), why, "name its `outputs`");
                }
                place.map(|place| if place.contains('*') { place } else { format!("{place}/**") })
            })
            .collect();
        let (mut patterns, mut open, mut seen) = (vec![], said.get("inputs").is_none(), vec![]);
        let mut queue: Vec<&Node> =
            said.get("inputs").or_else(|| self.named.get("default").copied()).into_iter().collect();
        while let Some(list) = queue.pop() {
            for item in list.items() {
                match item.text() {
                    Some(text) if text.starts_with('^') => {
                        open = true;
                        // What it says of other projects may name files of the workspace.
                        let of_all = self.named.get(&text[1..]).filter(|_| !seen.contains(&&text[1..]));
                        if let Some(list) = of_all {
                            seen.push(&text[1..]);
                            queue.push(list);
                        }
                    }
                    Some(text) if text.contains('{') => match place(text) {
                        Some(pattern) => patterns.push(pattern),
                        None => open = true,
                    },
                    Some(name) if seen.contains(&name) => {}
                    Some(name) => match self.named.get(name) {
                        Some(list) => {
                            seen.push(name);
                            queue.push(list);
                        }
                        None => open = true,
                    },
                    None if item.get("env").is_some() => {
                        draft.env.push((item.text_of("env").unwrap_or_default().to_owned(), None));
                    }
                    None => {
                        let kind = item.entries().first().map_or("entry", |(name, _)| &name.value);
                        let why = format!("`{kind}` among its inputs is not carried over");
                        out.lose(path, item.line(), what.clone(), why, "declare `tools`, or name what it reads");
                        draft.cached = false;
                        open = true;
                    }
                }
            }
        }
        let each = !draft.for_each.is_empty();
        let uncovered = patterns.iter().any(|pattern| !is_covered(pattern, &self.folders));
        if each && open && (!known || uncovered) {
            let why = if known {
                "they are in other projects' folders: it watches everything, and is not cached"
            } else {
                "wf cannot read what its projects depend on: it watches everything, and is not cached"
            };
            out.lose(path, line, format!("the inputs of {what}"), why, "name its `inputs`");
            return draft.watch_everything();
        }
        // Files of projects that it depends on are what an instance watches by default; patterns could not say them.
        if open || patterns.iter().all(|pattern| pattern.starts_with('!')) {
            return;
        }
        patterns.sort_by_key(|pattern| pattern.starts_with('!'));
        draft.inputs = patterns;
        draft.inputs.extend(literal(self.path));
    }
}

/// `{projectRoot}/x` is `./x`, `{workspaceRoot}/x` is `x`.
fn place(text: &str) -> Option<String> {
    let (mark, body) = text.strip_prefix('!').map_or(("", text), |body| ("!", body));
    let (root, body) = match body.strip_prefix("{projectRoot}") {
        Some(body) => ("./", body),
        None => ("", body.strip_prefix("{workspaceRoot}").unwrap_or(body)),
    };
    let body = body.trim_start_matches('/').replace("{projectName}", "*");
    if body.contains("{options") || body.contains("{projectRoot}") || body.contains("{workspaceRoot}") {
        return None;
    }
    let body = if body.is_empty() { "**".to_owned() } else { body };
    Some(format!("{mark}{root}{body}"))
}
