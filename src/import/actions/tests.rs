//! Workflows, and the configurations they become.

use crate::import::tests::{imported, inputs, steps};
use crate::import::{Configuration, Format};

const AT: &str = ".github/workflows/ci.yml";

fn of(text: &str, more: &[(&str, &str)]) -> Configuration {
    imported(Format::Actions, AT, &[&[(AT, text)], more].concat())
}

#[test]
fn jobs_become_steps() {
    let text = "on:\n  push:\n    paths: [src/**, '!src/**.md']\njobs:\n  build:\n    runs-on: x\n    steps:\n      \
                - uses: actions/checkout@v4\n      - run: make\n  test:\n    needs: build\n    timeout-minutes: 5\n    \
                env: {A: '1', T: '${{ secrets.T }}'}\n    steps:\n      - {name: Unit, run: make test, working-directory: sub, env: {U: '${{ secrets.U }}'}}\n      \
                - {run: 'make ${{ github.sha }}'}\n      - uses: actions/setup-node@v4\n  deploy-site:\n    \
                environment: prod\n    steps: [{run: ./deploy}]\n";
    let made = of(text, &[]);
    assert_eq!(steps(&made), ["build: make", "test: # Unit\n(\ncd sub\nmake test\n)", "deploy-site: ./deploy"]);
    assert_eq!(inputs(&made, "build"), ["src/**", "!src/**/*.md"]);
    for part in
        ["after: [build]", "timeout: 5m", "kind: deploy", "shell: bash", "cache: false", "      T:\n", "A: \"1\""]
    {
        assert!(made.text.contains(part), "{part}\n{}", made.text);
    }
    for part in ["github.sha", "actions/setup-node", "the value of `T`", "variable `U` is GitHub's"] {
        assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
    }
    assert!(!made.lost.iter().any(|line| line.contains("checkout")));
}

#[test]
fn what_wf_does_not_do_is_told() {
    let text = "on: [push, workflow_dispatch]\njobs:\n  win: {runs-on: windows-latest, steps: [{run: dir}]}\n  \
                call: {uses: ./.github/workflows/x.yml, needs: win}\n  t:\n    needs: [call]\n    services: {db: {image: x}}\n    \
                strategy: {matrix: {py: ['3.9', '3.12']}}\n    steps: [{run: 'tox -e ${{ matrix.py }}'}, {run: Get-Item, shell: pwsh}]\n";
    let made = of(text, &[]);
    assert_eq!(steps(&made), ["t: tox -e 3.9"]);
    for part in ["windows-latest", "./.github/workflows/x.yml", "services", "py=3.9", "pwsh", "workflow_dispatch"] {
        assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
    }
    // Without a filter GitHub runs it for prose, too.
    assert!(of("on: push\njobs: {test: {steps: [{run: x}]}}\n", &[]).text.contains("ignore: []"));
    let scheduled = of("on: {schedule: [{cron: '1 1 * * *'}]}\njobs: {a: {steps: [{run: x}]}}\n", &[]);
    assert_eq!(scheduled.steps, 0);
    assert_eq!(of("jobs: {}", &[]).steps + of("[", &[]).steps + of("on: push", &[]).steps, 0);
}

#[test]
fn filters_of_jobs_are_found_through_outputs() {
    let text = "on: pull_request\njobs:\n  changes:\n    outputs:\n      code: ${{ steps.f.outputs.code }}\n      \
                all: ${{ steps.f.outputs.code || steps.f.outputs.docs }}\n    steps:\n      - uses: dorny/paths-filter@v3\n        \
                id: f\n        with:\n          filters: |\n            code: &code\n              - 'src/**'\n              \
                - '!**/*.md'\n            docs: [docs/**]\n            new:\n              - added|modified: 'n/**'\n  \
                a:\n    needs: changes\n    if: needs.changes.outputs.code == 'true'\n    steps: [{run: a}]\n  \
                b:\n    needs: changes\n    if: ${{ github.event_name == 'push' || needs.changes.outputs.all == 'true' }}\n    \
                steps: [{run: b}]\n  c:\n    if: needs.changes.outputs.unknown == 'true'\n    steps: [{run: c}]\n";
    let made = of(text, &[]);
    assert_eq!(inputs(&made, "a"), ["**", "!**/*.md", "src"]);
    assert_eq!(inputs(&made, "b"), ["**", "!**/*.md", "src", "docs"]);
    assert_eq!(inputs(&made, "c"), Vec::<String>::new());
    assert!(made.lost.iter().any(|line| line.contains("how a file changed")));
    assert!(made.lost.iter().any(|line| line.contains("outputs.unknown")));
}

#[test]
fn changed_files_and_filters_in_files() {
    let text = "on: push\njobs:\n  a:\n    steps:\n      - id: f\n        uses: tj-actions/changed-files@v45\n        with:\n          \
                files: |\n            **/**.py\n            !x.py\n      - run: pytest\n        \
                if: steps.f.outputs.any_changed == 'true'\n  b:\n    steps:\n      - {id: g, uses: dorny/paths-filter@v3, with: {filters: .github/f.yml}}\n      \
                - {run: b, if: \"steps.g.outputs.x == 'true'\"}\n";
    let made = of(text, &[(".github/f.yml", "x: ['b/*']\n")]);
    assert_eq!(inputs(&made, "a"), ["**/*.py", "!x.py"]);
    assert_eq!(inputs(&made, "b"), ["b/*"]);
}

#[test]
fn events_with_different_filters_run_what_either_would() {
    let text = "on:\n  push: {paths: [a/**]}\n  pull_request: {paths-ignore: ['**.md']}\n  merge_group:\njobs: {j: {steps: [{run: x}]}}\n";
    let made = of(text, &[]);
    assert_eq!(inputs(&made, "j"), ["**", "!**/*.md", "a/**"]);
    assert!(made.lost.iter().any(|line| line.contains("different filters")));
    assert!(made.lost.iter().any(|line| line.contains("merge_group")));
}

#[test]
fn folders_without_stars_are_files_to_github() {
    let text = "on: {push: {paths: ['**', '!docs', '!LICENSE']}}\njobs: {j: {steps: [{run: x}]}}\n";
    let made = of(text, &[("docs/a.md", ""), ("LICENSE", "")]);
    assert_eq!(inputs(&made, "j"), ["**", "!LICENSE"]);
    assert!(made.lost.iter().any(|line| line.contains("takes nothing away")));
}
