//! What the binary decides in real repositories, and from what evidence.

use super::world::World;

const TWO: &str = "
steps:
  - {id: code, run: 'echo code', inputs: ['src/**']}
  - {id: docs, run: 'echo docs', inputs: ['docs/**', '*.md']}
";

#[test]
fn a_topic_branch_runs_what_its_change_affects() {
    let world = World::topic(TWO);
    assert_eq!(world.plan(&[]), "code skip:unaffected, docs skip:unaffected");
    world.write("docs/guide.md", "more\n");
    assert_eq!(world.plan(&[]), "code skip:unaffected, docs run:changed");
    world.commit("docs");
    world.write("src/new.rs", "new\n");
    assert_eq!(world.plan(&[]), "code run:changed, docs run:changed");
    let said = world.wf(&["run"]).passed().says("2 passed");
    assert!(!said.out.contains('\u{1b}'), "no escapes without a terminal");
}

#[test]
fn the_default_branch_trusts_only_recorded_runs() {
    let world = World::new(TWO);
    assert_eq!(world.plan(&[]), "code run:no-base, docs run:no-base");
    let _ = world.wf(&["run"]).passed();
    world.write("src/a.rs", "b\n").commit("code");
    assert_eq!(world.plan(&[]), "code run:changed, docs skip:unaffected");
    // A green run of this commit, part of it on recorded evidence, is a base for the next.
    let _ = world.wf(&["run"]).passed();
    world.write("docs/x.md", "b\n").commit("docs");
    assert_eq!(world.plan(&[]), "code skip:unaffected, docs run:changed");
}

#[test]
fn a_docs_commit_on_top_of_a_broken_commit_does_not_turn_green() {
    let config = TWO.replace("echo code", "exit 1");
    let world = World::topic(&config);
    world.write("src/a.rs", "broken\n");
    let broken = world.commit("broken");
    let _ = world.wf(&["run"]).exits(1);
    world.write("docs/guide.md", "fix\n").commit("docs only");
    assert_eq!(world.plan(&["--base", &broken]), "code run:failed-at-base, docs run:changed");
}

#[test]
fn a_commit_that_settings_name_as_base_is_no_branch_that_somebody_guards() {
    let world = World::new(TWO);
    world.write("src/a.rs", "bad\n").commit("broken");
    world.write("docs/guide.md", "more\n").commit("prose");
    for base in ["HEAD~1", world.git(&["rev-parse", "HEAD~1"]).trim()] {
        let said = world.wf_env(&[("WF_BASE", base)], &["plan"]).passed();
        let _ = said.says("run   code  ").says("run   docs  docs/guide.md changed");
        world.write(".workflow-config.yaml", format!("base: {base}\n{TWO}"));
        assert_eq!(world.plan(&[]), "code run:unproven, docs run:changed");
        world.write(".workflow-config.yaml", TWO);
    }
    // On a topic branch a commit of the default branch is as good by any name.
    world.git(&["switch", "--quiet", "--create", "topic"]);
    assert!(world.wf_env(&[("WF_BASE", "HEAD~1")], &["plan"]).passed().out.contains("1 to run, 1 skipped"));
}

#[test]
fn a_dirty_tree_leaves_no_evidence() {
    let world = World::new(TWO);
    world.write("src/a.rs", "dirty\n");
    let _ = world.wf(&["run"]).passed();
    world.git(&["checkout", "--quiet", "src/a.rs"]);
    assert_eq!(world.plan(&[]), "code run:no-base, docs run:no-base");
}

#[test]
fn trust_is_not_proof() {
    let world = World::topic(TWO);
    world.write("docs/guide.md", "1\n");
    let first = world.commit("docs");
    let _ = world.wf(&["run"]).passed().says("trust");
    world.write("docs/guide.md", "2\n").commit("docs again");
    // `code` was skipped on trust at `first`; that is no recorded pass there.
    assert_eq!(world.plan(&["--base", &first]), "code run:unproven, docs run:changed");
    assert_eq!(world.plan(&["--skip-policy", "witnessed"]), "code run:unproven, docs run:changed");
}

#[test]
fn a_changed_definition_runs_and_an_unchanged_one_does_not() {
    let world = World::topic(TWO);
    world.write(".workflow-config.yaml", TWO.replace("echo docs", "echo other"));
    assert_eq!(world.plan(&[]), "code skip:unaffected, docs run:definition-changed");
    // A flag means the same at the base: no definition differs because of it.
    assert_eq!(world.plan(&["--jobs", "3"]), "code skip:unaffected, docs run:definition-changed");
    world.write(".workflow-config.yaml", format!("# a comment\n{TWO}"));
    assert_eq!(world.plan(&[]), "code skip:unaffected, docs skip:unaffected");
}

#[test]
fn what_held_a_step_back_is_part_of_its_definition() {
    let config = "
stages: [{name: core}, {name: night, trigger: manual}]
steps:
  - {id: fuzz, stage: night, run: 'true', inputs: [src/]}
  - {id: spell, stage: core, run: 'true', inputs: [docs/], when: assets_changes}
  - {id: unit, stage: core, run: 'true', inputs: [src/]}
";
    let world = World::topic(config);
    world.write(".workflow-config.yaml", config.replace(", trigger: manual", "").replace(", when: assets_changes", ""));
    // Nobody ever ran them at the base, so a green base says nothing about them.
    assert_eq!(world.plan(&[]), "fuzz run:definition-changed, spell run:definition-changed, unit skip:unaffected");
}

#[test]
fn what_ignore_means_is_part_of_a_definition() {
    let config = "
steps:
  - {id: test, run: 'true', ignore: [docs]}
";
    let world = World::topic(config);
    world.write("README.md", "x\n");
    assert_eq!(world.plan(&[]), "test skip:unaffected");
    world.write(".workflow-config.yaml", format!("{config}\ncategories:\n  docs: {{add: ['src/**']}}\n"));
    world.write("src/a.rs", "changed\n");
    assert_eq!(world.plan(&[]).split(':').next(), Some("test run"));
}

#[test]
fn only_what_is_staged_counts_when_asked_so() {
    let world = World::topic(TWO);
    world.write("src/a.rs", "unstaged\n").write("docs/guide.md", "staged\n");
    world.git(&["add", "docs/guide.md"]);
    assert_eq!(world.plan(&["--staged"]), "code skip:unaffected, docs run:changed");
}

#[test]
fn a_base_that_somebody_typed_must_exist() {
    let world = World::topic(TWO);
    let _ = world.wf(&["plan", "--base", "nowhere"]).exits(2).complains("`nowhere` does not name a commit");
}

#[test]
fn in_ci_git_is_asked_and_what_it_cannot_say_is_said() {
    let ci = [("CI", "true")];
    let world = World::topic(TWO);
    world.write("docs/guide.md", "more\n").commit("docs");
    let said = world.wf_env(&ci, &["run"]).passed();
    let _ = said.says("1 passed").says("merge base with main");
    let world = World::new(TWO);
    let _ = world.wf_env(&ci, &["run"]).passed().says("2 passed");
    assert_eq!(world.events_of("fallback")[0]["code"], "no-green-ancestor");
    let world = World::new(TWO);
    let _ = world.wf_env(&ci, &["run", "--strict"]).exits(3).complains("--strict");
}

#[test]
fn outside_git_everything_runs_and_the_hint_says_what_to_do() {
    let world = World::new(TWO);
    std::fs::remove_dir_all(world.path(".git")).unwrap();
    let said = world.wf(&["run"]).passed().says("2 passed");
    let _ = said.says("not inside a git repository");
    assert_eq!(world.events_of("fallback")[0]["code"], "not-a-repository");
}

#[test]
fn before_the_first_commit_everything_runs() {
    let world = World::new(TWO);
    world.git(&["checkout", "--quiet", "--orphan", "fresh"]);
    let _ = world.wf(&["run"]).passed().says("2 passed");
}

#[test]
fn observing_reports_a_skip_that_would_have_been_wrong() {
    let world = World::topic(&TWO.replace("echo code", "test ! -e docs/trap.md"));
    world.write("docs/trap.md", "x\n");
    let said = world.wf(&["run", "--smart-execution=observe", "--keep-going"]).exits(1);
    let _ = said.says("would have");
    let wrong = world.events_of("warning").into_iter().find(|event| event["code"] == "wrong-skip").unwrap();
    assert_eq!(wrong["step"], "code");
}

#[test]
fn manual_steps_wait_to_be_asked_for() {
    let world = World::topic(
        "
stages:
  - {name: core}
  - {name: release, trigger: manual}
steps:
  - {id: test, stage: core, run: 'true'}
  - {id: publish, stage: release, run: 'echo published'}
  - {id: rollout, kind: deploy, run: 'echo rolled out'}
",
    );
    assert_eq!(world.plan(&["--all"]), "publish skip:manual, rollout skip:manual, test run:smart-off");
    let _ = world.wf(&["run", "--all", "--manual-trigger", "release"]).passed().says("published");
    let _ = world.wf(&["run", "--steps", "rollout"]).passed().says("rolled out");
    let _ = world.wf(&["run", "--manual-trigger", "relase"]).exits(2).complains("did you mean `release`?");
}

#[test]
fn strangers_in_filters_are_usage_errors_with_a_suggestion() {
    let world = World::topic(TWO);
    let _ = world.wf(&["run", "--steps", "cod"]).exits(2).complains("did you mean `code`?");
    let _ = world.wf(&["explain", "dcos"]).exits(2).complains("did you mean `docs`?");
}

#[test]
fn explain_tells_the_chain_and_how_to_turn_it_round() {
    let world = World::topic(TWO);
    world.write("src/a.rs", "b\n");
    let said = world.wf(&["explain", "code"]).passed();
    let said = said.says("src/a.rs [code] changed").says("matches `src/**` of its inputs");
    let _ = said.says("without the changes to src/a.rs it would be skipped").says("wf run --steps code --no-needs");
    let _ = world.wf(&["explain", "docs"]).passed().says("any change to a file that matches `docs/**`");
}

#[test]
fn a_staged_plan_is_told_stage_after_stage() {
    let config = "
stages: [{name: core}, {name: extended}]
steps:
  - {id: audit, stage: extended, run: 'true'}
  - {id: build, stage: core, run: 'true'}
  - {id: test, stage: core, run: 'true', needs: [build]}
  - {id: e2e, stage: extended, run: 'true', needs: [test]}
";
    let world = World::topic(config);
    let said = world.wf(&["plan", "--all"]).passed();
    let told: Vec<&str> = said.out.lines().filter(|line| line.contains("batch") || line.starts_with("  run")).collect();
    let told: Vec<&str> = told.iter().map(|line| line.trim_end_matches("smart execution is off").trim()).collect();
    let core = ["stage core, batch 1", "run   build", "stage core, batch 2", "run   test"];
    let extended = ["stage extended, batch 1", "run   audit", "stage extended, batch 2", "run   e2e"];
    assert_eq!(told, [core, extended].concat());
    assert!(world.wf(&["graph", "--all"]).passed().out.starts_with("stage core\n"));
    let flat = world.wf(&["plan", "--all", "--no-multi-stage"]).passed();
    assert!(!flat.out.contains("stage ") && flat.out.contains("\nbatch 1\n"), "{}", flat.out);
}

#[test]
fn plan_and_dry_run_are_the_same_and_write_nothing() {
    let world = World::topic(TWO);
    let plan = world.wf(&["plan"]).passed();
    let dry = world.wf(&["run", "--dry-run"]).passed();
    assert_eq!(plan.out, dry.out);
    assert!(!world.path(".wf").exists());
}

#[test]
fn settings_come_from_subfolders_and_flags_beat_the_environment() {
    let world = World::topic(&format!("jobs: 3\n{TWO}"));
    let mut command = world.command(&["plan", "--json"]);
    command.current_dir(world.path("src"));
    assert_eq!(super::world::Said::of(command).code, 0);
    let origin = |env: &[(&str, &str)], args: &[&str]| {
        let said = world.wf_env(env, &[&["config", "show", "--origin"], args].concat()).passed();
        said.out.lines().find(|line| line.trim_start().starts_with("jobs")).unwrap().to_owned()
    };
    assert!(origin(&[], &[]).contains(".workflow-config.yaml:1"));
    assert!(origin(&[("MAX_PARALLEL_JOBS", "5")], &[]).contains("env MAX_PARALLEL_JOBS"));
}

#[test]
fn a_project_without_configuration_gets_a_detected_pipeline() {
    let world = World::new("");
    world.remove(".workflow-config.yaml").write("Makefile", "test:\n\t@echo made\n").commit("make");
    let said = world.wf(&["run"]).passed().says("made");
    let _ = said.says("no .workflow-config.yaml");
}

#[test]
fn what_lies_inside_a_submodule_or_behind_a_symlink_is_not_skipped_when_that_changed() {
    let config = "
steps:
  - {id: lib, run: 'true', inputs: ['vendor/lib/src/**']}
  - {id: link, run: 'true', inputs: ['link/**']}
  - {id: wide, run: 'true', inputs: ['**/*.c']}
  - {id: other, run: 'true', inputs: ['docs/**']}
";
    let world = World::new(config);
    world.symlink("src", "link");
    let inner = super::git_repo::Scratch::seeded();
    world.git(&["submodule", "--quiet", "add", inner.root.to_str().unwrap(), "vendor/lib"]);
    world.commit("with a submodule");
    world.git(&["switch", "--quiet", "--create", "topic"]);
    assert_eq!(
        world.plan(&[]),
        "lib skip:unaffected, link skip:unaffected, other skip:unaffected, wide skip:unaffected"
    );
    world.git(&["config", "--file", ".gitmodules", "submodule.vendor/lib.ignore", "all"]);
    world.commit("quiet submodule");
    world.write("vendor/lib/src/main.rs", "changed\n");
    assert_eq!(world.plan(&[]), "lib run:unseen, link skip:unaffected, other skip:unaffected, wide run:unseen");
    world.remove("link").symlink("docs", "link");
    assert_eq!(world.plan(&[]), "lib run:unseen, link run:unseen, other skip:unaffected, wide run:unseen");
}

#[test]
fn ignored_inputs_are_seen_under_staged_too_and_their_passes_prove_nothing() {
    let config = "
steps:
  - {id: a, run: 'true', inputs: [.env]}
";
    let world = World::new(config);
    world.write(".gitignore", ".env\n").write(".env", "x").commit("ignore");
    let _ = world.wf(&["run"]).passed();
    world.git(&["switch", "--quiet", "--create", "topic"]);
    assert_eq!(world.plan(&["--staged"]), "a run:unseen");
    world.remove(".env");
    assert_eq!(world.plan(&["--skip-policy", "witnessed"]), "a run:unproven");
}

#[test]
fn a_removed_folder_is_missed_by_who_waited_for_its_instance() {
    let world = World::new(
        "
steps:
  - {id: build, for_each: 'services/*/', run: 'true'}
  - {id: package, needs: [build], run: 'true', inputs: [package.sh]}
",
    );
    world
        .write("services/x/Makefile", "a")
        .write("services/y/Makefile", "a")
        .write("package.sh", "x")
        .commit("services");
    world.git(&["switch", "--quiet", "--create", "topic"]);
    world.git(&["rm", "-rq", "services/x"]);
    assert!(world.plan(&[]).contains("package run:definition-changed"), "{}", world.plan(&[]));
}

#[test]
fn state_that_a_commit_brings_along_is_no_evidence() {
    let world = World::new(TWO);
    let _ = world.wf(&["run"]).passed();
    world.git(&["add", "--force", ".wf"]);
    world.git(&["commit", "--quiet", "--message", "forged"]);
    let said = world.wf(&["plan"]).passed().says("evidence that a commit brings along is not used");
    let _ = said.says("2 to run");
}

#[test]
fn a_pre_commit_hook_judges_what_this_commit_takes() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::topic("steps: [{id: t, run: 'exit 1', inputs: ['src/**']}]");
    let hook = world.path(".git/hooks/pre-commit");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, format!("#!/bin/sh\nexec {} run --staged\n", super::world::WF)).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let commit = |args: &[&str]| {
        let mut command = world.command_of("git");
        command.args(["commit", "--quiet", "--message", "x"]).args(args).output().unwrap().status.success()
    };
    // Nothing is in the ordinary index: git makes one for this commit only.
    world.write("src/a.rs", "bad\n");
    assert!(!commit(&["--all"]), "the hook must see src/a.rs");
    world.write("README.md", "more\n");
    world.git(&["add", "src/a.rs"]);
    assert!(commit(&["README.md"]), "this commit takes README.md only");
}

#[test]
fn a_sparse_tree_proves_nothing_about_the_whole_commit() {
    let world = World::new(TWO);
    world.git(&["sparse-checkout", "set", "--no-cone", "/*", "!/docs"]);
    let _ = world.wf(&["run"]).passed();
    world.git(&["sparse-checkout", "disable"]);
    assert_eq!(world.plan(&[]), "code run:no-base, docs run:no-base");
}

#[test]
fn a_tree_without_its_submodules_proves_nothing_about_the_whole_commit() {
    for split in [false, true] {
        let world = World::new(TWO);
        let inner = super::git_repo::Scratch::seeded();
        world.git(&["submodule", "--quiet", "add", inner.root.to_str().unwrap(), "vendor/lib"]);
        world.commit("with a submodule");
        world.git(&["submodule", "--quiet", "deinit", "--all"]);
        if split {
            // A split index is read by the `git` command.
            world.git(&["update-index", "--split-index"]);
        }
        let _ = world.wf(&["run"]).passed();
        world.git(&["submodule", "--quiet", "update", "--init"]);
        assert_eq!(world.plan(&[]), "code run:no-base, docs run:no-base");
        let _ = world.wf(&["run"]).passed();
        assert_eq!(world.plan(&[]), "code skip:unaffected, docs skip:unaffected");
    }
}

#[test]
fn another_value_of_a_declared_variable_runs_and_of_a_secret_if_it_is_in_the_key() {
    let config = "
secrets: [DATABASE]
steps:
  - {id: plain, run: 'true', inputs: [src/], env: [MODE]}
  - {id: secret, run: 'true', inputs: [src/], env: {DATABASE: {secret: true, in_key: true}}}
";
    let world = World::new(config);
    let _ = world.wf_env(&[("MODE", "a"), ("DATABASE", "hunter-one")], &["run"]).passed();
    let plan = |env: &[(&str, &str)]| world.wf_env(env, &["plan"]).passed().out;
    assert!(plan(&[("MODE", "a"), ("DATABASE", "hunter-one")]).contains("0 to run, 2 skipped"));
    let other = plan(&[("MODE", "a"), ("DATABASE", "hunter-two")]);
    assert!(
        other.contains("run   secret  its environment differs") && other.contains("1 to run, 1 skipped"),
        "{other}"
    );
    assert!(plan(&[]).contains("2 to run, 0 skipped"), "unset is a value, too");
}
