//! What a condition holds back, and who needs it.

use super::*;

#[test]
fn who_needs_what_a_condition_held_back_is_not_unaffected() {
    let docs = || Some(Trigger::Changes(Category::from("docs")));
    let held = |id: &str, inputs: &[&str]| Step { when: docs(), ..outputs(step(id, inputs), &["gen/**"]) };
    let by_change = vec![held("gen", &["src/**"]), needs(step("use", &["never"]), &["gen"])];
    assert!(matches!(World::new(by_change, &["src/x.rs"]).because("use"), Because::Upstream { .. }));
    // It is not what changed that it watches, but what a formatter is going to write.
    let writer = Step { writes: Some(globs(&["src/**"])), ..step("fmt", &["rustfmt.toml"]) };
    let by_writer = vec![
        held("gen", &["src/**"]),
        needs(held("pack", &["never"]), &["gen"]),
        needs(step("use", &["never"]), &["pack"]),
        writer,
    ];
    assert!(matches!(World::new(by_writer.clone(), &["rustfmt.toml"]).because("use"), Because::Upstream { .. }));
    assert!(matches!(World::new(by_writer, &["other"]).skip("use"), SkipReason::Unaffected { .. }));
}

#[test]
fn many_ways_through_what_is_held_back_cost_nothing() {
    // Each needs the two before it: ever more ways lead from the last one to the first.
    let lattice = (0..90usize).map(|at| {
        let before: Vec<String> = (at.saturating_sub(2)..at).map(|at| format!("s{at}")).collect();
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let when = (at < 89).then(|| Trigger::Changes(Category::from("docs")));
        Step { when, ..needs(step(&format!("s{at}"), &["src/**"]), &before) }
    });
    assert!(matches!(World::new(lattice.collect(), &["other"]).skip("s89"), SkipReason::Unaffected { .. }));
}
