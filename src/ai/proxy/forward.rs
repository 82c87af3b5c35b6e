//! One request: from the cache, from a recording, or to the service and back while it is recorded.

use super::admit::admit;
use super::endpoint::{self, Endpoint, Kind};
use super::headers;
use super::serve::Settings;
use super::turn::{Turn, Turns};
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
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No request and no kept answer is longer.
const LONGEST: usize = 64 << 20;
/// So often a request looks whether an equal one has come back.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A proxy.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    /// The connection to services.
    pub http: Http,
    /// How often each request was answered.
    pub turns: Turns,
    /// What it was told.
    pub settings: Settings,
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
    if secret(settings, path, &parts.headers, &body) {
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
        headers: headers::of_key(&parts.headers),
        body: body.to_vec(),
        occurrence: 0,
    };
    proxy.answer(endpoint, call, &parts.headers).await
}

/// Would a secret be sent? JSON is looked at as it stands and without its escapes.
fn secret(settings: &Settings, path: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let finds = |bytes: &[u8]| settings.redactor.finds(bytes);
    let escaped = || body.contains(&b'\\') && Json::parse(body).is_some_and(|j| j.any_text(&|t| finds(t.as_bytes())));
    finds(path.as_bytes())
        || headers::passed_on(headers).any(|(_, value)| finds(value.as_bytes()))
        || finds(body)
        || escaped()
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
            return self.send(endpoint.kind, call, headers, Keeping::default()).await;
        }
        let mut turn = settings.counts.then(|| self.turns.take(call.key()));
        call.occurrence = turn.as_ref().map_or(0, Turn::number);
        let (key, wishes) = (call.key(), headers::wishes(headers));
        if settings.mode == AiMode::Replay {
            return match settings.recording.as_ref().map(|recording| recording.answer(&call)) {
                Some(Ok(stored)) => {
                    turn.iter_mut().for_each(Turn::answered);
                    reply::recorded(stored, &key, settings.speed)
                }
                Some(Err(missing)) => reply::error(409, "wf_not_recorded", &missing.to_string()),
                None => reply::error(409, "wf_not_recorded", "there is no `ai.lock`"),
            };
        }
        let keep = (!wishes.no_store).then_some(key);
        let mut alone = None;
        if settings.mode.reads() && !wishes.no_cache {
            loop {
                // Looked at once more with the key taken: another one may have come back in between.
                if let Look::Hit(stored) = settings.cache.look(&key) {
                    self.record(&call, &stored.recorded);
                    turn.iter_mut().for_each(Turn::answered);
                    return reply::recorded(stored.recorded, &key, settings.speed);
                }
                if alone.is_some() {
                    break;
                }
                alone = settings.cache.try_alone(&key);
                if alone.is_none() {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
        let keeping = Keeping { key: keep, ttl_ms: wishes.ttl_ms, turn, _alone: alone };
        self.send(endpoint.kind, call, headers, keeping).await
    }

    /// Sends a request on and its answer back, piece by piece, and keeps the answer if it came whole. A client that goes away
    /// ends it: what came by then is no answer.
    async fn send(self: Arc<Self>, kind: Kind, call: Call, headers: &HeaderMap, keeping: Keeping) -> Response<Body> {
        let expected = self.expected(&call);
        if let Err(refusal) = self.book(expected).await {
            return refusal;
        }
        let began = Instant::now();
        let sent = match self.request(&call, headers) {
            Ok(request) => request.send().await.map_err(|error| error.to_string()),
            Err(error) => Err(error),
        };
        let mut response = match sent {
            Ok(response) => response,
            Err(error) => {
                self.correct(expected, Spent { calls: 1, ..Spent::default() });
                return reply::error(502, "api_error", &format!("the service cannot be reached: {error}"));
            }
        };
        // As long as nothing of it went on to the client, a service that breaks off can be told of.
        let first = match response.chunk().await {
            Ok(first) => first,
            Err(error) => {
                self.correct(expected, expected);
                return reply::error(502, "api_error", &format!("the service broke off: {error}"));
            }
        };
        let status = response.status().as_u16();
        let headers = headers::kept(response.headers());
        let key = keeping.key;
        let from = if key.is_some() { "miss" } else { "bypass" };
        let recorder = Recorder {
            recorded: Recorded { status, headers: headers.clone(), chunks: vec![] },
            length: 0,
            last: began,
            kind,
            call,
            expected,
            keeping,
            proxy: self,
            whole: false,
        };
        let pieces = futures_util::stream::unfold(Some((Some(first), response, recorder)), |state| async move {
            let (first, mut response, mut recorder) = state?;
            let next = match first {
                Some(first) => Ok(first),
                None => response.chunk().await,
            };
            match next {
                Ok(Some(bytes)) => {
                    recorder.piece(&bytes);
                    Some((Ok(bytes), Some((None, response, recorder))))
                }
                Ok(None) => {
                    recorder.whole = true;
                    None
                }
                // Nothing comes after it.
                Err(error) => Some((Err(error), None)),
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
        for (name, value) in headers::passed_on(headers) {
            request = request.header(name, value);
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

/// What becomes of an answer that comes whole.
#[derive(Default)]
struct Keeping {
    /// It is kept under this key; none: it is not.
    key: Option<Digest>,
    /// For so long, if the client says so.
    ttl_ms: Option<u64>,
    /// Which of several equal requests it answers.
    turn: Option<Turn>,
    /// Equal requests wait as long as this is held.
    _alone: Option<Alone>,
}

/// Records an answer on its way to the client. What it recorded is settled when the last piece is gone, or the client.
struct Recorder {
    recorded: Recorded,
    length: usize,
    last: Instant,
    kind: Kind,
    call: Call,
    expected: Spent,
    keeping: Keeping,
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
        // Clients close a stream as soon as its last event is there, before HTTP says that it ends. Whether that came is for
        // `kept::usage` to see.
        let ends_itself = kept::is_stream(&self.recorded);
        let whole = (self.whole || ends_itself) && self.length <= LONGEST;
        let usage = if whole { kept::usage(self.kind, &self.recorded) } else { Err("it did not come to its end") };
        let failed = !(200..300).contains(&self.recorded.status);
        let really = match usage {
            Ok(usage) => self.proxy.cost(&self.call.body, usage),
            Err(_) if failed => Spent { calls: 1, ..Spent::default() },
            Err(_) => self.expected,
        };
        self.proxy.correct(self.expected, really);
        let Ok(usage) = usage else { return };
        self.keeping.turn.iter_mut().for_each(Turn::answered);
        if self.keeping.key.is_some() {
            let settings = &self.proxy.settings;
            let model = model(&self.call.body);
            let price = money::price_of(&settings.prices, &model);
            let meta = Meta {
                usage,
                micro_usd: price.map(|price| money::cost(price, usage)),
                model,
                step: settings.step.clone(),
                ttl_ms: self.keeping.ttl_ms,
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
