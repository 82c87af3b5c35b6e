//! What a task of turbo watches, makes and sees, as a step says it. Pure.

use super::super::draft::{Draft, Imported};
use super::super::node::Look;
use super::super::packages::{Package, locks};
use super::super::workspace::{Base, Said, blind, place, uncovered};
use super::super::{Repository, filter::literal};
use crate::base::RepoPath;
use crate::config::yaml::Node;

/// On which files a task depends by way of the tasks it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// On those of steps, and it waits for them.
    Steps,
    /// On all of its package, and of those that it depends on.
    Upstream,
    /// Nobody knows.
    Everything,
}

/// The texts of a key. `$TURBO_EXTENDS$` of a package stands for what the root says.
pub(super) fn texts<'a>(said: &Said<'a>, key: &str) -> Vec<&'a str> {
    let of = |node: Option<&'a Node>| -> Vec<&'a str> {
        let texts = node.and_then(|node| node.get(key)).map(Look::texts).unwrap_or_default();
        texts.into_iter().map(|(text, _)| text).collect()
    };
    if said.own.and_then(|own| own.get(key)).is_none() {
        return of(said.base);
    }
    let mut own = of(said.own);
    if own.contains(&"$TURBO_EXTENDS$") {
        own.retain(|text| *text != "$TURBO_EXTENDS$");
        own.extend(of(said.base));
    }
    own
}

/// What all tasks watch and see.
pub(super) struct Shared<'a> {
    /// The folder of the workspace.
    root: RepoPath,
    files: Vec<String>,
    env: Vec<String>,
    /// Folders of all packages that may be instances.
    folders: Vec<&'a RepoPath>,
}

impl<'a> Shared<'a> {
    /// `below`: the packages that the root's depends on; turbo counts their files for every task.
    pub fn of(
        root: &Node,
        path: &RepoPath,
        repo: &Repository<'_>,
        packages: &'a [Package],
        below: &[&Package],
        out: &mut Imported,
    ) -> Self {
        let folder = path.parent();
        let texts = |key: &str| root.get(key).map(Look::texts).unwrap_or_default();
        let mut files = locks(repo, &folder);
        files.extend(literal(path));
        files.extend(below.iter().map(|package| place("", Base::Folder(&package.folder), "**")));
        let (globs, variables): (Vec<_>, Vec<_>) =
            texts("globalDependencies").into_iter().partition(|(text, _)| !text.starts_with('$'));
        // What is taken off here is not taken off what a task names.
        let globs = globs.into_iter().filter(|(text, _)| !text.starts_with('!'));
        files.extend(globs.map(|(text, _)| place("", Base::Folder(&folder), text)));
        let mut env: Vec<String> = variables.into_iter().map(|(text, _)| text[1..].to_owned()).collect();
        let named = texts("globalEnv").into_iter().chain(texts("globalPassThroughEnv"));
        env.extend(named.map(|(text, _)| text.to_owned()));
        for key in ["remoteCache", "experimentalUI", "boundaries", "globalDotEnv"] {
            if let Some(there) = root.get(key) {
                out.lose(path, there.line(), format!("`{key}`"), "wf has nothing like it here", "");
            }
        }
        let shared = |package: &&Package| below.iter().any(|one| one.folder == package.folder);
        let folders = packages.iter().filter(|package| !shared(package)).map(|package| &package.folder).collect();
        Self { root: folder, files, env, folders }
    }

    /// Fills in what one task watches, makes and sees. `file`: where it is said.
    pub fn watch(
        &self,
        draft: &mut Draft,
        said: &Said<'_>,
        reach: Reach,
        (file, line): (&RepoPath, u32),
        out: &mut Imported,
    ) {
        let what = format!("the task `{}`", draft.key);
        let plain = draft.for_each.is_empty();
        let base = if plain && draft.dir == self.root { Base::Folder(&self.root) } else { Base::Instance };
        let here = |text: &str| self.place(text, base);
        draft.outputs = texts(said, "outputs").into_iter().map(here).collect();
        draft.outputs.sort_by_key(|pattern| pattern.starts_with('!'));
        if draft.outputs.first().is_some_and(|first| first.starts_with('!')) {
            draft.outputs.clear();
        }
        draft.cached = !said.get("cache").is_some_and(Look::is_false);
        let env = self.env.iter().map(String::as_str);
        for name in env.chain(texts(said, "env")).chain(texts(said, "passThroughEnv")) {
            if name.contains('*') || name.starts_with('!') {
                let why = format!("the variables `{name}` of it have no list: it is not cached");
                out.lose(file, line, what.clone(), why, "name them in `env`");
                draft.cached = false;
            } else {
                draft.env.push((name.to_owned(), None));
            }
        }
        if let Some(key) = ["dotEnv", "extends"].into_iter().find(|key| said.get(key).is_some()) {
            let why = format!("`{key}` of it is not understood: it watches everything, and is not cached");
            out.lose(file, line, what, why, "name its `inputs`");
            return draft.watch_everything();
        }
        if reach == Reach::Everything {
            return blind(draft, &what, "it waits for a task of another package that is no step", (file, line), out);
        }
        let inputs = texts(said, "inputs");
        let default = inputs.iter().any(|text| text.starts_with("$TURBO_DEFAULT$"));
        let mut named: Vec<String> =
            inputs.iter().filter(|text| !text.starts_with("$TURBO_DEFAULT$")).map(|text| here(text)).collect();
        named.sort_by_key(|pattern| pattern.starts_with('!'));
        if !named.is_empty() && !default && reach == Reach::Steps {
            draft.inputs = named;
            if draft.inputs.first().is_some_and(|first| first.starts_with('!')) {
                draft.inputs.insert(0, here("**"));
            }
            let own = literal(file).filter(|_| said.own.is_some());
            for file in [here("package.json")].into_iter().chain(own).chain(self.files.iter().cloned()) {
                if !draft.inputs.contains(&file) {
                    draft.inputs.push(file);
                }
            }
            return;
        }
        if !named.is_empty() {
            let why = if default {
                "`$TURBO_DEFAULT$` with more: it watches its folder, what it depends on, and what all share"
            } else {
                "it depends on other tasks, which are no steps, or other packages': it watches its folder, what it depends on, \
                 and what all share"
            };
            out.lose(file, line, format!("the inputs of {what}"), why, "name its `inputs` if that is too much");
        }
        // A plain step watches everything by itself; an instance does not watch other instances' folders.
        draft.also = [named, self.files.clone()].concat();
        if let Some(text) = uncovered(&draft.also, &self.folders).filter(|_| !plain).cloned() {
            blind(draft, &what, &format!("`{text}` is in other packages' folders"), (file, line), out);
        }
    }

    /// A pattern of a task: `$TURBO_ROOT$/x` begins in the folder of the workspace.
    fn place(&self, text: &str, base: Base<'_>) -> String {
        let (mark, body) = text.strip_prefix('!').map_or(("", text), |body| ("!", body));
        match body.trim_start_matches("./").strip_prefix("$TURBO_ROOT$/") {
            Some(body) => place(mark, Base::Folder(&self.root), body),
            None => place(mark, base, body),
        }
    }
}
