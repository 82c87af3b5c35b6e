//! What is remembered of one step: rates that forget, the last verdicts, what was changed when it broke. Pure.
//!
//! Does not know: other steps, probabilities.

use super::link::{Links, Trait};
use super::{DECAY, Rate, Reason, Verdict};
use crate::predict::Circumstances;
use serde::{Deserialize, Serialize};

/// How many of the last verdicts are told to people.
const TOLD: u32 = 10;

/// One step's past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Of its verdicts.
    pub all: Rate,
    /// Of its verdicts when it had passed the last time, or was new.
    pub fresh: Rate,
    /// Flaky verdicts among all.
    pub flaky: Rate,
    /// With what it broke.
    pub links: Links,
    /// Failures in a row up to now.
    pub failing: u32,
    /// The last verdicts, a bit each, the latest lowest: 1 failed.
    last: u16,
    /// How many verdicts were learned.
    ran: u32,
    /// The run that had the latest of them.
    pub seen: u64,
}

impl Memory {
    /// One more verdict.
    pub fn learn(&mut self, verdict: Verdict, circumstances: &Circumstances) {
        let failed = verdict == Verdict::Failed;
        self.all.add(failed, DECAY);
        self.flaky.add(verdict == Verdict::Flaky, DECAY);
        if self.failing == 0 {
            self.fresh.add(failed, DECAY);
            if failed {
                self.links.add(circumstances);
            }
        }
        self.failing = if failed { self.failing.saturating_add(1) } else { 0 };
        self.last = self.last << 1 | u16::from(failed);
        self.ran = self.ran.saturating_add(1);
    }

    /// What people should know, strongest first.
    pub fn reasons(&self, link: Option<Trait>) -> Vec<Reason> {
        let of = self.ran.min(TOLD);
        let failed = (u32::from(self.last) & ((1 << of) - 1)).count_ones();
        let mut why = Vec::new();
        if self.failing > 0 {
            why.push(Reason::Failing { runs: self.failing });
        }
        why.extend(link.map(Reason::Changed));
        if failed > self.failing {
            why.push(Reason::Failed { times: failed, of });
        }
        if self.flaky.failed >= 1.0 - DECAY {
            why.push(Reason::Flaky);
        }
        if self.ran < TOLD {
            why.push(Reason::Young { runs: self.ran });
        }
        why
    }
}
