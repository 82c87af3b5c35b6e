//! Packages of `node_modules` that require a workspace of the repository.
//!
//! Does not know: links, folders that are shared otherwise. Node takes a package's real path before it looks for what that
//! requires (nodejs.org/api/modules.html, `--preserve-symlinks`): a package behind a link would find the workspace of the
//! repository, not that of the scratch tree. So such a package is copied. What requires without saying so in its
//! `package.json` is not seen.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Manifest {
    dependencies: Map<String, Value>,
    optional_dependencies: Map<String, Value>,
    peer_dependencies: Map<String, Value>,
}

/// The packages of a folder, relative to it, that name one of those that lead back, in themselves or in what is nested in
/// them; and those that name such a package in turn, because they would find its original.
pub(super) fn requiring(from: &Path, back: &[(PathBuf, PathBuf)]) -> Vec<PathBuf> {
    if back.is_empty() || from.join("pyvenv.cfg").is_file() {
        return vec![];
    }
    let mut names: BTreeSet<PathBuf> = back.iter().map(|(link, _)| link.clone()).collect();
    let mut wants: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    let walk = WalkDir::new(from).min_depth(2).into_iter().flatten();
    for file in walk.filter(|entry| entry.file_name() == "package.json" && entry.file_type().is_file()) {
        let Some(package) = file.path().strip_prefix(from).ok().and_then(package) else { continue };
        let text = fs::read(file.path()).unwrap_or_default();
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&text) else { continue };
        let Manifest { dependencies, optional_dependencies, peer_dependencies } = manifest;
        let all = [dependencies, optional_dependencies, peer_dependencies];
        let named = all.into_iter().flatten().map(|(name, _)| PathBuf::from(name));
        wants.entry(package).or_default().extend(named);
    }
    let mut copied: Vec<PathBuf> = vec![];
    loop {
        let is_new = |(package, wanted): &(&PathBuf, &BTreeSet<PathBuf>)| {
            !names.contains(*package) && wanted.iter().any(|wanted| names.contains(wanted))
        };
        let more: Vec<PathBuf> = wants.iter().filter(is_new).map(|(package, _)| package.clone()).collect();
        if more.is_empty() {
            copied.sort();
            return copied;
        }
        names.extend(more.iter().cloned());
        copied.extend(more);
    }
}

/// The package that a file of the folder is in: its first part, with a scope its first two.
fn package(file: &Path) -> Option<PathBuf> {
    let mut parts = file.iter();
    let first = parts.next()?;
    match first.as_bytes() {
        [b'@', ..] => Some(Path::new(first).join(parts.next()?)),
        [b'.', ..] => None,
        _ => Some(first.into()),
    }
}
