//! Taskfiles (version 3): a step for each task that runs by itself, which `task` runs, with its `sources` and `generates`. Pure.

use super::draft::{Draft, Imported, kind_of};
use super::filter::literal;
use super::judge;
use super::node::{Look, from_yaml};
use super::write::word;
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn read(path: &RepoPath, text: &str) -> Imported {
    let mut out = Imported::new("task");
    let root = match from_yaml(text) {
        Ok(root) => root,
        Err((line, why)) => return out.unreadable(path, line, why),
    };
    for key in ["includes", "dotenv"] {
        if let Some(there) = root.get(key) {
            let why = "task itself still reads it; tasks of included files are no steps";
            out.lose(path, there.line(), format!("`{key}`"), why, "");
        }
    }
    let tasks = Tasks::of(&root);
    for (name, node) in root.get("tasks").map(Look::entries).unwrap_or_default() {
        let needs = tasks.deps(node);
        let key = name.value.clone();
        let is = |key: &str| node.get(key).is_some_and(Look::is_true);
        let why = if is("internal") {
            Some("it is internal")
        } else if is("watch") || is("interactive") {
            Some("it does not end by itself, or asks somebody")
        } else if node.get("prompt").is_some() {
            Some("it asks somebody")
        } else if node.get("requires").is_some() || key.contains('*') {
            Some("it wants variables")
        } else {
            judge::by_name(&key).or_else(|| judge::refused(&key, &commands_of(node)))
        };
        if let Some(why) = why {
            out.lose(path, name.at.line, format!("the task `{key}`"), why, "");
            out.left_out.insert(key, needs);
            continue;
        }
        if let Some(called) = tasks.only_calls(node) {
            out.lose(path, name.at.line, format!("the task `{key}`"), "it only calls other tasks", "");
            out.left_out.insert(key, [needs, called].concat());
            continue;
        }
        let mut draft = Draft {
            run: format!("task {}", word(&key)),
            dir: path.parent(),
            kind: kind_of(&key),
            after: needs,
            lock: Some("task"),
            why: format!("tasks of {path}"),
            key,
            ..Draft::default()
        };
        watch(&mut draft, node, &tasks, path, &mut out);
        out.steps.push(draft);
    }
    out
}

/// The tasks of the file, by name.
struct Tasks<'a> {
    by_name: BTreeMap<&'a str, &'a Node>,
    aliases: BTreeMap<&'a str, &'a str>,
}

impl<'a> Tasks<'a> {
    fn of(root: &'a Node) -> Self {
        let entries = root.get("tasks").map(Look::entries).unwrap_or_default();
        let aliases = entries.iter().flat_map(|(name, node)| {
            let aliases = node.get("aliases").map(Look::texts).unwrap_or_default();
            aliases.into_iter().map(|(alias, _)| (alias, name.value.as_str()))
        });
        let aliases = aliases.collect();
        Self { by_name: entries.iter().map(|(name, node)| (name.value.as_str(), node)).collect(), aliases }
    }

    fn real(&self, name: &str) -> String {
        let name = name.trim_start_matches(':');
        (*self.aliases.get(name).unwrap_or(&name)).to_owned()
    }

    /// What runs before a task.
    fn deps(&self, node: &Node) -> Vec<String> {
        let deps = node.get("deps").map(Look::items).unwrap_or_default().iter();
        deps.filter_map(|dep| dep.text().or_else(|| dep.text_of("task"))).map(|name| self.real(name)).collect()
    }

    /// What it calls, each with whether that gets variables.
    fn calls(&self, node: &Node) -> Vec<(String, bool)> {
        let commands = node.get("cmds").or_else(|| node.get("cmd")).map(Look::items).unwrap_or_default().iter();
        commands.filter_map(|one| Some((self.real(one.text_of("task")?), one.get("vars").is_some()))).collect()
    }

    /// The tasks that it calls, if it does nothing else and they are steps.
    fn only_calls(&self, node: &Node) -> Option<Vec<String>> {
        let commands = node.get("cmds").map(Look::items).unwrap_or_default();
        let calls = self.calls(node);
        let is_step = |name: &String| {
            self.by_name.get(name.as_str()).is_some_and(|node| {
                let plain =
                    !["internal", "watch", "interactive"].iter().any(|key| node.get(key).is_some_and(Look::is_true));
                plain
                    && node.get("prompt").is_none()
                    && node.get("requires").is_none()
                    && !name.contains('*')
                    && judge::by_name(name).or_else(|| judge::refused(name, &commands_of(node))).is_none()
            })
        };
        let only = !calls.is_empty()
            && calls.len() == commands.len()
            && calls.iter().all(|(name, given)| !given && is_step(name))
            && self.deps(node).iter().all(is_step);
        only.then(|| calls.into_iter().map(|(name, _)| name).collect())
    }

    /// All tasks that run whenever this one does.
    fn below(&self, node: &'a Node) -> Option<Vec<&'a Node>> {
        let (mut found, mut seen, mut waiting) = (vec![], BTreeSet::new(), vec![node]);
        while let Some(node) = waiting.pop() {
            let calls = self.calls(node).into_iter().map(|(name, _)| name);
            for name in self.deps(node).into_iter().chain(calls) {
                let below = *self.by_name.get(name.as_str())?;
                if seen.insert(name) {
                    found.push(below);
                    waiting.push(below);
                }
            }
        }
        Some(found)
    }
}

/// The commands of a task, one a line.
fn commands_of(node: &Node) -> String {
    let all = node.get("cmds").or_else(|| node.get("cmd")).unwrap_or(node);
    let one = |item: &Node| item.text().or_else(|| item.text_of("cmd")).unwrap_or_default().to_owned();
    let items: Vec<String> = all.items().iter().map(one).collect();
    if items.is_empty() { one(all) } else { items.join("\n") }
}

fn watch(draft: &mut Draft, node: &Node, tasks: &Tasks<'_>, path: &RepoPath, out: &mut Imported) {
    let what = format!("the task `{}`", draft.key);
    let mut list = |node: &Node, key: &str| -> Option<Vec<String>> {
        let mut all = vec![];
        for item in node.get(key).map(Look::items).unwrap_or_default() {
            let (mark, text) = match (item.text(), item.text_of("exclude")) {
                (Some(text), _) => ("", text),
                (None, Some(text)) => ("!", text),
                (None, None) => continue,
            };
            let Some(pattern) = place(node, path, text) else {
                let why = format!("`{text}` in `{key}` depends on variables, or is outside");
                out.lose(path, item.line(), what.clone(), why, "name it by hand");
                return None;
            };
            all.push(format!("{mark}{pattern}"));
        }
        Some(all)
    };
    draft.outputs = list(node, "generates").unwrap_or_default();
    let own = list(node, "sources").unwrap_or_default();
    if own.is_empty() {
        return;
    }
    // What runs before it may make what it reads: whatever that reads counts, too.
    let below = tasks.below(node).and_then(|below| {
        let each = below.into_iter().map(|node| list(node, "sources").filter(|all| !all.is_empty()));
        each.collect::<Option<Vec<_>>>()
    });
    let Some(below) = below else {
        let why = "what it calls does not say its `sources`: it watches everything";
        return out.lose(path, node.line(), format!("the sources of {what}"), why, "name its `inputs`");
    };
    draft.inputs = own;
    // What one task leaves out another may need.
    let added = below.into_iter().flatten().filter(|pattern| !pattern.starts_with('!'));
    draft.inputs.extend(added);
    let mut seen = BTreeSet::new();
    draft.inputs.retain(|pattern| pattern.starts_with('!') || seen.insert(pattern.clone()));
    draft.inputs.extend(literal(path));
}

/// A pattern of a task, from the root; none if it depends on variables, or leads outside.
fn place(node: &Node, path: &RepoPath, text: &str) -> Option<String> {
    let base = match node.text_of("dir") {
        None => path.parent(),
        Some(dir) if dir.contains("{{") => return None,
        Some(dir) => path.parent().join(dir.as_bytes())?,
    };
    let full = text.trim_start_matches("./");
    let outside = full.split('/').any(|part| part == "..") || full.starts_with('/');
    if full.contains("{{") || full.contains('$') || outside {
        return None;
    }
    let folder = literal(&base)?;
    Some(if folder.is_empty() { full.to_owned() } else { format!("{folder}/{full}") })
}

#[cfg(test)]
mod tests {
    use crate::import::Format;
    use crate::import::tests::{imported, inputs, steps};

    #[test]
    fn tasks_become_steps() {
        let text = "version: '3'\nincludes: {d: docs}\ntasks:\n  build:\n    deps: [gen, {task: lint}]\n    \
                    sources: ['**/*.go', {exclude: vendor/**}]\n    generates: [bin/app]\n    cmds: [go build]\n  gen: {internal: true, deps: [lint]}\n  \
                    lint: golangci-lint run\n  t: {sources: ['{{.X}}/*'], cmds: [x]}\n  clean: rm\n";
        let made = imported(Format::Task, "api/Taskfile.yml", &[("api/Taskfile.yml", text)]);
        assert_eq!(steps(&made), ["build: task build", "lint: task lint", "t: task t"]);
        assert!(inputs(&made, "build").is_empty(), "lint may read anything");
        assert!(made.text.contains("after: [lint]") && inputs(&made, "t").is_empty(), "{}", made.text);
        for part in ["`includes`", "`gen`", "{{.X}}", "does not say its `sources`"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
    }

    #[test]
    fn what_makes_the_sources_of_a_task_counts() {
        let text = "tasks:\n  gen: {internal: true, sources: [schema.json], generates: [gen.go], cmds: [cp a b]}\n  \
                    pb: {aliases: [p], sources: [api/*.proto, {exclude: api/x}], cmds: [x]}\n  \
                    build: {deps: [gen, p], sources: ['**/*.go', {exclude: vendor/**}], cmds: [go build]}\n  \
                    test: {cmds: [pytest]}\n  ci: {cmds: [{task: build}, {task: test}]}\n  part: {cmds: [{task: build}, x]}\n  \
                    up: docker compose up\n  fmt: {cmds: [gofmt -w .]}\n";
        let made = imported(Format::Task, "Taskfile.yml", &[("Taskfile.yml", text)]);
        assert_eq!(steps(&made), ["pb: task pb", "build: task build", "test: task test", "part: task part"]);
        let expected = ["**/*.go", "!vendor/**", "schema.json", "api/*.proto", "Taskfile.yml"];
        assert_eq!(inputs(&made, "build"), expected);
        assert!(made.text.contains("after: [pb]"), "an alias is the task: {}", made.text);
        assert!(made.text.contains("ignore: []"), "{}", made.text);
    }
}
