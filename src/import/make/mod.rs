//! Makefiles: a step for each target that is a check, which `make` makes. Pure.
//!
//! make makes what a target needs by itself; the steps only come in that order. They hold one lock, for they share what they
//! make. Does not know: what a target reads.

mod rules;

use super::Repository;
use super::draft::{Draft, Imported, kind_of};
use super::judge;
use super::write::word;
use crate::base::RepoPath;
use rules::{Rules, Target};
use std::collections::BTreeMap;

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("make");
    let Rules { targets, phony } = Rules::of(path, text, repo, &mut out);
    let folder = path.parent();
    let mut kept: BTreeMap<&String, &Target> = BTreeMap::new();
    for (name, target) in &targets {
        let is_file = folder.join(name.as_bytes()).is_some_and(|at| repo.has(&at));
        // A recipe that says `$@` makes the file that the target is called after.
        let of_file = name.contains(['/', '.', '%'])
            || target.recipe.as_ref().is_some_and(|recipe| recipe.contains("$@") || recipe.contains("$(@"));
        let works = target.recipe.is_some() || (phony.contains(name) && (target.computed || !target.needs.is_empty()));
        if is_file || !works || (of_file && !phony.contains(name)) {
            out.left_out.insert(name.clone(), target.needs.clone());
            continue;
        }
        let recipe = target.recipe.as_deref().unwrap_or_default();
        match judge::by_name(name).or_else(|| judge::refused(name, recipe)) {
            None => _ = kept.insert(name, target),
            Some(why) => {
                out.lose(&target.file, target.line, format!("the target `{name}`"), why, "");
                out.left_out.insert(name.clone(), target.needs.clone());
            }
        }
    }
    // A target that only names others that are steps is none of its own.
    let aliases: Vec<(&String, Vec<String>)> = kept
        .iter()
        .filter_map(|(name, target)| Some((*name, only_calls(target)?)))
        .filter(|(name, called)| called.iter().all(|other| other != *name && kept.contains_key(other)))
        .collect();
    for (name, called) in aliases {
        if let Some(target) = kept.remove(name).filter(|target| target.recipe.is_some()) {
            let why = "it only calls other targets";
            out.lose(&target.file, target.line, format!("the target `{name}`"), why, "");
        }
        out.left_out.insert(name.clone(), called);
    }
    let mut order: Vec<(&String, &Target)> = kept.into_iter().collect();
    order.sort_by_key(|(_, target)| target.number);
    let file = String::from_utf8_lossy(path.file_name()).into_owned();
    let usual = matches!(file.as_str(), "Makefile" | "makefile" | "GNUmakefile");
    let flag = if usual { String::new() } else { format!("-f {} ", word(&file)) };
    for (name, target) in order {
        // Files are no steps, and need nobody.
        let after = target.needs.iter().filter(|need| targets.contains_key(*need)).cloned().collect();
        out.steps.push(Draft {
            key: name.clone(),
            run: format!("make {flag}{}", word(name)),
            dir: folder.clone(),
            kind: kind_of(name),
            after,
            lock: Some("make"),
            why: format!("targets of {path}"),
            ..Draft::default()
        });
    }
    if out.steps.is_empty() {
        out.lose(path, 0, "the file", "it has no target that is a check", "");
    } else {
        let why = "make does not say all that a target reads: the steps watch everything";
        out.lose(path, 0, "what targets read", why, "name their `inputs`");
    }
    out
}

/// The targets that it needs and calls, if it does nothing else.
fn only_calls(target: &Target) -> Option<Vec<String>> {
    if target.computed {
        return None;
    }
    let lines = target.recipe.as_deref().unwrap_or_default().lines().filter(|line| !line.is_empty());
    let called =
        lines.map(|line| match line.trim_start_matches(['@', '+']).split_whitespace().collect::<Vec<_>>()[..] {
            ["$(MAKE)" | "${MAKE}" | "make", name] if !name.contains(['$', '=', '-']) => Some(name.to_owned()),
            _ => None,
        });
    let called = [target.needs.clone(), called.collect::<Option<Vec<_>>>()?].concat();
    (!called.is_empty()).then_some(called)
}

#[cfg(test)]
mod tests {
    use crate::import::Format;
    use crate::import::tests::{imported, steps};

    #[test]
    fn phony_targets_become_steps() {
        let text = "CC := gcc\nX = a:b\n.PHONY: all lint test \\\n  clean deploy\nall: lint test\nlint:\n\truff .\ntest: build/x lint | dir\n\
                    \tpytest\nbuild/x: src\n\ttouch $@\ntest: CFLAGS = -g\nclean: ; rm x\ndeploy: test\n\t./deploy\n%.o: %.c\n\tcc\n\
                    define F\na: b\n\tx\nendef\ninclude other.mk\n";
        let made = imported(Format::Make, "Makefile", &[("Makefile", text)]);
        assert_eq!(steps(&made), ["lint: make lint", "test: make test", "deploy: make deploy"]);
        for part in ["after: [lint]", "kind: deploy", "after: [test]", "locks: [make]"] {
            assert!(made.text.contains(part), "{part}\n{}", made.text);
        }
        for part in ["`clean`", "include other.mk", "watch everything"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
    }

    #[test]
    fn comments_includes_and_targets_that_nobody_calls_phony() {
        let text = "include rules.mk\n.PHONY: help lint all sub ci\nlint: ## Run linters (set V=1 for more)\n\tgolint\n\
                    test: ## not phony\n\tgo test ./...\nfmt:\n\tgofmt -w .\nall: lint test\nsub: $(MODS:%=sub/%)\n\
                    sub/%:\n\tx\nci: lint\n\t$(MAKE) test\nmain: main.c\n\tcc -o $@ main.c\nserve-docs:\n\tx\n";
        let files = [("Makefile", text), ("rules.mk", "vet: ; go vet\n.PHONY: vet\n")];
        let made = imported(Format::Make, "Makefile", &files);
        assert_eq!(steps(&made), ["lint: make lint", "test: make test", "sub: make sub", "vet: make vet"]);
        for part in ["`fmt` (Makefile:7): it edits files", "`ci`", "`serve-docs`"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
        assert!(made.text.contains("ignore: []"), "{}", made.text);
    }

    #[test]
    fn without_phony_targets_all_plain_ones_count() {
        let made = imported(Format::Make, "sub/Makefile", &[("sub/Makefile", "test: ; true\na.o: a.c\n\tcc\n")]);
        assert_eq!(steps(&made), ["test: make test"]);
        assert!(made.text.contains("dir: \"sub\""), "{}", made.text);
    }
}
