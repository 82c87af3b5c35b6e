//! Projects of nx: what project.json and package.json say of their targets. Pure.
//!
//! Does not know: what plugins of nx find by themselves.

use super::super::Repository;
use super::super::draft::Imported;
use super::super::node::{Look, from_json};
use super::super::packages::{Members, package};
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::BTreeMap;

/// One project.
#[derive(Clone, Debug, Default)]
pub(super) struct Project {
    pub folder: RepoPath,
    pub name: String,
    /// Its targets: where each is said, and what the project itself says of it.
    pub targets: BTreeMap<String, Target>,
    /// It says more than its targets: inputs of its own, or on whom it depends.
    pub odd: Option<&'static str>,
    /// Which of project.json and package.json its folder has.
    pub manifests: Vec<&'static str>,
    /// Is it a package of the workspace, of which wf reads what it depends on?
    pub member: bool,
}

/// What a project says of a target.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub file: RepoPath,
    pub line: u32,
    pub node: Option<Node>,
    /// What it runs, as far as that is a text.
    pub command: String,
}

impl Target {
    /// Says the project itself how it is run or kept?
    pub fn is_own(&self) -> bool {
        self.own(&["inputs", "cache", "dependsOn", "outputs"])
    }

    fn own(&self, keys: &[&str]) -> bool {
        self.node.as_ref().is_some_and(|node| keys.iter().any(|key| node.get(key).is_some()))
    }
}

/// All projects of the workspace at `top`, by folder.
pub(super) fn projects(repo: &Repository<'_>, top: &RepoPath, out: &mut Imported) -> Vec<Project> {
    let members = Members::of(repo, top, out);
    let mut found: BTreeMap<RepoPath, Project> = BTreeMap::new();
    for path in repo.files.iter().filter(|path| path.is_in(top)) {
        let folder = path.parent();
        let is_package = path.file_name() == b"package.json";
        if (!is_package && path.file_name() != b"project.json")
            || folder.as_bytes().split(|b| *b == b'/').any(|name| name == b"node_modules")
        {
            continue;
        }
        let read = (repo.text)(path).ok_or((0, "it is no UTF-8 text".to_owned())).and_then(|text| from_json(&text));
        let root = match read {
            Ok(root) => root,
            Err((line, why)) => {
                out.lose(path, line, "the project", why, "mend it and import again");
                continue;
            }
        };
        // The root's package is a project only where it says so; another's where the workspace does, if it says who is a member.
        let has_project = repo.has(&folder.append(b"project.json"));
        let is_meant = match (is_package, folder == *top) {
            (false, _) => true,
            (true, true) => root.get("nx").is_some(),
            (true, false) => !members.are_named() || members.has(&folder) || root.get("nx").is_some(),
        };
        if !is_meant && !has_project {
            continue;
        }
        let project = found.entry(folder.clone()).or_insert_with(|| Project {
            name: String::from_utf8_lossy(folder.file_name()).into_owned(),
            folder: folder.clone(),
            member: members.has(&folder),
            ..Project::default()
        });
        let said = if is_package { root.get("nx") } else { Some(&root) };
        let name = root.text_of("name").or_else(|| said.and_then(|said| said.text_of("name")));
        if let Some(name) = name.filter(|_| !is_package || !has_project) {
            name.clone_into(&mut project.name);
        }
        project.manifests.push(if is_package { "package.json" } else { "project.json" });
        if is_package {
            let included = said.and_then(|said| said.get("includedScripts")).map(Look::texts);
            for (name, command, line) in package(repo, &folder).map(|package| package.scripts).unwrap_or_default() {
                if included.as_ref().is_none_or(|included| included.iter().any(|(one, _)| *one == name)) {
                    let script = Target { file: path.clone(), line, node: None, command };
                    project.targets.entry(name).or_insert(script);
                }
            }
        }
        let Some(said) = said else { continue };
        let odd = ["implicitDependencies", "namedInputs"];
        project.odd = project.odd.or_else(|| odd.into_iter().find(|key| said.get(key).is_some()));
        for (name, node) in said.get("targets").map(Look::entries).unwrap_or_default() {
            let options = node.get("options");
            let command =
                ["command", "commands"].iter().find_map(|key| options?.get(key)).or_else(|| node.get("command"));
            let texts = command.map(Look::texts).unwrap_or_default();
            let command = texts.iter().map(|(text, _)| *text).collect::<Vec<_>>().join("\n");
            let known = project.targets.get(&name.value);
            let command = known.map(|known| known.command.clone()).filter(|_| command.is_empty()).unwrap_or(command);
            // Both files may say something of a target; who says how it is kept counts.
            if known.is_some_and(|known| known.is_own() && known.file != *path) {
                project.odd = project.odd.or(Some("targets"));
            }
            let target = Target { file: path.clone(), line: name.at.line, node: Some(node.clone()), command };
            project.targets.insert(name.value.clone(), target);
        }
    }
    for project in found.values_mut() {
        project.member &= project.manifests.contains(&"package.json");
    }
    found.into_values().collect()
}

/// What lets projects import each other without a manifest that says so: the file that has it, and the line.
pub(super) fn paths_between(
    repo: &Repository<'_>,
    top: &RepoPath,
    projects: &[Project],
) -> Option<(RepoPath, u32, &'static str)> {
    for name in ["tsconfig.base.json", "tsconfig.json"] {
        let Some(file) = repo.file(top, name) else { continue };
        let Some(root) = repo.read(top, name).and_then(|text| from_json(&text).ok()) else {
            return Some((file, 0, "it cannot be read"));
        };
        let options = root.get("compilerOptions");
        let base = options.and_then(|options| options.text_of("baseUrl")).unwrap_or(".");
        let Some(paths) = options.and_then(|options| options.get("paths")) else { continue };
        let between = |text: &str| {
            let fixed = text.split('*').next().unwrap_or_default();
            let at = top.join(base.as_bytes()).and_then(|base| base.join(fixed.as_bytes()));
            let into = |at: RepoPath, folder: &RepoPath| at.is_in(folder) || folder.is_in(&at);
            at.is_none_or(|at| projects.iter().any(|one| one.folder != *top && into(at.clone(), &one.folder)))
        };
        if paths.entries().iter().flat_map(|(_, to)| to.texts()).any(|(text, _)| between(text)) {
            return Some((file, paths.line(), "projects import each other by its `paths`, which wf does not read"));
        }
    }
    None
}
