//! What is wrong with a configuration, and how it is shown. Pure.

use super::source::Source;
use crate::base::Span;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where.
    pub at: Span,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
    /// Other places that have to do with it, each with a few words.
    pub related: Vec<(Span, String)>,
}

impl ConfigError {
    /// Something wrong at a place.
    pub fn new(at: Span, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: None, related: vec![] }
    }

    /// Adds what would be right.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the hint if there is one.
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Adds another place.
    pub fn related(mut self, at: Span, words: impl Into<String>) -> Self {
        self.related.push((at, words.into()));
        self
    }
}

/// Every error of a configuration, with the texts they point into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The errors, by place.
    pub errors: Vec<ConfigError>,
    /// The sources, environment and flags included.
    pub sources: Vec<Source>,
}

impl std::error::Error for ConfigErrors {}

/// Plain text, as [`render`] without colour.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(self, false))
    }
}

/// Errors together with how they are shown, so that whoever catches them can still look into them.
#[derive(Clone, Debug)]
pub struct Report {
    /// The errors.
    pub errors: ConfigErrors,
    text: String,
}

impl std::error::Error for Report {}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl ConfigErrors {
    /// Renders them once, for a terminal with or without colour.
    pub fn report(self, color: bool) -> Report {
        Report { text: render(&self, color), errors: self }
    }

    /// One JSON value for each error.
    pub fn to_json(&self) -> Vec<Value> {
        let place = |at: &Span| {
            let name = self.sources.get(usize::from(at.source)).map(|source| source.name.as_str());
            json!({ "file": name, "line": at.line, "column": at.column, "start": at.start, "end": at.end })
        };
        let one = |error: &ConfigError| {
            let related = error.related.iter().map(|(at, words)| json!({ "at": place(at), "message": words }));
            json!({
                "at": place(&error.at), "message": error.message, "hint": error.hint,
                "related": related.collect::<Vec<_>>(),
            })
        };
        self.errors.iter().map(one).collect()
    }
}

/// The errors as people read them: each with its place, the line, a caret and a hint.
pub fn render(errors: &ConfigErrors, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for error in &errors.errors {
        text.push_str(&renderer.render(&[group(Level::ERROR, error, &errors.sources)]));
        text.push_str("\n\n");
    }
    let count = errors.errors.len();
    let plural = if count == 1 { "" } else { "s" };
    text + &format!("{count} error{plural} in the configuration\n")
}

/// Warnings as people read them, in the same form.
pub fn render_warnings(warnings: &[ConfigError], sources: &[Source], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let one = |warning| renderer.render(&[group(Level::WARNING, warning, sources)]) + "\n\n";
    warnings.iter().map(one).collect()
}

fn group<'a>(level: Level<'a>, error: &'a ConfigError, sources: &'a [Source]) -> Group<'a> {
    let mut group = Group::with_title(level.primary_title(error.message.as_str()));
    let Some(source) = sources.get(usize::from(error.at.source)) else { return group };
    let mut snippet = Snippet::source(hidden(&source.text)).path(source.name.as_str());
    snippet = snippet.annotation(AnnotationKind::Primary.span(range(&error.at, &source.text)));
    for (at, words) in error.related.iter().filter(|(at, _)| at.source == error.at.source) {
        snippet = snippet.annotation(AnnotationKind::Context.span(range(at, &source.text)).label(words.as_str()));
    }
    group = group.element(snippet);
    for (at, words) in error.related.iter().filter(|(at, _)| at.source != error.at.source) {
        if let Some(other) = sources.get(usize::from(at.source)) {
            let annotation = AnnotationKind::Context.span(range(at, &other.text)).label(words.as_str());
            group =
                group.element(Snippet::source(hidden(&other.text)).path(other.name.as_str()).annotation(annotation));
        }
    }
    match &error.hint {
        Some(hint) => group.element(Level::HELP.with_name(Some("hint")).message(hint.as_str())),
        None => group,
    }
}

/// A text in which no key for a service can be read, for people who wrote one into a file. Every place stays where it is.
fn hidden(text: &str) -> Cow<'_, str> {
    let values = text.match_indices(':').filter(|(at, _)| {
        let before = text[..*at].trim_end_matches(['"', '\'', ' ']);
        let start = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')));
        super::key::names_a_secret(start.map_or(before, |start| &before[start..]))
    });
    let ranges: Vec<_> = values
        .map(|(at, _)| {
            let rest = &text[at + 1..];
            at + 1..at + 1 + rest.find(['\n', ',', '}']).unwrap_or(rest.len())
        })
        .collect();
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = text.to_owned();
    for range in ranges {
        let stars =
            text[range.clone()].bytes().map(|byte| if byte == b' ' || byte == b'\r' { char::from(byte) } else { '*' });
        out.replace_range(range.clone(), &stars.collect::<String>());
    }
    Cow::Owned(out)
}

/// Only what is on the first line: a caret under a whole block helps nobody.
fn range(at: &Span, text: &str) -> std::ops::Range<usize> {
    let (start, end) = ((at.start as usize).min(text.len()), (at.end as usize).min(text.len()));
    let first_line = text[start..end.max(start)].lines().next().map_or(0, str::len);
    start..start + first_line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_shown() {
        for (text, shown) in [
            ("ai: {api_key: sk-1, model: m}\n", "ai: {api_key: ****, model: m}\n"),
            ("  API-KEY: \"ä b\"\n  b: 1\n", "  API-KEY: *** **\n  b: 1\n"),
            ("api_key_env: NAME\n", "api_key_env: NAME\n"),
        ] {
            assert_eq!(hidden(text), shown);
            assert_eq!(hidden(text).len(), text.len());
        }
    }
}
