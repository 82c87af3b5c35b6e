//! How much a cache may keep. Pure.

use crate::base::Millis;
use serde::{Deserialize, Serialize};

/// What a cache may take, and what goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the store and the action index together, as a file system counts them: in blocks.
    pub bytes: u64,
    /// An entry that was not used for so long goes.
    pub age_ms: Millis,
    /// Entries.
    pub entries: usize,
    /// What goes first when there are too many or they are too large.
    pub policy: Policy,
    /// A blob that no entry names stays for so long: a run may be about to name it.
    pub grace_ms: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        let minute = 60_000;
        Self {
            bytes: 4 << 30,
            age_ms: 30 * 24 * 60 * minute,
            entries: 100_000,
            policy: Policy::Lru,
            grace_ms: 10 * minute,
        }
    }
}

/// What goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// What was not used for longest.
    #[default]
    Lru,
    /// What was used least often.
    Lfu,
    /// What was stored first.
    Fifo,
    /// What saves least: seconds saved × probability of reuse, for each byte.
    Value,
}
