//! The steps' definitions at the base: that commit's configuration, resolved by this binary, with this run's flags and
//! environment.

use super::prepare::Inputs;
use crate::base::RepoPath;
use crate::change::{Base, ChangeSet};
use crate::git::Repo;
use crate::plan::BaseDefinitions;
use crate::workspace::{self, Tree};

/// Compares by content first: an unchanged configuration defines unchanged steps.
///
/// Folders and manifests are those of today: a manifest that changed is watched by the instances it concerns, and a new
/// folder holds nothing but changed files.
pub fn definitions(inputs: &Inputs<'_>, repo: &Repo, change: &ChangeSet, tree: &Tree<'_>) -> BaseDefinitions {
    let unknown = |message: &str| BaseDefinitions::Unknown(message.to_owned());
    let Some(path) = config_path(inputs, repo) else {
        return unknown("the configuration is not a file of this repository");
    };
    let commit = match &change.base {
        Base::Commit { commit, .. } => commit,
        Base::Staged { head: Some(head) } => head,
        Base::Staged { head: None } | Base::None => return unknown("there is no base"),
    };
    let then = match repo.read_at(commit, &path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return BaseDefinitions::Unknown(format!("{path} is not in the base commit")),
        Err(error) => return BaseDefinitions::Unknown(error.to_string()),
    };
    if then == inputs.config_text.as_bytes() {
        return BaseDefinitions::Same;
    }
    let Ok(text) = String::from_utf8(then) else {
        return BaseDefinitions::Unknown(format!("{path} at the base is not UTF-8"));
    };
    let workflow = match (inputs.resolve)(&text) {
        Ok(workflow) => workflow,
        Err(message) => return BaseDefinitions::Unknown(format!("{path} at the base has errors: {message}")),
    };
    // Its manifests may be fewer than it would ask for; then it does not expand, and every step runs.
    match workspace::expand(&workflow, tree) {
        Ok(expansion) => {
            BaseDefinitions::Of(expansion.steps.iter().map(|step| (step.id.clone(), step.definition())).collect())
        }
        Err(_) => BaseDefinitions::Unknown(format!("{path} at the base does not fit today's folders")),
    }
}

fn config_path(inputs: &Inputs<'_>, repo: &Repo) -> Option<RepoPath> {
    use std::os::unix::ffi::OsStrExt;
    let inside = inputs.config_path?.strip_prefix(repo.root()).ok()?;
    Some(RepoPath::from_bytes(inside.as_os_str().as_bytes()))
}
