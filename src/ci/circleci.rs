//! CircleCI: `CIRCLE_*`. Pure.
//!
//! Source: "Project values and variables", circleci.com/docs. It does not say what a pull request is to be merged into,
//! nor which branch is the default one: both are asked of the remote.

use super::{Event, Found, said::Said};

/// Reads what it says.
pub fn read(said: &mut Said<'_>) -> Found {
    let event = if said.text("CIRCLE_TAG").is_some() {
        Event::Tag
    } else if said.text("CIRCLE_PULL_REQUEST").is_some() {
        let fork = said.text("CIRCLE_PR_REPONAME").is_some();
        let request = said.commit("CIRCLE_SHA1");
        Event::PullRequest { target: None, target_commit: None, request, merge: None, fork }
    } else {
        Event::Build { branch: said.branch("CIRCLE_BRANCH") }
    };
    Found { event, default_branch: None }
}
