//! Which entries go. Pure.

use super::index::Line;
use crate::base::Digest;
use crate::config::model::{AiCacheSettings, Eviction};
use std::collections::BTreeMap;

/// Why an entry goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Its time is over.
    Expired,
    /// Somebody asked for it.
    Asked,
    /// There are too many.
    TooMany,
    /// All take too much.
    TooLarge,
}

/// The entries that go, with the reason. `value` counts as `lfu`: what an answer saves is about the same for all.
pub(super) fn choose(
    entries: &BTreeMap<Digest, Line>,
    settings: &AiCacheSettings,
    now: u64,
    asked: &dyn Fn(&Digest, &Line) -> bool,
) -> Vec<(Digest, Why)> {
    let mut go = Vec::new();
    let mut stay: Vec<(&Digest, &Line)> = Vec::new();
    for (key, line) in entries {
        if now >= line.expires_ms {
            go.push((*key, Why::Expired));
        } else if asked(key, line) {
            go.push((*key, Why::Asked));
        } else {
            stay.push((key, line));
        }
    }
    stay.sort_by_key(|(key, line)| {
        let last = line.last_ms.max(line.created_ms);
        let rank = match settings.policy {
            Eviction::Lru => (last, 0),
            Eviction::Lfu | Eviction::Value => (line.hits, last),
            Eviction::Fifo => (line.created_ms, 0),
        };
        (rank, **key)
    });
    let mut bytes: u64 = stay.iter().map(|(_, line)| line.bytes).sum();
    let mut count = stay.len() as u64;
    for (key, line) in stay {
        let why = if count > settings.entries {
            Why::TooMany
        } else if bytes > settings.size_bytes {
            Why::TooLarge
        } else {
            break;
        };
        go.push((*key, why));
        count -= 1;
        bytes -= line.bytes;
    }
    go
}
