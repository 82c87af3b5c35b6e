//! One request: from the cache, from a recording, or to the service and back while it is recorded.

use super::admit::admit;
use super::endpoint::{self, Endpoint, Kind};
use super::serve::Settings;
use super::{kept, reply};
use crate::ai::asking::now_ms;
use crate::ai::cache::{Alone, Look, Meta};
use crate::ai::http::Http;
use crate::ai::ledger::Booked;
use crate::ai::provider;
use crate::ask::money::{self, about_tokens};
use crate::ask::{Call, Chunk, Json, Recorded, Spent, Usage};
use crate::base::Digest;
use crate::config::model::{AiMode, Budget};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response};
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
                return reply::error(
                    409,
                    "wf_not_recorded",
                    "this request depends on more than itself, and cannot be replayed",
                );
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
            if settings.mode.reads()
                && !wishes.no_cache
                && let Look::Hit(stored) = settings.cache.look(&call)
            {
                self.record(&call, &stored.recorded);
                return reply::recorded(stored.recorded, &key, settings.speed);
            }
            if wishes.no_store {
                return self.send(endpoint.kind, call, headers, None, wishes).await;
            }
            match settings.cache.try_alone(&key) {
                Some(alone) => return self.send_alone(endpoint.kind, call, headers, key, wishes, alone).await,
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// Asks while no equal request is under way; the answer is kept before the others look again.
    async fn send_alone(
        self: Arc<Self>,
        kind: Kind,
        call: Call,
        headers: &HeaderMap,
        key: Digest,
        wishes: Wishes,
        alone: Alone,
    ) -> Response<Body> {
        // Another one may have come back between the look and the lock.
        if self.settings.mode.reads()
            && !wishes.no_cache
            && let Look::Hit(stored) = self.settings.cache.look(&call)
        {
            self.record(&call, &stored.recorded);
            return reply::recorded(stored.recorded, &key, self.settings.speed);
        }
        self.send(kind, call, headers, Some((key, alone)), wishes).await
    }

    /// Sends a request on and its answer back, piece by piece, and keeps the answer if it came whole. A client that goes away
    /// ends it: what came by then is no answer.
    async fn send(
        self: Arc<Self>,
        kind: Kind,
        call: Call,
        headers: &HeaderMap,
        kept: Option<(Digest, Alone)>,
        wishes: Wishes,
    ) -> Response<Body> {
        let expected = self.expected(&call);
        if let Err(refusal) = self.book(expected).await {
            return refusal;
        }
        let began = Instant::now();
        let sent = match self.request(&call, headers) {
            Ok(request) => request.send().await.map_err(|error| error.to_string()),
            Err(error) => Err(error),
        };
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                self.correct(expected, Spent { calls: 1, ..Spent::default() });
                return reply::error(502, "api_error", &format!("the service cannot be reached: {error}"));
            }
        };
        let status = response.status().as_u16();
        let headers = kept_headers(response.headers());
        let from = if kept.is_some() { "miss" } else { "bypass" };
        let key = kept.as_ref().map(|(key, _)| *key);
        let recorder = Recorder {
            recorded: Recorded { status, headers: headers.clone(), chunks: vec![] },
            length: 0,
            last: began,
            kind,
            call,
            expected,
            wishes,
            alone: kept.map(|(_, alone)| alone),
            proxy: self,
            whole: false,
        };
        let pieces = futures_util::stream::unfold((response, recorder), |(mut response, mut recorder)| async move {
            match response.chunk().await {
                Ok(Some(bytes)) => {
                    recorder.piece(&bytes);
                    Some((Ok(bytes), (response, recorder)))
                }
                Ok(None) => {
                    recorder.whole = true;
                    drop(recorder);
                    None
                }
                Err(error) => Some((Err(error), (response, recorder))),
            }
        });
        let mut reply = Response::new(Body::from_stream(pieces));
        reply::put(&mut reply, status, &headers, from, key.as_ref());
        reply
    }

    fn request(&self, call: &Call, headers: &HeaderMap) -> Result<reqwest::RequestBuilder, String> {
        let client = self.http.client().map_err(|problem| problem.to_string())?;
        let method = reqwest::Method::from_bytes(call.method.as_bytes()).map_err(|error| error.to_string())?;
        let mut request = client.request(method, format!("{}{}", call.upstream, call.path)).body(call.body.clone());
        for (name, value) in headers {
            if !NOT_PASSED_ON.contains(&name.as_str()) && !name.as_str().starts_with("x-wf-") {
                request = request.header(name, value);
            }
        }
        if let Some(key) = self.settings.keys.get(call.provider.as_str()) {
            let (name, value) = provider::authorization(&call.provider, key);
            let mut value =
                HeaderValue::from_str(&value).map_err(|_| "the key holds what no header may hold".to_owned())?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        Ok(request)
    }

    /// Waits until rates allow it, unless a budget forbids it.
    async fn book(&self, expected: Spent) -> Result<(), Response<Body>> {
        let settings = &self.settings;
        loop {
            match settings.ledger.book(&settings.budget, &settings.manners, expected, now_ms()) {
                Ok(Booked::Now) => return Ok(()),
                Ok(Booked::After(wait)) => tokio::time::sleep(wait).await,
                Ok(Booked::Never(over)) => {
                    return Err(reply::error(402, "wf_budget", &format!("the request was not sent: {over}")));
                }
                Err(_) if settings.budget == Budget::default() => return Ok(()),
                Err(error) => {
                    return Err(reply::error(500, "wf_budget", &format!("what is spent cannot be counted: {error}")));
                }
            }
        }
    }

    /// Adds an answer to `ai.lock`, if that is what is wanted; one that cannot be added is missed when it is replayed.
    fn record(&self, call: &Call, recorded: &Recorded) {
        if let (AiMode::Record, Some(path)) = (self.settings.mode, &self.settings.record) {
            let _ =
                crate::ai::lock::record(path, call, recorded, &format!("step {}, {}", self.settings.step, call.path));
        }
    }

    fn correct(&self, booked: Spent, really: Spent) {
        let _ = self.settings.ledger.correct(booked, really);
    }

    /// About what a request will cost, before anybody knows.
    fn expected(&self, call: &Call) -> Spent {
        let json: serde_json::Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let limits = ["max_completion_tokens", "max_tokens", "max_output_tokens"];
        let output = limits.iter().find_map(|key| json[*key].as_u64()).unwrap_or(u64::from(provider::MAX_TOKENS));
        self.cost(&call.body, Usage { input: about_tokens(call.body.len()), output })
    }

    fn cost(&self, body: &[u8], usage: Usage) -> Spent {
        let price = money::price_of(&self.settings.prices, &model(body));
        Spent { calls: 1, tokens: usage.total(), micro_usd: price.map_or(0, |price| money::cost(price, usage)) }
    }
}

/// Records an answer on its way to the client. What it recorded is settled when the last piece is gone, or the client.
struct Recorder {
    recorded: Recorded,
    length: usize,
    last: Instant,
    kind: Kind,
    call: Call,
    expected: Spent,
    wishes: Wishes,
    /// Equal requests wait as long as this is held.
    alone: Option<Alone>,
    proxy: Arc<Proxy>,
    whole: bool,
}

impl Recorder {
    fn piece(&mut self, bytes: &Bytes) {
        self.length += bytes.len();
        if self.length <= LONGEST {
            let after_ms = self.last.elapsed().as_millis() as u64;
            self.last = Instant::now();
            self.recorded.chunks.push(Chunk { after_ms, bytes: bytes.to_vec() });
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let whole = self.whole && self.length <= LONGEST;
        let usage = if whole { kept::usage(self.kind, &self.recorded) } else { Err("it did not come to its end") };
        let failed = !(200..300).contains(&self.recorded.status);
        let really = match usage {
            Ok(usage) => self.proxy.cost(&self.call.body, usage),
            Err(_) if failed => Spent { calls: 1, ..Spent::default() },
            Err(_) => self.expected,
        };
        self.proxy.correct(self.expected, really);
        if let (Ok(usage), false, Some(_alone)) = (usage, self.wishes.no_store, &self.alone) {
            let settings = &self.proxy.settings;
            let model = model(&self.call.body);
            let price = money::price_of(&settings.prices, &model);
            let meta = Meta {
                usage,
                micro_usd: price.map(|price| money::cost(price, usage)),
                model,
                step: settings.step.clone(),
                ttl_ms: self.wishes.ttl_ms,
                ..Meta::default()
            };
            self.proxy.record(&self.call, &self.recorded);
            // A cache that cannot be written costs the next request, not this one.
            let _ = settings.cache.keep(&self.call, &self.recorded, meta);
        }
    }
}

/// The model that a request names.
fn model(body: &[u8]) -> String {
    let json: Option<Json> = Json::parse(body);
    json.as_ref().and_then(|json| json.get("model")).and_then(Json::text).unwrap_or_default().to_owned()
}

/// Headers that are part of a key: all that are not known to change nothing.
fn of_key(headers: &HeaderMap) -> BTreeMap<String, String> {
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

fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = |name: &str| KEPT.contains(&name) || KEPT_BEGINNINGS.iter().any(|start| name.starts_with(start));
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    headers
        .iter()
        .filter(|(name, _)| kept(name.as_str()))
        .filter_map(|(n, v)| Some((n.as_str().to_owned(), text(v)?)))
        .collect()
}

/// What a client wishes: `cache-control` as in HTTP, `x-wf-cache: no-cache | no-store`, `x-wf-cache-ttl: SECONDS`.
fn wishes(headers: &HeaderMap) -> Wishes {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = |word: &str| {
        ["cache-control", "x-wf-cache"]
            .iter()
            .any(|name| text(name).split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    Wishes {
        no_cache: said("no-cache") || said("no-store"),
        no_store: said("no-store"),
        ttl_ms: text("x-wf-cache-ttl").parse::<u64>().ok().map(|seconds| seconds.saturating_mul(1_000)),
    }
}
