//! Files that appeared in a watch while a step ran, which no key can hold.
//!
//! A folder shows by its own time that something was added to it, so only folders that changed since the run began are
//! read, and git is asked only about names that nobody declares. Does not know files that came and went between two looks.

use super::asking::Tree;
use super::{Reuse, State};
use crate::base::{GlobSet, RepoPath};
use crate::change::Unseen;
use crate::graph::{Inputs, StepGraph};
use crate::tree::Listed;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;

/// A folder counts as changed if its time is not older than the run by more: clocks differ, and listing takes a while.
const SLACK_MS: u64 = 60_000;

/// What is needed to tell an unexpected file from others.
pub(super) struct Expected {
    /// Folders that did not change since then hold what they held.
    since_ms: u64,
    /// What git does not list, sorted.
    unseen: Vec<Unseen>,
    /// What steps declare to make or to edit, by where their patterns begin. Made by the first who asks.
    declared: Option<HashMap<RepoPath, Vec<GlobSet>>>,
    /// Names that git turned out to ignore.
    ignored: HashSet<RepoPath>,
}

/// What was not there when the run began, in the tree as it is now.
pub(super) struct Appeared {
    tree: Tree,
    /// Sorted.
    positions: Vec<u32>,
}

impl Appeared {
    /// One that a step watches.
    pub(super) fn watched_by(&self, at: usize) -> Option<&RepoPath> {
        let groups = self.tree.watches.of[at].iter().map(|group| &self.tree.watches.groups[*group as usize]);
        let mut found = groups.flatten().filter(|position| self.positions.binary_search(position).is_ok());
        found.next().map(|position| &self.tree.files[*position as usize].path)
    }
}

impl Expected {
    /// As of now: milliseconds since 1970.
    pub(super) fn new(unseen: Vec<Unseen>, now_ms: u64) -> Self {
        Self { since_ms: now_ms.saturating_sub(SLACK_MS), unseen, declared: None, ignored: HashSet::new() }
    }

    fn changed(&self, folder: &std::path::Path) -> bool {
        let ms = |seconds: i64| u64::try_from(seconds).unwrap_or(0).saturating_mul(1000);
        folder.symlink_metadata().is_ok_and(|meta| ms(meta.mtime()).saturating_add(999) >= self.since_ms)
    }

    fn declared(&mut self, graph: &StepGraph) -> &HashMap<RepoPath, Vec<GlobSet>> {
        self.declared.get_or_insert_with(|| {
            let mut declared: HashMap<RepoPath, Vec<GlobSet>> = HashMap::new();
            for set in graph.steps().iter().flat_map(|step| [&step.outputs, &step.writes]).flatten() {
                for root in set.roots() {
                    declared.entry(root).or_default().push(set.clone());
                }
            }
            declared
        })
    }

    /// Does a step declare this file, or all that may be in this folder?
    fn is_declared(&mut self, path: &RepoPath, folder: bool, graph: &StepGraph) -> bool {
        let declared = self.declared(graph);
        // Deep enough in it that only a pattern for everything below matches.
        let inside = folder.then(|| path.join(b"x/x")).flatten();
        let mut at = path.clone();
        loop {
            let sets = declared.get(&at).into_iter().flatten();
            if sets.into_iter().any(|set| set.is_match(inside.as_ref().unwrap_or(path))) {
                return true;
            }
            if at.is_root() {
                return false;
            }
            at = at.parent();
        }
    }

    fn is_unseen(&self, path: &RepoPath) -> bool {
        let mut at = path.clone();
        loop {
            if self.ignored.contains(&at) || self.unseen.binary_search_by(|hidden| hidden.path.cmp(&at)).is_ok() {
                return true;
            }
            if at.is_root() {
                return false;
            }
            at = at.parent();
        }
    }
}

/// Does git ignore all of a folder that it lists nothing of, because the folder says so? wf's own state does, and the caches of
/// many tools; they appear with the first run, and asking git about them means listing the whole tree.
fn ignores_itself(folder: &std::path::Path) -> bool {
    let Ok(text) = std::fs::read_to_string(folder.join(".gitignore")) else { return false };
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    lines.peek().is_some() && lines.all(|line| line == "*")
}

impl Reuse {
    /// What appeared since the run began where these steps look, and no step declares. Asks git only if it has to.
    pub(super) fn appeared(&self, state: &mut State, steps: &[usize]) -> Option<Appeared> {
        let mut strange = Vec::new();
        for folder in self.looked_into(state, steps) {
            let full = folder.under(&self.root);
            if !state.expected.changed(&full) {
                continue;
            }
            // A folder that is gone had files that are gone: that was noticed already.
            for entry in std::fs::read_dir(&full).into_iter().flatten().flatten() {
                let Some(path) = folder.join(entry.file_name().as_bytes()) else { continue };
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let known = entry.file_name() == ".git" || is_listed(state, &path) || state.expected.is_unseen(&path);
                if known || state.expected.is_declared(&path, is_folder, &self.asking.graph) {
                } else if is_folder && ignores_itself(&entry.path()) {
                    state.expected.ignored.insert(path);
                } else {
                    strange.push(path);
                }
            }
        }
        if strange.is_empty() {
            return None;
        }
        let files = (self.relist)()?;
        let tree = Tree::of(&self.asking.graph, files, &self.rules);
        let mut positions = Vec::new();
        for path in strange {
            let now = within(&tree.files, &path);
            if now.is_empty() {
                state.expected.ignored.insert(path);
            }
            let new = now.filter(|at| {
                let path = &tree.files[*at].path;
                !is_listed(state, path) && !state.expected.is_declared(path, false, &self.asking.graph)
            });
            positions.extend(new.filter_map(|at| u32::try_from(at).ok()));
        }
        positions.sort_unstable();
        positions.dedup();
        (!positions.is_empty()).then_some(Appeared { tree, positions })
    }

    /// The folders in which a file that these steps watch could appear.
    fn looked_into(&self, state: &State, steps: &[usize]) -> BTreeSet<RepoPath> {
        let mut folders = BTreeSet::new();
        let mut add = |mut folder: RepoPath| {
            while folders.insert(folder.clone()) && !folder.is_root() {
                folder = folder.parent();
            }
        };
        let watches = &state.ledger.tree.watches;
        let mut groups: Vec<u32> = steps.iter().flat_map(|at| watches.of[*at].iter().copied()).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            let mut last = None;
            for position in &watches.groups[group as usize] {
                let folder = state.ledger.tree.files[*position as usize].path.parent();
                if last.as_ref() != Some(&folder) {
                    add(folder.clone());
                    last = Some(folder);
                }
            }
        }
        for at in steps {
            if let Inputs::Globs(set) = &self.asking.graph.step(*at).inputs {
                set.roots().for_each(&mut add);
            }
        }
        folders
    }
}

/// Was this there, as a file or a folder with files in it?
fn is_listed(state: &State, path: &RepoPath) -> bool {
    !within(&state.ledger.tree.files, path).is_empty()
}

/// Where among sorted files this one is, or those in this folder.
fn within(files: &[Listed], path: &RepoPath) -> Range<usize> {
    let first = files.partition_point(|file| file.path < *path);
    if files.get(first).is_some_and(|file| file.path == *path) {
        return first..first + 1;
    }
    // Not next to each other: `a.b` comes before `a/b`.
    let below = |file: &Listed| file.path.below(path).is_some();
    let slash = [path.as_bytes(), b"/"].concat();
    let first = files.partition_point(|file| file.path.as_bytes() < slash.as_slice());
    let count = files[first..].iter().take_while(|file| below(file)).count();
    first..first + count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{FileKind, FileStat};

    #[test]
    fn a_folder_is_found_among_names_that_begin_like_it() {
        let list = |path: &&str| Listed {
            path: RepoPath::from(*path),
            kind: FileKind::Regular { executable: false },
            stat: FileStat::default(),
            blob: None,
            read: false,
        };
        let files: Vec<Listed> = ["a-b", "a.b", "a/b", "a/c/d", "a0", "b"].iter().map(list).collect();
        for (path, found) in [("a", 2..4), ("a/b", 2..3), ("a/c", 3..4), ("b", 5..6), ("a.b", 1..2)] {
            assert_eq!(within(&files, &path.into()), found, "{path}");
        }
        assert!(["c", "a/b/c", "a/d"].iter().all(|path| within(&files, &RepoPath::from(*path)).is_empty()));
    }

    #[test]
    fn a_folder_ignores_itself_only_if_it_says_so_of_everything() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!ignores_itself(dir.path()), "it says nothing");
        for (text, all) in
            [("*\n", true), ("# made by a tool\n\n*\n", true), ("*.o\n", false), ("*\n!keep\n", false), ("", false)]
        {
            std::fs::write(dir.path().join(".gitignore"), text).unwrap();
            assert_eq!(ignores_itself(dir.path()), all, "{text:?}");
        }
    }
}
