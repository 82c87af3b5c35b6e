//! What the picture of predictions shows: dots, a band and two curves. Pure.

use crate::predict::durations::{EXPERTS, Expert};
use crate::predict::replay::score::{Score, Scored};
use std::collections::BTreeMap;

/// More dots than this are a blot, and a file that nobody opens: the newest are shown.
const DOTS: usize = 4_000;
/// Nothing shorter is shown apart, in seconds: the resolution of what is recorded.
const SHORTEST: f64 = 0.001;
/// So many steps of the band make a factor of ten.
const BINS: f64 = 5.0;
/// A curve has no more points than this.
const POINTS: usize = 40;
/// The room above the curves, which the legend takes: a third of their height.
const ROOM: f64 = 1.35;

/// One step of the band, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bin {
    /// What was predicted is from here…
    pub from: f64,
    /// …to here.
    pub to: f64,
    /// The middle one of the lower ends.
    pub low: f64,
    /// The middle one of the upper ends.
    pub high: f64,
}

/// Predicted against actual, in seconds.
pub(super) struct Points {
    pub dots: Vec<(f64, f64)>,
    pub band: Vec<Bin>,
    /// The ends of both axes.
    pub ends: (f64, f64),
}

/// Errors over time: positions of runs from 1, and percent.
pub(super) struct Curve {
    pub wf: Vec<(f64, f64)>,
    pub other: Vec<(f64, f64)>,
    /// Whose the other curve is: the expert that is least off in all.
    pub name: &'static str,
    pub from: f64,
    pub to: f64,
    pub top: f64,
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl Points {
    /// None: nothing was scored.
    pub fn of(scored: &[Scored]) -> Option<Self> {
        let known: Vec<&Scored> = scored.iter().filter(|one| one.experts.is_some()).collect();
        let shown = &known[known.len().saturating_sub(DOTS)..];
        let dots: Vec<(f64, f64)> =
            shown.iter().map(|one| (one.estimate.seconds.max(SHORTEST), one.took.max(SHORTEST))).collect();
        let values = || dots.iter().flat_map(|(said, took)| [*said, *took]);
        let (least, most) = values().fold((f64::INFINITY, 0.0_f64), |(a, b), value| (a.min(value), b.max(value)));
        // Whole powers of ten, and at least two of them.
        let from = least.log10().floor();
        let to = most.log10().ceil().max(from + 2.0);
        let ends = (10.0_f64.powf(from), 10.0_f64.powf(to));
        let mut bins: BTreeMap<i64, Vec<&Scored>> = BTreeMap::new();
        for one in shown {
            let bin = (one.estimate.seconds.max(SHORTEST).log10() * BINS).floor();
            bins.entry(bin as i64).or_default().push(one);
        }
        let bound = |value: f64| value.clamp(ends.0, ends.1);
        let band = bins.into_iter().map(|(bin, all)| Bin {
            from: bound(10.0_f64.powf(bin as f64 / BINS)),
            to: bound(10.0_f64.powf((bin + 1) as f64 / BINS)),
            low: bound(middle(all.iter().map(|one| one.estimate.low).collect())),
            high: bound(middle(all.iter().map(|one| one.estimate.high).collect())),
        });
        let band = band.collect();
        (!dots.is_empty()).then_some(Self { dots, band, ends })
    }
}

impl Curve {
    /// None: nothing was scored, or nothing took any time.
    pub fn of(scored: &[Scored], cycles: usize) -> Option<Self> {
        let wide = cycles.div_ceil(POINTS).max(1);
        let mut ours: BTreeMap<usize, Score> = BTreeMap::new();
        let mut experts: [BTreeMap<usize, Score>; EXPERTS] = Default::default();
        let mut all: [Score; EXPERTS] = Default::default();
        for one in scored {
            let Some(said) = &one.experts else { continue };
            let bucket = one.cycle / wide;
            ours.entry(bucket).or_default().add(one.estimate.seconds, one.took);
            for ((expert, sum), said) in experts.iter_mut().zip(&mut all).zip(said) {
                expert.entry(bucket).or_default().add(*said, one.took);
                sum.add(*said, one.took);
            }
        }
        let off = all.iter().map(Score::wape).enumerate().filter_map(|(at, wape)| Some((at, wape?)));
        let (best, _) = off.min_by(|a, b| a.1.total_cmp(&b.1))?;
        // A point stands at the last run of those that it sums up.
        let place = |bucket: usize| ((bucket + 1) * wide).min(cycles.max(1)) as f64;
        let curve = |scores: &BTreeMap<usize, Score>| -> Vec<(f64, f64)> {
            scores.iter().filter_map(|(bucket, score)| Some((place(*bucket), score.wape()?))).collect()
        };
        let (wf, other) = (curve(&ours), curve(experts.get(best)?));
        let top = wf.iter().chain(&other).map(|(_, wape)| *wape).fold(1.0, f64::max) * ROOM;
        let from = wf.first()?.0 - wide as f64;
        Some(Self { from, to: (cycles as f64).max(from + 1.0), top, wf, other, name: Expert::ALL.get(best)?.name() })
    }
}
