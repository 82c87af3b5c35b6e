//! The imperative shell round the scheduler: prepare, loop, finish. The only async loop of wf.
//!
//! Knows: where git, the log, processes and sinks are. Does not know: clap, argv, exit codes; and it decides nothing that
//! `plan` and `schedule` decide.

mod base;
mod based;
mod change;
mod clock;
mod expect;
mod job;
mod manifests;
mod outlined;
mod outlook;
mod prepare;
pub mod reuse;
mod run;
mod telling;

pub use change::fallback;
pub use clock::Clock;
pub use job::inherited;
pub use outlined::Outlined;
pub use outlook::Outlook;
pub use prepare::{Inputs, PrepareError, Prepared, base_commit, changed_lists, committed, prepare, walk};
pub use run::{Finished, LookUp, Run, Sinks, circumstances, noticed, run};
