//! What is strange about the steps of a run, from its events alone. Pure.
//!
//! Knows what was expected of each step, which the run told before it started. Does not know earlier runs: what needs
//! them is found later, and shown by `wf history`.

use super::RunView;
use super::view::StepView;
use crate::event::Outcome;
use crate::predict::anomaly::{far_from, unlikely_failure};

/// Steps that took far longer or shorter than expected, or failed though that was very unlikely, in the plan's order.
pub fn strange(view: &RunView) -> Vec<(&StepView, String)> {
    let told = |step: &StepView| {
        let (expected, end) = (step.expected.as_ref()?, step.end()?);
        match end.outcome {
            Outcome::Passed => far_from(&expected.span?, expected.samples, end.wall_ms),
            Outcome::Failed { .. } => unlikely_failure(expected.samples, expected.risk_milli),
            _ => None,
        }
    };
    view.steps.iter().filter_map(|step| Some((step, told(step)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventKind, Expected, ExpectedStep, Interval, Noticed};
    use crate::report::story::{finished, id};

    fn view(samples: u32, wall_ms: u64, outcome: Outcome) -> RunView {
        let expected = ExpectedStep {
            step: id("a"),
            span: Some(Interval { ms: 10_000, low_ms: 8_000, high_ms: 12_500 }),
            mean_ms: 10_000,
            samples,
            risk_milli: 10,
        };
        let expected = Expected {
            strategy: "balanced".into(),
            level: "balanced".into(),
            run: None,
            critical_ms: 10_000,
            work_ms: 10_000,
            noticed: Noticed::default(),
            steps: vec![expected],
        };
        let end = crate::event::StepFinished { outcome, wall_ms, ..finished("a") };
        let kinds = [EventKind::Expected(Box::new(expected)), EventKind::StepFinished(Box::new(end))];
        RunView::of(kinds.into_iter().enumerate().map(|(seq, kind)| Event { seq: seq as u64, at_ms: 0, kind }))
    }

    #[test]
    fn surprises_are_told_and_nothing_else() {
        let failed = || Outcome::Failed { code: 1 };
        for (samples, wall_ms, outcome, told) in [
            (30, 12_600, Outcome::Passed, None),
            (30, 25_000, Outcome::Passed, Some("took 25s instead of 10s")),
            (3, 25_000, Outcome::Passed, None),
            (30, 100, failed(), Some("failed, after 30 passes; that was likely to 1.0 %")),
            (3, 100, failed(), None),
            (30, 25_000, Outcome::Stopped, None),
        ] {
            let view = view(samples, wall_ms, outcome.clone());
            let found = strange(&view);
            let words = found.first().map(|(step, what)| (step.id.as_str(), what.as_str()));
            assert_eq!(words.is_some(), told.is_some(), "{outcome:?} {samples}");
            assert!(words.is_none_or(|(step, what)| step == "a" && what.starts_with(told.unwrap())), "{words:?}");
        }
    }
}
