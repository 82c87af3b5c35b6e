//! A whole request to a model, and the key of its answer. Pure.
//!
//! Everything is in the key unless it is known to change no answer, so that what a provider invents tomorrow can cause a
//! miss, and never a wrong hit.

use super::canonical::Json;
use crate::base::Digest;
use crate::base::digest::Fields;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Of the form of a key. Raise it when what is in it changes.
const FORMAT: u32 = 1;

/// A request, whole. No field holds a secret: what authorises it is not part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// `openai`, `anthropic` or `command`.
    pub provider: String,
    /// The URL of the server itself, never that of a proxy before it; of a program its name and arguments.
    pub upstream: String,
    /// `POST`
    pub method: String,
    /// Below the upstream: `/chat/completions?beta=true`.
    pub path: String,
    /// A name for the account that is used; answers of one are not given to another.
    pub account: String,
    /// The persona of an AI step; empty for a request through the proxy.
    pub persona: String,
    /// Headers that are not known to be harmless; names in small letters.
    pub headers: BTreeMap<String, String>,
    /// The body as it is sent: all of the prompt, the files and the parameters.
    pub body: Vec<u8>,
    /// The how-manieth equal request it is within one attempt of a step, from 0.
    pub occurrence: u32,
}

/// Digest of each part of a call by its place, so that a miss can say what differed without the text being kept.
pub type Parts = BTreeMap<String, Digest>;

/// What differs between two calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Where: `model`, `messages/0/content`, `header anthropic-beta`, …
    pub at: String,
    /// How.
    pub how: How,
}

/// How a part differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It has another value.
    Changed,
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
}

impl Call {
    /// What an answer to it is stored under.
    pub fn key(&self) -> Digest {
        let mut fields = Fields::default();
        fields.add(&FORMAT.to_le_bytes());
        for part in [&self.provider, &self.upstream, &self.method, &self.path, &self.account, &self.persona] {
            fields.add(part.as_bytes());
        }
        fields.add(&(self.headers.len() as u64).to_le_bytes());
        for (name, value) in &self.headers {
            fields.add(name.as_bytes()).add(value.as_bytes());
        }
        match Json::parse(&self.body) {
            Some(json) => fields.add(b"json").add(json.digest().as_bytes()),
            None => fields.add(b"bytes").add(&self.body),
        };
        fields.add(&self.occurrence.to_le_bytes());
        fields.finish()
    }

    /// Digests of its parts.
    pub fn parts(&self) -> Parts {
        let mut parts = Parts::new();
        let named = [
            ("provider", &self.provider),
            ("upstream", &self.upstream),
            ("method", &self.method),
            ("path", &self.path),
            ("account", &self.account),
            ("persona", &self.persona),
        ];
        for (name, value) in named {
            parts.insert(name.into(), Digest::of_bytes(value.as_bytes()));
        }
        for (name, value) in &self.headers {
            parts.insert(format!("header {name}"), Digest::of_bytes(value.as_bytes()));
        }
        match Json::parse(&self.body) {
            Some(json) => json.leaves("body", &mut parts),
            None => {
                parts.insert("body".into(), Digest::of_bytes(&self.body));
            }
        }
        if self.occurrence > 0 {
            parts.insert("occurrence".into(), Digest::of_bytes(&self.occurrence.to_le_bytes()));
        }
        parts
    }
}

/// What differs from an earlier call, by place.
pub fn differences(before: &Parts, now: &Parts) -> Vec<Difference> {
    let gone = before.keys().filter(|at| !now.contains_key(*at)).map(|at| (at, How::Removed));
    let other = now.iter().filter_map(|(at, digest)| match before.get(at) {
        Some(same) if same == digest => None,
        Some(_) => Some((at, How::Changed)),
        None => Some((at, How::Added)),
    });
    let mut found: Vec<_> = gone.chain(other).map(|(at, how)| Difference { at: at.clone(), how }).collect();
    found.sort_by(|a, b| a.at.cmp(&b.at));
    found
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = match self.how {
            How::Changed => "changed",
            How::Added => "is new",
            How::Removed => "is gone",
        };
        write!(f, "{} {how}", self.at.strip_prefix("body/").unwrap_or(&self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call {
            provider: "openai".into(),
            upstream: "https://api.example/v1".into(),
            method: "POST".into(),
            path: "/chat/completions".into(),
            headers: [("openai-beta".to_owned(), "x".to_owned())].into(),
            body: br#"{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0}"#.to_vec(),
            ..Call::default()
        }
    }

    #[test]
    fn every_part_is_in_the_key_and_named_when_it_differs() {
        let header = [("openai-beta".to_owned(), "y".to_owned())];
        let body = |text: &str| Call { body: text.into(), ..call() };
        for (named, other) in [
            ("provider changed", Call { provider: "anthropic".into(), ..call() }),
            ("upstream changed", Call { upstream: "x".into(), ..call() }),
            ("method changed", Call { method: "GET".into(), ..call() }),
            ("path changed", Call { path: "/x".into(), ..call() }),
            ("account changed", Call { account: "team".into(), ..call() }),
            ("persona changed", Call { persona: "p".into(), ..call() }),
            ("header openai-beta changed", Call { headers: header.into(), ..call() }),
            ("header openai-beta is gone", Call { headers: BTreeMap::new(), ..call() }),
            ("occurrence is new", Call { occurrence: 1, ..call() }),
            (
                "top_p is new",
                body(r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0,"top_p":1}"#),
            ),
            ("temperature is gone", body(r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#)),
            (
                "messages/0/content changed",
                body(r#"{"model":"m","messages":[{"role":"user","content":"ho"}],"temperature":0}"#),
            ),
        ] {
            assert_ne!(other.key(), call().key(), "{named}");
            let found: Vec<_> = differences(&call().parts(), &other.parts()).iter().map(ToString::to_string).collect();
            assert_eq!(found, [named]);
        }
        let reordered = body(r#"{"temperature":0,"messages":[{"content":"hi","role":"user"}],"model":"m"}"#);
        assert_eq!((reordered.key(), reordered.parts()), (call().key(), call().parts()));
    }

    #[test]
    fn bodies_that_are_no_json_count_byte_by_byte() {
        let bytes = |body: &[u8]| Call { body: body.to_vec(), ..call() };
        assert_ne!(bytes(b"\xff a").key(), bytes(b"\xff  a").key());
        assert_eq!(differences(&bytes(b"\xff").parts(), &bytes(b"\xfe").parts())[0].to_string(), "body changed");
    }
}
