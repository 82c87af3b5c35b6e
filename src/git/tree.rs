//! Comparing trees with trees and with the index, reading only the trees that differ.
//!
//! Does not know: renames, the working tree. libgit2's own diff reads much more and needs its own copy of the index.

use super::index::{Entry, Index};
use git2::{Error, Oid, Repository, Tree, TreeEntry};
use std::cmp::Ordering;
use std::ops::Range;

/// A mode and an object, or nothing.
pub(super) type Side = Option<(u32, Oid)>;

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub path: Vec<u8>,
    pub old: Side,
    pub new: Side,
    pub conflicted: bool,
}

const FOLDER: u32 = 0o040_000;

/// Deeper trees are refused, as git refuses them: nobody checks them out, and recursion must end.
const DEEPEST: usize = 1_000;

fn too_deep() -> Error {
    Error::from_str("folders are nested too deeply")
}

/// What a folder holds, as git sorts it; nothing is copied out of the tree.
struct Items<'r>(Option<Tree<'r>>);

struct Item<'t> {
    entry: TreeEntry<'t>,
    mode: u32,
    id: Oid,
}

impl<'r> Items<'r> {
    fn of(repo: &'r Repository, tree: Option<Oid>) -> Result<Self, Error> {
        Ok(Self(tree.map(|tree| repo.find_tree(tree)).transpose()?))
    }

    fn get(&self, n: usize) -> Option<Item<'_>> {
        let entry = self.0.as_ref()?.get(n)?;
        Some(Item { mode: entry.filemode().cast_unsigned(), id: entry.id(), entry })
    }
}

impl Item<'_> {
    fn name(&self) -> &[u8] {
        self.entry.name_bytes()
    }

    fn is_folder(&self) -> bool {
        self.mode == FOLDER
    }

    /// Trees and the index sort folders as if their names ended with `/`.
    fn order(&self, name: &[u8], is_folder: bool) -> Ordering {
        let own = self.name();
        let common = own.len().min(name.len());
        let end = |name: &[u8], is_folder: bool| name.get(common).copied().or(is_folder.then_some(b'/'));
        let ends = || end(own, self.is_folder()).cmp(&end(name, is_folder));
        own[..common].cmp(&name[..common]).then_with(ends)
    }

    fn side(&self) -> (u32, Oid) {
        (self.mode, self.id)
    }
}

/// What differs between two trees.
pub(super) fn between(repo: &Repository, old: Oid, new: Oid) -> Result<Vec<Change>, Error> {
    let mut changes = vec![];
    pair(repo, (Some(old), Some(new)), 0, &mut vec![], &mut changes)?;
    Ok(changes)
}

fn pair(
    repo: &Repository,
    (old, new): (Option<Oid>, Option<Oid>),
    depth: usize,
    path: &mut Vec<u8>,
    changes: &mut Vec<Change>,
) -> Result<(), Error> {
    if old == new {
        return Ok(());
    }
    if depth > DEEPEST {
        return Err(too_deep());
    }
    let (old, new) = (Items::of(repo, old)?, Items::of(repo, new)?);
    let (mut n, mut m) = (0, 0);
    loop {
        let order = match (old.get(n), new.get(m)) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.order(new.name(), new.is_folder()),
        };
        let before = old.get(n).filter(|_| order.is_le());
        let after = new.get(m).filter(|_| order.is_ge());
        n += usize::from(before.is_some());
        m += usize::from(after.is_some());
        let (old, new) = (before.as_ref().map(Item::side), after.as_ref().map(Item::side));
        let Some(any) = before.or(after).filter(|_| old != new) else { continue };
        let length = path.len();
        path.extend_from_slice(any.name());
        if any.is_folder() {
            path.push(b'/');
            pair(repo, (old.map(|old| old.1), new.map(|new| new.1)), depth + 1, path, changes)?;
        } else {
            changes.push(Change { path: path.clone(), old, new, conflicted: false });
        }
        path.truncate(length);
    }
}

/// What differs between a tree (none: nothing is committed) and the index.
pub(super) fn to_index(repo: &Repository, tree: Option<Oid>, index: &Index) -> Result<Vec<Change>, Error> {
    let mut staged = Staged { repo, index, path: vec![], changes: vec![] };
    let root = (!index.trees.is_empty()).then_some(0);
    staged.folder(tree, root, 0, 0..index.entries.len())?;
    Ok(staged.changes)
}

struct Staged<'a> {
    repo: &'a Repository,
    index: &'a Index,
    /// The folder at hand, with `/` at its end.
    path: Vec<u8>,
    changes: Vec<Change>,
}

impl Staged<'_> {
    fn folder(
        &mut self,
        tree: Option<Oid>,
        cached: Option<usize>,
        depth: usize,
        range: Range<usize>,
    ) -> Result<(), Error> {
        if depth > DEEPEST {
            return Err(too_deep());
        }
        let remembered = cached.and_then(|node| self.index.trees[node].id);
        if let (Some(tree), Some(remembered)) = (tree, remembered)
            && tree.as_bytes() == remembered
        {
            return Ok(());
        }
        let items = Items::of(self.repo, tree)?;
        let (mut n, mut at) = (0, range.start);
        let index = self.index;
        loop {
            let entry = (at < range.end).then(|| &index.entries[at]);
            let key = entry.map(|entry| {
                let below = &index.path(entry)[self.path.len()..];
                memchr::memchr(b'/', below).map_or((below, false), |slash| (&below[..slash], true))
            });
            let order = match (items.get(n), key) {
                (None, None) => return Ok(()),
                (Some(item), Some((name, is_folder))) => item.order(name, is_folder),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
            };
            let item = items.get(n).filter(|_| order.is_le());
            n += usize::from(item.is_some());
            let key = key.filter(|_| order.is_ge());
            let named = || item.as_ref().map(|item| (item.name(), item.is_folder()));
            let Some((name, is_folder)) = key.or_else(named) else { continue };
            let length = self.path.len();
            self.path.extend_from_slice(name);
            let start = at;
            if is_folder {
                self.path.push(b'/');
                if key.is_some() {
                    at = index.end_of(at..range.end, &self.path);
                }
                let child = index.cached_child(cached, name);
                self.folder(item.as_ref().map(|item| item.id), child, depth + 1, start..at)?;
            } else {
                if key.is_some() {
                    let same = |entry: &&Entry| index.path(entry) == self.path;
                    at += index.entries[at..range.end].iter().take_while(same).count();
                }
                self.file(item.as_ref().map(Item::side), &index.entries[start..at]);
            }
            self.path.truncate(length);
        }
    }

    /// One path: `entries` are all its stages.
    fn file(&mut self, old: Side, entries: &[Entry]) {
        let conflicted = entries.iter().any(|entry| entry.stage() != 0);
        let ours = entries.iter().find(|entry| matches!(entry.stage(), 0 | 2) && !entry.intent_to_add());
        let new = ours.map(|entry| {
            let id = Oid::from_bytes(&self.index.id(entry)).unwrap_or(Oid::ZERO_SHA1);
            (self.index.stat(entry).mode, id)
        });
        if old != new || conflicted {
            self.changes.push(Change { path: self.path.clone(), old, new, conflicted });
        }
    }
}
