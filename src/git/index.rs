//! A reader of git's index file (versions 2 to 4), twice as fast as libgit2's and without its copies. Pure.
//!
//! Does not know: files, the object database. Whatever it does not understand for sure is [`Unreadable`], and the caller
//! asks another backend.

use std::ops::Range;

/// An object name.
pub(super) type Name = [u8; 20];

/// Why an index cannot be read here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// A version, or an extension that must be understood (split index, sparse index).
    Unsupported,
    /// It ends early, is out of order, or speaks of paths that cannot be.
    Corrupt,
}

/// A parsed index.
#[derive(Debug, Default)]
pub(super) struct Index {
    bytes: Vec<u8>,
    /// Version 4 compresses paths; here they are whole.
    unpacked: Vec<u8>,
    packed: bool,
    /// Sorted by path, then stage.
    pub entries: Vec<Entry>,
    /// The cached trees in preorder, root first; empty if the index has none.
    pub trees: Vec<CachedTree>,
}

/// One entry; its parts are read from the index on demand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    at: u32,
    path_at: u32,
    path_len: u32,
    flags: u16,
    extended: u16,
}

/// What the index remembers of a file's `stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub ctime: (u32, u32),
    pub mtime: (u32, u32),
    pub inode: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u32,
}

/// The tree object that a folder's entries would make.
#[derive(Debug)]
pub(super) struct CachedTree {
    name: Range<usize>,
    /// None: an entry below changed since.
    pub id: Option<Name>,
    /// Where the next sibling is; its children begin right after it.
    next: usize,
}

impl Entry {
    /// Told never to look at the file.
    pub fn assume_unchanged(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// Outside the sparse checkout (or told so by hand).
    pub fn skip_worktree(&self) -> bool {
        self.extended & 0x4000 != 0
    }

    /// `git add --intent-to-add`: the path counts, the content does not.
    pub fn intent_to_add(&self) -> bool {
        self.extended & 0x2000 != 0
    }

    /// Not 0: one side of an open conflict.
    pub fn stage(&self) -> u16 {
        (self.flags >> 12) & 3
    }
}

impl Index {
    /// Parses an index file's bytes.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Unreadable> {
        use Unreadable::{Corrupt, Unsupported};
        let trailer = 20;
        if bytes.len() < 12 + trailer || !bytes.starts_with(b"DIRC") || u32::try_from(bytes.len()).is_err() {
            return Err(Corrupt);
        }
        let (version, count) = (be32(&bytes, 4), be32(&bytes, 8) as usize);
        if !(2..=4).contains(&version) {
            return Err(Unsupported);
        }
        let end = bytes.len() - trailer;
        if count > end / 62 {
            return Err(Corrupt);
        }
        let mut index = Self { packed: version == 4, ..Self::default() };
        let mut entries = Vec::with_capacity(count);
        let mut at = 12;
        for _ in 0..count {
            let flags = be16(bytes.get(..end).ok_or(Corrupt)?, at + 60).ok_or(Corrupt)?;
            let has_more = flags & 0x4000 != 0;
            if has_more && version == 2 {
                return Err(Corrupt);
            }
            let extended = if has_more { be16(&bytes[..end], at + 62).ok_or(Corrupt)? } else { 0 };
            let name = at + 62 + 2 * usize::from(has_more);
            let (path_at, path_len, next) = if index.packed {
                index.unpack(&bytes[..end], name, entries.last())?
            } else {
                let short = usize::from(flags & 0xfff);
                let len = if short < 0xfff { short } else { memchr::memchr(0, &bytes[name..end]).ok_or(Corrupt)? };
                (name, len, at + ((name - at + len + 8) & !7))
            };
            if next > end || path_len == 0 {
                return Err(Corrupt);
            }
            let entry = Entry { at: at as u32, path_at: path_at as u32, path_len: path_len as u32, flags, extended };
            let source = if index.packed { &index.unpacked } else { &bytes };
            if let Some(last) = entries.last() {
                let (last, here): ((&[u8], u16), _) = (key(source, last), key(source, &entry));
                if last >= here {
                    return Err(Corrupt);
                }
            }
            if strange(&source[path_at..path_at + path_len]) {
                return Err(Corrupt);
            }
            entries.push(entry);
            at = next;
        }
        index.entries = entries;
        while at + 8 <= end {
            let (signature, size) = (&bytes[at..at + 4], be32(&bytes, at + 4) as usize);
            let body = at + 8..(at + 8).checked_add(size).filter(|stop| *stop <= end).ok_or(Corrupt)?;
            match signature {
                b"TREE" => index.trees = cached_trees(&bytes, body.clone()).unwrap_or_default(),
                [first, ..] if first.is_ascii_uppercase() => {}
                _ => return Err(Unsupported),
            }
            at = body.end;
        }
        index.bytes = bytes;
        Ok(index)
    }

    /// The path of an entry of version 4: so many bytes of the path before it, then a suffix of its own.
    fn unpack(&mut self, bytes: &[u8], at: usize, last: Option<&Entry>) -> Result<(usize, usize, usize), Unreadable> {
        use Unreadable::Corrupt;
        let (mut cut, mut next) = (0usize, at);
        loop {
            let byte = *bytes.get(next).ok_or(Corrupt)?;
            next += 1;
            cut = (cut << 7) | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
            cut += 1;
            if cut > 1 << 24 {
                return Err(Corrupt);
            }
        }
        let suffix = memchr::memchr(0, bytes.get(next..).ok_or(Corrupt)?).ok_or(Corrupt)?;
        let (last_at, last_len) = last.map_or((0, 0), |last| (last.path_at as usize, last.path_len as usize));
        let kept = last_len.checked_sub(cut).ok_or(Corrupt)?;
        let path_at = self.unpacked.len();
        self.unpacked.extend_from_within(last_at..last_at + kept);
        self.unpacked.extend_from_slice(&bytes[next..next + suffix]);
        if u32::try_from(self.unpacked.len()).is_err() {
            return Err(Unreadable::Unsupported);
        }
        Ok((path_at, kept + suffix, next + suffix + 1))
    }

    /// An entry's path.
    pub fn path(&self, entry: &Entry) -> &[u8] {
        key(if self.packed { &self.unpacked } else { &self.bytes }, entry).0
    }

    /// What the index remembers of the file.
    pub fn stat(&self, entry: &Entry) -> Stat {
        let at = entry.at as usize;
        let field = |n: usize| be32(&self.bytes, at + 4 * n);
        Stat {
            ctime: (field(0), field(1)),
            mtime: (field(2), field(3)),
            inode: field(5),
            mode: field(6),
            uid: field(7),
            gid: field(8),
            size: field(9),
        }
    }

    /// The content's object name.
    pub fn id(&self, entry: &Entry) -> Name {
        let mut id = Name::default();
        id.copy_from_slice(&self.bytes[entry.at as usize + 40..][..20]);
        id
    }

    /// Where the entries below `folder` end; `range` begins with the first of them. `folder` ends with `/`.
    pub fn end_of(&self, range: Range<usize>, folder: &[u8]) -> usize {
        let entries = &self.entries[range.clone()];
        range.start + entries.partition_point(|entry| self.path(entry).starts_with(folder))
    }

    /// The cached tree of a folder inside another.
    pub fn cached_child(&self, of: Option<usize>, name: &[u8]) -> Option<usize> {
        let parent = of?;
        let (mut child, end) = (parent + 1, self.trees[parent].next);
        while child < end {
            if self.bytes[self.trees[child].name.clone()] == *name {
                return Some(child);
            }
            child = self.trees[child].next;
        }
        None
    }
}

fn key<'a>(source: &'a [u8], entry: &Entry) -> (&'a [u8], u16) {
    (&source[entry.path_at as usize..][..entry.path_len as usize], entry.stage())
}

/// Paths that git never writes, and that must not lead a walk astray.
fn strange(path: &[u8]) -> bool {
    path.contains(&0)
        || path
            .split(|byte| *byte == b'/')
            .any(|part| part.is_empty() || part == b"." || part == b".." || part == b".git")
}

fn cached_trees(bytes: &[u8], body: Range<usize>) -> Option<Vec<CachedTree>> {
    let (mut trees, mut at) = (vec![], body.start);
    // Folders whose subtrees are still to come, with how many.
    let mut open: Vec<(usize, usize)> = vec![];
    while at < body.end {
        let until = |at: usize, stop: u8| memchr::memchr(stop, &bytes[at..body.end]).map(|n| at..at + n);
        let number = |range: Range<usize>| std::str::from_utf8(&bytes[range]).ok()?.parse::<i64>().ok();
        let name = until(at, 0)?;
        let count = until(name.end + 1, b' ')?;
        let subtrees = until(count.end + 1, b'\n')?;
        at = subtrees.end + 1;
        let id = if number(count)? >= 0 {
            let id = bytes.get(at..at + 20).filter(|_| at + 20 <= body.end)?;
            at += 20;
            Some(id.try_into().ok()?)
        } else {
            None
        };
        let this = trees.len();
        trees.push(CachedTree { name, id, next: this + 1 });
        if this > 0 {
            open.last_mut()?.1 -= 1;
        }
        open.push((this, usize::try_from(number(subtrees)?).ok()?));
        while let Some(&(done, 0)) = open.last() {
            trees[done].next = trees.len();
            open.pop();
        }
    }
    open.is_empty().then_some(trees)
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    type Rest = ([u32; 7], [u8; 20], u16, bool, u16);

    fn entries() -> impl Strategy<Value = Vec<git2::IndexEntry>> {
        let name = prop_oneof![
            "[a-c]{1,3}",
            "[.]?[a-zA-Z0-9 \\n\\\\é-]{1,8}".prop_filter("no dots alone", |name| name != "." && name != ".."),
        ];
        // From 4095 bytes on, the length no longer fits its field; past 4096 libgit2 gives up.
        let path = prop_oneof![8 => vec(name, 1..4).prop_map(|parts| parts.join("/")), 1 => "x{4093,4096}"];
        let entry = (any::<[u32; 7]>(), any::<[u8; 20]>(), 0u16..4, any::<bool>(), 0u16..4);
        btree_map(path, entry, 0..20).prop_map(|map| {
            let make = |(path, (numbers, id, stage, assume, extended)): (String, Rest)| {
                let time = |n: usize| git2::IndexTime::new(numbers[n].cast_signed(), numbers[n + 1] % 1_000_000_000);
                git2::IndexEntry {
                    ctime: time(0),
                    mtime: time(1),
                    dev: 1,
                    ino: numbers[3],
                    mode: [0o100_644, 0o100_755, 0o120_000, GITLINK][numbers[4] as usize % 4],
                    uid: numbers[4],
                    gid: numbers[5],
                    file_size: numbers[6],
                    id: git2::Oid::from_bytes(&id).unwrap(),
                    flags: stage << 12 | u16::from(assume) << 15,
                    flags_extended: extended << 13,
                    path: path.into_bytes(),
                }
            };
            map.into_iter().map(make).collect()
        })
    }

    const GITLINK: u32 = 0o160_000;

    /// What libgit2 writes, as bytes, and what libgit2 reads back.
    fn written(entries: &[git2::IndexEntry], version: u32) -> (Vec<u8>, Vec<git2::IndexEntry>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index");
        let mut index = git2::Index::open(&file).unwrap();
        index.set_version(version).unwrap();
        // libgit2 cannot read back such a path in the version that it writes itself.
        for entry in entries.iter().filter(|entry| version < 4 || entry.path.len() < 4095) {
            // Two paths may stand in each other's way (`a` and `a/b`); then libgit2 keeps the later one.
            let _ = index.add(entry);
        }
        index.write().unwrap();
        let read = git2::Index::open(&file).unwrap().iter().collect();
        (std::fs::read(&file).unwrap(), read)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn reads_what_libgit2_reads(entries in entries(), version in 2u32..=4) {
            let (bytes, expected) = written(&entries, version);
            let index = Index::parse(bytes).unwrap();
            prop_assert_eq!(index.entries.len(), expected.len());
            for (ours, theirs) in index.entries.iter().zip(&expected) {
                let stat = index.stat(ours);
                prop_assert_eq!(index.path(ours), theirs.path.as_slice());
                prop_assert_eq!(&index.id(ours)[..], theirs.id.as_bytes());
                prop_assert_eq!(stat.mtime, (theirs.mtime.seconds().cast_unsigned(), theirs.mtime.nanoseconds()));
                prop_assert_eq!(stat.ctime, (theirs.ctime.seconds().cast_unsigned(), theirs.ctime.nanoseconds()));
                let numbers = (stat.mode, stat.inode, stat.uid, stat.gid, stat.size);
                prop_assert_eq!(numbers, (theirs.mode, theirs.ino, theirs.uid, theirs.gid, theirs.file_size));
                prop_assert_eq!(ours.stage(), (theirs.flags >> 12) & 3);
                prop_assert_eq!(ours.assume_unchanged(), theirs.flags & 0x8000 != 0);
                prop_assert_eq!(ours.skip_worktree(), theirs.flags_extended & 0x4000 != 0);
                prop_assert_eq!(ours.intent_to_add(), theirs.flags_extended & 0x2000 != 0);
            }
        }

        #[test]
        fn broken_bytes_never_panic(
            entries in entries(),
            version in 2u32..=4,
            cut in any::<prop::sample::Index>(),
            edits in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let (mut bytes, _) = written(&entries, version);
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(cut.index(bytes.len() + 1).max(bytes.len() * usize::from(cut.index(2) == 0)));
            if let Ok(index) = Index::parse(bytes) {
                for entry in &index.entries {
                    prop_assert!(!strange(index.path(entry)));
                    let _ = (index.stat(entry), index.id(entry));
                }
            }
        }

        #[test]
        fn broken_cached_trees_never_panic(body in "([a-b]{0,2}\0(-1|[0-3]) [0-3]\n.{0,24}){0,4}") {
            let bytes = body.into_bytes();
            if let Some(trees) = cached_trees(&bytes, 0..bytes.len()) {
                prop_assert!(trees.iter().enumerate().all(|(n, tree)| tree.next > n && tree.next <= trees.len()));
            }
        }
    }

    #[test]
    fn what_must_be_understood_is_refused() {
        let with = |extension: &[u8]| {
            let mut bytes = b"DIRC\0\0\0\x02\0\0\0\0".to_vec();
            bytes.extend_from_slice(extension);
            bytes.extend_from_slice(&[0, 0, 0, 2, 1, 2]);
            bytes.extend_from_slice(&[0; 20]);
            Index::parse(bytes).map(|index| index.entries.len())
        };
        assert_eq!(with(b"UNTR"), Ok(0));
        assert_eq!(with(b"link"), Err(Unreadable::Unsupported));
        assert_eq!(with(b"sdir"), Err(Unreadable::Unsupported));
        assert_eq!(
            Index::parse(b"DIRC\0\0\0\x05\0\0\0\0".iter().copied().chain([0; 20]).collect()).err(),
            Some(Unreadable::Unsupported)
        );
        assert_eq!(Index::parse(vec![]).err(), Some(Unreadable::Corrupt));
    }
}
