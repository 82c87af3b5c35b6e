//! AI steps of whole runs, against a service that answers and fails as it is told.

use super::ai_server::{Fake, Fault};
use super::world::{Said, World};

pub const KEY: &str = "the-real-key-4711";

/// A configuration: what all AI steps share, and the steps. The fake is both providers.
pub fn config(fake: &Fake, shared: &str, steps: &str) -> String {
    format!("ai: {{base_url: \"{}/v1\", model: m{shared}}}\nsteps:\n{steps}", fake.url)
}

/// Runs everything that changed, with a key in the environment.
pub fn run(world: &World, args: &[&str]) -> Said {
    world.wf_env(&[("OPENAI_API_KEY", KEY)], &[&["run", "--verbose"], args].concat())
}

/// Runs everything, whatever is recorded.
pub fn again(world: &World, args: &[&str]) -> Said {
    run(world, &[&["--no-cache", "--no-smart-execution"], args].concat())
}

pub const DOCS: &str =
    "  - {id: docs, ai: {persona: documentation_specialist, files: [\"docs/**\"], each: true, fail_on: error}}\n";
pub const ASK: &str = "  - {id: ask, ai: {prompt: \"what is this\", files: [\"docs/**\"]}}\n";

/// Everything under the state folder, as one text.
pub fn state(world: &World) -> String {
    let files = world.files_below(".wf");
    let text = |file: &String| String::from_utf8_lossy(&std::fs::read(world.path(file)).unwrap()).into_owned();
    files.iter().map(text).collect()
}

/// How many answers are kept.
pub fn kept(world: &World) -> usize {
    if !world.exists(".wf/ai_cache/entries") {
        return 0;
    }
    world.files_below(".wf/ai_cache/entries").len()
}

fn outcome(world: &World, step: &str) -> String {
    let ended = world.events_of("step-finished");
    let ended = ended.iter().find(|event| event["step"] == step).unwrap_or_else(|| panic!("{:?}", world.events()));
    ended["outcome"].to_string()
}

#[test]
fn a_hundred_files_and_one_that_changed_make_one_call() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, ", batch_size: 16", DOCS));
    for number in 0..99 {
        world.write(format!("docs/{number}.md"), format!("text {number}\n"));
    }
    world.commit("many");
    let mut known = 0;
    let _ = again(&world, &[]).passed().says("0 known, 100 asked");
    assert_eq!(fake.new_calls(&mut known), 100);
    let _ = run(&world, &[]).passed();
    assert_eq!(fake.new_calls(&mut known), 0, "nothing changed, nothing runs");
    world.write("docs/50.md", "text fifty\n").write("src/a.rs", "b\n").commit("one");
    let _ = run(&world, &[]).passed().says("99 known, 1 asked");
    assert_eq!(fake.new_calls(&mut known), 1);
    let last = fake.seen().pop().unwrap();
    assert!(String::from_utf8_lossy(&last.body).contains("text fifty"));
    assert_eq!(last.headers["authorization"], format!("Bearer {KEY}"));
    // A run that runs it once more, and one with another parameter.
    let _ = again(&world, &[]).passed().says("100 known, 0 asked");
    world.write(".workflow-config.yaml", config(&fake, ", temperature: 1, batch_size: 16", DOCS)).commit("warmer");
    let _ = again(&world, &[]).passed();
    assert_eq!(fake.new_calls(&mut known), 100);
}

#[test]
fn without_each_one_request_asks_about_all_files() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, "", &DOCS.replace("each: true", "each: false")));
    world.write("docs/two.md", "two\n").commit("two");
    let _ = again(&world, &[]).passed();
    assert_eq!(fake.calls(), 1);
    let sent = fake.all_sent();
    assert!(sent.contains("docs/two.md") && sent.contains("docs/guide.md"), "{sent}");
    world.write("docs/two.md", "three\n");
    let _ = again(&world, &[]).passed().says("0 known, 1 asked");
}

#[test]
fn findings_fail_a_step_from_their_severity_on() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, "", DOCS));
    world.write("docs/guide.md", "BAD guide\n").commit("bad");
    let _ = run(&world, &[]).exits(1).says("docs/guide.md:1: error: this is bad");
    // From the cache it is found again.
    let _ = again(&world, &[]).exits(1).says("docs/guide.md:1: error: this is bad").says("1 known, 0 asked");
    world.write(".workflow-config.yaml", config(&fake, "", &DOCS.replace(", fail_on: error", ""))).commit("told");
    let _ = run(&world, &[]).passed().says("docs/guide.md:1: error: this is bad");
    assert_eq!(fake.calls(), 1);
}

#[test]
fn answers_have_the_labels_of_their_step() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, "", &DOCS.replace("{id: docs,", "{id: docs, tags: [slow],")));
    world.write("docs/guide.md", "another guide\n").commit("edit");
    let _ = run(&world, &[]).passed();
    let _ = world.wf(&["ai", "cache", "prune", "--tag", "fast"]).passed().says("0 answers removed");
    let _ = world.wf(&["ai", "cache", "prune", "--tag", "slow"]).passed().says("1 answers removed");
}

#[test]
fn what_belongs_to_the_whole_change_is_refused_where_each_file_is_asked_for_itself() {
    let fake = Fake::start();
    let steps = "  - {id: docs, ai: {prompt: \"look at {{ diff }} here\", files: [\"docs/**\"], each: true}}\n";
    let world = World::topic(&config(&fake, "", steps));
    let said = again(&world, &[]);
    assert_ne!(said.code, 0);
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains("`diff`") && all.contains("each: true"), "{all}");
    assert_eq!(fake.calls(), 0);
}

#[test]
fn a_budget_stops_before_the_call() {
    let fake = Fake::start();
    let step = DOCS.replace("fail_on: error", "budget: {calls: 2}");
    let world = World::topic(&config(&fake, ", batch_size: 1", &step));
    world.write("docs/b.md", "b\n").write("docs/c.md", "c\n").commit("three");
    let _ = again(&world, &[]).exits(1).says("the request was not sent").says("2 are allowed");
    assert_eq!(fake.calls(), 2);
    // What was paid for is known: the rest is within the budget of the next run.
    let _ = again(&world, &[]).passed().says("2 known, 1 asked");
    // The run's own budget, in money that nothing may cost.
    let money = ", budget: {usd: 0}, prices: {m: {input: 1, output: 1}}";
    world.write(".workflow-config.yaml", config(&fake, money, ASK)).commit("money");
    let _ = again(&world, &[]).exits(1).says("over budget");
    assert_eq!(fake.calls(), 3);
}

#[test]
fn a_service_that_asks_for_patience_is_asked_again() {
    let fake = Fake::start();
    fake.next(&[Fault::Limited(1), Fault::Broken]);
    let world = World::topic(&config(&fake, "", ASK));
    let began = std::time::Instant::now();
    let _ = again(&world, &[]).passed().says("429 slow down; trying again in 1.0 s").says("500 it broke");
    assert!(began.elapsed().as_millis() >= 1_000, "Retry-After is waited for");
    assert_eq!((fake.calls(), kept(&world)), (3, 1));
}

#[test]
fn what_is_too_long_is_asked_in_halves_and_put_together() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, "", DOCS));
    let text: String =
        (1..=400).map(|n| if n == 390 { "BAD\n".into() } else { format!("line {n} of a long text\n") }).collect();
    world.write("docs/guide.md", text).commit("long");
    fake.longest(9_000);
    let said = again(&world, &[]).exits(1).says("docs/guide.md:1: error: this is bad");
    assert!(fake.calls() >= 3, "{said:?}");
    let mut known = fake.calls();
    fake.longest(9_000);
    let _ = again(&world, &[]).exits(1);
    let once_more = fake.new_calls(&mut known);
    assert!(once_more < 4, "the halves are known, only their size is asked again: {once_more}");
}

#[test]
fn nobody_answers_required_or_not() {
    let fake = Fake::start();
    fake.always(Some(Fault::Auth));
    let world = World::topic(&config(&fake, ", retries: 0", ASK));
    world.write("docs/guide.md", "other\n").commit("a change");
    let _ = run(&world, &[]).exits(1).says("who?").says("api_key_env");
    assert!(outcome(&world, "ask").contains("unanswered"), "{}", outcome(&world, "ask"));
    // No verdict was recorded: it is asked again though nothing changed.
    fake.always(None);
    let _ = run(&world, &[]).passed().says("1 asked");
    fake.always(Some(Fault::Auth));
    let optional = ASK.replace("files", "required: false, files");
    world
        .write(".workflow-config.yaml", config(&fake, ", retries: 0", &optional))
        .write("docs/guide.md", "new\n")
        .commit("o");
    let mut known = fake.calls();
    let _ = run(&world, &[]).passed();
    assert_eq!(fake.new_calls(&mut known), 1);
    let _ = run(&world, &[]).passed();
    assert_eq!(fake.new_calls(&mut known), 1, "a warning is no verdict");
    fake.always(None);
    let _ = run(&world, &[]).passed().says("1 asked");
}

#[test]
fn what_is_no_answer_is_not_kept() {
    let bad = [
        Fault::Limited(0),
        Fault::Broken,
        Fault::Cut,
        Fault::HalfClosed,
        Fault::TooLong,
        Fault::Refusal,
        Fault::Truncated,
        Fault::Malformed,
        Fault::NotFindings,
        Fault::Auth,
    ];
    for provider in ["openai", "anthropic"] {
        let fake = Fake::start();
        let world = World::topic(&config(&fake, &format!(", retries: 0, provider: {provider}"), DOCS));
        for fault in bad {
            fake.always(Some(fault));
            let said = again(&world, &[]).exits(1);
            assert_eq!(kept(&world), 0, "{provider} {fault:?} {said:?}");
            assert!(outcome(&world, "docs").contains("unanswered"), "{provider} {fault:?} {said:?}");
        }
        fake.always(None);
        let _ = again(&world, &[]).passed();
        assert_eq!(kept(&world), 1, "{provider}");
    }
}

#[test]
fn secrets_are_neither_sent_nor_written() {
    let fake = Fake::start();
    let shared = ", api_key_env: HOUSE_ENTRY";
    let world = World::topic(&format!("secrets: [HIDDEN_THING]\n{}", config(&fake, shared, DOCS)));
    let (aws, declared, quoted) = ("AKIAIOSFODNN7EXAMPLE", "very-hidden-4712", "pass\\\"word-4713");
    world.write("docs/guide.md", format!("a = {aws}\nb = {KEY}\nc = {declared}\nd = {quoted}\n"));
    world
        .write("docs/b.md", "-----BEGIN RSA PRIVATE KEY-----\nMIIabcdef\n-----END RSA PRIVATE KEY-----\n")
        .commit("secrets");
    let env = [("HOUSE_ENTRY", KEY), ("HIDDEN_THING", declared), ("MY_PASSWORD", quoted)];
    let _ = world.wf_env(&env, &["run", "--verbose"]).passed().says("looked like secrets");
    assert_eq!(fake.calls(), 2);
    let bodies: String = fake.seen().iter().map(|seen| String::from_utf8_lossy(&seen.body).into_owned()).collect();
    assert!(bodies.contains("[AWS key removed]") && bodies.contains("[private key removed]"), "{bodies}");
    let state = state(&world);
    assert!(state.contains("\"parts\""), "answers are there");
    for secret in [aws, KEY, declared, "word-4713", "MIIabcdef"] {
        assert!(!bodies.contains(secret), "{secret} was sent");
        assert!(!state.contains(secret), "{secret} was written");
    }
}

#[test]
fn modes_do_what_they_say() {
    let fake = Fake::start();
    let steps = format!("{ASK}  - {{id: plain, run: 'echo plain >> ../trace'}}\n");
    let world = World::topic(&config(&fake, "", &steps));
    let mut known = 0;
    let _ = again(&world, &["--ai=off"]).passed();
    assert_eq!((fake.new_calls(&mut known), world.trace()), (0, vec!["plain".to_owned()]));
    let _ = again(&world, &["--ai=replay"]).exits(1).says("`ai.lock` is empty");
    assert_eq!(fake.new_calls(&mut known), 0);
    let _ = again(&world, &[]).passed().says("answer number 1");
    let _ = again(&world, &["--ai=live"]).passed().says("answer number 2");
    // Live answers are kept; without the cache none is read and none kept.
    let _ = again(&world, &[]).passed().says("answer number 2");
    let _ = again(&world, &["--no-ai-cache"]).passed().says("answer number 3");
    let _ = again(&world, &[]).passed().says("answer number 2");
    assert_eq!(fake.new_calls(&mut known), 3);
    // Recorded from what is known; replayed without anybody, whatever the cache holds.
    let _ = again(&world, &["--ai=record"]).passed().says("answer number 2");
    std::fs::remove_dir_all(world.path(".wf/ai_cache")).unwrap();
    let _ = again(&world, &["--ai=replay"]).passed().says("answer number 2");
    let lock = world.read("ai.lock");
    let _ = again(&world, &["--ai=record"]).passed().says("answer number 4");
    assert_eq!(world.read("ai.lock").lines().count(), lock.lines().count());
    world.write("docs/guide.md", "another text\n");
    let said = again(&world, &["--ai=replay"]).exits(1).says("`ai.lock` does not hold this request");
    assert!(said.out.contains("messages/0/content changed"), "{}", said.out);
    assert_eq!(fake.new_calls(&mut known), 1);
}

#[test]
fn wf_ai_record_asks_all_and_replay_needs_nobody() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, "", &format!("{DOCS}{ASK}")));
    let _ = world.wf_env(&[("OPENAI_API_KEY", KEY)], &["ai", "record"]).passed().complains("2 answers in");
    assert_eq!(fake.calls(), 2);
    let _ = world.wf(&["run", "--no-cache", "--no-smart-execution", "--ai=replay"]).passed();
    assert_eq!(fake.calls(), 2);
    let files = [vec!["ai.lock".to_owned()], world.files_below("ai.lock.d")].concat();
    let before: Vec<String> = files.iter().map(|file| world.read(file)).collect();
    let _ = world.wf_env(&[("OPENAI_API_KEY", KEY)], &["ai", "record"]).passed();
    assert_eq!(files.iter().map(|file| world.read(file)).collect::<Vec<_>>(), before, "the same again");
}

#[test]
fn a_whole_recording_forgets_what_nobody_asks_any_more() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, "", DOCS));
    let record = || world.wf_env(&[("OPENAI_API_KEY", KEY)], &["ai", "record"]);
    let _ = record().passed().complains("1 answers in");
    world.write("docs/guide.md", "another guide\n").commit("edit");
    let _ = record().passed().complains("1 answers in");
    assert_eq!(world.files_below("ai.lock.d").len(), 1);
    assert_eq!(fake.calls(), 2);
}

#[test]
fn a_prompt_may_use_what_another_step_printed_also_when_its_result_is_reused_or_it_is_skipped() {
    let steps = "  - {id: lint, run: \"echo lint says $(cat src/a.rs)\", inputs: [\"src/**\"]}
  - {id: ask, needs: [lint], ai: {prompt: \"about {{ steps.lint }}\", files: [\"docs/**\"]}}\n";
    let fake = Fake::start();
    let world = World::topic(&config(&fake, "", steps));
    let asked = || String::from_utf8_lossy(&fake.seen().pop().unwrap().body).into_owned();
    let _ = run(&world, &["--no-smart-execution"]).passed();
    assert!(asked().contains("about lint says a"), "{}", asked());
    world.write("docs/guide.md", "new\n").commit("docs");
    let _ = run(&world, &["--no-smart-execution"]).passed().says("1 cached");
    assert!(asked().contains("about lint says a") && asked().contains("new"), "{}", asked());
    world.write("docs/guide.md", "newer\n").commit("docs again");
    let _ = run(&world, &["--no-cache", "--base", "HEAD~1"]).passed();
    assert!(asked().contains("about (step lint was skipped in this run)"), "{}", asked());
}

#[test]
fn a_program_answers() {
    let config =
        "ai: {provider: command, command: [sh, -c, \"cat > ../asked; echo x >> ../trace; echo it says\"]}\nsteps:\n";
    let world = World::topic(&format!("{config}{ASK}"));
    let _ = again(&world, &[]).passed().says("it says");
    let _ = again(&world, &[]).passed().says("it says").says("1 known, 0 asked");
    assert_eq!(world.trace(), ["x"]);
    let asked = std::fs::read_to_string(world.outside("asked")).unwrap();
    assert!(asked.starts_with("what is this") && asked.contains("guide"), "{asked}");
    let failing = "ai: {provider: command, command: [sh, -c, \"cat > ../asked; exit 3\"]}\nsteps:\n";
    world.write(".workflow-config.yaml", format!("{failing}{ASK}"));
    let _ = again(&world, &[]).exits(1).says("sh ended with exit status: 3");
}

#[test]
fn anthropics_dialect_is_spoken() {
    let fake = Fake::start();
    let shared = format!("ai: {{provider: anthropic, base_url: \"{}\", model: c}}\nsteps:\n{DOCS}", fake.url);
    let world = World::topic(&shared);
    world.write("docs/guide.md", "BAD\n").commit("bad");
    let said = world.wf_env(&[("ANTHROPIC_API_KEY", KEY)], &["run", "--verbose"]);
    let _ = said.exits(1).says("docs/guide.md:1: error: this is bad").says("15 tokens");
    let seen = &fake.seen()[0];
    assert_eq!((seen.path.as_str(), seen.headers["x-api-key"].as_str()), ("/v1/messages", KEY));
    assert!(!seen.headers.contains_key("authorization"));
}

#[test]
fn by_hand_one_persona_and_some_files() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, ", budget: {calls: 2}", DOCS));
    let ask =
        |args: &[&str]| world.wf_env(&[("OPENAI_API_KEY", KEY)], &[&["ai", "run", "code_reviewer"], args].concat());
    let _ = ask(&["src/a.rs"]).passed().complains("0 known, 1 asked");
    let _ = ask(&["src/a.rs"]).passed().complains("1 known, 0 asked");
    // The budget is of one command, not of all commands ever.
    let _ = ask(&["src/a.rs", "--no-ai-cache"]).passed();
    let _ = ask(&["src/a.rs", "--no-ai-cache"]).passed();
    let said = ask(&["src/a.rs", "--json"]).passed();
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&json["ended"], &json["known"]), (&"passed".into(), &1.into()));
    let _ = ask(&["../outside"]).exits(2);
}
