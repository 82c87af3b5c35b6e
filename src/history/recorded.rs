//! All runs that anything is left of, newest first.
//!
//! Cheap enough for every start: a run's own `facts.jsonl` is read, not its log. It is written when the run ends; when it is
//! missing (wf was killed) or of another format, the log is folded once more.

use super::facts::{Fold, Row, RunFacts};
use super::{LogError, LogReader, RunRef, StateDir, block, open, runs};
use crate::base::RunId;
use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

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
    /// The run in one line; its circumstances may be left out, see [`RecordedRun::whole_facts`].
    pub facts: RunFacts,
    /// Its folder; `None` when only facts are left of it.
    pub place: Option<RunRef>,
    /// Is it being written now?
    pub live: bool,
    rows: Rows,
}

/// Where a run's rows are.
#[derive(Clone, Debug)]
enum Rows {
    /// In a text that was read, its own row first.
    Read(Arc<Vec<u8>>, std::ops::Range<usize>),
    /// At a place of a file that was seen to be whole. Most starts never ask.
    OnDisk(PathBuf, std::ops::Range<u64>, Arc<OnceLock<Vec<u8>>>),
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
        // Facts are written when a run has ended: of one that has whole ones nobody needs to ask the log's lock.
        if let Some(heads) = heads(&facts_path(&run))
            && let [(facts, range)] = &heads[..]
            && facts.run == run.id
        {
            let rows = Rows::OnDisk(facts_path(&run), range.clone(), Arc::default());
            return self.runs.push(RecordedRun { facts: facts.clone(), place: Some(run), live: false, rows });
        }
        let live = run.is_live();
        match facts_of(&run) {
            Ok(Some(text)) => {
                if let Some(found) = block::of_run(&text, &run.id) {
                    let (facts, range) = (found.facts, found.range);
                    let rows = Rows::Read(Arc::new(text), range);
                    self.runs.push(RecordedRun { facts, place: Some(run), live, rows });
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
        let have: HashSet<RunId> = self.runs.iter().map(|run| run.facts.run.clone()).collect();
        let is_new = |run: &RunId| super::runs::named_at(&run.0).is_some() && !have.contains(run);
        if let Some(heads) = heads(path) {
            let new = heads.into_iter().filter(|(facts, _)| is_new(&facts.run));
            return self.runs.extend(new.map(|(facts, range)| {
                let rows = Rows::OnDisk(path.to_owned(), range, Arc::default());
                RecordedRun { facts, place: None, live: false, rows }
            }));
        }
        let text = match read_file(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.problem(path, &error),
        };
        if block::format(&text) != Some(super::facts::FORMAT) {
            let what = format!("{} is no file of facts that this wf reads; it is left alone", path.display());
            return self.problems.push(what);
        }
        let (mut blocks, bad) = block::blocks(&text);
        let all = blocks.len() + bad;
        blocks.retain(|block| super::runs::named_at(&block.facts.run.0).is_some());
        if blocks.len() < all {
            let what = format!("{}: {} of {all} runs are damaged", path.display(), all - blocks.len());
            self.problems.push(what);
        }
        let text = Arc::new(text);
        self.runs.extend(blocks.into_iter().filter(|block| is_new(&block.facts.run)).map(|block| {
            let rows = Rows::Read(text.clone(), block.range);
            RecordedRun { facts: block.facts, place: None, live: false, rows }
        }));
    }
}

impl RecordedRun {
    /// The run in one line, and what changed in it.
    pub fn whole_facts(&self) -> Cow<'_, RunFacts> {
        let Rows::OnDisk(..) = self.rows else { return Cow::Borrowed(&self.facts) };
        match self.lines().next().map(serde_json::from_slice) {
            Some(Ok(Row::Run(facts))) => Cow::Owned(facts),
            _ => Cow::Borrowed(&self.facts),
        }
    }

    /// Its attempts and proven skips.
    ///
    /// # Errors
    /// When a row is damaged.
    pub fn rows(&self) -> serde_json::Result<Vec<Row>> {
        let rows = block::further(self.text())?;
        if rows.len() == self.facts.rows {
            return Ok(rows);
        }
        Err(serde::de::Error::custom(format!("{} of {} rows are there", rows.len(), self.facts.rows)))
    }

    /// Its attempts, which come first; nothing after them is read. None of a block that is torn.
    pub fn attempts(&self) -> Vec<Row> {
        let rows = self.lines().skip(1).map_while(|line| serde_json::from_slice(line).ok());
        let rows: Vec<Row> = rows.take_while(|row| matches!(row, Row::Attempt(_))).collect();
        if rows.len() < self.facts.ran { vec![] } else { rows }
    }

    /// The same, as lines.
    pub(super) fn lines(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.text().split(|byte| *byte == b'\n')
    }

    /// Its own row and all that follow. What cannot be read is nothing, which is too few rows.
    fn text(&self) -> &[u8] {
        match &self.rows {
            Rows::Read(text, range) => &text[range.clone()],
            Rows::OnDisk(path, range, text) => {
                let text = text.get_or_init(|| read_part(path, range).unwrap_or_default());
                // The file may be another by now; and what was counted by its length may hold anything.
                block::of_run(text, &self.facts.run).map_or(&[], |block| &text[block.range])
            }
        }
    }

    /// Bytes of its rows: what reading them costs.
    pub fn size(&self) -> usize {
        match &self.rows {
            Rows::Read(_, range) => range.len(),
            Rows::OnDisk(..) => self.facts.bytes,
        }
    }
}

/// The runs of a file of facts, and where their rows are, if their lengths say that the file is whole. Only their own rows
/// are read. `None`: it has to be read as a whole to know.
fn heads(path: &Path) -> Option<Vec<(RunFacts, std::ops::Range<u64>)>> {
    use std::os::unix::fs::FileExt as _;
    const MOST: usize = 16 << 10;
    const LONGEST: usize = 1 << 20;
    let file = open::read(path).ok()?;
    let length = file.metadata().ok()?.len();
    let (mut found, mut buffer) = (Vec::new(), vec![0; MOST.min(usize::try_from(length).unwrap_or(MOST).max(1))]);
    // What of the file is in the buffer.
    let (mut from, mut read) = (0, 0);
    let mut at = 0;
    while at < length {
        let mut within = usize::try_from(at - from).unwrap_or(usize::MAX);
        if within >= read || memchr::memchr(b'\n', &buffer[within..read]).is_none() {
            read = file.read_at(&mut buffer, at).ok()?;
            (from, within) = (at, 0);
        }
        let mut text = &buffer[within..read];
        let mut start = at;
        if at == 0 {
            (block::format(text) == Some(super::facts::FORMAT)).then_some(())?;
            let end = memchr::memchr(b'\n', text)? + 1;
            (start, text) = (end as u64, &text[end..]);
            if text.is_empty() {
                break;
            }
        }
        let Some(end) = memchr::memchr(b'\n', text) else {
            // A run that changed many files has a long row.
            (read == buffer.len() && read < LONGEST).then_some(())?;
            buffer.resize(buffer.len() * 2, 0);
            read = 0;
            continue;
        };
        let facts = block::facts(&text[..end])?;
        (facts.rows == 0 || facts.bytes > 0).then_some(())?;
        at = start + (end + 1 + facts.bytes) as u64;
        found.push((facts, start..at));
    }
    (at == length || found.is_empty()).then_some(found)
}

/// A part of a file. What a file that was cut meanwhile does not hold any more is missing.
fn read_part(path: &Path, range: &std::ops::Range<u64>) -> io::Result<Vec<u8>> {
    let mut file = open::read(path)?;
    io::Seek::seek(&mut file, io::SeekFrom::Start(range.start))?;
    let mut text = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0).min(64 << 20));
    // The line end before it is how a block's start is known.
    text.push(b'\n');
    file.take(range.end - range.start).read_to_end(&mut text)?;
    Ok(text)
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
    let Some((Row::Run(facts), further)) = rows.split_first() else { return Ok(block::head()) };
    let further = block::lines(further)?;
    let facts = Row::Run(RunFacts { run: run.clone(), bytes: further.len(), ..facts.clone() });
    Ok([block::head(), block::lines(&[facts])?, further].concat())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Because, Decision, EventKind, Outcome, RunStatus};
    use crate::history::ChosenBy;
    use crate::history::samples::{self, ended, id, known, planned, record, run_ended, started};

    /// Written by wf 0.1.0. When a format changes, these stay and new ones join them.
    const EVENTS: &str = include_str!("../../tests/fixtures/history/events-1.jsonl");
    const FACTS: &str = include_str!("../../tests/fixtures/history/facts-1.jsonl");
    const RUN: &str = "01a1fe21-7f74-74dc-8d39-2a056c824ce3";
    const COMMIT: &str = "2cd2db291a92860a421586a5f25a45d9642d3a91";

    fn state() -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        (dir, state)
    }

    #[test]
    fn logs_and_facts_of_format_1_stay_readable() {
        let (_dir, from_log) = state();
        let run = RunRef { id: RunId(RUN.into()), dir: from_log.runs().join(RUN) };
        std::fs::create_dir(&run.dir).unwrap();
        std::fs::write(run.log(), EVENTS).unwrap();
        let rows = |text: &[u8]| -> Vec<String> {
            let text = std::str::from_utf8(text).unwrap();
            // Written since then; a block without it is read as a whole.
            let later = regex::Regex::new(r#","bytes":[0-9]+(,"circumstances":[{].*[}])?([}])$"#).unwrap();
            text.lines().map(|line| later.replace(line, "$2").into_owned()).collect()
        };
        assert_eq!(rows(&facts_of(&run).unwrap().unwrap()), rows(FACTS.as_bytes()));
        let (_dir, from_facts) = state();
        std::fs::write(from_facts.facts().join(format!("{RUN}.jsonl")), FACTS).unwrap();
        let (known, recorded) = known(&from_log, Some(COMMIT));
        let (same, facts) = samples::known(&from_facts, Some(COMMIT));
        assert_eq!((&known, &recorded.problems), (&same, &facts.problems));
        let took = super::super::durations(&from_log, &recorded);
        assert_eq!((took[&id("build")], &took), (35, &super::super::durations(&from_facts, &facts)));
        assert!(known.at_base.is_empty(), "it was made under other rules: it can be read and proves nothing");
        let today = format!("\"semantics\":{}", crate::event::SEMANTICS);
        std::fs::write(from_facts.facts().join(format!("{RUN}.jsonl")), FACTS.replace("\"semantics\":1", &today))
            .unwrap();
        let (known, _) = samples::known(&from_facts, Some(COMMIT));
        let verdicts: Vec<_> = known.at_base.iter().map(|(step, verdict)| (step.as_str(), verdict.passed)).collect();
        assert_eq!(verdicts, [("build", true), ("docs", true), ("lint", false), ("test", false)]);
    }

    #[test]
    fn a_start_reads_no_log_that_left_its_facts() {
        let (_dir, state) = state();
        for at in 1..=50 {
            let plan =
                EventKind::Planned { steps: vec![planned("s", Decision::Run(Because::NoBase), &[])], stages: vec![] };
            let run = record(
                &state,
                at,
                vec![started(), plan, ended("s", Outcome::Passed, false), run_ended(RunStatus::Passed)],
            );
            std::fs::write(run.log(), "no log any more").unwrap();
        }
        let mut recorded = Recorded::load(&state);
        assert_eq!((recorded.runs.len(), recorded.problems.len(), recorded.green_commits().len()), (50, 0, 50));
        assert!(recorded.known(Some("c")).at_base[&id("s")].passed);
    }

    #[test]
    fn a_run_that_changed_much_has_a_long_row_and_its_log_is_not_read_either() {
        let (_dir, state) = state();
        let paths = (0..800).map(|at| format!("a/rather/long/path/to/some/source/file/number/{at}.rs")).collect();
        let long = crate::predict::Circumstances { paths, ..Default::default() };
        let run = record(&state, 1, vec![started(), run_ended(RunStatus::Passed)]);
        for circumstances in [None, Some(long)] {
            let facts = RunFacts { run: run.id.clone(), circumstances, ..crate::history::samples::facts("") };
            let text =
                text_of(&[Row::Run(facts.clone()), crate::history::samples::attempt("s", true)], &run.id).unwrap();
            std::fs::write(facts_path(&run), &text).unwrap();
            let found = heads(&facts_path(&run)).unwrap();
            assert_eq!((found.len(), &found[0].0.run), (1, &facts.run));
            let recorded = Recorded::load(&state);
            assert_eq!(recorded.runs[0].whole_facts().circumstances, facts.circumstances);
            for cut in [text.len() - 1, 16_384, 6_000, 4_096, 200] {
                std::fs::write(facts_path(&run), &text[..cut.min(text.len() - 1)]).unwrap();
                assert_eq!(heads(&facts_path(&run)), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn facts_of_another_format_are_made_anew_from_the_log() {
        let (_dir, state) = state();
        let run = record(&state, 1, vec![started(), run_ended(RunStatus::Passed)]);
        for text in ["{\"format\":2}\n", "", "garbage", "{\"format\":1}\n{\"fact\":\"run\",\"run\":\"x\"}\n"] {
            std::fs::write(facts_path(&run), text).unwrap();
            let recorded = Recorded::load(&state);
            assert_eq!((recorded.runs.len(), recorded.problems.len()), (1, 0), "{text}");
            assert_eq!(recorded.runs[0].facts.status, Some(RunStatus::Passed), "{text}");
        }
        let strange = state.facts().join(format!("{}.jsonl", run.id));
        std::fs::write(&strange, "{\"format\":2}\n").unwrap();
        assert_eq!(Recorded::load(&state).problems.len(), 1, "a newer segment is left alone and told");
        assert_eq!(std::fs::read(strange).unwrap(), b"{\"format\":2}\n");
    }
}
