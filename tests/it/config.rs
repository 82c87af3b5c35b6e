//! `wf check` and `wf config` as people type them.

use crate::git_repo::Scratch;
use serde_json::Value;
use std::process::Output;

const CONFIG: &str = "\
jobs: 4
steps:
  - id: build
    kind: build
    run: make
  - id: test
    needs: [build]
    run: [make, test]
";

fn wf(scratch: &Scratch, folder: &str, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = scratch.command(&scratch.root.join(folder), env!("CARGO_BIN_EXE_wf"));
    command.args(args).envs(env.iter().copied()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn seeded(config: &str) -> Scratch {
    let scratch = Scratch::seeded();
    scratch.write(".workflow-config.yaml", config).write("a/b/c", "");
    scratch
}

#[test]
fn a_right_configuration_is_said_to_be_right_from_any_folder() {
    let scratch = seeded(CONFIG);
    for folder in ["", "a/b"] {
        let checked = wf(&scratch, folder, &["check"], &[]);
        assert_eq!(checked.status.code(), Some(0), "{}", err(&checked));
        assert!(out(&checked).ends_with(".workflow-config.yaml is right: 2 steps\n"), "{}", out(&checked));
    }
    let json: Value = serde_json::from_str(&out(&wf(&scratch, "", &["check", "--json"], &[]))).unwrap();
    assert_eq!((&json["ok"], &json["format"]), (&Value::Bool(true), &Value::from(1)));
    assert!(!scratch.path(".wf").exists(), "check writes nothing");
}

#[test]
fn every_error_is_shown_at_once_and_nothing_else() {
    let scratch = seeded("jbos: 4\nsteps:\n  - {id: a, run: x, needs: [b]}\n  - {id: b, run: x, needs: [a]}\n");
    let checked = wf(&scratch, "", &["check"], &[]);
    assert_eq!((checked.status.code(), out(&checked)), (Some(2), String::new()));
    insta::assert_snapshot!(err(&checked), @"
    error: a configuration has no key `jbos`
     --> .workflow-config.yaml:1:1
      |
    1 | jbos: 4
      | ^^^^
      |
      = hint: did you mean `jobs`?

    error: steps wait for each other: a → b → a
     --> .workflow-config.yaml:3:29
      |
    3 |   - {id: a, run: x, needs: [b]}
      |                             ^
    4 |   - {id: b, run: x, needs: [a]}
      |                             - `b` waits for `a`
      |
      = hint: remove one of these

    2 errors in the configuration
    ");
    let json = wf(&scratch, "", &["check", "--json"], &[]);
    assert_eq!(json.status.code(), Some(2));
    let json: Value = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!(json["errors"][0]["hint"], "did you mean `jobs`?");
    assert_eq!(json["errors"][1]["related"][0]["at"]["line"], 4);
}

#[test]
fn what_does_not_fit_the_repository_is_found_too() {
    let scratch = seeded("steps:\n  - {id: a, run: x, for_each: 'services/*/'}\n");
    let checked = wf(&scratch, "", &["check"], &[]);
    assert_eq!(checked.status.code(), Some(0));
    assert_eq!(err(&checked), "warning: no folder matches `for_each` of step `a`: it has no instances\n");
    scratch.write("services/api/notes.txt", "");
    scratch.write(".workflow-config.yaml", "steps:\n  - {id: a, run: x, for_each: 'services/*/', needs: [^a]}\n");
    let checked = wf(&scratch, "", &["check"], &[]);
    assert_eq!(checked.status.code(), Some(2));
    assert!(
        err(&checked).contains(" --> .workflow-config.yaml:2:") && err(&checked).contains("depends:"),
        "{}",
        err(&checked)
    );
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_line() {
    let scratch = seeded("");
    scratch.write(".workflow-config.yaml", b"jobs: 1\nbase: \xff\n");
    let checked = wf(&scratch, "", &["check"], &[]);
    assert_eq!(checked.status.code(), Some(2));
    assert!(err(&checked).contains(".workflow-config.yaml:2"), "{}", err(&checked));
}

#[test]
fn show_says_where_values_come_from_and_reads_back() {
    let scratch = seeded(CONFIG);
    std::fs::create_dir_all(scratch.outside(".config/wf")).unwrap();
    std::fs::write(scratch.outside(".config/wf/config.yaml"), "jobs: 1\noutput: stream\n").unwrap();
    let env = [("WF_STRICT", "true")];
    let shown = out(&wf(&scratch, "", &["config", "show", "--origin"], &env));
    for line in
        ["jobs: 4 # project .workflow-config.yaml:1", "strict: true # env WF_STRICT", "parallel: true # default"]
    {
        assert!(squeezed(&shown).contains(line), "{line}\n{shown}");
    }
    assert!(squeezed(&shown).contains("ignore: [docs] # project .workflow-config.yaml:4 (kind)"), "{shown}");
    assert!(squeezed(&shown).contains("output: stream # user "), "{shown}");
    let plain = out(&wf(&scratch, "", &["config", "show"], &env));
    scratch.write(".workflow-config.yaml", &shown);
    assert_eq!(out(&wf(&scratch, "", &["config", "show"], &[])), plain);
    let json: Value = serde_json::from_str(&out(&wf(&scratch, "", &["config", "show", "--json"], &[]))).unwrap();
    assert_eq!((&json["format"], &json["config"]["steps"][1]["run"][1]), (&Value::from(1), &Value::from("test")));
    assert!(json["origins"]["steps.build.run"].as_str().unwrap().starts_with("project "));
}

#[test]
fn a_wrong_variable_is_shown_like_any_error() {
    let scratch = seeded(CONFIG);
    let checked = wf(&scratch, "", &["check"], &[("MAX_PARALLEL_JOBS", "many")]);
    assert_eq!(checked.status.code(), Some(2));
    assert!(err(&checked).contains("MAX_PARALLEL_JOBS=many"), "{}", err(&checked));
}

#[test]
fn the_schema_that_is_printed_is_the_committed_one() {
    let scratch = seeded(CONFIG);
    let committed = include_str!("../../docs/workflow-config.schema.json");
    assert!(out(&wf(&scratch, "", &["config", "schema"], &[])) == committed);
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whoever put something there means it to be read: passing it over would run another pipeline without a word.
#[test]
fn a_configuration_that_is_no_file_or_has_the_other_ending_is_not_passed_over() {
    let scratch = Scratch::seeded();
    scratch.write("Cargo.toml", "[package]\nname = \"x\"\n").write("a/b/c", "");
    let refused = |words: &str| {
        let checked = wf(&scratch, "a/b", &["check"], &[]);
        assert_eq!(checked.status.code(), Some(2), "{}", out(&checked));
        assert!(err(&checked).contains(words), "{}", err(&checked));
    };
    scratch.write("a/.workflow-config.yml", CONFIG);
    refused(".workflow-config.yml\nhint: call it .workflow-config.yaml");
    scratch.remove("a/.workflow-config.yml").symlink("nowhere", "a/.workflow-config.yaml");
    refused(".workflow-config.yaml is not a file");
    scratch.remove("a/.workflow-config.yaml").write("a/.workflow-config.yaml/x", "");
    refused(".workflow-config.yaml is not a file");
}
