//! How steps ended with a key: known by when, how long, where and in which run, and rebuilt when the index is gone.

use super::world::World;
use serde_json::Value;
use std::fs;

const CONFIG: &str = "steps: [{id: s, run: 'echo s >> ../trace; test ! -e ../broken', inputs: [src/]}]\n";
const INDEX: &str = ".wf/cache/actions";

/// A key that passed here, and failed in CI.
fn split() -> World {
    let world = World::topic(CONFIG);
    let _ = world.wf(&["run", "--all"]).passed();
    world.write("../broken", "");
    let _ = world.wf_env(&[("CI", "1")], &["run", "--all", "--cache", "write"]).exits(1);
    world.remove("../broken");
    world
}

/// Warnings that verdicts were rebuilt, in the newest run.
fn rebuilt(world: &World) -> Vec<String> {
    let warnings = world.events_of("warning").into_iter().filter(|event| event["code"] == "verdicts-rebuilt");
    warnings.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

fn shown(world: &World, what: &str) -> Value {
    serde_json::from_str(&world.wf(&["cache", "show", what, "--json"]).passed().out).unwrap()
}

/// Verdicts as `wf cache show` has them: did it pass, where.
fn verdicts(shown: &Value) -> Vec<(bool, &str)> {
    let newest = shown["verdicts"]["newest"].as_array().unwrap();
    newest.iter().map(|it| (it["passed"].as_bool().unwrap(), it["place"].as_str().unwrap())).collect()
}

#[test]
fn a_key_with_both_outcomes_serves_nobody_also_when_the_index_was_deleted() {
    // The same variables, so that the key is the same; only the place differs.
    let world = World::topic(CONFIG);
    let ci = [("CI", "1")];
    let _ = world.wf_env(&ci, &["run", "--all"]).passed();
    world.write("../broken", "");
    let _ = world.wf_env(&ci, &["run", "--all", "--cache", "write"]).exits(1);
    world.remove("../broken");
    let before = shown(&world, "s");
    assert_eq!(verdicts(&before), [(false, "ci"), (true, "ci")]);

    for damage in [None, Some("nonsense")] {
        match damage {
            None => fs::remove_file(world.path(INDEX)).unwrap(),
            Some(text) => fs::write(world.path(INDEX), text).unwrap(),
        }
        let looked = shown(&world, "s");
        let known = verdicts(&looked);
        assert!(known.contains(&(false, "ci")) && known.contains(&(true, "ci")), "looking needs no index: {looked}");
        assert_eq!(world.exists(INDEX), damage.is_some(), "and makes none");
        let _ = world.wf_env(&ci, &["run", "--all", "--cache", "read"]).passed();
        assert_eq!(rebuilt(&world).len(), 1);
        assert!(world.exists(INDEX) == damage.is_some(), "nothing is written where nothing may be");
        let missed = world.events_of("step-missed");
        assert_eq!(missed[0]["why"]["miss"], "flaky", "{missed:?}");
        // Whoever may write does, and tells it once.
        let _ = world.wf_env(&ci, &["run", "--all"]).passed().says("flaky");
        let told = rebuilt(&world);
        assert!(told.len() == 1 && told[0].contains("came back from"), "{told:?}");
        let _ = world.wf_env(&ci, &["run", "--all"]).passed().says("flaky");
        assert_eq!(rebuilt(&world), [""; 0], "the index is whole again");
    }
    let after = shown(&world, "s");
    let old = |shown: &Value| shown["verdicts"]["newest"].as_array().unwrap().last().unwrap().clone();
    let (was, is) = (old(&before), old(&after));
    for field in ["key", "step", "passed", "flaky", "run", "wall_ms", "place"] {
        assert_eq!(was[field], is[field], "{field}");
    }
    let apart = was["at_ms"].as_u64().unwrap().abs_diff(is["at_ms"].as_u64().unwrap());
    assert!(apart < 5_000, "the log's clock says the same time as the cache's: {apart} ms apart");
}

#[test]
fn verdicts_are_told_with_when_how_long_where_and_which_run() {
    let world = split();
    // In CI another key was judged, because CI is in the key: the newest result is what passed here.
    let run = world.events_of("run-started")[0]["run"].as_str().unwrap().to_owned();
    let said = world.wf(&["cache", "show", "s"]).passed().says("verdicts passed 1 time, failed 0");
    let said = said.says(", took ").says(", local, run ");
    assert!(
        said.out.contains("other keys of this step\n") && said.out.contains(&format!(", in CI, run {run}")),
        "{}",
        said.out
    );
    let keys: Vec<String> =
        world.events_of("step-finished").iter().map(|e| e["key"].as_str().unwrap().into()).collect();
    let said = world.wf(&["cache", "show", &keys[0][..16]]).passed();
    let said = said.says("nothing is stored for it").says("verdicts passed 0 times, failed 1");
    let _ = said.says(&format!(", in CI, run {run}"));
    let shown = shown(&world, &keys[0]);
    assert_eq!((&shown["entry"], &shown["verdicts"]["failed"]), (&Value::Null, &1.into()));
    assert_eq!(shown["verdicts"]["other_keys"][0]["place"], "local");
    assert_eq!(world.events_of("run-started")[0]["place"], "ci");
}

#[test]
fn a_failure_is_known_from_facts_when_logs_and_index_are_gone() {
    let world = World::topic("steps: [{id: s, run: 'exit 1', inputs: [src/]}]\n");
    let _ = world.wf(&["run", "--all"]).exits(1);
    let run = world.events_of("run-started")[0]["run"].as_str().unwrap().to_owned();
    // A second run, so that the first may be pruned; of it only facts are left.
    let _ = world.wf(&["run", "--no-cache", "--all"]).exits(1);
    let _ = world.wf(&["clean", "--older-than", "0s"]).passed();
    assert!(!world.exists(&format!(".wf/runs/{run}")));
    fs::remove_dir_all(world.path(".wf/cache")).unwrap();
    let _ = world.wf(&["run", "--all"]).exits(1).says(&format!("it failed like this in run {run}"));
    assert_eq!(rebuilt(&world), ["the cache had lost how steps ended; 1 verdict came back from a recorded run"]);
}

#[test]
fn a_run_is_gone_on_from_without_the_index() {
    let world = World::topic(
        "
steps:
  - {id: first, run: 'echo first >> ../trace'}
  - {id: second, run: 'echo second >> ../trace; test -e ../go', after: [first]}
",
    );
    let _ = world.wf(&["run", "--all"]).exits(1);
    fs::remove_dir_all(world.path(".wf/cache")).unwrap();
    world.write("../go", "");
    let _ = world.wf(&["run", "--all", "--resume"]).passed();
    assert_eq!(world.trace(), ["first", "second", "second"]);
}

#[test]
fn nothing_is_read_again_where_nothing_was_lost() {
    let world = World::topic(CONFIG);
    let _ = world.wf(&["run", "--all"]).passed();
    assert_eq!(rebuilt(&world), [""; 0], "the first run of all has lost nothing");
    let _ = world.wf(&["run", "--all"]).passed().says("1 cached");
    let _ = world.wf(&["cache", "clear"]).passed();
    let _ = world.wf(&["run", "--all"]).passed();
    assert_eq!(rebuilt(&world), [""; 0], "what a person cleared stays cleared");
    // Evidence that a commit brings along is not used.
    fs::remove_file(world.path(INDEX)).unwrap();
    world.git(&["add", "--force", ".wf/runs"]);
    world.git(&["commit", "--quiet", "--message", "state"]);
    let _ = world.wf(&["run", "--all"]).passed();
    assert_eq!(rebuilt(&world), [""; 0]);
}
