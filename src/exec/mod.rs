//! Runs one attempt of a step and says how it ended.
//!
//! Does not know: plans, needs, retries, other steps. Every child is spawned through the guard, so that none outlives wf.

pub mod job;

pub use job::{Ended, Job, OutputSink, Progress, RunStep, StopHow, StopSignal};
