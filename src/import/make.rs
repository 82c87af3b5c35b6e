//! Makefiles: a step for each phony target, which `make` makes. Pure.
//!
//! Rules are read, not make: conditional text counts as if it held, included files and targets that are computed do not. make
//! makes what a target needs by itself; the steps only come in that order. They hold one lock, for they share what they make.

use super::Repository;
use super::draft::{Draft, Imported, kind_of};
use super::write::word;
use crate::base::RepoPath;
use std::collections::{BTreeMap, BTreeSet};

/// Targets that are no checks: they remove, install, explain, or never end.
pub(super) const FOR_PEOPLE: [&str; 17] = [
    "clean",
    "distclean",
    "mrproper",
    "help",
    "install",
    "uninstall",
    "run",
    "serve",
    "watch",
    "dev",
    "start",
    "stop",
    "shell",
    "setup",
    "init",
    "list",
    "default",
];

/// One target.
#[derive(Default)]
struct Target {
    line: u32,
    needs: Vec<String>,
    recipe: bool,
}

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("make");
    let (targets, phony) = rules(path, text, &mut out);
    let folder = path.parent();
    for (name, target) in &targets {
        let is_file = folder.join(name.as_bytes()).is_some_and(|at| repo.has(&at));
        let wanted = if phony.is_empty() { target.recipe && !name.contains(['/', '.']) } else { phony.contains(name) };
        // A target without a recipe only names others, and those are steps.
        if !wanted || is_file || !target.recipe || FOR_PEOPLE.contains(&name.as_str()) {
            out.left_out.insert(name.clone(), target.needs.clone());
            if phony.contains(name) && target.recipe {
                let why = "it is for people, not for checks";
                out.lose(path, target.line, format!("the target `{name}`"), why, "");
            }
        }
    }
    let mut order: Vec<(&String, &Target)> = targets.iter().collect();
    order.sort_by_key(|(_, target)| target.line);
    for (name, target) in order.into_iter().filter(|(name, _)| !out.left_out.contains_key(*name)) {
        let file = String::from_utf8_lossy(path.file_name()).into_owned();
        let usual = matches!(file.as_str(), "Makefile" | "makefile" | "GNUmakefile");
        let flag = if usual { String::new() } else { format!("-f {} ", word(&file)) };
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
        let why = "make does not say all that a target reads: the steps watch everything but what their `kind` ignores";
        out.lose(path, 0, "what targets read", why, "name their `inputs`");
    }
    out
}

/// All explicit targets, and those that are phony.
fn rules(path: &RepoPath, text: &str, out: &mut Imported) -> (BTreeMap<String, Target>, BTreeSet<String>) {
    let (mut targets, mut phony): (BTreeMap<String, Target>, BTreeSet<String>) = (BTreeMap::new(), BTreeSet::new());
    let mut current: Vec<String> = vec![];
    let mut inside_define = false;
    for (line, logical) in logical_lines(text) {
        let first = logical.split_whitespace().next().unwrap_or_default();
        if inside_define {
            inside_define = first != "endef";
            continue;
        }
        if logical.starts_with('\t') {
            for name in &current {
                targets.entry(name.clone()).or_default().recipe = true;
            }
            continue;
        }
        match first {
            "" | "ifeq" | "ifneq" | "ifdef" | "ifndef" | "else" | "endif" | "export" | "unexport" | "override"
            | "vpath" => continue,
            "define" => {
                inside_define = true;
                continue;
            }
            "include" | "-include" | "sinclude" => {
                out.lose(
                    path,
                    line,
                    format!("`{}`", logical.trim()),
                    "included files are not read",
                    "import them, too",
                );
                continue;
            }
            first if first.starts_with('#') => continue,
            _ => {}
        }
        let Some((names, rest)) = rule(&logical) else {
            current.clear();
            continue;
        };
        let (needs, recipe) = match rest.split_once(';') {
            Some((needs, _)) => (needs, true),
            None => (rest, false),
        };
        let needs = needs.split('#').next().unwrap_or_default();
        // What stands after `|` only has to be there before.
        let plain = |word: &&str| !word.contains(['$', '%', '(', ')', '=']) && *word != "|";
        let needs: Vec<String> = needs.split_whitespace().filter(plain).map(str::to_owned).collect();
        if names.trim() == ".PHONY" {
            phony.extend(needs);
            continue;
        }
        current =
            names.split_whitespace().filter(plain).filter(|name| !name.starts_with('.')).map(str::to_owned).collect();
        for name in &current {
            let target = targets.entry(name.clone()).or_default();
            if target.line == 0 {
                target.line = line;
            }
            target.needs.extend(needs.iter().filter(|need| *need != name).cloned());
            target.recipe |= recipe;
        }
    }
    (targets, phony)
}

/// Lines with what a backslash continues, each with the number of its first.
fn logical_lines(text: &str) -> Vec<(u32, String)> {
    let mut lines: Vec<(u32, String)> = vec![];
    let mut goes_on = false;
    for (number, line) in (1_u32..).zip(text.lines()) {
        let (body, more) = line.strip_suffix('\\').map_or((line, false), |body| (body, true));
        match lines.last_mut() {
            Some((_, last)) if goes_on => {
                last.push(' ');
                last.push_str(body.trim_start());
            }
            _ => lines.push((number, body.to_owned())),
        }
        goes_on = more;
    }
    lines
}

/// The two sides of a rule; none for a variable.
fn rule(line: &str) -> Option<(&str, &str)> {
    let (names, rest) = line.split_once(':')?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let assigns =
        rest.starts_with('=') || rest.starts_with(":=") || names.contains('=') || rest.trim_start().starts_with('=');
    // `target: VARIABLE = value` sets a variable of a target.
    let of_target = rest.split(';').next().is_some_and(|needs| needs.contains('='));
    (!assigns && !of_target).then_some((names, rest))
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
    fn without_phony_targets_all_plain_ones_count() {
        let made = imported(Format::Make, "sub/Makefile", &[("sub/Makefile", "test: ; true\na.o: a.c\n\tcc\n")]);
        assert_eq!(steps(&made), ["test: make test"]);
        assert!(made.text.contains("dir: \"sub\""), "{}", made.text);
    }
}
