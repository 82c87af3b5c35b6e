//! `wf changes`: what differs from the base, and what kind of change that is.

use super::args::ChangesArgs;
use super::context::Context;
use super::failure::{Exit, Failure};
use super::prepared::{self, Keys};
use crate::change::{Base, ChangedFile, Status, Where};
use crate::classify;
use crate::config::Workflow;
use crate::report::clean;
use serde_json::json;
use std::fmt::Write as _;

/// Runs the command.
pub fn run(args: &ChangesArgs, cx: &Context) -> Result<Exit, Failure> {
    let ready = prepared::prepare(&args.decide, Keys::No, cx)?;
    let (change, class) = (&ready.prepared.change, &ready.prepared.class);
    let workflow = ready.config.workflow();
    if args.json {
        cx.print_json(&json!({
            "format": 1,
            "base": change.base,
            "head": change.head,
            "branch": change.branch,
            "type": class.as_ref().map(|class| &class.change_type),
            "impact": class.as_ref().map(|class| class.impact),
            "impact_because": class.as_ref().map(|class| &class.impact_because),
            "notes": ready.prepared.notes,
            "why": args.why.then_some(&ready.prepared.why),
            "files": change.files.iter().map(|file| json!({
                "path": file.path,
                "from": file.from,
                "status": file.status,
                "where": file.seen,
                "modes": file.modes,
                "category": category(workflow, file),
            })).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Passed);
    }
    let mut text = format!("base    {}\n", base_words(&change.base));
    if args.why {
        for line in &ready.prepared.why {
            let _ = writeln!(text, "  {:<8}{}", line.label(), clean::text(&line.to_string()));
        }
    }
    if let Some(class) = class {
        let _ = writeln!(text, "type    {}", class.change_type);
        let _ = writeln!(text, "impact  {} ({})", class.impact, class.impact_because.join("; "));
    }
    super::plan::notes(&mut text, &ready.prepared.notes);
    if !change.files.is_empty() {
        text.push('\n');
    }
    for file in &change.files {
        let from = file.from.as_ref().map(|from| format!("{from} → ")).unwrap_or_default();
        let (status, category) = (status_word(file.status), category(workflow, file).unwrap_or_else(|| "-".into()));
        let _ = writeln!(text, "{status:<9} {category:<13} {from}{}{}", file.path, where_words(file.seen));
    }
    cx.print(&text)?;
    Ok(Exit::Passed)
}

fn category(workflow: &Workflow, file: &ChangedFile) -> Option<String> {
    classify::category(&workflow.categories, &file.path).map(|rule| rule.category.to_string())
}

/// The base, for people.
pub fn base_words(base: &Base) -> String {
    let short = |commit: &String| commit.chars().take(10).collect::<String>();
    match base {
        Base::None => "none: everything runs".into(),
        Base::Staged { head: Some(head) } => format!("HEAD {}, only what is staged", short(head)),
        Base::Staged { head: None } => "no commit yet, only what is staged".into(),
        Base::Commit { commit, how } => {
            format!("{} ({})", short(commit), clean::text(&how.to_string()))
        }
    }
}

fn status_word(status: Status) -> &'static str {
    match status {
        Status::Added => "added",
        Status::Modified => "modified",
        Status::Deleted => "deleted",
        Status::Renamed => "renamed",
        Status::TypeChanged => "mode",
        Status::Submodule => "submodule",
        Status::Conflicted => "conflict",
    }
}

fn where_words(seen: Where) -> String {
    let parts = [(seen.staged, "staged"), (seen.unstaged, "unstaged"), (seen.untracked, "untracked")];
    let words: Vec<&str> = parts.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    if words.is_empty() { String::new() } else { format!("  ({})", words.join(", ")) }
}
