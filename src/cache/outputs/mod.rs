//! What steps make: gathered after a run, put back on a hit, old ones removed before a run.
//!
//! An entry is hostile until [`check()`] let it pass, and the working tree may change under our hands: every path is opened
//! below the root without following a symlink ([`beneath`]), files appear whole under their names ([`mod@write`]), and a file
//! that wf did not make is kept before it is replaced ([`crate::cache::kept`]).

pub mod beneath;
pub mod check;
mod collect;
mod list;
mod look;
mod place;
mod restore;
mod stale;
pub mod write;

pub use beneath::Beneath;
pub use check::{Refused, check};
pub use collect::{CollectError, Collected, collect};
pub use look::{Known, Nothing, wrong};
pub use place::{Content, Placing, Why};
pub use restore::{Restore, RestoreError, Restored};
pub use stale::{Removed, remove_recorded};

/// Did wf record these bytes as an output of this step at this path? A symlink's bytes are its target; an empty folder
/// has none. See [`crate::cache::OutputKind::content`].
pub type WasRecorded<'a> = dyn Fn(&crate::base::RepoPath, &crate::base::Digest) -> bool + Sync + 'a;
