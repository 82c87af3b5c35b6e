//! Sending a request, and sending it again when that may help.

use super::problem::{Kind, Problem};
use super::provider::refusal;
use crate::ask::{Call, Chunk, Recorded};
use crate::config::model::AiManners;
use reqwest::header::{HeaderName, HeaderValue};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// No answer is longer; a service that sends more is broken.
const LONGEST: usize = 64 << 20;
/// The first wait before a request is sent again, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(1));
/// A service that asks for more patience than this is given up.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(5);
/// Headers of responses that clients read.
const KEPT: [&str; 2] = ["content-type", "request-id"];

/// A connection to services, made at the first request: what the cache answers needs none.
#[derive(Debug)]
pub struct Http {
    manners: AiManners,
    client: OnceLock<Result<reqwest::Client, String>>,
}

impl Http {
    /// With these manners.
    pub fn new(manners: AiManners) -> Self {
        Self { manners, client: OnceLock::new() }
    }

    /// The client itself.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn client(&self) -> Result<&reqwest::Client, Problem> {
        let made = self.client.get_or_init(|| {
            // The first of the process counts; it is the same one.
            let _ = rustls::crypto::ring::default_provider().install_default();
            reqwest::Client::builder()
                .connect_timeout(Duration::from_millis(self.manners.connect_timeout_ms))
                .read_timeout(Duration::from_millis(self.manners.read_timeout_ms))
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("wf/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|error| error.to_string())
        });
        made.as_ref().map_err(|error| Problem::new(Kind::Network, error))
    }

    /// How long to wait before a request that failed is sent again, after it was sent again `sent` times; none: it is not.
    pub fn pause(&self, failed: &Failed, sent: u32) -> Option<Duration> {
        let again = failed.problem.kind.passes()
            && sent < self.manners.retries
            && failed.after.is_none_or(|wait| wait <= LONGEST_RETRY_AFTER);
        again.then(|| failed.after.unwrap_or_else(|| full_jitter(sent, chance())))
    }

    /// Sends a call, once.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn once(&self, call: &Call, authorization: Option<&(&'static str, String)>) -> Result<Recorded, Failed> {
        let failed = |problem| Failed { problem, after: None, sent: true };
        let broken = |error: &reqwest::Error| failed(Problem::new(Kind::Network, chain(error)));
        let unsent = |problem| Failed { problem, after: None, sent: false };
        let url = format!("{}{}", call.upstream, call.path);
        let mut request = self.client().map_err(unsent)?.post(url).body(call.body.clone());
        request = request.header("content-type", "application/json");
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some((name, value)) = authorization {
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| unsent(Problem::new(Kind::Auth, "the key holds characters that no header may hold")))?;
            value.set_sensitive(true);
            request = request.header(HeaderName::from_static(name), value);
        }
        let began = Instant::now();
        // Whoever could not connect has sent nothing.
        let mut response =
            request.send().await.map_err(|error| Failed { sent: !error.is_connect(), ..broken(&error) })?;
        let status = response.status().as_u16();
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let after = text("retry-after").and_then(|value| retry_after(&value));
        let headers = KEPT.iter().filter_map(|name| Some(((*name).to_owned(), text(name)?))).collect();
        let mut recorded = Recorded { status, headers, chunks: vec![] };
        let (mut last, mut length) = (began, 0);
        while let Some(bytes) = response.chunk().await.map_err(|error| broken(&error))? {
            length += bytes.len();
            if length > LONGEST {
                return Err(failed(Problem::new(Kind::Malformed, "the answer is longer than 64 MiB")));
            }
            let after_ms = last.elapsed().as_millis() as u64;
            last = Instant::now();
            recorded.chunks.push(Chunk { after_ms, bytes: bytes.to_vec() });
        }
        if (200..300).contains(&status) {
            Ok(recorded)
        } else {
            Err(Failed { after, ..failed(refusal(status, &recorded.body())) })
        }
    }
}

/// A request that got no answer.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Why.
    pub problem: Problem,
    /// The wait that the service asked for.
    pub after: Option<Duration>,
    /// It was sent, or a part of it; else it cost nothing.
    pub sent: bool,
}

/// The wait before the next attempt: anything up to twice the one before, by chance, so that those who failed together do not
/// come back together (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015: "full jitter"). `chance` is
/// from 0 to 1.
fn full_jitter(sent: u32, chance: f64) -> Duration {
    let most = BACKOFF.0.saturating_mul(2_u32.saturating_pow(sent)).min(BACKOFF.1);
    most.mul_f64(chance.clamp(0.0, 1.0))
}

/// From 0 to 1, never twice the same in a row.
fn chance() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

/// `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3).
pub fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(1e6)));
    }
    let at = jiff::fmt::rfc2822::parse(value.trim()).ok()?.timestamp();
    let wait = at.duration_since(jiff::Timestamp::now());
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

/// An error with what caused it: reqwest's own first line says little.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_are_spread_over_all_of_it() {
        assert_eq!(full_jitter(0, 1.0), Duration::from_millis(500));
        assert_eq!(full_jitter(3, 1.0), Duration::from_secs(4));
        assert_eq!(full_jitter(40, 1.0), Duration::from_mins(1));
        assert_eq!(full_jitter(3, 0.0), Duration::ZERO);
        let some: std::collections::BTreeSet<u64> = (0..50).map(|_| chance().to_bits()).collect();
        assert!(some.len() > 40 && some.iter().all(|bits| (0.0..1.0).contains(&f64::from_bits(*bits))));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("3"), Some(Duration::from_secs(3)));
        assert_eq!(retry_after("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(retry_after("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        assert_eq!((retry_after("-1"), retry_after("soon"), retry_after("NaN")), (None, None, None));
        assert!(retry_after("Tue, 31 Dec 2199 23:59:59 GMT").is_some_and(|wait| wait.as_secs() > 1_000_000));
    }
}
