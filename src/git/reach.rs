//! History as the `git` command sees it now: also where a clone is shallow or partial, and while it is being deepened.
//!
//! libgit2 keeps in memory where history was cut short when it opened the repository; this asks anew each time. Does not
//! know: CI services, which commit is wanted.

use super::cli::Cli;
use super::{GitError, Repo};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// So many commits of either side are compared to find a squash merge.
const COMPARED: usize = 1_000;

/// Reads history through the `git` command.
#[derive(Debug)]
pub struct Reach<'r> {
    pub(super) cli: &'r Cli,
    shallow: PathBuf,
}

impl Repo {
    /// History as it is now.
    pub fn reach(&self) -> Reach<'_> {
        Reach { cli: &self.cli, shallow: self.common_dir.join("shallow") }
    }
}

impl Reach<'_> {
    /// The remote that CI fetched from: `origin`, or the only one.
    pub fn remote(&self) -> Option<String> {
        let said = self.cli.lines(&["remote"]).ok()?;
        let origin = said.iter().find(|name| *name == "origin").cloned();
        origin.or_else(|| if let [only] = &said[..] { Some(only.clone()) } else { None })
    }

    /// Is the remote one that left objects out, which git gets when they are asked for?
    pub fn is_partial(&self, remote: &str) -> bool {
        let setting = format!("remote.{remote}.promisor");
        self.cli.lines(&["config", "--type=bool", "--get", &setting]).is_ok_and(|said| said == ["true"])
    }

    /// The commit of a full reference name or a full commit name, if it is here.
    pub fn commit_of(&self, name: &str) -> Option<String> {
        let peeled = format!("{name}^{{commit}}");
        let said = self.cli.lines(&["rev-parse", "--verify", "--quiet", "--end-of-options", &peeled]).ok()?;
        let commit = said.into_iter().next()?;
        // A full name is taken for itself, whether or not there is such an object.
        self.cli.lines(&["cat-file", "-e", &commit]).is_ok().then_some(commit)
    }

    /// What a symbolic reference points at: `refs/remotes/origin/HEAD` → `refs/remotes/origin/main`.
    pub fn target_of(&self, name: &str) -> Option<String> {
        self.cli.lines(&["symbolic-ref", "--quiet", name]).ok()?.into_iter().next()
    }

    /// A commit's parents as it names them, here or not.
    ///
    /// # Errors
    /// There is no such commit.
    pub fn parents(&self, commit: &str) -> Result<Vec<String>, GitError> {
        let said = self.cli.lines(&["cat-file", "commit", commit])?;
        let head = said.iter().take_while(|line| !line.is_empty());
        Ok(head.filter_map(|line| line.strip_prefix("parent ").map(str::to_owned)).collect())
    }

    /// The best common ancestor within what is here.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn merge_base(&self, one: &str, two: &str) -> Result<Option<String>, GitError> {
        self.cli.merge_base(one, two)
    }

    /// Is `ancestor` the commit itself or one it descends from, as far as can be seen here?
    pub fn is_ancestor(&self, ancestor: &str, commit: &str) -> bool {
        self.cli.lines(&["merge-base", "--is-ancestor", ancestor, commit]).is_ok()
    }

    /// Where HEAD left a branch, by the branch's reflog.
    pub fn fork_point(&self, branch: &str, head: &str) -> Option<String> {
        self.cli.lines(&["merge-base", "--fork-point", branch, head]).ok()?.into_iter().next()
    }

    /// The ancestors of a commit, itself first, children before parents.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn ancestors(&self, commit: &str, limit: usize) -> Result<Vec<String>, GitError> {
        self.cli.ancestors(commit, limit)
    }

    /// Is history cut short anywhere?
    pub fn is_shallow(&self) -> bool {
        !self.roots().is_empty()
    }

    /// How many commits are behind one here, itself included. No path through them is longer.
    pub fn depth(&self, commit: &str) -> u32 {
        let said = self.cli.lines(&["rev-list", "--count", "--end-of-options", commit]).unwrap_or_default();
        said.first().and_then(|count| count.parse().ok()).unwrap_or(1)
    }

    /// Is this common ancestor the best one, whatever lies beyond where history is cut short? It is, if nothing that lies
    /// between it and the two is cut.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn is_settled(&self, one: &str, two: &str, base: &str) -> Result<bool, GitError> {
        let roots = self.roots();
        if roots.is_empty() {
            return Ok(true);
        }
        let between = self.cli.lines(&["rev-list", "--end-of-options", one, two, &format!("^{base}")])?;
        Ok(!between.iter().any(|commit| roots.contains(commit)))
    }

    /// The newest of `mine` (a commit and its ancestors, back to `base`) that has the same files as a commit of `theirs`
    /// since `base`: (mine, theirs). This is how a squash merge or a rebase is recognised.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn same_files(&self, mine: &str, theirs: &str, base: &str) -> Result<Option<(String, String)>, GitError> {
        let trees = |of: &str, first_parent: bool| -> Result<Vec<(String, String)>, GitError> {
            let (most, not) = (format!("--max-count={COMPARED}"), format!("^{base}"));
            let mut args = vec!["log", "--no-show-signature", "--topo-order", "--format=%H %T", &most];
            args.extend(first_parent.then_some("--first-parent"));
            args.extend(["--end-of-options", of, &not, "--"]);
            let said = self.cli.lines(&args)?;
            Ok(said.iter().filter_map(|line| line.split_once(' ')).map(|(c, t)| (c.to_owned(), t.to_owned())).collect())
        };
        let theirs: BTreeMap<String, String> =
            trees(theirs, true)?.into_iter().rev().map(|(commit, tree)| (tree, commit)).collect();
        let mut mine = trees(mine, false)?.into_iter();
        Ok(mine.find_map(|(commit, tree)| Some((commit, theirs.get(&tree)?.clone()))))
    }

    /// The commits whose parents are left out.
    fn roots(&self) -> BTreeSet<String> {
        let text = std::fs::read_to_string(&self.shallow).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
