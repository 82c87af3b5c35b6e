//! `wf ml status`, `train` and `evaluate` in a repository with recorded runs.

use crate::git_repo::Scratch;
use crate::history_rig::{Said, repository, wf};
use serde_json::{Value, json};
use std::fs;

fn document(said: Said) -> Value {
    serde_json::from_str(&said.exits(0).out).expect("one JSON document")
}

fn status(scratch: &Scratch) -> Value {
    document(wf(scratch, &["ml", "status", "--json"]))
}

/// Runs all steps so often.
fn run(scratch: &Scratch, times: usize) {
    (0..times).for_each(|_| drop(wf(scratch, &["run", "--all", "--no-cache"]).exits(0)));
}

/// The files of the state folder but the database, which is derived.
fn files(scratch: &Scratch) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut open = vec![scratch.path(".wf")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_lock = path.extension().is_some_and(|extension| extension == "lock");
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if !name.starts_with("history.db") && !is_lock {
                all.push((path.clone(), fs::read(&path).unwrap()));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn without_runs_nothing_is_known_and_nothing_is_written() {
    let scratch = repository();
    let said = wf(&scratch, &["ml", "status"]).exits(0);
    assert!(said.out.contains("nothing yet") && said.out.contains("`wf run` records runs"), "{}", said.out);
    let known = status(&scratch);
    assert_eq!(
        (&known["state"], &known["runs"], &known["accuracy"]),
        (&json!("nothing-learned"), &json!(0), &json!(null))
    );
    for words in [&["ml", "evaluate"][..], &["ml", "train"], &["ml", "export"], &["ml", "evaluate", "--svg", "x.svg"]] {
        assert!(wf(&scratch, words).exits(0).err.contains("no run is recorded"), "{words:?}");
    }
    assert!(!scratch.path(".wf").exists() && !scratch.path("x.svg").exists(), "looking writes nothing");
}

#[test]
fn what_was_learned_is_shown_and_looking_at_it_changes_nothing() {
    let scratch = repository();
    run(&scratch, 5);
    let before = files(&scratch);
    let known = status(&scratch);
    assert_eq!((&known["state"], &known["runs"], &known["samples"]), (&json!("few-runs"), &json!(5), &json!(10)));
    assert_eq!((&known["walked_runs"], &known["recorded_runs"]), (&json!(5), &json!(5)));
    let methods: Vec<&str> =
        known["accuracy"].as_array().unwrap().iter().map(|row| row["method"].as_str().unwrap()).collect();
    let cold = "wf, fewer than 3 earlier";
    assert_eq!(methods, ["wf", "last", "mean", "median10", "ewma0.3", "shrunk-mean", "ridge", cold]);
    // Two steps, each with three durations before its last two; the first of all is not predicted.
    assert_eq!(known["accuracy"][0]["metrics"]["scored"], json!(4.0));
    assert!(known["accuracy"][0]["metrics"]["within25"].is_number(), "{known}");
    let steps = known["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2);
    for step in steps {
        let weights = step["weights"].as_object().unwrap();
        let sum: f64 = weights.values().map(|weight| weight.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-9 && weights.len() == 6 && step["samples"] == 5, "{step}");
    }
    assert!(known["advice"][0].as_str().unwrap().starts_with("too few runs: 5 of 10"), "{known}");
    assert_eq!(known["anomalies"], json!([]), "nothing was strange");
    let said = wf(&scratch, &["ml", "status"]).exits(0).out;
    assert!(said.contains("of 5 runs (full use from 10 on), 10 attempts") && said.contains("median10"), "{said}");
    assert!(!said.contains("strange"), "{said}");
    let _ = wf(&scratch, &["ml", "evaluate"]).exits(0);
    assert_eq!(files(&scratch), before, "it only looked");
}

#[test]
fn a_damaged_model_is_told_ignored_and_made_anew() {
    let scratch = repository();
    run(&scratch, 3);
    let model = scratch.path(".wf/ml/model");
    for bytes in [&b"rubbish"[..], b"", b"wfmodel2\0\0\0\0\xff\xff\xff\xff"] {
        fs::create_dir_all(model.parent().unwrap()).unwrap();
        fs::write(&model, bytes).unwrap();
        let said = wf(&scratch, &["ml", "status", "--json"]);
        assert!(said.err.contains("damaged"), "{}", said.err);
        let known = document(said);
        assert_eq!((&known["model"]["file"], &known["runs"]), (&json!("damaged"), &json!(3)));
        assert!(known["advice"][0].as_str().unwrap().contains("`wf ml train`"), "{known}");
        assert_eq!(fs::read(&model).unwrap(), bytes, "it only looked");
    }
    assert!(wf(&scratch, &["ml", "predict", "--all"]).exits(0).err.contains("damaged"));
    let trained = document(wf(&scratch, &["ml", "train", "--json"]));
    assert_eq!((&trained["runs"], &trained["samples"], &trained["steps"]), (&json!(3), &json!(6), &json!(2)));
    let known = status(&scratch);
    assert_eq!((&known["model"]["file"], &known["fitted_runs"]), (&json!("read"), &json!(3)));
    assert!(known["trained_at"].is_string(), "{known}");
    assert_eq!((&known["next_fit"]["after_runs"], &known["next_fit"]["due"]), (&json!(5), &json!(false)));
    assert!(wf(&scratch, &["ml", "train"]).exits(0).out.starts_with("learned of 3 runs, 6 attempts of 2 steps in "));
    fs::remove_file(&model).unwrap();
    assert_eq!(status(&scratch)["model"]["file"], "missing");
}

#[test]
fn accuracy_is_a_table_a_document_and_a_picture() {
    let scratch = repository();
    run(&scratch, 5);
    let said = wf(&scratch, &["ml", "evaluate", "--svg", "a.svg"]).exits(0);
    assert!(said.out.contains("5 runs: durations") && said.out.contains("within25"), "{}", said.out);
    assert!(!said.out.contains("ordering"), "nothing failed: {}", said.out);
    let picture = fs::read_to_string(scratch.path("a.svg")).unwrap();
    assert!(picture.contains("Predicted and actual durations, 5 runs") && picture.trim_end().ends_with("</svg>"));
    let measured = document(wf(&scratch, &["ml", "evaluate", "--json", "--last", "4"]));
    assert_eq!((&measured["walked_runs"], &measured["recorded_runs"]), (&json!(4), &json!(5)));
    assert_eq!(measured["sections"][0]["rows"][0]["metrics"]["scored"], json!(2.0));
    scratch.write(".workflow-config.yaml", "steps:\n  - {id: build, run: exit 3}\n  - {id: other, run: echo}\n");
    wf(&scratch, &["run", "--all"]).exits(1);
    let measured = document(wf(&scratch, &["ml", "evaluate", "--json"]));
    let names: Vec<_> = measured["sections"].as_array().unwrap().iter().map(|section| &section["name"]).collect();
    assert_eq!(names, ["durations", "ordering"]);
    assert_eq!(measured["sections"][0]["rows"][0]["metrics"]["scored"], json!(4.0), "a failure is no duration");
    wf(&scratch, &["ml", "evaluate", "--svg", "no/such/folder.svg"]).exits(3);
}
