//! Makefiles, in folders where nothing else was found. Pure.

use super::{Detected, Draft, Look, ProjectKind};
use crate::base::RepoPath;
use crate::config::model::Kind;
use std::collections::BTreeSet;

pub(super) fn find(look: &Look<'_>, found: &mut Detected) {
    const NAMES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];
    let root = RepoPath::root();
    let Some(name) = look.first(&root, &NAMES) else { return };
    let text = look.read(&root, name).unwrap_or_default();
    let targets = targets(&text);
    if found.projects.iter().any(|(project, steps)| project.folder.is_root() && !steps.is_empty()) {
        let known: Vec<&str> = ["lint", "check", "test"].into_iter().filter(|name| targets.contains(*name)).collect();
        if !known.is_empty() {
            found
                .notes
                .push(format!("{name} also has {}: left out, since the steps below do the like", known.join(", ")));
        }
        return;
    }
    let make = |role, target: &str, kind| Draft {
        role,
        run: format!("make {target}"),
        kind: Some(kind),
        lock: Some("make"),
        why: format!("the target `{target}` of {name}"),
        ..Draft::default()
    };
    let mut steps = Vec::new();
    steps.extend(targets.contains("lint").then(|| make("lint", "lint", Kind::Lint)));
    let build = ["build", "all"].into_iter().find(|name| targets.contains(*name));
    steps.extend(build.map(|target| make("build", target, Kind::Build)));
    if build.is_none() && !text.trim().is_empty() {
        let why = format!("the default goal of {name}");
        steps.push(Draft { run: "make".into(), why, ..make("build", "", Kind::Build) });
    }
    for role in ["test", "check"].into_iter().filter(|name| targets.contains(*name)) {
        steps.push(Draft { after: vec!["build"], ..make(role, role, Kind::Test) });
    }
    found.add(ProjectKind::Make, &root, "make", steps);
}

/// Targets that rules name; variables, patterns and conditional text are not followed.
fn targets(text: &str) -> BTreeSet<&str> {
    let rules = text.lines().filter(|line| !line.starts_with(['\t', ' ', '#', '.'])).filter_map(|line| {
        let (names, rest) = line.split_once(':')?;
        (!rest.trim_start_matches(':').starts_with('=') && !names.contains('=')).then_some(names)
    });
    rules.flat_map(str::split_whitespace).filter(|name| !name.contains(['$', '%', '('])).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn targets_are_rules_only() {
        let text = "CC := gcc\nX=a:b\n.PHONY: phony\nall: test\ntest check:: lib\n\techo a: b\n%.o: %.c\nlib: ; true\n";
        assert_eq!(super::targets(text).into_iter().collect::<Vec<_>>(), ["all", "check", "lib", "test"]);
    }
}
