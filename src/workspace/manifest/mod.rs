//! Manifests: who depends on whom, by folder. One reader per kind of project, each from texts to edges. Pure.

mod cargo;
mod go;
mod maven;
mod npm;
mod pnpm;
mod python;

use crate::base::RepoPath;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The texts of manifests.
pub type Texts = BTreeMap<RepoPath, Arc<str>>;

/// How manifests are read. Whoever remembers what they said forgets it when this changes: raise it with every change to a
/// reader that lets it see something else in the same text.
pub const READING: u32 = 1;

/// A manifest that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ManifestError {
    /// The manifest.
    pub path: RepoPath,
    /// What is wrong with it.
    pub message: String,
}

/// What a reader found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reading {
    /// Package folders, each with the manifests that say what it depends on (its own, its workspace's).
    pub(super) packages: Vec<(RepoPath, Vec<RepoPath>)>,
    /// From a package's folder to the folder of one it depends on.
    pub(super) edges: Vec<(RepoPath, RepoPath)>,
    /// What could not be read.
    pub(super) errors: Vec<ManifestError>,
}

/// What all manifests of a repository say: the same texts always say the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifests {
    pub(super) readings: Vec<Reading>,
}

impl Manifests {
    /// Reads every manifest of every kind. One of `wanted` without a text could not be read as UTF-8.
    pub fn read(wanted: &[RepoPath], texts: &Texts) -> Self {
        let mut readings =
            vec![cargo::read(texts), npm::read(texts), go::read(texts), maven::read(texts), python::read(texts)];
        let unread = wanted.iter().filter(|path| !texts.contains_key(*path));
        let message = || "it is not readable as UTF-8 text".into();
        let errors = unread.map(|path| ManifestError { path: path.clone(), message: message() }).collect();
        readings.push(Reading { errors, ..Reading::default() });
        Self { readings }
    }
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
fn texts<'a>(all: &'a Texts, name: &'static str) -> impl Iterator<Item = (RepoPath, &'a RepoPath, &'a str)> {
    let named = all.iter().filter(move |(path, _)| path.file_name() == name.as_bytes());
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
    use super::{Reading, Texts};
    use crate::base::RepoPath;

    fn reading(read: fn(&Texts) -> Reading, files: &[(&str, &str)]) -> Reading {
        read(&files.iter().map(|(path, text)| (RepoPath::from(*path), (*text).into())).collect())
    }

    /// `from → to`, sorted, of a readable tree.
    pub(super) fn edges(read: fn(&Texts) -> Reading, files: &[(&str, &str)]) -> Vec<String> {
        let reading = reading(read, files);
        assert_eq!(reading.errors, []);
        let mut edges: Vec<String> = reading.edges.iter().map(|(from, to)| format!("{from} → {to}")).collect();
        edges.sort();
        edges.dedup();
        edges
    }

    /// What could not be read.
    pub(super) fn errors(read: fn(&Texts) -> Reading, files: &[(&str, &str)]) -> Vec<String> {
        reading(read, files).errors.iter().map(ToString::to_string).collect()
    }
}
