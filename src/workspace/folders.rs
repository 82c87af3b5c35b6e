//! Which folders there are, and which of them a `for_each` or a list of workspace members names. Pure.

use crate::base::RepoPath;
use globset::{GlobBuilder, GlobMatcher};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Every folder that holds a file, at any depth; not the root.
pub(super) fn all(files: &[RepoPath]) -> BTreeSet<RepoPath> {
    let mut folders = BTreeSet::new();
    let mut last: &[u8] = &[];
    for file in files {
        let bytes = file.as_bytes();
        let parent = memchr::memrchr(b'/', bytes).map_or(&[][..], |end| &bytes[..end]);
        if parent == last {
            continue; // sorted: files of one folder mostly follow each other
        }
        last = parent;
        let mut folder = RepoPath::from_bytes(parent);
        while !folder.is_root() && folders.insert(folder.clone()) {
            folder = folder.parent();
        }
    }
    folders
}

/// Patterns over folders. Unlike a watch's patterns they name folders exactly: `libs/core` is not `libs/core/src`.
#[derive(Debug, Default)]
pub struct FolderGlobs(Vec<(bool, GlobMatcher)>);

impl FolderGlobs {
    /// Takes patterns relative to `base`, with or without `./` in front and `/` behind; `!p` subtracts. Patterns that
    /// are none (or leave the repository) come back as errors.
    ///
    /// # Errors
    /// The first pattern that is none, and why.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>, base: &RepoPath) -> Result<Self, String> {
        let mut globs = Vec::new();
        for text in patterns {
            let (negated, body) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
            let Some(path) = base.join(body.trim_end_matches('/').as_bytes()) else {
                return Err(format!("`{text}` leaves the repository"));
            };
            let Ok(glob) = std::str::from_utf8(path.as_bytes()) else {
                return Err(format!("`{text}` stands below a folder whose name is not UTF-8"));
            };
            let built =
                GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).empty_alternates(true).build();
            match built {
                Ok(glob) => globs.push((negated, glob.compile_matcher())),
                Err(error) => return Err(format!("`{text}` is not a pattern: {}", error.kind())),
            }
        }
        Ok(Self(globs))
    }

    /// Is the folder named, and not subtracted by a later pattern?
    pub fn is_match(&self, folder: &RepoPath) -> bool {
        let path = OsStr::from_bytes(folder.as_bytes());
        self.0.iter().rev().find(|(_, glob)| glob.is_match(path)).is_some_and(|(negated, _)| !negated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_every_ancestor_once() {
        let files: Vec<RepoPath> = ["a/b/c/x", "a/b/y", "r", "z/q"].map(RepoPath::from).into();
        let names: Vec<String> = all(&files).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a", "a/b", "a/b/c", "z"]);
    }

    #[test]
    fn patterns_name_folders_exactly() {
        let globs = FolderGlobs::parse(["services/*/", "libs/core", "!services/old"], &RepoPath::root()).unwrap();
        let hit = |folder: &str| globs.is_match(&RepoPath::from(folder));
        assert!(hit("services/api") && hit("libs/core"));
        assert!(!hit("services") && !hit("services/api/src") && !hit("services/old") && !hit("libs/core/src"));
        assert!(FolderGlobs::parse(["../x"], &RepoPath::root()).is_err());
        let below = FolderGlobs::parse(["./packages/*"], &RepoPath::from("web")).unwrap();
        assert!(below.is_match(&RepoPath::from("web/packages/ui")));
    }
}
