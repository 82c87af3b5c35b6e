//! turbo.json: a step for each task, an instance of it for each package that has a script of its name. Pure.
//!
//! What a package says for itself (`package#task`, or a turbo.json of its own) is a step of its own, as is a task of a package
//! that another one names. Does not know: which package depends on which; wf reads that in every run.

mod watch;

use super::Repository;
use super::draft::{Draft, Imported, kind_of};
use super::judge;
use super::node::{Look, from_json};
use super::packages::{Package, manager, members, package};
use super::write::word;
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::{BTreeMap, BTreeSet};
use watch::{Said, Shared};

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("turbo");
    let root = match from_json(text) {
        Ok(root) => root,
        Err((line, why)) => return out.unreadable(path, line, why),
    };
    if root.get("extends").is_some() {
        let why = "it adds to the turbo.json at the root of its workspace";
        out.lose(path, 0, "the file", why, "import that one, which takes this one along");
        return out;
    }
    let Some(tasks) = tasks_of(&root) else {
        return out.unreadable(path, 0, "it has no `tasks`");
    };
    let folder = path.parent();
    let tool = manager(repo, &folder);
    let packages = members(repo, &folder);
    let own_files = own_files(&packages, repo, &mut out);
    let shared = Shared::of(&root, path, repo, packages.iter().map(|package| &package.folder).collect(), &mut out);
    let tasks = Tasks::of(tasks, path, &packages, package(repo, &folder), &own_files);
    for one in &tasks.all {
        let depends = one.said.texts("dependsOn");
        let needs = tasks.needs(one, &depends);
        let mut lose = |why: String, advice: &str| {
            out.lose(one.file, one.line, format!("the task `{}`", one.key), why, advice);
        };
        let ends = ["persistent", "interactive", "interruptible"].iter().any(|key| one.said.is_true(key));
        let refused =
            if ends { Some("it does not end by itself, or asks somebody") } else { judge::by_name(one.script) };
        if let Some(why) = refused {
            lose(why.into(), "");
            out.left_out.insert(one.key.clone(), needs);
            continue;
        }
        let (there, refused): (Vec<&Package>, Vec<&Package>) = one
            .with
            .iter()
            .filter(|package| package.has(one.script))
            .partition(|package| package.refused(one.script).is_none());
        for package in &refused {
            let why = package.refused(one.script).unwrap_or_default();
            lose(format!("{why} in {}", package.folder), "declare it by hand if you want it");
        }
        if there.is_empty() {
            if refused.is_empty() {
                lose(format!("no package has a script `{}`", one.script), "");
            }
            out.left_out.insert(one.key.clone(), needs);
            continue;
        }
        let at_root = there.iter().all(|package| package.folder == folder);
        let mut draft = Draft {
            key: one.key.clone(),
            run: format!("{tool} run {}", word(one.script)),
            dir: if at_root { folder.clone() } else { RepoPath::root() },
            kind: kind_of(one.script),
            needs,
            why: format!("tasks of {path}"),
            for_each: if at_root { vec![] } else { there.iter().map(|package| package.folder.clone()).collect() },
            ..Draft::default()
        };
        shared.watch(&mut draft, &one.said, tasks.has_upstream(&depends), (one.file, one.line), &mut out);
        if there.iter().any(|package| own_files.get(&package.folder).is_some_and(Option::is_none)) {
            draft.watch_everything();
        }
        out.steps.push(draft);
    }
    if !out.steps.is_empty() {
        out.lose(path, 0, "installed packages", format!("steps expect that `{tool} install` has run"), "");
    }
    out
}

/// `pipeline` is what turbo 1 called it.
fn tasks_of(root: &Node) -> Option<&Node> {
    root.get("tasks").or_else(|| root.get("pipeline"))
}

/// A package's turbo.json, by folder: where it is, and what it says, if it can be read.
type OwnFiles = BTreeMap<RepoPath, Option<(RepoPath, Node)>>;

fn own_files(packages: &[Package], repo: &Repository<'_>, out: &mut Imported) -> OwnFiles {
    let mut found = OwnFiles::new();
    for package in packages {
        let mut names = ["turbo.json", "turbo.jsonc"].into_iter();
        let Some(file) = names.find_map(|name| repo.file(&package.folder, name)) else { continue };
        let read = (repo.text)(&file).ok_or((0, "it is no UTF-8 text".to_owned())).and_then(|text| from_json(&text));
        let read = match read {
            Ok(root) => Some((file, root)),
            Err((line, why)) => {
                let why = format!("{why}; the tasks of its package watch everything, and are not cached");
                out.lose(&file, line, "the file", why, "mend it and import again");
                None
            }
        };
        found.insert(package.folder.clone(), read);
    }
    found
}

/// One task to be a step.
struct Task<'a> {
    key: String,
    script: &'a str,
    said: Said<'a>,
    with: Vec<Package>,
    /// The package whose own it is.
    of: Option<String>,
    file: &'a RepoPath,
    line: u32,
}

struct Tasks<'a> {
    all: Vec<Task<'a>>,
    /// Packages that have a step of their own for a script, by the script.
    split: BTreeMap<String, Vec<String>>,
    /// What tasks without any script wait for.
    transit: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Tasks<'a> {
    fn of(
        listed: &'a Node,
        path: &'a RepoPath,
        packages: &[Package],
        root: Option<Package>,
        own_files: &'a OwnFiles,
    ) -> Self {
        let entries = listed.entries();
        let base = |name: &str| entries.iter().find(|(known, _)| known.value == name);
        let named = |package: &Package| package.name.clone().unwrap_or_else(|| package.folder.to_string());
        // Which packages say what for themselves: at the root, in a file of their own, or by being asked for.
        let mut split: BTreeSet<(String, String)> = BTreeSet::new();
        let mut own: BTreeMap<(String, &str), (&'a RepoPath, u32, &'a Node)> = BTreeMap::new();
        let mut nodes: Vec<&'a Node> = entries.iter().map(|(_, node)| node).collect();
        for package in packages {
            let Some(Some((file, read))) = own_files.get(&package.folder) else { continue };
            for (name, node) in tasks_of(read).map(Look::entries).unwrap_or_default() {
                own.insert((named(package), name.value.as_str()), (file, name.at.line, node));
                split.insert((named(package), name.value.clone()));
                nodes.push(node);
            }
        }
        let asked = nodes.iter().flat_map(|node| node.get("dependsOn").map(Look::texts).unwrap_or_default());
        let asked = asked.map(|(text, _)| text.trim_start_matches('^'));
        for text in entries.iter().map(|(name, _)| name.value.as_str()).chain(asked) {
            match text.rsplit_once('#') {
                Some(("//", _)) | None => {}
                Some((package, script)) => _ = split.insert((package.to_owned(), script.to_owned())),
            }
        }
        let is_split = |package: &Package, script: &str| split.contains(&(named(package), script.to_owned()));
        let mut all = vec![];
        for (name, node) in entries {
            let said = Said { own: None, base: Some(node) };
            let (script, with) = match name.value.rsplit_once('#') {
                Some(("//", script)) => (script, root.iter().cloned().collect()),
                // Below, with the others of their kind.
                Some(_) => continue,
                None => {
                    let shared = packages.iter().filter(|package| !is_split(package, &name.value));
                    (name.value.as_str(), shared.cloned().collect())
                }
            };
            all.push(Task { key: name.value.clone(), script, said, with, of: None, file: path, line: name.at.line });
        }
        for (package, script) in &split {
            let key = format!("{package}#{script}");
            let at_root = base(&key).or_else(|| base(script));
            let of_package = own.iter().find(|((name, task), _)| name == package && task == script);
            let (file, line) = match (of_package, at_root) {
                (Some((_, (file, line, _))), _) => (*file, *line),
                (None, Some((name, _))) => (path, name.at.line),
                (None, None) => (path, 0),
            };
            // The text of the key lives as long as the file that has it.
            let texts = entries.iter().map(|(name, _)| name.value.as_str());
            let texts = texts.chain(own.keys().map(|(_, task)| *task));
            let texts = texts.chain(
                nodes
                    .iter()
                    .flat_map(|node| node.get("dependsOn").map(Look::texts).unwrap_or_default())
                    .map(|(text, _)| text),
            );
            let plain = |text: &'a str| text.rsplit_once('#').map_or(text, |(_, task)| task);
            let Some(script) = texts.map(plain).find(|task| task == script) else { continue };
            let said = Said { own: of_package.map(|(_, (_, _, node))| *node), base: at_root.map(|(_, node)| node) };
            let with = packages.iter().filter(|one| named(one) == *package).cloned().collect();
            all.push(Task { key, script, said, with, of: Some(package.clone()), file, line });
        }
        let scripted = |script: &str| packages.iter().chain(&root).any(|package| package.has(script));
        let transit = entries.iter().filter(|(name, _)| !scripted(&name.value));
        let depends = |node: &'a Node| node.get("dependsOn").map(Look::texts).unwrap_or_default();
        let transit = transit
            .map(|(name, node)| (name.value.as_str(), depends(node).into_iter().map(|(text, _)| text).collect()));
        let transit = transit.collect();
        let mut by_script: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (package, script) in split {
            by_script.entry(script).or_default().push(package);
        }
        Self { all, split: by_script, transit }
    }

    /// Keys that stand for `dependsOn`. Variables (`$X`, turbo 1) are no tasks.
    fn needs(&self, of: &Task<'_>, depends: &[&str]) -> Vec<String> {
        let mut keys = vec![];
        for text in depends.iter().filter(|text| !text.starts_with('$')) {
            let (mark, plain) = text.strip_prefix('^').map_or(("", *text), |plain| ("^", plain));
            let splits = self.split.get(plain).map(Vec::as_slice).unwrap_or_default();
            if plain.contains('#') {
                // One package's, whoever asks.
                keys.push(plain.to_owned());
                continue;
            }
            let own = of.of.as_ref().filter(|package| mark.is_empty() && splits.contains(package));
            if let Some(package) = own {
                keys.push(format!("{package}#{plain}"));
                continue;
            }
            keys.push((*text).to_owned());
            let mine =
                |package: &&String| !mark.is_empty() || of.with.iter().any(|one| one.name.as_ref() == Some(*package));
            keys.extend(splits.iter().filter(mine).map(|package| format!("{mark}{package}#{plain}")));
        }
        // One package does not wait for itself by way of others.
        keys.retain(|key| *key != of.key && (of.of.is_none() || key.trim_start_matches('^') != of.key));
        keys
    }

    /// Does it wait for other packages, also by way of tasks that no package has?
    fn has_upstream(&self, depends: &[&'a str]) -> bool {
        let (mut waiting, mut seen) = (depends.to_vec(), BTreeSet::new());
        while let Some(text) = waiting.pop() {
            if text.starts_with('^') {
                return true;
            }
            if seen.insert(text) {
                waiting.extend(self.transit.get(text).into_iter().flatten());
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use crate::import::Format;
    use crate::import::tests::{imported, inputs, steps};

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

    #[test]
    fn what_packages_say_for_themselves_counts() {
        let turbo = "{\"globalDependencies\": [\"config/**\"], \"tasks\": {\"build\": {\"dependsOn\": [\"^build\"], \"outputs\": [\"dist/**\"]},\n\
                     \"test\": {\"dependsOn\": [\"tools#build\"], \"inputs\": [\"src/**\"]},\n\"transit\": {\"dependsOn\": [\"^transit\"]},\n\
                     \"lint\": {\"dependsOn\": [\"transit\"], \"inputs\": [\"src/**\"]},\n\
                     \"far\": {\"inputs\": [\"$TURBO_DEFAULT$\", \"../lib/x\"]}, \"watch\": {}}}";
        let own = "{\"extends\": [\"//\"], \"tasks\": {\"build\": {\"outputs\": [\"lib/**\", \"$TURBO_EXTENDS$\"], \"cache\": false, \
                   \"dependsOn\": [\"codegen\", \"^build\"]}, \"codegen\": {}}}";
        let app = "{\"name\": \"app\", \"scripts\": {\"build\": \"tsc\", \"test\": \"x\", \"codegen\": \"y\", \"lint\": \"z\", \
                   \"far\": \"x\", \"watch\": \"x\"}, \"dependencies\": {\"lib\": \"*\"}}";
        let files = [
            ("turbo.json", turbo),
            ("package.json", "{\"workspaces\": [\"p/*\"]}"),
            ("p/app/package.json", app),
            ("p/app/turbo.json", own),
            (
                "p/lib/package.json",
                "{\"name\": \"lib\", \"scripts\": {\"build\": \"tsc\", \"lint\": \"eslint --fix .\"}}",
            ),
            ("p/tools/package.json", "{\"name\": \"tools\", \"scripts\": {\"build\": \"tsc\"}}"),
        ];
        let made = imported(Format::Turbo, "turbo.json", &files);
        let expected = [
            "build: npm run build",
            "test: npm run test",
            "lint: npm run lint",
            "far: npm run far",
            "app-build: npm run build",
            "app-codegen: npm run codegen",
            "tools-build: npm run build",
        ];
        assert_eq!(steps(&made), expected);
        let step = |id: &str| {
            made.text.split(&format!("id: {id}\n")).nth(1).unwrap().split("- id:").next().unwrap().to_owned()
        };
        let app_build = step("app-build");
        for part in [
            "for_each: [p/app]",
            "needs: [app-codegen, \"^build\", \"^tools-build\"]",
            "outputs: [\"./lib/**\", \"./dist/**\"]",
        ] {
            assert!(app_build.contains(part), "{part}\n{}", made.text);
        }
        assert!(!app_build.contains("cache: true"), "{}", made.text);
        // Whoever builds waits for the builds that packages say for themselves, too.
        assert!(step("build").contains("needs: [\"^build\", \"^app-build\", \"^tools-build\"]"), "{}", made.text);
        assert!(step("test").contains("needs: [tools-build]") && step("test").contains("./src/**"), "{}", made.text);
        // Files of packages without such a task count, too: it watches what an instance does by itself.
        assert!(inputs(&made, "lint").is_empty() && inputs(&made, "far") == ["**"], "{}", made.text);
        for part in
            ["`lint` (turbo.json:4): it edits files in p/lib", "`watch`", "`transit`", "the inputs of the task `far`"]
        {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
    }
}
