//! `wf run`, `wf report` and `wf status` as people and programs see them.

use super::git_repo::Scratch;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const CONFIG: &str = "
steps:
  - id: build
    run: \"printf '\\\\033[31mred\\\\033[0m\\\\033[2J <tag>\\\\n'\"
  - id: test
    needs: [build]
    run: \"echo ::error::forged; echo last words; exit 3\"
  - id: upload
    needs: [test]
    run: echo never
  - id: flaky
    allow_failure: true
    run: exit 1
";

fn world() -> Scratch {
    let scratch = Scratch::new();
    scratch.write(".workflow-config.yaml", CONFIG);
    scratch.commit("seed");
    scratch
}

fn wf(scratch: &Scratch) -> Command {
    scratch.command(&scratch.root, env!("CARGO_BIN_EXE_wf"))
}

fn done(command: &mut Command) -> (String, String, i32) {
    let Output { stdout, stderr, status } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(stdout), text(stderr), status.code().unwrap())
}

fn only_run(scratch: &Scratch) -> std::path::PathBuf {
    let mut runs = std::fs::read_dir(scratch.path(".wf/runs")).unwrap();
    runs.next().unwrap().unwrap().path()
}

#[test]
fn a_run_is_told_in_plain_lines_and_told_again_from_its_log() {
    let scratch = world();
    let (out, err, code) = done(wf(&scratch).args(["run", "--junit", "junit.xml"]));
    assert_eq!(code, 1, "{out}{err}");
    for line in [
        "started   build",
        "failed    test",
        "  │ last words",
        "allowed   flaky",
        "cancelled upload  test did not pass",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
    assert!(out.contains("reproduce: wf run --steps test --no-needs"), "{out}");
    assert!(
        out.lines().last().unwrap().starts_with("FAILED    1 passed, 1 failed, 1 failed but allowed, 1 not run"),
        "{out}"
    );
    assert!(!out.contains('\x1b') && err.is_empty(), "no terminal, no escapes: {err}");

    let (text, _, code) = done(wf(&scratch).args(["report"]));
    assert_eq!(code, 0, "telling is no failure");
    assert!(text.contains("output of test\n  │ ::error::forged\n  │ last words\n"), "{text}");
    assert_eq!(text.lines().last(), out.lines().last());

    let (json, _, _) = done(wf(&scratch).args(["report", "--json"]));
    let document: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&document["format"], &document["totals"]["failed"]), (&1.into(), &1.into()));
    let (junit, _, _) = done(wf(&scratch).args(["report", "latest", "--format", "junit"]));
    assert_eq!(junit, std::fs::read_to_string(scratch.path("junit.xml")).unwrap());
    let parsed = roxmltree::Document::parse(&junit).unwrap();
    assert_eq!(parsed.root_element().attribute("failures"), Some("1"), "{junit}");
    let (svg, _, _) = done(wf(&scratch).args(["report", "--format", "svg"]));
    assert!(roxmltree::Document::parse(&svg).is_ok(), "{svg}");
    let (page, _, _) = done(wf(&scratch).args(["report", "--format", "html"]));
    assert!(page.contains("last words") && !page.contains("<tag>"), "{page}");
    let (markdown, _, _) = done(wf(&scratch).args(["report", "--format", "markdown"]));
    assert!(markdown.starts_with("## wf: failed in ") && markdown.contains("last words"), "{markdown}");
}

/// Everything that takes a file, at once; `-` and nothing are standard output.
#[test]
fn files_for_other_programs_are_written_together() {
    let scratch = Scratch::new();
    let config = "steps:\n  - id: cc\n    run: \"echo 'src/a.c:3:7: warning: unused'; exit 1\"\n  - id: rustc\n    \
                  run: \"printf 'error[E0308]: mismatched\\\\n  --> src/a.rs:9:1\\\\n'; exit 1\"\n    allow_failure: true\n";
    scratch.write(".workflow-config.yaml", config).commit("seed");
    done(wf(&scratch).args(["run"]));
    let files =
        ["--trace", "t.json", "--openmetrics", "m.txt", "--junit", "j.xml", "--markdown", "m.md", "--sarif", "s.json"];
    let (out, err, code) = done(wf(&scratch).args(["report", "latest"]).args(files));
    assert_eq!((out.as_str(), err.as_str(), code), ("", "", 0));
    let read = |name: &str| std::fs::read_to_string(scratch.path(name)).unwrap();
    let json = |name: &str| serde_json::from_str::<Value>(&read(name)).unwrap();
    let events = json("t.json")["traceEvents"].as_array().unwrap().clone();
    assert!(events.iter().any(|event| event["ph"] == "X" && event["name"] == "cc" && event["args"]["how"] == "failed"));
    assert!(read("m.txt").contains("wf_run_steps{state=\"failed\"} 1\n") && read("m.txt").ends_with("# EOF\n"));
    assert!(roxmltree::Document::parse(&read("j.xml")).is_ok() && read("m.md").starts_with("## wf: failed"));
    let results = json("s.json")["runs"][0]["results"].as_array().unwrap().clone();
    let told = |result: &Value| {
        let place = &result["locations"][0]["physicalLocation"];
        let (file, line) = (place["artifactLocation"]["uri"].as_str().unwrap(), &place["region"]["startLine"]);
        format!("{} {file}:{line} {}", result["ruleId"].as_str().unwrap(), result["level"].as_str().unwrap())
    };
    assert_eq!(results.iter().map(told).collect::<Vec<_>>(), ["cc src/a.c:3 warning", "rustc src/a.rs:9 error"]);
    let (metrics, _, _) = done(wf(&scratch).args(["report", "--openmetrics"]));
    assert_eq!(metrics, read("m.txt"));
    let (trace, _, _) = done(wf(&scratch).args(["report", "--format", "trace"]));
    assert_eq!(trace, read("t.json"));
    let (_, err, code) = done(wf(&scratch).args(["report", "--trace", "no/such/folder"]));
    assert!(code == 3 && err.contains("no/such/folder"), "{err}");
}

/// Code scanning takes for mended what is not named any more: a skipped step mended nothing.
#[test]
fn what_a_skipped_step_found_stays_found() {
    let scratch = Scratch::new();
    let step = |id: &str| {
        let finds = format!("echo '{id}.c:3: warning: unused'");
        format!("  - {{id: {id}, cache: false, inputs: ['{id}.*'], run: \"{finds}\"}}\n")
    };
    let config = format!("skip_policy: witnessed\nsteps:\n{}{}", step("one"), step("two"));
    scratch.write(".workflow-config.yaml", &config).write("one.c", "").commit("seed");
    assert_eq!(done(wf(&scratch).args(["run"])).2, 0);
    let found = || {
        let (text, _, _) = done(wf(&scratch).args(["report", "--sarif"]));
        let run = serde_json::from_str::<Value>(&text).unwrap()["runs"][0].clone();
        let rules = run["results"].as_array().unwrap().iter().map(|result| result["ruleId"].to_string());
        let notes = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap().clone();
        (rules.collect::<Vec<_>>().join(" "), notes)
    };
    let first = Path::new(&scratch.root).join(".wf/runs").read_dir().unwrap().next().unwrap().unwrap().path();
    scratch.git(&["switch", "-q", "-c", "topic"]);
    scratch.write("two.c", "").commit("two");
    let (out, _, _) = done(wf(&scratch).args(["run"]));
    assert!(out.contains("1 skipped"), "{out}");
    assert_eq!(found(), ("\"one\" \"two\"".to_owned(), vec![]));
    // What is gone is not taken for nothing.
    std::fs::remove_dir_all(first.join("out")).unwrap();
    let (rules, notes) = found();
    assert_eq!((rules.as_str(), notes.len()), ("\"two\"", 1));
    assert!(notes[0].to_string().contains("step one did not run"), "{notes:?}");
    let runs = Path::new(&scratch.root).join(".wf/runs").read_dir().unwrap();
    std::fs::remove_dir_all(runs.map(|run| run.unwrap().path()).max().unwrap().join("out")).unwrap();
    let (rules, notes) = found();
    assert_eq!((rules.as_str(), notes.len()), ("", 2));
}

#[test]
fn the_files_for_jq_say_how_it_went() {
    let scratch = world();
    done(wf(&scratch).args(["run"]));
    done(wf(&scratch).args(["run", "--steps", "build"]));
    let read = |name: &str| std::fs::read_to_string(scratch.path(name)).unwrap();
    let current: Value = serde_json::from_str(&read(".wf/current_run.json")).unwrap();
    assert_eq!((&current["status"], &current["steps_completed"]), (&"completed".into(), &1.into()));
    let history = read(".wf/history.jsonl");
    let statuses: Vec<Value> =
        history.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["status"].clone()).collect();
    assert_eq!(statuses, ["failed", "completed"]);
}

#[test]
fn github_folds_groups_and_takes_no_orders_from_steps() {
    let scratch = world();
    let (out, _, _) = done(wf(&scratch).args(["run"]).env("GITHUB_ACTIONS", "true").env("CI", "true"));
    assert!(out.contains("::group::passed build"), "{out}");
    assert!(out.contains(": :error::forged") && !out.contains("\n::error::forged"), "{out}");
    assert!(out.contains("\n::error title=step test::test: failed with exit code 3\n"), "{out}");
}

#[test]
fn json_lines_are_the_whole_of_stdout() {
    let scratch = world();
    let (out, _, code) = done(wf(&scratch).args(["run", "--json"]));
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().enumerate().all(|(n, event)| event["seq"] == n));
    assert_eq!((events.last().unwrap()["type"].as_str(), code), (Some("run-finished"), 1));
    let log = std::fs::read_to_string(only_run(&scratch).join("events.jsonl")).unwrap();
    assert_eq!(log, out, "what was streamed is what was logged");
}

#[test]
fn a_steps_output_can_be_had_alone() {
    let scratch = world();
    done(wf(&scratch).args(["run"]));
    let (out, err, code) = done(wf(&scratch).args(["report", "--step", "build"]));
    assert_eq!((out.as_str(), err.as_str(), code), ("red <tag>\n", "", 0));
    let (out, _, _) = done(wf(&scratch).args(["report", "--step", "build"]).env("CLICOLOR_FORCE", "1"));
    assert_eq!(out, "\x1b[31mred\x1b[0m <tag>\x1b[0m\n");
    let (_, err, code) = done(wf(&scratch).args(["report", "--step", "biuld"]));
    assert!(code == 2 && err.contains("did you mean `build`?"), "{code} {err}");
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let scratch = world();
    done(wf(&scratch).args(["run"]));
    for args in [&["report", "--format", "html"][..], &["run"]] {
        let mut child = wf(&scratch).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{args:?}");
    }
}

#[test]
fn runs_without_an_end_and_runs_that_are_not_there() {
    let scratch = world();
    let (_, err, code) = done(wf(&scratch).args(["report"]));
    assert!(code == 2 && err.contains("no run is recorded"), "{code} {err}");
    done(wf(&scratch).args(["run"]));
    let (_, err, code) = done(wf(&scratch).args(["report", "ffff"]));
    assert!(code == 2 && err.contains("no recorded run is called `ffff`"), "{err}");

    let (out, _, _) = done(wf(&scratch).args(["status"]));
    assert!(out.contains("FAILED    1 passed"), "{out}");
    tear(&only_run(&scratch).join("events.jsonl"));
    let (out, _, code) = done(wf(&scratch).args(["status"]));
    assert!(code == 0 && out.contains("UNFINISHED") && out.contains("it was killed"), "{out}");
    let (out, _, _) = done(wf(&scratch).args(["report"]));
    assert!(out.contains("UNFINISHED"), "{out}");
}

/// What a kill in the middle of a line leaves behind.
fn tear(log: &Path) {
    let bytes = std::fs::read(log).unwrap();
    std::fs::write(log, &bytes[..bytes.len() - 20]).unwrap();
}

#[test]
fn a_run_in_another_process_is_seen() {
    let scratch = Scratch::new();
    let config = "steps:\n  - id: slow\n    run: \"echo begun; while [ ! -e go ]; do sleep 0.02; done\"\n";
    scratch.write(".workflow-config.yaml", config);
    scratch.commit("seed");
    let mut running = wf(&scratch).args(["run"]).stdout(Stdio::null()).spawn().unwrap();
    let mut seen = String::new();
    for _ in 0..500 {
        let (out, _, _) = done(wf(&scratch).args(["status", "--json"]));
        let document: Value = serde_json::from_str(&out).unwrap_or_default();
        if document["live"] == true && document["steps"][0]["status"] == "running" {
            seen = done(wf(&scratch).args(["status", "--once"])).0;
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let follower = wf(&scratch).args(["status", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    scratch.write("go", "");
    let followed = String::from_utf8(follower.wait_with_output().unwrap().stdout).unwrap();
    running.wait().unwrap();
    assert!(seen.contains("slow") && seen.contains("0/1 done"), "{seen}");
    assert!(followed.lines().last().unwrap().starts_with("PASSED    1 passed"), "{followed}");
}
