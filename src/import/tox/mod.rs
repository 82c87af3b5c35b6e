//! tox: a step for each environment of `env_list`, which `tox` runs. Pure.
//!
//! Read are tox.ini, tox.toml, `[tool.tox]` of pyproject.toml and `[tox:tox]` of setup.cfg. Does not know: Python.

mod names;

use super::Repository;
use super::draft::{Draft, Imported, kind_of};
use super::judge;
use super::write::{one_line, word};
use crate::base::RepoPath;
use crate::config::model::Kind;
use names::{ENVIRONMENTS_MAX, expanded, list};
use toml::Value;

pub(super) fn read(path: &RepoPath, text: &str) -> Imported {
    let mut out = Imported::new("tox");
    let said = match path.file_name() {
        b"tox.toml" | b"pyproject.toml" => from_toml(path, text, &mut out),
        b"setup.cfg" => Environments::from_ini(text, "tox:tox"),
        _ => Environments::from_ini(text, "tox"),
    };
    let names = &said.names;
    if names.is_empty() {
        out.lose(path, 0, "the file", "it has no `env_list`", "name its environments by hand");
        return out;
    }
    let mut all: Vec<String> = vec![];
    for name in names.iter().flat_map(|name| expanded(name)) {
        if name.contains(['{', '}']) {
            let what = format!("the environment `{}`", one_line(&name));
            out.lose(path, 0, what, "tox computes its name", "name it by hand");
        } else if all.len() >= ENVIRONMENTS_MAX {
            out.lose(path, 0, "more environments", format!("there are more than {ENVIRONMENTS_MAX}"), "");
            break;
        } else if !all.contains(&name) {
            all.push(name);
        }
    }
    for name in &all {
        let after: Vec<String> = said
            .depends
            .iter()
            .filter(|(of, _)| of == name)
            .flat_map(|(_, on)| on)
            .flat_map(|on| expanded(on))
            .collect();
        if let Some(why) = judge::by_name(name) {
            out.lose(path, 0, format!("the environment `{}`", one_line(name)), why, "");
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

/// Names of environments as they are written, and what each waits for.
#[derive(Default)]
struct Environments {
    names: Vec<String>,
    depends: Vec<(String, Vec<String>)>,
}

impl Environments {
    /// `main` is the section that has the list.
    fn from_ini(text: &str, main: &str) -> Self {
        let (mut names, mut depends) = (String::new(), vec![]);
        let (mut section, mut key) = (String::new(), String::new());
        for line in text.lines() {
            let plain = line.split(" #").next().unwrap_or(line);
            if plain.trim_start().starts_with(['#', ';']) || plain.trim().is_empty() {
                continue;
            }
            if let Some(name) = plain.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                (section, key) = (name.trim().to_owned(), String::new());
                continue;
            }
            let value = if plain.starts_with([' ', '\t']) {
                plain.trim()
            } else {
                let Some((name, value)) = plain.split_once('=') else { continue };
                key = name.trim().to_ascii_lowercase();
                value.trim()
            };
            match (section.as_str(), key.as_str()) {
                (section, "envlist" | "env_list") if section == main => {
                    names.push(',');
                    names.push_str(value);
                }
                (section, "depends") => {
                    if let Some(of) = section.strip_prefix("testenv:") {
                        depends.extend(expanded(of).into_iter().map(|of| (of, list(value))));
                    }
                }
                _ => {}
            }
        }
        Self { names: list(&names), depends }
    }
}

fn from_toml(path: &RepoPath, text: &str, out: &mut Imported) -> Environments {
    let root = match text.parse::<toml::Table>() {
        Ok(root) => root,
        Err(error) => {
            let why = format!("it cannot be read: {}", one_line(error.message()));
            out.lose(path, 0, "the file", why, "mend it and import again");
            return Environments::default();
        }
    };
    let tool = root.get("tool").and_then(|tool| tool.get("tox")).and_then(Value::as_table);
    let root = if path.file_name() == b"pyproject.toml" { tool.cloned().unwrap_or_default() } else { root };
    if let Some(ini) = root.get("legacy_tox_ini").and_then(Value::as_str) {
        return Environments::from_ini(ini, "tox");
    }
    let texts = |value: Option<&Value>| -> Vec<String> {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let mut names = vec![];
    for item in root.get("env_list").and_then(Value::as_array).into_iter().flatten() {
        match (item.as_str(), product(item)) {
            (Some(name), _) => names.push(name.to_owned()),
            (None, Some(all)) => names.extend(all),
            (None, None) => {
                let what = format!("`{}` in `env_list`", one_line(item.to_string().trim()));
                out.lose(path, 0, what, "tox computes these names", "add steps that call `tox -e NAME`");
            }
        }
    }
    let envs = root.get("env").and_then(Value::as_table).into_iter().flatten();
    let depends = envs.map(|(name, env)| (name.clone(), texts(env.get("depends")))).collect();
    Environments { names, depends }
}

/// `{product = [["3.12", "3.11"], ["x", "y"]], exclude = ["3.11-y"]}`: every combination, where it is made of texts alone.
fn product(item: &Value) -> Option<Vec<String>> {
    let table = item.as_table()?;
    let texts = |value: &Value| -> Option<Vec<String>> {
        value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
    };
    let exclude = table.get("exclude").map_or(Some(vec![]), texts)?;
    let mut all = vec![String::new()];
    for factor in table.get("product")?.as_array()? {
        let choices = texts(factor)?;
        if all.len() * choices.len() > ENVIRONMENTS_MAX {
            return None;
        }
        let join = |start: &String, choice: &String| {
            if start.is_empty() { choice.clone() } else { format!("{start}-{choice}") }
        };
        all = all.iter().flat_map(|start| choices.iter().map(move |choice| join(start, choice))).collect();
    }
    let known = table.keys().all(|key| key == "product" || key == "exclude");
    all.retain(|name| !exclude.contains(name));
    (known && all.iter().all(|name| !name.is_empty())).then_some(all)
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
}
