//! Path filters of other tools as wf's patterns. Pure.
//!
//! Each dialect is translated exactly or not at all: a step whose filter cannot be said in wf's patterns watches
//! everything, and its importer says so. Does not know: who uses a filter.

pub(super) mod github;
pub(super) mod picomatch;
pub(super) mod python;
mod token;

/// wf's patterns, or why there are none.
pub(super) type Translated = Result<Vec<String>, String>;

/// Patterns for what either list matches: exact unless both subtract, and then more than either.
pub(super) fn union(first: &[String], second: &[String]) -> Vec<String> {
    let subtracts = |list: &[String]| list.iter().any(|pattern| pattern.starts_with('!'));
    let (first, second) = if subtracts(second) && !subtracts(first) { (second, first) } else { (first, second) };
    let mut all = first.to_vec();
    let adds = second.iter().filter(|pattern| !pattern.starts_with('!'));
    if subtracts(&all) {
        all.extend(adds.cloned());
    } else {
        all.extend(adds.filter(|pattern| !first.contains(pattern)).cloned());
    }
    all
}

/// A folder or file as a pattern that names it and no other; none if it is not UTF-8.
pub(super) fn literal(path: &crate::base::RepoPath) -> Option<String> {
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    let special = |c: char| if "*?[]{}!\\".contains(c) { vec!['\\', c] } else { vec![c] };
    Some(text.chars().flat_map(special).collect())
}

/// The same pattern with the last character of a plain name between brackets, if what it names looks like a folder: to other
/// tools it is a file of that name, and to wf also what is below a folder of that name.
fn file_only(pattern: &str) -> String {
    let name = pattern.rsplit('/').next().unwrap_or(pattern);
    let plain = !name.contains(['*', '?', '[', '{', '\\']) && !name.trim_start_matches('.').contains('.');
    match pattern.char_indices().next_back() {
        Some((at, c)) if plain && c.is_ascii_alphanumeric() => format!("{}[{c}]", &pattern[..at]),
        _ => pattern.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(|p| (*p).to_owned()).collect()
    }

    #[test]
    fn a_union_never_takes_away() {
        assert_eq!(union(&list(&["a", "b"]), &list(&["b", "c"])), ["a", "b", "c"]);
        assert_eq!(union(&list(&["a"]), &list(&["**", "!a"])), ["**", "!a", "a"]);
        assert_eq!(union(&list(&["**", "!a"]), &list(&["**", "!b"])), ["**", "!a", "**"]);
    }
}
