//! The committed schema, the loader and every example agree.

use super::*;
use crate::config::key::Table;
use crate::config::setting::{ai, ancestor, cache, category, claim, project, retry, reuse, stage, step, variable};
use crate::config::{Layer, Source, load};

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/workflow-config.schema.json");

fn validator() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&schema_json()).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// `cargo test --lib -- --ignored write_the_schema` rewrites it.
#[test]
fn the_committed_schema_is_this_one() {
    let committed = std::fs::read_to_string(COMMITTED).unwrap();
    assert!(committed == schema_json(), "run `cargo test --lib -- --ignored write_the_schema`");
}

#[test]
#[ignore = "writes docs/workflow-config.schema.json"]
fn write_the_schema() {
    std::fs::write(COMMITTED, schema_json()).unwrap();
}

/// A configuration in which the example of one key stands where it belongs.
fn around(place: &str, example: &str) -> String {
    let indented = |by: &str| format!("{by}{}\n", example.replace('\n', &format!("\n{by}")));
    let steps = "  - {id: build, run: make}\n  - {id: lint, run: make lint}\n  - {id: test, run: make test}\n";
    let steps_key = format!("steps:\n{steps}");
    let stages = "stages: [{name: check}]\n";
    match place {
        "top" => {
            let (mut text, has) = (example.to_owned() + "\n", |key: &str| example.starts_with(key));
            if !has("steps:") && !has("test_commands:") {
                text += &steps_key;
            }
            text
        }
        "step" if example.starts_with("id:") => format!("{stages}steps:\n  - run: x\n{}", indented("    ")),
        "top-ai" => format!("{steps_key}ai:\n{}", indented("  ")),
        "step-ai" => {
            let rest = [("persona", "persona: code_reviewer"), ("files", "files: [a]"), ("model", "model: m")];
            let rest =
                rest.iter().filter(|(key, _)| !example.starts_with(key)).map(|(_, line)| format!("      {line}\n"));
            let program = if example.starts_with("command") { "      provider: command\n" } else { "" };
            format!("steps:\n  - id: x\n    ai:\n{}{}{program}", rest.collect::<String>(), indented("      "))
        }
        "step" if example.starts_with("ai:") => {
            format!("ai: {{model: m}}\n{stages}{steps_key}  - id: x\n{}", indented("    "))
        }
        "step" if example.starts_with("run:") => format!("{stages}steps:\n  - id: x\n{}", indented("    ")),
        "step" => format!("{stages}{steps_key}  - id: x\n    run: x\n{}", indented("    ")),
        "stage" if example.starts_with("name:") => format!("stages:\n  - {example}\n"),
        "stage" => format!("stages:\n  - name: x\n{}", indented("    ")),
        "retries" => format!("steps:\n  - id: x\n    run: x\n    retries:\n{}", indented("      ")),
        "resources" => {
            format!("steps:\n  - id: x\n    run: x\n    resources:\n      memory: 1GiB\n{}", indented("      "))
                .replace("      memory: 1GiB\n      memory", "      memory")
        }
        "category" => format!("categories:\n  docs:\n{}", indented("    ")),
        "step-cache" => format!("steps:\n  - id: x\n    run: x\n    cache:\n{}", indented("      ")),
        "variable" => format!("steps:\n  - id: x\n    run: x\n    env:\n      X:\n{}", indented("        ")),
        "performance" => format!("optimizations:\n  performance:\n{}", indented("    ")),
        name => format!("{name}:\n{}", indented("  ")),
    }
}

/// Every example is right, for the loader and for the schema.
#[test]
fn every_example_is_accepted() {
    fn examples<T>(place: &'static str, table: Table<T>) -> Vec<(&'static str, &'static str)> {
        table.iter().map(|key| (place, key.about.example)).collect()
    }
    let all = [
        examples("top", SETTINGS),
        examples("top", project::PROJECT),
        examples("step", step::STEP),
        examples("stage", stage::STAGE),
        examples("top-ai", ai::AI),
        examples("top-ai", ai::SERVICE),
        examples("step-ai", ai::STEP_AI),
        examples("step-ai", ai::SERVICE),
        examples("cache", cache::CACHE),
        examples("variable", variable::VARIABLE),
        examples("step-cache", reuse::REUSE),
        examples("retries", retry::RETRY),
        examples("resources", claim::CLAIM),
        examples("category", category::CATEGORY),
        examples("impact", project::IMPACT),
        examples("workspace", project::WORKSPACE),
        examples("project", project::ABOUT),
        examples("optimizations", ancestor::OPTIMIZATIONS),
        examples("performance", ancestor::PERFORMANCE),
    ];
    let validator = validator();
    for (place, example) in all.concat() {
        let text = around(place, example);
        let source = Source { name: "example".into(), text: text.clone(), layer: Layer::Project };
        load(&[source], &[]).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
        let instance = json_of(&yaml::parse(&text, 0, &mut Vec::new()).unwrap());
        let problems: Vec<_> = validator.iter_errors(&instance).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{text}\n{problems:?}");
    }
}

/// What the schema can know to be wrong, it refuses as the loader does.
#[test]
fn both_refuse_the_same_mistakes() {
    let validator = validator();
    for text in [
        "jobs: 0",
        "jobs: many",
        "jobbs: 1",
        "parallel: yes",
        "output: loud",
        "step_timeout: 10",
        "max_memory: 512",
        "steps: {}",
        "steps: [{id: a}]",
        "steps: [{run: a}]",
        "steps: [{id: a, run: a, ai: {persona: p, model: m}}]",
        "steps: [{id: a, ai: {persona: p, model: m, fail_on: fatal}}]",
        "ai: {mode: sometimes}",
        "ai: {budget: {calls: many}}",
        "ai: {prices: {m: {input: 1}}}",
        "steps: [{id: -a, run: a}]",
        "steps: [{id: a, run: a, kind: tset}]",
        "steps: [{id: a, run: a, retries: {count: -1}}]",
        "steps: [{id: a, run: a, resources: {cpu: 0}}]",
        "steps: [{id: a, run: a, cache: maybe}]",
        "steps: [{id: a, run: a, cache: {ttl: 7}}]",
        "steps: [{id: a, run: a, env_mode: none}]",
        "steps: [{id: a, run: a, env: {A: {value: [x]}}}]",
        "cache: {max_entries: 0}",
        "cache: {policy: newest}",
        "stages: [{trigger: always}]",
        "categories: {docs: {set: [a]}}",
        "optimizations: {performance: {max_parallel_jobs: 0}}",
    ] {
        let source = Source { name: "mistake".into(), text: text.into(), layer: Layer::Project };
        assert!(load(&[source], &[]).is_err(), "{text}");
        let instance = json_of(&yaml::parse(text, 0, &mut Vec::new()).unwrap());
        assert!(!validator.is_valid(&instance), "{text}");
    }
}
