//! What git tells a `pre-push` hook: one line for each reference that is pushed.
//!
//! Does not know: what is done with it. The format is that of githooks(5): `<local ref> <local object name> <remote
//! ref> <remote object name>`, with zeros where there is none.

/// A commit that is to be pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The reference here.
    pub name: String,
    /// Its commit.
    pub commit: String,
    /// What the other side has under that name; none if nothing.
    pub theirs: Option<String>,
}

/// Reads the lines. What is deleted over there is no news here; a line that is none is passed over.
pub fn parse(lines: &str) -> Vec<Pushed> {
    let nothing = |name: &str| name.bytes().all(|digit| digit == b'0');
    let read = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (name, commit) = (words.next()?, words.next()?);
        let theirs = words.nth(1)?;
        (!nothing(commit)).then(|| Pushed {
            name: name.to_owned(),
            commit: commit.to_owned(),
            theirs: (!nothing(theirs)).then(|| theirs.to_owned()),
        })
    };
    let mut all: Vec<Pushed> = lines.lines().filter_map(read).collect();
    // Branches and tags of one commit are checked once.
    let mut seen = std::collections::HashSet::new();
    all.retain(|pushed| seen.insert(pushed.commit.clone()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_deletions_and_repetitions_are_not() {
        let (one, two, zero) = ("1".repeat(40), "2".repeat(40), "0".repeat(40));
        let text = format!(
            "refs/heads/a {one} refs/heads/a {two}\n(delete) {zero} refs/heads/b {two}\nrefs/tags/t {one} refs/tags/t {zero}\n\
             refs/heads/n {two} refs/heads/n {zero}\nnonsense\n\n"
        );
        let told = parse(&text);
        assert_eq!(told.len(), 2);
        assert_eq!(told[0], Pushed { name: "refs/heads/a".into(), commit: one, theirs: Some(two.clone()) });
        assert_eq!(told[1], Pushed { name: "refs/heads/n".into(), commit: two, theirs: None });
    }
}
