//! From a repository and a request to a change set, with a typed fallback for everything that cannot be told.

use super::based::{self, Based, Resolving};
use super::prepare::PrepareError;
use crate::base::{RepoPath, RunId};
use crate::change::{Base, BaseHow, ChangeSet, ChangedFile, Unseen};
use crate::ci::Why;
use crate::event::{EventKind, FallbackCode};
use crate::git::{BaseQuery, Changes, GitError, Listing, Mode, NoBase, Repo};
use crate::plan::BaseRef;
use std::collections::BTreeMap;

/// So far back a green ancestor is looked for.
const ANCESTORS: usize = 10_000;

/// Every file of a repository, if it was asked for and read.
type Files = Option<Listing>;

/// What is staged and what is there, looked at before.
type Looked = Option<(Changes, Listing)>;

/// Asks for the commits that a recorded run found green, newest run first.
pub type Green<'a> = &'a dyn Fn() -> Vec<(String, RunId)>;

/// What a base is looked for with.
pub struct Asking<'a> {
    /// What was asked for.
    pub base: &'a BaseRef,
    /// May the remote be asked?
    pub fetch: bool,
    /// `base:` of the configuration.
    pub configured: Option<&'a str>,
    /// Commits that a recorded run found green.
    pub green: Green<'a>,
    /// Does any recorded run speak for a commit?
    pub spoken: &'a dyn Fn(&str) -> bool,
}

/// What changed; and with `list` every file too, for the price of one walk, or of none if somebody has just looked. Whatever
/// cannot be told is a note, and then the change set has no base.
pub fn find(
    repo: Result<&Repo, &GitError>,
    asking: &Asking<'_>,
    notes: &mut Vec<EventKind>,
    why: &mut Vec<Why>,
    list: bool,
    looked: Looked,
) -> Result<(ChangeSet, Files), PrepareError> {
    let repo = match repo {
        Ok(repo) => repo,
        Err(error) => {
            notes.push(fallback(error.code(), error, error.hint()));
            return Ok((ChangeSet::unknown(), None));
        }
    };
    let (base, base_guarded) = match base(repo, asking, notes, why) {
        Ok(found) => found,
        Err(missing @ NoBase::AskedMissing { .. }) => return Err(PrepareError::Base(missing)),
        Err(missing) => {
            notes.push(fallback(missing.code(), &missing, missing.hint()));
            (Base::None, false)
        }
    };
    match read(repo, &base, list, looked) {
        Ok((change, files)) => Ok((ChangeSet { base_guarded, ..change }, files)),
        Err(error) => {
            notes.push(fallback(error.code(), &error, error.hint()));
            Ok((ChangeSet::unknown(), None))
        }
    }
}

/// A fallback event.
pub fn fallback(code: FallbackCode, message: &impl ToString, hint: Option<String>) -> EventKind {
    EventKind::Fallback { code, message: message.to_string(), hint }
}

/// The base, and whether it may be trusted without a recorded pass.
fn base(
    repo: &Repo,
    asking: &Asking<'_>,
    notes: &mut Vec<EventKind>,
    why: &mut Vec<Why>,
) -> Result<(Base, bool), NoBase> {
    let found = match asking.base {
        BaseRef::Ci(situation) if !asking.configured.map_or(Ok(false), |name| repo.is_pinned(name))? => {
            let Asking { fetch, configured, green, spoken, .. } = *asking;
            let resolving = Resolving { situation, configured, fetch, green, spoken };
            let Based { base, guarded } = based::resolve(repo, &resolving, why, notes)?;
            if base == Base::None {
                notes.push(no_green());
            }
            return Ok((base, guarded));
        }
        _ => by_git(repo, asking, notes),
    };
    if let Ok((base, guarded)) = &found {
        let (commit, because) = match base {
            Base::Commit { commit, how } => (Some(commit.clone()), how.to_string()),
            Base::Staged { head } => (head.clone(), "only what is staged".to_owned()),
            Base::None => (None, "on the default branch, and no green run of an earlier commit is recorded".to_owned()),
        };
        why.push(Why::Base { commit, guarded: *guarded, because });
    }
    found
}

/// The same where no service says anything: git alone is asked.
fn by_git(repo: &Repo, asking: &Asking<'_>, notes: &mut Vec<EventKind>) -> Result<(Base, bool), NoBase> {
    let Asking { configured, green, .. } = *asking;
    let query = match asking.base {
        BaseRef::Staged => return Ok((Base::Staged { head: repo.head()? }, true)),
        BaseRef::Asked(reference) => {
            BaseQuery::Asked { reference: reference.clone(), configured: configured.map(str::to_owned) }
        }
        BaseRef::Default | BaseRef::Ci(_) => BaseQuery::Default { configured: configured.map(str::to_owned) },
    };
    let resolved = repo.resolve_base(&query)?;
    match (&resolved.base, resolved.on_default_branch) {
        (Base::None, true) => Ok((green_ancestor(repo, green, notes)?, false)),
        (Base::Commit { commit, .. }, false) => {
            let default = resolved.default_branch.as_deref().map(|name| repo.commit_of(name)).transpose()?.flatten();
            let guarded = match default {
                Some((tip, _)) => repo.is_ancestor(commit, &tip)?,
                None => false,
            };
            Ok((resolved.base, guarded))
        }
        _ => Ok((resolved.base, false)),
    }
}

/// On the default branch nobody guards the parent commit: only a recorded green run will do.
fn green_ancestor(repo: &Repo, green: Green<'_>, notes: &mut Vec<EventKind>) -> Result<Base, NoBase> {
    let green: BTreeMap<String, _> = green().into_iter().rev().collect();
    let newest = repo.newest_ancestor(&green.keys().cloned().collect(), ANCESTORS)?;
    if let Some((commit, run)) = newest.and_then(|commit| green.get_key_value(&commit)) {
        let how = BaseHow::GreenAncestor { run: run.to_string() };
        return Ok(Base::Commit { commit: commit.clone(), how });
    }
    notes.push(no_green());
    Ok(Base::None)
}

fn no_green() -> EventKind {
    EventKind::Fallback {
        code: FallbackCode::NoGreenAncestor,
        message: "on the default branch, and no green run of an earlier commit is recorded: everything runs".into(),
        hint: Some("a green run on a clean tree is recorded from now on; `--base REF` compares with any commit".into()),
    }
}

fn read(repo: &Repo, base: &Base, list: bool, looked: Looked) -> Result<(ChangeSet, Files), GitError> {
    let (commit, mode) = match base {
        Base::Commit { commit, .. } => (Some(commit.as_str()), Mode::All),
        Base::Staged { .. } => (None, Mode::StagedOnly),
        Base::None => (None, Mode::All),
    };
    let list = list || looked.is_some();
    let (changes, files) = if let Some((changes, files)) = looked {
        (changes, Some(files))
    } else if list {
        repo.changes_and_listing(commit, mode).map(|(changes, files)| (changes, Some(files)))?
    } else {
        (repo.changes(commit, mode)?, None)
    };
    // What git shows as one path, and what lies inside it.
    let mut unseen = changes.unseen;
    if mode == Mode::StagedOnly && !list {
        unseen = repo.changes(None, Mode::All)?.unseen;
    }
    unseen.extend(changes.files.iter().filter(|file| is_opaque(file)).flat_map(|file| {
        let hides = |path: &RepoPath| Unseen { path: path.clone(), folder: true, assumed: false, opaque: true };
        std::iter::once(&file.path).chain(&file.from).map(hides).collect::<Vec<_>>()
    }));
    unseen.sort_unstable();
    let change = ChangeSet {
        base: base.clone(),
        head: repo.head()?,
        branch: repo.branch()?,
        base_guarded: false,
        files: changes.files,
        partial: repo.is_sparse() || changes.hollow || unseen.iter().any(|hidden| hidden.assumed),
        unseen,
    };
    Ok((change, files))
}

/// A submodule, a repository inside, or a symlink: it changed as one path, and nobody can say what inside it did.
fn is_opaque(file: &ChangedFile) -> bool {
    const GITLINK: u32 = 0o160_000;
    const SYMLINK: u32 = 0o120_000;
    [file.modes.0, file.modes.1].iter().any(|mode| [GITLINK, SYMLINK].contains(mode))
}
