//! Pictures of made-up predictions.

use super::points::{Curve, Points};
use super::*;
use crate::predict::durations::{Basis, EXPERTS, Estimate};

fn one(cycle: usize, said: f64, took: f64) -> Scored {
    let (low, high) = (said / 2.0, said * 2.0);
    let estimate = Estimate { seconds: said, low, high, mean: said, samples: 3, basis: Basis::Learned };
    let mut experts = [2.0 * said; EXPERTS];
    experts[3] = said;
    Scored { cycle, item: 0, estimate, experts: Some(experts), took }
}

#[test]
fn points_are_within_whole_powers_of_ten_and_the_band_around_them() {
    let scored = [one(0, 0.0, 0.5), one(1, 3.0, 20.0), one(2, 3.1, 2.0)];
    let points = Points::of(&scored).unwrap();
    assert_eq!(points.dots, [(0.001, 0.5), (3.0, 20.0), (3.1, 2.0)]);
    assert!((points.ends.0 - 0.001).abs() < 1e-12 && (points.ends.1 - 100.0).abs() < 1e-9, "{:?}", points.ends);
    assert_eq!(points.band.len(), 2);
    let bin = points.band[1];
    assert!(bin.from <= 3.0 && 3.1 <= bin.to && (bin.low, bin.high) == (1.55, 6.2), "{bin:?}");
    assert!(Points::of(&[Scored { experts: None, ..one(0, 1.0, 1.0) }]).is_none());
}

#[test]
fn curves_sum_up_runs_and_show_the_best_baseline() {
    let scored: Vec<Scored> = (0..400).map(|at| one(at, if at < 200 { 1.0 } else { 0.5 }, 1.0)).collect();
    let curve = Curve::of(&scored, 400).unwrap();
    assert_eq!((curve.wf.len(), curve.name), (40, "ewma0.3"));
    assert_eq!((curve.wf[0], curve.wf[39], curve.to as u32), ((10.0, 0.0), (400.0, 50.0), 400));
    assert_eq!(curve.other, curve.wf, "it said the same");
    assert!(Curve::of(&[], 400).is_none());
    assert!(Curve::of(&[one(0, 1.0, 0.0)], 1).is_none(), "nothing took any time");
}

#[test]
fn a_picture_is_one_white_svg_with_labelled_axes() {
    for cycles in [1, 40, 1_000] {
        let scored: Vec<Scored> = (0..cycles).map(|at| one(at, 1.0 + (at % 7) as f64, 2.0)).collect();
        let text = svg("Title <1>", &scored, cycles).unwrap();
        let picture = roxmltree::Document::parse(&text).unwrap();
        let ground = picture.descendants().find(|node| node.has_tag_name("rect")).unwrap();
        assert_eq!((ground.attribute("fill"), ground.attribute("width")), (Some("#FFFFFF"), Some("1120")));
        let words: Vec<&str> = picture.descendants().filter_map(|node| node.text()).map(str::trim).collect();
        for word in ["Title <1>", "predicted, seconds (logarithmic)", "error (WAPE), percent", "wf", "as predicted"] {
            assert!(words.contains(&word), "{word} is not in {words:?}");
        }
    }
    assert!(svg("", &[], 0).is_err());
}
