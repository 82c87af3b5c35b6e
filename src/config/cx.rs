//! What a decoding pass carries: errors, warnings and origins so far, and where in the configuration it is. Pure.

use super::error::ConfigError;
use super::source::{Layer, Origin, Source};
use crate::base::{Span, Spanned};
use std::collections::{BTreeMap, HashSet};

/// A key that is read but changes nothing in this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigWarning {
    /// Where it stands.
    pub at: Span,
    /// The key, dotted.
    pub key: String,
    /// For people.
    pub message: String,
}

/// Where a value came from, by dotted path.
pub type Origins = BTreeMap<String, Said>;

/// Who said something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Where.
    pub origin: Origin,
    /// The key that it was said by, if that is not the key itself: `kind`, `optimizations.parallel_execution`.
    pub through: Option<String>,
}

/// Collects while a configuration is decoded. Nothing stops at the first error.
pub struct Cx<'a> {
    /// All sources, overrides included.
    pub sources: &'a [Source],
    /// The layer that is being decoded.
    pub layer: Layer,
    /// What an override says about itself; `None` while a file is decoded.
    pub outside: Option<Origin>,
    /// Where each value came from.
    pub origins: Origins,
    /// Keys that are read but not acted on.
    pub warnings: Vec<ConfigWarning>,
    errors: Vec<ConfigError>,
    seen: HashSet<(Span, String)>,
    path: Vec<String>,
    said_at: BTreeMap<String, (Layer, Span, String)>,
}

impl<'a> Cx<'a> {
    /// Begins, with what parsing found already.
    pub fn new(sources: &'a [Source]) -> Self {
        Self {
            sources,
            layer: Layer::Project,
            outside: None,
            origins: Origins::new(),
            warnings: vec![],
            errors: vec![],
            seen: HashSet::new(),
            path: vec![],
            said_at: BTreeMap::new(),
        }
    }

    /// Adds an error. The same message at the same place counts once: an aliased block is decoded for each alias.
    pub fn error(&mut self, error: ConfigError) {
        if self.seen.insert((error.at, error.message.clone())) {
            self.errors.push(error);
        }
    }

    /// The errors so far, by place.
    pub fn into_errors(self) -> Vec<ConfigError> {
        let mut errors = self.errors;
        errors.sort_by_key(|error| error.at);
        errors
    }

    /// Has nothing gone wrong yet?
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// How many errors there are so far.
    pub fn error_count(&self) -> usize {
        self.errors.len()
    }

    /// Gives later errors a hint if they have none of their own.
    pub fn hint_since(&mut self, count: usize, hint: impl Fn() -> String) {
        for error in self.errors[count..].iter_mut().filter(|error| error.hint.is_none()) {
            error.hint = Some(hint());
        }
    }

    /// Decodes something that lies below a key.
    pub fn below<T>(&mut self, key: &str, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.to_owned());
        let result = inner(self);
        self.path.pop();
        result
    }

    /// Is this the top of a file?
    pub fn is_top(&self) -> bool {
        self.path.is_empty()
    }

    /// Where decoding is, dotted, with one more key.
    pub fn path_to(&self, key: &str) -> String {
        self.path.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".")
    }

    /// Remembers who said the value of a key. Saying it twice in one file, in two spellings, is an error.
    pub fn said(&mut self, key: &str, canonical: Option<&str>, at: Span) {
        let spelled = self.path_to(key);
        let path = canonical.map_or_else(|| spelled.clone(), str::to_owned);
        let files = self.outside.is_none();
        match self.said_at.get(&path) {
            // In one spelling it is twice one key, or two steps of one id: errors of their own.
            Some((layer, earlier, other)) if files && *layer == self.layer && *other != spelled => {
                let error = ConfigError::new(at, format!("`{path}` is set twice, in two spellings"));
                self.error(error.related(*earlier, "first here").hint("keep one of them"));
            }
            _ => {
                self.said_at.insert(path.clone(), (self.layer, at, spelled.clone()));
            }
        }
        let origin = self.outside.clone().unwrap_or(Origin::File(self.layer, at));
        let through = (path != spelled).then_some(spelled);
        self.origins.insert(path, Said { origin, through });
    }

    /// Remembers that one value follows from another key.
    pub fn follows(&mut self, path: String, at: Span, through: &str) {
        let origin = Origin::File(Layer::Project, at);
        self.origins.insert(path, Said { origin, through: Some(through.to_owned()) });
    }

    /// The place of a part of a scalar, if the scalar is written without escapes; else all of it.
    pub fn inside(&self, scalar: &Spanned<String>, part: std::ops::Range<usize>) -> Span {
        let at = scalar.at;
        let source = self.sources.get(usize::from(at.source)).map_or("", |source| source.text.as_str());
        let written = source.get(at.start as usize..at.end as usize).unwrap_or("");
        let quote = u32::from(written.starts_with(['"', '\'']));
        let body = written.get(quote as usize..).unwrap_or("");
        if !body.starts_with(&scalar.value) || scalar.value.contains('\n') {
            return at;
        }
        let start = at.start + quote + part.start as u32;
        let column = at.column + quote + scalar.value[..part.start].chars().count() as u32;
        Span { start, end: at.start + quote + part.end as u32, column, ..at }
    }
}
