//! Retention: old runs become facts, old facts go.
//!
//! The order makes every crash harmless: a run's facts are appended, then its folder is renamed away, then deleted. A run
//! that is in both places counts once; a folder that was renamed is no run any more and goes with the next pruning.

use super::recorded::{facts_of, facts_path, read_file, segments};
use super::{LogError, RunRef, StateDir, block, db, learned, memo, open, runs};
use crate::base::RunId;
use std::fs::{File, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::time::Duration;

/// A segment of facts that is larger gets no more.
const SEGMENT: u64 = 4 << 20;
/// So many segments are kept.
const SEGMENTS: usize = 4;
/// `history.jsonl` is halved when it is longer.
const HISTORY: u64 = 8 << 20;
const PARKED: &str = ".gone-";

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// At most so many runs.
    pub runs: usize,
    /// None older than this.
    pub age: Duration,
    /// At most so many bytes in `runs/`.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { runs: 50, age: Duration::from_hours(30 * 24), bytes: 1 << 30 }
    }
}

/// What pruning did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The runs whose folders went, oldest first.
    pub runs: Vec<RunId>,
    /// How many bytes they took.
    pub bytes: u64,
    /// Those of them that left no facts, because their logs are damaged.
    pub lost: Vec<RunId>,
    /// Runs past the limits that stay: a newer wf wrote them, or the file system refuses.
    pub stuck: Vec<(RunId, String)>,
}

/// Prunes what is past the limits. A run that is being written stays, and so does the newest run whatever its age. When
/// another process prunes right now, nothing is left to do.
///
/// # Errors
/// When the folder cannot be read or its lock not be opened. A single run that cannot be pruned is in [`Pruned::stuck`].
pub fn prune(state: &StateDir, limits: &Limits, now: jiff::Timestamp) -> io::Result<Pruned> {
    let Some(_lock) = lock(state)? else { return Ok(Pruned::default()) };
    sweep_parked(state);
    let mut done = Pruned::default();
    for (run, size) in past(state, limits, now)? {
        match retire(state, &run) {
            Ok(left_facts) => {
                done.bytes += size;
                if !left_facts {
                    done.lost.push(run.id.clone());
                }
                done.runs.push(run.id);
            }
            Err(why) => done.stuck.push((run.id, why)),
        }
    }
    settle(state)?;
    drop_old_segments(state)?;
    shorten_history(state)?;
    Ok(done)
}

/// Looks after the folder when a run has ended. Prunes with the limits that everybody has, but only each tenth time: looking at all runs and moving facts takes as
/// long as a run that finds nothing to do, and a few runs more do no harm unless they are large.
///
/// # Errors
/// As [`prune`].
pub fn prune_after_a_run(state: &StateDir) -> io::Result<Pruned> {
    let (all, limits) = (runs(state)?, Limits::default());
    let is_large = || all.first().is_some_and(|newest| size_of(newest) > limits.bytes / limits.runs as u64);
    if all.len().is_multiple_of(10) || is_large() {
        return prune(state, &limits, jiff::Timestamp::now());
    }
    if let Some(_lock) = lock(state)? {
        settle(state)?;
    }
    Ok(Pruned::default())
}

/// What [`prune`] would take now. Nothing is written.
///
/// # Errors
/// When the folder cannot be read.
pub fn would_prune(state: &StateDir, limits: &Limits, now: jiff::Timestamp) -> io::Result<Pruned> {
    let past = past(state, limits, now)?;
    Ok(Pruned {
        bytes: past.iter().map(|(_, size)| size).sum(),
        runs: past.into_iter().map(|(run, _)| run.id).collect(),
        ..Pruned::default()
    })
}

/// Removes every run that is not being written, and everything derived from runs. Locks and the format stay. With
/// `dry`, only says what would go.
///
/// # Errors
/// When something cannot be removed.
pub fn clean_all(state: &StateDir, dry: bool) -> io::Result<Pruned> {
    let mut done = Pruned::default();
    let lock = if dry { None } else { lock(state)? };
    if lock.is_none() && !dry {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another wf is cleaning up right now"));
    }
    let (mut oldest_first, mut live) = (runs(state)?, false);
    oldest_first.reverse();
    for run in oldest_first {
        if run.is_live() {
            live = true;
            continue;
        }
        done.bytes += size_of(&run);
        if !dry {
            remove(state, &run)?;
        }
        done.runs.push(run.id);
    }
    if !dry {
        sweep_parked(state);
        db::Db::remove(state).map_err(io::Error::other)?;
        let derived = if live {
            vec![]
        } else {
            vec![state.current_run(), state.history(), memo::place(state, memo::MANIFESTS), learned::place(state)]
        };
        for path in segments(state)?.into_iter().chain(derived) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(done)
}

fn lock(state: &StateDir) -> io::Result<Option<File>> {
    open::folder(&state.locks())?;
    let file = open::update(&state.locks().join("prune.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Runs past the limits and their sizes, oldest first.
fn past(state: &StateDir, limits: &Limits, now: jiff::Timestamp) -> io::Result<Vec<(RunRef, u64)>> {
    let oldest = now.as_millisecond().saturating_sub(i64::try_from(limits.age.as_millis()).unwrap_or(i64::MAX));
    let (mut kept, mut past) = (0u64, Vec::new());
    for (at, run) in runs(state)?.into_iter().enumerate() {
        let size = size_of(&run);
        let old = super::runs::named_at(&run.id.0).is_some_and(|ms| i64::try_from(ms).is_ok_and(|ms| ms < oldest));
        let over = at > 0 && (at >= limits.runs || old || kept.saturating_add(size) > limits.bytes);
        if over && !run.is_live() {
            past.push((run, size));
        } else {
            kept = kept.saturating_add(size);
        }
    }
    past.reverse();
    Ok(past)
}

/// A run of more files has its size noted: to look at all of them takes a while, and where there are few the note would be one
/// more.
const FEW_FILES: usize = 64;

/// How much a run takes.
fn size_of(run: &RunRef) -> u64 {
    let note = run.dir.join("size");
    if let Some(size) = read_file(&note).ok().and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok()) {
        return size;
    }
    let files = walkdir::WalkDir::new(&run.dir).into_iter().filter_map(Result::ok);
    let sizes: Vec<u64> = files
        .filter_map(|file| file.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|meta| meta.len())
        .collect();
    let size = sizes.iter().sum();
    if sizes.len() > FEW_FILES && !run.is_live() {
        let _ = open::whole(&note, format!("{size}\n").as_bytes(), true);
    }
    size
}

/// Moves a run's facts to `facts/` and removes its folder. Did it leave facts? The error is a sentence.
fn retire(state: &StateDir, run: &RunRef) -> Result<bool, String> {
    let text = match facts_of(run) {
        Ok(text) => text,
        Err(error @ (LogError::Newer { .. } | LogError::Io { .. })) => return Err(error.to_string()),
        Err(LogError::Corrupt { .. } | LogError::Empty { .. }) => None,
    };
    let block = text.as_ref().and_then(|text| Some(&text[block::of_run(text, &run.id)?.range]));
    if let Some(block) = block {
        append(state, run, block).map_err(|error| format!("cannot write its facts: {error}"))?;
    }
    remove(state, run).map_err(|error| format!("cannot remove {}: {error}", run.dir.display()))?;
    Ok(block.is_some())
}

/// Appends a run's block to the newest segment that has room, after cutting off what a crash left torn.
fn append(state: &StateDir, run: &RunRef, lines: &[u8]) -> io::Result<()> {
    open::folder(&state.facts())?;
    let newest = segments(state)?.pop().filter(|path| path.metadata().is_ok_and(|meta| meta.len() < SEGMENT));
    let Some(path) = newest else { return start_segment(state, run, lines) };
    let text = read_file(&path)?;
    if block::format(&text) != Some(super::facts::FORMAT) {
        return start_segment(state, run, lines);
    }
    let (blocks, _) = block::blocks(&text);
    if blocks.iter().any(|block| block.facts.run == run.id) {
        return Ok(());
    }
    let end = blocks.last().map_or(block::head().len(), |block| block.range.end);
    let mut file = open::update(&path)?;
    file.set_len(end as u64)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(lines)?;
    // The log goes next, and these lines are then the only truth.
    file.sync_data()
}

fn start_segment(state: &StateDir, run: &RunRef, lines: &[u8]) -> io::Result<()> {
    let path = state.facts().join(format!("{}.jsonl", run.id));
    open::whole(&path, &[&block::head(), lines].concat(), true)?;
    open::read(&path)?.sync_data()
}

fn remove(state: &StateDir, run: &RunRef) -> io::Result<()> {
    let parked = state.runs().join(format!("{PARKED}{}", run.id));
    std::fs::rename(&run.dir, &parked)?;
    std::fs::remove_dir_all(parked)
}

/// Deletes what an interrupted pruning left. What cannot be deleted is tried again next time.
fn sweep_parked(state: &StateDir) {
    let Ok(entries) = std::fs::read_dir(state.runs()) else { return };
    for entry in entries.filter_map(Result::ok) {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && entry.file_name().to_string_lossy().starts_with(PARKED) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn drop_old_segments(state: &StateDir) -> io::Result<()> {
    let all: Vec<PathBuf> = segments(state)?;
    let old = all.len().saturating_sub(SEGMENTS);
    all[..old].iter().try_for_each(std::fs::remove_file)
}

/// Keeps the newer part of `history.jsonl` once it is long. It is derived: a line that a run adds in this very moment may
/// be lost to it.
fn shorten_history(state: &StateDir) -> io::Result<()> {
    let path = state.history();
    if !path.symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.len() > HISTORY) {
        return Ok(());
    }
    let text = read_file(&path)?;
    let newer = &text[text.len() / 2..];
    let start = memchr::memchr(b'\n', newer).map_or(newer.len(), |at| at + 1);
    open::whole(&path, &newer[start..], true)
}

/// Writes the facts of runs that ended without leaving any (wf was killed), so that their logs are read only once more.
/// A log that cannot be read is told by those who need it, and a file that cannot be written is tried again next time.
fn settle(state: &StateDir) -> io::Result<()> {
    for run in runs(state)? {
        if !facts_path(&run).exists()
            && !run.is_live()
            && let Ok(Some(text)) = facts_of(&run)
        {
            let _ = open::whole(&facts_path(&run), &text, true);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Because, Decision, EventKind, Outcome, RunStatus};
    use crate::history::samples::{ended, id, known, planned, record, run_ended, started, write};
    use crate::history::{ChosenBy, Recorded};

    const DAY: u64 = 24 * 3_600_000;

    fn state() -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        (dir, state)
    }

    fn events(outcome: Outcome) -> Vec<EventKind> {
        let steps = vec![planned("s", Decision::Run(Because::NoBase), &[])];
        let plan = EventKind::Planned { steps, stages: vec![] };
        vec![started(), plan, ended("s", outcome, false), run_ended(RunStatus::Passed)]
    }

    fn day(number: u64) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond((number * DAY).cast_signed()).unwrap()
    }

    fn ids(state: &StateDir) -> Vec<RunId> {
        runs(state).unwrap().into_iter().map(|run| run.id).collect()
    }

    #[test]
    fn runs_past_each_limit_become_facts_that_still_witness() {
        let (_dir, state) = state();
        let all: Vec<_> = (1..=4).map(|n| record(&state, n * DAY, events(Outcome::Passed))).collect();
        let before = known(&state, Some("c")).0;
        let limits = Limits { runs: 3, ..Limits::default() };
        assert_eq!(would_prune(&state, &limits, day(4)).unwrap().runs, [all[0].id.clone()]);
        assert_eq!(ids(&state).len(), 4, "asking takes nothing");
        let done = prune(&state, &limits, day(4)).unwrap();
        assert_eq!((done.runs, done.lost), (vec![all[0].id.clone()], vec![]));
        let limits = Limits { age: Duration::from_hours(25), ..Limits::default() };
        assert_eq!(prune(&state, &limits, day(4)).unwrap().runs, [all[1].id.clone()]);
        let limits = Limits { bytes: 1, ..Limits::default() };
        assert_eq!(prune(&state, &limits, day(4)).unwrap().runs, [all[2].id.clone()]);
        assert_eq!(prune(&state, &limits, day(400)).unwrap().runs, [], "the newest run stays");
        assert_eq!(known(&state, Some("c")).0, before);
        let recorded = Recorded::load(&state);
        assert_eq!((recorded.runs.len(), &recorded.problems), (4, &vec![]));
        assert_eq!(recorded.green_commits().len(), 4);
        assert_eq!(segments(&state).unwrap().len(), 1);
    }

    #[test]
    fn what_is_being_written_or_was_written_by_a_newer_wf_stays() {
        let (_dir, state) = state();
        let live = write(&state, DAY, events(Outcome::Passed));
        let crate::event::EventKind::RunStarted(mut head) = started() else { unreachable!() };
        head.format += 1;
        let newer = record(&state, 2 * DAY, vec![EventKind::RunStarted(head)]);
        // What the newer wf left beside its log is not ours to read either.
        std::fs::write(facts_path(&newer), b"{\"format\":2}\n").unwrap();
        record(&state, 3 * DAY, events(Outcome::Passed));
        let none = Limits { runs: 0, age: Duration::ZERO, bytes: 0 };
        let done = prune(&state, &none, day(9)).unwrap();
        assert_eq!(done.runs, []);
        assert_eq!(done.stuck.len(), 1);
        assert!(done.stuck[0].0 == newer.id && done.stuck[0].1.contains("format 2"), "{done:?}");
        let id = live.run().id.clone();
        drop(live);
        assert_eq!(prune(&state, &none, day(9)).unwrap().runs, [id]);
    }

    #[test]
    fn a_crash_between_appending_and_deleting_counts_nothing_twice() {
        let (_dir, state) = state();
        let old = record(&state, DAY, events(Outcome::Failed { code: 1 }));
        record(&state, 2 * DAY, events(Outcome::Passed));
        let text = facts_of(&old).unwrap().unwrap();
        append(&state, &old, &text[block::head().len()..]).unwrap();
        assert_eq!(Recorded::load(&state).runs.len(), 2, "in both places");
        let mut file = open::update(&segments(&state).unwrap()[0]).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(b"{\"fact\":\"run\",\"run").unwrap();
        prune(&state, &Limits { runs: 1, ..Limits::default() }, day(2)).unwrap();
        std::fs::create_dir(state.runs().join(".gone-x")).unwrap();
        let newest = record(&state, 3 * DAY, events(Outcome::Passed));
        prune(&state, &Limits { runs: 1, ..Limits::default() }, day(3)).unwrap();
        let recorded = Recorded::load(&state);
        assert_eq!((recorded.runs.len(), &recorded.problems), (3, &vec![]), "the torn line was cut off");
        let left: Vec<_> = std::fs::read_dir(state.runs()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [newest.dir]);
    }

    #[test]
    fn a_damaged_log_is_pruned_and_said_to_be_lost() {
        let (_dir, state) = state();
        let damaged = write(&state, DAY, vec![started()]).run().clone();
        std::fs::write(damaged.log(), b"{}\n").unwrap();
        record(&state, 2 * DAY, events(Outcome::Passed));
        let done = prune(&state, &Limits { runs: 1, ..Limits::default() }, day(2)).unwrap();
        assert_eq!((done.runs, done.lost), (vec![damaged.id.clone()], vec![damaged.id]));
    }

    #[test]
    fn a_killed_run_is_settled_and_everything_can_be_cleaned() {
        let (_dir, state) = state();
        let unfinished = events(Outcome::Passed)[..3].to_vec();
        let killed = write(&state, DAY, unfinished).run().clone();
        assert!(!facts_path(&killed).exists());
        prune(&state, &Limits::default(), day(1)).unwrap();
        let settled = std::fs::read(facts_path(&killed)).unwrap();
        assert_eq!(block::of_run(&settled, &killed.id).unwrap().facts.ran, 1);
        record(&state, 2 * DAY, events(Outcome::Passed));
        prune(&state, &Limits { runs: 1, ..Limits::default() }, day(2)).unwrap();
        assert_eq!(clean_all(&state, true).unwrap().runs.len(), 1);
        assert!(known(&state, Some("c")).0.at_base.contains_key(&id("s")), "a dry run");
        let live = write(&state, 3 * DAY, events(Outcome::Passed));
        assert_eq!(clean_all(&state, false).unwrap().runs.len(), 1);
        assert_eq!(ids(&state), [live.run().id.clone()]);
        assert_eq!(Recorded::load(&state).runs.len(), 1, "no facts are left");
    }

    #[test]
    fn the_history_for_people_does_not_grow_for_ever() {
        let (_dir, state) = state();
        let line = format!("{{\"workflow_id\":\"{}\"}}\n", "x".repeat(1_000));
        std::fs::write(state.history(), line.repeat(9_000)).unwrap();
        prune(&state, &Limits::default(), day(1)).unwrap();
        let left = std::fs::read_to_string(state.history()).unwrap();
        assert!(left.len() < 5_000_000 && left.len() > 4_000_000);
        assert!(left.lines().all(|left| left == line.trim_end()), "only whole lines");
    }

    #[test]
    fn facts_do_not_grow_for_ever() {
        let (_dir, state) = state();
        for n in 1..=6 {
            let run = record(&state, n * DAY, events(Outcome::Passed));
            start_segment(&state, &run, b"").unwrap();
        }
        let oldest = segments(&state).unwrap().remove(2);
        prune(&state, &Limits::default(), day(6)).unwrap();
        let left = segments(&state).unwrap();
        assert_eq!((left.len(), &left[0]), (SEGMENTS, &oldest));
    }
}
