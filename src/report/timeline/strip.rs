//! Resources of a whole run over time, from the samples of its steps. Pure.

use super::super::view::{RunView, Sample};
use crate::base::Millis;

/// Columns of the strip.
const COLUMNS: usize = 240;

/// All steps together, in equal columns of time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Strip {
    /// Percent of one processor.
    pub cpu: Vec<f64>,
    /// Bytes resident.
    pub memory: Vec<f64>,
    /// Bytes per second.
    pub disk: Vec<f64>,
}

/// The largest value.
pub(super) fn peak(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

impl Strip {
    /// None when nothing was sampled.
    pub fn of(view: &RunView, end_ms: Millis) -> Option<Self> {
        let zeros = || vec![0.0; COLUMNS];
        let mut strip = Self { cpu: zeros(), memory: zeros(), disk: zeros() };
        let mut any = false;
        let column = |at: Millis| ((at as f64 / end_ms as f64) * COLUMNS as f64) as usize;
        for step in &view.steps {
            for pair in step.samples.windows(2) {
                let [before, now] = pair else { continue };
                if now.at_ms <= before.at_ms {
                    continue;
                }
                any = true;
                let seconds = (now.at_ms - before.at_ms) as f64 / 1_000.0;
                let rate = |of: fn(&Sample) -> u64| of(now).checked_sub(of(before)).unwrap_or(of(now)) as f64 / seconds;
                let (from, to) = (column(before.at_ms).min(COLUMNS), column(now.at_ms).min(COLUMNS));
                for at in from..to {
                    strip.cpu[at] += rate(|s| s.cpu_ms) / 10.0;
                    strip.disk[at] += rate(|s| s.disk_bytes);
                    strip.memory[at] += before.memory_bytes.max(now.memory_bytes) as f64;
                }
            }
        }
        any.then_some(strip)
    }
}
