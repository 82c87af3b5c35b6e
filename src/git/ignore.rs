//! Which paths git ignores: the rules of `.gitignore` files, `info/exclude` and `core.excludesFile`. Pure.
//!
//! Does not know: where the files are or how they are read; it is handed their text.

use super::wildmatch;
use std::sync::Arc;

/// The rules of one file, with those of lower precedence behind it.
#[derive(Debug)]
pub(super) struct Rules {
    lower: Option<Arc<Rules>>,
    /// The folder the rules speak about; empty for the root.
    folder: Vec<u8>,
    patterns: Vec<Pattern>,
}

/// A pattern as ignore and attribute files write it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    negated: bool,
    only_folders: bool,
    text: Vec<u8>,
    shape: Shape,
}

/// What has to be compared; most patterns of real files need no globbing.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    /// The last segment, literally.
    Name,
    /// The end of the last segment (`*.log`).
    NameEnd,
    /// The last segment, as a glob.
    NameGlob,
    /// The path below the folder, literally.
    Path,
    /// The path below the folder, as a glob.
    PathGlob,
}

impl Rules {
    /// Reads an ignore file's text; `lower` are the rules it overrides.
    pub fn parse(text: &[u8], folder: &[u8], lower: Option<Arc<Rules>>) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let patterns = text.split(|byte| *byte == b'\n').filter_map(Pattern::parse).collect();
        Self { lower, folder: folder.to_owned(), patterns }
    }

    /// Is this path ignored by a rule that names it? Its parents are not looked at: whoever walks down has.
    pub fn ignores(&self, path: &[u8], is_folder: bool) -> bool {
        let name = memchr::memrchr(b'/', path).map_or(path, |at| &path[at + 1..]);
        let mut rules = Some(self);
        while let Some(here) = rules {
            if let Some(below) = below(path, &here.folder)
                && let Some(last) = here.patterns.iter().rev().find(|pattern| pattern.matches(below, name, is_folder))
            {
                return !last.negated;
            }
            rules = here.lower.as_deref();
        }
        false
    }

    /// Is this folder ignored, or one that holds it? Then nothing in it can be taken back in.
    pub fn ignores_folder(&self, folder: &[u8]) -> bool {
        let ends = memchr::memchr_iter(b'/', folder).chain([folder.len()]);
        !folder.is_empty() && ends.into_iter().any(|end| self.ignores(&folder[..end], true))
    }
}

/// The part of `path` strictly below `folder`.
pub(super) fn below<'a>(path: &'a [u8], folder: &[u8]) -> Option<&'a [u8]> {
    if folder.is_empty() { Some(path) } else { path.strip_prefix(folder)?.strip_prefix(b"/") }
}

impl Pattern {
    fn parse(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line[0] == b'#' {
            return None;
        }
        let line = trim_spaces(line);
        let negated = line.first() == Some(&b'!');
        Some(Self { negated, ..Self::new(&line[usize::from(negated)..]) })
    }

    /// A pattern by itself, without `!`.
    pub fn new(line: &[u8]) -> Self {
        let only_folders = line.last() == Some(&b'/');
        let line = &line[..line.len() - usize::from(only_folders)];
        let special = |text: &[u8]| text.iter().any(|byte| b"*?[\\".contains(byte));
        let (text, shape) = if line.contains(&b'/') {
            let text = line.strip_prefix(b"/").unwrap_or(line);
            (text, if special(text) { Shape::PathGlob } else { Shape::Path })
        } else if !special(line) {
            (line, Shape::Name)
        } else if line[0] == b'*' && !special(&line[1..]) {
            (&line[1..], Shape::NameEnd)
        } else {
            (line, Shape::NameGlob)
        };
        Self { negated: false, only_folders, text: text.to_owned(), shape }
    }

    /// Does it match the path below the folder that it speaks about, whose last segment is `name`?
    pub fn matches(&self, below: &[u8], name: &[u8], is_folder: bool) -> bool {
        if self.only_folders && !is_folder {
            return false;
        }
        match self.shape {
            Shape::Name => name == self.text,
            Shape::NameEnd => name.ends_with(&self.text),
            Shape::NameGlob => wildmatch::matches(&self.text, name, false),
            Shape::Path => below == self.text,
            Shape::PathGlob => wildmatch::matches(&self.text, below, true),
        }
    }
}

/// Trailing spaces do not count unless a backslash protects them.
fn trim_spaces(line: &[u8]) -> &[u8] {
    let (mut end, mut i) = (0, 0);
    while i < line.len() {
        if line[i] == b'\\' {
            i += 1;
            end = (i + 1).min(line.len());
        } else if line[i] != b' ' {
            end = i + 1;
        }
        i += 1;
    }
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Rules {
        Rules::parse(text.as_bytes(), b"", None)
    }

    #[test]
    fn names_paths_and_folders() {
        let rules =
            rules("# comment\ntarget/\n*.log\n!keep.log\n/top\ndocs/*.txt\n**/gen\n\\#odd\ntrailing  \nesc\\ \n");
        for (path, folder, ignored) in [
            ("target", true, true),
            ("a/target", true, true),
            ("target", false, false),
            ("a/b.log", false, true),
            ("a/keep.log", false, false),
            ("top", false, true),
            ("a/top", false, false),
            ("docs/a.txt", false, true),
            ("docs/b/a.txt", false, false),
            ("x/docs/a.txt", false, false),
            ("x/y/gen", false, true),
            ("gen", true, true),
            ("#odd", false, true),
            ("trailing", false, true),
            ("esc ", false, true),
            ("# comment", false, false),
        ] {
            assert_eq!(rules.ignores(path.as_bytes(), folder), ignored, "{path}");
        }
        assert!(rules.ignores_folder(b"a/target/debug") && !rules.ignores_folder(b"a/b"));
    }

    #[test]
    fn deeper_rules_win_and_speak_only_of_their_folder() {
        let lower = Arc::new(rules("*.o\n"));
        let deeper = Rules::parse(b"!keep.o\n/only\n", b"src", Some(lower));
        assert!(!deeper.ignores(b"src/keep.o", false) && deeper.ignores(b"keep.o", false));
        assert!(deeper.ignores(b"src/only", false) && !deeper.ignores(b"src/a/only", false));
        assert!(!deeper.ignores(b"src", true));
    }
}
