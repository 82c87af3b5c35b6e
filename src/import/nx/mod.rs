//! nx.json: a step for each target, an instance for each project that has the target. Pure.
//!
//! A step calls `nx` in the project's folder, where nx knows which project is meant, and tells it to leave dependencies alone:
//! those are wf's. Where wf cannot read who depends on whom, nx runs them itself. A target that a project sets for itself, or
//! that another one names, is a step of its own. Does not know: targets that plugins of nx find by themselves.

mod projects;
mod watch;

use super::Repository;
use super::draft::{Draft, Imported, kind_of};
use super::judge;
use super::node::{Look, from_json};
use super::workspace::{Said, Split, Waiting};
use super::write::word;
use crate::base::RepoPath;
use crate::config::yaml::Node;
use projects::{Project, paths_between, projects};
use std::collections::BTreeSet;
use watch::Shared;

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("nx");
    let root = match from_json(text) {
        Ok(root) => root,
        Err((line, why)) => return out.unreadable(path, line, why),
    };
    for key in ["plugins", "extends"] {
        if let Some(there) = root.get(key) {
            let why = "targets that plugins and presets bring along are not known";
            out.lose(path, there.line(), format!("`{key}`"), why, "add steps for them");
        }
    }
    let folder = path.parent();
    let projects = projects(repo, &folder, &mut out);
    let shared = Shared::of(path, &root, repo, &projects);
    // wf knows what a project depends on by its package.json alone.
    let paths = paths_between(repo, &folder, &projects);
    let by_manifests = paths.is_none()
        && projects.iter().all(|project| project.folder == folder || project.member || project.targets.is_empty());
    if let Some((file, line, why)) = paths {
        let why =
            format!("{why}: targets that count what their projects depend on watch everything, and are not cached");
        out.lose(&file, line, "what projects depend on", why, "say it in `workspace.depends`, and name `inputs`");
    } else if by_manifests && !projects.is_empty() {
        let why = "nx finds it in imports, too; wf reads package.json alone";
        out.lose(path, 0, "what projects depend on", why, "name there what a project imports");
    }
    // What older versions list.
    let options = root.get("tasksRunnerOptions").and_then(|all| all.get("default")).and_then(|one| one.get("options"));
    let cacheable = options.and_then(|options| options.get("cacheableOperations")).map(Look::texts).unwrap_or_default();
    let cacheable: Vec<&str> = cacheable.into_iter().map(|(name, _)| name).collect();
    let defaults = root.get("targetDefaults").map(Look::entries).unwrap_or_default();
    for (name, _) in defaults {
        let (key, line) = (&name.value, name.at.line);
        let has = |one: &Project| one.targets.contains_key(key);
        if key.contains(':') && key.starts_with('@') {
            let why = "defaults of an executor: they count for the targets that name it";
            out.lose(path, line, format!("`{key}`"), why, "");
        } else if !projects.iter().any(has) {
            out.lose(path, line, format!("the target `{key}`"), "no project says that it has it", "");
        }
    }
    let groups = Groups::of(path, defaults, &cacheable, &projects);
    for group in &groups.all {
        let depends = group.said.get("dependsOn").map(depends).unwrap_or_default();
        let mut needs = groups.needs(group, &depends);
        let place = (group.file, group.line);
        if let Some(why) = group.refused() {
            out.lose(place.0, place.1, format!("the target `{}`", group.key), why, "");
            out.left_out.insert(group.key.clone(), needs);
            continue;
        }
        let at_root = group.with.iter().all(|project| project.folder == folder);
        let folders = group.with.iter().map(|project| project.folder.clone());
        let known = by_manifests && group.with.iter().all(|project| project.odd.is_none());
        let by_nx = !known && needs.iter().any(|need| need.starts_with('^'));
        needs.retain(|need| known || !need.starts_with('^'));
        let target = word(&group.target);
        let mut draft = Draft {
            key: group.key.clone(),
            run: if by_nx { format!("npx nx {target}") } else { format!("npx nx {target} --excludeTaskDependencies") },
            dir: if at_root { folder.clone() } else { RepoPath::root() },
            kind: kind_of(&group.target),
            needs,
            why: format!("targets of {path}"),
            cached: group.said.get("cache").map_or(cacheable.contains(&&*group.target), Look::is_true),
            for_each: if at_root { vec![] } else { folders.collect() },
            lock: by_nx.then_some("nx"),
            ..Draft::default()
        };
        shared.watch(&mut draft, &group.said, (&group.with, known), place, &mut out);
        let odd = group.with.iter().find_map(|project| Some((project.odd?, project)));
        let why = match odd {
            Some((key, project)) => Some(format!("`{key}` of the project `{}` is not carried over", project.name)),
            None if by_nx => Some("wf cannot read what its projects depend on: nx runs their targets itself".into()),
            None => None,
        };
        if let Some(why) = why {
            let why = format!("{why}; it watches everything, and is not cached");
            out.lose(place.0, place.1, format!("the target `{}`", draft.key), why, "name its `inputs`");
            draft.watch_everything();
        }
        out.steps.push(draft);
    }
    if !out.steps.is_empty() {
        out.lose(path, 0, "installed packages", "steps expect that they are there", "");
    }
    out
}

/// Projects whose target is one step.
struct Group<'a> {
    key: String,
    target: String,
    said: Said<'a>,
    with: Vec<&'a Project>,
    file: &'a RepoPath,
    line: u32,
}

impl Group<'_> {
    fn refused(&self) -> Option<&'static str> {
        if self.said.get("continuous").is_some_and(Look::is_true) {
            return Some("it does not end by itself");
        }
        let command = |project: &&Project| judge::refused(&self.target, &project.targets.get(&self.target)?.command);
        judge::by_name(&self.target).or_else(|| self.with.iter().find_map(command))
    }
}

struct Groups<'a> {
    all: Vec<Group<'a>>,
    split: Split,
}

impl<'a> Groups<'a> {
    fn of(
        path: &'a RepoPath,
        defaults: &'a [(crate::base::Spanned<String>, Node)],
        cacheable: &[&str],
        projects: &'a [Project],
    ) -> Self {
        let default = |name: &str| defaults.iter().find(|(known, _)| known.value == name);
        // Scripts count where nx.json, or the project, says something of them.
        let is_meant = |name: &String| default(name).is_some() || cacheable.contains(&name.as_str());
        let mut targets: Vec<String> = vec![];
        let listed =
            defaults.iter().map(|(name, _)| name.value.clone()).chain(cacheable.iter().map(|name| (*name).to_owned()));
        let said = projects.iter().flat_map(|project| &project.targets);
        let said = said.filter(|(name, target)| target.node.is_some() || is_meant(name)).map(|(name, _)| name.clone());
        for name in listed.chain(said) {
            if !targets.contains(&name) {
                targets.push(name);
            }
        }
        let own_nodes =
            projects.iter().flat_map(|project| project.targets.values()).filter_map(|target| target.node.as_ref());
        let nodes = own_nodes.chain(defaults.iter().map(|(_, node)| node));
        let asked: BTreeSet<String> = nodes.filter_map(|node| node.get("dependsOn")).flat_map(depends).collect();
        let (mut all, mut split) = (vec![], Split::new(':'));
        for target in targets {
            let base = default(&target);
            let mut shared = vec![];
            for project in projects {
                let Some(own) = project.targets.get(&target) else { continue };
                let executor = own.node.as_ref().and_then(|node| node.text_of("executor")).and_then(default);
                let key = split.key(&project.name, &target);
                let alone = own.is_own()
                    || executor.is_some()
                    || project.odd.is_some()
                    || project.folder == path.parent()
                    || asked.contains(&key)
                    || judge::refused(&target, &own.command).is_some();
                if !alone {
                    shared.push(project);
                    continue;
                }
                let said = Said { own: own.node.as_ref(), base: executor.or(base).map(|(_, node)| node) };
                split.add(&project.name, &target);
                all.push(Group {
                    key,
                    target: target.clone(),
                    said,
                    with: vec![project],
                    file: &own.file,
                    line: own.line,
                });
            }
            if let Some(first) = shared.first().and_then(|project| project.targets.get(&target)) {
                let (file, line) = base.map_or((&first.file, first.line), |(name, _)| (path, name.at.line));
                let said = Said { own: None, base: base.map(|(_, node)| node) };
                let at = all.len() - split.count(&target);
                all.insert(at, Group { key: target.clone(), target, said, with: shared, file, line });
            }
        }
        Self { all, split }
    }

    /// Keys that stand for `dependsOn`. Whoever has the target nowhere waits for nothing.
    fn needs(&self, of: &Group<'_>, depends: &[String]) -> Vec<String> {
        let members = of.with.iter().map(|project| project.name.as_str()).collect();
        let waiting = Waiting { key: &of.key, own: of.key != of.target, members };
        let is_shared = |target: &str| self.all.iter().any(|group| group.key == target);
        self.split.needs(&waiting, depends.iter().map(String::as_str), |text| self.split.has(text), is_shared)
    }
}

/// `build`, `^build`, `project:build`.
fn depends(list: &Node) -> Vec<String> {
    let one = |node: &Node| -> Vec<String> {
        if let Some(text) = node.text() {
            return vec![text.to_owned()];
        }
        let Some(target) = node.text_of("target") else { return vec![] };
        let projects = node.get("projects").map(Look::texts).unwrap_or_default();
        let upstream =
            node.get("dependencies").is_some_and(Look::is_true) || node.text_of("projects") == Some("dependencies");
        if upstream {
            return vec![format!("^{target}")];
        }
        if projects.is_empty() || node.text_of("projects") == Some("self") {
            return vec![target.to_owned()];
        }
        projects.iter().map(|(project, _)| format!("{project}:{target}")).collect()
    };
    list.items().iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests;
