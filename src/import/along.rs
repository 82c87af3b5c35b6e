//! Files that take in other files, which take in others; names that have the name of a file before them, and commands that only
//! call others. Pure.
//!
//! Does not know: any format.

use super::Repository;
use super::draft::kind_of;
use crate::base::RepoPath;
use crate::config::model::Kind;
use std::collections::{BTreeSet, VecDeque};

/// More files than this are not read along.
const FILES_MAX: usize = 50;
/// Why a file is not read along.
pub(super) const NOT_HERE: &str = "there is no such file here to read, it takes itself in, or it would be more than 50";

/// One file to read.
pub(super) struct Source {
    /// The file.
    pub file: RepoPath,
    /// Its text.
    pub text: String,
    /// What its names begin with, where those who take it in put them below a name.
    pub prefix: String,
    /// The files by way of which it is taken in, itself the last.
    way: Vec<RepoPath>,
}

/// Files that are still to be read, each once for every prefix.
pub(super) struct Along<'a> {
    repo: &'a Repository<'a>,
    seen: BTreeSet<(String, RepoPath)>,
    waiting: VecDeque<Source>,
    /// The way of the file that was handed out last.
    way: Vec<RepoPath>,
}

impl<'a> Along<'a> {
    /// Begins with one file.
    pub fn from(file: &RepoPath, text: &str, repo: &'a Repository<'a>) -> Self {
        let first =
            Source { file: file.clone(), text: text.to_owned(), prefix: String::new(), way: vec![file.clone()] };
        let seen = BTreeSet::from([(String::new(), file.clone())]);
        Self { repo, seen, waiting: VecDeque::from([first]), way: vec![] }
    }

    /// The next file.
    pub fn next(&mut self) -> Option<Source> {
        let next = self.waiting.pop_front();
        self.way = next.as_ref().map(|next| next.way.clone()).unwrap_or_default();
        next
    }

    /// Adds a file that was not read yet, taken in by the one that was handed out last. False if it is not there, if it would
    /// take in itself below another name, or if there are too many.
    pub fn add(&mut self, file: Option<RepoPath>, prefix: &str) -> bool {
        let Some(file) = file.filter(|file| self.repo.has(file)) else { return false };
        let key = (prefix.to_owned(), file);
        if self.seen.contains(&key) {
            return true;
        }
        if self.way.contains(&key.1) {
            return false;
        }
        let Some(text) = (self.repo.text)(&key.1).filter(|_| self.seen.len() < FILES_MAX) else { return false };
        let way = [self.way.as_slice(), std::slice::from_ref(&key.1)].concat();
        self.waiting.push_back(Source { file: key.1.clone(), text, prefix: key.0.clone(), way });
        self.seen.insert(key)
    }
}

/// What these commands call, if each of them only calls others: `called` knows by its words what one does.
pub(super) fn only_calls<'a>(
    commands: impl Iterator<Item = &'a str>,
    called: impl Fn(&[&'a str]) -> Option<Vec<String>>,
) -> Option<Vec<String>> {
    let words = commands.map(|line| line.trim().trim_start_matches(['@', '+']).split_whitespace().collect::<Vec<_>>());
    words
        .filter(|words| !words.is_empty())
        .map(|words| called(&words))
        .collect::<Option<Vec<_>>>()
        .map(|all| all.concat())
}

/// What a task is for whose name has that of its file before its own: a file called `deploy` says it of all in it.
pub(super) fn kind_below(whole: &str, own: &str) -> Option<Kind> {
    let kind = kind_of(whole);
    if kind == Some(Kind::Deploy) { kind } else { kind_of(own).or(kind) }
}
