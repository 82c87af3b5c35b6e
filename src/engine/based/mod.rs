//! The base of a build in CI: its candidates one after another, until one holds.
//!
//! What is trusted is what CI guards anyway: a commit of the default branch, while something else is built. Everything
//! else is a base only if recorded runs speak for it, step by step. Each line of the way is kept for
//! `wf changes --why`. Does not know: what a service's variables are called.

mod deepen;

use crate::base::RunId;
use crate::change::{Base, BaseHow};
use crate::ci::{self, Branch, Candidate, Commit, Event, Outcome, Situation, Why};
use crate::event::{EventKind, WarningCode};
use crate::git::{NoBase, Repo};
use deepen::Deepening;
use std::collections::BTreeMap;

/// Tried in this order when nobody says which branch is the default one.
const USUAL: [&str; 2] = ["main", "master"];
/// So far back a green ancestor is looked for.
const ANCESTORS: usize = 10_000;

/// What a build's base is looked for with.
pub struct Resolving<'a> {
    /// What the service says.
    pub situation: &'a Situation,
    /// `base:` of the configuration.
    pub configured: Option<&'a str>,
    /// May the remote be asked?
    pub fetch: bool,
    /// Commits that a recorded run found green as a whole, newest run first.
    pub green: super::change::Green<'a>,
    /// Does any recorded run speak for this commit?
    pub spoken: &'a dyn Fn(&str) -> bool,
}

/// What was found.
pub struct Based {
    /// The base.
    pub base: Base,
    /// May it be trusted without a recorded pass?
    pub guarded: bool,
}

/// Finds the base, and tells how.
///
/// # Errors
/// Why there is none.
pub fn resolve(
    repo: &Repo,
    resolving: &Resolving<'_>,
    why: &mut Vec<Why>,
    notes: &mut Vec<EventKind>,
) -> Result<Based, NoBase> {
    let Situation { provider, event, read, refused, .. } = resolving.situation;
    let (provider, event) = (*provider, event.clone());
    why.push(Why::Says { provider, event, read: read.clone(), refused: refused.clone() });
    let head = repo.head()?.ok_or(NoBase::Unborn)?;
    let mut looking = Looking {
        deep: Deepening::new(repo.reach(), head.clone(), resolving.fetch, why),
        head,
        resolving,
        default: None,
    };
    looking.default = looking.default_branch();
    let found = looking.find(repo);
    let Looking { deep, head, .. } = looking;
    if let Ok(Based { base: Base::Commit { commit, .. }, .. }) = &found {
        deep.complete(commit, &head);
    }
    notes.extend(fetched(why));
    let last = match &found {
        Ok(Based { base: Base::Commit { commit, how }, guarded }) => {
            let trust = if *guarded { "trusted" } else { "only what is recorded there counts" };
            Why::Base { commit: Some(commit.clone()), guarded: *guarded, because: format!("{how}; {trust}") }
        }
        Ok(_) => Why::Base { commit: None, guarded: false, because: "no green run of an ancestor is recorded".into() },
        Err(error) => Why::Base { commit: None, guarded: false, because: error.to_string() },
    };
    why.push(last);
    found
}

/// What was fetched, in one warning: the next build may ask for that much at once.
fn fetched(why: &[Why]) -> Option<EventKind> {
    let calls: Vec<_> = why
        .iter()
        .filter_map(|line| match line {
            Why::Fetched { what, depth, error } => Some((what, depth, error)),
            _ => None,
        })
        .collect();
    let (what, depth, error) = calls.iter().rev().find(|(_, depth, error)| depth.is_some() || error.is_some())?;
    let deep = depth.map(|depth| format!(", {depth} commits deep")).unwrap_or_default();
    let end = error.as_ref().map_or("; a deeper clone saves that".to_owned(), |error| format!(": failed, {error}"));
    let count = calls.len();
    let message = format!("the remote was asked for history that the base needs (call {count}: {what}{deep}){end}");
    Some(EventKind::Warning { code: WarningCode::Fetched, step: None, message })
}

struct Looking<'a, 'r> {
    deep: Deepening<'a, 'r>,
    head: String,
    resolving: &'a Resolving<'a>,
    /// The default branch, if anybody says which that is.
    default: Option<Branch>,
}

impl Looking<'_, '_> {
    fn find(&mut self, repo: &Repo) -> Result<Based, NoBase> {
        let on_default = self.is_default_built(repo)?;
        let mut last = None;
        for candidate in ci::candidates(self.resolving.situation, on_default) {
            match self.tried(&candidate)? {
                Outcome::Found { commit, .. } => return self.based(&candidate, commit),
                // What the target has already, it does not guard: that is as on the target itself.
                Outcome::Merged => {
                    return Ok(match self.tried(&Candidate::LastGreen)? {
                        Outcome::Found { commit, .. } => self.based(&Candidate::LastGreen, commit)?,
                        _ => Based { base: Base::None, guarded: false },
                    });
                }
                other => last = last.or(Some((candidate, other))).filter(|(_, outcome)| *outcome != Outcome::OtherHead),
            }
        }
        match last {
            Some((Candidate::MergeBase { branch, .. } | Candidate::ForkPoint { branch }, outcome)) => {
                let Some(name) = branch.or(self.default.clone()) else { return Err(NoBase::NoDefaultBranch) };
                let branch = self.deep.tracking(&name);
                Err(match outcome {
                    Outcome::NoBranch => NoBase::BranchMissing { branch },
                    Outcome::Shallow => NoBase::Shallow { branch },
                    _ => NoBase::Unrelated { branch },
                })
            }
            _ => Ok(Based { base: Base::None, guarded: false }),
        }
    }

    /// Looks at a candidate, and keeps what became of it.
    fn tried(&mut self, candidate: &Candidate) -> Result<Outcome, NoBase> {
        let outcome = self.look(candidate)?;
        self.deep.why.push(Why::Tried { candidate: candidate.clone(), outcome: outcome.clone() });
        Ok(outcome)
    }

    /// What becomes of a candidate.
    fn look(&mut self, candidate: &Candidate) -> Result<Outcome, NoBase> {
        Ok(match candidate {
            Candidate::Target { merge, request, .. } => self.target(merge, request)?,
            Candidate::MergeBase { branch, known } => {
                let Some(branch) = branch.clone().or_else(|| self.default.clone()) else {
                    return Ok(Outcome::NoBranch);
                };
                let outcome = self.deep.merge_base(&branch, known.as_ref())?;
                match outcome {
                    Outcome::Found { commit, .. } if commit == self.head && self.is_request() => Outcome::Merged,
                    outcome => outcome,
                }
            }
            Candidate::ForkPoint { branch } => {
                let branch = branch.as_ref().or(self.default.as_ref()).map(|name| self.deep.tracking(name));
                match branch.and_then(|name| self.deep.reach.fork_point(&name, &self.head)) {
                    Some(commit) => Outcome::Found { commit, perhaps_better: false },
                    None => Outcome::Forgotten,
                }
            }
            Candidate::LastGreen => {
                let green = (self.resolving.green)().into_iter().map(|(commit, _)| commit).collect();
                match self.deep.newest_of(&green, ANCESTORS)? {
                    Some(commit) => Outcome::Found { commit, perhaps_better: false },
                    None => Outcome::NotRecorded,
                }
            }
            Candidate::Before { commit } if !(self.resolving.spoken)(commit.as_str()) => Outcome::NotRecorded,
            Candidate::Before { commit } => self.deep.ancestor(commit)?,
        })
    }

    /// The first parent of the merge that the service made.
    fn target(&mut self, merge: &Commit, request: &Commit) -> Result<Outcome, NoBase> {
        if self.head != merge.as_str() {
            return Ok(Outcome::OtherHead);
        }
        let parents = self.deep.reach.parents(&self.head)?;
        let [target, second] = &parents[..] else { return Ok(Outcome::OtherHead) };
        if second != request.as_str() {
            return Ok(Outcome::OtherHead);
        }
        let found = Outcome::Found { commit: target.clone(), perhaps_better: false };
        Ok(if self.deep.bring(target) { found } else { Outcome::Absent })
    }

    fn is_request(&self) -> bool {
        matches!(self.resolving.situation.event, Event::PullRequest { .. } | Event::MergeQueue { .. })
    }

    /// A candidate that holds, as the base.
    fn based(&mut self, candidate: &Candidate, commit: String) -> Result<Based, NoBase> {
        let base = |commit: String, how| Base::Commit { commit, how };
        let name = |branch: &Option<Branch>, this: &Self| branch.as_ref().or(this.default.as_ref()).cloned();
        Ok(match candidate {
            Candidate::Target { branch, .. } => {
                let guarded = self.is_guarded(branch.as_ref(), &commit);
                let branch = branch.as_ref().map(Branch::to_string).unwrap_or_default();
                Based { base: base(commit, BaseHow::Target { branch }), guarded }
            }
            Candidate::MergeBase { branch, .. } => {
                let Some(name) = name(branch, self) else { return Err(NoBase::NoDefaultBranch) };
                let (tracking, tip) = (self.deep.tracking(&name), self.deep.tip(&name));
                let same = match &tip {
                    Some(tip) => self.deep.reach.same_files(&self.head, tip, &commit)?,
                    None => None,
                };
                let (commit, how) = match same {
                    Some((mine, theirs)) => {
                        self.deep.why.push(Why::SameFiles { mine, theirs: theirs.clone() });
                        (theirs, BaseHow::SameFiles { branch: tracking })
                    }
                    None => (commit, BaseHow::MergeBase { branch: tracking }),
                };
                // What a queue stands on may be another entry of it, and that may still fail.
                let queue = matches!(self.resolving.situation.event, Event::MergeQueue { .. });
                let guarded = (tip.is_some() || !queue) && self.is_guarded(Some(&name), &commit);
                Based { base: base(commit, how), guarded }
            }
            Candidate::ForkPoint { branch } => {
                let branch = name(branch, self).map(|name| self.deep.tracking(&name)).unwrap_or_default();
                Based { base: base(commit, BaseHow::ForkPoint { branch }), guarded: false }
            }
            Candidate::LastGreen => {
                let runs: BTreeMap<String, RunId> = (self.resolving.green)().into_iter().rev().collect();
                let run = runs.get(&commit).map(RunId::to_string).unwrap_or_default();
                Based { base: base(commit, BaseHow::GreenAncestor { run }), guarded: false }
            }
            Candidate::Before { .. } => Based { base: base(commit, BaseHow::Before), guarded: false },
        })
    }

    /// Is this commit, which is one of `branch`, one of the default branch too, which CI guards?
    fn is_guarded(&mut self, branch: Option<&Branch>, commit: &str) -> bool {
        let Some(default) = self.default.clone() else { return false };
        branch == Some(&default) || self.deep.tip(&default).is_some_and(|tip| self.deep.reach.is_ancestor(commit, &tip))
    }

    /// Which branch is the default one: as configured, as the service says, as the remote says, or by the usual names.
    fn default_branch(&mut self) -> Option<Branch> {
        let configured = self.resolving.configured.and_then(Branch::new);
        let said = self.resolving.situation.default_branch.clone();
        let found = configured.map(|branch| (branch, "configuration")).or(said.map(|branch| (branch, "service")));
        let found = found.or_else(|| Some((self.deep.default_of_remote()?, "remote")));
        let found = found.or_else(|| {
            let usual = USUAL.iter().filter_map(|name| Branch::new(name));
            usual.into_iter().find(|name| self.deep.tip(name).is_some()).map(|branch| (branch, "usual-name"))
        });
        let (branch, by) =
            (found.as_ref().map(|(branch, _)| branch.to_string()), found.as_ref().map_or("nobody", |it| it.1));
        self.deep.why.push(Why::Default { branch, by: by.to_owned() });
        found.map(|(branch, _)| branch)
    }

    /// Is what is built the default branch? By the name that the service gives; else a branch by its name, and a detached
    /// HEAD when the default branch contains it, or a tag names it.
    fn is_default_built(&mut self, repo: &Repo) -> Result<bool, NoBase> {
        let Some(default) = self.default.clone() else { return Ok(true) };
        let built = match &self.resolving.situation.event {
            Event::Push { branch, .. } | Event::Schedule { branch } | Event::Build { branch } => branch.clone(),
            Event::PullRequest { .. } | Event::MergeQueue { .. } => return Ok(false),
            Event::Tag => return Ok(true),
        };
        let here = repo.branch()?.as_deref().and_then(Branch::new);
        if let Some(built) = built.or(here) {
            return Ok(built == default);
        }
        let tip = self.deep.tip(&default);
        Ok(tip.is_some_and(|tip| self.deep.reach.is_ancestor(&self.head, &tip)) || repo.is_tagged(&self.head)?)
    }
}
