//! `wf ml export`: what is written is what `wf ml replay` reads back.

use crate::git_repo::Scratch;
use crate::history_rig::{repository, wf};
use serde_json::{Value, json};
use std::fs;

/// How far off each baseline was; wf's own method looks at circumstances, which a table does not have.
fn baselines(scratch: &Scratch, words: &[&str]) -> Vec<(String, Value)> {
    let said = wf(scratch, words).exits(0);
    let document: Value = serde_json::from_str(&said.out).unwrap();
    let section = document["sections"].as_array().unwrap().iter().find(|section| section["name"] == "durations");
    let rows = section.unwrap()["rows"].as_array().unwrap();
    let named = |row: &Value| (row["method"].as_str().unwrap().to_owned(), row["metrics"].clone());
    rows.iter().map(named).filter(|(name, _)| name != "ridge" && !name.starts_with("wf")).collect()
}

#[test]
fn a_history_comes_back_from_its_table() {
    let scratch = repository();
    for _ in 0..6 {
        wf(&scratch, &["run", "--all", "--no-cache"]).exits(0);
    }
    let said = wf(&scratch, &["ml", "export", "h.csv"]).exits(0);
    assert!(said.out.is_empty() && said.err.contains("h.csv: 12 samples of 6 runs"), "{}", said.err);
    let text = fs::read_to_string(scratch.path("h.csv")).unwrap();
    assert_eq!(wf(&scratch, &["ml", "export"]).exits(0).out, text);
    let here = baselines(&scratch, &["ml", "evaluate", "--json"]);
    assert_eq!(here.len(), 5);
    assert_eq!(here, baselines(&scratch, &["ml", "replay", "--json", "h.csv"]));
}

#[test]
fn outcomes_and_circumstances_are_told_and_what_was_stopped_is_left_out() {
    let scratch = Scratch::new();
    let steps = "steps:\n  - {id: bad, run: \"echo secret-word; exit 3\"}\n  \
                 - {id: slow, run: sleep 9, timeout: 50ms}\n  \
                 - {id: again, run: 'test -e .git/once || { touch .git/once; exit 1; }', retries: 1}\n";
    scratch.write(".workflow-config.yaml", steps).commit("first");
    wf(&scratch, &["run", "--all", "--keep-going"]).exits(1);
    let csv = wf(&scratch, &["ml", "export"]).exits(0).out;
    let mut rows: Vec<Vec<&str>> = csv.lines().skip(1).map(|line| line.split(',').collect()).collect();
    rows.sort_by_key(|row| row[1]);
    let told: Vec<_> = rows.iter().map(|row| (row[1], row[3], row[5], row[6])).collect();
    assert_eq!(told, [("again", "0", "2", "passed"), ("bad", "1", "1", "failed")]);
    let said = wf(&scratch, &["ml", "export", "--format", "json"]).exits(0).out;
    let document: Value = serde_json::from_str(&said).unwrap();
    let run = &document["runs"][0];
    assert_eq!((&document["format"], run["samples"].as_array().unwrap().len()), (&json!(1), 2));
    assert!(run["circumstances"]["cores"].as_u64() > Some(0), "{run}");
    assert!(!csv.contains("secret-word") && !said.contains("secret-word") && !said.contains("exit 3"), "{said}");
    wf(&scratch, &["ml", "export", "--format", "xml"]).exits(2);
    wf(&scratch, &["ml", "export", "no/such/folder.csv"]).exits(3);
}
