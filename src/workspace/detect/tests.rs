//! Detection over small repositories, each as its files.

use super::*;
use crate::config::{self, Layer, Source};
use crate::workspace::{Manifests, Tree, expand};

fn found(files: &[(&str, &str)]) -> Detected {
    let mut paths: Vec<RepoPath> = files.iter().map(|(path, _)| RepoPath::from(*path)).collect();
    paths.sort();
    let text = |path: &RepoPath| {
        files.iter().find(|(name, _)| RepoPath::from(*name) == *path).map(|(_, text)| (*text).to_owned())
    };
    detect(&paths, &text, &[])
}

/// The ids of what the configuration expands to; it must be one that wf reads, over files as they are.
fn expanded(files: &[(&str, &str)]) -> Vec<String> {
    let text = found(files).to_yaml();
    let source = Source { name: "detected".into(), text: text.clone(), layer: Layer::Project };
    let loaded = config::load(&[source], &[]).unwrap_or_else(|e| panic!("{}\n{text}", config::render(&e, false)));
    let texts = files.iter().map(|(path, text)| (RepoPath::from(*path), (*text).into())).collect();
    let manifests = Manifests::read(&[], &texts);
    let mut paths: Vec<RepoPath> = files.iter().map(|(path, _)| RepoPath::from(*path)).collect();
    paths.sort();
    let expansion = expand(&loaded.workflow, &Tree { files: &paths, manifests }).unwrap();
    assert!(!expansion.warnings.iter().any(|w| matches!(w, crate::workspace::Warning::NoFolders { .. })), "{text}");
    let graph = crate::graph::StepGraph::build(expansion.steps).unwrap();
    graph.steps().iter().map(|step| step.id.to_string()).collect()
}

/// `folder: role: command` of every step.
fn runs(files: &[(&str, &str)]) -> Vec<String> {
    let found = found(files);
    let steps =
        found.projects.iter().flat_map(|(project, steps)| steps.iter().map(move |step| (&project.folder, step)));
    steps.map(|(folder, step)| format!("{folder}: {}: {}", step.role, step.run)).collect()
}

#[test]
fn rust_checks_what_the_repository_or_its_ci_checks() {
    let bare = [("Cargo.toml", "[package]"), ("src/main.rs", "")];
    assert_eq!(runs(&bare), [": build: cargo build --workspace", ": test: cargo test --workspace"]);
    let full = [
        ("Cargo.lock", ""),
        ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]"),
        ("crates/a/Cargo.toml", "[package]"),
        (".github/workflows/ci.yml", "run: cargo fmt --check && cargo clippy"),
    ];
    let roles: Vec<String> = runs(&full).iter().map(|line| line.split(": ").nth(1).unwrap().to_owned()).collect();
    assert_eq!(roles, ["format", "clippy", "build", "test"]);
    assert!(runs(&full)[3].ends_with("--locked") && found(&full).notes.is_empty());
}

#[test]
fn linters_that_read_no_prose_do_not_watch_it() {
    let files =
        [("go.mod", "module x"), ("a.go", ""), ("Cargo.toml", "[package]"), ("rustfmt.toml", ""), ("clippy.toml", "")];
    let found = found(&files);
    let blind = found.projects.iter().flat_map(|(_, steps)| steps).filter(|step| step.no_prose);
    // Clippy has lints for documentation, and that may come from a README.
    assert_eq!(blind.map(|step| step.role).collect::<Vec<_>>(), ["format", "vet"]);
    assert_eq!(found.to_yaml().matches("    ignore: [docs]\n").count(), 2);
    expanded(&files);
}

#[test]
fn node_takes_the_tool_of_the_lock_file_and_only_scripts_that_are_there_and_end() {
    let package = r#"{"scripts": {"lint": "eslint --fix .", "lint:check": "eslint .", "build": "tsc", "test": "jest"},
        "devDependencies": {"jest": "1"}}"#;
    for (lock, install, run) in [
        ("package-lock.json", "npm ci", "npm run"),
        ("pnpm-lock.yaml", "pnpm install --frozen-lockfile", "pnpm run"),
        ("yarn.lock", "yarn install --frozen-lockfile", "yarn run"),
        ("bun.lock", "bun install --frozen-lockfile", "bun run"),
    ] {
        let lines = runs(&[("package.json", package), (lock, ""), (".gitignore", "/dist/\nnode_modules")]);
        assert_eq!(
            lines[..3],
            [format!(": install: {install}"), format!(": lint: {run} lint:check"), format!(": build: {run} build")]
        );
        assert_eq!(lines.len(), 4);
    }
    let found = found(&[("package.json", package), (".gitignore", "/dist/\n")]);
    let test = found.projects[0].1.last().unwrap();
    assert_eq!((&test.needs, &test.env), (&vec!["install", "build"], &vec![("CI", "true")]));
    let watching =
        r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1", "build": "webpack --watch"}}"#;
    let left = super::tests::found(&[("package.json", watching)]);
    assert!(left.is_empty() && left.notes.len() == 2, "{:?}", left.notes);
}

#[test]
fn node_workspaces_run_scripts_of_their_members() {
    let member = ("packages/a/package.json", r#"{"scripts": {"test": "node --test"}}"#);
    let npm = [("package.json", r#"{"workspaces": ["packages/*"]}"#), ("package-lock.json", ""), member];
    assert_eq!(runs(&npm), [": test: npm run test --workspaces --if-present"]);
    let pnpm =
        [("package.json", "{}"), ("pnpm-lock.yaml", ""), ("pnpm-workspace.yaml", "packages: ['packages/*']"), member];
    assert_eq!(runs(&pnpm), [": test: pnpm -r --if-present run test"]);
}

#[test]
fn python_runs_tools_where_they_are_declared() {
    let uv = "[project]\nname = \"x\"\n[dependency-groups]\ndev = [\"ruff\"]\ntests = [\"pytest>=8\"]\n[tool.uv]\n";
    let files = [("pyproject.toml", uv), ("uv.lock", ""), ("tests/test_x.py", "")];
    let expected = [
        ": install: uv sync --locked",
        ": ruff: uv run --no-sync ruff check --no-fix .",
        ": test: uv run --frozen --group tests pytest",
    ];
    assert_eq!(runs(&files), expected);
    let poetry = "[tool.poetry]\nname = \"x\"\n[tool.poetry.group.dev.dependencies]\npytest = \"^8\"\nmypy = \"1\"\n";
    let files = [("pyproject.toml", poetry), ("src/x/test_x.py", "")];
    assert_eq!(runs(&files)[1..], [": types: poetry run mypy src", ": test: poetry run pytest"]);
    let pip = [("requirements.txt", "flask\npytest\n"), ("test_app.py", ""), ("setup.py", "")];
    let lines = runs(&pip);
    assert!(lines[0].ends_with("pip install --quiet -r requirements.txt -e '.'"), "{lines:?}");
    assert_eq!(lines[1], ": test: .venv/bin/python -m pytest");
    assert!(runs(&[("requirements.txt", "pytest\n"), ("app.py", "")]).is_empty(), "no tests, no test step");
}

#[test]
fn java_goes_through_the_wrapper() {
    assert_eq!(runs(&[("pom.xml", ""), ("mvnw", ""), ("core/pom.xml", "")])[1], ": test: sh ./mvnw -B -ntp test");
    assert_eq!(runs(&[("build.gradle.kts", "")])[0], ": build: gradle --no-daemon assemble");
}

#[test]
fn make_is_for_folders_where_nothing_else_is() {
    let makefile = ("Makefile", "all: x\ncheck:\n\ttrue\nlint:\n\ttrue\n");
    assert_eq!(runs(&[makefile]), [": lint: make lint", ": build: make all", ": check: make check"]);
    let beside = [makefile, ("Cargo.toml", "")];
    assert!(found(&beside).notes[0].contains("check, lint") || found(&beside).notes[0].contains("lint, check"));
    assert!(runs(&beside).iter().all(|line| !line.contains("make")));
}

#[test]
fn documentation_sites() {
    let conf = ("docs/conf.py", "extensions = ['sphinx.ext.autodoc']");
    assert_eq!(runs(&[conf]), ["docs: sphinx: sphinx-build -b html . _build/html"]);
    let managed = "[dependency-groups]\ndocs = [\"sphinx\"]\n";
    let lines = runs(&[conf, ("pyproject.toml", managed), ("uv.lock", "")]);
    assert_eq!(lines[1], ": sphinx: uv run --frozen --group docs sphinx-build -b html docs docs/_build/html");
    assert_eq!(runs(&[("guide/book.toml", ""), ("mkdocs.yml", "")]).len(), 2);
}

#[test]
fn other_peoples_code_and_examples_are_left_alone_and_other_kinds_are_named() {
    let files =
        [("vendor/x/go.mod", ""), ("vendor/x/a.go", ""), ("examples/y/package.json", r#"{"scripts": {"test": "x"}}"#)];
    assert!(found(&files).is_empty());
    let notes = found(&[("src/cart/cart.csproj", ""), ("src/cart/sub/sub.csproj", "")]).notes;
    assert_eq!(notes, ["no steps for what is a .NET project in src/cart"]);
}

#[test]
fn several_kinds_in_several_folders_become_instances() {
    let package = r#"{"scripts": {"test": "node --test"}}"#;
    let files = [
        ("Cargo.toml", "[package]"),
        ("services/a/go.mod", "module a"),
        ("services/a/main.go", ""),
        ("services/b/go.mod", "module b"),
        ("services/b/main.go", ""),
        ("web/package.json", package),
    ];
    let yaml = found(&files).to_yaml();
    for line in [
        "  - id: go-test\n    for_each: [services/a, services/b]\n    run: go test ./...\n    kind: test\n    after: [go-build]\n",
        "  - id: node-test\n    for_each: [web]\n    run: npm test\n",
        "  - id: rust-build\n    run: cargo build --workspace\n    kind: build\n    locks: [cargo-target]\n",
    ] {
        assert!(yaml.contains(line), "{line}\nis not in\n{yaml}");
    }
    let ids = expanded(&files);
    assert!(ids.contains(&"go-test@services/b".into()) && ids.contains(&"node-test@web".into()), "{ids:?}");
}

#[test]
fn names_that_mean_something_to_yaml_or_globs_are_quoted() {
    let files: Vec<(String, &str)> = ["a: b", "[x]", "*", "é \"q\""]
        .iter()
        .flat_map(|folder| [(format!("{folder}/go.mod"), ""), (format!("{folder}/a.go"), "")])
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let yaml = found(&files).to_yaml();
    for written in [r#""a: b""#, r#""\\[x\\]""#, r#""\\*""#, r#""é \"q\"""#] {
        assert!(yaml.contains(written), "{written} in {yaml}");
    }
    let ids = expanded(&files);
    assert!(["test@*", "test@[x]", "test@a: b"].iter().all(|id| ids.iter().any(|known| known == id)), "{ids:?}");
}

#[test]
fn long_lists_are_written_once_and_every_shape_loads() {
    let names: Vec<String> = (0..12).map(|n| format!("libraries/module-number-{n}")).collect();
    let mut files: Vec<(String, &str)> =
        names.iter().flat_map(|name| [(format!("{name}/go.mod"), "module x"), (format!("{name}/a.go"), "")]).collect();
    files.extend([("go.mod".to_owned(), "module r"), ("main.go".to_owned(), "")]);
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let yaml = found(&files).to_yaml();
    assert_eq!(yaml.matches("module-number-7").count(), 1, "{yaml}");
    assert_eq!(expanded(&files).len(), 3 + 3 * 12);

    let node = r#"{"scripts": {"build": "tsc", "test": "vitest", "lint": "eslint ."}, "devDependencies": {"vitest": "1"},
        "workspaces": ["packages/*"]}"#;
    let python = "[project]\nname = \"x\"\n[tool.ruff]\n[tool.mypy]\n[build-system]\nrequires = []\n";
    let everything = [
        ("Cargo.toml", "[package]"),
        ("rustfmt.toml", ""),
        ("package.json", node),
        (".gitignore", "dist\n"),
        ("packages/a/package.json", node),
        ("api/pyproject.toml", python),
        ("api/tests/test_a.py", ""),
        ("api/conftest.py", ""),
        ("jvm/pom.xml", "<project/>"),
        ("guide/book.toml", ""),
        ("Makefile", "lint:\n"),
    ];
    let yaml = found(&everything).to_yaml();
    let source = Source { name: "init".into(), text: yaml.clone(), layer: Layer::Project };
    for step in config::load(&[source], &[]).unwrap().workflow.steps.iter().filter(|step| step.inputs.is_some()) {
        let installs = step.id.as_str().contains("install");
        assert_eq!(step.cache.is_on(), !installs, "{}: installed packages are not worth a cache\n{yaml}", step.id);
    }
    assert_eq!(yaml.matches("cache: false  # ").count(), 2, "{yaml}");
    let ids = expanded(&everything);
    for id in [
        "rust-format",
        "node-install",
        "node-test",
        "python-install@api",
        "python-ruff@api",
        "java-test@jvm",
        "docs-book@guide",
    ] {
        assert!(ids.iter().any(|known| known == id), "{id} in {ids:?}");
    }
    assert!(found(&[]).to_yaml().contains("Nothing was found"));
}
