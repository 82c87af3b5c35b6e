//! `categories`: more paths for built-in ones, and new ones. Pure.

use super::{Draft, about};
use crate::base::Spanned;
use crate::config::cx::Cx;
use crate::config::error::ConfigError;
use crate::config::key::{About, Key, Shape, Table, abouts, decode};
use crate::config::yaml::{Node, NodeKind, shorten};

/// What is said about one category.
pub struct CategoryDraft {
    /// Its name.
    pub name: Spanned<String>,
    /// Paths it gains.
    pub add: Vec<Spanned<String>>,
    /// Paths it loses.
    pub remove: Vec<Spanned<String>>,
}

/// The keys of the long form.
pub static CATEGORY: Table<CategoryDraft> = &[
    Key {
        about: about(
            "add",
            Shape::Many(&Shape::Glob),
            "none",
            "add: [\"docs/book/**/*.md\"]",
            "Paths that belong to it, whatever the rules before say.",
        ),
        set: |c, v, cx| c.add = cx.texts(v).unwrap_or_default(),
    },
    Key {
        about: about(
            "remove",
            Shape::Many(&Shape::Glob),
            "none",
            "remove: [README.md]",
            "Paths that the built-in rule of this name no longer matches; `**` forgets that rule.",
        ),
        set: |c, v, cx| c.remove = cx.texts(v).unwrap_or_default(),
    },
];

/// A list of globs is `add`.
pub const SHAPE: Shape = Shape::Either(&[Shape::Many(&Shape::Glob), Shape::Object("category", keys, &[])]);

fn keys() -> Vec<&'static About> {
    abouts(CATEGORY)
}

/// Words that mean something else in triggers.
const RESERVED: &[&str] = &["all", "always", "and", "manual", "mixed", "none", "not", "or"];

/// `categories`
pub fn decode_all(d: &mut Draft, node: &Node, cx: &mut Cx) {
    for (name, value) in cx.map(node, "a mapping of categories to globs") {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        let starts = name.value.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts || !name.value.chars().all(plain) || name.value.len() > 64 {
            let message = format!("`{}` is not a name for a category", shorten(&name.value));
            cx.error(ConfigError::new(name.at, message).hint("use lower-case letters, digits, `_` and `-`"));
        } else if RESERVED.contains(&name.value.as_str()) {
            cx.error(
                ConfigError::new(name.at, format!("`{}` means something else in wf", name.value))
                    .hint("choose another name"),
            );
        }
        let mut category = CategoryDraft { name: name.clone(), add: vec![], remove: vec![] };
        if matches!(value.kind, NodeKind::Map(_)) {
            cx.below(&name.value, |cx| decode(cx, value, &[CATEGORY], "a category", &mut category));
        } else {
            cx.said(&name.value, None, name.at);
            category.add = cx.texts(value).unwrap_or_default();
        }
        d.categories.push(category);
    }
}
