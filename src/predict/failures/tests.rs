//! What a past says of a step: tables of pasts, and what holds for all of them.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn nothing() -> Circumstances {
    Circumstances::default()
}

fn change(paths: &[&str]) -> Circumstances {
    Circumstances { paths: paths.iter().map(|path| (*path).to_owned()).collect(), ..Circumstances::default() }
}

/// What is learned of one step from its verdicts, a letter each: `p`assed, `F`ailed, `f`laky.
fn past(letters: &str) -> Failures {
    let mut failures = Failures::default();
    for letter in letters.chars() {
        failures.learn("other", &nothing(), Verdict::Passed);
        failures.learn("step", &nothing(), verdict(letter));
        failures.end_of_run();
    }
    failures
}

fn verdict(letter: char) -> Verdict {
    match letter {
        'F' => Verdict::Failed,
        'f' => Verdict::Flaky,
        _ => Verdict::Passed,
    }
}

fn probability(letters: &str) -> f64 {
    past(letters).risk("step", &nothing()).probability
}

#[test]
fn the_first_run_of_all_is_a_first_guess() {
    let risk = Failures::default().risk("step", &nothing());
    assert!((risk.probability - (1.0 - 0.99 * 0.998)).abs() < 1e-12, "{}", risk.probability);
    assert_eq!(risk.why, [Reason::NeverRan]);
}

#[test]
fn riskier_pasts_come_first() {
    for (riskier, safer) in [
        ("F", "p"),
        ("FF", "pF"),
        ("ppppF", "ppppp"),
        ("ppppF", "Fpppp"),
        ("FpFpp", "Fpppp"),
        ("ppp", "pppppppppp"),
        ("Fpppppppppp", "ppppppppppp"),
        ("ppF", "ppf"),
    ] {
        let (more, less) = (probability(riskier), probability(safer));
        assert!(more > less, "{riskier} {more} against {safer} {less}");
    }
}

#[test]
fn a_new_step_is_taken_for_what_new_steps_were() {
    let mut failures = past("pppppppppp");
    for name in ["a", "b", "c"] {
        failures.learn(name, &nothing(), Verdict::Failed);
    }
    assert!(failures.risk("new", &nothing()).probability > 0.5);
    assert!(failures.risk("step", &nothing()).probability < 0.2);
}

#[test]
fn a_step_that_is_red_cannot_fail_anew() {
    let red = past("ppFF").risk("step", &nothing());
    assert!(red.new_failure == 0.0 && red.probability > 0.3, "{red:?}");
    let mended = past("ppFFp").risk("step", &nothing());
    assert!(mended.new_failure > 0.0 && mended.new_failure <= mended.probability, "{mended:?}");
}

#[test]
fn flaky_verdicts_are_counted_apart() {
    let flaky = past("ppfpf").risk("step", &nothing());
    let passing = past("ppppp").risk("step", &nothing());
    assert_eq!((flaky.probability, flaky.new_failure), (passing.probability, passing.new_failure));
    assert!(flaky.flaky > 0.2 && passing.flaky == 0.0, "{flaky:?}");
    assert!(flaky.why.contains(&Reason::Flaky) && !passing.why.contains(&Reason::Flaky));
}

#[test]
fn reasons_for_people() {
    for (letters, words) in [
        ("p", "ran only once"),
        ("pppppppppp", ""),
        ("ppppppppppF", "failed the last time"),
        ("ppppppppFFF", "failed the last 3 times"),
        ("ppppppFpFF", "failed the last 2 times; failed 3 of the last 10"),
        ("ppppppFpppF", "failed the last time; failed 2 of the last 10"),
        ("FpFp", "failed 2 of the last 4; ran only 4 times"),
        ("Fpppppppppp", ""),
    ] {
        let why = past(letters).risk("step", &nothing()).why;
        let told = why.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        assert_eq!(told, words, "{letters}");
    }
}

/// Fifty runs: every fifth changes docs, and then `docs` breaks; else a file of its own and `src/lib.rs`.
fn docs_break() -> Failures {
    let mut failures = Failures::default();
    for run in 0..50 {
        let docs = run % 5 == 0;
        let change =
            if docs { change(&["docs/a.md", "docs/b.md"]) } else { change(&["src/lib.rs", &format!("{run}.rs")]) };
        failures.learn("docs", &change, if docs { Verdict::Failed } else { Verdict::Passed });
        failures.learn("unit", &change, Verdict::Passed);
        failures.end_of_run();
    }
    failures
}

#[test]
fn a_step_that_breaks_with_some_files_is_likely_to_break_with_them() {
    let failures = docs_break();
    let with = failures.risk("docs", &change(&["docs/new.md"]));
    let without = failures.risk("docs", &change(&["src/lib.rs"]));
    assert!(with.probability > 2.0 * without.probability, "{with:?} {without:?}");
    assert_eq!(with.why[0].to_string(), "broke when files in docs/ changed before");
    assert!(without.why.iter().all(|why| !matches!(why, Reason::Changed(_))), "{without:?}");
    assert_eq!(failures.risk("unit", &change(&["docs/a.md"])), failures.risk("unit", &change(&["src/lib.rs"])));
}

#[test]
fn what_is_always_changed_says_nothing() {
    let mut failures = Failures::default();
    for run in 0..20 {
        failures.learn("step", &change(&["Cargo.lock"]), if run % 4 == 0 { Verdict::Failed } else { Verdict::Passed });
        failures.end_of_run();
    }
    let with = failures.risk("step", &change(&["Cargo.lock"]));
    assert_eq!(with, failures.risk("step", &change(&["other"])));
}

#[test]
fn steps_that_do_not_come_back_are_dropped() {
    let mut failures = past("F");
    for _ in 0..=FORGOTTEN {
        failures.learn("other", &nothing(), Verdict::Passed);
        failures.end_of_run();
    }
    assert_eq!(failures.risk("step", &nothing()).why, [Reason::NeverRan]);
    assert_eq!(failures.risk("other", &nothing()).why, []);
}

#[test]
fn the_index_is_the_probability_per_second() {
    let risk = |probability| Risk { probability, new_failure: 0.0, flaky: 0.0, why: Vec::new() };
    for (probability, seconds, wanted) in [
        (0.5, 2.0, 0.25),
        (0.5, 0.0, 500.0),
        (0.5, -3.0, 500.0),
        (0.0, 1.0, 0.0),
        (0.5, f64::NAN, 500.0),
        (0.5, f64::INFINITY, 0.0),
    ] {
        assert!((index(&risk(probability), seconds) - wanted).abs() < 1e-12);
    }
}

type Run = (Vec<(u8, char)>, Vec<u8>, u8);

/// Runs of some of five steps, with changes of some of forty files.
fn runs() -> impl Strategy<Value = Vec<Run>> {
    let verdicts = prop::collection::vec((0_u8..5, prop::sample::select(vec!['p', 'p', 'F', 'f'])), 0..8);
    prop::collection::vec((verdicts, files(), 0_u8..3), 0..60)
}

fn files() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0_u8..40, 0..25)
}

fn circumstances(files: &[u8], kind: u8) -> Circumstances {
    Circumstances {
        change_type: ["", "docs-only", "mixed"][usize::from(kind)].into(),
        categories: files.iter().map(|file| (format!("c{}", file % 4), 1)).collect(),
        paths: files.iter().collect::<BTreeSet<_>>().iter().map(|file| format!("d{}/{file}", **file % 7)).collect(),
        ..Circumstances::default()
    }
}

fn learn_all(runs: &[Run]) -> Failures {
    let mut failures = Failures::default();
    for (verdicts, files, kind) in runs {
        for (step, letter) in verdicts {
            failures.learn(&step.to_string(), &circumstances(files, *kind), verdict(*letter));
        }
        failures.end_of_run();
    }
    failures
}

proptest! {
    #[test]
    fn risks_are_probabilities_and_survive_being_written(runs in runs(), files in files()) {
        let failures = learn_all(&runs);
        let text = serde_json::to_string(&failures).unwrap();
        let read: Failures = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &failures);
        for step in ["0", "1", "2", "3", "4", "never"] {
            let risk = failures.risk(step, &circumstances(&files, 1));
            for share in [risk.probability, risk.new_failure, risk.flaky] {
                prop_assert!((0.0..=1.0).contains(&share), "{:?}", risk);
            }
            prop_assert!(risk.probability > 0.0 && risk.new_failure <= risk.probability, "{:?}", risk);
            prop_assert_eq!(&read.risk(step, &circumstances(&files, 1)), &risk);
        }
    }

    #[test]
    fn a_failure_just_now_outranks_a_pass(runs in runs(), files in files()) {
        let change = circumstances(&files, 2);
        let (mut red, mut green) = (learn_all(&runs), learn_all(&runs));
        red.learn("1", &change, Verdict::Failed);
        green.learn("1", &change, Verdict::Passed);
        prop_assert!(red.risk("1", &change).probability > green.risk("1", &change).probability);
    }

    #[test]
    fn more_seconds_never_raise_the_index(runs in runs(), a in 0.0..1e6_f64, b in 0.0..1e6_f64) {
        let risk = learn_all(&runs).risk("1", &nothing());
        prop_assert!(index(&risk, a.min(b)) >= index(&risk, a.max(b)));
        prop_assert!(index(&risk, a).is_finite());
    }

    #[test]
    fn a_step_takes_no_more_than_so_much(runs in runs()) {
        let size = |failures: &Failures| serde_json::to_string(&failures.steps).unwrap().len();
        let failures = learn_all(&runs);
        // Sixteen traits of at most 60 bytes, and the numbers.
        prop_assert!(size(&failures) <= 5 * 1_700, "{}", size(&failures));
    }
}

#[test]
fn what_is_known_of_changes_is_bounded() {
    let mut failures = Failures::default();
    for run in 0..3_000 {
        failures.learn("step", &change(&["often.rs", &format!("{run}.rs")]), Verdict::Failed);
        failures.end_of_run();
    }
    assert!(serde_json::to_string(&failures).unwrap().len() < 2_000 * 40);
    assert!(failures.shares.of(&Trait::File("often.rs".into())) > 0.99);
}
