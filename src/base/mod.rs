//! Words that every other module speaks: ids, paths, globs, digests, spans, durations. Pure.
//!
//! Does not know: steps, git, files, clocks.

pub mod digest;
pub mod duration;
pub mod glob;
pub mod id;
pub mod path;
mod shape;
pub mod span;
pub mod suggest;

pub use digest::{BlobRef, Digest};
pub use duration::Millis;
pub use glob::{GlobError, GlobSet};
pub use id::{IdError, RunId, StepId};
pub use path::RepoPath;
pub use span::{Span, Spanned};
