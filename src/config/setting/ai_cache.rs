//! `ai_cache`: what models answered. Pure.

use super::{Draft, about, spelling};
use crate::config::cx::Cx;
use crate::config::key::{About, Key, Shape, Table, abouts, decode};
use crate::config::value::put;
use crate::config::yaml::{Node, NodeKind};

const POLICY: &[&str] = &["lru", "lfu", "fifo"];
const ENTRIES_MAX: u64 = 1_000_000;
const HOURS_MAX: u64 = 1_000_000;

/// The keys of the long form.
pub static AI_CACHE: Table<Draft> = &[
    Key {
        about: about("enabled", Shape::Bool, "true", "enabled: false", "Answer from it, and keep answers in it."),
        set: |d, v, cx| put(&mut d.settings.ai_cache.enabled, cx.boolean(v)),
    },
    Key {
        about: about("ttl", Shape::Duration, "24h", "ttl: 7d", "How long an answer is good."),
        set: |d, v, cx| put(&mut d.settings.ai_cache.ttl_ms, cx.duration(v)),
    },
    Key {
        about: spelling(
            "ai_cache.ttl",
            about(
                "ttl_hours",
                Shape::Int(1, HOURS_MAX),
                "24",
                "ttl_hours: 168",
                "`ai_cache.ttl`, in hours (`AI_CACHE_TTL_HOURS`)",
            ),
        ),
        set: |d, v, cx| {
            let hours = cx.whole(v, 1, HOURS_MAX);
            put(&mut d.settings.ai_cache.ttl_ms, hours.map(|hours| hours * 3_600_000));
        },
    },
    Key {
        about: about("max_size", Shape::Size, "256MiB", "max_size: 1GiB", "The most it keeps."),
        set: |d, v, cx| put(&mut d.settings.ai_cache.size_bytes, cx.size(v)),
    },
    Key {
        about: spelling(
            "ai_cache.max_size",
            about("max_size_mb", Shape::Int(1, 1 << 20), "256", "max_size_mb: 100", "`ai_cache.max_size`, in MiB"),
        ),
        set: |d, v, cx| {
            let mib = cx.whole(v, 1, 1 << 20);
            put(&mut d.settings.ai_cache.size_bytes, mib.map(|mib| mib << 20));
        },
    },
    Key {
        about: about(
            "max_entries",
            Shape::Int(1, ENTRIES_MAX),
            "10000",
            "max_entries: 500",
            "The most answers it keeps.",
        ),
        set: |d, v, cx| put(&mut d.settings.ai_cache.entries, cx.whole(v, 1, ENTRIES_MAX)),
    },
    Key {
        about: about(
            "policy",
            Shape::Words(POLICY),
            "lru",
            "policy: lfu",
            "What goes first when a limit is reached: what was not used for longest, what is used least, or the oldest.",
        ),
        set: |d, v, cx| put(&mut d.settings.ai_cache.policy, cx.word(v, POLICY)),
    },
];

/// `true` and `false` are `enabled`.
pub const SHAPE: Shape = Shape::Either(&[Shape::Bool, Shape::Object("ai_cache", keys, &[])]);

fn keys() -> Vec<&'static About> {
    abouts(AI_CACHE)
}

/// `ai_cache`
pub fn decode_into(d: &mut Draft, node: &Node, cx: &mut Cx) {
    if let NodeKind::Map(_) = node.kind {
        return decode(cx, node, &[AI_CACHE], "`ai_cache`", d);
    }
    if let Some(on) = cx.boolean(node) {
        d.settings.ai_cache.enabled = on;
        cx.said("enabled", None, node.at);
    }
}
