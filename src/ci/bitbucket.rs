//! Bitbucket Pipelines: `BITBUCKET_*`. Pure.
//!
//! Source: "Variables and secrets", support.atlassian.com/bitbucket-cloud. A pipeline of a pull request merges the
//! destination into the working branch before its first step; so the destination is an ancestor of HEAD, and the merge
//! base is its newest commit there.

use super::{Event, Found, said::Said};

/// Reads what it says.
pub fn read(said: &mut Said<'_>) -> Found {
    let event = if said.text("BITBUCKET_PR_ID").is_some() {
        let target = said.branch("BITBUCKET_PR_DESTINATION_BRANCH");
        let target_commit = said.commit("BITBUCKET_PR_DESTINATION_COMMIT");
        Event::PullRequest { target, target_commit, request: said.commit("BITBUCKET_COMMIT"), merge: None, fork: false }
    } else if said.text("BITBUCKET_TAG").is_some() {
        Event::Tag
    } else {
        Event::Build { branch: said.branch("BITBUCKET_BRANCH") }
    };
    Found { event, default_branch: None }
}
