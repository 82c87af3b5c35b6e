//! What runners of tasks in a workspace have in common: who says what of a task, which members have a step of their own, and
//! where patterns begin. Pure.
//!
//! Does not know: any format.

use super::draft::{Draft, Imported};
use super::filter::literal;
use super::node::Look;
use crate::base::RepoPath;
use crate::config::yaml::Node;
use std::collections::{BTreeMap, BTreeSet};

/// What is said of one task: by the member itself, else for all.
#[derive(Clone, Copy, Default)]
pub(super) struct Said<'a> {
    pub own: Option<&'a Node>,
    pub base: Option<&'a Node>,
}

impl<'a> Said<'a> {
    /// The value of a key: the member's own counts.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.own.and_then(|own| own.get(key)).or_else(|| self.base.and_then(|base| base.get(key)))
    }

    /// Is a key `true`?
    pub fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(Look::is_true)
    }
}

/// Members that have a step of their own for a task.
pub(super) struct Split {
    /// What stands between a member and a task: `#`, `:`.
    between: char,
    by_task: BTreeMap<String, Vec<String>>,
    keys: BTreeSet<String>,
}

/// Who waits.
pub(super) struct Waiting<'a> {
    /// Its key.
    pub key: &'a str,
    /// Is it a member's own step?
    pub own: bool,
    /// The members of which it is the step.
    pub members: Vec<&'a str>,
}

impl Split {
    /// Nobody yet.
    pub fn new(between: char) -> Self {
        Self { between, by_task: BTreeMap::new(), keys: BTreeSet::new() }
    }

    /// The key of a member's own step.
    pub fn key(&self, member: &str, task: &str) -> String {
        format!("{member}{}{task}", self.between)
    }

    /// A member has a step of its own.
    pub fn add(&mut self, member: &str, task: &str) {
        if self.keys.insert(self.key(member, task)) {
            self.by_task.entry(task.to_owned()).or_default().push(member.to_owned());
        }
    }

    /// Is it the key of a member's own step?
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// How many members have a step of their own for a task.
    pub fn count(&self, task: &str) -> usize {
        self.by_task.get(task).map_or(0, Vec::len)
    }

    /// The keys of the steps that `depends` stands for. `names_one`: does a text name the task of one member? `is_shared`: is
    /// there a step for the task of all other members?
    pub fn needs<'t>(
        &self,
        of: &Waiting<'_>,
        depends: impl IntoIterator<Item = &'t str>,
        names_one: impl Fn(&str) -> bool,
        is_shared: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut keys = vec![];
        for text in depends {
            let (mark, task) = text.strip_prefix('^').map_or(("", text), |task| ("^", task));
            if names_one(task) {
                // One member's, whoever asks.
                keys.push(task.to_owned());
                continue;
            }
            let splits = self.by_task.get(task).map(Vec::as_slice).unwrap_or_default();
            let is_mine = |member: &&String| of.members.iter().any(|one| one == member);
            let alone = of.members.len() == 1 && mark.is_empty();
            if let Some(member) = splits.iter().find(is_mine).filter(|_| alone) {
                keys.push(self.key(member, task));
                continue;
            }
            if is_shared(task) {
                keys.push(text.to_owned());
            }
            let meant = splits.iter().filter(|member| !mark.is_empty() || is_mine(member));
            keys.extend(meant.map(|member| format!("{mark}{}", self.key(member, task))));
        }
        // One member does not wait for itself by way of others.
        keys.retain(|key| key != of.key && !(of.own && key.trim_start_matches('^') == of.key));
        keys
    }
}

/// Where a pattern of a source begins.
#[derive(Clone, Copy)]
pub(super) enum Base<'a> {
    /// In the folder of the instance: `./x`.
    Instance,
    /// In this folder.
    Folder(&'a RepoPath),
}

/// A pattern of a source (without its `!`, which is `mark`) as wf's. What leads out of the repository, or lies below a folder
/// whose name is not UTF-8, becomes a text that is no pattern: the step watches everything then, and that is told.
pub(super) fn place(mark: &str, base: Base<'_>, text: &str) -> String {
    let mut body = text.trim_start_matches("./");
    let mut folder = match base {
        Base::Instance => return format!("{mark}./{body}"),
        Base::Folder(folder) => folder.clone(),
    };
    while let Some(rest) = body.strip_prefix("../").filter(|_| !folder.is_root()) {
        folder = folder.parent();
        body = rest.trim_start_matches("./");
    }
    match literal(&folder) {
        Some(folder) if folder.is_empty() => format!("{mark}{body}"),
        Some(folder) => format!("{mark}{folder}/{body}"),
        None => String::new(),
    }
}

/// The first pattern that instances without `inputs` do not watch by themselves; `folders` are those of all members.
pub(super) fn uncovered<'p>(
    patterns: impl IntoIterator<Item = &'p String>,
    folders: &[&RepoPath],
) -> Option<&'p String> {
    patterns.into_iter().find(|pattern| !is_covered(pattern, folders))
}

/// It watches everything, because of what its `inputs` are.
pub(super) fn blind(draft: &mut Draft, what: &str, why: &str, (path, line): (&RepoPath, u32), out: &mut Imported) {
    let why = format!("{why}: it watches everything, and is not cached");
    out.lose(path, line, format!("the inputs of {what}"), why, "name its `inputs`");
    draft.watch_everything();
}

/// Does an instance that names no `inputs` watch this pattern for sure: is it about its own folder, or about none that is an
/// instance's?
fn is_covered(pattern: &str, folders: &[&RepoPath]) -> bool {
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
    // It is in a folder, or may reach into one: the name of a folder means what is in it, too.
    !folders.iter().any(|folder| place.is_in(folder) || folder.is_in(&place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_instances_watch_by_themselves() {
        let (app, lib) = (RepoPath::from("packages/app"), RepoPath::from("packages/lib"));
        for (pattern, covered) in [
            ("./src/**", true),
            ("config/**", true),
            ("tsconfig.json", true),
            ("packages/other/x", true),
            ("packages/app/x", false),
            ("packages", false),
            ("packages/**", false),
            ("**/*.ts", false),
            ("./../lib/x", false),
        ] {
            assert_eq!(is_covered(pattern, &[&app, &lib]), covered, "{pattern}");
        }
    }

    #[test]
    fn patterns_begin_where_their_source_says() {
        let (root, web, odd) = (RepoPath::root(), RepoPath::from("web"), RepoPath::from("a[b]/c"));
        for (mark, base, text, expected) in [
            ("", Base::Instance, "./src/**", "./src/**"),
            ("!", Base::Instance, "x", "!./x"),
            ("", Base::Folder(&root), "./x", "x"),
            ("!", Base::Folder(&web), "x/*", "!web/x/*"),
            ("", Base::Folder(&web), "../x", "x"),
            ("", Base::Folder(&web), "../../x", "../x"),
            ("", Base::Folder(&odd), "../x", "a\\[b\\]/x"),
            ("!", Base::Folder(&RepoPath::from_bytes(b"\xff")), "x", ""),
        ] {
            assert_eq!(place(mark, base, text), expected, "{text}");
        }
    }

    #[test]
    fn whoever_waits_waits_for_steps_of_members_too() {
        let mut split = Split::new(':');
        for member in ["a", "b", "b"] {
            split.add(member, "build");
        }
        let needs = |key: &str, own: bool, members: &[&str], depends: &str| {
            let of = Waiting { key, own, members: members.to_vec() };
            split.needs(&of, [depends], |text| split.has(text), |task| task != "gone")
        };
        assert_eq!(needs("test", false, &["a", "c"], "build"), ["build", "a:build"]);
        assert_eq!(needs("test", false, &["c"], "^build"), ["^build", "^a:build", "^b:build"]);
        assert_eq!(needs("a:test", true, &["a"], "build"), ["a:build"]);
        assert_eq!(needs("a:build", true, &["a"], "^build"), ["^build", "^b:build"]);
        assert_eq!(needs("test", false, &["a"], "b:build"), ["b:build"]);
        assert_eq!(needs("test", false, &["a"], "gone"), Vec::<String>::new());
        assert_eq!((split.count("build"), split.count("test")), (2, 0));
    }
}
