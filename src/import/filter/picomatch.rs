//! Filters of `dorny/paths-filter` and `tj-actions/changed-files`: picomatch with dot files. Pure.
//!
//! `**` is a segment of its own, else it is `*`; `a/**` matches `a` itself, too; braces and brackets are wf's.

use super::{Translated, file_only};

/// What a file has to match: `predicate-quantifier` of dorny/paths-filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Quantifier {
    /// One of the patterns.
    Some,
    /// All of them.
    Every,
}

/// The patterns of one rule of dorny/paths-filter. By default each stands alone, so that `!p` is everything but `p`.
///
/// # Errors
/// Why wf's dialect cannot say it.
pub(in super::super) fn dorny(patterns: &[&str], quantifier: Quantifier) -> Translated {
    let negated: Vec<&str> = patterns.iter().filter_map(|pattern| pattern.strip_prefix('!')).collect();
    let positive: Vec<&str> = patterns.iter().filter(|pattern| !pattern.starts_with('!')).copied().collect();
    let all_but = |negated: &[&str], of: Vec<String>| -> Translated {
        let mut out = of;
        for pattern in negated {
            out.extend(taken(pattern)?);
        }
        Ok(out)
    };
    match quantifier {
        Quantifier::Some if negated.len() > 1 => {
            Err("two `!` patterns of which a file has to match one match nearly every file".into())
        }
        Quantifier::Some => {
            let mut out = if negated.is_empty() { vec![] } else { all_but(&negated, vec!["**".into()])? };
            for pattern in positive {
                out.extend(one(pattern)?);
            }
            Ok(out)
        }
        Quantifier::Every => match positive[..] {
            [] => all_but(&negated, vec!["**".into()]),
            [single] => all_but(&negated, one(single)?),
            _ => Err("several patterns that a file has to match all cannot be said".into()),
        },
    }
}

/// The patterns of tj-actions/changed-files, in order: the last that matches wins.
///
/// # Errors
/// Why wf's dialect cannot say it.
pub(in super::super) fn changed_files(patterns: &[&str], ignored: &[&str]) -> Translated {
    let mut out: Vec<String> = vec![];
    if patterns.first().is_none_or(|pattern| pattern.starts_with('!')) {
        out.push("**".into());
    }
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(body) => out.extend(taken(body)?),
            None => out.extend(one(pattern)?),
        }
    }
    for pattern in ignored {
        out.extend(taken(pattern)?);
    }
    Ok(out)
}

/// What a pattern takes away: of a plain name the file, unless it says that it means what is below.
fn taken(pattern: &str) -> Translated {
    let below = pattern.ends_with("/**");
    let taken = |pattern: String| format!("!{}", if below { pattern } else { file_only(&pattern) });
    Ok(one(pattern)?.into_iter().map(taken).collect())
}

/// One pattern without its `!`.
fn one(pattern: &str) -> Result<Vec<String>, String> {
    let refuse = |why: &str| Err(format!("`{pattern}`: {why}"));
    if pattern.is_empty() {
        return refuse("it is empty");
    }
    if pattern.contains(['(', ')', '|']) {
        return refuse("groups and extended globs cannot be said");
    }
    if pattern.contains("..") {
        return refuse("ranges in braces and `..` cannot be said");
    }
    let segments: Vec<String> = pattern.split('/').map(segment).collect();
    if segments.iter().any(|segment| segment.is_empty() || segment == ".") {
        return refuse("it matches no path");
    }
    match &segments[..] {
        [folder @ .., last, deep] if deep == "**" => {
            let place = [folder, std::slice::from_ref(last)].concat().join("/");
            // A plain name means what is below it, too.
            let plain = !last.contains(['*', '?', '[', ']', '{', '}', '\\']);
            Ok(if plain { vec![place] } else { vec![place.clone(), format!("{place}/**")] })
        }
        _ => Ok(vec![segments.join("/")]),
    }
}

/// A segment in which `**` is not alone has only `*`.
fn segment(text: &str) -> String {
    if text == "**" {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        if !(c == '*' && out.ends_with('*') && !out.ends_with("\\*")) {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_become_patterns() {
        let some = |patterns: &[&str]| dorny(patterns, Quantifier::Some).map(|list| list.join(" "));
        assert_eq!(some(&["src/**", "a.md"]).unwrap(), "src a.md");
        assert_eq!(some(&["!**/*.md"]).unwrap(), "** !**/*.md");
        assert_eq!(some(&["!**/*.md", "docs/keep.md"]).unwrap(), "** !**/*.md docs/keep.md");
        // A file called so, never a folder.
        assert_eq!(some(&["!docs"]).unwrap(), "** !doc[s]");
        assert_eq!(some(&["!docs/**"]).unwrap(), "** !docs");
        assert_eq!(some(&["!**/docs", "gen"]).unwrap(), "** !**/doc[s] gen");
        assert_eq!(some(&["p*/**", "**.md"]).unwrap(), "p* p*/** *.md");
        assert!(some(&["!a", "!b"]).is_err() && some(&["!(a)"]).is_err() && some(&["{1..3}"]).is_err());
        let every = |patterns: &[&str]| dorny(patterns, Quantifier::Every).map(|list| list.join(" "));
        assert_eq!(every(&["src/**", "!**/*.md", "!**/*.txt"]).unwrap(), "src !**/*.md !**/*.txt");
        assert_eq!(every(&["!**/*.md"]).unwrap(), "** !**/*.md");
        assert!(every(&["a", "b"]).is_err());
    }

    #[test]
    fn changed_files_go_by_order() {
        let list = changed_files(&["docs/**", "!docs/x.md", "**/**.py"], &["tests/**"]).unwrap();
        assert_eq!(list, ["docs", "!docs/x.md", "**/*.py", "!tests"]);
        assert_eq!(changed_files(&[], &["a", "b/**"]).unwrap(), ["**", "![a]", "!b"]);
        assert_eq!(changed_files(&["**", "!gen"], &[]).unwrap(), ["**", "!ge[n]"]);
    }
}
