//! Runs one attempt of a step and says how it ended.
//!
//! Does not know: plans, needs, retries, other steps. Every child is spawned through the guard, so that none outlives wf.

mod attempt;
mod capture;
mod client;
mod executor;
pub mod guard;
pub mod job;
mod lookup;
pub mod mask;
mod output;
mod phase;
pub mod probe;
pub mod secret;
mod tail;
mod watchdog;

pub use client::start_ahead;
pub use executor::{Executor, Setup};
pub use job::{Ended, Job, OutputSink, Progress, RunStep, StopHow, StopSignal, Variable};
