//! tox: a step for each environment of `env_list`, which `tox` runs. Pure.
//!
//! Read are tox.ini, tox.toml, `[tool.tox]` of pyproject.toml and `[tox:tox]` of setup.cfg; of commands only whether they are
//! checks. Does not know: Python.

mod environments;
mod names;

use super::Repository;
use super::draft::{Draft, Imported, kind_of};
use super::judge;
use super::write::{one_line, word};
use crate::base::RepoPath;
use crate::config::model::Kind;
use environments::Environments;
use names::{ENVIRONMENTS_MAX, expanded};

pub(super) fn read(path: &RepoPath, text: &str) -> Imported {
    let mut out = Imported::new("tox");
    let said = match path.file_name() {
        b"tox.toml" | b"pyproject.toml" => Environments::from_toml(path, text, &mut out),
        b"setup.cfg" => Environments::from_ini(path, text, "tox:tox", &mut out),
        _ => Environments::from_ini(path, text, "tox", &mut out),
    };
    if said.names.is_empty() {
        out.lose(path, 0, "the file", "it has no `env_list`", "name its environments by hand");
        return out;
    }
    let all = all(&said, path, &mut out);
    for name in &all {
        let mut after: Vec<String> = vec![];
        for on in said.of(name).iter().flat_map(|section| &section.depends) {
            if let Some(names) = expanded(on) {
                after.extend(names);
                continue;
            }
            let what = format!("`depends` of the environment `{}`", one_line(name));
            out.lose(path, said.line(name), what, format!("they are more than {ENVIRONMENTS_MAX}"), "");
        }
        if let Some(why) = why_not(name, &said.commands(name)) {
            out.lose(path, said.line(name), format!("the environment `{}`", one_line(name)), why, "");
            out.left_out.insert(name.clone(), after);
            continue;
        }
        let kind = kind_of(name).unwrap_or(Kind::Test);
        out.steps.push(Draft {
            key: name.clone(),
            run: format!("tox -e {}", word(name)),
            dir: path.parent(),
            kind: Some(kind),
            after: after.into_iter().filter(|on| all.contains(on)).collect(),
            why: format!("environments of {path}"),
            ..Draft::default()
        });
    }
    out
}

/// The environments of the list, braces expanded.
fn all(said: &Environments, path: &RepoPath, out: &mut Imported) -> Vec<String> {
    let mut all: Vec<String> = vec![];
    for written in &said.names {
        let mut lose = |what: String, why: String, advice: &str| out.lose(path, said.list_line, what, why, advice);
        let Some(names) = expanded(written) else {
            let why = format!("it stands for more than {ENVIRONMENTS_MAX} environments: none of them is a step");
            lose(format!("`{}` in `env_list`", one_line(written)), why, "add steps that call `tox -e NAME`");
            continue;
        };
        for name in names {
            if name.contains(['{', '}']) {
                let what = format!("the environment `{}`", one_line(&name));
                lose(what, "tox computes its name".into(), "name it by hand");
            } else if all.contains(&name) {
            } else if all.len() < ENVIRONMENTS_MAX {
                all.push(name);
            } else {
                let why = format!("there are more than {ENVIRONMENTS_MAX}: the others are no steps");
                lose("more environments".into(), why, "add steps that call `tox -e NAME`");
                return all;
            }
        }
    }
    all
}

/// Why an environment is no step, if it is none. A factor called `dev` or `preview` says which versions are tested.
fn why_not(name: &str, commands: &str) -> Option<&'static str> {
    let factors = name.split('-').filter(|factor| !matches!(*factor, "dev" | "preview"));
    let rest = factors.collect::<Vec<_>>().join("-");
    judge::by_name(if rest.is_empty() { name } else { &rest }).or_else(|| judge::refused(name, commands))
}

/// Does it say anything of tox? Files of other names than tox's own have many purposes. tox.ini is looked for first.
pub(super) fn is_there(path: &RepoPath, repo: &Repository<'_>) -> bool {
    let own = |name: &[u8]| name.starts_with(b"tox.");
    if own(path.file_name()) {
        return true;
    }
    let elsewhere = ["tox.ini", "tox.toml"].iter().any(|name| repo.file(&path.parent(), name).is_some());
    let text = (repo.text)(path).unwrap_or_default();
    !elsewhere && (text.contains("[tool.tox") || text.contains("[tox:tox]"))
}

#[cfg(test)]
mod tests {
    use crate::import::Format;
    use crate::import::tests::{imported, steps};

    #[test]
    fn environments_become_steps() {
        let text = "[tox]\nenvlist =\n    py{39,310}-{a,b}\n    lint, docs # words\n[testenv]\ncommands = pytest\n\
                    [testenv:docs]\ndepends = lint\n";
        let made = imported(Format::Tox, "tox.ini", &[("tox.ini", text)]);
        let expected =
            ["py39-a", "py39-b", "py310-a", "py310-b", "lint", "docs"].map(|name| format!("{name}: tox -e {name}"));
        assert_eq!(steps(&made), expected);
        assert!(made.text.contains("after: [lint]") && made.text.contains("kind: docs"));
        let toml = "env_list = [\"3.12\", \"type\"]\n[env.type]\ndepends = [\"3.12\"]\n";
        let made = imported(Format::Tox, "tox.toml", &[("tox.toml", toml)]);
        assert_eq!(steps(&made), ["3.12: tox -e 3.12", "type: tox -e type"]);
        assert_eq!(imported(Format::Tox, "tox.ini", &[("tox.ini", "[tox]\n")]).steps, 0);
    }

    #[test]
    fn braces_count_in_what_an_environment_waits_for_and_lists_are_found_anywhere() {
        let text =
            "[tox]\nenvlist = py{39,310}-cov, coverage, docs-live\n[testenv:coverage]\ndepends = py{39,310}-cov\n";
        let made = imported(Format::Tox, "tox.ini", &[("tox.ini", text)]);
        assert!(
            made.text.contains("after: [py39-cov, py310-cov]") && made.text.contains("ignore: []"),
            "{}",
            made.text
        );
        assert!(made.steps == 3 && made.lost.iter().any(|line| line.contains("docs-live")), "{:?}", made.lost);
        let toml = "env_list = [\"a\", {product = [[\"x\", \"y\"], [\"1\", \"2\"]], exclude = [\"y-2\"]}, \
                    {product = [{prefix = \"py3\", start = 9, stop = 11}]}]\n";
        let made = imported(Format::Tox, "tox.toml", &[("tox.toml", toml)]);
        assert_eq!(steps(&made), ["a", "x-1", "x-2", "y-1"].map(|name| format!("{name}: tox -e {name}")));
        assert!(made.lost.iter().any(|line| line.contains("prefix")), "{:?}", made.lost);
        for (file, text) in [
            ("pyproject.toml", "[tool.tox]\nenv_list = [\"t\"]\n"),
            ("pyproject.toml", "[tool.tox]\nlegacy_tox_ini = \"\"\"\n[tox]\nenvlist = t\n\"\"\"\n"),
            ("setup.cfg", "[tox:tox]\nenvlist = t\n"),
        ] {
            assert_eq!(steps(&imported(Format::Tox, file, &[(file, text)])), ["t: tox -e t"], "{text}");
        }
        assert!(imported(Format::Tox, "tox.toml", &[("tox.toml", "[")]).lost[0].contains("cannot be read"));
    }

    #[test]
    fn commands_say_what_is_no_check_and_factors_do_not() {
        let text = "[tox]\nenvlist = py312-numpy-dev, black-preview, dev-lint, check, fmt, style, rel, release, gone, same, watching\n\
                    [testenv]\ncommands =\n    !style: pytest {posargs:-x}\n    style: black src\n\
                    [testenv:check]\ncommands = {envpython} -m twine \\\n    upload dist/*\n\
                    [testenv:{fmt,other}]\ncommands = - black src {posargs}\n[testenv:black-preview]\ncommands = black {posargs:--check src}\n\
                    [testenv:rel]\ncommands_post = git push\n[testenv:release]\ncommands = twine upload dist/*\n\
                    [testenv:same]\ncommands = {[testenv:fmt]commands}\n[testenv:watching]\ncommands = {envbindir}/sphinx-autobuild a b\n";
        let made = imported(Format::Tox, "tox.ini", &[("tox.ini", text)]);
        let expected = ["py312-numpy-dev", "black-preview", "dev-lint", "release", "gone"];
        assert_eq!(steps(&made), expected.map(|name| format!("{name}: tox -e {name}")));
        assert!(made.text.contains("kind: deploy"), "{}", made.text);
        for part in [
            "`check` (tox.ini:7): it changes the world outside",
            "`fmt` (tox.ini:10): it edits files",
            "`style` (tox.ini:2): it edits files",
            "`rel` (tox.ini:14): it changes",
            "`same` (tox.ini:18): it edits",
            "`watching` (tox.ini:20): it does not end",
        ] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:#?}", made.lost);
        }
        let text = "env_list = [\"a\", \"b\", \"c\", \"d\"]\n[env_run_base]\ncommands = [[\"pytest\", {replace = \"posargs\", default = [\"x\"]}]]\n\
                    [env.b]\ncommands = [[\"twine\", \"upload\", \"x\"]]\n[env.c]\ncommands = [[\"black\", {replace = \"posargs\", default = [\"--check\"]}]]\n\
                    [env.d]\ncommands_pre = [[\"black\", \"src\"]]\n";
        let made = imported(Format::Tox, "tox.toml", &[("tox.toml", text)]);
        assert_eq!(steps(&made), ["a: tox -e a", "c: tox -e c"]);
        assert!(["`b`", "`d`"].iter().all(|part| made.lost.iter().any(|line| line.contains(part))), "{:?}", made.lost);
    }

    #[test]
    fn lists_that_nobody_meant_are_told() {
        let text = "[tox]\nenvlist = lint, py{1-999}, {1-20}-{1-20}\n[testenv:lint]\ndepends = py{1-300}\n";
        let made = imported(Format::Tox, "tox.ini", &[("tox.ini", text)]);
        assert_eq!(steps(&made), ["lint: tox -e lint"]);
        for part in
            ["`py{1-999}` in `env_list` (tox.ini:2): it stands for more than 200", "`{1-20}-{1-20}`", "`depends`"]
        {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
    }
}
