//! The workflow of docs/CI.md on a fake GitHub: its jobs, their conditions and the gate as written there, the commands by
//! the real binary. Every kind of change has to end mergeable or blocked as it should.
//!
//! Semantics: a job without a status function in its `if` runs only if all it needs succeeded ("Status check functions",
//! docs.github.com/actions); branch protection wants the required check to have succeeded.

use super::world::World;
use serde_json::Value;
use std::collections::BTreeMap;

const CONFIG: &str = "
steps:
  - {id: build, run: 'true', inputs: ['src/**'], cache: false}
  - {id: unit, run: '! grep -q broken src/a.rs', needs: [build], inputs: ['src/**'], cache: false}
  - {id: slow, run: 'true', needs: [build], inputs: ['src/**'], cache: false}
  - {id: spell, run: 'true', inputs: ['docs/**'], cache: false}
";

/// A job of the workflow, as far as it decides what happens.
#[derive(Debug, Default)]
struct Job {
    needs: Vec<String>,
    condition: Option<String>,
    /// Of its first step.
    step_condition: Option<String>,
}

/// What happened to a job, and what it said.
#[derive(Clone, Debug, Default)]
struct Done {
    result: &'static str,
    outputs: BTreeMap<String, String>,
}

fn workflow() -> Vec<(String, Job)> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CI.md")).unwrap();
    let start = page.find("# .github/workflows/sharded.yml").unwrap();
    let block = &page[start..start + page[start..].find("\n```").unwrap()];
    let mut jobs: Vec<(String, Job)> = vec![];
    for line in block[block.find("\njobs:\n").unwrap()..].lines() {
        let indent = line.len() - line.trim_start().len();
        let text = line.trim_start();
        if indent == 2 && text.ends_with(':') {
            jobs.push((text.trim_end_matches(':').to_owned(), Job::default()));
        }
        let Some((_, job)) = jobs.last_mut() else { continue };
        match (indent, text.split_once(": ")) {
            (4, Some(("needs", list))) => {
                job.needs = list.trim_matches(['[', ']']).split(", ").map(str::to_owned).collect();
            }
            (4, Some(("if", condition))) => job.condition = Some(condition.to_owned()),
            (6, Some(("- if", condition))) if job.step_condition.is_none() => {
                job.step_condition = Some(condition.to_owned());
            }
            _ => {}
        }
    }
    jobs
}

/// The part of GitHub's expressions that the workflow uses.
fn holds(expression: &str, done: &BTreeMap<String, Done>, needs: &[String]) -> bool {
    let value = |text: &str| {
        if let Some(literal) = text.trim().strip_prefix('\'') {
            return literal.trim_end_matches('\'').to_owned();
        }
        let parts: Vec<&str> = text.trim().split('.').collect();
        let ["needs", job, "outputs", name] = parts[..] else { panic!("no value: {text}") };
        assert!(needs.iter().any(|need| need == job), "{text}: {job} is not among the needs");
        done[job].outputs.get(name).cloned().unwrap_or_default()
    };
    let atom = |atom: &str| {
        let atom = atom.trim();
        if atom == "always()" {
            return true;
        }
        if let Some(result) = atom.strip_prefix("contains(needs.*.result, '") {
            let result = result.trim_end_matches("')");
            return needs.iter().any(|need| done[need].result == result);
        }
        let (one, two) = atom.split_once("!=").unwrap_or_else(|| panic!("no condition: {atom}"));
        value(one) != value(two)
    };
    expression.split("||").any(|all| all.split("&&").all(atom))
}

/// Does a job run?
fn runs(job: &Job, done: &BTreeMap<String, Done>) -> bool {
    let condition = job.condition.as_deref().unwrap_or_default();
    let succeeded = job.needs.iter().all(|need| done[need].result == "success");
    let any = condition.contains("always()");
    (any || succeeded) && (condition.is_empty() || holds(condition, done, &job.needs))
}

/// What goes wrong besides the steps.
#[derive(Clone, Copy, PartialEq)]
enum Accident {
    None,
    /// The last machine is lost with all that it did.
    Lost,
    /// Somebody cancels the machines.
    Cancelled,
}

/// Plays the workflow; gives the result of each job.
fn play(world: &World, name: &str, accident: Accident) -> BTreeMap<String, Done> {
    let mut done = BTreeMap::new();
    let mut parts: Vec<String> = vec![];
    for (id, job) in workflow() {
        if !runs(&job, &done) {
            done.insert(id, Done { result: "skipped", ..Done::default() });
            continue;
        }
        let word = |ok: bool| if ok { "success" } else { "failure" };
        let mut outputs = BTreeMap::new();
        let result = match id.as_str() {
            "plan" => {
                let file = world.outside(&format!("{name}-output"));
                let env = [("GITHUB_OUTPUT", file.to_str().unwrap())];
                let said = world.wf_env(&env, &["ci", "matrix", "--shards", "3", "--github-output"]);
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                outputs.extend(text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.into(), v.into())));
                word(said.code == 0)
            }
            "shard" => {
                let plan: &Done = &done["plan"];
                let matrix: Value = serde_json::from_str(&plan.outputs["matrix"]).unwrap();
                let entries = matrix["include"].as_array().unwrap();
                let mut passed = true;
                for (at, entry) in entries.iter().enumerate() {
                    let state = world.outside(&format!("{name}-{at}")).display().to_string();
                    let shard = entry["shard"].as_str().unwrap();
                    passed &= world.wf_env(&[("WF_STATE_DIR", &state)], &["run", "--shard", shard]).code == 0;
                    parts.push(state);
                }
                if accident == Accident::Lost {
                    parts.pop();
                }
                match accident {
                    Accident::Cancelled => "cancelled",
                    Accident::Lost => "failure",
                    Accident::None => word(passed),
                }
            }
            "merge" => {
                let dirs: Vec<&str> = parts.iter().map(String::as_str).collect();
                word(world.wf(&[&["ci", "merge"], &dirs[..]].concat()).code == 0)
            }
            "gate" => word(!holds(job.step_condition.as_deref().unwrap(), &done, &job.needs)),
            other => panic!("a job that nobody plays: {other}"),
        };
        done.insert(id, Done { result, outputs });
    }
    done
}

#[test]
fn every_kind_of_change_ends_mergeable_or_blocked() {
    let jobs = workflow();
    let names: Vec<&str> = jobs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["plan", "shard", "merge", "gate"]);
    let gate = &jobs[3].1;
    assert_eq!(gate.needs, ["plan", "shard", "merge"], "it needs every other job");
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Accident, [&'a str; 4]);
    let table: [Row<'_>; 8] = [
        ("nothing watched", &[("LICENSE", "x")], Accident::None, ["success", "skipped", "skipped", "success"]),
        ("prose", &[("docs/guide.md", "x")], Accident::None, ["success"; 4]),
        ("code", &[("src/a.rs", "fine")], Accident::None, ["success"; 4]),
        ("both", &[("src/a.rs", "fine"), ("docs/guide.md", "x")], Accident::None, ["success"; 4]),
        ("broken", &[("src/a.rs", "broken")], Accident::None, ["success", "failure", "failure", "failure"]),
        ("lost", &[("src/a.rs", "fine")], Accident::Lost, ["success", "failure", "failure", "failure"]),
        ("cancelled", &[("src/a.rs", "fine")], Accident::Cancelled, ["success", "cancelled", "success", "failure"]),
        (
            "configuration",
            &[(".workflow-config.yaml", "steps: nonsense\n")],
            Accident::None,
            ["failure", "skipped", "failure", "failure"],
        ),
    ];
    for (name, files, accident, expected) in table {
        let world = World::topic(CONFIG);
        for (path, text) in files {
            world.write(path, format!("{text}\n"));
        }
        world.commit(name);
        let done = play(&world, name, accident);
        let results = names.iter().map(|job| done[*job].result).collect::<Vec<_>>();
        assert_eq!(results, expected, "{name}");
    }
}
