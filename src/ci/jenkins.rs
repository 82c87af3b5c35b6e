//! Jenkins with multibranch pipelines: `CHANGE_*`, `BRANCH_NAME`, `TAG_NAME`. Pure.
//!
//! Source: "Global variable reference" of a controller (`/env-vars.html`) and of the branch API plugin. Where a pull
//! request is merged with its target before it is built, the target is an ancestor of HEAD and so the merge base.
//! `GIT_PREVIOUS_SUCCESSFUL_COMMIT` is not read: a green build of Jenkins is no green run of wf.

use super::{Event, Found, said::Said};

/// Reads what it says.
pub fn read(said: &mut Said<'_>) -> Found {
    let branch = said.branch("BRANCH_NAME").or_else(|| {
        let local = said.text("GIT_BRANCH")?;
        super::Branch::new(local.strip_prefix("origin/").unwrap_or(&local))
    });
    let primary = said.is("BRANCH_IS_PRIMARY", "true");
    let default_branch = branch.clone().filter(|_| primary);
    let event = if said.text("CHANGE_ID").is_some() {
        let (target, fork) = (said.branch("CHANGE_TARGET"), said.text("CHANGE_FORK").is_some());
        Event::PullRequest { target, target_commit: None, request: None, merge: None, fork }
    } else if said.text("TAG_NAME").is_some() {
        Event::Tag
    } else {
        Event::Build { branch }
    };
    Found { event, default_branch }
}
