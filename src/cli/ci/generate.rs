//! `wf ci generate`: a pipeline with one job for each machine, for services that take a pipeline as an answer.
//!
//! It is written as JSON, which is YAML too (YAML 1.2, section 1.3): nothing in it needs quoting by hand.

use super::super::args::DecideArgs;
use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::prepared::{self, Keys};
use super::super::shard::{MOST, Sharing};
use serde_json::{Map, Value, json};

/// What `wf ci generate` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf ci generate gitlab --shards 4 --image rust:1 > child.yml\n  \
    wf ci generate buildkite --shards 4 | buildkite-agent pipeline upload\n  \
    wf ci generate gitlab --shards 2 --setup 'make tools' -- --keep-going")]
pub struct GenerateArgs {
    /// For which service
    service: Service,
    /// Most machines; fewer if there is less to share out
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST)))]
    shards: u16,
    /// GitLab: the image of every job
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// A command that every job runs first; may be given several times
    #[arg(long, value_name = "COMMAND")]
    setup: Vec<String>,
    /// Further arguments for `wf run`
    #[arg(last = true, value_name = "ARGUMENT")]
    run: Vec<String>,
    #[command(flatten)]
    decide: DecideArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Service {
    /// A child pipeline
    Gitlab,
    /// A pipeline to upload
    Buildkite,
}

/// The folder whose contents one machine hands to the one that merges.
const RUNS: &str = ".wf/runs";

/// Runs the command.
pub fn run(args: &GenerateArgs, cx: &Context) -> Result<Exit, Failure> {
    let ready = prepared::prepare(&args.decide, Keys::No, cx)?;
    let sharing = Sharing::of(&ready, args.shards, true, cx);
    let more = shlex::try_join(args.run.iter().map(String::as_str)).map_err(Failure::usage)?;
    let more = if more.is_empty() { more } else { format!(" {more}") };
    let count = sharing.shards.len();
    let command = |at: usize| format!("wf run --shard {at}/{count}@{}{more}", sharing.digest);
    let jobs: Vec<(String, String)> = (1..=count).map(|at| (format!("wf {at} of {count}"), command(at))).collect();
    match args.service {
        Service::Gitlab => cx.print_json(&gitlab(args, &jobs))?,
        Service::Buildkite => cx.print_json(&buildkite(args, &jobs))?,
    }
    Ok(Exit::Passed)
}

/// Source: docs.gitlab.com/ci/yaml. The job that merges starts also after a failure. Each job has rules, because one without
/// has no place in a pipeline of a merge request.
fn gitlab(args: &GenerateArgs, jobs: &[(String, String)]) -> Value {
    let mut pipeline = Map::new();
    let mut default = json!({ "before_script": args.setup });
    if let Some(image) = &args.image {
        default["image"] = json!(image);
    }
    pipeline.insert("default".into(), default);
    pipeline.insert("stages".into(), json!(["test", "merge"]));
    for (name, command) in jobs {
        let artifacts = json!({ "when": "always", "expire_in": "1 week", "paths": [format!("{RUNS}/")] });
        let rules = json!([{ "when": "on_success" }]);
        let job = json!({ "stage": "test", "rules": rules, "script": [command], "artifacts": artifacts });
        pipeline.insert(name.clone(), job);
    }
    let needs: Vec<Value> = jobs.iter().map(|(name, _)| json!({ "job": name, "artifacts": true })).collect();
    let rules = json!([{ "when": "always" }]);
    let merge = json!({ "stage": "merge", "rules": rules, "needs": needs, "script": ["wf ci merge .wf"] });
    pipeline.insert("wf".into(), merge);
    Value::Object(pipeline)
}

/// Source: buildkite.com/docs/pipelines/configure/step-types/command-step. A `$` would be replaced on upload.
fn buildkite(args: &GenerateArgs, jobs: &[(String, String)]) -> Value {
    let escaped = |text: &str| text.replace('$', "$$");
    let commands = |last: &[&str]| -> Vec<String> {
        args.setup.iter().map(String::as_str).chain(last.iter().copied()).map(escaped).collect()
    };
    let step = |(at, (name, command)): (usize, &(String, String))| {
        json!({
            "label": name,
            "key": format!("wf-{}", at + 1),
            "command": commands(&[command]),
            "artifact_paths": format!("{RUNS}/**/*"),
        })
    };
    let mut steps: Vec<Value> = jobs.iter().enumerate().map(step).collect();
    let keys: Vec<String> = (1..=jobs.len()).map(|at| format!("wf-{at}")).collect();
    let download = format!("buildkite-agent artifact download '{RUNS}/**/*' .");
    steps.push(json!({
        "label": "wf",
        "key": "wf",
        "depends_on": keys,
        "allow_dependency_failure": true,
        "command": commands(&[&download, "wf ci merge .wf"]),
    }));
    json!({ "steps": steps })
}
