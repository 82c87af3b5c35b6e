//! GitHub Actions: `GITHUB_*` and the event's file. Pure.
//!
//! Source: "Variables reference" and "Events that trigger workflows", docs.github.com/actions; webhook payloads,
//! docs.github.com/webhooks.

use super::{Event, Found, said::Said};

/// Reads what it says.
pub fn read(said: &mut Said<'_>) -> Found {
    let default_branch = said.event_branch("/repository/default_branch");
    let name = said.text("GITHUB_EVENT_NAME").unwrap_or_default();
    let reference = said.text("GITHUB_REF").unwrap_or_default();
    let branch = reference.starts_with("refs/heads/").then(|| said.branch("GITHUB_REF")).flatten();
    let event = match name.as_str() {
        "pull_request" | "pull_request_target" | "pull_request_review" | "pull_request_review_comment" => {
            let target = said.branch("GITHUB_BASE_REF").or_else(|| said.event_branch("/pull_request/base/ref"));
            let target_commit = said.event_commit("/pull_request/base/sha");
            let request = said.event_commit("/pull_request/head/sha");
            let merged = reference.starts_with("refs/pull/") && reference.ends_with("/merge");
            let merge = merged.then(|| said.commit("GITHUB_SHA")).flatten();
            let of = |said: &mut Said<'_>, side: &str| {
                said.event(&format!("/pull_request/{side}/repo/full_name"))
                    .and_then(|name| name.as_str())
                    .map(str::to_owned)
            };
            let (head, base) = (of(said, "head"), of(said, "base"));
            Event::PullRequest { target, target_commit, request, merge, fork: base.is_some() && head != base }
        }
        "merge_group" => {
            let target = said.event_branch("/merge_group/base_ref");
            Event::MergeQueue { target, on: said.event_commit("/merge_group/base_sha") }
        }
        _ if reference.starts_with("refs/tags/") => Event::Tag,
        "push" => {
            let forced = said.event("/forced").and_then(serde_json::Value::as_bool) == Some(true);
            Event::Push { branch, before: said.event_commit("/before"), forced }
        }
        "schedule" => Event::Schedule { branch },
        _ => Event::Build { branch },
    };
    Found { event, default_branch }
}
