//! `wf cache`: what is stored, why, and how to be rid of it.

mod entries;
mod portable;
mod prune;
mod show;
mod stats;
mod undo;
mod verdicts;
mod verify;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::later::Later;
use crate::cache::{Actions, CachePlace, Entry, Folder};
use crate::history::StateDir;
use crate::report::{Look, clean};
use std::sync::Arc;

/// What `wf cache` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  wf cache stats\n  wf cache show test\n  wf cache prune --older-than 7d --dry-run")]
pub struct CacheArgs {
    /// What to do
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Say how much is stored, and what it saved
    Stats(Later<Json>),
    /// List stored results, newest first
    Ls(Later<entries::LsArgs>),
    /// Show one result and everything its key was made of
    Show(Later<show::ShowArgs>),
    /// Read everything again, and remove what is damaged (exit 1 if something was)
    Verify(Later<Json>),
    /// Remove what is past the limits, or past tighter ones
    Prune(Later<prune::PruneArgs>),
    /// Remove all results and what is known about them
    Clear(Later<Json>),
    /// Write all results into one file
    Export(Later<portable::FileArgs>),
    /// Take over results from a file that `wf cache export` wrote
    Import(Later<portable::FileArgs>),
    /// Take over results from another cache's folder, or from a file
    Warm(Later<portable::FromArgs>),
    /// Bring back files of yours that a run replaced with stored results
    Undo(Later<undo::UndoArgs>),
}

/// How a result is told.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Json {
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &CacheArgs, cx: &Context) -> Result<Exit, Failure> {
    let opened = Opened::here(cx)?;
    match &args.command {
        Command::Stats(args) => stats::run(args.json, &opened, cx),
        Command::Ls(args) => entries::run(args, &opened, cx),
        Command::Show(args) => show::run(args, opened, cx),
        Command::Verify(args) => verify::run(args.json, &opened, cx),
        Command::Prune(args) => prune::run(args, &opened, cx),
        Command::Clear(args) => prune::clear(args.json, &opened, cx),
        Command::Export(args) => portable::export(args, &opened, cx),
        Command::Import(args) => portable::import(args, opened, cx),
        Command::Warm(args) => portable::warm(args, opened, cx),
        Command::Undo(args) => undo::run(args, &opened, cx),
    }
}

/// The cache that this command is about.
struct Opened {
    place: CachePlace,
    folder: Arc<Folder>,
    actions: Actions,
}

impl Opened {
    /// Opens it. Nothing is written.
    fn here(cx: &Context) -> Result<Self, Failure> {
        if cx.env.get("WF_CACHE_DIR").is_none() {
            let (state, by) = cx.state_place_here()?;
            StateDir::open_read_only(&state, by)?;
        }
        let (place, limits) = cx.cache_here()?;
        let now_ms = jiff::Timestamp::now().as_millisecond().unsigned_abs();
        let (folder, problem) = Folder::open(&place, limits, now_ms);
        let (actions, trouble) = Actions::open(&folder);
        if let Some(problem) = problem {
            let hint = problem.hint();
            return Err(Failure::environment(problem).hint(hint));
        }
        if let Some(problem) = trouble {
            cx.say(&format!("warning: {}; {}", clean::text(&problem.to_string()), problem.hint()));
        }
        Ok(Self { place, folder, actions })
    }

    /// Is there a cache at all?
    fn exists(&self) -> bool {
        self.place.dir.exists()
    }

    /// Makes the state folder, if that is where the cache goes.
    fn to_write(&self, cx: &Context) -> Result<(), Failure> {
        if !self.place.chosen {
            let (state, by) = cx.state_place_here()?;
            StateDir::open(&state, by)?;
        }
        Ok(())
    }

    /// Something that did not work in it.
    fn failed(&self, what: &str, error: &std::io::Error) -> Failure {
        Failure::environment(format!("cannot {what} the cache in {}: {error}", self.place.dir.display()))
    }
}

/// What an entry's blobs take, each counted once.
fn size(entry: &Entry) -> u64 {
    let blobs: std::collections::BTreeSet<_> = entry.blobs().collect();
    blobs.iter().fold(0, |sum, blob| sum.saturating_add(blob.size))
}

/// A time as RFC 3339 has it.
fn utc(at_ms: u64) -> String {
    let at = i64::try_from(at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| "?".into(), |at| at.to_string())
}

fn look(cx: &Context) -> Look {
    Look {
        color: cx.color(cx.stdout_is_terminal),
        width: usize::MAX,
        github: false,
        verbose: false,
        zone: super::look::zone(cx),
    }
}
