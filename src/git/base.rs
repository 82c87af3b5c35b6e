//! Which commit the working tree is compared with.

use super::{NoBase, Repo};
use crate::change::{Base, BaseHow};

/// Which base is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseQuery {
    /// `--base REF`: a person typed it, so it must exist.
    Asked {
        /// What was typed.
        reference: String,
        /// `base:` of the configuration: which branch counts as the default one.
        configured: Option<String>,
    },
    /// The default branch: as configured, or by the usual names.
    Default {
        /// `base:` of the configuration.
        configured: Option<String>,
    },
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The base. `Base::None` on the default branch, unless one was asked for: there only a recorded green ancestor will
    /// do, and the history knows those (see [`Repo::newest_ancestor`]).
    pub base: Base,
    /// Is HEAD on the default branch, or can that not be told?
    pub on_default_branch: bool,
    /// The default branch's reference, if there is one.
    pub default_branch: Option<String>,
}

/// Tried in this order when nothing is configured.
const USUAL: [&str; 5] = [
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/heads/main",
    "refs/heads/master",
];

struct Branch {
    /// For people and for comparison: the full reference name, or the revision as written.
    name: String,
    tip: String,
}

impl Branch {
    /// A commit or a tag that somebody names is none: nobody guards it.
    fn is_one(&self) -> bool {
        ["refs/heads/", "refs/remotes/"].iter().any(|start| self.name.starts_with(start))
    }
}

impl Repo {
    /// Finds the base commit.
    ///
    /// The base is the merge base of HEAD and what was asked for. A commit that shares no history with HEAD (or none
    /// that this shallow clone reaches) serves as it is when a person asked for it: comparing with any commit is sound,
    /// only bigger.
    ///
    /// # Errors
    /// Why there is none.
    pub fn resolve_base(&self, query: &BaseQuery) -> Result<Resolved, NoBase> {
        let head = self.head()?;
        match query {
            BaseQuery::Asked { reference, configured } => {
                let asked = self.commit_of(reference)?;
                let Some((tip, _)) = asked else {
                    return Err(NoBase::AskedMissing { reference: reference.clone() });
                };
                let head = head.ok_or(NoBase::Unborn)?;
                let commit = self.merge_base(&head, &tip)?.unwrap_or(tip);
                let default = match self.default_branch(configured.as_deref()) {
                    Err(NoBase::ConfiguredMissing { .. }) => None,
                    found => found?,
                };
                let on_default_branch = match &default {
                    Some(default) => self.is_on(default, &head)?,
                    None => true,
                };
                let how = BaseHow::Asked { reference: reference.clone() };
                Ok(Resolved {
                    base: Base::Commit { commit, how },
                    on_default_branch,
                    default_branch: default.map(|default| default.name),
                })
            }
            BaseQuery::Default { configured: Some(name) } if self.configured(name)?.is_some_and(|it| !it.is_one()) => {
                self.resolve_base(&BaseQuery::Asked { reference: name.clone(), configured: None })
            }
            BaseQuery::Default { configured } => {
                let head = head.ok_or(NoBase::Unborn)?;
                let default = self.default_branch(configured.as_deref())?.ok_or(NoBase::NoDefaultBranch)?;
                let branch = default.name.clone();
                if self.is_on(&default, &head)? {
                    let default_branch = Some(branch);
                    return Ok(Resolved { base: Base::None, on_default_branch: true, default_branch });
                }
                let Some(commit) = self.merge_base(&head, &default.tip)? else {
                    return Err(if self.is_shallow() {
                        NoBase::Shallow { branch }
                    } else {
                        NoBase::Unrelated { branch }
                    });
                };
                let how = BaseHow::MergeBase { branch: branch.clone() };
                let base = Base::Commit { commit, how };
                Ok(Resolved { base, on_default_branch: false, default_branch: Some(branch) })
            }
        }
    }

    /// Is what is configured as base a commit or a tag, and no branch?
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn is_pinned(&self, configured: &str) -> Result<bool, NoBase> {
        Ok(self.configured(configured)?.is_some_and(|found| !found.is_one()))
    }

    fn default_branch(&self, configured: Option<&str>) -> Result<Option<Branch>, NoBase> {
        if let Some(name) = configured {
            let missing = || NoBase::ConfiguredMissing { reference: name.to_owned() };
            let found = self.configured(name)?.ok_or_else(missing)?;
            if found.is_one() {
                return Ok(Some(found));
            }
        }
        for name in USUAL {
            if let Some(branch) = self.find(name)? {
                return Ok(Some(branch));
            }
        }
        Ok(None)
    }

    /// What is configured means the branch, wherever it is: a fresh clone has `origin/develop` and no `develop`, and the
    /// remote's is the one that CI guards.
    fn configured(&self, name: &str) -> Result<Option<Branch>, NoBase> {
        let remote = self.find(&format!("refs/remotes/origin/{name}"))?;
        if remote.is_some() { Ok(remote) } else { self.find(name) }
    }

    fn find(&self, name: &str) -> Result<Option<Branch>, NoBase> {
        let found = self.commit_of(name)?;
        Ok(found.map(|(tip, full)| Branch { name: full.unwrap_or_else(|| name.to_owned()), tip }))
    }

    /// Is HEAD on this branch? On a branch: by name, local or remote-tracking alike, because a fresh topic branch has no
    /// commits of its own and yet is not the default branch. Detached: when the branch contains HEAD, as in a CI
    /// checkout of one of its commits or of a tag on it.
    fn is_on(&self, default: &Branch, head: &str) -> Result<bool, NoBase> {
        if let Some(branch) = self.branch()? {
            return Ok(match default.name.strip_prefix("refs/remotes/") {
                // Remote names may hold slashes: a match of the end errs towards running more.
                Some(tracking) => tracking.strip_suffix(&branch).is_some_and(|remote| remote.ends_with('/')),
                None => default.name.strip_prefix("refs/heads/").unwrap_or(&default.name) == branch,
            });
        }
        Ok(self.is_ancestor(head, &default.tip)? || self.is_tagged(head)?)
    }
}
