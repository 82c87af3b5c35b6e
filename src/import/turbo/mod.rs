//! turbo.json: a step for each task, an instance of it for each package that has a script of its name. Pure.
//!
//! What a package says for itself (`package#task`, or a turbo.json of its own) is a step of its own, as is a task of a package
//! that another one names. Does not know: which package depends on which; wf reads that in every run.

mod frameworks;
mod watch;

use super::Repository;
use super::draft::{Draft, Imported, kind_of};
use super::judge;
use super::node::{Look, from_json};
use super::packages::{Package, below, manager, members, package};
use super::workspace::{Said, Split, Waiting};
use super::write::word;
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::{BTreeMap, BTreeSet};
use watch::{Reach, Shared, texts};

pub(super) fn read(path: &RepoPath, text: &str, repo: &Repository<'_>) -> Imported {
    let mut out = Imported::new("turbo");
    let root = match from_json(text) {
        Ok(root) => root,
        Err((line, why)) => return out.unreadable(path, line, why),
    };
    if root.get("extends").is_some() {
        let why = "it adds to the turbo.json at the root of its workspace";
        out.lose(path, 0, "the file", why, "import that one, which takes this one along");
        return out;
    }
    let Some(tasks) = tasks_of(&root) else {
        return out.unreadable(path, 0, "it has no `tasks`");
    };
    let folder = path.parent();
    let tool = manager(repo, &folder);
    let packages = members(repo, &folder, &mut out);
    let top = package(repo, &folder);
    let own_files = own_files(&packages, repo, &mut out);
    let below = top.as_ref().map(|top| below(top, &packages)).unwrap_or_default();
    let shared = Shared::of(&root, path, repo, &packages, &below, &mut out);
    let tasks = Tasks::of(tasks, path, &packages, (top.as_ref(), &below), &own_files);
    for one in &tasks.all {
        let depends = texts(&one.said, "dependsOn");
        let needs = tasks.needs(one, &depends);
        let mut lose = |why: String, advice: &str| {
            out.lose(one.file, one.line, format!("the task `{}`", one.key), why, advice);
        };
        let goes_on = ENDLESS.iter().any(|key| one.said.is_true(key));
        let refused =
            if goes_on { Some("it does not end by itself, or asks somebody") } else { judge::by_name(one.script) };
        if let Some(why) = refused {
            lose(why.into(), "");
            out.left_out.insert(one.key.clone(), needs);
            continue;
        }
        let (there, refused): (Vec<&Package>, Vec<&Package>) = one
            .with
            .iter()
            .copied()
            .filter(|package| package.has(one.script))
            .partition(|package| package.refused(one.script).is_none());
        for package in &refused {
            let why = package.refused(one.script).unwrap_or_default();
            lose(format!("{why} in {}", package.folder), "declare it by hand if you want it");
        }
        if there.is_empty() {
            if refused.is_empty() {
                lose(format!("no package has a script `{}`", one.script), "");
            }
            out.left_out.insert(one.key.clone(), needs);
            continue;
        }
        // Every task counts the files of what the root depends on. A plain step leaves them to all instances.
        let plain = there[..]
            .first()
            .filter(|package| there.len() == 1 && (package.folder == folder || tasks.is_below(&named(package))));
        let mut draft = Draft {
            key: one.key.clone(),
            run: format!("{tool} run {}", word(one.script)),
            dir: plain.map_or_else(RepoPath::root, |package| package.folder.clone()),
            kind: kind_of(one.script),
            needs,
            why: format!("tasks of {path}"),
            for_each: match plain {
                Some(_) => vec![],
                None => there.iter().map(|package| package.folder.clone()).collect(),
            },
            ..Draft::default()
        };
        shared.watch(&mut draft, &one.said, tasks.reach(&there, &depends), (one.file, one.line), &mut out);
        if there.iter().any(|package| own_files.get(&package.folder).is_some_and(Option::is_none)) {
            draft.watch_everything();
        }
        out.steps.push(draft);
    }
    if out.steps.iter().any(|step| step.cached) {
        frameworks::tell(&packages, path, &mut out);
    }
    if !out.steps.is_empty() {
        out.lose(path, 0, "installed packages", format!("steps expect that `{tool} install` has run"), "");
    }
    out
}

/// Keys of tasks that do not end by themselves, or ask somebody.
const ENDLESS: [&str; 3] = ["persistent", "interactive", "interruptible"];

/// `pipeline` is what turbo 1 called it.
fn tasks_of(root: &Node) -> Option<&Node> {
    root.get("tasks").or_else(|| root.get("pipeline"))
}

/// A package's turbo.json, by folder: where it is, and what it says, if it can be read.
type OwnFiles = BTreeMap<RepoPath, Option<(RepoPath, Node)>>;

fn own_files(packages: &[Package], repo: &Repository<'_>, out: &mut Imported) -> OwnFiles {
    let mut found = OwnFiles::new();
    for package in packages {
        let mut names = ["turbo.json", "turbo.jsonc"].into_iter();
        let Some(file) = names.find_map(|name| repo.file(&package.folder, name)) else { continue };
        let read = (repo.text)(&file).ok_or((0, "it is no UTF-8 text".to_owned())).and_then(|text| from_json(&text));
        // It may extend other packages' files, too.
        let read = read.and_then(|root| match root.get("extends").map(Look::texts).unwrap_or_default()[..] {
            [] | [("//", _)] => Ok(root),
            [(_, line), ..] => Err((line, "it extends more than the turbo.json at the root".to_owned())),
        });
        let read = match read {
            Ok(root) => Some((file, root)),
            Err((line, why)) => {
                let why = format!("{why}; the tasks of its package watch everything, and are not cached");
                out.lose(&file, line, "the file", why, "mend it and import again");
                None
            }
        };
        found.insert(package.folder.clone(), read);
    }
    found
}

/// One task to be a step.
struct Task<'a> {
    key: String,
    script: &'a str,
    said: Said<'a>,
    with: Vec<&'a Package>,
    /// Is it the step of one package?
    own: bool,
    file: &'a RepoPath,
    line: u32,
}

struct Tasks<'a> {
    all: Vec<Task<'a>>,
    split: Split,
    packages: &'a [Package],
    root: Option<&'a Package>,
    /// The packages that the root's depends on.
    below: &'a [&'a Package],
    /// All that is said of a task anywhere, by its script.
    nodes: BTreeMap<&'a str, Vec<&'a Node>>,
}

fn named(package: &Package) -> String {
    package.name.clone().unwrap_or_else(|| package.folder.to_string())
}

fn depends(node: &Node) -> impl Iterator<Item = &str> {
    node.get("dependsOn").map(Look::texts).unwrap_or_default().into_iter().map(|(text, _)| text)
}

impl<'a> Tasks<'a> {
    fn of(
        listed: &'a Node,
        path: &'a RepoPath,
        packages: &'a [Package],
        (root, below): (Option<&'a Package>, &'a [&'a Package]),
        own_files: &'a OwnFiles,
    ) -> Self {
        let entries = listed.entries();
        let base = |name: &str| entries.iter().find(|(known, _)| known.value == name);
        // Which packages say what for themselves: at the root, in a file of their own, or by being asked for.
        let mut split: BTreeSet<(String, String)> = BTreeSet::new();
        let mut own: BTreeMap<(String, &str), (&'a RepoPath, u32, &'a Node)> = BTreeMap::new();
        let plain = |text: &'a str| text.rsplit_once('#').map_or(text, |(_, task)| task);
        let mut nodes: Vec<(&'a str, &'a Node)> =
            entries.iter().map(|(name, node)| (plain(&name.value), node)).collect();
        for package in packages {
            let Some(Some((file, read))) = own_files.get(&package.folder) else { continue };
            for (name, node) in tasks_of(read).map(Look::entries).unwrap_or_default() {
                own.insert((named(package), name.value.as_str()), (file, name.at.line, node));
                split.insert((named(package), name.value.clone()));
                nodes.push((plain(&name.value), node));
            }
        }
        let asked = nodes.iter().flat_map(|(_, node)| depends(node)).map(|text| text.trim_start_matches('^'));
        for text in entries.iter().map(|(name, _)| name.value.as_str()).chain(asked) {
            match text.rsplit_once('#') {
                Some(("//", _)) | None => {}
                Some((package, script)) => _ = split.insert((package.to_owned(), script.to_owned())),
            }
        }
        for package in below {
            let tasks = entries.iter().map(|(name, _)| name.value.clone()).filter(|name| package.has(name));
            split.extend(tasks.map(|task| (named(package), task)));
        }
        let is_split = |package: &Package, script: &str| split.contains(&(named(package), script.to_owned()));
        let mut all = vec![];
        for (name, node) in entries {
            let said = Said { own: None, base: Some(node) };
            let (script, with) = match name.value.rsplit_once('#') {
                Some(("//", script)) => (script, root.into_iter().collect()),
                // Below, with the others of their kind.
                Some(_) => continue,
                None => {
                    let shared = packages.iter().filter(|package| !is_split(package, &name.value));
                    (name.value.as_str(), shared.collect())
                }
            };
            all.push(Task { key: name.value.clone(), script, said, with, own: false, file: path, line: name.at.line });
        }
        for (package, script) in &split {
            let key = format!("{package}#{script}");
            let at_root = base(&key).or_else(|| base(script));
            let of_package = own.iter().find(|((name, task), _)| name == package && task == script);
            let (file, line) = match (of_package, at_root) {
                (Some((_, (file, line, _))), _) => (*file, *line),
                (None, Some((name, _))) => (path, name.at.line),
                (None, None) => (path, 0),
            };
            // The text of the key lives as long as the file that has it.
            let texts = entries.iter().map(|(name, _)| name.value.as_str());
            let texts = texts.chain(own.keys().map(|(_, task)| *task));
            let texts = texts.chain(nodes.iter().flat_map(|(_, node)| depends(node)));
            let Some(script) = texts.map(plain).find(|task| task == script) else { continue };
            let said = Said { own: of_package.map(|(_, (_, _, node))| *node), base: at_root.map(|(_, node)| node) };
            let with = packages.iter().filter(|one| named(one) == *package).collect();
            all.push(Task { key, script, said, with, own: true, file, line });
        }
        let (mut own_steps, mut by_script) = (Split::new('#'), BTreeMap::<_, Vec<_>>::new());
        for (package, script) in &split {
            own_steps.add(package, script);
        }
        for (script, node) in nodes {
            by_script.entry(script).or_default().push(node);
        }
        Self { all, split: own_steps, packages, root, below, nodes: by_script }
    }

    /// Keys that stand for `dependsOn`. Variables (`$X`, turbo 1) are no tasks.
    fn needs(&self, of: &Task<'_>, depends: &[&str]) -> Vec<String> {
        let names: Vec<String> = of.with.iter().map(|package| named(package)).collect();
        let waiting = Waiting { key: &of.key, own: of.own, members: names.iter().map(String::as_str).collect() };
        let depends = depends.iter().copied().filter(|text| !text.starts_with('$'));
        let keys = self.split.needs(&waiting, depends, |text| text.contains('#'), |_| true);
        let asks = of.with.first().filter(|package| of.own && self.is_below(&named(package)));
        let depends = asks.map(|package| below(package, self.packages));
        keys.into_iter()
            .filter_map(|key| {
                let plain = key.strip_prefix('^').and_then(|plain| Some((plain, plain.rsplit_once('#')?.0)));
                // What is no instance is waited for by name, by one of its kind only if that depends on it.
                let Some((plain, package)) = plain.filter(|(_, package)| self.is_below(package)) else {
                    return Some(key);
                };
                let meant = depends.as_ref().is_none_or(|all| all.iter().any(|one| named(one) == package));
                meant.then(|| plain.to_owned())
            })
            .collect()
    }

    /// Does the root's package depend on it?
    fn is_below(&self, package: &str) -> bool {
        self.below.iter().any(|one| named(one) == package)
    }

    /// On which files a task of these packages depends by way of others. turbo counts every file of a package that lacks a
    /// task, or has one that is no step.
    fn reach(&self, there: &[&Package], depends: &[&'a str]) -> Reach {
        let (mut waiting, mut seen, mut reach) = (depends.to_vec(), BTreeSet::new(), Reach::Steps);
        while let Some(text) = waiting.pop() {
            if !seen.insert(text) || text.starts_with('$') {
                continue;
            }
            let plain = text.trim_start_matches('^');
            if let Some((package, script)) = plain.rsplit_once('#') {
                let mut of = self.packages.iter().filter(|one| named(one) == package);
                let one = if package == "//" { self.root } else { of.next() };
                if !one.is_some_and(|one| self.is_step(one, script)) {
                    return Reach::Everything;
                }
                continue;
            }
            if text == plain && there.iter().all(|package| self.is_step(package, plain)) {
                continue;
            }
            reach = Reach::Upstream;
            waiting.extend(self.nodes.get(plain).into_iter().flatten().flat_map(|node| self::depends(node)));
        }
        reach
    }

    /// Is the task of this package a step, or an instance of one?
    fn is_step(&self, package: &Package, script: &str) -> bool {
        let Some(nodes) = self.nodes.get(script) else { return false };
        let goes_on = nodes.iter().any(|node| ENDLESS.iter().any(|key| node.get(key).is_some_and(Look::is_true)));
        package.has(script) && package.refused(script).is_none() && judge::by_name(script).is_none() && !goes_on
    }
}

#[cfg(test)]
mod tests;
