//! All sources over each other, to one [`Workflow`] or to all that is wrong. Pure.

use super::cx::{ConfigWarning, Cx, Origins};
use super::error::{ConfigError, ConfigErrors};
use super::key::{Shape, decode};
use super::setting::Draft;
use super::setting::project::PROJECT;
use super::setting::run::SETTINGS;
use super::source::{Layer, Origin, Override, Source};
use super::yaml::{Node, NodeKind};
use super::{Workflow, resolve, yaml};
use crate::base::{Span, Spanned};

/// A configuration that is right, and where each of its values came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub workflow: Workflow,
    /// Who said what, by dotted path; what nobody said is a default.
    pub origins: Origins,
    /// Keys that are read but not acted on.
    pub warnings: Vec<ConfigWarning>,
    /// The sources; spans refer to them by position.
    pub sources: Vec<Source>,
}

/// Reads sources in the order of their layers, then overrides, later ones winning.
///
/// # Errors
/// Everything that is wrong in any of them.
pub fn load(sources: &[Source], overrides: &[Override]) -> Result<Loaded, ConfigErrors> {
    let mut sources = sources.to_vec();
    sources.sort_by_key(|source| source.layer);
    let files = sources.len();
    let mut overrides = overrides.to_vec();
    overrides.sort_by_key(|one| one.origin.layer());
    let outside: Vec<Node> = overrides.iter().map(|one| as_node(one, &mut sources)).collect();

    let mut cx = Cx::new(&sources);
    let mut draft = Draft::default();
    for (at, source) in sources[..files].iter().enumerate() {
        let mut errors = Vec::new();
        let root = yaml::parse(&source.text, at as u16, &mut errors);
        for error in errors {
            cx.error(error);
        }
        cx.layer = source.layer;
        if let Some(root) = root.filter(|root| !root.is_null()) {
            file(&mut cx, root, &mut draft);
        }
    }
    for (one, node) in overrides.iter().zip(&outside) {
        cx.layer = one.origin.layer();
        cx.outside = Some(one.origin.clone());
        decode(&mut cx, node, &[SETTINGS], "wf", &mut draft);
    }
    cx.outside = None;
    draft.steps.append(&mut draft.test_commands);
    let workflow = resolve::resolve(draft, &mut cx);
    if cx.is_clean() {
        let (origins, warnings) = (std::mem::take(&mut cx.origins), std::mem::take(&mut cx.warnings));
        Ok(Loaded { workflow, origins, warnings, sources })
    } else {
        let errors = cx.into_errors();
        Err(ConfigErrors { errors, sources })
    }
}

/// The user's file holds settings only: what a repository does must not depend on who runs it.
fn file(cx: &mut Cx, mut root: Node, draft: &mut Draft) {
    if cx.layer != Layer::User {
        return decode(cx, &root, &[PROJECT, SETTINGS], "a configuration", draft);
    }
    if let NodeKind::Map(entries) = &mut root.kind {
        entries.retain(|(name, _)| {
            let theirs = PROJECT.iter().any(|key| key.about.name == name.value);
            if theirs {
                let error = ConfigError::new(name.at, format!("`{}` belongs in the project's file", name.value));
                cx.error(error.hint("this file is for settings such as `jobs` and `output`"));
            }
            !theirs
        });
    }
    decode(cx, &root, &[SETTINGS], "the user's file", draft);
}

/// An override as a mapping of one key (`cache.dir`: one in another), in a source of its own that shows how it was said.
fn as_node(one: &Override, sources: &mut Vec<Source>) -> Node {
    let (name, text, layer) = match &one.origin {
        Origin::Flag(flag) => ("command line", format!("{flag} {}", one.value), Layer::Flags),
        Origin::Env(variable) => ("environment", format!("{variable}={}", one.value), Layer::Environment),
        Origin::Default | Origin::File(..) => ("defaults", one.value.clone(), Layer::Environment),
    };
    let start = text.len() - one.value.len();
    let whole = part(sources.len(), &text, start, text.len());
    let key = SETTINGS.iter().find(|key| key.about.name == one.key);
    let kind = if key.is_some_and(|key| matches!(key.about.shape, Shape::Many(_))) {
        let mut at = start;
        let mut items = Vec::new();
        for item in one.value.split(',') {
            let trimmed = item.trim();
            if !trimmed.is_empty() {
                let begin = at + (item.len() - item.trim_start().len());
                let at = part(sources.len(), &text, begin, begin + trimmed.len());
                items.push(Node { at, kind: NodeKind::Scalar { text: trimmed.to_owned(), plain: true } });
            }
            at += item.len() + 1;
        }
        NodeKind::Seq(items)
    } else {
        NodeKind::Scalar { text: one.value.clone(), plain: true }
    };
    sources.push(Source { name: name.into(), text, layer });
    let within = |inner, key: &str| {
        let entry = (Spanned::new(key.to_owned(), whole), inner);
        Node { at: whole, kind: NodeKind::Map(vec![entry]) }
    };
    one.key.rsplit('.').fold(Node { at: whole, kind }, within)
}

fn part(source: usize, text: &str, start: usize, end: usize) -> Span {
    let column = text[..start].chars().count() as u32 + 1;
    Span { source: source as u16, start: start as u32, end: end as u32, line: 1, column }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
