//! What each service says, as tables of variables; and that hostile ones say nothing.

use super::{Branch, Candidate, Commit, Event, Provider, Situation, candidates, detect};
use proptest::prelude::*;
use std::collections::BTreeMap;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const C: &str = "cccccccccccccccccccccccccccccccccccccccc";
const ZERO: &str = "0000000000000000000000000000000000000000";

fn situation(vars: &[(&str, &str)], event: Option<&str>) -> Option<Situation> {
    let vars: BTreeMap<String, String> = vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    detect(&|name| vars.get(name).cloned(), event)
}

fn branch(name: &str) -> Option<Branch> {
    let found = Branch::new(name);
    assert!(found.is_some(), "{name}");
    found
}

fn commit(name: &str) -> Option<Commit> {
    let found = Commit::new(name);
    assert!(found.is_some(), "{name}");
    found
}

#[test]
fn every_service_says_which_event_it_is() {
    let push = format!(r#"{{"before": "{A}", "forced": true, "repository": {{"default_branch": "trunk"}}}}"#);
    let first = format!(r#"{{"before": "{ZERO}"}}"#);
    let pull = format!(
        r#"{{"pull_request": {{"base": {{"ref": "main", "sha": "{A}", "repo": {{"full_name": "o/r"}}}},
            "head": {{"sha": "{B}", "repo": {{"full_name": "f/r"}}}}}}}}"#
    );
    let queue = format!(r#"{{"merge_group": {{"base_ref": "refs/heads/main", "base_sha": "{A}"}}}}"#);
    let request = |merge, fork| Event::PullRequest {
        target: branch("main"),
        target_commit: commit(A),
        request: commit(B),
        merge,
        fork,
    };
    let bare =
        |fork| Event::PullRequest { target: branch("main"), target_commit: None, request: None, merge: None, fork };
    type Row<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>, Provider, Event, Option<&'a str>);
    let table: Vec<Row<'_>> = vec![
        (
            &[("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_NAME", "push"), ("GITHUB_REF", "refs/heads/x")],
            Some(&push),
            Provider::Github,
            Event::Push { branch: branch("x"), before: commit(A), forced: true },
            Some("trunk"),
        ),
        (
            &[("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_NAME", "push"), ("GITHUB_REF", "refs/heads/x")],
            Some(&first),
            Provider::Github,
            Event::Push { branch: branch("x"), before: None, forced: false },
            None,
        ),
        (
            &[("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_NAME", "push"), ("GITHUB_REF", "refs/tags/v1")],
            Some(&push),
            Provider::Github,
            Event::Tag,
            Some("trunk"),
        ),
        (
            &[
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_EVENT_NAME", "pull_request"),
                ("GITHUB_REF", "refs/pull/7/merge"),
                ("GITHUB_SHA", C),
            ],
            Some(&pull),
            Provider::Github,
            request(commit(C), true),
            None,
        ),
        (
            &[
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_EVENT_NAME", "pull_request_target"),
                ("GITHUB_REF", "refs/heads/main"),
            ],
            Some(&pull),
            Provider::Github,
            request(None, true),
            None,
        ),
        (
            &[("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_NAME", "merge_group")],
            Some(&queue),
            Provider::Github,
            Event::MergeQueue { target: branch("main"), on: commit(A) },
            None,
        ),
        (
            &[("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_NAME", "schedule"), ("GITHUB_REF", "refs/heads/main")],
            None,
            Provider::Github,
            Event::Schedule { branch: branch("main") },
            None,
        ),
        (
            &[
                ("GITLAB_CI", "true"),
                ("CI", "true"),
                ("CI_DEFAULT_BRANCH", "main"),
                ("CI_MERGE_REQUEST_IID", "3"),
                ("CI_MERGE_REQUEST_EVENT_TYPE", "merged_result"),
                ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
                ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", A),
                ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", B),
                ("CI_COMMIT_SHA", C),
            ],
            None,
            Provider::Gitlab,
            request(commit(C), false),
            Some("main"),
        ),
        (
            &[
                ("GITLAB_CI", "true"),
                ("CI_MERGE_REQUEST_IID", "3"),
                ("CI_MERGE_REQUEST_EVENT_TYPE", "merge_train"),
                ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
            ],
            None,
            Provider::Gitlab,
            Event::MergeQueue { target: branch("main"), on: None },
            None,
        ),
        (
            &[
                ("GITLAB_CI", "true"),
                ("CI_PIPELINE_SOURCE", "push"),
                ("CI_COMMIT_BRANCH", "x"),
                ("CI_COMMIT_BEFORE_SHA", ZERO),
            ],
            None,
            Provider::Gitlab,
            Event::Push { branch: branch("x"), before: None, forced: false },
            None,
        ),
        (
            &[
                ("BITBUCKET_BUILD_NUMBER", "1"),
                ("BITBUCKET_PR_ID", "4"),
                ("BITBUCKET_PR_DESTINATION_BRANCH", "main"),
                ("BITBUCKET_PR_DESTINATION_COMMIT", A),
                ("BITBUCKET_COMMIT", B),
            ],
            None,
            Provider::Bitbucket,
            request(None, false),
            None,
        ),
        (&[("BITBUCKET_BUILD_NUMBER", "1"), ("BITBUCKET_TAG", "v1")], None, Provider::Bitbucket, Event::Tag, None),
        (
            &[("CIRCLECI", "true"), ("CIRCLE_BRANCH", "x")],
            None,
            Provider::Circleci,
            Event::Build { branch: branch("x") },
            None,
        ),
        (
            &[
                ("BUILDKITE", "true"),
                ("BUILDKITE_PULL_REQUEST", "9"),
                ("BUILDKITE_PULL_REQUEST_BASE_BRANCH", "main"),
                ("BUILDKITE_PIPELINE_DEFAULT_BRANCH", "main"),
            ],
            None,
            Provider::Buildkite,
            bare(false),
            Some("main"),
        ),
        (
            &[
                ("BUILDKITE", "true"),
                ("BUILDKITE_PULL_REQUEST", "false"),
                ("BUILDKITE_SOURCE", "schedule"),
                ("BUILDKITE_BRANCH", "main"),
            ],
            None,
            Provider::Buildkite,
            Event::Schedule { branch: branch("main") },
            None,
        ),
        (
            &[("JENKINS_URL", "http://x"), ("CHANGE_ID", "5"), ("CHANGE_TARGET", "main"), ("CHANGE_FORK", "f")],
            None,
            Provider::Jenkins,
            bare(true),
            None,
        ),
        (
            &[("JENKINS_URL", "http://x"), ("BRANCH_NAME", "main"), ("BRANCH_IS_PRIMARY", "true")],
            None,
            Provider::Jenkins,
            Event::Build { branch: branch("main") },
            Some("main"),
        ),
        (
            &[
                ("TF_BUILD", "True"),
                ("BUILD_REASON", "PullRequest"),
                ("BUILD_SOURCEBRANCH", "refs/pull/2/merge"),
                ("BUILD_SOURCEVERSION", C),
                ("SYSTEM_PULLREQUEST_TARGETBRANCH", "refs/heads/main"),
                ("SYSTEM_PULLREQUEST_SOURCECOMMITID", B),
            ],
            None,
            Provider::Azure,
            Event::PullRequest {
                target: branch("main"),
                target_commit: None,
                request: commit(B),
                merge: commit(C),
                fork: false,
            },
            None,
        ),
        (&[("CI", "true")], None, Provider::Git, Event::Build { branch: None }, None),
    ];
    for (vars, event, provider, expected, default) in table {
        let found = situation(vars, event).unwrap();
        assert_eq!((found.provider, &found.event), (provider, &expected), "{vars:?}");
        assert_eq!(found.default_branch.as_ref().map(Branch::as_str), default, "{vars:?}");
        assert!(found.refused.is_empty(), "{:?}", found.refused);
    }
    assert_eq!(situation(&[], None), None);
    assert_eq!(situation(&[("CI", "false"), ("GITHUB_ACTIONS", "")], None), None);
}

#[test]
fn the_best_candidate_comes_first() {
    let of = |event: Event, on| {
        let found = candidates(&Situation { event, ..Situation::git() }, on);
        found.iter().map(Candidate::to_string).collect::<Vec<_>>()
    };
    let push = |before| Event::Push { branch: branch("x"), before, forced: false };
    let leaving = ["merge base with the default branch", "fork point from the default branch"];
    assert_eq!(of(push(commit(A)), false), leaving);
    assert_eq!(of(push(None), false), leaving);
    let green = "newest ancestor with a recorded green run";
    assert_eq!(of(push(commit(A)), true), [green, "aaaaaaaaaa, where the branch was before"]);
    assert_eq!(of(Event::Tag, false), [green]);
    let request = |merge| Event::PullRequest {
        target: branch("main"),
        target_commit: None,
        request: commit(B),
        merge,
        fork: true,
    };
    let main = ["the commit of main that was merged into", "merge base with main", "fork point from main"];
    assert_eq!(of(request(commit(C)), false), main);
    assert_eq!(of(request(None), true), main[1..]);
    assert_eq!(of(Event::MergeQueue { target: branch("main"), on: commit(A) }, true), main[1..]);
}

proptest! {
    #[test]
    fn whatever_outsiders_write_is_no_option_and_no_control_character(text in ".{0,40}|--[a-z=/ ]{1,20}|[a-z]\n[a-z]") {
        for name in ["GITHUB_BASE_REF", "CI_COMMIT_BRANCH", "CIRCLE_BRANCH", "CHANGE_TARGET", "GITHUB_REF"] {
            let of = |service: &str| {
                let vars = [(service, "1"), (name, text.as_str()), ("GITHUB_EVENT_NAME", "pull_request"), ("CHANGE_ID", "1")];
                situation(&vars, Some(&text)).unwrap()
            };
            for service in ["GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "JENKINS_URL"] {
                let told = of(service).event.to_string();
                prop_assert!(!told.contains(|c: char| c.is_control()), "{:?}", told);
                let found = candidates(&of(service), false);
                for candidate in found {
                    if let Candidate::MergeBase { branch: Some(branch), .. } = candidate {
                        prop_assert!(!branch.as_str().starts_with('-') && !branch.as_str().contains([' ', ':', '\n']));
                    }
                }
            }
        }
    }
}
