//! Looking through a whole cache: what it takes, what is past its limits, and what is only half written.
//!
//! The index is rewritten first and blobs are removed after, so that a crash in between leaves blobs that nobody names, and
//! never an entry whose blobs are gone.

use super::actions::{self, Actions, KeyStart};
use super::evict::{self, Blob, Candidate, Chosen};
use super::folder::{Folder, Held};
use super::kept::{KEPT_FOR_MS, Kept};
use super::size::{self, Ledger};
use super::{Entry, Limits, Problem, Refused};
use crate::base::{Digest, Millis, StepId};
use crate::key::Key;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

pub use super::evict::Why;

/// What is not a blob and older than this was left by a writer that was killed.
const LEFT_OVER_MS: Millis = 60 * 60 * 1000;

const DAY_MS: Millis = 24 * 60 * 60 * 1000;

/// What shall go, beside what is past the limits.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Entries with this label.
    pub tag: Option<String>,
    /// Entries that were not used for so long.
    pub older_than_ms: Option<Millis>,
    /// So much that not more than this is left.
    pub max_bytes: Option<u64>,
    /// Everything, also what somebody may be about to name.
    pub all: bool,
    /// Nothing: only say what would.
    pub dry: bool,
}

/// What went, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Entries.
    pub entries: Vec<Gone>,
    /// How many blobs.
    pub blobs: usize,
    /// How many bytes.
    pub bytes: u64,
    /// What all that is left takes.
    pub left: u64,
    /// Files that could not be removed, and why.
    pub stuck: Vec<(PathBuf, String)>,
}

/// An entry that went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// Whose result it was.
    pub step: StepId,
    /// For which key.
    pub key: Key,
    /// Why it went.
    pub why: Why,
}

/// Everything that is there.
struct Seen {
    entries: Vec<(Entry, u64)>,
    candidates: Vec<Candidate>,
    paths: Vec<PathBuf>,
    blobs: Vec<Blob>,
    /// Left by writers that were killed, and what they take.
    left_over: Vec<(PathBuf, u64)>,
    /// Bytes of what stays whatever happens.
    fixed: u64,
}

/// Removes what is past the limits, and what is asked for.
///
/// # Errors
/// When the cache cannot be used or read. A single file that cannot be removed is in [`Swept::stuck`].
pub fn sweep(folder: &Arc<Folder>, request: &Request) -> io::Result<Swept> {
    let target = request.max_bytes.unwrap_or(u64::MAX).min(size::usable(folder));
    if !request.dry {
        return Ok(run(&folder.hold()?, folder, request, target)?.0);
    }
    let (actions, _) = readable(folder)?;
    let seen = see(folder, &actions, request)?;
    let chosen = seen.choose(folder, request, target);
    Ok(seen.told(&chosen))
}

/// Removes what is past the limits of age and number, if nobody has looked for a day: to be called when a run has ended. A
/// person's versions that were kept for a month go too.
///
/// # Errors
/// As [`sweep`].
pub fn tend(folder: &Arc<Folder>) -> io::Result<Option<Swept>> {
    match Ledger::peek(folder) {
        Some(ledger) if ledger.swept_ms.saturating_add(DAY_MS) <= folder.now_ms() => {
            let swept = sweep(folder, &Request::default());
            // Neither waits for the other to work.
            Kept::open(folder.dir()).forget(folder.now_ms().saturating_sub(KEPT_FOR_MS))?;
            swept.map(Some)
        }
        _ => Ok(None),
    }
}

/// The index. What another wf wrote, or nobody can read, names blobs that nobody here knows of: then nothing may go.
pub(super) fn readable(folder: &Arc<Folder>) -> io::Result<(Actions, Option<Problem>)> {
    match Actions::open(folder) {
        (_, Some(problem @ (Problem::Newer { .. } | Problem::Unreadable { .. }))) => {
            Err(Refused::Unusable(problem).into())
        }
        other => Ok(other),
    }
}

/// Makes room for so many bytes more, and some beyond, so that the next who comes finds some.
pub(super) fn make_room(held: &Held<'_>, bytes: u64) -> io::Result<Ledger> {
    let limit = size::usable(held.folder);
    let target = limit.saturating_sub(bytes).min(limit - limit / 10);
    Ok(run(held, held.folder, &Request::default(), target)?.1)
}

/// Counts what is there.
pub(super) fn count(held: &Held<'_>) -> io::Result<Ledger> {
    let mut blobs = 0_u64;
    walk(held.folder, |_, cost, _| blobs = blobs.saturating_add(cost))?;
    let ledger = Ledger { blobs, swept_ms: held.folder.now_ms(), tight: false };
    held.set_ledger(ledger)?;
    Ok(ledger)
}

fn run(held: &Held<'_>, folder: &Arc<Folder>, request: &Request, target: u64) -> io::Result<(Swept, Ledger)> {
    let (mut actions, _) = readable(folder)?;
    let seen = see(folder, &actions, request)?;
    let chosen = seen.choose(folder, request, target);
    let mut swept = seen.told(&chosen);
    let drop = actions::Drop {
        entries: chosen.entries.iter().map(|(at, _)| seen.entries[*at].0.key).collect(),
        before_ms: if request.all { u64::MAX } else { folder.now_ms().saturating_sub(folder.limits().age_ms) },
    };
    let rewritten = if actions.is_empty() { Ok(()) } else { actions.rewrite(held, &drop) };
    let mut freed = 0;
    let blobs = chosen.blobs.iter().map(|at| (&seen.paths[*at], seen.blobs[*at].cost));
    for (path, cost) in blobs.chain(seen.left_over.iter().map(|(path, cost)| (path, *cost))) {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                swept.stuck.push((path.clone(), error.to_string()));
            }
            _ => freed += cost,
        }
    }
    // A full disk may have had no room for a second index before, and may have now.
    rewritten.or_else(|_| actions.rewrite(held, &drop))?;
    let all = seen.blobs.iter().map(|blob| blob.cost).chain(seen.left_over.iter().map(|(_, cost)| *cost)).sum::<u64>();
    let mut ledger =
        Ledger { blobs: (all + seen.fixed).saturating_sub(freed), swept_ms: folder.now_ms(), tight: false };
    ledger.tight = held.taken(ledger)? > target;
    held.set_ledger(ledger)?;
    swept.left = held.taken(ledger)?;
    Ok((swept, ledger))
}

/// Calls for every file and folder of the store: its path, what it takes, and when it was written; folders have no time.
pub(super) fn walk(folder: &Folder, mut each: impl FnMut(PathBuf, u64, Option<u64>)) -> io::Result<()> {
    for file in walkdir::WalkDir::new(folder.path("cas")).min_depth(1) {
        let file = match file {
            Ok(file) => file,
            // Whoever is writing renames and removes temporary files.
            Err(error) if error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound) => continue,
            Err(error) => return Err(error.into()),
        };
        if file.file_type().is_dir() {
            each(file.into_path(), size::FOLDER, None);
        } else if let Ok(meta) = file.metadata() {
            let at_ms = meta.mtime().saturating_mul(1000).saturating_add(meta.mtime_nsec() / 1_000_000);
            each(file.into_path(), size::cost(meta.len()), Some(at_ms.max(0) as u64));
        }
    }
    Ok(())
}

/// The blob that a file in the store is, by its place.
pub(super) fn digest_at(path: &std::path::Path) -> Option<Digest> {
    let rest = path.file_name()?.to_str()?;
    let fan = path.parent()?.file_name()?.to_str()?;
    let name = format!("{fan}{rest}");
    Digest::parse(&name).filter(|digest| digest.to_string() == name && fan.len() == 2)
}

fn see(folder: &Folder, actions: &Actions, request: &Request) -> io::Result<Seen> {
    let (now, mut at) = (folder.now_ms(), HashMap::new());
    let mut seen =
        Seen { entries: vec![], candidates: vec![], paths: vec![], blobs: vec![], left_over: vec![], fixed: 0 };
    walk(folder, |path, cost, written| match (written, digest_at(&path)) {
        (Some(at_ms), Some(digest)) => {
            at.insert(digest, seen.blobs.len());
            seen.paths.push(path);
            seen.blobs.push(Blob { cost, at_ms });
        }
        (Some(at_ms), None) if request.all || at_ms.saturating_add(LEFT_OVER_MS) <= now => {
            seen.left_over.push((path, cost));
        }
        _ => seen.fixed += cost,
    })?;
    let (usage, _) = actions.usage();
    for (entry, stored_ms, record) in actions.entries() {
        let used = usage.get(&KeyStart::of(&entry.key)).copied().unwrap_or_default();
        let blobs: BTreeSet<usize> = entry.blobs().filter_map(|blob| at.get(&blob.digest).copied()).collect();
        let idle = now.saturating_sub(used.last_ms.max(stored_ms));
        let asked = request.all
            || request.tag.as_ref().is_some_and(|tag| entry.tags.contains(tag))
            || request.older_than_ms.is_some_and(|age| idle >= age);
        let expired = entry.is_expired(now).then_some(Why::Expired);
        seen.candidates.push(Candidate {
            stored_ms,
            last_ms: used.last_ms,
            hits: used.hits,
            saves_ms: entry.pass.wall_ms,
            // As everywhere, the index counts twice.
            record: 2 * record,
            blobs: blobs.into_iter().collect(),
            must: expired.or(asked.then_some(Why::Asked)),
        });
        seen.entries.push((entry, record));
    }
    Ok(seen)
}

impl Seen {
    fn choose(&self, folder: &Folder, request: &Request, target: u64) -> Chosen {
        let limits = *folder.limits();
        let limits = if request.all { Limits { grace_ms: 0, ..limits } } else { limits };
        evict::choose(&self.candidates, &self.blobs, self.fixed, target, &limits, folder.now_ms())
    }

    fn told(&self, chosen: &Chosen) -> Swept {
        let gone = |(at, why): &(usize, Why)| {
            let entry = &self.entries[*at].0;
            Gone { step: entry.step.clone(), key: entry.key, why: *why }
        };
        let blobs = chosen.blobs.iter().map(|at| self.blobs[*at].cost);
        Swept {
            entries: chosen.entries.iter().map(gone).collect(),
            blobs: chosen.blobs.len(),
            bytes: blobs.chain(self.left_over.iter().map(|(_, cost)| *cost)).sum(),
            left: chosen.left,
            stuck: vec![],
        }
    }
}
