//! What advice is made from: the configuration and its steps, and what is recorded of them. Does not know what follows.

use crate::base::{Digest, StepId};
use crate::cli::args::DecideArgs;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::load::LoadedConfig;
use crate::cli::prepared::{self, Keys};
use crate::graph::StepGraph;
use crate::history::Recorded;
use crate::history::db::{self, Db, DbError};
use crate::predict::advise::{Ended, World};
use crate::report::clean;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What each step did, oldest first.
type Did = BTreeMap<StepId, Vec<Ended>>;

/// All of it.
pub(super) struct Gathered {
    pub(super) config: LoadedConfig,
    /// Runs in which something ran.
    pub(super) runs: usize,
    graph: StepGraph,
    stages: Vec<(String, bool)>,
    history: Did,
    before: Did,
    jobs: u32,
    cores: u32,
}

impl Gathered {
    pub(super) fn world(&self) -> World<'_> {
        let settings = &self.config.workflow().settings;
        World {
            graph: &self.graph,
            stages: &self.stages,
            history: &self.history,
            before: &self.before,
            runs: self.runs,
            jobs: self.jobs,
            jobs_said: settings.jobs.is_some(),
            cores: self.cores,
            memory_bytes: settings.max_memory_bytes,
        }
    }
}

/// Reads the configuration and the newest runs.
pub(super) fn gather(last: usize, cx: &Context) -> Result<Gathered, Failure> {
    let ready = prepared::prepare(&DecideArgs::default(), Keys::No, cx)?;
    let config = ready.config;
    let state = cx.state_for_reading(&config)?;
    let recorded = Recorded::load(&state);
    let plan = ready.prepared.plan;
    let now: HashMap<&StepId, &Digest> =
        plan.graph.steps().iter().zip(&plan.definitions).map(|(step, now)| (&step.id, now)).collect();
    let mut found = (0, Did::new(), Did::new());
    if !recorded.runs.is_empty() || db::place(&state).exists() {
        let read = || {
            let (mut db, caught) = db::up_to_date(&state, &recorded, jiff::Timestamp::now())?;
            caught.problems.iter().for_each(|problem| cx.say(&format!("warning: {}", clean::text(problem))));
            history(&mut db, last, &now)
        };
        found = read().map_err(|error| {
            let hint = error.hint();
            Failure::environment(error).hint(hint)
        })?;
    }
    let settings = &config.workflow().settings;
    let cores = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
    let jobs = if settings.parallel { settings.jobs.unwrap_or(cores) } else { 1 };
    let stages = config.workflow().stages.iter().map(|stage| (stage.name.clone(), !stage.trigger.names_manual()));
    let stages = stages.filter(|_| settings.multi_stage).collect();
    // What does not run in parallel is not sooner over with more jobs.
    let cores = if settings.parallel { cores } else { 0 };
    let (runs, history, before) = found;
    Ok(Gathered { runs, graph: plan.graph, stages, history, before, jobs, cores, config })
}

/// How many of the newest runs ran anything, what each step did in them as it is defined now, and what it did before.
fn history(db: &mut Db, last: usize, now: &HashMap<&StepId, &Digest>) -> Result<(usize, Did, Did), DbError> {
    let (runs, _) = db.runs(Some(last))?;
    let Some(oldest) = runs.last().map(|run| run.run.clone()) else { return Ok((0, Did::new(), Did::new())) };
    let runs: BTreeSet<_> = runs.into_iter().filter(|run| run.ran > 0).map(|run| run.run).collect();
    let (mut history, mut before) = (Did::new(), Did::new());
    for row in db.attempts_since(&oldest)?.into_iter().filter(|row| runs.contains(&row.run)) {
        let is_now = now.get(&row.step).is_some_and(|now| **now == row.definition);
        let did = if is_now { &mut history } else { &mut before };
        did.entry(row.step).or_default().push(Ended {
            run: row.run,
            last: row.last,
            passed: row.outcome.passed(),
            is_verdict: row.outcome.is_verdict(),
            wall_ms: row.wall_ms,
            usage: row.usage,
            key: row.key,
        });
    }
    Ok((runs.len(), history, before))
}
