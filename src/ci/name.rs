//! Names of branches and commits that came from outside, and are what they claim to be. Pure.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest name of a branch that is taken, in bytes: file systems allow 255 for each part, git 4,096 for all.
const LONGEST: usize = 1_024;

/// A commit's full name: 40 hexadecimal digits, or 64 (SHA-256), and not all of them zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Commit(String);

impl Commit {
    /// Takes a name; none if it is no full one, or the one that stands for "no commit".
    pub fn new(text: &str) -> Option<Self> {
        let hex = [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (hex && text.bytes().any(|byte| byte != b'0')).then(|| Self(text.to_ascii_lowercase()))
    }

    /// Does a text stand for "no commit"?
    pub fn is_zero(text: &str) -> bool {
        [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte == b'0')
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A branch's name as `git check-ref-format --branch` allows it: it begins with no dash, has no control characters, no
/// space and nothing that git takes for an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Branch(String);

impl Branch {
    /// Takes a name, with or without `refs/heads/` before it.
    pub fn new(text: &str) -> Option<Self> {
        let name = text.strip_prefix("refs/heads/").unwrap_or(text);
        let odd = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
        // `.lock` in exactly this spelling: a lock file of a reference would have the same name.
        let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none();
        let fine = !name.is_empty()
            && name.len() <= LONGEST
            && !name.starts_with('-')
            && !name.starts_with("refs/")
            && name != "@"
            && name != "HEAD"
            && !name.contains(odd)
            && !name.contains("..")
            && !name.contains("@{")
            && !name.ends_with('.')
            && name.split('/').all(part);
        fine.then(|| Self(name.to_owned()))
    }

    /// The name, without `refs/heads/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..10])
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_git_could_have_made_is_a_branch() {
        for good in ["main", "release/1.2", "dependabot/npm/x-1", "ünï", "a.b", "refs/heads/main"] {
            assert!(Branch::new(good).is_some(), "{good}");
        }
        let long = "x".repeat(LONGEST + 1);
        for bad in [
            "",
            "-x",
            "--upload-pack=touch x",
            "a b",
            "a\nb",
            "a..b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.",
            "@",
            "HEAD",
            "a@{1}",
            "\u{1b}[31m",
            "refs/tags/v1",
            "refs/heads/-x",
            long.as_str(),
        ] {
            assert!(Branch::new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn commits_are_full_names_and_not_nothing() {
        let sha = "A1".repeat(20);
        assert_eq!(Commit::new(&sha).unwrap().as_str(), "a1".repeat(20));
        assert!(Commit::new(&"a1".repeat(32)).is_some());
        let zero = "0".repeat(40);
        assert!(Commit::new(&zero).is_none() && Commit::is_zero(&zero));
        for bad in ["", "HEAD", "a1b2", "--all", &"g".repeat(40), &format!("{}\n", "a".repeat(39))] {
            assert!(Commit::new(bad).is_none() && !Commit::is_zero(bad), "{bad:?}");
        }
    }
}
