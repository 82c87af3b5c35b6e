//! What a step printed when it ran, shown again when its result is used.

use super::world::World;
use std::fs;

const CONFIG: &str = "
steps:
  - id: build
    run: 'echo one; echo two >&2; echo hunter2-hunter2-hunter2; mkdir -p dist; echo made > dist/out; printf last'
    inputs: [src/]
    outputs: [dist/]
  - {id: quiet, run: 'true', inputs: [src/]}
";

/// Two runs: the first ran the steps, the second used their results. The first one's name, and what `build` printed in it, as
/// it was kept: which of two pipes is read first is chance.
fn world() -> (World, String, String) {
    let world = World::topic(CONFIG);
    world.write(".gitignore", "dist\n").commit("ignore");
    let _ = world.wf(&["run", "--all"]).passed();
    let run = world.events_of("run-started")[0]["run"].as_str().unwrap().to_owned();
    let printed = world.wf(&["report", "--step", "build"]).passed().says("two").out;
    assert!(printed.starts_with("one\n") && printed.contains("hunter2"), "{printed}");
    let said = world.wf(&["run", "--all"]).passed().says("2 cached");
    assert!(!said.out.contains("two"), "nobody asked to see it:\n{}", said.out);
    (world, run, printed)
}

#[test]
fn the_report_of_a_step_shows_what_its_result_printed() {
    let (world, run, printed) = world();
    let said = world.wf(&["report", "--step", "build"]).passed();
    assert_eq!(said.out, printed, "as it was interleaved");
    let _ = said.complains(&format!("replayed from run {run}, whose result was used"));
    let said = world.wf(&["report", "--step", "quiet"]).passed();
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
    let said = world.wf(&["report", "--format", "junit"]).passed();
    let _ = said.says(&format!("(replayed from run {run})\none\n"));
}

#[test]
fn verbose_runs_replay_and_say_so() {
    let (world, run, printed) = world();
    let lines: String = printed.lines().map(|line| format!("  │ {line}\n")).collect();
    for args in [&["run", "--all", "--verbose"][..], &["run", "--all", "--output", "grouped"]] {
        let said = world.wf(args).passed().says(&format!("saved, replayed from run {run}\n{lines}"));
        assert!(said.out.contains("cached    quiet  "), "{}", said.out);
        assert_eq!(said.out.matches("replayed").count(), 1, "what printed nothing is not replayed:\n{}", said.out);
    }
    let said = world.wf(&["run", "--all", "--junit", "junit.xml", "--output", "errors"]).passed();
    assert!(!said.out.contains("two"), "{}", said.out);
    assert!(world.read("junit.xml").contains("(replayed from run"), "{}", world.read("junit.xml"));
}

#[test]
fn what_is_replayed_is_masked_with_the_secrets_of_today() {
    let (world, _, printed) = world();
    let env = [("API_TOKEN", "hunter2-hunter2-hunter2")];
    let shown = world.wf_env(&env, &["report", "--step", "build"]).passed();
    assert_eq!(shown.out, printed.replace("hunter2-hunter2-hunter2", "***"));
    let shown = world.wf_env(&env, &["run", "--all", "--verbose"]).passed().says("  │ ***\n");
    assert!(!shown.out.contains("hunter2"), "{}", shown.out);
}

#[test]
fn output_that_is_damaged_or_gone_is_told_and_fails_nothing() {
    let (world, run, printed) = world();
    let event = &world.events_of("steps-reused")[0]["steps"][0];
    let blob = event["output"]["digest"].as_str().unwrap().to_owned();
    let blob = world.path(&format!(".wf/cache/cas/{}/{}", &blob[..2], &blob[2..]));
    let whole = fs::read(&blob).unwrap();
    // Of the same length, so that only its digest tells; then gone.
    fs::write(&blob, vec![b'x'; whole.len()]).unwrap();
    for _ in 0..2 {
        let said = world.wf(&["report", "--step", "build"]).passed();
        let said = said.complains(&format!("from the log of run {run}"));
        assert_eq!(said.out, printed);
        let _ = world.wf(&["run", "--all", "--verbose"]).passed().says("it is not stored any more");
        let _ = fs::remove_file(&blob);
    }
    fs::remove_dir_all(world.path(&format!(".wf/runs/{run}"))).unwrap();
    let said = world.wf(&["report", "--step", "build"]).passed();
    let said = said.complains("is not stored any more");
    assert_eq!(said.out, "");
}
