//! When a run will be over, as far as is known now. Pure.

use super::{RunView, State, StepView};
use crate::base::Millis;
use crate::event::{ExpectedStep, Interval};
use crate::schedule::forecast::forecast;
use crate::schedule::list::{Job, bottom_levels};
use std::collections::HashMap;

impl RunView {
    /// How long the rest of the run takes from `now_ms`, if all passes. None: too little is known, or nothing is left.
    ///
    /// Every step that has started counts with what is left of its time; one that took longer than expected will end about
    /// now, and the interval says how sure that is.
    pub fn eta(&self, now_ms: Millis) -> Option<Interval> {
        self.expected.as_ref()?;
        let open: Vec<&StepView> = self.steps.iter().filter(|step| step.expected.is_some() && is_open(step)).collect();
        let at: HashMap<&str, usize> = open.iter().enumerate().map(|(job, step)| (step.id.as_str(), job)).collect();
        let mut jobs: Vec<Job> = Vec::with_capacity(open.len());
        let mut spans = Vec::with_capacity(open.len());
        for (job, step) in open.iter().enumerate() {
            let waits: Vec<usize> = step.waits_for.iter().filter_map(|wait| at.get(wait.as_str()).copied()).collect();
            // A log may be forged: what does not come in order is not waited for.
            let waits: Vec<usize> = waits.into_iter().filter(|wait| *wait < job).collect();
            for wait in &waits {
                jobs[*wait].dependents.push(job);
            }
            let span = step.expected.as_ref().and_then(|expected| left(step, expected, now_ms));
            jobs.push(Job { waits, dependents: vec![], ms: span.map_or(1, |span| span.ms), slots: 1_000 });
            spans.push(span);
        }
        let slots = self.run.as_ref().map_or(1, |run| if run.parallel { run.jobs.max(1) } else { 1 });
        // What runs goes on; among the rest the longest chain comes first.
        let levels = bottom_levels(&jobs);
        let running = |step: &StepView| matches!(step.state, State::Running { .. });
        let urgency: Vec<u64> =
            levels.iter().zip(&open).map(|(level, step)| if running(step) { u64::MAX } else { *level }).collect();
        forecast(&jobs, &spans, slots.saturating_mul(1_000), &urgency)
    }
}

fn is_open(step: &StepView) -> bool {
    matches!(step.state, State::Waiting | State::Running { .. } | State::Retrying { .. })
}

/// What is left of a step's time.
fn left(step: &StepView, expected: &ExpectedStep, now_ms: Millis) -> Option<Interval> {
    let State::Running { since_ms, .. } = step.state else { return expected.span };
    let since = now_ms.saturating_sub(since_ms);
    let rest = |ms: Millis| ms.saturating_sub(since);
    expected.span.map(|span| Interval { ms: rest(span.ms), low_ms: rest(span.low_ms), high_ms: rest(span.high_ms) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Digest;
    use crate::base::StepId;
    use crate::event::{Because, Decision, Event, EventKind, Expected, Noticed, PlannedStep};

    fn view() -> RunView {
        let id = |name: &str| StepId::parse(name).unwrap();
        let planned = |name: &str, waits: &[&str]| PlannedStep {
            id: id(name),
            name: None,
            stage: None,
            decision: Decision::Run(Because::NoBase),
            waits_for: waits.iter().map(|wait| id(wait)).collect(),
            batch: 0,
            definition: Digest::of_bytes(b""),
            context: Digest::of_bytes(b""),
            witnesses: true,
        };
        let span = |ms| Some(Interval { ms, low_ms: ms, high_ms: ms });
        let step =
            |name: &str, ms| ExpectedStep { step: id(name), span: span(ms), mean_ms: ms, samples: 9, risk_milli: 0 };
        let expected = Expected {
            strategy: "balanced".into(),
            level: "balanced".into(),
            run: span(300),
            critical_ms: 300,
            work_ms: 350,
            noticed: Noticed::default(),
            steps: vec![step("a", 100), step("b", 200), step("c", 50)],
        };
        let steps = vec![planned("a", &[]), planned("b", &["a"]), planned("c", &[])];
        let kinds = [
            EventKind::Planned { steps, stages: vec![] },
            EventKind::Expected(Box::new(expected)),
            EventKind::StepStarted { step: id("a"), attempt: 1 },
        ];
        RunView::of(kinds.into_iter().enumerate().map(|(seq, kind)| Event { seq: seq as u64, at_ms: 10, kind }))
    }

    #[test]
    fn what_runs_counts_with_what_is_left_of_it() {
        let view = view();
        // One slot: nobody said how many there are.
        assert_eq!(view.eta(10).unwrap().ms, 350);
        assert_eq!(view.eta(70).unwrap().ms, 290);
        assert_eq!(view.eta(10_000).unwrap().ms, 250, "late, so it ends now");
        assert_eq!(RunView::default().eta(0), None);
    }
}
