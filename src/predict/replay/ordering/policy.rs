//! The orders that wf's is measured against. Pure.
//!
//! Each is a number for an item, from its earlier verdicts and its predicted seconds; the largest runs first. Does not
//! know: how good an order is, what will happen.

/// Forgetting of the simple averages, as in the published comparisons.
const SMOOTHING: f64 = 0.3;

/// By what items are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// wf's own ([`crate::predict::failures::index`]).
    Wf,
    /// By chance.
    Random,
    /// Those that failed most recently first.
    LastFailure,
    /// By the rate of failures with a weak prior.
    Laplace,
    /// By an exponentially weighted average of failures.
    Ewma,
    /// The same for each predicted second.
    EwmaPerSecond,
    /// The rate for each predicted second.
    LaplacePerSecond,
    /// What fails first, the shortest first: no order is better.
    Oracle,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Wf,
        Self::Random,
        Self::LastFailure,
        Self::Laplace,
        Self::Ewma,
        Self::EwmaPerSecond,
        Self::LaplacePerSecond,
        Self::Oracle,
    ];

    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::LastFailure => "recency of last failure",
            Self::Laplace => "failure rate (Laplace)",
            Self::Ewma => "EWMA failures (0.3)",
            Self::EwmaPerSecond => "EWMA(0.3)/duration",
            Self::LaplacePerSecond => "Laplace rate/duration",
            Self::Wf => "wf",
            Self::Oracle => "oracle",
        }
    }
}

/// What the simple orders know of an item.
#[derive(Clone, Copy, Debug, Default)]
pub struct Past {
    /// It failed the last time.
    pub red: bool,
    /// Average of its seconds; none before it ran.
    pub seconds: Option<f64>,
    runs: f64,
    failures: f64,
    average: f64,
    last_failure: Option<usize>,
}

impl Past {
    /// One more verdict, of this cycle.
    pub fn learn(&mut self, cycle: usize, failed: bool, seconds: f64) {
        let x = f64::from(u8::from(failed));
        self.seconds = Some(self.seconds.map_or(seconds, |average| average + SMOOTHING * (seconds - average)));
        self.average += SMOOTHING * (x - self.average);
        self.failures += x;
        self.runs += 1.0;
        self.red = failed;
        if failed {
            self.last_failure = Some(cycle);
        }
    }

    /// Failures among runs. The prior of one failure in two runs weighs so little that it decides only where nothing
    /// else does; the numbers are those that reproduce the published table.
    fn laplace(&self) -> f64 {
        (self.failures + 0.01) / (self.runs + 0.02)
    }

    /// The average; unknown items are taken for ones that fail every fifth time, and nothing for one that never does.
    fn ewma(&self) -> f64 {
        0.001 + if self.runs > 0.0 { self.average } else { 0.2 }
    }

    /// The number of a simple order; zero for the others.
    pub fn value(&self, policy: Policy, cycle: usize, seconds: f64) -> f64 {
        match policy {
            Policy::Random | Policy::Wf | Policy::Oracle => 0.0,
            Policy::LastFailure => self.last_failure.map_or(0.0, |last| 1.0 / (cycle - last) as f64),
            Policy::Laplace => self.laplace(),
            Policy::Ewma => self.average,
            Policy::EwmaPerSecond => self.ewma() / seconds,
            Policy::LaplacePerSecond => self.laplace() / seconds,
        }
    }
}
