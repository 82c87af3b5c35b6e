//! Python: uv workspaces, and path dependencies of uv, poetry, pdm and pip. Pure.

use super::{ManifestError, Reading, Texts, nearest, texts};
use crate::base::RepoPath;
use crate::workspace::folders::FolderGlobs;
use std::collections::{BTreeMap, HashMap};
use toml::{Table, Value};

pub(super) fn read(all: &Texts) -> Reading {
    let mut reading = Reading::default();
    for (folder, path, text) in texts(all, "requirements.txt") {
        reading
            .edges
            .extend(text.lines().filter_map(|line| required_path(&folder, line)).map(|to| (folder.clone(), to)));
        reading.packages.push((folder, vec![path.clone()]));
    }
    let mut parsed: BTreeMap<RepoPath, (&RepoPath, Table)> = BTreeMap::new();
    for (folder, path, text) in texts(all, "pyproject.toml") {
        match text.parse::<Table>() {
            Ok(table) => _ = parsed.insert(folder, (path, table)),
            Err(error) => {
                let message = error.message().to_owned();
                reading.errors.push(ManifestError { path: path.clone(), message });
            }
        }
    }
    let is_root =
        |folder: &RepoPath| parsed.get(folder).is_some_and(|(_, table)| at(table, "tool.uv.workspace").is_some());
    let mut members: HashMap<RepoPath, HashMap<String, RepoPath>> = HashMap::new();
    for (folder, (path, table)) in parsed.iter().filter(|(folder, _)| is_root(folder)) {
        match member_globs(folder, table) {
            Ok(globs) => {
                let inside = parsed.iter().filter(|(at, _)| *at == folder || globs.is_match(at));
                let named = inside.filter_map(|(at, (_, table))| Some((name(table)?, at.clone())));
                members.insert(folder.clone(), named.collect());
            }
            Err(message) => reading.errors.push(ManifestError { path: (*path).clone(), message }),
        }
    }
    for (folder, (path, table)) in &parsed {
        let root = nearest(folder, is_root);
        let home = root.as_ref().and_then(|root| members.get(root));
        let root = root.and_then(|at| parsed.get(&at).map(|(path, table)| (at, *path, table)));
        let mut manifests = vec![(*path).clone()];
        manifests.extend(root.as_ref().map(|(_, path, _)| (*path).clone()).filter(|root| root != *path));
        reading.packages.push((folder.clone(), manifests));
        let mut add = |to: Option<RepoPath>| reading.edges.extend(to.map(|to| (folder.clone(), to)));
        let listed = requirements(table);
        for (name, source) in sources(table) {
            add(source_target(folder, name, source, home));
        }
        // A member takes the root's sources for what it requires itself.
        for (name, source) in root.iter().flat_map(|(_, _, table)| sources(table)) {
            if let Some((at, _, _)) =
                root.as_ref().filter(|_| listed.iter().any(|line| requirement_name(line) == normal(name)))
            {
                add(source_target(at, name, source, home));
            }
        }
        for line in &listed {
            add(required_path(folder, line));
        }
        for (_, dependency) in poetry(table) {
            let path = dependency.get("path").and_then(Value::as_str);
            add(path.and_then(|path| folder.join(path.as_bytes())));
        }
    }
    reading
}

/// The value under a dotted path of tables.
fn at<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let mut keys = path.split('.');
    let first = table.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.get(key))
}

fn member_globs(folder: &RepoPath, table: &Table) -> Result<FolderGlobs, String> {
    let list = |key: &str| at(table, key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let without: Vec<String> = list("tool.uv.workspace.exclude").map(|glob| format!("!{glob}")).collect();
    FolderGlobs::parse(list("tool.uv.workspace.members").chain(without.iter().map(String::as_str)), folder)
}

/// A distribution's name in the one form that all spellings share.
fn normal(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

fn name(table: &Table) -> Option<String> {
    at(table, "project.name").or_else(|| at(table, "tool.poetry.name"))?.as_str().map(normal)
}

/// `[tool.uv.sources]`: one table per name, or a list of them for different markers.
fn sources(table: &Table) -> impl Iterator<Item = (&str, &Value)> {
    let entries = at(table, "tool.uv.sources").and_then(Value::as_table).into_iter().flatten();
    entries.flat_map(|(name, source)| {
        let list = source.as_array().map_or(std::slice::from_ref(source), Vec::as_slice);
        list.iter().map(move |source| (name.as_str(), source))
    })
}

fn source_target(
    folder: &RepoPath,
    name: &str,
    source: &Value,
    home: Option<&HashMap<String, RepoPath>>,
) -> Option<RepoPath> {
    if source.get("workspace").and_then(Value::as_bool) == Some(true) {
        return home?.get(&normal(name)).cloned();
    }
    folder.join(source.get("path")?.as_str()?.as_bytes())
}

/// Every requirement line: of the project, its extras, its groups, and pdm's.
fn requirements(table: &Table) -> Vec<&str> {
    let groups = ["project.optional-dependencies", "dependency-groups", "tool.pdm.dev-dependencies"];
    let grouped = groups.iter().filter_map(|key| at(table, key)?.as_table()).flat_map(Table::values);
    let lists = at(table, "project.dependencies").into_iter().chain(grouped).filter_map(Value::as_array);
    lists.flatten().filter_map(Value::as_str).collect()
}

fn requirement_name(line: &str) -> String {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(line.len());
    normal(&line[..end])
}

/// The folder of `-e ../x`, `../x`, `x @ file:///${PROJECT_ROOT}/../x`, `-r ../x/requirements.txt`.
fn required_path(folder: &RepoPath, line: &str) -> Option<RepoPath> {
    let line = line.split(" #").next().unwrap_or_default().trim();
    let word = ["-e", "--editable", "-r", "--requirement", "-c", "--constraint"].iter().find_map(|flag| {
        line.strip_prefix(flag).filter(|rest| rest.starts_with([' ', '='])).map(|rest| rest[1..].trim())
    });
    let target = word.or_else(|| line.split_once(" @ ").map(|(_, url)| url.trim())).unwrap_or(line);
    let rooted = ["${PROJECT_ROOT}/", "{root:uri}/", "{root}/"].iter().find_map(|mark| target.split_once(mark));
    let path = match rooted {
        Some((_, path)) => path,
        None if target.starts_with("./") || target.starts_with("../") || matches!(target, "." | "..") => target,
        None if word.is_some() && !target.contains(':') && !target.starts_with('/') => target,
        None => return None,
    };
    let path = path.split(['#', ';', '[']).next().unwrap_or_default().trim();
    folder.join(path.as_bytes())
}

fn poetry(table: &Table) -> impl Iterator<Item = (&String, &Value)> {
    let groups = at(table, "tool.poetry.group").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = ["tool.poetry.dependencies", "tool.poetry.dev-dependencies"].iter().filter_map(|key| at(table, key));
    let all = tables.chain(groups.filter_map(|group| group.get("dependencies"))).filter_map(Value::as_table);
    all.flatten().flat_map(|(name, value)| {
        let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        list.iter().map(move |value| (name, value))
    })
}

#[cfg(test)]
mod tests {
    use crate::workspace::manifest::testing::{edges, errors};

    #[test]
    fn uv_workspaces_with_sources_of_the_root() {
        let root = "[project]\nname = \"root\"\n[tool.uv.workspace]\nmembers = [\"packages/*\"]\nexclude = [\"packages/old\"]\n\
                    [tool.uv.sources]\nmy-core = { workspace = true }\nold = { workspace = true }\n";
        let app = "[project]\nname = \"app\"\ndependencies = [\"My_Core>=1\", \"old\", \"httpx\"]\n[tool.uv.sources]\n\
                   kit = [{ path = \"../../kit\", marker = \"sys_platform == 'linux'\" }, { git = \"https://x\" }]\n";
        let files = [
            ("pyproject.toml", root),
            ("packages/app/pyproject.toml", app),
            ("packages/core/pyproject.toml", "[project]\nname = \"my.core\"\n"),
            ("packages/old/pyproject.toml", "[project]\nname = \"old\"\n"),
        ];
        let root = ". → packages/core".replace('.', "");
        assert_eq!(edges(super::read, &files), [root.as_str(), "packages/app → kit", "packages/app → packages/core"]);
    }

    #[test]
    fn paths_of_poetry_pdm_and_pip() {
        let poetry = "[tool.poetry]\nname = \"a\"\n[tool.poetry.dependencies]\npython = \"^3.11\"\n\
                      b = { path = \"../b\", develop = true }\n[tool.poetry.group.dev.dependencies]\nc = { path = \"../c\" }\n";
        let pdm = "[project]\nname = \"p\"\ndependencies = [\"b @ file:///${PROJECT_ROOT}/../b\"]\n\
                   [tool.pdm.dev-dependencies]\ndev = [\"-e file:///${PROJECT_ROOT}/../c#egg=c\"]\n";
        let pip =
            "flask==3.0  # web\n-e ../b\n../c[extra]\n-r ../shared/base.txt\ngit+https://x/y.git\n-e git+https://x/z\n";
        let files = [("a/pyproject.toml", poetry), ("p/pyproject.toml", pdm), ("r/requirements.txt", pip)];
        let expected = ["a → b", "a → c", "p → b", "p → c", "r → b", "r → c", "r → shared/base.txt"];
        assert_eq!(edges(super::read, &files), expected);
        assert!(errors(super::read, &[("pyproject.toml", "= 1")])[0].starts_with("pyproject.toml: "));
    }
}
