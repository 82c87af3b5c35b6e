//! All runs that anything is left of, newest first.
//!
//! Cheap enough for every start: a run's own `facts.jsonl` is read, not its log. It is written when the run ends; when it is
//! missing (wf was killed) or of another format, the log is folded once more.

use super::facts::{Fold, Row, RunFacts};
use super::{LogError, LogReader, RunRef, StateDir, block, open, runs};
use crate::base::RunId;
use std::collections::HashSet;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs that are recorded, and what could not be read.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Newest first.
    pub runs: Vec<RecordedRun>,
    /// What is recorded and cannot be used, one sentence each: `FallbackCode::HistoryUnreadable`.
    pub problems: Vec<String>,
}

/// One recorded run.
#[derive(Clone, Debug)]
pub struct RecordedRun {
    /// The run in one line.
    pub facts: RunFacts,
    /// Its folder; `None` when only facts are left of it.
    pub place: Option<RunRef>,
    /// Is it being written now?
    pub live: bool,
    text: Arc<Vec<u8>>,
    range: std::ops::Range<usize>,
}

impl Recorded {
    /// Reads what is there. Never fails: what cannot be read is a problem, and evidence of nothing.
    ///
    /// Nothing is written. Folders are read before `facts/`, so that a run that is being pruned meanwhile is seen in one of
    /// them.
    pub fn load(state: &StateDir) -> Self {
        let mut this = Self::default();
        match runs(state) {
            Ok(found) => found.into_iter().for_each(|run| this.take_folder(run)),
            Err(error) => this.problem(&state.runs(), &error),
        }
        match segments(state) {
            Ok(found) => found.iter().for_each(|path| this.take_segment(path)),
            Err(error) => this.problem(&state.facts(), &error),
        }
        this.runs.sort_by(|a, b| b.facts.run.cmp(&a.facts.run));
        this.runs.dedup_by(|a, b| a.facts.run == b.facts.run);
        this
    }

    fn problem(&mut self, path: &Path, error: &io::Error) {
        self.problems.push(format!("cannot read {}: {error}", path.display()));
    }

    fn take_folder(&mut self, run: RunRef) {
        let live = run.is_live();
        match facts_of(&run) {
            Ok(Some(text)) => {
                if let Some(found) = block::of_run(&text, &run.id) {
                    let (facts, range) = (found.facts, found.range);
                    self.runs.push(RecordedRun { facts, place: Some(run), live, text: Arc::new(text), range });
                }
            }
            // Just created, or pruned since the folder was listed.
            Ok(None) => {}
            Err(error) => {
                self.problems.push(format!("{}; {}", words(&error), error.hint()));
            }
        }
    }

    fn take_segment(&mut self, path: &Path) {
        let text = match read_file(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.problem(path, &error),
        };
        if block::format(&text) != Some(super::facts::FORMAT) {
            let what = format!("{} is no file of facts that this wf reads; it is left alone", path.display());
            return self.problems.push(what);
        }
        let (blocks, bad) = block::blocks(&text);
        if bad > 0 {
            let what = format!("{}: {bad} of {} runs are damaged", path.display(), blocks.len() + bad);
            self.problems.push(what);
        }
        let (text, have) =
            (Arc::new(text), self.runs.iter().map(|run| run.facts.run.clone()).collect::<HashSet<RunId>>());
        self.runs.extend(blocks.into_iter().filter(|block| !have.contains(&block.facts.run)).map(|block| {
            RecordedRun { facts: block.facts, place: None, live: false, text: text.clone(), range: block.range }
        }));
    }
}

impl RecordedRun {
    /// Its attempts and proven skips.
    ///
    /// # Errors
    /// When a row is damaged.
    pub fn rows(&self) -> serde_json::Result<Vec<Row>> {
        block::further(&self.text[self.range.clone()])
    }

    /// Bytes of its rows: what reading them costs.
    pub fn size(&self) -> usize {
        self.range.len()
    }
}

/// A run's facts as text: as they were left, or folded from the log. `None`: there is no event yet.
pub(super) fn facts_of(run: &RunRef) -> Result<Option<Vec<u8>>, LogError> {
    if let Ok(text) = read_file(&facts_path(run))
        && block::format(&text) == Some(super::facts::FORMAT)
        && block::of_run(&text, &run.id).is_some()
    {
        return Ok(Some(text));
    }
    let reader = match LogReader::open(&run.log()) {
        Err(LogError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut fold = Fold::default();
    for event in reader {
        fold.apply(&event?);
    }
    Ok(fold.rows().and_then(|rows| text_of(&rows, &run.id).ok()))
}

/// A run's facts as text, under the name that its folder has: the folder, not the log, says who it is.
pub(super) fn text_of(rows: &[Row], run: &RunId) -> serde_json::Result<Vec<u8>> {
    let mut rows = rows.to_vec();
    if let Some(Row::Run(facts)) = rows.first_mut() {
        facts.run = run.clone();
    }
    Ok([block::head(), block::lines(&rows)?].concat())
}

/// Where a run's own facts lie.
pub(super) fn facts_path(run: &RunRef) -> PathBuf {
    run.dir.join("facts.jsonl")
}

/// The files of `facts/`, oldest first: they are named after the first run in them.
pub(super) fn segments(state: &StateDir) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(state.facts()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jsonl"));
        if name.is_some_and(|name| super::runs::named_at(name).is_some()) {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    open::read(path)?.take(1 << 30).read_to_end(&mut text)?;
    Ok(text)
}

/// An error with its cause, in one line.
fn words(error: &LogError) -> String {
    match error {
        LogError::Io { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}
