//! The scheduler under random worlds: whatever the steps, outcomes, pools and interrupts, some things always hold. Pure.

use super::*;
use crate::base::Millis;
use crate::config::model::{FailFast, Retries, RunOn};
use crate::event::OutcomeKind;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A world: steps, what becomes of them, what there is to share, and who interrupts when.
#[derive(Clone, Debug)]
struct World {
    tasks: Vec<Task>,
    /// For each task and attempt (cycling): how long, and how it ends.
    script: Vec<Vec<(Millis, u8)>>,
    /// For each task: how long the cache takes, and whether it knows.
    known: Vec<(Millis, bool)>,
    rules: Rules,
    interrupts: Vec<Millis>,
}

#[derive(Debug, Default)]
struct Log {
    started: Vec<(usize, Millis)>,
    ended: Vec<(usize, bool, bool, Outcome)>,
    cancelled: Vec<usize>,
    looked_up: Vec<usize>,
    hits: Vec<usize>,
    finishes: Vec<RunStatus>,
    first_interrupt: Option<Millis>,
}

fn outcome(code: u8) -> Outcome {
    match code {
        0..6 => Outcome::Passed,
        6..8 => Outcome::Failed { code: 1 },
        8 => Outcome::TimedOut { after_ms: 5 },
        _ => Outcome::Signalled { signal: 9 },
    }
}

/// Plays a world to its end and checks, at every moment, what must always hold.
fn simulate(world: &World) -> Log {
    let mut scheduler = Scheduler::new(world.tasks.clone(), world.rules.clone());
    let (mut log, mut now, mut seq) = (Log::default(), 0, 0);
    let mut queue: BTreeMap<(Millis, u32), Input> = BTreeMap::from([((0, 0), Input::Begin)]);
    for at in &world.interrupts {
        seq += 1;
        queue.insert((*at, seq), Input::Interrupt);
    }
    let mut running: BTreeMap<usize, (Millis, u32)> = BTreeMap::new();
    while let Some(((at, _), input)) = queue.pop_first() {
        now = now.max(at);
        if let Input::Done { task, .. } = &input {
            running.remove(task);
        }
        if input == Input::Interrupt && log.first_interrupt.is_none() {
            log.first_interrupt = Some(now);
        }
        if let Input::Looked(answers) = &input {
            let open = |task: &usize| scheduler.state(*task) == State::Looking;
            let passes =
                |(task, answer): &&(usize, Answer)| *answer == Answer::Hit || world.tasks[*task].lookup == Lookup::Only;
            log.hits.extend(answers.iter().filter(passes).map(|(task, _)| *task).filter(open));
        }
        let last_outcome = if let Input::Done { outcome, .. } = &input { outcome.clone() } else { Outcome::Passed };
        for effect in scheduler.step(now, input) {
            match effect {
                Effect::Lookup(tasks) => {
                    for task in tasks {
                        check_lookup(world, &log, &running, task);
                        log.looked_up.push(task);
                        let (takes, hit) = world.known[task];
                        seq += 1;
                        let answer = if hit { Answer::Hit } else { Answer::Miss };
                        queue.insert((now + takes, seq), Input::Looked(vec![(task, answer)]));
                    }
                }
                Effect::Start { task, attempt } => {
                    assert!(running.len() < 64 && !running.contains_key(&task), "started twice");
                    let (takes, code) = world.script[task][(attempt as usize - 1) % world.script[task].len()];
                    seq += 1;
                    running.insert(task, (now + takes, seq));
                    queue.insert((now + takes, seq), Input::Done { task, outcome: outcome(code) });
                    log.started.push((task, now));
                    check_start(world, &scheduler, &log, task);
                }
                Effect::Stop { task, .. } => {
                    let key = running.get_mut(&task).expect("only running tasks are stopped");
                    queue.remove(key);
                    seq += 1;
                    *key = (now, seq);
                    queue.insert(*key, Input::Done { task, outcome: Outcome::Stopped });
                }
                Effect::Ended { task, last, allowed, .. } => {
                    log.ended.push((task, last, allowed, last_outcome.clone()));
                }
                Effect::Cancelled { task, .. } => log.cancelled.push(task),
                Effect::WakeAt(at) => {
                    seq += 1;
                    queue.insert((at, seq), Input::Wake);
                }
                Effect::Finish(status) => log.finishes.push(status),
                Effect::StageStarted { .. } | Effect::StageFinished { .. } | Effect::Retry { .. } => {}
            }
        }
        check_pools(world, &running);
        check_idle(world, &scheduler, &running);
    }
    log
}

fn check_start(world: &World, scheduler: &Scheduler, log: &Log, task: usize) {
    let spec = &world.tasks[task];
    assert!(spec.lookup != Lookup::Only, "{task} is not to run");
    assert!(spec.lookup == Lookup::None || log.looked_up.contains(&task), "{task} runs before the cache was asked");
    for wait in &spec.waits {
        let state = scheduler.state(*wait);
        match spec.run_on {
            RunOn::Success => assert_eq!(state, State::Passed, "{task} started before {wait} passed"),
            RunOn::Failure | RunOn::Always => assert!(state.is_over(), "{task} started before {wait} ended"),
        }
    }
    if spec.run_on == RunOn::Success {
        // The scheduler has taken what follows the end of the run out of its stage.
        let stage = scheduler.tasks[task].stage;
        let earlier = |other: &Task| other.stage < stage && other.stage.is_some();
        for (at, _) in scheduler.tasks.iter().enumerate().filter(|(_, other)| stage.is_some() && earlier(other)) {
            assert!(scheduler.state(at).is_over(), "stage barrier: {task} started while {at} is open");
        }
        assert!(log.first_interrupt.is_none(), "{task} started after an interrupt");
        let failed = log.ended.iter().any(|(at, last, allowed, outcome)| {
            *last && !allowed && !outcome.passed() && world.tasks[*at].run_on == RunOn::Success
        });
        assert!(!failed || world.rules.fail_fast == FailFast::KeepGoing, "{task} started after a failure");
    }
}

/// The cache is asked once, and not while files that the answer depends on are written.
fn check_lookup(world: &World, log: &Log, running: &BTreeMap<usize, (Millis, u32)>, task: usize) {
    assert!(world.tasks[task].lookup != Lookup::None && !log.looked_up.contains(&task), "{task} is looked up twice");
    assert!(
        !running.keys().any(|other| world.tasks[*other].conflicts.contains(&task)),
        "{task} is looked up too early"
    );
}

fn check_pools(world: &World, running: &BTreeMap<usize, (Millis, u32)>) {
    let capacity = world.rules.capacity;
    let cpu: u32 = running.keys().map(|task| world.tasks[*task].cpu_milli.min(capacity.cpu_milli)).sum();
    assert!(cpu <= capacity.cpu_milli, "over capacity");
    for (a, b) in running.keys().flat_map(|a| running.keys().map(move |b| (*a, *b))).filter(|(a, b)| a < b) {
        let (left, right) = (&world.tasks[a], &world.tasks[b]);
        assert!(!left.locks.iter().any(|lock| right.locks.contains(lock)), "{a} and {b} hold one lock");
        assert!(!left.conflicts.contains(&b), "{a} and {b} write the same files");
    }
}

/// A CPU slot is idle only when nothing that is ready fits.
fn check_idle(world: &World, scheduler: &Scheduler, running: &BTreeMap<usize, (Millis, u32)>) {
    let in_state = |state: State| (0..world.tasks.len()).filter(move |task| scheduler.state(*task) == state);
    let ready: Vec<usize> = in_state(State::Ready).chain(in_state(State::Asking)).collect();
    let looking = in_state(State::Looking).next().is_some();
    assert!(ready.is_empty() || looking || !running.is_empty(), "nothing runs though {ready:?} could");
}

fn world() -> impl Strategy<Value = World> {
    let task = (
        proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
        proptest::option::of(0usize..3),
        0u64..5,
        prop_oneof![Just(1_000u32), Just(500), Just(2_000), Just(9_000)],
        proptest::collection::vec(0usize..3, 0..2),
        (
            0u32..3,
            any::<bool>(),
            prop_oneof![6 => Just(RunOn::Success), 1 => Just(RunOn::Failure), 1 => Just(RunOn::Always)],
        ),
        proptest::collection::vec((0u64..50, 0u8..10), 1..4),
        proptest::option::of(any::<prop::sample::Index>()),
        (
            prop_oneof![3 => Just(Lookup::None), 3 => Just(Lookup::First), 1 => Just(Lookup::Only)],
            0u64..20,
            any::<bool>(),
        ),
    );
    let rules = (
        1u32..5,
        prop_oneof![Just(FailFast::Finish), Just(FailFast::Kill), Just(FailFast::KeepGoing)],
        any::<bool>(),
        any::<u64>(),
    );
    (proptest::collection::vec(task, 0..40), rules, proptest::collection::vec(0u64..200, 0..3)).prop_map(
        |(parts, (jobs, fail_fast, staged, seed), interrupts)| {
            let (mut tasks, mut script, mut known) = (Vec::<Task>::new(), Vec::new(), Vec::new());
            for (at, (waits, stage, priority, cpu_milli, locks, kind, plays, conflict, (lookup, takes, hit))) in
                parts.into_iter().enumerate()
            {
                let (count, allow_failure, run_on) = kind;
                // Clean-up is never looked up.
                let lookup = if run_on == RunOn::Success { lookup } else { Lookup::None };
                known.push((takes, hit));
                let mut waits: Vec<usize> =
                    waits.iter().filter(|_| at > 0).map(|index| index.index(at.max(1))).collect();
                waits.sort_unstable();
                waits.dedup();
                let stage = stage.filter(|_| staged);
                for wait in &waits {
                    tasks[*wait].dependents.push(at);
                }
                let conflicts: Vec<usize> =
                    conflict.iter().filter(|_| at > 0).map(|index| index.index(at.max(1))).collect();
                for other in &conflicts {
                    tasks[*other].conflicts.push(at);
                }
                let retries = Retries {
                    count,
                    backoff_ms: 10,
                    max_backoff_ms: 40,
                    on: vec![OutcomeKind::Failure, OutcomeKind::Timeout],
                };
                tasks.push(Task {
                    waits,
                    dependents: vec![],
                    stage,
                    priority,
                    cpu_milli,
                    memory_bytes: 0,
                    locks,
                    conflicts,
                    retries,
                    allow_failure,
                    optional: false,
                    run_on,
                    lookup,
                });
                script.push(plays);
            }
            let capacity = Capacity { cpu_milli: jobs * 1_000, memory_bytes: None };
            let rules = Rules { capacity, fail_fast, stages: if staged { 3 } else { 0 }, seed };
            World { tasks, script, known, rules, interrupts }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn every_world_ends(world in world()) {
        let log = simulate(&world);
        prop_assert_eq!(log.finishes.len(), 1, "a run finishes once");
        for task in 0..world.tasks.len() {
            let starts_after = log.hits.contains(&task) && log.started.iter().any(|(at, _)| *at == task);
            prop_assert!(!starts_after, "task {} runs though its result is known", task);
            let ends = log.ended.iter().filter(|(at, last, ..)| *at == task && *last).count();
            let cancels = log.cancelled.iter().filter(|at| **at == task).count();
            let hits = log.hits.iter().filter(|at| **at == task).count();
            prop_assert_eq!(ends + cancels + hits, 1, "task {} ends exactly once", task);
            let starts = log.started.iter().filter(|(at, _)| *at == task).count();
            prop_assert!(starts <= world.tasks[task].retries.count as usize + 1, "task {} is tried too often", task);
        }
        let failed = log.ended.iter().any(|(_, last, allowed, outcome)| *last && !allowed && outcome.kind().is_some());
        let expected = match (log.first_interrupt.is_some() , failed) {
            (false, false) => RunStatus::Passed,
            (false, true) => RunStatus::Failed,
            (true, _) => RunStatus::Interrupted,
        };
        let late = log.first_interrupt.is_some() && log.finishes[0] != RunStatus::Interrupted;
        prop_assert!(late || log.finishes[0] == expected, "{:?} but {:?}", log.finishes, expected);
    }
}
