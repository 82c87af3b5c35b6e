//! What a task of turbo watches, makes and sees, as a step says it. Pure.

use super::super::draft::{Draft, Imported};
use super::super::node::Look;
use super::super::packages::{is_covered, locks};
use super::super::{Repository, filter::literal};
use crate::base::RepoPath;
use crate::config::yaml::Node;

/// What is said of one task: by the package itself, else at the root.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub own: Option<&'a Node>,
    pub base: Option<&'a Node>,
}

impl<'a> Said<'a> {
    fn get(&self, key: &str) -> Option<&'a Node> {
        self.own.and_then(|own| own.get(key)).or_else(|| self.base.and_then(|base| base.get(key)))
    }

    /// The texts of a key. `$TURBO_EXTENDS$` of a package stands for what the root says.
    pub fn texts(&self, key: &str) -> Vec<&'a str> {
        let of = |node: Option<&'a Node>| -> Vec<&'a str> {
            let texts = node.and_then(|node| node.get(key)).map(Look::texts).unwrap_or_default();
            texts.into_iter().map(|(text, _)| text).collect()
        };
        if self.own.and_then(|own| own.get(key)).is_none() {
            return of(self.base);
        }
        let mut own = of(self.own);
        if own.contains(&"$TURBO_EXTENDS$") {
            own.retain(|text| *text != "$TURBO_EXTENDS$");
            own.extend(of(self.base));
        }
        own
    }

    pub fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(Look::is_true)
    }

    /// Has it what is not understood here?
    pub fn odd(&self) -> Option<&'static str> {
        ["dotEnv", "extends"].into_iter().find(|key| self.get(key).is_some())
    }
}

/// What all tasks watch and see.
pub(super) struct Shared<'a> {
    files: Vec<String>,
    env: Vec<String>,
    /// Folders of all packages.
    folders: Vec<&'a RepoPath>,
}

impl<'a> Shared<'a> {
    pub fn of(
        root: &Node,
        path: &RepoPath,
        repo: &Repository<'_>,
        folders: Vec<&'a RepoPath>,
        out: &mut Imported,
    ) -> Self {
        let texts = |key: &str| root.get(key).map(Look::texts).unwrap_or_default();
        let mut files = locks(repo);
        files.extend(literal(path));
        let (globs, variables): (Vec<_>, Vec<_>) =
            texts("globalDependencies").into_iter().partition(|(text, _)| !text.starts_with('$'));
        files.extend(globs.into_iter().map(|(text, _)| text.trim_start_matches("./").to_owned()));
        let mut env: Vec<String> = variables.into_iter().map(|(text, _)| text[1..].to_owned()).collect();
        let named = texts("globalEnv").into_iter().chain(texts("globalPassThroughEnv"));
        env.extend(named.map(|(text, _)| text.to_owned()));
        for key in ["remoteCache", "experimentalUI", "boundaries", "globalDotEnv"] {
            if let Some(there) = root.get(key) {
                out.lose(path, there.line(), format!("`{key}`"), "wf has nothing like it here", "");
            }
        }
        Self { files, env, folders }
    }

    /// Fills in what one task watches, makes and sees. `upstream`: its result depends on tasks of other packages, and so on
    /// all files of those that lack such a task.
    pub fn watch(
        &self,
        draft: &mut Draft,
        said: &Said<'_>,
        upstream: bool,
        (path, line): (&RepoPath, u32),
        out: &mut Imported,
    ) {
        let what = format!("the task `{}`", draft.key);
        let at_root = draft.for_each.is_empty();
        let here = |text: &str| place(text, at_root);
        draft.outputs = said.texts("outputs").into_iter().map(here).collect();
        if draft.outputs.first().is_some_and(|first| first.starts_with('!')) {
            draft.outputs.clear();
        }
        draft.cached = !said.get("cache").is_some_and(Look::is_false);
        let env = self.env.iter().map(String::as_str);
        for name in env.chain(said.texts("env")).chain(said.texts("passThroughEnv")) {
            if name.contains('*') || name.starts_with('!') {
                let why = format!("the variables `{name}` of it have no list: it is not cached");
                out.lose(path, line, what.clone(), why, "name them in `env`");
                draft.cached = false;
            } else {
                draft.env.push((name.to_owned(), None));
            }
        }
        if let Some(key) = said.odd() {
            let why = format!("`{key}` of it is not understood: it watches everything, and is not cached");
            out.lose(path, line, what, why, "name its `inputs`");
            return draft.watch_everything();
        }
        let inputs = said.texts("inputs");
        let default = inputs.iter().any(|text| text.starts_with("$TURBO_DEFAULT$"));
        let named: Vec<String> =
            inputs.iter().filter(|text| !text.starts_with("$TURBO_DEFAULT$")).map(|text| here(text)).collect();
        let narrow = !named.is_empty() && !default && !upstream;
        if narrow {
            draft.inputs = named;
            draft.inputs.push(here("package.json"));
            draft.inputs.extend(self.files.iter().cloned());
            if draft.inputs.first().is_some_and(|first| first.starts_with('!')) {
                draft.inputs.insert(0, here("**"));
            }
            return;
        }
        if !named.is_empty() {
            let why = if default {
                "`$TURBO_DEFAULT$` with more: it watches its folder, what it depends on, and what all share"
            } else {
                "it depends on other packages' tasks: it watches its folder, what it depends on, and what all share"
            };
            out.lose(path, line, format!("the inputs of {what}"), why, "name its `inputs` if that is too much");
        }
        // A plain step watches everything by itself; an instance does not watch other instances' folders.
        let uncovered = named.iter().chain(&self.files).find(|text| !is_covered(text, &self.folders));
        if let Some(text) = uncovered.filter(|_| !at_root) {
            let why = format!("`{text}` is in other packages' folders: it watches everything, and is not cached");
            out.lose(path, line, format!("the inputs of {what}"), why, "name its `inputs`");
            draft.watch_everything();
        }
    }
}

/// A pattern of a package, from its folder: `./x`; one of the workspace from the root.
fn place(text: &str, at_root: bool) -> String {
    let (mark, body) = text.strip_prefix('!').map_or(("", text), |body| ("!", body));
    let body = body.trim_start_matches("./");
    match body.strip_prefix("$TURBO_ROOT$/") {
        Some(body) => format!("{mark}{body}"),
        None if at_root => format!("{mark}{body}"),
        None => format!("{mark}./{body}"),
    }
}
