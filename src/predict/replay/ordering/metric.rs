//! How good an order was: APFDc, NAPFD and the time to the first failure. Pure.
//!
//! Does not know: policies, histories.

/// What ran at one place of an order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ran {
    /// How long it took.
    pub seconds: f64,
    /// It is one of the failures that are looked for.
    pub found: bool,
}

/// How soon an order finds failures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Average percentage of faults detected by cost, each failure a fault of the same severity, 0 to 1, larger is
    /// better (Elbaum, Malishevsky and Rothermel, Incorporating varying test costs and fault severities, ICSE 2001).
    pub apfdc: f64,
    /// Normalised average percentage of faults detected, 0 to 1, larger is better (Qu, Cohen and Woolf, Combinatorial
    /// interaction regression testing, ICSM 2007). Everything runs, so that it is APFD (Rothermel et al., ICSM 1999).
    pub napfd: f64,
    /// When the first failure is known, as a share of the time of all, 0 to 1, smaller is better.
    pub ttff: f64,
}

/// The score of an order in which everything ran one after the other. None if it holds no failure or took no time.
pub fn score(order: &[Ran]) -> Option<Score> {
    let total: f64 = order.iter().map(|ran| ran.seconds).sum();
    let (mut passed, mut first) = (0.0, None);
    let (mut faults, mut cost, mut places) = (0.0, 0.0, 0.0);
    for (at, ran) in order.iter().enumerate() {
        if ran.found {
            faults += 1.0;
            cost += total - passed - ran.seconds / 2.0;
            places += (at + 1) as f64;
            first.get_or_insert(passed + ran.seconds);
        }
        passed += ran.seconds;
    }
    let items = order.len() as f64;
    first.filter(|_| total > 0.0).map(|first| Score {
        apfdc: cost / (total * faults),
        napfd: 1.0 - places / (items * faults) + 1.0 / (2.0 * items),
        ttff: first / total,
    })
}

/// The mean of many scores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    sum: Score,
    of: f64,
}

impl Mean {
    /// One more.
    pub fn add(&mut self, score: Score) {
        self.sum.apfdc += score.apfdc;
        self.sum.napfd += score.napfd;
        self.sum.ttff += score.ttff;
        self.of += 1.0;
    }

    /// The mean, if there was any score.
    pub fn get(&self) -> Option<Score> {
        let of = |sum: f64| sum / self.of;
        let Score { apfdc, napfd, ttff } = self.sum;
        (self.of > 0.0).then(|| Score { apfdc: of(apfdc), napfd: of(napfd), ttff: of(ttff) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Seconds, negative for a failure.
    fn order(seconds: &[f64]) -> Vec<Ran> {
        seconds.iter().map(|s| Ran { seconds: s.abs(), found: s.is_sign_negative() }).collect()
    }

    #[test]
    fn scores_by_hand() {
        for (seconds, apfdc, napfd, ttff) in [
            // One test that fails is half over when it is found.
            (&[-4.0][..], 0.5, 0.5, 1.0),
            // (10 − 0 − 1) / 10; 1 − 1/4 + 1/8; 2 / 10.
            (&[-2.0, 3.0, 4.0, 1.0][..], 0.9, 0.875, 0.2),
            // ((10 − 0 − 1) + (10 − 5 − 2)) / (10 · 2); 1 − (1 + 3)/(4 · 2) + 1/8; 2 / 10.
            (&[-2.0, 3.0, -4.0, 1.0][..], 0.6, 0.625, 0.2),
            // The last is found at the end: 0.5 / 10; 1 − 4/4 + 1/8.
            (&[2.0, 3.0, 4.0, -1.0][..], 0.05, 0.125, 1.0),
            // Equal costs make APFDc the same as APFD (Elbaum et al. 2001): ten tests, faults at 2, 5 and 9 give
            // 1 − 16/30 + 1/20.
            (&[1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0, 1.0, -1.0, 1.0][..], 0.516_666_667, 0.516_666_667, 0.2),
        ] {
            let got = score(&order(seconds)).unwrap();
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
            assert!(near(got.apfdc, apfdc) && near(got.napfd, napfd) && near(got.ttff, ttff), "{seconds:?}: {got:?}");
        }
    }

    #[test]
    fn without_failures_or_time_there_is_no_score() {
        assert_eq!(score(&order(&[1.0, 2.0])), None);
        assert_eq!(score(&[]), None);
        assert_eq!(score(&[Ran { seconds: 0.0, found: true }]), None);
        assert_eq!(Mean::default().get(), None);
    }

    proptest! {
        #[test]
        fn an_order_and_its_reverse_make_one(
            order in prop::collection::vec((0.01..100.0_f64, any::<bool>()), 1..20),
        ) {
            let mut order: Vec<_> = order.into_iter().map(|(seconds, found)| Ran { seconds, found }).collect();
            let there = score(&order);
            order.reverse();
            let back = score(&order);
            prop_assert_eq!(there.is_some(), back.is_some());
            if let (Some(there), Some(back)) = (there, back) {
                prop_assert!((there.apfdc + back.apfdc - 1.0).abs() < 1e-9);
                prop_assert!((there.napfd + back.napfd - 1.0).abs() < 1e-9);
                prop_assert!(there.ttff > 0.0 && there.ttff <= 1.0 + 1e-9);
            }
        }
    }
}
