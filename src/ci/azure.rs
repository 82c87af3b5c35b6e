//! Azure Pipelines: `BUILD_*` and `SYSTEM_PULLREQUEST_*`. Pure.
//!
//! Source: "Use predefined variables", learn.microsoft.com/azure/devops/pipelines/build/variables. A build of a pull
//! request checks out `refs/pull/N/merge`, a merge whose first parent is the target.

use super::{Event, Found, said::Said};

/// Reads what it says.
pub fn read(said: &mut Said<'_>) -> Found {
    let reference = said.text("BUILD_SOURCEBRANCH").unwrap_or_default();
    let reason = said.text("BUILD_REASON").unwrap_or_default();
    let event = if reason == "PullRequest" {
        let target = said.branch("SYSTEM_PULLREQUEST_TARGETBRANCH");
        let request = said.commit("SYSTEM_PULLREQUEST_SOURCECOMMITID");
        let merged = reference.starts_with("refs/pull/") && reference.ends_with("/merge");
        let merge = merged.then(|| said.commit("BUILD_SOURCEVERSION")).flatten();
        let fork = said.is("SYSTEM_PULLREQUEST_ISFORK", "true");
        Event::PullRequest { target, target_commit: None, request, merge, fork }
    } else if reference.starts_with("refs/tags/") {
        Event::Tag
    } else {
        let branch = reference.starts_with("refs/heads/").then(|| said.branch("BUILD_SOURCEBRANCH")).flatten();
        if reason == "Schedule" { Event::Schedule { branch } } else { Event::Build { branch } }
    };
    Found { event, default_branch: None }
}
