//! `resources`. Pure.

use super::about;
use super::step::StepDraft;
use crate::config::key::{About, Key, Shape, Table, abouts};
use crate::config::value::put;

/// The keys of `resources`.
pub static CLAIM: Table<StepDraft> = &[
    Key {
        about: about("cpu", Shape::Number, "1", "cpu: 2", "Job slots; fractions count."),
        set: |s, v, cx| put(&mut s.resources.cpu_milli, cx.milli(v)),
    },
    Key {
        about: about("memory", Shape::Size, "no claim", "memory: 512MiB", "Memory, out of `max_memory`."),
        set: |s, v, cx| {
            if let Some(bytes) = cx.size(v) {
                (s.resources.memory_bytes, s.memory_at) = (bytes, Some(v.at));
            }
        },
    },
    Key {
        about: about(
            "enforce",
            Shape::Bool,
            "false",
            "enforce: true",
            "Stop the step when all its processes together use more memory than it claims. Without it there is a warning.",
        ),
        set: |s, v, cx| {
            put(&mut s.resources.enforce, cx.boolean(v));
            // The key, not the value: `enforce` is what has nothing to enforce.
            s.enforce_at = s.resources.enforce.then_some(v.at);
        },
    },
];

/// The shape of [`CLAIM`].
pub const SHAPE: Shape = Shape::Object("resources", keys, &[]);

fn keys() -> Vec<&'static About> {
    abouts(CLAIM)
}
