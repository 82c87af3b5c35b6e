//! The fold: counts, cost, and any log at all.

use super::super::story::{self, Story, eventful, id};
use super::*;
use crate::event::{CancelReason, Outcome};
use proptest::prelude::*;

#[test]
fn an_eventful_run_is_counted() {
    let mut view = eventful().view();
    let t = view.totals;
    assert_eq!((t.passed, t.failed, t.allowed, t.cancelled, t.left()), (1, 2, 1, 1, 0));
    assert_eq!((t.skipped_witnessed, t.skipped_trusted, t.skipped_other, t.steps()), (1, 1, 1, 8));
    assert_eq!(t.step_ms, 1_188 + 790 + 9_390 + 590 + 1_399);
    // Samples of two steps at once weigh more than any single attempt.
    assert_eq!((t.peak_memory_bytes, t.memory_now_bytes), (150 << 20, 0));
    let test = view.step(&id("test@services/a pi")).unwrap();
    assert_eq!((test.attempts.len(), test.time_ms()), (2, 1_989));
    assert_eq!(view.wrong_skips().map(|(step, _)| step.id.clone()).collect::<Vec<_>>(), [id("docs")]);
    assert_eq!(view.wall_ms(), 12_410);
    // What is not known is never invented; a manual step is no saving.
    assert_eq!(view.saved(), Saved { ms: 0, unknown: 2 });
    view.known = BTreeMap::from([(id("site"), 30_000), (id("deploy"), 99)]);
    assert_eq!(view.saved(), Saved { ms: 30_000, unknown: 1 });
}

#[test]
fn ten_thousand_steps_are_cheap() {
    let names: Vec<String> = (0..10_000).map(|n| format!("step-{n}")).collect();
    let mut story = Story::plan(names.iter().map(|n| story::runs(n)).collect());
    for (n, name) in names.iter().enumerate() {
        story.start(n as u64, name).output(n as u64, name, "x").end(n as u64 + 1, name, 1, Outcome::Passed);
    }
    // A quadratic fold would take minutes in this profile.
    let view = story.view();
    assert_eq!((view.totals.passed, view.running().len()), (10_000, 0));
}

#[test]
fn samples_are_thinned() {
    let mut story = Story::plan(vec![story::runs("a")]);
    for n in 0..10_000 {
        story.at(n, EventKind::StepSample { step: id("a"), cpu_ms: n, memory_bytes: n, disk_bytes: 0 });
    }
    let view = story.view();
    let samples = &view.step(&id("a")).unwrap().samples;
    assert!((100..=240).contains(&samples.len()), "{}", samples.len());
    assert!(samples.is_sorted_by_key(|s| s.at_ms) && samples.last().unwrap().at_ms > 9_800);
}

fn kinds() -> impl Strategy<Value = EventKind> {
    let step = || prop::sample::select(vec!["a", "b", "c@x", "d"]).prop_map(id);
    let number = || prop_oneof![0u64..10_000, Just(u64::MAX)];
    prop_oneof![
        Just(EventKind::RunStarted(Box::new(story::started()))),
        prop::collection::vec((step(), 0..4usize), 0..4).prop_map(|steps| EventKind::Planned {
            steps: steps
                .into_iter()
                .map(|(step, how)| match how {
                    0 => story::skips(step.as_str(), true),
                    1 => story::skips(step.as_str(), false),
                    _ => story::runs(step.as_str()),
                })
                .collect(),
            stages: vec![],
        }),
        (step(), 0..4u32).prop_map(|(step, attempt)| EventKind::StepStarted { step, attempt }),
        (step(), number()).prop_map(|(step, bytes)| EventKind::StepOutput {
            step,
            attempt: 1,
            bytes,
            tail: "\x1b[31m".into()
        }),
        (step(), number(), number()).prop_map(|(step, cpu_ms, memory_bytes)| EventKind::StepSample {
            step,
            cpu_ms,
            memory_bytes,
            disk_bytes: cpu_ms
        }),
        (step(), number()).prop_map(|(step, wall_ms)| EventKind::StepPhase { step, phase: "p".into(), wall_ms }),
        (step(), 0..4u32, any::<bool>(), any::<bool>(), number(), 0..3u8).prop_map(
            |(step, attempt, last, allowed, wall_ms, how)| {
                let outcome = match how {
                    0 => Outcome::Passed,
                    1 => Outcome::Failed { code: 1 },
                    _ => Outcome::Stopped,
                };
                let end = StepFinished { attempt, outcome, last, allowed, wall_ms, ..story::finished(step.as_str()) };
                EventKind::StepFinished(Box::new(end))
            }
        ),
        (step(), number()).prop_map(|(step, after_ms)| EventKind::StepRetrying {
            step,
            attempt: 2,
            after_ms,
            expected: None
        }),
        step().prop_map(|step| EventKind::StepCancelled { step, reason: CancelReason::Interrupted }),
        number().prop_map(|wall_ms| EventKind::StageFinished { stage: "s".into(), passed: true, wall_ms }),
        (0..3u32).prop_map(|times| EventKind::Interrupted { signal: "SIGINT".into(), times }),
        number().prop_map(|wall_ms| EventKind::RunFinished { status: RunStatus::Passed, exit_code: 0, wall_ms }),
    ]
}

/// Any events in any order: what a torn, forged or foreign log may hold.
pub(crate) fn any_log() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((prop_oneof![0u64..100_000, Just(u64::MAX)], kinds()), 0..60).prop_map(|events| {
        let events = events.into_iter().enumerate();
        events.map(|(seq, (at_ms, kind))| Event { seq: seq as u64, at_ms, kind }).collect()
    })
}

proptest! {
    #[test]
    fn every_log_has_one_view_and_honest_counts(log in any_log()) {
        let view = RunView::of(log.clone());
        prop_assert_eq!(&view, &RunView::of(log));
        let mut recount = Totals::default();
        view.steps.iter().for_each(|step| recount.moved(None, &step.state));
        prop_assert_eq!(recount.steps(), view.steps.len());
        prop_assert_eq!((recount.passed, recount.failed, recount.allowed, recount.stopped), (view.totals.passed, view.totals.failed, view.totals.allowed, view.totals.stopped));
        prop_assert_eq!((recount.left(), recount.cancelled, recount.skipped()), (view.totals.left(), view.totals.cancelled, view.totals.skipped()));
        prop_assert_eq!(view.running().len(), view.totals.running);
    }
}
