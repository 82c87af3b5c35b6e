//! What tox's files say of environments: their list, what each waits for, and what it runs. Pure.
//!
//! Does not know: what commands do.

use super::super::draft::Imported;
use super::super::write::one_line;
use super::names::{ENVIRONMENTS_MAX, counts, expanded, list};
use crate::base::RepoPath;
use std::collections::BTreeMap;
use toml::Value;

/// The keys of commands, in the order in which they run.
const COMMANDS: [&str; 3] = ["commands_pre", "commands", "commands_post"];

/// What is said of environments.
#[derive(Default)]
pub(super) struct Environments {
    /// Their names as they are written in the list.
    pub names: Vec<String>,
    /// The line of the list; 0 where that is not known.
    pub list_line: u32,
    /// By name, braces expanded; the one without a name is for all that do not say otherwise.
    sections: BTreeMap<String, Section>,
}

/// What is said of one environment.
#[derive(Clone, Default)]
pub(super) struct Section {
    line: u32,
    /// The environments it waits for, as they are written.
    pub depends: Vec<String>,
    /// Its commands by key.
    commands: BTreeMap<String, Vec<String>>,
}

impl Environments {
    /// What is said of an environment itself.
    pub fn of(&self, name: &str) -> Option<&Section> {
        self.sections.get(name)
    }

    /// The line that is about it: of its section, else of the list.
    pub fn line(&self, name: &str) -> u32 {
        self.of(name).map_or(self.list_line, |section| section.line)
    }

    /// What it runs, a command a line.
    pub fn commands(&self, name: &str) -> String {
        let said = |section: &str, key: &str| self.sections.get(section).and_then(|section| section.commands.get(key));
        let lines = COMMANDS.iter().filter_map(|key| said(name, key).or_else(|| said("", key))).flatten();
        let lines = lines.flat_map(|line| {
            // `{[testenv:x]commands}`
            let other = line.trim().strip_prefix("{[testenv").and_then(|rest| rest.strip_suffix('}')?.split_once(']'));
            let other = other.and_then(|(of, key)| said(of.trim_start_matches(':'), key));
            other.map_or(std::slice::from_ref(line), Vec::as_slice)
        });
        let lines: Vec<String> = lines.filter_map(|line| counts(line, name)).map(plain).collect();
        lines.join("\n")
    }

    /// `main` is the section that has the list.
    pub fn from_ini(path: &RepoPath, text: &str, main: &str, out: &mut Imported) -> Self {
        let (mut all, mut names) = (Self::default(), String::new());
        // Which environments the section is about, and what it says of them.
        let (mut current, mut of, mut key) = (String::new(), vec![], String::new());
        let mut section = Section::default();
        let mut goes_on = false;
        for (number, line) in (1_u32..).zip(text.lines()) {
            let plain = line.split(" #").next().unwrap_or(line);
            if plain.trim_start().starts_with(['#', ';']) || plain.trim().is_empty() {
                continue;
            }
            if let Some(name) = plain.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                all.keep(of, std::mem::take(&mut section));
                (current, key) = (name.trim().to_owned(), String::new());
                section.line = number;
                of = match current.strip_prefix("testenv").map(|rest| rest.strip_prefix(':').unwrap_or(rest)) {
                    None => vec![],
                    Some(name) => expanded(name).unwrap_or_else(|| {
                        let why = format!("it is about more than {ENVIRONMENTS_MAX} environments, and not read");
                        out.lose(path, number, format!("`[{}]`", one_line(&current)), why, "");
                        vec![]
                    }),
                };
                continue;
            }
            let value = if plain.starts_with([' ', '\t']) {
                plain.trim()
            } else {
                let Some((name, value)) = plain.split_once('=') else { continue };
                key = name.trim().to_ascii_lowercase();
                goes_on = false;
                value.trim()
            };
            match key.as_str() {
                "envlist" | "env_list" if current == main => {
                    all.list_line = if names.is_empty() { number } else { all.list_line };
                    names.push(',');
                    names.push_str(value);
                }
                "depends" => section.depends.extend(list(value)),
                key if COMMANDS.contains(&key) => {
                    let lines = section.commands.entry(key.to_owned()).or_default();
                    let (value, more) = value.strip_suffix('\\').map_or((value, false), |value| (value, true));
                    match lines.last_mut().filter(|_| goes_on) {
                        Some(last) => last.push_str(value),
                        None => lines.push(value.to_owned()),
                    }
                    goes_on = more;
                }
                _ => {}
            }
        }
        all.keep(of, section);
        all.names = list(&names);
        all
    }

    /// Adds what a section says of these environments.
    fn keep(&mut self, of: Vec<String>, section: Section) {
        for name in of {
            let known =
                self.sections.entry(name).or_insert_with(|| Section { line: section.line, ..Section::default() });
            known.depends.extend(section.depends.iter().cloned());
            known.commands.extend(section.commands.clone());
        }
    }

    /// tox.toml, and `[tool.tox]`.
    pub fn from_toml(path: &RepoPath, text: &str, out: &mut Imported) -> Self {
        let root = match text.parse::<toml::Table>() {
            Ok(root) => root,
            Err(error) => {
                let why = format!("it cannot be read: {}", one_line(error.message()));
                out.lose(path, 0, "the file", why, "mend it and import again");
                return Self::default();
            }
        };
        let tool = root.get("tool").and_then(|tool| tool.get("tox")).and_then(Value::as_table);
        let root = if path.file_name() == b"pyproject.toml" { tool.cloned().unwrap_or_default() } else { root };
        if let Some(ini) = root.get("legacy_tox_ini").and_then(Value::as_str) {
            // Its lines are those of a text in the file: they say nothing.
            let before = out.lost.len();
            let mut all = Self::from_ini(path, ini, "tox", out);
            out.lost[before..].iter_mut().for_each(|lost| lost.line = 0);
            all.list_line = 0;
            all.sections.values_mut().for_each(|section| section.line = 0);
            return all;
        }
        let mut all = Self::default();
        for item in root.get("env_list").and_then(Value::as_array).into_iter().flatten() {
            match (item.as_str(), product(item)) {
                (Some(name), _) => all.names.push(name.to_owned()),
                (None, Some(names)) => all.names.extend(names),
                (None, None) => {
                    let what = format!("`{}` in `env_list`", one_line(item.to_string().trim()));
                    out.lose(path, 0, what, "tox computes these names", "add steps that call `tox -e NAME`");
                }
            }
        }
        let base = root.get("env_run_base").map(|base| (String::new(), base));
        let envs = root.get("env").and_then(Value::as_table).into_iter().flatten();
        for (name, env) in base.into_iter().chain(envs.map(|(name, env)| (name.clone(), env))) {
            let depends = texts(env.get("depends")).into_iter().map(str::to_owned).collect();
            let commands = COMMANDS.iter().filter_map(|key| {
                let lines = env.get(key)?.as_array()?.iter().map(|words| texts(Some(words)).join(" "));
                Some(((*key).to_owned(), lines.collect()))
            });
            all.sections.insert(name, Section { line: 0, depends, commands: commands.collect() });
        }
        all
    }
}

/// The texts of a list; of what tox puts in (`{replace = "posargs", default = […]}`) those it has by default.
fn texts(value: Option<&Value>) -> Vec<&str> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.flat_map(|item| item.as_str().map_or_else(|| texts(item.get("default")), |text| vec![text])).collect()
}

/// A command with what tox puts in by default.
fn plain(command: &str) -> String {
    let command = command.trim_start_matches(['-', '!', ' ']).replace("{envpython}", "python").replace("{posargs}", "");
    let Some((before, rest)) = command.split_once("{posargs:") else { return command };
    let mut depth = 1_usize;
    let end = rest.char_indices().find(|(_, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let Some((end, _)) = end else { return command.clone() };
    format!("{before}{}{}", &rest[..end], &rest[end + 1..])
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
