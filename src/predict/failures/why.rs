//! Why a step is thought likely to fail, in words. Pure.
//!
//! Does not know: how a probability comes about.

use super::Trait;
use serde::Serialize;
use std::fmt;

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nothing is known of it.
    NeverRan,
    /// It failed the last time, and so often in a row.
    Failing {
        /// 1, 2, …
        runs: u32,
    },
    /// It broke with such changes before.
    Changed(Trait),
    /// So many of its last verdicts were failures.
    Failed {
        /// How many.
        times: u32,
        /// Of how many, at most ten.
        of: u32,
    },
    /// The same inputs had both verdicts lately.
    Flaky,
    /// It ran less than ten times.
    Young {
        /// How often.
        runs: u32,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverRan => write!(f, "never ran before"),
            Self::Failing { runs: 1 } => write!(f, "failed the last time"),
            Self::Failing { runs } => write!(f, "failed the last {runs} times"),
            Self::Changed(Trait::ChangeType(name)) => write!(f, "broke with {name} changes before"),
            Self::Changed(Trait::Category(name)) => write!(f, "broke when {name} files changed before"),
            Self::Changed(Trait::Folder(name)) => write!(f, "broke when files in {name}/ changed before"),
            Self::Changed(Trait::File(name)) => write!(f, "broke when {name} changed before"),
            Self::Failed { times, of } => write!(f, "failed {times} of the last {of}"),
            Self::Flaky => write!(f, "was flaky lately"),
            Self::Young { runs: 1 } => write!(f, "ran only once"),
            Self::Young { runs } => write!(f, "ran only {runs} times"),
        }
    }
}
