//! Advice, present with its evidence and absent without. Pure.

use super::*;
use crate::base::{Digest, GlobSet, RepoPath};
use crate::config::model::{CacheUse, Kind as StepKind, Retries};
use crate::graph::{Inputs, Step};
use crate::plan::sample;

/// What one attempt did: how long it took, whether it passed, on which key.
type Did = (Millis, bool, Option<u8>);

/// Steps, what each did run by run, and stages.
struct Case {
    steps: Vec<(Step, Vec<Did>)>,
    stages: Vec<(String, bool)>,
    jobs: u32,
    jobs_said: bool,
    cores: u32,
    memory_bytes: Option<u64>,
    /// Steps that were defined otherwise when they did what they did.
    changed: Vec<&'static str>,
}

impl Case {
    fn of(steps: Vec<(Step, Vec<Did>)>) -> Self {
        Self { steps, stages: vec![], jobs: 2, jobs_said: false, cores: 2, memory_bytes: None, changed: vec![] }
    }

    fn staged(steps: Vec<(Step, Vec<Did>)>) -> Self {
        Self { stages: ["early", "late"].map(|name| (name.to_owned(), true)).to_vec(), ..Self::of(steps) }
    }

    fn advice(&self) -> Vec<Advice> {
        let graph = StepGraph::build(self.steps.iter().map(|(step, _)| step.clone()).collect()).unwrap();
        let ended = |(at, (wall_ms, passed, key)): (usize, &Did)| Ended {
            run: RunId(format!("r{at:03}")),
            last: true,
            passed: *passed,
            is_verdict: true,
            wall_ms: *wall_ms,
            usage: Usage { cpu_ms: wall_ms / 2, memory_bytes: 1 << 30, disk_bytes: 0 },
            key: key.map(|n| Key(Digest::from_bytes([n; 32]))),
        };
        let did = self.steps.iter().map(|(step, did)| (step.id.clone(), did.iter().enumerate().map(ended).collect()));
        let (before, history): (BTreeMap<StepId, Vec<Ended>>, BTreeMap<StepId, Vec<Ended>>) =
            did.partition(|(step, _)| self.changed.contains(&step.as_str()));
        advise(&World {
            graph: &graph,
            stages: &self.stages,
            history: &history,
            before: &before,
            runs: self.steps.iter().map(|(_, did)| did.len()).max().unwrap_or(0),
            jobs: self.jobs,
            jobs_said: self.jobs_said,
            cores: self.cores,
            memory_bytes: self.memory_bytes,
        })
    }

    fn found(&self, id: &str) -> Option<Advice> {
        self.advice().into_iter().find(|advice| advice.id == id)
    }
}

/// So many runs, each with a key of its own.
fn passes(n: usize, ms: Millis) -> Vec<Did> {
    (0..n).map(|at| (ms, true, Some(at as u8))).collect()
}

/// A step that says what it watches.
fn watching(id: &str, inputs: &str) -> Step {
    Step {
        inputs: Inputs::Globs(globs(inputs)),
        cache: CacheUse { read: true, write: true, ..CacheUse::default() },
        ..sample(id)
    }
}

fn after(step: Step, id: &str) -> Step {
    Step { after: vec![StepId::parse(id).unwrap()], ..step }
}

fn stage(step: Step, name: &str) -> Step {
    Step { stage: Some(name.into()), ..step }
}

fn globs(pattern: &str) -> GlobSet {
    GlobSet::parse(&[pattern], &RepoPath::root()).unwrap()
}

#[test]
fn inputs_are_missed_on_what_always_runs_and_costs_much() {
    let told = Case::of(vec![(sample("a"), passes(10, 9_000))]).found("inputs:a").unwrap();
    assert_eq!((told.saves_ms, told.saves_work_ms, told.at_most, told.edit), (9_000, 9_000, true, None));
    assert_eq!(told.evidence, "it has no `inputs`, ran in 10 of 10 runs and takes 9.0s");
    assert_eq!(told.runs, ["r009", "r008", "r007"].map(|run| RunId(run.into())));
    let short = Case::of(vec![(sample("a"), passes(9, 9_000))]);
    assert_eq!(short.advice(), [], "nine runs are no evidence of anything");
    for (what, step, did) in [
        ("it names them", watching("a", "src/**"), passes(10, 9_000)),
        ("it is cheap", sample("a"), passes(10, 900)),
        ("it deploys", Step { kind: Some(StepKind::Deploy), ..sample("a") }, passes(10, 9_000)),
    ] {
        assert_eq!(Case::of(vec![(step, did)]).found("inputs:a"), None, "{what}");
    }
    let rare = Case::of(vec![(sample("a"), passes(10, 9_000)), (watching("b", "b/**"), passes(20, 9_000))]);
    assert_eq!(rare.found("inputs:a"), None, "it runs in half of the runs");
    let small = Case::of(vec![(sample("a"), passes(10, 9_000)), (watching("b", "b/**"), passes(10, 900_000))]);
    assert_eq!(small.found("inputs:a"), None, "it is a hundredth of all");
}

#[test]
fn what_never_fails_can_run_later() {
    let told = Case::of(vec![(sample("a"), passes(50, 9_000))]).found("seldom:a").unwrap();
    assert_eq!(told.evidence, "it passed 50 times without a failure and takes 9.0s");
    assert!((told.saves_ms, told.edit) == (9_000, None) && !told.what.contains("delete"));
    assert_eq!(Case::of(vec![(sample("a"), passes(49, 9_000))]).found("seldom:a"), None);
    let mut once = passes(50, 9_000);
    once[3].1 = false;
    assert_eq!(Case::of(vec![(sample("a"), once)]).found("seldom:a"), None);
    let feeds = vec![(sample("a"), passes(50, 9_000)), (after(sample("b"), "a"), passes(50, 10))];
    assert_eq!(Case::of(feeds).found("seldom:a"), None, "something waits for it");
    let late = Case::staged(vec![(stage(sample("a"), "late"), passes(50, 9_000))]);
    assert_eq!(late.found("seldom:a"), None, "it is late already");
}

#[test]
fn what_another_definition_did_is_no_evidence_and_only_a_guess_at_the_whole() {
    let mut case = Case::of(vec![(sample("a"), passes(50, 9_000)), (sample("b"), passes(50, 10_000))]);
    let whole = case.found("seldom:b").unwrap();
    assert_eq!((whole.saves_ms, case.advice().len()), (1_000, 5), "{:?}", case.advice());
    case.changed = vec!["a"];
    assert_eq!(case.found("seldom:b"), Some(whole), "a run still takes as long as both");
    assert!(case.advice().iter().all(|advice| advice.step == StepId::parse("b").ok()), "{:?}", case.advice());
    case.changed = vec!["a", "b"];
    assert_eq!(case.advice(), []);
}

#[test]
fn an_edge_that_carries_nothing_is_told() {
    let maker = || Step { outputs: Some(globs("dist/**")), ..watching("make", "src/**") };
    let case = |maker: Step, user: Step, runs| {
        Case::of(vec![(maker, passes(runs, 8_000)), (after(user, "make"), passes(runs, 5_000))])
    };
    let told = case(maker(), watching("use", "docs/**"), 10).found("edge:use-make").unwrap();
    assert_eq!((told.saves_ms, told.step, told.edit), (5_000, Some(StepId::parse("use").unwrap()), None));
    assert!(told.evidence.contains("`make` makes dist/**, of which `use` watches nothing"), "{}", told.evidence);
    for (what, maker, user, runs) in [
        ("it watches what is made", maker(), watching("use", "dist/x"), 10),
        ("it may watch anything", maker(), sample("use"), 10),
        ("nobody knows what is made", watching("make", "src/**"), watching("use", "docs/**"), 10),
        ("it is edited in place", Step { writes: Some(globs("docs/**")), ..maker() }, watching("use", "docs/**"), 10),
        ("too few runs", maker(), watching("use", "docs/**"), 9),
    ] {
        assert_eq!(case(maker, user, runs).found("edge:use-make"), None, "{what}");
    }
    let mut one = case(maker(), watching("use", "docs/**"), 10);
    one.jobs = 1;
    assert_eq!(one.found("edge:use-make"), None, "one after the other, nothing is gained");
}

#[test]
fn a_step_that_is_most_of_the_run_can_be_split() {
    let case = |large, small| {
        Case::of(vec![(watching("a", "a"), passes(10, large)), (after(watching("b", "b"), "a"), passes(10, small))])
    };
    let told = case(50_000, 40_000).found("split:a").unwrap();
    assert_eq!((told.saves_ms, told.evidence.as_str()), (25_000, "it takes 50s of 1m30s (55 %)"));
    let third = vec![
        (watching("a", "a"), passes(10, 40_000)),
        (after(watching("b", "b"), "a"), passes(10, 39_000)),
        (after(watching("c", "c"), "b"), passes(10, 39_000)),
    ];
    assert_eq!(Case::of(third).found("split:a"), None, "a third is no more than others have");
    assert_eq!(case(1_500, 100).found("split:a"), None, "what is short may stay so");
}

#[test]
fn what_often_fails_and_is_cheap_comes_first() {
    let lint = |failures: usize| {
        let did = (0..20).map(|at| (1_000, at >= failures, None)).collect();
        (stage(watching("lint", "src/**"), "late"), did)
    };
    let build = || (stage(watching("build", "src/**"), "early"), passes(20, 100_000));
    let told = Case::staged(vec![build(), lint(4)]).found("stage:lint").unwrap();
    assert_eq!(told.saves_ms, 20_000, "a hundred seconds sooner in one of five runs");
    assert_eq!(told.what, "let `lint` run in stage `early` already");
    assert_eq!(told.evidence, "it takes 1.0s, failed in 4 of 20 runs, and would say so 1m40s sooner");
    assert_eq!(told.runs[0], RunId("r003".into()));
    assert_eq!(Case::staged(vec![build(), lint(2)]).found("stage:lint"), None, "two are chance");
    let (step, did) = lint(4);
    let needs = (after(step, "mid"), did);
    let mid = (stage(watching("mid", "src/**"), "late"), passes(20, 1));
    assert_eq!(Case::staged(vec![build(), mid, needs]).found("stage:lint"), None, "it waits for a late one");
    assert_eq!(Case::of(vec![build(), lint(4)]).found("stage:lint"), None, "there are no stages");
}

#[test]
fn what_passes_again_on_the_same_key_can_be_cached() {
    let again = |keys: [u8; 12]| keys.map(|key| (5_000, true, Some(key))).to_vec();
    let keys = [1, 1, 1, 1, 2, 2, 2, 3, 4, 4, 4, 5];
    let told = Case::of(vec![(sample("a"), again(keys))]).found("cache:a").unwrap();
    assert_eq!((told.saves_work_ms, told.edit.clone().unwrap().value.as_str()), (35_000 / 12, "true"));
    assert!(told.evidence.contains("passed 7 times on the very key") && told.evidence.contains("35s in all"));
    let unique = Case::of(vec![(sample("a"), again([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9]))]);
    assert_eq!(unique.found("cache:a"), None, "two are chance");
    let cached = Step { cache: CacheUse { read: true, write: true, ..CacheUse::default() }, ..sample("a") };
    assert_eq!(Case::of(vec![(cached, again(keys))]).found("cache:a"), None);
    let deploy = Step { kind: Some(StepKind::Deploy), ..sample("a") };
    assert_eq!(Case::of(vec![(deploy, again(keys))]).found("cache:a"), None);
    let feeds = vec![(sample("a"), again(keys)), (after(sample("b"), "a"), passes(12, 10))];
    let told = Case::of(feeds).found("cache:a").unwrap();
    assert!(told.edit.is_none() && told.what.contains("declare its `outputs`"), "{}", told.what);
}

#[test]
fn the_number_of_jobs_is_judged() {
    let eight = |ms| (0..8).map(|at| (watching(&format!("s{at}"), "x"), passes(10, ms))).collect();
    // Half of the time of each is waiting: two processors can do twice as much.
    let mut case = Case::of(eight(10_000));
    let told = case.found("jobs").unwrap();
    assert_eq!((told.saves_ms, told.edit.clone().unwrap().value.as_str()), (10_000, "3"), "four would be too busy");
    assert_eq!(
        told.evidence,
        "a whole run takes 40s with 2 at once, 30s with 3, which keeps 67 % of 2 processors busy"
    );
    case.cores = 4;
    let told = case.found("jobs").unwrap();
    assert_eq!((told.saves_ms, told.edit.clone().unwrap().value.as_str()), (20_000, "4"), "{told:?}");
    case.memory_bytes = Some(2 << 30);
    assert_eq!(case.found("jobs"), None, "four need four GiB");
    let mut one = Case::of(vec![(watching("a", "x"), passes(10, 10_000))]);
    one.jobs_said = true;
    assert_eq!(one.found("jobs").unwrap().edit.unwrap().value, "1");
    one.jobs_said = false;
    assert_eq!(one.found("jobs"), None, "nobody asked for two");
}

#[test]
fn flaky_steps_are_tried_again() {
    let did = |failures: usize| -> Vec<Did> { (0..20).map(|at| (10_000, at >= failures, Some(7))).collect() };
    let step = || watching("a", "x");
    let told = Case::of(vec![(step(), did(4))]).found("retries:a").unwrap();
    assert_eq!(told.saves_ms, 2_000, "one of five runs has to be made again");
    let edit = told.edit.unwrap();
    assert_eq!((edit.step.unwrap().as_str(), edit.key.as_str(), edit.value.as_str()), ("a", "retries", "2"));
    assert_eq!(Case::of(vec![(step(), did(2))]).found("retries:a"), None, "two are chance");
    let honest: Vec<Did> = (0..20).map(|at| (10_000, at >= 4, Some(at as u8))).collect();
    assert_eq!(Case::of(vec![(step(), honest)]).found("retries:a"), None, "other files, other verdict");
    let tries = Step { retries: Retries { count: 1, ..Retries::default() }, ..step() };
    assert_eq!(Case::of(vec![(tries, did(4))]).found("retries:a"), None);
    let deploy = Step { kind: Some(StepKind::Deploy), ..step() };
    assert_eq!(Case::of(vec![(deploy, did(4))]).found("retries:a"), None);
}

#[test]
fn a_timeout_far_from_what_it_takes_is_shortened() {
    let case = |timeout_ms, runs, ms| Case::of(vec![(Step { timeout_ms, ..watching("a", "x") }, passes(runs, ms))]);
    let told = case(Some(3_600_000), 10, 30_000).found("timeout:a").unwrap();
    assert_eq!((told.edit.unwrap().value.as_str(), told.saves_ms), ("2m", 0));
    assert_eq!(told.evidence, "its longest pass of 10 took 30s, and it may take 1h00m");
    assert_eq!(case(None, 10, 30_000).found("timeout:a"), None, "nobody wants one");
    assert_eq!(case(Some(3_600_000), 9, 30_000).found("timeout:a"), None);
    assert_eq!(case(Some(3_600_000), 10, 400_000).found("timeout:a"), None, "it is not far");
    assert_eq!(case(Some(60_000), 10, 10).found("timeout:a"), None, "a minute is short enough");
}

#[test]
fn the_best_comes_first_and_names_are_unique() {
    let case = Case::of(vec![
        (sample("a"), passes(50, 9_000)),
        (Step { timeout_ms: Some(36_000_000), ..sample("b") }, passes(50, 30_000)),
    ]);
    let all = case.advice();
    assert!(all.windows(2).all(|pair| pair[0].saves_ms >= pair[1].saves_ms));
    let ids: std::collections::BTreeSet<&str> = all.iter().map(|advice| advice.id.as_str()).collect();
    assert_eq!(ids.len(), all.len());
    assert!(all.len() >= 4 && all.last().unwrap().id == "timeout:b", "{ids:?}");
}
