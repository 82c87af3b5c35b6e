//! turbo.json: a step for each task, an instance of it for each package that has a script of its name. Pure.

use super::Repository;
use super::draft::{Draft, Imported, kind_of};
use super::node::{Look, from_json};
use super::packages::{Package, locks, manager, members, package};
use super::write::word;
use crate::base::RepoPath;
use crate::config::yaml::Node;

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("turbo");
    let root = match from_json(text) {
        Ok(root) => root,
        Err((line, why)) => return out.unreadable(path, line, why),
    };
    if root.get("extends").is_some() {
        let why = "it adds to the turbo.json at the root of its workspace";
        out.lose(path, 0, "the file", why, "import that one; what this one adds is not carried over");
        return out;
    }
    // `pipeline` is what turbo 1 called it.
    let Some(tasks) = root.get("tasks").or_else(|| root.get("pipeline")) else {
        return out.unreadable(path, 0, "it has no `tasks`");
    };
    let folder = path.parent();
    let tool = manager(repo, &folder);
    let packages = members(repo, &folder);
    let own = package(repo, &folder);
    let names: Vec<&str> = tasks.entries().iter().map(|(name, _)| name.value.as_str()).collect();
    let shared = Shared::of(&root, path, repo, &mut out);
    let mut local = vec![];
    for (name, task) in tasks.entries() {
        let line = name.at.line;
        let mut lose =
            |why: String, advice: &str| out.lose(path, line, format!("the task `{}`", name.value), why, advice);
        let (of, script) = match name.value.rsplit_once('#') {
            Some((package, script)) => (Some(package), script),
            None => (None, name.value.as_str()),
        };
        let depends: Vec<&str> =
            task.get("dependsOn").map(Look::texts).unwrap_or_default().iter().map(|(text, _)| *text).collect();
        let needs = needs(&depends, &name.value, &names);
        if ["persistent", "interactive", "interruptible"].iter().any(|key| task.get(key).is_some_and(Look::is_true)) {
            lose("it does not end by itself, or asks somebody".into(), "");
            out.left_out.insert(name.value.clone(), needs);
            continue;
        }
        let with: Vec<&Package> = match of {
            Some("//") => own.iter().collect(),
            Some(of) => packages.iter().filter(|package| package.name.as_deref() == Some(of)).collect(),
            // A task that a package says for itself is its own step.
            None => packages
                .iter()
                .filter(|package| !package.name.as_ref().is_some_and(|of| names.contains(&&*format!("{of}#{script}"))))
                .collect(),
        };
        let folders: Vec<RepoPath> =
            with.into_iter().filter(|package| package.has(script)).map(|package| package.folder.clone()).collect();
        if folders.is_empty() {
            lose(format!("no package has a script `{script}`"), "");
            out.left_out.insert(name.value.clone(), needs);
            continue;
        }
        if of.is_some_and(|of| of != "//") {
            local.push(name.value.clone());
        }
        let at_root = folders == [folder.clone()];
        let mut draft = Draft {
            key: name.value.clone(),
            run: format!("{tool} run {}", word(script)),
            dir: if at_root { folder.clone() } else { RepoPath::root() },
            kind: kind_of(script),
            needs,
            why: format!("tasks of {path}"),
            ..Draft::default()
        };
        shared.watch(&mut draft, task, at_root, path, line, &mut out);
        draft.for_each = if at_root { vec![] } else { folders };
        out.steps.push(draft);
    }
    for name in local {
        let why = "other packages' `^` dependencies do not wait for it: it is a step of its own";
        out.lose(path, 0, format!("the task `{name}`"), why, "add it to their `needs`");
    }
    if !out.steps.is_empty() {
        out.lose(path, 0, "installed packages", format!("steps expect that `{tool} install` has run"), "");
    }
    out
}

/// Keys that stand for `dependsOn`: `^build`, `build`, `package#build`, which is the `build` of all packages unless it is a
/// task of its own. Variables (`$X`, turbo 1) are no tasks.
fn needs(depends: &[&str], own: &str, tasks: &[&str]) -> Vec<String> {
    let task = |text: &&str| match text.split_once('#') {
        Some((_, task)) if !tasks.contains(text) => task.to_owned(),
        _ => (*text).to_owned(),
    };
    depends.iter().filter(|text| !text.starts_with('$') && **text != own).map(task).collect()
}

/// What all tasks watch and see.
struct Shared {
    files: Vec<String>,
    env: Vec<String>,
    open: bool,
}

impl Shared {
    fn of(root: &Node, path: &RepoPath, repo: &Repository<'_>, out: &mut Imported) -> Self {
        let texts = |key: &str| root.get(key).map(Look::texts).unwrap_or_default();
        let mut files = locks(repo);
        files.extend(super::filter::literal(path));
        let (globs, variables): (Vec<_>, Vec<_>) =
            texts("globalDependencies").into_iter().partition(|(text, _)| !text.starts_with('$'));
        files.extend(globs.into_iter().map(|(text, _)| text.trim_start_matches("./").to_owned()));
        let mut env: Vec<String> = variables.into_iter().map(|(text, _)| text[1..].to_owned()).collect();
        let named = texts("globalEnv").into_iter().chain(texts("globalPassThroughEnv"));
        env.extend(named.map(|(text, _)| text.to_owned()));
        for key in ["remoteCache", "experimentalUI", "boundaries"] {
            if let Some(there) = root.get(key) {
                out.lose(path, there.line(), format!("`{key}`"), "wf has nothing like it here", "");
            }
        }
        Self { files, env, open: false }
    }

    /// Fills in what one task watches, makes and sees.
    fn watch(&self, draft: &mut Draft, task: &Node, at_root: bool, path: &RepoPath, line: u32, out: &mut Imported) {
        let texts = |key: &str| task.get(key).map(Look::texts).unwrap_or_default();
        let what = format!("the task `{}`", draft.key);
        let here = |text: &str| place(text, at_root);
        let inputs: Vec<&str> = texts("inputs").iter().map(|(text, _)| *text).collect();
        let default = inputs.contains(&"$TURBO_DEFAULT$");
        // What turbo adds to its default (files that git ignores) wf watches when it is named.
        if !inputs.is_empty() && !default {
            draft.inputs =
                inputs.iter().filter(|text| !text.starts_with("$TURBO_DEFAULT$")).map(|text| here(text)).collect();
            draft.inputs.push(here("package.json"));
            draft.inputs.extend(self.files.iter().cloned());
            if draft.inputs.first().is_some_and(|first| first.starts_with('!')) {
                draft.inputs.insert(0, here("**"));
            }
        } else if default && inputs.len() > 1 {
            let why = "`$TURBO_DEFAULT$` with more: it watches its folder, what it depends on, and what all share";
            out.lose(path, line, format!("the inputs of {what}"), why, "name its `inputs` if that is too much");
        }
        draft.outputs = texts("outputs").iter().map(|(text, _)| here(text)).collect();
        if draft.outputs.first().is_some_and(|first| first.starts_with('!')) {
            draft.outputs.clear();
        }
        draft.cached = !self.open && !task.get("cache").is_some_and(Look::is_false);
        let mut env: Vec<String> = self.env.clone();
        env.extend(texts("env").into_iter().chain(texts("passThroughEnv")).map(|(text, _)| text.to_owned()));
        for name in env {
            if name.contains('*') || name.starts_with('!') {
                let why = format!("the variables `{name}` of it have no list: it is not cached");
                out.lose(path, line, what.clone(), why, "name them in `env`");
                draft.cached = false;
            } else {
                draft.env.push((name, None));
            }
        }
    }
}

/// A pattern of a package, from its folder: `./x`; one of the workspace from the root.
fn place(text: &str, at_root: bool) -> String {
    let (mark, body) = text.strip_prefix('!').map_or(("", text), |body| ("!", body));
    let body = body.trim_start_matches("./");
    match body.strip_prefix("$TURBO_ROOT$/") {
        Some(body) => format!("{mark}{body}"),
        None if at_root => format!("{mark}{body}"),
        None => format!("{mark}./{body}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::import::Format;
    use crate::import::tests::{imported, steps};

    #[test]
    fn tasks_become_steps_of_the_packages_that_have_them() {
        let turbo = "{ // words\n\"globalEnv\": [\"CI_X\"], \"tasks\": {\n\"build\": {\"dependsOn\": [\"^build\"], \"outputs\": [\"dist/**\", \
                     \"!dist/cache/**\"]},\n\"test\": {\"dependsOn\": [\"build\", \"gen\"], \"inputs\": [\"src/**\", \"$TURBO_ROOT$/tsconfig.json\"], \
                     \"env\": [\"A\", \"NEXT_*\"]},\n\"dev\": {\"persistent\": true},\n\"gen\": {\"dependsOn\": [\"^build\"]},\n\
                     \"//#lint\": {\"cache\": false},\n}}";
        let member = "{\"name\": \"a\", \"scripts\": {\"build\": \"tsc\", \"test\": \"x\"}}";
        let files = [
            ("turbo.json", turbo),
            ("package.json", "{\"workspaces\": [\"p/*\"], \"scripts\": {\"lint\": \"eslint .\"}}"),
            ("p/a/package.json", member),
            ("p/b/package.json", "{\"scripts\": {\"build\": \"tsc\"}}"),
        ];
        let made = imported(Format::Turbo, "turbo.json", &files);
        assert_eq!(steps(&made), ["build: npm run build", "test: npm run test", "lint: npm run lint"]);
        for part in [
            "for_each: [p/a, p/b]",
            "needs: [\"^build\"]",
            "needs: [build, \"^build\"]",
            "outputs: [\"./dist/**\", \"!./dist/cache/**\"]",
            "inputs: [\"./src/**\", tsconfig.json, \"./package.json\", package.json, turbo.json]",
            "cache: true",
        ] {
            assert!(made.text.contains(part), "{part}\n{}", made.text);
        }
        for part in ["`dev`", "`gen`", "NEXT_*"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
        let nested = imported(Format::Turbo, "p/a/turbo.json", &[("p/a/turbo.json", "{\"extends\": [\"//\"]}")]);
        assert_eq!(nested.steps, 0);
    }
}
