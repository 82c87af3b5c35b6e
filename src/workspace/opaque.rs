//! Instance folders whose dependencies nobody can tell: projects of a kind that wf does not read, and pieces of a larger
//! package. Pure.
//!
//! Their instances watch everything: a folder that imports another one without any manifest saying so must not be
//! skipped when the other one changes.

use super::Tree;
use super::links::{self, Links};
use crate::base::RepoPath;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Those folders, each with what it is.
pub(super) fn find(tree: &Tree<'_>, links: &Links, instances: &BTreeSet<RepoPath>) -> BTreeMap<RepoPath, &'static str> {
    let mut found = BTreeMap::new();
    let mut owners: HashMap<RepoPath, RepoPath> = HashMap::new();
    let manifests: HashSet<&RepoPath> = tree.files.iter().filter(|path| is_package_manifest(path)).collect();
    let mut looked: HashSet<(RepoPath, &[u8])> = HashSet::new();
    for path in tree.files {
        let (kind, source) = (unsupported(path), Source::of(path));
        if kind.is_none() && source.is_none() {
            continue;
        }
        let parent = path.parent();
        let owner = owners.entry(parent.clone()).or_insert_with(|| links::owner(&parent, instances));
        if !instances.contains(owner) || found.contains_key(owner) {
            continue;
        }
        match (kind, source) {
            (Some(kind), _) if !links.speak_for(owner) => _ = found.insert(owner.clone(), kind),
            (_, Some(source)) if looked.insert((parent.clone(), source.manifest)) => {
                let is_piece = source.home(&parent, &manifests).is_some_and(|home| !home.is_in(owner));
                if is_piece && (source.always || !links.speak_for(owner)) {
                    found.insert(owner.clone(), source.piece);
                }
            }
            _ => {}
        }
    }
    found
}

/// Source files, and the manifest of the package they belong to.
struct Source {
    manifest: &'static [u8],
    piece: &'static str,
    /// Also in folders that another manifest speaks for: a Go service often has a package.json.
    always: bool,
}

impl Source {
    fn of(path: &RepoPath) -> Option<&'static Self> {
        const GO: Source = Source { manifest: b"go.mod", piece: "piece of a larger Go module", always: true };
        const RUST: Source = Source { manifest: b"Cargo.toml", piece: "piece of a larger crate", always: false };
        const NODE: Source =
            Source { manifest: b"package.json", piece: "piece of a larger npm package", always: false };
        const JAVA: Source = Source { manifest: b"pom.xml", piece: "piece of a larger Maven module", always: false };
        const PYTHON: Source =
            Source { manifest: b"pyproject.toml", piece: "piece of a larger Python project", always: false };
        let name = path.file_name();
        let dot = memchr::memrchr(b'.', name)?;
        Some(match &name[dot + 1..] {
            b"go" => &GO,
            b"rs" => &RUST,
            b"js" | b"ts" | b"jsx" | b"tsx" | b"mjs" | b"cjs" | b"mts" | b"cts" | b"vue" | b"svelte" => &NODE,
            b"java" | b"kt" | b"scala" => &JAVA,
            b"py" => &PYTHON,
            _ => return None,
        })
    }

    /// The folder of the nearest manifest.
    fn home(&self, folder: &RepoPath, manifests: &HashSet<&RepoPath>) -> Option<RepoPath> {
        let mut at = folder.clone();
        loop {
            if manifests.contains(&at.join(self.manifest)?) {
                return Some(at);
            }
            if at.is_root() {
                return None;
            }
            at = at.parent();
        }
    }
}

fn is_package_manifest(path: &RepoPath) -> bool {
    matches!(path.file_name(), b"go.mod" | b"Cargo.toml" | b"package.json" | b"pom.xml" | b"pyproject.toml")
}

/// What kind of project the file is the manifest of, if wf cannot read its edges.
pub(super) fn unsupported(path: &RepoPath) -> Option<&'static str> {
    let name = path.file_name();
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end.as_bytes()));
    Some(match name {
        b"build.gradle" | b"build.gradle.kts" | b"settings.gradle" | b"settings.gradle.kts" => "Gradle project",
        b"BUILD.bazel" | b"BUILD" | b"MODULE.bazel" => "Bazel project",
        b"mix.exs" => "Mix project",
        b"build.sbt" => "sbt project",
        b"pubspec.yaml" => "Dart project",
        b"Package.swift" => "Swift project",
        b"composer.json" => "Composer project",
        b"Gemfile" => "Bundler project",
        b"CMakeLists.txt" => "CMake project",
        b"meson.build" => "Meson project",
        b"dune-project" => "Dune project",
        b"rebar.config" => "Rebar project",
        b"stack.yaml" => "Haskell project",
        _ if ends(&[".cabal"]) => "Haskell project",
        _ if ends(&[".csproj", ".fsproj", ".vbproj", ".sln"]) => ".NET project",
        _ => return None,
    })
}
