//! GitLab CI: `CI_*`. Pure.
//!
//! Source: "Predefined CI/CD variables reference", docs.gitlab.com/ci/variables/predefined_variables.

use super::{Event, Found, said::Said};

/// Reads what it says. A child pipeline has the variables of its parent's merge request, so these are asked for and not
/// the pipeline's source.
pub fn read(said: &mut Said<'_>) -> Found {
    let default_branch = said.branch("CI_DEFAULT_BRANCH");
    let event = if said.text("CI_MERGE_REQUEST_IID").is_some() {
        let target = said.branch("CI_MERGE_REQUEST_TARGET_BRANCH_NAME");
        match said.text("CI_MERGE_REQUEST_EVENT_TYPE").as_deref() {
            Some("merge_train") => Event::MergeQueue { target, on: None },
            kind => {
                let merged = kind == Some("merged_result");
                let merge = merged.then(|| said.commit("CI_COMMIT_SHA")).flatten();
                let request = said.commit("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA");
                let target_commit = said
                    .commit("CI_MERGE_REQUEST_TARGET_BRANCH_SHA")
                    .or_else(|| said.commit("CI_MERGE_REQUEST_DIFF_BASE_SHA"));
                let from = said.text("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH");
                let fork = from.is_some() && from != said.text("CI_MERGE_REQUEST_PROJECT_PATH");
                Event::PullRequest { target, target_commit, request, merge, fork }
            }
        }
    } else if said.text("CI_COMMIT_TAG").is_some() {
        Event::Tag
    } else {
        let branch = said.branch("CI_COMMIT_BRANCH");
        match said.text("CI_PIPELINE_SOURCE").as_deref() {
            Some("push") => {
                let before = said.commit("CI_COMMIT_BEFORE_SHA");
                Event::Push { branch, before, forced: false }
            }
            Some("schedule") => Event::Schedule { branch },
            _ => Event::Build { branch },
        }
    };
    Found { event, default_branch }
}
