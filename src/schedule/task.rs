//! What the scheduler needs to know of each step that runs. Pure.

use super::pool::Capacity;
use crate::config::model::{Command, FailFast, Retries, RunOn};
use crate::graph::StepGraph;
use crate::plan::Plan;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One step that will run. Positions are among the tasks of this run.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// Tasks it waits for.
    pub waits: Vec<usize>,
    /// Tasks that wait for it.
    pub dependents: Vec<usize>,
    /// Its stage, if the run is staged and it has one.
    pub stage: Option<usize>,
    /// Larger starts first.
    pub priority: u64,
    /// CPU slots, in thousandths.
    pub cpu_milli: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Locks it holds, as numbers.
    pub locks: Vec<usize>,
    /// Tasks it must not overlap: they write what it writes or watches.
    pub conflicts: Vec<usize>,
    /// When to try again.
    pub retries: Retries,
    /// Its failure counts as passed.
    pub allow_failure: bool,
    /// It asks a model, and no answer counts as passed.
    pub optional: bool,
    /// After what kind of end it runs.
    pub run_on: RunOn,
    /// What the cache is asked before it starts.
    pub lookup: Lookup,
}

/// What the cache is asked before a task starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lookup {
    /// Nothing: it runs.
    #[default]
    None,
    /// Whether its result is known; if not, it runs.
    First,
    /// The plan skips it; if its result is known, what it made is put in place. It never runs.
    Only,
}

/// The rules of a run.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What there is to share.
    pub capacity: Capacity,
    /// What a failure does to the rest.
    pub fail_fast: FailFast,
    /// How many stages; 0 when not staged.
    pub stages: usize,
    /// For the jitter of retries.
    pub seed: u64,
}

/// The tasks of a plan, and for each its position in the plan's graph. `cost` estimates a step's duration; `lookup` says
/// what the cache is asked of a step: steps that the plan skips become tasks only for that.
pub fn tasks(
    plan: &Plan,
    sequential: bool,
    cost: impl Fn(usize) -> u64,
    lookup: impl Fn(usize) -> Lookup,
) -> (Vec<Task>, Vec<usize>) {
    let graph = &plan.graph;
    let is_task = |at: &usize| plan.decisions[*at].runs() || lookup(*at) == Lookup::Only;
    let running: Vec<usize> = graph.order().iter().copied().filter(is_task).collect();
    let task_of: HashMap<usize, usize> = running.iter().enumerate().map(|(task, at)| (*at, task)).collect();
    let levels = graph.bottom_levels(|at| if plan.decisions[at].runs() { cost(at).max(1) } else { 0 });
    let mut locks = BTreeMap::new();
    let mut tasks: Vec<Task> = Vec::with_capacity(running.len());
    for (position, &at) in running.iter().enumerate() {
        let step = graph.step(at);
        let tasks_of = |edges: &[(usize, crate::graph::Edge)]| {
            let mut tasks: Vec<usize> = edges.iter().filter_map(|(other, _)| task_of.get(other).copied()).collect();
            tasks.sort_unstable();
            tasks.dedup();
            tasks
        };
        let lookup = lookup(at);
        // What is only looked up belongs to no stage: it neither waits for one nor holds one up.
        let staged = step.stage.as_ref().filter(|_| lookup != Lookup::Only);
        let stage = staged.and_then(|name| plan.stages.iter().position(|stage| stage.name == *name));
        let number = locks.len();
        let mut held: Vec<usize> = Vec::with_capacity(step.locks.len());
        for (extra, lock) in step.locks.iter().enumerate() {
            held.push(*locks.entry(lock.clone()).or_insert(number + extra));
        }
        tasks.push(Task {
            waits: tasks_of(graph.waits(at)),
            dependents: tasks_of(graph.dependents(at)),
            stage,
            priority: if sequential { (running.len() - position) as u64 } else { levels[at] },
            cpu_milli: step.resources.cpu_milli,
            memory_bytes: step.resources.memory_bytes,
            locks: held,
            conflicts: vec![],
            retries: step.retries.clone(),
            allow_failure: step.allow_failure,
            optional: matches!(&step.command, Command::Ai(task) if !task.required),
            run_on: step.run_on,
            lookup,
        });
    }
    add_conflicts(graph, &running, &mut tasks);
    (tasks, running)
}

/// Two tasks conflict if they may write the same files, or one edits in place what the other watches. Tasks that wait
/// for each other never overlap anyway, but telling so costs more than it saves.
fn add_conflicts(graph: &StepGraph, running: &[usize], tasks: &mut [Task]) {
    let mut pairs = BTreeSet::new();
    let mut add = |a: usize, b: usize| {
        if a != b {
            pairs.insert((a.min(b), a.max(b)));
        }
    };
    let mut by_root: HashMap<crate::base::RepoPath, Vec<usize>> = HashMap::new();
    for (task, &at) in running.iter().enumerate() {
        for root in graph.step(at).outputs.iter().flat_map(crate::base::GlobSet::roots) {
            by_root.entry(root).or_default().push(task);
        }
    }
    let outputs = |task: usize| graph.step(running[task]).outputs.as_ref();
    for (root, owners) in &by_root {
        let above = std::iter::successors(Some(root.clone()), |at| (!at.is_root()).then(|| at.parent()));
        for other in above.filter_map(|place| by_root.get(&place)).flatten() {
            for owner in owners {
                if outputs(*owner).zip(outputs(*other)).is_some_and(|(a, b)| owner != other && a.may_overlap(b)) {
                    add(*owner, *other);
                }
            }
        }
    }
    for (task, &at) in running.iter().enumerate().filter(|(_, at)| graph.step(**at).writes.is_some()) {
        for (other, &other_at) in running.iter().enumerate() {
            if graph.may_rewrite(at, other_at) {
                add(task, other);
            }
        }
    }
    for (a, b) in pairs {
        tasks[a].conflicts.push(b);
        tasks[b].conflicts.push(a);
    }
}
