//! Keys of requests, by a corpus whose every place is changed: whatever differs misses, whatever says the same hits.

use super::ai_proxy::{CHAT, Proxy, world};
use super::ai_server::Fake;
use serde_json::{Value, json};

/// Requests as clients send them.
fn corpus() -> Vec<(&'static str, Value)> {
    let image = json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw0KGgo=" } });
    let schema = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] });
    vec![
        (
            CHAT,
            json!({
                "model": "m", "temperature": 0.5, "seed": 7, "stream": false, "n": 1, "stop": ["x", "y"],
                "messages": [
                    { "role": "system", "content": "be brief" },
                    { "role": "user", "content": [{ "type": "text", "text": "what is it" }, image] },
                    { "role": "tool", "tool_call_id": "t", "content": "" },
                ],
                "tools": [{ "type": "function", "function": { "name": "f", "parameters": schema } }],
                "response_format": { "type": "json_object" }, "metadata": {}, "user": null,
            }),
        ),
        (
            "/anthropic/v1/messages",
            json!({
                "model": "c", "max_tokens": 100, "system": [{ "type": "text", "text": "s", "cache_control": { "type": "ephemeral" } }],
                "messages": [{ "role": "user", "content": "hello" }], "thinking": { "type": "enabled", "budget_tokens": 1024 },
                "stop_sequences": [], "top_k": 5,
            }),
        ),
        (
            "/openai/v1/responses",
            json!({ "model": "m", "input": [{ "role": "user", "content": "hi" }], "reasoning": { "effort": "low" }, "store": false }),
        ),
        ("/openai/v1/embeddings", json!({ "model": "e", "input": ["a", "b"], "dimensions": 4 })),
    ]
}

/// Every way to change one place of a value.
fn changed(value: &Value) -> Vec<Value> {
    let mut all = match value {
        Value::Null => vec![json!(false)],
        Value::Bool(of) => vec![json!(!of)],
        Value::Number(of) => vec![json!(of.as_f64().unwrap() + 1.0), json!(of.to_string())],
        Value::String(of) => vec![json!(format!("{of} ")), json!(format!("x{of}"))],
        Value::Array(of) => {
            let mut more = of.clone();
            more.push(json!("more"));
            let mut turned = of.clone();
            turned.reverse();
            [Some(json!(more)), (turned != *of).then_some(json!(turned))].into_iter().flatten().collect()
        }
        Value::Object(of) => {
            let mut more = of.clone();
            more.insert("more".into(), json!(1));
            vec![json!(more)]
        }
    };
    match value {
        Value::Array(of) => {
            for (at, item) in of.iter().enumerate() {
                for other in changed(item) {
                    let mut list = of.clone();
                    list[at] = other;
                    all.push(json!(list));
                }
            }
        }
        Value::Object(of) => {
            for (key, item) in of {
                let mut less = of.clone();
                less.remove(key);
                all.push(json!(less));
                for other in changed(item) {
                    let mut map = of.clone();
                    map.insert(key.clone(), other);
                    all.push(json!(map));
                }
            }
        }
        _ => {}
    }
    all
}

/// The same with the keys of all objects turned round, and other space.
fn turned(value: &Value) -> String {
    match value {
        Value::Object(of) => {
            let mut entries: Vec<String> =
                of.iter().map(|(key, value)| format!("{} :\n{}", json!(key), turned(value))).collect();
            entries.reverse();
            format!("{{ {} }}", entries.join(" , "))
        }
        Value::Array(of) => format!("[ {}\t]", of.iter().map(turned).collect::<Vec<_>>().join(" ,")),
        other => other.to_string(),
    }
}

#[test]
fn any_change_of_a_request_misses_and_the_order_of_its_keys_does_not() {
    let fake = Fake::start();
    let proxy_world = world(&fake, "");
    let proxy = Proxy::start(&proxy_world, &fake, &[]);
    let (mut known, mut keys) = (0, std::collections::BTreeSet::new());
    for (path, body) in corpus() {
        let first = proxy.post(path, &body.to_string(), &[]);
        assert_eq!(first.cache(), "miss", "{body} {}", first.text());
        assert!(keys.insert(first.headers["x-wf-cache-key"].clone()));
        let again = proxy.post(path, &turned(&body), &[]);
        assert_eq!((again.cache(), &again.body), ("hit", &first.body), "{}", turned(&body));
        assert_eq!(fake.new_calls(&mut known), 1);
        let all = changed(&body);
        assert!(all.len() > 10);
        for other in all {
            let got = proxy.post(path, &other.to_string(), &[]);
            assert_eq!((got.status, fake.new_calls(&mut known)), (200, 1), "{other}");
            assert_ne!(got.cache(), "hit", "{other}");
            let fresh = got.headers.get("x-wf-cache-key").is_none_or(|key| keys.insert(key.clone()));
            assert!(fresh, "{other} has the key of another request");
        }
    }
}
