//! The one place where a run reads the time.

use crate::base::Millis;
use std::time::{Duration, Instant};

/// A run's clock: milliseconds since it began, never going back, whatever happens to the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        Self { began: Instant::now() }
    }

    /// Milliseconds since the start.
    pub fn now(self) -> Millis {
        self.began.elapsed().as_millis() as Millis
    }

    /// The instant of a time on this clock, for timers.
    pub fn instant(self, at: Millis) -> Instant {
        self.began + Duration::from_millis(at)
    }

    /// The wall clock: UTC, RFC 3339, milliseconds. Only ever written down, never computed with.
    pub fn utc() -> String {
        format!("{:.3}", jiff::Timestamp::now())
    }
}
