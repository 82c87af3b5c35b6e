//! What must not leave the machine, and what must not come back: keys in pieces, keys that a service repeats.

use super::ai_proxy::{CHAT, Proxy, chat, kept as kept_by_proxy, streamed, world as proxy_world};
use super::ai_server::{Fake, Fault, raw};
use super::ai_steps::{ASK, DOCS, KEY, again, config, kept, state};
use super::world::World;

/// So many lines of a private key's body.
fn body(lines: usize) -> String {
    (0..lines).map(|n| format!("{n:04}MIIEpAIBAAKCAQEA7bq+Xy/0123456789abcdefghijklmnopqrstuvwxyzA\n")).collect()
}

#[test]
fn a_key_in_a_text_that_is_cut_is_recognised_before() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, "", DOCS));
    let words = |n: usize| (0..n).map(|n| format!("line {n} of a long text\n")).collect::<String>();
    let (begin, end) = ("-----BEGIN RSA PRIVATE KEY-----\n", "-----END RSA PRIVATE KEY-----\n");
    // The halves meet within the key.
    world.write("docs/guide.md", format!("{}{begin}{}{end}{}", words(150), body(40), words(150))).commit("long");
    fake.longest(6_000);
    let _ = again(&world, &[]).passed();
    assert!(fake.calls() > 2);
    assert!(!fake.all_sent().contains("KCAQEA"), "a part of the key was sent");
}

#[test]
fn a_hunk_within_a_key_is_recognised_and_files_that_were_never_added_are_in_the_difference() {
    let fake = Fake::start();
    let steps = "  - {id: look, cache: false, ai: {prompt: \"look at {{ diff }}\"}}\n";
    let world = World::topic(&config(&fake, "", steps));
    let (begin, end) = ("-----BEGIN RSA PRIVATE KEY-----\n", "-----END RSA PRIVATE KEY-----\n");
    world.write("docs/key.pem", format!("{begin}{}{end}", body(30))).commit("key");
    let changed = body(30).replacen("0015MII", "0015XYZ", 1);
    world.write("docs/key.pem", format!("{begin}{changed}{end}")).write("docs/fresh.md", "fresh words\n");
    let _ = again(&world, &["--base", "HEAD"]).passed().says("looked like secrets");
    let sent = fake.all_sent();
    assert!(sent.contains("key material removed") && !sent.contains("KCAQEA"), "{sent}");
    assert!(sent.contains("+++ b/docs/fresh.md") && sent.contains("+fresh words"), "{sent}");
}

#[test]
fn an_answer_that_repeats_the_key_is_neither_kept_nor_recorded_nor_written() {
    let fake = Fake::start();
    let world = World::topic(&config(&fake, "", &ASK.replace("files:", "output: docs.out, files:")));
    fake.always(Some(Fault::Echoes));
    let said = again(&world, &["--ai=record"]).passed().says("the answer holds a secret value");
    assert!(!said.out.contains(KEY) && !said.err.contains(KEY), "{said:?}");
    assert_eq!(kept(&world), 0);
    assert!(!world.exists("ai.lock"));
    assert_eq!(world.read("docs.out").trim(), "Bearer ***");
    assert!(!state(&world).contains(KEY));
}

#[test]
fn the_proxy_hides_the_services_key_from_its_clients() {
    let fake = Fake::start();
    let world = proxy_world(&fake, "");
    let proxy = Proxy::start(&world, &fake, &["--ai", "record"]);
    fake.next(&[Fault::EchoesError, Fault::Echoes, Fault::Echoes]);
    let got = proxy.post(CHAT, &chat("hi"), &[]);
    assert_eq!((got.status, got.text().contains("Bearer *** is not known")), (401, true), "{}", got.text());
    let got = proxy.post(CHAT, &chat("hi"), &[]);
    assert_eq!((got.status, got.text().contains(KEY), got.text().contains("Bearer ***")), (200, false, true));
    // In a stream each of its events says a part of it: nobody reads the whole of it in the cache.
    let got = proxy.post(CHAT, &streamed("hi"), &[]);
    assert_eq!((got.status, got.text().contains(KEY)), (200, false));
    assert_eq!(kept_by_proxy(&world), 0);
    assert!(!world.exists("ai.lock"));
    assert_eq!(proxy.post(CHAT, &chat("hi"), &[]).cache(), "miss");
}

#[test]
fn an_empty_token_lets_nobody_in() {
    let fake = Fake::start();
    let world = proxy_world(&fake, "");
    let proxy = Proxy::start(&world, &fake, &[]);
    let empty: [&[(&str, &str)]; 3] = [&[("x-api-key", "")], &[("authorization", "Bearer ")], &[("api-key", "")]];
    for headers in empty {
        assert_eq!(raw(&proxy.address, "POST", CHAT, headers, chat("hi").as_bytes()).status, 401, "{headers:?}");
    }
    drop(proxy);
    let proxy = Proxy::with_token(&world, &fake, "", &[]);
    for headers in empty {
        assert_eq!(raw(&proxy.address, "POST", CHAT, headers, chat("hi").as_bytes()).status, 401, "{headers:?}");
    }
    assert_eq!(fake.calls(), 0);
}

#[test]
fn a_path_leads_nowhere_else_and_a_wish_is_read_or_refused() {
    let fake = Fake::start();
    let world = proxy_world(&fake, "");
    let proxy = Proxy::start(&world, &fake, &[]);
    for path in ["/openai/v1/../admin", "/openai/v1/%2e%2e/admin", "/anthropic/..%2fadmin"] {
        assert_eq!(proxy.post(path, "{}", &[]).status, 400, "{path}");
    }
    assert_eq!(proxy.post(CHAT, &chat("hi"), &[("x-wf-cache-ttl", "soon")]).status, 400);
    assert_eq!(fake.calls(), 0);
    fake.next(&[Fault::Moved]);
    let got = proxy.post("/openai/v1/files", "{}", &[]);
    assert_eq!((got.status, got.headers["location"].as_str()), (302, "/v2/there"));
    let item = r#"{"model":"m","input":[{"type":"item_reference","id":"x"}]}"#;
    assert_eq!(proxy.post("/openai/v1/responses", item, &[]).cache(), "bypass");
}

#[test]
fn a_key_in_the_configuration_is_not_shown() {
    let world = World::new("ai:\n  model: m\n  api_key: sk-abcdefabcdefabcdefabcdef\nsteps: []\n");
    let said = world.wf(&["check"]).exits(2);
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains("api_key_env") && !all.contains("sk-abc"), "{all}");
}
