//! What a plan would take, as `wf plan` tells it: always called an expectation.

use super::prepared::Ready;
use crate::base::duration;
use crate::config::show::serde_word;
use crate::engine::Outlined;
use crate::schedule::outline::{Choice, Outline};
use crate::schedule::shards::Shard;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// So many steps of the longest chain, and so many bottlenecks, are named.
const NAMED: usize = 6;

/// The lines about time at the end of a plan. `verbose` compares the strategies.
pub fn text(ready: &Ready, outlined: &Outlined, outline: &Outline, verbose: bool) -> String {
    let name = |job: usize| outlined.steps[job].step.as_str();
    let time = duration::human;
    let mut text = String::new();
    let run = outline
        .run
        .map_or_else(|| format!("about {}", time(outline.makespan_ms)), |run| crate::report::look::span(&run));
    let slots = outlined.slots / 1_000;
    let _ = writeln!(text, "expected {run} with up to {slots} at once, {} of step time", time(outline.work_ms));
    let path: Vec<&str> = outline.critical.iter().map(|job| name(*job)).collect();
    let more = path.len().saturating_sub(NAMED);
    let shown =
        if more > 0 { format!("{} → … {more} more", path[..NAMED].join(" → ")) } else { path.join(" → ") };
    let _ = writeln!(text, "longest  {shown}: {}, and no order ends sooner", time(outline.critical_ms));
    let (ratio, busy) = (outline.ratio(), outline.efficiency(outlined.slots) * 100.0);
    let _ =
        writeln!(text, "spread   more than {ratio:.1} at once gain nothing; {slots} at once are busy to {busy:.0} %");
    let held: Vec<String> =
        outline.bottlenecks.iter().take(NAMED).map(|(job, saves)| format!("{} {}", name(*job), time(*saves))).collect();
    if !held.is_empty() {
        let _ = writeln!(text, "held up  by {} (so much sooner it would be over without)", held.join(", "));
    }
    if verbose {
        let settings = &ready.request.settings;
        let asked = serde_word(&settings.strategy);
        for choice in &outline.strategies {
            let mark = if serde_word(&choice.strategy) == asked { " (asked for)" } else { "" };
            let _ = writeln!(text, "order    {}{mark}", told(choice));
        }
    }
    text
}

fn told(choice: &Choice) -> String {
    let first = choice.first_failure_ms.map_or_else(String::new, |first| {
        format!(", the first failure, if there is one, after {}", duration::human(first))
    });
    format!("{}: {} if all passes{first}", serde_word(&choice.strategy), duration::human(choice.green_ms))
}

/// The same as a document.
pub fn json(outlined: &Outlined, outline: &Outline) -> Value {
    let name = |job: usize| outlined.steps[job].step.as_str();
    json!({
        "run": outline.run,
        "work_ms": outline.work_ms,
        "makespan_ms": outline.makespan_ms,
        "critical_ms": outline.critical_ms,
        "critical_path": outline.critical.iter().map(|job| name(*job)).collect::<Vec<_>>(),
        "parallelisation_ratio": outline.ratio(),
        "efficiency": outline.efficiency(outlined.slots),
        "bottlenecks": outline.bottlenecks.iter()
            .map(|(job, saves)| json!({ "step": name(*job), "saves_ms": saves })).collect::<Vec<_>>(),
        "strategies": outline.strategies.iter().map(|choice| json!({
            "strategy": choice.strategy, "green_ms": choice.green_ms, "first_failure_ms": choice.first_failure_ms,
        })).collect::<Vec<_>>(),
        "steps": outlined.steps,
    })
}

/// One machine's steps: which, and how long that takes.
pub fn shard_json(outlined: &Outlined, shard: &Shard) -> Value {
    let steps: Vec<&str> = shard.jobs.iter().map(|job| outlined.steps[*job].step.as_str()).collect();
    json!({ "steps": steps, "expected_ms": shard.ms })
}

/// All machines, or one (from 1).
pub fn shards_text(outlined: &Outlined, shards: &[Shard], even: f64, only: Option<usize>) -> String {
    let mut text = String::new();
    let shown = shards.iter().enumerate().filter(|(at, _)| only.is_none_or(|only| only == at + 1));
    for (at, shard) in shown {
        let _ = writeln!(
            text,
            "shard {} of {}: {}, {}",
            at + 1,
            shards.len(),
            crate::report::look::count(shard.jobs.len(), "step"),
            if outlined.is_known() { duration::human(shard.ms) } else { "nobody knows how long they take".into() }
        );
        for job in &shard.jobs {
            let _ = writeln!(text, "  {}", outlined.steps[*job].step);
        }
    }
    if only.is_none() && outlined.is_known() {
        let _ = writeln!(text, "the longest takes {even:.2} times what an even share would");
    }
    text
}
