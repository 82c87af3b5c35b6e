//! Whole configurations: what they load to, and every error of them at once. Pure.

use super::*;
use crate::config::render;
use std::fmt::Write as _;

fn project(text: &str) -> Source {
    Source { name: ".workflow-config.yaml".into(), text: text.into(), layer: Layer::Project }
}

const WHOLE: &str = r#"# yaml-language-server: $schema=docs/workflow-config.schema.json
jobs: 4
max_memory: 2GiB
cache: {write: false, dir: ../cache, max_size: 1GiB, max_age: none, policy: value}
resume: always
optimized: false
parallel: true
step_timeout: 30m
secrets: [DEPLOY_PASSWORD]
categories:
  code: ["docs/book/**/*.md"]
stages:
  - {name: check, target: 2m}
  - {name: ship, trigger: manual or (high_impact and not docs_changes)}
steps:
  - id: build
    run: cargo build
    kind: build
    inputs: ["src/**"]
    outputs: ["target/debug/wf"]
    env: {RUSTFLAGS: -Dwarnings, CARGO_HOME: , LICENCE: {in_key: true}, WORD: {value: x, in_key: true}}
    cache: {ttl: 7d, tags: [native], flaky: true}
    tools: [rustc --version, "'my cc' -v"]
    incremental: true
    retries: {count: 2, backoff: 5s, on: [timeout, signal]}
    resources: {cpu: 1.5, memory: 512MiB}
  - id: test
    run: [cargo, test]
    needs: [build]
    timeout: none
    ignore: []
  - id: ship
    run: ./ship.sh
    stage: ship
    shell: bash
    after: test
"#;

#[test]
fn a_whole_file_is_read() {
    let loaded = load(&[project(WHOLE)], &[]).unwrap_or_else(|errors| panic!("{errors}"));
    let workflow = loaded.workflow;
    assert_eq!(workflow.settings.jobs, Some(4));
    assert!(workflow.settings.multi_stage);
    let stages: Vec<_> = workflow.steps.iter().map(|step| step.stage.as_deref().unwrap()).collect();
    assert_eq!(stages, ["check", "check", "ship"]);
    assert_eq!(workflow.steps[0].timeout_ms, Some(1_800_000));
    assert_eq!(workflow.steps[1].timeout_ms, None);
    assert_eq!(workflow.steps[0].ignore, Vec::<crate::config::model::Category>::new());
}

fn user(text: &str) -> Source {
    Source { name: "~/.config/wf/config.yaml".into(), text: text.into(), layer: Layer::User }
}

fn said(key: &str, value: &str, origin: Origin) -> Override {
    Override { key: key.into(), value: value.into(), origin }
}

/// Every error has a hint, whatever it is.
fn errors(text: &str) -> Vec<String> {
    let Err(errors) = load(&[project(text)], &[]) else { return vec![] };
    let line = |e: &ConfigError| {
        assert!(e.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "no hint: {}", e.message);
        format!("{}:{} {}", e.at.line, e.at.column, e.message)
    };
    errors.errors.iter().map(line).collect()
}

#[test]
fn flags_beat_environment_beat_project_beat_user() {
    let files =
        [project("jobs: 2\noutput: stream\nsecrets: [A]"), user("jobs: 1\noutput: errors\nstrict: true\nauto: true")];
    let overrides = [
        said("jobs", "4", Origin::Flag("--jobs".into())),
        said("jobs", "3", Origin::Env("WF_JOBS".into())),
        said("auto", "false", Origin::Env("WF_AUTO".into())),
        said("secrets", "B, A", Origin::Env("WF_SECRETS".into())),
    ];
    let loaded = load(&files, &overrides).unwrap();
    let settings = &loaded.workflow.settings;
    assert_eq!((settings.jobs, settings.output), (Some(4), crate::config::model::OutputMode::Stream));
    assert!(settings.strict && !settings.auto);
    assert_eq!(settings.secrets, ["A", "B"]);
    let origin = |path| crate::config::show::describe(path, &loaded.origins, &loaded.sources);
    assert_eq!(origin("jobs"), "flag --jobs");
    assert_eq!(origin("auto"), "env WF_AUTO");
    assert_eq!(origin("output"), "project .workflow-config.yaml:2");
    assert_eq!(origin("strict"), "user ~/.config/wf/config.yaml:3");
    assert_eq!(origin("parallel"), "default");
}

#[test]
fn the_ancestors_keys_mean_the_same() {
    let old = "optimizations:\n  smart_execution: false\n  parallel_execution: false\n  multi_stage: true\n  \
               ml_optimize: true\n  ai_cache: {ttl: 24h}\n  performance:\n    max_parallel_jobs: 4\n    \
               step_timeout_minutes: 30\n    max_memory_mb: 2048\nproject: {kind: rust}\nskip_on_doc_only: [build]\n\
               skip_rules: {'\\.txt$': [build, unit]}\ntest_commands: {unit: cargo test}\n\
               steps: [{id: build, run: make, ignore: [assets]}]\n";
    let new = "smart_execution: off\nparallel: false\nmulti_stage: true\njobs: 4\nstep_timeout: 30m\nmax_memory: 2GiB\n\
               project: {kind: rust}\nskip_rules: {'\\.txt$': [build, unit]}\nsteps:\n  \
               - {id: build, run: make, ignore: [assets, docs]}\n  - {id: unit, run: cargo test, kind: test}\n";
    let (old, new) = (load(&[project(old)], &[]).unwrap(), load(&[project(new)], &[]).unwrap());
    assert_eq!(old.warnings, []);
    assert_eq!(unplaced(old.workflow.clone()), unplaced(new.workflow));
    let origin = |path| crate::config::show::describe(path, &old.origins, &old.sources);
    assert_eq!(origin("jobs"), "project .workflow-config.yaml:8 (optimizations.performance.max_parallel_jobs)");
    assert_eq!(
        origin("steps.unit.timeout"),
        "project .workflow-config.yaml:9 (optimizations.performance.step_timeout_minutes)"
    );
    assert_eq!(origin("steps.unit.ignore"), "project .workflow-config.yaml:14 (kind)");
    assert_eq!(origin("steps.build.ignore"), "project .workflow-config.yaml:12 (skip_on_doc_only)");
    assert_eq!(
        errors("jobs: 4\noptimizations:\n  performance:\n    max_parallel_jobs: 4\n"),
        ["4:5 `jobs` is set twice, in two spellings"]
    );
}

/// Fifteen mistakes that have nothing to do with each other are fifteen errors, each with its own place.
#[test]
fn fifteen_mistakes_are_fifteen_errors() {
    let text = include_str!("fixtures/fifteen.yaml");
    let errors = load(&[project(text)], &[]).unwrap_err();
    assert_eq!(errors.errors.len(), 15, "{errors}");
    insta::assert_snapshot!(errors.to_string());
    for error in &errors.errors {
        assert!(error.hint.is_some() && error.at.line > 0 && error.at.end > error.at.start, "{error:?}");
    }
    let json = errors.to_json();
    assert_eq!((json.len(), &json[0]["at"]["line"]), (15, &serde_json::json!(errors.errors[0].at.line)));
    assert!(render(&errors, true).contains("\x1b["));
}

#[test]
fn each_mistake_has_its_place() {
    let mut wrong = Vec::new();
    for (text, expected) in [
        ("a: 1", "1:1 a configuration has no key `a`"),
        ("jobs: 1\njobs: 2", "2:1 `jobs` is written twice"),
        ("jobs:", "1:1 `jobs` has no value"),
        ("jobs: \"4\"", "1:7 a whole number is expected here, not the text `4`"),
        ("jobs: [4]", "1:7 a whole number is expected here, not a list"),
        ("parallel: on", "1:11 `on` is not a boolean"),
        ("smart_execution: onn", "1:18 `onn` is not one of `on`, `off`, `observe`"),
        ("steps:\n\t- id: a", "2:2 not YAML: tabs"),
        ("steps: [", "1:8 not YAML: "),
        ("a: *b", "1:4 not YAML: "),
        ("jobs: 1\n---\njobs: 2", "3:1 a second document begins here"),
        ("jobs: !int 1", "1:7 the tag `!int` means nothing here"),
        ("[a]", "1:1 a configuration is a mapping, not a list"),
        ("? [a]\n: b", "1:3 a key must be text"),
        ("hooks: {}", "1:1 `hooks` is not supported by this version of wf"),
        ("cache: maybe", "1:8 `maybe` is not one of `on`, `off`, `read`, `write`"),
        ("cache: {raed: true}", "1:9 `cache` has no key `raed`"),
        ("cache: {dir: ~/c}", "1:14 `~` means nothing here"),
        ("cache: {max_size: 4}", "1:19 `4` has no unit"),
        ("cache: {max_age: never}", "1:18 `never` is not a duration"),
        ("cache: {policy: random}", "1:17 `random` is not one of `lru`, `lfu`, `fifo`, `value`"),
        ("optimized: off", "1:12 `off` is not a boolean"),
        ("steps: [{id: a, run: x, cache: on}]", "1:32 `on` is not a boolean"),
        ("steps: [{id: a, run: x, cache: {ttl: 3}}]", "1:38 `3` has no unit"),
        ("steps: [{id: a, run: x, kind: deploy, cache: true}]", "1:46 `a` is never cached: it deploys"),
        ("steps: [{id: a, run: x, run_on: always, cache: {ttl: 1d}}]", "1:48 `a` is never cached: it follows"),
        ("steps: [{id: a, run: x, when: manual, cache: true}]", "1:46 `a` is never cached: its `when` is manual"),
        (
            "stages: [{name: s, trigger: manual}]\nsteps: [{id: a, run: x, cache: true}]",
            "2:32 `a` is never cached: its stage is manual",
        ),
        ("steps: [{id: a, run: x, tools: ['']}]", "1:33 an empty probe"),
        ("steps: [{id: a, run: x, tools: [\"a 'b\"]}]", "1:33 `a 'b` has a quote without its partner"),
        ("steps: [{id: a, run: x, tools: [rustc -V | head]}]", "1:33 a probe is a program and its arguments"),
        ("steps: [{id: a, run: x, env_mode: all}]", "1:35 `all` is not one of `strict`, `inherit`"),
        ("steps: [{id: a, run: x, env: {T: {secret: false, in_key: true}}}]", "1:34 `in_key` is for secrets"),
        ("steps: [{id: a, run: x, env: {T: {vlaue: x}}}]", "1:35 a variable has no key `vlaue`"),
        ("secrets: [1A]", "1:11 `1A` is not a name for a variable"),
        ("base:", "1:1 `base` has no value"),
        ("steps: {a: b}", "1:8 `steps` is a list, not a mapping"),
        ("steps: [a]", "1:9 a step is a mapping, not `a`"),
        ("steps: [{id: a}]", "1:10 this step has no `run`"),
        ("steps: [{run: a}]", "1:10 this step has no `id`"),
        ("steps: [{id: a b, run: x}]", "1:14 `a b` is not a step id"),
        ("steps: [{id: a, run: x}, {id: A, run: x}]", "1:31 two steps are called `A`"),
        ("steps: [{id: a, run: x}, {id: a, run: y}]", "1:31 two steps are called `a`"),
        ("steps: [{id: a, rnu: x}]", "1:17 a step has no key `rnu`"),
        ("steps: [{id: a, run: []}]", "1:22 an empty command"),
        ("steps: [{id: a, run: ['', x]}]", "1:23 an empty command"),
        ("steps: [{id: a, run: x, inputs: auto}]", "1:33 `inputs: auto` is not supported by this version of wf"),
        ("steps: [{id: a, run: x, inputs: ['a[']}]", "1:34 `a[` is not a pattern"),
        ("steps: [{id: a, run: x, needs: [zzz]}]", "1:33 there is no step `zzz`"),
        ("steps:", "1:1 `steps` has no value"),
        ("\u{0}\u{1}", "1:1 not YAML: found unprintable character"),
        ("a: &a [*a]", "1:8 an alias inside of what it names"),
        ("steps: [{id: a, run: \" \"}]", "1:22 an empty command"),
        ("steps: [{id: a, run: x, shell: zsh}]", "1:32 a shell is `sh`, `bash`, or an argv with `{}`"),
        ("steps: [{id: a, run: [x], shell: bash}]", "1:34 `run` is a list, which no shell reads"),
        ("steps: [{id: a, run: x, dir: ../b}]", "1:30 `../b` is not inside the repository"),
        ("steps: [{id: a, run: x, dir: /b}]", "1:30 `/b` is not inside the repository"),
        ("steps: [{id: a, run: x, needs: [a]}]", "1:33 steps wait for each other: a → a"),
        ("steps: [{id: a, run: x, needs: [^a]}]", "1:33 `^a` is for steps with `for_each`"),
        ("steps: [{id: a, run: x, needs: ['a@b']}]", "1:33 there is no step `a@b`"),
        ("steps: [{id: a, run: x, for_each: 'x/*/', needs: ['^b']}]", "1:53 there is no step `b`"),
        ("steps: [{id: a, run: x, inputs: []}]", "1:25 an empty `inputs` matches nothing"),
        ("steps: [{id: a, run: x, inputs: ['!b']}]", "1:34 only `!` patterns"),
        ("steps: [{id: a, run: x, outputs: ['/b']}]", "1:35 `/b` is absolute"),
        ("steps: [{id: a, run: x, ignore: [dosc]}]", "1:34 there is no category `dosc`"),
        ("steps: [{id: a, run: x, when: dosc_changes}]", "1:31 there is no category `dosc`"),
        ("steps: [{id: a, run: x, env: {WF_STEP: b}}]", "1:31 `WF_STEP` is set by wf"),
        ("steps: [{id: a, run: x, env: [A=b]}]", "1:31 `A=b` is not a name for a variable"),
        ("steps: [{id: a, run: x, timeout: 0s}]", "1:34 a duration of nothing"),
        ("steps: [{id: a, run: x, retries: {on: [fail]}}]", "1:40 `fail` is not one of"),
        ("steps: [{id: a, run: x, resources: {enforce: true}}]", "1:46 `enforce` needs `memory`"),
        (
            "max_memory: 1GiB\nsteps: [{id: a, run: x, resources: {memory: 2GiB}}]",
            "2:45 this claim is above `max_memory`",
        ),
        ("steps: [{id: a, run: x, stage: b}]", "1:32 there is no stage `b`"),
        ("stages: [{trigger: always}]", "1:11 this stage has no `name`"),
        ("stages: [{name: a}, {name: A}]", "1:28 two stages are called `A`"),
        ("stages: [{name: a}, {name: a}]", "1:28 two stages are called `a`"),
        ("stages: [{name: a, trigger: always or}]", "1:38 a condition is missing here"),
        (
            "stages: [{name: a}, {name: b}]\nsteps: [{id: a, run: x, stage: a, needs: [b]}, {id: b, run: x, stage: b}]",
            "2:43 `b` is in the later stage `b`",
        ),
        ("categories: {Docs: [a]}", "1:14 `Docs` is not a name for a category"),
        ("categories: {none: [a]}", "1:14 `none` means something else in wf"),
        ("categories: {mine: {remove: [a]}}", "1:30 `mine` is not a built-in category"),
        ("categories: {docs: {remove: ['!a']}}", "1:30 `remove` subtracts already"),
        ("categories: {docs: {remove: ['/a']}}", "1:30 `/a` is absolute"),
        ("skip_rules: {'(': []}", "1:14 `(` is not a regular expression: unclosed group"),
        ("skip_rules: {a: [b]}", "1:18 there is no step `b`"),
        ("skip_on_doc_only: [b]", "1:20 there is no step `b`"),
        ("test_commands: {a b: x}", "1:17 `a b` is not a step id"),
        ("workspace: {depends: {../a: b}}", "1:23 `../a` is not inside the repository"),
        ("impact: {code_files: -1}", "1:22 `-1` is not a whole number"),
    ] {
        let found = errors(text);
        if found.len() != 1 || !found[0].starts_with(expected) {
            wrong.push(format!("{text}\nexpected {expected}\nfound    {found:?}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_hint_is_written_as_the_value_was_said() {
    let hint = |key: &str, value: &str, origin: Origin| {
        let errors = load(&[], &[said(key, value, origin)]).unwrap_err();
        errors.errors[0].hint.clone().unwrap()
    };
    assert_eq!(hint("jobs", "x", Origin::Env("MAX_PARALLEL_JOBS".into())), "write one like `MAX_PARALLEL_JOBS=4`");
    assert_eq!(hint("jobs", "0", Origin::Flag("--jobs".into())), "write one like `--jobs=4`");
    let errors =
        load(&[project("inputs: 1\nsteps: [{id: a, run: x, inputs: ['a**', '**.rs', '{a/**,b}']}]")], &[]).unwrap_err();
    let hints: Vec<_> = errors.errors.iter().skip(1).map(|error| error.hint.as_deref().unwrap()).collect();
    assert_eq!(
        hints,
        ["did you mean `a*/**`?", "did you mean `**/*.rs`?", "`**` stands alone between slashes: `a/**/b`"]
    );
}

#[test]
fn the_users_file_holds_settings_only() {
    let errors = load(&[user("jobs: 2\nsteps: []\njbs: 3\n")], &[]).unwrap_err();
    let messages: Vec<_> = errors.errors.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(messages, ["`steps` belongs in the project's file", "the user's file has no key `jbs`"]);
}

#[test]
fn loops_show_every_edge() {
    let text = "steps:\n  - {id: a, run: x, needs: [b]}\n  - {id: b, run: x, after: [c]}\n  - {id: c, run: x, needs: [d, a]}\n  \
                - {id: d, run: x}\n  - {id: e, run: x, needs: [f]}\n  - {id: f, run: x, needs: [e]}\n";
    let errors = load(&[project(text)], &[]).unwrap_err();
    assert_eq!(errors.errors.len(), 2);
    assert_eq!(errors.errors[0].message, "steps wait for each other: a → b → c → a");
    let lines: Vec<_> = errors.errors[0].related.iter().map(|(at, words)| (at.line, words.as_str())).collect();
    assert_eq!(lines, [(3, "`b` waits for `c`"), (4, "`c` waits for `a`")]);
    assert_eq!(errors.errors[1].message, "steps wait for each other: e → f → e");
}

#[test]
fn anchors_and_merge_keys_work_within_a_budget() {
    let text =
        "steps:\n  - &base\n    id: a\n    run: x\n    env: {A: '1', B: '2'}\n  - <<: *base\n    id: b\n    run: y\n";
    let workflow = load(&[project(text)], &[]).unwrap().workflow;
    assert_eq!(workflow.steps[1].env.len(), 2);
    assert_eq!(workflow.steps[1].id.as_str(), "b");
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(bomb, "a{n}: &a{n} [{aliases}]").unwrap();
    }
    assert!(errors(&bomb)[0].contains("aliases expand to more than"));
    assert!(
        errors(&"[".repeat(100_000))[0].contains("nested more than")
            || errors(&"[".repeat(100_000))[0].contains("not YAML")
    );
}

#[test]
fn anchors_may_stand_at_the_top_and_line_ends_do_not_matter() {
    let text = "x-env: &env {A: '1'}\nsteps:\n  - {id: a, run: x, env: *env}\n";
    let unix = load(&[project(text)], &[]).unwrap().workflow;
    assert_eq!(unix.steps[0].env.len(), 1);
    let dos = load(&[project(&format!("\u{feff}{}", text.replace('\n', "\r\n")))], &[]).unwrap().workflow;
    assert_eq!(unplaced(unix), unplaced(dos));
    assert_eq!(
        errors("jobs: é\r\nbase: é\r\nstrict: é\r\n"),
        ["1:7 `é` is not a whole number", "3:9 `é` is not a boolean"]
    );
    assert_eq!(errors("steps: [{id: a, run: x, x-a: 1}]"), ["1:25 a step has no key `x-a`"]);
}

#[test]
fn ten_thousand_steps_are_read_in_linear_time() {
    let mut text = String::from("steps:\n  - {id: s0, run: x}\n");
    for n in 1..10_000 {
        writeln!(text, "  - {{id: s{n}, run: x, needs: [s{}], after: [s{}]}}", n - 1, n / 2).unwrap();
    }
    assert_eq!(load(&[project(&text)], &[]).unwrap().workflow.steps.len(), 10_000);
}

#[test]
fn what_is_cached_and_in_which_environment() {
    let text = "stages: [{name: one}, {name: two, trigger: manual or high_impact}]\nsteps:\n  \
                - {id: bare, run: x}\n  - {id: named, run: x, inputs: [a]}\n  - {id: asked, run: x, cache: true}\n  \
                - {id: refused, run: x, inputs: [a], cache: false}\n  \
                - {id: tuned, run: x, cache: {read: false, ttl: 7d, tags: [m], flaky: true}}\n  \
                - {id: ships, run: x, inputs: [a], kind: deploy}\n  - {id: cleans, run: x, inputs: [a], run_on: always}\n  \
                - {id: waits, run: x, inputs: [a], when: manual}\n  - {id: later, run: x, inputs: [a], stage: two}\n  \
                - {id: drawn, run: x, inputs: [a], needs: [later], stage: two}\n  \
                - {id: open, run: x, inputs: [a], env_mode: inherit}\n  - {id: shut, run: x, env_mode: strict}\n";
    let workflow = load(&[project(text)], &[]).unwrap_or_else(|errors| panic!("{errors}")).workflow;
    let told: Vec<_> =
        workflow.steps.iter().map(|s| format!("{} {} {:?}", s.id, s.cache.is_on(), s.env_mode)).collect();
    assert_eq!(
        told,
        [
            "bare false Inherit",
            "named true Strict",
            "asked true Strict",
            "refused false Inherit",
            "tuned true Strict",
            "ships false Inherit",
            "cleans false Inherit",
            "waits false Inherit",
            "later false Inherit",
            "drawn false Inherit",
            "open true Inherit",
            "shut false Strict",
        ]
    );
    let tuned = &workflow.steps[4].cache;
    assert_eq!((tuned.read, tuned.write, tuned.ttl_ms, tuned.flaky), (false, true, Some(7 * 86_400_000), true));
    assert_eq!(tuned.tags, ["m"]);
}

#[test]
fn secrets_may_be_declared_where_they_are_used() {
    let text = "secrets: [A]\nsteps:\n  - id: a\n    run: x\n    inputs: [a]\n    tools: [\"cc --version\", \"'my tool' -V\"]\n    \
                incremental: true\n    \
                env: {A: , B: {secret: true}, C: {in_key: true}, D: {value: v}, E: {value: '', secret: true, in_key: true}}\n";
    let workflow = load(&[project(text)], &[]).unwrap_or_else(|errors| panic!("{errors}")).workflow;
    let step = &workflow.steps[0];
    assert_eq!(workflow.settings.secrets, ["A", "B", "C", "E"]);
    assert_eq!(step.sealed, ["C", "E"]);
    assert_eq!((&step.env["B"], &step.env["C"]), (&None, &None));
    assert_eq!((step.env["D"].as_deref(), step.env["E"].as_deref()), (Some("v"), Some("")));
    assert_eq!(step.tools, [vec!["cc", "--version"], vec!["my tool", "-V"]]);
    assert!(step.incremental);
}

/// `optimized: false` turns off what nobody said beside it or above it.
#[test]
fn one_word_turns_every_optimization_off_and_others_turn_them_on_again() {
    use crate::config::model::{CacheMode, Resume, Settings, Smart};
    let settings = |project_text: &str, overrides: &[Override]| -> Settings {
        load(&[project(project_text)], overrides).unwrap_or_else(|errors| panic!("{errors}")).workflow.settings
    };
    let flag = |name: &str, key: &str, value: &str| said(key, value, Origin::Flag(name.into()));
    let off = flag("--optimized", "optimized", "false");
    let plain = settings("smart_execution: observe\njobs: 3\ncache: read\n", std::slice::from_ref(&off));
    assert_eq!((plain.smart_execution, plain.cache, plain.resume), (Smart::Off, CacheMode::OFF, Resume::Never));
    assert!(!plain.parallel && !plain.ml_optimize && !plain.optimized);
    assert_eq!(plain.jobs, Some(3), "how many is not whether");
    let mixed = settings("optimized: false\nparallel: true\n", &[flag("--cache", "cache", "read")]);
    assert_eq!((mixed.parallel, mixed.cache), (true, CacheMode { read: true, write: false }));
    assert_eq!(mixed.smart_execution, Smart::Off);
    let part = settings(
        "cache: {read: false}\n",
        &[flag("--optimized", "optimized", "false"), flag("--cache", "cache", "on")],
    );
    assert_eq!(part.cache, CacheMode::ON);
    let on = settings("optimized: false\nsmart_execution: observe\n", &[flag("--optimized", "optimized", "true")]);
    assert_eq!((on.smart_execution, on.cache, on.parallel), (Smart::Observe, CacheMode::ON, true));
    let loaded = load(&[project("smart_execution: on")], &[off]).unwrap();
    let origin = |path| crate::config::show::describe(path, &loaded.origins, &loaded.sources);
    assert_eq!(origin("smart_execution"), "flag --optimized (optimized)");
    assert_eq!(origin("cache.write"), "flag --optimized (optimized)");
}

#[test]
fn the_cache_is_set_from_files_and_from_outside() {
    use crate::config::model::{CacheLimits, CacheMode, Eviction, Resume};
    let text = "cache: {write: false, dir: ../c, max_size: 1GiB, max_age: none, max_entries: 7, policy: value}\nresume: true\n";
    let env = |name: &str, key: &str, value: &str| said(key, value, Origin::Env(name.into()));
    let first = load(&[project(text)], &[]).unwrap().workflow.settings;
    let limits = CacheLimits { size_bytes: 1 << 30, age_ms: None, entries: 7, policy: Eviction::Value };
    assert_eq!((first.cache, first.cache_limits), (CacheMode { read: true, write: false }, limits));
    assert_eq!((first.cache_dir.as_deref(), first.resume), (Some("../c"), Resume::Always));
    let outside = [env("WF_CACHE_DIR", "cache.dir", "/big"), env("WF_CACHE", "cache", "write")];
    let loaded = load(&[project(text)], &outside).unwrap();
    let second = &loaded.workflow.settings;
    assert_eq!((second.cache, second.cache_limits), (CacheMode { read: false, write: true }, limits));
    assert_eq!(second.cache_dir.as_deref(), Some("/big"));
    let origin = |path| crate::config::show::describe(path, &loaded.origins, &loaded.sources);
    assert_eq!((origin("cache.dir"), origin("cache.read")), ("env WF_CACHE_DIR".into(), "env WF_CACHE".into()));
    assert_eq!(origin("cache.policy"), "project .workflow-config.yaml:1");
}

#[test]
fn a_kind_takes_nothing_away_from_named_inputs() {
    let text = "steps:\n  - {id: a, run: x, kind: test}\n  - {id: b, run: x, kind: test, inputs: ['book/**']}\n  \
                - {id: c, run: x, kind: test, ignore: []}\n  - {id: d, run: x, kind: deploy}\n  \
                - {id: e, run: x, inputs: ['book/**'], ignore: [docs]}\n";
    let workflow = load(&[project(text)], &[]).unwrap().workflow;
    let ignored: Vec<_> = workflow.steps.iter().map(|step| step.ignore.join(",")).collect();
    assert_eq!(ignored, ["docs", "", "", "", "docs"]);
}

#[test]
fn categories_are_extended_and_cut() {
    let text = "categories:\n  code: [README.md]\n  docs: {remove: [CHANGELOG.md], add: ['notes/**']}\n  proto: ['**/*.proto']\n";
    let workflow = load(&[project(text)], &[]).unwrap().workflow;
    let category = |path: &str| {
        let path = crate::base::RepoPath::from(path);
        workflow.categories.iter().rev().find(|rule| rule.paths.is_match(&path)).map(|rule| rule.category.to_string())
    };
    assert_eq!(category("README.md").as_deref(), Some("code"));
    assert_eq!(category("CHANGELOG.md"), None);
    assert_eq!(category("notes/a.rs").as_deref(), Some("docs"));
    assert_eq!(category("api/a.proto").as_deref(), Some("proto"));
    assert_eq!(category("guide.md").as_deref(), Some("docs"));
}

/// A workflow without the places of its parts, which a round trip moves.
fn unplaced(mut workflow: Workflow) -> Workflow {
    for step in &mut workflow.steps {
        step.at = Span::default();
        step.needs.iter_mut().chain(&mut step.after).for_each(|need| need.at = Span::default());
    }
    workflow
}

fn round_trip(text: &str) {
    let first = load(&[project(text)], &[]).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    let shown = crate::config::show::to_yaml(&crate::config::show::show(&first.workflow), None);
    let second = load(&[project(&shown)], &[]).unwrap_or_else(|errors| panic!("{shown}\n{errors}"));
    assert_eq!(unplaced(first.workflow), unplaced(second.workflow), "{shown}");
    let noted = crate::config::show::show(&load(&[project(text)], &[]).unwrap().workflow);
    let noted = crate::config::show::to_yaml(&noted, Some((&first.origins, &first.sources)));
    let third = load(&[project(&noted)], &[]).unwrap_or_else(|errors| panic!("{noted}\n{errors}"));
    assert_eq!(crate::config::show::to_yaml(&crate::config::show::show(&third.workflow), None), shown);
}

#[test]
fn what_is_shown_reads_back() {
    round_trip("");
    round_trip(WHOLE);
    round_trip("categories:\n  code: [README.md]\n  docs: {remove: [a.md], add: ['notes/**']}\n  tests: [x]\n");
    round_trip(
        "test_commands: {unit: x}\nskip_rules: {'\\.md$': unit}\nworkspace: {depends: {a: [b, .]}}\nproject: {kind: '1'}\n",
    );
}

#[path = "random_tests.rs"]
mod random;
