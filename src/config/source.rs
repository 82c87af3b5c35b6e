//! What a configuration is read from, and where each value came from. Pure.
//!
//! Does not know: how files are found or the environment is read.

use crate::base::Span;
use serde::Serialize;

/// Which layer a source belongs to; a later one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The person's own file: settings only.
    User,
    /// The repository's file.
    Project,
    /// Environment variables.
    Environment,
    /// Flags of the command line.
    Flags,
}

/// One text to read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As it is printed in messages.
    pub name: String,
    /// Its whole text.
    pub text: String,
    /// Its layer.
    pub layer: Layer,
}

/// A setting from outside the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The canonical key: `jobs`, `smart_execution`, `impact.code_files`, …
    pub key: String,
    /// The value as text; lists are separated by commas.
    pub value: String,
    /// Where it was said: [`Origin::Env`] or [`Origin::Flag`].
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A line of the user's or the project's file.
    File(Layer, Span),
    /// A variable of this name.
    Env(String),
    /// A flag as it was typed.
    Flag(String),
}

impl Origin {
    /// The layer that said it; a default is below all of them.
    pub fn layer(&self) -> Layer {
        match self {
            Self::Env(_) => Layer::Environment,
            Self::Flag(_) => Layer::Flags,
            Self::File(layer, _) => *layer,
            Self::Default => Layer::User,
        }
    }

    /// For people: `default`, `project .workflow-config.yaml:3`, `env MAX_PARALLEL_JOBS`, `flag --jobs`.
    pub fn describe(&self, sources: &[Source]) -> String {
        match self {
            Self::Default => "default".into(),
            Self::Env(name) => format!("env {name}"),
            Self::Flag(name) => format!("flag {name}"),
            Self::File(layer, at) => {
                let kind = if *layer == Layer::User { "user" } else { "project" };
                let name = sources.get(usize::from(at.source)).map_or("?", |source| source.name.as_str());
                format!("{kind} {name}:{}", at.line)
            }
        }
    }
}
