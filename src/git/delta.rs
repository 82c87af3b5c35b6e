//! One layer of difference after another becomes one list of changed files. Pure.
//!
//! Does not know: where the layers come from (libgit2, the `git` command, the stat pass).

use crate::base::RepoPath;
use crate::change::{ChangedFile, Status, Where};
use std::collections::BTreeMap;

/// A submodule's mode.
pub(super) const GITLINK: u32 = 0o160_000;

/// One difference within one layer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Delta {
    /// The path after; for a deletion: before.
    pub path: RepoPath,
    /// Where it was renamed from.
    pub from: Option<RepoPath>,
    /// Modes before and after; 0 where there is nothing.
    pub modes: (u32, u32),
    /// Is a merge conflict open on it?
    pub conflicted: bool,
    /// Do only the modes differ?
    pub same_content: bool,
}

impl Delta {
    /// A difference that is no rename.
    pub fn plain(path: RepoPath, modes: (u32, u32)) -> Self {
        Self { path, from: None, modes, conflicted: false, same_content: false }
    }
}

/// Which layer a difference belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// Base to HEAD.
    Committed,
    /// HEAD to index.
    Staged,
    /// Index to working tree.
    Unstaged,
    /// Working tree only.
    Untracked,
}

/// Collects layers, oldest first.
#[derive(Default)]
pub(super) struct Merge {
    files: BTreeMap<RepoPath, Entry>,
}

#[derive(Default)]
struct Entry {
    from: Option<RepoPath>,
    modes: Option<(u32, u32)>,
    conflicted: bool,
    edited: bool,
    /// Gone only because it was renamed: its new name speaks for it.
    moved: bool,
    seen: Where,
}

impl Merge {
    /// Adds one layer. Layers come oldest first, so that modes chain from the base to the working tree.
    pub fn add(&mut self, layer: Layer, deltas: impl IntoIterator<Item = Delta>) {
        for delta in deltas {
            let before = if let Some(from) = &delta.from {
                let gone = self.files.entry(from.clone()).or_default();
                gone.see(layer, (delta.modes.0, 0));
                gone.moved = true;
                0
            } else {
                delta.modes.0
            };
            let entry = self.files.entry(delta.path).or_default();
            entry.see(layer, (before, delta.modes.1));
            entry.moved = false;
            entry.conflicted |= delta.conflicted;
            entry.edited |= !delta.same_content;
            if delta.from.is_some() {
                entry.from = delta.from;
            }
        }
    }

    /// Every path once, sorted.
    pub fn finish(self) -> Vec<ChangedFile> {
        let spoken_for: std::collections::BTreeSet<_> =
            self.files.values().filter_map(|entry| entry.from.clone()).collect();
        self.files
            .into_iter()
            .filter(|(path, entry)| !(entry.moved && entry.from.is_none() && spoken_for.contains(path)))
            .map(|(path, entry)| {
                let modes = entry.modes.unwrap_or_default();
                let status = entry.status(modes);
                ChangedFile { path, from: entry.from, status, seen: entry.seen, modes }
            })
            .collect()
    }
}

impl Entry {
    fn see(&mut self, layer: Layer, modes: (u32, u32)) {
        self.modes = Some(self.modes.map_or(modes, |(first, _)| (first, modes.1)));
        match layer {
            Layer::Committed => self.seen.committed = true,
            Layer::Staged => self.seen.staged = true,
            Layer::Unstaged => self.seen.unstaged = true,
            Layer::Untracked => self.seen.untracked = true,
        }
    }

    fn status(&self, (before, after): (u32, u32)) -> Status {
        let kind = |mode: u32| mode & 0o170_000;
        match (before, after) {
            _ if self.conflicted => Status::Conflicted,
            (GITLINK, GITLINK | 0) | (0, GITLINK) => Status::Submodule,
            (_, 0) => Status::Deleted,
            _ if self.from.is_some() => Status::Renamed,
            (0, _) => Status::Added,
            _ if kind(before) != kind(after) || !self.edited => Status::TypeChanged,
            _ => Status::Modified,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: u32 = 0o100_644;

    fn merged(layers: &[(Layer, Delta)]) -> Vec<String> {
        let mut merge = Merge::default();
        for (layer, delta) in layers {
            merge.add(*layer, [delta.clone()]);
        }
        let show = |file: ChangedFile| {
            let from = file.from.map_or_else(String::new, |from| format!("{from} > "));
            let seen = [
                (file.seen.committed, 'c'),
                (file.seen.staged, 's'),
                (file.seen.unstaged, 'u'),
                (file.seen.untracked, '?'),
            ];
            let seen: String = seen.into_iter().filter(|(on, _)| *on).map(|(_, letter)| letter).collect();
            format!("{from}{} {:?} {seen}", file.path, file.status)
        };
        merge.finish().into_iter().map(show).collect()
    }

    fn plain(path: &str, before: u32, after: u32) -> Delta {
        Delta::plain(path.into(), (before, after))
    }

    fn rename(from: &str, to: &str) -> Delta {
        Delta { from: Some(from.into()), ..plain(to, FILE, FILE) }
    }

    #[test]
    fn layers_of_one_path_become_one_entry() {
        use Layer::{Committed, Staged, Unstaged, Untracked};
        assert_eq!(merged(&[(Committed, plain("a", 0, FILE)), (Unstaged, plain("a", FILE, FILE))]), ["a Added cu"]);
        assert_eq!(merged(&[(Staged, plain("a", FILE, 0)), (Untracked, plain("a", 0, FILE))]), ["a Modified s?"]);
        assert_eq!(merged(&[(Committed, plain("a", FILE, 0))]), ["a Deleted c"]);
        assert_eq!(merged(&[(Staged, plain("a", FILE, 0o120_000))]), ["a TypeChanged s"]);
        let mode = Delta { same_content: true, ..plain("a", FILE, 0o100_755) };
        assert_eq!(merged(&[(Staged, mode.clone())]), ["a TypeChanged s"]);
        assert_eq!(merged(&[(Staged, mode), (Unstaged, plain("a", 0o100_755, 0o100_755))]), ["a Modified su"]);
        assert_eq!(merged(&[(Unstaged, plain("a", GITLINK, GITLINK))]), ["a Submodule u"]);
    }

    #[test]
    fn a_rename_speaks_for_both_sides_and_a_reused_name_for_itself() {
        use Layer::{Committed, Staged, Untracked};
        assert_eq!(merged(&[(Committed, rename("a", "b"))]), ["a > b Renamed c"]);
        assert_eq!(
            merged(&[(Committed, rename("a", "b")), (Untracked, plain("a", 0, FILE))]),
            ["a Modified c?", "a > b Renamed c"]
        );
        let chain = merged(&[(Committed, rename("a", "b")), (Staged, rename("b", "c"))]);
        assert_eq!(chain, ["a > b Deleted cs", "b > c Renamed s"]);
        assert_eq!(merged(&[(Committed, rename("a", "b")), (Staged, plain("b", FILE, 0))]), ["a > b Deleted cs"]);
    }
}
