//! One request: from the cache, from a recording, or to the service and back while it is recorded.

use super::admit::admit;
use super::endpoint::{self, Endpoint, Kind};
use super::headers;
use super::recorder::{Keeping, Recorder};
use super::reply;
use super::serve::Settings;
use super::turn::{Turn, Turns};
use crate::ai::cache::Look;
use crate::ai::http::Http;
use crate::ai::ledger::Unbooked;
use crate::ai::provider;
use crate::ask::money::{self, about_tokens};
use crate::ask::{Call, Json, Recorded, Spent, Usage};
use crate::config::model::AiMode;
use crate::exec::mask::Masker;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No request and no kept answer is longer.
pub(super) const LONGEST: usize = 64 << 20;
/// So often a request looks whether an equal one has come back.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// With so many answers a miss is compared, to say why it is one: while the service works on it.
const NEAREST: usize = 32;

/// A proxy.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    /// The connection to services.
    pub http: Http,
    /// How often each request was answered.
    pub turns: Turns,
    /// Hides the services' keys in what comes back: clients have no right to them, even if a service repeats them.
    pub keys: Masker,
    /// What it was told.
    pub settings: Settings,
}

/// Answers one request.
pub async fn handle(State(proxy): State<Arc<Proxy>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if let Err((status, why)) = admit(&parts.headers, &proxy.settings.token, proxy.port) {
        return reply::error(status, "authentication_error", why);
    }
    if proxy.settings.mode == AiMode::Off {
        return reply::error(503, "wf_ai_off", "nothing is asked: `--ai off`, or `ai.mode: off`");
    }
    let Ok(body) = axum::body::to_bytes(body, LONGEST).await else {
        return reply::error(413, "request_too_large", "the request is longer than 64 MiB, or was not sent to its end");
    };
    let path = parts.uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
    if !endpoint::stays_below(path) {
        return reply::error(400, "invalid_request_error", "the path leads above the service's own");
    }
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
        let wishes = match headers::wishes(headers) {
            Ok(wishes) => wishes,
            Err(why) => return reply::error(400, "invalid_request_error", why),
        };
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
        let key = call.key();
        if settings.mode == AiMode::Replay {
            let label = self.label(&call);
            return match settings.recording.as_ref().map(|recording| recording.answer(&call, &label)) {
                Some(Ok(stored)) if self.keys.finds(&stored.body()) => {
                    reply::error(409, "wf_secret", "the recorded answer holds the service's key; record it again")
                }
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
        let looks = settings.mode.reads() && !wishes.no_cache && settings.cache.settings().enabled;
        if looks {
            let vain = settings.cache.vain(&key);
            loop {
                // Looked at once more with the key taken: another one may have come back in between.
                if let Look::Hit(stored) = settings.cache.look(&key)
                    && !self.keys.finds(&stored.recorded.body())
                {
                    self.record(&call, &stored.recorded);
                    turn.iter_mut().for_each(Turn::answered);
                    return reply::recorded(stored.recorded, &key, settings.speed);
                }
                // Who waited for an answer that did not come, waits for no other.
                if alone.is_some() || settings.cache.vain(&key) != vain {
                    break;
                }
                alone = settings.cache.try_alone(&key);
                if alone.is_none() {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
        let keeping = Keeping::new(keep, wishes.ttl_ms, turn, alone).after_a_look(looks);
        self.send(endpoint.kind, call, headers, keeping).await
    }

    /// Sends a request on and its answer back, piece by piece, and keeps the answer if it came whole. A client that goes away
    /// ends it: what came by then is no answer.
    async fn send(self: Arc<Self>, kind: Kind, call: Call, headers: &HeaderMap, keeping: Keeping) -> Response<Body> {
        let expected = self.expected(&call);
        let refusal = match self.unpriced(kind, &call) {
            None => self.book(expected).await.err(),
            refusal => refusal,
        };
        if let Some(refusal) = refusal {
            keeping.in_vain(&self);
            return refusal;
        }
        let why = keeping.missed().then(|| {
            let (proxy, call) = (Arc::clone(&self), call.clone());
            tokio::task::spawn_blocking(move || proxy.settings.cache.why(&call, None, NEAREST))
        });
        let began = Instant::now();
        let sent = match self.request(&call, headers) {
            // Whoever could not connect has sent nothing, and pays for nothing.
            Ok(request) => request.send().await.map_err(|error| (error.to_string(), !error.is_connect())),
            Err(error) => Err((error, false)),
        };
        let mut response = match sent {
            Ok(response) => response,
            Err((error, was_sent)) => {
                self.correct(expected, if was_sent { expected } else { Spent::default() });
                keeping.in_vain(&self);
                return reply::error(502, "api_error", &format!("the service cannot be reached: {error}"));
            }
        };
        // As long as nothing of it went on to the client, a service that breaks off can be told of.
        let first = match response.chunk().await {
            Ok(first) => first,
            Err(error) => {
                self.correct(expected, expected);
                keeping.in_vain(&self);
                return reply::error(502, "api_error", &format!("the service broke off: {error}"));
            }
        };
        let status = response.status().as_u16();
        let mut headers = headers::kept(response.headers());
        headers.retain(|(_, value)| !self.keys.finds(value.as_bytes()));
        let key = keeping.key;
        let from = if key.is_some() { "miss" } else { "bypass" };
        let mask = self.keys.stream();
        let recorded = Recorded { status, headers: headers.clone(), chunks: vec![] };
        let recorder = Recorder::new(recorded, kind, call, expected, keeping, self, began);
        let pieces = futures_util::stream::unfold(Some((Some(first), response, mask, recorder)), |state| async move {
            let (mut first, mut response, mut mask, mut recorder) = state?;
            loop {
                let next = match first.take() {
                    Some(first) => Ok(first),
                    None => response.chunk().await,
                };
                let mut shown = Vec::new();
                match next {
                    Ok(Some(bytes)) => {
                        recorder.piece(&bytes);
                        mask.push(&bytes, &mut shown);
                        // All of it may be the beginning of a key.
                        if !shown.is_empty() {
                            return Some((Ok(Bytes::from(shown)), Some((None, response, mask, recorder))));
                        }
                    }
                    Ok(None) => {
                        recorder.whole = true;
                        mask.finish(&mut shown);
                        return (!shown.is_empty()).then(|| (Ok(Bytes::from(shown)), None));
                    }
                    // Nothing comes after it.
                    Err(error) => {
                        recorder.broke = true;
                        return Some((Err(error), None));
                    }
                }
            }
        });
        let mut reply = Response::new(Body::from_stream(pieces));
        reply::put(&mut reply, status, &headers, from, key.as_ref());
        let near = match why {
            Some(why) => why.await.ok().flatten(),
            None => None,
        };
        if let Some(value) = near.and_then(|near| HeaderValue::try_from(near.to_string()).ok()) {
            reply.headers_mut().insert(reply::WHY, value);
        }
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

    /// A budget in dollars holds nobody to anything if nobody knows what a model costs.
    fn unpriced(&self, kind: Kind, call: &Call) -> Option<Response<Body>> {
        let costs = matches!(kind, Kind::Chat | Kind::Responses | Kind::Embeddings | Kind::Messages);
        let model = model(&call.body);
        if !costs
            || self.settings.budget.micro_usd.is_none()
            || money::price_of(&self.settings.prices, &model).is_some()
        {
            return None;
        }
        Some(reply::error(402, "wf_budget", &money::no_price(&model)))
    }

    /// Waits until rates allow it, unless a budget forbids it.
    async fn book(&self, expected: Spent) -> Result<(), Response<Body>> {
        let settings = &self.settings;
        let booked = settings.ledger.booked(&settings.budget, &settings.manners, expected).await;
        booked.map_err(|unbooked| {
            let status = if matches!(unbooked, Unbooked::Over(_)) { 402 } else { 500 };
            reply::error(status, "wf_budget", &unbooked.to_string())
        })
    }

    /// Adds an answer to `ai.lock`, if that is what is wanted; one that cannot be added is missed when it is replayed.
    pub(super) fn record(&self, call: &Call, recorded: &Recorded) {
        if let (AiMode::Record, Some(path)) = (self.settings.mode, &self.settings.record) {
            let _ = crate::ai::lock::record(path, call, recorded, &self.label(call));
        }
    }

    /// What a recording calls a request.
    fn label(&self, call: &Call) -> String {
        format!("step {}, {}", self.settings.step, call.path)
    }

    pub(super) fn correct(&self, booked: Spent, really: Spent) {
        let _ = self.settings.ledger.correct(booked, really);
    }

    /// About what a request will cost, before anybody knows.
    fn expected(&self, call: &Call) -> Spent {
        let json: serde_json::Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let limits = ["max_completion_tokens", "max_tokens", "max_output_tokens"];
        let output = limits.iter().find_map(|key| json[*key].as_u64()).unwrap_or(u64::from(provider::MAX_TOKENS));
        self.cost(&call.body, Usage { input: about_tokens(call.body.len()), output })
    }

    pub(super) fn cost(&self, body: &[u8], usage: Usage) -> Spent {
        let price = money::price_of(&self.settings.prices, &model(body));
        Spent { calls: 1, tokens: usage.total(), micro_usd: price.map_or(0, |price| money::cost(price, usage)) }
    }
}

/// The model that a request names.
pub(super) fn model(body: &[u8]) -> String {
    let json: Option<Json> = Json::parse(body);
    json.as_ref().and_then(|json| json.get("model")).and_then(Json::text).unwrap_or_default().to_owned()
}
