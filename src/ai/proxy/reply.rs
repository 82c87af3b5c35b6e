//! What the proxy says itself, and how a recorded answer is given again.

use crate::ask::{Chunk, Recorded};
use crate::base::Digest;
use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Response};
use std::convert::Infallible;
use std::time::Duration;

/// The header that says where an answer comes from, and the one with its key.
pub const CACHE: HeaderName = HeaderName::from_static("x-wf-cache");
/// See [`CACHE`].
pub const KEY: HeaderName = HeaderName::from_static("x-wf-cache-key");

/// The header that says of a miss what differed from the nearest answer that is known.
pub const WHY: HeaderName = HeaderName::from_static("x-wf-cache-why");

/// An error in the form that both dialects have.
pub fn error(status: u16, kind: &str, message: &str) -> Response<Body> {
    let body = serde_json::json!({ "type": "error", "error": { "type": kind, "message": format!("wf: {message}") } });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = axum::http::StatusCode::from_u16(status).unwrap_or(axum::http::StatusCode::BAD_GATEWAY);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    // A client that tries again gets the same.
    response.headers_mut().insert("x-should-retry", HeaderValue::from_static("false"));
    response
}

/// A recorded answer, byte for byte, in the pieces in which it came; `speed` 0 gives all at once, 1 at the pace of then.
pub fn recorded(recorded: Recorded, key: &Digest, speed: f64) -> Response<Body> {
    let headers = recorded.headers.clone();
    let status = recorded.status;
    let body = if speed > 0.0 {
        let pace = move |chunk: Chunk| async move {
            tokio::time::sleep(Duration::from_millis(chunk.after_ms).div_f64(speed)).await;
            Ok::<_, Infallible>(Bytes::from(chunk.bytes))
        };
        Body::from_stream(futures_util::StreamExt::then(futures_util::stream::iter(recorded.chunks), pace))
    } else {
        Body::from(recorded.body())
    };
    let mut response = Response::new(body);
    put(&mut response, status, &headers, "hit", Some(key));
    response
}

/// Sets status and headers.
pub fn put(
    response: &mut Response<Body>,
    status: u16,
    headers: &[(String, String)],
    from: &'static str,
    key: Option<&Digest>,
) {
    if let Ok(status) = axum::http::StatusCode::from_u16(status) {
        *response.status_mut() = status;
    }
    let all = response.headers_mut();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            all.append(name, value);
        }
    }
    all.insert(CACHE, HeaderValue::from_static(from));
    if let Some(value) = key.and_then(|key| HeaderValue::try_from(key.to_string()).ok()) {
        all.insert(KEY, value);
    }
}
