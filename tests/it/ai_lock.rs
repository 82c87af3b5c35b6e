//! Recordings of steps that use each other's answers, and recordings that are broken.

use super::ai_server::Fake;
use super::ai_steps::{DOCS, KEY, again, config, run};
use super::world::World;

const CHAIN: &str = "  - {id: first, ai: {prompt: \"what is this\", files: [\"docs/**\"]}}
  - {id: second, needs: [first], ai: {prompt: \"and what of {{ steps.first }}?\", files: [\"docs/**\"]}}\n";

#[test]
fn a_step_after_another_sees_its_answer_and_nothing_else() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, "", CHAIN));
    world.write("docs/pic.md", b"\0".as_slice()).commit("a file that is left out");
    let record = || world.wf_env(&[("OPENAI_API_KEY", KEY)], &["ai", "record"]).passed();
    let _ = record();
    let sent = fake.all_sent();
    assert!(sent.contains("and what of answer number 1"), "{sent}");
    assert!(!sent.contains("asked") && !sent.contains("left out") && !sent.contains("tokens,"), "{sent}");
    let lock = world.read("ai.lock");
    // Recorded again, from what is known: the same requests, the same bytes.
    let _ = record();
    assert_eq!((fake.calls(), world.read("ai.lock")), (2, lock));
    let _ = again(&world, &["--ai=replay"]).passed();
    // A result that is used again is the same answer.
    let _ = run(&world, &["--no-smart-execution"]).passed();
    world
        .write(".workflow-config.yaml", config(&fake, "", &CHAIN.replace("id: second,", "id: second, env: {X: '1'},")));
    let _ = run(&world, &["--no-smart-execution"]).passed().says("1 cached");
    assert_eq!(fake.calls(), 2);
}

#[test]
fn what_is_missing_is_named_with_its_file_and_compared_with_itself() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, "", DOCS));
    world.write("docs/a.md", "a\n").write("docs/b.md", "b\n").commit("two");
    let _ = world.wf_env(&[("OPENAI_API_KEY", KEY)], &["ai", "record"]).passed();
    world.write("docs/b.md", "another b\n").commit("edit");
    let said = again(&world, &["--ai=replay"]).exits(1);
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains("error: docs/b.md: not recorded") && all.contains("(step docs, docs/b.md)"), "{all}");
}

#[test]
fn a_conflict_is_named_before_anybody_is_asked() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, "", DOCS));
    world.write("ai.lock", "{\"ai.lock\":1}\n<<<<<<< HEAD\n=======\n>>>>>>> other\n");
    let record = || world.wf_env(&[("OPENAI_API_KEY", KEY)], &["ai", "record"]);
    let _ = record().exits(2).complains("line 2: a merge conflict").complains("rm ai.lock && wf ai record");
    assert_eq!(fake.calls(), 0);
    let _ = again(&world, &["--ai=replay"]).exits(1).says("remove `ai.lock` and record again");
    std::fs::remove_file(world.path("ai.lock")).unwrap();
    let _ = record().passed();
    assert_eq!(fake.calls(), 1);
}
