//! What is strange about how a step ended: far from what was expected, broken though it was reliable, or slower since
//! a run. Pure.
//!
//! It judges numbers that are handed in, each time on its own. Does not know: where they come from, what was told
//! before.

use crate::base::{Millis, RunId, duration};
use crate::event::Interval;
use std::fmt::Write as _;

/// A duration is far out if it is so many half-widths of its interval away, on the log scale. The interval holds four
/// of five, so that a half-width is 1.28 standard deviations, and this is 3.8 of them: 1 in 10,000 if durations are
/// log-normal.
const FAR: f64 = 3.0;
/// No interval is taken to be narrower than this ratio on either side, nor a difference told that is shorter than this.
const NARROW: f64 = 1.1;
const SHORT_MS: Millis = 1_000;
/// An interval from fewer passes says too little.
const FEW: usize = 10;
/// A step is reliable with so many passes and no failure in so many of its last verdicts.
const RELIABLE: usize = 20;
const LATELY: usize = 50;
/// And, where only a prediction is at hand, if that failure was no likelier, in thousandths: a failure that ten passes
/// follow is nearly forgotten there.
const UNLIKELY_MILLI: u32 = 50;
/// A change is looked for in so many of the newest passes.
const WINDOW: usize = 40;
/// A series is so unlike itself by chance in this share of cases at most. A step is looked at after each of its runs:
/// of steps that do not change 2 in 100 alarm within 200 runs, and 17 in 100 would at 0.01; a change by half is seen
/// after 10 to 15.
const CHANCE: f64 = 0.001;
/// A smaller change of the middle duration is not worth telling, as a ratio.
const CHANGE: f64 = 1.2;

/// What kind of strange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It took far longer, or was far quicker, than expected.
    Duration,
    /// It failed, and had not for long.
    Failure,
    /// It takes longer, or less, since a run.
    Change,
}

impl Kind {
    /// One word, as it is kept.
    pub fn word(self) -> &'static str {
        match self {
            Self::Duration => "duration",
            Self::Failure => "new-failure",
            Self::Change => "change",
        }
    }
}

/// One verdict on a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// In which run.
    pub run: RunId,
    /// The commit of that, if it is known.
    pub commit: Option<String>,
    /// How long it took.
    pub wall_ms: Millis,
    /// Did it pass?
    pub passed: bool,
}

/// Something strange.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Which of the verdicts, by position; of a change, the first after it.
    pub at: usize,
    /// What kind.
    pub kind: Kind,
    /// For people.
    pub message: String,
}

/// How a duration differs from what was expected, if it does so by far: for people.
pub fn far_out(expected: &Interval, took_ms: Millis) -> Option<String> {
    let ms = expected.ms.max(1) as f64;
    let half = |end: f64| end.max(NARROW).ln();
    let (ratio, half) = if took_ms >= expected.ms {
        (took_ms as f64 / ms, half(expected.high_ms as f64 / ms))
    } else {
        (ms / took_ms.max(1) as f64, half(ms / expected.low_ms.max(1) as f64))
    };
    let is_far = ratio.ln() > FAR * half && took_ms.abs_diff(expected.ms) >= SHORT_MS;
    let (low, high) = (duration::human(expected.low_ms), duration::human(expected.high_ms));
    is_far.then(|| {
        let (took, ms) = (duration::human(took_ms), duration::human(expected.ms));
        format!("took {took} instead of {ms} (four of five lie between {low} and {high})")
    })
}

/// The same of an expectation that is made of this many passes. None: they are too few.
pub fn far_from(expected: &Interval, samples: u32, took_ms: Millis) -> Option<String> {
    far_out(expected, took_ms).filter(|_| samples as usize >= FEW)
}

/// That a step failed which was reliable, if all that is known is a prediction: from how many passes, how likely a
/// failure was (in thousandths).
pub fn unlikely_failure(samples: u32, risk_milli: u32) -> Option<String> {
    let is_new = samples as usize >= RELIABLE && risk_milli <= UNLIKELY_MILLI;
    is_new.then(|| format!("failed, after {samples} passes; that was likely to {:.1} %", f64::from(risk_milli) / 10.0))
}

/// All that is strange about the verdicts from `from` on, each seen against those before it; oldest first in, oldest
/// first out. A change that shows in the newest of them may have begun before `from`.
pub fn judge(series: &[Ended], from: usize) -> Vec<Found> {
    let mut found = Vec::new();
    for (at, ended) in series.iter().enumerate().skip(from) {
        let before = &series[at.saturating_sub(LATELY)..at];
        let message = if ended.passed {
            usual(before).and_then(|usual| far_out(&usual, ended.wall_ms)).map(|told| (Kind::Duration, told))
        } else {
            let reliable = before.len() >= RELIABLE && before.iter().all(|ended| ended.passed);
            reliable.then(|| (Kind::Failure, format!("failed, after {} passes in a row", before.len())))
        };
        found.extend(message.map(|(kind, message)| Found { at, kind, message }));
    }
    if from < series.len() {
        found.extend(change(series));
    }
    found.sort_by_key(|found| found.at);
    found
}

/// What a step usually takes: the middle and the outer tenths of its passes.
fn usual(before: &[Ended]) -> Option<Interval> {
    let mut passes: Vec<Millis> = before.iter().filter(|ended| ended.passed).map(|ended| ended.wall_ms).collect();
    passes.sort_unstable();
    let at = |tenths: usize| passes[(passes.len() - 1) * tenths / 10];
    (passes.len() >= FEW).then(|| Interval { ms: at(5), low_ms: at(1), high_ms: at(9) })
}

/// Since when the newest passes take longer or less than those before, if they do.
fn change(series: &[Ended]) -> Option<Found> {
    let passes: Vec<usize> = (0..series.len()).filter(|at| series[*at].passed).collect();
    let window = &passes[passes.len().saturating_sub(WINDOW)..];
    let took: Vec<Millis> = window.iter().map(|at| series[*at].wall_ms).collect();
    let split = change_point(&took)?;
    let middle = |part: &[Millis]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2]
    };
    let (before, after) = (middle(&took[..split]), middle(&took[split..]));
    let ratio = after.max(before).max(1) as f64 / after.min(before).max(1) as f64;
    if ratio < CHANGE || after.abs_diff(before) < SHORT_MS {
        return None;
    }
    let (last, first) = (&series[window[split - 1]], &series[window[split]]);
    let mut message = format!(
        "takes {} instead of {} since run {} ({} passes before, {} since)",
        duration::human(after),
        duration::human(before),
        first.run,
        split,
        took.len() - split
    );
    match (&last.commit, &first.commit) {
        (Some(a), Some(b)) if a == b => {
            let _ = write!(message, "; both sides are commit {}, so that the cause is outside of it", short(b));
        }
        (Some(a), Some(b)) => {
            let _ = write!(message, "; look at the commits {}..{}", short(a), short(b));
        }
        _ => {}
    }
    Some(Found { at: window[split], kind: Kind::Change, message })
}

fn short(commit: &str) -> String {
    commit.chars().take(10).collect()
}

/// Where a series changes its level, if it does: how many values stand before. Pettitt's test (A. N. Pettitt, "A
/// non-parametric approach to the change-point problem", Applied Statistics 28, 1979): the split whose two sides
/// differ most by the Mann–Whitney statistic, and an approximation of how likely that is by chance. Outliers do not
/// move it.
fn change_point(took: &[Millis]) -> Option<usize> {
    let n = took.len() as f64;
    let mut statistic = 0_i64;
    let mut best = (0_i64, 0);
    for (at, value) in took.iter().enumerate() {
        statistic += took.iter().map(|other| value.cmp(other) as i64).sum::<i64>();
        if statistic.abs() > best.0 {
            best = (statistic.abs(), at + 1);
        }
    }
    let (k, split) = (best.0 as f64, best.1);
    let chance = 2.0 * (-6.0 * k * k / (n.powi(3) + n.powi(2))).exp();
    (chance < CHANCE && split < took.len()).then_some(split)
}

#[cfg(test)]
#[path = "anomaly_tests.rs"]
mod tests;
