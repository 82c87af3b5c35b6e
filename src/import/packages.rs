//! Packages of npm, pnpm, yarn and bun, as far as task runners need them: where they are and which scripts they have. Pure.
//!
//! Does not know: what a script does.

use super::draft::Imported;
use super::node::{Look, from_json, from_yaml};
use super::workspace::{Base, place};
use super::{Repository, judge};
use crate::base::RepoPath;
use crate::config::yaml::Node;
use crate::workspace::FolderGlobs;
use std::collections::BTreeMap;

/// One package.
#[derive(Clone)]
pub(super) struct Package {
    /// Its folder.
    pub folder: RepoPath,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its scripts in order: name, command, line.
    pub scripts: Vec<(String, String, u32)>,
    /// The names of packages that it depends on.
    pub depends: Vec<String>,
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
    let tables = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];
    let depends = tables.iter().filter_map(|table| root.get(table)).flat_map(Look::entries);
    Some(Package {
        folder: folder.clone(),
        depends: depends.map(|(name, _)| name.value.clone()).collect(),
        name: root.text_of("name").map(str::to_owned),
        scripts: scripts.iter().filter_map(script).collect(),
    })
}

/// The members of the workspace at `root`, the root itself left out, by folder. Without patterns anywhere there are none.
pub(super) fn members(repo: &Repository<'_>, root: &RepoPath, out: &mut Imported) -> Vec<Package> {
    let member = Members::of(repo, root, out);
    let manifests = repo.files.iter().filter(|path| path.file_name() == b"package.json" && path.is_in(root));
    let folders = manifests.map(RepoPath::parent).filter(|folder| *folder != *root && member.has(folder));
    folders.filter_map(|folder| package(repo, &folder)).collect()
}

/// The members that a package depends on, by way of others, too.
pub(super) fn below<'a>(package: &Package, members: &'a [Package]) -> Vec<&'a Package> {
    let by_name: BTreeMap<&str, &Package> =
        members.iter().filter_map(|member| Some((member.name.as_deref()?, member))).collect();
    let (mut found, mut waiting) = (BTreeMap::new(), package.depends.iter().collect::<Vec<_>>());
    while let Some(name) = waiting.pop() {
        if let Some(member) = by_name.get(name.as_str())
            && found.insert(&member.folder, *member).is_none()
        {
            waiting.extend(&member.depends);
        }
    }
    found.into_values().collect()
}

/// The folders that a workspace names.
pub(super) struct Members(Option<FolderGlobs>);

impl Members {
    /// Those of the workspace at `root`. What is no pattern, or leads out of the repository, is told and left out.
    pub fn of(repo: &Repository<'_>, root: &RepoPath, out: &mut Imported) -> Self {
        let Some((file, patterns)) = patterns(repo, root) else { return Self(None) };
        let mut fine = vec![];
        for (text, line) in &patterns {
            match FolderGlobs::parse([text.as_str()], root) {
                Ok(_) => fine.push(text.as_str()),
                Err(why) => {
                    let what = format!("the members `{text}`");
                    out.lose(
                        &file,
                        *line,
                        what,
                        format!("{why}; the other members are here"),
                        "mend it and import again",
                    );
                }
            }
        }
        Self(FolderGlobs::parse(fine, root).ok())
    }

    /// Does the workspace say who its members are?
    pub fn are_named(&self) -> bool {
        self.0.is_some()
    }

    /// Is it a member's folder? Exactly as `for_each` takes it: what lies in a member is none.
    pub fn has(&self, folder: &RepoPath) -> bool {
        let vendored = folder.as_bytes().split(|b| *b == b'/').any(|name| name == b"node_modules");
        !vendored && self.0.as_ref().is_some_and(|globs| globs.is_match(folder))
    }
}

/// The patterns for members, each with its line, and the file that has them; none if nothing says who is a member.
fn patterns(repo: &Repository<'_>, root: &RepoPath) -> Option<(RepoPath, Vec<(String, u32)>)> {
    let texts = |node: Option<&Node>| -> Option<Vec<(String, u32)>> {
        Some(node?.texts().into_iter().map(|(text, line)| (text.to_owned(), line)).collect())
    };
    let read = |name: &str| Some((repo.file(root, name)?, repo.read(root, name)?));
    if let Some((path, text)) = read("pnpm-workspace.yaml")
        && let Ok(file) = from_yaml(&text)
    {
        return Some((path, texts(file.get("packages"))?));
    }
    if let Some((path, text)) = read("package.json")
        && let Ok(manifest) = from_json(&text)
    {
        let workspaces = manifest.get("workspaces");
        // Yarn 1 allows `{packages: […], nohoist: […]}`.
        let listed = texts(workspaces.and_then(|node| node.get("packages")).or(workspaces));
        if let Some(listed) = listed.filter(|listed| !listed.is_empty()) {
            return Some((path, listed));
        }
    }
    let (path, text) = read("lerna.json")?;
    Some((path, texts(from_json(&text).ok()?.get("packages"))?))
}

/// Lock files, each with the program that writes it.
const LOCKS: [(&str, &str); 6] = [
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
];

/// The program that runs scripts, by the nearest lock file, else by `packageManager`, else npm.
pub(super) fn manager(repo: &Repository<'_>, folder: &RepoPath) -> &'static str {
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

/// What says at the root of a workspace which packages are installed, as far as it is there, as patterns.
pub(super) fn locks(repo: &Repository<'_>, root: &RepoPath) -> Vec<String> {
    there(repo, root, ["package.json", "pnpm-workspace.yaml"].into_iter().chain(LOCKS.map(|(name, _)| name)))
}

/// Those of these files of a folder that are there, as patterns.
pub(super) fn there<'n>(
    repo: &Repository<'_>,
    folder: &RepoPath,
    names: impl IntoIterator<Item = &'n str>,
) -> Vec<String> {
    let names = names.into_iter().filter(|name| repo.file(folder, name).is_some());
    names.map(|name| place("", Base::Folder(folder), name)).collect()
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
            let found = members(repo, &RepoPath::root(), &mut Imported::new("npm"));
            assert_eq!(found.len(), 1);
            assert!(found[0].has("test") && found[0].name.as_deref() == Some("@x/a"));
            assert_eq!(manager(repo, &found[0].folder), "yarn");
        });
        let pnpm =
            [("package.json", "{}"), ("pnpm-workspace.yaml", "packages: [apps/*]"), ("apps/w/package.json", "{}")];
        repository(&pnpm, |repo| {
            assert_eq!(members(repo, &RepoPath::root(), &mut Imported::new("npm")).len(), 1);
        });
    }

    #[test]
    fn members_are_the_folders_that_are_named_and_none_in_them() {
        let files = [
            ("web/package.json", "{\"workspaces\": [\"app\", \"libs/*\",\n\"../../other\", \"a[\"]}"),
            ("web/app/package.json", "{}"),
            ("web/app/test/fixtures/p/package.json", "{}"),
            ("web/libs/a/package.json", "{}"),
            ("web/libs/a/b/package.json", "{}"),
            ("app/package.json", "{}"),
        ];
        repository(&files, |repo| {
            let mut out = Imported::new("npm");
            let found = members(repo, &RepoPath::from("web"), &mut out);
            let folders: Vec<String> = found.iter().map(|package| package.folder.to_string()).collect();
            assert_eq!(folders, ["web/app", "web/libs/a"]);
            let told: Vec<(&str, u32)> = out.lost.iter().map(|lost| (&*lost.what, lost.line)).collect();
            assert_eq!(told, [("the members `../../other`", 2), ("the members `a[`", 2)]);
        });
    }

    #[test]
    fn every_lock_file_counts_at_the_root_of_its_workspace() {
        for (name, tool) in LOCKS {
            let path = format!("web/{name}");
            repository(&[("web/package.json", "{}"), (&path, ""), ("yarn.lock", "")], |repo| {
                let web = RepoPath::from("web");
                assert_eq!(manager(repo, &web), tool);
                assert_eq!(locks(repo, &web), ["web/package.json".to_owned(), path.clone()]);
            });
        }
    }
}
