//! `wf cache undo`: brings back files that a run replaced with stored results.

use super::super::{Context, Exit, Failure};
use super::Opened;
use crate::cache::kept::{Keep, Kept, KeptKind, Version};
use crate::cache::outputs::Beneath;
use crate::cache::undo::{NotFound, Undone, bring_back, choose};
use crate::engine::Clock;
use crate::history::lock::{Attempt, Holder, WorktreeLock};
use crate::history::{StateDir, new_run_id};
use crate::report::{clean, look};
use serde_json::{Value, json};
use std::error::Error as _;
use std::fmt::Write as _;
use std::path::Path;

/// What `wf cache undo` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf cache undo --dry-run\n  wf cache undo\n  wf cache undo 0198c7\n\n\
    Before wf replaces a file whose bytes it did not record itself, it keeps it for 30 days. What is there\n\
    now is kept as well, so that undoing can be undone.")]
pub(super) struct UndoArgs {
    /// The run that replaced them: its id, the start of it, or `latest`
    #[arg(default_value = "latest", value_name = "RUN")]
    run: String,
    /// Only say what would be brought back
    #[arg(long)]
    dry_run: bool,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &UndoArgs, opened: &Opened, cx: &Context) -> Result<Exit, Failure> {
    let root = cx.root_here()?;
    let kept = Kept::open(&opened.place.dir);
    let listed = kept.list().map_err(|error| opened.failed("read what is kept in", &error))?;
    if listed.newer > 0 {
        cx.say(&format!("warning: {} kept by a newer wf; update wf to bring them back", versions(listed.newer)));
    }
    let (run, versions) = choose(&listed.versions, &root, &args.run).map_err(not_found)?;
    if args.dry_run {
        let lines = versions.iter().map(|version| format!("would bring back {}\n", shown(version)));
        return tell(args, cx, lines.collect(), || {
            let files: Vec<Value> = versions.iter().map(|version| file(version, "would_bring_back")).collect();
            json!({ "format": 1, "run": run, "dry_run": true, "files": files })
        });
    }
    let _lock = hold(&root, cx)?;
    let beneath = Beneath::open(&root).map_err(|error| unreadable(&root, &error))?;
    let (now, at_ms) = (new_run_id(), jiff::Timestamp::now().as_millisecond().unsigned_abs());
    let keep = Keep { kept: &kept, run: &now, at_ms, worktree: &root };
    let undone = bring_back(&beneath, &kept, &keep, versions);
    let failed = undone.iter().any(|one| one.done.is_err());
    for (version, why) in undone.iter().filter_map(|one| Some((&one.version, one.done.as_ref().err()?))) {
        let cause = why.source().map_or_else(String::new, |cause| format!(": {cause}"));
        cx.say(&clean::text(&format!("warning: {} is not brought back: {why}{cause}", shown(version))));
    }
    let again = undone.iter().any(|one| one.kept).then(|| now.clone());
    let text = words(&undone, run.as_str(), again.as_ref().map(crate::base::RunId::as_str));
    tell(args, cx, text, || {
        let files: Vec<Value> = undone.iter().map(document).collect();
        json!({ "format": 1, "run": run, "dry_run": false, "kept_as": again, "files": files })
    })?;
    Ok(if failed { Exit::Environment } else { Exit::Passed })
}

fn tell(args: &UndoArgs, cx: &Context, text: String, json: impl FnOnce() -> Value) -> Result<Exit, Failure> {
    if args.json {
        cx.print_json(&json())?;
    } else {
        cx.print(&text)?;
    }
    Ok(Exit::Passed)
}

fn words(undone: &[Undone], run: &str, again: Option<&str>) -> String {
    let mut text = String::new();
    for one in undone {
        match one.done {
            Ok(true) => drop(writeln!(text, "brought back {}", shown(&one.version))),
            Ok(false) => drop(writeln!(text, "already there: {}", shown(&one.version))),
            Err(_) => {}
        }
    }
    let count = undone.iter().filter(|one| matches!(one.done, Ok(true))).count();
    let _ = writeln!(text, "{} that run {run} had replaced", look::count(count, "file"));
    if let Some(again) = again {
        let _ = writeln!(text, "what was there is kept: `wf cache undo {again}` brings that back");
    }
    text
}

fn shown(version: &Version) -> String {
    clean::text(&version.path.to_string())
}

fn document(one: &Undone) -> Value {
    match &one.done {
        Ok(true) => file(&one.version, "brought_back"),
        Ok(false) => file(&one.version, "already_there"),
        Err(why) => {
            let mut file = file(&one.version, "failed");
            file["why"] = json!(why.to_string());
            file
        }
    }
}

fn file(version: &Version, state: &str) -> Value {
    let kind = match version.kind {
        KeptKind::File => "file",
        KeptKind::Executable => "executable",
        KeptKind::Symlink => "symlink",
    };
    json!({ "path": version.path, "kind": kind, "bytes": version.blob.size, "state": state })
}

fn versions(count: usize) -> String {
    if count == 1 { "1 version was".into() } else { format!("{count} versions were") }
}

/// No run may work in the tree meanwhile.
fn hold(root: &Path, cx: &Context) -> Result<WorktreeLock, Failure> {
    let (place, by) = cx.state_place_here()?;
    let state = StateDir::open(&place, by)?;
    let me = Holder { pid: std::process::id(), command: "wf cache undo".into(), since: Clock::utc() };
    match WorktreeLock::try_acquire(&state, root, &me, false).map_err(|error| unreadable(root, &error))? {
        Attempt::Held(lock) => Ok(lock),
        Attempt::Busy(holder) => {
            let who = holder.map_or_else(|| "another wf".into(), |holder| format!("`{}`", holder.command));
            Err(Failure::environment(format!("{who} is running in this worktree")).hint("try again when it has ended"))
        }
    }
}

fn unreadable(root: &Path, error: &std::io::Error) -> Failure {
    Failure::environment(format!("cannot work in {}: {error}", root.display()))
}

fn not_found(error: NotFound) -> Failure {
    let hint = match &error {
        NotFound::Nothing => None,
        NotFound::Run(_) => Some("`wf cache undo --dry-run` shows the newest; `wf history` lists runs".to_owned()),
        NotFound::Ambiguous { matches, .. } => {
            let runs: Vec<&str> = matches.iter().map(crate::base::RunId::as_str).collect();
            Some(format!("one of {}", runs.join(", ")))
        }
    };
    let failure = Failure::usage(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
