//! Reading single values from nodes: what is there, or an error at its place. Pure.

use super::cx::Cx;
use super::error::ConfigError;
use super::yaml::{Node, NodeKind, shorten};
use crate::base::{Millis, RepoPath, Spanned, duration, suggest};
use serde::de::DeserializeOwned;

/// Most CPU slots, bytes and attempts: far above any machine, far below any overflow.
pub const COUNT_MAX: u64 = 1_000_000;

/// Puts a value that could be read into its place; what could not be read has left an error.
pub fn put<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

impl Cx<'_> {
    /// Reports that something else was expected.
    pub fn mismatch(&mut self, node: &Node, wanted: &str) {
        self.error(ConfigError::new(node.at, format!("{wanted} is expected here, not {}", node.describe())));
    }

    /// A text. Numbers and booleans without quotes are taken as they are written.
    pub fn text(&mut self, node: &Node) -> Option<Spanned<String>> {
        match &node.kind {
            NodeKind::Scalar { text, .. } if !node.is_null() => Some(Spanned::new(text.clone(), node.at)),
            _ => {
                self.mismatch(node, "a text");
                None
            }
        }
    }

    fn plain<'n>(&mut self, node: &'n Node, wanted: &str) -> Option<&'n str> {
        match &node.kind {
            NodeKind::Scalar { text, plain: true } if !node.is_null() => Some(text),
            NodeKind::Scalar { text, .. } if !text.is_empty() => {
                let error =
                    ConfigError::new(node.at, format!("{wanted} is expected here, not the text `{}`", shorten(text)));
                self.error(error.hint("remove the quotes"));
                None
            }
            _ => {
                self.mismatch(node, wanted);
                None
            }
        }
    }

    /// `true` or `false`. The other words of YAML 1.1 are texts in YAML 1.2, and nobody should have to guess.
    pub fn boolean(&mut self, node: &Node) -> Option<bool> {
        let text = self.plain(node, "`true` or `false`")?;
        let hint = match text.to_ascii_lowercase().as_str() {
            "true" if text == "true" => return Some(true),
            "false" if text == "false" => return Some(false),
            "yes" | "on" | "y" | "true" => "write `true`; `yes` and `on` are only texts in YAML 1.2",
            "no" | "off" | "n" | "false" => "write `false`; `no` and `off` are only texts in YAML 1.2",
            _ => "write `true` or `false`",
        };
        self.error(ConfigError::new(node.at, format!("`{}` is not a boolean", shorten(text))).hint(hint));
        None
    }

    /// A whole number within bounds.
    pub fn whole(&mut self, node: &Node, min: u64, max: u64) -> Option<u64> {
        let text = self.plain(node, "a whole number")?;
        let problem = match text.parse::<u64>() {
            Ok(number) if number < min => format!("`{text}` is too small; at least {min}"),
            Ok(number) if number > max => format!("`{text}` is too large; at most {max}"),
            Ok(number) => return Some(number),
            Err(_) => format!("`{}` is not a whole number", shorten(text)),
        };
        self.error(ConfigError::new(node.at, problem));
        None
    }

    /// A number above zero, as thousandths.
    pub fn milli(&mut self, node: &Node) -> Option<u32> {
        let text = self.plain(node, "a number")?;
        match text.parse::<f64>() {
            Ok(number) if number >= 0.001 && number <= COUNT_MAX as f64 => Some((number * 1_000.0).round() as u32),
            Ok(_) => {
                self.error(ConfigError::new(node.at, format!("`{text}` is out of range; from 0.001 to {COUNT_MAX}")));
                None
            }
            Err(_) => {
                self.error(ConfigError::new(node.at, format!("`{}` is not a number", shorten(text))));
                None
            }
        }
    }

    /// A duration above zero, with its unit.
    pub fn duration(&mut self, node: &Node) -> Option<Millis> {
        let text = self.text(node)?;
        match duration::parse(&text.value) {
            Ok(0) => {
                self.error(ConfigError::new(node.at, "a duration of nothing").hint("write one like `90s` or `10m`"));
                None
            }
            Ok(ms) => Some(ms),
            Err(message) => {
                let (message, hint) = message.split_once("; ").unwrap_or((&message, "write one like `90s` or `10m`"));
                self.error(ConfigError::new(node.at, message).hint(hint));
                None
            }
        }
    }

    /// Bytes: a number with a unit.
    pub fn size(&mut self, node: &Node) -> Option<u64> {
        let text = self.text(node)?;
        match super::size::parse(&text.value) {
            Ok(bytes) => Some(bytes),
            Err(message) => {
                self.error(ConfigError::new(node.at, message).hint("write one like `512MiB` or `2GB`"));
                None
            }
        }
    }

    /// One of some words; the type reads them by its serde names.
    pub fn word<T: DeserializeOwned>(&mut self, node: &Node, words: &[&str]) -> Option<T> {
        let text = self.text(node)?;
        let found = serde_json::from_value(text.value.clone().into()).ok().filter(|_| words.contains(&&*text.value));
        if found.is_none() {
            self.not_one_of(&text, words);
        }
        found
    }

    /// A word that may also be written as a boolean: `true` for the first, `false` for the second.
    pub fn switch<T: DeserializeOwned>(&mut self, node: &Node, words: &[&str]) -> Option<T> {
        let NodeKind::Scalar { text, plain: true } = &node.kind else { return self.word(node, words) };
        let text = match text.as_str() {
            "true" => words[0].to_owned(),
            "false" => words[1].to_owned(),
            other => other.to_owned(),
        };
        self.word(&Node { at: node.at, kind: NodeKind::Scalar { text, plain: true } }, words)
    }

    /// Reports a word that is none of those known.
    pub fn not_one_of(&mut self, text: &Spanned<String>, words: &[&str]) {
        let all = || words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let error = ConfigError::new(text.at, format!("`{}` is not one of {}", shorten(&text.value), all()));
        self.error(error.maybe_hint(did_you_mean(&text.value, words.iter().copied())));
    }

    /// The items of a list, or one thing alone.
    pub fn many<T>(&mut self, node: &Node, mut one: impl FnMut(&mut Self, &Node) -> Option<T>) -> Option<Vec<T>> {
        match &node.kind {
            NodeKind::Seq(items) => {
                let read: Vec<_> = items.iter().map(|item| one(self, item)).collect();
                read.into_iter().collect()
            }
            _ => one(self, node).map(|item| vec![item]),
        }
    }

    /// Texts: a list, or one alone.
    pub fn texts(&mut self, node: &Node) -> Option<Vec<Spanned<String>>> {
        self.many(node, Cx::text)
    }

    /// Texts without their places.
    pub fn names(&mut self, node: &Node) -> Option<Vec<String>> {
        Some(self.texts(node)?.into_iter().map(|text| text.value).collect())
    }

    /// The entries of a mapping with names of the user's choice.
    pub fn map<'n>(&mut self, node: &'n Node, what: &str) -> &'n [(Spanned<String>, Node)] {
        if let NodeKind::Map(entries) = &node.kind {
            return entries;
        }
        self.mismatch(node, what);
        &[]
    }

    /// A folder inside the repository.
    pub fn folder(&mut self, text: &Spanned<String>) -> Option<RepoPath> {
        let joined = RepoPath::root().join(text.value.as_bytes());
        if joined.is_none() {
            let error = ConfigError::new(text.at, format!("`{}` is not inside the repository", shorten(&text.value)));
            self.error(error.hint("folders are relative to the repository's root"));
        }
        joined
    }
}

/// A hint, if a known word is near.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    suggest::nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}
