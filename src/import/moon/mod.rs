//! moon: a step for each task that a project's moon.yml declares, which `moon run` runs. Pure.
//!
//! What `.moon/tasks*` says for all projects (groups, inputs, dependencies) is taken along. Does not know: which tasks a project
//! inherits; that depends on what moon finds out of it.

mod watch;

use super::Repository;
use super::draft::{Draft, Imported, kind_of};
use super::judge;
use super::node::{Look, from_yaml};
use super::workspace::blind;
use super::write::{one_line, word};
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::{BTreeMap, BTreeSet};
use watch::Place;

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("moon");
    if path.parent().file_name() != b".moon" {
        return match from_yaml(text) {
            Ok(root) => {
                let top = top_of(path, repo);
                let names = Names::of(repo, &top, &mut out);
                let places = project(path, &root, &names, repo, &mut out);
                told(out, &names, &places)
            }
            Err((line, why)) => out.unreadable(path, line, why),
        };
    }
    let top = path.parent().parent();
    let names = Names::of(repo, &top, &mut out);
    let mut places = vec![];
    for file in
        repo.files.iter().filter(|file| matches!(file.file_name(), b"moon.yml" | b"moon.yaml") && file.is_in(&top))
    {
        match (repo.text)(file).ok_or_else(|| (0, "it is no UTF-8 text".to_owned())).and_then(|text| from_yaml(&text)) {
            Ok(root) => places.extend(project(file, &root, &names, repo, &mut out)),
            Err((line, why)) => out.lose(file, line, "the file", why, ""),
        }
    }
    told(out, &names, &places)
}

/// The folder of the workspace of a project: the nearest with a `.moon`, else the root.
fn top_of(path: &RepoPath, repo: &Repository<'_>) -> RepoPath {
    let mut at = path.parent();
    while !at.is_root() && !repo.is_folder(&at.append(b".moon")) {
        at = at.parent();
    }
    at
}

/// moon counts for a task what those that it waits for read. Where such a one is no step, nobody watches that. `places`: where
/// each step is said.
fn told(mut out: Imported, names: &Names, places: &[(RepoPath, u32)]) -> Imported {
    let keys: BTreeSet<String> = out.steps.iter().map(|step| step.key.clone()).collect();
    let mut steps = std::mem::take(&mut out.steps);
    for (step, (file, line)) in steps.iter_mut().zip(places).filter(|(step, _)| !step.inputs.is_empty()) {
        if let Some(missing) = step.needs.iter().find(|need| !keys.contains(*need)) {
            let why = format!("it waits for `{missing}`, which is no step");
            let what = format!("the task `{}`", step.key);
            blind(step, &what, &why, (file, *line), &mut out);
        }
    }
    out.steps = steps;
    names.tell(&mut out);
    out
}

/// What is said for all projects.
struct Names {
    /// The folder of the workspace.
    top: RepoPath,
    /// Names that the workspace gives, by folder.
    projects: BTreeMap<RepoPath, String>,
    groups: BTreeMap<String, Vec<String>>,
    /// The files that say what projects inherit.
    inherited: Vec<(RepoPath, Node)>,
    /// One of them cannot be read: nobody knows what it adds.
    open: bool,
}

impl Names {
    fn of(repo: &Repository<'_>, top: &RepoPath, out: &mut Imported) -> Self {
        let folder = top.append(b".moon");
        let file = |name: &str| repo.read(&folder, name).and_then(|text| from_yaml(&text).ok());
        let (mut projects, mut groups) = (BTreeMap::new(), BTreeMap::new());
        if let Some(root) = file("workspace.yml").or_else(|| file("workspace.yaml")) {
            let listed = root.get("projects");
            let listed = listed.and_then(|node| node.get("sources")).or(listed);
            for (name, at) in listed.map(Look::entries).unwrap_or_default() {
                if let Some(at) = at.text().and_then(|at| top.join(at.as_bytes())) {
                    projects.insert(at, name.value.clone());
                }
            }
        }
        let (mut inherited, mut open) = (vec![], false);
        let is_tasks = |path: &&RepoPath| {
            let inside = path.below(&folder).unwrap_or_default();
            inside.starts_with(b"tasks/") || inside.starts_with(b"tasks.")
        };
        for path in repo.files.iter().filter(is_tasks) {
            let text = (repo.text)(path).ok_or((0, "it is no UTF-8 text".to_owned()));
            match text.and_then(|text| from_yaml(&text)) {
                Ok(root) => {
                    groups.extend(groups_of(&root));
                    open |= root.get("extends").is_some();
                    inherited.push((path.clone(), root));
                }
                Err((line, why)) => {
                    out.lose(path, line, "the file", format!("{why}; all tasks watch everything"), "");
                    open = true;
                }
            }
        }
        Self { top: top.clone(), projects, groups, inherited, open }
    }

    /// The tasks of this name that a project may inherit.
    fn inherited(&self, task: &str) -> impl Iterator<Item = &Node> {
        self.inherited.iter().filter_map(move |(_, root)| root.get("tasks")?.get(task))
    }

    /// What all tasks watch (`implicitInputs`) or wait for (`implicitDeps`) besides their own.
    fn implicit<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Node> {
        self.inherited.iter().filter_map(move |(_, root)| root.get(key))
    }

    fn tell(&self, out: &mut Imported) {
        for (file, root) in &self.inherited {
            let names: Vec<&str> =
                root.get("tasks").map(Look::entries).unwrap_or_default().iter().map(|(name, _)| &*name.value).collect();
            if !names.is_empty() {
                let why = format!("what projects inherit is found out by moon alone ({})", one_line(&names.join(", ")));
                out.lose(file, 0, "inherited tasks", why, "add a step that calls `moon run :TASK`");
            }
        }
    }
}

fn groups_of(root: &Node) -> Vec<(String, Vec<String>)> {
    let groups = root.get("fileGroups").map(Look::entries).unwrap_or_default();
    let texts = |node: &Node| node.texts().into_iter().map(|(text, _)| text.to_owned()).collect();
    groups.iter().map(|(name, list)| (name.value.clone(), texts(list))).collect()
}

/// The steps of one project; comes back with the place of each.
fn project(
    path: &RepoPath,
    root: &Node,
    names: &Names,
    repo: &Repository<'_>,
    out: &mut Imported,
) -> Vec<(RepoPath, u32)> {
    let mut places = vec![];
    let folder = path.parent();
    let place = Place { path, top: &names.top, repo };
    let name = names.projects.get(&folder).cloned().or_else(|| root.text_of("id").map(str::to_owned));
    let name = name.unwrap_or_else(|| String::from_utf8_lossy(folder.file_name()).into_owned());
    let mut groups = names.groups.clone();
    groups.extend(groups_of(root));
    let upstream: Vec<String> = root
        .get("dependsOn")
        .map(Look::items)
        .unwrap_or_default()
        .iter()
        .filter_map(|one| one.text().or_else(|| one.text_of("id")).map(str::to_owned))
        .collect();
    for (task, node) in root.get("tasks").map(Look::entries).unwrap_or_default() {
        let key = format!("{name}:{}", task.value);
        let line = task.at.line;
        let (mut needs, mut asks_upstream) = (vec![], false);
        let lists = names.inherited(&task.value).chain([node]).filter_map(|node| node.get("deps"));
        for list in lists.chain(names.implicit("implicitDeps")) {
            asks_upstream |= list.items().iter().any(|dep| target(dep).is_some_and(|text| text.starts_with('^')));
            needs.extend(self::needs(list, &name, &upstream));
        }
        let option = |key: &str| node.get("options").and_then(|options| options.get(key));
        let no_ci = option("runInCI").is_some_and(Look::is_false) || option("persistent").is_some_and(Look::is_true);
        let preset = node.text_of("preset").is_some_and(|preset| matches!(preset, "server" | "watcher" | "utility"));
        if no_ci || preset || ["local", "persistent"].iter().any(|key| node.get(key).is_some_and(Look::is_true)) {
            out.left_out.insert(key.clone(), needs);
            out.lose(path, line, format!("the task `{key}`"), "it is for people, not for checks", "");
            continue;
        }
        let command = node.get("command").or_else(|| node.get("script")).map(Look::texts).unwrap_or_default();
        let command = command.iter().map(|(text, _)| *text).collect::<Vec<_>>().join(" ");
        if let Some(why) = judge::by_name(&task.value).or_else(|| judge::refused(&task.value, &command)) {
            out.left_out.insert(key.clone(), needs);
            out.lose(path, line, format!("the task `{key}`"), why, "");
            continue;
        }
        let mut draft = Draft {
            run: format!("moon run {}", word(&key)),
            dir: names.top.clone(),
            kind: kind_of(&task.value),
            needs,
            cached: !option("cache").is_some_and(Look::is_false),
            lock: Some("moon"),
            why: format!("tasks of {path}"),
            key,
            ..Draft::default()
        };
        let lists = names.inherited(&task.value).chain([node]).filter_map(|node| node.get("inputs"));
        let inputs: Vec<&Node> = lists.chain(names.implicit("implicitInputs")).collect();
        let extends = node.get("extends").is_some();
        let own = node.get("inputs").is_some_and(|list| !list.items().is_empty());
        place.watch(&mut draft, node, &inputs, &groups, out);
        if asks_upstream || names.open || extends || !own {
            if asks_upstream && !draft.inputs.is_empty() {
                let why = "it waits for `^` tasks, and moon alone knows what projects depend on: it watches everything";
                out.lose(path, line, format!("the inputs of the task `{}`", draft.key), why, "name its `inputs`");
            }
            draft.watch_everything();
        }
        out.steps.push(draft);
        places.push((path.clone(), line));
    }
    places
}

fn target(dep: &Node) -> Option<&str> {
    dep.text().or_else(|| dep.text_of("target"))
}

fn needs(list: &Node, own: &str, upstream: &[String]) -> Vec<String> {
    let texts = list.items().iter().filter_map(target);
    texts
        .flat_map(|text| match text.split_once(':') {
            Some(("^", task)) => upstream.iter().map(|project| format!("{project}:{task}")).collect(),
            Some(("~", task)) => vec![format!("{own}:{task}")],
            Some(_) => vec![text.to_owned()],
            None => vec![format!("{own}:{text}")],
        })
        .collect()
}

#[cfg(test)]
mod tests;
