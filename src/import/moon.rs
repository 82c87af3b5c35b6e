//! moon: a step for each task that a project's moon.yml declares, which `moon run` runs. Pure.
//!
//! Does not know: tasks that projects inherit from `.moon/tasks*`; they depend on what moon finds out of a project.

use super::Repository;
use super::draft::{Draft, Imported, kind_of};
use super::filter::literal;
use super::node::{Look, from_yaml};
use super::write::word;
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::BTreeMap;

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("moon");
    if path.parent().file_name() != b".moon" {
        return match from_yaml(text) {
            Ok(root) => {
                let names = Names::of(repo, &RepoPath::root());
                project(path, &root, &names, &mut out);
                out
            }
            Err((line, why)) => out.unreadable(path, line, why),
        };
    }
    let top = path.parent().parent();
    let names = Names::of(repo, &top);
    for file in
        repo.files.iter().filter(|file| matches!(file.file_name(), b"moon.yml" | b"moon.yaml") && file.is_in(&top))
    {
        match (repo.text)(file).ok_or_else(|| (0, "it is no UTF-8 text".to_owned())).and_then(|text| from_yaml(&text)) {
            Ok(root) => project(file, &root, &names, &mut out),
            Err((line, why)) => out.lose(file, line, "the file", why, ""),
        }
    }
    for file in
        repo.files.iter().filter(|file| file.is_in(&path.parent()) && file.as_bytes().windows(5).any(|w| w == b"tasks"))
    {
        let why = "what projects inherit is found out by moon alone";
        out.lose(file, 0, "inherited tasks", why, "add a step that calls `moon run :TASK`");
    }
    out
}

/// What is said for all projects.
struct Names {
    /// Names that the workspace gives, by folder.
    projects: BTreeMap<RepoPath, String>,
    groups: BTreeMap<String, Vec<String>>,
}

impl Names {
    fn of(repo: &Repository<'_>, top: &RepoPath) -> Self {
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
        for name in ["tasks.yml", "tasks.yaml", "tasks/all.yml"] {
            if let Some(root) = file(name) {
                groups.extend(groups_of(&root));
            }
        }
        Self { projects, groups }
    }
}

fn groups_of(root: &Node) -> Vec<(String, Vec<String>)> {
    let groups = root.get("fileGroups").map(Look::entries).unwrap_or_default();
    let texts = |node: &Node| node.texts().into_iter().map(|(text, _)| text.to_owned()).collect();
    groups.iter().map(|(name, list)| (name.value.clone(), texts(list))).collect()
}

fn project(path: &RepoPath, root: &Node, names: &Names, out: &mut Imported) {
    let folder = path.parent();
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
        let needs = needs(node, &name, &upstream);
        let option = |key: &str| node.get("options").and_then(|options| options.get(key));
        let no_ci = option("runInCI").is_some_and(Look::is_false) || option("persistent").is_some_and(Look::is_true);
        let preset = node.text_of("preset").is_some_and(|preset| matches!(preset, "server" | "watcher" | "utility"));
        if no_ci || preset || ["local", "persistent"].iter().any(|key| node.get(key).is_some_and(Look::is_true)) {
            out.left_out.insert(key.clone(), needs);
            out.lose(path, line, format!("the task `{key}`"), "it is for people, not for checks", "");
            continue;
        }
        let mut draft = Draft {
            run: format!("moon run {}", word(&key)),
            kind: kind_of(&task.value),
            needs,
            cached: !option("cache").is_some_and(Look::is_false),
            lock: Some("moon"),
            why: format!("tasks of {path}"),
            key,
            ..Draft::default()
        };
        watch(&mut draft, node, path, &folder, &groups, out);
        out.steps.push(draft);
    }
}

fn needs(node: &Node, own: &str, upstream: &[String]) -> Vec<String> {
    let deps = node.get("deps").map(Look::items).unwrap_or_default();
    let texts = deps.iter().filter_map(|dep| dep.text().or_else(|| dep.text_of("target")));
    texts
        .flat_map(|text| match text.split_once(':') {
            Some(("^", task)) => upstream.iter().map(|project| format!("{project}:{task}")).collect(),
            Some(("~", task)) => vec![format!("{own}:{task}")],
            Some(_) => vec![text.to_owned()],
            None => vec![format!("{own}:{text}")],
        })
        .collect()
}

fn watch(
    draft: &mut Draft,
    node: &Node,
    path: &RepoPath,
    folder: &RepoPath,
    groups: &BTreeMap<String, Vec<String>>,
    out: &mut Imported,
) {
    let what = format!("the task `{}`", draft.key);
    let place = |text: &str| {
        let (mark, body) = text.strip_prefix('!').map_or(("", text), |body| ("!", body));
        match (body.strip_prefix('/'), literal(folder)) {
            (Some(body), _) => format!("{mark}{body}"),
            (None, Some(folder)) if !folder.is_empty() => format!("{mark}{folder}/{body}"),
            _ => format!("{mark}{body}"),
        }
    };
    let mut patterns: Vec<String> = vec![];
    let mut open = false;
    for (text, line) in node.get("inputs").map(Look::texts).unwrap_or_default() {
        let group = text.strip_prefix('@').and_then(|rest| Some(rest.split_once('(')?.1.trim_end_matches(')')));
        match (group, text) {
            (Some(group), _) if groups.contains_key(group) => {
                patterns.extend(groups[group].iter().map(|text| place(text)));
            }
            (Some(_), text) => {
                let why = format!("`{text}` is a group that is not said here: it watches everything");
                out.lose(path, line, what.clone(), why, "name its `inputs`");
                open = true;
            }
            (None, text) if text.starts_with('$') => draft.env.push((text[1..].to_owned(), None)),
            (None, text) if text.contains("://") => open = true,
            (None, text) => patterns.push(place(text)),
        }
    }
    let outputs = node.get("outputs").map(Look::texts).unwrap_or_default();
    draft.outputs =
        outputs.into_iter().filter(|(text, _)| !text.starts_with('@')).map(|(text, _)| place(text)).collect();
    draft.env.retain(|(name, _)| !name.contains('*'));
    if open || patterns.is_empty() {
        draft.cached = false;
        return;
    }
    patterns.sort_by_key(|pattern| pattern.starts_with('!'));
    patterns.extend(literal(path));
    patterns.push(".moon/**".into());
    draft.inputs = patterns;
}

#[cfg(test)]
mod tests {
    use crate::import::Format;
    use crate::import::tests::{imported, inputs, steps};

    #[test]
    fn tasks_of_projects_become_steps() {
        let app = "dependsOn: [lib]\nfileGroups: {app: ['src/**/*']}\ntasks:\n  build:\n    command: vite build\n    \
                   deps: ['^:build', gen]\n    inputs: ['@group(app)', /tsconfig.json]\n    outputs: [dist]\n  \
                   gen: {command: x, inputs: ['@group(none)']}\n  dev: {command: vite, local: true}\n";
        let files = [
            (".moon/workspace.yml", "projects: {web: apps/web, lib: libs/lib}\n"),
            (".moon/tasks.yml", "tasks: {lint: {command: eslint}}\n"),
            ("apps/web/moon.yml", app),
            ("libs/lib/moon.yml", "tasks: {build: {command: tsc}}\n"),
        ];
        let made = imported(Format::Moon, ".moon/workspace.yml", &files);
        assert_eq!(
            steps(&made),
            ["web-build: moon run web:build", "web-gen: moon run web:gen", "lib-build: moon run lib:build"]
        );
        assert_eq!(inputs(&made, "web-build"), ["apps/web/src/**/*", "tsconfig.json", "apps/web/moon.yml", ".moon/**"]);
        assert!(
            made.text.contains("needs: [lib-build, web-gen]") && made.text.contains("outputs: [apps/web/dist]"),
            "{}",
            made.text
        );
        for part in ["web:dev", "@group(none)", "inherited"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
        let alone = imported(Format::Moon, "apps/web/moon.yml", &files[2..]);
        assert_eq!(alone.steps, 2);
    }
}
