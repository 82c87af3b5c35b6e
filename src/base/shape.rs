//! What most patterns are, said without a regular expression. Pure.
//!
//! `**/*.{md,rst}`, `src/**`, `./*.ts`, `**/tests/**`: twenty thousand files are compared with dozens of these on each
//! run, and looking at a path's end or beginning is ten times as fast. What is no such pattern is left to `globset`, and a
//! test holds both to the same answers.

use super::glob::holds_two_stars;

/// More alternatives than this are left to the regular expression.
const MOST: usize = 64;

/// A pattern whose braces are written out.
#[derive(Debug)]
pub(super) struct Shapes {
    /// `rs` of `**/*.rs`, sorted: what half of all patterns are made of.
    endings: Vec<Vec<u8>>,
    others: Vec<Shape>,
}

/// A path that is compared with many patterns, taken apart once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    path: &'a [u8],
    /// Its last segment.
    last: &'a [u8],
    /// What stands behind that one's last dot, if there is one.
    ending: Option<&'a [u8]>,
}

impl<'a> Subject<'a> {
    /// Takes a path apart.
    pub fn of(path: &'a [u8]) -> Self {
        let last = memchr::memrchr(b'/', path).map_or(path, |at| &path[at + 1..]);
        Self { path, last, ending: memchr::memrchr(b'.', last).map(|at| &last[at + 1..]) }
    }

    /// The end of the same path, below one of its folders.
    pub fn below(self, path: &'a [u8]) -> Self {
        if path.len() >= self.last.len() { Self { path, ..self } } else { Self::of(path) }
    }

    /// The path.
    pub fn path(self) -> &'a [u8] {
        self.path
    }
}

#[derive(Debug)]
enum Shape {
    /// This path; and what is below it.
    Path { path: Vec<u8>, below: bool },
    /// Whatever is below a folder. Prefixes end with `/`, or are empty.
    Below { prefix: Vec<u8> },
    /// A name that begins and ends so: directly in the folder, or anywhere below.
    Name { prefix: Vec<u8>, deep: bool, start: Vec<u8>, end: Vec<u8> },
    /// Exactly this name, anywhere below the folder.
    Last { prefix: Vec<u8>, name: Vec<u8> },
    /// A folder of this name anywhere below, and what is in it; with `itself` also a file of this name.
    Inside { prefix: Vec<u8>, name: Vec<u8>, itself: bool },
}

impl Shapes {
    /// None if only a regular expression will do. With `folder` a pattern that ends in a literal name means what is below, too.
    pub fn of(body: &str, folder: bool) -> Option<Self> {
        if body.bytes().any(|byte| matches!(byte, b'[' | b']' | b'?' | b'\\')) {
            return None;
        }
        if body.split('/').any(|segment| holds_two_stars(segment) && segment != "**") {
            return None;
        }
        if !body.contains(['{', '}']) {
            return Shape::of(body, folder).map(|shape| Self::sorted(vec![shape]));
        }
        let deep = |text: &str| text.split('/').filter(|segment| holds_two_stars(segment)).count();
        let (mut open, mut shapes, all_deep) = (vec![body.to_owned()], Vec::new(), deep(body));
        while let Some(text) = open.pop() {
            if let Some((before, rest)) = text.split_once('{') {
                let (inside, after) = rest.split_once('}')?;
                if before.contains('}') || inside.contains('{') {
                    return None;
                }
                open.extend(inside.split(',').map(|choice| [before, choice, after].concat()));
                if open.len() + shapes.len() > MOST {
                    return None;
                }
                continue;
            }
            // Two stars that meet only when braces are written out are not `**`.
            if text.contains('}') || deep(&text) != all_deep {
                return None;
            }
            shapes.push(Shape::of(&text, folder)?);
        }
        Some(Self::sorted(shapes))
    }

    fn sorted(shapes: Vec<Shape>) -> Self {
        let (mut endings, mut others) = (Vec::new(), Vec::new());
        for shape in shapes {
            match shape {
                Shape::Name { prefix, deep: true, start, end }
                    if prefix.is_empty() && start.is_empty() && memchr::memrchr(b'.', &end) == Some(0) =>
                {
                    endings.push(end[1..].to_vec());
                }
                other => others.push(other),
            }
        }
        endings.sort_unstable();
        Self { endings, others }
    }

    /// Does one of them match?
    pub fn is_match(&self, of: Subject<'_>) -> bool {
        let has = |ending: &[u8]| self.endings.binary_search_by(|known| known.as_slice().cmp(ending)).is_ok();
        of.ending.is_some_and(has) || self.others.iter().any(|shape| shape.is_match(of.path, of.last))
    }
}

impl Shape {
    fn of(text: &str, folder: bool) -> Option<Self> {
        let segments: Vec<&str> = text.split('/').collect();
        if segments.iter().any(|segment| segment.is_empty()) {
            return None;
        }
        let literal = segments.iter().take_while(|segment| !segment.contains('*')).count();
        let prefix: Vec<u8> = segments[..literal].iter().flat_map(|s| s.bytes().chain([b'/'])).collect();
        match segments[literal..] {
            [] => Some(Self::Path { path: text.into(), below: folder }),
            ["**"] => Some(Self::Below { prefix }),
            ["**", name, "**"] if !name.contains('*') => {
                Some(Self::Inside { prefix, name: name.into(), itself: false })
            }
            ["**", name] if !name.contains('*') && folder => {
                Some(Self::Inside { prefix, name: name.into(), itself: true })
            }
            ["**", name] if !name.contains('*') => Some(Self::Last { prefix, name: name.into() }),
            ["**", name] => Self::name(prefix, true, name),
            [name] => Self::name(prefix, false, name),
            _ => None,
        }
    }

    fn name(prefix: Vec<u8>, deep: bool, name: &str) -> Option<Self> {
        let (start, end) = name.split_once('*').filter(|(_, end)| !end.contains('*'))?;
        Some(Self::Name { prefix, deep, start: start.into(), end: end.into() })
    }

    fn is_match(&self, path: &[u8], last: &[u8]) -> bool {
        match self {
            Self::Path { path: whole, below } => match path.strip_prefix(whole.as_slice()) {
                Some([]) => true,
                Some([b'/', ..]) => *below,
                _ => false,
            },
            Self::Below { prefix } => path.starts_with(prefix),
            Self::Name { prefix, deep, start, end } => {
                last.len() >= start.len() + end.len()
                    && ends_with(last, end)
                    && starts_with(last, start)
                    && path.strip_prefix(prefix.as_slice()).is_some_and(|below| {
                        // Not so deep that the name is part of the prefix.
                        below.len() >= last.len() && (*deep || below.len() == last.len())
                    })
            }
            Self::Last { prefix, name } => {
                last.len() == name.len()
                    && ends_with(last, name)
                    && path.len() >= prefix.len() + last.len()
                    && path.starts_with(prefix)
            }
            Self::Inside { prefix, name, itself } => path.strip_prefix(prefix.as_slice()).is_some_and(|below| {
                let folders = &below[..below.len().saturating_sub(last.len())];
                (*itself && last == name && below.len() >= last.len())
                    || folders.split(|byte| *byte == b'/').any(|folder| folder.len() == name.len() && folder == name)
            }),
        }
    }
}

/// As its namesake of slices; most answers need one byte and no call.
fn ends_with(text: &[u8], end: &[u8]) -> bool {
    end.is_empty() || (text.last() == end.last() && text.ends_with(end))
}

/// As its namesake of slices; most answers need one byte and no call.
fn starts_with(text: &[u8], start: &[u8]) -> bool {
    start.is_empty() || (text.first() == start.first() && text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn everyday_patterns_have_a_shape() {
        for body in ["**/*.{md,rst}", "src/**", "*.ts", "**/{test,tests}/**", "a/b", "{doc,docs}/**/*.{txt,png}", "**"]
        {
            assert!(Shapes::of(body, false).is_some(), "{body}");
        }
        for body in ["a?", "[ab]", "*/x", "**/a/**/b", "a*b*c", "{a,{b,c}}", "a\\*"] {
            assert!(Shapes::of(body, false).is_none(), "{body}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn shapes_and_regular_expressions_agree(
            segments in proptest::collection::vec(
                prop_oneof![Just("**".to_owned()), "[ab*.{},]{0,7}", "[ab.]{1,2}", "\\{[ab.*/]{0,3},[ab.*/]{0,3}\\}[ab]?"],
                1..4,
            ),
            path in "[ab.\n]{1,3}(/[ab.]{1,3}){0,4}",
            folder in any::<bool>(),
        ) {
            let body = segments.join("/");
            let glob = |source: &str| {
                let mut glob = globset::GlobBuilder::new(source);
                glob.literal_separator(true).backslash_escape(true).empty_alternates(true);
                glob.build().map(|glob| glob.compile_matcher())
            };
            // As in `Pattern::parse`: only a literal end may be a folder.
            let end = body.rsplit('/').next().unwrap_or_default();
            let folder = folder && !end.contains(['*', '{', '}']);
            if let Some(shapes) = Shapes::of(&body, folder) {
                // Whatever has a shape is a pattern.
                let (itself, below) = (glob(&body).unwrap(), glob(&format!("{body}/**")).unwrap());
                let expected = itself.is_match(&path) || (folder && below.is_match(&path));
                prop_assert_eq!(shapes.is_match(Subject::of(path.as_bytes())), expected, "{} on {:?}", body, path);
            }
        }
    }
}
