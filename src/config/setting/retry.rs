//! `retries`. Pure.

use super::about;
use super::step::StepDraft;
use crate::config::cx::Cx;
use crate::config::key::{About, Key, Shape, Table, abouts, decode};
use crate::config::value::put;
use crate::config::yaml::{Node, NodeKind};

/// Kinds of ends that are worth another attempt.
pub const ON: &[&str] = &["failure", "signal", "timeout", "memory", "spawn"];
/// More than this is a mistake.
const RETRIES_MAX: u64 = 100;

/// The keys of the long form.
pub static RETRY: Table<StepDraft> = &[
    Key {
        about: about("count", Shape::Int(0, RETRIES_MAX), "0", "count: 2", "How many further attempts."),
        set: |s, v, cx| put(&mut s.retries.count, cx.whole(v, 0, RETRIES_MAX).map(|n| n as u32)),
    },
    Key {
        about: about(
            "backoff",
            Shape::Duration,
            "1s",
            "backoff: 5s",
            "The wait before the first of them. It doubles each time, and up to half of it is taken off by chance.",
        ),
        set: |s, v, cx| put(&mut s.retries.backoff_ms, cx.duration(v)),
    },
    Key {
        about: about("max_backoff", Shape::Duration, "1m", "max_backoff: 30s", "The longest wait."),
        set: |s, v, cx| put(&mut s.retries.max_backoff_ms, cx.duration(v)),
    },
    Key {
        about: about(
            "on",
            Shape::Many(&Shape::Words(ON)),
            "[failure, signal, timeout]",
            "on: [timeout, signal]",
            "Which ends are tried again: a non-zero exit code, a signal, a timeout, too much memory, a program that could not be started.",
        ),
        set: |s, v, cx| put(&mut s.retries.on, cx.many(v, |cx, item| cx.word(item, ON))),
    },
];

/// A number is `count`.
pub const SHAPE: Shape = Shape::Either(&[Shape::Int(0, RETRIES_MAX), Shape::Object("retries", keys, &[])]);

fn keys() -> Vec<&'static About> {
    abouts(RETRY)
}

/// `retries`
pub fn decode_into(s: &mut StepDraft, node: &Node, cx: &mut Cx) {
    if matches!(node.kind, NodeKind::Map(_)) {
        decode(cx, node, &[RETRY], "`retries`", s);
    } else {
        put(&mut s.retries.count, cx.whole(node, 0, RETRIES_MAX).map(|n| n as u32));
    }
}
