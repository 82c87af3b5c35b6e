//! What every importer makes: steps in the making, and what could not be carried over. Pure.
//!
//! Does not know: any format. Ids, patterns and loops are looked after later, in [`super::settle`].

use crate::base::RepoPath;
use crate::config::model::Kind;
use std::collections::BTreeMap;

/// One step, in the words of its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// What its source calls it: its id is made of this, and `needs` and `after` of the same source name it.
    pub key: String,
    /// What people read, if that is not the key.
    pub name: Option<String>,
    /// The command, for a shell.
    pub run: String,
    /// The shell is `bash` and not `sh`.
    pub bash: bool,
    /// The folder it runs in.
    pub dir: RepoPath,
    /// One instance for each of these folders; none: one step.
    pub for_each: Vec<RepoPath>,
    /// With `for_each`: it runs in `dir` all the same.
    pub in_dir: bool,
    /// What it is for.
    pub kind: Option<Kind>,
    /// Keys of steps whose results it uses; `^key`: of that step in the folders it depends on.
    pub needs: Vec<String>,
    /// Keys of steps it only follows.
    pub after: Vec<String>,
    /// wf's patterns of what it watches; empty: everything, or what an instance watches by itself.
    pub inputs: Vec<String>,
    /// Patterns that it watches besides what an instance watches by itself, which an instance does as long as they are in no
    /// instance's folder.
    pub also: Vec<String>,
    /// Regular expressions over paths that it does not watch.
    pub except: Vec<String>,
    /// wf's patterns of what it makes.
    pub outputs: Vec<String>,
    /// Variables: a value, or none to pass the caller's through.
    pub env: Vec<(String, Option<String>)>,
    /// Its result may be kept, because its source keeps results of it on the same grounds. Else `cache: false`.
    pub cached: bool,
    /// `10m`
    pub timeout: Option<String>,
    /// Its failure is a warning.
    pub allow_failure: bool,
    /// Steps with the same lock do not run together.
    pub lock: Option<&'static str>,
    /// Where it comes from, for the comment.
    pub why: String,
}

impl Draft {
    /// It watches every file, and no result of it is kept.
    pub(super) fn watch_everything(&mut self) {
        self.inputs = if self.for_each.is_empty() { vec![] } else { vec!["**".into()] };
        self.cached = false;
    }
}

/// Something of a source that wf does not do, or does in another way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// The file.
    pub file: RepoPath,
    /// Its line, from 1; 0: the file as a whole.
    pub line: u32,
    /// What it is.
    pub what: String,
    /// Why it is not carried over, or what became of it.
    pub why: String,
    /// What to do about it; may be empty.
    pub advice: String,
}

/// What came of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The word that tells its steps from those of another source that are called the same.
    pub label: &'static str,
    /// Steps, in the order of the source.
    pub steps: Vec<Draft>,
    /// Keys that are no steps on purpose, each with what it waited for: whoever waits for it waits for those.
    pub left_out: BTreeMap<String, Vec<String>>,
    /// What could not be carried over.
    pub lost: Vec<Lost>,
}

impl Imported {
    /// Nothing yet.
    pub(super) fn new(label: &'static str) -> Self {
        Self { label, ..Self::default() }
    }

    /// Says what is not carried over.
    pub(super) fn lose(
        &mut self,
        file: &RepoPath,
        line: u32,
        what: impl Into<String>,
        why: impl Into<String>,
        advice: impl Into<String>,
    ) {
        let (what, why, advice) = (what.into(), why.into(), advice.into());
        self.lost.push(Lost { file: file.clone(), line, what, why, advice });
    }

    /// The source cannot be read at all.
    pub(super) fn unreadable(mut self, file: &RepoPath, line: u32, why: impl Into<String>) -> Self {
        self.lose(file, line, "the file", why, "mend it and import again");
        self
    }
}

/// Words for changing the world outside: such a step runs only when it is asked for.
const DEPLOYS: [&str; 5] = ["deploy", "publish", "upload", "ship", "promote"];

/// What a step of this name is for, by the words in it; none if they do not say. It changes the world outside only where the
/// name says nothing else: a verb for that at its start or end, or `release` at its start, and no check beside it.
pub(super) fn kind_of(name: &str) -> Option<Kind> {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let has = |names: &[&str]| words.iter().any(|word| names.contains(word));
    let lints = has(&["lint", "format", "fmt", "check", "typecheck", "clippy", "types", "style"]);
    let tests = has(&["test", "tests", "unittest", "e2e", "coverage"]);
    let builds = has(&["build", "compile"]);
    let is_verb = |word: Option<&&str>| word.is_some_and(|word| DEPLOYS.contains(word));
    let deploys = if is_verb(words.first()) {
        // `deploy-test` and `upload-coverage` are no tests.
        !lints
    } else {
        (is_verb(words.last()) || words.first() == Some(&"release")) && !lints && !tests && !builds
    };
    if deploys && !has(&["dry", "dryrun"]) {
        return Some(Kind::Deploy);
    }
    if lints {
        return Some(Kind::Lint);
    }
    if tests {
        return Some(Kind::Test);
    }
    if has(&["docs", "doc"]) {
        return Some(Kind::Docs);
    }
    builds.then_some(Kind::Build)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_step_is_for() {
        for (name, kind) in [
            ("deploy-docs", Some(Kind::Deploy)),
            ("test:unit", Some(Kind::Test)),
            ("lint", Some(Kind::Lint)),
            ("Build all", Some(Kind::Build)),
            ("released", None),
            ("docs-deploy", Some(Kind::Deploy)),
            ("release", Some(Kind::Deploy)),
            ("release:github", Some(Kind::Deploy)),
            ("upload-coverage", Some(Kind::Deploy)),
            ("deploy-test", Some(Kind::Deploy)),
            ("test-release", Some(Kind::Test)),
            ("test:release", Some(Kind::Test)),
            ("build-release", Some(Kind::Build)),
            ("build:release", Some(Kind::Build)),
            ("release-build", Some(Kind::Build)),
            ("check-publish", Some(Kind::Lint)),
            ("publish-check", Some(Kind::Lint)),
            ("publish-dry-run", None),
            ("bench-release", None),
            ("greatest", None),
        ] {
            assert_eq!(kind_of(name), kind, "{name}");
        }
    }
}
