//! The proxy, as a program of its own and before the command of a step, spoken to byte by byte.

use super::ai_server::{Fake, Fault, Got, Seen, raw, receive, send};
use super::ai_steps::{KEY, again, config};
use super::world::World;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;

pub const CHAT: &str = "/openai/v1/chat/completions";

/// A proxy, and whom it asks.
pub struct Proxy {
    child: Child,
    pub address: String,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    pub fn start(world: &World, fake: &Fake, args: &[&str]) -> Self {
        Self::with_token(world, fake, "tok", args)
    }

    pub fn with_token(world: &World, fake: &Fake, token: &str, args: &[&str]) -> Self {
        let openai = format!("openai={}/v1", fake.url);
        let anthropic = format!("anthropic={}", fake.url);
        let first = ["ai", "proxy", "--port", "0", "--token", token, "--upstream", &openai, "--upstream", &anthropic];
        let mut command = world.command(&[&first, args].concat());
        command.env("OPENAI_API_KEY", KEY).env("ANTHROPIC_API_KEY", KEY);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next().expect("it says where it listens").unwrap();
        let address = line.rsplit_once("http://").unwrap_or_else(|| panic!("{line}")).1.to_owned();
        // Its last words have to go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    pub fn post(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> Got {
        let own = [("authorization", "Bearer tok"), ("content-type", "application/json")];
        raw(&self.address, "POST", path, &[&own, headers].concat(), body.as_bytes())
    }

    pub fn ends(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

pub fn world(fake: &Fake, shared: &str) -> World {
    World::topic(&config(fake, shared, "  - {id: none, run: 'true'}\n"))
}

pub fn chat(text: &str) -> String {
    json!({ "model": "m", "messages": [{ "role": "user", "content": text }] }).to_string()
}

pub fn streamed(text: &str) -> String {
    json!({ "model": "m", "stream": true, "messages": [{ "role": "user", "content": text }] }).to_string()
}

pub fn kept(world: &World) -> usize {
    if world.exists(".wf/ai_cache/entries") { world.files_below(".wf/ai_cache/entries").len() } else { 0 }
}

#[test]
fn every_endpoint_is_asked_once_and_given_again_byte_for_byte() {
    let fake = Fake::start();
    let world = world(&fake, "");
    let proxy = Proxy::start(&world, &fake, &[]);
    let input = |stream: bool| json!({ "model": "m", "input": "hi", "stream": stream }).to_string();
    let requests = [
        (CHAT, chat("hi")),
        (CHAT, streamed("hi")),
        ("/v1/chat/completions?x=1", chat("hi")),
        ("/openai/v1/responses", input(false)),
        ("/openai/v1/responses", input(true)),
        ("/openai/v1/embeddings", json!({ "model": "e", "input": ["a", "b"] }).to_string()),
        ("/anthropic/v1/messages", chat("hi")),
        ("/anthropic/v1/messages", streamed("hi")),
        ("/v1/messages/count_tokens", chat("hi")),
    ];
    let mut firsts = vec![];
    for (path, body) in &requests {
        let (first, second) = (proxy.post(path, body, &[]), proxy.post(path, body, &[("user-agent", "another")]));
        assert_eq!((first.status, first.cache(), first.whole), (200, "miss", true), "{path} {}", first.text());
        assert_eq!((second.status, second.cache(), second.whole), (200, "hit", true), "{path} {}", second.text());
        assert_eq!(first.body, second.body, "{path}");
        for header in ["content-type", "x-request-id", "openai-organization", "x-wf-cache-key"] {
            assert!(first.headers.contains_key(header), "{path} {header} {:?}", first.headers);
            assert_eq!(first.headers[header], second.headers[header], "{path} {header}");
        }
        assert!(!first.headers.contains_key("x-of-the-machine"));
        firsts.push(first);
    }
    assert_eq!(fake.calls(), requests.len());
    let own = [("authorization", "Bearer tok")];
    let models = || raw(&proxy.address, "GET", "/openai/v1/models", &own, b"");
    assert_eq!((models().cache(), models().cache(), fake.calls()), ("miss", "hit", requests.len() + 1));
    // The service gets its own key and not the proxy's token, and the paths it knows.
    for seen in fake.seen() {
        let key = seen.headers.get("x-api-key").cloned().unwrap_or_else(|| seen.headers["authorization"].clone());
        assert!(key.ends_with(KEY) && !format!("{:?}", seen.headers).contains("tok\""), "{seen:?}");
        assert!(seen.path.starts_with("/v1/") && !seen.path.starts_with("/v1/v1/"), "{}", seen.path);
    }
    // Another proxy, at another port, knows the same.
    proxy.ends();
    let other = Proxy::start(&world, &fake, &[]);
    for ((path, body), first) in requests.iter().zip(&firsts) {
        let got = other.post(path, body, &[]);
        assert_eq!(
            (got.cache(), &got.body, &got.headers["x-wf-cache-key"]),
            ("hit", &first.body, &first.headers["x-wf-cache-key"])
        );
    }
    assert_eq!(fake.calls(), requests.len() + 1);
    let stats: Value = serde_json::from_str(&world.wf(&["ai", "cache", "stats", "--json"]).passed().out).unwrap();
    assert_eq!(stats["entries"], json!(requests.len() + 1));
    assert_eq!(stats["cache_hits"], json!(2 * requests.len() + 1));
}

#[test]
fn headers_count_unless_they_are_known_to_change_nothing() {
    let fake = Fake::start();
    let proxy_world = world(&fake, "");
    let proxy = Proxy::start(&proxy_world, &fake, &[]);
    let ask = |headers: &[(&str, &str)]| proxy.post(CHAT, &chat("hi"), headers).cache().to_owned();
    assert_eq!(ask(&[]), "miss");
    for header in [("anthropic-beta", "a"), ("openai-organization", "o"), ("openai-project", "p"), ("x-new-thing", "1")]
    {
        assert_eq!((ask(&[header]), ask(&[header])), ("miss".into(), "hit".into()), "{header:?}");
        let seen = fake.seen().pop().unwrap();
        assert_eq!(seen.headers[header.0], header.1, "it is passed on");
    }
    assert_eq!(ask(&[("x-stainless-retry-count", "1"), ("user-agent", "x"), ("x-request-id", "7")]), "hit");
}

#[test]
fn a_client_that_goes_away_poisons_nothing() {
    let fake = Fake::start();
    let proxy_world = world(&fake, "");
    let proxy = Proxy::start(&proxy_world, &fake, &[]);
    fake.next(&[Fault::Slow(150)]);
    let own = [("authorization", "Bearer tok")];
    let mut stream = send(&proxy.address, "POST", CHAT, &own, streamed("hi").as_bytes());
    let mut some = [0; 40];
    stream.read_exact(&mut some).unwrap();
    drop(stream);
    // An equal request does not wait for ever, and gets an answer of its own.
    let second = proxy.post(CHAT, &streamed("hi"), &[]);
    assert_eq!((second.cache(), second.whole, fake.calls()), ("miss", true, 2));
    assert!(second.text().ends_with("data: [DONE]\n\n") && second.text().contains("c-2"));
    assert_eq!((proxy.post(CHAT, &streamed("hi"), &[]).body, kept(&proxy_world)), (second.body, 1));
}

#[test]
fn a_client_that_leaves_after_the_last_event_has_had_an_answer() {
    let fake = Fake::start();
    let proxy_world = world(&fake, "");
    let proxy = Proxy::start(&proxy_world, &fake, &[]);
    for (path, last) in [(CHAT, "[DONE]"), ("/anthropic/v1/messages", "message_stop\"}")] {
        fake.next(&[Fault::Slow(100)]);
        let own = [("authorization", "Bearer tok")];
        let mut stream = send(&proxy.address, "POST", path, &own, streamed("hi").as_bytes());
        let (mut all, mut some) = (Vec::new(), [0; 512]);
        while !String::from_utf8_lossy(&all).contains(&format!("{last}\n\n")) {
            let count = stream.read(&mut some).unwrap();
            assert_ne!(count, 0, "it ends before its last event");
            all.extend_from_slice(&some[..count]);
        }
        drop(stream);
        assert_eq!(proxy.post(path, &streamed("hi"), &[]).cache(), "hit", "{path}");
    }
    assert_eq!(fake.calls(), 2);
}

#[test]
fn what_is_no_answer_is_passed_on_and_not_kept() {
    let fake = Fake::start();
    let proxy_world = world(&fake, "");
    let proxy = Proxy::start(&proxy_world, &fake, &[]);
    let input = |stream: bool| json!({ "model": "m", "input": "hi", "stream": stream }).to_string();
    let paths = [
        (CHAT, chat("hi")),
        (CHAT, streamed("hi")),
        ("/anthropic/v1/messages", chat("hi")),
        ("/anthropic/v1/messages", streamed("hi")),
        ("/openai/v1/responses", input(false)),
        ("/openai/v1/responses", input(true)),
    ];
    for (path, body) in &paths {
        for (fault, status) in [
            (Fault::Limited(7), 429),
            (Fault::Broken, 500),
            (Fault::TooLong, 400),
            (Fault::Auth, 401),
            (Fault::Malformed, 200),
            (Fault::Truncated, 200),
            (Fault::Refusal, 200),
            (Fault::Cut, 200),
            (Fault::HalfClosed, 200),
        ] {
            // A whole answer in one piece cannot be closed in the middle.
            if fault == Fault::HalfClosed && !body.contains("stream\":true") {
                continue;
            }
            fake.next(&[fault]);
            let got = proxy.post(path, body, &[]);
            if fault == Fault::Cut && !body.contains("stream\":true") {
                // Nothing of it had come yet, so that the client can be told.
                assert_eq!((got.status, kept(&proxy_world)), (502, 0), "{path}: {}", got.text());
                continue;
            }
            assert_eq!((got.status, got.cache(), kept(&proxy_world)), (status, "miss", 0), "{path} {fault:?}");
            assert_eq!(got.whole, fault != Fault::Cut, "{path} {fault:?}: a broken answer arrives broken");
            if fault == Fault::Limited(7) {
                assert_eq!(got.headers["retry-after"], "7");
            }
        }
    }
    let got = proxy.post(CHAT, &chat("hi"), &[]);
    assert_eq!((got.status, got.cache(), kept(&proxy_world)), (200, "miss", 1));
}

#[test]
fn a_client_says_what_is_kept_and_for_how_long() {
    let fake = Fake::start();
    let proxy_world = world(&fake, "");
    let proxy = Proxy::start(&proxy_world, &fake, &[]);
    let ask = |headers: &[(&str, &str)]| {
        let got = proxy.post(CHAT, &chat("hi"), headers);
        (got.cache().to_owned(), got.text().contains(&format!("answer number {}", fake.calls())))
    };
    let (miss, hit, bypass) = (("miss".to_owned(), true), ("hit".to_owned(), true), ("bypass".to_owned(), true));
    assert_eq!(ask(&[("cache-control", "no-store")]), bypass);
    assert_eq!(ask(&[("x-wf-cache-ttl", "0")]), miss);
    assert_eq!(ask(&[("x-wf-cache-ttl", "3600")]), miss);
    assert_eq!(ask(&[]), hit);
    assert_eq!(ask(&[("cache-control", "max-age=0, no-cache")]), miss);
    assert_eq!(ask(&[]), hit, "what no-cache asked for is kept");
    assert_eq!(ask(&[("x-wf-cache", "no-store")]), bypass);
    assert_eq!(ask(&[]), ("hit".to_owned(), false), "what no-store asked for is not");
}

#[test]
fn a_miss_says_what_differs_from_the_nearest_answer() {
    let fake = Fake::start();
    let proxy_world = world(&fake, "");
    let proxy = Proxy::start(&proxy_world, &fake, &[]);
    let why = |text: &str, headers: &[(&str, &str)]| {
        let got = proxy.post(CHAT, &chat(text), headers);
        (got.cache().to_owned(), got.headers.get("x-wf-cache-why").cloned().unwrap_or_default())
    };
    assert_eq!(why("hi", &[]), ("miss".to_owned(), String::new()), "there is nothing near");
    let (cache, said) = why("there", &[]);
    assert!(cache == "miss" && said.contains("messages/0/content changed"), "{said}");
    assert_eq!(why("there", &[]), ("hit".to_owned(), String::new()));
    for header in [("cache-control", "no-cache"), ("cache-control", "no-store")] {
        assert_eq!(why("you", &[header]).1, "", "{header:?}: nobody looked, or nothing is kept");
    }
}

#[test]
fn only_whoever_has_the_token_may_ask_and_no_web_page() {
    let fake = Fake::start();
    let proxy_world = world(&fake, "");
    let proxy = Proxy::start(&proxy_world, &fake, &[]);
    let port = proxy.address.rsplit_once(':').unwrap().1;
    let (local, foreign) = (format!("localhost:{port}"), format!("evil.example:{port}"));
    let bearer = ("authorization", "Bearer tok");
    let refused: [&[(&str, &str)]; 8] = [
        &[],
        &[("authorization", "Bearer tak")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Basic tok")],
        &[("x-api-key", "to")],
        &[bearer, ("host", &foreign)],
        &[bearer, ("host", "127.0.0.1:1")],
        &[bearer, ("origin", "https://evil.example")],
    ];
    for headers in refused {
        let got = raw(&proxy.address, "POST", CHAT, headers, chat("hi").as_bytes());
        assert!(matches!(got.status, 401 | 403), "{headers:?} {got:?}");
    }
    assert_eq!(fake.calls(), 0);
    let allowed: [&[(&str, &str)]; 4] =
        [&[bearer], &[("x-api-key", "tok")], &[("api-key", "tok")], &[bearer, ("host", &local)]];
    for headers in allowed {
        assert_eq!(raw(&proxy.address, "POST", CHAT, headers, chat("hi").as_bytes()).status, 200, "{headers:?}");
    }
}

#[test]
fn secrets_are_refused_wherever_they_stand() {
    let fake = Fake::start();
    let proxy_world = world(&fake, "");
    let proxy = Proxy::start(&proxy_world, &fake, &[]);
    let aws = "AKIAIOSFODNN7EXAMPLE";
    let plain = |path: &str, body: &str, headers: &[(&str, &str)]| {
        let got = proxy.post(path, body, headers);
        assert_eq!(got.status, 400, "{path} {body} {headers:?}");
        assert!(got.text().contains("wf_secret"), "{}", got.text());
    };
    plain(CHAT, &chat(aws), &[]);
    plain(CHAT, &chat(KEY), &[]);
    plain(CHAT, &chat(aws).replace("AKIA", "\\u0041KIA"), &[]);
    plain(CHAT, &json!({ "model": "m", "metadata": { aws: 1 } }).to_string(), &[]);
    plain(&format!("{CHAT}?key={aws}"), &chat("hi"), &[]);
    plain(CHAT, &chat("hi"), &[("x-note", aws)]);
    plain("/openai/v1/files", &format!("--x\r\n\r\n{aws}\r\n--x--"), &[]);
    assert_eq!(fake.calls(), 0);
}

#[test]
fn what_depends_on_more_than_itself_is_passed_on_and_never_kept() {
    let fake = Fake::start();
    let proxy_world = world(&fake, "");
    let proxy = Proxy::start(&proxy_world, &fake, &[]);
    let responses = "/openai/v1/responses";
    let messages = "/anthropic/v1/messages";
    let stateful = [
        (responses, json!({ "model": "m", "input": "x", "previous_response_id": "r" })),
        (responses, json!({ "model": "m", "input": "x", "conversation": "c" })),
        (responses, json!({ "model": "m", "input": "x", "background": true })),
        (responses, json!({ "model": "m", "input": "x", "tools": [{ "type": "web_search" }] })),
        (CHAT, json!({ "model": "m", "messages": [], "web_search_options": {} })),
        (messages, json!({ "model": "m", "messages": [], "tools": [{ "type": "web_search_20250305", "name": "w" }] })),
        (messages, json!({ "model": "m", "messages": [], "mcp_servers": [{ "url": "x" }] })),
        (messages, json!({ "model": "m", "messages": [], "container": "c" })),
        ("/openai/v1/audio/speech", json!({ "model": "m", "input": "x" })),
        ("/openai/v1/fine_tuning/jobs", json!({ "model": "m" })),
    ];
    for (number, (path, body)) in stateful.iter().enumerate() {
        for times in 1..=2 {
            let got = proxy.post(path, &body.to_string(), &[]);
            assert_eq!((got.status, got.cache()), (200, "bypass"), "{path} {body}");
            assert_eq!(fake.calls(), number * 2 + times);
        }
    }
    assert_eq!(fake.seen().pop().unwrap().path, "/v1/fine_tuning/jobs");
    let own = [("authorization", "Bearer tok")];
    let got = raw(&proxy.address, "DELETE", "/openai/v1/files/f", &own, b"");
    assert_eq!((got.status, got.cache(), fake.seen().pop().unwrap().method.as_str()), (200, "bypass", "DELETE"));
    assert_eq!(kept(&proxy_world), 0);
    // What only looks like it: tools that the client runs, and switches that are off.
    let tool = json!([{ "type": "function", "function": { "name": "f", "parameters": {} } }]);
    let stateless = [
        (CHAT, json!({ "model": "m", "messages": [], "tools": tool })),
        (responses, json!({ "model": "m", "input": "x", "background": false, "previous_response_id": null })),
        (messages, json!({ "model": "m", "messages": [], "tools": [{ "name": "f", "input_schema": {} }] })),
        (messages, json!({ "model": "m", "messages": [], "tools": [{ "type": "bash_20250124", "name": "bash" }] })),
    ];
    for (path, body) in stateless {
        assert_eq!(proxy.post(path, &body.to_string(), &[]).cache(), "miss", "{path} {body}");
        assert_eq!(proxy.post(path, &body.to_string(), &[]).cache(), "hit", "{path} {body}");
    }
}

#[test]
fn a_budget_refuses_before_the_call() {
    let fake = Fake::start();
    let proxy_world = world(&fake, ", budget: {calls: 1}");
    let proxy = Proxy::start(&proxy_world, &fake, &[]);
    assert_eq!(proxy.post(CHAT, &chat("one"), &[]).status, 200);
    let got = proxy.post(CHAT, &chat("two"), &[]);
    assert_eq!((got.status, fake.calls()), (402, 1));
    assert!(got.text().contains("wf_budget") && got.headers["x-should-retry"] == "false");
    assert_eq!(proxy.post(CHAT, &chat("one"), &[]).cache(), "hit", "what is known costs nothing");
    // The budget is of one life of the proxy.
    proxy.ends();
    let proxy = Proxy::start(&proxy_world, &fake, &[]);
    assert_eq!(proxy.post(CHAT, &chat("two"), &[]).status, 200);
}

#[test]
fn two_hundred_equal_requests_make_one_call() {
    let fake = Fake::start();
    let proxy_world = world(&fake, "");
    let proxy = Proxy::start(&proxy_world, &fake, &[]);
    fake.always(Some(Fault::Slow(50)));
    let answers: Vec<Got> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..200).map(|_| scope.spawn(|| proxy.post(CHAT, &streamed("hi"), &[]))).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(fake.calls(), 1);
    let misses = answers.iter().filter(|got| got.cache() == "miss").count();
    assert_eq!((misses, answers.len()), (1, 200));
    assert!(answers.iter().all(|got| got.status == 200 && got.whole && got.body == answers[0].body));
}

#[test]
fn a_recording_answers_at_the_pace_that_is_asked_for_and_asks_nobody() {
    let fake = Fake::start();
    let proxy_world = world(&fake, "");
    let proxy = Proxy::start(&proxy_world, &fake, &["--ai", "record"]);
    let first = proxy.post(CHAT, &streamed("hi"), &[]);
    proxy.ends();
    let proxy = Proxy::start(&proxy_world, &fake, &["--ai", "replay"]);
    let again = proxy.post(CHAT, &streamed("hi"), &[]);
    assert_eq!((again.cache(), &again.body, fake.calls()), ("hit", &first.body, 1));
    let missing = proxy.post(CHAT, &streamed("ho"), &[]);
    assert_eq!(missing.status, 409);
    assert!(missing.text().contains("messages/0/content changed"), "{}", missing.text());
    assert_eq!(proxy.post("/openai/v1/files", "{}", &[]).status, 409);
    assert_eq!(fake.calls(), 1);
    proxy.ends();
    // The cache knows when each piece came.
    fake.next(&[Fault::Slow(40)]);
    let proxy = Proxy::start(&proxy_world, &fake, &["--replay-speed", "2"]);
    let slow = proxy.post(CHAT, &streamed("slowly"), &[]);
    let began = std::time::Instant::now();
    let again = proxy.post(CHAT, &streamed("slowly"), &[]);
    assert!(began.elapsed().as_millis() >= 5 * 20, "five pieces at twice the pace: {:?}", began.elapsed());
    assert_eq!((again.cache(), &again.body), ("hit", &slow.body));
}

/// Not a test: a program that asks through the proxy of its step, as often as it is told; what it got is in the trace.
#[test]
#[ignore = "a process for other tests"]
#[expect(clippy::disallowed_methods, reason = "it is a process that is told by its environment")]
fn asks() {
    use std::io::Write as _;
    let Ok(times) = std::env::var("ASKS") else { return };
    let (url, key) = (std::env::var("OPENAI_BASE_URL").unwrap(), std::env::var("OPENAI_API_KEY").unwrap());
    let mut trace = std::fs::File::options().append(true).create(true).open("../trace").unwrap();
    let real = std::env::vars().any(|(_, value)| value.contains(KEY));
    writeln!(trace, "{}", if real || !key.starts_with("wf-") { "sees-the-key" } else { "attempt" }).unwrap();
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    for _ in 0..times.parse::<u32>().unwrap() {
        loop {
            let own = [("authorization", format!("Bearer {key}"))];
            let own: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let path = format!("/{path}/chat/completions");
            let got = receive(&mut send(address, "POST", &path, &own, chat("same").as_bytes()));
            writeln!(
                trace,
                "{}{}",
                got.cache(),
                if got.status == 200 { String::new() } else { got.status.to_string() }
            )
            .unwrap();
            if got.status != 429 {
                break;
            }
        }
    }
}

#[test]
fn a_step_asks_through_a_proxy_of_its_own() {
    let fake = Fake::start();
    let me = std::env::current_exe().unwrap();
    let asks = format!("{} --exact ai_proxy::asks --ignored", me.display());
    let step = format!(
        "  - {{id: tool, ai_proxy: true, env: {{ASKS: \"3\"}}, retries: {{count: 1, backoff: 10ms}}, run: '{asks}; test -e ../once || {{ touch ../once; exit 1; }}'}}\n"
    );
    let world = World::topic(&config(&fake, ", api_key_env: HOUSE_ENTRY", &step));
    let env = [("OPENAI_API_KEY", KEY), ("HOUSE_ENTRY", KEY)];
    let run = |args: &[&str]| {
        let _ = std::fs::remove_file(world.outside("trace"));
        let said = world.wf_env(&env, &[&["run", "--no-cache", "--no-smart-execution"], args].concat()).passed();
        (world.trace().join(" "), said).0
    };
    // The first request fails once: its number is free again. The second attempt counts anew, and knows all three.
    fake.next(&[Fault::Limited(0)]);
    assert_eq!(run(&[]), "attempt miss429 miss miss miss attempt hit hit hit");
    assert_eq!(fake.calls(), 4);
    let bearer = |seen: &Seen| seen.headers["authorization"] == format!("Bearer {KEY}");
    assert!(fake.seen().iter().all(bearer));
    assert_eq!(run(&[]), "attempt hit hit hit");
    assert_eq!(run(&["--ai=record"]), "attempt hit hit hit");
    std::fs::remove_dir_all(world.path(".wf/ai_cache")).unwrap();
    assert_eq!(run(&["--ai=replay"]), "attempt hit hit hit");
    assert_eq!(fake.calls(), 4);
    assert_eq!(world.read("ai.lock").lines().count(), 4, "a head and three answers to the same request");
    // The step ends as its command does.
    world.write(".workflow-config.yaml", config(&fake, "", "  - {id: tool, ai_proxy: true, run: 'exit 7'}\n"));
    let _ = again(&world, &[]).exits(1).says("exit code 7");
}
