//! `wf optimize`: advice from recorded runs, changes of the configuration, and what is strange about runs.

use crate::git_repo::Scratch;
use crate::history_rig::{Said, wf};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;

const CONFIG: &str = "# What guards us.\nsteps:\n  - id: slow # the long one\n    run: echo slow\n    inputs: [a.txt]\n\
                      \x20   timeout: 1h   # more than enough\n  - id: e2e\n    run: echo e2e\n    inputs: [a.txt]\n";

/// A run as facts have it: for each step how long it took, whether it passed, and on which key.
type Run = Vec<(&'static str, u64, bool, u8)>;

/// A repository with these runs in its past, a minute apart.
fn with_past(config: &str, runs: &[Run]) -> Scratch {
    let scratch = Scratch::new();
    scratch.write(".workflow-config.yaml", config).write("a.txt", "1").commit("first");
    // What a real run leaves is what the made ones are made of.
    wf(&scratch, &["run", "--all"]).exits(0);
    wf(&scratch, &["run", "--all", "--no-cache"]).exits(0);
    wf(&scratch, &["clean", "--older-than", "0s"]).exits(0);
    let path = fs::read_dir(scratch.path(".wf/facts")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&path).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let head = &rows[1];
    let row_of = |step: &str| rows.iter().find(|row| row["fact"] == "attempt" && row["step"] == step).unwrap();
    let first: String = head["run"].as_str().unwrap().chars().filter(|c| *c != '-').take(12).collect();
    let newest = u64::from_str_radix(&first, 16).unwrap();
    let tagged = |value: &Value| {
        // A row's kind comes first.
        let mut value = value.clone();
        let fact = value.as_object_mut().unwrap().remove("fact").unwrap();
        format!("{{\"fact\":{fact},{}\n", value.to_string().trim_start_matches('{'))
    };
    let mut text = "{\"format\":1}\n".to_owned();
    let mut name = None;
    for (at, run) in runs.iter().enumerate() {
        let ms = newest - (runs.len() - at) as u64 * 60_000;
        let id = format!("{:08x}-{:04x}-7000-8000-{at:012x}", ms >> 16, ms & 0xffff);
        let attempts: String = run.iter().fold(String::new(), |mut all, (step, wall_ms, passed, key)| {
            let mut row = row_of(step).clone();
            (row["step"], row["wall_ms"], row["attempt"], row["last"]) =
                (json!(step), json!(wall_ms), json!(1), json!(true));
            row["outcome"] = if *passed { json!({"is": "passed"}) } else { json!({"is": "failed", "code": 1}) };
            row["key"] = json!(format!("{key:02x}").repeat(32));
            let _ = write!(all, "{}", tagged(&row));
            all
        });
        let mut head = head.clone();
        (head["run"], head["rows"], head["ran"], head["bytes"]) =
            (json!(id), json!(run.len()), json!(run.len()), json!(attempts.len()));
        head["commit"] = json!(format!("{at:040x}"));
        let _ = write!(text, "{}{attempts}", tagged(&head));
        name.get_or_insert(id);
    }
    fs::write(scratch.path(&format!(".wf/facts/{}.jsonl", name.unwrap())), text).unwrap();
    scratch
}

/// Twenty runs in which `e2e` failed four times on the key on which it mostly passes.
fn flaky() -> Vec<Run> {
    (0..20).map(|at| vec![("slow", 30_000, true, at), ("e2e", 10_000, at % 5 != 2, 99)]).collect()
}

fn advice(scratch: &Scratch) -> Vec<Value> {
    let said = wf(scratch, &["optimize", "--json"]).exits(0);
    let document: Value = serde_json::from_str(&said.out).expect("one JSON document");
    document["advice"].as_array().expect("advice").clone()
}

fn ids(advice: &[Value]) -> Vec<&str> {
    advice.iter().map(|one| one["id"].as_str().unwrap()).collect()
}

#[test]
fn without_a_past_nothing_is_said() {
    let scratch = Scratch::new();
    scratch.write(".workflow-config.yaml", CONFIG).write("a.txt", "1").commit("first");
    let Said { out, .. } = wf(&scratch, &["optimize"]).exits(0);
    assert!(out.starts_with("nothing to change, as far as 0 runs tell"), "{out}");
    assert!(!scratch.exists(".wf"), "looking writes nothing");
    wf(&scratch, &["run", "--all"]).exits(0);
    assert!(advice(&scratch).is_empty());
    let said = wf(&scratch, &["optimize", "--apply"]).exits(0);
    assert!(said.out.is_empty() && said.err.contains("nothing to change"), "{}", said.err);
    assert_eq!(scratch.read(".workflow-config.yaml"), CONFIG);
}

#[test]
fn advice_has_its_evidence_and_is_applied_line_by_line() {
    let scratch = with_past(CONFIG, &flaky());
    let all = advice(&scratch);
    assert_eq!(ids(&all), ["split:slow", "retries:e2e", "timeout:slow"], "{all:?}");
    let retries = &all[1];
    assert_eq!(retries["edit"], json!({"step": "e2e", "key": "retries", "value": "2"}));
    assert!(retries["evidence"].as_str().unwrap().contains("failed 4 times in 2"), "{retries}");
    assert_eq!(retries["runs"].as_array().unwrap().len(), 3);
    let said = wf(&scratch, &["optimize"]).exits(0).out;
    assert!(said.contains("retries:e2e  saves ") && said.contains("`wf optimize --apply` makes 2"), "{said}");

    let diff = wf(&scratch, &["optimize", "--diff"]).exits(0).out;
    assert_eq!(scratch.read(".workflow-config.yaml"), CONFIG);
    scratch.write(".git/the.diff", &diff);
    scratch.git(&["apply", "--check", ".git/the.diff"]);
    let one = wf(&scratch, &["optimize", "--apply", "retries:e2e"]).exits(0);
    let expected = CONFIG.replace("id: e2e\n", "id: e2e\n    retries: 2\n");
    assert_eq!(scratch.read(".workflow-config.yaml"), expected);
    assert!(one.out.contains("\n+    retries: 2\n") && one.err.contains("is changed"), "{}{}", one.out, one.err);
    assert_eq!(ids(&advice(&scratch)), ["split:slow", "timeout:slow"], "what was done is not said again");
    wf(&scratch, &["optimize", "--apply"]).exits(0);
    assert_eq!(scratch.read(".workflow-config.yaml"), expected.replace("timeout: 1h ", "timeout: 2m "));
    wf(&scratch, &["check"]).exits(0);
}

#[test]
fn what_cannot_be_applied_is_refused_and_nothing_is_written() {
    let config = CONFIG.replace("run: echo e2e", "run: echo e2e\n    retries: {count: 0}");
    let scratch = with_past(&config, &flaky());
    for (args, word) in [
        (&["optimize", "--apply", "retries:nobody"][..], "nothing that is advised is called"),
        (&["optimize", "--apply", "split:slow"], "cannot be made for you"),
        (&["optimize", "--apply", "timeout:slow,retries:e2e"], "nothing was written"),
        (&["optimize", "--apply", "--json"], "cannot be used with"),
    ] {
        let said = wf(&scratch, args).exits(2);
        assert!(said.err.contains(word), "{}", said.err);
        assert_eq!(scratch.read(".workflow-config.yaml"), config);
    }
    let said = wf(&scratch, &["optimize", "--apply"]).exits(0);
    assert!(said.err.contains("retries:e2e is left to you"), "{}", said.err);
    assert!(scratch.read(".workflow-config.yaml").contains("timeout: 2m"));
}

#[test]
fn what_a_step_did_before_it_was_changed_is_no_evidence() {
    let scratch = with_past(CONFIG, &flaky());
    assert_eq!(ids(&advice(&scratch)), ["split:slow", "retries:e2e", "timeout:slow"]);
    scratch.write(".workflow-config.yaml", CONFIG.replace("run: echo slow", "run: echo faster"));
    assert_eq!(ids(&advice(&scratch)), ["retries:e2e"]);
    scratch.write(".workflow-config.yaml", CONFIG.replace("run: echo e2e", "run: echo mended"));
    assert_eq!(ids(&advice(&scratch)), ["split:slow", "timeout:slow"]);
    scratch.write(".workflow-config.yaml", CONFIG);
    assert_eq!(advice(&scratch).len(), 3, "what is as it was has its past");
}

#[test]
fn what_is_strange_is_kept_and_shown() {
    let mut runs: Vec<Run> = (0..40)
        .map(|at| {
            vec![("slow", if at < 20 { 30_000 + at * 7 } else { 60_000 + at * 7 }, true, 1), ("e2e", 9_000, true, 2)]
        })
        .collect();
    runs[39][1] = ("e2e", 100, false, 3);
    runs[38][1] = ("e2e", 40_000, true, 3);
    let scratch = with_past(CONFIG, &runs);
    let all = wf(&scratch, &["history", "--json", "-n", "100"]).exits(0).out;
    let all: Value = serde_json::from_str(&all).unwrap();
    let of = |step: usize| {
        let found = all["runs"].as_array().unwrap().iter().find(|run| run["commit"] == json!(format!("{step:040x}")));
        let run = found.expect("the run")["run"].as_str().unwrap().to_owned();
        let said = wf(&scratch, &["history", "--json", &run]).exits(0).out;
        let document: Value = serde_json::from_str(&said).unwrap();
        let told = document["anomalies"].as_array().unwrap().iter();
        let told = told.map(|it| format!("{} {}: {}", it["step"], it["kind"], it["message"]).replace('"', ""));
        (run, told.collect::<Vec<_>>())
    };
    let (run, told) = of(39);
    assert_eq!(told, ["e2e new-failure: failed, after 39 passes in a row"]);
    let said = wf(&scratch, &["history", &run]).exits(0).out;
    assert!(said.ends_with("strange: e2e failed, after 39 passes in a row\n"), "{said}");
    assert!(of(38).1[0].starts_with("e2e duration: took 40s instead of 9.0s"), "{:?}", of(38).1);
    let change = &of(20).1;
    assert!(change.iter().any(|told| told.starts_with("slow change: takes 1m00s instead of 30s")), "{change:?}");
    assert!(change.iter().any(|told| told.contains("look at the commits 0000000000..0000000000")), "{change:?}");
    assert_eq!(of(10).1, [""; 0]);
    let said = wf(&scratch, &["ml", "status", "--json"]).exits(0).out;
    let status: Value = serde_json::from_str(&said).unwrap();
    let lately = status["anomalies"].as_array().unwrap();
    assert!(
        lately.iter().map(|it| it["run"].as_str().unwrap()).is_sorted_by(|a, b| a >= b),
        "newest first: {lately:?}"
    );
    let new = json!({
        "run": run, "step": "e2e", "kind": "new-failure", "message": "failed, after 39 passes in a row",
    });
    assert!(lately.contains(&new), "{lately:?}");
    assert!(lately.iter().any(|it| it["kind"] == "change" && it["step"] == "slow"), "{lately:?}");
    let said = wf(&scratch, &["ml", "status", "--all"]).exits(0).out;
    let count = |kind: &str| lately.iter().filter(|it| it["kind"] == kind).count();
    let kinds =
        format!("{} change, {} duration, {} new-failure", count("change"), count("duration"), count("new-failure"));
    assert!(said.contains(&format!("\nstrange in the newest 50 runs: {kinds}\n")), "{said}");
    assert!(said.contains(&format!("\nstrange: e2e failed, after 39 passes in a row (run {run})\n")), "{said}");
    // Whoever opens it next finds the same, once.
    fs::remove_file(scratch.path(".wf/history.db")).unwrap();
    wf(&scratch, &["history"]).exits(0);
    assert_eq!(&of(20).1, change);
}
