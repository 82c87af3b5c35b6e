//! Whether a response is whole and an answer: only those are kept.

use super::endpoint::Kind;
use crate::ai::provider::events;
use crate::ask::{Recorded, Usage};
use serde_json::Value;

/// The texts of a stream's events, each put together again by its place: in the events a word may stand in pieces.
pub fn texts(recorded: &Recorded) -> Vec<String> {
    if !recorded.is_stream() {
        return vec![];
    }
    let mut all = std::collections::BTreeMap::new();
    for event in events(&recorded.body()) {
        if let Ok(event) = serde_json::from_str::<Value>(&event) {
            gather(&event, &mut String::new(), &mut all);
        }
    }
    all.into_values().collect()
}

fn gather(value: &Value, at: &mut String, into: &mut std::collections::BTreeMap<String, String>) {
    let length = at.len();
    let mut below = |name: &str, value: &Value| {
        at.push('/');
        at.push_str(name);
        gather(value, at, into);
        at.truncate(length);
    };
    match value {
        Value::Object(entries) => entries.iter().for_each(|(name, value)| below(name, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, value)| below(&i.to_string(), value)),
        Value::String(text) => into.entry(at.clone()).or_default().push_str(text),
        _ => {}
    }
}

/// What a whole answer was charged for.
///
/// # Errors
/// Why it is not kept.
pub fn usage(kind: Kind, recorded: &Recorded) -> Result<Usage, &'static str> {
    if !(200..300).contains(&recorded.status) {
        return Err("it is an error");
    }
    let body = recorded.body();
    let streams = recorded.is_stream();
    let parts: Vec<Value> = if streams {
        let events = events(&body);
        let read = events.iter().filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data));
        read.collect::<Result<_, _>>().map_err(|_| "its stream is damaged")?
    } else {
        vec![serde_json::from_slice(&body).map_err(|_| "it is no JSON")?]
    };
    let first = parts.first().unwrap_or(&Value::Null);
    if parts.iter().any(|part| part.get("error").is_some_and(|error| !error.is_null())) {
        return Err("it is an error");
    }
    match kind {
        // Without its last word a stream may lack more than that: how many tokens it took, for one.
        Kind::Chat if streams && events(&body).last().is_none_or(|last| last != "[DONE]") => Err("it has no end"),
        Kind::Chat => chat(&parts),
        Kind::Messages => messages(&parts, streams),
        Kind::Responses => responses(&parts, streams),
        Kind::Embeddings | Kind::Models if first["data"].is_array() => Ok(tokens(&first["usage"])),
        Kind::Count if first["input_tokens"].is_u64() => Ok(Usage::default()),
        Kind::Embeddings | Kind::Models | Kind::Count => Err("it is not what this endpoint answers"),
        Kind::Other => Err("this endpoint is not known"),
    }
}

fn chat(parts: &[Value]) -> Result<Usage, &'static str> {
    let mut usage = Usage::default();
    let mut open: std::collections::BTreeMap<u64, bool> = std::collections::BTreeMap::new();
    for part in parts {
        if part["usage"].is_object() {
            usage = tokens(&part["usage"]);
        }
        for choice in part["choices"].as_array().into_iter().flatten() {
            let at = choice["index"].as_u64().unwrap_or_default();
            let said = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
            if said["refusal"].as_str().is_some_and(|text| !text.is_empty()) {
                return Err("it was refused");
            }
            let still = open.entry(at).or_insert(true);
            match choice["finish_reason"].as_str() {
                Some("length") => return Err("it is cut off"),
                Some("content_filter") => return Err("it was refused"),
                Some(_) => *still = false,
                None => {}
            }
        }
    }
    if open.is_empty() || open.values().any(|open| *open) { Err("it has no end") } else { Ok(usage) }
}

fn messages(parts: &[Value], streams: bool) -> Result<Usage, &'static str> {
    let (mut usage, mut stop, mut ended) = (Usage::default(), None, !streams);
    for part in parts {
        let (counts, reason) = match part["type"].as_str() {
            Some("message_start") => (&part["message"]["usage"], None),
            Some("message_delta") => (&part["usage"], part["delta"]["stop_reason"].as_str()),
            Some("message") => (&part["usage"], part["stop_reason"].as_str()),
            Some("message_stop") => {
                ended = true;
                continue;
            }
            _ => continue,
        };
        let counted = tokens(counts);
        usage.input = usage.input.max(counted.input);
        usage.output = usage.output.max(counted.output);
        stop = reason.or(stop);
    }
    match stop {
        Some("max_tokens" | "model_context_window_exceeded") => Err("it is cut off"),
        Some("refusal") => Err("it was refused"),
        Some("pause_turn") => Err("it goes on"),
        Some(_) if ended => Ok(usage),
        _ => Err("it has no end"),
    }
}

fn responses(parts: &[Value], streams: bool) -> Result<Usage, &'static str> {
    let last = parts.last().ok_or("it has no end")?;
    let response = if streams { &last["response"] } else { last };
    match response["status"].as_str() {
        Some("completed") => {
            let items = response["output"].as_array().into_iter().flatten();
            let mut parts = items.flat_map(|item| item["content"].as_array().into_iter().flatten());
            if parts.any(|part| part["type"] == "refusal") {
                Err("it was refused")
            } else {
                Ok(tokens(&response["usage"]))
            }
        }
        Some("incomplete") => Err("it is cut off"),
        Some(_) => Err("it failed"),
        None => Err("it has no end"),
    }
}

/// Of either dialect.
fn tokens(usage: &Value) -> Usage {
    let of = |key: &str| usage[key].as_u64();
    let cached = of("cache_creation_input_tokens").unwrap_or(0) + of("cache_read_input_tokens").unwrap_or(0);
    Usage {
        input: of("prompt_tokens").unwrap_or_else(|| of("input_tokens").unwrap_or(0) + cached),
        output: of("completion_tokens").or(of("output_tokens")).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_a_stream_are_put_together_by_their_place() {
        let body = concat!(
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"the-re\"}}]}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"al-key\"}}]}\n\n",
            "data: [DONE]\n\n",
        );
        let stream = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
        let mut recorded = Recorded { headers: stream, ..Recorded::whole(200, body.as_bytes().to_vec(), 1) };
        assert_eq!(texts(&recorded), ["the-real-key"]);
        recorded.headers.clear();
        assert_eq!(texts(&recorded), [""; 0]);
    }
}
