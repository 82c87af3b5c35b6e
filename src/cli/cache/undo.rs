//! `wf cache undo`.

use super::super::{Context, Exit, Failure};
use super::Opened;
use crate::cache::kept::{Keep, Kept};
use crate::cache::outputs::Beneath;
use crate::cache::undo::{Undone, bring_back, choose};
use crate::history;
use crate::report::clean;
use serde_json::json;

/// What `wf cache undo` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf cache undo --dry-run\n  wf cache undo\n  wf cache undo 01a2 --json")]
pub struct UndoArgs {
    /// The run that replaced files: an id, the start of one, or `latest` of those that did
    #[arg(value_name = "RUN", default_value = "latest")]
    run: String,
    /// Only say what would be brought back
    #[arg(long)]
    dry_run: bool,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &UndoArgs, opened: &Opened, cx: &Context) -> Result<Exit, Failure> {
    let kept = Kept::open(&opened.place.dir);
    let listed = kept.list().map_err(|error| opened.failed("look into", &error))?;
    if listed.damaged > 0 {
        cx.say(&format!("warning: {} lines of the list of kept files are damaged and not used", listed.damaged));
    }
    let root = cx.discover().map_or_else(|_| cx.cwd.clone(), |repo| repo.root().to_owned());
    let (run, versions) = choose(&listed.versions, &root, &args.run).map_err(Failure::usage)?;
    let undone: Vec<Undone> = if args.dry_run {
        vec![]
    } else {
        let beneath = Beneath::open(&root).map_err(|error| opened.failed("write beside", &error))?;
        let now_ms = jiff::Timestamp::now().as_millisecond().unsigned_abs();
        let id = history::new_run_id();
        let keep = Keep { kept: &kept, run: &id, at_ms: now_ms, worktree: &root };
        bring_back(&beneath, &kept, &keep, versions.clone())
    };
    let failed = undone.iter().filter(|one| one.done.is_err()).count();
    if args.json {
        let file = |at: usize| {
            let why = undone.get(at).and_then(|one| one.done.as_ref().err()).map(ToString::to_string);
            json!({ "path": versions[at].path, "failed": why })
        };
        let files: Vec<_> = (0..versions.len()).map(file).collect();
        cx.print_json(&json!({ "format": 1, "run": run, "dry_run": args.dry_run, "files": files }))?;
    } else {
        let mut text = String::new();
        for (at, version) in versions.iter().enumerate() {
            let path = clean::text(&version.path.to_string());
            let line = match undone.get(at) {
                None => format!("would bring back {path}\n"),
                Some(Undone { done: Err(why), .. }) => format!("could not bring back {path}: {why}\n"),
                Some(Undone { done: Ok(false), .. }) => format!("is there already: {path}\n"),
                Some(_) => format!("brought back {path}\n"),
            };
            text.push_str(&line);
        }
        cx.print(&text)?;
    }
    Ok(if failed == 0 { Exit::Passed } else { Exit::StepFailed })
}
