//! One request: from the cache, from a recording, or to the service and back while it is recorded.

use super::admit::admit;
use super::endpoint::{self, Endpoint, Kind};
use super::serve::Settings;
use super::{kept, reply};
use crate::ai::asking::now_ms;
use crate::ai::cache::{Look, Meta};
use crate::ai::http::Http;
use crate::ai::ledger::Booked;
use crate::ai::provider;
use crate::ask::money::{self, about_tokens};
use crate::ask::{Call, Chunk, Json, Recorded, Spent, Usage};
use crate::base::Digest;
use crate::config::model::AiMode;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use futures_util::StreamExt as _;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No request and no kept answer is longer.
const LONGEST: usize = 64 << 20;
/// So often a request looks whether an equal one has come back.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

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
const NOT_PASSED_ON: &[&str] =
    &["host", "connection", "content-length", "transfer-encoding", "accept-encoding", "authorization", "x-api-key", "api-key", "keep-alive", "te", "upgrade"];
/// Headers of responses that clients read, and beginnings of such names.
const KEPT: &[&str] = &["content-type", "request-id", "x-request-id", "retry-after", "retry-after-ms"];
const KEPT_BEGINNINGS: &[&str] = &["openai-", "anthropic-", "x-ratelimit-"];

/// A proxy.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    /// The connection to services.
    pub http: Http,
    /// How often each request was made.
    pub seen: Mutex<HashMap<Digest, u32>>,
    /// What it was told.
    pub settings: Settings,
}

/// What a client asks of the cache.
#[derive(Clone, Copy, Default)]
struct Wishes {
    /// Do not answer from it.
    no_cache: bool,
    /// Do not keep the answer.
    no_store: bool,
    /// Keep it so long.
    ttl_ms: Option<u64>,
}

/// Answers one request.
pub async fn handle(State(proxy): State<Arc<Proxy>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if let Err((status, why)) = admit(&parts.headers, &proxy.settings.token, proxy.port) {
        return reply::error(status, "authentication_error", why);
    }
    let Ok(body) = axum::body::to_bytes(body, LONGEST).await else {
        return reply::error(413, "request_too_large", "the request is longer than 64 MiB, or was not sent to its end");
    };
    let path = parts.uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
    let endpoint = endpoint::of(parts.method.as_str(), path, parts.headers.contains_key("anthropic-version"));
    let settings = &proxy.settings;
    if settings.redactor.finds(&body) {
        let why = "the request holds what looks like a secret, and was not sent; take it out, or leave that file out";
        return reply::error(400, "wf_secret", why);
    }
    let Some(upstream) = settings.upstreams.get(endpoint.provider.name()).cloned() else {
        return reply::error(404, "not_found_error", "no upstream is set for this dialect (--upstream)");
    };
    let call = Call {
        provider: endpoint.provider.name().into(),
        upstream,
        method: parts.method.as_str().into(),
        path: endpoint.path.clone(),
        account: settings.account.clone(),
        persona: String::new(),
        headers: of_key(&parts.headers),
        body: body.to_vec(),
        occurrence: 0,
    };
    proxy.answer(endpoint, call, &parts.headers).await
}

impl Proxy {
    async fn answer(self: Arc<Self>, endpoint: Endpoint, mut call: Call, headers: &HeaderMap) -> Response<Body> {
        let json = Json::parse(&call.body);
        let empty = call.body.is_empty() && call.method == "GET";
        let stateful = match &json {
            Some(json) => endpoint::stateful(endpoint.kind, json),
            None if empty && endpoint.kind == Kind::Models => None,
            None => Some("its body is no JSON"),
        };
        let settings = &self.settings;
        if stateful.is_some() {
            if settings.mode == AiMode::Replay {
                return reply::error(409, "wf_not_recorded", "this request depends on more than itself, and cannot be replayed");
            }
            return self.send(endpoint.kind, call, headers, None, Wishes { no_store: true, ..Wishes::default() }).await;
        }
        if settings.counts {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let times = seen.entry(call.key()).or_default();
            call.occurrence = *times;
            *times += 1;
        }
        let (key, wishes) = (call.key(), wishes(headers));
        if settings.mode == AiMode::Replay {
            return match settings.recording.as_ref().map(|recording| recording.answer(&call)) {
                Some(Ok(stored)) => reply::recorded(stored, &key, settings.speed),
                Some(Err(missing)) => reply::error(409, "wf_not_recorded", &missing.to_string()),
                None => reply::error(409, "wf_not_recorded", "there is no `ai.lock`"),
            };
        }
        loop {
            if settings.mode == AiMode::Cache
                && !wishes.no_cache
                && let Look::Hit(stored) = settings.cache.look(&call)
            {
                return reply::recorded(stored.recorded, &key, settings.speed);
            }
            if wishes.no_store {
                return self.send(endpoint.kind, call, headers, Some(key), wishes).await;
            }
            match settings.cache.try_alone(&key) {
                Some(alone) => return self.send_alone(endpoint.kind, call, headers, key, wishes, alone).await,
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }
}
