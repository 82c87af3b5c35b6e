//! Changes one key of a configuration's text, and leaves comments and formatting as they are. Pure.
//!
//! A change is a line put in, or a value put in place of another, and it is believed only if the new text, parsed
//! again, says exactly what the old one said but for that key. Does not know: what is worth changing, what a key
//! means, files.

use super::yaml::{self, Node, NodeKind};
use crate::base::{Spanned, StepId};
use serde::Serialize;

/// One key that is to have another value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// The entry of `steps`; none: the configuration itself.
    pub step: Option<StepId>,
    /// The key.
    pub key: String,
    /// Its value: one YAML scalar that needs no quotes.
    pub value: String,
}

/// Why a text is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It cannot be read.
    #[error("the configuration is not YAML that wf reads")]
    NotYaml,
    /// No entry of `steps` has that id.
    #[error("`steps` has no entry `{0}`")]
    NoStep(StepId),
    /// It is there in a form that a scalar cannot replace.
    #[error("`{0}` is there and is not one plain value")]
    NotScalar(String),
    /// The change would say something else as well, or not what was meant: an anchor, a document's end.
    #[error("a change of `{0}` there would change something else too, or not be seen")]
    Otherwise(String),
}

/// The text with the edit made.
///
/// # Errors
/// When it cannot be made without changing anything else.
pub fn apply(text: &str, edit: &Edit) -> Result<String, EditError> {
    let mut tree = parsed(text)?;
    let place = mapping(&mut tree, edit)?;
    let written = place.entries.iter().find(|(key, _)| key.value == edit.key);
    let new = match written {
        Some((key, value)) => replaced(text, key, value, edit)?,
        None => inserted(text, &place, edit),
    };
    let scalar = NodeKind::Scalar { text: edit.value.clone(), plain: true };
    match place.entries.iter_mut().find(|(key, _)| key.value == edit.key) {
        Some((_, value)) => value.kind = scalar,
        None => place.entries.push((
            Spanned::new(edit.key.clone(), crate::base::Span::default()),
            Node { at: crate::base::Span::default(), kind: scalar },
        )),
    }
    match parsed(&new) {
        Ok(found) if same(&tree, &found) => Ok(new),
        _ => Err(EditError::Otherwise(edit.key.clone())),
    }
}

fn parsed(text: &str) -> Result<Node, EditError> {
    let mut errors = Vec::new();
    yaml::parse(text, 0, &mut errors).filter(|_| errors.is_empty()).ok_or(EditError::NotYaml)
}

/// The mapping that is changed.
struct Place<'t> {
    /// Where it begins, in bytes.
    start: usize,
    entries: &'t mut Vec<(Spanned<String>, Node)>,
}

fn mapping<'t>(tree: &'t mut Node, edit: &Edit) -> Result<Place<'t>, EditError> {
    let start = tree.at.start as usize;
    let NodeKind::Map(root) = &mut tree.kind else { return Err(EditError::NotYaml) };
    let Some(id) = &edit.step else { return Ok(Place { start, entries: root }) };
    let no_step = || EditError::NoStep(id.clone());
    let steps = root.iter_mut().find(|(key, _)| key.value == "steps").map(|(_, steps)| &mut steps.kind);
    let Some(NodeKind::Seq(steps)) = steps else { return Err(no_step()) };
    let is_it = |step: &&mut Node| {
        let NodeKind::Map(entries) = &step.kind else { return false };
        entries.iter().any(|(key, value)| {
            key.value == "id" && matches!(&value.kind, NodeKind::Scalar { text, .. } if text == id.as_str())
        })
    };
    let step = steps.iter_mut().find(is_it).ok_or_else(no_step)?;
    let start = step.at.start as usize;
    let NodeKind::Map(entries) = &mut step.kind else { return Err(no_step()) };
    Ok(Place { start, entries })
}

/// Another value in the place of the one that is there.
fn replaced(text: &str, key: &Spanned<String>, value: &Node, edit: &Edit) -> Result<String, EditError> {
    // What is missing has the place of its key.
    if !matches!(value.kind, NodeKind::Scalar { .. }) || value.at == key.at {
        return Err(EditError::NotScalar(edit.key.clone()));
    }
    let (before, after) = (&text[..value.at.start as usize], &text[end_of(text, value)..]);
    Ok(format!("{before}{}{after}", edit.value))
}

/// Where a scalar ends: its place may reach over a comment behind it.
fn end_of(text: &str, scalar: &Node) -> usize {
    let (start, end) = (scalar.at.start as usize, scalar.at.end as usize);
    let raw = &text[start..end];
    let mut chars = raw.char_indices().peekable();
    let Some((_, quote @ ('"' | '\''))) = chars.next() else {
        let cut = [" #", "\t#", "\n"].iter().filter_map(|mark| raw.find(mark)).min();
        return start + raw[..cut.unwrap_or(raw.len())].trim_end().len();
    };
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote == '"' {
            chars.next();
        } else if c == quote {
            // Doubled, an apostrophe stands for itself.
            let doubled = quote == '\'' && chars.next_if(|(_, next)| *next == quote).is_some();
            if !doubled {
                return start + at + 1;
            }
        }
    }
    end
}

/// A line more: a step's below its id, another at the end of the file. In braces, the first entry.
fn inserted(text: &str, place: &Place<'_>, edit: &Edit) -> String {
    let entry = format!("{}: {}", edit.key, edit.value);
    if text.as_bytes().get(place.start) == Some(&b'{') {
        let (before, after) = text.split_at(place.start + 1);
        return format!("{before}{entry}, {after}");
    }
    let anchor = place.entries.iter().find(|(key, _)| key.value == "id").filter(|_| edit.step.is_some());
    let column = anchor.or(place.entries.first()).map_or(1, |(key, _)| key.at.column);
    let indent = " ".repeat(column.saturating_sub(1) as usize);
    let from = anchor.map_or(text.len(), |(_, value)| end_of(text, value));
    let end = memchr::memchr(b'\n', &text.as_bytes()[from..]).map_or(text.len(), |at| from + at + 1);
    let (before, after) = text.split_at(end);
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let joint = if before.is_empty() || before.ends_with('\n') { "" } else { line_end };
    format!("{before}{joint}{indent}{entry}{line_end}{after}")
}

/// Do two trees say the same? Places and the order of keys do not count.
fn same(a: &Node, b: &Node) -> bool {
    match (&a.kind, &b.kind) {
        (NodeKind::Seq(a), NodeKind::Seq(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (NodeKind::Map(a), NodeKind::Map(b)) => {
            let found = |name: &str| b.iter().find(|(key, _)| key.value == name);
            a.len() == b.len() && a.iter().all(|(key, a)| found(&key.value).is_some_and(|(_, b)| same(a, b)))
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
