//! One variable of `env`. Pure.

use super::about;
use super::step::StepDraft;
use crate::config::cx::Cx;
use crate::config::error::ConfigError;
use crate::config::key::{About, Key, Shape, Table, abouts, decode};
use crate::config::yaml::{Node, NodeKind};

/// A variable as it is written.
#[derive(Default)]
pub struct VariableDraft {
    value: Option<String>,
    secret: Option<bool>,
    in_key: bool,
}

/// The keys of the long form.
pub static VARIABLE: Table<VariableDraft> = &[
    Key {
        about: about("value", Shape::Text, "the caller's", "value: -Dwarnings", "Its value."),
        set: |e, v, cx| e.value = cx.text(v).map(|text| text.value),
    },
    Key {
        about: about(
            "secret",
            Shape::Bool,
            "false, unless `secrets` or its name says so",
            "secret: true",
            "wf writes its value nowhere, and results do not depend on it: another token gives the same.",
        ),
        set: |e, v, cx| e.secret = cx.boolean(v),
    },
    Key {
        about: about(
            "in_key",
            Shape::Bool,
            "false",
            "in_key: true",
            "A secret on which results do depend: it is part of the key, as a seal (an HMAC under a secret of this machine) \
             from which nobody can tell it.",
        ),
        set: |e, v, cx| e.in_key = cx.boolean(v).unwrap_or_default(),
    },
];

/// A text is `value`.
pub const SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::Null, Shape::Object("variable", keys, &[])]);

fn keys() -> Vec<&'static About> {
    abouts(VARIABLE)
}

/// What stands behind a variable's name.
pub fn decode_into(s: &mut StepDraft, name: &str, node: &Node, cx: &mut Cx) {
    let mut variable = VariableDraft::default();
    if matches!(node.kind, NodeKind::Map(_)) {
        decode(cx, node, &[VARIABLE], "a variable", &mut variable);
    } else if !node.is_null() {
        let Some(text) = cx.text(node) else { return };
        variable.value = Some(text.value);
    }
    if variable.in_key && variable.secret == Some(false) {
        let error = ConfigError::new(node.at, "`in_key` is for secrets: what is none is in the key without it");
        return cx.error(error.hint("remove one of the two"));
    }
    if variable.in_key || variable.secret == Some(true) {
        s.secrets.push(name.to_owned());
    }
    if variable.in_key {
        s.sealed.push(name.to_owned());
    }
    s.env.insert(name.to_owned(), variable.value);
}
