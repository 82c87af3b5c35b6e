//! Taskfiles and those that they include, each with what its names and folders are relative to. Pure.
//!
//! Source: task 3's `taskfile/ast/tasks.go` (how names are put together) and its guide, "Including Taskfiles".

use super::super::Repository;
use super::super::along::Along;
use super::super::draft::Imported;
use super::super::node::{Look, from_yaml};
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::BTreeMap;

/// What task looks for in a folder, in its order.
const NAMES: [&str; 8] = [
    "Taskfile.yml",
    "taskfile.yml",
    "Taskfile.yaml",
    "taskfile.yaml",
    "Taskfile.dist.yml",
    "taskfile.dist.yml",
    "Taskfile.dist.yaml",
    "taskfile.dist.yaml",
];

/// What the names and folders of a file are relative to.
#[derive(Clone, Default)]
pub(super) struct Scope {
    pub file: RepoPath,
    /// What the names of its tasks begin with.
    pub prefix: String,
    /// What those begin with that it names with a colon first.
    pub outer: String,
    /// Other prefixes by which its tasks are known.
    pub aliases: Vec<String>,
    /// The folder that its tasks run in; none if that depends on variables or is outside.
    pub folder: Option<RepoPath>,
    /// All its tasks are internal.
    pub internal: bool,
    /// Its tasks that are left out.
    pub excludes: Vec<String>,
}

/// The file and what it includes; what is not read is told.
pub(super) fn files(
    path: &RepoPath,
    text: &str,
    root: Node,
    repo: &Repository<'_>,
    out: &mut Imported,
) -> Vec<(Scope, Node)> {
    let first = Scope { file: path.clone(), folder: Some(path.parent()), ..Scope::default() };
    let mut scopes = BTreeMap::from([((String::new(), path.clone()), first)]);
    let mut along = Along::from(path, text, repo);
    let (mut first, mut files) = (Some(root), vec![]);
    while let Some(source) = along.next() {
        let Some(scope) = scopes.get(&(source.prefix.clone(), source.file.clone())).cloned() else { continue };
        let root = match first.take().map_or_else(|| from_yaml(&source.text), Ok) {
            Ok(root) => root,
            Err((line, why)) => {
                out.lose(&source.file, line, "an included file", why, "mend it and import again");
                continue;
            }
        };
        for (name, node) in root.get("includes").map(Look::entries).unwrap_or_default() {
            let inner = included(&name.value, node, &scope, repo);
            let added = inner.as_ref().is_some_and(|inner| along.add(Some(inner.file.clone()), &inner.prefix));
            match inner {
                Some(inner) if added => {
                    scopes.entry((inner.prefix.clone(), inner.file.clone())).or_insert(inner);
                }
                _ => {
                    let why = "it is no file here to read, or takes itself in: its tasks are no steps, task itself still reads it";
                    let what = format!("the include `{}`", name.value);
                    out.lose(&scope.file, name.at.line, what, why, "add steps that call `task NAME:TASK`");
                }
            }
        }
        files.push((scope, root));
    }
    files
}

/// What is included; none if it is not in the repository, or variables say what it is.
fn included(name: &str, node: &Node, scope: &Scope, repo: &Repository<'_>) -> Option<Scope> {
    let said = node.text().or_else(|| node.text_of("taskfile"))?;
    if said.contains("{{") || said.contains(['$', '~']) {
        return None;
    }
    let here = scope.file.parent();
    let place = here.join(said.as_bytes())?;
    let file = if repo.has(&place) { place } else { NAMES.iter().find_map(|name| repo.file(&place, name))? };
    // The short form leaves the folder as it is.
    let folder = match node.text_of("dir") {
        _ if node.text().is_some() => scope.folder.clone(),
        None => Some(here),
        Some(dir) if dir.contains("{{") || dir.contains(['$', '~']) => None,
        Some(dir) => here.join(dir.as_bytes()),
    };
    let texts = |key: &str| -> Vec<String> {
        node.get(key).map(Look::texts).unwrap_or_default().into_iter().map(|(text, _)| text.to_owned()).collect()
    };
    let flat = node.get("flatten").is_some_and(Look::is_true);
    let below = |name: &str| format!("{}{name}:", scope.prefix);
    Some(Scope {
        file,
        prefix: if flat { scope.prefix.clone() } else { below(name) },
        outer: if flat { scope.outer.clone() } else { scope.prefix.clone() },
        aliases: if flat { vec![] } else { texts("aliases").iter().map(|alias| below(alias)).collect() },
        folder,
        internal: scope.internal || node.get("internal").is_some_and(Look::is_true),
        excludes: texts("excludes"),
    })
}
