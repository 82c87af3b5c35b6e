//! The rules of Makefiles, as a glance reads them: targets, what they need, their recipes. Pure.
//!
//! Conditional text counts as if it held, included files of the repository are read along. Does not know: variables, functions,
//! targets that are computed.

use super::super::Repository;
use super::super::draft::Imported;
use crate::base::RepoPath;
use std::collections::{BTreeMap, BTreeSet};

/// Files included by files that are included, at most.
const INCLUDES_MAX: usize = 50;

/// One target.
#[derive(Default)]
pub(super) struct Target {
    /// Its place among all targets.
    pub number: usize,
    pub file: RepoPath,
    pub line: u32,
    pub needs: Vec<String>,
    /// Some of what it needs is computed.
    pub computed: bool,
    /// Its commands; none if it only names others.
    pub recipe: Option<String>,
}

/// All explicit targets, and those that are phony.
#[derive(Default)]
pub(super) struct Rules {
    pub targets: BTreeMap<String, Target>,
    pub phony: BTreeSet<String>,
}

impl Rules {
    pub fn of(path: &RepoPath, text: &str, repo: &Repository<'_>, out: &mut Imported) -> Self {
        let mut rules = Self::default();
        let mut seen = BTreeSet::from([path.clone()]);
        let mut waiting = std::collections::VecDeque::from([(path.clone(), text.to_owned())]);
        while let Some((file, text)) = waiting.pop_front() {
            for (line, said) in rules.add(&file, &text) {
                let optional = !said.starts_with("include");
                for name in said.split_whitespace().skip(1) {
                    // make looks from where it is called.
                    let there = path.parent().join(name.as_bytes()).filter(|at| repo.has(at));
                    match there.and_then(|at| Some((at.clone(), (repo.text)(&at)?))) {
                        Some((at, text)) if seen.len() < INCLUDES_MAX => {
                            if seen.insert(at.clone()) {
                                waiting.push_back((at, text));
                            }
                        }
                        // What is made by make itself, and may be missing.
                        _ if optional && !name.contains('$') => {}
                        _ => {
                            let advice = "add steps for its targets";
                            out.lose(&file, line, format!("`{said}`"), "there is no such file here to read", advice);
                        }
                    }
                }
            }
        }
        rules
    }

    /// Adds those of one file; what it includes, each with its line.
    fn add(&mut self, path: &RepoPath, text: &str) -> Vec<(u32, String)> {
        let mut includes = vec![];
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
                    let recipe = &mut self.targets.entry(name.clone()).or_default().recipe;
                    let recipe = recipe.get_or_insert_default();
                    recipe.push_str(logical.trim());
                    recipe.push('\n');
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
                    includes.push((line, without_comment(&logical).trim().to_owned()));
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
                Some((needs, recipe)) => (needs, Some(recipe)),
                None => (rest, None),
            };
            let plain = |word: &&str| !word.contains(['$', '%', '(', ')', '=']);
            // What stands after `|` only has to be there before.
            let words = needs.split_whitespace().filter(|word| *word != "|");
            let (needs, computed): (Vec<&str>, Vec<&str>) = words.partition(plain);
            if names.trim() == ".PHONY" {
                self.phony.extend(needs.into_iter().map(str::to_owned));
                continue;
            }
            let all = names.split_whitespace().filter(plain).filter(|name| !name.starts_with('.'));
            current = all.map(str::to_owned).collect();
            for name in &current {
                let number = self.targets.len();
                let target = self.targets.entry(name.clone()).or_default();
                if target.line == 0 {
                    (target.number, target.file, target.line) = (number, path.clone(), line);
                }
                target.needs.extend(needs.iter().filter(|need| *need != name).map(|need| (*need).to_owned()));
                target.computed |= !computed.is_empty();
                if let Some(recipe) = recipe {
                    target.recipe.get_or_insert_default().push_str(recipe.trim());
                }
            }
        }
        includes
    }
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

/// The two sides of a rule, without its comment; none for a variable.
fn rule(line: &str) -> Option<(&str, &str)> {
    let (names, rest) = line.split_once(':')?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    // In a recipe a `#` is the shell's.
    let bare = without_comment(rest.split(';').next().unwrap_or_default());
    let assigns =
        bare.starts_with('=') || bare.starts_with(":=") || names.contains('=') || bare.trim_start().starts_with('=');
    // `target: VARIABLE = value` sets a variable of a target.
    let of_target = without_calls(bare).contains('=');
    let rest = if bare.len() < rest.split(';').next().unwrap_or_default().len() { bare } else { rest };
    (!assigns && !of_target && !names.contains('#')).then_some((names, rest))
}

/// `$(DIRS:%=test/%)` is one word.
fn without_calls(text: &str) -> String {
    let (mut depth, mut out, mut last) = (0_usize, String::new(), ' ');
    for c in text.chars() {
        match c {
            '(' | '{' if last == '$' || depth > 0 => depth += 1,
            ')' | '}' if depth > 0 => depth -= 1,
            c if depth == 0 => out.push(c),
            _ => {}
        }
        last = c;
    }
    out
}

fn without_comment(text: &str) -> &str {
    text.split('#').next().unwrap_or_default()
}
