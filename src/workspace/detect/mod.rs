//! What a repository is built with, and steps that run as they are. Pure.
//!
//! For `wf init`, and for a run without a configuration. A step is only suggested on evidence: its tool came with the
//! toolchain, or the repository configures or declares it. Does not know: the file system; files and a way to read one
//! are handed in.

mod docs;
mod go;
mod java;
mod make;
mod node;
mod python;
mod render;
mod rust;
#[cfg(test)]
mod tests;

use crate::base::RepoPath;
use crate::config::model::Kind;
use std::collections::BTreeSet;
use std::fmt;

/// What kind of project a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProjectKind {
    /// Cargo.
    Rust,
    /// npm, pnpm, yarn, bun.
    Node,
    /// uv, poetry, pdm, pip.
    Python,
    /// Go modules.
    Go,
    /// Maven, Gradle.
    Java,
    /// A Makefile and nothing else.
    Make,
    /// mkdocs, mdbook, sphinx.
    Docs,
}

impl ProjectKind {
    /// Every kind, in the order of steps.
    pub const ALL: [Self; 7] = [Self::Rust, Self::Node, Self::Python, Self::Go, Self::Java, Self::Make, Self::Docs];

    /// The word for it: `--kind`, templates, prefixes of ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Node => "node",
            Self::Python => "python",
            Self::Go => "go",
            Self::Java => "java",
            Self::Make => "make",
            Self::Docs => "docs",
        }
    }
}

impl fmt::Display for ProjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One folder with a project in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its kind.
    pub kind: ProjectKind,
    /// Its folder.
    pub folder: RepoPath,
    /// The tool that runs it: `cargo`, `pnpm`, `uv`, …
    pub tool: &'static str,
}

/// A step that would run in one project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// What it does in its project, as the id says it: `build`, `test`, …
    pub role: &'static str,
    /// The command.
    pub run: String,
    /// `kind`
    pub kind: Option<Kind>,
    /// Roles in the same project whose outputs it uses.
    pub needs: Vec<&'static str>,
    /// Roles in the same project that it follows.
    pub after: Vec<&'static str>,
    /// A lock shared with other steps of the same folder.
    pub lock: Option<&'static str>,
    /// `inputs`, relative to the project's folder.
    pub inputs: Vec<String>,
    /// `outputs`, relative to the project's folder.
    pub outputs: Vec<String>,
    /// It reads nothing but code, so prose may change without it: `ignore: [docs]`, which linters do not have by default.
    pub no_prose: bool,
    /// `env`
    pub env: Vec<(&'static str, &'static str)>,
    /// Why its outputs are not worth keeping, if they are not: `cache: false`.
    pub uncached: Option<&'static str>,
    /// Why it is there, for the comment.
    pub why: String,
}

/// Folders of installed packages: a copy of what the tool's own cache holds, and with absolute paths in it.
const PACKAGES: Option<&str> = Some("large, bound to this folder, and the tool has a cache of its own");

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detected {
    /// Projects with their steps, by kind and folder.
    pub projects: Vec<(Project, Vec<Draft>)>,
    /// What was seen and left out, one sentence each.
    pub notes: Vec<String>,
}

impl Detected {
    /// Every kind that has a step.
    pub fn kinds(&self) -> Vec<ProjectKind> {
        let with_steps = self.projects.iter().filter(|(_, steps)| !steps.is_empty());
        with_steps.map(|(project, _)| project.kind).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Is there nothing to run?
    pub fn is_empty(&self) -> bool {
        self.kinds().is_empty()
    }

    /// A configuration with these steps, comments included.
    pub fn to_yaml(&self) -> String {
        render::yaml(self)
    }
}

/// Looks for projects of some kinds (none: all) among a repository's files. Only manifests and settings are read.
pub fn detect(files: &[RepoPath], text: &dyn Fn(&RepoPath) -> Option<String>, kinds: &[ProjectKind]) -> Detected {
    let look = Look { files, text };
    let mut found = Detected::default();
    for kind in ProjectKind::ALL.into_iter().filter(|kind| kinds.is_empty() || kinds.contains(kind)) {
        match kind {
            ProjectKind::Rust => rust::find(&look, &mut found),
            ProjectKind::Node => node::find(&look, &mut found),
            ProjectKind::Python => python::find(&look, &mut found),
            ProjectKind::Go => go::find(&look, &mut found),
            ProjectKind::Java => java::find(&look, &mut found),
            ProjectKind::Make => make::find(&look, &mut found),
            ProjectKind::Docs => docs::find(&look, &mut found),
        }
    }
    if kinds.is_empty() {
        found.note_others(&look);
    }
    found
}

/// The repository as detectors see it.
struct Look<'a> {
    files: &'a [RepoPath],
    text: &'a dyn Fn(&RepoPath) -> Option<String>,
}

/// Folders whose projects are somebody else's, or only examples and test data.
const ASIDE: [&str; 18] = [
    "node_modules",
    "vendor",
    "third_party",
    "testdata",
    "test-data",
    "fixtures",
    "__fixtures__",
    "examples",
    "example",
    "tests",
    "test",
    "__tests__",
    "templates",
    "template",
    "benchmarks",
    "samples",
    "fuzz",
    "e2e",
];

impl Look<'_> {
    /// Is there such a file in the folder?
    fn has(&self, folder: &RepoPath, name: &str) -> bool {
        folder.join(name.as_bytes()).is_some_and(|path| self.files.binary_search(&path).is_ok())
    }

    /// The first of these files that the folder has.
    fn first<'n>(&self, folder: &RepoPath, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|name| self.has(folder, name))
    }

    /// A file's text, if it is there.
    fn read(&self, folder: &RepoPath, name: &str) -> Option<String> {
        let path = folder.join(name.as_bytes())?;
        self.files.binary_search(&path).is_ok().then(|| (self.text)(&path)).flatten()
    }

    /// The folders that have one of these files: outermost ones, or those for which `also` says they stand alone.
    /// Folders that are put aside come back in the second list, and so do nested ones.
    fn homes(&self, names: &[&str], stands_alone: impl Fn(&RepoPath) -> bool) -> (Vec<RepoPath>, Vec<RepoPath>) {
        let named = self.files.iter().filter(|path| names.iter().any(|name| path.file_name() == name.as_bytes()));
        let mut folders: Vec<RepoPath> = named.map(RepoPath::parent).collect();
        folders.sort_unstable();
        folders.dedup();
        let (mut homes, mut aside): (Vec<RepoPath>, Vec<RepoPath>) = (vec![], vec![]);
        for folder in folders {
            let mut segments = folder.as_bytes().split(|b| *b == b'/');
            let is_aside = segments
                .any(|segment| ASIDE.iter().any(|name| segment == name.as_bytes()) || segment.first() == Some(&b'.'));
            let inside = homes.iter().any(|home| folder.is_in(home)) && !stands_alone(&folder);
            let writable = std::str::from_utf8(folder.as_bytes()).is_ok();
            if is_aside || inside || !writable { aside.push(folder) } else { homes.push(folder) }
        }
        (homes, aside)
    }

    /// Does any CI definition mention one of these words?
    fn ci_says(&self, words: &[&str]) -> bool {
        let is_ci = |path: &RepoPath| {
            let path = path.as_bytes();
            let in_actions =
                path.starts_with(b".github/workflows/") && (path.ends_with(b".yml") || path.ends_with(b".yaml"));
            in_actions || matches!(path, b".gitlab-ci.yml" | b".circleci/config.yml" | b".travis.yml" | b".cirrus.yml")
        };
        let texts = self.files.iter().filter(|path| is_ci(path)).filter_map(|path| (self.text)(path));
        texts.into_iter().any(|text| words.iter().any(|word| text.contains(word)))
    }

    /// Which of these folder names does the root's or the folder's .gitignore leave out?
    fn ignored<'n>(&self, folder: &RepoPath, names: &[&'n str]) -> Vec<&'n str> {
        let texts = [self.read(&RepoPath::root(), ".gitignore"), self.read(folder, ".gitignore")];
        let lines: BTreeSet<String> = texts
            .iter()
            .flatten()
            .flat_map(|text| text.lines())
            .map(|line| line.trim().trim_start_matches("**/").trim_matches('/').trim_end_matches("/*").to_owned())
            .collect();
        names.iter().copied().filter(|name| lines.contains(*name)).collect()
    }
}

impl Detected {
    fn add(&mut self, kind: ProjectKind, folder: &RepoPath, tool: &'static str, steps: Vec<Draft>) {
        self.projects.push((Project { kind, folder: folder.clone(), tool }, steps));
    }

    /// Says which kinds of project it has no steps for.
    fn note_others(&mut self, look: &Look<'_>) {
        let mut others: Vec<(&'static str, RepoPath)> = Vec::new();
        for path in look.files {
            let Some(what) = super::opaque::unsupported(path).filter(|what| *what != "Gradle project") else {
                continue;
            };
            let folder = path.parent();
            let is_aside =
                folder.as_bytes().split(|b| *b == b'/').any(|name| ASIDE.iter().any(|aside| name == aside.as_bytes()));
            if !is_aside && !others.iter().any(|(known, at)| *known == what && folder.is_in(at)) {
                others.push((what, folder));
            }
        }
        let kinds: BTreeSet<&'static str> = others.iter().map(|(what, _)| *what).collect();
        for kind in kinds {
            let folders: Vec<RepoPath> =
                others.iter().filter(|(what, _)| *what == kind).map(|(_, at)| at.clone()).collect();
            self.leave_out(&format!("what is a {kind}"), &folders);
        }
    }

    /// Says which projects were seen and left out.
    fn leave_out(&mut self, what: &str, folders: &[RepoPath]) {
        let show = |folder: &RepoPath| if folder.is_root() { "the root".to_owned() } else { folder.to_string() };
        let shown: Vec<String> = folders.iter().take(5).map(show).collect();
        match folders.len() {
            0 => {}
            n if n > shown.len() => {
                self.notes.push(format!("no steps for {what} in {} and {} more", shown.join(", "), n - shown.len()));
            }
            _ => self.notes.push(format!("no steps for {what} in {}", shown.join(", "))),
        }
    }
}
