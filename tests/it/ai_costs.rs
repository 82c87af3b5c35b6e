//! What is paid for: each attempt, nothing that was never sent, and nobody is asked a hundred times in vain.

use super::ai_proxy::{CHAT, Proxy, chat, world as proxy_world};
use super::ai_server::{Fake, Fault, Got};
use super::ai_steps::{ASK, DOCS, again, config};
use super::world::World;
use serde_json::Value;

fn spent(world: &World) -> Value {
    let page: Value = serde_json::from_str(&world.read(".wf/ai_spent.json")).unwrap();
    page["spent"].as_object().unwrap().values().next_back().unwrap().clone()
}

#[test]
fn a_budget_counts_every_attempt() {
    let fake = Fake::start();
    fake.always(Some(Fault::Limited(0)));
    let world = World::topic(&config(&fake, ", retries: 4, budget: {calls: 2}", ASK));
    let _ = again(&world, &[]).exits(1).says("2 are allowed").says("429 slow down");
    assert_eq!((fake.calls(), spent(&world)["calls"].as_u64()), (2, Some(2)));
    fake.always(None);
    fake.next(&[Fault::Limited(0)]);
    let _ = again(&world, &[]).passed().says("2 asked");
    assert_eq!((fake.calls(), spent(&world)["calls"].as_u64()), (4, Some(2)));
}

#[test]
fn what_was_never_sent_costs_nothing() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let shared = format!("ai: {{base_url: \"http://127.0.0.1:{port}/v1\", model: m, retries: 0}}\nsteps:\n{ASK}");
    let world = World::topic(&shared);
    let _ = again(&world, &[]).exits(1).says("no connection").says("0 known, 0 asked, 0 tokens");
    assert_eq!((spent(&world)["calls"].as_u64(), spent(&world)["tokens"].as_u64()), (Some(0), Some(0)));
}

#[test]
fn a_service_that_is_down_is_not_asked_about_every_file() {
    let fake = Fake::start();
    fake.always(Some(Fault::Broken));
    let world = World::topic(&config(&fake, ", retries: 0, batch_size: 2", DOCS));
    for number in 0..30 {
        world.write(format!("docs/{number:02}.md"), format!("text {number}\n"));
    }
    world.commit("many");
    let said = again(&world, &[]).exits(1).says("error: docs/00.md: overloaded: 500 it broke");
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains("the answers about 28 more were not waited for"), "{all}");
    assert!(fake.calls() <= 5, "{}", fake.calls());
    assert_eq!(all.matches("hint: try again later").count(), all.matches("28 more").count(), "{all}");
}

#[test]
fn those_who_wait_for_an_answer_that_does_not_come_are_not_sent_one_after_the_other() {
    let fake = Fake::start();
    let world = proxy_world(&fake, "");
    let proxy = Proxy::start(&world, &fake, &[]);
    // Slow enough to see who came while another one was on its way.
    fake.always(Some(Fault::SlowlyTruncated(100)));
    let began = std::time::Instant::now();
    let answers: Vec<Got> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..10).map(|_| scope.spawn(|| proxy.post(CHAT, &chat("hi"), &[]))).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|got| got.status == 200 && got.whole));
    assert_eq!(fake.calls(), 10);
    assert!(fake.most_at_once() >= 5, "{} at once, {:?}", fake.most_at_once(), began.elapsed());
}

#[test]
fn a_budget_in_dollars_needs_a_price() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, ", budget: {usd: 1}", ASK));
    let said = world.wf(&["check"]).exits(2);
    assert!(format!("{}{}", said.out, said.err).contains("`prices` has none for `m`"), "{said:?}");
    let proxied = proxy_world(&fake, ", budget: {usd: 1}");
    let proxy = Proxy::start(&proxied, &fake, &[]);
    let got = proxy.post(CHAT, &chat("hi"), &[]);
    assert_eq!((got.status, got.text().contains("wf_budget"), fake.calls()), (402, true, 0));
}

#[test]
fn when_asking_is_off_nothing_is_asked() {
    let fake = Fake::start();
    let world = proxy_world(&fake, ", mode: \"off\"");
    let proxy = Proxy::start(&world, &fake, &[]);
    let got = proxy.post(CHAT, &chat("hi"), &[]);
    assert_eq!((got.status, got.text().contains("wf_ai_off")), (503, true), "{}", got.text());
    let _ = world.wf(&["ai", "run", "code_reviewer", "src/a.rs"]).exits(2).complains("`ai.mode` is `off`");
    assert_eq!(fake.calls(), 0);
}

#[test]
fn a_prompt_about_a_change_is_cut_and_without_one_it_is_not_asked() {
    let fake = Fake::start();
    let steps = "  - {id: look, cache: false, ai: {persona: documentation_specialist, prompt: summary, files: [\"docs/**\"]}}\n";
    let world = World::new(&config(&fake, "", steps));
    let _ = again(&world, &["--base", "HEAD"]).passed().says("nothing was asked");
    assert_eq!(fake.calls(), 0);
    let words = |n: usize| (0..n).map(|n| format!("line {n} of a long text\n")).collect::<String>();
    for name in ["a", "b", "c"] {
        world.write(format!("docs/{name}.md"), words(100));
    }
    world.commit("three");
    fake.longest(5_000);
    let _ = again(&world, &["--base", "HEAD~1"]).passed();
    assert!(fake.calls() > 2);
}
