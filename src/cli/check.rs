//! `wf check`: is the configuration right, and does it fit this repository? Executes nothing, writes nothing.

use super::args::DecideArgs;
use super::context::Context;
use super::failure::{Exit, Failure, Kind};
use super::load::LoadedConfig;
use super::{prepared, request};
use crate::classify;
use crate::config::Report;
use crate::event::EventKind;
use crate::git::Repo;
use clap::Args;
use serde_json::{Value, json};

/// What was typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  wf check\n  wf check --json\n  wf check --config-file draft.yaml\n\n\
    Ends with 0 if the configuration is right, whatever it warns of, and with 2 if it is not.")]
pub struct CheckArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Also tell what is allowed and may make wrong cache hits
    #[arg(long)]
    pub lint: bool,
}

/// Runs the command: 0 if all is right, 2 if not.
pub fn run(args: &CheckArgs, cx: &Context) -> Result<Exit, Failure> {
    match check(args.lint, cx) {
        Ok((config, warnings)) => {
            if args.json {
                let file = config.path.as_ref().map(|path| cx.relative(path));
                cx.print_json(&json!({ "format": 1, "ok": true, "file": file, "errors": [], "warnings": warnings }))?;
            } else {
                cx.print(&praise(&config, cx))?;
                for warning in &warnings {
                    cx.say(&format!("warning: {warning}"));
                }
            }
            Ok(Exit::Passed)
        }
        Err(failure) if args.json && matches!(failure.kind, Kind::Usage | Kind::Config) => {
            cx.print_json(&json!({ "format": 1, "ok": false, "errors": errors(&failure), "warnings": [] }))?;
            Ok(Exit::Usage)
        }
        Err(failure) => Err(failure),
    }
}

/// The configuration and what is odd about it. Everything up to the plan is tried, because `for_each` and `^` can only
/// be judged on the files that are there; what git or the history lack is no fault of the configuration.
fn check(risks: bool, cx: &Context) -> Result<(LoadedConfig, Vec<String>), Failure> {
    let config = cx.load_config(vec![])?;
    let mut request = request::resolve(&DecideArgs::default(), &config, cx)?;
    request.settings.strict = false;
    let prepared = prepared::decide(&config, &request, None, None, None, cx)?;
    let warnings = prepared.notes.into_iter().filter_map(|note| match note {
        EventKind::Warning { message, .. } => Some(message),
        _ => None,
    });
    let mut warnings: Vec<String> = warnings.collect();
    if let Some(Ok(files)) = config.repo.as_ref().ok().map(Repo::files) {
        warnings.extend(classify::lint(&prepared.plan.graph, &files));
    }
    if risks {
        warnings.extend(classify::risks(&prepared.plan.graph));
    }
    Ok((config, warnings))
}

fn praise(config: &LoadedConfig, cx: &Context) -> String {
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let name = config.path.as_ref().map_or_else(|| "the detected pipeline".into(), |path| cx.relative(path));
    let workflow = config.workflow();
    let stages = match workflow.stages.len() {
        0 => String::new(),
        number => format!(" in {}", count(number, "stage")),
    };
    format!("{name} is right: {}{stages}\n", count(workflow.steps.len(), "step"))
}

fn errors(failure: &Failure) -> Vec<Value> {
    match failure.error.downcast_ref::<Report>() {
        Some(report) => report.errors.to_json(),
        None => vec![json!({
            "at": null, "message": failure.error.to_string(), "hint": failure.hints.first(), "related": [],
        })],
    }
}
