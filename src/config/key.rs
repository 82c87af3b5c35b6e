//! One description for each key, from which decoding, suggestions, the JSON schema and the reference are made. Pure.

use super::cx::{ConfigWarning, Cx};
use super::error::ConfigError;
use super::source::Origin;
use super::yaml::{Node, NodeKind, shorten};
use crate::base::suggest;

/// Everything there is to say about a key.
#[derive(Debug)]
pub struct About {
    /// As it is written.
    pub name: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// What holds without it, in words or as a value; empty if it is required.
    pub default: &'static str,
    /// A line of YAML.
    pub example: &'static str,
    /// What it does, in Markdown.
    pub doc: &'static str,
    /// The key that it is another spelling of, dotted from the top.
    pub same_as: Option<&'static str>,
}

/// A key of a mapping that decodes into a `T`.
pub struct Key<T> {
    /// What it is.
    pub about: About,
    /// Puts a value where it belongs, or reports what is wrong with it.
    pub set: fn(&mut T, &Node, &mut Cx),
}

/// The keys of a mapping.
pub type Table<T> = &'static [Key<T>];

/// What a key takes.
#[derive(Debug)]
pub enum Shape {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number from here to there.
    Int(u64, u64),
    /// A number above zero, with or without a fraction.
    Number,
    /// `90s`, `10m`, `1h30m`.
    Duration,
    /// `512MiB`, `2GB`.
    Size,
    /// One of these words.
    Words(&'static [&'static str]),
    /// One of these words, or `true` for the first and `false` for the last of two.
    Switch(&'static [&'static str]),
    /// A step's id.
    Id,
    /// A trigger expression.
    Trigger,
    /// A glob.
    Glob,
    /// A list, or just one of it.
    Many(&'static Shape),
    /// A list of at least one.
    List(&'static Shape),
    /// A mapping with names of the user's choice.
    MapOf(&'static Shape),
    /// A mapping with known keys; the second list names those that must be there (`a|b`: one of the two).
    Object(&'static str, fn() -> Vec<&'static About>, &'static [&'static str]),
    /// Any of these.
    Either(&'static [Shape]),
    /// Nothing.
    Null,
    /// Anything: the key is read, and not acted on.
    Ignored,
}

/// Keys that this version does not have and a later one may: better said than suggested away.
const LATER: &[&str] = &["hooks", "ml", "queue", "remote", "server", "shards", "trace"];

/// What a table says, without the type it decodes into.
pub fn abouts<T>(table: Table<T>) -> Vec<&'static About> {
    table.iter().map(|key| &key.about).collect()
}

/// Decodes a mapping into `draft`. `what` names it in messages: `a step`. At the top, `x-…` keys are places for anchors.
pub fn decode<T>(cx: &mut Cx, node: &Node, tables: &[Table<T>], what: &str, draft: &mut T) {
    let NodeKind::Map(entries) = &node.kind else {
        let error = ConfigError::new(node.at, format!("{what} is a mapping, not {}", node.describe()));
        return cx.error(error.hint(example_of(tables)));
    };
    for (name, value) in entries {
        if cx.is_top() && name.value.starts_with("x-") {
            continue;
        }
        let Some(key) = tables.iter().flat_map(|table| table.iter()).find(|key| key.about.name == name.value) else {
            unknown(cx, name, tables, what);
            continue;
        };
        if matches!(key.about.shape, Shape::Ignored) {
            let dotted = cx.path_to(&name.value);
            let message = format!("`{dotted}` is read, but this version of wf does not act on it");
            cx.warnings.push(ConfigWarning { at: name.at, key: dotted, message });
        } else if value.is_null() && !takes_null(&key.about.shape) {
            let error = ConfigError::new(name.at, format!("`{}` has no value", name.value));
            cx.error(error.hint(match key.about.example {
                example if example.contains('\n') => {
                    "write what belongs to it below, indented; or remove the key".into()
                }
                example => format!("write one like `{example}`, or remove the key"),
            }));
        } else {
            if !(matches!(value.kind, NodeKind::Map(_) | NodeKind::Seq(_)) && holds_objects(&key.about.shape)) {
                cx.said(&name.value, key.about.same_as, name.at);
            }
            let before = cx.error_count();
            cx.below(&name.value, |cx| (key.set)(draft, value, cx));
            if !key.about.example.contains('\n') {
                let example = said_there(&key.about, cx.outside.as_ref());
                cx.hint_since(before, || format!("write one like `{example}`"));
            }
        }
    }
}

/// The example as it would be written there: in a file, in a variable or as a flag.
fn said_there(about: &About, outside: Option<&Origin>) -> String {
    let value = about.example.split_once(": ").map_or("", |(_, value)| value.trim_matches(['[', ']']));
    match outside {
        Some(Origin::Env(name) | Origin::Flag(name)) => format!("{name}={value}"),
        _ => about.example.to_owned(),
    }
}

/// Then its parts say where they come from, not the whole.
fn holds_objects(shape: &Shape) -> bool {
    match shape {
        Shape::Object(..) => true,
        Shape::List(inner) | Shape::Many(inner) | Shape::MapOf(inner) => holds_objects(inner),
        Shape::Either(shapes) => shapes.iter().any(holds_objects),
        _ => false,
    }
}

fn takes_null(shape: &Shape) -> bool {
    match shape {
        Shape::Null | Shape::Ignored => true,
        Shape::Either(shapes) => shapes.iter().any(takes_null),
        _ => false,
    }
}

fn unknown<T>(cx: &mut Cx, name: &crate::base::Spanned<String>, tables: &[Table<T>], what: &str) {
    let shown = shorten(&name.value);
    let known = || tables.iter().flat_map(|table| table.iter()).map(|key| key.about.name);
    let error = if LATER.contains(&name.value.as_str()) {
        ConfigError::new(name.at, format!("`{shown}` is not supported by this version of wf")).hint("remove it for now")
    } else {
        let error = ConfigError::new(name.at, format!("{what} has no key `{shown}`"));
        error.hint(match suggest::nearest(&name.value, known()) {
            _ if names_a_secret(&name.value) && what == "`ai`" => {
                "a key does not belong into a file: put it into a variable, and name that by `api_key_env`".into()
            }
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
        })
    };
    cx.error(error);
}

/// Is it how people call a key for a service? No key of a configuration ends so.
pub(super) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    ["api_key", "apikey", "api_token"].iter().any(|end| name.ends_with(end))
}

fn example_of<T>(tables: &[Table<T>]) -> String {
    let first = tables.iter().flat_map(|table| table.iter()).next();
    first.map_or_else(String::new, |key| format!("write keys like `{}`", first_line(key.about.example)))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
