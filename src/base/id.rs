//! Names of steps and runs. Pure.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A step's name: `build`, or `build@services/api` for an instance of a step that has `for_each`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(Arc<str>);

/// Why a text is no step id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a step id: use 1 to 64 letters, digits, `_`, `.` or `-`, starting with a letter or digit")]
pub struct IdError(pub String);

impl StepId {
    /// Checks a step id as people write it in a configuration (no instance part).
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let mut chars = text.chars();
        let head = chars.next().is_some_and(|c| c.is_ascii_alphanumeric());
        let tail = chars.all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
        if head && tail && text.len() <= 64 { Ok(Self(text.into())) } else { Err(IdError(text.into())) }
    }

    /// The instance of this step for one folder.
    pub fn instance(&self, folder: &super::RepoPath) -> Self {
        Self(format!("{}@{folder}", self.0).into())
    }

    /// The step without its instance part.
    pub fn template(&self) -> &str {
        self.0.split_once('@').map_or(&*self.0, |(template, _)| template)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name for files of this step: readable, without separators, unique by a short digest when it had to change.
    pub fn file_stem(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if self.0.chars().all(plain) && self.0.len() <= 64 && !self.0.chars().any(|c| c.is_ascii_uppercase()) {
            return self.0.to_string();
        }
        let escaped: String = self.0.chars().map(|c| if plain(c) { c } else { '_' }).take(64).collect();
        format!("{escaped}-{}", &super::Digest::of_bytes(self.0.as_bytes()).short()[..8])
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A run's name: a UUID of version 7, so that names sort by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl RunId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::RepoPath;

    #[test]
    fn ids_are_checked_and_instances_named() {
        assert!(StepId::parse("unit-tests.fast_1").is_ok());
        for bad in ["", "-x", "a b", "é", "a/b", "a@b", &"x".repeat(65)] {
            assert!(StepId::parse(bad).is_err(), "{bad}");
        }
        let instance = StepId::parse("build").unwrap().instance(&RepoPath::from("services/api"));
        assert_eq!((instance.as_str(), instance.template()), ("build@services/api", "build"));
    }

    #[test]
    fn file_stems_never_collide_on_case_or_separators() {
        let stem = |s: &str| StepId(s.into()).file_stem();
        assert_eq!(stem("build"), "build");
        assert_ne!(stem("build@a/b"), stem("build@a_b"));
        assert_ne!(stem("Build").to_lowercase(), stem("build"));
        assert!(!stem("build@../x").contains('/'));
    }
}
