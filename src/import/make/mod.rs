//! Makefiles: a step for each target that is a check, which `make` makes. Pure.
//!
//! make makes what a target needs by itself; the steps only come in that order. They hold one lock, for they share what they
//! make. Does not know: what a target reads.

mod rules;

use super::Repository;
use super::along;
use super::draft::{Draft, Imported, kind_of};
use super::judge;
use super::write::word;
use crate::base::RepoPath;
use rules::{Rules, Target};
use std::collections::BTreeMap;

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("make");
    let Rules { targets, phony, patterns, .. } = Rules::of(path, text, repo, &mut out);
    let folder = path.parent();
    // Files are no steps, and need nobody.
    let needs = |target: &Target| -> Vec<String> {
        target.needs.iter().filter(|need| targets.contains_key(*need)).cloned().collect()
    };
    let mut kept: BTreeMap<&String, &Target> = BTreeMap::new();
    let mut files: Vec<(bool, &String, &RepoPath, u32)> =
        patterns.iter().map(|(name, file, line)| (name.contains('.'), name, file, *line)).collect();
    for (name, target) in &targets {
        let is_file = folder.join(name.as_bytes()).is_some_and(|at| repo.has(&at));
        // A recipe that says `$@` makes the file that the target is called after.
        let makes = target.recipe.as_ref().is_some_and(|recipe| recipe.contains("$@") || recipe.contains("$(@"));
        let of_file = is_file || makes || name.contains(['/', '.']);
        let works = target.recipe.is_some() || target.computed || !target.needs.is_empty();
        if !works || (of_file && !phony.contains(name)) {
            if target.recipe.is_some() {
                files.push((is_file || makes || name.contains('.'), name, &target.file, target.line));
            }
            out.left_out.insert(name.clone(), needs(target));
            continue;
        }
        let recipe = target.recipe.as_deref().unwrap_or_default();
        match judge::by_name(name).or_else(|| judge::refused(name, recipe)) {
            None => {
                if !phony.contains(name) && folder.join(name.as_bytes()).is_some_and(|at| repo.is_folder(&at)) {
                    let why = "a folder is called like that: make may take it for made, and do nothing";
                    out.lose(&target.file, target.line, format!("the target `{name}`"), why, "name it in `.PHONY`");
                }
                kept.insert(name, target);
            }
            Some(why) => {
                out.lose(&target.file, target.line, format!("the target `{name}`"), why, "");
                out.left_out.insert(name.clone(), needs(target));
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
        if let Some(target) = kept.remove(name) {
            let why = "it only calls other targets";
            out.lose(&target.file, target.line, format!("the target `{name}`"), why, "");
        }
        out.left_out.insert(name.clone(), called);
    }
    let mut order: Vec<(&String, &Target)> = kept.into_iter().collect();
    order.sort_by_key(|(_, target)| target.number);
    for (name, target) in order {
        out.steps.push(Draft {
            key: name.clone(),
            run: format!("make {}", word(name)),
            dir: folder.clone(),
            kind: kind_of(name),
            after: needs(target),
            lock: Some("make"),
            why: format!("targets of {path}"),
            ..Draft::default()
        });
    }
    tell_files(files, &mut out);
    if out.steps.is_empty() {
        out.lose(path, 0, "the file", "it has no target that is a check", "");
    } else {
        let why = "make does not say all that a target reads: the steps watch everything";
        out.lose(path, 0, "what targets read", why, "name their `inputs`");
    }
    out
}

/// Says in one line which targets with recipes are no steps because they are files or patterns. Those that may be meant
/// otherwise come first.
fn tell_files(mut files: Vec<(bool, &String, &RepoPath, u32)>, out: &mut Imported) {
    const NAMED_MAX: usize = 8;
    files.sort_by_key(|(plainly, _, file, line)| (*plainly, *file, *line));
    let Some((_, _, file, line)) = files.first().copied() else { return };
    let named: Vec<String> = files.iter().take(NAMED_MAX).map(|(_, name, ..)| format!("`{name}`")).collect();
    let more = files.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let why = "they are files or patterns, as far as can be seen: no steps";
    let advice = "name those that are checks in `.PHONY` and import again, or add steps";
    out.lose(file, line, format!("targets with recipes: {}{more}", named.join(", ")), why, advice);
}

/// The targets that it needs and calls, if it does nothing else.
fn only_calls(target: &Target) -> Option<Vec<String>> {
    if target.computed || target.sets {
        return None;
    }
    let called = along::only_calls(target.recipe.as_deref().unwrap_or_default().lines(), |words| match *words {
        ["$(MAKE)" | "${MAKE}" | "make", name] if !name.contains(['$', '=', '-']) => Some(vec![name.to_owned()]),
        _ => None,
    });
    let called = [target.needs.clone(), called?].concat();
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

    #[test]
    fn a_target_with_a_variable_of_its_own_is_more_than_what_it_names() {
        let text = ".PHONY: test test-race coverage lint all deep\ntest-race: FLAGS = -race\ntest-race: test\ntest:\n\tgo test\n\
                    coverage: export COV=1\ncoverage: test lint\nlint: ; x\nall: test lint\ndeep-%: X := 1\ndeep-all: test\n";
        let made = imported(Format::Make, "Makefile", &[("Makefile", text)]);
        let expected = ["test", "test-race", "coverage", "lint", "deep-all"].map(|name| format!("{name}: make {name}"));
        let mut found = steps(&made);
        found.sort_by_key(|step| expected.iter().position(|one| one == step));
        assert_eq!(found, expected);
        assert!(made.lost.iter().any(|line| line.contains("`all` (Makefile:9): it only calls")), "{:?}", made.lost);
    }

    #[test]
    fn no_target_vanishes_without_a_line() {
        let text = "-include mk/*.mk\ninclude $(wildcard gone/*.mk) no/*.mk\n-include auto.d\n.PHONY: script\ntest/unit:\n\tpytest\n\
                    test-%:\n\tx\n$(dirs:%=t/%): ; $(MAKE) -C $@ test\n%.o: %.c\n\tcc\ngen-a gen-b &: x.proto\n\tprotoc\n\
                    script: ; ./script\nall: $(PROGRAMS)\nuse:lint\nok: out/x ; a\nout/x: gone\n\ttouch $@\nlast: out/x\n\ty\n\tgit push\n";
        let files = [
            ("Makefile", text),
            ("mk/a.mk", "lint: ; x\n"),
            ("mk/deep/b.mk", "deep: ; x\n"),
            ("ok/file", ""),
            ("script", "x"),
        ];
        let made = imported(Format::Make, "Makefile", &files);
        let expected = ["gen-a", "gen-b", "script", "all", "ok", "lint"].map(|name| format!("{name}: make {name}"));
        assert_eq!(steps(&made), expected);
        for part in [
            "`test/unit`, `test-%`, `$(dirs:%=t/%)`, `%.o`, `out/x` (Makefile:5): they are files",
            "no/*.mk` (Makefile:2): there is no such file",
            "`ok` (Makefile:17): a folder is called like that",
            "`last` (Makefile:20): it changes the world outside",
        ] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:#?}", made.lost);
        }
        let told = |part: &str| made.lost.iter().any(|line| line.contains(part));
        assert!(!told("-include") && !told("waits for"), "{:#?}", made.lost);
    }
}
