//! Regular expressions over paths, as pre-commit writes them (Python's `re.search`), as wf's patterns. Pure.
//!
//! Translated: letters, classes, `.`, `.*`, `.+`, `[^/]*`, `[^/]+`, groups, `|`, `?`, `^`, `$`, `(?x)`. Everything else is refused.
//! Paths have no empty segments, and no line ends. A `.` alone is taken for any character but `/`: it mostly is a `\.` that somebody
//! forgot to escape.

use super::token::{Token, spread};
use super::{Translated, file_only};
use std::iter::Peekable;
use std::str::Chars;

/// Wf's patterns for the paths in which the expression is found.
///
/// # Errors
/// What of it cannot be said.
pub(in super::super) fn search(expression: &str) -> Translated {
    let expression = expression.trim();
    let (verbose, expression) = match expression.strip_prefix("(?x)") {
        Some(rest) => (true, rest),
        None => (false, expression),
    };
    if expression.is_empty() {
        return Ok(vec!["**".into()]);
    }
    let mut reader = Reader { chars: expression.chars().peekable(), verbose, depth: 0 };
    let choices = reader.choices()?;
    if reader.chars.next().is_some() {
        return Err("a `)` too many".into());
    }
    let mut out = Vec::new();
    for atoms in choices {
        for pattern in patterns(&atoms)? {
            if !out.contains(&pattern) {
                out.push(pattern);
            }
        }
    }
    if out.is_empty() { Err("it matches no path".into()) } else { Ok(out) }
}

/// What a path has to have at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Atom {
    Start,
    End,
    Any,
    Part(Token),
}

/// More alternatives than this are refused.
const CHOICES_MAX: usize = 64;
/// Deepest nesting of groups.
const DEPTH_MAX: usize = 20;

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    verbose: bool,
    depth: usize,
}

impl Reader<'_> {
    /// All ways through `a|b|c`, each as a sequence.
    fn choices(&mut self) -> Result<Vec<Vec<Atom>>, String> {
        let mut all = vec![];
        loop {
            all.extend(self.sequence()?);
            if all.len() > CHOICES_MAX {
                return Err("too many alternatives".into());
            }
            if self.chars.next_if_eq(&'|').is_none() {
                return Ok(all);
            }
        }
    }

    fn sequence(&mut self) -> Result<Vec<Vec<Atom>>, String> {
        let mut ways: Vec<Vec<Atom>> = vec![vec![]];
        while let Some(c) = self.chars.peek().copied() {
            if c == '|' || c == ')' {
                break;
            }
            self.chars.next();
            if self.verbose && (c.is_whitespace() || c == '#') {
                if c == '#' {
                    while self.chars.next_if(|c| *c != '\n').is_some() {}
                }
                continue;
            }
            let next = self.item(c)?;
            if ways.len() * next.len() > CHOICES_MAX {
                return Err("too many alternatives".into());
            }
            ways = ways.iter().flat_map(|way| next.iter().map(move |more| [&way[..], more].concat())).collect();
        }
        Ok(ways)
    }

    fn item(&mut self, c: char) -> Result<Vec<Vec<Atom>>, String> {
        let single = |token: Token| vec![vec![Atom::Part(token)]];
        let item = match c {
            '^' => return Ok(vec![vec![Atom::Start]]),
            '$' => return Ok(vec![vec![Atom::End]]),
            '.' => {
                if self.chars.next_if_eq(&'*').is_some() {
                    self.lazy();
                    return Ok(vec![vec![Atom::Any]]);
                }
                if self.chars.next_if_eq(&'+').is_some() {
                    self.lazy();
                    // What begins with a `/` is not one character of a name.
                    let slash = vec![Atom::Part(Token::Char('/')), Atom::Any];
                    return Ok(vec![vec![Atom::Part(Token::One), Atom::Any], slash]);
                }
                single(Token::One)
            }
            '[' => return self.class(),
            '(' => self.group()?,
            '\\' => single(self.escaped()?),
            '*' | '+' | '?' | '{' | '}' | ']' => return Err(format!("`{c}` here cannot be said")),
            c => single(Token::Char(c)),
        };
        match self.chars.peek() {
            Some('?') => {
                self.chars.next();
                Ok([vec![vec![]], item].concat())
            }
            Some('*' | '+' | '{') => Err("repetitions of anything but `.` and `[^/]` cannot be said".into()),
            _ => Ok(item),
        }
    }

    /// The `?` of a lazy repetition, which matches the same paths.
    fn lazy(&mut self) {
        self.chars.next_if_eq(&'?');
    }

    fn escaped(&mut self) -> Result<Token, String> {
        match self.chars.next() {
            Some('d') => Ok(Token::Class("0-9".into())),
            Some('w') => Ok(Token::Class("A-Za-z0-9_".into())),
            Some(c) if !c.is_alphanumeric() => Ok(Token::Char(c)),
            Some(c) => Err(format!("`\\{c}` cannot be said")),
            None => Err("a backslash at its end".into()),
        }
    }

    fn group(&mut self) -> Result<Vec<Vec<Atom>>, String> {
        if self.chars.next_if_eq(&'?').is_some() && self.chars.next_if_eq(&':').is_none() {
            return Err("look-around, flags and names of groups cannot be said".into());
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("groups too deep in each other".into());
        }
        let choices = self.choices()?;
        self.depth -= 1;
        if self.chars.next_if_eq(&')').is_none() {
            return Err("a group that is not closed".into());
        }
        Ok(choices)
    }

    fn class(&mut self) -> Result<Vec<Vec<Atom>>, String> {
        let mut inside = String::new();
        loop {
            match self.chars.next() {
                Some(']') if !inside.is_empty() => break,
                Some('\\') => match self.chars.next() {
                    Some(c) if !c.is_alphanumeric() => inside.push(c),
                    _ => return Err("an escape between brackets".into()),
                },
                Some(c) => inside.push(c),
                None => return Err("a bracket that is not closed".into()),
            }
        }
        if inside == "^/" {
            let star = Atom::Part(Token::Star);
            return match self.chars.next() {
                Some('*') => Ok(vec![vec![star]]),
                Some('+') => Ok(vec![vec![Atom::Part(Token::One), star]]),
                _ => Err("`[^/]` without `*` or `+`".into()),
            };
        }
        if !inside.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            return Err(format!("`[{inside}]` cannot be said"));
        }
        if matches!(self.chars.peek(), Some('*' | '+' | '{' | '?')) {
            return Err("repetitions of anything but `.` and `[^/]` cannot be said".into());
        }
        Ok(vec![vec![Atom::Part(Token::Class(inside))]])
    }
}

/// One way through the expression; none if no path goes it.
fn patterns(atoms: &[Atom]) -> Result<Vec<String>, String> {
    let mut body: Vec<Atom> = Vec::new();
    let (mut from_start, mut to_end) = (false, false);
    for atom in atoms {
        match atom {
            Atom::Start if body.iter().all(|atom| *atom == Atom::Any) => (body, from_start) = (vec![], true),
            Atom::Start => return Ok(vec![]),
            Atom::End => to_end = true,
            Atom::Any if to_end => {}
            _ if to_end => return Ok(vec![]),
            atom => body.push(atom.clone()),
        }
    }
    if !from_start {
        body.insert(0, Atom::Any);
    }
    if !to_end {
        body.push(Atom::Any);
    }
    body.dedup_by(|b, a| *a == Atom::Any && *b == Atom::Any);
    let mut segments: Vec<Vec<Token>> = vec![vec![]];
    for atom in body {
        match (atom, segments.last_mut()) {
            (Atom::Part(Token::Char('/')), _) => segments.push(vec![]),
            (Atom::Any, Some(last)) => last.push(Token::Deep),
            (Atom::Part(token), Some(last)) => last.push(token),
            _ => {}
        }
    }
    // A path neither begins nor ends with `/`, and has no empty name in it.
    if segments.len() > 1 && segments.iter().any(Vec::is_empty) {
        return Ok(vec![]);
    }
    let dots = |segment: &Vec<Token>| segment.len() < 3 && segment.iter().all(|token| *token == Token::Char('.'));
    if segments.iter().any(|segment| !segment.is_empty() && dots(segment)) {
        return Ok(vec![]);
    }
    if segments.iter().all(Vec::is_empty) {
        return Err("it matches the empty path alone".into());
    }
    let last = segments.len() - 1;
    let exact = segments.into_iter().enumerate().flat_map(|(n, segment)| {
        // Between slashes `.*` is at least one folder; wf's `**` may be none.
        let whole = segment == [Token::Deep] && n < last;
        if whole { vec![vec![Token::Star], segment] } else { vec![segment] }
    });
    let mut found = spread(exact.collect())?;
    // A plain name at the end means what is below it, too, in wf alone: brackets take that meaning away.
    if to_end {
        for pattern in &mut found {
            *pattern = file_only(pattern);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{GlobSet, RepoPath};
    use proptest::prelude::*;

    #[test]
    fn everyday_expressions() {
        for (theirs, ours) in [
            (r"\.py$", "**/*.py"),
            (r"^src/", "src/**"),
            (r"^(a|b)/x\.md$", "a/x.md b/x.md"),
            (r"^docs/.*\.rst$", "docs/**/*.rst"),
            (r"^pyproject\.toml$", "pyproject.toml"),
            (r"^(.*\.(py|md))$", "**/*.py **/*.md"),
            (r"\.tsx?$", "**/*.ts **/*.tsx"),
            (
                r"(?x)^( a/b\.md | # words
                c/.* )$",
                "a/b.md c/**",
            ),
            (r"^src/[^/]+/x\.js$", "src/?*/x.js"),
            (r"(^|/)Makefile$", "**/Makefil[e]"),
            ("", "**"),
            (r"^pep-\d\d\.rst$", "pep-[0-9][0-9].rst"),
            (r"^requirements.*\.txt$", "requirements*.txt requirements*/**/*.txt"),
        ] {
            let mut found = search(theirs).unwrap_or_else(|why| panic!("{theirs}: {why}"));
            let mut wanted: Vec<&str> = ours.split(' ').collect();
            found.sort();
            wanted.sort_unstable();
            if theirs.contains("Makefile") {
                // Two ways, at the root and below.
                assert!(found.iter().all(|p| p.ends_with("Makefil[e]")), "{found:?}");
                continue;
            }
            assert_eq!(found, wanted, "{theirs}");
        }
        for refused in [r"^(?!x)", r"a{2}", r"(?i)a", r"\d+", r"\s", "(a", "a)", "(ab)*", "[^a]"] {
            assert!(search(refused).is_err(), "{refused}");
        }
    }

    proptest! {
        /// The regular expression itself is the oracle.
        #[test]
        fn what_comes_out_decides_as_the_expression(
            theirs in "\\^?([ab]|\\.\\*|\\.\\+|\\[\\^/\\]\\*|\\[\\^/\\]\\+|/|a\\?|\\(a\\|b/\\)|\\\\\\.){1,6}\\$?",
            path in "([ab]{1,2}/){0,3}([ab.]{0,2}[ab]|[ab]\\.)",
        ) {
            if let Ok(ours) = search(&theirs) {
                let set = GlobSet::parse(&ours, &RepoPath::root());
                prop_assume!(set.is_ok());
                let expected = regex::Regex::new(&theirs).unwrap().is_match(&path);
                prop_assert_eq!(set.unwrap().is_match(&RepoPath::from(path.as_str())), expected, "{} {:?}", theirs, ours);
            }
        }

        #[test]
        fn any_expression_is_translated_or_refused(theirs in "[\\^$.*+?()\\[\\]|\\\\/a-c#{} !]{0,24}") {
            let _ = search(&theirs);
        }
    }
}
