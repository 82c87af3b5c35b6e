//! How attempts and runs end. Pure.

use crate::base::{Millis, duration};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How one attempt of a step ended. A failed child is a value, never an `Err`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Outcome {
    /// Exit code 0.
    Passed,
    /// Another exit code.
    Failed {
        /// The code, 1 to 255.
        code: i32,
    },
    /// A signal that wf did not send ended it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// It ran past its `timeout`.
    TimedOut {
        /// The limit.
        after_ms: Millis,
    },
    /// It neither printed nor computed for `idle_timeout`.
    Idle {
        /// The limit.
        after_ms: Millis,
    },
    /// It used more memory than it claims, and `enforce` is set.
    OutOfMemory {
        /// What it used when it was stopped.
        used_bytes: u64,
        /// What it claims.
        limit_bytes: u64,
    },
    /// wf stopped it: an interrupt, or `--fail-fast=kill`.
    Stopped,
    /// An AI step got no answer: the service is out of reach, refuses, or may not be asked.
    Unanswered,
    /// It could not be started.
    NotStarted {
        /// Why.
        message: String,
    },
}

/// The kinds of outcome that `retries.on` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// A non-zero exit code.
    Failure,
    /// A signal.
    Signal,
    /// `timeout` or `idle_timeout`.
    Timeout,
    /// Out of memory.
    Memory,
    /// It could not be started.
    Spawn,
}

impl Outcome {
    /// Did it pass?
    pub fn passed(&self) -> bool {
        matches!(self, Self::Passed)
    }

    /// Its kind of failure; none for a pass, nor for a step that wf stopped on purpose.
    pub fn kind(&self) -> Option<OutcomeKind> {
        match self {
            Self::Passed | Self::Stopped => None,
            Self::Failed { .. } | Self::Unanswered => Some(OutcomeKind::Failure),
            Self::Signalled { .. } => Some(OutcomeKind::Signal),
            Self::TimedOut { .. } | Self::Idle { .. } => Some(OutcomeKind::Timeout),
            Self::OutOfMemory { .. } => Some(OutcomeKind::Memory),
            Self::NotStarted { .. } => Some(OutcomeKind::Spawn),
        }
    }

    /// Is it a verdict on the step itself? Only a normal exit is.
    pub fn is_verdict(&self) -> bool {
        matches!(self, Self::Passed | Self::Failed { .. })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => write!(f, "passed"),
            Self::Failed { code } => write!(f, "failed with exit code {code}"),
            Self::Signalled { signal } => write!(f, "ended by signal {signal}"),
            Self::TimedOut { after_ms } => write!(f, "timed out after {}", duration::human(*after_ms)),
            Self::Idle { after_ms } => write!(f, "no output and no work for {}", duration::human(*after_ms)),
            Self::OutOfMemory { used_bytes, limit_bytes } => {
                write!(f, "used {} MiB of memory, over its claim of {} MiB", used_bytes >> 20, limit_bytes >> 20)
            }
            Self::Stopped => write!(f, "stopped"),
            Self::Unanswered => write!(f, "no answer from the model"),
            Self::NotStarted { message } => write!(f, "not started: {message}"),
        }
    }
}

/// How strongly a step is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopHow {
    /// SIGTERM to the whole group, and after the grace period SIGKILL.
    Gently,
    /// SIGKILL to the whole group.
    Now,
}

/// What an attempt used, from the operating system's own accounting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time of the step and all it waited for.
    pub cpu_ms: u64,
    /// The largest resident set of any of its processes.
    pub memory_bytes: u64,
    /// Bytes read from and written to disk.
    pub disk_bytes: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Everything that ran passed (or was allowed to fail).
    Passed,
    /// A step failed.
    Failed,
    /// A signal stopped it.
    Interrupted,
    /// wf itself could not go on (disk, log, `--strict`).
    Broken,
}
