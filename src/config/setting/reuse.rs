//! `cache` of a step. Pure.

use super::about;
use super::step::StepDraft;
use crate::base::Spanned;
use crate::config::cx::Cx;
use crate::config::key::{About, Key, Shape, Table, abouts, decode};
use crate::config::model::CacheUse;
use crate::config::value::put;
use crate::config::yaml::{Node, NodeKind};

/// The keys of the long form.
pub static REUSE: Table<CacheUse> = &[
    Key {
        about: about("read", Shape::Bool, "true", "read: false", "Take its results from the cache."),
        set: |c, v, cx| put(&mut c.read, cx.boolean(v)),
    },
    Key {
        about: about("write", Shape::Bool, "true", "write: false", "Put its results into the cache."),
        set: |c, v, cx| put(&mut c.write, cx.boolean(v)),
    },
    Key {
        about: about(
            "ttl",
            Shape::Duration,
            "as long as the cache keeps it",
            "ttl: 7d",
            "How long a result is good: for steps that also depend on what changes with time, such as a list of known \
             vulnerabilities.",
        ),
        set: |c, v, cx| c.ttl_ms = cx.duration(v),
    },
    Key {
        about: about(
            "tags",
            Shape::Many(&Shape::Text),
            "none",
            "tags: [models]",
            "Labels by which `wf cache prune --tag` finds its results.",
        ),
        set: |c, v, cx| put(&mut c.tags, cx.names(v)),
    },
    Key {
        about: about(
            "flaky",
            Shape::Bool,
            "false",
            "flaky: true",
            "A pass after a retry is kept like any other. Without it, such a pass is good for its own run only.",
        ),
        set: |c, v, cx| put(&mut c.flaky, cx.boolean(v)),
    },
];

/// `true` and `false` are `read` and `write` together.
pub const SHAPE: Shape = Shape::Either(&[Shape::Bool, Shape::Object("step-cache", keys, &[])]);

fn keys() -> Vec<&'static About> {
    abouts(REUSE)
}

/// `cache`
pub fn decode_into(s: &mut StepDraft, node: &Node, cx: &mut Cx) {
    let mut reuse = CacheUse { read: true, write: true, ..CacheUse::default() };
    if matches!(node.kind, NodeKind::Map(_)) {
        decode(cx, node, &[REUSE], "`cache`", &mut reuse);
    } else if let Some(on) = cx.boolean(node) {
        (reuse.read, reuse.write) = (on, on);
    } else {
        return;
    }
    s.cache = Some(Spanned::new(reuse, node.at));
}
