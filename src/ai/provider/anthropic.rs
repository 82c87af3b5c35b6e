//! Messages: <https://docs.anthropic.com/en/api/messages>.

use super::{Answer, MAX_TOKENS, Question};
use crate::ai::problem::{Kind, Problem};
use crate::ai::prompt::Wants;
use crate::ask::finding;
use crate::config::model::AiService;
use serde_json::{Value, json};

/// Anthropic's own address.
pub const URL: &str = "https://api.anthropic.com";
/// The version of the interface.
pub const VERSION: &str = "2023-06-01";
/// The tool by whose input findings come: its schema is what the model has to keep to.
const TOOL: &str = "report";

pub(super) fn body(service: &AiService, question: &Question) -> Value {
    let mut body = json!({
        "model": service.model,
        "max_tokens": service.max_tokens.unwrap_or(MAX_TOKENS),
        "messages": [{ "role": "user", "content": question.user }],
        "stream": true,
    });
    if !question.system.trim().is_empty() {
        body["system"] = json!(question.system.trim());
    }
    if let Some(milli) = service.temperature_milli {
        body["temperature"] = json!(f64::from(milli) / 1_000.0);
    }
    if question.wants == Wants::Findings {
        let about = "Reports what was found. Call it once, with everything.";
        body["tools"] = json!([{ "name": TOOL, "description": about, "input_schema": finding::schema() }]);
        body["tool_choice"] = json!({ "type": "tool", "name": TOOL });
    }
    body
}

/// From the events of a stream, or from one whole message.
pub(super) fn answer(parts: &[Value]) -> Result<Answer, Problem> {
    let (mut answer, mut stop, mut tool) = (Answer::default(), None, String::new());
    for part in parts {
        match part["type"].as_str().unwrap_or_default() {
            "message_start" => usage(&part["message"]["usage"], &mut answer),
            "content_block_delta" => {
                answer.text.push_str(part["delta"]["text"].as_str().unwrap_or_default());
                tool.push_str(part["delta"]["partial_json"].as_str().unwrap_or_default());
            }
            "message_delta" => {
                usage(&part["usage"], &mut answer);
                stop = part["delta"]["stop_reason"].as_str().or(stop);
            }
            "message" => {
                for block in part["content"].as_array().into_iter().flatten() {
                    answer.text.push_str(block["text"].as_str().unwrap_or_default());
                    if block["input"].is_object() {
                        tool = block["input"].to_string();
                    }
                }
                usage(&part["usage"], &mut answer);
                stop = part["stop_reason"].as_str().or(stop);
            }
            _ => {}
        }
    }
    if !tool.is_empty() {
        answer.text = tool;
    }
    match stop {
        Some("refusal") => Err(Problem::new(Kind::Refused, "the model declined")),
        Some("max_tokens") => Err(Problem::new(Kind::Truncated, "the answer reached `max_tokens`")),
        Some("model_context_window_exceeded") => Err(Problem::new(Kind::TooLong, "the model's context is full")),
        None => Err(Problem::new(Kind::Malformed, "the answer has no end")),
        Some(_) if answer.text.trim().is_empty() => Err(Problem::new(Kind::Malformed, "the answer is empty")),
        Some(_) => Ok(answer),
    }
}

/// Later counts replace earlier ones: those of the last event are of the whole answer.
fn usage(usage: &Value, answer: &mut Answer) {
    let tokens = |key: &str| usage[key].as_u64();
    let input = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"].map(tokens);
    if input.iter().any(Option::is_some) {
        answer.usage.input = answer.usage.input.max(input.iter().flatten().sum());
    }
    answer.usage.output = tokens("output_tokens").unwrap_or(answer.usage.output);
}
