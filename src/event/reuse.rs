//! What the cache says of a step: used again, or why not, and what was not kept. Pure.

use crate::base::{BlobRef, Millis, RunId, StepId};
use crate::key::{Key, KeyChange};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A step whose result was known for its very key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reused {
    /// Which step.
    pub step: StepId,
    /// Its key.
    pub key: Key,
    /// How long it took when it ran: what this saved.
    pub saved_ms: Millis,
    /// The run in which it ran.
    pub run: RunId,
    /// How many of its outputs were put in place or removed; the others were right already.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restored: usize,
    /// What it printed then: a blob of the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<BlobRef>,
    /// It passed in a run that was interrupted, and this one goes on from there (`--resume`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Why a step's result was not used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "miss", rename_all = "kebab-case")]
pub enum Miss {
    /// It is not cached.
    NotCached {
        /// Which rule says so.
        why: NotCached,
    },
    /// Nothing is stored for this step.
    Never,
    /// Nothing is stored for this key. What differs from the nearest earlier entry.
    Changed {
        /// The first differences.
        changes: Vec<KeyChange>,
        /// How many more.
        #[serde(default)]
        more: usize,
    },
    /// The entry is past its `ttl`.
    Expired,
    /// This key both passed and failed: nobody can say what it is worth.
    Flaky {
        /// How often it passed.
        passed: u32,
        /// How often it failed.
        failed: u32,
    },
    /// It failed with this key.
    Failed {
        /// In which run.
        run: RunId,
    },
    /// The content of one of its outputs is not in the store any more.
    Missing {
        /// Of which output.
        path: String,
    },
    /// The content of one of its outputs in the store is not what its name says. It is removed, so that it can be stored again.
    Damaged {
        /// Of which output.
        path: String,
    },
    /// Its outputs cannot be put in place.
    NotRestored {
        /// Why.
        message: String,
    },
    /// Reading is off (`--no-cache`, `--cache write`, `cache: {read: false}`).
    Off,
}

/// Why a step is not cached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum NotCached {
    /// It declares no `inputs` and does not say `cache: true`, or says `cache: false`.
    NotAsked,
    /// Manual, `kind: deploy`, or not `run_on: success`.
    Kind,
    /// A probe of `tools` failed.
    ToolFailed {
        /// The probe.
        probe: String,
        /// What happened.
        message: String,
    },
    /// A file it watches cannot be read.
    Unreadable {
        /// The file.
        path: String,
        /// What happened.
        message: String,
    },
    /// It watches a submodule or a repository inside, into which wf does not look.
    Opaque {
        /// Where.
        path: String,
    },
    /// It watches a place that git ignores and that no step it needs makes: what is there is in no key.
    Ignored {
        /// Where.
        path: String,
    },
    /// Something it needs has no key.
    Need {
        /// That step.
        step: StepId,
    },
    /// The tree could not be listed.
    NoTree,
}

/// Why a result was used and not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum NotStored {
    /// Declared outputs that it did not make.
    Missing {
        /// The patterns that match nothing.
        patterns: Vec<String>,
    },
    /// A file that it watches changed while it ran, by a person or by a step that does not declare it.
    InputChanged {
        /// The file.
        path: String,
    },
    /// A file that it watches was made while it ran, by a person or by a step that does not declare it.
    InputAppeared {
        /// The file.
        path: String,
    },
    /// It edited what it watches, as it declares: it passed on something else than it began with.
    Edited,
    /// It passed only after a retry.
    FlakyPass,
    /// It, or something it comes after, failed and is allowed to.
    AllowedFailure {
        /// Who failed.
        step: StepId,
    },
    /// Something it needs has no recorded verdict for its own present key.
    Need {
        /// That step.
        step: StepId,
    },
    /// `incremental`: what it made depends on what was there, so only the verdict is kept.
    Incremental,
    /// The store is full, and nothing may be removed from it.
    NoRoom {
        /// Bytes that were wanted.
        bytes: u64,
    },
    /// Its outputs or the store refuse.
    Refused {
        /// What happened.
        message: String,
    },
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCached { why } => write!(f, "not cached: {why}"),
            Self::Never => write!(f, "nothing is stored for it"),
            Self::Changed { changes, more } => {
                if changes.is_empty() {
                    return write!(f, "nothing is stored for this state");
                }
                let words: Vec<String> = changes.iter().map(ToString::to_string).collect();
                write!(f, "{}", words.join(", "))?;
                if *more > 0 { write!(f, " and {more} more") } else { Ok(()) }
            }
            Self::Expired => write!(f, "what is stored is past its ttl"),
            Self::Flaky { passed, failed } => {
                write!(f, "flaky: passed {passed} times and failed {failed} times like this")
            }
            Self::Failed { run } => write!(f, "it failed like this in run {run}"),
            Self::Missing { path } => write!(f, "the content of {path} is not stored any more"),
            Self::Damaged { path } => write!(f, "what is stored of {path} is damaged"),
            Self::NotRestored { message } => write!(f, "its outputs cannot be restored: {message}"),
            Self::Off => write!(f, "the cache is not read"),
        }
    }
}

impl fmt::Display for NotCached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => write!(f, "it declares no inputs, or says `cache: false`"),
            Self::Kind => write!(f, "it acts on the world outside"),
            Self::ToolFailed { probe, message } => write!(f, "`{probe}` says no version: {message}"),
            Self::Unreadable { path, message } => write!(f, "{path} cannot be read: {message}"),
            Self::Opaque { path } => write!(f, "{path} is a repository of its own"),
            Self::Ignored { path } => write!(f, "it watches {path}, which git ignores and no step that it needs makes"),
            Self::Need { step } => write!(f, "it needs {step}, which has no key"),
            Self::NoTree => write!(f, "the files cannot be listed"),
        }
    }
}

impl fmt::Display for NotStored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { patterns } => write!(f, "it did not make what it declares: {}", patterns.join(", ")),
            Self::InputChanged { path } => write!(f, "{path}, which it watches, changed while it ran"),
            Self::InputAppeared { path } => write!(f, "{path}, which it watches, appeared while it ran"),
            Self::Edited => write!(f, "it edited what it watches, so it passed on something else than it began with"),
            Self::FlakyPass => write!(f, "it passed only after a retry"),
            Self::AllowedFailure { step } => write!(f, "{step} failed, which it is allowed to"),
            Self::Need { step } => write!(f, "{step}, which it needs, has no recorded result for its present state"),
            Self::Incremental => write!(f, "it is incremental, so only its pass is kept"),
            Self::NoRoom { bytes } => write!(f, "the store has no room for {bytes} bytes"),
            Self::Refused { message } => write!(f, "{message}"),
        }
    }
}
