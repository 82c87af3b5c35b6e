//! GitHub's checks: one completed check for each step, under the step's own name, so that a step that did not have to run
//! never leaves a required check waiting.
//!
//! Source: <https://docs.github.com/rest/checks/runs>. Does not know: how steps run. A name, a message and what a step printed
//! are hostile; they travel as JSON alone.

mod api;
mod check;

pub use api::{Api, ApiError, Missing};
pub use check::{Check, Conclusion, checks};
