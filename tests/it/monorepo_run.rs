//! `for_each` end to end: instances of real folders, their order, and which of them a change reaches.

use crate::git_repo::Scratch;

/// Two Cargo services, one library that one of them uses, and a step for each.
fn monorepo(steps: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch
        .write(".workflow-config.yaml", steps)
        .write(".gitignore", "order\n")
        .write("Cargo.toml", "[workspace]\nmembers = [\"services/*\", \"libs/*\"]\n")
        .write("libs/core/Cargo.toml", "[package]\nname = \"core\"\n")
        .write("services/api/Cargo.toml", "[dependencies]\ncore = { path = \"../../libs/core\" }\n")
        .write("services/web/Cargo.toml", "[package]\nname = \"web\"\n")
        .write("services/web/main.rs", "");
    scratch.commit("seed");
    scratch
}

const BUILD: &str = r#"steps:
  - id: build
    for_each: ["services/*/", libs/core]
    needs: ["^build"]
    run: echo "$WF_DIR" >> ../../order
"#;

fn wf(scratch: &Scratch, args: &[&str]) -> (i32, String, String) {
    let output = scratch.command(&scratch.root, env!("CARGO_BIN_EXE_wf")).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Commits and runs everything, so that a skip has its evidence.
fn green(scratch: &Scratch) {
    scratch.commit("green");
    let (code, out, err) = wf(scratch, &["run", "--all"]);
    assert_eq!(code, 0, "{out}{err}");
}

/// The steps that the plan against HEAD runs; `{"run": …}` is how a decision to run is written.
fn runs(scratch: &Scratch) -> Vec<String> {
    let (code, out, err) = wf(scratch, &["plan", "--base", "HEAD", "--json"]);
    assert_eq!(code, 0, "{err}");
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    let steps = plan["steps"].as_array().unwrap_or_else(|| panic!("no steps in {out}"));
    let run = steps.iter().filter(|step| step["decision"]["run"].is_object());
    let mut ids: Vec<String> = run.map(|step| step["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn instances_run_in_their_folders_after_those_they_depend_on() {
    let scratch = monorepo(BUILD);
    let (code, out, err) = wf(&scratch, &["run", "--all", "--jobs", "3"]);
    assert_eq!(code, 0, "{out}{err}");
    let order = std::fs::read_to_string(scratch.path("order")).unwrap();
    let order: Vec<&str> = order.lines().collect();
    let place = |folder: &str| order.iter().position(|line| *line == folder).unwrap_or_else(|| panic!("{order:?}"));
    assert_eq!(order.len(), 3);
    assert!(place("libs/core") < place("services/api"), "{order:?}");
    assert!(place("services/web") < 3);
}

#[test]
fn a_change_reaches_its_folder_those_that_depend_on_it_and_what_nobody_owns_reaches_all() {
    let scratch = monorepo(BUILD);
    green(&scratch);
    assert_eq!(runs(&scratch), [""; 0]);
    scratch.write("services/web/main.rs", "fn main() {}\n");
    assert_eq!(runs(&scratch), ["build@services/web"]);
    scratch.git(&["checkout", "--quiet", "."]);
    scratch.write("libs/core/lib.rs", "");
    assert_eq!(runs(&scratch), ["build@libs/core", "build@services/api"]);
    scratch.remove("libs/core/lib.rs").write("rust-toolchain.toml", "");
    assert_eq!(runs(&scratch).len(), 3);
}

#[test]
fn a_new_edge_in_a_manifest_is_seen_at_once() {
    let scratch = monorepo(BUILD);
    scratch.write("services/web/Cargo.toml", "[dependencies]\ncore = { path = \"../../libs/core\" }\n");
    green(&scratch);
    scratch.write("libs/core/lib.rs", "");
    assert_eq!(runs(&scratch), ["build@libs/core", "build@services/api", "build@services/web"]);
}

#[test]
fn broken_manifests_and_kinds_that_are_not_read_are_shown_in_the_configuration() {
    let scratch = monorepo(BUILD);
    scratch.write("services/api/Cargo.toml", "[dependencies\n");
    let (code, _, err) = wf(&scratch, &["plan"]);
    assert!(code == 2 && err.contains("services/api/Cargo.toml") && err.contains(".workflow-config.yaml:"), "{err}");
    let scratch = Scratch::new();
    scratch.write(".workflow-config.yaml", BUILD).write("services/api/build.gradle", "").write("libs/core/x.c", "");
    scratch.commit("seed");
    let (code, _, err) = wf(&scratch, &["plan"]);
    assert!(
        code == 2 && err.contains("Gradle project") && err.contains("services/web: [services/api, libs/core]"),
        "{err}"
    );
    scratch.write(".workflow-config.yaml", format!("{BUILD}workspace:\n  depends:\n    services/api: [libs/core]\n"));
    scratch.write("services/web/x.sh", "").write(".gitignore", "order\n");
    green(&scratch);
    scratch.write("libs/core/x.c", "int x;");
    assert_eq!(runs(&scratch), ["build@libs/core", "build@services/api"]);
}

#[test]
fn a_step_without_folders_is_a_warning_and_not_a_silence() {
    let scratch =
        monorepo("steps:\n  - id: a\n    for_each: nowhere/*\n    run: \"true\"\n  - id: b\n    run: \"true\"\n");
    let (code, out, err) = wf(&scratch, &["plan"]);
    assert!(code == 0 && format!("{out}{err}").contains("no folder matches `for_each` of step `a`"), "{out}{err}");
}

/// On a branch the merge base is trusted; a dependency that ended there must not be skipped on that trust.
#[test]
fn a_package_that_took_another_name_reaches_those_that_depended_on_it() {
    let scratch = Scratch::new();
    let steps = "steps:\n  - id: test\n    for_each: packages/*\n    run: \"true\"\n";
    scratch
        .write(".workflow-config.yaml", steps)
        .write("package.json", r#"{"workspaces": ["packages/*"]}"#)
        .write("packages/a/package.json", r#"{"name": "a", "dependencies": {"b": "*"}}"#)
        .write("packages/b/package.json", r#"{"name": "b"}"#)
        .write("packages/c/package.json", r#"{"name": "c"}"#);
    scratch.commit("seed");
    scratch.git(&["checkout", "--quiet", "-b", "topic"]);
    assert_eq!(runs(&scratch), [""; 0], "the merge base is trusted");
    scratch.write("packages/b/package.json", r#"{"name": "renamed"}"#);
    assert_eq!(runs(&scratch), ["test@packages/a", "test@packages/b"]);
}

/// What manifests said is remembered, and forgotten as soon as git sees that one of them differs.
#[test]
fn manifests_are_remembered_until_one_of_them_changes() {
    let scratch = monorepo(BUILD);
    green(&scratch);
    let memo = scratch.root.join(".wf/manifests.memo");
    let kept = std::fs::read(&memo).expect("it was kept");
    let order = |args: &[&str]| {
        let (code, out, err) = wf(&scratch, args);
        assert_eq!(code, 0, "{out}{err}");
        out
    };
    let same = order(&["plan", "--all", "--json"]);
    let mut lie = kept.clone();
    let at = lie.len() - 1;
    lie[at] ^= 1;
    std::fs::write(&memo, &lie).expect("it is written");
    assert_eq!(order(&["plan", "--all", "--json"]), same, "damage is noticed, and manifests are read");
    std::fs::write(&memo, &kept).expect("it is written");
    scratch.write("services/web/Cargo.toml", "[dependencies]\ncore = { path = \"../../libs/core\" }\n");
    let changed = order(&["plan", "--all", "--json"]);
    let waits = |text: &str| {
        let plan: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let steps = plan["steps"].as_array().expect("steps").clone();
        let web = steps.into_iter().find(|step| step["id"] == "build@services/web").expect("web");
        web["waits_for"].to_string()
    };
    assert_eq!((waits(&same).as_str(), waits(&changed).as_str()), ("null", "[\"build@libs/core\"]"));
    assert_eq!(std::fs::read(&memo).expect("it is there"), kept, "a plan writes nothing");
    let _ = order(&["run", "--all"]);
    scratch.commit("another edge");
    let _ = order(&["run", "--all"]);
    assert_ne!(std::fs::read(&memo).expect("it is there"), kept);
    assert_eq!(waits(&order(&["plan", "--all", "--json"])), "[\"build@libs/core\"]");
}
