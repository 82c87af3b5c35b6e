//! Taskfiles (version 3): a step for each task that runs by itself, which `task` runs, with its `sources` and `generates`. Pure.

use super::draft::{Draft, Imported, kind_of};
use super::filter::literal;
use super::make::FOR_PEOPLE;
use super::node::{Look, from_yaml};
use super::write::word;
use crate::base::RepoPath;
use crate::config::yaml::Node;

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
    for (name, node) in root.get("tasks").map(Look::entries).unwrap_or_default() {
        let needs: Vec<String> = node
            .get("deps")
            .map(Look::items)
            .unwrap_or_default()
            .iter()
            .filter_map(|dep| {
                dep.text().or_else(|| dep.text_of("task")).map(|task| task.trim_start_matches(':').to_owned())
            })
            .collect();
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
        } else if FOR_PEOPLE.contains(&key.as_str()) {
            Some("it is for people, not for checks")
        } else {
            None
        };
        if let Some(why) = why {
            out.lose(path, name.at.line, format!("the task `{key}`"), why, "");
            out.left_out.insert(key, needs);
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
        watch(&mut draft, node, path, &mut out);
        out.steps.push(draft);
    }
    out
}

fn watch(draft: &mut Draft, node: &Node, path: &RepoPath, out: &mut Imported) {
    let base = node
        .text_of("dir")
        .map_or(Some(path.parent()), |dir| (!dir.contains("{{")).then(|| path.parent().join(dir.as_bytes())).flatten());
    let place = |text: &str| -> Option<String> {
        let base = base.as_ref()?;
        let full = text.trim_start_matches("./");
        if full.contains("{{")
            || full.contains('$')
            || full.split('/').any(|part| part == "..")
            || full.starts_with('/')
        {
            return None;
        }
        let folder = literal(base)?;
        Some(if folder.is_empty() { full.to_owned() } else { format!("{folder}/{full}") })
    };
    let mut list = |key: &str| -> Option<Vec<String>> {
        let mut all = vec![];
        for item in node.get(key).map(Look::items).unwrap_or_default() {
            let (mark, text) = match (item.text(), item.text_of("exclude")) {
                (Some(text), _) => ("", text),
                (None, Some(text)) => ("!", text),
                (None, None) => continue,
            };
            let Some(pattern) = place(text) else {
                let why = format!("`{text}` in `{key}` depends on variables, or is outside");
                out.lose(path, item.line(), format!("the task `{}`", draft.key), why, "name it by hand");
                return None;
            };
            all.push(format!("{mark}{pattern}"));
        }
        Some(all)
    };
    draft.inputs = list("sources").unwrap_or_default();
    draft.outputs = list("generates").unwrap_or_default();
    if !draft.inputs.is_empty() {
        draft.inputs.extend(literal(path));
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
        assert_eq!(inputs(&made, "build"), ["api/**/*.go", "!api/vendor/**", "api/Taskfile.yml"]);
        assert!(made.text.contains("after: [lint]") && inputs(&made, "t").is_empty(), "{}", made.text);
        for part in ["`includes`", "`gen`", "{{.X}}"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
    }
}
