//! The picture: its critical path, its size, and that nothing becomes markup.

use super::super::story::{self, Story, eventful, finished, id, look};
use super::chart::Chart;
use super::*;
use crate::event::{EventKind, Outcome, PlannedStep, StepFinished};
use crate::report::RunView;
use proptest::prelude::*;
use std::path::Path;

fn chain_of(view: &RunView) -> Vec<String> {
    let chart = Chart::of(view);
    chart.critical.iter().map(|row| chart.rows[*row].step.id.to_string()).collect()
}

#[test]
fn the_critical_path_follows_needs_and_places() {
    let needs = |name: &str, of: &[&str]| PlannedStep {
        waits_for: of.iter().map(|need| id(need)).collect(),
        ..story::runs(name)
    };
    let mut story = Story::plan(vec![
        needs("short", &[]),
        needs("long", &[]),
        needs("waits-for-a-place", &[]),
        needs("last", &["waits-for-a-place", "short"]),
    ]);
    story.start(0, "short").start(0, "long").end(1_000, "short", 1_000, Outcome::Passed);
    story.end(5_000, "long", 5_000, Outcome::Passed).start(5_010, "waits-for-a-place");
    story.end(7_000, "waits-for-a-place", 1_990, Outcome::Passed).start(7_001, "last");
    story.end(9_000, "last", 1_999, Outcome::Passed);
    assert_eq!(chain_of(&story.view()), ["long", "waits-for-a-place", "last"]);
    assert_eq!(chain_of(&RunView::default()), Vec::<String>::new());
}

#[test]
fn the_picture_is_well_formed_and_says_it_all() {
    let text = svg(&eventful().view(), &look());
    let document = roxmltree::Document::parse(&text).unwrap();
    let words: Vec<&str> = document.descendants().filter_map(|node| node.text()).collect();
    for word in ["stage checks", "build", "1.2s failed", "0.8s allowed", "processor"] {
        assert!(words.contains(&word), "{word}: {words:?}");
    }
    assert!(words.iter().any(|word| word.starts_with("skipped, only docs changed")), "{words:?}");
    // Two attempts of one step are two bars.
    let bars = document.descendants().filter(|n| n.has_tag_name("title")).count();
    assert_eq!(bars, 5);
    assert!(!text.contains("http://") || text.matches("http://").count() == 1, "only the namespace");
}

#[test]
fn ten_thousand_steps_still_make_a_picture() {
    let names: Vec<String> = (0..10_000).map(|n| format!("s{n}")).collect();
    let mut story = Story::plan(names.iter().map(|n| story::runs(n)).collect());
    for (n, name) in names.iter().enumerate() {
        story.start(n as u64, name).end(n as u64 + 10, name, 10, Outcome::Passed);
    }
    let text = svg(&story.view(), &look());
    assert!(text.contains("9700 steps more ran") && text.len() < 400_000, "{}", text.len());
}

#[test]
fn nothing_a_step_says_becomes_markup() {
    let name = "<script>alert(1)</script>\"'&";
    let mut story = Story::plan(vec![story::runs(name)]);
    story.at(1, EventKind::StepStarted { step: id(name), attempt: 1 });
    story.finish(2, StepFinished { outcome: Outcome::NotStarted { message: name.into() }, ..finished(name) });
    let page = html(&story.view(), Path::new("/nowhere"), &look());
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_log_has_a_picture_and_a_page(log in crate::report::view::any_log()) {
        let view = RunView::of(log);
        let text = svg(&view, &look());
        prop_assert!(roxmltree::Document::parse(&text).is_ok());
        prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        prop_assert!(html(&view, Path::new("/nowhere"), &look()).ends_with("</html>\n"));
    }
}
