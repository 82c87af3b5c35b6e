//! `wf init --from` in real repositories: what it lists, what it writes, and that what it wrote decides and runs.

use super::git_repo::Scratch;
use super::world::{Said, WF};
use std::fs;
use std::path::Path;

const WORKFLOW: &str = "on:\n  push:\n    paths: ['src/**', '!src/**.md']\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      \
                        - uses: actions/checkout@v4\n      - run: test -f src/a.rs\n      - {name: Second, run: 'echo two > made', working-directory: src}\n";

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write(".github/workflows/ci.yml", WORKFLOW).write("src/a.rs", "a\n").write("src/b.md", "b\n");
    scratch.write("Makefile", ".PHONY: lint test\nlint:\n\ttrue\ntest: lint\n\ttrue\n").write(".gitignore", "made\n");
    scratch.commit("seed");
    scratch
}

fn wf(scratch: &Scratch, dir: &Path, args: &[&str]) -> Said {
    let mut command = scratch.command(dir, WF);
    command.args(args);
    Said::of(command)
}

#[test]
fn auto_lists_what_is_here_and_writes_nothing() {
    let scratch = scratch();
    let said = wf(&scratch, &scratch.root, &["init", "--from", "auto"]).passed();
    let said =
        said.says("github-actions  1 step    .github/workflows/ci.yml").says("make            2 steps   Makefile");
    assert!(!said.out.contains("turbo"), "{}", said.out);
    assert!(!scratch.path(".workflow-config.yaml").exists());
    let empty = Scratch::new();
    let _ = wf(&empty, &empty.root, &["init", "--from", "auto"]).passed().says("nothing is here");
}

#[test]
fn several_sources_become_one_configuration_that_runs() {
    let scratch = scratch();
    let said = wf(&scratch, &scratch.root, &["init", "--from", "github-actions,Makefile"]).passed();
    let said = said.says("3 steps from .github/workflows/ci.yml, Makefile");
    let _ = said.complains("not carried over").complains("what targets read (Makefile)");
    let text = fs::read_to_string(scratch.path(".workflow-config.yaml")).unwrap();
    for part in
        ["inputs: [\"src/**\", \"!src/**/*.md\"]", "id: make-test", "# * what targets read (Makefile)", "locks: [make]"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let _ = wf(&scratch, &scratch.root, &["check"]).passed();
    let _ = wf(&scratch, &scratch.root, &["run", "--all"]).passed();
    assert_eq!(fs::read_to_string(scratch.path("src/made")).unwrap(), "two\n");
}

#[test]
fn the_filter_of_a_workflow_decides() {
    let scratch = scratch();
    let _ = wf(&scratch, &scratch.root, &["init", "--from", ".github/workflows/ci.yml"]).passed();
    scratch.commit("wf");
    scratch.git(&["switch", "--quiet", "--create", "topic"]);
    let decision = |path: &str| {
        scratch.write(path, "changed\n").commit("change");
        let said = wf(&scratch, &scratch.root, &["plan", "--json", "--base", "HEAD~1"]).passed();
        let plan: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        plan["steps"][0]["decision"]["run"]["because"].as_str().unwrap_or("skip").to_owned()
    };
    assert_eq!(decision("src/deep/c.rs"), "changed");
    assert_ne!(decision("src/deep/d.md"), "changed");
    assert_ne!(decision("other/e.rs"), "changed");
}

#[test]
fn files_are_named_from_where_one_is_and_dry_runs_write_nothing() {
    let scratch = scratch();
    scratch.write("web/justfile", "check:\n  true\n").commit("just");
    let said = wf(&scratch, &scratch.path("web"), &["init", "--from", "justfile", "--dry-run"]).passed();
    let _ = said.says("run: just check").says("dir: \"web\"");
    let _ =
        wf(&scratch, &scratch.path("web"), &["init", "--from", "../Makefile", "--print"]).passed().says("make lint");
    assert!(!scratch.path(".workflow-config.yaml").exists());
}

#[test]
fn what_cannot_be_imported_is_refused_with_a_way_on() {
    let scratch = scratch();
    scratch.write("turbo.json", "{\"extends\": [\"//\"]}").commit("turbo");
    let refused = |word: &str| wf(&scratch, &scratch.root, &["init", "--from", word]).exits(2);
    let _ = refused("pre-comit").complains("did you mean `pre-commit`?");
    let _ = refused("nx").complains("nothing of nx is here");
    let _ = refused("README.md").complains("no file that wf can import");
    let _ = refused("../elsewhere/Makefile").complains("not in this repository");
    let _ = refused("turbo").complains("nothing of it could be carried over").complains("root of its workspace");
    assert!(!scratch.path(".workflow-config.yaml").exists());
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let scratch = Scratch::new();
    let name = ".github/workflows/\u{1b}[31mx.yml";
    scratch
        .write(name, "on: push\njobs:\n  \"\\e]0;evil\\a\":\n    steps: [{uses: \"a\\e[2Jb@v1\"}, {run: 'true'}]\n")
        .commit("seed");
    for args in [
        &["init", "--from", "auto"][..],
        &["init", "--from", "github-actions", "--print"],
        &["init", "--from", "github-actions"],
    ] {
        let said = wf(&scratch, &scratch.root, args).passed();
        assert!(!said.out.contains('\u{1b}') && !said.err.contains('\u{1b}'), "{}{}", said.out, said.err);
    }
}

#[test]
fn a_link_that_leads_out_of_the_repository_is_not_read() {
    let scratch = Scratch::new();
    let outside = scratch.root.parent().unwrap().join("outside.yml");
    std::fs::write(&outside, "tasks: {secret: {cmds: [x]}}\n").unwrap();
    let text = "includes: {far: far.yml, near: near.yml}\ntasks: {build: {cmds: [x]}}\n";
    scratch.write("Taskfile.yml", text).write("real.yml", "tasks: {test: {cmds: [x]}}\n");
    std::os::unix::fs::symlink(&outside, scratch.root.join("far.yml")).unwrap();
    std::os::unix::fs::symlink("real.yml", scratch.root.join("near.yml")).unwrap();
    scratch.commit("links");
    let said = Said::of({
        let mut command = scratch.command(&scratch.root, WF);
        command.args(["init", "--from", "task", "--dry-run"]);
        command
    });
    let said = said.passed().says("near-test");
    assert!(!said.out.contains("secret") && !said.err.contains("secret"), "{said:?}");
}
