//! YAML, and JSON with comments, as trees in which every node knows its line. Pure.
//!
//! Does not know: what any key means. Errors that the configuration's own reader reports and survives (an unknown tag, a
//! key written twice) are no concern of an importer.

use crate::base::Spanned;
use crate::config::yaml::{self, Node, NodeKind};

/// Reads YAML.
///
/// # Errors
/// The line and what is wrong there; an empty document is an error, too.
pub(super) fn from_yaml(text: &str) -> Result<Node, (u32, String)> {
    /// More brackets than this are not mended.
    const MENDED_MAX: usize = 50;
    let mut text = std::borrow::Cow::Borrowed(text);
    for _ in 0..MENDED_MAX {
        let mut errors = Vec::new();
        if let Some(root) = yaml::parse(&text, 0, &mut errors) {
            return Ok(root);
        }
        let Some(error) = errors.into_iter().next() else { return Err((0, "it is empty".into())) };
        match with_bracket_inside(&text, error.at.line) {
            Some(mended) => text = mended.into(),
            None => return Err((error.at.line, format!("it cannot be read: {}", error.message))),
        }
    }
    Err((0, "it cannot be read: too many brackets stand too far to the left".into()))
}

/// The text with a closing bracket at the start of this line further to the right: YAML 1.2 wants it deeper than its key, and
/// the readers of other tools take it anywhere.
fn with_bracket_inside(text: &str, line: u32) -> Option<String> {
    let at = (line as usize).checked_sub(1)?;
    let closing = text.lines().nth(at)?.trim_start();
    let indent = text.lines().nth(at)?.len() - closing.len();
    // Once moved far enough, the bracket is not what is wrong.
    if !closing.starts_with([']', '}']) || indent > 64 {
        return None;
    }
    let moved = |(n, line): (usize, &str)| if n == at { format!("{:96}{closing}\n", "") } else { format!("{line}\n") };
    Some(text.lines().enumerate().map(moved).collect())
}

/// Reads JSON, with comments and commas at ends. (What is left of it is YAML.)
///
/// # Errors
/// As [`from_yaml`].
pub(super) fn from_json(text: &str) -> Result<Node, (u32, String)> {
    from_yaml(&plain(text))
}

/// Comments and tabs outside of strings become spaces, so that every line stays where it is.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.trim_start_matches('\u{feff}').chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', _) if quoted => {
                out.push(c);
                out.extend(chars.next());
            }
            ('"', _) => {
                quoted = !quoted;
                out.push(c);
            }
            ('/', Some('/')) if !quoted => while chars.next_if(|c| *c != '\n').is_some() {},
            ('/', Some('*')) if !quoted => {
                chars.next();
                let mut last = ' ';
                for inner in chars.by_ref() {
                    if inner == '\n' {
                        out.push('\n');
                    }
                    if last == '*' && inner == '/' {
                        break;
                    }
                    last = inner;
                }
                out.push(' ');
            }
            ('\t', _) if !quoted => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}

/// Looking into a tree without minding what is not there.
pub(super) trait Look {
    /// The value of a key, if this is a mapping that has it.
    fn get(&self, key: &str) -> Option<&Node>;
    /// The text of a scalar that is not nothing.
    fn text(&self) -> Option<&str>;
    /// The entries of a mapping; none of anything else.
    fn entries(&self) -> &[(Spanned<String>, Node)];
    /// The items of a list; none of anything else.
    fn items(&self) -> &[Node];
    /// The line it begins at.
    fn line(&self) -> u32;
    /// All scalars in it, if it is one or a list of them, lists in lists included; each with its line.
    fn texts(&self) -> Vec<(&str, u32)>;
    /// Is it `true`?
    fn is_true(&self) -> bool;
    /// Is it `false`?
    fn is_false(&self) -> bool;
    /// The text of a key.
    fn text_of(&self, key: &str) -> Option<&str>;
}

impl Look for Node {
    fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name.value == key).map(|(_, value)| value)
    }

    fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    fn entries(&self) -> &[(Spanned<String>, Node)] {
        match &self.kind {
            NodeKind::Map(entries) => entries,
            _ => &[],
        }
    }

    fn items(&self) -> &[Node] {
        match &self.kind {
            NodeKind::Seq(items) => items,
            _ => &[],
        }
    }

    fn line(&self) -> u32 {
        self.at.line
    }

    fn texts(&self) -> Vec<(&str, u32)> {
        match self.text() {
            Some(text) => vec![(text, self.line())],
            None => self.items().iter().flat_map(Look::texts).collect(),
        }
    }

    fn is_true(&self) -> bool {
        self.text() == Some("true")
    }

    fn is_false(&self) -> bool {
        self.text() == Some("false")
    }

    fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Look::text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn json_with_comments_is_read_and_lines_stay() {
        let text = "{\n\t// one\n\t\"a\": /* two\n lines */ [\"x//y\", \"/* z */\",],\n\t\"b\": {\"c\": true,},\n}\n";
        let root = from_json(text).unwrap();
        assert_eq!(root.get("a").unwrap().texts(), [("x//y", 4), ("/* z */", 4)]);
        assert!(root.get("b").unwrap().get("c").unwrap().is_true());
        assert_eq!(root.get("b").unwrap().line(), 5);
        assert!(from_json("").is_err() && from_json("{\"a\": ").is_err());
    }

    #[test]
    fn closing_brackets_may_stand_anywhere() {
        let root = from_yaml("a:\n  b: [\n    x,\n  ]\n  c: {\n    d: e\n  }\n").unwrap();
        assert_eq!(root.get("a").unwrap().get("b").unwrap().texts(), [("x", 3)]);
        assert_eq!(root.get("a").unwrap().get("c").unwrap().text_of("d"), Some("e"));
        assert!(from_yaml("a: ]\n").is_err() && from_yaml("]\n").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}:,\"'/*\\\\\n\t #&!|>ab-]{0,40}|\\PC{0,40}") {
            let _ = (from_json(&text), from_yaml(&text));
        }
    }
}
