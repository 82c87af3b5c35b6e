//! justfiles: a step for each public recipe that takes no argument, which `just` runs. Pure.
//!
//! Heads of recipes, attributes and comments are read, files that are imported along; of commands only whether they are checks.
//! just runs what a recipe depends on by itself; the steps only come in that order.

mod recipe;

use super::Repository;
use super::draft::{Draft, Imported, kind_of};
use super::judge;
use super::write::word;
use crate::base::RepoPath;
use recipe::{Recipe, Text};
use std::collections::{BTreeMap, BTreeSet};

/// Files imported by files that are imported, at most.
const IMPORTS_MAX: usize = 50;

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("just");
    let (recipes, aliases) = all(path, text, repo, &mut out);
    let real = |name: &str| aliases.get(name).cloned().unwrap_or_else(|| name.to_owned());
    // A recipe may be written once for each system; what a file says itself counts before what it imports.
    let mut kept: BTreeMap<&str, &Recipe> = BTreeMap::new();
    let mut told = vec![];
    for recipe in &recipes {
        if kept.contains_key(recipe.name.as_str()) {
            continue;
        }
        match why_not(recipe) {
            None => _ = kept.insert(&recipe.name, recipe),
            Some(why) => told.push((recipe, why)),
        }
    }
    for (recipe, why) in told.into_iter().filter(|(recipe, _)| !kept.contains_key(recipe.name.as_str())) {
        if why != PRIVATE {
            out.lose(&recipe.file, recipe.line, format!("the recipe `{}`", recipe.name), why, "");
        }
        out.left_out.insert(recipe.name.clone(), recipe.needs.iter().map(|need| real(need)).collect());
    }
    // Who only names others is none of its own, if they are all steps.
    let mut only_names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for recipe in kept.values() {
        let Some(called) = recipe.only_calls() else { continue };
        let called: Vec<String> = called.into_iter().map(|name| real(&name)).collect();
        if called.iter().all(|name| name != &recipe.name && kept.contains_key(name.as_str())) {
            only_names.insert(&recipe.name, called);
        }
    }
    let file = String::from_utf8_lossy(path.file_name()).into_owned();
    let usual = file.eq_ignore_ascii_case("justfile") || file == ".justfile";
    let flag = if usual { String::new() } else { format!("--justfile {} ", word(&file)) };
    for recipe in
        recipes.iter().filter(|recipe| kept.get(recipe.name.as_str()).is_some_and(|one| std::ptr::eq(*one, *recipe)))
    {
        if let Some(called) = only_names.get(recipe.name.as_str()) {
            out.lose(
                &recipe.file,
                recipe.line,
                format!("the recipe `{}`", recipe.name),
                "it only calls other recipes",
                "",
            );
            out.left_out.insert(recipe.name.clone(), called.clone());
            continue;
        }
        let mut after: Vec<String> = recipe.needs.iter().map(|need| real(need)).collect();
        // `a: && b` runs b after a.
        after.extend(
            recipes
                .iter()
                .filter(|one| one.then.iter().any(|then| real(then) == recipe.name))
                .map(|one| one.name.clone()),
        );
        out.steps.push(Draft {
            key: recipe.name.clone(),
            run: format!("just {flag}{}", word(&recipe.name)),
            dir: path.parent(),
            kind: kind_of(&recipe.name),
            after,
            lock: Some("just"),
            why: format!("recipes of {path}"),
            ..Draft::default()
        });
    }
    if !out.steps.is_empty() {
        let why = "just does not say it: the steps watch everything";
        out.lose(path, 0, "what recipes read", why, "name their `inputs`");
    }
    out
}

const PRIVATE: &str = "it is private";

fn why_not(recipe: &Recipe) -> Option<&'static str> {
    let said = |word: &str| recipe.attributes.contains(word);
    if recipe.name.starts_with('_') || said("private") {
        Some(PRIVATE)
    } else if recipe.required {
        Some("it wants an argument")
    } else if said("confirm") {
        Some("it asks somebody")
    } else if (said("windows") || said("macos")) && !said("linux") && !said("unix") {
        Some("it is for another system")
    } else {
        judge::by_name(&recipe.name).or_else(|| judge::refused(&recipe.name, &recipe.body))
    }
}

/// The recipes of the file and of those that it imports, and what aliases stand for.
fn all(
    path: &RepoPath,
    text: &str,
    repo: &Repository<'_>,
    out: &mut Imported,
) -> (Vec<Recipe>, BTreeMap<String, String>) {
    let (mut recipes, mut aliases) = (vec![], BTreeMap::new());
    let mut seen = BTreeSet::from([path.clone()]);
    let mut waiting = std::collections::VecDeque::from([(path.clone(), text.to_owned())]);
    while let Some((file, text)) = waiting.pop_front() {
        let Text { recipes: found, aliases: names, imports, modules } = Text::read(&file, &text);
        recipes.extend(found);
        aliases.extend(names);
        for (line, said) in modules {
            let advice = "add steps that call `just MODULE::RECIPE`";
            out.lose(&file, line, format!("`{said}`"), "recipes of modules are not read", advice);
        }
        for (line, said, name) in imports {
            let there = file.parent().join(name.as_bytes()).filter(|at| repo.has(at));
            match there.and_then(|at| Some((at.clone(), (repo.text)(&at)?))) {
                Some((at, text)) if seen.len() < IMPORTS_MAX => {
                    if seen.insert(at.clone()) {
                        waiting.push_back((at, text));
                    }
                }
                _ => out.lose(
                    &file,
                    line,
                    format!("`{said}`"),
                    "there is no such file here",
                    "add steps for its recipes",
                ),
            }
        }
    }
    (recipes, aliases)
}

#[cfg(test)]
mod tests {
    use crate::import::Format;
    use crate::import::tests::{imported, steps};

    #[test]
    fn recipes_become_steps() {
        let text = "mod docs\nset shell := ['bash', '-c']\nversion := '1:2'\nalias t := test\n\n# words: here\n@lint:\n  ruff .\n\
                    test *args='a b: c': lint (gen 'x: y') && after-test\n  pytest {{args}}\n[private]\ngen name:\n  x\n\
                    after-test:\n  x\n_hidden: lint\n  x\nneeds-arg one:\n  x\n[windows]\ndoc:\n  x\n[unix]\ndoc:\n  y\nclean:\n  x\n";
        let made = imported(Format::Just, "justfile", &[("justfile", text)]);
        assert_eq!(
            steps(&made),
            ["lint: just lint", "test: just test", "after-test: just after-test", "doc: just doc"]
        );
        assert!(made.text.contains("after: [lint]"), "{}", made.text);
        for part in ["`mod docs`", "`needs-arg`", "`clean`"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
        // `test: … && after-test`
        let after = made.text.split("id: after-test").nth(1).unwrap();
        assert!(after.contains("after: [test]"), "{}", made.text);
    }

    #[test]
    fn imports_are_read_along_and_texts_are_no_recipes() {
        let text = "import 'ci.just'\nx := '''\nfoo: bar\n'''\nalias b := build\nci: b lint\nall:\n  just lint\nbuild:\n  cc\n\
                    [doc('works on macos')]\nfmt:\n  echo f\nwatch-all:\n  x\nup:\n  cargo watch\npush:\n  git push\nimport? 'gone'\n";
        let files = [("justfile", text), ("ci.just", "lint:\n  ruff check .\n")];
        let made = imported(Format::Just, "justfile", &files);
        assert_eq!(steps(&made), ["build: just build", "fmt: just fmt", "lint: just lint"]);
        for part in ["`ci`", "`all`", "`watch-all`", "`up`", "`push`", "gone"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
    }
}
