//! What may serve as the base of a build, the best first. Pure.
//!
//! A base has to be a commit that is known to be good. On a pull request that is a commit of the branch it goes to,
//! which CI guards. On the default branch itself nobody guards the commit before: only recorded runs speak for it.

use super::{Branch, Commit, Event, Situation};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What may serve as the base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Candidate {
    /// HEAD is the service's own merge of a request into its target: the first parent is the target.
    Target {
        /// HEAD has to be this commit.
        merge: Commit,
        /// And this its second parent.
        request: Commit,
        /// The target.
        branch: Option<Branch>,
    },
    /// The best common ancestor of HEAD and a branch.
    MergeBase {
        /// The branch; none: the default one.
        branch: Option<Branch>,
        /// A commit that the service says is on it, for when the branch itself cannot be had.
        known: Option<Commit>,
    },
    /// Where HEAD left a branch that was rewritten since, by what git remembers of it.
    ForkPoint {
        /// The branch; none: the default one.
        branch: Option<Branch>,
    },
    /// The newest ancestor that a recorded run found green as a whole.
    LastGreen,
    /// Where the branch was before this push, if that is an ancestor and a run is recorded there.
    Before {
        /// The commit.
        commit: Commit,
    },
}

/// The candidates of a build, best first. `on_default`: is what is built the default branch?
pub fn candidates(situation: &Situation, on_default: bool) -> Vec<Candidate> {
    let leaving = |branch: &Option<Branch>, known: &Option<Commit>| {
        let (branch, known) = (branch.clone(), known.clone());
        vec![Candidate::MergeBase { branch: branch.clone(), known }, Candidate::ForkPoint { branch }]
    };
    match &situation.event {
        Event::PullRequest { target, target_commit, request, merge, .. } => {
            let merged = merge.clone().zip(request.clone());
            let merged = merged.map(|(merge, request)| Candidate::Target { merge, request, branch: target.clone() });
            merged.into_iter().chain(leaving(target, target_commit)).collect()
        }
        Event::MergeQueue { target, on } => leaving(target, on),
        Event::Tag => vec![Candidate::LastGreen],
        Event::Push { before, forced, .. } if on_default => {
            let before = before.clone().filter(|_| !forced).map(|commit| Candidate::Before { commit });
            std::iter::once(Candidate::LastGreen).chain(before).collect()
        }
        Event::Schedule { .. } | Event::Build { .. } if on_default => vec![Candidate::LastGreen],
        Event::Push { .. } | Event::Schedule { .. } | Event::Build { .. } => leaving(&None, &None),
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |branch: &Option<Branch>| branch.as_ref().map_or("the default branch".to_owned(), Branch::to_string);
        match self {
            Self::Target { branch, .. } => write!(f, "the commit of {} that was merged into", name(branch)),
            Self::MergeBase { branch, .. } => write!(f, "merge base with {}", name(branch)),
            Self::ForkPoint { branch } => write!(f, "fork point from {}", name(branch)),
            Self::LastGreen => f.write_str("newest ancestor with a recorded green run"),
            Self::Before { commit } => write!(f, "{commit}, where the branch was before"),
        }
    }
}
