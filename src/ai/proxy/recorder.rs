//! What comes back on its way to the client: recorded piece by piece, and kept if it came whole and is an answer.

use super::endpoint::Kind;
use super::forward::{LONGEST, Proxy, model};
use super::kept;
use super::turn::Turn;
use crate::ai::cache::{Alone, Meta};
use crate::ask::money;
use crate::ask::{Call, Chunk, Recorded, Spent};
use crate::base::Digest;
use axum::body::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// What becomes of an answer that comes whole.
#[derive(Default)]
pub(super) struct Keeping {
    /// It is kept under this key; none: it is not.
    pub key: Option<Digest>,
    /// For so long, if the client says so.
    pub ttl_ms: Option<u64>,
    /// Which of several equal requests it answers.
    pub turn: Option<Turn>,
    /// The cache was asked, and had no answer.
    missed: bool,
    /// Equal requests wait as long as this is held.
    _alone: Option<Alone>,
}

impl Keeping {
    /// Kept under this key for so long, unless there is none; `alone` is let go of when the answer is there.
    pub fn new(key: Option<Digest>, ttl_ms: Option<u64>, turn: Option<Turn>, alone: Option<Alone>) -> Self {
        Self { key, ttl_ms, turn, missed: false, _alone: alone }
    }

    /// Whether the cache was asked before.
    pub fn after_a_look(self, looked: bool) -> Self {
        Self { missed: looked, ..self }
    }

    /// Was the cache asked for an answer that it would keep, so that somebody may wonder why it had none?
    pub fn missed(&self) -> bool {
        self.missed && self.key.is_some()
    }

    /// No answer will be kept: nobody waits for it any longer.
    pub fn in_vain(&self, proxy: &Proxy) {
        if let Some(key) = &self.key {
            proxy.settings.cache.in_vain(key);
        }
    }
}

/// Records an answer on its way to the client. What it recorded is settled when the last piece is gone, or the client.
pub(super) struct Recorder {
    recorded: Recorded,
    length: usize,
    last: Instant,
    kind: Kind,
    call: Call,
    expected: Spent,
    keeping: Keeping,
    proxy: Arc<Proxy>,
    /// It came to its end.
    pub whole: bool,
    /// The service broke off.
    pub broke: bool,
}

impl Recorder {
    /// Begins with a head and no body, of a request that was sent when it `began`.
    pub fn new(
        recorded: Recorded,
        kind: Kind,
        call: Call,
        expected: Spent,
        keeping: Keeping,
        proxy: Arc<Proxy>,
        began: Instant,
    ) -> Self {
        Self { recorded, length: 0, last: began, kind, call, expected, keeping, proxy, whole: false, broke: false }
    }

    /// Takes a piece of the body as it came.
    pub fn piece(&mut self, bytes: &Bytes) {
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
        let ends_itself = self.recorded.is_stream();
        let whole = (self.whole || ends_itself) && self.length <= LONGEST;
        let usage = if whole { kept::usage(self.kind, &self.recorded) } else { Err("it did not come to its end") };
        let failed = !(200..300).contains(&self.recorded.status);
        let really = match usage {
            Ok(usage) => self.proxy.cost(&self.call.body, usage),
            Err(_) if failed => Spent { calls: 1, ..Spent::default() },
            Err(_) => self.expected,
        };
        self.proxy.correct(self.expected, really);
        let Ok(usage) = usage else {
            // Whoever waits for what a client did not wait for asks alone in its turn; for an error nobody waits.
            if self.whole || self.broke {
                self.keeping.in_vain(&self.proxy);
            }
            return;
        };
        self.keeping.turn.iter_mut().for_each(Turn::answered);
        if self.keeping.key.is_none() {
            return;
        }
        let settings = &self.proxy.settings;
        if self.tells() {
            let what = "warning: an answer holds a secret value: it is neither kept nor recorded";
            (settings.say)(&format!("{what} ({}, {})", settings.step, self.call.path));
            self.keeping.in_vain(&self.proxy);
            return;
        }
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

impl Recorder {
    /// Does it hold a value that is known to be secret, in one piece or in those of a stream?
    fn tells(&self) -> bool {
        let redactor = &self.proxy.settings.redactor;
        redactor.knows(&self.recorded.body())
            || kept::texts(&self.recorded).iter().any(|text| redactor.knows(text.as_bytes()))
    }
}
