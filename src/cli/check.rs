//! `wf check`: is the configuration right, and does it fit this repository? Executes nothing, writes nothing.

use super::args::DecideArgs;
use super::context::Context;
use super::failure::{Exit, Failure, Kind};
use super::load::LoadedConfig;
use super::{prepared, request};
use crate::classify;
use crate::config::{self, Report};
use crate::event::EventKind;
use crate::git::Repo;
use crate::lint::{self, Finding};
use clap::Args;
use serde_json::{Value, json};

/// What was typed.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  wf check\n  wf check --lint --strict\n  wf check --config-file draft.yaml --json\n\n\
    Ends with 0 if the configuration is right, whatever it warns of, and with 2 if it is not. With --strict a warning\n\
    is enough for 2."
)]
pub struct CheckArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Also tell of filters that do not mean what they say, and of what may make wrong cache hits
    #[arg(long)]
    pub lint: bool,
    /// Warnings end with 2, too
    #[arg(long)]
    pub strict: bool,
}

/// What is right and odd.
struct Odd {
    config: LoadedConfig,
    warnings: Vec<String>,
    findings: Vec<Finding>,
}

/// Runs the command: 0 if all is right, 2 if not.
pub fn run(args: &CheckArgs, cx: &Context) -> Result<Exit, Failure> {
    match check(args.lint, cx) {
        Ok(odd) => {
            tell(args, &odd, cx)?;
            let clean = odd.warnings.is_empty() && odd.findings.is_empty();
            Ok(if args.strict && !clean { Exit::Usage } else { Exit::Passed })
        }
        Err(failure) if args.json && matches!(failure.kind, Kind::Usage | Kind::Config) => {
            cx.print_json(&json!({ "format": 1, "ok": false, "errors": errors(&failure), "warnings": [] }))?;
            Ok(Exit::Usage)
        }
        Err(failure) => Err(failure),
    }
}

fn tell(args: &CheckArgs, odd: &Odd, cx: &Context) -> Result<(), Failure> {
    let Odd { config, warnings, findings } = odd;
    let sources = &config.loaded.sources;
    if args.json {
        let file = config.path.as_ref().map(|path| cx.relative(path));
        let mut document = json!({ "format": 1, "ok": true, "file": file, "errors": [], "warnings": warnings });
        if args.lint {
            document["lint"] = findings.iter().map(|finding| finding.to_json(sources)).collect();
        }
        return cx.print_json(&document);
    }
    cx.print(&praise(config, cx))?;
    for warning in warnings {
        cx.say(&format!("warning: {warning}"));
    }
    let (placed, others): (Vec<&Finding>, Vec<&Finding>) = findings.iter().partition(|finding| finding.at.is_some());
    let placed: Vec<_> = placed.into_iter().map(Finding::to_error).collect();
    if !placed.is_empty() {
        cx.say(config::render_warnings(&placed, sources, cx.color(cx.stderr_is_terminal)).trim_end());
    }
    for finding in others {
        let hint = finding.hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
        cx.say(&format!("warning: {}{hint}", finding.message));
    }
    Ok(())
}

/// The configuration and what is odd about it. Everything up to the plan is tried, because `for_each` and `^` can only
/// be judged on the files that are there; what git or the history lack is no fault of the configuration.
fn check(risks: bool, cx: &Context) -> Result<Odd, Failure> {
    let config = cx.load_config(vec![])?;
    let mut request = request::resolve(&DecideArgs::default(), &config, cx)?;
    request.settings.strict = false;
    let prepared = prepared::decide(&config, &request, None, None, None, cx)?;
    let warnings = prepared.notes.into_iter().filter_map(|note| match note {
        EventKind::Warning { message, .. } => Some(message),
        _ => None,
    });
    let mut warnings: Vec<String> = warnings.collect();
    let mut findings = vec![];
    let graph = &prepared.plan.graph;
    if let Some(Ok(files)) = config.repo.as_ref().ok().map(Repo::files) {
        warnings.extend(classify::lint(graph, &files));
        if risks {
            findings = lint::lint(config.workflow(), &config.loaded.sources, graph, &files);
        } else {
            warnings.extend(classify::idle(graph, &files));
        }
    }
    if risks {
        warnings.extend(classify::risks(graph));
    }
    Ok(Odd { config, warnings, findings })
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
