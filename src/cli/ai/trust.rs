//! Who may keep answers for everybody: not a change that anybody may have proposed.

use super::super::context::{Context, Env};
use crate::ai::cache::Scope;
use crate::ai::order::Shared;
use crate::engine;
use crate::git::Repo;

/// Variables that say, in CI, that a proposed change is being looked at; `false` counts as unset.
const PROPOSED: [&str; 7] = [
    "CI_MERGE_REQUEST_IID",
    "BITBUCKET_PR_ID",
    "BUILDKITE_PULL_REQUEST",
    "CIRCLE_PULL_REQUEST",
    "CHANGE_ID",
    "SYSTEM_PULLREQUEST_PULLREQUESTID",
    "DRONE_PULL_REQUEST",
];
/// Variables that name its branch.
const BRANCHES: [&str; 6] = [
    "GITHUB_HEAD_REF",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "BITBUCKET_BRANCH",
    "BUILDKITE_BRANCH",
    "CIRCLE_BRANCH",
    "CHANGE_BRANCH",
];

/// On a person's machine and on branches that only trusted people can push to, answers are for everybody.
pub fn scope(env: &Env) -> Scope {
    let github = env.text("GITHUB_EVENT_NAME").is_some_and(|event| event.starts_with("pull_request"));
    if !github && !PROPOSED.iter().any(|name| env.flag(name)) {
        return Scope::Trusted;
    }
    let branch = BRANCHES.iter().find_map(|name| env.text(name)).unwrap_or("unknown");
    // Two repositories may have branches of one name: the proposal's number tells them apart.
    let number = env.text("GITHUB_REF").or_else(|| PROPOSED.iter().find_map(|name| env.text(name))).unwrap_or_default();
    Scope::Branch(format!("{number} {branch}"))
}

/// What all AI steps, the proxy and `wf ai run` begin with: who keeps for whom, and no cache that a commit brought along, in
/// which anybody could have written what a model is to have said.
pub fn shared(shared: Shared, repo: Option<&Repo>, cx: &Context) -> Shared {
    let mut shared = Shared { scope: scope(&cx.env), ..shared };
    if let Some(path) = repo.and_then(|repo| engine::committed(repo, &shared.cache_dir())) {
        cx.say(&format!("warning: {path} is committed, so its answers are not used; remove it from git"));
        shared.cache.enabled = false;
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Scope {
        scope(&Env(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()))
    }

    #[test]
    fn proposed_changes_keep_for_themselves() {
        assert_eq!(of(&[]), Scope::Trusted);
        assert_eq!(
            of(&[("CI", "true"), ("GITHUB_EVENT_NAME", "push"), ("GITHUB_REF", "refs/heads/main")]),
            Scope::Trusted
        );
        assert_eq!(of(&[("BUILDKITE_PULL_REQUEST", "false")]), Scope::Trusted);
        let fork = |number| {
            let event = ("GITHUB_EVENT_NAME", "pull_request_target");
            of(&[event, ("GITHUB_HEAD_REF", "main"), ("GITHUB_REF", number)])
        };
        assert_ne!(fork("refs/pull/1/merge"), fork("refs/pull/2/merge"));
        assert_eq!(of(&[("CI_MERGE_REQUEST_IID", "7")]), Scope::Branch("7 unknown".into()));
    }
}
