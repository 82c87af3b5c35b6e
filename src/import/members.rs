//! Workspaces of Cargo, Go and Maven: a step with an instance for each member. Pure.
//!
//! An instance watches its folder, the folders it depends on and what all share: that is the dependency graph of the
//! manifests, and wf reads it anew in every run, so that it never goes stale.

use super::Repository;
use super::draft::{Draft, Imported};
use super::write::path_text;
use crate::base::RepoPath;
use crate::config::model::Kind;
use crate::workspace::FolderGlobs;
use toml::{Table, Value};

/// Folders of manifests of a name, those of other people's code left out.
fn folders(repo: &Repository<'_>, name: &str) -> Vec<RepoPath> {
    let named = repo.files.iter().filter(|path| path.file_name() == name.as_bytes()).map(RepoPath::parent);
    let aside = |folder: &RepoPath| {
        folder
            .as_bytes()
            .split(|b| *b == b'/')
            .any(|part| matches!(part, b"node_modules" | b"vendor" | b"testdata" | b"target"))
    };
    named.filter(|folder| !aside(folder) && path_text(folder).is_some()).collect()
}

/// One step with instances for folders below the root, and one for the root itself.
fn add(out: &mut Imported, members: Vec<RepoPath>, drafts: Vec<Draft>) {
    let (root, nested): (Vec<RepoPath>, Vec<RepoPath>) = members.into_iter().partition(RepoPath::is_root);
    for draft in drafts {
        if !nested.is_empty() {
            out.steps.push(Draft { for_each: nested.clone(), ..draft.clone() });
        }
        if !root.is_empty() {
            let key = if nested.is_empty() { draft.key.clone() } else { format!("{}-root", draft.key) };
            out.steps.push(Draft { key, ..draft });
        }
    }
}

/// Members of Cargo workspaces and packages that stand alone.
pub(super) fn cargo(repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("cargo");
    let mut tables: Vec<(RepoPath, Table)> = vec![];
    for folder in folders(repo, "Cargo.toml") {
        let manifest = folder.append(b"Cargo.toml");
        match repo.read(&folder, "Cargo.toml").and_then(|text| text.parse::<Table>().ok()) {
            Some(table) => tables.push((folder, table)),
            None => out.lose(&manifest, 0, "the manifest", "it cannot be read", "mend it and import again"),
        }
    }
    for (at, table) in &tables {
        for text in listed(table, "members") {
            if let Err(why) = FolderGlobs::parse([text], at) {
                let what = format!("the members `{text}`");
                out.lose(&at.append(b"Cargo.toml"), 0, what, format!("{why}; the other members are here"), "");
            }
        }
    }
    let mut members = vec![];
    for (folder, table) in &tables {
        if !table.contains_key("package") {
            continue;
        }
        let root = tables.iter().filter(|(at, root)| root.contains_key("workspace") && folder.is_in(at));
        let root = root.max_by_key(|(at, _)| at.as_bytes().len());
        let belongs =
            root.is_none_or(|(at, root)| at == folder || is_member(at, root, folder) || is_used(&tables, at, folder));
        let alone = root.is_none() && tables.iter().any(|(at, _)| at.is_root() && !folder.is_root());
        if belongs && !alone {
            members.push(folder.clone());
        } else {
            out.lose(&folder.append(b"Cargo.toml"), 0, "the package", "it is no member of a workspace", "");
        }
    }
    if members.is_empty() {
        out.lose(&RepoPath::root(), 0, "Cargo", "no package was found", "");
        return out;
    }
    let locked = if repo.file(&RepoPath::root(), "Cargo.lock").is_some() { " --locked" } else { "" };
    let draft = |key: &str, run: String, kind| Draft {
        key: key.into(),
        run,
        kind: Some(kind),
        why: "members of the Cargo workspace".into(),
        ..Draft::default()
    };
    let test = draft("cargo-test", format!("cargo test{locked}"), Kind::Test);
    // The package at the root of a workspace has the lock file of all in its folder: as an instance it would be its alone.
    let is_top = |folder: &RepoPath| {
        let is_workspace = tables.iter().any(|(at, root)| at == folder && root.contains_key("workspace"));
        !folder.is_root() && is_workspace && members.iter().any(|one| one != folder && one.is_in(folder))
    };
    let (tops, members): (Vec<RepoPath>, Vec<RepoPath>) = members.iter().cloned().partition(is_top);
    for folder in tops {
        out.steps.push(Draft { key: format!("{}-{folder}", test.key), dir: folder, ..test.clone() });
    }
    add(&mut out, members, vec![test]);
    out
}

/// The texts of a list of `[workspace]`.
fn listed<'a>(root: &'a Table, key: &str) -> Vec<&'a str> {
    let list = root.get("workspace").and_then(|workspace| workspace.get(key)).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn is_member(at: &RepoPath, root: &Table, folder: &RepoPath) -> bool {
    // Members are named exactly; whoever is in one is none.
    let named = |text: &&str| FolderGlobs::parse([*text], at).is_ok_and(|globs| globs.is_match(folder));
    // What is left out is so with all that is in it.
    let left = |text: &&str| at.join(text.trim_end_matches('/').as_bytes()).is_some_and(|aside| folder.is_in(&aside));
    listed(root, "members").iter().any(named) && !listed(root, "exclude").iter().any(left)
}

/// Path dependencies of packages of the workspace are members without being named, whichever table they are in.
fn is_used(tables: &[(RepoPath, Table)], at: &RepoPath, folder: &RepoPath) -> bool {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let of_table = |table: &Table, from: &RepoPath| {
        let found = KINDS.iter().filter_map(|kind| table.get(*kind)?.as_table()).flatten();
        let mut paths = found.filter_map(|(_, one)| one.get("path")?.as_str());
        paths.any(|path| from.join(path.as_bytes()).as_ref() == Some(folder))
    };
    tables.iter().filter(|(place, _)| place.is_in(at)).any(|(place, table)| {
        let mut targets = table.get("target").and_then(Value::as_table).into_iter().flatten();
        let shared = table.get("workspace").and_then(Value::as_table);
        of_table(table, place)
            || shared.is_some_and(|shared| of_table(shared, place))
            || targets.any(|(_, target)| target.as_table().is_some_and(|target| of_table(target, place)))
    })
}

/// Modules of a Go workspace, or all modules without one.
pub(super) fn go(repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("go");
    let mut members = folders(repo, "go.mod");
    if let Some(work) = repo.read(&RepoPath::root(), "go.work") {
        let used: Vec<RepoPath> =
            uses(&work).into_iter().filter_map(|at| RepoPath::root().join(at.as_bytes())).collect();
        for left in members.iter().filter(|folder| !used.contains(folder)) {
            out.lose(&left.append(b"go.mod"), 0, "the module", "go.work does not use it", "");
        }
        members.retain(|folder| used.contains(folder));
    }
    if members.is_empty() {
        out.lose(&RepoPath::root(), 0, "Go", "no module was found", "");
        return out;
    }
    let draft = |key: &str, run: &str, kind| Draft {
        key: key.into(),
        run: run.into(),
        kind: Some(kind),
        why: "modules of Go".into(),
        ..Draft::default()
    };
    let drafts = vec![draft("go-vet", "go vet ./...", Kind::Lint), draft("go-test", "go test ./...", Kind::Test)];
    add(&mut out, members, drafts);
    out
}

/// The folders that go.work uses.
fn uses(text: &str) -> Vec<&str> {
    let (mut found, mut block) = (vec![], false);
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        let mut words = line.split_whitespace().map(|word| word.trim_matches(['"', '`']));
        match (words.next(), block) {
            (Some(")"), _) => block = false,
            (Some(folder), true) => found.push(folder),
            (Some("use"), false) => match words.next() {
                Some("(") => block = true,
                Some(folder) => found.push(folder),
                None => {}
            },
            (Some("use("), false) => block = true,
            _ => {}
        }
    }
    found
}

/// Maven modules: each is tested with what it depends on, from the root.
pub(super) fn maven(repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("maven");
    let all = folders(repo, "pom.xml");
    let Some(top) = all.iter().min_by_key(|folder| folder.as_bytes().len()).cloned() else {
        out.lose(&RepoPath::root(), 0, "Maven", "no pom.xml was found", "");
        return out;
    };
    let mvn = if repo.file(&top, "mvnw").is_some() { "./mvnw" } else { "mvn" };
    let (mut members, mut waiting) = (vec![], vec![top.clone()]);
    while let Some(folder) = waiting.pop() {
        let text = repo.read(&folder, "pom.xml").unwrap_or_default();
        let Ok(document) = roxmltree::Document::parse(&text) else {
            out.lose(&folder.append(b"pom.xml"), 0, "the manifest", "it cannot be read", "mend it and import again");
            continue;
        };
        let modules = document.root_element().children().filter(|node| node.has_tag_name_local("modules"));
        let names: Vec<&str> = modules
            .flat_map(|node| node.children())
            .filter(|node| node.has_tag_name_local("module"))
            .filter_map(|node| node.text())
            .collect();
        let profiles = document.root_element().children().filter(|node| node.has_tag_name_local("profiles"));
        let profiles = profiles.flat_map(|node| node.children()).flat_map(|profile| profile.children());
        let optional = profiles.filter(|node| node.has_tag_name_local("modules")).flat_map(|node| node.children());
        for module in optional.filter(|node| node.has_tag_name_local("module")).filter_map(|node| node.text()) {
            let what = format!("the module `{}`", module.trim());
            let advice = "add a step that calls Maven with `--activate-profiles`";
            out.lose(&folder.append(b"pom.xml"), 0, what, "it belongs to a profile", advice);
        }
        for name in &names {
            let place = folder.join(name.trim().as_bytes());
            match place.filter(|at| all.contains(at) && !members.contains(at) && !waiting.contains(at) && *at != top) {
                Some(at) => waiting.push(at),
                None => out.lose(
                    &folder.append(b"pom.xml"),
                    0,
                    format!("the module `{name}`"),
                    "it has no pom.xml here",
                    "",
                ),
            }
        }
        // Who only lists modules has nothing to test.
        if names.is_empty() {
            members.push(folder);
        }
    }
    members.sort();
    let draft = Draft {
        key: "maven-test".into(),
        run: format!("{mvn} --batch-mode --projects \"$WF_DIR\" --also-make test"),
        in_dir: true,
        kind: Some(Kind::Test),
        lock: Some("maven"),
        why: "modules of Maven".into(),
        ..Draft::default()
    };
    if !top.is_root() || members == [RepoPath::root()] {
        let whole = Draft { run: format!("{mvn} --batch-mode test"), dir: top, ..draft };
        out.steps.push(whole);
    } else {
        members.retain(|folder| !folder.is_root());
        out.steps.push(Draft { for_each: members, ..draft });
    }
    out
}

/// Names of elements without their namespace: poms have one, and small ones in tests have none.
trait Local {
    fn has_tag_name_local(&self, name: &str) -> bool;
}

impl Local for roxmltree::Node<'_, '_> {
    fn has_tag_name_local(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

#[cfg(test)]
mod tests {
    use crate::import::Format;
    use crate::import::tests::{imported, steps};

    #[test]
    fn cargo_members_are_instances() {
        let files = [
            (
                "Cargo.toml",
                "[package]\nname = \"top\"\n[workspace]\nmembers = [\"crates/*\"]\nexclude = [\"crates/old\"]\n[dependencies]\nx = { path = \"libs/x\" }\n",
            ),
            ("Cargo.lock", ""),
            ("crates/a/Cargo.toml", "[package]\nname = \"a\"\n[dev-dependencies]\ny = { path = \"../../libs/y\" }\n"),
            ("crates/old/Cargo.toml", "[package]\nname = \"old\"\n"),
            ("libs/x/Cargo.toml", "[package]\nname = \"x\"\n"),
            ("libs/y/Cargo.toml", "[package]\nname = \"y\"\n"),
            ("fuzz/Cargo.toml", "[package]\nname = \"fuzz\"\n"),
        ];
        let made = imported(Format::Cargo, "Cargo.toml", &files);
        assert_eq!(steps(&made), ["cargo-test: cargo test --locked", "cargo-test-root: cargo test --locked"]);
        assert!(made.text.contains("for_each: [crates/a, libs/x, libs/y]"), "{}", made.text);
        assert!(made.lost.iter().any(|line| line.contains("fuzz/Cargo.toml")), "{:?}", made.lost);
    }

    #[test]
    fn crates_in_members_are_none_and_bad_patterns_are_told() {
        let package = |name: &str| format!("[package]\nname = \"{name}\"\n");
        let (a, fix, b) = (package("a"), package("fix"), package("b"));
        let files = [
            ("Cargo.toml", "[workspace]\nmembers = [\"./crates/a/\", \"../far\", \"b*\"]\nexclude = [\"b/\"]\n"),
            ("crates/a/Cargo.toml", &*a),
            ("crates/a/tests/fix/Cargo.toml", &*fix),
            ("b/Cargo.toml", &*b),
        ];
        let made = imported(Format::Cargo, "Cargo.toml", &files);
        assert!(made.text.contains("for_each: [crates/a]\n"), "{}", made.text);
        for part in ["`../far` (Cargo.toml)", "crates/a/tests/fix/Cargo.toml", "b/Cargo.toml"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
    }

    #[test]
    fn what_all_members_of_a_workspace_in_a_folder_share_is_no_instances_own() {
        let files = [
            ("rust/Cargo.toml", "[package]\nname = \"top\"\n[workspace]\nmembers = [\"a\"]\n"),
            ("rust/Cargo.lock", ""),
            ("rust/a/Cargo.toml", "[package]\nname = \"a\"\n"),
        ];
        let made = imported(Format::Cargo, "rust/Cargo.toml", &files);
        assert_eq!(steps(&made), ["cargo-test-rust: cargo test", "cargo-test: cargo test"]);
        assert!(made.text.contains("dir: rust\n") || made.text.contains("dir: \"rust\"\n"), "{}", made.text);
        assert!(made.text.contains("for_each: [rust/a]\n"), "{}", made.text);
    }

    #[test]
    fn go_modules_are_instances() {
        let files = [
            ("go.work", "go 1.22\nuse (\n\t./api\n\t\"./core\" // words\n)\n"),
            ("api/go.mod", "module api"),
            ("core/go.mod", "module core"),
            ("tools/go.mod", "module tools"),
        ];
        let made = imported(Format::Go, "go.work", &files);
        assert_eq!(steps(&made), ["go-vet: go vet ./...", "go-test: go test ./..."]);
        assert!(
            made.text.contains("for_each: [api, core]") && made.lost.iter().any(|line| line.contains("tools/go.mod"))
        );
        let alone = imported(Format::Go, "go.mod", &[("go.mod", "module x")]);
        assert!(!alone.text.contains("for_each") && alone.steps == 2);
    }

    #[test]
    fn maven_modules_are_instances() {
        let pom = |modules: &str| format!("<project xmlns=\"http://maven.apache.org/POM/4.0.0\">{modules}</project>");
        let (top, mid, leaf) = (
            pom("<modules><module>core</module><module>apps</module><module>gone</module></modules>\
                 <profiles><profile><id>it</id><modules><module>it</module></modules></profile></profiles>"),
            pom("<modules><module>web</module></modules>"),
            pom(""),
        );
        let files = [
            ("pom.xml", &*top),
            ("core/pom.xml", &*leaf),
            ("apps/pom.xml", &*mid),
            ("apps/web/pom.xml", &*leaf),
            ("mvnw", ""),
        ];
        let made = imported(Format::Maven, "pom.xml", &files);
        assert_eq!(steps(&made), ["maven-test: ./mvnw --batch-mode --projects \"$WF_DIR\" --also-make test"]);
        for part in ["for_each: [apps/web, core]", "dir: ."] {
            assert!(made.text.contains(part), "{part}\n{}", made.text);
        }
        assert!(made.lost.iter().any(|line| line.contains("`gone`")));
        assert!(made.lost.iter().any(|line| line.contains("`it`") && line.contains("profile")), "{:?}", made.lost);
    }
}
