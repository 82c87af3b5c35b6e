//! What a run is expected to take, told once something runs. Pure.

use crate::base::{Millis, StepId};
use serde::{Deserialize, Serialize};

/// What the steps that run are expected to take, and what order that led to. Told again when more steps turn out to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// `strategy` and `optimization_level`, as they are written in a configuration.
    pub strategy: String,
    /// See `strategy`.
    pub level: String,
    /// Until the last of them has ended, from when this was told; none while too little is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Interval>,
    /// The longest chain of them: however many ran at once, it would take no less.
    pub critical_ms: Millis,
    /// All their time together.
    pub work_ms: Millis,
    /// What was only found out to expect something.
    #[serde(default, skip_serializing_if = "Noticed::is_empty")]
    pub noticed: Noticed,
    /// The steps.
    pub steps: Vec<ExpectedStep>,
}

/// What is only found out about a run once something is to be expected of it: a run that starts nothing does not pay for
/// it. Nothing is known of what is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Noticed {
    /// Lines added and removed since the base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<u32>,
    /// Was nothing run in this checkout before, so that build folders are empty?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold: Option<bool>,
    /// Of the steps of which it was known by then, how many were reused and not run, in thousandths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reused_milli: Option<u32>,
}

impl Noticed {
    /// Is nothing known?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A time that is expected, and between what it lies in four of five cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Most likely.
    pub ms: Millis,
    /// One in ten takes less.
    pub low_ms: Millis,
    /// One in ten takes more.
    pub high_ms: Millis,
}

/// What one step is expected to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedStep {
    /// Which.
    pub step: StepId,
    /// How long it takes; none: it was never seen, nor anything like it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Interval>,
    /// What it takes on average, which is more than what is most likely where it sometimes takes much longer: by this it is
    /// ordered.
    #[serde(default)]
    pub mean_ms: Millis,
    /// From how many passes that is known.
    pub samples: u32,
    /// How likely it fails, in thousandths.
    pub risk_milli: u32,
}
