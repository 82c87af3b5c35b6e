//! Results by content: digests of files, entries, the local store, gathering and restoring outputs.
//!
//! Does not know: plans, schedules, processes, git. Keys are handed in; what is served or stored is decided by who asks.
//! Everything read back is hostile until it is verified.

pub mod actions;
pub mod digests;
pub mod entry;
mod evict;
mod file;
pub mod folder;
pub mod kept;
pub mod limits;
pub mod outputs;
pub mod portable;
mod problem;
mod size;
pub mod store;
pub mod sweep;
pub mod tools;
pub mod undo;
pub mod verify;

pub use actions::{Actions, KeyStart, Record, Tally, Uses};
pub use digests::{Digests, Forms};
pub use entry::{Entry, Output, OutputKind, Pass, outputs_digest};
pub use folder::{CachePlace, Folder, cache_place};
pub use limits::{Limits, Policy};
pub use problem::{Problem, Refused};
pub use size::used;
pub use store::{Disk, Layered, ReadOnly, Store, Verified};
