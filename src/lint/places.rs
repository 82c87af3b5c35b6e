//! Where in the project's file a step, or a text of one of its keys, is written. Pure.

use crate::base::Span;
use crate::config::yaml::{self, Node, NodeKind};
use crate::config::{Layer, Source};

/// The project's file as a tree.
pub(super) struct Places(Option<Node>);

impl Places {
    /// Reads the file again; the configuration keeps no places of patterns.
    pub fn of(sources: &[Source]) -> Self {
        let found = sources.iter().enumerate().find(|(_, source)| source.layer == Layer::Project);
        Self(found.and_then(|(at, source)| yaml::parse(&source.text, at as u16, &mut vec![])))
    }

    /// A step's id.
    pub fn step(&self, id: &str) -> Option<Span> {
        let node = self.entry(id)?;
        get(node, "id").map(|id| id.at)
    }

    /// A text below a key of a step, else the key's value.
    pub fn text(&self, id: &str, key: &str, text: &str) -> Option<Span> {
        let value = get(self.entry(id)?, key)?;
        Some(scalar(value, text).unwrap_or(value.at))
    }

    fn entry(&self, id: &str) -> Option<&Node> {
        let steps = get(self.0.as_ref()?, "steps")?;
        let NodeKind::Seq(items) = &steps.kind else { return None };
        let is = |node: &&Node| {
            get(node, "id").is_some_and(|node| matches!(&node.kind, NodeKind::Scalar { text, .. } if text == id))
        };
        items.iter().find(is)
    }
}

fn get<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let NodeKind::Map(entries) = &node.kind else { return None };
    entries.iter().find(|(name, _)| name.value == key).map(|(_, value)| value)
}

fn scalar(node: &Node, wanted: &str) -> Option<Span> {
    match &node.kind {
        NodeKind::Scalar { text, .. } => (text == wanted).then_some(node.at),
        NodeKind::Seq(items) => items.iter().find_map(|item| scalar(item, wanted)),
        NodeKind::Map(_) => None,
    }
}
