//! What is expected of steps, from what was learned of earlier runs.

use crate::base::{Millis, StepId};
use crate::event::{ExpectedStep, Interval};
use crate::graph::Step;
use std::collections::BTreeMap;

/// What was learned, as one run asks for it.
#[derive(Debug, Default)]
pub struct Outlook {
    durations: BTreeMap<StepId, Millis>,
}

impl Outlook {
    /// From how long each step's newest pass took.
    pub fn new(durations: BTreeMap<StepId, Millis>) -> Self {
        Self { durations }
    }

    /// What is expected of a step.
    pub fn of(&self, step: &Step) -> ExpectedStep {
        let span = self.durations.get(&step.id).map(|ms| Interval { ms: *ms, low_ms: ms / 2, high_ms: ms * 2 });
        ExpectedStep {
            step: step.id.clone(),
            span,
            mean_ms: span.map_or(0, |span| span.ms),
            samples: u32::from(span.is_some()),
            risk_milli: 0,
        }
    }
}
