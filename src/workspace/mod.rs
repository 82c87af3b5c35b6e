//! From written steps to resolved ones: instances per folder, and which folder depends on which. Pure.
//!
//! Does not know: the file system, git, clocks. Paths and manifest texts are handed in, in two phases: the caller asks
//! [`manifests_wanted`] which texts it needs, has them read by [`Manifests::read`] or remembers what they said, and hands
//! that to [`expand()`]. A workflow without `for_each` needs neither ([`needs_tree`]).

pub mod detect;
mod expand;
mod folders;
mod links;
mod manifest;
mod opaque;
mod problem;
#[cfg(test)]
mod tests;

pub use expand::{Expansion, expand};
pub use folders::FolderGlobs;
pub use manifest::{ManifestError, Manifests, READING, Texts};
pub use problem::{ExpandError, Warning};

use crate::base::RepoPath;
use crate::config::Workflow;

/// What of a repository `for_each` has to know: its paths, and what its manifests say.
#[derive(Clone, Debug, Default)]
pub struct Tree<'a> {
    /// Every file git tracks or would track, sorted.
    pub files: &'a [RepoPath],
    /// What [`manifests_wanted`] say.
    pub manifests: Manifests,
}

/// Does expanding this workflow take a file list at all?
pub fn needs_tree(workflow: &Workflow) -> bool {
    workflow.steps.iter().any(|step| step.for_each.is_some())
}

/// The manifests whose texts [`expand()`] wants. None if no step asks who depends on whom, or the configuration says.
pub fn manifests_wanted(workflow: &Workflow, files: &[RepoPath]) -> Vec<RepoPath> {
    if workflow.workspace.depends.is_some() || !workflow.steps.iter().any(expand::asks_for_links) {
        return vec![];
    }
    files.iter().filter(|path| manifest::is_wanted(path)).cloned().collect()
}

/// Is it a file that says which folder depends on which? A change to one may end a dependency of another folder.
pub fn is_manifest(path: &RepoPath) -> bool {
    manifest::is_wanted(path)
}
