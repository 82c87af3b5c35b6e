//! tox: a step for each environment of `env_list`, which `tox` runs. Pure.

use super::draft::{Draft, Imported, kind_of};
use super::write::word;
use crate::base::RepoPath;
use crate::config::model::Kind;

/// More environments than this come of a list that nobody meant.
const ENVIRONMENTS_MAX: usize = 200;

pub(super) fn read(path: &RepoPath, text: &str) -> Imported {
    let mut out = Imported::new("tox");
    let toml = path.file_name() == b"tox.toml";
    let (names, depends) = if toml { from_toml(text) } else { from_ini(text) };
    if names.is_empty() {
        out.lose(path, 0, "the file", "it has no `env_list`", "name its environments by hand");
        return out;
    }
    let mut all: Vec<String> = vec![];
    for name in names.iter().flat_map(|name| expanded(name)) {
        if name.contains(['{', '}']) {
            out.lose(path, 0, format!("the environment `{name}`"), "tox computes its name", "name it by hand");
        } else if all.len() >= ENVIRONMENTS_MAX {
            out.lose(path, 0, "more environments", format!("there are more than {ENVIRONMENTS_MAX}"), "");
            break;
        } else if !all.contains(&name) {
            all.push(name);
        }
    }
    for name in &all {
        let after = depends.iter().filter(|(of, _)| of == name).flat_map(|(_, on)| on).filter(|on| all.contains(on));
        let kind = kind_of(name).unwrap_or(Kind::Test);
        out.steps.push(Draft {
            key: name.clone(),
            run: format!("tox -e {}", word(name)),
            dir: path.parent(),
            kind: Some(kind),
            after: after.cloned().collect(),
            why: format!("environments of {path}"),
            ..Draft::default()
        });
    }
    out
}

type Environments = (Vec<String>, Vec<(String, Vec<String>)>);

fn from_ini(text: &str) -> Environments {
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
            ("tox", "envlist" | "env_list") => {
                names.push(',');
                names.push_str(value);
            }
            (section, "depends") => {
                if let Some(of) = section.strip_prefix("testenv:") {
                    depends.push((of.to_owned(), list(value)));
                }
            }
            _ => {}
        }
    }
    (list(&names), depends)
}

fn from_toml(text: &str) -> Environments {
    let Ok(root) = text.parse::<toml::Table>() else { return (vec![], vec![]) };
    let texts = |value: Option<&toml::Value>| -> Vec<String> {
        let items = value.and_then(toml::Value::as_array).into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let envs = root.get("env").and_then(toml::Value::as_table).into_iter().flatten();
    let depends = envs.map(|(name, env)| (name.clone(), texts(env.get("depends")))).collect();
    (texts(root.get("env_list")), depends)
}

/// Names separated by commas outside of braces.
fn list(text: &str) -> Vec<String> {
    let (mut depth, mut names) = (0_usize, vec![String::new()]);
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match names.last_mut() {
            Some(last) if !((c == ',' || c.is_whitespace()) && depth == 0) => last.push(c),
            _ => names.push(String::new()),
        }
    }
    names.into_iter().map(|name| name.split_whitespace().collect::<String>()).filter(|name| !name.is_empty()).collect()
}

/// `py{39,310}-{a,b}`: every combination.
fn expanded(name: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inside, next)) = after.split_once('}') else { break };
        // `{env:X}` and the like are not alternatives.
        let choices: Vec<String> = if inside.contains(':') {
            vec![format!("{{{inside}}}")]
        } else {
            inside.split(',').flat_map(numbers).collect()
        };
        if all.len() * choices.len() > ENVIRONMENTS_MAX {
            return vec![];
        }
        all =
            all.iter().flat_map(|start| choices.iter().map(move |choice| format!("{start}{before}{choice}"))).collect();
        rest = next;
    }
    all.iter().map(|start| format!("{start}{rest}")).collect()
}

/// `39-312` in braces (tox 4.25) is every number from one to the other.
fn numbers(text: &str) -> Vec<String> {
    let text = text.trim();
    let ends = text.split_once('-').and_then(|(from, to)| Some((from.parse::<u32>().ok()?, to.parse::<u32>().ok()?)));
    match ends {
        Some((from, to)) if from <= to && to - from < ENVIRONMENTS_MAX as u32 => {
            (from..=to).map(|n| n.to_string()).collect()
        }
        _ => vec![text.to_owned()],
    }
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
}
