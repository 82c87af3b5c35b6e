//! What git tells a `pre-push` hook: one line for each reference that is pushed.
//!
//! Does not know: what is done with it. The format is that of githooks(5): `<local ref> <local object name> <remote
//! ref> <remote object name>`, with zeros where there is none.

/// An object that is to be pushed: a commit, or a tag of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The reference here.
    pub name: String,
    /// What it names: of an annotated tag, the tag itself.
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
    lines.lines().filter_map(read).collect()
}

/// The same with every tag followed to its commit (`commit_of`), and each commit once: branches and tags of one commit are
/// one thing to check. What is no commit (a tag of a tree or a file) is nothing that steps could look at.
pub fn commits(pushed: Vec<Pushed>, commit_of: impl Fn(&str) -> Option<String>) -> Vec<Pushed> {
    let mut seen = std::collections::HashSet::new();
    let mut all: Vec<Pushed> = vec![];
    for one in pushed {
        let Some(commit) = commit_of(&one.commit) else { continue };
        let theirs = one.theirs.and_then(|theirs| commit_of(&theirs));
        if seen.insert(commit.clone()) {
            all.push(Pushed { commit, theirs, ..one });
        }
    }
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
        let told = commits(parse(&text), |name| Some(name.to_owned()));
        assert_eq!(told.len(), 2);
        assert_eq!(told[0], Pushed { name: "refs/heads/a".into(), commit: one, theirs: Some(two.clone()) });
        assert_eq!(told[1], Pushed { name: "refs/heads/n".into(), commit: two, theirs: None });
    }

    #[test]
    fn a_tag_is_its_commit_and_what_has_none_is_nothing() {
        let told = parse(
            "refs/tags/t aa refs/tags/t 00\nrefs/heads/m bb refs/heads/m cc\nrefs/tags/tree dd refs/tags/tree 00",
        );
        let peeled = |name: &str| match name {
            "aa" | "bb" => Some("bb".to_owned()),
            "dd" => None,
            other => Some(other.to_owned()),
        };
        let told = commits(told, peeled);
        assert_eq!(told, [Pushed { name: "refs/tags/t".into(), commit: "bb".into(), theirs: None }]);
    }
}
