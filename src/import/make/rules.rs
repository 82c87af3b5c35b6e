//! The rules of Makefiles, as a glance reads them: targets, what they need, their recipes. Pure.
//!
//! Conditional text counts as if it held, included files of the repository are read along. Does not know: variables, functions,
//! targets that are computed.

use super::super::Repository;
use super::super::along::{Along, NOT_HERE};
use super::super::draft::Imported;
use crate::base::{GlobSet, RepoPath};
use std::collections::{BTreeMap, BTreeSet};

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
    /// It has a variable of its own, which those that it needs see when they are made for it.
    pub sets: bool,
    /// Its commands; none if it only names others.
    pub recipe: Option<String>,
}

/// All explicit targets, and those that are phony.
#[derive(Default)]
pub(super) struct Rules {
    pub targets: BTreeMap<String, Target>,
    pub phony: BTreeSet<String>,
    /// Targets with a recipe that are patterns or computed, each with its place.
    pub patterns: Vec<(String, RepoPath, u32)>,
    /// Patterns of targets that have a variable of their own.
    setting: Vec<String>,
}

impl Rules {
    pub fn of(path: &RepoPath, text: &str, repo: &Repository<'_>, out: &mut Imported) -> Self {
        let mut rules = Self::default();
        let mut along = Along::from(path, text, repo);
        while let Some(source) = along.next() {
            for (line, said) in rules.add(&source.file, &source.text) {
                for (name, optional) in included(&said) {
                    // make looks from where it is called.
                    let found = if name.contains(['*', '?', '[']) && !name.contains('$') {
                        matching(name, &path.parent(), repo)
                    } else {
                        path.parent().join(name.as_bytes()).into_iter().collect()
                    };
                    let missing: Vec<&RepoPath> =
                        found.iter().filter(|at| !along.add(Some((*at).clone()), "")).collect();
                    // What is made by make itself may be missing.
                    let must = !optional || name.contains('$') || missing.iter().any(|at| repo.has(at));
                    if must && (found.is_empty() || !missing.is_empty()) {
                        out.lose(&source.file, line, format!("`{said}`"), NOT_HERE, "add steps for its targets");
                    }
                }
            }
        }
        for (name, target) in &mut rules.targets {
            target.sets |= rules.setting.iter().any(|pattern| fits(pattern, name));
        }
        rules
    }

    /// The target of this name.
    fn target(&mut self, name: &str) -> &mut Target {
        let number = self.targets.len();
        self.targets.entry(name.to_owned()).or_insert_with(|| Target { number, ..Target::default() })
    }

    /// Adds those of one file; what it includes, each with its line.
    fn add(&mut self, path: &RepoPath, text: &str) -> Vec<(u32, String)> {
        let mut includes = vec![];
        let mut current: Vec<String> = vec![];
        // Targets of the last rule that are patterns or computed.
        let mut patterns: Vec<(String, RepoPath, u32)> = vec![];
        let mut inside_define = false;
        for (line, logical) in logical_lines(text) {
            let first = logical.split_whitespace().next().unwrap_or_default();
            if inside_define {
                inside_define = first != "endef";
                continue;
            }
            if logical.starts_with('\t') {
                self.patterns.append(&mut patterns);
                for name in &current {
                    let recipe = &mut self.targets.entry(name.clone()).or_default().recipe;
                    let recipe = recipe.get_or_insert_default();
                    recipe.push_str(logical.trim());
                    recipe.push('\n');
                }
                continue;
            }
            let defines = logical.split_whitespace().nth(1) == Some("define");
            match first {
                "override" | "export" if defines => {
                    inside_define = true;
                    continue;
                }
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
            current.clear();
            patterns.clear();
            let (names, rest) = match said(&logical) {
                Said::Rule(names, rest) => (names, rest),
                Said::Variable(names) => {
                    for name in names.split_whitespace() {
                        if name.contains('%') {
                            self.setting.push(name.to_owned());
                        } else if is_plain(name) {
                            self.target(name).sets = true;
                        }
                    }
                    continue;
                }
                Said::Else => continue,
            };
            let (needs, recipe) = match rest.split_once(';') {
                Some((needs, recipe)) => (needs, Some(recipe)),
                None => (rest, None),
            };
            // What stands after `|` only has to be there before.
            let words = needs.split_whitespace().filter(|word| *word != "|");
            let (needs, computed): (Vec<&str>, Vec<&str>) = words.partition(|word| is_plain(word));
            if names.trim() == ".PHONY" {
                self.phony.extend(needs.into_iter().map(str::to_owned));
                continue;
            }
            // `a b &: c`: one recipe makes both.
            let names = names.trim().trim_end_matches('&');
            let outer: String = outside_calls(names).map(|(_, c)| c).collect();
            let (known, other): (Vec<&str>, Vec<&str>) = outer.split_whitespace().partition(|name| is_plain(name));
            current = known.into_iter().filter(|name| !name.starts_with('.')).map(str::to_owned).collect();
            let other = if names.contains('$') { vec![names] } else { other };
            patterns = other.into_iter().map(|name| (name.to_owned(), path.clone(), line)).collect();
            if recipe.is_some() {
                self.patterns.append(&mut patterns);
            }
            for name in &current {
                let target = self.target(name);
                if target.line == 0 {
                    (target.file, target.line) = (path.clone(), line);
                }
                target.needs.extend(needs.iter().filter(|need| *need != name).map(|need| (*need).to_owned()));
                target.computed |= !computed.is_empty();
                if let Some(recipe) = recipe {
                    let known = target.recipe.get_or_insert_default();
                    known.push_str(recipe.trim());
                    known.push('\n');
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

/// What a line says.
enum Said<'a> {
    /// The two sides of a rule, without its comment.
    Rule(&'a str, &'a str),
    /// `target: VARIABLE = value` sets a variable of targets.
    Variable(&'a str),
    /// A variable, or nothing of a rule.
    Else,
}

fn said(line: &str) -> Said<'_> {
    let Some((at, _)) = outside_calls(line).find(|(_, c)| *c == ':') else { return Said::Else };
    let (names, rest) = (&line[..at], &line[at + 1..]);
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    // In a recipe a `#` is the shell's.
    let before = rest.split(';').next().unwrap_or_default();
    let bare = without_comment(before);
    let assigns = bare.starts_with('=')
        || bare.starts_with(":=")
        || outside_calls(names).any(|(_, c)| c == '=')
        || bare.trim_start().starts_with('=');
    if assigns || names.contains('#') {
        return Said::Else;
    }
    if outside_calls(bare).any(|(_, c)| c == '=') {
        return Said::Variable(names);
    }
    Said::Rule(names, if bare.len() < before.len() { bare } else { rest })
}

/// Is it a name, and no pattern and nothing computed?
fn is_plain(word: &str) -> bool {
    !word.contains(['$', '%', '(', ')', '='])
}

/// Is this target one of the pattern?
fn fits(pattern: &str, name: &str) -> bool {
    pattern.split_once('%').is_some_and(|(start, end)| {
        name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
    })
}

/// What an `include` names, each with whether it may be missing: after `-include`, and in `$(wildcard …)`.
fn included(said: &str) -> Vec<(&str, bool)> {
    let (mut inside, mut found) = (false, vec![]);
    for word in said.split_whitespace().skip(1) {
        if word == "$(wildcard" {
            inside = true;
            continue;
        }
        let name = if inside { word.trim_end_matches(')') } else { word };
        found.push((name, inside || !said.starts_with("include")));
        inside &= name.len() == word.len();
    }
    found.retain(|(name, _)| !name.is_empty());
    found
}

/// The files that make's wildcards mean: they do not cross folders.
fn matching(name: &str, folder: &RepoPath, repo: &Repository<'_>) -> Vec<RepoPath> {
    let pattern = name.trim_start_matches("./").replace('{', "\\{").replace('}', "\\}");
    let Ok(globs) = GlobSet::parse(&[&pattern], folder) else { return vec![] };
    let depth = |text: &[u8]| text.split(|byte| *byte == b'/').count();
    let deep = depth(pattern.as_bytes());
    let fits = |path: &&RepoPath| path.below(folder).is_some_and(|below| depth(below) == deep) && globs.is_match(path);
    repo.files.iter().filter(fits).cloned().collect()
}

/// The characters outside of `$(DIRS:%=test/%)` and the like.
fn outside_calls(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut depth, mut last) = (0_usize, ' ');
    text.char_indices().filter(move |(_, c)| {
        let before = std::mem::replace(&mut last, *c);
        match c {
            '(' | '{' if before == '$' || depth > 0 => depth += 1,
            ')' | '}' if depth > 0 => depth -= 1,
            _ => return depth == 0,
        }
        false
    })
}

fn without_comment(text: &str) -> &str {
    text.split('#').next().unwrap_or_default()
}
