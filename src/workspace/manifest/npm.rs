//! npm, yarn, bun and pnpm workspaces: dependencies on other members by name, and by path. Pure.

use super::{ManifestError, Reading, Texts, pnpm, texts};
use crate::base::RepoPath;
use crate::workspace::folders::FolderGlobs;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// The tables of a package.json that name packages.
const TABLES: [&str; 4] = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];

struct Workspace<'a> {
    root: RepoPath,
    manifests: Vec<RepoPath>,
    globs: FolderGlobs,
    by_name: HashMap<&'a str, RepoPath>,
}

pub(super) fn read(all: &Texts) -> Reading {
    let mut reading = Reading::default();
    let mut parsed: BTreeMap<RepoPath, (&RepoPath, Value)> = BTreeMap::new();
    for (folder, path, text) in texts(all, "package.json") {
        match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
            Ok(value) => _ = parsed.insert(folder, (path, value)),
            Err(error) => reading.errors.push(ManifestError { path: path.clone(), message: error.to_string() }),
        }
    }
    let mut workspaces: Vec<Workspace<'_>> = Vec::new();
    let mut found: Vec<(RepoPath, &RepoPath, Vec<String>)> = Vec::new();
    for (folder, path, text) in texts(all, "pnpm-workspace.yaml") {
        match pnpm::members(text) {
            Ok(members) => found.push((folder, path, members)),
            Err(message) => reading.errors.push(ManifestError { path: path.clone(), message }),
        }
    }
    for (folder, (path, value)) in &parsed {
        found.extend(members(value).map(|members| (folder.clone(), *path, members)));
    }
    for (root, path, members) in found {
        match FolderGlobs::parse(members.iter().map(String::as_str), &root) {
            Ok(globs) => {
                workspaces.push(Workspace { root, manifests: vec![path.clone()], globs, by_name: HashMap::new() });
            }
            Err(message) => reading.errors.push(ManifestError { path: path.clone(), message }),
        }
    }
    for workspace in &mut workspaces {
        for (folder, (_, value)) in &parsed {
            let is_member = *folder == workspace.root || workspace.globs.is_match(folder);
            if let Some(name) = value.get("name").and_then(Value::as_str).filter(|_| is_member) {
                workspace.by_name.insert(name, folder.clone());
            }
        }
    }
    for (folder, (path, value)) in &parsed {
        let home = workspaces.iter().find(|w| w.root == *folder || w.globs.is_match(folder));
        let mut manifests = vec![(*path).clone()];
        manifests.extend(home.iter().flat_map(|w| &w.manifests).filter(|root| root != path).cloned());
        reading.packages.push((folder.clone(), manifests));
        for (name, spec) in TABLES.iter().filter_map(|table| value.get(table)?.as_object()).flatten() {
            let to = target(folder, name, spec.as_str().unwrap_or_default(), home);
            reading.edges.extend(to.map(|to| (folder.clone(), to)));
        }
    }
    reading
}

/// `workspaces: [..]` or `workspaces: {packages: [..]}`.
fn members(package: &Value) -> Option<Vec<String>> {
    let workspaces = package.get("workspaces")?;
    let list = workspaces.as_array().or_else(|| workspaces.get("packages")?.as_array())?;
    Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// The folder that `"name": "spec"` means. A range that the member does not satisfy would come from the registry; that
/// is not looked at, so that an edge is rather seen too often than missed.
fn target(folder: &RepoPath, name: &str, spec: &str, home: Option<&Workspace<'_>>) -> Option<RepoPath> {
    let path = ["file:", "link:", "portal:"].iter().find_map(|protocol| spec.strip_prefix(protocol));
    if let Some(path) = path {
        return folder.join(path.as_bytes());
    }
    let member = |name: &str| home.and_then(|w| w.by_name.get(name)).cloned();
    if let Some(rest) = spec.strip_prefix("workspace:") {
        if rest.starts_with('.') {
            return folder.join(rest.as_bytes());
        }
        // `"alias": "workspace:real@*"`
        return rest.rfind('@').filter(|at| *at > 0).and_then(|at| member(&rest[..at])).or_else(|| member(name));
    }
    member(name)
}

#[cfg(test)]
mod tests {
    use crate::workspace::manifest::testing::{edges, errors};

    #[test]
    fn by_name_by_protocol_and_by_path() {
        let app = r#"{"name": "app", "dependencies": {"@x/ui": "workspace:^", "left-pad": "^1", "core": "^2.0.0"},
            "devDependencies": {"tool": "file:../../tools/tool", "alias": "workspace:@x/icons@*"}}"#;
        let root = r#"{"name": "root", "workspaces": {"packages": ["packages/*", "!packages/old"]}}"#;
        let files = [
            ("package.json", root),
            ("packages/app/package.json", app),
            ("packages/ui/package.json", r#"{"name": "@x/ui", "peerDependencies": {"core": "*"}}"#),
            ("packages/icons/package.json", r#"{"name": "@x/icons"}"#),
            ("packages/core/package.json", r#"{"name": "core", "dependencies": {"old": "1"}}"#),
            ("packages/old/package.json", r#"{"name": "old"}"#),
            ("fixtures/core/package.json", r#"{"name": "core"}"#),
        ];
        let app = ["core", "icons", "ui"].map(|to| format!("packages/app → packages/{to}"));
        let rest = ["packages/app → tools/tool", "packages/ui → packages/core"].map(String::from);
        assert_eq!(edges(super::read, &files), [&app[..], &rest].concat());
    }

    #[test]
    fn bad_json_is_named() {
        assert!(errors(super::read, &[("a/package.json", "{")])[0].starts_with("a/package.json: "));
        assert!(errors(super::read, &[("package.json", r#"{"workspaces": ["../x"]}"#)])[0].contains("leaves"));
    }
}
