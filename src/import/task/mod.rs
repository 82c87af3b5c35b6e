//! Taskfiles (version 3): a step for each task that runs by itself, which `task` runs, with its `sources` and `generates`. Pure.
//!
//! Taskfiles of the repository that one includes are read along. Does not know: variables, what is included from elsewhere.

mod files;
mod sources;

use super::Repository;
use super::along::kind_below;
use super::draft::{Draft, Imported};
use super::judge;
use super::node::{Look, from_yaml};
use super::write::word;
use crate::base::RepoPath;
use crate::config::yaml::Node;
use files::{Scope, files};
use sources::watch;
use std::collections::BTreeMap;

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("task");
    let root = match from_yaml(text) {
        Ok(root) => root,
        Err((line, why)) => return out.unreadable(path, line, why),
    };
    let files = files(path, text, root, repo, &mut out);
    for (scope, root) in &files {
        if let Some(there) = root.get("dotenv") {
            out.lose(&scope.file, there.line(), "`dotenv`", "task itself still reads it", "");
        }
    }
    let tasks = Tasks::of(&files);
    let reads = sources::reads(&tasks);
    for (task, reads) in tasks.all.iter().zip(reads) {
        let (key, file) = (task.name.clone(), &task.scope.file);
        let needs: Vec<String> = tasks.deps(task).into_iter().map(|(name, _)| name).collect();
        if let Some(why) = why_not(task) {
            out.lose(file, task.line, format!("the task `{key}`"), why, "");
            out.left_out.insert(key, needs);
            continue;
        }
        if let Some(called) = tasks.only_calls(task) {
            out.lose(file, task.line, format!("the task `{key}`"), "it only calls other tasks", "");
            out.left_out.insert(key, [needs, called].concat());
            continue;
        }
        let mut draft = Draft {
            run: format!("task {}", word(&key)),
            dir: path.parent(),
            kind: kind_below(&key, task.own_name()),
            after: needs,
            lock: Some("task"),
            why: format!("tasks of {path}"),
            key,
            ..Draft::default()
        };
        watch(&mut draft, task, reads, &files, &mut out);
        out.steps.push(draft);
    }
    out
}

/// Why it is no step, if it is none.
fn why_not(task: &Task<'_>) -> Option<&'static str> {
    let is = |key: &str| task.node.get(key).is_some_and(Look::is_true);
    if is("internal") || task.scope.internal {
        Some("it is internal")
    } else if is("watch") || is("interactive") {
        Some("it does not end by itself, or asks somebody")
    } else if task.node.get("prompt").is_some() {
        Some("it asks somebody")
    } else if task.node.get("requires").is_some() || task.name.contains('*') {
        Some("it wants variables")
    } else {
        judge::by_name(task.own_name()).or_else(|| judge::refused(&task.name, &task.text()))
    }
}

/// One task.
struct Task<'a> {
    /// Its name with those that files are included by: `docs:build`.
    name: String,
    line: u32,
    scope: &'a Scope,
    /// The file as a whole.
    root: &'a Node,
    node: &'a Node,
}

impl<'a> Task<'a> {
    fn own_name(&self) -> &str {
        self.name.strip_prefix(&self.scope.prefix).unwrap_or(&self.name)
    }

    /// Its commands, of whatever form.
    fn commands(&self) -> &'a [Node] {
        let said = self.node.get("cmds").or_else(|| self.node.get("cmd"));
        let all = said.or(if self.node.entries().is_empty() { Some(self.node) } else { None });
        match all {
            Some(one) if one.text().is_some() || !one.entries().is_empty() => std::slice::from_ref(one),
            Some(list) => list.items(),
            None => &[],
        }
    }

    /// The texts of its commands, one a line.
    fn text(&self) -> String {
        let one = |item: &Node| item.text().or_else(|| item.text_of("cmd")).unwrap_or_default().to_owned();
        self.commands().iter().map(one).collect::<Vec<_>>().join("\n")
    }
}

/// All tasks, and what names mean.
struct Tasks<'a> {
    all: Vec<Task<'a>>,
    by_name: BTreeMap<String, usize>,
    aliases: BTreeMap<String, String>,
    /// Other names of includes: what a name begins with, and what that stands for.
    prefixes: Vec<(&'a str, &'a str)>,
}

impl<'a> Tasks<'a> {
    fn of(files: &'a [(Scope, Node)]) -> Self {
        let (mut all, mut by_name, mut aliases) = (vec![], BTreeMap::new(), BTreeMap::new());
        for (scope, root) in files {
            for (own, node) in root.get("tasks").map(Look::entries).unwrap_or_default() {
                let name = format!("{}{}", scope.prefix, own.value);
                if scope.excludes.contains(&own.value) || by_name.contains_key(&name) {
                    continue;
                }
                for (alias, _) in node.get("aliases").map(Look::texts).unwrap_or_default() {
                    aliases.insert(format!("{}{alias}", scope.prefix), name.clone());
                }
                by_name.insert(name.clone(), all.len());
                all.push(Task { name, line: own.at.line, scope, root, node });
            }
        }
        let prefixes = files.iter().flat_map(|(scope, _)| scope.aliases.iter().map(|alias| (&**alias, &*scope.prefix)));
        Self { all, by_name, aliases, prefixes: prefixes.collect() }
    }

    /// The task that a name stands for in a file.
    fn real(&self, name: &str, scope: &Scope) -> String {
        let name = match name.strip_prefix(':') {
            Some(outer) => format!("{}{outer}", scope.outer),
            None => format!("{}{name}", scope.prefix),
        };
        let known =
            |name: &str| self.by_name.get_key_value(name).map(|(name, _)| name).or(self.aliases.get(name)).cloned();
        let replaced = self
            .prefixes
            .iter()
            .find_map(|(alias, prefix)| name.strip_prefix(alias).and_then(|rest| known(&format!("{prefix}{rest}"))));
        // What an include is called by stands for its `default`.
        known(&name).or(replaced).or_else(|| known(&format!("{name}:default"))).unwrap_or(name)
    }

    /// What runs before a task, each with whether it gets variables.
    fn deps(&self, task: &Task<'_>) -> Vec<(String, bool)> {
        let deps = task.node.get("deps").map(Look::items).unwrap_or_default().iter();
        let named =
            deps.filter_map(|dep| Some((dep.text().or_else(|| dep.text_of("task"))?, dep.get("vars").is_some())));
        named.map(|(name, given)| (self.real(name, task.scope), given)).collect()
    }

    /// What it calls, each with whether that gets variables.
    fn calls(&self, task: &Task<'_>) -> Vec<(String, bool)> {
        let named = task.commands().iter().filter_map(|one| Some((one.text_of("task")?, one.get("vars").is_some())));
        named.map(|(name, given)| (self.real(name, task.scope), given)).collect()
    }

    /// The tasks that it calls, if it does nothing else and they are steps.
    fn only_calls(&self, task: &Task<'_>) -> Option<Vec<String>> {
        let (calls, deps) = (self.calls(task), self.deps(task));
        let is_step = |(name, given): &(String, bool)| {
            let other = self.by_name.get(name).map(|at| &self.all[*at]);
            !given && *name != task.name && other.is_some_and(|other| why_not(other).is_none())
        };
        let only = calls.len() == task.commands().len() && calls.len() + deps.len() > 0;
        let only = only && calls.iter().chain(&deps).all(is_step);
        only.then(|| calls.into_iter().map(|(name, _)| name).collect())
    }
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
        for part in ["the include `d`", "`gen`", "{{.X}}", "does not say its `sources`"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
    }

    #[test]
    fn what_makes_the_sources_of_a_task_counts() {
        let text = "tasks:\n  gen: {internal: true, sources: [schema.json], generates: [gen.go], cmds: [cp a b]}\n  \
                    pb: {aliases: [p], sources: [api/*.proto, {exclude: api/x}], cmds: [x]}\n  \
                    build: {deps: [gen, p], sources: ['**/*.go', {exclude: vendor/**}], cmds: [go build]}\n  \
                    test: {cmds: [pytest]}\n  ci: {cmds: [{task: build}, {task: test}]}\n  part: {cmds: [{task: build}, x]}\n  \
                    up: docker compose up\n  odd: {sources: [src/*, '!a'], cmds: [x]}\n  fmt: {cmds: [gofmt -w .]}\n";
        let made = imported(Format::Task, "Taskfile.yml", &[("Taskfile.yml", text)]);
        assert_eq!(
            steps(&made),
            ["pb: task pb", "build: task build", "test: task test", "part: task part", "odd: task odd"]
        );
        let expected = ["**/*.go", "!vendor/**", "schema.json", "api/*.proto", "Taskfile.yml"];
        assert!(inputs(&made, "odd").is_empty());
        assert_eq!(inputs(&made, "build"), expected);
        assert!(made.text.contains("after: [pb]"), "an alias is the task: {}", made.text);
        assert!(made.text.contains("ignore: []"), "{}", made.text);
    }

    #[test]
    fn what_is_taken_back_in_stays_watched() {
        let text = "tasks:\n  gen: {sources: ['src/**', '*.md'], cmds: [x]}\n  build: {deps: [gen], sources: ['src/**', {exclude: 'src/gen/**'}, 'src/gen/**/*.h'], cmds: [y]}\n  \
                    own: {sources: ['a/**', {exclude: 'a/b/**'}, 'a/**'], cmds: [z]}\n";
        let made = imported(Format::Task, "Taskfile.yml", &[("Taskfile.yml", text)]);
        let expected = ["src/**", "!src/gen/**", "src/gen/**/*.h", "src/**", "*.md", "Taskfile.yml"];
        assert_eq!(inputs(&made, "build"), expected);
        assert_eq!(inputs(&made, "own"), ["a/**", "!a/b/**", "a/**", "Taskfile.yml"]);
    }

    #[test]
    fn sources_that_do_not_decide_alone_or_are_too_many_watch_everything() {
        let chain: String =
            (0..400).map(|n| format!("  t{n}: {{deps: [t{}], sources: [s{n}/*], cmds: [x]}}\n", n + 1)).collect();
        let text = format!(
            "tasks:\n{chain}  t400: {{sources: [s400/*], cmds: [x]}}\n  st: {{sources: [a], status: [x], cmds: [x]}}\n  \
             no: {{sources: [a], method: none, cmds: [x]}}\n  ra: {{deps: [rb], sources: [a], cmds: [x]}}\n  rb: {{deps: [ra], sources: [b], cmds: [x]}}\n"
        );
        let made = imported(Format::Task, "Taskfile.yml", &[("Taskfile.yml", &text)]);
        assert_eq!(inputs(&made, "t400"), ["s400/*", "Taskfile.yml"]);
        assert_eq!(inputs(&made, "t250").len(), 152);
        for step in ["t0", "t200", "st", "no", "ra", "rb"] {
            assert!(inputs(&made, step).is_empty(), "{step}");
        }
        for part in ["more than 200 patterns", "`status`", "`method: none`", "in a ring"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:#?}", made.lost);
        }
    }

    #[test]
    fn included_files_are_read_along_by_their_names() {
        let text = "includes:\n  docs: ./docs\n  api: {taskfile: api/tasks.yml, dir: api, aliases: [a]}\n  flat: {taskfile: flat.yml, flatten: true, excludes: [out]}\n  \
                    hidden: {taskfile: flat.yml, internal: true}\n  far: https://example.org/Taskfile.yml\n  gone: {taskfile: gone.yml, optional: true}\n  \
                    os: 'Taskfile_{{OS}}.yml'\ntasks:\n  ci: {deps: ['docs:lint', 'a:t', in]}\n  build: {deps: ['docs', 'hidden:in'], sources: [src/*], cmds: [x]}\n";
        let files = [
            ("Taskfile.yml", text),
            (
                "docs/Taskfile.yaml",
                "includes: {deep: {taskfile: ../deep.yml, dir: x}}\ntasks:\n  default: {sources: ['*.md'], cmds: [y]}\n  \
                 lint: {deps: [default, 'deep:d', ':in'], sources: [a/**], cmds: [z]}\n  serve: {cmds: [x]}\n",
            ),
            (
                "api/tasks.yml",
                "tasks:\n  test: {aliases: [t], dir: sub, sources: ['*.go', ../../go.mod], generates: [out], cmds: [x]}\n",
            ),
            ("flat.yml", "tasks:\n  in: {sources: [f/*], cmds: [x]}\n  out: {cmds: [x]}\n"),
            ("deep.yml", "tasks:\n  d: {sources: [d/*], cmds: [':default', {task: ':default'}]}\n"),
        ];
        let made = imported(Format::Task, "Taskfile.yml", &files);
        let expected = [
            "build: task build",
            "docs-lint: task docs:lint",
            "api-test: task api:test",
            "in: task in",
            "docs-deep-d: task docs:deep:d",
        ];
        assert_eq!(steps(&made), expected, "{:#?}", made.lost);
        let all = ["Taskfile.yml", "docs/Taskfile.yaml", "api/tasks.yml", "flat.yml", "deep.yml"];
        let with = |patterns: &[&str]| patterns.iter().chain(&all).map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(inputs(&made, "build"), with(&["src/*", "*.md", "f/*"]));
        assert_eq!(inputs(&made, "docs-lint"), with(&["a/**", "*.md", "docs/x/d/*", "f/*"]));
        assert_eq!(inputs(&made, "docs-deep-d"), with(&["docs/x/d/*", "*.md"]));
        assert_eq!(inputs(&made, "api-test"), with(&["api/sub/*.go", "go.mod"]));
        for part in
            ["`ci`", "`docs:serve` (docs/Taskfile.yaml:5)", "`hidden:in`", "`far` (Taskfile.yml:6)", "`gone`", "`os`"]
        {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:#?}", made.lost);
        }
        for part in ["outputs: [api/sub/out]", "after: [docs-deep-d, in]"] {
            assert!(made.text.contains(part), "{part}: {}", made.text);
        }
    }

    #[test]
    fn a_file_that_takes_itself_in_is_read_once() {
        let files = [
            ("Taskfile.yml", "includes: {x: {taskfile: Taskfile.yml}, y: y.yml}\ntasks: {build: {cmds: [x]}}\n"),
            ("y.yml", "includes: {z: Taskfile.yml}\ntasks: {test: {cmds: [x]}}\n"),
        ];
        let made = imported(Format::Task, "Taskfile.yml", &files);
        assert_eq!(steps(&made), ["build: task build", "y-test: task y:test"], "{:#?}", made.lost);
        for part in ["the include `x`", "the include `z`"] {
            assert!(made.lost.iter().any(|line| line.contains(part) && line.contains("takes itself in")), "{part}");
        }
    }
}
