//! Configurations that are right and mean something else than they say.

use super::*;
use crate::config::{self, Layer};
use crate::workspace::{Manifests, Tree, expand};

const FILES: [&str; 7] =
    ["Makefile", "docs/a.md", "scripts/check.sh", "src/Main.rs", "src/a.rs", "web/package.json", "web/src/x.ts"];

/// `rule step: message (line)` of a configuration's steps.
fn found(steps: &str) -> Vec<String> {
    let source = Source { name: "w.yaml".into(), text: format!("steps:\n{steps}"), layer: Layer::Project };
    let loaded = config::load(&[source], &[]).unwrap_or_else(|errors| panic!("{}", config::render(&errors, false)));
    let files = FILES.map(RepoPath::from);
    let tree = Tree { files: &files, manifests: Manifests::default() };
    let graph = StepGraph::build(expand(&loaded.workflow, &tree).unwrap().steps).unwrap();
    let found = lint(&loaded.workflow, &loaded.sources, &graph, &files);
    found
        .iter()
        .map(|one| {
            format!(
                "{} {}: {} {}",
                one.rule,
                one.at.map_or(0, |at| at.line),
                one.message,
                one.hint.as_deref().unwrap_or("")
            )
        })
        .collect()
}

/// One finding of one step, with words of it.
fn only(step: &str, rule: &str, words: &[&str]) {
    let found = found(step);
    assert_eq!(found.len(), 1, "{step}: {found:?}");
    assert!(found[0].starts_with(rule) && words.iter().all(|word| found[0].contains(word)), "{step}: {found:?}");
}

#[test]
fn what_is_meant_as_it_is_written_is_left_alone() {
    let steps = "  - id: a\n    run: sh scripts/check.sh\n    inputs: [scripts/check.sh, 'src/**', '!src/a.rs']\n\
                 \x20 - id: b\n    run: make\n  - id: c\n    run: 'true'\n    inputs: ['gen/**']\n    needs: [d]\n\
                 \x20 - id: d\n    run: 'true'\n    outputs: ['gen/**']\n  - id: e\n    run: rm x\n    kind: deploy\n    inputs: [src]\n";
    assert_eq!(found(steps), Vec::<String>::new());
}

#[test]
fn patterns_that_match_nothing_and_what_they_may_mean() {
    let step = |patterns: &str| format!("  - id: a\n    run: x\n    inputs: [src/a.rs, {patterns}]\n");
    only(&step("lib"), "matches-nothing 4", &["`lib`"]);
    only(&step("src/main.rs"), "matches-nothing", &["own case", "src/Main.rs"]);
    only(&step("x.ts"), "matches-nothing", &["**/x.ts"]);
    only(
        "  - id: a\n    run: x\n    dir: web\n    inputs: ['./*.json', 'src/*.ts']\n",
        "matches-nothing 5",
        &["`./src/*.ts`"],
    );
}

#[test]
fn patterns_of_instances_that_match_nothing_in_any_folder() {
    let step = |patterns: &str| {
        format!("  - id: a\n    run: x\n    for_each: [src, web]\n    dir: .\n    inputs: [{patterns}]\n")
    };
    only(&step("./package.json, './*.go'"), "matches-nothing 6", &["`./*.go`", "any of its folders"]);
    only(&step("./package.json, 'a.rs'"), "matches-nothing 6", &["did you mean `./a.rs`?"]);
    only(&step("./package.json, './scripts/**'"), "matches-nothing 6", &["did you mean `scripts/**`?"]);
    // What one of its folders has, or a step makes, is meant.
    assert_eq!(found(&step("./*.rs, ./package.json, src")), Vec::<String>::new());
    let made =
        step("./package.json, './gen/**'") + "  - id: b\n    run: y\n    for_each: [web]\n    outputs: ['./gen/**']\n";
    assert_eq!(found(&made), Vec::<String>::new());
}

#[test]
fn subtractions_that_do_nothing() {
    let step = |patterns: &str| format!("  - id: a\n    run: x\n    inputs: [{patterns}]\n");
    only(&step("'!src/a.rs', src"), "subtracts-nothing", &["stands before"]);
    only(&step("src, '!docs/**'"), "subtracts-nothing", &["takes nothing away"]);
    only(&step("docs/a.md, src, '!docs/**'"), "taken-away", &["`docs/a.md`"]);
}

#[test]
fn steps_that_no_change_reaches() {
    let none = "  - id: a\n    run: x\n    inputs: ['docs/**']\n    ignore: [docs]\n";
    only(none, "never-runs 2", &["`a`"]);
    // Who needs a step that can be reached can be reached.
    let needs =
        "  - id: a\n    run: x\n    inputs: ['docs/**']\n    ignore: [docs]\n    needs: [b]\n  - id: b\n    run: y\n";
    assert_eq!(found(needs), Vec::<String>::new());
}

#[test]
fn scripts_of_their_own_that_steps_do_not_watch() {
    let step = |run: &str| format!("  - id: a\n    run: {run}\n    inputs: ['src/**']\n");
    only(&step("bash ./scripts/check.sh --all"), "own-script 4", &["`scripts/check.sh`"]);
    only(&step("[scripts/check.sh]"), "own-script", &["scripts/check.sh"]);
    only(&step("make check"), "own-script", &["`Makefile`"]);
    only("  - id: a\n    run: npm test\n    dir: web\n    inputs: ['./src/**']\n", "own-script", &["web/package.json"]);
    assert_eq!(found(&step("cat src/a.rs")), Vec::<String>::new());
}
