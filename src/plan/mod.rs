//! Workflow, change and knowledge become a plan: what runs, what is skipped, and why. Pure.

mod request;

pub use request::{BaseRef, Filter, RunRequest};
