use super::*;

fn project(text: &str) -> Source {
    Source { name: ".workflow-config.yaml".into(), text: text.into(), layer: Layer::Project }
}

const WHOLE: &str = r#"# yaml-language-server: $schema=docs/workflow-config.schema.json
jobs: 4
max_memory: 2GiB
step_timeout: 30m
secrets: [DEPLOY_PASSWORD]
categories:
  code: ["docs/book/**/*.md"]
stages:
  - {name: check, target: 2m}
  - {name: ship, trigger: manual or (high_impact and not docs_changes)}
steps:
  - id: build
    run: cargo build
    kind: build
    outputs: ["target/debug/wf"]
    env: {RUSTFLAGS: -Dwarnings, CARGO_HOME: }
    retries: {count: 2, backoff: 5s, on: [timeout, signal]}
    resources: {cpu: 1.5, memory: 512MiB}
  - id: test
    run: [cargo, test]
    needs: [build]
    timeout: none
    ignore: []
  - id: ship
    run: ./ship.sh
    stage: ship
    shell: bash
    after: test
"#;

#[test]
fn a_whole_file_is_read() {
    let loaded = load(&[project(WHOLE)], &[]).unwrap_or_else(|errors| panic!("{errors}"));
    let workflow = loaded.workflow;
    assert_eq!(workflow.settings.jobs, Some(4));
    assert!(workflow.settings.multi_stage);
    let stages: Vec<_> = workflow.steps.iter().map(|step| step.stage.as_deref().unwrap()).collect();
    assert_eq!(stages, ["check", "check", "ship"]);
    assert_eq!(workflow.steps[0].timeout_ms, Some(1_800_000));
    assert_eq!(workflow.steps[1].timeout_ms, None);
    assert_eq!(workflow.steps[0].ignore, vec!["docs".into()]);
}
