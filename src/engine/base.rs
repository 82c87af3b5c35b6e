//! The steps' definitions at the base: that commit's configuration, resolved by this binary, with this run's flags and
//! environment.

use super::prepare::Inputs;
use crate::base::RepoPath;
use crate::change::{Base, ChangeSet, Status};
use crate::git::Repo;
use crate::plan::BaseDefinitions;
use crate::workspace::{self, Manifests, Texts, Tree};
use std::collections::BTreeSet;

/// Compares by content first: an unchanged configuration defines unchanged steps.
///
/// Manifests that changed count as they were then; other folders and files are those of today.
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
    let manifests = changed_manifests(inputs, change);
    // A folder that is gone had an instance, which others may have waited for.
    let gone = workspace::needs_tree(inputs.workflow)
        && change.files.iter().any(|file| file.status == Status::Deleted || file.from.is_some());
    if then == inputs.config_text.as_bytes() && manifests.is_empty() && !gone {
        return BaseDefinitions::Same;
    }
    let Ok(text) = String::from_utf8(then) else {
        return BaseDefinitions::Unknown(format!("{path} at the base is not UTF-8"));
    };
    let workflow = match (inputs.resolve)(&text) {
        Ok(workflow) => workflow,
        Err(message) => return BaseDefinitions::Unknown(format!("{path} at the base has errors: {message}")),
    };
    let files = files_then(change, tree);
    let wanted = workspace::manifests_wanted(&workflow, &files);
    let Some(texts) = texts_then(inputs, repo, commit, &wanted, &manifests) else {
        return unknown("a manifest at the base cannot be read");
    };
    match workspace::expand(&workflow, &Tree { files: &files, manifests: Manifests::read(&wanted, &texts) }) {
        Ok(expansion) => {
            BaseDefinitions::Of(expansion.steps.iter().map(|step| (step.id.clone(), step.definition())).collect())
        }
        Err(_) => BaseDefinitions::Unknown(format!("{path} at the base does not fit today's folders")),
    }
}

/// The changed files that say which folder depends on which.
fn changed_manifests<'a>(inputs: &Inputs<'_>, change: &'a ChangeSet) -> Vec<&'a RepoPath> {
    if !workspace::needs_tree(inputs.workflow) {
        return vec![];
    }
    change.paths().filter(|path| workspace::is_manifest(path)).collect()
}

/// The files of the base: those of now, with what the change did to them taken back.
fn files_then(change: &ChangeSet, tree: &Tree<'_>) -> Vec<RepoPath> {
    let mut files: BTreeSet<RepoPath> = tree.files.iter().cloned().collect();
    for file in &change.files {
        if matches!(file.status, Status::Added | Status::Renamed) {
            files.remove(&file.path);
        }
        files.extend((file.status == Status::Deleted).then(|| file.path.clone()));
        files.extend(file.from.clone());
    }
    files.into_iter().collect()
}

/// The manifests of the base: those that changed as they were, others as they are. A package that took another name since
/// was a dependency then, though no manifest of its dependents changed.
fn texts_then(
    inputs: &Inputs<'_>,
    repo: &Repo,
    commit: &str,
    wanted: &[RepoPath],
    changed: &[&RepoPath],
) -> Option<Texts> {
    let mut texts = super::manifests::texts(inputs.root, wanted);
    for path in changed {
        texts.remove(*path);
        if let Some(bytes) = repo.read_at(commit, path).ok()? {
            texts.insert((*path).clone(), String::from_utf8(bytes).ok()?.into());
        }
    }
    Some(texts)
}

fn config_path(inputs: &Inputs<'_>, repo: &Repo) -> Option<RepoPath> {
    use std::os::unix::ffi::OsStrExt;
    let inside = inputs.config_path?.strip_prefix(repo.root()).ok()?;
    Some(RepoPath::from_bytes(inside.as_os_str().as_bytes()))
}
