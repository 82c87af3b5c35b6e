//! `.wf/history.db`: what `wf history` says of steps from it, and that it may be anything, or nothing, at any time.

use crate::git_repo::Scratch;
use crate::history_rig::{command, history, repository, run_dir, start_held, until, wf};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;

const CACHED: &str = "steps:\n  - id: fast\n    run: echo fast\n    inputs: [a.txt]\n    cache: true\n  \
                      - id: bad\n    run: exit 3\n    inputs: [a.txt]\n";

fn attempts(scratch: &Scratch, args: &[&str]) -> Vec<Value> {
    let said = wf(scratch, &[&["history", "--json"], args].concat()).exits(0);
    let document: Value = serde_json::from_str(&said.out).expect("one JSON document");
    document["attempts"].as_array().expect("attempts").clone()
}

#[test]
fn attempts_of_a_run_a_step_and_all_are_shown() {
    let scratch = Scratch::new();
    scratch.write(".workflow-config.yaml", CACHED).write("a.txt", "1").commit("first");
    for _ in 0..2 {
        wf(&scratch, &["run", "--all"]).exits(1);
    }
    assert!(!scratch.path(".wf/history.db").exists(), "a run does not open it");
    let runs = history(&scratch);
    assert!(scratch.path(".wf/history.db").exists());
    assert_eq!((&runs[0]["reused"], &runs[1]["reused"]), (&json!(1), &json!(0)));
    let fast = attempts(&scratch, &["fast"]);
    let told: Vec<_> = fast.iter().map(|it| (&it["run"], &it["outcome"]["is"])).collect();
    assert_eq!(told, [(&runs[0]["run"], &json!("reused")), (&runs[1]["run"], &json!("passed"))]);
    assert_eq!((&fast[0]["saved_ms"], &fast[1]["key"].is_string()), (&fast[1]["wall_ms"], &true));
    let bad = attempts(&scratch, &["bad", "-n", "1"]);
    assert_eq!((bad.len(), &bad[0]["outcome"]), (1, &json!({"is": "failed", "code": 3})));
    assert_eq!(attempts(&scratch, &["latest"]), attempts(&scratch, &[runs[0]["run"].as_str().unwrap()]));
    assert_eq!(attempts(&scratch, &["latest"]).len(), 2);
    assert_eq!(attempts(&scratch, &["--steps"]).len(), 4);
    let said = wf(&scratch, &["history", "--steps"]).exits(0).out;
    let lines: Vec<_> = said.lines().collect();
    assert!(lines.len() == 5 && lines[0].contains("predicted") && lines[0].contains("saved"), "{said}");
    assert!(said.contains(" reused ") && said.contains("failed with exit code 3"), "{said}");
    for (typed, word) in [("nothing", "no recorded run or step"), ("0", "is the start of several runs")] {
        let said = wf(&scratch, &["history", typed]).exits(2);
        assert!(said.err.contains(word), "{}", said.err);
    }
    wf(&scratch, &["history", "--steps", "bad"]).exits(2);
}

#[test]
fn a_run_records_its_circumstances() {
    let scratch = Scratch::new();
    scratch.write(".workflow-config.yaml", CACHED).write("a.txt", "1").commit("first");
    scratch.write("src/a.rs", "").write("README.md", "").write("src/b.rs", "");
    let mut command = command(&scratch, &scratch.root, &["run", "--base", "HEAD"]);
    command.env("ImageOS", "ubuntu24").env("RUNNER_ARCH", "X64").output().unwrap();
    let facts = fs::read_to_string(run_dir(&history(&scratch)[0]).join("facts.jsonl")).unwrap();
    let run: Value = serde_json::from_str(facts.lines().nth(1).unwrap()).unwrap();
    let circumstances = &run["circumstances"];
    assert_eq!((&circumstances["runner"], &circumstances["files"]), (&json!("ubuntu24-X64"), &json!(3)));
    assert_eq!(circumstances["categories"], json!({ "code": 2, "docs": 1 }));
    assert_eq!(circumstances["paths"], json!(["README.md", "src/a.rs", "src/b.rs"]));
    assert!(circumstances["cores"].as_u64().unwrap() > 0 && circumstances["load"].as_f64().unwrap() >= 0.0);
    assert!(circumstances["at"].as_i64().unwrap() > 1_700_000_000);
}

#[test]
fn a_run_that_goes_on_is_listed_and_its_attempts_come_later() {
    let scratch = repository();
    wf(&scratch, &["run"]).exits(0);
    let mut child = start_held(&scratch, &["run", "--all"]);
    let runs = history(&scratch);
    assert_eq!((runs.len(), &runs[0]["status"]), (2, &json!("running")));
    let said = wf(&scratch, &["history", runs[0]["run"].as_str().unwrap()]).exits(2);
    assert!(said.err.contains("wf status"), "{}", said.err);
    child.kill().unwrap();
    child.wait().unwrap();
    crate::history_rig::release(&scratch);
    until(|| history(&scratch)[0]["status"] == "killed");
    assert_eq!(attempts(&scratch, &["latest"]).len(), 1);
}

#[test]
fn whatever_stands_in_its_place_the_runs_are_shown() {
    let scratch = repository();
    wf(&scratch, &["run"]).exits(0);
    let before = history(&scratch);
    fs::write(scratch.path(".wf/history.db"), "not a database").unwrap();
    let said = wf(&scratch, &["history", "--json"]).exits(0);
    assert!(said.err.contains("made anew") && said.err.contains("history.db.old"), "{}", said.err);
    assert_eq!(fs::read(scratch.path(".wf/history.db.old")).unwrap(), b"not a database");
    let said = wf(&scratch, &["history", "--json"]).exits(0);
    assert!(!said.err.contains("warning"), "once is enough: {}", said.err);
    assert_eq!(history(&scratch), before);

    fs::remove_file(scratch.path(".wf/history.db")).unwrap();
    fs::create_dir(scratch.path(".wf/history.db")).unwrap();
    let said = wf(&scratch, &["history"]).exits(0);
    assert!(said.err.contains("warning: cannot open") && said.out.contains(" passed "), "{}{}", said.err, said.out);
    assert_eq!(history(&scratch), before);
    let said = wf(&scratch, &["history", "build"]).exits(3);
    assert!(said.err.contains("history.db"), "{}", said.err);
    fs::remove_dir(scratch.path(".wf/history.db")).unwrap();
    assert_eq!(attempts(&scratch, &["build"]).len(), 1);
}

/// Many runs that were pruned, of many steps each: enough to be busy for a while.
fn many(scratch: &Scratch, runs: usize) {
    wf(scratch, &["run"]).exits(0);
    wf(scratch, &["run", "--all"]).exits(0);
    wf(scratch, &["clean", "--older-than", "0s"]).exits(0);
    let path = fs::read_dir(scratch.path(".wf/facts")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.lines().skip(1);
    let (run, row) = (lines.next().unwrap(), lines.next().unwrap());
    let mut run: Value = serde_json::from_str(run).unwrap();
    let rows = 40;
    let further: String = (0..rows).fold(String::new(), |mut all, at| {
        let mut row: Value = serde_json::from_str(row).unwrap();
        row["step"] = json!(format!("s{at}"));
        let _ = writeln!(
            all,
            "{{\"fact\":\"attempt\",{}",
            row.to_string().replacen("\"fact\":\"attempt\",", "", 1).trim_start_matches('{')
        );
        all
    });
    (run["rows"], run["bytes"], run["ran"]) = (json!(rows), json!(further.len()), json!(rows));
    // Half an hour apart, and all of them older than the one that is there.
    let first: String = run["run"].as_str().unwrap().chars().filter(|c| *c != '-').take(12).collect();
    let newest = u64::from_str_radix(&first, 16).unwrap();
    let mut text = "{\"format\":1}\n".to_owned();
    let mut name = None;
    for at in 0..runs as u64 {
        let ms = newest - (runs as u64 - at) * 1_800_000;
        let id = format!("{:08x}-{:04x}-7000-8000-{at:012x}", ms >> 16, ms & 0xffff);
        run["run"] = json!(id);
        let own = run.to_string().replacen("\"fact\":\"run\",", "", 1);
        let _ = write!(text, "{{\"fact\":\"run\",{}\n{further}", own.trim_start_matches('{'));
        name.get_or_insert(id);
    }
    fs::write(scratch.path(&format!(".wf/facts/{}.jsonl", name.unwrap())), text).unwrap();
}

#[test]
fn killed_in_the_middle_and_many_at_once_it_holds_every_run_once() {
    let scratch = repository();
    many(&scratch, 200);
    let rebuild = || {
        let mut command = command(&scratch, &scratch.root, &["history", "rebuild"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut cut_short = 0;
    for _ in 0..4 {
        let mut child = rebuild();
        let begun = || fs::metadata(scratch.path(".wf/history.db-wal")).is_ok_and(|meta| meta.len() > 200_000);
        until(|| begun() || child.try_wait().unwrap().is_some());
        let _ = child.kill();
        cut_short += usize::from(!child.wait().unwrap().success());
        let runs = history(&scratch);
        assert_eq!(runs.len(), 202);
        assert_eq!(attempts(&scratch, &["s39", "-n", "1000"]).len(), 200);
    }
    assert!(cut_short > 0, "none was killed in the middle");
    fs::remove_file(scratch.path(".wf/history.db")).unwrap();
    let asked = (0..4).map(|_| {
        let mut command = command(&scratch, &scratch.root, &["history", "--json", "--last", "1000"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    // All are read at once: who waits to make the database waits for who shows it, and that one for its reader.
    let told = asked.map(|child| std::thread::spawn(|| child.wait_with_output().unwrap())).collect::<Vec<_>>();
    let told: Vec<_> = told.into_iter().map(|reader| reader.join().unwrap()).collect();
    for said in &told {
        let err = String::from_utf8_lossy(&said.stderr);
        assert!(!err.contains("warning"), "{err}");
        assert!(said.status.success() && said.stdout == told[0].stdout);
    }
    assert_eq!(history(&scratch).len(), 202);
    let said = wf(&scratch, &["history", "rebuild"]).exits(0);
    assert!(said.out.contains("holds 202 runs"), "{}", said.out);
    assert_eq!(attempts(&scratch, &["s0", "-n", "1000"]).len(), 200);
}
