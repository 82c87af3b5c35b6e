//! Resolved steps and the order between them. Pure.

mod order;
mod step;

pub use order::{GraphError, StepGraph};
pub use step::{Edge, Inputs, Step};
