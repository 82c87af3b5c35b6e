//! `wf ai cache`: what models answered.

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use crate::ai::cache::{self, AiCache, Index, Line, Scope};
use crate::ask::money::dollars;
use crate::base::duration;
use crate::report::look;
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;

const HELP: &str = "\
Examples:
  wf ai cache stats
  wf ai cache ls --json
  wf ai cache show 3f2a
  wf ai cache prune --persona code_reviewer
  wf ai cache export answers.tar.zst

Answers are in .wf/ai_cache, one file each; `ai_cache` in the configuration says for how long and how many.";

/// What `wf ai cache` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct CacheArgs {
    /// What to do
    #[command(subcommand)]
    command: Command,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Say what it holds and what it saved
    Stats,
    /// List answers
    Ls,
    /// Show one answer, and the parts of its request
    Show {
        /// The key, or its beginning
        key: String,
    },
    /// Remove what is over, and what is asked for
    Prune(PruneArgs),
    /// Remove everything
    Clear,
    /// Write all answers into a file
    Export {
        /// The file
        file: PathBuf,
    },
    /// Take in the answers of such a file
    Import {
        /// The file
        file: PathBuf,
    },
    /// Ask what is not known yet, so that later runs need not
    Warm,
}

#[derive(Clone, Debug, clap::Args)]
struct PruneArgs {
    /// Answers to steps with this label (`tags` of the step)
    #[arg(long)]
    tag: Option<String>,
    /// Answers of this persona
    #[arg(long)]
    persona: Option<String>,
    /// Answers that are older: 12h, 7d
    #[arg(long, value_parser = duration::parse)]
    older_than: Option<u64>,
}

/// Runs the command.
pub fn run(args: &CacheArgs, cx: &Context) -> Result<Exit, Failure> {
    let config = cx.load_config(vec![])?;
    let state = match &args.command {
        Command::Import { .. } => cx.state_made(&config),
        _ => cx.state_place(&config).0,
    };
    let cache = AiCache::open(&state.join("ai_cache"), config.workflow().settings.ai_cache.clone(), Scope::Trusted);
    let failed = |error: std::io::Error| Failure::environment(format!("{}: {error}", cache.dir().display()));
    match &args.command {
        Command::Stats => stats(&cache.index().map_err(failed)?, args.json, cx)?,
        Command::Ls => list(&cache.index().map_err(failed)?, args.json, cx)?,
        Command::Show { key } => show(&cache, key, cx)?,
        Command::Prune(which) => {
            let now = crate::ai::asking::now_ms();
            let all = which.tag.is_some() || which.persona.is_some() || which.older_than.is_some();
            let goes = |line: &Line| {
                all && which.tag.as_ref().is_none_or(|tag| line.tags.contains(tag))
                    && which.persona.as_ref().is_none_or(|persona| line.persona == *persona)
                    && which.older_than.is_none_or(|age| now.saturating_sub(line.created_ms) > age)
            };
            removed(cache.remove(&goes).map_err(failed)?, args.json, cx)?;
        }
        Command::Clear => removed(cache.remove(&|_| true).map_err(failed)?, args.json, cx)?,
        Command::Export { file } => {
            let path = cx.cwd.join(file);
            let mut to = std::fs::File::create(&path)
                .map_err(|error| Failure::environment(format!("{}: {error}", path.display())))?;
            let count = cache::export(&cache, &mut to).map_err(failed)?;
            say(args.json, &json!({ "format": 1, "exported": count }), &format!("{count} answers written\n"), cx)?;
        }
        Command::Import { file } => {
            let path = cx.cwd.join(file);
            let wrong = |error: std::io::Error| Failure::environment(format!("{}: {error}", path.display()));
            let mut from = std::fs::File::open(&path).map_err(wrong)?;
            let (new, refused) = cache::import(&cache, &mut from).map_err(|error| {
                Failure::usage(format!("{} cannot be taken in: {error}", path.display()))
                    .hint("it has to be a file that `wf ai cache export` wrote")
            })?;
            cache.index().map_err(failed)?;
            let words = format!("{new} answers taken in, {refused} refused\n");
            say(args.json, &json!({ "format": 1, "new": new, "refused": refused }), &words, cx)?;
        }
        Command::Warm => return warm(cx),
    }
    Ok(Exit::Passed)
}

fn say(as_json: bool, value: &serde_json::Value, words: &str, cx: &Context) -> Result<(), Failure> {
    if as_json { cx.print_json(value) } else { cx.print(words) }
}

fn removed(count: usize, as_json: bool, cx: &Context) -> Result<(), Failure> {
    say(as_json, &json!({ "format": 1, "removed": count }), &format!("{count} answers removed\n"), cx)
}

fn stats(index: &Index, as_json: bool, cx: &Context) -> Result<(), Failure> {
    let stats = &index.stats;
    let rate = if stats.calls() == 0 { 0.0 } else { stats.hits as f64 / stats.calls() as f64 };
    let mean = stats.asked_ms.checked_div(stats.misses).unwrap_or_default();
    let bytes: u64 = index.entries.values().map(|line| line.bytes).sum();
    let oldest = index.entries.values().map(|line| line.created_ms).min();
    let value = json!({
        "format": 1,
        "total_calls": stats.calls(),
        "cache_hits": stats.hits,
        "cache_misses": stats.misses,
        "hit_rate": rate,
        "tokens_saved": stats.tokens_saved,
        "usd_saved": stats.micro_usd_saved as f64 / 1e6,
        "mean_response_ms": mean,
        "entries": index.entries.len(),
        "bytes": bytes,
        "oldest_ms": oldest,
        "cleanups": stats.cleanups,
        "removed": stats.removed,
    });
    let mut text = String::new();
    let _ = writeln!(
        text,
        "calls      {} ({} from the cache, {} asked): {:.0} %",
        stats.calls(),
        stats.hits,
        stats.misses,
        100.0 * rate
    );
    let _ = writeln!(text, "saved      {} tokens, {}", stats.tokens_saved, dollars(stats.micro_usd_saved));
    let _ = writeln!(text, "a service  takes {} on average", look::time(mean));
    let _ = writeln!(text, "answers    {} in {} KiB", index.entries.len(), bytes.div_ceil(1024));
    if let Some(oldest) = oldest {
        let age = crate::ai::asking::now_ms().saturating_sub(oldest);
        let _ = writeln!(text, "oldest     {} ago", look::time(age));
    }
    let _ = writeln!(text, "cleaned up {} times, {} answers removed", stats.cleanups, stats.removed);
    say(as_json, &value, &text, cx)
}

fn list(index: &Index, as_json: bool, cx: &Context) -> Result<(), Failure> {
    let mut text = String::new();
    for (key, line) in &index.entries {
        let about = line.file.as_deref().unwrap_or(&line.step);
        let who = if line.persona.is_empty() { "proxy" } else { &line.persona };
        let _ = writeln!(
            text,
            "{}  {who:<24} {:<20} {:>3} uses  {about}",
            key.get(..12).unwrap_or(key),
            line.model,
            line.hits
        );
    }
    say(as_json, &json!({ "format": 1, "entries": index.entries }), &text, cx)
}

fn show(cache: &AiCache, key: &str, cx: &Context) -> Result<(), Failure> {
    let stored = cache
        .entry(key)
        .map_err(|error| Failure::usage(format!("{key}: {error}")).hint("`wf ai cache ls` lists keys"))?;
    cx.print_json(&json!({
        "format": 1,
        "key": stored.key,
        "created_ms": stored.created_ms,
        "expires_ms": stored.expires_ms,
        "meta": stored.meta,
        "parts": stored.parts.read(),
        "status": stored.recorded.status,
        "body": String::from_utf8_lossy(&stored.recorded.body()),
    }))
}

/// Runs the steps that ask, for their answers alone.
fn warm(cx: &Context) -> Result<Exit, Failure> {
    let config = cx.load_config(vec![])?;
    let asks = |spec: &&crate::config::model::StepSpec| matches!(spec.command, crate::config::model::Command::Ai(_));
    let steps: Vec<String> = config.workflow().steps.iter().filter(asks).map(|spec| spec.id.to_string()).collect();
    if steps.is_empty() {
        return Err(Failure::usage("no step has `ai`"));
    }
    let steps = steps.join(",");
    let flags =
        ["run", "--no-cache", "--smart-execution=off", "--no-resume", "--keep-going", "--no-needs", "--steps", &steps];
    super::super::also(&flags, cx)
}
