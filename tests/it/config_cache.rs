//! What is cached, said by files, variables and flags; and the environment in which cached steps run.

use super::world::World;
use serde_json::Value;

/// Each variable as its step sees it: unset differs from empty.
const SHOW: &str = "for name in DECLARED OTHER NODE_ENV CARGO_HOME LC_TIME EMPTY GREETING; do \
                    eval \"echo $name=\\${$name-unset}\"; done";

fn config(keys: &str) -> String {
    format!("smart_execution: false\nsteps:\n  - id: show\n    shell: bash\n    run: '{SHOW}'\n{keys}")
}

/// What the step of [`config`] saw.
fn seen(world: &World, args: &[&str]) -> String {
    let env = [
        ("DECLARED", "d"),
        ("OTHER", "o"),
        ("NODE_ENV", "production"),
        ("CARGO_HOME", "/cargo"),
        ("LC_TIME", "C"),
        ("EMPTY", ""),
        ("GREETING", "from outside"),
    ];
    let said = world.wf_env(&env, args).passed();
    let lines = said.out.lines().filter_map(|line| line.trim_start().strip_prefix("│ "));
    lines.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_cached_step_sees_the_base_list_and_what_it_declares() {
    let env = "    env: {DECLARED: , EMPTY: , GREETING: hello}\n";
    let strict = "DECLARED=d OTHER=unset NODE_ENV=unset CARGO_HOME=/cargo LC_TIME=C EMPTY= GREETING=hello";
    let all = "DECLARED=d OTHER=o NODE_ENV=production CARGO_HOME=/cargo LC_TIME=C EMPTY= GREETING=hello";
    for (keys, expected) in [
        ("    inputs: [src/]\n", strict),
        ("    cache: true\n", strict),
        ("    env_mode: strict\n", strict),
        ("", all),
        ("    inputs: [src/]\n    cache: false\n", all),
        ("    inputs: [src/]\n    env_mode: inherit\n", all),
    ] {
        let world = World::topic(&config(&format!("{env}{keys}")));
        assert_eq!(seen(&world, &["run", "--no-cache"]), expected, "{keys}");
    }
    // The same with and without a cache: a result must not depend on who asked for it.
    let world = World::topic(&config(&format!("{env}    inputs: [src/]\n")));
    assert_eq!(seen(&world, &["run", "--cache", "write"]), strict);
    assert_eq!(seen(&world, &["run", "--optimized=false"]), strict);
}

#[test]
fn a_secret_declared_at_a_step_is_written_nowhere() {
    let world = World::topic(
        "smart_execution: false\nsteps:\n  - id: a\n    run: echo \"<$LICENCE>\"\n    inputs: [src/]\n    \
         env: {LICENCE: {in_key: true}}\n  - id: b\n    run: echo \"[$LICENCE]\"\n",
    );
    let said = world.wf_env(&[("LICENCE", "planted-4711")], &["run"]).passed().says("<***>").says("[***]");
    assert!(!format!("{}{}", said.out, said.err).contains("planted-4711"));
    for file in walkdir::WalkDir::new(world.path(".wf")).into_iter().flatten().filter(|e| e.file_type().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("planted-4711"), "{}", file.path().display());
    }
}

#[test]
fn flags_and_variables_say_how_the_cache_is_used() {
    let world =
        World::topic("cache: {max_size: 1GiB, write: false}\nsteps:\n  - {id: a, run: 'true', inputs: [src/]}\n");
    let shown = |env: &[(&str, &str)]| -> Value {
        let said = world.wf_env(env, &["config", "show", "--json"]).passed();
        serde_json::from_str(&said.out).unwrap()
    };
    let plain = shown(&[]);
    let cache = &plain["config"]["cache"];
    assert_eq!((&cache["read"], &cache["write"], &cache["max_size"]), (&true.into(), &false.into(), &"1GiB".into()));
    let step = &plain["config"]["steps"][0];
    assert_eq!((&step["cache"]["read"], &step["env_mode"]), (&true.into(), &"strict".into()));
    assert_eq!(plain["origins"]["steps.a.env_mode"], "project .workflow-config.yaml:3 (cache)");
    let outside = shown(&[("WF_CACHE", "off"), ("WF_CACHE_DIR", "/elsewhere"), ("WF_RESUME", "never")]);
    assert_eq!((&outside["config"]["cache"]["read"], &outside["config"]["resume"]), (&false.into(), &"never".into()));
    assert_eq!(outside["origins"]["cache.dir"], "env WF_CACHE_DIR");
    assert_eq!(outside["origins"]["cache.max_size"], "project .workflow-config.yaml:1");
    let unoptimized = shown(&[("WF_OPTIMIZED", "false"), ("WF_PARALLEL", "true")]);
    let config = &unoptimized["config"];
    assert_eq!((&config["smart_execution"], &config["parallel"]), (&"off".into(), &true.into()));
    assert_eq!((&config["cache"]["read"], &config["resume"]), (&false.into(), &"never".into()));
    // The same by flags, as the commands that decide take them.
    assert_eq!(world.plan(&["--optimized=false"]), "a run:smart-off");
    assert_eq!(world.plan(&["--optimized"]), "a skip:unaffected");
    for flag in ["--no-cache", "--cache=read", "--cache=on", "--no-resume", "--resume"] {
        assert_eq!(world.plan(&[flag]), "a skip:unaffected", "{flag}");
    }
    let _ = world.wf(&["run", "--cache", "maybe"]).exits(2).complains("--cache=maybe").complains("`on`, `off`, `read`");
    let _ = world.wf(&["run", "--no-cache", "--cache", "on"]).exits(2);
}

#[test]
fn check_finds_variables_that_a_cached_step_would_miss_and_tells_risks_when_asked() {
    let world = World::new(
        "steps:\n  - {id: push, run: 'push \"$API_TOKEN\"', inputs: [src/], env_mode: inherit}\n  \
         - {id: build, run: 'make X=$FLAGS', inputs: [src/], tools: [make --version]}\n",
    );
    let slip = "`build` uses `$FLAGS` and does not declare it";
    let said = world.wf(&["check"]).passed().complains(slip);
    assert!(!said.err.contains("API_TOKEN") && !said.err.contains("inherits"), "{}", said.err);
    let asked = world.wf(&["check", "--lint"]).passed().complains(slip);
    let asked = asked.complains("`push` is cached and inherits the whole environment");
    let asked = asked.complains("`push` is cached and names no `tools`");
    assert!(!asked.err.contains("`build` is cached"), "{}", asked.err);
}

/// Another token gives the same result; another value of anything else that is declared may not.
#[test]
fn secrets_are_no_part_of_what_a_recorded_pass_stands_for() {
    let world = World::new("steps:\n  - {id: a, run: 'true', inputs: [src/], env: [NPM_TOKEN, FLAVOUR]}\n");
    let decision = |token: &str, flavour: &str, args: &[&str]| {
        let said = world.wf_env(&[("NPM_TOKEN", token), ("FLAVOUR", flavour)], args).passed();
        let plan: Value = serde_json::from_str(&said.out).unwrap();
        plan["steps"][0]["decision"].to_string()
    };
    let _ = world.wf_env(&[("NPM_TOKEN", "token-one"), ("FLAVOUR", "sour")], &["run"]).passed();
    world.git(&["switch", "--quiet", "--create", "topic"]);
    let same = decision("token-one", "sour", &["plan", "--json"]);
    assert!(same.contains("skip") && same.contains("witnessed"), "{same}");
    assert_eq!(decision("token-two", "sour", &["plan", "--json"]), same);
    assert!(decision("token-one", "sweet", &["plan", "--json"]).contains("run"), "another flavour proves nothing");
}
