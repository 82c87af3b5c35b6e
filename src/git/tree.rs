//! Comparing trees with trees and with the index, reading only the trees that differ.
//!
//! Does not know: renames, the working tree. libgit2's own diff reads much more and needs its own copy of the index.

use super::index::{Entry, Index};
use git2::{Error, Oid, Repository};
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

struct Item {
    /// The name, with `/` after a folder's: so trees and the index sort alike.
    key: Vec<u8>,
    mode: u32,
    id: Oid,
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
    let (old, new) = (items(repo, old)?, items(repo, new)?);
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return Ok(()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(old), Some(new)) => old.key.cmp(&new.key),
        };
        let before = if order.is_le() { old.next() } else { None };
        let after = if order.is_ge() { new.next() } else { None };
        let Some(any) = before.or(after) else { return Ok(()) };
        let length = path.len();
        path.extend_from_slice(&any.key);
        if any.mode == FOLDER {
            pair(repo, (before.map(|item| item.id), after.map(|item| item.id)), depth + 1, path, changes)?;
        } else {
            let side = |item: Option<&Item>| item.map(|item| (item.mode, item.id));
            let (old, new) = (side(before), side(after));
            if old != new {
                changes.push(Change { path: path.clone(), old, new, conflicted: false });
            }
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
        let items = items(self.repo, tree)?;
        let (mut items, mut at) = (items.iter().peekable(), range.start);
        let index = self.index;
        while items.peek().is_some() || at < range.end {
            let entry = (at < range.end).then(|| &index.entries[at]);
            let key = entry.map(|entry| {
                let below = &index.path(entry)[self.path.len()..];
                memchr::memchr(b'/', below).map_or(below, |slash| &below[..=slash])
            });
            let order = match (items.peek(), key) {
                (Some(item), Some(key)) => item.key.as_slice().cmp(key),
                (Some(_), None) => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Greater,
            };
            let item = if order.is_le() { items.next() } else { None };
            let key = key.filter(|_| order.is_ge());
            let name = item.map_or_else(|| key.unwrap_or_default(), |item| &item.key);
            let length = self.path.len();
            self.path.extend_from_slice(name);
            if name.last() == Some(&b'/') {
                let end = if key.is_some() { index.end_of(at..range.end, &self.path) } else { at };
                let child = index.cached_child(cached, &name[..name.len() - 1]);
                self.folder(item.map(|item| item.id), child, depth + 1, at..end)?;
                at = end;
            } else {
                let old = item.map(|item| (item.mode, item.id));
                let end = match key {
                    Some(_) => {
                        at + index.entries[at..range.end].iter().take_while(|e| index.path(e) == self.path).count()
                    }
                    None => at,
                };
                self.file(old, &index.entries[at..end]);
                at = end;
            }
            self.path.truncate(length);
        }
        Ok(())
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

fn items(repo: &Repository, tree: Option<Oid>) -> Result<Vec<Item>, Error> {
    let Some(tree) = tree else { return Ok(vec![]) };
    let tree = repo.find_tree(tree)?;
    let item = |entry: git2::TreeEntry<'_>| {
        let mode = entry.filemode().cast_unsigned();
        let mut key = entry.name_bytes().to_vec();
        if mode == FOLDER {
            key.push(b'/');
        }
        Item { key, mode, id: entry.id() }
    };
    Ok(tree.iter().map(item).collect())
}
