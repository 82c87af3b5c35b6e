//! Buildkite: `BUILDKITE_*`. Pure.
//!
//! Source: "Environment variables", buildkite.com/docs/pipelines.

use super::{Event, Found, said::Said};

/// Reads what it says.
pub fn read(said: &mut Said<'_>) -> Found {
    let default_branch = said.branch("BUILDKITE_PIPELINE_DEFAULT_BRANCH");
    let request = said.text("BUILDKITE_PULL_REQUEST").is_some_and(|number| number != "false");
    let queue = said.branch("BUILDKITE_MERGE_QUEUE_BASE_BRANCH");
    let event = if queue.is_some() {
        Event::MergeQueue { target: queue, on: said.commit("BUILDKITE_MERGE_QUEUE_BASE_COMMIT") }
    } else if request {
        let fork =
            said.text("BUILDKITE_PULL_REQUEST_REPO").is_some_and(|from| Some(from) != said.text("BUILDKITE_REPO"));
        let target = said.branch("BUILDKITE_PULL_REQUEST_BASE_BRANCH");
        Event::PullRequest { target, target_commit: None, request: None, merge: None, fork }
    } else if said.text("BUILDKITE_TAG").is_some() {
        Event::Tag
    } else {
        let branch = said.branch("BUILDKITE_BRANCH");
        if said.is("BUILDKITE_SOURCE", "schedule") { Event::Schedule { branch } } else { Event::Build { branch } }
    };
    Found { event, default_branch }
}
