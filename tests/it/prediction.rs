//! What a run learns of earlier ones, and what it does with it.

use crate::git_repo::Scratch;
use crate::history_rig::wf;
use serde_json::{Value, json};

const CONFIG: &str = "steps:\n  - {id: short, run: sleep 0.02}\n  - {id: brief, run: sleep 0.03}\n  \
                      - {id: middling, run: sleep 0.1}\n  - {id: longest, run: sleep 0.5}\n  \
                      - {id: after, run: 'true', needs: [short]}\n";
const RUN: [&str; 6] = ["run", "--all", "--no-cache", "--jobs", "2", "--json"];

fn repository() -> Scratch {
    let scratch = Scratch::new();
    scratch.write(".workflow-config.yaml", CONFIG).commit("pipeline");
    scratch
}

/// The events of a run.
fn run(scratch: &Scratch, more: &[&str]) -> Vec<Value> {
    let said = wf(scratch, &[&RUN[..], more].concat()).exits(0);
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

fn first_started(events: &[Value]) -> Vec<String> {
    of(events, "step-started").iter().take(2).map(|event| event["step"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_second_run_starts_the_longest_first_and_says_what_it_expects() {
    let scratch = repository();
    let first = run(&scratch, &[]);
    let told = of(&first, "expected");
    assert_eq!((told.len(), &told[0]["run"], &told[0]["steps"][0]["samples"]), (1, &Value::Null, &0.into()));
    assert!(!first_started(&first).contains(&"longest".to_owned()), "nobody knows yet");

    let second = run(&scratch, &[]);
    assert!(first_started(&second).contains(&"longest".to_owned()), "{:?}", first_started(&second));
    let told = of(&second, "expected")[0];
    let ms = told["run"]["ms"].as_u64().unwrap();
    assert!((400..2_000).contains(&ms) && told["strategy"] == "balanced", "{told}");
    assert!(scratch.path(".wf/ml/model").exists(), "kept beside the steps");
    let history: Value = serde_json::from_str(&wf(&scratch, &["history", "longest", "--json"]).exits(0).out).unwrap();
    let predicted = |at: usize| history["attempts"][at]["predicted_ms"].as_u64();
    assert!(predicted(0).is_some_and(|ms| (400..2_000).contains(&ms)) && predicted(1).is_none(), "{history}");

    let without = run(&scratch, &["--no-ml-optimize"]);
    assert!(of(&without, "expected").is_empty());
    assert!(!first_started(&without).contains(&"longest".to_owned()));
    // In the plan's order, whatever is known.
    let serial = run(&scratch, &["--no-parallel"]);
    assert_eq!(first_started(&serial), ["short", "brief"]);
}

#[test]
fn a_damaged_or_foreign_model_is_told_and_learned_anew() {
    let scratch = repository();
    run(&scratch, &[]);
    run(&scratch, &[]);
    let model = scratch.path(".wf/ml/model");
    let good = std::fs::read(&model).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bad in [&flipped[..], b"wfmodel9 of another wf", &good[..good.len() / 2], b""] {
        std::fs::write(&model, bad).unwrap();
        let plan = wf(&scratch, &["plan", "--all", "--no-cache", "--json"]).exits(0);
        let plan: Value = serde_json::from_str(&plan.out).unwrap();
        assert_eq!(plan["notes"][0]["code"], "model-unusable", "{plan}");
        assert_eq!(std::fs::read(&model).unwrap(), bad, "a plan writes nothing");
        let events = run(&scratch, &[]);
        assert_eq!(of(&events, "fallback").iter().filter(|event| event["code"] == "model-unusable").count(), 1);
        assert!(first_started(&events).contains(&"longest".to_owned()), "learned anew from the recorded runs");
        assert!(of(&run(&scratch, &[]), "fallback").iter().all(|event| event["code"] != "model-unusable"));
    }
}

#[test]
fn a_plan_tells_what_it_takes_and_shares_it_out() {
    let scratch = repository();
    let plan =
        |more: &[&str]| wf(&scratch, &[&["plan", "--all", "--no-cache", "--jobs", "2"], more].concat()).exits(0).out;
    assert!(!plan(&[]).contains("expected"), "nothing is known");
    assert!(plan(&["--shards", "2"]).contains("nobody knows how long"));
    run(&scratch, &[]);
    let said = plan(&["--verbose"]);
    for part in ["expected about ", "longest  longest: ", "held up  by longest", "order    fail-fast: ", "balanced: "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let told: Value = serde_json::from_str(&plan(&["--json"])).unwrap();
    let expected = &told["expected"];
    assert_eq!(expected["critical_path"], serde_json::json!(["longest"]));
    assert_eq!(expected["strategies"].as_array().unwrap().len(), 5);
    assert!(expected["parallelisation_ratio"].as_f64().unwrap() > 1.0);

    let shards: Value = serde_json::from_str(&plan(&["--shards", "2", "--json"])).unwrap();
    let steps = |shard: &Value| -> Vec<String> { serde_json::from_value(shard["steps"].clone()).unwrap() };
    let [one, two] = [0, 1].map(|at| steps(&shards["shards"][at]));
    assert_eq!(one, ["longest"]);
    assert_eq!(two.len(), 4, "{two:?}");
    let second: Value = serde_json::from_str(&plan(&["--shards", "2", "--shard", "2", "--json"])).unwrap();
    assert_eq!(steps(&second["shards"]), two);
    assert_eq!(plan(&["--shard", "2/2", "--json"]), plan(&["--shards", "2", "--shard", "2", "--json"]));
    for wrong in [&["--shard", "2"][..], &["--shard", "2/2", "--shards", "3"]] {
        wf(&scratch, &[&["plan", "--all"], wrong].concat()).exits(2);
    }
    let wrong = wf(&scratch, &["plan", "--shards", "2", "--shard", "3"]).exits(2);
    assert!(wrong.err.contains("one of 1 to 2"), "{}", wrong.err);
    wf(&scratch, &["run", "--strategy", "quick"]).exits(2);
}

#[test]
fn what_steps_used_of_memory_is_their_claim() {
    let scratch = Scratch::new();
    // Each holds about 40 MiB for a while; two at once would be too much.
    let hold = "head -c 40000000 /dev/zero | tail -c 40000000 | (sleep 0.3; wc -c)";
    let steps = format!("steps:\n  - {{id: a, run: '{hold}'}}\n  - {{id: b, run: '{hold}'}}\n");
    scratch.write(".workflow-config.yaml", &steps).commit("pipeline");
    let more = ["--strategy", "memory", "--max-memory", "60MiB"];
    run(&scratch, &more);
    let events = run(&scratch, &more);
    let order: Vec<&str> = events
        .iter()
        .filter_map(|event| event["type"].as_str().filter(|kind| ["step-started", "step-finished"].contains(kind)))
        .collect();
    assert_eq!(order, ["step-started", "step-finished", "step-started", "step-finished"]);
}

#[test]
fn changed_lines_are_counted_by_runs_that_run_something_and_by_no_other() {
    let scratch = repository();
    scratch.git(&["switch", "--quiet", "--create", "topic"]);
    scratch.write("new.txt", "1\n2\n3\n");
    let about = |scratch: &Scratch| -> Vec<Value> {
        let said = wf(scratch, &["ml", "export", "--format", "json"]).exits(0).out;
        let document: Value = serde_json::from_str(&said).unwrap();
        document["runs"].as_array().unwrap().iter().map(|run| run["circumstances"].clone()).collect()
    };
    let events = run(&scratch, &[]);
    assert_eq!(of(&events, "expected")[0]["noticed"]["lines"], json!(3), "{events:?}");
    assert_eq!(about(&scratch)[0]["changed_lines"], json!(3));
    run(&scratch, &["--no-ml-optimize"]);
    assert_eq!(about(&scratch)[1]["changed_lines"], json!(null), "nobody asked");
    scratch.remove("new.txt");
    let said = wf(&scratch, &["run", "--json"]).exits(0).out;
    assert!(said.contains("unaffected") && !said.contains("\"expected\""), "nothing runs, nothing is counted: {said}");
}

#[test]
fn a_retry_is_expected_apart() {
    let scratch = Scratch::new();
    let again = "test -e .git/once && { rm .git/once; sleep 0.2; } || { touch .git/once; exit 1; }";
    scratch.write(".workflow-config.yaml", format!("steps:\n  - {{id: again, run: '{again}', retries: 1}}\n"));
    scratch.commit("pipeline");
    let first = run(&scratch, &[]);
    assert_eq!(of(&first, "step-retrying")[0].get("expected"), None, "nobody knows yet");
    let second = run(&scratch, &[]);
    let told = of(&second, "step-retrying")[0]["expected"]["ms"].as_u64().unwrap();
    assert!((150..2_000).contains(&told), "{told}");
    let said = wf(&scratch, &["history", "again", "--json"]).exits(0).out;
    let history: Value = serde_json::from_str(&said).unwrap();
    let attempts = history["attempts"].as_array().unwrap();
    let newest: Vec<_> = attempts.iter().take(2).map(|it| (&it["attempt"], &it["predicted_ms"])).collect();
    assert_eq!(newest[0], (&json!(2), &json!(told)), "{newest:?}");
}

#[test]
fn the_state_of_the_checkout_and_of_the_cache_is_noticed() {
    let scratch = Scratch::new();
    let step = |name: &str| format!("  - {{id: {name}, run: echo {name}, inputs: [{name}.txt]}}\n");
    scratch.write(".workflow-config.yaml", format!("steps:\n{}{}{}", step("a"), step("b"), step("c")));
    scratch.write("a.txt", "1").write("b.txt", "1").write("c.txt", "1").commit("pipeline");
    let noticed = |words: &[&str]| {
        let said = wf(&scratch, &[&["run", "--all", "--json"], words].concat()).exits(0).out;
        let events: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let noticed = &of(&events, "expected").last().expect("something runs")["noticed"];
        (noticed["cold"].clone(), noticed["reused_milli"].clone())
    };
    let foretold = || {
        let said = wf(&scratch, &["ml", "predict", "--all", "--json"]).exits(0).out;
        let document: Value = serde_json::from_str(&said).unwrap();
        let noticed = &document["expected"]["noticed"];
        (noticed["cold"].clone(), noticed["reused_milli"].clone())
    };
    assert_eq!(foretold(), (json!(true), json!(0)));
    assert_eq!(noticed(&[]), (json!(true), json!(0)), "the first run here");
    scratch.write("b.txt", "2");
    assert_eq!(foretold(), (json!(false), json!(666)));
    assert_eq!(noticed(&[]), (json!(false), json!(666)), "a and c are reused, b runs");
    let Ok(made) = scratch.path(".git").metadata().unwrap().created() else { return };
    // A new checkout, to which somebody brought the state folder along. Times of files are kept in steps of milliseconds.
    for lock in std::fs::read_dir(scratch.path(".wf/locks")).unwrap() {
        std::fs::File::open(lock.unwrap().path()).unwrap().set_modified(made).unwrap();
    }
    let (there, aside) = (scratch.path(".git"), scratch.path(".wf/aside"));
    std::fs::rename(&there, &aside).unwrap();
    let copied = scratch.command(&scratch.root, "cp").arg("-R").args([&aside, &there]).status().unwrap();
    assert!(copied.success() && there.metadata().unwrap().created().unwrap() > made);
    scratch.write("b.txt", "3");
    assert_eq!(noticed(&[]), (json!(true), json!(666)));
    assert_eq!(noticed(&["--no-cache"]), (json!(false), json!(0)));
}
