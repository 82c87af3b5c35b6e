//! Closing summaries, as snapshots.

use super::*;
use crate::event::Outcome;
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
