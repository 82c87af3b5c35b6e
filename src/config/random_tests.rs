//! Random configurations are shown as they are read; random texts confuse nobody. Pure.

use super::{project, round_trip};
use crate::config::load;
use crate::config::show::scalar;
use crate::config::yaml::{self, Node, NodeKind};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        prop::sample::select(vec![
            "true",
            "null",
            "12",
            "1e3",
            "on",
            "~",
            "- a",
            "a: b",
            "# x",
            "*a",
            "'",
            "\"",
            "é\t\n z",
            "a #b",
            "\u{85}\u{feff}\u{1}",
            ".5",
            "0x1f",
            "{}",
            "none"
        ])
        .prop_map(str::to_owned),
        "\\PC{1,12}",
    ]
    .prop_filter("not blank", |text| !text.trim().is_empty())
}

fn step(n: usize) -> impl Strategy<Value = String> {
    let run = prop_oneof![
        text().prop_map(|text| format!("run: {}", scalar(&text))),
        prop::collection::vec(text(), 1..4)
            .prop_map(|all| format!("run: [{}]", all.iter().map(|t| scalar(t)).collect::<Vec<_>>().join(", "))),
    ];
    let option = prop_oneof![
        text().prop_map(|text| format!("name: {}", scalar(&text))),
        (0usize..=n).prop_map(move |other| if other < n { format!("needs: [s{other}]") } else { "tags: [x]".into() }),
        (0u64..10_000_000).prop_map(|ms| format!("timeout: {}", crate::base::duration::exact(ms + 1))),
        prop::sample::select(vec![
            "timeout: none",
            "kind: test",
            "kind: deploy",
            "ignore: [assets, docs]",
            "ignore: []",
            "stage: one",
            "stage: two",
            "after: s0x",
            "inputs: [\"src/**\", \"!src/x\"]",
            "inputs: ./a",
            "for_each: \"p/*/\"",
            "retries: 3",
            "run_on: always",
            "retries: {backoff: 3s, on: [memory]}",
            "resources: {cpu: 0.25, memory: 3MB, enforce: true}",
            "env: [A, B]",
            "when: not (docs_changes and manual) or low_impact",
            "allow_failure: true",
            "changed_only: true",
            "dir: a/b",
            "dir: .",
            "shell: bash",
            "leave_running: [gradle]",
            "locks: db",
            "idle_timeout: 1m",
            "grace: 1ms",
            "outputs: []",
            "cache: true",
            "cache: false",
            "cache: {read: false, ttl: 1d1ms, tags: [a, \"b c\"]}",
            "cache: {read: false, write: false, flaky: true}",
            "tools: [\"cc -v\", \"'a b' \\\"c\\\" d\\\\ e\"]",
            "incremental: true",
            "env_mode: strict",
            "env_mode: inherit",
            "env: {A: {in_key: true}, B: {value: \"1\", secret: true}, C: {value: x, in_key: true}}",
            "writes: x",
        ])
        .prop_map(str::to_owned),
        prop::collection::btree_map("[A-Z]{1,3}", prop::option::of(text()), 0..3).prop_map(|env| {
            let entry = |(name, value): (&String, &Option<String>)| {
                format!("{name}: {}", value.as_ref().map_or_else(|| "null".into(), |text| scalar(text)))
            };
            format!("env: {{{}}}", env.iter().map(entry).collect::<Vec<_>>().join(", "))
        }),
    ];
    (run, prop::collection::vec(option, 0..8)).prop_map(move |(run, options)| {
        let mut keys = std::collections::BTreeMap::new();
        for line in std::iter::once(run).chain(options) {
            let key = line.split(':').next().unwrap_or_default().to_owned();
            // No step is called so, and a shell belongs to a text.
            if line != "after: s0x" {
                keys.insert(key, line);
            }
        }
        // Such steps are never cached, and saying otherwise is an error.
        if keys
            .values()
            .any(|line| ["kind: deploy", "run_on: always"].contains(&line.as_str()) || line.contains("manual"))
        {
            keys.remove("cache");
        }
        if keys["run"].starts_with("run: [") {
            keys.remove("shell");
        }
        let body: Vec<_> = keys.values().map(|line| format!("    {line}")).collect();
        format!("  - id: s{n}\n{}\n", body.join("\n"))
    })
}

fn document() -> impl Strategy<Value = String> {
    let settings = prop::sample::subsequence(
        vec![
            "jobs: 3",
            "smart_execution: observe",
            "parallel: false",
            "multi_stage: false",
            "fail_fast: kill",
            "strict: true",
            "skip_policy: witnessed",
            "cache: write",
            "resume: never",
            "optimized: false",
            "max_memory: 3GiB",
            "step_timeout: 1h1ms",
            "output: errors",
            "ml_optimize: false",
            "strategy: fail-fast",
            "optimization_level: aggressive",
            "secrets: [A]",
            "base: \"origin/x y\"",
            "impact: {code_files: 0}",
            "project: {kind: \"on\"}",
            "skip_rules: {\"^a|b: \": [s0]}",
            "categories: {tests: [a], docs: {remove: [b, c], add: [d]}, mine: [\"e/**\"]}",
            "skip_on_doc_only: s0",
        ],
        0..20,
    );
    (settings, (1usize..5).prop_flat_map(|count| (0..count).map(step).collect::<Vec<_>>())).prop_map(
        |(settings, steps)| {
            // Stages are in the order in which steps wait for each other only if there is one.
            let steps = steps.concat().replace("stage: two", "stage: one");
            format!("{}\nstages: [{{name: one, target: 1m}}]\nsteps:\n{steps}", settings.join("\n"))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_configuration_is_shown_as_it_is_read(text in document()) {
        round_trip(&text);
    }

    #[test]
    fn any_text_is_a_scalar(text in "\\PC{0,20}|[\\x00-\\xff]{0,20}") {
        let source = format!("a: {}\n", scalar(&text));
        let mut errors = Vec::new();
        let node = yaml::parse(&source, 0, &mut errors);
        let Some(Node { kind: NodeKind::Map(entries), .. }) = node else { panic!("{source}: {errors:?}") };
        let NodeKind::Scalar { text: read, .. } = &entries[0].1.kind else { panic!("{source}") };
        prop_assert_eq!(read, &text);
    }

    /// Whatever is in the file, reading ends with a configuration or with errors that have a place in it.
    #[test]
    fn no_text_confuses_the_loader(text in "((steps|stages|jobs|needs|id|run|a)?:? ?[-\\[\\]{}&*!|>'\"#%@,?é\n\t :0-9a-z]{0,6}){0,30}") {
        if let Err(errors) = load(&[project(&text)], &[]) {
            prop_assert!(!errors.errors.is_empty());
            for error in &errors.errors {
                prop_assert!(text.get(error.at.start as usize..error.at.end as usize).is_some(), "{:?}", error);
            }
            prop_assert!(errors.to_string().contains("error"));
        }
    }
}
