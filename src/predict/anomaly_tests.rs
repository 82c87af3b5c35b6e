//! Strange and not strange, on series that are made.

use super::*;
use proptest::prelude::*;

/// SplitMix64 (Steele, Lea and Flood, 2014), and from it numbers that are about normal.
struct Chance(u64);

impl Chance {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
}

fn ended(at: usize, wall_ms: Millis, passed: bool) -> Ended {
    Ended { run: RunId(format!("r{at:03}")), commit: Some(format!("{at:03}commit")), wall_ms, passed }
}

/// Passes whose logarithms are normal, with this spread; from `step` on they take `factor` times as long.
fn noise(seed: u64, spread: f64, len: usize, step: usize, factor: f64) -> Vec<Ended> {
    let mut chance = Chance(seed);
    let mut took = |at: usize| {
        let level = if at < step { 10_000.0 } else { 10_000.0 * factor };
        (level * (spread * chance.normal()).exp()) as Millis
    };
    (0..len).map(|at| ended(at, took(at), true)).collect()
}

fn of_kind(found: &[Found], kind: Kind) -> Vec<usize> {
    found.iter().filter(|found| found.kind == kind).map(|found| found.at).collect()
}

#[test]
fn far_out_is_three_half_widths_on_the_log_scale() {
    let expected = Interval { ms: 10_000, low_ms: 5_000, high_ms: 20_000 };
    for (took, far) in [(10_000, false), (79_000, false), (81_000, true), (1_300, false), (1_200, true)] {
        assert_eq!(far_out(&expected, took).is_some(), far, "{took}");
    }
    let sure = |ms| Interval { ms, low_ms: ms, high_ms: ms };
    assert_eq!(far_out(&sure(10_000), 13_000), None, "nothing is that sure");
    assert!(far_out(&sure(10_000), 14_000).unwrap().contains("took 14s instead of 10s"));
    assert_eq!(far_out(&sure(100), 900), None, "a second is a second");
    assert_eq!((far_from(&sure(10_000), 9, 90_000), far_from(&sure(10_000), 10, 90_000).is_some()), (None, true));
}

#[test]
fn a_reliable_step_fails_anew_only_once() {
    let mut series: Vec<Ended> = (0..19).map(|at| ended(at, 5_000, true)).collect();
    series.push(ended(19, 5_000, false));
    assert_eq!(judge(&series, 19), [], "19 passes are not enough");
    series[19].passed = true;
    series.push(ended(20, 100, false));
    let found = judge(&series, 20);
    assert_eq!((found.len(), found[0].at, found[0].kind), (1, 20, Kind::Failure));
    assert_eq!(found[0].message, "failed, after 20 passes in a row");
    series.push(ended(21, 100, false));
    assert_eq!(judge(&series, 21), [], "that it fails is known by now");
    for (samples, risk, told) in [(19, 0, false), (20, 50, true), (20, 51, false)] {
        assert_eq!(unlikely_failure(samples, risk).is_some(), told);
    }
}

#[test]
fn a_change_is_found_where_it_is_with_the_commits_between() {
    let (mut seen, mut at_the_place) = (0, 0);
    for seed in 0..200 {
        let changes = of_kind(&judge(&noise(seed, 0.15, 40, 25, 1.5), 39), Kind::Change);
        seen += changes.len();
        at_the_place += changes.iter().filter(|at| at.abs_diff(25) <= 2).count();
    }
    assert!(seen >= 196 && at_the_place >= 180, "{seen} of 200, {at_the_place} of them at the place");
    let found = judge(&noise(7, 0.05, 40, 20, 1.5), 39);
    let change = found.iter().find(|found| found.kind == Kind::Change).unwrap();
    assert!(change.message.contains("since run r020 (20 passes before, 20 since)"), "{}", change.message);
    assert!(change.message.ends_with("look at the commits 019commit..020commit"), "{}", change.message);
}

#[test]
fn noise_is_no_change() {
    for spread in [0.05, 0.2, 0.5] {
        let false_alarms = (0..200)
            .filter(|seed| !of_kind(&judge(&noise(*seed, spread, 40, 99, 1.0), 39), Kind::Change).is_empty())
            .count();
        assert!(false_alarms < 4, "{false_alarms} of 200 at {spread}");
    }
    let looked_at_again_and_again = (0..50).filter(|seed| {
        let series = noise(*seed, 0.2, 140, 999, 1.0);
        (40..140).any(|at| !of_kind(&judge(&series[..=at], at), Kind::Change).is_empty())
    });
    assert!(looked_at_again_and_again.count() < 4, "a hundred runs of a step that does not change");
}

#[test]
fn noise_is_rarely_far_out() {
    let far: usize =
        (0..200).map(|seed| of_kind(&judge(&noise(seed, 0.2, 61, 99, 1.0), 60), Kind::Duration).len()).sum();
    assert!(far < 4, "{far} of 200");
    let mut series = noise(1, 0.2, 61, 60, 4.0);
    assert_eq!(of_kind(&judge(&series, 60), Kind::Duration), [60]);
    series[60].passed = false;
    assert_eq!(of_kind(&judge(&series, 60), Kind::Duration), [0; 0], "failures are often shorter");
}

proptest! {
    #[test]
    fn any_series_is_judged(
        raw in proptest::collection::vec((any::<u64>(), any::<bool>()), 0..80),
        from in 0..90usize,
    ) {
        let series: Vec<Ended> = raw.iter().enumerate().map(|(at, (ms, passed))| ended(at, *ms, *passed)).collect();
        for found in judge(&series, from) {
            prop_assert!(found.at < series.len());
            prop_assert!(found.kind == Kind::Change || found.at >= from);
        }
    }
}
