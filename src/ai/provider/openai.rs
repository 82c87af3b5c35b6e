//! Chat completions: <https://platform.openai.com/docs/api-reference/chat>.

use super::{Answer, MAX_TOKENS, Question, in_json};
use crate::ai::problem::{Kind, Problem};
use crate::ai::prompt::Wants;
use crate::ask::{Usage, finding};
use crate::config::model::AiService;
use serde_json::{Value, json};

/// OpenAI's own address.
pub const URL: &str = "https://api.openai.com/v1";

pub(super) fn body(service: &AiService, question: &Question) -> Value {
    let findings = question.wants == Wants::Findings;
    // Servers that ignore `response_format` still read the words.
    let system =
        if findings { format!("{}\n\n{}", question.system.trim(), in_json()) } else { question.system.clone() };
    let mut messages = vec![];
    if !system.trim().is_empty() {
        messages.push(json!({ "role": "system", "content": system.trim() }));
    }
    messages.push(json!({ "role": "user", "content": question.user }));
    let mut body = json!({
        "model": service.model,
        "messages": messages,
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    // OpenAI's reasoning models take only the new name, other servers only the old one.
    let own = service.base_url.as_deref().unwrap_or(URL).contains("://api.openai.com");
    let limit = if own { "max_completion_tokens" } else { "max_tokens" };
    body[limit] = json!(service.max_tokens.unwrap_or(MAX_TOKENS));
    if let Some(milli) = service.temperature_milli {
        body["temperature"] = json!(f64::from(milli) / 1_000.0);
    }
    if findings {
        let schema = json!({ "name": "findings", "strict": true, "schema": finding::schema() });
        body["response_format"] = json!({ "type": "json_schema", "json_schema": schema });
    }
    body
}

/// From the chunks of a stream, or from one whole completion.
pub(super) fn answer(parts: &[Value]) -> Result<Answer, Problem> {
    let (mut answer, mut refusal, mut finish) = (Answer::default(), String::new(), None);
    for part in parts {
        let choice = &part["choices"][0];
        let said = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        answer.text.push_str(said["content"].as_str().unwrap_or_default());
        refusal.push_str(said["refusal"].as_str().unwrap_or_default());
        finish = choice["finish_reason"].as_str().or(finish);
        if part["usage"].is_object() {
            let tokens = |key: &str| part["usage"][key].as_u64().unwrap_or_default();
            answer.usage = Usage { input: tokens("prompt_tokens"), output: tokens("completion_tokens") };
        }
    }
    match finish {
        _ if !refusal.is_empty() => Err(Problem::new(Kind::Refused, refusal)),
        Some("content_filter") => Err(Problem::new(Kind::Refused, "a content filter stopped the answer")),
        Some("length") => Err(Problem::new(Kind::Truncated, "the answer reached `max_tokens`")),
        None => Err(Problem::new(Kind::Malformed, "the answer has no end")),
        Some(_) if answer.text.trim().is_empty() => Err(Problem::new(Kind::Malformed, "the answer is empty")),
        Some(_) => Ok(answer),
    }
}
