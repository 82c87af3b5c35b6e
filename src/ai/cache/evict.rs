//! Which entries go. Pure.

use super::files;
use super::index::Line;
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
    entries: &BTreeMap<String, Line>,
    settings: &AiCacheSettings,
    now: u64,
    asked: &dyn Fn(&Line) -> bool,
) -> Vec<(String, Why)> {
    let mut go = Vec::new();
    let mut stay: Vec<(&String, &Line)> = Vec::new();
    for (key, line) in entries {
        if now >= line.expires_ms {
            go.push((key.clone(), Why::Expired));
        } else if asked(line) {
            go.push((key.clone(), Why::Asked));
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
        // What an untrusted branch keeps never takes the place of what all read.
        (line.scope == files::TRUSTED, rank, *key)
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
        go.push((key.clone(), why));
        count -= 1;
        bytes -= line.bytes;
    }
    go
}
