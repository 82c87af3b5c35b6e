//! `wf cache export`, `import` and `warm`.

use super::super::{Context, Exit, Failure};
use super::{Json, Opened};
use crate::cache::portable::{self, Copied, NotTaken};
use crate::report::look;
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct FileArgs {
    /// The file
    file: PathBuf,
    #[command(flatten)]
    json: Json,
}

#[derive(Clone, Debug, clap::Args)]
pub(super) struct FromArgs {
    /// A cache's folder, or a file that `wf cache export` wrote
    from: PathBuf,
    #[command(flatten)]
    json: Json,
}

pub(super) fn export(args: &FileArgs, opened: &Opened, cx: &Context) -> Result<Exit, Failure> {
    let path = cx.cwd.join(&args.file);
    let refused = |error: std::io::Error| Failure::environment(format!("cannot export to {}: {error}", path.display()));
    // Whole or not at all: half an export would be found out only by whoever imports it.
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut temp = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder).map_err(refused)?;
    let mut to = BufWriter::new(temp.as_file_mut());
    let copied = portable::export(&opened.folder, &opened.actions, &mut to).map_err(refused)?;
    to.flush().map_err(refused)?;
    drop(to);
    temp.persist(&path).map_err(|error| refused(error.error))?;
    tell("exported", copied, args.json, cx)
}

pub(super) fn import(args: &FileArgs, mut opened: Opened, cx: &Context) -> Result<Exit, Failure> {
    opened.to_write(cx)?;
    let path = cx.cwd.join(&args.file);
    let file = File::open(&path).map_err(|error| refused(&path, NotTaken::Io(error)))?;
    let copied = portable::import(&opened.folder, &mut opened.actions, file).map_err(|why| refused(&path, why))?;
    tell("imported", copied, args.json, cx)
}

pub(super) fn warm(args: &FromArgs, mut opened: Opened, cx: &Context) -> Result<Exit, Failure> {
    opened.to_write(cx)?;
    let path = cx.cwd.join(&args.from);
    let copied = portable::warm(&opened.folder, &mut opened.actions, &path).map_err(|why| refused(&path, why))?;
    tell("copied", copied, args.json, cx)
}

fn refused(path: &Path, why: NotTaken) -> Failure {
    match why {
        NotTaken::Problem(problem) => {
            let hint = problem.hint();
            Failure::environment(problem).hint(hint)
        }
        NotTaken::Io(error) => Failure::environment(format!("cannot take over {}: {error}", path.display())),
        why => Failure::environment(format!("{}: {why}", path.display())).hint("nothing in it is used"),
    }
}

fn tell(verb: &str, copied: Copied, json: Json, cx: &Context) -> Result<Exit, Failure> {
    if json.json {
        cx.print_json(&json!({ "format": 1, "copied": copied }))?;
        return Ok(Exit::Passed);
    }
    let left = if copied.left == 0 { String::new() } else { format!("; {} left out", copied.left) };
    cx.print(&format!(
        "{verb} {} and {} ({}){left}\n",
        look::count(copied.entries, "result"),
        look::count(copied.blobs, "blob"),
        look::bytes(copied.bytes)
    ))?;
    Ok(Exit::Passed)
}
