//! nx.json: a step for each target that has defaults, an instance for each project that has the target. Pure.
//!
//! A step calls `nx` in the project's folder, where nx knows which project is meant, and tells it to leave dependencies alone:
//! those are wf's. Does not know: targets that plugins of nx find by themselves.

use super::Repository;
use super::draft::{Draft, Imported, kind_of};
use super::node::{Look, from_json};
use super::packages::package;
use super::write::word;
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::BTreeMap;

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("nx");
    let root = match from_json(text) {
        Ok(root) => root,
        Err((line, why)) => return out.unreadable(path, line, why),
    };
    if let Some(there) = root.get("plugins") {
        let why = "targets that plugins find by themselves are not known";
        out.lose(path, there.line(), "`plugins`", why, "add steps for them");
    }
    let projects = projects(repo);
    let named: BTreeMap<&str, &Node> = root
        .get("namedInputs")
        .map(Look::entries)
        .unwrap_or_default()
        .iter()
        .map(|(name, node)| (&*name.value, node))
        .collect();
    let mut targets: Vec<(String, Option<&Node>, u32)> = vec![];
    for (name, node) in root.get("targetDefaults").map(Look::entries).unwrap_or_default() {
        targets.push((name.value.clone(), Some(node), name.at.line));
    }
    // What older versions list.
    let options = root.get("tasksRunnerOptions").and_then(|all| all.get("default")).and_then(|one| one.get("options"));
    let cacheable = options.and_then(|options| options.get("cacheableOperations")).map(Look::texts).unwrap_or_default();
    for (name, line) in &cacheable {
        if !targets.iter().any(|(known, ..)| known == name) {
            targets.push(((*name).to_owned(), None, *line));
        }
    }
    let names: Vec<String> = targets.iter().map(|(name, ..)| name.clone()).collect();
    for (name, node, line) in targets {
        let depends: Vec<String> = node.and_then(|node| node.get("dependsOn")).map(depends).unwrap_or_default();
        // `project:target` waits for that target everywhere, unless a target is called like that.
        let plain = |text: String| match text.rsplit_once(':') {
            Some((_, target)) if !names.contains(&text) && names.iter().any(|known| known == target) => {
                target.to_owned()
            }
            _ => text,
        };
        let depends: Vec<String> = depends.into_iter().map(plain).filter(|other| *other != name).collect();
        let folders: Vec<RepoPath> =
            projects.iter().filter(|(_, targets)| targets.contains(&name)).map(|(folder, _)| folder.clone()).collect();
        if name.contains(':') && name.starts_with('@') {
            let why = "defaults of an executor, not of a target";
            out.lose(path, line, format!("`{name}`"), why, "");
            continue;
        }
        if folders.is_empty() {
            out.lose(path, line, format!("the target `{name}`"), "no project says that it has it", "");
            out.left_out.insert(name, depends);
            continue;
        }
        let mut draft = Draft {
            key: name.clone(),
            run: format!("npx nx {} --excludeTaskDependencies", word(&name)),
            kind: kind_of(&name),
            needs: depends,
            why: format!("targets of {path}"),
            cached: node.and_then(|node| node.get("cache")).is_some_and(Look::is_true)
                || cacheable.iter().any(|(known, _)| *known == name),
            ..Draft::default()
        };
        if let Some(node) = node {
            watch(&mut draft, node, &named, path, &mut out);
        }
        match &folders[..] {
            [only] if only.is_root() => {}
            _ => draft.for_each = folders.into_iter().filter(|folder| !folder.is_root()).collect(),
        }
        out.steps.push(draft);
    }
    if !out.steps.is_empty() {
        out.lose(path, 0, "installed packages", "steps expect that they are there", "");
    }
    out
}

/// Projects with their targets: those of project.json, and scripts.
fn projects(repo: &Repository<'_>) -> Vec<(RepoPath, Vec<String>)> {
    let mut found: BTreeMap<RepoPath, Vec<String>> = BTreeMap::new();
    for path in repo.files {
        let folder = path.parent();
        if folder.as_bytes().split(|b| *b == b'/').any(|name| name == b"node_modules") {
            continue;
        }
        let targets: Vec<String> = match path.file_name() {
            b"project.json" => {
                let root = (repo.text)(path).and_then(|text| from_json(&text).ok());
                let targets = root.as_ref().and_then(|root| root.get("targets")).map(Look::entries).unwrap_or_default();
                targets.iter().map(|(name, _)| name.value.clone()).collect()
            }
            b"package.json" => package(repo, &folder)
                .map(|package| package.scripts.into_iter().map(|(name, ..)| name).collect())
                .unwrap_or_default(),
            _ => continue,
        };
        found.entry(folder).or_default().extend(targets);
    }
    found.into_iter().collect()
}

fn depends(list: &Node) -> Vec<String> {
    let one = |node: &Node| {
        if let Some(text) = node.text() {
            Some(text.to_owned())
        } else {
            let target = node.text_of("target")?;
            let upstream =
                node.get("dependencies").is_some_and(Look::is_true) || node.text_of("projects") == Some("dependencies");
            Some(if upstream { format!("^{target}") } else { target.to_owned() })
        }
    };
    list.items().iter().filter_map(one).collect()
}

/// Fills in what the target watches, makes and sees.
fn watch(draft: &mut Draft, node: &Node, named: &BTreeMap<&str, &Node>, path: &RepoPath, out: &mut Imported) {
    let what = format!("the target `{}`", draft.key);
    draft.outputs = node
        .get("outputs")
        .map(Look::texts)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(text, line)| {
            let place = place(text);
            if place.is_none() {
                let why = format!("its output `{text}` depends on its options");
                out.lose(path, line, what.clone(), why, "name its `outputs`");
            }
            place.map(|place| if place.contains('*') { place } else { format!("{place}/**") })
        })
        .collect();
    let Some(inputs) = node.get("inputs") else { return };
    let (mut patterns, mut open, mut queue, mut seen) = (vec![], false, vec![inputs], vec![]);
    while let Some(list) = queue.pop() {
        for item in list.items() {
            match item.text() {
                Some(text) if text.starts_with('^') => open = true,
                Some(text) if text.contains('{') => match place(text) {
                    Some(pattern) => patterns.push(pattern),
                    None => open = true,
                },
                Some(name) if seen.contains(&name) => {}
                Some(name) => match named.get(name) {
                    Some(list) => {
                        seen.push(name);
                        queue.push(list);
                    }
                    None => open = true,
                },
                None if item.get("env").is_some() => {
                    draft.env.push((item.text_of("env").unwrap_or_default().to_owned(), None));
                }
                None => {
                    let kind = item.entries().first().map_or("entry", |(name, _)| &name.value);
                    let why = format!("`{kind}` among its inputs is not carried over");
                    out.lose(path, item.line(), what.clone(), why, "declare `tools`, or name what it reads");
                    draft.cached = false;
                }
            }
        }
    }
    // Files of projects that it depends on are what an instance watches by default; patterns could not say them.
    if open || patterns.iter().all(|pattern| pattern.starts_with('!')) {
        return;
    }
    patterns.sort_by_key(|pattern| pattern.starts_with('!'));
    draft.inputs = patterns;
    draft.inputs.extend(super::filter::literal(path));
}

/// `{projectRoot}/x` is `./x`, `{workspaceRoot}/x` is `x`.
fn place(text: &str) -> Option<String> {
    let (mark, body) = text.strip_prefix('!').map_or(("", text), |body| ("!", body));
    let (root, body) = match body.strip_prefix("{projectRoot}") {
        Some(body) => ("./", body),
        None => ("", body.strip_prefix("{workspaceRoot}").unwrap_or(body)),
    };
    let body = body.trim_start_matches('/').replace("{projectName}", "*");
    if body.contains("{options") || body.contains("{projectRoot}") || body.contains("{workspaceRoot}") {
        return None;
    }
    let body = if body.is_empty() { "**".to_owned() } else { body };
    Some(format!("{mark}{root}{body}"))
}

#[cfg(test)]
mod tests {
    use crate::import::Format;
    use crate::import::tests::{imported, inputs, steps};

    #[test]
    fn targets_become_steps() {
        let nx = "{\"namedInputs\": {\"sources\": [\"{projectRoot}/src/**/*\", \"!{projectRoot}/**/*.md\", \"{workspaceRoot}/x.json\"]},\n\
                  \"targetDefaults\": {\"build\": {\"dependsOn\": [\"^build\"], \"inputs\": [\"sources\", \"^sources\"], \"outputs\": \
                  [\"{projectRoot}/dist\"], \"cache\": true},\n\"lint\": {\"dependsOn\": [\"b:build\"], \"inputs\": [\"sources\", {\"env\": \"A\"}]}, \
                  \"e2e\": {}, \"@nx/js:tsc\": {\"cache\": true}}}";
        let files = [
            ("nx.json", nx),
            ("libs/a/project.json", "{\"targets\": {\"build\": {}, \"lint\": {}}}"),
            ("libs/b/package.json", "{\"scripts\": {\"build\": \"tsc\"}}"),
        ];
        let made = imported(Format::Nx, "nx.json", &files);
        assert_eq!(
            steps(&made),
            ["build: npx nx build --excludeTaskDependencies", "lint: npx nx lint --excludeTaskDependencies"]
        );
        assert!(inputs(&made, "build").is_empty() && made.text.contains("outputs: [\"./dist/**\"]"), "{}", made.text);
        assert!(made.text.contains("needs: [build]"), "{}", made.text);
        assert_eq!(inputs(&made, "lint"), ["./src/**/*", "x.json", "!./**/*.md", "nx.json"]);
        assert!(made.lost.iter().any(|line| line.contains("`e2e`")));
    }
}
