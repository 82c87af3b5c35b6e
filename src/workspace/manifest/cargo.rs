//! Cargo: path dependencies, also inherited from the workspace and patched in. Pure.

use super::{ManifestError, Reading, Texts, nearest, texts};
use crate::base::RepoPath;
use std::collections::BTreeMap;
use toml::{Table, Value};

const TABLES: [&str; 5] =
    ["dependencies", "dev-dependencies", "build-dependencies", "dev_dependencies", "build_dependencies"];

pub(super) fn read(all: &Texts) -> Reading {
    let mut reading = Reading::default();
    let mut parsed: BTreeMap<RepoPath, (&RepoPath, Table)> = BTreeMap::new();
    for (folder, path, text) in texts(all, "Cargo.toml") {
        match text.parse::<Table>() {
            Ok(table) => _ = parsed.insert(folder, (path, table)),
            Err(error) => {
                let message = error.message().to_owned();
                reading.errors.push(ManifestError { path: path.clone(), message });
            }
        }
    }
    let is_root = |folder: &RepoPath| parsed.get(folder).is_some_and(|(_, table)| table.contains_key("workspace"));
    for (folder, (path, table)) in &parsed {
        let pointed = table.get("package").and_then(|package| package.get("workspace")).and_then(Value::as_str);
        let root = pointed.and_then(|at| folder.join(at.as_bytes())).or_else(|| nearest(folder, is_root));
        let root = root.and_then(|at| parsed.get(&at).map(|(path, table)| (at, *path, table)));
        let mut manifests = vec![(*path).clone()];
        manifests.extend(root.as_ref().map(|(_, path, _)| (*path).clone()).filter(|root| root != *path));
        reading.packages.push((folder.clone(), manifests));
        let top = TABLES.iter().filter_map(|name| table.get(*name));
        let targets = table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
        let targeted = targets.flat_map(|target| TABLES.iter().filter_map(move |name| target.get(name)));
        for (name, dependency) in top.chain(targeted).filter_map(Value::as_table).flatten() {
            let to = path_of(folder, dependency).or_else(|| {
                let (at, _, root) = root.as_ref()?;
                inherited(at, root, name, dependency).or_else(|| patched(at, root, name, dependency))
            });
            reading.edges.extend(to.map(|to| (folder.clone(), to)));
        }
    }
    reading
}

/// `x = { path = "../x" }`
fn path_of(folder: &RepoPath, dependency: &Value) -> Option<RepoPath> {
    folder.join(dependency.get("path")?.as_str()?.as_bytes())
}

/// `x = { workspace = true }`, and the root has a path for `x`.
fn inherited(at: &RepoPath, root: &Table, name: &str, dependency: &Value) -> Option<RepoPath> {
    dependency.get("workspace")?.as_bool()?.then_some(())?;
    path_of(at, root.get("workspace")?.get("dependencies")?.get(name)?)
}

/// `x = "1"`, and the root patches `x` with a path.
fn patched(at: &RepoPath, root: &Table, name: &str, dependency: &Value) -> Option<RepoPath> {
    let name = dependency.get("package").and_then(Value::as_str).unwrap_or(name);
    let sources = root.get("patch")?.as_table()?.values();
    sources.filter_map(|source| source.get(name)).find_map(|patch| path_of(at, patch))
}

#[cfg(test)]
mod tests {
    use crate::workspace::manifest::testing::{edges, errors};

    #[test]
    fn every_way_to_write_a_path_dependency() {
        let root = "[workspace]\nmembers = [\"crates/*\"]\n[workspace.dependencies]\ncore = { path = \"crates/core\" }\n\
                    serde = \"1\"\n[patch.crates-io]\nleft = { path = \"forks/left\" }\n";
        let app = "[package]\nname = \"app\"\n[dependencies]\ncore.workspace = true\nserde.workspace = true\nleft = \"1\"\n\
                   [dev-dependencies]\nkit = { path = \"../kit\" }\n[build-dependencies]\ngen = { path = \"../gen/\" }\n\
                   [target.'cfg(unix)'.dependencies]\nnix = { path = \"../nix\" }\n";
        let files = [("Cargo.toml", root), ("crates/app/Cargo.toml", app)];
        let to = ["crates/core", "crates/gen", "crates/kit", "crates/nix", "forks/left"];
        assert_eq!(edges(super::read, &files), to.map(|to| format!("crates/app → {to}")));
    }

    #[test]
    fn a_path_out_of_the_repository_is_no_edge_and_bad_toml_is_named() {
        assert!(edges(super::read, &[("a/Cargo.toml", "[dependencies]\nx = { path = \"../../x\" }")]).is_empty());
        assert!(errors(super::read, &[("a/Cargo.toml", "[dependencies\n")])[0].starts_with("a/Cargo.toml: "));
    }
}
