//! Where a run is made. Pure.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a run is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// By a person or a program on a machine.
    Local,
    /// By a git hook.
    Hook,
    /// By a CI service.
    Ci,
    /// Nobody said: logs of before this was written do not.
    #[default]
    Unknown,
}

impl Place {
    /// Does nobody say?
    pub fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Hook => "in a hook",
            Self::Ci => "in CI",
            Self::Unknown => "somewhere",
        })
    }
}
