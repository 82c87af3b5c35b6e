//! Configurations of other tools as wf's own: `wf init --from`. Pure.
//!
//! One file for each format: from its texts and the list of tracked files to [`Draft`]s and to what was [`Lost`];
//! [`settle`] gives ids and takes out what wf's reader would refuse, [`write`](self) makes the text. A step calls the tool
//! that its source is for (`make test`, `tox -e py312`); wf supplies what it watches and what it waits for. What cannot be
//! said exactly errs towards running more, and is told. Does not know: the file system, git.

mod actions;
mod along;
mod draft;
mod filter;
mod fit;
mod judge;
mod just;
mod make;
mod members;
mod moon;
mod node;
mod nox;
mod nx;
mod packages;
mod pre_commit;
mod scripts;
mod settle;
mod task;
#[cfg(test)]
mod tests;
mod tox;
mod turbo;
mod workspace;
mod write;

pub use draft::{Draft, Imported, Lost};
pub use fit::misfit;
pub use settle::Settled;

use crate::base::RepoPath;
use std::fmt;

/// A repository as importers see it.
#[derive(Clone, Copy)]
pub struct Repository<'a> {
    /// Every file that git tracks or would track, sorted.
    pub files: &'a [RepoPath],
    /// A file's text, if it is there and readable.
    pub text: &'a dyn Fn(&RepoPath) -> Option<String>,
}

impl Repository<'_> {
    /// Is there such a file?
    fn has(&self, path: &RepoPath) -> bool {
        self.files.binary_search(path).is_ok()
    }

    /// A file of a folder, if it is tracked.
    fn file(&self, folder: &RepoPath, name: &str) -> Option<RepoPath> {
        folder.join(name.as_bytes()).filter(|path| self.has(path))
    }

    /// The text of a file of a folder, if it is tracked.
    fn read(&self, folder: &RepoPath, name: &str) -> Option<String> {
        self.file(folder, name).and_then(|path| (self.text)(&path))
    }

    /// Is it a folder with tracked files?
    fn is_folder(&self, path: &RepoPath) -> bool {
        // What lies in `a` comes after `a/`, of which `a0` is the end.
        let inside = [path.as_bytes(), b"/"].concat();
        let from = self.files.partition_point(|file| file.as_bytes() < &inside[..]);
        self.files.get(from).is_some_and(|file| file.as_bytes().starts_with(&inside))
    }
}

/// A format that wf imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// GitHub Actions.
    Actions,
    /// pre-commit, prek.
    PreCommit,
    /// turbo.json.
    Turbo,
    /// nx.json.
    Nx,
    /// moon.
    Moon,
    /// Scripts of package.json, workspaces of npm, pnpm and yarn included.
    Scripts,
    /// Makefile.
    Make,
    /// justfile.
    Just,
    /// Taskfile.
    Task,
    /// tox.
    Tox,
    /// nox.
    Nox,
    /// Cargo workspaces.
    Cargo,
    /// Go workspaces and modules.
    Go,
    /// Maven modules.
    Maven,
}

impl Format {
    /// Every format, in the order in which their steps are written.
    pub const ALL: [Self; 14] = [
        Self::Actions,
        Self::PreCommit,
        Self::Turbo,
        Self::Nx,
        Self::Moon,
        Self::Scripts,
        Self::Make,
        Self::Just,
        Self::Task,
        Self::Tox,
        Self::Nox,
        Self::Cargo,
        Self::Go,
        Self::Maven,
    ];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Actions => "github-actions",
            Self::PreCommit => "pre-commit",
            Self::Turbo => "turbo",
            Self::Nx => "nx",
            Self::Moon => "moon",
            Self::Scripts => "package-json",
            Self::Make => "make",
            Self::Just => "just",
            Self::Task => "task",
            Self::Tox => "tox",
            Self::Nox => "nox",
            Self::Cargo => "cargo",
            Self::Go => "go",
            Self::Maven => "maven",
        }
    }

    /// The format of a word.
    pub fn of_name(name: &str) -> Option<Self> {
        let other = match name {
            "github" | "actions" => Some(Self::Actions),
            "npm" | "pnpm" | "yarn" | "bun" | "scripts" => Some(Self::Scripts),
            "prek" => Some(Self::PreCommit),
            "makefile" => Some(Self::Make),
            "justfile" => Some(Self::Just),
            "taskfile" => Some(Self::Task),
            _ => None,
        };
        other.or_else(|| Self::ALL.into_iter().find(|format| format.name() == name))
    }

    /// The format of a file, by its name and folder.
    pub fn of_file(path: &RepoPath) -> Option<Self> {
        let text = String::from_utf8_lossy(path.as_bytes()).into_owned();
        let name = text.rsplit('/').next().unwrap_or_default();
        let folder = text.strip_suffix(name).unwrap_or_default();
        let yaml = matches!(name.rsplit('.').next(), Some("yml" | "yaml"));
        Some(match name {
            _ if folder.ends_with(".github/workflows/") && yaml => Self::Actions,
            ".pre-commit-config.yaml" | ".pre-commit-config.yml" => Self::PreCommit,
            "turbo.json" | "turbo.jsonc" => Self::Turbo,
            "nx.json" => Self::Nx,
            "moon.yml" | "moon.yaml" => Self::Moon,
            _ if folder.ends_with(".moon/") && yaml => Self::Moon,
            "package.json" | "pnpm-workspace.yaml" | "lerna.json" => Self::Scripts,
            "Makefile" | "makefile" | "GNUmakefile" => Self::Make,
            _ if name.eq_ignore_ascii_case("justfile") || name == ".justfile" => Self::Just,
            "Taskfile.yml" | "Taskfile.yaml" | "taskfile.yml" | "taskfile.yaml" | "Taskfile.dist.yml"
            | "Taskfile.dist.yaml" => Self::Task,
            "tox.ini" | "tox.toml" | "pyproject.toml" | "setup.cfg" => Self::Tox,
            "noxfile.py" => Self::Nox,
            "Cargo.toml" => Self::Cargo,
            "go.work" | "go.mod" => Self::Go,
            "pom.xml" => Self::Maven,
            _ => return None,
        })
    }

    /// The files of this format that an import of it begins with, in order: those at the root, or all that count.
    pub fn sources(self, repo: &Repository<'_>) -> Vec<RepoPath> {
        let all = || repo.files.iter().filter(|path| Self::of_file(path) == Some(self)).cloned();
        let at_root = || all().filter(|path| path.parent().is_root()).collect::<Vec<_>>();
        match self {
            Self::Actions => all().filter(|path| path.parent() == RepoPath::from(".github/workflows")).collect(),
            // The settings of the workspace take all projects along.
            Self::Moon => match all().find(|path| path.parent() == RepoPath::from(".moon")) {
                Some(settings) => vec![settings],
                None => all().filter(|path| path.file_name().starts_with(b"moon.")).collect(),
            },
            Self::Tox => at_root().into_iter().filter(|path| tox::is_there(path, repo)).take(1).collect(),
            Self::Cargo | Self::Go | Self::Maven => all().take(1).collect(),
            Self::Scripts => repo.file(&RepoPath::root(), "package.json").into_iter().collect(),
            Self::Make | Self::Task | Self::Just => at_root().into_iter().take(1).collect(),
            _ => at_root(),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A configuration made of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Its text, which wf reads.
    pub text: String,
    /// How many steps it has.
    pub steps: usize,
    /// What could not be carried over: one sentence each, safe for a terminal.
    pub lost: Vec<String>,
}

/// Imports files, each in its format, into one configuration.
pub fn import(sources: &[(Format, RepoPath)], repo: &Repository<'_>) -> Configuration {
    let imported = sources.iter().map(|(format, path)| told(*format, path, repo)).collect();
    let (mut steps, mut lost) = settle::settle(imported);
    let from: Vec<String> = sources.iter().map(|(_, path)| path.to_string()).collect();
    let misfit = |steps: &[settle::Settled]| misfit(&write::yaml(steps, &[], &from), repo);
    for take_out in [fit::without_upstream, fit::without_manifests] {
        if let Some(why) = misfit(&steps) {
            take_out(&mut steps, &why, &mut lost);
        }
    }
    lost.sort();
    Configuration { text: write::yaml(&steps, &lost, &from), steps: steps.len(), lost: write::told(&lost) }
}

/// One source; where nothing came of it, it says so.
fn told(format: Format, path: &RepoPath, repo: &Repository<'_>) -> Imported {
    let mut made = one(format, path, repo);
    if made.steps.is_empty() && made.lost.is_empty() {
        made.lose(path, 0, "the file", format!("nothing of it is a step: it has none that {format} would run"), "");
    }
    made
}

fn one(format: Format, path: &RepoPath, repo: &Repository<'_>) -> Imported {
    match format {
        Format::Cargo => return members::cargo(repo),
        Format::Go => return members::go(repo),
        Format::Maven => return members::maven(repo),
        _ => {}
    }
    let Some(text) = (repo.text)(path) else {
        return Imported::new(format.name()).unreadable(path, 0, "it is not there, or no UTF-8 text");
    };
    match format {
        Format::Actions => actions::read(path, &text, repo),
        Format::PreCommit => pre_commit::read(path, &text),
        Format::Turbo => turbo::read(path, &text, repo),
        Format::Nx => nx::read(path, &text, repo),
        Format::Moon => moon::read(path, &text, repo),
        Format::Scripts => scripts::read(path, repo),
        Format::Make => make::read(path, &text, repo),
        Format::Just => just::read(path, &text, repo),
        Format::Task => task::read(path, &text, repo),
        Format::Tox => tox::read(path, &text),
        Format::Nox => nox::read(path, &text),
        Format::Cargo | Format::Go | Format::Maven => Imported::new(format.name()),
    }
}
