//! What every import has to be: a configuration that wf reads, whatever the text.

use super::*;
use crate::config::model::{Command, StepSpec};
use crate::config::{self, Layer, Loaded, Source};
use crate::workspace::{Manifests, Tree, expand};
use proptest::prelude::*;

/// A repository of these files, for one look.
pub(super) fn repository<T>(files: &[(&str, &str)], look: impl FnOnce(&Repository<'_>) -> T) -> T {
    let mut paths: Vec<RepoPath> = files.iter().map(|(path, _)| RepoPath::from(*path)).collect();
    paths.sort();
    let text = |path: &RepoPath| {
        files.iter().find(|(name, _)| RepoPath::from(*name) == *path).map(|(_, text)| (*text).to_owned())
    };
    look(&Repository { files: &paths, text: &text })
}

/// Imports one file, and has wf read what came of it.
pub(super) fn imported(format: Format, path: &str, files: &[(&str, &str)]) -> Configuration {
    let made = repository(files, |repo| import(&[(format, RepoPath::from(path))], repo));
    let loaded = load(&made.text);
    let mut paths: Vec<RepoPath> = files.iter().map(|(path, _)| RepoPath::from(*path)).collect();
    paths.sort();
    let texts = files.iter().map(|(path, text)| (RepoPath::from(*path), (*text).into())).collect();
    let manifests = Manifests::read(&[], &texts);
    let expansion = expand(&loaded.workflow, &Tree { files: &paths, manifests });
    let graph = expansion.map(|expansion| crate::graph::StepGraph::build(expansion.steps));
    assert!(graph.is_ok_and(|graph| graph.is_ok()), "{}", made.text);
    made
}

pub(super) fn load(text: &str) -> Loaded {
    let source = Source { name: "imported".into(), text: text.to_owned(), layer: Layer::Project };
    config::load(&[source], &[]).unwrap_or_else(|errors| panic!("{}\n{text}", config::render(&errors, false)))
}

/// `id: command` of every step.
pub(super) fn steps(made: &Configuration) -> Vec<String> {
    let command = |step: &StepSpec| match &step.command {
        Command::Shell { text, .. } => text.clone(),
        other => panic!("no shell: {other:?}"),
    };
    if made.steps == 0 {
        return vec![];
    }
    load(&made.text).workflow.steps.iter().map(|step| format!("{}: {}", step.id, command(step))).collect()
}

/// The patterns that a step watches; none for everything.
pub(super) fn inputs(made: &Configuration, id: &str) -> Vec<String> {
    let loaded = load(&made.text);
    let step = loaded.workflow.steps.iter().find(|step| step.id.as_str() == id);
    let step = step.unwrap_or_else(|| panic!("no step {id}\n{}", made.text));
    step.inputs.as_ref().map(|set| set.texts().map(str::to_owned).collect()).unwrap_or_default()
}

#[test]
fn every_format_has_a_name_and_files() {
    for format in Format::ALL {
        assert_eq!(Format::of_name(format.name()), Some(format));
    }
    for (path, format) in [
        (".github/workflows/ci.yml", Some(Format::Actions)),
        ("a/.github/workflows/ci.yaml", Some(Format::Actions)),
        (".pre-commit-config.yaml", Some(Format::PreCommit)),
        ("sub/Justfile", Some(Format::Just)),
        (".moon/tasks.yml", Some(Format::Moon)),
        ("x/GNUmakefile", Some(Format::Make)),
        ("README.md", None),
        (".github/dependabot.yml", None),
    ] {
        assert_eq!(Format::of_file(&RepoPath::from(path)), format, "{path}");
    }
}

#[test]
fn several_sources_make_one_configuration() {
    let files = [
        ("Makefile", ".PHONY: test\ntest:\n\tx\n"),
        ("justfile", "test:\n  x\n"),
        ("tox.ini", "[tox]\nenvlist = test\n"),
        ("gone", ""),
    ];
    let sources =
        [(Format::Make, "Makefile"), (Format::Just, "justfile"), (Format::Tox, "tox.ini"), (Format::Nx, "nx.json")];
    let sources = sources.map(|(format, path)| (format, RepoPath::from(path)));
    let made = repository(&files, |repo| import(&sources, repo));
    assert_eq!(steps(&made), ["test: make test", "just-test: just test", "tox-test: tox -e test"]);
    assert!(made.lost.iter().any(|line| line.contains("nx.json")));
}

#[test]
fn hostile_names_reach_neither_terminal_nor_comments() {
    let text = "on: push\njobs:\n  \"a\\e[31m\\n- id: evil\\n\":\n    name: \"b\\e]0;x\\a\"\n    steps:\n      - run: \"x \\e[2J\"\n      \
                - uses: \"evil\\e[31m/x@v1\"\n";
    let path = ".github/workflows/\u{1b}x.yml";
    let made = imported(Format::Actions, path, &[(path, text)]);
    assert!(!made.text.contains('\u{1b}') && !made.lost.iter().any(|line| line.contains('\u{1b}')), "{}", made.text);
    assert_eq!(made.steps, 1);
    assert_eq!(load(&made.text).workflow.steps.len(), 1);
}

#[test]
fn steps_that_wf_could_not_plan_wait_for_nobody_and_watch_everything() {
    let files = [
        ("turbo.json", "{\"tasks\": {\"build\": {\"dependsOn\": [\"^build\"]}}}"),
        ("package.json", "{\"workspaces\": [\"p/*\"]}"),
        ("go.mod", "module x"),
        ("p/a/package.json", "{\"scripts\": {\"build\": \"go build\"}}"),
        ("p/a/main.go", ""),
    ];
    let made = imported(Format::Turbo, "turbo.json", &files);
    assert_eq!(inputs(&made, "build"), ["**"]);
    assert!(!made.text.contains("^build\"]") && made.text.contains("cache: false"), "{}", made.text);
    assert!(made.lost.iter().any(|line| line.contains("piece of a larger Go module")), "{:?}", made.lost);
    let nothing = imported(Format::Just, "justfile", &[("justfile", "x := 'y'\n")]);
    assert!(nothing.steps == 0 && nothing.lost[0].contains("nothing of it is a step"), "{:?}", nothing.lost);
}

#[test]
fn steps_whose_manifests_wf_cannot_read_watch_everything() {
    let member = "{\"scripts\": {\"build\": \"tsc\", \"test\": \"node --test\"}}";
    let files = [
        ("package.json", "{\"workspaces\": [\"packages/*\", \"../other\"]}"),
        ("packages/a/package.json", member),
        ("packages/a/test/fix/package.json", member),
    ];
    let made = imported(Format::Scripts, "package.json", &files);
    assert!(
        made.text.matches("for_each: [packages/a]\n").count() == 2 && !made.text.contains("needs:"),
        "{}",
        made.text
    );
    assert_eq!((inputs(&made, "build"), inputs(&made, "test")), (vec!["**".to_owned()], vec!["**".to_owned()]));
    for part in ["the members `../other` (package.json:1)", "what `test` watches", "leaves the repository"] {
        assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
    }
}

/// Words of all formats, so that arbitrary texts get past the first line of a reader.
const PIECES: &str = "(on|push|jobs|steps|run|uses|needs|if|paths|filters|repos|hooks|id|files|types|exclude|tasks|dependsOn|\
    inputs|outputs|targetDefaults|namedInputs|deps|sources|cmds|envlist|env_list|package|workspace|members|module|modules|\
    \\.PHONY|def|@nox\\.session|scripts|workspaces|includes|commands|mod a|a::b|\\$\\(a\\)|&|dir|entry|a|b|\\*\\*|!a|\\$\\{\\{ matrix\\.x \\}\\}|\\^a|#a|[:,\\[\\]{}\"'=<>/()|&-]|\n|\n  |\n    |\t| )";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_text_makes_an_importer_panic_or_write_what_wf_refuses(
        pieces in proptest::collection::vec(PIECES, 0..60),
        noise in "\\PC{0,60}|[\\x00-\\x7f]{0,60}",
        which in 0_usize..14,
        at in 0_usize..3,
    ) {
        let names = [
            ".github/workflows/a.yml", ".pre-commit-config.yaml", "turbo.json", "nx.json", "moon.yml", "package.json",
            "Makefile", "justfile", "Taskfile.yml", "tox.ini", "noxfile.py", "Cargo.toml", "go.work", "pom.xml",
        ];
        let text = match at { 0 => pieces.concat(), 1 => noise, _ => pieces.concat() + &noise };
        let (format, path) = (Format::ALL[which], names[which]);
        let member = "{\"scripts\": {\"a\": \"x\", \"b\": \"y\"}}";
        let files = [(path, text.as_str()), ("p/a/package.json", member), ("go.mod", "module x"), ("p/a/project.json", "{}")];
        let made = repository(&files, |repo| import(&[(format, RepoPath::from(path))], repo));
        let loaded = load(&made.text);
        prop_assert_eq!(loaded.workflow.steps.len(), made.steps.max(1));
    }
}
