//! `paths` and `paths-ignore` of GitHub Actions. Pure.
//!
//! The dialect, by GitHub's documentation ("Workflow syntax: filter pattern cheat sheet"): `*` any characters but `/`, `**`
//! any characters, `?` none or one of the preceding character, `+` one or more of it, `[]` one of a set, `!` at the start
//! subtracts, and the last pattern that matches wins. Braces mean themselves.

use super::token::{Token, spread};
use super::{Translated, file_only};

/// A list of patterns, in order.
///
/// # Errors
/// The first pattern that wf's dialect cannot say.
pub(in super::super) fn paths(patterns: &[&str]) -> Translated {
    if !patterns.is_empty() && patterns.iter().all(|pattern| pattern.starts_with('!')) {
        return Err("it has only `!` patterns, and GitHub runs such a workflow never".into());
    }
    list(patterns, false)
}

/// A list of patterns that are left out.
///
/// # Errors
/// The first pattern that wf's dialect cannot say.
pub(in super::super) fn paths_ignore(patterns: &[&str]) -> Translated {
    list(patterns, true)
}

fn list(patterns: &[&str], ignore: bool) -> Translated {
    let mut out = if ignore { vec!["**".to_owned()] } else { vec![] };
    for pattern in patterns {
        let (negated, body) = pattern.strip_prefix('!').map_or((false, *pattern), |body| (true, body));
        let mark = if negated == ignore { "" } else { "!" };
        let translated = one(body).map_err(|why| format!("`{pattern}`: {why}"))?;
        // Without wildcards it names one place, of which the repository says whether it is a folder.
        let anywhere = body.contains(['*', '?', '[']);
        let placed = |pattern: String| if anywhere && mark == "!" { file_only(&pattern) } else { pattern };
        out.extend(translated.into_iter().map(|pattern| format!("{mark}{}", placed(pattern))));
    }
    Ok(out)
}

/// One pattern without its `!`.
fn one(pattern: &str) -> Result<Vec<String>, String> {
    let mut segments: Vec<Vec<Token>> = vec![vec![]];
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let segment = segments.last_mut().ok_or("it is empty")?;
        let token = match c {
            '/' => {
                segments.push(vec![]);
                continue;
            }
            '*' => {
                let mut token = Token::Star;
                while chars.next_if_eq(&'*').is_some() {
                    token = Token::Deep;
                }
                token
            }
            '[' => Token::Class(class(&mut chars)?),
            '\\' => Token::Char(chars.next().ok_or("a backslash at its end")?),
            '+' => return Err("`+` (one or more of the character before) cannot be said".into()),
            '?' => {
                let before = segment.pop().ok_or("a `?` without a character before it")?;
                if matches!(before, Token::Star | Token::Deep | Token::Maybe(_)) {
                    return Err("a `?` after a wildcard cannot be said".into());
                }
                Token::Maybe(Box::new(before))
            }
            c => Token::Char(c),
        };
        segment.push(token);
    }
    if segments.iter().any(|segment| matches!(segment[..], [Token::Char('.')] | [Token::Char('.'), Token::Char('.')])) {
        return Err("paths have no `.` and `..`, so that GitHub never matches it".into());
    }
    spread(segments)
}

/// What is between brackets, up to the closing one.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut inside = String::new();
    loop {
        match chars.next() {
            Some(']') if !inside.is_empty() => return Ok(inside),
            Some(c) if c.is_ascii_alphanumeric() || "-_.".contains(c) => inside.push(c),
            Some(c) => return Err(format!("`{c}` between brackets")),
            None => return Err("a bracket that is not closed".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{GlobSet, RepoPath};
    use proptest::prelude::*;

    #[test]
    fn patterns_become_wfs() {
        for (theirs, ours) in [
            ("docs/**", "docs/**"),
            ("**/*.md", "**/*.md"),
            ("**.md", "**/*.md"),
            ("src/**.py", "src/**/*.py"),
            ("vendor/esbuild**", "vendor/esbuild* vendor/esbuild*/**"),
            ("**requirements.txt", "**/*requirements.txt"),
            (".github/workflows/*.ya?ml", ".github/workflows/*.y{a,}ml"),
            ("**/*.yaml?", "**/*.yam{l,}"),
            ("a**b", "a*b a*/**/*b"),
            ("a{b,c}", "a\\{b,c\\}"),
            ("[CB]at", "[CB]at"),
        ] {
            assert_eq!(paths(&[theirs]).unwrap().join(" "), ours, "{theirs}");
        }
        assert_eq!(paths(&["a/**", "!a/b", "a/b/c"]).unwrap(), ["a/**", "!a/b", "a/b/c"]);
        assert_eq!(paths_ignore(&["docs/**", "!docs/x"]).unwrap(), ["**", "!docs/**", "docs/x"]);
        // What is taken away is a file, and never a folder.
        for (theirs, ours) in
            [("**/docs", "**/doc[s]"), ("*/gen", "*/ge[n]"), ("**/.venv", "**/.ven[v]"), ("**/a.md", "**/a.md")]
        {
            assert_eq!(paths(&["**", &format!("!{theirs}")]).unwrap(), ["**", &format!("!{ours}")]);
            assert_eq!(paths_ignore(&[theirs]).unwrap(), ["**", &format!("!{ours}")]);
            assert_eq!(paths(&[theirs]).unwrap(), [theirs]);
        }
        for refused in ["a+", "*?", "[^a]", "/a", "./a", "a//b", "[a", "a\\", "?"] {
            assert!(paths(&[refused]).is_err(), "{refused}");
        }
        assert!(paths(&["!a"]).is_err());
    }

    /// GitHub's rules, character by character, for patterns without folders at their end.
    fn matches(pattern: &[char], path: &[char]) -> bool {
        match pattern {
            [] => path.is_empty(),
            ['*', '*', rest @ ..] => (0..=path.len()).any(|n| matches(rest, &path[n..])),
            ['*', rest @ ..] => {
                let most = path.iter().position(|c| *c == '/').unwrap_or(path.len());
                (0..=most).any(|n| matches(rest, &path[n..]))
            }
            [c, '?', rest @ ..] => (path.first() == Some(c) && matches(rest, &path[1..])) || matches(rest, path),
            [c, rest @ ..] => path.first() == Some(c) && matches(rest, &path[1..]),
        }
    }

    proptest! {
        #[test]
        fn what_comes_out_decides_as_github_does(pattern in "([ab]|a\\?|\\*\\*?|/){1,6}x", path in "[ab](/?[ab]){0,4}(/?x)") {
            // `**/` at the start or between slashes may be nothing: the documentation says so, and the rules above do not.
            prop_assume!(!pattern.contains("***") && !pattern.contains("**/") && !pattern.contains("/?"));
            if let Ok(ours) = paths(&[&pattern]) {
                let set = GlobSet::parse(&ours, &RepoPath::root()).unwrap();
                let (theirs, chars): (Vec<char>, Vec<char>) = (pattern.chars().collect(), path.chars().collect());
                prop_assert_eq!(set.is_match(&RepoPath::from(path.as_str())), matches(&theirs, &chars), "{:?}", ours);
            }
        }
    }
}
