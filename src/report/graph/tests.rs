//! Plans as pictures: a small one whole, a large one folded, hostile names.

use super::super::story::{self, id, look};
use super::*;
use crate::event::Because;
use proptest::prelude::*;

fn plan() -> Vec<PlannedStep> {
    let stage = |name: &str, batch: u32, waits_for: &[&str], step: PlannedStep| PlannedStep {
        stage: Some(name.into()),
        batch,
        waits_for: waits_for.iter().map(|need| id(need)).collect(),
        ..step
    };
    vec![
        stage("checks", 0, &[], story::runs("build")),
        stage("checks", 0, &[], story::skips("docs", true)),
        stage("checks", 1, &["build"], story::runs("test@services/a \"quoted\" <b>")),
        stage(
            "ship",
            2,
            &["build", "test@services/a \"quoted\" <b>"],
            story::step("deploy", Decision::Skip(SkipReason::Manual)),
        ),
    ]
}

#[test]
fn a_small_plan_in_all_three_forms() {
    insta::assert_snapshot!(format!("{}\n{}\n{}", text(&plan(), &look()), dot(&plan()), mermaid(&plan())));
}

#[test]
fn a_thousand_instances_are_one_node() {
    let mut steps: Vec<_> = (0..1_000).map(|n| story::runs(&format!("build@pkg/{n}"))).collect();
    for (n, step) in steps.iter_mut().enumerate().skip(1) {
        step.waits_for = vec![id(&format!("build@pkg/{}", n - 1))];
    }
    steps.extend((0..1_000).map(|n| PlannedStep {
        waits_for: vec![id(&format!("build@pkg/{n}"))],
        batch: 1,
        ..story::step(
            &format!("test@pkg/{n}"),
            match n {
                0..10 => Decision::Run(Because::SmartOff),
                _ => Decision::Skip(story::unaffected(true)),
            },
        )
    }));
    let drawn = dot(&steps);
    assert_eq!(drawn.matches("->").count(), 1, "{drawn}");
    assert!(drawn.contains("test: 1000 instances\\n10 runs, 990 skipped"), "{drawn}");
    let written = text(&steps, &look());
    assert!(written.lines().count() < 20, "{written}");
    assert!(written.contains("skipped  test: 990 instances"), "{written}");
}

proptest! {
    #[test]
    fn no_name_breaks_out(name in "\\PC{1,30}|[\\x00-\\x7f]{1,30}") {
        let steps = [story::runs(&name)];
        let drawn = dot(&steps);
        // Outside of its quotes a name would add lines, brackets or quotes.
        prop_assert_eq!(drawn.lines().count(), 5, "{}", drawn);
        let node = drawn.lines().nth(3).unwrap();
        let mut inside = false;
        let mut outside = String::new();
        let mut chars = node.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' if inside => { chars.next(); }
                '"' => inside = !inside,
                c if !inside => outside.push(c),
                _ => {}
            }
        }
        prop_assert_eq!(outside.trim(), "n0 [label=, shape=box, style=filled, fillcolor=];");
        let label = mermaid(&steps);
        prop_assert_eq!(label.lines().nth(1).unwrap().matches('"').count(), 2);
        prop_assert_eq!(text(&steps, &look()).lines().count(), 2);
    }
}
