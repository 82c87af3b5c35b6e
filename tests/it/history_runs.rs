//! `wf history`, `wf clean`, and what is kept from run to run.

use crate::history_rig::{command, history, release, repository, run_dir, start_held, until, wf};
use serde_json::json;
use std::fs;

#[test]
fn runs_are_listed_newest_first_and_the_folder_ignores_itself() {
    let scratch = repository();
    let said = wf(&scratch, &["history"]).exits(0);
    assert_eq!(said.out, "");
    assert!(said.err.contains("no run is recorded"), "{}", said.err);
    assert!(!scratch.path(".wf").exists(), "looking writes nothing");

    wf(&scratch, &["run"]).exits(0);
    scratch.write("new.txt", "x");
    wf(&scratch, &["run", "--all"]).exits(0);
    let runs = history(&scratch);
    assert_eq!(runs.len(), 2);
    let head = json!(scratch.git(&["rev-parse", "HEAD"]));
    for (run, clean) in [(&runs[0], false), (&runs[1], true)] {
        assert_eq!((&run["commit"], &run["clean"], &run["green"]), (&head, &json!(clean), &json!(clean)));
        assert_eq!((&run["status"], &run["ran"], &run["branch"]), (&json!("passed"), &json!(2), &json!("main")));
    }
    assert_eq!(scratch.git(&["status", "--porcelain"]), "?? new.txt");
    let said = wf(&scratch, &["history", "--last", "1"]).exits(0);
    let lines: Vec<_> = said.out.lines().collect();
    assert!(lines[1].contains("passed") && lines[1].contains('+') && lines[1].contains(" main "), "{}", said.out);
    assert!(lines[2].contains("not clean") && lines[3].contains("1 older"), "{}", said.out);
}

#[test]
fn a_red_run_is_told_and_is_no_evidence() {
    let scratch = repository();
    scratch.write(".workflow-config.yaml", "steps:\n  - {id: bad, run: \"exit 3\"}\n").commit("break it");
    wf(&scratch, &["run"]).exits(1);
    let runs = history(&scratch);
    assert_eq!(
        (&runs[0]["status"], &runs[0]["failed"], &runs[0]["green"]),
        (&json!("failed"), &json!(1), &json!(false))
    );
    let said = wf(&scratch, &["run"]).exits(1);
    assert!(!said.out.contains("0 steps to run"), "{}", said.out);
}

#[test]
fn a_killed_run_is_told_apart_and_its_passes_prove_nothing() {
    let scratch = repository();
    let mut child = start_held(&scratch, &["run"]);
    let runs = history(&scratch);
    assert_eq!((&runs[0]["status"], &runs[0]["ran"]), (&json!("running"), &json!(1)));
    child.kill().unwrap();
    child.wait().unwrap();
    release(&scratch);
    until(|| history(&scratch)[0]["status"] == "killed");
    let run = run_dir(&history(&scratch)[0]);
    assert!(!run.join("facts.jsonl").exists());
    // On a branch the commit is the base; whether the tree stayed as it was, nobody asked.
    scratch.git(&["switch", "--quiet", "--create", "topic"]);
    let said = wf(&scratch, &["plan", "--skip-policy", "witnessed", "--json"]).exits(0);
    assert!(!said.out.contains("\"witnessed\""), "{}", said.out);
    // Whether the cache heard of the pass before the kill is chance; here only the log is asked.
    wf(&scratch, &["run", "--skip-policy", "witnessed", "--no-resume"]).exits(0);
    let runs = history(&scratch);
    assert_eq!((&runs[0]["ran"], &runs[0]["skipped"], &runs[0]["skipped_on_trust"]), (&json!(2), &json!(0), &json!(0)));
    assert!(run.join("facts.jsonl").exists(), "settled, so that its log is not read again");
}

#[test]
fn clean_takes_what_was_asked_and_says_so() {
    let scratch = repository();
    for _ in 0..3 {
        wf(&scratch, &["run", "--all"]).exits(0);
    }
    assert_eq!(wf(&scratch, &["clean"]).exits(0).out, "nothing to remove\n");
    let all = history(&scratch);
    let said = wf(&scratch, &["clean", "--older-than", "0s", "--dry-run"]).exits(0);
    assert!(said.out.starts_with("would remove 2 runs ("), "{}", said.out);
    assert!(said.out.contains(all[2]["run"].as_str().unwrap()), "{}", said.out);
    assert_eq!(history(&scratch), all, "a dry run");
    let said = wf(&scratch, &["clean", "--older-than", "0s"]).exits(0);
    assert!(said.out.starts_with("removed 2 runs ("), "{}", said.out);
    let left = history(&scratch);
    assert_eq!(left.len(), 3, "their facts stay");
    assert!(run_dir(&left[0]).is_dir() && left[1]["dir"].is_null() && !run_dir(&all[2]).exists());
    assert!(wf(&scratch, &["history"]).out.contains("(pruned)"));
    let said = wf(&scratch, &["clean", "--all"]).exits(0);
    assert!(said.out.starts_with("removed 1 run ("), "{}", said.out);
    assert_eq!(history(&scratch), [json!(null); 0]);
    let left: Vec<_> = fs::read_dir(scratch.path(".wf/facts")).unwrap().collect();
    assert!(
        left.is_empty()
            && !scratch.path(".wf/current_run.json").exists()
            && !scratch.path(".wf/history.jsonl").exists()
    );
    wf(&scratch, &["clean", "--older-than", "7"]).exits(2);
    wf(&scratch, &["clean", "--all", "--older-than", "7d"]).exits(2);
}

#[test]
fn listing_and_cleaning_need_no_sound_configuration_and_no_folder() {
    let scratch = repository();
    assert_eq!(wf(&scratch, &["clean", "--all"]).exits(0).out, "removed 0 runs (0 B)\n");
    assert!(!scratch.path(".wf").exists());
    wf(&scratch, &["run"]).exits(0);
    scratch.write(".workflow-config.yaml", "steps: {").write("sub/x", "");
    assert_eq!(history(&scratch).len(), 1);
    let said = command(&scratch, &scratch.path("sub"), &["clean", "--all"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout).split(" (").next(), Some("removed 1 run"));
}

#[test]
fn linked_worktrees_share_the_folder_and_run_at_once() {
    let scratch = repository();
    let other = scratch.outside("linked");
    scratch.git(&["worktree", "add", "--quiet", "-b", "topic", other.to_str().unwrap()]);
    let mut child = start_held(&scratch, &["run"]);
    // In the linked worktree `.git` is a file: its step fails at once, but it neither waits nor is refused.
    let said = command(&scratch, &other, &["run", "--no-wait", "--all"]).output().unwrap();
    assert_eq!(said.status.code(), Some(1), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(!other.join(".wf").exists());
    assert_eq!(history(&scratch).len(), 2);
    release(&scratch);
    assert!(child.wait().unwrap().success());
}
