//! git's glob matching, as its ignore files need it: byte for byte the rules of git's own `wildmatch`. Pure.
//!
//! wf's own globs (`base::glob`) are another dialect; these are only for reading `.gitignore`.

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Match,
    No,
    /// No match here nor further right: stop trying, so that no pattern takes exponential time.
    AbortAll,
    /// No match before the next `/`: only a `**` to the left may go on.
    AbortToStarStar,
}

/// Does `pattern` match all of `text`? With `pathname`, `*`, `?` and classes do not match `/`, and `**` does.
pub(super) fn matches(pattern: &[u8], text: &[u8], pathname: bool) -> bool {
    wild(pattern, 0, text, pathname) == Found::Match
}

fn wild(pattern: &[u8], from: usize, mut text: &[u8], pathname: bool) -> Found {
    let at = |i: usize| pattern.get(i).copied();
    let mut p = from;
    while let Some(mut c) = at(p) {
        let first = text.first().copied();
        if first.is_none() && c != b'*' {
            return Found::AbortAll;
        }
        match c {
            b'?' if pathname && first == Some(b'/') => return Found::No,
            b'?' => {}
            b'*' => {
                let star = p;
                p += 1;
                let crosses = if at(p) == Some(b'*') {
                    while at(p) == Some(b'*') {
                        p += 1;
                    }
                    let opens = star == 0 || pattern[star - 1] == b'/';
                    let closes = matches!(at(p), None | Some(b'/')) || pattern[p..].starts_with(b"\\/");
                    // `**/` may also stand for no folder at all.
                    if pathname
                        && opens
                        && closes
                        && at(p) == Some(b'/')
                        && wild(pattern, p + 1, text, pathname) == Found::Match
                    {
                        return Found::Match;
                    }
                    !pathname || (opens && closes)
                } else {
                    !pathname
                };
                if at(p).is_none() {
                    return if crosses || !text.contains(&b'/') { Found::Match } else { Found::AbortToStarStar };
                }
                if !crosses && at(p) == Some(b'/') {
                    let Some(slash) = memchr::memchr(b'/', text) else { return Found::AbortAll };
                    text = &text[slash + 1..];
                    p += 1;
                    continue;
                }
                while let Some(&first) = text.first() {
                    match wild(pattern, p, text, pathname) {
                        Found::No if !crosses && first == b'/' => return Found::AbortToStarStar,
                        Found::No => {}
                        Found::AbortToStarStar if crosses => {}
                        found => return found,
                    }
                    text = &text[1..];
                }
                return Found::AbortAll;
            }
            b'[' => {
                let Some((matched, end)) = class(pattern, p, first.unwrap_or(0)) else { return Found::AbortAll };
                if !matched || (pathname && first == Some(b'/')) {
                    return Found::No;
                }
                p = end;
            }
            _ => {
                if c == b'\\' {
                    p += 1;
                    c = at(p).unwrap_or(0);
                }
                if first != Some(c) {
                    return Found::No;
                }
            }
        }
        text = &text[1..];
        p += 1;
    }
    if text.is_empty() { Found::Match } else { Found::No }
}

/// Reads the class that opens at `open`: does it hold `byte`, and where is its `]`? None for a broken one.
fn class(pattern: &[u8], open: usize, byte: u8) -> Option<(bool, usize)> {
    let at = |i: usize| pattern.get(i).copied();
    let mut p = open + 1;
    let negated = matches!(at(p), Some(b'!' | b'^'));
    p += usize::from(negated);
    let (mut matched, mut previous, mut opening) = (false, None, true);
    loop {
        let c = at(p)?;
        if c == b']' && !opening {
            return Some((matched != negated, p));
        }
        opening = false;
        previous = match c {
            b'\\' => {
                p += 1;
                let c = at(p)?;
                matched |= byte == c;
                Some(c)
            }
            b'-' if previous.is_some() && at(p + 1).is_some_and(|next| next != b']') => {
                p += 1;
                let mut last = at(p)?;
                if last == b'\\' {
                    p += 1;
                    last = at(p)?;
                }
                matched |= previous.is_some_and(|start| (start..=last).contains(&byte));
                None
            }
            b'[' if at(p + 1) == Some(b':') => {
                let start = p + 2;
                let end = start + memchr::memchr(b']', pattern.get(start..)?)?;
                if end > start && pattern[end - 1] == b':' {
                    matched |= posix(&pattern[start..end - 1], byte)?;
                    p = end;
                    None
                } else {
                    matched |= byte == b'[';
                    Some(b'[')
                }
            }
            c => {
                matched |= byte == c;
                Some(c)
            }
        };
        p += 1;
    }
}

fn posix(name: &[u8], byte: u8) -> Option<bool> {
    Some(match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_gits_own_table() {
        // (pattern, text, as a path, as a plain name): rows of git's t3070.
        for (pattern, text, path, plain) in [
            ("foo", "foo", true, true),
            ("foo", "bar", false, false),
            ("???", "foo", true, true),
            ("??", "foo", false, false),
            ("*", "foo", true, true),
            ("*f", "foo", false, false),
            ("*foo*", "foo", true, true),
            ("*ob*a*r*", "foobar", true, true),
            ("*ab", "aaaaaaabababab", true, true),
            ("foo\\*", "foo*", true, true),
            ("foo\\*bar", "foobar", false, false),
            ("f\\\\oo", "f\\oo", true, true),
            ("*[al]?", "ball", true, true),
            ("[ten]", "ten", false, false),
            ("**[!te]", "ten", true, true),
            ("t[a-g]n", "ten", true, true),
            ("t[!a-g]n", "ton", true, true),
            ("a[]]b", "a]b", true, true),
            ("a[]-]b", "a-b", true, true),
            ("a[]a-]b", "aab", true, true),
            ("]", "]", true, true),
            ("foo*bar", "foo/baz/bar", false, true),
            ("foo**bar", "foo/baz/bar", false, true),
            ("foo/**/bar", "foo/bar", true, false),
            ("foo/**/**/bar", "foo/b/a/z/bar", true, true),
            ("**/foo", "foo", true, false),
            ("**/bar*", "deep/foo/bar/baz", false, true),
            ("**/bar/*", "deep/foo/bar/baz/x", false, true),
            ("**/bar/**", "deep/foo/bar/baz/x", true, true),
            ("*/bar/**", "deep/foo/bar/baz/x", false, true),
            ("**/bar/*/*", "deep/foo/bar/baz/x", true, true),
            ("foo?bar", "foo/bar", false, true),
            ("foo[/]bar", "foo/bar", false, true),
            ("f[^eiu][^eiu][^eiu][^eiu][^eiu]r", "foo/bar", false, true),
            ("f[^eiu][^eiu][^eiu][^eiu][^eiu]r", "foo-bar", true, true),
            ("**/t[o]", "foo/bba/arr", false, false),
            ("[[:alpha:]][[:digit:]][[:upper:]]", "a1B", true, true),
            ("[[:digit:][:upper:][:space:]]", "A", true, true),
            ("[[:digit:][:upper:][:spaci:]]", "1", false, false),
            ("[a-c[:digit:]x-z]", "5", true, true),
            ("[\\\\-^]", "]", true, true),
            ("[\\-_]", "-", true, true),
            ("[!]a-]", "b", true, true),
            ("a[", "a[", false, false),
            ("-*-*-*-*-*-*-12-*-*-*-m-*-*-*", "-adobe-courier-bold-o-normal--12-120-75-75-m-70-iso8859-1", true, true),
            (
                "XXX/*/*/*/*/*/*/12/*/*/*/m/*/*/*",
                "XXX/adobe/courier/bold/o/normal//12/120/75/75/X/70/iso8859/1",
                false,
                false,
            ),
            ("**/*a*b*g*n*t", "abcd/abcdefg/abcdefghijk/abcdefghijklmnop.txt", true, true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), true), path, "{pattern} on {text}, as a path");
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), false), plain, "{pattern} on {text}, plain");
        }
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let pattern = "*a".repeat(60);
        let text = "a".repeat(50) + "b";
        assert!(!matches(pattern.as_bytes(), text.as_bytes(), true));
        assert!(!matches("**/a".repeat(30).as_bytes(), "a/".repeat(40).as_bytes(), true));
    }
}
