//! justfiles: a step for each public recipe that takes no argument, which `just` runs. Pure.
//!
//! Heads of recipes, attributes and comments are read, files that are imported and modules along; of commands only whether they are checks.
//! just runs what a recipe depends on by itself; the steps only come in that order.

mod recipe;

use super::Repository;
use super::along::{Along, NOT_HERE, kind_below};
use super::draft::{Draft, Imported};
use super::judge;
use super::write::word;
use crate::base::RepoPath;
use recipe::{Recipe, Taken, Text};
use std::collections::BTreeMap;

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
    // `a: && b` runs b after a.
    let mut runs_after: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for recipe in &recipes {
        for then in &recipe.then {
            runs_after.entry(real(then)).or_default().push(recipe.name.clone());
        }
    }
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
        after.extend(runs_after.get(&recipe.name).into_iter().flatten().cloned());
        out.steps.push(Draft {
            key: recipe.name.clone(),
            run: format!("just {}", word(&recipe.name)),
            dir: path.parent(),
            kind: kind_below(&recipe.name, recipe.own_name()),
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
    if recipe.own_name().starts_with('_') || said("private") {
        Some(PRIVATE)
    } else if recipe.required {
        Some("it wants an argument")
    } else if said("confirm") {
        Some("it asks somebody")
    } else if (said("windows") || said("macos")) && !said("linux") && !said("unix") {
        Some("it is for another system")
    } else {
        judge::by_name(recipe.own_name()).or_else(|| judge::refused(&recipe.name, &recipe.body))
    }
}

/// The recipes of the file, of those that it imports and of its modules, and what aliases stand for.
fn all(
    path: &RepoPath,
    text: &str,
    repo: &Repository<'_>,
    out: &mut Imported,
) -> (Vec<Recipe>, BTreeMap<String, String>) {
    let (mut recipes, mut aliases) = (vec![], BTreeMap::new());
    let mut along = Along::from(path, text, repo);
    while let Some(source) = along.next() {
        let Text { recipes: found, aliases: names, taken } = Text::read(&source);
        recipes.extend(found);
        aliases.extend(names);
        for one in taken {
            let prefix = match &one.module {
                Some(module) => format!("{}{module}::", source.prefix),
                None => source.prefix.clone(),
            };
            if !along.add(place(&one, &source.file.parent(), repo), &prefix) {
                out.lose(&source.file, one.line, format!("`{}`", one.said), NOT_HERE, "add steps for its recipes");
            }
        }
    }
    (recipes, aliases)
}

/// The file that is taken in: of a module any of those that just looks for.
fn place(taken: &Taken, folder: &RepoPath, repo: &Repository<'_>) -> Option<RepoPath> {
    let join = |path: &str| folder.join(path.as_bytes());
    let Some(module) = &taken.module else { return join(taken.path.as_ref()?) };
    let (file, inside) = match &taken.path {
        Some(path) => (join(path)?, join(path)?),
        None => (join(&format!("{module}.just"))?, join(module)?),
    };
    if repo.has(&file) {
        return Some(file);
    }
    let of = |names: [&str; 2]| {
        let any_case =
            move |path: &&RepoPath| names.iter().any(|name| path.file_name().eq_ignore_ascii_case(name.as_bytes()));
        repo.files.iter().filter(|path| path.parent() == inside).find(any_case).cloned()
    };
    repo.file(&inside, "mod.just").or_else(|| of(["justfile", ".justfile"]))
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

    #[test]
    fn modules_are_read_along_by_their_names() {
        let text = "mod docs\nmod? web 'apps/web' # words\nmod? gone\nmod deploy\nci: docs::build lint\nlint:\n  x\n";
        let files = [
            ("justfile", text),
            ("docs.just", "import 'more.just'\nalias s := site\nbuild: site\n  x\nsite: && later\n  x\nlater:\n  x\n"),
            ("more.just", "all: build\nserve:\n  x\nagain:\n  just build\n"),
            ("apps/web/Justfile", "test *args:\n  x\n[private]\nx:\n  y\nmod sub\n"),
            ("apps/web/sub/mod.just", "test: other\n  x\nother:\n  y\n"),
            ("deploy/.justfile", "prod:\n  git push\n"),
        ];
        let made = imported(Format::Just, "justfile", &files);
        let expected = [
            "lint: just lint",
            "docs-build: just docs::build",
            "docs-site: just docs::site",
            "docs-later: just docs::later",
            "web-test: just web::test",
            "deploy-prod: just deploy::prod",
            "docs-again: just docs::again",
            "web-sub-test: just web::sub::test",
            "web-sub-other: just web::sub::other",
        ];
        assert_eq!(steps(&made), expected, "{:#?}", made.lost);
        for part in ["after: [docs-site]", "after: [web-sub-other]", "kind: deploy"] {
            assert!(made.text.contains(part), "{part}: {}", made.text);
        }
        for part in ["mod? gone", "`ci`", "`docs::all`", "`docs::serve` (more.just:2)"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:#?}", made.lost);
        }
    }

    #[test]
    fn many_recipes_that_run_others_afterwards() {
        let text: String = (0..2_000).map(|n| format!("r{n}: && r{}\n  x\n", n + 1)).collect();
        let made = imported(Format::Just, "justfile", &[("justfile", &(text + "r2000:\n  x\n"))]);
        assert_eq!(made.steps, 2_001);
    }
}
