//! Pairs what is gone with what is new: same content, or most of it.
//!
//! Does not know: git; contents come through a function. Both sides count as changed either way, so pairing is for people.

use super::delta::{Delta, GITLINK};
use super::tree::Change;
use crate::base::RepoPath;
use git2::Oid;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Above this many comparisons only identical files are paired.
const MOST_PAIRS: usize = 2_500;
/// Larger files are paired only if identical.
const LARGEST: usize = 1 << 20;
/// Percent of the larger file that both must share.
const SIMILAR: usize = 50;

/// Turns changes into differences, with renames paired. `read` gives the content of an object.
pub(super) fn pair(changes: Vec<Change>, read: impl Fn(Oid) -> Option<Vec<u8>>) -> Vec<Delta> {
    let candidate = |side: Option<(u32, Oid)>| side.filter(|(mode, _)| *mode != GITLINK);
    let gone: Vec<usize> = positions(&changes, |c| !c.conflicted && c.new.is_none() && candidate(c.old).is_some());
    let fresh: Vec<usize> = positions(&changes, |c| !c.conflicted && c.old.is_none() && candidate(c.new).is_some());
    let mut from: HashMap<usize, usize> = HashMap::new();
    if !gone.is_empty() && !fresh.is_empty() {
        identical(&changes, &gone, &fresh, &mut from);
        similar(&changes, &gone, &fresh, &mut from, read);
    }
    let moved: std::collections::HashSet<usize> = from.values().copied().collect();
    let mode = |side: Option<(u32, Oid)>| side.map_or(0, |(mode, _)| mode);
    let mut deltas = vec![];
    for (n, change) in changes.iter().enumerate().filter(|(n, _)| !moved.contains(n)) {
        let source = from.get(&n).map(|source| &changes[*source]);
        let old = source.map_or(change.old, |source| source.old);
        deltas.push(Delta {
            path: RepoPath::from_bytes(&change.path),
            from: source.map(|source| RepoPath::from_bytes(&source.path)),
            modes: (mode(old), mode(change.new)),
            conflicted: change.conflicted,
            same_content: old.zip(change.new).is_some_and(|(old, new)| old.1 == new.1),
        });
    }
    deltas
}

fn positions(changes: &[Change], keep: impl Fn(&Change) -> bool) -> Vec<usize> {
    (0..changes.len()).filter(|n| keep(&changes[*n])).collect()
}

fn identical(changes: &[Change], gone: &[usize], fresh: &[usize], from: &mut HashMap<usize, usize>) {
    let mut by_content: HashMap<(u32, Oid), Vec<usize>> = HashMap::new();
    let kind = |(mode, id): (u32, Oid)| (mode & 0o170_000, id);
    for n in gone {
        if let Some(old) = changes[*n].old {
            by_content.entry(kind(old)).or_default().push(*n);
        }
    }
    for n in fresh {
        let Some(sources) = changes[*n].new.and_then(|new| by_content.get_mut(&kind(new))) else { continue };
        let same_name = sources.iter().position(|source| name(&changes[*source].path) == name(&changes[*n].path));
        if !sources.is_empty() {
            from.insert(*n, sources.remove(same_name.unwrap_or(0)));
        }
    }
}

fn name(path: &[u8]) -> &[u8] {
    memchr::memrchr(b'/', path).map_or(path, |at| &path[at + 1..])
}

fn similar(
    changes: &[Change],
    gone: &[usize],
    fresh: &[usize],
    from: &mut HashMap<usize, usize>,
    read: impl Fn(Oid) -> Option<Vec<u8>>,
) {
    let taken: std::collections::HashSet<usize> = from.values().copied().collect();
    let regular = |side: Option<(u32, Oid)>| side.filter(|(mode, _)| mode & 0o170_000 == 0o100_000);
    let gone: Vec<usize> =
        gone.iter().copied().filter(|n| !taken.contains(n) && regular(changes[*n].old).is_some()).collect();
    let fresh: Vec<usize> =
        fresh.iter().copied().filter(|n| !from.contains_key(n) && regular(changes[*n].new).is_some()).collect();
    if gone.is_empty() || fresh.is_empty() || gone.len() * fresh.len() > MOST_PAIRS {
        return;
    }
    let load = |side: Option<(u32, Oid)>| {
        read(side?.1)
            .filter(|content| !content.is_empty() && content.len() <= LARGEST)
            .map(|content| Lines::of(&content))
    };
    let old: Vec<_> = gone.iter().map(|n| load(changes[*n].old)).collect();
    let new: Vec<_> = fresh.iter().map(|n| load(changes[*n].new)).collect();
    let mut scores = vec![];
    for (g, old) in old.iter().enumerate() {
        for (f, new) in new.iter().enumerate() {
            let Some(score) = old.as_ref().zip(new.as_ref()).map(|(old, new)| old.shared_percent(new)) else {
                continue;
            };
            if score >= SIMILAR {
                scores.push((std::cmp::Reverse(score), gone[g], fresh[f]));
            }
        }
    }
    scores.sort_unstable();
    let mut used = std::collections::HashSet::new();
    for (_, old, new) in scores {
        if !from.contains_key(&new) && used.insert(old) {
            from.insert(new, old);
        }
    }
}

/// A file as a bag of lines: each line's hash, with how many bytes it fills.
struct Lines {
    size: usize,
    bytes: HashMap<u64, usize>,
}

impl Lines {
    fn of(content: &[u8]) -> Self {
        let mut bytes = HashMap::new();
        for line in content.split_inclusive(|byte| *byte == b'\n') {
            let mut hasher = DefaultHasher::new();
            line.hash(&mut hasher);
            *bytes.entry(hasher.finish()).or_default() += line.len();
        }
        Self { size: content.len(), bytes }
    }

    fn shared_percent(&self, other: &Self) -> usize {
        let common = |(line, bytes): (&u64, &usize)| other.bytes.get(line).map_or(0, |others| (*bytes).min(*others));
        let shared: usize = self.bytes.iter().map(common).sum();
        shared * 100 / self.size.max(other.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> Oid {
        Oid::from_bytes(&[n; 20]).unwrap()
    }

    fn change(path: &str, old: Option<u8>, new: Option<u8>) -> Change {
        let side = |n: Option<u8>| n.map(|n| (0o100_644, id(n)));
        Change { path: path.into(), old: side(old), new: side(new), conflicted: false }
    }

    fn paired(changes: Vec<Change>) -> Vec<String> {
        let texts = HashMap::from([
            (id(1), "one\ntwo\nthree\nfour\n"),
            (id(2), "one\ntwo\nthree\nfive\n"),
            (id(3), "other\n"),
            (id(4), ""),
        ]);
        let deltas = pair(changes, |id| texts.get(&id).map(|text| text.as_bytes().to_vec()));
        deltas
            .iter()
            .map(|d| format!("{}{}", d.from.as_ref().map_or(String::new(), |f| format!("{f} > ")), d.path))
            .collect()
    }

    #[test]
    fn identical_files_pair_first_and_names_decide() {
        let changes = vec![
            change("a/x", Some(1), None),
            change("b/y", Some(1), None),
            change("c/y", None, Some(1)),
            change("d", None, Some(1)),
        ];
        assert_eq!(paired(changes), ["b/y > c/y", "a/x > d"]);
    }

    #[test]
    fn similar_files_pair_and_others_do_not() {
        assert_eq!(paired(vec![change("a", Some(1), None), change("b", None, Some(2))]), ["a > b"]);
        assert_eq!(paired(vec![change("a", Some(1), None), change("b", None, Some(3))]), ["a", "b"]);
        assert_eq!(paired(vec![change("a", Some(4), None), change("b", None, Some(1))]), ["a", "b"]);
    }
}
