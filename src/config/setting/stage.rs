//! One entry of `stages`. Pure.

use super::{Draft, about};
use crate::base::{Millis, Span, Spanned};
use crate::config::cx::Cx;
use crate::config::error::ConfigError;
use crate::config::key::{About, Key, Shape, Table, abouts, decode};
use crate::config::yaml::{Node, NodeKind, shorten};

/// A stage as it is written.
#[derive(Default)]
pub struct StageDraft {
    /// `name`
    pub name: Option<Spanned<String>>,
    /// `trigger`
    pub trigger: Option<Spanned<String>>,
    /// `target`
    pub target_ms: Option<Millis>,
}

/// The keys of a stage.
pub static STAGE: Table<StageDraft> = &[
    Key {
        about: about("name", Shape::Id, "", "name: check", "Its name, which steps refer to."),
        set: |s, v, cx| s.name = cx.text(v),
    },
    Key {
        about: about(
            "trigger",
            Shape::Trigger,
            "always",
            "trigger: code_changes or high_impact",
            "When it runs; see [triggers](#triggers).",
        ),
        set: |s, v, cx| s.trigger = cx.text(v),
    },
    Key {
        about: about(
            "target",
            Shape::Duration,
            "none",
            "target: 2m",
            "How long it should take. Only reported, never enforced.",
        ),
        set: |s, v, cx| s.target_ms = cx.duration(v),
    },
];

/// The shape of [`STAGE`].
pub const SHAPE: Shape = Shape::Object("stage", keys, &["name"]);

fn keys() -> Vec<&'static About> {
    abouts(STAGE)
}

/// `stages`
pub fn decode_all(d: &mut Draft, node: &Node, cx: &mut Cx) {
    let NodeKind::Seq(items) = &node.kind else {
        d.stages_torn = true;
        let error = ConfigError::new(node.at, format!("`stages` is a list, not {}", node.describe()));
        return cx.error(error.hint("write `- name: check`"));
    };
    for item in items {
        let mut stage = StageDraft::default();
        let key = name_of(item, "name").unwrap_or_default();
        cx.below(&key, |cx| decode(cx, item, &[STAGE], "a stage", &mut stage));
        match &stage.name {
            None => {
                d.stages_torn = true;
                if matches!(item.kind, NodeKind::Map(_)) && !has_key(item, "name") {
                    cx.error(ConfigError::new(first_place(item), "this stage has no `name`").hint("add `name: check`"));
                }
            }
            Some(name) if !is_name(&name.value) => {
                d.stages_torn = true;
                let message = format!("`{}` is not a name for a stage", shorten(&name.value));
                let hint = "use 1 to 64 letters, digits, `_`, `.` or `-`, starting with a letter or digit";
                cx.error(ConfigError::new(name.at, message).hint(hint));
            }
            Some(name) => {
                let same = |other: &&Spanned<String>| other.value.eq_ignore_ascii_case(&name.value);
                if let Some(earlier) = d.stages.iter().filter_map(|other| other.name.as_ref()).find(same) {
                    let error = ConfigError::new(name.at, format!("two stages are called `{}`", name.value));
                    cx.error(error.related(earlier.at, "first here").hint("names differ by more than case"));
                } else {
                    d.stages.push(stage);
                }
            }
        }
    }
}

/// Names of stages and steps are written alike.
fn is_name(text: &str) -> bool {
    crate::base::StepId::parse(text).is_ok()
}

/// The text of one key of a mapping, to name the mapping by.
pub fn name_of(node: &Node, key: &str) -> Option<String> {
    let NodeKind::Map(entries) = &node.kind else { return None };
    match &entries.iter().find(|(name, _)| name.value == key)?.1.kind {
        NodeKind::Scalar { text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// Is the key written at all?
pub fn has_key(node: &Node, key: &str) -> bool {
    matches!(&node.kind, NodeKind::Map(entries) if entries.iter().any(|(name, _)| name.value == key))
}

/// The first key of a mapping, which is where people look.
pub fn first_place(node: &Node) -> Span {
    match &node.kind {
        NodeKind::Map(entries) if !entries.is_empty() => entries[0].0.at,
        _ => node.at,
    }
}
