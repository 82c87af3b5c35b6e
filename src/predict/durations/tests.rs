//! Properties of what is learned of durations, on made-up histories.

use super::*;
use proptest::prelude::*;

/// A stream of standard normal numbers: SplitMix64 (Steele et al. 2014) and Box-Muller.
struct Chance(u64);

impl Chance {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

fn any_circumstances() -> impl Strategy<Value = Circumstances> {
    let words = prop_oneof![Just(String::new()), "[a-z]{1,8}"];
    let numbers = (any::<u32>(), any::<Option<u32>>(), any::<u32>(), any::<f32>(), any::<i64>());
    (words.clone(), words, numbers, proptest::collection::btree_map("[a-z]{1,4}", any::<u32>(), 0..3)).prop_map(
        |(change_type, runner, (files, lines, cores, load, at), categories)| Circumstances {
            change_type,
            files,
            changed_lines: lines,
            categories,
            cores,
            load,
            runner,
            at,
            ..Circumstances::default()
        },
    )
}

fn any_seconds() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-10.0..10.0f64).prop_map(f64::exp),
        1 => any::<f64>(),
        1 => prop_oneof![Just(0.0), Just(-1.0), Just(f64::MAX), Just(f64::MIN_POSITIVE), Just(f64::NAN)],
    ]
}

fn any_history() -> impl Strategy<Value = Vec<(String, Circumstances, f64)>> {
    proptest::collection::vec(("[ab](@[xy])?", any_circumstances(), any_seconds()), 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn estimates_are_finite_and_in_order(history in any_history(), asked in any_circumstances()) {
        let mut state = Durations::default();
        for (n, (step, circumstances, seconds)) in history.iter().enumerate() {
            state.learn(step, circumstances, 1, *seconds);
            if n % 50 == 49 {
                state.fit();
            }
            for step in [step, "a@new", "new"] {
                let Some(estimate) = state.predict(step, &asked, 1) else { continue };
                prop_assert!(0.0 <= estimate.low && estimate.low <= estimate.seconds, "{estimate:?}");
                prop_assert!(estimate.seconds <= estimate.high && estimate.high.is_finite(), "{estimate:?}");
            }
            if let Some(weights) = state.weights(step, &asked, 1) {
                let sum: f64 = weights.experts.iter().map(|(_, _, weight)| weight).sum();
                prop_assert!((sum - 1.0).abs() < 1e-9 && weights.drift >= 0.0, "{weights:?}");
            }
        }
    }

    #[test]
    fn a_state_that_was_written_and_read_says_the_same(history in any_history(), asked in any_circumstances()) {
        let mut state = Durations::default();
        for (step, circumstances, seconds) in &history {
            state.learn(step, circumstances, 1, *seconds);
        }
        state.fit();
        let read: Durations = postcard::from_bytes(&postcard::to_stdvec(&state).unwrap()).unwrap();
        prop_assert_eq!(&read, &state);
        let text: Durations = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        for step in ["a", "a@x", "b@y", "new"] {
            let said = state.predict(step, &asked, 1);
            prop_assert_eq!(said, read.predict(step, &asked, 1));
            prop_assert_eq!(said, text.predict(step, &asked, 1));
        }
    }
}

#[test]
fn basis_says_what_is_known() {
    let (mut state, known) = (Durations::default(), Circumstances::default());
    assert_eq!(state.predict("test@a", &known, 1), None);
    let basis = |state: &Durations, step: &str| {
        state.predict(step, &known, 1).map(|estimate| (estimate.basis, estimate.samples))
    };
    state.learn("test@a", &known, 1, 60.0);
    state.learn("lint", &known, 1, 1.0);
    assert_eq!(basis(&state, "test@a"), Some((Basis::Few, 1)));
    assert_eq!(basis(&state, "test@b"), Some((Basis::Unseen, 0)));
    let [family, all] = ["test@b", "other"].map(|step| state.predict(step, &known, 1).unwrap());
    assert!((family.seconds - 60.0).abs() < 1e-6, "a new instance is like its family: {family:?}");
    assert!(1.0 < all.seconds && all.seconds < 60.0, "anything else is like all: {all:?}");
    assert!(family.high / family.low > 4.0 && all.high / all.low > 20.0, "and widely: {family:?} {all:?}");
    for _ in 0..4 {
        state.learn("test@a", &known, 1, 60.0);
    }
    assert_eq!(basis(&state, "test@a"), Some((Basis::Few, 5)), "too few errors to know the bounds");
    for _ in 0..5 {
        state.learn("test@a", &known, 1, 60.0);
    }
    assert_eq!(basis(&state, "test@a"), Some((Basis::Learned, 10)));
    assert_eq!(basis(&state, "lint"), Some((Basis::Few, 1)));
    for wrong in [f64::NAN, f64::INFINITY, -1.0] {
        state.learn("lint", &known, 1, wrong);
    }
    assert_eq!(basis(&state, "lint"), Some((Basis::Few, 1)));
}

/// Learns `rounds` of steps whose durations are log-normal, each with its own level and width; the share within the
/// bounds.
fn coverage(steps: usize, rounds: usize, seed: u64) -> f64 {
    let (mut state, mut chance, known) = (Durations::default(), Chance(seed), Circumstances::default());
    let kinds: Vec<(f64, f64)> = (0..steps).map(|_| (2.0 * chance.normal(), 0.05 + 0.5 * chance.uniform())).collect();
    let (mut within, mut all) = (0.0, 0.0);
    for _ in 0..rounds {
        for (n, (level, width)) in kinds.iter().enumerate() {
            let name = format!("s{n}");
            let seconds = (level + width * chance.normal()).exp();
            if let Some(estimate) = state.predict(&name, &known, 1).filter(|estimate| estimate.basis == Basis::Learned)
            {
                all += 1.0;
                within += f64::from(u8::from(estimate.low <= seconds && seconds <= estimate.high));
            }
            state.learn(&name, &known, 1, seconds);
        }
    }
    assert!(all > 100.0);
    let told = state.weights("s0", &known, 1).unwrap().coverage.unwrap();
    assert!((told - HELD).abs() < 0.05, "told {told}");
    within / all
}

#[test]
fn four_fifths_are_within_the_bounds() {
    for (steps, rounds) in [(1, 400), (5, 200), (100, 40)] {
        for seed in 0..4 {
            let held = coverage(steps, rounds, seed);
            assert!((held - HELD).abs() < 0.05, "{steps} steps, {rounds} rounds, seed {seed}: {held}");
        }
    }
}

#[test]
fn a_slower_machine_is_learned_within_two_rounds() {
    let (mut state, mut chance, known) = (Durations::default(), Chance(1), Circumstances::default());
    let mut round = |state: &mut Durations, factor: f64| {
        let mut missed = 0.0;
        for n in 0..50 {
            let (name, seconds) = (format!("s{n}"), factor * 10.0 * (0.05 * chance.normal()).exp());
            if let Some(estimate) = state.predict(&name, &known, 1) {
                missed += (estimate.seconds - seconds).abs() / seconds / 50.0;
            }
            state.learn(&name, &known, 1, seconds);
        }
        missed
    };
    let missed: Vec<f64> = (0..60).map(|_| round(&mut state, 1.0)).collect();
    assert!(missed[59] < 0.06, "{missed:?}");
    let slower: Vec<f64> = (0..4).map(|_| round(&mut state, 3.0)).collect();
    assert!(slower[0] > 0.5, "nobody could know: {slower:?}");
    assert!(slower[2] < 0.12 && slower[3] < 0.12, "{slower:?}");
}

#[test]
fn the_state_stays_small() {
    let (mut state, mut known) = (Durations::default(), Circumstances::default());
    let last = u32::try_from(MOST + MOST / 2).unwrap();
    for n in 0..=last {
        known.files = n % 17;
        // Those that are kept have run often enough to be as large as they become.
        for _ in 0..if n % 100 == 0 { 12 } else { 1 } {
            state.learn(&format!("family{}@{n}", n / 10), &known, 1, f64::from(n % 90));
        }
    }
    assert!(state.steps.len() <= MOST && state.steps.len() > MOST / 2);
    assert!(state.families.len() <= MOST / 10 + 1);
    assert!(state.steps.contains_key(&format!("family{}@{last}", last / 10)) && !state.steps.contains_key("family0@0"));
    let step = &state.steps[&format!("family{}@{last}", last / 10)];
    let bytes = postcard::to_stdvec(step).unwrap().len();
    assert!(bytes < 300, "{bytes} bytes a step");
}
