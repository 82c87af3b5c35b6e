//! `wf ci checks`: one completed check of GitHub for each step of a run.

use super::super::replay::Replay;
use super::super::{Context, Exit, Failure, recorded};
use crate::github::{self, Api, ApiError};
use crate::history;
use crate::report::{RunView, clean, findings};
use futures_util::StreamExt as _;

/// So many are sent at once.
const AT_ONCE: usize = 4;

/// What it takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf ci checks\n  wf ci checks 0192\n  wf ci checks --dry-run --json\n\n\
    Wants GITHUB_TOKEN with `checks: write`, and the variables that GitHub Actions sets.")]
pub struct ChecksArgs {
    /// Which run: its id, the start of it, or `latest`
    #[arg(default_value = "latest", value_name = "RUN")]
    run: String,
    /// Send nothing; print what would be sent
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &ChecksArgs, cx: &Context) -> Result<Exit, Failure> {
    let run = recorded::run(cx, &args.run)?;
    let view = RunView::of(history::read_log(&run.log()).map_err(recorded::unreadable)?);
    let found = findings::of(&view, &run.dir, &Replay::new(cx.cache_here()?.0, cx).stored());
    let checks = github::checks(&view, &found);
    if args.dry_run {
        let bodies: Vec<_> = checks.iter().map(|check| check.body("", None)).collect();
        let line = |check: &github::Check| {
            format!("{}: {} ({})\n", clean::text(&check.name), check.conclusion.word(), clean::text(&check.title))
        };
        let text: String = checks.iter().map(line).collect();
        return shown(args, &serde_json::json!({ "format": 1, "checks": bodies }), &text, cx);
    }
    let event = cx.env.get("GITHUB_EVENT_PATH").and_then(|path| std::fs::read(path).ok());
    let event = event.and_then(|text| serde_json::from_slice(&text).ok());
    let env = |name: &str| cx.env.text(name).map(str::to_owned);
    let api = Api::new(&env, event.as_ref()).map_err(|missing| {
        Failure::environment(missing).hint("this command is for jobs of GitHub Actions; --dry-run works anywhere")
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::environment)?;
    let sending = futures_util::stream::iter(&checks).map(|check| api.send(check)).buffer_unordered(AT_ONCE);
    let results: Vec<Result<(), ApiError>> = runtime.block_on(sending.collect());
    let sent = results.iter().filter(|result| result.is_ok()).count();
    if let Some(Err(error)) = results.into_iter().find(Result::is_err) {
        let hint = error.hint;
        let failure = Failure::environment(format!("{error} ({sent} of {} were taken)", checks.len()));
        return Err(hint.into_iter().fold(failure, Failure::hint));
    }
    let text = format!("{sent} checks on {}\n", api.head());
    shown(args, &serde_json::json!({ "format": 1, "sent": sent, "head": api.head() }), &text, cx)
}

fn shown(args: &ChecksArgs, json: &serde_json::Value, text: &str, cx: &Context) -> Result<Exit, Failure> {
    if args.json {
        cx.print_json(json)?;
    } else {
        cx.print(text)?;
    }
    Ok(Exit::Passed)
}
