//! What a plan expects the cache to say, before anything runs: never a promise, and called a prediction wherever it is
//! told. Pure.

use super::{Miss, NotCached};
use crate::base::{Millis, RunId, StepId, duration};
use serde::Serialize;
use std::fmt;

/// What the cache is expected to say of a step. It takes the tools to be what they were when a run last asked them, the
/// steps before to pass, and nobody to edit anything meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "predicted", rename_all = "kebab-case")]
pub enum Predicted {
    /// Its result is known for its very key. Whether what is stored is whole is found out by who reads it.
    Hit {
        /// How long it took when it ran: what this would save.
        saved_ms: Millis,
        /// The run in which it ran.
        run: RunId,
        /// It passed in a run that was interrupted, and the next one goes on from there.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        resumed: bool,
    },
    /// Its result is not known, or would not be used.
    Miss(Miss),
    /// It is not cached.
    NotCached(NotCached),
    /// It cannot be told before the run.
    Unknown(Unforeseen),
}

/// Why nobody can say whether a step's result will be used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Unforeseen {
    /// Its key holds what this step makes, which runs before.
    Need {
        /// The step that it needs.
        step: StepId,
    },
    /// This step edits files that it watches, and runs before or beside it.
    Edited {
        /// Who edits.
        by: StepId,
    },
    /// No run has asked for this version yet, and plans execute nothing.
    ToolNotAsked {
        /// The probe.
        probe: String,
    },
    /// A secret is in its key, and no run has made what secrets are sealed with.
    NoSeal,
    /// What it watches was never read, and is too much to be read for a prediction.
    NotRead,
}

impl fmt::Display for Predicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit { saved_ms, resumed, .. } => {
                let goes_on = if *resumed { ", from the run that was interrupted" } else { "" };
                write!(f, "predicted: would be reused{goes_on}, saves {}", duration::human(*saved_ms))
            }
            Self::Miss(why) => write!(f, "predicted: miss: {why}"),
            Self::NotCached(why) => write!(f, "not cached: {why}"),
            Self::Unknown(why) => write!(f, "not predictable: {why}"),
        }
    }
}

impl fmt::Display for Unforeseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Need { step } => write!(f, "{step}, which it needs, has to run first"),
            Self::Edited { by } => write!(f, "{by} may edit what it watches"),
            Self::ToolNotAsked { probe } => write!(f, "no run has asked `{probe}` yet"),
            Self::NoSeal => write!(f, "no run has sealed a secret on this machine yet"),
            Self::NotRead => {
                write!(f, "the files it watches were not read yet, and are too many to be read for a plan")
            }
        }
    }
}
