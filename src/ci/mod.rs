//! What a CI service says of the build that wf is part of: which event made it, between which commits. Pure.
//!
//! Everything here comes from outside, and some of it from whoever opened a pull request: names of branches and commits
//! are taken only if git itself could have made them. Does not know: git, whether a commit is really there, what is
//! recorded. It makes [`Candidate`]s; `engine::based` finds out which of them holds.

mod azure;
mod bitbucket;
mod buildkite;
mod candidate;
mod circleci;
mod github;
mod gitlab;
mod jenkins;
mod merge;
mod name;
mod said;
#[cfg(test)]
mod tests;
mod why;

pub use candidate::{Candidate, candidates};
pub use merge::{Joined, Unmergeable, join};
pub use name::{Branch, Commit};
pub use why::{Outcome, Why};

use said::Said;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A CI service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// GitHub Actions, and what imitates its variables (Gitea, Forgejo).
    Github,
    /// GitLab CI.
    Gitlab,
    /// Bitbucket Pipelines.
    Bitbucket,
    /// CircleCI.
    Circleci,
    /// Buildkite.
    Buildkite,
    /// Jenkins.
    Jenkins,
    /// Azure Pipelines.
    Azure,
    /// `CI` is set, by a service that wf does not know, or `--fetch` was asked for: only git is asked.
    Git,
}

/// What made the build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Event {
    /// Commits arrived on a branch.
    Push {
        /// The branch.
        branch: Option<Branch>,
        /// Where it was before; none if it is new.
        before: Option<Commit>,
        /// Was it moved by force, as far as the service says?
        forced: bool,
    },
    /// A pull request, or a merge request.
    PullRequest {
        /// The branch that it is to be merged into.
        target: Option<Branch>,
        /// A commit of that branch, as the service saw it some time ago.
        target_commit: Option<Commit>,
        /// The newest commit of the request itself.
        request: Option<Commit>,
        /// The merge of the two that the service made, if it built that.
        merge: Option<Commit>,
        /// Does it come from another repository?
        fork: bool,
    },
    /// A merge queue or a merge train: the commit that would become the target branch.
    MergeQueue {
        /// The branch.
        target: Option<Branch>,
        /// What the commit stands on: perhaps another entry of the queue.
        on: Option<Commit>,
    },
    /// A tag.
    Tag,
    /// A timetable.
    Schedule {
        /// On which branch.
        branch: Option<Branch>,
    },
    /// Anything else: a person, another build, or a push of a service that does not say what was there before.
    Build {
        /// On which branch.
        branch: Option<Branch>,
    },
}

/// All that is known of the build before git is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Who says so.
    pub provider: Provider,
    /// What made the build.
    pub event: Event,
    /// The repository's default branch, if the service says it.
    pub default_branch: Option<Branch>,
    /// The variables that were used, by name.
    pub read: Vec<String>,
    /// Variables whose values git could never have made, by name: they were not used.
    pub refused: Vec<String>,
}

impl Situation {
    /// Only git is asked.
    pub fn git() -> Self {
        let event = Event::Build { branch: None };
        Self { provider: Provider::Git, event, default_branch: None, read: vec![], refused: vec![] }
    }
}

/// The largest event file that is read, in bytes. GitHub's own limit for payloads is 25 MB.
pub const EVENT_BYTES: u64 = 25 << 20;

/// Where the event's file is, if the service writes one.
pub const EVENT_FILE: &str = "GITHUB_EVENT_PATH";

/// Finds out which service this is and what it says. `var` gives a variable, `event` the text of the event's file.
pub fn detect(var: &dyn Fn(&str) -> Option<String>, event: Option<&str>) -> Option<Situation> {
    let mut said = Said::new(var, event);
    let set = |name: &str| var(name).is_some_and(|value| !["", "0", "false", "no"].contains(&value.as_str()));
    let (provider, found): (Provider, fn(&mut Said<'_>) -> Found) = if set("GITHUB_ACTIONS") {
        (Provider::Github, github::read)
    } else if set("GITLAB_CI") {
        (Provider::Gitlab, gitlab::read)
    } else if set("BITBUCKET_BUILD_NUMBER") {
        (Provider::Bitbucket, bitbucket::read)
    } else if set("CIRCLECI") {
        (Provider::Circleci, circleci::read)
    } else if set("BUILDKITE") {
        (Provider::Buildkite, buildkite::read)
    } else if set("TF_BUILD") {
        (Provider::Azure, azure::read)
    } else if set("JENKINS_URL") {
        (Provider::Jenkins, jenkins::read)
    } else if set("CI") {
        return Some(Situation::git());
    } else {
        return None;
    };
    let Found { event, default_branch } = found(&mut said);
    let (read, refused) = said.finish();
    Some(Situation { provider, event, default_branch, read, refused })
}

/// What one service says.
struct Found {
    event: Event,
    default_branch: Option<Branch>,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Github => "GitHub Actions",
            Self::Gitlab => "GitLab CI",
            Self::Bitbucket => "Bitbucket Pipelines",
            Self::Circleci => "CircleCI",
            Self::Buildkite => "Buildkite",
            Self::Jenkins => "Jenkins",
            Self::Azure => "Azure Pipelines",
            Self::Git => "git",
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |branch: &Option<Branch>| branch.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        match self {
            Self::Push { branch, before: None, .. } => {
                write!(f, "push to{}, new or from nobody says where", on(branch))
            }
            Self::Push { branch, forced: true, .. } => write!(f, "forced push to{}", on(branch)),
            Self::Push { branch, .. } => write!(f, "push to{}", on(branch)),
            Self::PullRequest { target, fork, .. } => {
                write!(f, "pull request{} into{}", if *fork { " of a fork" } else { "" }, on(target))
            }
            Self::MergeQueue { target, .. } => write!(f, "merge queue of{}", on(target)),
            Self::Tag => f.write_str("tag"),
            Self::Schedule { branch } => write!(f, "schedule on{}", on(branch)),
            Self::Build { branch } => write!(f, "build of{}", on(branch)),
        }
    }
}
