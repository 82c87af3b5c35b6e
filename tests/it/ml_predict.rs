//! `wf ml predict`: what the next run would take.

use crate::git_repo::Scratch;
use crate::history_rig::wf;
use serde_json::{Value, json};

const STEPS: &str = "steps:\n  - {id: build, run: sleep 0.1, cache: false}\n  \
                     - {id: test, run: sleep 0.2, needs: [build], cache: false}\n  \
                     - {id: lint, run: \"true\", cache: false}\n";

fn predicted(scratch: &Scratch, words: &[&str]) -> Value {
    let said = wf(scratch, &[&["ml", "predict", "--json"], words].concat()).exits(0);
    serde_json::from_str(&said.out).expect("one JSON document")
}

#[test]
fn steps_and_the_whole_are_predicted_once_something_is_known() {
    let scratch = Scratch::new();
    scratch.write(".workflow-config.yaml", STEPS).commit("first");
    let nothing = predicted(&scratch, &["--all"]);
    assert_eq!((&nothing["expected"]["run"], &nothing["expected"]["steps"][0]["samples"]), (&json!(null), &json!(0)));
    let said = wf(&scratch, &["ml", "predict", "--all"]).exits(0);
    assert!(said.out.contains("too little is known"), "{}", said.out);
    assert!(!scratch.path(".wf").exists(), "looking writes nothing");
    for _ in 0..2 {
        wf(&scratch, &["run", "--all"]).exits(0);
    }
    let known = predicted(&scratch, &["--all", "--jobs", "2"]);
    let run = &known["expected"]["run"];
    let ms = |value: &Value| value.as_u64().unwrap();
    // What waits for another cannot take less than both: the steps sleep for so long.
    assert!(ms(&run["ms"]) >= 300 && ms(&run["low_ms"]) <= ms(&run["ms"]) && ms(&run["ms"]) <= ms(&run["high_ms"]));
    assert_eq!((&known["jobs"], known["expected"]["steps"].as_array().unwrap().len()), (&json!(2), 3));
    let alone = predicted(&scratch, &["--all", "--no-parallel"]);
    assert!(alone["jobs"] == 1 && ms(&alone["expected"]["run"]["ms"]) >= 300, "{alone}");
    let some = predicted(&scratch, &["--all", "test"]);
    let names: Vec<_> = some["expected"]["steps"].as_array().unwrap().iter().map(|step| &step["step"]).collect();
    assert_eq!(names, ["build", "test"], "with what it needs");
    let said = wf(&scratch, &["ml", "predict", "--all"]).exits(0).out;
    assert!(said.contains("in all about ") && said.contains(": 3 steps; the longest chain "), "{said}");
    wf(&scratch, &["ml", "predict", "nothing"]).exits(2);
    // On a topic branch nothing changed since these runs.
    scratch.git(&["switch", "--quiet", "--create", "topic"]);
    let said = wf(&scratch, &["ml", "predict"]).exits(0).out;
    assert_eq!(said, "nothing to run, 3 skipped\n");
}

#[test]
fn what_waits_for_a_reused_step_waits_for_what_that_waited_for() {
    let scratch = Scratch::new();
    let steps = "steps:\n  - {id: first, run: sleep 0.2, cache: false}\n  \
                 - {id: known, run: echo, after: [first], inputs: [a.txt]}\n  \
                 - {id: last, run: sleep 0.3, needs: [known], cache: false}\n";
    scratch.write(".workflow-config.yaml", steps).write("a.txt", "1").commit("first");
    for _ in 0..2 {
        wf(&scratch, &["run", "--all"]).exits(0);
    }
    let known = predicted(&scratch, &["--all", "--jobs", "2"]);
    assert_eq!((&known["reused"], known["expected"]["steps"].as_array().unwrap().len()), (&json!(1), 2), "{known}");
    let ms = |name: &str| known["expected"][name].as_u64().unwrap();
    assert!(ms("critical_ms") >= 500, "one after the other: {known}");
    assert_eq!(ms("critical_ms"), ms("work_ms"));
    let plan = wf(&scratch, &["plan", "--all", "--json"]).exits(0).out;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert!(plan["expected"]["critical_ms"].as_u64().unwrap() >= 500, "{plan}");
}
