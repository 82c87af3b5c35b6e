//! A clone as far as it reaches, and further in steps where the remote may be asked.

use crate::ci::{Branch, Commit, Outcome, Why};
use crate::git::{Depth, GitError, Reach};
use std::collections::BTreeSet;

/// So many commits more than there are, step after step; then everything. Each is enough for most branches that the one
/// before was too short for, and together they cost little more than the last.
const STEPS: [u32; 3] = [50, 200, 1_000];

/// A clone that may be shallow.
pub struct Deepening<'a, 'r> {
    /// Its history, as it is now.
    pub reach: Reach<'r>,
    /// The explanation.
    pub why: &'a mut Vec<Why>,
    head: String,
    remote: Option<String>,
    /// May the remote be asked? No more once it did not answer.
    ask: bool,
    /// The server gives no commits by their names, only branches.
    by_name: bool,
}

/// What git says when a server answers, but has not got what was asked for: `fetch-pack.c`, `upload-pack.c`, `remote.c`.
const HAS_NOT: [&str; 3] = ["couldn't find remote ref", "not our ref", "unadvertised object"];

impl<'a, 'r> Deepening<'a, 'r> {
    /// Of the commit that is built.
    pub fn new(reach: Reach<'r>, head: String, ask: bool, why: &'a mut Vec<Why>) -> Self {
        let remote = reach.remote();
        Self { ask: ask && remote.is_some(), reach, why, head, remote, by_name: false }
    }

    /// The full name of the reference that stands for a branch here.
    pub fn tracking(&self, branch: &Branch) -> String {
        match &self.remote {
            Some(remote) => format!("refs/remotes/{remote}/{branch}"),
            None => format!("refs/heads/{branch}"),
        }
    }

    /// The newest commit of a branch that is here: the remote's, because that is what CI guards, else the local one.
    pub fn tip(&self, branch: &Branch) -> Option<String> {
        let local = || self.reach.commit_of(&format!("refs/heads/{branch}"));
        self.reach.commit_of(&self.tracking(branch)).or_else(|| local().filter(|_| !self.ask))
    }

    /// The remote's default branch: as it is remembered here, else by asking.
    pub fn default_of_remote(&mut self) -> Option<Branch> {
        let remote = self.remote.clone()?;
        let start = format!("refs/remotes/{remote}/");
        let remembered = self.reach.target_of(&format!("{start}HEAD"));
        if let Some(name) = remembered.as_deref().and_then(|name| Branch::new(name.strip_prefix(&start)?)) {
            return Some(name);
        }
        if !self.ask {
            return None;
        }
        let said = self.reach.default_of(&remote);
        self.told("which branch is the default one".into(), None, said.as_ref().err());
        said.ok().flatten().as_deref().and_then(Branch::new)
    }

    /// The best common ancestor of HEAD and a branch. `known` stands in for the branch where that cannot be had.
    pub fn merge_base(&mut self, branch: &Branch, known: Option<&Commit>) -> Result<Outcome, GitError> {
        if self.tip(branch).is_none() && self.ask {
            let depth = self.reach.is_shallow().then(|| self.reach.depth(&self.head).saturating_add(STEPS[0]));
            let head = self.head.clone();
            let more = depth.map(|_| head.as_str());
            self.fetch(Some(branch), more.as_slice(), depth.map_or(Depth::AsItIs, Depth::Of));
            // A server that gives no commits by their names may still give the branch.
            if self.by_name && self.tip(branch).is_none() {
                self.fetch(Some(branch), &[], depth.map_or(Depth::AsItIs, Depth::Of));
            }
        }
        let local = self.reach.commit_of(&format!("refs/heads/{branch}"));
        let tip = self.tip(branch).or(local);
        let known =
            known.filter(|known| tip.is_none() && self.bring(known.as_str())).map(|known| known.as_str().to_owned());
        let Some(tip) = tip.or(known) else { return Ok(Outcome::NoBranch) };
        let head = self.head.clone();
        let mut found = self.reach.merge_base(&head, &tip)?;
        let mut settled = self.settled(&tip, found.as_deref())?;
        let mut steps = STEPS.iter().map(|step| Some(*step)).chain([None]);
        while !settled && self.ask && self.reach.is_shallow() {
            let Some(step) = steps.next() else { break };
            // All of history is not fetched only to find a nearer base than one that is sound already.
            if step.is_none() && found.is_some() {
                break;
            }
            let here = self.reach.depth(&head).max(self.reach.depth(&tip));
            let depth = step.map_or(Depth::Whole, |step| Depth::Of(here.saturating_add(step)));
            if self.by_name {
                self.fetch(Some(branch), &[], depth);
            } else {
                // By their names, both: git leaves out a branch that it has already if a commit is named beside it.
                self.fetch(None, &[&head, &tip], depth);
            }
            found = self.reach.merge_base(&head, &tip)?;
            settled = self.settled(&tip, found.as_deref())?;
        }
        Ok(match found {
            Some(commit) => Outcome::Found { commit, perhaps_better: !settled },
            None if self.reach.is_shallow() => Outcome::Shallow,
            None => Outcome::Unrelated,
        })
    }

    fn settled(&self, tip: &str, base: Option<&str>) -> Result<bool, GitError> {
        base.map_or(Ok(false), |base| self.reach.is_settled(&self.head, tip, base))
    }

    /// The newest ancestor of HEAD (or HEAD itself) among these commits.
    pub fn newest_of(&mut self, commits: &BTreeSet<String>, limit: usize) -> Result<Option<String>, GitError> {
        if commits.is_empty() {
            return Ok(None);
        }
        self.until(|this| {
            let ancestors = this.reach.ancestors(&this.head, limit)?;
            Ok(ancestors.into_iter().find(|commit| commits.contains(commit)))
        })
    }

    /// Is a commit an ancestor of HEAD?
    pub fn ancestor(&mut self, commit: &Commit) -> Result<Outcome, GitError> {
        let commit = commit.as_str();
        let found = self.until(|this| Ok(this.reach.is_ancestor(commit, &this.head).then(|| commit.to_owned())))?;
        Ok(found.map_or(Outcome::NotAnAncestor, |commit| Outcome::Found { commit, perhaps_better: false }))
    }

    /// Looks, and again with more of HEAD's history until something is found; not with all of it, because there may be
    /// nothing to find.
    fn until(&mut self, look: impl Fn(&Self) -> Result<Option<String>, GitError>) -> Result<Option<String>, GitError> {
        let mut found = look(self)?;
        for step in STEPS {
            if found.is_some() || !self.ask || self.by_name || !self.reach.is_shallow() {
                break;
            }
            let head = self.head.clone();
            let depth = Depth::Of(self.reach.depth(&head).saturating_add(step));
            self.fetch(None, &[&head], depth);
            found = look(self)?;
        }
        Ok(found)
    }

    /// Makes sure that a commit is here. One that is only named is fetched alone.
    pub fn bring(&mut self, commit: &str) -> bool {
        let here = |this: &Self| this.reach.commit_of(commit).is_some();
        if !here(self) && self.ask {
            let depth = if self.reach.is_shallow() { Depth::Of(1) } else { Depth::AsItIs };
            self.fetch(None, &[commit], depth);
        }
        here(self)
    }

    /// Lets a partial clone get at once what differs.
    pub fn complete(self, base: &str, head: &str) {
        let Self { reach, why, remote, ask, .. } = self;
        let Some(remote) = remote.filter(|remote| ask && reach.is_partial(remote)) else { return };
        let error = reach.complete(base, head).err();
        why.push(Why::Fetched { what: format!("from {remote}: what differs from the base"), depth: None, error });
    }

    fn fetch(&mut self, branch: Option<&Branch>, commits: &[&str], depth: Depth) {
        let Some(remote) = self.remote.clone() else { return };
        if branch.is_none() && commits.is_empty() {
            return;
        }
        let error = self.reach.fetch(&remote, branch.map(Branch::as_str), commits, depth).err();
        let short = commits.iter().map(|commit| commit.chars().take(10).collect::<String>());
        let names: Vec<String> = branch.map(Branch::to_string).into_iter().chain(short).collect();
        let more = if depth == Depth::Whole { ", all of it" } else { "" };
        let depth = if let Depth::Of(depth) = depth { Some(depth) } else { None };
        self.told(format!("from {remote}: {}{more}", names.join(" and ")), depth, error.as_ref());
    }

    /// Keeps what was asked; a remote that fails is asked no more.
    fn told(&mut self, what: String, depth: Option<u32>, error: Option<&String>) {
        let answered = error.is_some_and(|error| HAS_NOT.iter().any(|words| error.contains(words)));
        self.by_name |= answered && !error.is_some_and(|error| error.contains(HAS_NOT[0]));
        self.ask &= error.is_none() || answered;
        self.why.push(Why::Fetched { what, depth, error: error.cloned() });
    }
}
