//! Which headers count: for the key, for the service, for the client; and what a client wishes of the cache.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::collections::BTreeMap;

/// Headers of requests that change no answer: transport, the client's own bookkeeping, and what authorises.
const HARMLESS: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "api-key",
    "authorization",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "sec-fetch-mode",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "user-agent",
    "x-api-key",
    "x-request-id",
];
/// Beginnings of such names.
const HARMLESS_BEGINNINGS: &[&str] = &["x-stainless-", "x-wf-"];
/// Headers that belong to a connection, or are replaced.
const NOT_PASSED_ON: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "accept-encoding",
    "authorization",
    "x-api-key",
    "api-key",
    "keep-alive",
    "te",
    "upgrade",
];
/// Headers of responses that clients read, and beginnings of such names.
const KEPT: &[&str] = &["content-type", "location", "request-id", "x-request-id", "retry-after", "retry-after-ms"];
const KEPT_BEGINNINGS: &[&str] = &["openai-", "anthropic-", "x-ratelimit-"];

/// What a client asks of the cache.
#[derive(Clone, Copy, Default)]
pub struct Wishes {
    /// Do not answer from it.
    pub no_cache: bool,
    /// Do not keep the answer.
    pub no_store: bool,
    /// Keep it so long.
    pub ttl_ms: Option<u64>,
}

/// Headers of a request that are passed on.
pub fn passed_on(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    headers.iter().filter(|(name, _)| !NOT_PASSED_ON.contains(&name.as_str()) && !name.as_str().starts_with("x-wf-"))
}

/// Headers that are part of a key: all that are not known to change nothing.
pub fn of_key(headers: &HeaderMap) -> BTreeMap<String, String> {
    let counts =
        |name: &str| !HARMLESS.contains(&name) && !HARMLESS_BEGINNINGS.iter().any(|start| name.starts_with(start));
    let mut of_key: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| counts(name.as_str())) {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let all = of_key.entry(name.as_str().to_owned()).or_default();
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(&value);
    }
    of_key
}

/// Headers of a response that are kept and passed on.
pub fn kept(headers: &HeaderMap) -> Vec<(String, String)> {
    let is_kept = |name: &str| KEPT.contains(&name) || KEPT_BEGINNINGS.iter().any(|start| name.starts_with(start));
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    headers
        .iter()
        .filter(|(name, _)| is_kept(name.as_str()))
        .filter_map(|(n, v)| Some((n.as_str().to_owned(), text(v)?)))
        .collect()
}

/// What a client wishes: `cache-control` as in HTTP, `x-wf-cache: no-cache | no-store`, `x-wf-cache-ttl: SECONDS`.
///
/// # Errors
/// What it says is no such wish.
pub fn wishes(headers: &HeaderMap) -> Result<Wishes, &'static str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = |word: &str| {
        ["cache-control", "x-wf-cache"]
            .iter()
            .any(|name| text(name).split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    let seconds = |value: &HeaderValue| {
        let seconds = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
        seconds.map(|seconds| seconds.saturating_mul(1_000)).ok_or("x-wf-cache-ttl is a number of seconds")
    };
    Ok(Wishes {
        no_cache: said("no-cache") || said("no-store"),
        no_store: said("no-store"),
        ttl_ms: headers.get("x-wf-cache-ttl").map(seconds).transpose()?,
    })
}
