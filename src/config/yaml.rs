//! YAML text to a tree in which every node knows its place. Pure.
//!
//! Does not know: what any key means. Plain scalars stay text: whether `on` or `8080` is text, a boolean or a number is
//! for the setting to say. Aliases and merge keys are resolved here, under a budget.

use super::error::ConfigError;
use crate::base::{Span, Spanned};
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use std::collections::HashMap;

/// Deepest nesting of lists and mappings.
const DEPTH_MAX: usize = 64;
/// Most nodes that aliases may add to what was written.
const ALIASED_NODES_MAX: usize = 100_000;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it is written; for a list or mapping, its first line.
    pub at: Span,
    /// What it is.
    pub kind: NodeKind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// Text; `plain` if it was written without quotes.
    Scalar {
        /// The text, unescaped.
        text: String,
        /// Written without quotes, so that it may also be a number, a boolean or nothing.
        plain: bool,
    },
    /// A list.
    Seq(Vec<Node>),
    /// A mapping, in order, keys unique.
    Map(Vec<(Spanned<String>, Node)>),
}

impl Node {
    /// Is it an empty or explicit null?
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// In a sentence: `a list`, `a mapping`, `` `text` ``.
    pub fn describe(&self) -> String {
        match &self.kind {
            _ if self.is_null() => "nothing".into(),
            NodeKind::Scalar { text, .. } => format!("`{}`", shorten(text)),
            NodeKind::Seq(_) => "a list".into(),
            NodeKind::Map(_) => "a mapping".into(),
        }
    }

    fn size(&self) -> usize {
        1 + match &self.kind {
            NodeKind::Scalar { .. } => 0,
            NodeKind::Seq(items) => items.iter().map(Node::size).sum(),
            NodeKind::Map(entries) => entries.iter().map(|(_, value)| value.size() + 1).sum(),
        }
    }
}

/// At most forty characters of the first line.
pub fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(40).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

/// Parses one document. `None` if it holds none or is not YAML; errors are added.
pub fn parse(text: &str, source: u16, errors: &mut Vec<ConfigError>) -> Option<Node> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        places: Places::new(text, source),
        anchors: HashMap::new(),
        aliased: 0,
        errors,
    };
    match reader.document() {
        Ok(node) => node,
        Err(fatal) => {
            reader.errors.push(*fatal);
            None
        }
    }
}

type Fatal = Box<ConfigError>;

struct Reader<'a, 'e> {
    parser: Parser<'a, StrInput<'a>>,
    places: Places<'a>,
    /// Finished nodes by anchor; `None` while one is still being read.
    anchors: HashMap<usize, Option<Node>>,
    aliased: usize,
    errors: &'e mut Vec<ConfigError>,
}

impl<'a> Reader<'a, '_> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fatal> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.places.span(span))),
            Some(Err(error)) => {
                let at = self.places.mistake(error.marker());
                Err(Box::new(self.explain(at, error.info())))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn explain(&self, at: Span, info: &str) -> ConfigError {
        let error = ConfigError::new(at, format!("not YAML: {info}"));
        if at.end >= self.places.end {
            return error.hint("the file ends too early: look for a missing `]`, `}` or quote");
        }
        let line = self.places.line(at.line);
        let indent = &line[..line.len() - line.trim_start().len()];
        if info.contains("unprintable") {
            error.hint("write the text in double quotes, and the character as an escape such as `\\u001b`")
        } else if indent.contains('\t') || info.contains("tab") {
            error.hint("YAML is indented by spaces; replace the tab")
        } else if line.trim_start().starts_with(['*', '!', '&', '%', '@', '`', '{', '[']) || line.contains(": *") {
            error.hint("a value that begins with `*`, `!`, `&`, `{`, `[`, `%`, `@` or a backtick needs quotes")
        } else if line.matches(": ").count() > 1 {
            error.hint("a text that contains `: ` needs quotes")
        } else {
            error.hint("look at the line above too: often a quote, a colon or the indentation there is what is wrong")
        }
    }

    fn document(&mut self) -> Result<Option<Node>, Fatal> {
        let mut root = None;
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                _ if root.is_some() => {
                    let error = ConfigError::new(at, "a second document begins here");
                    return Err(Box::new(error.hint("one file is one configuration; remove the `---` line")));
                }
                event => root = Some(self.node(event, at, 0)?),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, at: Span, depth: usize) -> Result<Node, Fatal> {
        if depth > DEPTH_MAX {
            let error = ConfigError::new(at, format!("nested more than {DEPTH_MAX} levels deep"));
            return Err(Box::new(error.hint("no key of wf lies that deep")));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = tag.as_ref().is_some_and(|tag| self.check_tag(tag, at));
                let plain = style == ScalarStyle::Plain && !quoted;
                Ok(self.keep(anchor, Node { at, kind: NodeKind::Scalar { text: text.into_owned(), plain } }))
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(anchor, tag.as_deref(), at);
                let mut items = Vec::new();
                loop {
                    let (event, at_item) = self.next()?;
                    if event == Event::SequenceEnd {
                        break;
                    }
                    items.push(self.node(event, at_item, depth + 1)?);
                }
                let at = self.cover(at, items.last());
                Ok(self.keep(anchor, Node { at, kind: NodeKind::Seq(items) }))
            }
            Event::MappingStart(anchor, tag) => {
                self.open(anchor, tag.as_deref(), at);
                let entries = self.entries(depth)?;
                let at = self.cover(at, entries.last().map(|(_, value)| value));
                Ok(self.keep(anchor, Node { at, kind: NodeKind::Map(entries) }))
            }
            Event::Alias(anchor) => self.alias(anchor, at),
            other => Err(Box::new(ConfigError::new(at, format!("not YAML: unexpected {other:?}")))),
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<(Spanned<String>, Node)>, Fatal> {
        let mut entries: Vec<(Spanned<String>, Node)> = Vec::new();
        let mut first: HashMap<String, Span> = HashMap::new();
        let mut merged: Vec<Node> = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, at, depth + 1)?;
            let (event, at) = self.next()?;
            let mut value = self.node(event, at, depth + 1)?;
            if value.is_null() && value.at.start == value.at.end {
                // A missing value has no place of its own: point at its key.
                value.at = key.at;
            }
            let NodeKind::Scalar { text, plain } = key.kind else {
                self.errors.push(ConfigError::new(key.at, "a key must be text").hint("write `key: value`"));
                continue;
            };
            if text == "<<" && plain {
                merged.push(value);
            } else if let Some(earlier) = first.get(&text) {
                let error = ConfigError::new(key.at, format!("`{}` is written twice", shorten(&text)));
                self.errors.push(error.related(*earlier, "first here").hint("keep one of them"));
            } else {
                first.insert(text.clone(), key.at);
                entries.push((Spanned::new(text, key.at), value));
            }
        }
        for node in merged {
            self.merge(node, &mut entries);
        }
        Ok(entries)
    }

    /// `<<`: what is written wins, then the first mapping named.
    fn merge(&mut self, node: Node, entries: &mut Vec<(Spanned<String>, Node)>) {
        match node.kind {
            NodeKind::Map(more) => {
                for (key, value) in more {
                    if !entries.iter().any(|(known, _)| known.value == key.value) {
                        entries.push((key, value));
                    }
                }
            }
            NodeKind::Seq(nodes) if nodes.iter().all(|n| matches!(n.kind, NodeKind::Map(_))) => {
                for node in nodes {
                    self.merge(node, entries);
                }
            }
            _ => {
                let error = ConfigError::new(node.at, format!("`<<` takes a mapping, not {}", node.describe()));
                self.errors.push(error.hint("write `<<: *anchor`"));
            }
        }
    }

    fn alias(&mut self, anchor: usize, at: Span) -> Result<Node, Fatal> {
        match self.anchors.get(&anchor) {
            Some(Some(node)) => {
                self.aliased += node.size();
                if self.aliased > ALIASED_NODES_MAX {
                    let message = format!("aliases expand to more than {ALIASED_NODES_MAX} values");
                    return Err(Box::new(
                        ConfigError::new(at, message).hint("write the values out, or use fewer aliases"),
                    ));
                }
                Ok(node.clone())
            }
            Some(None) => {
                let error = ConfigError::new(at, "an alias inside of what it names");
                Err(Box::new(error.hint("move the `&anchor` to something that does not hold this alias")))
            }
            None => {
                let error = ConfigError::new(at, "an alias for an anchor that is not there");
                Err(Box::new(error.hint("write the `&anchor` further up, or quote a text that begins with `*`")))
            }
        }
    }

    fn open(&mut self, anchor: usize, tag: Option<&saphyr_parser::Tag>, at: Span) {
        if anchor > 0 {
            self.anchors.insert(anchor, None);
        }
        if let Some(tag) = tag {
            self.check_tag(tag, at);
        }
    }

    fn keep(&mut self, anchor: usize, node: Node) -> Node {
        if anchor > 0 {
            self.anchors.insert(anchor, Some(node.clone()));
        }
        node
    }

    /// Is it `!!str`? Every other tag but the plain core ones is refused.
    fn check_tag(&mut self, tag: &saphyr_parser::Tag, at: Span) -> bool {
        let core = tag.is_yaml_core_schema();
        if !(core && matches!(tag.suffix.as_str(), "str" | "int" | "float" | "bool" | "null" | "seq" | "map")) {
            let error = ConfigError::new(at, format!("the tag `{tag}` means nothing here"));
            self.errors.push(error.hint("remove it, or quote the text if it begins with `!`"));
        }
        core && tag.suffix == "str"
    }

    /// A collection's place: from its start to the end of its first line, or of its last item if that is on it.
    fn cover(&self, at: Span, last: Option<&Node>) -> Span {
        let end_of_line = at.start + self.places.rest_of_line(at).trim_end().len() as u32;
        let end = last.map_or(at.end, |node| node.at.end).min(end_of_line);
        Span { end: end.max(at.start), ..at }
    }
}

/// Turns the parser's places, which count characters, into byte spans.
struct Places<'a> {
    text: &'a str,
    source: u16,
    /// Byte offset by character, if they differ.
    bytes: Option<Vec<u32>>,
    lines: Vec<usize>,
    /// Where the text ends, blank lines left out.
    end: u32,
}

impl<'a> Places<'a> {
    fn new(text: &'a str, source: u16) -> Self {
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at as u32).collect());
        let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1));
        Self { text, source, bytes, lines: starts.collect(), end: text.trim_end().len() as u32 }
    }

    fn byte(&self, character: usize) -> u32 {
        let end = self.text.len() as u32;
        match &self.bytes {
            Some(bytes) => bytes.get(character).copied().unwrap_or(end),
            None => (character as u32).min(end),
        }
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        let start = self.byte(span.start.index());
        let raw = &self.text[start as usize..self.byte(span.end.index()).max(start) as usize];
        // Block scalars and plain ones end where the next token begins.
        let end = start + raw.trim_end().len() as u32;
        Span { end, ..self.point(&span.start) }
    }

    fn point(&self, at: &saphyr_parser::Marker) -> Span {
        let start = self.byte(at.index());
        Span { source: self.source, start, end: start, line: at.line() as u32, column: at.col() as u32 + 1 }
    }

    /// One character, so that a caret has something to stand under; the last one where the text has ended.
    fn mistake(&self, at: &saphyr_parser::Marker) -> Span {
        let point = self.point(at);
        if (point.start as usize) < self.end as usize {
            let len = self.text[point.start as usize..]
                .chars()
                .next()
                .map_or(0, |c| if c == '\n' { 0 } else { c.len_utf8() });
            return Span { end: point.start + len as u32, ..point };
        }
        let before = &self.text[..self.end as usize];
        let start = before.char_indices().next_back().map_or(0, |(at, _)| at);
        let line = self.lines.partition_point(|begin| *begin <= start).max(1);
        let column = before[self.lines[line - 1]..].chars().count().max(1);
        Span { start: start as u32, end: self.end, line: line as u32, column: column as u32, ..point }
    }

    fn line(&self, number: u32) -> &'a str {
        let start = self.lines.get(number.saturating_sub(1) as usize).copied().unwrap_or(self.text.len());
        self.text[start..].lines().next().unwrap_or_default()
    }

    fn rest_of_line(&self, at: Span) -> &'a str {
        self.text[at.start as usize..].lines().next().unwrap_or_default()
    }
}
