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
    assert_eq!(steps(&made), ["build: make", "test: # Unit\n(\ncd sub || exit\nmake test\n)", "deploy-site: ./deploy"]);
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
fn the_work_of_people_is_narrowed_only_if_all_of_it_has_a_filter() {
    for (on, narrow) in [
        ("{push: {paths: [a/**]}, pull_request: }", false),
        ("{push: {branches: [main], paths: [a/**]}, pull_request: {branches: [main]}}", false),
        ("{pull_request: {paths: [a/**]}, pull_request_target: }", false),
        ("{push: , pull_request: {paths: [a/**]}}", false),
        ("{push: {branches: ['**']}, pull_request: {paths: [a/**]}}", false),
        ("{push: {branches: [main, 'release/*']}, pull_request: {paths: [a/**]}}", true),
        ("{push: {paths: [a/**]}, merge_group: , workflow_dispatch: }", true),
        ("{pull_request: {paths: [a/**]}, push: {tags: ['v*']}}", true),
    ] {
        let made = of(&format!("on: {on}\njobs: {{j: {{steps: [{{run: x}}]}}}}\n"), &[]);
        let expected: &[&str] = if narrow { &["a/**"] } else { &[] };
        assert_eq!(inputs(&made, "j"), expected, "{on}");
        assert!(
            made.lost.iter().any(|line| line.contains("without a filter") || line.contains("tags")),
            "{on}: {:?}",
            made.lost
        );
    }
}

#[test]
fn events_that_need_no_filter_narrow_nothing() {
    for (on, condition, narrow) in [
        ("pull_request", "github.event_name == 'pull_request' || needs.changes.outputs.o == 'true'", false),
        ("pull_request", "github.event_name == 'schedule' || needs.changes.outputs.o == 'true'", true),
        ("pull_request", "github.event_name == 'pull_request' && needs.changes.outputs.o == 'true'", true),
        ("[push, pull_request]", "github.event_name == 'push' || needs.changes.outputs.o == 'true'", false),
        (
            "{push: {branches: [main]}, pull_request: }",
            "github.event_name == 'push' || needs.changes.outputs.o == 'true'",
            true,
        ),
        ("{push: {branches: [main]}}", "github.ref == 'refs/heads/main' || needs.changes.outputs.o == 'true'", false),
    ] {
        let text = format!(
            "on: {on}\njobs:\n  changes:\n    outputs: {{o: '${{{{ steps.f.outputs.code }}}}'}}\n    steps:\n      - uses: dorny/paths-filter@v3\n        \
             id: f\n        with: {{filters: \"code: ['src/**']\"}}\n  j:\n    needs: changes\n    if: {condition}\n    steps: [{{run: x}}]\n"
        );
        let made = of(&text, &[]);
        assert_eq!(!inputs(&made, "j").is_empty(), narrow, "{on} {condition}");
        assert!(made.lost.iter().any(|line| line.contains("`if: ")), "{:?}", made.lost);
    }
}

#[test]
fn folders_without_stars_are_files_to_github() {
    let text = "on: {push: {paths: ['**', '!docs', '!LICENSE']}}\njobs: {j: {steps: [{run: x}]}}\n";
    let made = of(text, &[("docs/a.md", ""), ("LICENSE", "")]);
    assert_eq!(inputs(&made, "j"), ["**", "!LICENSE"]);
    assert!(made.lost.iter().any(|line| line.contains("takes nothing away")));
}

/// A filter job whose output `o` is this, and a job that asks for it.
fn with_output(value: &str) -> Configuration {
    let text = format!(
        "on: pull_request\njobs:\n  changes:\n    outputs: {{o: \"${{{{ {value} }}}}\"}}\n    steps:\n      - uses: dorny/paths-filter@v3\n        \
         id: f\n        with: {{filters: \"code: ['src/**']\"}}\n  j:\n    needs: changes\n    if: needs.changes.outputs.o == 'true'\n    \
         steps: [{{run: x}}]\n"
    );
    of(&text, &[])
}

#[test]
fn outputs_that_are_no_plain_filter_narrow_nothing() {
    assert_eq!(inputs(&with_output("steps.f.outputs.code"), "j"), ["src"]);
    assert_eq!(inputs(&with_output("steps.f.outputs.code == 'true'"), "j"), ["src"]);
    for value in [
        "steps.f.outputs.code != 'true'",
        "steps.f.outputs.code == 'false'",
        "!steps.f.outputs.code",
        "steps.f.outputs.code == 'true' || steps.other.outputs.x == 'true'",
        "steps.f.outputs.code || env.ALL",
    ] {
        let made = with_output(value);
        assert!(inputs(&made, "j").is_empty(), "{value}: {}", made.text);
        assert!(made.lost.iter().any(|line| line.contains("ci.yml")), "{value}: {:?}", made.lost);
    }
    let labels =
        with_output("steps.f.outputs.code == 'true' || contains(github.event.pull_request.labels.*.name, 'x')");
    assert!(inputs(&labels, "j").is_empty(), "whoever gives it the label wants it for every file");
    let by_hand = with_output("steps.f.outputs.code == 'true' || github.event_name == 'workflow_dispatch'");
    assert_eq!(inputs(&by_hand, "j"), ["src"]);
    assert!(by_hand.lost.iter().any(|line| line.contains("the output `o`") && line.contains("only its path filters")));
}

#[test]
fn filters_of_a_folder_are_of_that_folder() {
    let with = |more: &str| {
        let text = format!(
            "on: push\njobs:\n  a:\n    steps:\n      - id: f\n        uses: tj-actions/changed-files@v45\n        with: {{files: 'app/**', {more}}}\n      \
             - {{run: x, if: \"steps.f.outputs.any_changed == 'true'\"}}\n"
        );
        let made = of(&text, &[]);
        (inputs(&made, "a"), made.lost)
    };
    assert_eq!(with("path: ./web/").0, ["web/app"]);
    assert_eq!(with("path: .").0, ["app"]);
    for more in ["path: '${{ inputs.x }}'", "path: ../other", "files_separator: ','"] {
        let (inputs, lost) = with(more);
        assert!(inputs.is_empty() && lost.iter().any(|line| line.contains("tj-actions")), "{more}: {lost:?}");
    }
}

#[test]
fn workflows_of_tags_labels_and_other_branches_are_left_where_they_are() {
    for (on, steps) in [
        ("{push: {tags: ['v*']}}", 0),
        ("{push: {tags: ['v*'], branches: [main]}}", 1),
        ("{push: {branches: [gh-pages-src]}}", 0),
        ("{push: {branches: ['release/**', main]}}", 1),
        ("{pull_request: {types: [labeled]}}", 0),
        ("{pull_request: {types: [labeled, synchronize]}}", 1),
        ("{push: {tags: ['v*']}, pull_request: {}}", 1),
    ] {
        let made = of(&format!("on: {on}\njobs: {{a: {{steps: [{{run: twine upload}}]}}}}\n"), &[]);
        assert_eq!(made.steps, steps, "{on}");
        let told = ["tags", "branches", "types"].iter().any(|word| made.lost.iter().any(|line| line.contains(word)));
        assert!(told, "{on}: {:?}", made.lost);
    }
}

#[test]
fn scripts_find_what_github_gives_them() {
    let text = "on: push\nenv: {ROOT: /opt}\njobs:\n  a:\n    steps:\n      - run: make -C \"${{ github.workspace }}/web\"\n        \
                working-directory: ${{ github.workspace }}/a b\n        env: {OUT: '${{ env.ROOT }}/out $x'}\n      \
                - run: yes | head -1\n      - {run: 'a | b', shell: bash}\n      - {run: 'echo n=1 >> $GITHUB_OUTPUT'}\n      \
                - {run: \"echo '${{ env.ROOT }} ${{ env.LATER }}'\"}\n      - {run: ./alert, if: failure()}\n";
    let made = of(text, &[]);
    let script = &steps(&made)[0];
    for part in [
        "export GITHUB_WORKSPACE=\"$PWD\"\n",
        "export GITHUB_OUTPUT=\"$of_github/GITHUB_OUTPUT\"\n",
        "cd \"${GITHUB_WORKSPACE}\"'/a b' || exit\n",
        "export OUT='/opt/out $x'\n",
        "make -C \"${GITHUB_WORKSPACE}/web\"\n",
        "(\nset +o pipefail\nyes | head -1\n)",
        "(\na | b\n)",
    ] {
        assert!(script.contains(part), "{part}\n{script}");
    }
    assert!(!script.contains("./alert"), "{script}");
    assert!(script.contains("export GITHUB_OUTPUT") && script.contains("echo '/opt ${LATER}'"), "{script}");
    for part in ["single quotes", "only after a failure", "hands values to later parts"] {
        assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
    }
}

#[test]
fn jobs_that_never_run_and_matrices_with_exceptions() {
    let text = "on: push\njobs:\n  never: {if: false, steps: [{run: x}]}\n  alert: {if: failure(), steps: [{run: x}]}\n  \
                m:\n    runs-on: ${{ matrix.os }}\n    strategy: {matrix: {os: [windows-latest, ubuntu-latest], py: ['3.9', '3.12'], \
                exclude: [{os: ubuntu-latest, py: '3.9'}]}}\n    steps: [{run: 'tox -e ${{ matrix.py }}'}]\n  \
                inc:\n    strategy: {matrix: {include: [{t: unit, cmd: npm test}, {t: e2e, cmd: x}]}}\n    steps: [{run: '${{ matrix.cmd }}'}]\n  \
                win:\n    runs-on: ${{ matrix.os }}\n    strategy: {matrix: {os: [windows-latest, macos-13]}}\n    steps: [{run: x}]\n  \
                other: {uses: ./.github/workflows/x.yml}\n  pages: {steps: [{run: make}, {run: git push origin x}]}\n";
    let made = of(text, &[]);
    assert_eq!(steps(&made)[..2], ["m: tox -e 3.12", "inc: npm test"]);
    assert!(made.steps == 3 && made.text.contains("kind: deploy"), "{}", made.text);
    for part in ["`never`", "`alert`", "`win`", "`pages`", "write steps for what its jobs run"] {
        assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
    }
}

#[test]
fn no_part_acts_on_variables_that_are_not_there() {
    let text = "on: push\nenv: {DIR: '${{ github.run_id }}', GITHUB_REF_TYPE: branch}\njobs:\n  one: {steps: [{run: 'rm -rf $DIR/* ${GITHUB_JOB}/*'}]}\n  \
                two:\n    env: {TOKEN: '${{ secrets.TOKEN }}'}\n    steps:\n      - {run: 'rm -rf ${{ env.LATER }}/* $TOKEN', continue-on-error: true}\n      \
                - {run: 'echo ${GITHUB_REF:-main} $GITHUB_REF_TYPE $GITHUB_REF_NAME > $RUNNER_TEMP/x', env: {GITHUB_REF_NAME: x}}\n      \
                - {run: 'echo x >> ${GITHUB_OUTPUT}'}\n";
    let made = of(text, &[]);
    let [one, two] = &steps(&made)[..] else { panic!("{}", made.text) };
    let guard = |name: &str| format!(": \"${{{name}?GitHub alone knows it");
    assert!(one.starts_with(&format!("one: {}", guard("DIR"))) && one.contains(&guard("GITHUB_JOB")), "{one}");
    assert!(two.contains(&format!("set -e\n{}", guard("LATER"))) && two.matches("?GitHub").count() == 1, "{two}");
    assert!(two.contains("export RUNNER_TEMP=") && two.contains("rm -rf \"$of_github\""), "{two}");
    for part in [
        "`$DIR`",
        "`$GITHUB_JOB`",
        "`$LATER`",
        "`$GITHUB_REF`, which GitHub alone knows: here its default",
        "hands values",
    ] {
        assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
    }
}

#[test]
fn what_a_job_says_besides_is_told() {
    let text = "on: push\nconcurrency: x\njobs:\n  a:\n    runs-on: ubuntu-latest\n    concurrency: {group: x}\n    timeout-minutes: ${{ inputs.t }}\n    \
                continue-on-error: ${{ matrix.may }}\n    strategy: {matrix: {v: [1], may: [true]}}\n    \
                env: {BOTH: '${{ matrix.v }}-${{ github.workspace }}', F: \"-k 'a b'\"}\n    if: github.actor != 'x'\n    steps:\n      \
                - {uses: actions/checkout@v4, with: {repository: o/r, path: sub, fetch-depth: 0, lfs: false}}\n      \
                - {run: 'make ${{ env.F }}', timeout-minutes: 5, continue-on-error: '${{ inputs.x }}'}\n      \
                - {run: y, if: \"github.actor == 'bot'\", odd: 1}\n  \
                win: {runs-on: {group: big, labels: [windows-latest]}, steps: [{run: x}]}\n  \
                linux: {runs-on: {group: big}, steps: [{run: x}]}\n";
    let made = of(text, &[]);
    assert_eq!(steps(&made), ["a: (\nmake -k 'a b'\n)\n(\ny\n)", "linux: x"]);
    assert!(made.text.contains("allow_failure: true") && !made.text.contains("timeout:"), "{}", made.text);
    assert!(!made.text.contains("BOTH:"), "{}", made.text);
    for part in [
        "`concurrency` of the workflow",
        "`concurrency` of the job `a`",
        "`timeout-minutes` of the job `a`",
        "`timeout-minutes` of `make",
        "`continue-on-error` of `make",
        "`odd` of `y`",
        "parts of it have an `if` of their own",
        "`repository: o/r` of `actions/checkout`",
        "`path: sub` of",
        "the variable `BOTH`",
        "windows-latest",
    ] {
        assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:#?}", made.lost);
    }
    assert!(!made.lost.iter().any(|line| line.contains("fetch-depth") || line.contains("lfs")), "{:?}", made.lost);
}

#[test]
fn jobs_that_serve_or_edit_are_told_and_releases_are_no_deployments_by_name_alone() {
    let text = "on: push\njobs:\n  serve: {steps: [{run: npm run dev}]}\n  behind: {steps: [{run: \"npm run dev &\\nnpm test\"}]}\n  \
                fmt: {steps: [{run: \"cargo fmt\\ngit diff --exit-code\"}]}\n  test-release: {steps: [{run: cargo test --release}]}\n  \
                check-publish: {steps: [{run: cargo publish --dry-run}]}\n  site: {environment: prod, steps: [{run: ./x}]}\n";
    let made = of(text, &[]);
    let ids: Vec<String> =
        steps(&made).iter().map(|step| step.split(':').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(ids, ["behind", "fmt", "test-release", "check-publish", "site"]);
    assert_eq!(made.text.matches("kind: deploy").count(), 2, "one is in the notes: {}", made.text);
    for part in ["the job `serve`", "the job `fmt`", "`site` (job `site`"] {
        assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:#?}", made.lost);
    }
}

#[test]
fn what_the_combination_decides_is_decided() {
    let text = "on: [pull_request]\njobs:\n  test:\n    runs-on: ubuntu-latest\n    strategy:\n      matrix:\n        include:\n          - {py: '3.14'}\n          - {py: pypy, tox: pypy3.11, cross: true}\n    steps:\n      - run: tox -e ${{ matrix.tox || format('py{0}', matrix.py) }}\n      - {if: matrix.tox, run: cross test}\n      - {if: \"matrix.py == '3.14'\", run: tox -e cover}\n";
    let made = of(text, &[]);
    assert_eq!(steps(&made), ["test: (\ntox -e py3.14\n)\n(\ntox -e cover\n)"]);
    assert!(made.lost.len() == 2 && made.lost[0].contains("(py=3.14)"), "{:?}", made.lost);
    assert!(made.lost[1].contains("`cross test`") && made.lost[1].contains("does not hold"), "{:?}", made.lost);
    // What a part before it may have set is not known.
    let text = text.replace("- run: tox", "- run: echo PY=x >> $GITHUB_ENV; tox").replace("matrix.py ==", "env.PY ==");
    assert!(of(&text, &[]).lost.iter().any(|line| line.contains("parts of it have an `if`")));
}
