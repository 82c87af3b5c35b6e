//! The dialects of services: a question as the request of each, and its response as an answer.
//!
//! Does not know: networks. What is here takes data and returns data.

mod anthropic;
mod openai;
mod sse;

pub use sse::events;

use super::problem::{Kind, Problem};
use super::prompt::Wants;
use crate::ask::{Call, Json, Recorded, Usage};
use crate::config::model::{AiService, Provider};
use serde_json::{Value, json};

/// The most tokens of an answer, unless somebody says otherwise.
pub const MAX_TOKENS: u32 = 4_096;

/// What is asked, rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who is asked; empty for nobody in particular.
    pub persona: String,
    /// What the model is told of itself.
    pub system: String,
    /// The question.
    pub user: String,
    /// What is wanted.
    pub wants: Wants,
}

/// What a model said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The text; for findings the JSON.
    pub text: String,
    /// What it was charged for.
    pub usage: Usage,
}

/// Where a service is.
pub fn upstream(service: &AiService) -> String {
    match (&service.base_url, service.provider) {
        (Some(url), _) => url.clone(),
        (None, Provider::Openai) => openai::URL.into(),
        (None, Provider::Anthropic) => anthropic::URL.into(),
        (None, Provider::Command) => service.command.join(" "),
    }
}

/// The request for a question.
pub fn call(service: &AiService, question: &Question) -> Call {
    let (path, headers, body) = match service.provider {
        Provider::Openai => ("/chat/completions", vec![], openai::body(service, question)),
        Provider::Anthropic => {
            ("/v1/messages", vec![("anthropic-version", anthropic::VERSION)], anthropic::body(service, question))
        }
        Provider::Command => ("", vec![], json!({ "argv": service.command, "stdin": whole(question) })),
    };
    Call {
        provider: service.provider.name().into(),
        upstream: upstream(service),
        method: "POST".into(),
        path: path.into(),
        account: service.account.clone().unwrap_or_default(),
        persona: question.persona.clone(),
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: body.to_string().into_bytes(),
        occurrence: 0,
    }
}

/// What authorises a request; no part of any key.
pub fn authorization(provider: &str, key: &str) -> (&'static str, String) {
    if provider == Provider::Anthropic.name() {
        ("x-api-key", key.to_owned())
    } else {
        ("authorization", format!("Bearer {key}"))
    }
}

/// What a program reads: who it is, and the question.
pub fn whole(question: &Question) -> String {
    let schema = if question.wants == Wants::Findings { format!("\n\n{}", in_json()) } else { String::new() };
    let system = question.system.trim();
    let gap = if system.is_empty() { "" } else { "\n\n" };
    format!("{system}{gap}{}{schema}\n", question.user.trim_end())
}

/// Asks for JSON in words: for services that do not take a schema.
fn in_json() -> String {
    format!(
        "Answer with one JSON object and nothing else. It has to fit this schema:\n{}",
        crate::ask::finding::schema()
    )
}

/// The answer in a response.
///
/// # Errors
/// The response is an error, was refused, cut off, or is not what the service's dialect says.
pub fn answer(provider: &str, recorded: &Recorded) -> Result<Answer, Problem> {
    let body = recorded.body();
    if !(200..300).contains(&recorded.status) {
        return Err(refusal(recorded.status, &body));
    }
    if provider == Provider::Command.name() {
        let text = String::from_utf8_lossy(&body).into_owned();
        let usage = Usage { input: 0, output: crate::ask::money::about_tokens(text.len()) };
        return if text.trim().is_empty() {
            Err(Problem::new(Kind::Malformed, "the program printed nothing"))
        } else {
            Ok(Answer { text, usage })
        };
    }
    let parts = if recorded.is_stream() {
        sse::events(&body).into_iter().filter(|data| data != "[DONE]").map(|data| value(data.as_bytes())).collect()
    } else {
        vec![value(&body)]
    };
    let parts = parts.into_iter().collect::<Result<Vec<Value>, Problem>>()?;
    if provider == Provider::Anthropic.name() { anthropic::answer(&parts) } else { openai::answer(&parts) }
}

/// A page for people, where an answer for programs should be.
fn is_page(body: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&body[..body.len().min(200)]).trim_start().to_ascii_lowercase();
    start.starts_with("<!doctype") || start.starts_with("<html")
}

fn value(bytes: &[u8]) -> Result<Value, Problem> {
    if is_page(bytes) {
        return Err(Problem::new(Kind::NoApi, "it answered with a web page"));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        Problem::new(Kind::Malformed, format!("the service answered with what is no JSON: {error}"))
    })?;
    match value.get("error").filter(|error| !error.is_null()) {
        // In the middle of a stream there is no status any more.
        Some(_) => Err(refusal(0, bytes)),
        None => Ok(value),
    }
}

/// What a response that is an error means.
pub fn refusal(status: u16, body: &[u8]) -> Problem {
    let json = Json::parse(body);
    let error = json.as_ref().and_then(|json| json.get("error"));
    let text = |key: &str| error.and_then(|error| error.get(key)).and_then(Json::text);
    let said = text("message").or_else(|| error.and_then(Json::text)).map(str::to_owned);
    let start = || String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
    let said = said.unwrap_or_else(|| if is_page(body) { "a web page".into() } else { start() });
    let code = format!("{} {}", text("type").unwrap_or_default(), text("code").unwrap_or_default());
    let (lower, has) = (said.to_ascii_lowercase(), |word: &str| code.contains(word));
    let too_long = ["context length", "context window", "too long", "maximum context", "context_length"];
    if is_page(body) && matches!(status, 400 | 404 | 405) {
        return Problem::new(Kind::NoApi, format!("{status}, and a web page"));
    }
    let kind = if has("insufficient_quota") || has("billing") || status == 402 || lower.contains("credit balance") {
        Kind::Quota
    } else if has("context_length") || status == 413 || too_long.iter().any(|words| lower.contains(words)) {
        Kind::TooLong
    } else if has("authentication") || has("permission") || has("invalid_api_key") || matches!(status, 401 | 403) {
        Kind::Auth
    } else if has("content_filter") || has("content_policy") {
        Kind::Refused
    } else if has("overloaded")
        || has("rate_limit")
        || has("api_error")
        || matches!(status, 408 | 409 | 425 | 429 | 500..)
    {
        Kind::Overloaded
    } else {
        Kind::Request
    };
    let status = if status == 0 { String::new() } else { format!("{status} ") };
    Problem::new(kind, format!("{status}{said}"))
}

#[cfg(test)]
mod tests;
