//! Jobs of GitHub Actions as steps that really run: what may fail, what must not go on, and what GitHub would have set.

use super::git_repo::Scratch;
use super::world::{Said, WF};

/// Imports a workflow with one job of these parts and runs it. `out/kept` is there before.
fn run(parts: &str) -> (Scratch, Said) {
    let scratch = Scratch::new();
    let parts: String = parts.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!("on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n    steps:\n{parts}");
    scratch.write(".github/workflows/ci.yml", text).write("out/kept", "").commit("seed");
    let wf = |args: &[&str]| {
        let mut command = scratch.command(&scratch.root, WF);
        command.args(args).env_remove("GITHUB_RUN_ID").env_remove("RUNNER_TEMP");
        Said::of(command)
    };
    let _ = wf(&["init", "--from", "github-actions"]).passed();
    let said = wf(&["run", "--all"]);
    (scratch, said)
}

#[test]
fn a_part_that_may_fail_ends_at_its_first_failure() {
    let (scratch, said) = run("\
- run: |
    cd missing
    rm -rf ../out out
  continue-on-error: true
- run: |
    false | true
    echo on > piped
  continue-on-error: true
- run: echo end > made");
    let _ = said.passed();
    assert!(scratch.path("out/kept").exists() && scratch.path("made").exists() && scratch.path("piped").exists());
}

#[test]
fn what_follows_a_part_that_may_fail_may_not() {
    let (scratch, said) = run("\
- {run: 'false', continue-on-error: true}
- run: 'false'
- run: rm -rf out");
    let _ = said.exits(1);
    assert!(scratch.path("out/kept").exists());
}

#[test]
fn without_its_folder_no_part_begins() {
    for more in ["", ", shell: 'bash {0}'", ", continue-on-error: true", ", shell: 'bash {0}', continue-on-error: true"]
    {
        let (scratch, said) = run(&format!("- {{run: rm -rf out, working-directory: gone{more}}}"));
        assert_eq!(said.code == 0, more.contains("continue"), "{more}: {}{}", said.out, said.err);
        assert!(scratch.path("out/kept").exists(), "{more}");
    }
}

#[test]
fn variables_of_github_are_set_or_stop_the_part() {
    let (scratch, said) = run("\
- run: |
    [ \"$GITHUB_SHA\" = \"$(git rev-parse HEAD)\" ]
    [ \"$GITHUB_WORKSPACE\" = \"$PWD\" ]
    [ -n \"$RUNNER_OS$RUNNER_ARCH\" ]
    echo x > $RUNNER_TEMP/x
    echo $RUNNER_TEMP > temp");
    let _ = said.passed();
    let temp = std::fs::read_to_string(scratch.path("temp")).unwrap();
    assert!(temp.trim().len() > 5 && !std::path::Path::new(temp.trim()).exists(), "{temp}");
    for text in ["rm -rf out$GITHUB_RUN_ID", "rm -rf out${GITHUB_RUN_ID}", "rm -rf out${{ env.LATER }}"] {
        let (scratch, said) = run(&format!("- run: {text}"));
        let _ = said.exits(1);
        assert!(scratch.path("out/kept").exists(), "{text}");
    }
}

#[test]
fn what_a_part_sets_is_there_for_those_after_it() {
    let (scratch, said) = run("\
- run: |
    mkdir tools
    printf '#!/bin/sh\\necho \"$@\"\\n' > tools/teller
    chmod +x tools/teller
    echo \"$GITHUB_WORKSPACE/tools\" >> $GITHUB_PATH
- run: echo 'SAID=a b=c=' >> \"$GITHUB_ENV\"
  env: {SAID: own}
- run: teller \"$SAID\" '${{ env.SAID }}' > first
- run: teller \"${{ env.SAID }}\" > second");
    let _ = said.passed();
    let read = |name: &str| std::fs::read_to_string(scratch.path(name)).unwrap();
    assert_eq!(read("second"), "a b=c=\n");
    assert!(read("first").starts_with("a b=c= "), "{}", read("first"));
    // What has several lines would be another thing: it stops.
    let (scratch, said) = run("\
- run: printf 'SAID<<E\\na\\nE\\n' >> $GITHUB_ENV
- run: rm -rf out");
    let _ = said.exits(1);
    assert!(scratch.path("out/kept").exists());
}

#[test]
fn nothing_meets_a_variable_that_a_part_might_have_set() {
    for setter in ["echo \"TAG=${{ github.ref_name }}\" >> \"$GITHUB_ENV\"", "echo OTHER=1 >> $GITHUB_ENV; TAG=1 true"]
    {
        let (scratch, said) = run(&format!("- run: {setter}\n- run: rm -rf \"out/${{{{ env.TAG }}}}\""));
        let _ = said.exits(1);
        assert!(scratch.path("out/kept").exists(), "{setter}");
    }
    // A part before the one that sets it has nothing of it, and neither is what is GitHub's own ever set.
    let (scratch, said) = run("\
- run: rm -rf \"out/$GITHUB_HEAD_REF\"
- run: 'true GITHUB_HEAD_REF=x; echo A=1 >> $GITHUB_ENV'");
    let _ = said.exits(1);
    assert!(scratch.path("out/kept").exists());
}

#[test]
fn lines_without_an_end_count_and_empty_ones_do_not() {
    let (scratch, said) = run("\
- run: |
    printf 'SAID=hello' >> $GITHUB_ENV
    echo >> $GITHUB_PATH
    printf \"$PWD/tools\" >> $GITHUB_PATH
- run: echo \"$SAID $PATH\" > told");
    let _ = said.passed();
    let told = std::fs::read_to_string(scratch.path("told")).unwrap();
    assert!(told.starts_with("hello /") && told.contains("/tools:") && !told.contains("::"), "{told}");
    assert!(!told.split([' ', ':']).any(str::is_empty), "an empty entry is the folder that one is in: {told}");
}
