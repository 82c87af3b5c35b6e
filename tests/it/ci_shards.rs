//! A run shared out over machines and joined again: every step once, by one machine, as if one had run them all.

use super::world::World;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// `build` is needed by three tests; a lint stands alone; a follower tells of failures.
const SIX: &str = "
steps:
  - {id: build, run: 'echo built; echo x > made', inputs: ['src/**'], outputs: [made], cache: false}
  - {id: one, run: 'cat made', needs: [build], inputs: ['src/**'], cache: false}
  - {id: two, run: 'cat made', needs: [build], inputs: ['src/**'], cache: false}
  - {id: three, run: 'test ! -e ../fails', needs: [build], inputs: ['src/**'], cache: false}
  - {id: lint, run: 'true', inputs: ['docs/**'], cache: false}
  - {id: tell, run: 'true', run_on: failure, needs: [three], cache: false}
";

fn six() -> World {
    let world = World::new(SIX);
    world.write(".gitignore", "made\n").commit("what steps make is ignored");
    world
}

fn matrix(world: &World, args: &[&str]) -> Vec<String> {
    let said = world.wf(&[&["ci", "matrix"], args].concat()).passed();
    assert_eq!(said.out.lines().count(), 1, "one line, as GITHUB_OUTPUT needs it: {}", said.out);
    let matrix: Value = serde_json::from_str(&said.out).unwrap();
    let entries = matrix["include"].as_array().unwrap();
    entries.iter().map(|entry| entry["shard"].as_str().unwrap().to_owned()).collect()
}

/// Runs every shard with a state of its own, as on machines of their own.
fn shards(world: &World, which: &[String], code: i32) -> Vec<PathBuf> {
    shards_called(world, "shard", which, code)
}

fn shards_called(world: &World, name: &str, which: &[String], code: i32) -> Vec<PathBuf> {
    let run = |(at, shard): (usize, &String)| {
        let state = world.outside(&format!("{name}-{at}"));
        let said =
            world.wf_env(&[("WF_STATE_DIR", state.to_str().unwrap())], &["run", "--keep-going", "--shard", shard]);
        assert!(said.code == 0 || said.code == code, "{shard}: {said:?}");
        state
    };
    which.iter().enumerate().map(run).collect()
}

fn started(events: &[Value]) -> Vec<&str> {
    let starts = events.iter().filter(|event| event["type"] == "step-started");
    starts.map(|event| event["step"].as_str().unwrap()).collect()
}

#[test]
fn every_step_is_told_once_and_the_whole_is_green() {
    let world = six();
    let which = matrix(&world, &["--shards", "3"]);
    assert_eq!(which.len(), 3);
    assert_eq!(matrix(&world, &["--shards", "3"]), which, "the same on every machine");
    assert_eq!(matrix(&world, &["--shards", "50"]).len(), 4, "no more machines than there are ends");
    let states = shards(&world, &which, 0);
    for (shard, state) in which.iter().zip(&states) {
        let plan: Value = serde_json::from_str(&world.wf(&["plan", "--json", "--shard", shard]).passed().out).unwrap();
        let run = std::fs::read_dir(state.join("runs")).unwrap().next().unwrap().unwrap().path();
        let log = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
        let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut planned: Vec<&str> =
            plan["shards"]["steps"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let mut ran = started(&events);
        // Follows a failure, and there is none.
        planned.retain(|step| *step != "tell");
        planned.sort_unstable();
        ran.sort_unstable();
        assert_eq!(planned, ran, "{shard}: a plan tells what that machine does");
    }
    let dirs: Vec<&str> = states.iter().map(|state| state.to_str().unwrap()).collect();
    let said = world.wf(&[&["ci", "merge"], &dirs[..]].concat()).passed();
    let _ = said.says("5 passed");
    let events = world.events();
    let mut names = started(&events);
    names.sort_unstable();
    assert_eq!(names, ["build", "lint", "one", "three", "two"], "each once");
    assert!(events.iter().enumerate().all(|(seq, event)| event["seq"] == seq));
    assert_eq!(events[0]["filtered"], false);
    // The output came along, and so did what the run proves: its commit is a base from now on.
    let _ = world.wf(&["report", "--step", "build"]).passed().says("built");
    world.write("docs/guide.md", "more\n").commit("docs");
    assert!(world.plan(&[]).contains("one skip:unaffected"), "{}", world.plan(&[]));
}

#[test]
fn parts_alone_prove_nothing_about_the_whole() {
    let world = six();
    // In one state, as where artifacts of all machines come together.
    world.write(".wf/.gitignore", "*\n");
    std::fs::create_dir_all(world.path(".wf/runs")).unwrap();
    for state in shards(&world, &["1/2".to_owned(), "2/2".to_owned()], 0) {
        let run = std::fs::read_dir(state.join("runs")).unwrap().next().unwrap().unwrap();
        std::fs::rename(run.path(), world.path(".wf/runs").join(run.file_name())).unwrap();
    }
    world.write("docs/guide.md", "more\n").commit("docs");
    assert!(world.plan(&[]).contains("one run:no-base"));
    // What is joined is gone.
    world.git(&["checkout", "--quiet", "--detach", "HEAD~1"]);
    let _ = world.wf(&["ci", "merge", ".wf"]).passed();
    assert_eq!(std::fs::read_dir(world.path(".wf/runs")).unwrap().count(), 1);
    world.git(&["checkout", "--quiet", "main"]);
    assert!(world.plan(&[]).contains("one skip:unaffected"));
}

#[test]
fn a_failure_anywhere_is_a_failure_of_the_whole() {
    let world = six();
    std::fs::write(world.outside("fails"), "").unwrap();
    let states = shards(&world, &matrix(&world, &["--shards", "2"]), 1);
    let dirs: Vec<&str> = states.iter().map(|state| state.to_str().unwrap()).collect();
    let _ = world.wf(&[&["ci", "merge"], &dirs[..]].concat()).exits(1).says("three");
    let events = world.events();
    let end = events.last().unwrap();
    assert_eq!(
        (end["type"].as_str(), end["status"].as_str(), &end["exit_code"]),
        (Some("run-finished"), Some("failed"), &1.into())
    );
    assert!(started(&events).contains(&"tell"), "the follower ran where the failure was");
    let unique: BTreeSet<&str> = started(&events).into_iter().collect();
    assert_eq!(unique.len(), started(&events).len());
}

#[test]
fn what_is_missing_is_said() {
    let world = six();
    let which = matrix(&world, &["--shards", "3"]);
    let states = shards(&world, &which[..2], 0);
    let dirs: Vec<&str> = states.iter().map(|state| state.to_str().unwrap()).collect();
    let _ = world.wf(&[&["ci", "merge"], &dirs[..]].concat()).exits(3).complains("parts are missing: 3");
    let _ = world.wf(&["ci", "merge", "docs"]).exits(3).complains("no run of `wf run --shard`");
    let _ = world.wf(&["ci", "merge", "nowhere"]).exits(2);
    // A machine that was killed in the middle of its part: its log has no end.
    let third = shards_called(&world, "again", &which, 0).pop().unwrap();
    let run = std::fs::read_dir(third.join("runs")).unwrap().next().unwrap().unwrap().path();
    let log = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    let cut: Vec<&str> = log.lines().take_while(|line| !line.contains("\"step-finished\"")).collect();
    std::fs::write(run.join("events.jsonl"), cut.join("\n") + "\n").unwrap();
    let all = ["again-0", "again-1", "again-2"].map(|name| world.outside(name).display().to_string());
    let said = world.wf(&["ci", "merge", &all[0], &all[1], &all[2]]).exits(3);
    assert!(said.out.contains("no machine brought"), "{}", said.out);
    world.write("docs/guide.md", "more\n").commit("docs");
    assert!(world.plan(&[]).contains("run:no-base"), "it is no base");
}

#[test]
fn another_sharing_is_refused() {
    let world = six();
    let which = matrix(&world, &["--shards", "2"]);
    world.write("src/a.rs", "b\n").commit("code");
    let _ = world.wf(&["run", "--shard", &which[0]]).exits(3).complains("share the plan out differently");
    let _ = world.wf(&["run", "--shard", "3/2"]).exits(2);
}

#[test]
fn a_forged_log_reaches_no_other_file() {
    let world = six();
    let states = shards(&world, &["1/1".to_owned()], 0);
    std::fs::write(world.outside("secret"), "s3cr3t").unwrap();
    let run = std::fs::read_dir(states[0].join("runs")).unwrap().next().unwrap().unwrap().path();
    let log = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    assert!(log.contains("out/build.1.log"));
    std::fs::write(run.join("events.jsonl"), log.replace("out/build.1.log", "out/../../../../secret")).unwrap();
    let _ = world.wf(&["ci", "merge", states[0].to_str().unwrap()]).passed();
    assert!(!world.files_below(".wf").iter().any(|file| world.read(file).contains("s3cr3t")));
}

#[test]
fn pipelines_are_generated_and_outputs_written() {
    let world = six();
    let generate = |args: &[&str]| -> Value {
        serde_json::from_str(&world.wf(&[&["ci", "generate"], args].concat()).passed().out).unwrap()
    };
    let gitlab =
        generate(&["gitlab", "--shards", "2", "--image", "rust:1", "--setup", "make tools", "--", "--keep-going"]);
    let script = gitlab["wf 1 of 2"]["script"][0].as_str().unwrap();
    assert!(script.starts_with("wf run --shard 1/2@") && script.ends_with(" --keep-going"), "{script}");
    assert_eq!(
        (&gitlab["default"]["image"], &gitlab["default"]["before_script"][0]),
        (&"rust:1".into(), &"make tools".into())
    );
    assert_eq!(
        (gitlab["wf"]["needs"].as_array().unwrap().len(), &gitlab["wf"]["rules"][0]["when"]),
        (2, &"always".into())
    );
    let kite = generate(&["buildkite", "--shards", "2", "--setup", "echo $HOME"]);
    let steps = kite["steps"].as_array().unwrap();
    assert_eq!((steps.len(), steps[2]["depends_on"].as_array().unwrap().len()), (3, 2));
    assert_eq!(steps[0]["command"][0], "echo $$HOME");
    let output = world.outside("output");
    let env = [("GITHUB_OUTPUT", output.to_str().unwrap())];
    let said = world.wf_env(&env, &["ci", "matrix", "--shards", "2", "--github-output"]).passed();
    let written = std::fs::read_to_string(&output).unwrap();
    assert_eq!(written, format!("matrix={}\nshards=2\nsteps=5\n", said.out.trim_end()));
    let _ = world.wf(&["ci", "matrix", "--shards", "2", "--github-output"]).exits(2).complains("GITHUB_OUTPUT");
}

#[test]
fn shares_are_even_by_what_steps_took() {
    let config = "
steps:
  - {id: a, run: 'sleep 0.9', cache: false}
  - {id: b, run: 'sleep 0.3', cache: false}
  - {id: c, run: 'sleep 0.3', cache: false}
  - {id: d, run: 'sleep 0.3', cache: false}
";
    let world = World::new(config);
    for _ in 0..3 {
        let _ = world.wf(&["run", "--all"]).passed();
    }
    let said = world.wf(&["ci", "matrix", "--shards", "2", "--all"]).passed();
    let matrix: Value = serde_json::from_str(&said.out).unwrap();
    let counts: Vec<u64> =
        matrix["include"].as_array().unwrap().iter().map(|it| it["steps"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 3], "the long one alone: {matrix}");
}

#[test]
fn known_results_are_joined_too_and_attempts_are_learned_once() {
    let config = "
steps:
  - {id: a, run: 'sleep 0.1', inputs: ['src/**']}
  - {id: b, run: 'true', inputs: ['src/**']}
";
    let world = World::new(config);
    let which = matrix(&world, &["--shards", "2"]);
    let states = shards(&world, &which, 0);
    let dirs: Vec<&str> = states.iter().map(|state| state.to_str().unwrap()).collect();
    let _ = world.wf(&[&["ci", "merge"], &dirs[..]].concat()).passed().says("2 passed");
    let attempts = world.wf(&["history", "latest", "--json"]).passed().out;
    assert_eq!(attempts.matches("\"step\": \"a\"").count(), 1, "{attempts}");
    // The same on machines that know the results but remember no run: the caches of these are still there.
    for state in &states {
        for gone in ["runs", "facts"] {
            let _ = std::fs::remove_dir_all(state.join(gone));
        }
    }
    let states = shards(&world, &which, 0);
    assert_eq!(states.len(), 2);
    let _ = world.wf(&[&["ci", "merge"], &dirs[..]].concat()).passed();
    assert_eq!(world.events_of("steps-reused").len(), 2);
    assert!(started(&world.events()).is_empty());
}
