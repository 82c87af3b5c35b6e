//! `wf ci matrix`: the machines that a run is shared out over, as GitHub Actions takes them.
//!
//! Only numbers and a digest are printed: no name of a step or a file reaches the workflow.

use super::super::args::DecideArgs;
use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::prepared::{self, Keys};
use super::super::shard::{MOST, Sharing};
use serde_json::{Value, json};
use std::io::Write as _;

/// What `wf ci matrix` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf ci matrix --shards 4\n  wf ci matrix --shards 4 --github-output\n  \
    wf ci matrix --shards 2 --base origin/main")]
pub struct MatrixArgs {
    #[command(flatten)]
    decide: DecideArgs,
    /// Most machines; fewer if there is less to share out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST)))]
    shards: u16,
    /// Also write `matrix`, `shards` and `steps` to the file that GITHUB_OUTPUT names
    #[arg(long)]
    github_output: bool,
}

/// Runs the command.
pub fn run(args: &MatrixArgs, cx: &Context) -> Result<Exit, Failure> {
    let ready = prepared::prepare(&args.decide, Keys::No, cx)?;
    let sharing = Sharing::of(&ready, args.shards, true, cx);
    let matrix = json!({ "include": entries(&sharing) });
    if args.github_output {
        let steps = sharing.steps();
        output(&format!("matrix={matrix}\nshards={}\nsteps={steps}\n", sharing.shards.len()), cx)?;
    }
    cx.print(&format!("{matrix}\n"))?;
    Ok(Exit::Passed)
}

/// One entry for each machine: what it is called, what to give to `wf run --shard`, how much it has to do.
pub fn entries(sharing: &Sharing) -> Vec<Value> {
    let count = sharing.shards.len();
    let entry = |(at, (steps, ms)): (usize, &(std::collections::BTreeSet<_>, u64))| {
        json!({
            "name": format!("{} of {count}", at + 1),
            "shard": format!("{}/{count}@{}", at + 1, sharing.digest),
            "steps": steps.len(),
            "expected_ms": sharing.known.then_some(ms),
        })
    };
    sharing.shards.iter().enumerate().map(entry).collect()
}

fn output(text: &str, cx: &Context) -> Result<(), Failure> {
    let path = cx.env.get("GITHUB_OUTPUT").ok_or_else(|| {
        Failure::usage("--github-output: GITHUB_OUTPUT is not set").hint("it is inside a step of GitHub Actions")
    })?;
    let written = std::fs::OpenOptions::new().append(true).create(true).open(path);
    written
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::environment(format!("cannot write the outputs of this step: {error}")))
}
