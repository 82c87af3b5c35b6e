//! Decisions as tables: what changed, what is known, and what each step does about it.

use super::*;
use crate::base::{GlobSet, RepoPath, RunId};
use crate::change::{Base, BaseHow, ChangedFile, Status, Where};
use crate::config::model::*;
use crate::config::trigger::Trigger;
use crate::event::{Because, Evidence, SkipReason};
use crate::graph::{Inputs, Step};
use crate::verdict::Verdict;
use std::collections::BTreeSet;

mod held;

/// A small world round `plan::build`, changed by each test and then asked.
struct World {
    steps: Vec<Step>,
    stages: Vec<StageSpec>,
    change: ChangeSet,
    at_base: BaseDefinitions,
    known: Known,
    request: RunRequest,
    context: Digest,
}

fn globs(patterns: &[&str]) -> GlobSet {
    GlobSet::parse(patterns, &RepoPath::root()).unwrap()
}

fn step(id: &str, inputs: &[&str]) -> Step {
    let inputs = if inputs.is_empty() { Inputs::Everything } else { Inputs::Globs(globs(inputs)) };
    Step { inputs, ..sample(id) }
}

fn needs(mut step: Step, ids: &[&str]) -> Step {
    step.needs = ids.iter().map(|id| StepId::parse(id).unwrap()).collect();
    step
}

fn outputs(mut step: Step, patterns: &[&str]) -> Step {
    step.outputs = Some(globs(patterns));
    step
}

impl World {
    /// On a topic branch, with a guarded merge base, and these files changed.
    fn new(steps: Vec<Step>, changed: &[&str]) -> Self {
        let file = |path: &&str| ChangedFile {
            path: RepoPath::from(*path),
            from: None,
            status: Status::Modified,
            seen: Where { committed: true, ..Where::default() },
            modes: (0o100_644, 0o100_644),
        };
        let how = BaseHow::MergeBase { branch: "refs/heads/main".into() };
        let change = ChangeSet {
            base: Base::Commit { commit: "b".repeat(40), how },
            head: Some("c".repeat(40)),
            branch: Some("topic".into()),
            base_guarded: true,
            files: changed.iter().map(file).collect(),
            unseen: vec![],
            partial: false,
        };
        let settings = Settings { multi_stage: false, ..Settings::default() };
        let request = RunRequest {
            fetch: false,
            settings,
            base: BaseRef::Default,
            filter: Filter::default(),
            manual: BTreeSet::new(),
            jobs: 2,
        };
        let known = Known { base: Some("b".repeat(40)), ..Known::default() };
        let context = Digest::of_bytes(b"context");
        Self { steps, stages: vec![], change, at_base: BaseDefinitions::Same, known, request, context }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn knows(mut self, id: &str, passed: bool) -> Self {
        let step = self.steps.iter().find(|step| step.id.as_str() == id).unwrap();
        let verdict = Verdict {
            definition: step.definition(),
            context: self.context,
            passed,
            run: RunId("r1".into()),
            at: "2026-01-01T00:00:00Z".into(),
        };
        self.known.at_base.insert(step.id.clone(), verdict);
        self
    }

    fn plan(&self) -> Plan {
        let graph = StepGraph::build(self.steps.clone()).unwrap();
        let rules: Vec<CategoryRule> = [("docs", &["**/*.md"][..]), ("code", &["**/*.rs"])]
            .iter()
            .map(|(name, patterns)| CategoryRule {
                category: Category::from(*name),
                paths: Paths::Given(globs(patterns)),
                built_in: true,
            })
            .collect();
        let known_change = self.change.base != Base::None;
        let class =
            known_change.then(|| crate::classify::classify(&rules, ImpactLimits { code_files: 20 }, &self.change));
        let definitions: Vec<Digest> = graph.steps().iter().map(|step| step.definition()).collect();
        build(Facts {
            graph: &graph,
            definitions: &definitions,
            stages: &self.stages,
            change: &self.change,
            class: class.as_ref(),
            at_base: &self.at_base,
            known: &self.known,
            contexts: &vec![self.context; graph.len()],
            request: &self.request,
        })
        .unwrap()
    }

    fn decision(&self, id: &str) -> Decision {
        let plan = self.plan();
        plan.decisions[plan.graph.find(&StepId::parse(id).unwrap()).unwrap()].clone()
    }

    fn because(&self, id: &str) -> Because {
        match self.decision(id) {
            Decision::Run(because) => because,
            Decision::Skip(skip) => panic!("{id} is skipped: {skip}"),
        }
    }

    fn skip(&self, id: &str) -> SkipReason {
        match self.decision(id) {
            Decision::Skip(skip) => skip,
            Decision::Run(because) => panic!("{id} runs: {because}"),
        }
    }

    fn evidence(&self, id: &str) -> Evidence {
        match self.skip(id) {
            SkipReason::Unaffected { evidence, .. } => evidence,
            skip => panic!("{id}: {skip}"),
        }
    }
}

#[test]
fn only_what_watches_a_changed_file_runs() {
    let world = World::new(vec![step("a", &["src/**"]), step("b", &["docs/**"])], &["src/x.rs", "src/y.rs"]);
    assert!(matches!(world.because("a"), Because::Changed { path, more: 1, .. } if path == RepoPath::from("src/x.rs")));
    assert!(matches!(world.evidence("b"), Evidence::Trusted { .. }));
}

#[test]
fn ignored_categories_and_skip_rules_leave_the_watch() {
    let docs_blind = Step { ignore: vec![Category::from("docs")], ..step("a", &[]) };
    let ruled = Step { unwatched: vec![r"\.md$".into()], ..step("b", &[]) };
    let world = World::new(vec![docs_blind, ruled, step("c", &[])], &["README.md"]);
    assert!(matches!(world.skip("a"), SkipReason::Unaffected { only, .. } if only == ["docs"]));
    world.skip("b");
    world.because("c");
}

#[test]
fn a_rename_out_of_a_watched_folder_is_a_change_there() {
    let world = World::new(vec![step("a", &["src/**"])], &["docs/x.md"])
        .with(|w| w.change.files[0].from = Some(RepoPath::from("src/x.rs")));
    assert!(matches!(world.because("a"), Because::Changed { path, .. } if path == RepoPath::from("src/x.rs")));
}

#[test]
fn evidence_decides_about_the_unaffected() {
    let steps = || vec![step("a", &["src/**"])];
    let world = || World::new(steps(), &["docs/x.md"]);
    assert!(matches!(world().knows("a", true).evidence("a"), Evidence::Witnessed { .. }));
    assert!(matches!(world().knows("a", false).because("a"), Because::FailedAtBase { .. }));
    let unguarded = world().with(|w| w.change.base_guarded = false);
    assert!(matches!(unguarded.because("a"), Because::Unproven { .. }));
    assert!(matches!(unguarded.knows("a", true).evidence("a"), Evidence::Witnessed { .. }));
    let strict = world().with(|w| w.request.settings.skip_policy = SkipPolicy::Witnessed);
    assert!(matches!(strict.because("a"), Because::Unproven { .. }));
    let elsewhere = world().knows("a", true).with(|w| w.context = Digest::of_bytes(b"other"));
    assert_eq!(elsewhere.because("a"), Because::ContextChanged);
    // A verdict about another definition says nothing; about another commit neither.
    let mut redefined = world().knows("a", false);
    redefined.steps[0].command = Command::Argv(vec!["false".into()]);
    assert!(matches!(redefined.evidence("a"), Evidence::Trusted { .. }));
    let other = world().knows("a", false).with(|w| w.known.base = Some("d".repeat(40)));
    assert!(matches!(other.evidence("a"), Evidence::Trusted { .. }));
}

#[test]
fn nothing_is_skipped_without_a_base_or_with_smart_execution_off() {
    let world = || World::new(vec![step("a", &["src/**"])], &["docs/x.md"]);
    assert_eq!(world().with(|w| w.change = ChangeSet::unknown()).because("a"), Because::NoBase);
    assert_eq!(world().with(|w| w.request.settings.smart_execution = Smart::Off).because("a"), Because::SmartOff);
}

#[test]
fn a_changed_definition_runs() {
    let world = || World::new(vec![step("a", &["src/**"])], &["docs/x.md"]);
    let same = world().steps[0].definition();
    let of = |digest| BaseDefinitions::Of(BTreeMap::from([(StepId::parse("a").unwrap(), digest)]));
    world().with(|w| w.at_base = of(same)).skip("a");
    let changed = world().with(|w| w.at_base = of(Digest::of_bytes(b"then")));
    assert_eq!(changed.because("a"), Because::DefinitionChanged);
    let new = world().with(|w| w.at_base = BaseDefinitions::Of(BTreeMap::new()));
    assert_eq!(new.because("a"), Because::DefinitionChanged);
    let unreadable = world().with(|w| w.at_base = BaseDefinitions::Unknown("gone".into()));
    assert!(matches!(unreadable.because("a"), Because::DefinitionUnknown { .. }));
}

#[test]
fn what_git_does_not_see_is_never_skipped_by_diff() {
    let hidden = |path: &str, folder, assumed| crate::change::Unseen {
        path: RepoPath::from(path),
        folder,
        assumed,
        opaque: false,
    };
    let world = |inputs: &[&str], unseen| {
        World::new(vec![step("a", inputs)], &["x.md"]).with(|w| w.change.unseen = vec![unseen])
    };
    let unseen =
        |inputs: &[&str], hidden| matches!(world(inputs, hidden).decision("a"), Decision::Run(Because::Unseen { .. }));
    assert!(unseen(&["dist/**"], hidden("dist", true, false)));
    assert!(unseen(&[".env"], hidden(".env", false, false)));
    assert!(unseen(&["src/*.gen.rs"], hidden("src/a.gen.rs", false, false)));
    assert!(unseen(&["src/**"], hidden("src/a.rs", false, true)));
    assert!(unseen(&["{dist,build}/**"], hidden("dist", true, false)));
    assert!(unseen(&["services/*/generated/**"], hidden("services/a/generated", true, false)));
    assert!(unseen(&["**/.env"], hidden("a/.env", false, false)));
    assert!(unseen(&["vendor/lib/src/**"], hidden("vendor/lib", true, false)));
    // A wide pattern means what git tracks; ignored folders inside it are nobody's inputs.
    assert!(!unseen(&["src/**"], hidden("src/a.pyc", false, false)));
    assert!(!unseen(&["**/*.rs"], hidden("target", true, false)));
    assert!(!unseen(&["src"], hidden("src/a.pyc", false, false)));
    assert!(!unseen(&["src/**", "*/x.rs"], hidden("src/__pycache__", true, false)));
}

#[test]
fn news_flows_down_needs_but_not_along_after() {
    let after = Step { after: vec![StepId::parse("a").unwrap()], ..step("c", &["never"]) };
    let steps =
        vec![step("a", &["src/**"]), needs(step("b", &["never"]), &["a"]), after, needs(step("d", &["never"]), &["b"])];
    let world = World::new(steps, &["src/x.rs"]);
    assert!(matches!(world.because("b"), Because::Upstream { step } if step.as_str() == "a"));
    assert!(matches!(world.because("d"), Because::Upstream { step } if step.as_str() == "b"));
    world.skip("c");
}

#[test]
fn a_skipped_step_runs_when_its_outputs_are_needed_and_that_is_no_news() {
    let steps = vec![
        outputs(step("gen", &["schema/**"]), &["gen/**"]),
        needs(step("test", &["src/**"]), &["gen"]),
        needs(step("docs", &["docs/**"]), &["gen"]),
    ];
    let world = World::new(steps, &["src/x.rs"]);
    assert!(matches!(world.because("gen"), Because::OutputsNeeded { by } if by.as_str() == "test"));
    world.skip("docs");
    // Nothing needs it: it stays skipped. Without outputs there is nothing to miss.
    World::new(world.steps.clone(), &["other"]).skip("gen");
    let dry = vec![step("gen", &["schema/**"]), needs(step("test", &["src/**"]), &["gen"])];
    World::new(dry, &["src/x.rs"]).skip("gen");
}

#[test]
fn a_producer_that_was_held_back_although_it_changed_is_news() {
    let held = Step {
        when: Some(Trigger::Changes(Category::from("docs"))),
        ..outputs(step("gen", &["schema/**"]), &["gen/**"])
    };
    let steps = vec![held, needs(step("a", &["src/**"]), &["gen"]), needs(step("b", &["never"]), &["gen"])];
    let both = World::new(steps.clone(), &["schema/s.json", "src/x.rs"]);
    assert!(matches!(both.because("gen"), Because::Changed { .. }));
    assert!(matches!(both.because("b"), Because::Upstream { step } if step.as_str() == "gen"));
    // Also when nothing else asks for it; and not at all when it did not change.
    World::new(steps.clone(), &["schema/s.json"]).because("b");
    World::new(steps, &["other"]).skip("b");
}

#[test]
fn declared_inputs_that_a_running_step_makes_are_news_even_without_a_need() {
    let steps = vec![
        outputs(step("gen", &["schema"]), &["src/gen.rs"]),
        outputs(step("build", &["schema"]), &["target/**"]),
        step("explicit", &["src/**"]),
        step("named", &["**/*.rs"]),
        step("wide", &["**/*.c"]),
        step("elsewhere", &["docs/**"]),
    ];
    let world = World::new(steps, &["schema"]);
    assert!(matches!(world.because("explicit"), Because::Upstream { step } if step.as_str() == "gen"));
    world.because("named");
    world.skip("wide");
    world.skip("elsewhere");
}

#[test]
fn who_needs_a_deployment_does_not_run_without_it() {
    let deploy = Step { kind: Some(Kind::Deploy), ..step("deploy", &[]) };
    let steps = vec![deploy, needs(step("smoke", &[]), &["deploy"])];
    let asked = World::new(steps, &["x"]).with(|w| w.request.filter.steps = vec!["smoke".into()]);
    assert_eq!(asked.skip("smoke"), SkipReason::Manual);
    assert_eq!(asked.with(|w| w.request.filter.alone = true).because("smoke"), Because::Requested);
}

#[test]
fn what_waits_for_a_person_is_not_run_by_anybody_else() {
    let manual = Step { when: Some(Trigger::Manual), ..outputs(step("seed", &["db/**"]), &["seeded/**"]) };
    let steps = vec![manual, needs(step("test", &["src/**"]), &["seed"])];
    for world in [
        World::new(steps.clone(), &["src/x.rs"]),
        World::new(steps, &["src/x.rs"]).with(|w| w.request.settings.smart_execution = Smart::Observe),
    ] {
        assert_eq!(world.skip("seed"), SkipReason::Manual);
    }
}

#[test]
fn outputs_of_others_leave_implicit_watches_only() {
    let made = outputs(step("gen", &["schema/**"]), &["gen/**"]);
    let steps = vec![made, step("all", &[]), step("explicit", &["gen/**"]), needs(step("user", &[]), &["gen"])];
    let world = World::new(steps, &["gen/x.rs"]);
    world.skip("all");
    world.because("explicit");
    world.because("user");
}

#[test]
fn a_writer_that_runs_makes_run_what_watches_its_files() {
    let writer = Step { writes: Some(globs(&["src/**"])), ..step("fmt", &["rustfmt.toml"]) };
    let steps =
        vec![writer, step("test", &["src/**"]), step("docs", &["docs/**"]), needs(step("pack", &["never"]), &["test"])];
    let world = World::new(steps.clone(), &["rustfmt.toml"]);
    assert!(matches!(world.because("test"), Because::Upstream { step } if step.as_str() == "fmt"));
    world.because("pack");
    world.skip("docs");
    World::new(steps, &["docs/x"]).skip("test");
}

#[test]
fn manual_and_deploy_run_only_when_asked_for() {
    let deploy = Step { kind: Some(Kind::Deploy), ..step("deploy", &[]) };
    let staged = Step { stage: Some("release".into()), ..step("publish", &[]) };
    let world = || {
        World::new(vec![deploy.clone(), staged.clone(), needs(step("smoke", &[]), &["deploy"])], &["src/x.rs"])
            .with(|w| w.stages = vec![StageSpec { name: "release".into(), trigger: Trigger::Manual, target_ms: None }])
    };
    for world in [
        world(),
        world().with(|w| w.change = ChangeSet::unknown()),
        world().with(|w| w.request.settings.smart_execution = Smart::Off),
        world().with(|w| w.request.settings.smart_execution = Smart::Observe),
        world().with(|w| w.request.settings.multi_stage = true),
    ] {
        for id in ["deploy", "publish", "smoke"] {
            assert_eq!(world.skip(id), SkipReason::Manual, "{id}");
        }
    }
    world().with(|w| w.request.filter.steps = vec!["deploy".into()]).because("deploy");
    world().with(|w| w.request.manual = BTreeSet::from(["release".into()])).because("publish");
}

#[test]
fn triggers_hold_back_stages_and_steps() {
    let docs = Step { stage: Some("docs".into()), ..step("site", &[]) };
    let when = Step { when: Some(Trigger::Changes(Category::from("docs"))), ..step("spell", &[]) };
    let trigger = Trigger::Changes(Category::from("docs"));
    let world = |changed: &[&str]| {
        World::new(vec![docs.clone(), when.clone()], changed).with(|w| {
            w.request.settings.multi_stage = true;
            w.stages = vec![StageSpec { name: "docs".into(), trigger: trigger.clone(), target_ms: None }];
        })
    };
    assert!(matches!(world(&["src/x.rs"]).skip("site"), SkipReason::StageNotTriggered { .. }));
    assert!(matches!(world(&["src/x.rs"]).skip("spell"), SkipReason::WhenFalse { .. }));
    for id in ["site", "spell"] {
        world(&["README.md"]).because(id);
        // Nothing is known about the change, or nobody wants to know: then they run.
        world(&["src/x.rs"]).with(|w| w.change = ChangeSet::unknown()).because(id);
        world(&["src/x.rs"]).with(|w| w.request.settings.smart_execution = Smart::Off).because(id);
    }
}

#[test]
fn filters_pull_in_needs_and_name_strangers() {
    let steps = vec![step("a", &[]), needs(step("b", &[]), &["a"]), step("c", &[])];
    let world = World::new(steps, &["x"]).with(|w| w.request.filter.steps = vec!["b".into()]);
    world.because("a");
    world.because("b");
    assert_eq!(world.skip("c"), SkipReason::Filtered);
    let alone = world.with(|w| w.request.filter.alone = true);
    assert_eq!(alone.because("b"), Because::Requested);
    assert_eq!(alone.skip("a"), SkipReason::Filtered);
}

#[test]
fn clean_up_runs_when_what_it_follows_runs() {
    let follower = |id: &str, waits: &[&str]| Step {
        run_on: RunOn::Always,
        after: waits.iter().map(|id| StepId::parse(id).unwrap()).collect(),
        ..step(id, &[])
    };
    let steps = vec![
        step("db", &["src/**"]),
        step("lint", &["docs/**"]),
        follower("stop-db", &["db"]),
        follower("upload", &[]),
    ];
    let code = World::new(steps.clone(), &["src/x.rs"]);
    assert_eq!((code.because("stop-db"), code.because("upload")), (Because::RunOn, Because::RunOn));
    let docs = World::new(steps.clone(), &["docs/x"]);
    assert_eq!((docs.skip("stop-db"), docs.because("upload")), (SkipReason::NothingToFollow, Because::RunOn));
    let none = World::new(steps, &["other"]);
    assert_eq!((none.skip("stop-db"), none.skip("upload")), (SkipReason::NothingToFollow, SkipReason::NothingToFollow));
}

#[test]
fn clean_up_heeds_its_own_condition_and_passes_news_on() {
    let follower = Step { run_on: RunOn::Always, ..step("collect", &[]) };
    let picky = Step { when: Some(Trigger::Changes(Category::from("docs"))), ..follower.clone() };
    let steps = |follower| vec![step("a", &["src/**"]), follower, needs(step("after", &["never"]), &["collect"])];
    let world = World::new(steps(follower), &["src/x.rs"]);
    assert!(matches!(world.because("after"), Because::Upstream { step } if step.as_str() == "collect"));
    assert!(matches!(World::new(steps(picky), &["src/x.rs"]).skip("collect"), SkipReason::WhenFalse { .. }));
}

#[test]
fn a_writer_that_runs_for_its_outputs_rewrites_all_the_same() {
    let gen_step = outputs(Step { writes: Some(globs(&["api/**"])), ..step("gen", &["schema/**"]) }, &["gen/**"]);
    let steps = vec![gen_step, needs(step("test", &["src/**"]), &["gen"]), step("lint-api", &["api/**"])];
    let world = World::new(steps, &["src/x.rs"]);
    assert!(matches!(world.because("gen"), Because::OutputsNeeded { .. }));
    assert!(matches!(world.because("lint-api"), Because::Upstream { step } if step.as_str() == "gen"));
}

#[test]
fn observing_runs_everything_and_says_what_would_be() {
    let steps = vec![
        outputs(step("gen", &["schema/**"]), &["gen/**"]),
        needs(step("test", &["src/**"]), &["gen"]),
        step("docs", &["docs/**"]),
    ];
    let world = World::new(steps, &["src/x.rs"]).with(|w| w.request.settings.smart_execution = Smart::Observe);
    assert!(
        matches!(world.because("docs"), Because::Observed { skip } if matches!(*skip, SkipReason::Unaffected { .. }))
    );
    // What would run for another reason keeps that reason.
    assert!(matches!(world.because("gen"), Because::OutputsNeeded { .. }));
    assert!(matches!(world.because("test"), Because::Changed { .. }));
}

#[test]
fn only_a_staged_change_is_looked_at_when_asked_so() {
    let world = World::new(vec![step("a", &["src/**"])], &["docs/x.md"])
        .with(|w| w.change.base = Base::Staged { head: Some("b".repeat(40)) });
    assert!(matches!(world.evidence("a"), Evidence::Trusted { .. }));
    assert!(matches!(world.knows("a", false).because("a"), Because::FailedAtBase { .. }));
}
