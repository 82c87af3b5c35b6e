//! What the binary does with steps: order, stages, failures, retries, pools, environment, telling.

use super::world::World;

fn traced(world: &World) -> String {
    world.trace().join(" ")
}

/// Steps append their id to a file outside the repository.
fn config(steps: &str) -> String {
    format!("smart_execution: false\nfail_fast: true\n{steps}")
}

#[test]
fn needs_come_first_and_failures_stop_what_needs_them() {
    let world = World::topic(&config(
        "
steps:
  - {id: c, needs: [b], run: 'echo c >> ../trace'}
  - {id: b, needs: [a], run: 'echo b >> ../trace; exit 3'}
  - {id: a, run: 'echo a >> ../trace'}
",
    ));
    let _ = world.wf(&["run"]).exits(1).says("exit code 3");
    assert_eq!(traced(&world), "a b");
    let cancelled = world.events_of("step-cancelled");
    assert_eq!((cancelled[0]["step"].as_str(), cancelled[0]["reason"]["step"].as_str()), (Some("c"), Some("b")));
}

#[test]
fn fail_fast_lets_running_steps_finish_and_keep_going_goes_on() {
    let steps = "
steps:
  - {id: a, run: 'exit 1'}
  - {id: b, run: 'echo b >> ../trace'}
";
    let world = World::topic(&config(steps));
    let _ = world.wf(&["run", "--jobs", "1"]).exits(1);
    assert_eq!(traced(&world), "");
    let _ = world.wf(&["run", "--jobs", "1", "--keep-going"]).exits(1);
    assert_eq!(traced(&world), "b");
}

#[test]
fn stages_are_barriers_and_stop_early() {
    let world = World::topic(&config(
        "
stages: [{name: one}, {name: two}, {name: three}]
steps:
  - {id: late, stage: two, run: 'echo late >> ../trace; exit 1'}
  - {id: slow, stage: one, run: 'sleep 0.2; echo slow >> ../trace'}
  - {id: never, stage: three, run: 'echo never >> ../trace'}
",
    ));
    let _ = world.wf(&["run"]).exits(1);
    assert_eq!(traced(&world), "slow late");
    assert_eq!(world.events_of("step-cancelled")[0]["reason"]["cancelled"], "stage-failed");
    let _ = world.wf(&["run", "--no-multi-stage", "--keep-going"]).exits(1);
    assert_eq!(world.trace()[2..].last().map(String::as_str), Some("slow"));
}

#[test]
fn a_flaky_step_is_tried_again() {
    let world = World::topic(&config(
        "
steps:
  - id: flaky
    run: 'echo $WF_ATTEMPT >> ../trace; test $WF_ATTEMPT = 3'
    retries: {count: 3, backoff: 10ms}
",
    ));
    let _ = world.wf(&["run"]).passed();
    assert_eq!(traced(&world), "1 2 3");
    assert_eq!(world.events_of("step-retrying").len(), 2);
}

#[test]
fn an_allowed_failure_is_a_warning() {
    let world = World::topic(&config(
        "
steps:
  - {id: soft, run: 'exit 1', allow_failure: true}
  - {id: next, needs: [soft], run: 'echo next >> ../trace'}
",
    ));
    let _ = world.wf(&["run"]).passed();
    assert_eq!(traced(&world), "next");
}

#[test]
fn clean_up_runs_after_failures() {
    let world = World::topic(&config(
        "
steps:
  - {id: test, run: 'exit 1'}
  - {id: down, after: [test], run_on: always, run: 'echo down >> ../trace'}
  - {id: alarm, run_on: failure, run: 'echo alarm >> ../trace'}
  - {id: party, after: [down], run: 'echo party >> ../trace'}
",
    ));
    let _ = world.wf(&["run", "--jobs", "1"]).exits(1);
    let mut trace = world.trace();
    trace.sort();
    assert_eq!(trace, ["alarm", "down"]);
}

#[test]
fn locks_and_overlapping_outputs_never_overlap() {
    let body = "test ! -e ../busy && touch ../busy && sleep 0.1 && rm ../busy";
    for claim in ["locks: [db]", "outputs: ['out/**']", "writes: ['src/**']"] {
        let steps: String = (0..3).map(|n| format!("  - {{id: s{n}, run: '{body}', {claim}}}\n")).collect();
        let world = World::topic(&config(&format!("steps:\n{steps}")));
        let _ = world.wf(&["run", "--jobs", "3"]).passed();
    }
}

#[test]
fn independent_steps_do_overlap() {
    let wait = |mine: &str, other: &str| {
        format!("touch ../{mine}; for i in 1 2 3 4 5 6 7 8 9; do test -e ../{other} && exit 0; sleep 0.2; done; exit 1")
    };
    let steps = format!("steps:\n  - {{id: a, run: '{}'}}\n  - {{id: b, run: '{}'}}\n", wait("a", "b"), wait("b", "a"));
    let world = World::topic(&config(&steps));
    let _ = world.wf(&["run", "--jobs", "2"]).passed();
}

#[test]
fn a_step_past_its_timeout_is_stopped_with_all_its_children() {
    let world = World::topic(&config(
        "
steps:
  - {id: slow, run: 'sleep 60 & sleep 60', timeout: 300ms, grace: 100ms}
",
    ));
    let _ = world.wf(&["run"]).exits(1).says("timed out");
    assert_eq!(world.events_of("step-finished")[0]["outcome"]["is"], "timed-out");
}

#[test]
fn steps_get_their_variables_and_not_those_of_hooks() {
    let world = World::topic(&config(
        "
steps:
  - id: env
    run: 'echo \"$WF_STEP $WF_ATTEMPT [$GIT_DIR] [$WF_SECRET_OF_OURS] $GREETING [$WF_BASE]\"'
    env: {GREETING: hello}
",
    ));
    let env = [("WF_SECRET_OF_OURS", "x")];
    let _ = world.wf_env(&env, &["run"]).passed().says("env 1 [] [] hello []");
}

#[test]
fn changed_only_steps_get_the_lists() {
    let world = World::topic(
        "
steps:
  - id: lint
    changed_only: true
    inputs: ['src/**', '*.md']
    run: 'tr \"\\0\" \"\\n\" < $WF_CHANGED_FILES; echo --; tr \"\\0\" \"\\n\" < $WF_CHANGED_FILES_PRESENT; echo base $WF_BASE'
",
    );
    let base = world.git(&["rev-parse", "HEAD"]);
    world.write("src/with space.rs", "x\n").write("docs/guide.md", "unwatched\n").remove("README.md");
    let said = world.wf(&["run"]).passed();
    let lines: Vec<&str> = said.out.lines().filter_map(|line| line.trim_start().strip_prefix("│ ")).collect();
    assert_eq!(lines, ["README.md", "src/with space.rs", "--", "src/with space.rs", &format!("base {base}")]);
}

#[test]
fn events_stream_as_json_lines_and_nothing_else() {
    let world = World::topic(&config("steps:\n  - {id: a, run: 'echo hi'}\n"));
    let said = world.wf(&["run", "--json"]).passed();
    let events: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.first().unwrap()["type"], "run-started");
    assert_eq!(events.last().unwrap()["type"], "run-finished");
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (0..events.len() as u64).collect::<Vec<_>>());
}

#[test]
fn the_ancestors_files_are_kept() {
    let world = World::topic(&config("steps:\n  - {id: a, run: 'true'}\n"));
    let _ = world.wf(&["run"]).passed();
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(world.path(name)).unwrap()).unwrap()
    };
    let current = read(".wf/current_run.json");
    assert_eq!(current, read(".wf/history.jsonl"));
    assert_eq!((current["status"].as_str(), current["steps_completed"].as_u64()), (Some("completed"), Some(1)));
    for key in [
        "workflow_id",
        "start_time",
        "end_time",
        "total_duration",
        "total_steps",
        "optimizations",
        "step_timings",
        "ai_stats",
        "resource_usage",
    ] {
        assert!(!current[key].is_null(), "{key}");
    }
}

#[test]
fn a_wf_inside_a_step_does_not_deadlock() {
    let world = World::topic(&config(
        "steps:\n  - {id: inner, run: 'echo inner >> ../trace'}\n  - {id: outer, run: '$EXE run --steps inner'}\n",
    ));
    let _ = world.wf_env(&[("EXE", super::world::WF)], &["run", "--steps", "outer"]).passed();
}
