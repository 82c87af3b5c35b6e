//! Scripts of package.json: a step for each, and with workspaces an instance for each member that has it. Pure.

use super::Repository;
use super::along;
use super::draft::{Draft, Imported, kind_of};
use super::judge;
use super::packages::{Package, locks, manager, members, package};
use super::write::word;
use crate::base::RepoPath;
use crate::config::model::Kind;

/// Scripts that npm runs by itself.
const BY_THEMSELVES: [&str; 8] =
    ["prepare", "prepublish", "prepublishOnly", "prepack", "postpack", "install", "preinstall", "postinstall"];

pub(super) fn read(path: &RepoPath, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("npm");
    let folder = path.parent();
    let manifest = RepoPath::from("package.json");
    let manifest = folder.append(manifest.as_bytes());
    let Some(root) = package(repo, &folder) else {
        return out.unreadable(&manifest, 0, "it is not there, or cannot be read as JSON");
    };
    let tool = manager(repo, &folder);
    let members = members(repo, &folder, &mut out);
    let own = scripts(&root, &manifest, &mut out);
    for (name, line) in &own {
        if let Some(calls) = calls(name, &root, &members) {
            out.left_out.insert((*name).to_owned(), calls);
            let advice = "its parts are steps of their own";
            out.lose(&manifest, *line, format!("the script `{name}`"), "it only calls other scripts", advice);
            continue;
        }
        out.steps.push(step(name, tool, &folder, format!("script `{name}` of {manifest}")));
    }
    let mut names: Vec<String> = vec![];
    for member in &members {
        let place = member.folder.append(b"package.json");
        for (name, _) in scripts(member, &place, &mut out) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    for name in names {
        let with: Vec<RepoPath> =
            members.iter().filter(|member| usable(member, &name)).map(|member| member.folder.clone()).collect();
        let key = if out.steps.iter().any(|step| step.key == name) { format!("{name}-each") } else { name.clone() };
        let mut each = step(&name, tool, &RepoPath::root(), format!("script `{name}` of workspace members"));
        // What a member builds, those that depend on it use.
        each.needs = if each.kind == Some(Kind::Build) { vec![format!("^{key}")] } else { vec![] };
        (each.key, each.for_each) = (key, with);
        each.also = locks(repo, &folder);
        out.steps.push(each);
    }
    link(&mut out);
    if !out.steps.is_empty() {
        out.lose(&manifest, 0, "installed packages", format!("steps expect that `{tool} install` has run"), "");
    }
    out
}

fn usable(package: &Package, name: &str) -> bool {
    package.has(name) && package.refused(name).is_none()
}

/// The scripts that may be steps, each with its line; the others are told.
fn scripts<'a>(package: &'a Package, manifest: &RepoPath, out: &mut Imported) -> Vec<(&'a str, u32)> {
    let mut kept = Vec::new();
    for (name, _, line) in &package.scripts {
        let hook = ["pre", "post"].iter().any(|start| name.strip_prefix(start).is_some_and(|of| package.has(of)));
        if hook || BY_THEMSELVES.contains(&name.as_str()) {
            continue;
        }
        match judge::by_name(name).or_else(|| package.refused(name)) {
            Some(why) => {
                out.left_out.insert(name.clone(), vec![]);
                out.lose(manifest, *line, format!("the script `{name}`"), why, "declare it by hand if you want it");
            }
            None => kept.push((name.as_str(), *line)),
        }
    }
    kept
}

/// The scripts that a script of the root calls, if it does nothing else and they are steps.
fn calls(name: &str, root: &Package, members: &[Package]) -> Option<Vec<String>> {
    let text = &root.scripts.iter().find(|(script, ..)| script == name)?.1;
    let called = along::only_calls(text.split("&&"), |words| {
        let each = match *words {
            ["pnpm", "-r" | "--recursive", "run", other]
            | ["pnpm", "-r" | "--recursive", other]
            | ["npm", "run", other, "--workspaces" | "-ws"]
            | ["lerna", "run", other] => Some(other),
            _ => None,
        };
        if let Some(other) = each {
            // The step of the members, which is called like that unless the root has a script of the name.
            let there = members.iter().any(|member| usable(member, other));
            return there.then(|| vec![if root.has(other) { format!("{other}-each") } else { other.to_owned() }]);
        }
        let own: Vec<&str> = match *words {
            ["npm" | "pnpm" | "yarn" | "bun", "run", other]
            | ["npm" | "pnpm" | "yarn", other @ ("test" | "t")]
            | ["yarn" | "pnpm", other] => vec![if other == "t" { "test" } else { other }],
            ["run-s" | "run-p", ..] => words[1..].to_vec(),
            _ => return None,
        };
        let are_steps = |other: &&str| usable(root, other) && judge::by_name(other).is_none() && *other != name;
        (!own.is_empty() && own.iter().all(are_steps)).then(|| own.into_iter().map(str::to_owned).collect())
    })?;
    (!called.is_empty()).then_some(called)
}

fn step(name: &str, tool: &str, dir: &RepoPath, why: String) -> Draft {
    let run = format!("{tool} run {}", word(name));
    Draft { key: name.to_owned(), run, dir: dir.clone(), kind: kind_of(name), why, ..Draft::default() }
}

/// Tests follow builds: they may use what a build makes, and nobody says whether they do.
fn link(out: &mut Imported) {
    let builds: Vec<String> =
        out.steps.iter().filter(|step| step.kind == Some(Kind::Build)).map(|step| step.key.clone()).collect();
    for step in out.steps.iter_mut().filter(|step| step.kind == Some(Kind::Test)) {
        step.after.extend(builds.iter().filter(|build| **build != step.key).cloned());
    }
}

#[cfg(test)]
mod tests {
    use crate::import::tests::imported;
    use crate::import::{Format, tests::steps};

    #[test]
    fn scripts_become_steps_and_the_rest_is_told() {
        let text = "{\"scripts\": {\"build\": \"tsc -b\", \"test\": \"vitest run\", \"pretest\": \"true\",\n\
                    \"fmt\": \"prettier --write .\", \"dev\": \"vite\", \"all\": \"npm run build && npm test\", \"no\": \"npm run build && npm run gone\"}}";
        let made = imported(Format::Scripts, "package.json", &[("package.json", text), ("pnpm-lock.yaml", "")]);
        assert_eq!(steps(&made), ["build: pnpm run build", "test: pnpm run test", "no: pnpm run no"]);
        assert!(made.text.contains("ignore: []"), "npm runs a build for prose, too: {}", made.text);
        assert!(
            made.lost.iter().any(|line| line.contains("`fmt` (package.json:2): it edits files")),
            "{:?}",
            made.lost
        );
        assert!(["`all`", "`dev`"].iter().all(|part| made.lost.iter().any(|line| line.contains(part))));
    }

    #[test]
    fn lock_files_in_the_folder_of_another_sources_instance_are_watched() {
        let member = "{\"scripts\": {\"test\": \"node --test\"}}";
        let files = [
            ("package.json", "{\"workspaces\": [\"web\"]}"),
            ("web/package.json", "{\"workspaces\": [\"p/*\"], \"scripts\": {\"test\": \"x\"}}"),
            ("web/yarn.lock", ""),
            ("web/p/a/package.json", member),
        ];
        let sources = ["package.json", "web/package.json"].map(|path| (Format::Scripts, path.into()));
        let made = crate::import::tests::repository(&files, |repo| crate::import::import(&sources, repo));
        let each = made.text.split("for_each: [web/p/a]").nth(1).unwrap();
        assert!(each.contains("inputs: [\"**\"]"), "{}", made.text);
        assert!(made.lost.iter().any(|line| line.contains("`web/package.json` is in the folder")), "{:?}", made.lost);
    }

    #[test]
    fn members_are_instances() {
        let member = "{\"scripts\": {\"build\": \"tsc\", \"test\": \"node --test\"}}";
        let files = [
            (
                "package.json",
                "{\"workspaces\": [\"p/*\"], \"scripts\": {\"build\": \"make\", \"all\": \"pnpm -r build\"}}",
            ),
            ("p/a/package.json", member),
            ("p/b/package.json", member),
        ];
        let made = imported(Format::Scripts, "package.json", &files);
        assert_eq!(steps(&made), ["build: npm run build", "build-each: npm run build", "test: npm run test"]);
        assert!(
            made.text.contains("for_each: [p/a, p/b]") && made.text.contains("needs: [\"^build-each\"]"),
            "{}",
            made.text
        );
    }
}
