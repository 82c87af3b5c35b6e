//! How the base was found, line by line: what `wf changes --why` tells. Pure.

use super::{Candidate, Event, Provider};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One line of the explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Why {
    /// What the service says.
    Says {
        /// Which service.
        provider: Provider,
        /// What made the build.
        event: Event,
        /// Variables and fields of the event's file that were used.
        read: Vec<String>,
        /// Those that hold what git could not have made.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refused: Vec<String>,
    },
    /// Which branch counts as the default one.
    Default {
        /// Its name; none: nobody says.
        branch: Option<String>,
        /// `configuration`, `service`, `remote` or `usual-name`.
        by: String,
    },
    /// Something was asked of the remote.
    Fetched {
        /// What.
        what: String,
        /// How many commits from each tip; none: all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        depth: Option<u32>,
        /// Why it failed, if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A candidate was looked at.
    Tried {
        /// Which.
        candidate: Candidate,
        /// What became of it.
        outcome: Outcome,
    },
    /// Commits of HEAD were squashed or rebased into the branch: a commit there has the same files as one of HEAD's own.
    SameFiles {
        /// The newest of HEAD's commits that the branch has under another name.
        mine: String,
        /// That commit of the branch.
        theirs: String,
    },
    /// The base, at last.
    Base {
        /// Its commit; none: everything runs.
        commit: Option<String>,
        /// May it be trusted where no pass is recorded?
        guarded: bool,
        /// In a sentence.
        because: String,
    },
}

/// What became of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Outcome {
    /// It holds.
    Found {
        /// The commit.
        commit: String,
        /// History is cut short so near that a better one may lie beyond.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        perhaps_better: bool,
    },
    /// HEAD is not the merge that the service speaks of.
    OtherHead,
    /// A commit that is needed is not here and was not to be had.
    Absent,
    /// The branch is not here and was not to be had.
    NoBranch,
    /// The clone ends before a common ancestor.
    Shallow,
    /// There is no common history.
    Unrelated,
    /// HEAD itself is a commit of the branch, which does not guard what it already has.
    Merged,
    /// No run that is recorded speaks for it.
    NotRecorded,
    /// HEAD does not descend from it: the branch was rewritten.
    NotAnAncestor,
    /// Git remembers nothing of it.
    Forgotten,
}

impl Why {
    /// What stands before the line.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Says { .. } => "ci",
            Self::Default { .. } => "default",
            Self::Fetched { .. } => "fetch",
            Self::Tried { .. } => "tried",
            Self::SameFiles { .. } => "squash",
            Self::Base { .. } => "so",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |commit: &str| commit.chars().take(10).collect::<String>();
        match self {
            Self::Says { provider, event, read, refused } => {
                write!(f, "{provider}: {event}")?;
                if !read.is_empty() {
                    write!(f, " (from {})", read.join(", "))?;
                }
                if !refused.is_empty() {
                    write!(f, "; not used, because git cannot have made it: {}", refused.join(", "))?;
                }
                Ok(())
            }
            Self::Default { branch: Some(branch), by } => write!(f, "{branch}, by {by}"),
            Self::Default { branch: None, .. } => f.write_str("nobody says which branch that is"),
            Self::Fetched { what, depth, error } => {
                match depth {
                    Some(depth) => write!(f, "{what}, {depth} commits deep")?,
                    None => f.write_str(what)?,
                }
                error.as_ref().map_or(Ok(()), |error| write!(f, ": failed, {error}"))
            }
            Self::Tried { candidate, outcome } => write!(f, "{candidate}: {outcome}"),
            Self::SameFiles { mine, theirs } => {
                write!(f, "{} has the files of {}, which is on the branch", short(mine), short(theirs))
            }
            Self::Base { commit: Some(commit), because, .. } => write!(f, "{}: {because}", short(commit)),
            Self::Base { commit: None, because, .. } => write!(f, "everything runs: {because}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found { commit, perhaps_better } => {
                let short: String = commit.chars().take(10).collect();
                let more =
                    if *perhaps_better { ", though a nearer one may lie where this clone does not reach" } else { "" };
                write!(f, "{short}{more}")
            }
            Self::OtherHead => f.write_str("HEAD is not that merge"),
            Self::Absent => f.write_str("not here, and not to be had"),
            Self::NoBranch => f.write_str("the branch is not here, and not to be had"),
            Self::Shallow => f.write_str("this clone ends before it"),
            Self::Unrelated => f.write_str("no common history"),
            Self::Merged => f.write_str("HEAD itself is on the branch"),
            Self::NotRecorded => f.write_str("none is recorded"),
            Self::NotAnAncestor => f.write_str("HEAD does not descend from it: the branch was rewritten"),
            Self::Forgotten => f.write_str("git remembers none"),
        }
    }
}
