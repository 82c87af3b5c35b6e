//! Changes and what they are taken for. Pure.

use super::*;
use crate::base::GlobSet;
use crate::change::{ChangedFile, Status, Where};
use crate::config::model::Paths;

fn rules() -> Vec<CategoryRule> {
    [
        ("code", &["**/*.rs"][..]),
        ("docs", &["**/*.md", "docs/**"]),
        ("tests", &["tests/**"]),
        ("dependencies", &["**/Cargo.lock"]),
        ("ci", &[".workflow-config.yaml", ".github/**"]),
    ]
    .iter()
    .map(|(category, globs)| CategoryRule {
        category: Category::from(*category),
        paths: Paths::Given(GlobSet::parse(globs, &RepoPath::root()).unwrap()),
        built_in: true,
    })
    .collect()
}

fn change(paths: &[&str]) -> ChangeSet {
    let file = |path: &&str| ChangedFile {
        path: RepoPath::from(*path),
        from: None,
        status: Status::Modified,
        seen: Where::default(),
        modes: (0o100_644, 0o100_644),
    };
    ChangeSet { files: paths.iter().map(file).collect(), ..ChangeSet::unknown() }
}

#[test]
fn types_and_impacts() {
    let many: Vec<String> = (0..21).map(|n| format!("src/f{n}.rs")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let cases: &[(&[&str], &str, Impact)] = &[
        (&[], "none", Impact::Low),
        (&["README.md", "docs/a.png"], "docs-only", Impact::Low),
        (&["tests/a.rs"], "tests-only", Impact::Low),
        (&["README.md", "tests/a.rs"], "mixed", Impact::Low),
        (&["src/a.rs"], "code-only", Impact::Medium),
        (&["README.md", "src/a.rs"], "mixed", Impact::Medium),
        (&["strange.bin"], "mixed", Impact::Medium),
        (&["Cargo.lock"], "dependencies-only", Impact::High),
        (&[".workflow-config.yaml"], "ci-only", Impact::High),
        (&many, "code-only", Impact::High),
    ];
    for (paths, change_type, impact) in cases {
        let class = classify(&rules(), ImpactLimits { code_files: 20 }, &change(paths));
        assert_eq!((class.change_type.as_str(), class.impact), (*change_type, *impact), "{paths:?}");
        assert!(!class.impact_because.is_empty(), "{paths:?}");
    }
}

#[test]
fn both_sides_of_a_rename_count() {
    let mut set = change(&["docs/new.md"]);
    set.files[0].from = Some(RepoPath::from("src/old.rs"));
    let class = classify(&rules(), ImpactLimits { code_files: 20 }, &set);
    assert_eq!(class.change_type, "mixed");
    assert_eq!(class.paths.len(), 2);
}
