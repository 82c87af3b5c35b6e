//! Paths inside the repository, as git stores them: bytes, `/` between segments, relative to the root. Pure.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A path relative to the repository's root. Any bytes but NUL; exact for names that are not UTF-8; the root itself is
/// empty. Cheap to clone, ordered by bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Arc<[u8]>);

impl RepoPath {
    /// Takes bytes as git gives them. A trailing `/` is dropped.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.strip_suffix(b"/").unwrap_or(bytes).into())
    }

    /// The repository's root.
    pub fn root() -> Self {
        Self(Arc::default())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Is this the repository's root?
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path below `root` in the file system.
    pub fn under(&self, root: &Path) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        if self.is_root() { root.to_owned() } else { root.join(std::ffi::OsStr::from_bytes(&self.0)) }
    }

    /// The last segment.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or(&[])
    }

    /// The folder that holds it; the root for a path of one segment.
    pub fn parent(&self) -> Self {
        memchr::memrchr(b'/', &self.0).map_or_else(Self::root, |at| Self(self.0[..at].into()))
    }

    /// Is it `folder` itself or something below it? Everything is in the root.
    pub fn is_in(&self, folder: &RepoPath) -> bool {
        folder.is_root()
            || (self.0.starts_with(&folder.0) && (self.0.len() == folder.0.len() || self.0[folder.0.len()] == b'/'))
    }

    /// The part below `folder`, if it is below it.
    pub fn below<'a>(&'a self, folder: &RepoPath) -> Option<&'a [u8]> {
        match folder.0.len() {
            0 => Some(&self.0),
            n if self.is_in(folder) && self.0.len() > n => Some(&self.0[n + 1..]),
            _ => None,
        }
    }

    /// The folders that hold it, from the nearest up to the root, as bytes.
    pub fn above(&self) -> impl Iterator<Item = &[u8]> {
        let parent = |at: &[u8]| memchr::memrchr(b'/', at).unwrap_or(0);
        let first = (!self.is_root()).then(|| &self.0[..parent(&self.0)]);
        std::iter::successors(first, move |at| (!at.is_empty()).then(|| &at[..parent(at)]))
    }

    /// Appends names with `/` between them, none of them `.` or `..`.
    #[must_use]
    pub fn append(&self, names: &[u8]) -> Self {
        match (self.is_root(), names.is_empty()) {
            (_, true) => self.clone(),
            (true, _) => Self(names.into()),
            (false, false) => Self([&self.0, &b"/"[..], names].concat().into()),
        }
    }

    /// Appends a relative path, resolving `.` and `..` by text.
    ///
    /// # Errors
    /// `None` when it would leave the repository or is absolute.
    pub fn join(&self, relative: &[u8]) -> Option<Self> {
        if relative.first() == Some(&b'/') {
            return None;
        }
        let mut segments: Vec<&[u8]> = self.0.split(|b| *b == b'/').filter(|s| !s.is_empty()).collect();
        for segment in relative.split(|b| *b == b'/') {
            match segment {
                b"" | b"." => {}
                b".." => {
                    segments.pop()?;
                }
                name => segments.push(name),
            }
        }
        Some(Self(segments.join(&b'/').into()))
    }
}

impl From<&str> for RepoPath {
    fn from(text: &str) -> Self {
        Self::from_bytes(text.as_bytes())
    }
}

/// For people: UTF-8 as it is, control characters and other bytes escaped as `\n`, `\xff`.
impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            let mut rest = chunk.valid();
            while let Some(at) = rest.find(|c: char| c.is_control() || c == '\\') {
                let (plain, from) = rest.split_at(at);
                f.write_str(plain)?;
                let mut chars = from.chars();
                chars.next().into_iter().try_for_each(|c| write!(f, "{}", c.escape_default()))?;
                rest = chars.as_str();
            }
            f.write_str(rest)?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// A string when it is UTF-8, else an array of byte values: exact either way. Bytes where nobody reads it.
impl Serialize for RepoPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(&self.0);
        }
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RepoPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <&[u8]>::deserialize(deserializer).map(|bytes| Self(bytes.into()));
        }
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text.into_bytes().into())),
            value => serde_json::from_value::<Vec<u8>>(value).map(|b| Self(b.into())).map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn joins_stay_inside() {
        let dir = RepoPath::from("a/b");
        assert_eq!(dir.join(b"../c/./d"), Some(RepoPath::from("a/c/d")));
        assert_eq!(dir.join(b"../../.."), None);
        assert_eq!(dir.join(b"/etc"), None);
        assert_eq!(dir.join(b".").unwrap().parent().parent(), RepoPath::root());
    }

    #[test]
    fn containment_is_by_segment() {
        let path = RepoPath::from("src/app/main.rs");
        assert!(path.is_in(&RepoPath::from("src")) && path.is_in(&RepoPath::root()) && path.is_in(&path));
        assert!(!path.is_in(&RepoPath::from("src/ap")));
        assert_eq!(path.below(&RepoPath::from("src")), Some(&b"app/main.rs"[..]));
    }

    proptest! {
        #[test]
        fn json_is_exact(bytes in proptest::collection::vec(1u8..=255, 0..40)) {
            let path = RepoPath::from_bytes(&bytes);
            let json = serde_json::to_string(&path).unwrap();
            prop_assert_eq!(serde_json::from_str::<RepoPath>(&json).unwrap(), path);
        }
    }
}
