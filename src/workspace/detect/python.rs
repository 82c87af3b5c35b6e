//! uv, poetry, pdm and pip projects: tools that the project configures or declares. Pure.

use super::{Detected, Draft, Look, PACKAGES, ProjectKind};
use crate::base::RepoPath;
use crate::config::model::Kind;
use toml::{Table, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Uv,
    Poetry,
    Pdm,
    Pip,
}

/// Where a tool is declared, so that it is there when it is called.
#[derive(Clone, PartialEq, Eq)]
enum Declared {
    Always,
    Group(String),
    Extra(String),
}

struct Python {
    tool: Tool,
    table: Table,
    locked: bool,
    requirements: Vec<(&'static str, String)>,
}

pub(super) fn find(look: &Look<'_>, found: &mut Detected) {
    let (homes, _) = look.homes(&["pyproject.toml", "setup.py", "requirements.txt"], |_| false);
    for folder in &homes {
        let Some(python) = Python::read(look, folder) else {
            found.notes.push(format!("pyproject.toml in `{folder}` is not readable as TOML"));
            continue;
        };
        let mut steps = python.checks(look, folder);
        steps.extend(python.test(look, folder));
        for site in super::docs::sites(look).iter().filter(|site| site.folder.is_in(folder)) {
            let declared = python.declared(site.package).is_some();
            steps
                .extend(site.step(folder, |command| declared.then(|| python.program(site.package, command)).flatten()));
        }
        if !steps.is_empty() {
            let install = python.install(look, folder, &steps);
            for step in &mut steps {
                step.needs.push("install");
            }
            steps.insert(0, install);
        }
        found.add(ProjectKind::Python, folder, python.name(), steps);
    }
}

impl Python {
    fn read(look: &Look<'_>, folder: &RepoPath) -> Option<Self> {
        let table = look.read(folder, "pyproject.toml").map_or_else(|| Some(Table::new()), |text| text.parse().ok())?;
        let has = |key: &str| table.get("tool").and_then(|tool| tool.get(key)).is_some();
        let (tool, lock) = if look.has(folder, "uv.lock") || (has("uv") && !has("poetry")) {
            (Tool::Uv, "uv.lock")
        } else if look.has(folder, "poetry.lock") || has("poetry") {
            (Tool::Poetry, "poetry.lock")
        } else if look.has(folder, "pdm.lock") || has("pdm") {
            (Tool::Pdm, "pdm.lock")
        } else {
            (Tool::Pip, "requirements.txt")
        };
        const FILES: [&str; 8] = [
            "requirements.txt",
            "requirements-dev.txt",
            "requirements-test.txt",
            "requirements_dev.txt",
            "dev-requirements.txt",
            "test-requirements.txt",
            "requirements/dev.txt",
            "requirements/test.txt",
        ];
        let requirements = FILES.iter().filter_map(|name| Some((*name, look.read(folder, name)?))).collect();
        Some(Self { tool, table, locked: look.has(folder, lock), requirements })
    }

    fn name(&self) -> &'static str {
        match self.tool {
            Tool::Uv => "uv",
            Tool::Poetry => "poetry",
            Tool::Pdm => "pdm",
            Tool::Pip => "pip",
        }
    }

    fn at(&self, path: &str) -> Option<&Value> {
        let mut keys = path.split('.');
        let first = self.table.get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.get(key))
    }

    /// Where a package is declared: the project itself, a group, an extra, a requirements file.
    fn declared(&self, package: &str) -> Option<Declared> {
        let names = |list: &Value| {
            list.as_array().into_iter().flatten().filter_map(Value::as_str).any(|line| is_for(line, package))
        };
        let keyed = |table: Option<&Value>| {
            table.and_then(Value::as_table).is_some_and(|t| t.keys().any(|key| is_for(key, package)))
        };
        let poetry_group = |(_, group): (&String, &Value)| keyed(group.get("dependencies"));
        let in_poetry = keyed(self.at("tool.poetry.dependencies"))
            || keyed(self.at("tool.poetry.dev-dependencies"))
            || self.at("tool.poetry.group").and_then(Value::as_table).into_iter().flatten().any(poetry_group);
        let in_files = self.requirements.iter().any(|(_, text)| text.lines().any(|line| is_for(line, package)));
        let in_uv = self.at("tool.uv.dev-dependencies").is_some_and(names);
        if self.at("project.dependencies").is_some_and(names) || in_poetry || in_files || in_uv {
            return Some(Declared::Always);
        }
        // What only builds the documentation says nothing about the code (but for documentation itself).
        let for_docs = |name: &str| name.contains("doc") && !matches!(package, "mkdocs" | "sphinx");
        let holder = |key: &str| {
            let mut table = self.at(key).and_then(Value::as_table).into_iter().flatten();
            table.find(|(name, list)| is_word(name) && !for_docs(name) && names(list)).map(|(name, _)| name.clone())
        };
        let defaults = self.at("tool.uv.default-groups");
        let is_default = |group: &String| match defaults {
            Some(Value::Array(list)) => list.iter().any(|item| item.as_str() == Some(group)),
            Some(Value::String(all)) => all == "all",
            _ => group == "dev",
        };
        if let Some(group) = holder("dependency-groups") {
            return Some(if is_default(&group) { Declared::Always } else { Declared::Group(group) });
        }
        if let Some(group) = holder("tool.pdm.dev-dependencies") {
            return Some(Declared::Group(group));
        }
        holder("project.optional-dependencies").map(Declared::Extra)
    }

    /// The command that runs a module's program inside the project's environment; none if the program is not in it.
    fn program(&self, package: &str, command: &str) -> Option<String> {
        let declared = self.declared(package);
        Some(match (self.tool, declared) {
            (Tool::Uv, Some(Declared::Always)) => format!("uv run --no-sync {command}"),
            (Tool::Uv, Some(Declared::Group(group))) => format!("uv run {}--group {group} {command}", self.frozen()),
            (Tool::Uv, Some(Declared::Extra(extra))) => format!("uv run {}--extra {extra} {command}", self.frozen()),
            (Tool::Poetry, Some(_)) => format!("poetry run {command}"),
            (Tool::Pdm, Some(_)) => format!("pdm run {command}"),
            // `python -m` puts the project's folder on the path, as most test suites expect.
            (Tool::Pip, _) if package == "pytest" => format!(".venv/bin/python -m {command}"),
            (Tool::Pip, _) => format!(".venv/bin/{command}"),
            (Tool::Uv | Tool::Poetry | Tool::Pdm, None) => return None,
        })
    }

    fn frozen(&self) -> &'static str {
        if self.locked { "--frozen " } else { "" }
    }

    fn checks(&self, look: &Look<'_>, folder: &RepoPath) -> Vec<Draft> {
        let wanted = |package: &str, key: &str, files: &[&str]| {
            self.at(key).is_some() || look.first(folder, files).is_some() || self.declared(package).is_some()
        };
        let mut steps = Vec::new();
        let mut add = |role, package: &str, command: &str| {
            // ruff needs nothing of the project, so uv may run it from its own cache.
            let alone = (self.tool == Tool::Uv && package == "ruff").then(|| format!("uvx {command}"));
            if let Some(run) = self.program(package, command).or(alone) {
                let no_prose = package == "mypy";
                steps.push(Draft { role, run, kind: Some(Kind::Lint), no_prose, ..Draft::default() });
            }
        };
        if wanted("ruff", "tool.ruff", &["ruff.toml", ".ruff.toml"]) {
            add("ruff", "ruff", "ruff check --no-fix .");
        }
        if self.at("tool.ruff.format").is_some() {
            add("format", "ruff", "ruff format --check .");
        } else if wanted("black", "tool.black", &[]) {
            add("format", "black", "black --check .");
        }
        if wanted("flake8", "tool.flake8", &[".flake8"]) {
            add("flake8", "flake8", "flake8");
        }
        if wanted("mypy", "tool.mypy", &["mypy.ini", ".mypy.ini"]) {
            let listed =
                ["tool.mypy.files", "tool.mypy.packages", "tool.mypy.modules"].iter().any(|key| self.at(key).is_some());
            let in_file = look.read(folder, "mypy.ini").or_else(|| look.read(folder, ".mypy.ini")).unwrap_or_default();
            let listed =
                listed || in_file.lines().any(|line| line.starts_with("files") || line.starts_with("packages"));
            let source =
                || if look.files.iter().any(|path| under(path, folder, "src")) { "mypy src" } else { "mypy ." };
            add("types", "mypy", if listed { "mypy" } else { source() });
        }
        steps
    }

    fn test(&self, look: &Look<'_>, folder: &RepoPath) -> Option<Draft> {
        let test = |run| Draft { role: "test", run, kind: Some(Kind::Test), ..Draft::default() };
        // pytest fails where it finds nothing.
        let is_test = |path: &&RepoPath| {
            let name = path.file_name();
            let named = name.starts_with(b"test_") && name.ends_with(b".py") || name.ends_with(b"_test.py");
            path.is_in(folder) && (named || name == b"tests.py")
        };
        if !look.files.iter().any(|path| is_test(&path)) {
            return None;
        }
        let ini = look.read(folder, "setup.cfg").is_some_and(|text| text.contains("[tool:pytest]"))
            || look.read(folder, "tox.ini").is_some_and(|text| text.contains("[pytest]"));
        let configured = self.at("tool.pytest").is_some()
            || ini
            || look.first(folder, &["pytest.ini", "conftest.py", "tests/conftest.py"]).is_some();
        let pytest =
            (configured || self.declared("pytest").is_some()).then(|| self.program("pytest", "pytest")).flatten();
        if pytest.is_some() {
            return pytest.map(test);
        }
        let tox = look.has(folder, "tox.ini") || self.at("tool.tox").is_some();
        tox.then(|| self.program("tox", "tox")).flatten().map(test)
    }

    /// Fills the environment that the other steps use.
    fn install(&self, look: &Look<'_>, folder: &RepoPath, steps: &[Draft]) -> Draft {
        let run = match self.tool {
            Tool::Uv if self.locked => "uv sync --locked".to_owned(),
            Tool::Uv => "uv sync".to_owned(),
            Tool::Poetry => "poetry install --no-interaction".to_owned(),
            Tool::Pdm if self.locked => "pdm sync --dev".to_owned(),
            Tool::Pdm => "pdm install --dev".to_owned(),
            Tool::Pip => self.pip(look, folder, steps),
        };
        let manifests =
            ["pyproject.toml", "setup.py", "setup.cfg", "uv.lock", "poetry.lock", "pdm.lock", "poetry.toml"];
        let present = manifests.into_iter().filter(|name| look.has(folder, name));
        let files = present.chain(self.requirements.iter().map(|(name, _)| *name));
        let inputs = files.map(|name| format!("./{name}")).collect();
        // poetry and pdm may keep the environment elsewhere: then it is not known whether it is there, so it runs.
        let outputs = vec!["./.venv/**".into()];
        Draft { role: "install", run, inputs, outputs, uncached: PACKAGES, ..Draft::default() }
    }

    fn pip(&self, look: &Look<'_>, folder: &RepoPath, steps: &[Draft]) -> String {
        let mut what: Vec<String> = self.requirements.iter().map(|(name, _)| format!("-r {name}")).collect();
        if self.at("build-system").is_some() || self.at("project").is_some() || look.has(folder, "setup.py") {
            let tools = ["pytest", "mypy", "ruff", "black", "flake8", "tox"];
            let mut extras: Vec<String> = tools
                .iter()
                .filter_map(|tool| match self.declared(tool) {
                    Some(Declared::Extra(extra)) => Some(extra),
                    _ => None,
                })
                .collect();
            extras.sort();
            extras.dedup();
            let list = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
            what.push(format!("-e '.{list}'"));
        }
        // What is configured but declared nowhere (or in a group, which older pips do not know) is named.
        let called = |tool: &&&str| steps.iter().any(|step| step.run.split([' ', '/']).any(|word| word == **tool));
        let missing = |tool: &&&str| matches!(self.declared(tool), None | Some(Declared::Group(_)));
        what.extend(
            ["pytest", "mypy", "ruff", "black", "flake8", "tox"]
                .iter()
                .filter(called)
                .filter(missing)
                .map(|t| (*t).to_owned()),
        );
        format!(
            "python3 -m venv .venv\necho '*' > .venv/.gitignore\n.venv/bin/python -m pip install --quiet {}",
            what.join(" ")
        )
    }
}

fn under(path: &RepoPath, folder: &RepoPath, name: &str) -> bool {
    folder.join(name.as_bytes()).is_some_and(|at| path.is_in(&at))
}

/// Is the requirement line (or key) for this package?
fn is_for(line: &str, package: &str) -> bool {
    let line = line.trim();
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(line.len());
    line[..end].replace('_', "-").eq_ignore_ascii_case(package)
}

/// May the name stand in a command as it is?
fn is_word(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('-') && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}
