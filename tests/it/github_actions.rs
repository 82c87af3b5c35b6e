//! wf as a step of a job of GitHub Actions: annotations, summary, outputs, the action's own scripts, and workflows that wf writes.

use super::world::{Said, World};
use std::path::{Path, PathBuf};

const CONFIG: &str = "steps:
  - {id: lint, run: \"cat lines; test ! -s lines\", inputs: [lines, \"src/**\"]}
  - {id: docs, run: \"true\", inputs: [\"docs/**\"]}
";

/// What a job left.
struct Job {
    said: Said,
    summary: String,
    output: String,
}

fn job(world: &World, more: &[(&str, &str)], args: &[&str]) -> Job {
    let (summary, output) = (world.outside("summary"), world.outside("output"));
    std::fs::write(&output, "before=1\n").unwrap();
    let of = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let (summary_path, output_path) = (of(&summary), of(&output));
    let env = [
        ("CI", "true"),
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_STEP_SUMMARY", summary_path.as_str()),
        ("GITHUB_OUTPUT", output_path.as_str()),
    ];
    let said = world.wf_env(&[&env[..], more].concat(), args);
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    Job { said, summary: read(summary), output: read(output) }
}

fn value<'a>(output: &'a str, name: &str) -> &'a str {
    output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_else(|| panic!("{output}"))
}

#[test]
fn a_run_leaves_annotations_a_summary_and_outputs() {
    let world = World::topic(CONFIG);
    world.write("lines", "src/a.rs:1: error: this is bad\n").commit("bad");
    let job = job(&world, &[], &["run", "--base", "main"]);
    let said = job.said.exits(1);
    assert!(said.out.contains("::error file=src/a.rs,line=1,title=wf%3A lint::this is bad"), "{}", said.out);
    assert!(job.summary.starts_with("## wf: failed") && job.summary.contains("### Findings"), "{}", job.summary);
    assert!(job.summary.contains("```mermaid\ngantt"), "{}", job.summary);
    assert!(job.output.starts_with("before=1\n"), "what others wrote stays");
    let steps: serde_json::Value = serde_json::from_str(value(&job.output, "steps")).unwrap();
    assert_eq!(steps, serde_json::json!({ "lint": "run", "docs": "skip" }));
    assert_eq!((value(&job.output, "status"), value(&job.output, "failed")), ("failed", "[\"lint\"]"));
}

#[test]
fn what_is_known_is_a_hit() {
    let world = World::topic(CONFIG);
    world.write("lines", "").commit("good");
    let _ = job(&world, &[], &["run", "--no-smart-execution"]).said.passed();
    let job = job(&world, &[], &["run", "--no-smart-execution"]);
    let _ = job.said.passed();
    let steps: serde_json::Value = serde_json::from_str(value(&job.output, "steps")).unwrap();
    assert_eq!(steps, serde_json::json!({ "lint": "hit", "docs": "hit" }));
}

#[test]
fn the_problem_matcher_reads_what_wf_would_annotate_and_nothing_else() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/action/problem-matcher.json");
    let matcher: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let pattern = &matcher["problemMatcher"][0]["pattern"][0];
    let regex = regex::Regex::new(pattern["regexp"].as_str().unwrap()).unwrap();
    let world = World::topic(CONFIG);
    let lines = "src/a.rs:1: error: bad\nsrc/b c.rs:2:7: warning[E01]: worse\n  ./x.py:3:1: note: see\nall: 3 errors\n";
    world.write("lines", lines).commit("bad");
    for output in ["grouped", "stream", "errors"] {
        let job =
            job(&world, &[("WF_ANNOTATIONS", "off")], &["run", "--base", "main", "--no-cache", "--output", output]);
        let said = job.said.exits(1);
        assert!(!said.out.contains("::error file="), "{}", said.out);
        let mut found: Vec<String> = Vec::new();
        for line in said.out.lines() {
            let Some(hit) = regex.captures(line) else { continue };
            let part = |name: &str| hit.get(pattern[name].as_u64().unwrap() as usize).map_or("", |part| part.as_str());
            found.push(["file", "line", "column", "severity", "message"].map(part).join("|"));
        }
        found.dedup();
        let expected = ["src/a.rs|1||error|bad", "src/b c.rs|2|7|warning|worse", "./x.py|3|1|note|see"];
        assert_eq!(found, expected, "{output}: {}", said.out);
    }
}

/// Every workflow command begins a line with `::`, or holds `##[`.
fn commands(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.trim_start().starts_with("::") || line.contains("##[")).collect()
}

#[test]
fn neither_output_nor_file_names_nor_messages_can_begin_a_workflow_command() {
    let world = World::topic(CONFIG);
    let hostile = [
        "::set-output name=x::y",
        "::add-path::/evil",
        "  ::stop-commands::x",
        "##[add-path]/evil",
        "\u{1b}[31m::warning::x",
        "src/a.rs:1: error: \r::add-path::/evil",
        "src/a.rs:1: error: %0A::add-path::/evil",
        "::error file=src/a.rs::forged",
    ];
    world.write("lines", hostile.join("\n")).write("docs/::add-path::x", "x\n").commit("hostile");
    for args in [&["run", "--base", "main"][..], &["run", "--base", "main", "--output", "stream", "--no-cache"]] {
        let job = job(&world, &[], args);
        let said = job.said.exits(1);
        let known = [
            "::group::",
            "::endgroup::",
            "::error file=src/a.rs,line=1,title=wf%3A lint::",
            "::error title=",
            "::error::",
        ];
        for line in commands(&said.out) {
            assert!(known.iter().any(|start| line.starts_with(start)), "{line:?} in\n{}", said.out);
            assert!(!line.contains("forged"), "{line}");
        }
        assert!(!job.output.contains("evil") && !job.output.contains("name=x"), "{}", job.output);
        assert_eq!(job.output.lines().count(), 6, "{}", job.output);
    }
}

#[test]
fn a_wf_within_a_step_leaves_the_files_of_the_job_alone() {
    let inner = format!("{} run --steps docs --no-wait", env!("CARGO_BIN_EXE_wf"));
    let world = World::topic(&format!(
        "steps:\n  - {{id: docs, run: \"true\"}}\n  - {{id: outer, run: \"{inner}\", env_mode: inherit}}\n"
    ));
    let job = job(&world, &[], &["run", "--no-cache"]);
    assert_eq!(job.output.matches("\nrun=").count(), 1, "{}\n{}", job.output, job.said.out);
}

fn script(world: &World, name: &str, env: &[(&str, &str)]) -> Said {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/action").join(name);
    let mut command = world.command_of("bash");
    command.arg(path).envs(env.iter().copied());
    Said::of(command)
}

#[test]
fn the_actions_script_gives_its_inputs_to_wf_as_they_are() {
    let world = World::topic(CONFIG);
    let output = world.outside("output");
    let wf = world.outside("wf.sh");
    std::fs::write(&wf, "#!/bin/sh\nfor word in \"$@\"; do printf '<%s>' \"$word\"; done; echo\n").unwrap();
    let _ = world.command_of("chmod").args(["+x", wf.to_str().unwrap()]).status().unwrap();
    let base = "$(touch /tmp/evil); `id` x";
    let names = [
        "CONFIG_FILE",
        "SMART_EXECUTION",
        "PARALLEL",
        "MULTI_STAGE",
        "ML_OPTIMIZE",
        "SKIP_POLICY",
        "FAIL_FAST",
        "STRICT",
        "STEPS",
        "STAGE",
        "TAG",
        "JOBS",
        "SHARD",
        "CACHE",
        "AI",
        "ARGUMENTS",
        "PROBLEM_MATCHER",
        "BASE",
        "DIRECTORY",
        "COMMAND",
        "PLAN",
    ];
    let said = |values: &[(&str, &str)]| {
        let mut env: Vec<(String, String)> =
            names.iter().map(|name| (format!("ACTION_{name}"), String::new())).collect();
        env.extend([("ACTION_DIRECTORY".into(), ".".into()), ("ACTION_COMMAND".into(), "run".into())]);
        env.extend(values.iter().map(|(name, value)| (format!("ACTION_{name}"), (*value).to_owned())));
        env.push(("WF".into(), wf.to_str().unwrap().into()));
        env.push(("SOURCE".into(), "/source".into()));
        env.push(("GITHUB_OUTPUT".into(), output.to_str().unwrap().into()));
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        script(&world, "run.sh", &env)
    };
    let usual =
        said(&[("SMART_EXECUTION", "true"), ("PARALLEL", "true"), ("MULTI_STAGE", "false"), ("BASE", base)]).passed();
    assert_eq!(usual.out, format!("<run><--base={base}><--smart-execution=true><--parallel><--no-multi-stage>\n"));
    let more =
        said(&[("SMART_EXECUTION", "false"), ("STRICT", "true"), ("SHARD", "1/3"), ("ARGUMENTS", "--keep-going -v")]);
    assert_eq!(more.passed().out, "<run><--no-smart-execution><--strict><--shard=1/3><--keep-going><-v>\n");
    let planned = said(&[("PLAN", "true"), ("SHARD", "1/3"), ("STRICT", "true")]).passed();
    assert_eq!(planned.out, "<run><--strict><--shard=1/3>\n");
    let text = std::fs::read_to_string(&output).unwrap();
    assert_eq!(text, "plan=<plan><--json><--strict>\n", "a plan is whole");
    let lines =
        said(&[("ARGUMENTS", "--keep-going\n\n  --only *.rs $(id)\n-v\n"), ("PLAN", "TRUE"), ("STRICT", "True")]);
    assert_eq!(lines.passed().out, "<run><--strict><--keep-going><--only><*.rs><$(id)><-v>\n", "every line counts");
    let text = std::fs::read_to_string(&output).unwrap();
    let last = text.lines().last().unwrap();
    assert_eq!(
        last, "plan=<plan><--json><--strict><--keep-going><--only><*.rs><$(id)><-v>",
        "the plan is of the same run"
    );
    let _ = said(&[("STRICT", "yes")]).exits(2).complains("the input strict takes true or false");
    let _ = said(&[("PLAN", "1")]).exits(2).complains("the input plan takes true or false");
    assert_eq!(said(&[("PARALLEL", "False")]).passed().out, "<run><--no-parallel>\n");
    let other = said(&[("COMMAND", "check"), ("STRICT", "true"), ("ARGUMENTS", "--json")]).passed();
    assert_eq!(other.out, "<check><--json>\n");
    let _ = said(&[("PARALLEL", "yes; id")]).exits(2).complains("takes true or false");
    let matcher = said(&[("PROBLEM_MATCHER", "true")]).passed();
    assert!(matcher.out.starts_with("::add-matcher::/source/.github/action/problem-matcher.json\n"), "{}", matcher.out);
}

#[test]
fn the_action_finds_a_wf_that_is_there_and_makes_keys_that_caches_take() {
    let world = World::topic(CONFIG);
    let output = world.outside("output");
    world.write("tools/wf", "#!/bin/sh\n");
    let there = world.path("tools/wf");
    let _ = world.command_of("chmod").args(["+x", there.to_str().unwrap()]).status().unwrap();
    let find = |given: &str, source: &str| {
        std::fs::write(&output, "").unwrap();
        let said = script(
            &world,
            "find.sh",
            &[
                ("GIVEN", given),
                ("SOURCE", source),
                ("REPOSITORY", ""),
                ("REF", "main"),
                ("SERVER", "https://example.org"),
                ("TEMP", "/tmp"),
                ("STATE_KEY", "a,b"),
                ("BASE_REF", "refs/heads/main"),
                ("GITHUB_REF", "refs/heads/x,y"),
                ("GITHUB_OUTPUT", output.to_str().unwrap()),
            ],
        );
        (said, std::fs::read_to_string(&output).unwrap())
    };
    let (said, written) = find("tools/wf", "/nowhere");
    let _ = said.passed();
    // The next step may run in another folder.
    assert!(
        Path::new(value(&written, "wf")).is_absolute() && value(&written, "wf").ends_with("/tools/wf"),
        "{written}"
    );
    assert_eq!(
        (value(&written, "state-key"), value(&written, "ref"), value(&written, "base")),
        ("a_b", "refs/heads/x_y", "refs/heads/main")
    );
    let (said, written) = find("tools/gone", "/nowhere");
    assert!(said.exits(1).out.contains("::error title=wf::the input wf names no program") && !written.contains("wf="));
    let keys = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")).unwrap();
    let keys: Vec<&str> = keys.lines().filter(|line| line.contains("wf-state-1-")).collect();
    assert!(
        keys.len() == 5 && keys.iter().all(|line| !line.contains("github.ref") && !line.contains("inputs.state-key"))
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "where the toolchain is that builds this very test")]
fn the_action_builds_its_own_source_whatever_the_caller_has_set_for_cargo() {
    let world = World::topic(CONFIG);
    // What the caller's repository says of its own builds.
    world.write("rust-toolchain.toml", "[toolchain]\nchannel = \"none-such\"\n");
    world.write(".cargo/config.toml", "[build]\ntarget = \"none-such\"\n");
    let (source, temp) = (world.outside("source"), world.outside("temp"));
    let manifest = "[package]\nname = \"wf\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    let lock = "version = 4\n\n[[package]]\nname = \"wf\"\nversion = \"0.1.0\"\n";
    let main = "fn main() { println!(\"built\"); }\n";
    std::fs::create_dir_all(source.join("src")).unwrap();
    for (name, text) in [("Cargo.toml", manifest), ("Cargo.lock", lock), ("src/main.rs", main)] {
        std::fs::write(source.join(name), text).unwrap();
    }
    let homes = ["CARGO_HOME", "RUSTUP_HOME"].map(|name| {
        let usual =
            format!("{}/.{}", std::env::var("HOME").unwrap_or_default(), &name[..6].to_lowercase().replace('_', ""));
        (name, std::env::var(name).unwrap_or(usual))
    });
    let mut env: Vec<(&str, &str)> = homes.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // The cargo that builds this test, whatever rustup would choose elsewhere.
    let cargo = Path::new(env!("CARGO")).parent().unwrap().display();
    let path = format!("{cargo}:{}", std::env::var("PATH").unwrap());
    env.extend([
        ("PATH", path.as_str()),
        ("SOURCE", source.to_str().unwrap()),
        ("TEMP", temp.to_str().unwrap()),
        ("CARGO_TARGET_DIR", "/none/such"),
        ("CARGO_BUILD_TARGET", "none-such"),
        ("RUSTFLAGS", "--none-such"),
        ("RUSTUP_TOOLCHAIN", "none-such"),
    ]);
    let _ = script(&world, "build.sh", &env).passed();
    let _ = Said::of(world.command_of(temp.join("wf-bin/wf").to_str().unwrap())).passed().says("built");
    assert!(!temp.join("wf-build").exists(), "what was built on the way is not kept");
    let without = [("PATH", "/usr/bin:/bin"), ("SOURCE", source.to_str().unwrap()), ("TEMP", temp.to_str().unwrap())];
    if !Path::new("/usr/bin/cargo").exists() {
        let said = script(&world, "build.sh", &without).exits(1);
        assert!(said.out.contains("::error title=wf::"), "{said:?}");
    }
}

#[test]
fn the_usual_inputs_are_flags_that_wf_takes() {
    let world = World::topic(CONFIG);
    world.write("lines", "").commit("good");
    let output = world.outside("output");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")).unwrap();
    // `ACTION_X: ${{ inputs.x }}`, and each input's default.
    let named: Vec<&str> =
        text.lines().filter_map(|line| line.trim().strip_prefix("ACTION_")?.split(':').next()).collect();
    let default = |name: &str| {
        let start = format!("  {}:\n", name.to_lowercase().replace('_', "-"));
        let input = &text[text.find(&start).unwrap_or_else(|| panic!("no input {name}"))..];
        let line = input.lines().find_map(|line| line.trim().strip_prefix("default:")).unwrap();
        line.trim().trim_matches('"').to_owned()
    };
    assert!(named.len() > 20, "{named:?}");
    let mut env: Vec<(String, String)> = named.iter().map(|name| (format!("ACTION_{name}"), default(name))).collect();
    env.push(("ACTION_BASE".into(), "main".into()));
    env.push(("ACTION_SHARD".into(), "1/1".into()));
    env.push(("WF".into(), env!("CARGO_BIN_EXE_wf").into()));
    env.push(("SOURCE".into(), "/source".into()));
    env.push(("GITHUB_ACTIONS".into(), "true".into()));
    env.push(("GITHUB_OUTPUT".into(), output.to_str().unwrap().into()));
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let _ = script(&world, "run.sh", &env).passed();
    let said = std::fs::read_to_string(output).unwrap();
    let plan: serde_json::Value = serde_json::from_str(value(&said, "plan")).unwrap();
    assert_eq!((plan["steps"].as_array().unwrap().len(), value(&said, "status")), (2, "passed"));
}

#[test]
fn a_workflow_is_written_with_what_is_known_and_refused_without() {
    let world = World::topic(CONFIG);
    let _ = world.wf(&["init", "--ci", "github"]).exits(2).complains("--action OWNER/wf@COMMIT");
    let _ = world.wf(&["init", "--ci", "github", "--action", "o/wf@x y"]).exits(2).complains("that is no action");
    let action = "o/wf@0123456789012345678901234567890123456789";
    let _ = world.wf(&["init", "--ci", "github", "--action", action]).passed().says("wrote .github/workflows/wf.yml");
    let text = world.read(".github/workflows/wf.yml");
    assert!(text.contains(action) && text.contains("branches: [main]") && text.contains("if: always()"), "{text}");
    let _ = world.wf(&["init", "--ci", "github", "--action", action]).exits(2).complains("already there");
}
