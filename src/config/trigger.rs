//! Trigger expressions: `always`, `docs_changes and not high_impact`, `manual or (ci_changes and low_impact)`. Pure.

use super::model::Category;
use serde::Serialize;
use std::fmt;

/// A parsed trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// `always`
    Always,
    /// `manual`: holds only when the stage or step is asked for.
    Manual,
    /// `<category>_changes`: a changed file is in the category.
    Changes(Category),
    /// `high_impact`, `medium_impact`, `low_impact`.
    Impact(Impact),
    /// `not x`
    Not(Box<Trigger>),
    /// `x and y`
    And(Box<Trigger>, Box<Trigger>),
    /// `x or y`
    Or(Box<Trigger>, Box<Trigger>),
}

/// What a trigger may ask of a change: is a file of this category changed, and how far does it reach?
pub type Facts<'a> = (&'a dyn Fn(&str) -> bool, Impact);

/// How far a change reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Impact {
    /// Only documentation, tests or assets.
    Low,
    /// Anything else.
    Medium,
    /// Dependencies, CI, wf's own configuration, or much code.
    High,
}

impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

impl Trigger {
    /// Does it hold? `changes` answers for categories and `impact` for the whole; both are `None` when nothing is known
    /// about the change, and then every question about it is answered with yes, unless the trigger names `manual`: no
    /// fallback ever includes what only a person may start.
    pub fn holds(&self, asked_for: bool, change: Option<Facts<'_>>) -> bool {
        match (asked_for, change) {
            (true, _) => true,
            (false, None) => !self.names_manual(),
            (false, Some((changes, impact))) => self.eval(changes, impact),
        }
    }

    fn eval(&self, changes: &dyn Fn(&str) -> bool, impact: Impact) -> bool {
        match self {
            Self::Always => true,
            Self::Manual => false,
            Self::Changes(category) => changes(category),
            Self::Impact(level) => impact == *level,
            Self::Not(inner) => !inner.eval(changes, impact),
            Self::And(a, b) => a.eval(changes, impact) && b.eval(changes, impact),
            Self::Or(a, b) => a.eval(changes, impact) || b.eval(changes, impact),
        }
    }

    /// Does `manual` stand anywhere in it?
    pub fn names_manual(&self) -> bool {
        match self {
            Self::Manual => true,
            Self::Not(inner) => inner.names_manual(),
            Self::And(a, b) | Self::Or(a, b) => a.names_manual() || b.names_manual(),
            Self::Always | Self::Changes(_) | Self::Impact(_) => false,
        }
    }

    /// Every category it asks about.
    pub fn categories(&self) -> Vec<&Category> {
        match self {
            Self::Changes(category) => vec![category],
            Self::Not(inner) => inner.categories(),
            Self::And(a, b) | Self::Or(a, b) => [a.categories(), b.categories()].concat(),
            Self::Always | Self::Manual | Self::Impact(_) => vec![],
        }
    }
}

/// Printed so that it parses back to the same trigger.
impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => write!(f, "always"),
            Self::Manual => write!(f, "manual"),
            Self::Changes(category) => write!(f, "{category}_changes"),
            Self::Impact(level) => write!(f, "{level}_impact"),
            Self::Not(inner) if matches!(**inner, Self::And(..) | Self::Or(..)) => write!(f, "not ({inner})"),
            Self::Not(inner) => write!(f, "not {inner}"),
            Self::And(a, b) => {
                let side = |f: &mut fmt::Formatter<'_>, t: &Trigger, right: bool| {
                    let wrap = matches!(t, Self::Or(..)) || (right && matches!(t, Self::And(..)));
                    if wrap { write!(f, "({t})") } else { write!(f, "{t}") }
                };
                side(f, a, false)?;
                write!(f, " and ")?;
                side(f, b, true)
            }
            Self::Or(a, b) if matches!(**b, Self::Or(..)) => write!(f, "{a} or ({b})"),
            Self::Or(a, b) => write!(f, "{a} or {b}"),
        }
    }
}

impl Serialize for Trigger {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
