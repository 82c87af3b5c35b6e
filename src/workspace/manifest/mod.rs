//! Manifests: who depends on whom, by folder. One reader per kind of project, each from texts to edges. Pure.

mod cargo;
mod go;
mod maven;
mod npm;
mod pnpm;
mod python;

use super::Tree;
use crate::base::RepoPath;

/// A manifest that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ManifestError {
    /// The manifest.
    pub path: RepoPath,
    /// What is wrong with it.
    pub message: String,
}

/// What a reader found.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Package folders, each with the manifests that say what it depends on (its own, its workspace's).
    pub(super) packages: Vec<(RepoPath, Vec<RepoPath>)>,
    /// From a package's folder to the folder of one it depends on.
    pub(super) edges: Vec<(RepoPath, RepoPath)>,
    /// What could not be read.
    pub(super) errors: Vec<ManifestError>,
}

/// Reads every manifest of every kind.
pub(super) fn read(tree: &Tree<'_>) -> Vec<Reading> {
    vec![cargo::read(tree), npm::read(tree), go::read(tree), maven::read(tree), python::read(tree)]
}

/// Files whose texts some reader wants.
pub(super) fn is_wanted(path: &RepoPath) -> bool {
    const NAMES: [&[u8]; 8] = [
        b"Cargo.toml",
        b"package.json",
        b"pnpm-workspace.yaml",
        b"go.mod",
        b"go.work",
        b"pom.xml",
        b"pyproject.toml",
        b"requirements.txt",
    ];
    NAMES.contains(&path.file_name()) && !is_vendored(path)
}

/// Below a folder of other people's code, or of test data?
fn is_vendored(path: &RepoPath) -> bool {
    path.as_bytes().split(|b| *b == b'/').any(|segment| matches!(segment, b"node_modules" | b"vendor" | b"testdata"))
}

/// The texts of all files of one name, by folder.
fn texts<'a>(tree: &'a Tree<'_>, name: &'static str) -> impl Iterator<Item = (RepoPath, &'a RepoPath, &'a str)> {
    let named = tree.texts.iter().filter(move |(path, _)| path.file_name() == name.as_bytes());
    named.map(|(path, text)| (path.parent(), path, &**text))
}

/// The nearest of `folder` and the folders above it that satisfies `is`.
fn nearest(folder: &RepoPath, is: impl Fn(&RepoPath) -> bool) -> Option<RepoPath> {
    let mut at = folder.clone();
    loop {
        if is(&at) {
            return Some(at);
        }
        if at.is_root() {
            return None;
        }
        at = at.parent();
    }
}

#[cfg(test)]
mod testing {
    use super::{Reading, Tree};
    use crate::base::RepoPath;

    fn reading(read: fn(&Tree<'_>) -> Reading, files: &[(&str, &str)]) -> Reading {
        let paths: Vec<RepoPath> = files.iter().map(|(path, _)| RepoPath::from(*path)).collect();
        let texts = files.iter().map(|(path, text)| (RepoPath::from(*path), (*text).into())).collect();
        read(&Tree { files: &paths, texts })
    }

    /// `from → to`, sorted, of a readable tree.
    pub(super) fn edges(read: fn(&Tree<'_>) -> Reading, files: &[(&str, &str)]) -> Vec<String> {
        let reading = reading(read, files);
        assert_eq!(reading.errors, []);
        let mut edges: Vec<String> = reading.edges.iter().map(|(from, to)| format!("{from} → {to}")).collect();
        edges.sort();
        edges.dedup();
        edges
    }

    /// What could not be read.
    pub(super) fn errors(read: fn(&Tree<'_>) -> Reading, files: &[(&str, &str)]) -> Vec<String> {
        reading(read, files).errors.iter().map(ToString::to_string).collect()
    }
}
