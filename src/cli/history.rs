//! `wf history`: the runs that are recorded, newest first, and the attempts in them.

mod steps;
pub(super) mod table;

use super::context::Context;
use super::failure::{Exit, Failure};
use crate::event::RunStatus;
use crate::history::db::{self, Caught, Db, DbError};
use crate::history::{ChosenBy, Recorded, RunFacts, StateDir};
use crate::report::{Look, clean, frame, look::Tone};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const HELP: &str = "\
Examples:
  wf history
  wf history --last 100
  wf history latest        the steps of the newest run that has ended
  wf history 0192f3        those of the run whose name starts so
  wf history test          the step `test` in all runs, newest first
  wf history --steps --json | jq '.attempts[0]'
  wf history --json | jq '.runs[0]'
  wf history rebuild

What is shown comes from .wf/history.db, which is made of the recorded runs and may be deleted.";

/// What `wf history` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = HELP
)]
pub struct HistoryArgs {
    /// What to do instead
    #[command(subcommand)]
    pub command: Option<HistoryCommand>,
    /// Show the attempts of this run (its name or the start of it, or `latest`) or of this step
    #[arg(value_name = "RUN|STEP")]
    pub of: Option<String>,
    /// Show the attempts of all steps instead of runs
    #[arg(long, conflicts_with = "of")]
    pub steps: bool,
    /// Show so many runs, or attempts
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    pub last: usize,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

/// What else `wf history` does.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum HistoryCommand {
    /// Make .wf/history.db anew from the runs and facts that are still recorded; what only it knew is gone
    Rebuild,
}

/// Runs the command. Writes nothing but the database, which is derived.
pub fn run(args: &HistoryArgs, cx: &Context) -> Result<Exit, Failure> {
    let (place, by) = cx.state_place_here()?;
    let state = StateDir::open_read_only(&place, by)?;
    if args.command == Some(HistoryCommand::Rebuild) {
        return rebuild(&place, by, cx);
    }
    let recorded = Recorded::load(&state);
    for problem in &recorded.problems {
        cx.say(&format!("warning: {}", clean::text(problem)));
    }
    if recorded.runs.is_empty() && !db::place(&state).exists() {
        return Listed { runs: vec![], total: 0, problems: recorded.problems }.show(args, &place, cx);
    }
    let answered = match db::up_to_date(&state, &recorded, jiff::Timestamp::now()) {
        Ok((mut db, caught)) => {
            tell(&caught, cx);
            let answered = answer(args, &place, &recorded, &mut db, &caught, cx);
            db.take_notes().iter().for_each(|note| cx.say(&format!("note: {}", clean::text(note))));
            answered
        }
        Err(error) => Err(error.into()),
    };
    match answered {
        // The runs themselves can be had without it.
        Err(Unanswered::Db(error)) if args.of.is_none() && !args.steps => {
            cx.say(&format!("warning: {}; only what is recorded in runs and facts is shown", said(&error)));
            Listed::without_db(&recorded, args.last).show(args, &place, cx)
        }
        Err(Unanswered::Db(error)) => Err(refused(error)),
        Err(Unanswered::Failed(failure)) => Err(failure),
        Ok(exit) => Ok(exit),
    }
}

/// Why there is no answer.
enum Unanswered {
    Db(DbError),
    Failed(Failure),
}

impl From<DbError> for Unanswered {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn answer(
    args: &HistoryArgs,
    place: &Path,
    recorded: &Recorded,
    db: &mut Db,
    caught: &Caught,
    cx: &Context,
) -> Result<Exit, Unanswered> {
    if args.of.is_some() || args.steps {
        return steps::show(args, db, &caught.apart, cx);
    }
    Ok(Listed::of(db, recorded, caught, args.last)?.show(args, place, cx)?)
}

/// What was noticed while the database was brought up to date.
pub(super) fn tell(caught: &Caught, cx: &Context) {
    if let Some(replaced) = &caught.replaced {
        cx.say(&format!("warning: {}", clean::text(&replaced.to_string())));
    }
    caught.problems.iter().for_each(|problem| cx.say(&format!("warning: {}", clean::text(problem))));
}

/// An error and what is behind it, in one line.
fn said(error: &DbError) -> String {
    let behind = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    clean::text(&format!("{error}{behind}"))
}

/// Why the database gives no answer, and what to do next.
pub(super) fn refused(error: DbError) -> Failure {
    let hint = error.hint();
    Failure::environment(error).hint(hint)
}

fn rebuild(place: &Path, by: ChosenBy, cx: &Context) -> Result<Exit, Failure> {
    let state = StateDir::open_read_only(place, by)?;
    if !state.runs().exists() && !state.facts().exists() {
        cx.say(&format!("no run is recorded in {}; `wf run` records one", place.display()));
        return Ok(Exit::Passed);
    }
    Db::remove(&state).map_err(refused)?;
    let recorded = Recorded::load(&state);
    recorded.problems.iter().for_each(|problem| cx.say(&format!("warning: {}", clean::text(problem))));
    let (mut db, caught) = db::up_to_date(&state, &recorded, jiff::Timestamp::now()).map_err(refused)?;
    tell(&caught, cx);
    let (_, total) = db.runs(Some(0)).map_err(refused)?;
    cx.print(&format!("{} holds {total} run{}\n", db::place(&state).display(), if total == 1 { "" } else { "s" }))?;
    Ok(Exit::Passed)
}

/// The runs to show.
struct Listed {
    runs: Vec<Shown>,
    total: usize,
    problems: Vec<String>,
}

/// A run to show.
struct Shown {
    facts: RunFacts,
    /// Its folder; `None` when it was pruned.
    dir: Option<PathBuf>,
    live: bool,
}

impl Listed {
    /// What the database has, and the runs that are recorded and not in it.
    fn of(db: &mut Db, recorded: &Recorded, caught: &Caught, last: usize) -> Result<Self, DbError> {
        let (known, total) = db.runs(Some(last))?;
        let apart = recorded.runs.iter().filter(|run| caught.apart.contains(&run.facts.run));
        let mut facts: Vec<RunFacts> =
            known.into_iter().chain(apart.map(|run| run.whole_facts().into_owned())).collect();
        facts.sort_by(|a, b| b.run.cmp(&a.run));
        facts.dedup_by(|a, b| a.run == b.run);
        facts.truncate(last);
        let of = |facts: RunFacts| {
            let found =
                recorded.runs.binary_search_by(|run| facts.run.cmp(&run.facts.run)).map(|at| &recorded.runs[at]);
            let dir = found.ok().and_then(|run| Some(run.place.as_ref()?.dir.clone()));
            Shown { dir, live: found.is_ok_and(|run| run.live), facts }
        };
        let runs = facts.into_iter().map(of).collect();
        Ok(Self { runs, total: total + caught.apart.len(), problems: recorded.problems.clone() })
    }

    /// What runs and facts say by themselves.
    fn without_db(recorded: &Recorded, last: usize) -> Self {
        let shown = recorded.runs.iter().take(last).map(|run| Shown {
            facts: run.whole_facts().into_owned(),
            dir: run.place.as_ref().map(|place| place.dir.clone()),
            live: run.live,
        });
        Self { runs: shown.collect(), total: recorded.runs.len(), problems: recorded.problems.clone() }
    }

    fn show(&self, args: &HistoryArgs, place: &Path, cx: &Context) -> Result<Exit, Failure> {
        if args.json {
            let runs: Vec<Value> = self.runs.iter().map(document).collect();
            cx.print_json(&json!({ "format": 1, "total": self.total, "runs": runs, "problems": self.problems }))?;
        } else if self.runs.is_empty() {
            cx.say(&format!("no run is recorded in {}; `wf run` records one", place.display()));
        } else {
            cx.print(&table(&self.runs, self.total, &look(cx)))?;
        }
        Ok(Exit::Passed)
    }
}

/// How tables look.
pub(super) fn look(cx: &Context) -> Look {
    Look {
        color: cx.color(cx.stdout_is_terminal),
        width: usize::MAX,
        github: false,
        verbose: false,
        zone: super::look::zone(cx),
    }
}

fn status(run: &Shown) -> (&'static str, Tone) {
    match run.facts.status {
        Some(RunStatus::Passed) => ("passed", Tone::Good),
        Some(RunStatus::Failed) => ("failed", Tone::Bad),
        Some(RunStatus::Interrupted) => ("interrupted", Tone::Warn),
        Some(RunStatus::Broken) => ("broken", Tone::Bad),
        None if run.live => ("running", Tone::Strong),
        None => ("killed", Tone::Bad),
    }
}

fn document(run: &Shown) -> Value {
    let facts = &run.facts;
    json!({
        "run": facts.run,
        "started_at": facts.started_at,
        "status": status(run).0,
        "commit": facts.commit,
        "branch": facts.branch,
        "clean": facts.clean,
        "whole": facts.whole,
        "green": facts.is_green(),
        "ran": facts.ran,
        "skipped": facts.skipped,
        "skipped_on_trust": facts.trusted,
        "failed": facts.failed,
        "cancelled": facts.cancelled,
        "reused": facts.reused,
        "saved_ms": facts.saved_ms,
        "wall_ms": facts.wall_ms,
        // None: pruned, only its facts are left.
        "dir": run.dir.as_ref().map(|dir| dir.display().to_string()),
    })
}

fn table(runs: &[Shown], total: usize, look: &Look) -> String {
    let head = ["started", "status", "commit", "branch", "ran", "skipped", "failed", "time", "run"].map(str::to_owned);
    let row = |run: &Shown| {
        let (facts, (word, tone)) = (&run.facts, status(run));
        let commit = facts.commit.as_deref().map_or("-".into(), |commit| commit.chars().take(10).collect::<String>());
        let cells = [
            look.time(&facts.started_at),
            word.into(),
            clean::text(&commit) + if facts.clean { "" } else { "+" },
            frame::fit(&clean::text(facts.branch.as_deref().unwrap_or("-")), 24),
            facts.ran.to_string(),
            facts.skipped.to_string(),
            facts.failed.to_string(),
            crate::report::look::time(facts.wall_ms),
            facts.run.to_string() + if run.dir.is_some() { "" } else { " (pruned)" },
        ];
        (cells, tone)
    };
    let mut text = table::aligned(head, runs.iter().map(row).collect(), 1, 4..8, look);
    if runs.iter().any(|run| !run.facts.clean) {
        text += &look.paint(Tone::Dim, "+ the working tree was not clean: such a run is no evidence for its commit\n");
    }
    if total > runs.len() {
        let more = format!("{} older; `wf history --last {total}` shows all\n", total - runs.len());
        text += &look.paint(Tone::Dim, &more);
    }
    text
}
