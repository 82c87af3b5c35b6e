//! How long a run will take, with what is not known about its steps. Pure.
//!
//! The run is rehearsed a number of times, each with other durations out of the steps' own intervals, and the quantiles of
//! its end are its interval (Monte Carlo, as PERT simulation does it: R. M. Van Slyke, 1963).

use super::chance::Chance;
use super::list::{self, Job};
use crate::event::Interval;

/// So many jobs are scheduled in all, so that the picture of a run can ask again and again.
const BUDGET: usize = 4_000;
/// Rehearsals: quantiles of fewer mean nothing, more add nothing.
const TIMES: (usize, usize) = (11, 51);
/// An interval holds four of five: its ends are so many standard deviations away.
const Z80: f64 = 1.281_551_565_545;
/// How much of what makes steps slow or quick they have in common (the machine, the network), as a share of the variance.
const COMMON: f64 = 0.5;

/// When the last job ends, if `spans` says how long each takes and more urgent ones start first. None: less than half of
/// them are known. What is not known takes as long as the middle one of those that are.
pub fn forecast(jobs: &[Job], spans: &[Option<Interval>], slots: u32, urgency: &[u64]) -> Option<Interval> {
    let mut known: Vec<Interval> = spans.iter().flatten().copied().collect();
    if known.len() * 2 < jobs.len() || known.is_empty() {
        return None;
    }
    known.sort_unstable_by_key(|span| span.ms);
    let middle = known[known.len() / 2];
    let spans: Vec<Interval> = spans.iter().map(|span| span.unwrap_or(middle)).collect();
    let mut rehearsed = jobs.to_vec();
    let mut end = |ms: &mut dyn FnMut(&Interval) -> u64| {
        rehearsed.iter_mut().zip(&spans).for_each(|(job, span)| job.ms = ms(span));
        list::schedule(&rehearsed, slots, urgency).makespan
    };
    let likely = end(&mut |span| span.ms);
    let mut chance = Chance::new(1);
    let times = (BUDGET / jobs.len()).clamp(TIMES.0, TIMES.1);
    let mut ends: Vec<u64> = (0..times)
        .map(|_| {
            let common = chance.normal();
            end(&mut |span| drawn(span, COMMON.sqrt() * common + (1.0 - COMMON).sqrt() * chance.normal()))
        })
        .collect();
    ends.sort_unstable();
    let (low, high) = (ends[times / 10], ends[times - 1 - times / 10]);
    Some(Interval { ms: likely, low_ms: low.min(likely), high_ms: high.max(likely) })
}

/// A duration so many standard deviations from the likely one, on the log scale, each side by its own end.
fn drawn(span: &Interval, z: f64) -> u64 {
    let ms = span.ms.max(1) as f64;
    let side = if z < 0.0 { span.low_ms } else { span.high_ms }.max(1) as f64;
    (ms * (side / ms).powf(z.abs() / Z80)) as u64
}

#[cfg(test)]
mod tests {
    use super::super::list::samples::jobs;
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "a span that is known, where one may not be")]
    fn span(ms: u64, low_ms: u64, high_ms: u64) -> Option<Interval> {
        Some(Interval { ms, low_ms, high_ms })
    }

    #[test]
    fn what_is_sure_has_no_width_and_what_is_not_has_some() {
        let chain = jobs(&[(&[], 0), (&[0], 0), (&[], 0)]);
        let sure = [span(10, 10, 10), span(20, 20, 20), span(5, 5, 5)];
        assert_eq!(forecast(&chain, &sure, 2_000, &[3, 2, 1]), span(30, 30, 30));
        assert_eq!(forecast(&chain, &sure, 1_000, &[3, 2, 1]), span(35, 35, 35));
        let vague = [span(1_000, 500, 2_000), span(2_000, 1_000, 4_000), span(50, 50, 50)];
        let found = forecast(&chain, &vague, 2_000, &[3, 2, 1]).unwrap();
        assert_eq!(found.ms, 3_000);
        assert!((1_500..2_600).contains(&found.low_ms) && (3_500..6_000).contains(&found.high_ms), "{found:?}");
    }

    #[test]
    fn too_little_is_known_for_a_guess_and_a_gap_is_filled_from_the_middle() {
        let two = jobs(&[(&[], 0), (&[0], 0), (&[1], 0)]);
        assert_eq!(forecast(&two, &[span(1, 1, 1), None, None], 1_000, &[1, 1, 1]), None);
        assert_eq!(forecast(&two, &[span(4, 4, 4), None, span(6, 6, 6)], 1_000, &[1, 1, 1]), span(16, 16, 16));
        assert_eq!(forecast(&[], &[], 1_000, &[]), None);
    }
}
