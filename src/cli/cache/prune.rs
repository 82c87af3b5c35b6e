//! `wf cache prune` and `wf cache clear`.

use super::super::{Context, Exit, Failure};
use super::{Json, Opened};
use crate::base::{Millis, duration};
use crate::cache::sweep::{Request, Swept, sweep};
use crate::config::size;
use crate::report::{clean, look};
use serde_json::json;
use std::fmt::Write as _;
use std::io;

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Without a flag: what is past the limits of size, age and number, and what is past its\n\
    time to live. Runs remove that too, when there is no room.")]
pub(super) struct PruneArgs {
    /// Remove results with this label
    #[arg(long)]
    tag: Option<String>,
    /// Remove results that were not used for so long, such as 7d or 12h
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    older_than: Option<Millis>,
    /// Remove until not more than this is left, such as 1GiB
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    max_size: Option<u64>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(args: &PruneArgs, opened: &Opened, cx: &Context) -> Result<Exit, Failure> {
    let request = Request {
        tag: args.tag.clone(),
        older_than_ms: args.older_than,
        max_bytes: args.max_size,
        dry: args.dry_run,
        all: false,
    };
    tell(&swept(&request, opened)?, args.dry_run, args.json.json, cx)
}

/// Removes everything but what `wf cache undo` needs: that is the only copy of somebody's files.
pub(super) fn clear(as_json: bool, opened: &Opened, cx: &Context) -> Result<Exit, Failure> {
    let swept = swept(&Request { all: true, ..Request::default() }, opened)?;
    for name in ["digests", "tools"] {
        let path = opened.place.dir.join(name);
        let is_folder = path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        match if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) } {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(opened.failed("clear", &error)),
            _ => {}
        }
    }
    tell(&swept, false, as_json, cx)
}

fn swept(request: &Request, opened: &Opened) -> Result<Swept, Failure> {
    if !opened.exists() {
        return Ok(Swept::default());
    }
    sweep(&opened.folder, request).map_err(|error| opened.failed("prune", &error))
}

fn tell(swept: &Swept, dry: bool, as_json: bool, cx: &Context) -> Result<Exit, Failure> {
    for (path, why) in &swept.stuck {
        cx.say(&format!("warning: {} stays: {}", path.display(), clean::text(why)));
    }
    if as_json {
        cx.print_json(&json!({ "format": 1, "dry": dry, "removed": swept }))?;
        return Ok(Exit::Passed);
    }
    if swept.entries.is_empty() && swept.bytes == 0 {
        cx.print("nothing to remove\n")?;
        return Ok(Exit::Passed);
    }
    let (verb, results) = (if dry { "would remove" } else { "removed" }, look::count(swept.entries.len(), "result"));
    let blobs = look::count(swept.blobs, "blob");
    let mut text =
        format!("{verb} {results} and {blobs} ({}); {} left\n", look::bytes(swept.bytes), look::bytes(swept.left));
    for gone in swept.entries.iter().filter(|_| dry) {
        let _ = writeln!(text, "  {} {}", gone.key.0.short(), clean::text(gone.step.as_str()));
    }
    cx.print(&text)?;
    Ok(Exit::Passed)
}
