//! The one glob dialect of wf. Pure.
//!
//! Patterns are relative to the repository's root (`./x`: to a folder handed in); `*` and `?` do not cross `/`; `**` is
//! a whole segment or an error; `{a,b}` and `[a-z]` work; dotfiles match like others; letters match their own case
//! only, on every system; a later `!p` subtracts; a set of nothing but `!p` is an error.

use super::RepoPath;
use super::shape::{Shapes, Subject};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{Arc, OnceLock};

/// Why a list of patterns is no glob set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GlobError {
    /// Which pattern of the list, from 0.
    pub index: usize,
    /// What is wrong, for people.
    pub message: String,
    /// What would be right, if that is known.
    pub hint: Option<String>,
}

/// An ordered list of patterns: a path is in the set if the last pattern that matches it has no `!`. Cheap to clone.
#[derive(Clone)]
pub struct GlobSet {
    patterns: Arc<[Pattern]>,
    dir: RepoPath,
}

struct Pattern {
    text: String,
    negated: bool,
    relative: bool,
    /// The pattern without `!` and `./`.
    body: String,
    /// Its leading segments without wildcards: a cheap first look.
    root: Vec<u8>,
    /// Does a name at its end mean what is in a folder of that name, too?
    folder: bool,
    /// Found out when a path is compared with it: most starts compare none with most patterns.
    how: OnceLock<How>,
    /// Its beginnings that end in a segment other than `*` and `**`: the folders it names.
    folders: OnceLock<Vec<globset::GlobMatcher>>,
}

/// How a path is compared with a pattern.
enum How {
    /// By what most patterns are.
    Shapes(Shapes),
    /// By a regular expression. It is compiled when a path first gets past the look at `root`: that takes ten kilobytes, and of
    /// the patterns of ten thousand steps one change meets only a few.
    Regex(Box<globset::Glob>, OnceLock<globset::GlobMatcher>),
}

/// Longer than any path; far below the size at which a pattern could not be compiled.
const LENGTH_MAX: usize = 4096;

impl GlobSet {
    /// Compiles patterns in order; `./x` patterns are relative to `dir`.
    ///
    /// # Errors
    /// Every pattern that is wrong, not just the first.
    pub fn parse<S: AsRef<str>>(patterns: &[S], dir: &RepoPath) -> Result<Self, Vec<GlobError>> {
        let (mut compiled, mut errors) = (Vec::with_capacity(patterns.len()), Vec::new());
        for (index, text) in patterns.iter().enumerate() {
            match Pattern::parse(text.as_ref()) {
                Ok(pattern) => compiled.push(pattern),
                Err((message, hint)) => errors.push(GlobError { index, message, hint }),
            }
        }
        if errors.is_empty() && !compiled.is_empty() && compiled.iter().all(|p| p.negated) {
            errors.push(GlobError {
                index: 0,
                message: "only `!` patterns: they subtract, and there is nothing to subtract from".into(),
                hint: Some("put `\"**\"` before them".into()),
            });
        }
        if errors.is_empty() { Ok(Self { patterns: compiled.into(), dir: dir.clone() }) } else { Err(errors) }
    }

    /// The same patterns with `./x` relative to another folder; compiles nothing.
    pub fn at(&self, dir: &RepoPath) -> Self {
        Self { patterns: Arc::clone(&self.patterns), dir: dir.clone() }
    }

    /// Is the path in the set?
    pub fn is_match(&self, path: &RepoPath) -> bool {
        self.matching(path).is_some()
    }

    /// The pattern that puts the path in the set.
    pub fn matching(&self, path: &RepoPath) -> Option<&str> {
        // Most paths match nothing, and then no subtraction has to be looked at.
        let subject = Subject::of(path.as_bytes());
        let matches = |p: &Pattern| p.takes(subject, path, &self.dir);
        let last = self.patterns.iter().rposition(|p| !p.negated && matches(p))?;
        let taken = self.patterns[last + 1..].iter().any(|p| p.negated && matches(p));
        (!taken).then_some(&self.patterns[last].text)
    }

    /// The folder that `./x` patterns are relative to.
    pub fn dir(&self) -> &RepoPath {
        &self.dir
    }

    /// The patterns as they were written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(|p| p.text.as_str())
    }

    /// The patterns without `!` that match none of these files, which are sorted.
    pub fn idle<'a>(&'a self, files: &'a [RepoPath]) -> impl Iterator<Item = &'a str> {
        let matches_none = move |p: &&Pattern| {
            let root = p.root(&self.dir);
            let from = files.partition_point(|file| *file < root);
            let near = files[from..].iter().take_while(|file| file.as_bytes().starts_with(root.as_bytes()));
            !near.into_iter().any(|file| p.is_match(file, &self.dir))
        };
        self.patterns.iter().filter(|p| !p.negated).filter(matches_none).map(|p| p.text.as_str())
    }

    /// For each pattern without `!`: the deepest path that everything it matches is at or below.
    pub fn roots(&self) -> impl Iterator<Item = RepoPath> {
        self.patterns.iter().filter(|p| !p.negated).map(|p| p.root(&self.dir))
    }

    /// Is a path that git ignores meant by this set? Patterns mean what git tracks or would track, unless they name an
    /// ignored place outright (`.env`, `dist/**`), or match an ignored file by more than its folder (`src/*.gen.rs`).
    pub fn means_ignored(&self, path: &RepoPath, folder: bool) -> bool {
        self.patterns.iter().filter(|p| !p.negated).any(|p| {
            let root = p.root(&self.dir);
            let named = !root.is_root() && root.is_in(path);
            let last = p.body.rsplit('/').next().unwrap_or_default();
            let by_name = !is_literal(last) || path.file_name() == last.as_bytes();
            let specific = !folder && last != "**" && last != "*" && by_name;
            named
                || (folder && p.names_folder(path, &self.dir))
                || (specific && p.is_match(path, &self.dir) && self.is_match(path))
        })
    }

    /// The patterns without `!` and without wildcards, as paths.
    pub fn literals(&self) -> impl Iterator<Item = RepoPath> {
        let literal = |p: &&Pattern| !p.negated && p.root.len() == p.body.len();
        self.patterns.iter().filter(literal).map(|p| p.root(&self.dir))
    }

    /// May some path at or below this one be in the set? Errs towards yes; subtractions are not looked at.
    pub fn may_reach_into(&self, folder: &RepoPath) -> bool {
        let inside = format!("{folder}/**");
        self.full().iter().any(|pattern| may_overlap(pattern, &inside))
    }

    /// The patterns without `!`, from the repository's root.
    fn full(&self) -> Vec<String> {
        let dir = self.dir.to_string();
        let full =
            |p: &Pattern| if p.relative && !dir.is_empty() { format!("{dir}/{}", p.body) } else { p.body.clone() };
        self.patterns.iter().filter(|p| !p.negated).map(full).collect()
    }

    /// May some path be in both sets? Errs towards yes; subtractions are not looked at.
    pub fn may_overlap(&self, other: &GlobSet) -> bool {
        let (ours, theirs) = (self.full(), other.full());
        ours.iter().any(|a| theirs.iter().any(|b| may_overlap(a, b)))
    }
}

/// As it was written: a compiled pattern's own form fills pages.
impl fmt::Debug for GlobSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

/// Two sets are equal when they were written the same and sit at the same folder.
impl PartialEq for GlobSet {
    fn eq(&self, other: &Self) -> bool {
        self.dir == other.dir && self.texts().eq(other.texts())
    }
}

impl Eq for GlobSet {}

impl serde::Serialize for GlobSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.texts())
    }
}

type Refusal = (String, Option<String>);

impl Pattern {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let (negated, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let (relative, rest) = rest.strip_prefix("./").map_or((false, rest), |rest| (true, rest));
        let relative = relative || rest == ".";
        let rest = if rest == "." || (relative && rest.is_empty()) { "**" } else { rest };
        let body = if rest.ends_with('/') { format!("{rest}**") } else { rest.to_owned() };
        if body.is_empty() {
            return Err(("an empty pattern matches nothing".into(), Some("`\"**\"` matches every file".into())));
        }
        if let Some(inside) = body.strip_prefix('/') {
            let hint = format!("patterns are relative to the repository's root: write `{inside}`");
            return Err((format!("`{text}` is absolute"), Some(hint)));
        }
        for segment in body.split('/') {
            if segment == ".." || segment == "." || segment.is_empty() {
                let hint =
                    "patterns name files inside the repository, from its root; `./x` is relative to the step's folder";
                return Err((format!("`{text}` has the segment `{segment}`"), Some(hint.into())));
            }
            if holds_two_stars(segment) && segment != "**" {
                let hint = whole_segment(&body, segment).map_or_else(
                    || "`**` stands alone between slashes: `a/**/b`".into(),
                    |fixed| format!("did you mean `{fixed}`?"),
                );
                return Err((format!("`**` in `{text}` is only part of a segment"), Some(hint)));
            }
        }
        if body.len() > LENGTH_MAX {
            let hint = "write several shorter patterns".to_owned();
            return Err((format!("a pattern of {} bytes; at most {LENGTH_MAX}", body.len()), Some(hint)));
        }
        let last = body.rsplit('/').next().unwrap_or(&body);
        // A name without wildcards may be a folder; who watches a folder means what is in it.
        let folder = if last.contains('\\') { is_literal(&unescaped(last)) } else { is_literal(last) };
        if !is_plain(&body) {
            regex(text, &body, folder)?;
        }
        let (how, folders, root) = (OnceLock::new(), OnceLock::new(), literal_root(&body).into());
        Ok(Self { text: text.to_owned(), negated, relative, folder, how, folders, root, body })
    }

    fn is_match(&self, path: &RepoPath, dir: &RepoPath) -> bool {
        self.takes(Subject::of(path.as_bytes()), path, dir)
    }

    /// The same with the path taken apart already.
    fn takes<'a>(&self, subject: Subject<'a>, path: &'a RepoPath, dir: &RepoPath) -> bool {
        let subject = if self.relative { path.below(dir).map(|below| subject.below(below)) } else { Some(subject) };
        subject.is_some_and(|subject| {
            let bytes = subject.path();
            (self.root.is_empty() || bytes.starts_with(&self.root))
                && match self.how() {
                    How::Shapes(shapes) => shapes.is_match(subject),
                    How::Regex(glob, matcher) => {
                        matcher.get_or_init(|| glob.compile_matcher()).is_match(std::ffi::OsStr::from_bytes(bytes))
                    }
                }
        })
    }

    fn how(&self) -> &How {
        self.how.get_or_init(|| match Shapes::of(&self.body, self.folder) {
            Some(shapes) => How::Shapes(shapes),
            None => match regex(&self.text, &self.body, self.folder) {
                Ok(glob) => How::Regex(Box::new(glob), OnceLock::new()),
                Err((error, _)) => unreachable!("it was looked at when it was read: {error}"),
            },
        })
    }

    /// Does one of its beginnings name this folder: `{dist,build}/**` the folder `dist`, `a/*/gen/**` the folder `a/b/gen`?
    fn names_folder(&self, path: &RepoPath, dir: &RepoPath) -> bool {
        let bytes = if self.relative { path.below(dir) } else { Some(path.as_bytes()) };
        let folders = || {
            self.folders.get_or_init(|| {
                let ends: Vec<usize> =
                    memchr::memchr_iter(b'/', self.body.as_bytes()).chain([self.body.len()]).collect();
                let named = |end: &usize| !matches!(self.body[..*end].rsplit('/').next(), Some("*" | "**") | None);
                let build = |end: usize| {
                    let mut glob = globset::GlobBuilder::new(&self.body[..end]);
                    glob.literal_separator(true).backslash_escape(true).empty_alternates(true);
                    Some(glob.build().ok()?.compile_matcher())
                };
                ends.into_iter().filter(named).filter_map(build).collect()
            })
        };
        bytes.is_some_and(|bytes| folders().iter().any(|glob| glob.is_match(std::ffi::OsStr::from_bytes(bytes))))
    }

    fn root(&self, dir: &RepoPath) -> RepoPath {
        // Its segments are names: `..`, `.` and empty ones were refused.
        if self.relative { dir.append(&self.root) } else { RepoPath::root().append(&self.root) }
    }
}

/// Nothing but stars, and braces that are closed and hold no others: that is always a pattern, and need not be tried.
fn is_plain(body: &str) -> bool {
    let mut open = false;
    for byte in body.bytes() {
        match byte {
            b'[' | b']' | b'?' | b'\\' => return false,
            b'{' if open => return false,
            b'}' if !open => return false,
            b'{' | b'}' => open = !open,
            _ => {}
        }
    }
    !open
}

fn regex(text: &str, body: &str, folder: bool) -> Result<globset::Glob, Refusal> {
    let source = if folder { itself_and_below(body) } else { body.to_owned() };
    let mut glob = globset::GlobBuilder::new(&source);
    glob.literal_separator(true).backslash_escape(true).empty_alternates(true);
    glob.build().map_err(|error| {
        let hint = "where `[`, `{` or `\\` belongs to a name, write `\\` before it".to_owned();
        (format!("`{text}` is not a pattern: {}", error.kind()), Some(hint))
    })
}

/// The pattern with the `**` of this segment as a segment of its own: `src/**.rs` becomes `src/**/*.rs`, `a**` `a*/**`.
fn whole_segment(body: &str, segment: &str) -> Option<String> {
    let (before, after) = segment.split_once("**")?;
    let after = after.trim_start_matches('*');
    if body.contains(['{', '[', '\\']) || after.contains("**") {
        return None;
    }
    let before = if before.is_empty() { String::new() } else { format!("{before}*/") };
    let after = if after.is_empty() { String::new() } else { format!("/*{after}") };
    Some(body.replacen(segment, &format!("{before}**{after}"), 1))
}

/// The glob of a place and of what is in it. A comma of the pattern itself separates nothing.
fn itself_and_below(body: &str) -> String {
    let (mut escaped, mut depth, mut chars) = (String::with_capacity(body.len()), 0usize, body.chars());
    while let Some(c) = chars.next() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => escaped.push('\\'),
            _ => {}
        }
        escaped.push(c);
        if c == '\\' {
            escaped.extend(chars.next());
        }
    }
    format!("{{{escaped},{escaped}/**}}")
}

fn is_literal(segment: &str) -> bool {
    !segment.bytes().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'{' | b'\\' | b'}' | b']'))
}

/// Is there a `**`? Hundreds of short segments are asked at each start.
pub(super) fn holds_two_stars(segment: &str) -> bool {
    segment.as_bytes().windows(2).any(|two| two == b"**")
}

/// A segment without its escaped characters: what is left says whether it has wildcards.
fn unescaped(segment: &str) -> String {
    let (mut plain, mut chars) = (String::new(), segment.chars());
    while let Some(c) = chars.next() {
        // What follows a backslash stands for itself.
        if c == '\\' {
            let _ = chars.next();
        } else {
            plain.push(c);
        }
    }
    plain
}

fn literal_root(body: &str) -> String {
    let literal: Vec<_> = body.split('/').take_while(|segment| is_literal(segment)).collect();
    literal.join("/")
}

fn may_overlap(a: &str, b: &str) -> bool {
    let (mut left, mut right) = (a.split('/'), b.split('/'));
    loop {
        match (left.next(), right.next()) {
            // A literal end may be a folder that holds the other.
            (None, _) | (_, None) => return true,
            (Some(x), Some(y)) if [x, y].iter().any(|s| s.contains(['{', '[', '\\']) || *s == "**") => return true,
            (Some(x), Some(y)) if is_literal(x) && is_literal(y) && x != y => return false,
            (Some(x), Some(y)) if !wildcards_may_meet(x.as_bytes(), y.as_bytes()) => return false,
            _ => {}
        }
    }
}

/// Can some text match both? `*` and `?` only.
fn wildcards_may_meet(a: &[u8], b: &[u8]) -> bool {
    match (a, b) {
        ([], []) => true,
        ([b'*', rest @ ..], other) | (other, [b'*', rest @ ..]) => {
            wildcards_may_meet(rest, other)
                || other.split_first().is_some_and(|(_, tail)| wildcards_may_meet_star(rest, other, tail))
        }
        ([x, xs @ ..], [y, ys @ ..]) => (x == y || *x == b'?' || *y == b'?') && wildcards_may_meet(xs, ys),
        _ => false,
    }
}

fn wildcards_may_meet_star(rest: &[u8], other: &[u8], tail: &[u8]) -> bool {
    // `*` swallows one more of `other`; two stars in a row collapse, so that this ends.
    if other.first() == Some(&b'*') && rest.is_empty() {
        return true;
    }
    let mut again = Vec::with_capacity(rest.len() + 1);
    again.push(b'*');
    again.extend_from_slice(rest);
    wildcards_may_meet(&again, tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[&str]) -> GlobSet {
        GlobSet::parse(patterns, &RepoPath::from("svc/api")).unwrap()
    }

    #[test]
    fn the_dialect() {
        let cases: &[(&[&str], &[&str], &[&str])] = &[
            (&["*.rs"], &["a.rs", ".rs"], &["src/a.rs", "a.RS"]),
            (&["**/*.rs"], &["a.rs", "src/x/a.rs", ".hidden/a.rs"], &["a.rsx"]),
            (&["src/**"], &["src/a", "src/a/b/.c"], &["src", "srcs/a"]),
            (&["src/"], &["src/a/b"], &["src2/a"]),
            (&["src"], &["src", "src/a/b"], &["srcs", "a/src"]),
            (&["a/**/b"], &["a/b", "a/x/y/b", "a/b/c"], &["a/xb"]),
            (&["{docs,README.md}/*", "[a-c]?.txt"], &["docs/x", "ab.txt"], &["docs/x/y", "da.txt", "abc.txt"]),
            (&["**", "!docs/**", "docs/code.rs"], &["a", "docs/code.rs"], &["docs/a"]),
            (&["./src/*.ts"], &["svc/api/src/a.ts"], &["src/a.ts", "svc/api/src/x/a.ts", "svc/api2/src/a.ts"]),
            (&["app/\\[id\\]"], &["app/[id]", "app/[id]/p.ts"], &["app/i"]),
            (
                &["a,b", "[x]/c,d", "{e,f}/g,h"],
                &["a,b", "a,b/c", "x/c,d", "x/c,d/e", "f/g,h"],
                &["a", "b", "x/c", "f/g", "h"],
            ),
            (&["."], &["svc/api/x/y"], &["svc/x"]),
        ];
        for (patterns, yes, no) in cases {
            let set = set(patterns);
            for path in *yes {
                assert!(set.is_match(&RepoPath::from(*path)), "{patterns:?} should match {path}");
            }
            for path in *no {
                assert!(!set.is_match(&RepoPath::from(*path)), "{patterns:?} should not match {path}");
            }
        }
        assert!(set(&["**/*.txt"]).is_match(&RepoPath::from_bytes(b"a/\xff\n.txt")));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(4096))]

        #[test]
        fn what_is_plain_is_a_pattern(body in "[ab/*.{},!-]{1,12}") {
            if is_plain(&body) {
                proptest::prop_assert!(regex(&body, &body, false).is_ok(), "{}", body);
                proptest::prop_assert!(regex(&body, &body, true).is_ok(), "{}", body);
            }
        }
    }

    #[test]
    fn every_wrong_pattern_is_told() {
        let wrong = ["src/**.rs", "/abs", "../up", "", "a[", "x//y"];
        let errors = GlobSet::parse(&wrong, &RepoPath::root()).unwrap_err();
        assert_eq!(errors.len(), wrong.len());
        assert_eq!(errors[0].hint.as_deref(), Some("did you mean `src/**/*.rs`?"));
        assert!(GlobSet::parse(&["!docs/**"], &RepoPath::root()).unwrap_err()[0].message.contains("only `!`"));
    }

    #[test]
    fn overlap_errs_towards_yes() {
        let overlap = |a: &str, b: &str| set(&[a]).may_overlap(&set(&[b]));
        assert!(!overlap("target/a/**", "target/b/**"));
        assert!(!overlap("out/*.js", "out/*.css"));
        assert!(!overlap("./dist", "dist"));
        for (a, b) in [("dist", "dist/x.js"), ("**/*.js", "dist/a.css"), ("a/*b*", "a/*c*"), ("out/a*", "out/*b")] {
            assert!(overlap(a, b), "{a} {b}");
        }
    }

    proptest::proptest! {
        /// Compiling waits until a path is tested, and must not fail then.
        #[test]
        fn what_parses_also_matches(pattern in "!?(\\./)?[\\[\\]{},*?/!a-cé\\\\^-]{0,12}", path in "[a-cé/]{0,8}") {
            if let Ok(set) = GlobSet::parse(&["**", &pattern], &RepoPath::root()) {
                let _ = set.is_match(&RepoPath::from(path.as_str()));
            }
        }

        #[test]
        fn long_patterns_compile_or_are_refused(unit in "[a-c?*é\\[\\],{}]{1,8}", times in 1usize..3_000) {
            if let Ok(set) = GlobSet::parse(&[unit.repeat(times)], &RepoPath::root()) {
                let _ = set.is_match(&RepoPath::from("abc"));
            }
        }
    }
}
