//! What a step used over time, from its samples: rates, peaks, and small pictures of them. Pure.

use super::view::Sample;

/// One quantity over time, oldest first, and its peak.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// One value per sample.
    pub values: Vec<u64>,
}

/// What is known of a step over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Curves {
    /// Percent of one processor.
    pub cpu: Series,
    /// Bytes resident.
    pub memory: Series,
    /// Bytes read and written per second.
    pub disk: Series,
}

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Curves {
    /// From samples of totals: what is a sum so far becomes a rate. A new attempt starts its sums again at 0.
    pub fn of(samples: &[Sample]) -> Self {
        let mut curves = Self::default();
        let mut before: Option<&Sample> = None;
        for sample in samples {
            let since = before.map_or(0, |b| sample.at_ms.saturating_sub(b.at_ms));
            let rate = |now: u64, then: u64, per: u64| {
                let grown = now.checked_sub(then).unwrap_or(now);
                grown.saturating_mul(per).checked_div(since).unwrap_or(0)
            };
            // The first sample has no beginning to measure from.
            if let Some(before) = before {
                curves.cpu.values.push(rate(sample.cpu_ms, before.cpu_ms, 100));
                curves.disk.values.push(rate(sample.disk_bytes, before.disk_bytes, 1_000));
            }
            curves.memory.values.push(sample.memory_bytes);
            before = Some(sample);
        }
        curves
    }
}

impl Series {
    /// The largest value.
    pub fn peak(&self) -> u64 {
        self.values.iter().copied().max().unwrap_or(0)
    }

    /// As many values as there are columns; of those that share one, the largest.
    pub fn columns(&self, most: usize) -> Vec<u64> {
        let n = self.values.len();
        if n <= most {
            return self.values.clone();
        }
        (0..most).map(|i| self.values[i * n / most..(i + 1) * n / most].iter().copied().max().unwrap_or(0)).collect()
    }

    /// A line of bars.
    pub fn spark(&self, most: usize) -> String {
        let peak = self.peak().max(1);
        let level = |value: u64| LEVELS[(u128::from(value) * 7 / u128::from(peak)) as usize];
        self.columns(most).into_iter().map(level).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_ms: u64, cpu_ms: u64, memory_bytes: u64) -> Sample {
        Sample { at_ms, cpu_ms, memory_bytes, disk_bytes: cpu_ms * 10 }
    }

    #[test]
    fn sums_become_rates() {
        let curves =
            Curves::of(&[sample(0, 0, 10), sample(1_000, 500, 80), sample(2_000, 2_500, 40), sample(3_000, 100, 0)]);
        assert_eq!(curves.cpu.values, [50, 200, 10]);
        assert_eq!(curves.disk.values, [5_000, 20_000, 1_000]);
        assert_eq!((curves.memory.peak(), curves.memory.spark(10)), (80, "▁█▄▁".into()));
        assert_eq!(curves.memory.columns(2), [80, 40]);
        // Samples of the same moment, or of a clock that a forged log turned back.
        assert_eq!(Curves::of(&[sample(5, 1, 1), sample(5, 9, 1), sample(1, u64::MAX / 100, 1)]).cpu.values, [0, 0]);
        assert_eq!(Series::default().spark(5), "");
    }
}
