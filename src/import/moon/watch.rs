//! What a task of moon watches, makes and sees, as a step says it. Pure.

use super::super::draft::{Draft, Imported};
use super::super::filter::literal;
use super::super::node::Look;
use super::super::packages::{locks, there};
use super::super::workspace::{self, Base};
use super::super::write::one_line;
use super::Repository;
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::BTreeMap;

/// What moon's toolchains look at besides the inputs of a task, in a project and at the root.
const MANIFESTS: [&str; 15] = [
    "package.json",
    "tsconfig.json",
    "tsconfig.options.json",
    ".prototools",
    "Cargo.toml",
    "Cargo.lock",
    "go.mod",
    "go.sum",
    "go.work",
    "deno.json",
    "deno.lock",
    "pyproject.toml",
    "uv.lock",
    "poetry.lock",
    "requirements.txt",
];

/// Where patterns of a project begin.
pub(super) struct Place<'a> {
    /// The project's moon.yml.
    pub path: &'a RepoPath,
    /// The folder of the workspace.
    pub top: &'a RepoPath,
    pub repo: &'a Repository<'a>,
}

/// Patterns, by the name of their group.
type Groups = BTreeMap<String, Vec<String>>;

impl Place<'_> {
    /// Fills in what one task watches, makes and sees. `inputs`: all lists that say it.
    pub fn watch(&self, draft: &mut Draft, node: &Node, inputs: &[&Node], groups: &Groups, out: &mut Imported) {
        let what = format!("the task `{}`", draft.key);
        let (mut patterns, mut open): (Vec<String>, bool) = (vec![], false);
        let mut lose = |line: u32, why: String| {
            let why = format!("{why}: it watches everything");
            out.lose(self.path, line, what.clone(), why, "name its `inputs`");
            open = true;
        };
        for item in inputs.iter().flat_map(|list| list.items()) {
            let line = item.line();
            // More keys than the pattern's say what nobody knows here.
            let Some(text) = text_of(item).filter(|_| item.entries().len() < 2) else {
                let kind = item.entries().first().map_or("entry", |(name, _)| &name.value);
                lose(line, format!("`{}` among its inputs is not carried over", one_line(kind)));
                continue;
            };
            match (variable(text), self.patterns(text, groups)) {
                (Some(name), _) if name.contains('*') => {
                    lose(line, format!("the variables `{name}` among its inputs have no list"));
                }
                (Some(name), _) => draft.env.push((name.to_owned(), None)),
                (None, Ok(more)) => patterns.extend(more),
                (None, Err(why)) => lose(line, format!("`{}` among its inputs {why}", one_line(text))),
            }
        }
        self.outputs(draft, node, groups, out);
        if open || patterns.is_empty() {
            draft.cached = false;
            return;
        }
        patterns.sort_by_key(|pattern| pattern.starts_with('!'));
        patterns.extend(literal(self.path));
        patterns.push(workspace::place("", Base::Folder(self.top), ".moon/**"));
        let manifests = there(self.repo, &self.path.parent(), MANIFESTS);
        let shared = locks(self.repo, self.top).into_iter().chain(there(self.repo, self.top, MANIFESTS));
        for pattern in manifests.into_iter().chain(shared) {
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        draft.inputs = patterns;
    }

    fn outputs(&self, draft: &mut Draft, node: &Node, groups: &Groups, out: &mut Imported) {
        let listed = node.get("outputs").map(Look::items).unwrap_or_default();
        for item in listed {
            let text = text_of(item).filter(|_| item.entries().len() < 2);
            match text.ok_or("is not known here").and_then(|text| self.patterns(text, groups)) {
                Ok(more) => draft.outputs.extend(more),
                Err(why) => {
                    let why =
                        format!("`{}` among its outputs {why}: it is not cached", one_line(text.unwrap_or("entry")));
                    let what = format!("the task `{}`", draft.key);
                    out.lose(self.path, item.line(), what, why, "name its `outputs`");
                    draft.cached = false;
                }
            }
        }
        draft.outputs.sort_by_key(|pattern| pattern.starts_with('!'));
    }

    /// What an entry stands for, or why nobody knows.
    fn patterns(&self, text: &str, groups: &Groups) -> Result<Vec<String>, &'static str> {
        if let Some(call) = text.strip_prefix('@') {
            let (kind, group) = call.split_once('(').unwrap_or((call, ""));
            // A part of a group is watched as the whole; of others (`@root`) only moon knows what they are.
            let known = matches!(kind, "group" | "globs" | "files" | "dirs");
            let group = groups.get(group.trim_end_matches(')')).filter(|_| known);
            let texts = group.ok_or("is a group that is not said here")?;
            return texts.iter().map(|text| self.place(text)).collect();
        }
        self.place(text).map(|pattern| vec![pattern])
    }

    /// `/x` begins in the folder of the workspace, all others in the project's.
    fn place(&self, text: &str) -> Result<String, &'static str> {
        let (mark, body) = text.strip_prefix('!').map_or(("", text), |body| ("!", body));
        if body.contains('$') {
            return Err("depends on variables");
        }
        if body.contains("://") || body.starts_with('@') {
            return Err("is no pattern");
        }
        Ok(match body.strip_prefix('/') {
            Some(body) => workspace::place(mark, Base::Folder(self.top), body),
            None => workspace::place(mark, Base::Folder(&self.path.parent()), body),
        })
    }
}

/// The text of an entry, which may be an object with one key.
fn text_of(item: &Node) -> Option<&str> {
    item.text().or_else(|| item.text_of("file")).or_else(|| item.text_of("glob"))
}

/// The name in `$NAME`, and in `$NAME_*`; moon's own (`$projectRoot`) begin with a small letter.
fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_' || c == '*';
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}
