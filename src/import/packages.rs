//! Packages of npm, pnpm, yarn and bun, as far as task runners need them: where they are and which scripts they have. Pure.
//!
//! Does not know: what a script does.

use super::node::{Look, from_json, from_yaml};
use super::{Repository, judge};
use crate::base::{GlobSet, RepoPath};
use crate::config::yaml::Node;

/// One package.
#[derive(Clone)]
pub(super) struct Package {
    /// Its folder.
    pub folder: RepoPath,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its scripts in order: name, command, line.
    pub scripts: Vec<(String, String, u32)>,
}

impl Package {
    /// Has it this script?
    pub fn has(&self, script: &str) -> bool {
        self.scripts.iter().any(|(name, ..)| name == script)
    }

    /// Why this script is no step, if it is none.
    pub fn refused(&self, script: &str) -> Option<&'static str> {
        let (name, text, _) = self.scripts.iter().find(|(name, ..)| name == script)?;
        if text.trim().is_empty() { Some("it is a placeholder") } else { judge::refused(name, text) }
    }
}

/// The package of a folder, if its package.json can be read.
pub(super) fn package(repo: &Repository<'_>, folder: &RepoPath) -> Option<Package> {
    let root = from_json(&repo.read(folder, "package.json")?).ok()?;
    let scripts = root.get("scripts").map(Look::entries).unwrap_or_default();
    let script = |(name, value): &(crate::base::Spanned<String>, Node)| {
        Some((name.value.clone(), value.text()?.to_owned(), name.at.line))
    };
    Some(Package {
        folder: folder.clone(),
        name: root.text_of("name").map(str::to_owned),
        scripts: scripts.iter().filter_map(script).collect(),
    })
}

/// The members of the workspace at `root`, the root itself left out, by folder. Without patterns anywhere there are none.
pub(super) fn members(repo: &Repository<'_>, root: &RepoPath) -> Vec<Package> {
    let patterns = patterns(repo, root);
    // Patterns name folders; `packages/*` and `packages/*/` mean the same.
    let texts: Vec<String> =
        patterns.iter().map(|text| text.trim_start_matches("./").trim_end_matches('/').to_owned()).collect();
    let Ok(globs) = GlobSet::parse(&texts, &RepoPath::root()) else { return vec![] };
    let manifests = repo.files.iter().filter(|path| path.file_name() == b"package.json");
    let folders = manifests.map(RepoPath::parent).filter(|folder| {
        let inside = folder.below(root).filter(|name| !name.is_empty()).map(RepoPath::from_bytes);
        let vendored = folder.as_bytes().split(|b| *b == b'/').any(|name| name == b"node_modules");
        !vendored && *folder != *root && inside.is_some_and(|inside| globs.is_match(&inside))
    });
    folders.filter_map(|folder| package(repo, &folder)).collect()
}

fn patterns(repo: &Repository<'_>, root: &RepoPath) -> Vec<String> {
    let texts = |node: Option<&Node>| -> Vec<String> {
        node.map(|node| node.texts().into_iter().map(|(text, _)| text.to_owned()).collect()).unwrap_or_default()
    };
    if let Some(file) = repo.read(root, "pnpm-workspace.yaml").and_then(|text| from_yaml(&text).ok()) {
        return texts(file.get("packages"));
    }
    let Some(manifest) = repo.read(root, "package.json").and_then(|text| from_json(&text).ok()) else { return vec![] };
    let workspaces = manifest.get("workspaces");
    // Yarn 1 allows `{packages: […], nohoist: […]}`.
    let listed = texts(workspaces.and_then(|node| node.get("packages")).or(workspaces));
    if !listed.is_empty() {
        return listed;
    }
    let lerna = repo.read(root, "lerna.json").and_then(|text| from_json(&text).ok());
    texts(lerna.as_ref().and_then(|file| file.get("packages")))
}

/// The program that runs scripts, by the nearest lock file, else by `packageManager`, else npm.
pub(super) fn manager(repo: &Repository<'_>, folder: &RepoPath) -> &'static str {
    const LOCKS: [(&str, &str); 5] = [
        ("pnpm-lock.yaml", "pnpm"),
        ("yarn.lock", "yarn"),
        ("bun.lock", "bun"),
        ("bun.lockb", "bun"),
        ("package-lock.json", "npm"),
    ];
    let mut at = folder.clone();
    loop {
        if let Some((_, manager)) = LOCKS.iter().find(|(name, _)| repo.file(&at, name).is_some()) {
            return manager;
        }
        let said = repo.read(&at, "package.json").and_then(|text| from_json(&text).ok());
        let said = said.as_ref().and_then(|root| root.text_of("packageManager"));
        let known = ["pnpm", "yarn", "bun", "npm"].into_iter();
        if let Some(manager) =
            said.and_then(|text| known.into_iter().find(|name| text.starts_with(&format!("{name}@"))))
        {
            return manager;
        }
        if at.is_root() {
            return "npm";
        }
        at = at.parent();
    }
}

/// The lock files that are at the root of a workspace, as patterns.
pub(super) fn locks(repo: &Repository<'_>) -> Vec<String> {
    let names = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "yarn.lock", "bun.lock", "package-lock.json"];
    let there = names.into_iter().filter(|name| repo.file(&RepoPath::root(), name).is_some());
    there.map(str::to_owned).collect()
}

/// Does an instance that names no `inputs` watch this pattern for sure: is it about its own folder, or about none that is an
/// instance's?
pub(super) fn is_covered(pattern: &str, folders: &[&RepoPath]) -> bool {
    let body = pattern.trim_start_matches('!');
    if body.split('/').any(|part| part == "..") {
        return false;
    }
    if body.starts_with("./") {
        return true;
    }
    let fixed = body.find(['*', '?', '[', '{', '\\']).map_or(body, |at| &body[..at]);
    let fixed = if fixed.len() == body.len() { fixed } else { fixed.rsplit_once('/').map_or("", |(folder, _)| folder) };
    let place = RepoPath::from(fixed.trim_end_matches('/'));
    // A pattern that may reach into a folder, or is in it.
    let reaches = |folder: &&RepoPath| place.is_in(folder) || (fixed.len() < body.len() && folder.is_in(&place));
    !folders.iter().any(reaches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::repository;

    #[test]
    fn members_and_managers() {
        let files = [
            ("package.json", "{\"workspaces\": {\"packages\": [\"./packages/*/\", \"!packages/old\"]}}"),
            ("packages/a/package.json", "{\"name\": \"@x/a\", \"scripts\": {\"test\": \"vitest run\"}}"),
            ("packages/a/node_modules/b/package.json", "{}"),
            ("packages/old/package.json", "{}"),
            ("yarn.lock", ""),
        ];
        repository(&files, |repo| {
            let found = members(repo, &RepoPath::root());
            assert_eq!(found.len(), 1);
            assert!(found[0].has("test") && found[0].name.as_deref() == Some("@x/a"));
            assert_eq!(manager(repo, &found[0].folder), "yarn");
        });
        let pnpm =
            [("package.json", "{}"), ("pnpm-workspace.yaml", "packages: [apps/*]"), ("apps/w/package.json", "{}")];
        repository(&pnpm, |repo| assert_eq!(members(repo, &RepoPath::root()).len(), 1));
    }

    #[test]
    fn what_instances_watch_by_themselves() {
        let (app, lib) = (RepoPath::from("packages/app"), RepoPath::from("packages/lib"));
        for (pattern, covered) in [
            ("./src/**", true),
            ("config/**", true),
            ("tsconfig.json", true),
            ("packages/other/x", true),
            ("packages/app/x", false),
            ("packages/**", false),
            ("**/*.ts", false),
            ("./../lib/x", false),
        ] {
            assert_eq!(is_covered(pattern, &[&app, &lib]), covered, "{pattern}");
        }
    }
}
