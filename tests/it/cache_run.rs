//! Results used again by the real binary in real repositories: what is in a key, what is stored, what is served, and why not.

use super::world::{Said, World};

const BUILD_AND_TEST: &str = "
steps:
  - id: build
    run: 'echo build >> ../trace; mkdir -p dist; cat src/a.rs > dist/out; echo built'
    inputs: [src/]
    outputs: [dist/]
  - id: test
    run: 'echo test >> ../trace; cat dist/out'
    inputs: [docs/]
    needs: [build]
";

fn world(config: &str) -> World {
    let world = World::topic(config);
    world.write(".gitignore", "dist\n").commit("ignore");
    world
}

/// Everything by the cache alone.
fn run(world: &World, args: &[&str]) -> Said {
    world.wf(&[&["run", "--all"], args].concat())
}

/// What the steps that really ran wrote down, since the last time it was asked.
fn ran(world: &World) -> String {
    let words = world.trace().join(" ");
    let _ = std::fs::remove_file(world.outside("trace"));
    words
}

fn miss(world: &World, step: &str) -> String {
    let missed = world.events_of("step-missed");
    let event = missed.iter().find(|event| event["step"] == step);
    event.map_or_else(String::new, |event| event["why"].to_string())
}

fn not_stored(world: &World) -> Vec<String> {
    world.events_of("not-stored").iter().map(|event| event["why"]["why"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn nothing_is_done_twice_and_outputs_come_back() {
    let world = world(BUILD_AND_TEST);
    let _ = run(&world, &[]).passed().says("nothing is stored for it");
    assert_eq!(ran(&world), "build test");
    let _ = run(&world, &[]).passed().says("2 cached");
    assert_eq!(ran(&world), "");
    world.write("src/a.rs", "b\n");
    let _ = run(&world, &[]).passed().says("src/a.rs changed").says("what it uses of build changed");
    assert_eq!(ran(&world), "build test");
    world.write("src/a.rs", "a\n");
    let _ = run(&world, &[]).passed().says("1 output restored");
    assert_eq!((ran(&world).as_str(), world.read("dist/out").as_str()), ("", "a\n"));
    std::fs::remove_dir_all(world.path("dist")).unwrap();
    let _ = run(&world, &[]).passed();
    assert_eq!((ran(&world).as_str(), world.read("dist/out").as_str()), ("", "a\n"));
}

#[test]
fn a_need_that_makes_the_same_again_stops_the_news() {
    let world = world(BUILD_AND_TEST);
    let _ = run(&world, &[]).passed();
    world.write("src/b.rs", "not in the output\n");
    ran(&world);
    let _ = run(&world, &[]).passed().says("src/b.rs is new");
    assert_eq!(ran(&world), "build", "its output is what it was");
}

#[test]
fn what_a_step_depends_on_is_in_its_key_and_what_not_is_not() {
    let world = world(
        "
steps:
  - id: s
    run: 'echo s >> ../trace'
    inputs: [src/]
    env: {LEVEL: null, FIXED: one}
    tools: ['cat ../version']
",
    );
    world.write("../version", "1");
    let go = |env: &[(&str, &str)]| {
        let _ = world.wf_env(env, &["run", "--all"]).passed();
        ran(&world)
    };
    assert_eq!(go(&[]), "s");
    assert_eq!(go(&[("UNDECLARED", "x")]), "");
    assert_eq!(go(&[("LEVEL", "")]), "s", "empty is not unset");
    assert_eq!(
        miss(&world, "s"),
        r#"{"changes":[{"field":"env","how":"added","name":"LEVEL"}],"miss":"changed","more":0}"#
    );
    assert_eq!(go(&[("LEVEL", "2")]), "s");
    assert_eq!(go(&[("LANG", "C.UTF-8")]), "s");
    assert_eq!(go(&[("LC_TIME", "C")]), "s");
    world.write("../version", "2");
    assert_eq!(go(&[]), "s");
    assert!(miss(&world, "s").contains("cat ../version"), "{}", miss(&world, "s"));
    world.write("README.md", "not watched\n");
    assert_eq!(go(&[]), "");
    world.chmod("src/a.rs", 0o755);
    assert_eq!(go(&[]), "s", "a mode is an input");
    world.remove("../version");
    assert_eq!(go(&[]), "s");
    assert!(miss(&world, "s").contains("tool-failed"), "{}", miss(&world, "s"));
    assert_eq!(go(&[]), "s", "a step whose tools say nothing is not cached");
}

#[test]
fn only_what_is_declared_reaches_a_cached_step() {
    let world = world(
        "
steps:
  - {id: s, run: 'echo \"[$DECLARED][$UNDECLARED]\"', inputs: [src/], env: {DECLARED: null}}
  - {id: open, run: 'echo \"[$UNDECLARED]\"', inputs: [src/], env_mode: inherit}
",
    );
    let env = [("DECLARED", "d"), ("UNDECLARED", "u")];
    let _ = world.wf_env(&env, &["run", "--all"]).passed().says("[d][]").says("[u]");
}

#[test]
fn failures_and_flaky_passes_are_never_served() {
    let world = world(
        "
fail_fast: false
steps:
  - {id: fails, run: 'echo fails >> ../trace; exit 1', inputs: [src/]}
  - {id: flaky, run: 'echo flaky >> ../trace; test -e ../again || { touch ../again; exit 1; }', inputs: [src/], retries: {count: 1, backoff: 10ms}}
",
    );
    let _ = run(&world, &[]).exits(1);
    assert_eq!(not_stored(&world), ["flaky-pass"]);
    ran(&world);
    let _ = run(&world, &[]).exits(1);
    let again = ran(&world);
    assert!(again.contains("fails") && again.contains("flaky"), "{again}");
    assert!(miss(&world, "fails").contains("\"miss\":\"failed\""), "{}", miss(&world, "fails"));
}

#[test]
fn a_key_with_both_outcomes_is_called_flaky_and_serves_nobody() {
    let world = world("steps: [{id: s, run: 'echo s >> ../trace; test ! -e ../broken', inputs: [src/]}]");
    let _ = run(&world, &[]).passed();
    world.write("../broken", "");
    let _ = run(&world, &["--no-cache"]).exits(1);
    let _ = run(&world, &[]).passed().says("1 cached");
    let _ = run(&world, &["--cache", "write"]).exits(1).says("passed and failed with the very same inputs");
    world.remove("../broken");
    ran(&world);
    let _ = run(&world, &[]).passed().says("flaky");
    assert_eq!(ran(&world), "s");
}

#[test]
fn an_input_that_changes_while_the_step_runs_withholds_the_entry_and_is_named() {
    let world = world(
        "
steps:
  - {id: writer, run: 'echo more >> src/a.rs; : > ../wrote', inputs: [docs/]}
  - {id: reader, run: 'until test -e ../wrote; do sleep 0.01; done; echo reader >> ../trace', inputs: [src/]}
",
    );
    let _ = run(&world, &["--jobs", "2"]).passed().says("src/a.rs, which it watches, changed while it ran");
    let withheld = world.events_of("not-stored");
    assert_eq!((withheld.len(), withheld[0]["step"].as_str()), (1, Some("reader")));
    world.git(&["checkout", "--quiet", "src/a.rs"]);
    ran(&world);
    let _ = run(&world, &["--steps", "reader"]).passed();
    assert_eq!(ran(&world), "reader", "nothing was stored for what it had begun with");
}

#[test]
fn a_file_that_appears_in_a_watch_withholds_the_entry_and_is_named() {
    let world = world(
        "
steps:
  - {id: maker, run: 'mkdir -p src/new dist; : > dist/made; echo fn > src/new/b.rs', inputs: [docs/], outputs: [dist/]}
  - {id: reader, run: 'echo reader >> ../trace', inputs: [src/], after: [maker]}
  - {id: empty, run: 'echo empty >> ../trace', inputs: [src/new/], after: [maker]}
  - {id: other, run: 'echo other >> ../trace; : > src/a.log', inputs: [docs/], after: [maker]}
",
    );
    world.write(".gitignore", "*.log\ndist/\n");
    world.commit("ignore");
    let _ = run(&world, &["--jobs", "2"]).passed().says("src/new/b.rs, which it watches, appeared while it ran");
    let mut withheld: Vec<_> = world.events_of("not-stored").iter().map(|event| event["step"].to_string()).collect();
    withheld.sort();
    assert_eq!(withheld, ["\"empty\"", "\"reader\""]);
    ran(&world);
    // The file is there now, and part of what they are keyed by.
    let _ = run(&world, &[]).passed().says("2 cached");
    assert_eq!(ran(&world).len(), "reader empty".len());
    let _ = run(&world, &[]).passed().says("4 cached");
    world.write("src/c.log", "");
    world.write("src/new/d.rs", "");
    let _ = run(&world, &[]).passed().says("2 cached");
}

#[test]
fn what_a_formatter_writes_is_what_comes_after_it_is_keyed_by() {
    let world = world(
        "
steps:
  - {id: format, run: 'echo format >> ../trace; echo tidy > src/a.rs', writes: [src/], inputs: [src/]}
  - {id: test, run: 'echo test >> ../trace; cat src/a.rs', inputs: [src/], after: [format]}
",
    );
    let _ = run(&world, &[]).passed().says("tidy");
    assert_eq!(ran(&world), "format test");
    let _ = run(&world, &[]).passed();
    assert_eq!(ran(&world), "format", "the test ran on this very content");
    let _ = run(&world, &[]).passed().says("2 cached");
    assert_eq!(ran(&world), "");
}

#[test]
fn what_ends_beside_a_formatter_is_stored_too() {
    let world = world(
        "
steps:
  - {id: format, run: 'echo tidy > src/a.rs', writes: [src/], inputs: [src/]}
  - {id: other, run: 'sleep 0.1; echo other >> ../trace', inputs: [docs/]}
",
    );
    for _ in 0..2 {
        let _ = run(&world, &["--jobs", "2"]).passed();
    }
    assert_eq!(ran(&world), "other");
}

#[test]
fn declared_outputs_that_are_not_made_are_told_and_nothing_is_stored() {
    let world =
        world("steps: [{id: s, run: 'mkdir -p dist; touch dist/a', inputs: [src/], outputs: [dist/a, dist/b]}]");
    let _ = run(&world, &[]).passed().says("it did not make what it declares: dist/b");
    let _ = run(&world, &[]).passed().says("nothing is stored for it");
}

#[test]
fn stale_outputs_are_not_gathered_and_incremental_ones_stay() {
    let steps = |more: &str| {
        format!(
            "steps: [{{id: s, run: 'mkdir -p dist; touch dist/$(cat src/a.rs)', inputs: [src/], outputs: [dist/]{more}}}]"
        )
    };
    let world = world(&steps(""));
    let _ = run(&world, &[]).passed();
    world.write("src/a.rs", "b\n");
    let _ = run(&world, &[]).passed();
    assert!(!world.exists("dist/a") && world.exists("dist/b"), "what it made before is gone");
    world.write("dist/mine", "by hand\n");
    world.write("src/a.rs", "a\n");
    let _ = run(&world, &[]).passed().says("cached");
    assert!(world.exists("dist/a") && !world.exists("dist/b") && world.exists("dist/mine"));
    world.write(".workflow-config.yaml", steps(", incremental: true"));
    world.write("src/a.rs", "c\n");
    let _ = run(&world, &[]).passed().says("it is incremental, so only its pass is kept");
    assert!(world.exists("dist/a") && world.exists("dist/c"));
}

#[test]
fn a_persons_version_of_an_output_is_kept_before_it_is_replaced() {
    let world = world(BUILD_AND_TEST);
    let _ = run(&world, &[]).passed();
    world.write("dist/out", "mine\n");
    let _ = run(&world, &[]).passed().says("wf cache undo");
    assert_eq!(world.read("dist/out"), "a\n");
    let _ = world.wf(&["cache", "undo"]).passed();
    assert_eq!(world.read("dist/out"), "mine\n");
}

#[test]
fn other_outputs_for_the_same_key_are_told() {
    let world = world("steps: [{id: s, run: 'mkdir -p dist; date +%N > dist/when', inputs: [src/], outputs: [dist/]}]");
    let _ = run(&world, &[]).passed();
    let _ =
        run(&world, &["--cache", "write"]).passed().says("made something else from the very same inputs: dist/when");
}

#[test]
fn nothing_after_an_allowed_failure_is_stored() {
    let world = world(
        "
steps:
  - {id: soft, run: 'exit 1', inputs: [src/], allow_failure: true}
  - {id: next, run: 'echo next >> ../trace', inputs: [docs/], after: [soft]}
",
    );
    let _ = run(&world, &[]).passed();
    assert_eq!(not_stored(&world), ["allowed-failure"]);
    let _ = run(&world, &[]).passed();
    assert_eq!(ran(&world), "next next");
}

#[test]
fn modes_say_what_is_read_and_written() {
    let world = world("steps: [{id: s, run: 'echo s >> ../trace', inputs: [src/]}]");
    let _ = run(&world, &["--no-cache"]).passed();
    assert!(!world.exists(".wf/cache/actions"), "nothing is written");
    let _ = run(&world, &["--cache", "read"]).passed();
    assert!(!world.exists(".wf/cache/actions"), "nothing is written");
    let _ = run(&world, &["--cache", "write"]).passed();
    let _ = run(&world, &["--cache", "write"]).passed();
    assert_eq!(ran(&world), "s s s s");
    let _ = run(&world, &["--cache", "read"]).passed().says("1 cached");
    let _ = run(&world, &["--optimized=false"]).passed();
    assert_eq!(ran(&world), "s");
}

#[test]
fn an_interrupted_run_goes_on_where_it_stopped() {
    let world = world(
        "
steps:
  - {id: first, run: 'echo first >> ../trace'}
  - {id: second, run: 'echo second >> ../trace; test -e ../go || sleep 30', after: [first]}
",
    );
    let mut child = world.command(&["run", "--all"]);
    let child = child.spawn().unwrap();
    while !world.trace().contains(&"second".to_owned()) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    world.write("../go", "");
    ran(&world);
    let _ = run(&world, &[]).passed().says("from the run that was interrupted");
    assert_eq!(ran(&world), "second");
    let _ = run(&world, &[]).passed();
    assert_eq!(ran(&world), "first second", "a whole run is gone on from by nobody");
}

#[test]
fn failed_takes_up_what_did_not_pass_and_nothing_else() {
    let world = world(
        "
smart_execution: false
steps:
  - {id: good, run: 'echo good >> ../trace'}
  - {id: bad, run: 'echo bad >> ../trace; test -e ../mended'}
  - {id: after, run: 'echo after >> ../trace', needs: [bad]}
",
    );
    let _ = world.wf(&["run", "--failed"]).exits(2);
    let _ = world.wf(&["run", "--jobs", "1", "--keep-going"]).exits(1);
    ran(&world);
    world.write("../mended", "");
    let _ = world.wf(&["run", "--failed"]).passed();
    assert_eq!(ran(&world), "bad after");
    let _ = world.wf(&["run", "--failed"]).passed().says("0 steps to run");
    assert_eq!(ran(&world), "");
}

#[test]
fn what_no_key_can_hold_is_not_cached() {
    let world = world(
        "
steps:
  - {id: local, run: 'echo local >> ../trace; cat .env', inputs: [.env, src/]}
  - {id: inner, run: 'echo inner >> ../trace', inputs: ['vendor/lib/**', src/]}
  - {id: linked, run: 'echo linked >> ../trace', inputs: ['way/x/**', src/]}
",
    );
    world.write(".gitignore", "dist\n.env\n").write(".env", "A=1\n").symlink("docs", "way");
    let inner = super::git_repo::Scratch::seeded();
    world.git(&["submodule", "--quiet", "add", inner.root.to_str().unwrap(), "vendor/lib"]);
    world.commit("more");
    for _ in 0..2 {
        let _ = run(&world, &["--jobs", "1"]).passed();
        assert_eq!(ran(&world), "local inner linked");
    }
    assert!(miss(&world, "local").contains("\"why\":\"ignored\""), "{}", miss(&world, "local"));
    assert!(miss(&world, "inner").contains("opaque") && miss(&world, "linked").contains("opaque"));
}

#[test]
fn an_expired_entry_is_not_served() {
    let world = world("steps: [{id: s, run: 'echo s >> ../trace', inputs: [src/], cache: {ttl: 1s}}]");
    let _ = run(&world, &[]).passed();
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let _ = run(&world, &[]).passed().says("past its ttl");
    assert_eq!(ran(&world), "s s");
}

#[test]
fn damage_in_the_store_is_a_miss() {
    let world = world(BUILD_AND_TEST);
    let _ = run(&world, &[]).passed();
    std::fs::remove_dir_all(world.path("dist")).unwrap();
    for blob in world.files_below(".wf/cache/cas") {
        std::fs::write(world.path(&blob), "broken").unwrap();
    }
    ran(&world);
    let _ = run(&world, &[]).passed().says("what is stored of dist/out is damaged");
    assert_eq!(miss(&world, "build"), r#"{"miss":"damaged","path":"dist/out"}"#);
    assert_eq!((ran(&world).as_str(), world.read("dist/out").as_str()), ("build", "a\n"));
    let content = wf::base::Digest::of_bytes(b"a\n").to_string();
    let blob = world.path(&format!(".wf/cache/cas/{}/{}", &content[..2], &content[2..]));
    // Of the right length: only its digest tells.
    for (damage, miss_is) in [(Some("b\n"), "damaged"), (None, "missing")] {
        std::fs::remove_dir_all(world.path("dist")).unwrap();
        match damage {
            Some(bytes) => std::fs::write(&blob, bytes).unwrap(),
            None => std::fs::remove_file(&blob).unwrap(),
        }
        let _ = run(&world, &[]).passed();
        assert_eq!(miss(&world, "build"), format!(r#"{{"miss":"{miss_is}","path":"dist/out"}}"#));
        assert_eq!((ran(&world).as_str(), std::fs::read(&blob).unwrap().as_slice()), ("build", &b"a\n"[..]));
    }
    std::fs::write(world.path(".wf/cache/actions"), "nonsense").unwrap();
    let _ = run(&world, &[]).passed().says("fallback");
    assert_eq!(ran(&world), "build test");
    let _ = run(&world, &[]).passed().says("2 cached");
}

#[test]
fn a_skipped_step_brings_its_outputs_back_if_they_are_known() {
    let world = world(BUILD_AND_TEST);
    world.git(&["switch", "--quiet", "main"]);
    world.git(&["merge", "--quiet", "topic"]);
    let _ = world.wf(&["run"]).passed();
    world.git(&["switch", "--quiet", "topic"]);
    std::fs::remove_dir_all(world.path("dist")).unwrap();
    ran(&world);
    let _ = world.wf(&["run"]).passed().says("brought back");
    assert_eq!((ran(&world).as_str(), world.read("dist/out").as_str()), ("", "a\n"));
}

#[test]
fn no_secret_reaches_the_cache() {
    let world = world(
        "
steps:
  - {id: plain, run: 'echo hunter2-hunter2-hunter2', inputs: [src/], env: {API_TOKEN: null}}
  - {id: makes, run: 'mkdir -p dist; printf %s \"$API_TOKEN\" > dist/token', inputs: [src/], outputs: [dist/], env: {API_TOKEN: null}}
  - {id: named, run: 'true', inputs: ['odd/**']}
",
    );
    world.write("odd/hunter2-hunter2-hunter2.txt", "x");
    let env = [("API_TOKEN", "hunter2-hunter2-hunter2"), ("XDG_CONFIG_HOME", "/nonexistent")];
    let _ = world.wf_env(&env, &["run", "--all"]).passed();
    let _ = world.wf_env(&env, &["run", "--all"]).passed();
    let mut files = world.files_below(".wf");
    files.sort();
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        let bytes = std::fs::read(world.path(&file)).unwrap();
        assert!(memchr::memmem::find(&bytes, b"hunter2-hunter2").is_none(), "{file} holds the secret");
        assert!(!file.contains("hunter2"), "{file}");
    }
}
