//! The action index: which key has which result, and how steps ended with which keys. One packed file, read at once.
//!
//! Only appended to, under the lock of the cache's folder, and rewritten when half of it is of no use any more. Whoever
//! has it open keeps what was read and catches up when it appends. Entries are decoded when they are asked for.

mod frame;
mod index;
mod recall;
mod record;
mod rewrite;
#[cfg(test)]
mod tests;

use frame::MAGIC;
pub use record::{KeyStart, Record, Sum, Tally, Totals, Usage, Uses};

use super::folder::{Folder, Held};
use super::store::Present;
use super::{Entry, Problem, Refused, file};
use crate::base::StepId;
use crate::key::Key;
use index::Index;
use record::Kind;
pub(super) use rewrite::Drop;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, OnceLock};

/// The action index.
#[derive(Debug)]
pub struct Actions {
    folder: Arc<Folder>,
    /// The file that was read, kept open so that no other can get its inode. None: there was none.
    file: Option<File>,
    /// What was read, up to the end of the last whole record.
    bytes: Vec<u8>,
    index: Index,
    /// Entries by step, once somebody asked.
    steps: OnceLock<Index>,
    damaged: usize,
    /// Did the file go on after the last whole record?
    torn: bool,
    /// Is less here than was written, as far as can be seen?
    lost: bool,
    /// Verdicts that the file does not have and that count all the same, for as long as this is open.
    recalled: HashMap<Key, Tally>,
    /// How long it was when it was last looked at whether it should be rewritten.
    looked_at: usize,
}

impl Actions {
    /// Reads the index. What cannot be read is empty, and the problem says why.
    pub fn open(folder: &Arc<Folder>) -> (Self, Option<Problem>) {
        let mut this = Self::empty(folder);
        if folder.problem().is_some() {
            return (this, None);
        }
        let problem = this.load().err();
        let readable = !matches!(problem, Some(Problem::Newer { .. } | Problem::Unreadable { .. }));
        this.lost = readable && (this.is_empty() || this.damaged > 0 || this.torn);
        let path = || folder.path("actions");
        let problem = problem.or((this.damaged > 0).then(|| Problem::Damaged { path: path(), places: this.damaged }));
        (this, problem)
    }

    fn empty(folder: &Arc<Folder>) -> Self {
        Self {
            folder: Arc::clone(folder),
            file: None,
            bytes: Vec::new(),
            index: Index::default(),
            steps: OnceLock::new(),
            damaged: 0,
            torn: false,
            lost: false,
            recalled: HashMap::new(),
            looked_at: 0,
        }
    }

    /// The result for a key, if there is one. It is not looked at whether it may be served.
    pub fn entry(&self, key: &Key) -> Option<Entry> {
        record::value(self.entry_body(key)?).filter(|entry: &Entry| entry.key == *key)
    }

    fn entry_body(&self, key: &Key) -> Option<&[u8]> {
        let newest = self.about(key).rev().find(|body| matches!(Kind::of(body), Some(Kind::Entry | Kind::Gone)))?;
        (Kind::of(newest) == Some(Kind::Entry)).then_some(newest)
    }

    /// The bodies of everything recorded about a key, in the order in which it was.
    fn about(&self, key: &Key) -> impl DoubleEndedIterator<Item = &[u8]> {
        let key = *key;
        let bodies = self.index.at(KeyStart::of(&key).0).map(|frame| frame::body(&self.bytes, frame));
        bodies.filter(move |body| record::key(body) == Some(key))
    }

    /// How steps ended with a key.
    pub fn tally(&self, key: &Key) -> Tally {
        let mut tally = self.recalled.get(key).cloned().unwrap_or_default();
        for body in self.about(key) {
            match Kind::of(body) {
                Some(Kind::Verdict) => record::value(body).into_iter().for_each(|verdict| tally.add(verdict)),
                Some(Kind::Sum) => record::value(body).into_iter().for_each(|sum: Sum| tally.merge(sum.tally)),
                _ => {}
            }
        }
        tally
    }

    /// The results of a step, newest first.
    pub fn entries_of(&self, step: &StepId) -> impl Iterator<Item = Entry> {
        self.entries_but(step, None)
    }

    /// The same without that of one key, which is not even decoded.
    pub fn entries_but(&self, step: &StepId, but: Option<Key>) -> impl Iterator<Item = Entry> {
        let steps = self.steps();
        let is_other = |frame: u32| but.is_none() || record::key(frame::body(&self.bytes, frame)) != but;
        let mut frames: Vec<u32> =
            steps.at(step_hash(step.as_str())).filter(|frame| is_other(*frame) && self.is_current(*frame)).collect();
        let at = |frame: &u32| (record::at_ms(frame::body(&self.bytes, *frame)), *frame);
        frames.sort_by_key(|frame| std::cmp::Reverse(at(frame)));
        let step = step.clone();
        let entries = frames.into_iter().filter_map(|frame| record::value(frame::body(&self.bytes, frame)));
        entries.filter(move |entry: &Entry| entry.step == step)
    }

    /// Gets ready to be asked about steps: who is sure to ask does that beside other work.
    pub fn ready_for_steps(&self) {
        self.steps();
    }

    fn steps(&self) -> &Index {
        // In the order of the file, which is much faster than from here to there in it.
        let all = || frame::scan(&self.bytes, MAGIC.len().min(self.bytes.len())).frames.into_iter();
        self.steps.get_or_init(|| Index::of(self.step_frames(all())))
    }

    /// Those of some frames that hold entries, by their steps.
    fn step_frames(&self, frames: impl Iterator<Item = u32>) -> impl Iterator<Item = (u64, u32)> {
        frames.filter_map(|frame| {
            let body = frame::body(&self.bytes, frame);
            let is_entry = Kind::of(body) == Some(Kind::Entry);
            Some((step_hash(is_entry.then(|| record::step(body))??), frame))
        })
    }

    /// The newest result of a step: what a miss is compared with.
    pub fn nearest(&self, step: &StepId) -> Option<Entry> {
        self.entries_of(step).next()
    }

    /// Every result, when it was recorded, and how many bytes its record takes; in the order in which they were written.
    pub fn entries(&self) -> impl Iterator<Item = (Entry, u64, u64)> {
        let mut frames: Vec<u32> = self.index.all().filter(|frame| self.is_current(*frame)).collect();
        frames.sort_unstable();
        frames.into_iter().filter_map(|frame| {
            let body = frame::body(&self.bytes, frame);
            Some((record::value(body)?, record::at_ms(body), frame::length(body)))
        })
    }

    /// Is nothing recorded?
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Is this the frame of an entry that was not replaced?
    fn is_current(&self, frame: u32) -> bool {
        let body = frame::body(&self.bytes, frame);
        Kind::of(body) == Some(Kind::Entry)
            && record::key(body).and_then(|key| self.entry_body(&key)).is_some_and(|newest| std::ptr::eq(newest, body))
    }

    /// What the verdicts of each key add up to.
    pub(super) fn sums(&self) -> Vec<Sum> {
        let bodies = self.index.all().map(|frame| frame::body(&self.bytes, frame));
        let verdicts = bodies.filter(|body| matches!(Kind::of(body), Some(Kind::Verdict | Kind::Sum)));
        let keys: BTreeSet<Key> = verdicts.filter_map(record::key).collect();
        keys.into_iter().map(|key| Sum { key, tally: self.tally(&key), usage: Usage::default() }).collect()
    }

    /// How often which entries were used, and what all uses add up to.
    pub fn usage(&self) -> (HashMap<KeyStart, Usage>, Totals) {
        let (mut of, mut totals) = (HashMap::new(), Totals::default());
        for body in self.index.all().map(|frame| frame::body(&self.bytes, frame)) {
            match Kind::of(body) {
                Some(Kind::Used) => {
                    let Some(uses) = record::value::<Uses>(body) else { continue };
                    let used = Usage { hits: 1, last_ms: record::at_ms(body) };
                    uses.keys.iter().for_each(|key| of.entry(*key).or_insert(Usage::default()).merge(used));
                    totals.merge(Totals { hits: uses.keys.len() as u64, saved_ms: uses.saved_ms });
                }
                Some(Kind::Sum) => {
                    let Some(sum) = record::value::<Sum>(body) else { continue };
                    of.entry(KeyStart::of(&sum.key)).or_default().merge(sum.usage);
                }
                Some(Kind::Past) => totals.merge(record::value(body).unwrap_or_default()),
                _ => {}
            }
        }
        (of, totals)
    }

    /// Records something, for everybody. What others recorded since is read on the way. Says which results are not
    /// recorded, because a blob that they name is gone: whoever evicts holds the same lock, so that no entry is ever without
    /// its blobs.
    ///
    /// # Errors
    /// [`Refused`], or what the file system says. Then nothing of it is recorded.
    pub fn append(&mut self, records: &[Record]) -> io::Result<Vec<Key>> {
        let folder = Arc::clone(&self.folder);
        let held = folder.hold()?;
        self.append_held(&held, records)
    }

    pub(super) fn append_held(&mut self, held: &Held<'_>, records: &[Record]) -> io::Result<Vec<Key>> {
        self.catch_up()?;
        let packed: Vec<Vec<u8>> = records.iter().map(|record| self.packed(record)).collect();
        // The index counts twice.
        held.room_for(2 * packed.iter().map(|bytes| bytes.len() as u64).sum::<u64>())?;
        // Making room may have rewritten it.
        self.catch_up()?;
        if self.damaged > 0 || self.is_wasteful() {
            self.rewrite(held, &Drop::default())?;
        }
        let (mut batch, mut bare, mut there) = (Vec::new(), Vec::new(), Present::new(&self.folder)?);
        for (record, bytes) in records.iter().zip(&packed) {
            match record {
                Record::Entry(entry) if !entry.blobs().all(|blob| there.has(blob)) => bare.push(entry.key),
                _ => batch.extend_from_slice(bytes),
            }
        }
        self.write(held, batch)?;
        Ok(bare)
    }

    fn packed(&self, record: &Record) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::append(&mut bytes, |out| record::encode(record, self.folder.now_ms(), out));
        bytes
    }

    fn write(&mut self, _: &Held<'_>, batch: Vec<u8>) -> io::Result<()> {
        if self.bytes.len() + batch.len() > u32::MAX as usize {
            return Err(io::Error::other("the action index is too large"));
        }
        let mut file = file::update(&self.folder.path("actions"))?;
        let (at, fresh) = (self.bytes.len(), self.bytes.is_empty());
        let bytes = if fresh { [&MAGIC[..], &batch].concat() } else { batch };
        // Cuts off what a writer left that was killed.
        file.set_len(at as u64)?;
        file.seek(SeekFrom::Start(at as u64))?;
        if let Err(error) = file.write_all(&bytes) {
            let _ = file.set_len(at as u64);
            return Err(error);
        }
        if self.file.is_none() {
            self.file = Some(file);
        }
        self.bytes.extend_from_slice(&bytes);
        self.take_in(at + if fresh { MAGIC.len() } else { 0 });
        Ok(())
    }

    /// Reads what is new; all of it if another process has rewritten it. Wants the lock, or to be opened just now.
    fn catch_up(&mut self) -> io::Result<()> {
        self.load().or_else(|problem| match problem {
            Problem::Newer { .. } | Problem::Unreadable { .. } => Err(Refused::Unusable(problem).into()),
            // What is no index is written anew.
            _ => Ok(()),
        })
    }

    fn load(&mut self) -> Result<(), Problem> {
        let path = self.folder.path("actions");
        let unreadable = |error: io::Error| Problem::Unreadable { path: path.clone(), message: error.to_string() };
        let mut file = match file::read(&path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                self.reset();
                return Ok(());
            }
            Err(error) => return Err(unreadable(error)),
        };
        let meta = file.metadata().map_err(unreadable)?;
        let known = self.file.as_ref().and_then(|file| file.metadata().ok());
        let same = known.is_some_and(|known| (known.dev(), known.ino()) == (meta.dev(), meta.ino()));
        if !same || meta.len() < self.bytes.len() as u64 {
            self.reset();
        }
        let at = self.bytes.len();
        file.seek(SeekFrom::Start(at as u64)).map_err(unreadable)?;
        self.bytes.reserve_exact((meta.len() as usize).saturating_sub(at));
        (&file).take(u64::from(u32::MAX)).read_to_end(&mut self.bytes).map_err(unreadable)?;
        self.file = Some(file);
        if at == 0 && !self.bytes.starts_with(MAGIC) {
            let problem = strange(&path, &self.bytes);
            self.bytes.clear();
            return problem.map_or(Ok(()), Err);
        }
        self.take_in(at.max(MAGIC.len()));
        Ok(())
    }

    /// Nothing was read yet.
    fn reset(&mut self) {
        let recalled = std::mem::take(&mut self.recalled);
        *self = Self { recalled, ..Self::empty(&self.folder) };
    }

    /// Takes records in that were read from `at` on. What is torn is dropped.
    fn take_in(&mut self, at: usize) {
        let found = frame::scan(&self.bytes, at);
        self.torn = found.end < self.bytes.len();
        self.bytes.truncate(found.end);
        self.damaged += found.damaged;
        let key_of = |frame: u32| {
            let body = frame::body(&self.bytes, frame);
            record::key(body).map_or(0, |key| KeyStart::of(&key).0)
        };
        self.index.add(found.frames.iter().map(|frame| (key_of(*frame), *frame)));
        if let Some(mut steps) = self.steps.take() {
            steps.add(self.step_frames(found.frames.iter().copied()));
            self.steps = steps.into();
        }
    }
}

/// A whole index, to be read by [`records_of`].
pub(super) fn file_of(records: impl Iterator<Item = Record>, at_ms: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for record in records {
        frame::append(&mut bytes, |out| record::encode(&record, at_ms, out));
    }
    bytes
}

/// Every record of an index that is whole. None: it is not.
pub(super) fn records_of(bytes: &[u8]) -> Option<Vec<Record>> {
    let found = frame::scan(bytes, MAGIC.len());
    let whole = bytes.starts_with(MAGIC) && found.damaged == 0 && found.end == bytes.len();
    whole.then(|| found.frames.iter().map(|frame| record::decode(frame::body(bytes, *frame))).collect())?
}

/// A number for a step; others may have the same.
fn step_hash(step: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    step.hash(&mut hasher);
    hasher.finish()
}

/// What a file is that does not begin as an index does; nothing, if it is just the torn start of one.
fn strange(path: &std::path::Path, bytes: &[u8]) -> Option<Problem> {
    let text = bytes.strip_prefix(b"wfact ").and_then(|rest| rest.split(|byte| *byte == b'\n').next());
    let found = text.and_then(|text| std::str::from_utf8(text).ok()?.parse::<u32>().ok());
    match found {
        Some(found) if found > 1 => Some(Problem::Newer { path: path.into(), found, known: 1 }),
        _ if MAGIC.starts_with(bytes) => None,
        _ => Some(Problem::Damaged { path: path.into(), places: 1 }),
    }
}
