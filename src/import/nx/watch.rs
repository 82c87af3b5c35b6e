//! What a target of nx watches, makes and sees, as a step says it. Pure.

use super::super::draft::{Draft, Imported};
use super::super::filter::literal;
use super::super::node::Look;
use super::super::packages::{locks, there};
use super::super::workspace::{Base, Said, blind, place, uncovered};
use super::super::write::one_line;
use super::{Project, Repository};
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::BTreeMap;

/// What nx.json says for all.
pub(super) struct Shared<'a> {
    pub named: BTreeMap<&'a str, &'a Node>,
    /// The folder of the workspace.
    root: RepoPath,
    /// What nx watches for every target.
    files: Vec<String>,
    /// Folders of all projects.
    folders: Vec<&'a RepoPath>,
}

/// What an entry of `inputs` is.
enum Input<'a> {
    /// A pattern or the name of a list; `^`: of the projects that this one depends on.
    Text(String),
    /// A variable.
    Variable(&'a str),
    /// What other tasks make, or which packages are installed: instances watch that by themselves.
    Default(&'a str),
    /// What nobody knows here.
    Unknown(&'a str),
}

impl<'a> Input<'a> {
    fn of(item: &'a Node) -> Self {
        if let Some(text) = item.text() {
            return Self::Text(text.to_owned());
        }
        let first = item.entries().first().map_or("entry", |(name, _)| &name.value);
        let only = |keys: &[&str]| item.entries().iter().all(|(name, _)| keys.contains(&name.value.as_str()));
        let list = item.text_of("input").or_else(|| item.text_of("fileset"));
        if let Some(text) = list.filter(|_| only(&["input", "fileset", "dependencies", "projects"])) {
            let upstream = item.get("dependencies").is_some_and(Look::is_true);
            return match item.get("projects").map(Look::texts).as_deref() {
                None | Some([("self", _)]) => Self::Text(if upstream { format!("^{text}") } else { text.to_owned() }),
                Some([("dependencies", _)]) => Self::Text(format!("^{text}")),
                Some(_) => Self::Unknown("projects"),
            };
        }
        match first {
            "env" if only(&["env"]) => Self::Variable(item.text_of("env").unwrap_or_default()),
            "runtime" | "externalDependencies" | "dependentTasksOutputFiles" => Self::Default(first),
            _ => Self::Unknown(first),
        }
    }
}

impl<'a> Shared<'a> {
    pub fn of(path: &RepoPath, root: &'a Node, repo: &Repository<'_>, projects: &'a [Project]) -> Self {
        const OF_ALL: [&str; 4] = ["tsconfig.base.json", "tsconfig.json", ".gitignore", ".nxignore"];
        let folder = path.parent();
        let named = root.get("namedInputs").map(Look::entries).unwrap_or_default();
        let mut files: Vec<String> = literal(path).into_iter().collect();
        files.extend(locks(repo, &folder));
        files.extend(there(repo, &folder, OF_ALL));
        Self {
            named: named.iter().map(|(name, node)| (&*name.value, node)).collect(),
            files,
            folders: projects.iter().map(|project| &project.folder).filter(|at| **at != folder).collect(),
            root: folder,
        }
    }

    /// Fills in what the target of these projects watches, makes and sees. `known`: wf can read what they depend on.
    pub fn watch(
        &self,
        draft: &mut Draft,
        said: &Said<'_>,
        (with, known): (&[&Project], bool),
        at: (&RepoPath, u32),
        out: &mut Imported,
    ) {
        let what = format!("the target `{}`", draft.key);
        self.outputs(draft, said, at, out);
        let (mut patterns, mut open, mut seen) = (vec![], said.get("inputs").is_none(), vec![]);
        let mut queue: Vec<&Node> =
            said.get("inputs").or_else(|| self.named.get("default").copied()).into_iter().collect();
        while let Some(list) = queue.pop() {
            for item in list.items() {
                let text = match Input::of(item) {
                    Input::Text(text) => text,
                    Input::Variable(name) => {
                        draft.env.push((name.to_owned(), None));
                        continue;
                    }
                    Input::Default(kind) => {
                        let why = format!("`{kind}` among its inputs is not carried over");
                        out.lose(at.0, item.line(), what.clone(), why, "declare `tools`, or name what it reads");
                        draft.cached = false;
                        open = true;
                        continue;
                    }
                    Input::Unknown(kind) => {
                        let why = format!("`{}` among its inputs is not carried over", one_line(kind));
                        return blind(draft, &what, &why, (at.0, item.line()), out);
                    }
                };
                let (upstream, text) = text.strip_prefix('^').map_or((false, &*text), |text| (true, text));
                // What it says of other projects may name files of the workspace.
                open |= upstream;
                if text.contains('{') {
                    match self.place(text) {
                        Some(pattern) => patterns.push(pattern),
                        None => open = true,
                    }
                } else if !seen.iter().any(|known| known == text) {
                    match self.named.get(text) {
                        Some(list) => queue.push(list),
                        None => open = true,
                    }
                    seen.push(text.to_owned());
                }
            }
        }
        let each = !draft.for_each.is_empty();
        if each && open && !known {
            return blind(draft, &what, "wf cannot read what its projects depend on", at, out);
        }
        if each && open && uncovered(patterns.iter().chain(&self.files), &self.folders).is_some() {
            return blind(draft, &what, "they are in other projects' folders", at, out);
        }
        // Files of projects that it depends on are what an instance watches by default; patterns could not say them.
        if open {
            draft.also = [patterns.clone(), self.files.clone()].concat();
        }
        if open || patterns.iter().all(|pattern| pattern.starts_with('!')) {
            return;
        }
        patterns.sort_by_key(|pattern| pattern.starts_with('!'));
        draft.inputs = patterns;
        // What says what the project is counts, whatever a target names.
        let manifests = ["project.json", "package.json"].into_iter();
        let own = manifests.filter(|name| with.iter().any(|project| project.manifests.contains(name)));
        draft.inputs.extend(own.map(|name| format!("./{name}")));
        let more = self.files.iter().filter(|file| !draft.inputs.contains(file)).cloned().collect::<Vec<_>>();
        draft.inputs.extend(more);
    }

    fn outputs(&self, draft: &mut Draft, said: &Said<'_>, (path, line): (&RepoPath, u32), out: &mut Imported) {
        let what = format!("the target `{}`", draft.key);
        let Some(listed) = said.get("outputs") else {
            let guesses =
                draft.cached && ["build", "prepare"].iter().any(|name| draft.key.rsplit(':').next() == Some(name));
            if guesses {
                let why = "it does not say its `outputs`, and nx guesses them: it is not cached";
                out.lose(path, line, what, why, "name its `outputs`");
                draft.cached = false;
            }
            return;
        };
        for (text, line) in listed.texts() {
            if let Some(place) = self.place(text) {
                draft.outputs.push(place.trim_end_matches('/').to_owned());
            } else {
                let why = format!("its output `{text}` depends on its options: it is not cached");
                out.lose(path, line, what.clone(), why, "name its `outputs`");
                draft.cached = false;
            }
        }
        draft.outputs.sort_by_key(|pattern| pattern.starts_with('!'));
    }

    /// `{projectRoot}/x` is `./x`, `{workspaceRoot}/x` is `x` in the folder of the workspace.
    fn place(&self, text: &str) -> Option<String> {
        let (mark, body) = text.strip_prefix('!').map_or(("", text), |body| ("!", body));
        let (base, body) = match body.strip_prefix("{projectRoot}") {
            Some(body) => (Base::Instance, body),
            None => (Base::Folder(&self.root), body.strip_prefix("{workspaceRoot}").unwrap_or(body)),
        };
        // The name may be any; what is taken off for one name would be taken off for all.
        if body.contains("{projectName}") && !mark.is_empty() {
            return None;
        }
        let body = body.trim_start_matches('/').replace("{projectName}", "*");
        if ["{options", "{projectRoot}", "{workspaceRoot}"].iter().any(|part| body.contains(part)) {
            return None;
        }
        Some(place(mark, base, if body.is_empty() { "**" } else { &body }))
    }
}
