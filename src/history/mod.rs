//! What is remembered between runs: event logs, the facts they leave, and who holds a worktree.
//!
//! `runs/<id>/events.jsonl` is the truth. When a run is pruned, its facts move to `facts/*.jsonl`, which are the truth
//! from then on. Everything else in the folder can be deleted and comes back. Does not know: plans, steps, terminals.

mod block;
mod circumstances;
pub mod cycles;
pub mod db;
mod facts;
mod known;
pub mod learned;
pub mod lock;
mod log;
pub mod memo;
mod open;
mod prune;
mod read;
mod recorded;
mod runs;
#[cfg(test)]
mod samples;
mod state;
mod tail;
mod verdicts;

pub use circumstances::circumstances_of;
pub use facts::{AttemptFact, ProvenFact, Row, RunFacts};
pub use known::durations;
pub use learned::{Learned, LearnedError};
pub use log::LogWriter;
pub use prune::{Limits, Pruned, clean_all, prune, prune_after_a_run, would_prune};
pub use read::{LogError, LogReader, read_head, read_log};
pub use recorded::{Recorded, RecordedRun};
pub use runs::{ResolveError, RunRef, new_run_id, next_run_id, resolve_run, runs};
pub use state::{ChosenBy, FORMAT, StateDir, StateError};
pub use tail::LogTail;
pub use verdicts::{Told, verdicts};
