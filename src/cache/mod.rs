//! Results by content: digests of files, entries, the local store, gathering and restoring outputs.
//!
//! Does not know: plans, schedules, processes, git. Keys are handed in; what is served or stored is decided by who asks.
//! Everything read back is hostile until it is verified.

pub mod entry;

pub use entry::{Entry, Output, OutputKind, Pass};
