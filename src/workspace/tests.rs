//! Expansion, from specs and a tree to steps.

use super::{ExpandError, Expansion, Manifests, Tree, Warning, expand, manifests_wanted, needs_tree};
use crate::base::{GlobSet, RepoPath, Span, StepId};
use crate::config::Workflow;
use crate::config::model::{
    CacheUse, Command, EnvMode, ImpactLimits, Need, Resources, Retries, RunOn, Settings, SkipRule, StepSpec,
    WorkspaceSpec,
};
use crate::graph::{Inputs, Step};
use std::collections::BTreeMap;

fn globs(patterns: &[&str]) -> GlobSet {
    GlobSet::parse(patterns, &RepoPath::root()).unwrap()
}

fn need(text: &str) -> Need {
    let upstream = text.starts_with('^');
    Need {
        step: StepId::parse(text.trim_start_matches('^')).unwrap(),
        upstream,
        at: Span { line: 7, ..Span::default() },
    }
}

fn step(id: &str, for_each: &[&str], needs: &[&str]) -> StepSpec {
    StepSpec {
        id: StepId::parse(id).unwrap(),
        at: Span { line: 1, ..Span::default() },
        name: None,
        command: Command::Argv(vec!["true".into()]),
        dir: None,
        stage: None,
        needs: needs.iter().map(|text| need(text)).collect(),
        after: vec![],
        for_each: (!for_each.is_empty()).then(|| globs(for_each)),
        inputs: None,
        ignore: vec![],
        outputs: None,
        writes: None,
        env: BTreeMap::new(),
        timeout_ms: None,
        grace_ms: 10_000,
        idle_timeout_ms: None,
        retries: Retries::default(),
        allow_failure: false,
        locks: vec![],
        resources: Resources::default(),
        when: None,
        tags: vec![],
        kind: None,
        run_on: RunOn::Success,
        changed_only: false,
        ai_proxy: false,
        leave_running: vec![],
        cache: CacheUse::default(),
        tools: vec![],
        incremental: false,
        env_mode: EnvMode::Inherit,
        sealed: vec![],
    }
}

fn workflow(steps: Vec<StepSpec>) -> Workflow {
    let settings = Settings::default();
    Workflow {
        project_kind: None,
        base: None,
        settings,
        stages: vec![],
        steps,
        categories: vec![],
        impact: ImpactLimits { code_files: 20 },
        skip_rules: vec![],
        workspace: WorkspaceSpec::default(),
    }
}

/// Expands over files with these texts, in the two phases a caller takes.
fn over(workflow: &Workflow, files: &[(&str, &str)]) -> Result<Expansion, Vec<ExpandError>> {
    let all: BTreeMap<RepoPath, &str> = files.iter().map(|(path, text)| (RepoPath::from(*path), *text)).collect();
    let paths: Vec<RepoPath> = all.keys().cloned().collect();
    let wanted = manifests_wanted(workflow, &paths);
    let texts = wanted.iter().map(|path| (path.clone(), all[path].into())).collect();
    expand(workflow, &Tree { files: &paths, manifests: Manifests::read(&wanted, &texts) })
}

fn get<'a>(expansion: &'a Expansion, id: &str) -> &'a Step {
    expansion.steps.iter().find(|step| step.id.as_str() == id).unwrap_or_else(|| panic!("no {id}"))
}

fn needs(expansion: &Expansion, id: &str) -> Vec<String> {
    get(expansion, id).needs.iter().map(ToString::to_string).collect()
}

const CARGO: [(&str, &str); 8] = [
    ("Cargo.lock", ""),
    ("Cargo.toml", "[workspace]\nmembers = [\"*/*\"]\n"),
    ("libs/core/Cargo.toml", "[package]\nname = \"core\"\n"),
    ("libs/mid/Cargo.toml", "[dependencies]\ncore = { path = \"../core\" }\n"),
    ("services/api/Cargo.toml", "[dependencies]\nmid = { path = \"../../libs/mid\" }\n"),
    ("services/api/src/main.rs", ""),
    ("services/web/Cargo.toml", "[dependencies]\napi = { path = \"../api\" }\nmid = { path = \"../../libs/mid\" }\n"),
    ("services/web/build.rs", ""),
];

#[test]
fn plain_steps_come_out_as_they_went_in_and_need_no_tree() {
    let mut flow = workflow(vec![step("a", &[], &[]), step("b", &[], &["a"])]);
    flow.steps[1].dir = Some(RepoPath::from("sub"));
    flow.steps[1].inputs = Some(globs(&["./x", "y"]));
    let pattern = regex::bytes::Regex::new(r"\.md$").unwrap();
    flow.skip_rules = vec![SkipRule { pattern, steps: vec![StepId::parse("b").unwrap()] }];
    assert!(!needs_tree(&flow));
    let out = expand(&flow, &Tree::default()).unwrap();
    assert_eq!((&get(&out, "a").inputs, get(&out, "a").unwatched.len()), (&Inputs::Everything, 0));
    let b = get(&out, "b");
    assert_eq!((needs(&out, "b"), &b.unwatched[..]), (vec!["a".to_owned()], &[r"\.md$".to_owned()][..]));
    let Inputs::Globs(inputs) = &b.inputs else { panic!() };
    assert!(inputs.is_match(&RepoPath::from("sub/x")) && !inputs.is_match(&RepoPath::from("x")));
}

#[test]
fn instances_have_their_folder_and_watch_what_it_depends_on() {
    let flow = workflow(vec![step("build", &["services/*/"], &["^build"])]);
    let out = over(&flow, &CARGO).unwrap();
    let ids: Vec<&str> = out.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["build@services/api", "build@services/web"]);
    assert_eq!(needs(&out, "build@services/web"), ["build@services/api"]);
    let web = get(&out, "build@services/web");
    assert_eq!((web.dir.to_string(), web.folder.as_ref()), ("services/web".into(), Some(&web.dir)));
    let Inputs::Folders { own, manifests, all } = &web.inputs else { panic!() };
    assert_eq!(own, &["services/web", "libs/core", "libs/mid", "services/api"].map(RepoPath::from));
    assert_eq!(manifests, &[RepoPath::from("Cargo.toml")]);
    assert_eq!(all.len(), 2);
}

#[test]
fn upstream_passes_through_folders_without_the_step() {
    let flow = workflow(vec![
        step("build", &["libs/core", "services/web"], &["^build"]),
        step("test", &["{services,libs}/*"], &["build", "^test"]),
        step("report", &[], &["test"]),
    ]);
    let out = over(&flow, &CARGO).unwrap();
    assert_eq!(needs(&out, "build@services/web"), ["build@libs/core"]);
    assert_eq!(needs(&out, "test@libs/core"), ["build@libs/core"]);
    let all = ["build@libs/core", "build@services/web"];
    assert_eq!(needs(&out, "test@libs/mid"), [&all[..], &["test@libs/core"]].concat(), "no build of its own: all");
    assert_eq!(needs(&out, "report").len(), 4);
}

#[test]
fn mistakes_are_errors_with_a_place_and_a_hint() {
    let cases: [(Vec<StepSpec>, &str, &str); 4] = [
        (vec![step("a", &["services/*"], &[]), step("b", &[], &["^a"])], "has no folder", "write `a`"),
        (vec![step("a", &[], &[]), step("b", &["services/*"], &["^a"])], "has no `for_each`", "write `a`"),
        (vec![step("build", &[], &[]), step("b", &[], &["biuld"])], "not a step", "did you mean `build`?"),
        (vec![step("b", &["services/*/src"], &["^b"])], "no manifest", "depends:\n    services/web"),
    ];
    for (steps, message, hint) in cases {
        let files = [("services/api/src/x.c", "")];
        let errors = over(&workflow(steps), &files).unwrap_err();
        assert!(errors.len() == 1 && errors[0].at.line == 7, "{errors:?}");
        assert!(errors[0].message.contains(message) && errors[0].hint.as_ref().unwrap().contains(hint), "{errors:?}");
    }
}

#[test]
fn a_kind_that_is_not_read_is_an_error_for_upstream_and_a_wide_watch_without() {
    let files = [("services/a/build.gradle", ""), ("services/b/x.sh", "")];
    let errors = over(&workflow(vec![step("t", &["services/*"], &["^t"])]), &files).unwrap_err();
    assert!(errors[0].message.contains("Gradle") && errors[0].hint.as_ref().unwrap().contains("depends:"));
    let out = over(&workflow(vec![step("t", &["services/*"], &[])]), &files).unwrap();
    assert_eq!(get(&out, "t@services/a").inputs, Inputs::Everything);
    assert!(matches!(get(&out, "t@services/b").inputs, Inputs::Folders { .. }));
    assert!(matches!(&out.warnings[..], [Warning::WatchesEverything { kind: "Gradle project", others: 0, .. }]));
    let two = over(&workflow(vec![step("t", &["services/*"], &[]), step("u", &["services/*"], &[])]), &files).unwrap();
    assert_eq!(two.warnings.len(), 1, "{:?}", two.warnings);
    assert!(two.warnings[0].to_string().contains("instances of `t`, `u` there"), "{}", two.warnings[0]);
    let mut declared = workflow(vec![step("t", &["services/*"], &["^t"])]);
    declared.workspace.depends = Some([("services/a".into(), vec!["services/b".into()])].into());
    let out = over(&declared, &files).unwrap();
    assert_eq!(needs(&out, "t@services/a"), ["t@services/b"]);
    declared.workspace.depends = Some([("services/a".into(), vec!["services/bb".into()])].into());
    assert!(over(&declared, &files).unwrap_err()[0].hint.as_ref().unwrap().contains("services/b"));
}

#[test]
fn no_folder_is_a_warning() {
    let out = over(&workflow(vec![step("t", &["nowhere/*"], &["^t"]), step("u", &[], &["t"])]), &CARGO).unwrap();
    assert!(matches!(&out.warnings[..], [Warning::NoFolders { .. }]), "{:?}", out.warnings);
    assert_eq!((out.steps.len(), needs(&out, "u").len()), (1, 0));
}

#[test]
fn a_folder_that_is_gone_is_a_warning_and_told_once_for_all_its_steps() {
    let here = ["services/*", "services/gone", "!services/never"];
    let out = over(&workflow(vec![step("t", &here, &[]), step("u", &here, &["t"])]), &CARGO).unwrap();
    let told: Vec<String> = out.warnings.iter().map(ToString::to_string).collect();
    let what = "no folder matches `services/gone`, which `for_each` of `t`, `u` names: nothing runs for it";
    assert_eq!(told, [what]);
}

#[test]
fn broken_manifests_stop_where_they_matter_and_are_told_where_they_may_be_fixtures() {
    let flow = workflow(vec![step("t", &["services/*"], &[])]);
    let errors = over(&flow, &[("services/a/Cargo.toml", "[")]).unwrap_err();
    assert!(errors[0].message.contains("services/a/Cargo.toml"), "{errors:?}");
    let out = over(&flow, &[("services/a/Cargo.toml", ""), ("services/a/tests/bad/Cargo.toml", "[")]).unwrap();
    assert!(matches!(&out.warnings[..], [Warning::NotRead { .. }]));
}

#[test]
fn a_ring_of_folders_names_them_only_if_steps_would_wait_in_a_ring() {
    let files = [
        ("package.json", r#"{"workspaces": ["p/*"]}"#),
        ("p/a/package.json", r#"{"name": "a", "dependencies": {"b": "*"}}"#),
        ("p/b/package.json", r#"{"name": "b", "devDependencies": {"a": "*"}}"#),
    ];
    let errors = over(&workflow(vec![step("t", &["p/*"], &["^t"])]), &files).unwrap_err();
    assert!(errors[0].message.contains("p/a → p/b → p/a") && errors[0].at.line == 7, "{errors:?}");
    let out = over(&workflow(vec![step("b", &["p/*"], &[]), step("t", &["p/*"], &["^b"])]), &files).unwrap();
    assert_eq!(needs(&out, "t@p/a"), ["b@p/b"]);
}

#[test]
fn a_piece_of_a_larger_package_may_import_its_siblings_so_it_watches_everything() {
    let flow = workflow(vec![step("t", &["cmd/*"], &[])]);
    let files = [("cmd/a/main.go", ""), ("cmd/b/go.mod", "module b"), ("cmd/b/main.go", ""), ("go.mod", "module x")];
    let out = over(&flow, &files).unwrap();
    assert_eq!(get(&out, "t@cmd/a").inputs, Inputs::Everything);
    assert!(matches!(get(&out, "t@cmd/b").inputs, Inputs::Folders { .. }));
    assert!(out.warnings[0].to_string().contains("`cmd/a` is a piece of a larger Go module"), "{:?}", out.warnings);
}

/// A thousand packages in a chain of layers, ten steps each: the size that must stay cheap.
#[test]
fn a_thousand_packages_with_ten_steps_each() {
    let mut files = vec![("package.json".to_owned(), r#"{"workspaces": ["p/*"]}"#.to_owned())];
    for n in 0..1000 {
        let near = (1..=8).map(|back| n - back).filter(|other| *other >= 0 && other / 10 == n / 10);
        let dependencies: Vec<String> = near.map(|other| format!(r#""p{other}": "*""#)).collect();
        let text = format!(r#"{{"name": "p{n}", "dependencies": {{{}}}}}"#, dependencies.join(","));
        files.push((format!("p/{n}/package.json"), text));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let steps = (0..10).map(|n| step(&format!("s{n}"), &["p/*/"], &[&format!("^s{n}")])).collect();
    let out = over(&workflow(steps), &files).unwrap();
    assert_eq!(out.steps.len(), 10_000);
    assert_eq!(needs(&out, "s3@p/12"), ["s3@p/10", "s3@p/11"]);
}

mod hostile {
    use super::*;
    use proptest::prelude::*;

    const NAMES: [&str; 8] = [
        "Cargo.toml",
        "package.json",
        "pnpm-workspace.yaml",
        "go.mod",
        "go.work",
        "pom.xml",
        "pyproject.toml",
        "requirements.txt",
    ];

    /// Text that is not always refused at the first byte.
    fn text() -> impl Strategy<Value = String> {
        let words = prop::sample::select(vec![
            "[workspace]\n",
            "[dependencies]\n",
            "x = { path = \"../../..\" }\n",
            "{\"workspaces\": [\"",
            "\"]}",
            "<project>",
            "<parent><relativePath>..</relativePath></parent>",
            "</project>",
            "packages:\n",
            " - '*'\n",
            "require (\n",
            "a => ../b\n",
            "use .\n",
            ")",
            "[tool.uv.sources]\n",
            "-e ../x\n",
            "&a *a ",
            "\u{feff}",
            "\0",
            "${x}",
            "é",
            "[[[[",
            "{{{{",
            "!",
            "//",
        ]);
        prop_oneof![".{0,200}", prop::collection::vec(words, 0..12).prop_map(|words| words.concat())]
    }

    proptest! {
        #[test]
        fn arbitrary_manifests_never_panic(root in text(), nested in text(), which in 0usize..8) {
            let (a, b) = (NAMES[which], format!("p/a/{}", NAMES[which]));
            let files = [(a, root.as_str()), (&b, nested.as_str()), ("p/b/x", "")];
            let _ = over(&workflow(vec![step("t", &["p/*"], &["^t"])]), &files);
        }
    }

    #[test]
    fn nesting_does_not_end_the_stack() {
        let deep = 100_000;
        let texts = [
            ("package.json", "[".repeat(deep)),
            ("Cargo.toml", format!("a = {}", "[".repeat(deep))),
            ("pyproject.toml", format!("a = {}", "{b=".repeat(deep))),
            ("pnpm-workspace.yaml", "[".repeat(deep)),
            ("pom.xml", format!("{}{}", "<a>".repeat(deep), "</a>".repeat(deep))),
        ];
        for (name, text) in &texts {
            let files = [(*name, text.as_str()), ("p/a/x", "")];
            let _ = over(&workflow(vec![step("t", &["p/*"], &[])]), &files);
        }
    }
}

mod any_graph {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const FOLDERS: usize = 9;

    fn folder(n: usize) -> RepoPath {
        RepoPath::from(format!("f/{n}").as_str())
    }

    /// All pairs (a, b) such that b can be reached from a, going on only through folders in `through`.
    fn reach(edges: &BTreeSet<(usize, usize)>, through: impl Fn(usize) -> bool) -> BTreeSet<(usize, usize)> {
        let mut all = edges.clone();
        loop {
            let further = all
                .iter()
                .filter(|(_, mid)| through(*mid))
                .flat_map(|(a, mid)| edges.iter().filter(move |(from, _)| from == mid).map(move |(_, b)| (*a, *b)));
            let next: BTreeSet<(usize, usize)> = all.iter().copied().chain(further).collect();
            if next.len() == all.len() {
                return all;
            }
            all = next;
        }
    }

    proptest! {
        /// Against a closure computed the plain way: `^build` is every folder with a `build` that is reached through
        /// folders without one, and an instance watches all that is reached at all.
        #[test]
        fn upstream_and_watch_are_the_closures(
            pairs in prop::collection::btree_set((0..FOLDERS, 0..FOLDERS), 0..20),
            with_build in prop::collection::btree_set(0..FOLDERS, 1..FOLDERS),
        ) {
            // Edges to smaller numbers only: no ring.
            let edges: BTreeSet<(usize, usize)> = pairs.into_iter().filter(|(a, b)| a > b).collect();
            let listed: Vec<String> = with_build.iter().map(|n| format!("f/{n}")).collect();
            let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
            let mut flow = workflow(vec![step("build", &listed, &[]), step("test", &["f/*"], &["^build"])]);
            let mut map: BTreeMap<RepoPath, Vec<RepoPath>> = BTreeMap::new();
            for (a, b) in &edges {
                map.entry(folder(*a)).or_default().push(folder(*b));
            }
            flow.workspace.depends = Some(map);
            let names: Vec<String> = (0..FOLDERS).map(|n| format!("f/{n}/x")).collect();
            let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
            let out = over(&flow, &files).unwrap();
            let (upstream, watched) = (reach(&edges, |n| !with_build.contains(&n)), reach(&edges, |_| true));
            for n in 0..FOLDERS {
                let id = format!("test@f/{n}");
                let expected: Vec<String> = upstream
                    .iter()
                    .filter(|(a, b)| *a == n && with_build.contains(b))
                    .map(|(_, b)| format!("build@f/{b}"))
                    .collect();
                prop_assert_eq!(needs(&out, &id), expected);
                let Inputs::Folders { own, .. } = &get(&out, &id).inputs else { panic!() };
                let reached = watched.iter().filter(|(a, _)| *a == n).map(|(_, b)| folder(*b));
                let expected: BTreeSet<RepoPath> = reached.chain([folder(n)]).collect();
                prop_assert_eq!(own.iter().cloned().collect::<BTreeSet<_>>(), expected);
            }
        }
    }
}
