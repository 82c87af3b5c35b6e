//! `wf ci merge`: the recorded runs of all machines become one run of this machine.

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use crate::base::RunId;
use crate::ci::{self, Joined};
use crate::event::Shard;
use crate::history::{self, LogWriter, RunRef, StateDir};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What `wf ci merge` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf ci merge .wf\n  wf ci merge shards/*\n  wf ci merge shard-1/.wf shard-2/.wf")]
pub struct MergeArgs {
    /// Folders with recorded runs: `.wf`, its `runs`, one run, or a folder that holds one of these
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
}

/// So deep below a folder that is given runs are looked for: `artifact/.wf/runs/<id>`.
const DEEP: usize = 4;

/// Runs the command.
pub fn run(args: &MergeArgs, cx: &Context) -> Result<Exit, Failure> {
    let mut found = vec![];
    for dir in &args.dirs {
        let dir = cx.cwd.join(dir);
        if !dir.is_dir() {
            return Err(Failure::usage(format!("{} is no folder", dir.display())));
        }
        found.extend(parts(&dir));
    }
    let parts = newest(found)?;
    let logs = parts.iter().map(|run| history::read_log(&run.log()).map_err(super::super::recorded::unreadable));
    let logs = logs.collect::<Result<Vec<_>, _>>()?;
    let (place, by) = cx.state_place_here()?;
    let state = StateDir::open(&place, by)?;
    let id = history::next_run_id(&state);
    let joined = ci::join(&logs, &id).map_err(|error| {
        Failure::environment(error).hint("give the folders of all machines of one matrix: wf ci merge DIR...")
    })?;
    write(&state, &id, &parts, &joined).map_err(|error| {
        Failure::environment(format!("cannot write the joined run in {}: {error}", place.display()))
    })?;
    // What is joined is not told twice, nor learned from twice.
    for part in parts.iter().filter(|part| part.dir.parent() == Some(&state.runs())) {
        if let Err(error) = std::fs::remove_dir_all(&part.dir) {
            cx.say(&format!("warning: the part {} could not be removed: {error}", part.id));
        }
    }
    super::super::also(&["report", id.as_str()], cx)?;
    Ok(super::super::run::exit(joined.exit_code))
}

/// Every run below a folder that is a part of a shared plan.
fn parts(dir: &Path) -> Vec<(RunRef, Shard, Option<String>)> {
    let walk = walkdir::WalkDir::new(dir).max_depth(DEEP).sort_by_file_name().into_iter().flatten();
    let logs = walk.filter(|entry| entry.file_type().is_file() && entry.file_name() == "events.jsonl");
    let part = |entry: walkdir::DirEntry| {
        let dir = entry.path().parent()?.to_owned();
        let head = history::read_head(entry.path()).ok()?;
        let id = RunId(dir.file_name()?.to_str()?.to_owned());
        Some((RunRef { id, dir }, head.shard?, head.commit))
    };
    logs.filter_map(part).collect()
}

/// The parts of the newest plan of which there are any; of each the newest run, because a job may have been run again.
fn newest(mut found: Vec<(RunRef, Shard, Option<String>)>) -> Result<Vec<RunRef>, Failure> {
    found.sort_by(|(one, ..), (two, ..)| one.id.cmp(&two.id));
    let Some((_, last, commit)) = found.last().cloned() else {
        return Err(Failure::environment("there is no run of `wf run --shard` in these folders")
            .hint("hidden files may be missing: actions/upload-artifact wants include-hidden-files: true"));
    };
    let same = |(_, shard, of): &&(RunRef, Shard, Option<String>)| {
        shard.plan == last.plan && shard.count == last.count && *of == commit
    };
    let by_index: BTreeMap<u16, RunRef> =
        found.iter().filter(same).map(|(run, shard, _)| (shard.index, run.clone())).collect();
    Ok(by_index.into_values().collect())
}

fn write(state: &StateDir, id: &RunId, parts: &[RunRef], joined: &Joined) -> std::io::Result<()> {
    let mut log = LogWriter::create(state, id)?;
    for (part, name) in &joined.logs {
        // The name is from a file that another machine wrote: only a file of its own `out` is meant.
        let Some(file) = name.strip_prefix("out/").filter(|file| is_plain(file)) else { continue };
        let from = parts[*part].out().join(file);
        if from.symlink_metadata().is_ok_and(|about| about.is_file()) {
            std::fs::create_dir_all(log.out())?;
            std::fs::copy(from, log.out().join(file))?;
        }
    }
    for event in &joined.events {
        log.append(event)?;
    }
    log.finish()
}

/// Is this the name of a file, and no path?
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_names_a_file_of_its_own_folder() {
        assert!(is_plain("test.1.log") && is_plain("build@a_b-0123.1.log"));
        for bad in ["", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden"] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
