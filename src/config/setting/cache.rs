//! `cache` as a setting: what the cache is used for, where it is, how far it may grow. Pure.

use super::{Draft, about};
use crate::config::cx::Cx;
use crate::config::error::ConfigError;
use crate::config::key::{About, Key, Shape, Table, abouts, decode};
use crate::config::model::CacheMode;
use crate::config::value::put;
use crate::config::yaml::{Node, NodeKind};

/// The short forms; the first two are `true` and `false`.
pub const MODES: &[&str] = &["on", "off", "read", "write"];
/// `policy`
pub const POLICY: &[&str] = &["lru", "lfu", "fifo", "value"];
/// Most entries: the index of all is read by every run.
const ENTRIES_MAX: u64 = 10_000_000;

/// The keys of the long form.
pub static CACHE: Table<Draft> = &[
    Key {
        about: about("read", Shape::Bool, "true", "read: false", "Take results from it."),
        set: |d, v, cx| put(&mut d.settings.cache.read, cx.boolean(v)),
    },
    Key {
        about: about("write", Shape::Bool, "true", "write: false", "Put results into it."),
        set: |d, v, cx| put(&mut d.settings.cache.write, cx.boolean(v)),
    },
    Key {
        about: about(
            "dir",
            Shape::Text,
            "`cache/` in wf's state folder",
            "dir: ../wf-cache",
            "The folder it is in, relative to the main worktree; several worktrees and repositories may share one. \
             `WF_CACHE_DIR` says it from outside, relative to where wf is called.",
        ),
        set: dir,
    },
    Key {
        about: about(
            "max_size",
            Shape::Size,
            "4GiB",
            "max_size: 10GiB",
            "The most it may take up; it never takes more.",
        ),
        set: |d, v, cx| put(&mut d.settings.cache_limits.size_bytes, cx.size(v)),
    },
    Key {
        about: about(
            "max_age",
            Shape::Either(&[Shape::Duration, Shape::Words(&["none"])]),
            "30d",
            "max_age: 7d",
            "How long an entry is kept after its last use; `none` keeps it until there is no room.",
        ),
        set: |d, v, cx| {
            let none = matches!(&v.kind, NodeKind::Scalar { text, .. } if text == "none");
            put(&mut d.settings.cache_limits.age_ms, if none { Some(None) } else { cx.duration(v).map(Some) });
        },
    },
    Key {
        about: about("max_entries", Shape::Int(1, ENTRIES_MAX), "100000", "max_entries: 20000", "The most entries."),
        set: |d, v, cx| put(&mut d.settings.cache_limits.entries, cx.whole(v, 1, ENTRIES_MAX)),
    },
    Key {
        about: about(
            "policy",
            Shape::Words(POLICY),
            "lru",
            "policy: value",
            "What goes first when a limit is reached: what was not used for longest (`lru`), what is used least (`lfu`), \
             the oldest (`fifo`), or what saves the fewest seconds, by the chance that it is used again, per byte (`value`).",
        ),
        set: |d, v, cx| put(&mut d.settings.cache_limits.policy, cx.word(v, POLICY)),
    },
];

/// A word is `read` and `write`.
pub const SHAPE: Shape = Shape::Either(&[Shape::Switch(MODES), Shape::Object("cache", keys, &[])]);

fn keys() -> Vec<&'static About> {
    abouts(CACHE)
}

/// `cache`
pub fn decode_into(d: &mut Draft, node: &Node, cx: &mut Cx) {
    if let NodeKind::Map(_) = node.kind {
        return decode(cx, node, &[CACHE], "`cache`", d);
    }
    let Some(mode) = cx.switch::<String>(node, MODES) else { return };
    d.settings.cache = match mode.as_str() {
        "on" => CacheMode::ON,
        "read" => CacheMode { read: true, write: false },
        "write" => CacheMode { read: false, write: true },
        _ => CacheMode::OFF,
    };
    // A word says both, also over what another source said about one of them.
    for key in ["read", "write"] {
        cx.said(key, None, node.at);
    }
}

/// A folder may lie anywhere; only a text that names none is refused.
fn dir(d: &mut Draft, node: &Node, cx: &mut Cx) {
    let Some(text) = cx.text(node) else { return };
    if text.value.trim().is_empty() || text.value.contains('\0') {
        cx.error(ConfigError::new(text.at, "this names no folder"));
    } else if text.value.starts_with('~') {
        let error = ConfigError::new(text.at, "`~` means nothing here: no shell reads it");
        cx.error(error.hint("write the whole path, or say it by `WF_CACHE_DIR`"));
    } else {
        d.settings.cache_dir = Some(text.value);
    }
}
