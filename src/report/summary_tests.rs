//! The summary: one of everything, thousands folded, any log at all.

use super::*;
use crate::event::{CancelReason, EventKind, Outcome};
use crate::report::story::{self, Story, eventful, id, look};
use proptest::prelude::*;

#[test]
fn an_eventful_run_is_summed_up() {
    let mut view = eventful().view();
    view.known.insert(id("site"), 30_000);
    insta::assert_snapshot!(render(&view, &look()));
}

#[test]
fn a_thousand_instances_fold_to_counts() {
    let skipped = (0..1_000).map(|n| story::skips(&format!("test@pkg/{n}"), true));
    let mut story = Story::plan(skipped.chain([story::runs("build")]).collect());
    story.start(5, "build").end(9, "build", 4, Outcome::Passed).done(10, RunStatus::Passed);
    let text = render(&story.view(), &look());
    assert!(text.lines().count() < 12, "{text}");
    assert!(text.contains("1000 steps, only docs changed (passed at 1a2b3c4d5e"), "{text}");
    assert!(text.contains("and 994 more"), "{text}");
}

#[test]
fn annotations_are_escaped() {
    assert_eq!(annotation("error", "a:b,c", "50%\r\nx:y"), "::error title=a%3Ab%2Cc::50%25%0D%0Ax:y\n");
    let text = render(&eventful().view(), &Look { github: true, ..look() });
    assert!(text.contains("\n::error title=step docs::docs: failed with exit code 2\n"), "{text}");
}

proptest! {
    #[test]
    fn every_log_can_be_summed_up(log in crate::report::view::any_log()) {
        let view = RunView::of(log);
        let text = render(&view, &look());
        prop_assert!(text.ends_with('\n') && !text.contains('\x1b'));
    }
}

#[test]
fn stopped_steps_are_no_failures() {
    let mut story = Story::plan(vec![story::runs("a"), story::runs("b"), story::runs("c")]);
    story.start(1, "a").start(2, "b");
    story.at(3, EventKind::Interrupted { signal: "SIGINT".into(), times: 1 });
    story.end(4, "a", 3, Outcome::Stopped).end(5, "b", 3, Outcome::Stopped);
    story.at(6, EventKind::StepCancelled { step: id("c"), reason: CancelReason::Interrupted });
    story.done(7, RunStatus::Interrupted);
    let text = render(&story.view(), &look());
    assert!(text.contains("stopped   2 steps, interrupted: a, b\n"), "{text}");
    assert!(text.ends_with("STOPPED   0 passed, 2 stopped, 1 not run in 0.0s\n"), "{text}");
}
