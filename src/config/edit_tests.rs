//! Edits on texts as people write them: what is beside the key stays as it is. Pure.

use super::*;
use crate::config::{Layer, Source, load};
use proptest::prelude::*;

fn edit(step: Option<&str>, key: &str, value: &str) -> Edit {
    Edit { step: step.map(|id| StepId::parse(id).unwrap()), key: key.into(), value: value.into() }
}

#[test]
fn a_key_is_put_in_or_replaced_and_all_else_stays() {
    for (text, step, key, value, expected) in [
        (
            "# top\nsteps:\n  - id: a # first\n    run: x\n\n  - id: b\n    run: y\n",
            Some("a"),
            "retries",
            "2",
            "# top\nsteps:\n  - id: a # first\n    retries: 2\n    run: x\n\n  - id: b\n    run: y\n",
        ),
        (
            "steps:\n- run: |\n    one\n    two\n  id: \"b\"",
            Some("b"),
            "cache",
            "true",
            "steps:\n- run: |\n    one\n    two\n  id: \"b\"\n  cache: true\n",
        ),
        ("steps:\n  - {id: a, run: x}\n", Some("a"), "retries", "2", "steps:\n  - {retries: 2, id: a, run: x}\n"),
        (
            "steps:\n  - id: a\n    timeout: '30m' # long\n    run: x\n",
            Some("a"),
            "timeout",
            "5m",
            "steps:\n  - id: a\n    timeout: 5m # long\n    run: x\n",
        ),
        ("jobs: 2 # cores\nsteps: []\n", None, "jobs", "4", "jobs: 4 # cores\nsteps: []\n"),
        ("steps:\n  - id: a\n    run: x", None, "jobs", "4", "steps:\n  - id: a\n    run: x\njobs: 4\n"),
        (
            "steps:\r\n  - id: é\r\n  - id: a\r\n    run: x\r\n",
            Some("a"),
            "cache",
            "true",
            "steps:\r\n  - id: é\r\n  - id: a\r\n    cache: true\r\n    run: x\r\n",
        ),
    ] {
        assert_eq!(apply(text, &edit(step, key, value)).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_changed_alone_is_not_changed() {
    let a = || Some("a");
    for (text, step, key, error) in [
        ("steps:\n  - id: b\n    run: x\n", a(), "retries", "`steps` has no entry `a`"),
        ("test_commands: {a: x}\n", a(), "retries", "`steps` has no entry `a`"),
        (": {", a(), "retries", "not YAML"),
        ("steps:\n  - id: a\n    retries: {count: 0}\n", a(), "retries", "is not one plain"),
        ("steps:\n  - id: a\n    retries:\n    run: x\n", a(), "retries", "is not one plain"),
        ("steps:\n  - &x\n    id: a\n    run: y\nmore: *x\n", a(), "retries", "something else too"),
        ("steps:\n  - id: a\n    retries: &n 0\n  - id: b\n    retries: *n\n", a(), "retries", "something else too"),
        ("steps: []\n...\n", None, "jobs", "something else too"),
    ] {
        let found = apply(text, &edit(step, key, "2")).unwrap_err().to_string();
        assert!(found.contains(error), "{text}: {found}");
    }
}

proptest! {
    /// Whatever a configuration looks like, an edited one is read, and says the new value and nothing else new.
    #[test]
    fn an_edit_breaks_nothing(
        steps in proptest::collection::vec((0..4usize, any::<bool>(), any::<bool>(), any::<bool>()), 1..5),
        edits in proptest::collection::vec((0..6usize, 0..4usize), 1..6),
        windows in any::<bool>(),
    ) {
        let mut text = "# a comment\nsteps:\n".to_owned();
        for (at, (form, retries, timeout, cache)) in steps.iter().enumerate() {
            let mut more = vec![];
            more.extend(retries.then_some("retries: 1"));
            more.extend(timeout.then_some("timeout: \"1h\""));
            more.extend(cache.then_some("cache: false"));
            let all = |before: &str, after: &str| -> String {
                more.iter().map(|m| format!("{before}{m}{after}")).collect()
            };
            let step = match form {
                0 => format!("  - {{id: s{at}, run: x{}}}\n", all(", ", "")),
                1 => format!("  - id: s{at} # é\n    run: x\n{}", all("    ", "\n")),
                2 => format!("  - run: |\n      x\n\n{}    id: s{at}\n", all("    ", "   # so\n")),
                _ => format!("  -\n    run: [x,\n      y]\n    id: 's{at}'\n\n{}", all("    ", "\n")),
            };
            text.push_str(&step);
        }
        if windows {
            text = text.replace('\n', "\r\n");
        }
        let load_text = |text: &str| {
            let source = Source { name: "c".into(), text: text.into(), layer: Layer::Project };
            load(&[source], &[]).map(|loaded| loaded.workflow)
        };
        prop_assert!(load_text(&text).is_ok(), "{text}");
        for (step, what) in edits {
            let (key, value) = [("retries", "2"), ("timeout", "5m"), ("cache", "true"), ("jobs", "3")][what];
            let id = (what < 3).then(|| format!("s{step}"));
            match apply(&text, &edit(id.as_deref(), key, value)) {
                Ok(new) => {
                    let flow = load_text(&new).expect("what was edited is read");
                    if let Some(step) = flow.steps.iter().find(|step| Some(step.id.as_str()) == id.as_deref()) {
                        let said = (step.retries.count == 2, step.timeout_ms == Some(300_000), step.cache.is_on());
                        prop_assert!([said.0, said.1, said.2][what]);
                    } else {
                        prop_assert_eq!(flow.settings.jobs, Some(3));
                    }
                    prop_assert_eq!(new.matches('#').count(), text.matches('#').count());
                    text = new;
                }
                Err(error) => {
                    let is_missing = matches!(error, EditError::NoStep(_)) && step >= steps.len();
                    prop_assert!(is_missing, "{error}: {text}");
                }
            }
        }
    }
}
