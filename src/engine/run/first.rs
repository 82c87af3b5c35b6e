//! The first events of a run: what is true, and what changed.

use crate::base::RunId;
use crate::change::{Base, ChangeSet};
use crate::config::model::Smart;
use crate::engine::{Clock, Prepared};
use crate::event::{EventKind, FORMAT, Machine, Noticed, Place, RunStarted, SEMANTICS};
use crate::git::{Mode, Repo};
use crate::history;
use crate::plan::RunRequest;
use crate::predict::Circumstances;
use std::time::SystemTime;

/// What is true when a run begins, but for where and on what it is made.
pub(super) fn started(
    prepared: &Prepared,
    request: &RunRequest,
    root: &std::path::Path,
    id: &RunId,
    jobs: u32,
) -> RunStarted {
    let settings = &request.settings;
    RunStarted {
        format: FORMAT,
        semantics: SEMANTICS,
        run: id.clone(),
        started_at: Clock::utc(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        root: root.display().to_string(),
        commit: prepared.change.head.clone(),
        clean: prepared.change.is_clean(),
        branch: prepared.change.branch.clone(),
        smart: match settings.smart_execution {
            Smart::On => "on",
            Smart::Off => "off",
            Smart::Observe => "observe",
        }
        .to_owned(),
        parallel: settings.parallel,
        multi_stage: settings.multi_stage,
        ml_optimize: settings.ml_optimize,
        jobs,
        filtered: request.filter.is_some(),
        witnesses: !request.filter.alone,
        place: Place::Unknown,
        machine: Machine::default(),
        shard: None,
    }
}

/// What is known of a run before its steps run.
pub fn circumstances(prepared: &Prepared, machine: &Machine, started_at: &str, noticed: Noticed) -> Circumstances {
    history::circumstances_of(machine, started_at, &changes(prepared), noticed)
}

/// Looks up what is only asked for when something runs.
pub type LookUp = Box<dyn FnOnce(&ChangeSet) -> Noticed>;

/// What takes a look at files: only for who asks. `before`: when something last ran in this checkout.
pub fn noticed(repo: Option<&Repo>, change: &ChangeSet, before: Option<SystemTime>) -> Noticed {
    let made = repo.and_then(Repo::made);
    // A state folder may be brought along to a new checkout, and tells of an older one in the same place.
    let cold = before.is_none_or(|before| made.is_some_and(|made| made > before));
    let lines = repo.and_then(|repo| lines(repo, change));
    Noticed { lines, cold: Some(cold), reused_milli: None }
}

fn lines(repo: &Repo, change: &ChangeSet) -> Option<u32> {
    let (base, mode) = match &change.base {
        Base::Commit { commit, .. } => (Some(commit.as_str()), Mode::All),
        Base::Staged { .. } => (None, Mode::StagedOnly),
        Base::None => (None, Mode::All),
    };
    repo.changed_lines(base, &change.files, mode).map(|lines| u32::try_from(lines).unwrap_or(u32::MAX))
}

/// At most so many files are named in the log.
const FILES_NAMED: usize = 1_000;

/// What differs from the base.
pub(super) fn changes(prepared: &Prepared) -> EventKind {
    let class = prepared.class.as_ref();
    EventKind::Changes {
        base: prepared.change.base.clone(),
        total: prepared.change.files.len(),
        files: prepared.change.files.iter().take(FILES_NAMED).cloned().collect(),
        change_type: class.map_or_else(|| "unknown".into(), |class| class.change_type.clone()),
        impact: class.map_or_else(|| "unknown".into(), |class| class.impact.to_string()),
        impact_because: class.map(|class| class.impact_because.clone()).unwrap_or_default(),
        categories: class.map(|class| class.counts.clone()).unwrap_or_default(),
    }
}
