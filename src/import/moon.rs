//! moon: a step for each task that a project's moon.yml declares, which `moon run` runs. Pure.
//!
//! What `.moon/tasks*` says for all projects (groups, inputs, dependencies) is taken along. Does not know: which tasks a project
//! inherits; that depends on what moon finds out of it.

use super::Repository;
use super::draft::{Draft, Imported, kind_of};
use super::filter::literal;
use super::judge;
use super::node::{Look, from_yaml};
use super::write::{one_line, word};
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::BTreeMap;

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("moon");
    if path.parent().file_name() != b".moon" {
        return match from_yaml(text) {
            Ok(root) => {
                let names = Names::of(repo, &RepoPath::root(), &mut out);
                project(path, &root, &names, &mut out);
                names.tell(&mut out);
                out
            }
            Err((line, why)) => out.unreadable(path, line, why),
        };
    }
    let top = path.parent().parent();
    let names = Names::of(repo, &top, &mut out);
    for file in
        repo.files.iter().filter(|file| matches!(file.file_name(), b"moon.yml" | b"moon.yaml") && file.is_in(&top))
    {
        match (repo.text)(file).ok_or_else(|| (0, "it is no UTF-8 text".to_owned())).and_then(|text| from_yaml(&text)) {
            Ok(root) => project(file, &root, &names, &mut out),
            Err((line, why)) => out.lose(file, line, "the file", why, ""),
        }
    }
    names.tell(&mut out);
    out
}

/// What is said for all projects.
struct Names {
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
        Self { projects, groups, inherited, open }
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
        watch(&mut draft, node, &inputs, path, &folder, &groups, out);
        if asks_upstream || names.open || extends || !own {
            if asks_upstream && !draft.inputs.is_empty() {
                let why = "it waits for `^` tasks, and moon alone knows what projects depend on: it watches everything";
                out.lose(path, line, format!("the inputs of the task `{}`", draft.key), why, "name its `inputs`");
            }
            draft.watch_everything();
        }
        out.steps.push(draft);
    }
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

fn watch(
    draft: &mut Draft,
    node: &Node,
    inputs: &[&Node],
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
    let items = inputs.iter().flat_map(|list| list.items());
    for item in items {
        let line = item.line();
        let said = item.text().or_else(|| item.text_of("file")).or_else(|| item.text_of("glob"));
        // More keys than the pattern's say what nobody knows here.
        let Some(text) = said.filter(|_| item.entries().len() < 2) else {
            let kind = item.entries().first().map_or("entry", |(name, _)| &name.value);
            let why = format!("`{}` among its inputs is not carried over: it watches everything", one_line(kind));
            out.lose(path, line, what.clone(), why, "name its `inputs`");
            open = true;
            continue;
        };
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
        assert!(inputs(&made, "web-build").is_empty(), "it waits for `^:build`");
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

    #[test]
    fn what_is_said_for_all_projects_counts() {
        let app = "tasks:\n  build: {command: vite build, inputs: ['src/**/*'], deps: ['^:build']}\n  \
                   pack: {command: x, inputs: [a, {file: cfg.json}]}\n  odd: {command: y, inputs: ['src/**', {project: lib}]}\n  \
                   again: {extends: pack, inputs: [b]}\n  lint: {command: z, inputs: [c]}\n  live: {command: nodemon}\n";
        let tasks =
            "implicitInputs: ['/tsconfig.base.json']\ntasks: {lint: {command: eslint, inputs: ['/.eslintrc']}}\n";
        let files = [
            (".moon/tasks/node.yml", tasks),
            (".moon/workspace.yml", "projects: {app: apps/app}\n"),
            ("apps/app/moon.yml", app),
        ];
        let sources = crate::import::tests::repository(&files, |repo| Format::Moon.sources(repo));
        let made = imported(Format::Moon, &sources[0].to_string(), &files);
        let own = ["apps/app/a", "apps/app/cfg.json", "tsconfig.base.json", "apps/app/moon.yml", ".moon/**"];
        assert_eq!(inputs(&made, "app-pack"), own);
        let merged = [".eslintrc", "apps/app/c", "tsconfig.base.json", "apps/app/moon.yml", ".moon/**"];
        assert_eq!(inputs(&made, "app-lint"), merged);
        for id in ["app-build", "app-odd", "app-again"] {
            assert!(inputs(&made, id).is_empty(), "{id}: {}", made.text);
        }
        assert_eq!(made.steps, 5);
        for part in ["inherited tasks (.moon/tasks/node.yml)", "`project`", "`^` tasks", "app:live"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
    }
}
