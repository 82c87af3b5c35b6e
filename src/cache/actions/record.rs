//! The records of the action index. Pure.
//!
//! A record's body is: kind (1 byte), when it was recorded (8 bytes, milliseconds since 1970, little-endian), then the
//! value as postcard has it. Where a record is about a key, the value begins with it.

use crate::base::Millis;
use crate::cache::Entry;
use crate::key::Key;
use crate::verdict::KeyVerdict;
use serde::{Deserialize, Serialize};

/// Bytes before the value.
pub(super) const HEAD: usize = 9;

/// One thing to be remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A result for a key. It replaces an earlier one.
    Entry(Entry),
    /// A step ended by itself with this key.
    Verdict(KeyVerdict),
    /// Results were used.
    Used(Uses),
    /// The result for a key is no more. What is known about the key stays.
    Gone(Key),
    /// What earlier records of a key add up to.
    Sum(Sum),
    /// What uses of results add up to that are no more.
    Past(Totals),
}

/// The start of a key: enough to find the entry that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyStart(pub u64);

impl KeyStart {
    /// Of a key.
    pub fn of(key: &Key) -> Self {
        let start = key.0.as_bytes().first_chunk().copied().unwrap_or_default();
        Self(u64::from_be_bytes(start))
    }
}

/// Results that one run used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uses {
    /// What it saved.
    pub saved_ms: Millis,
    /// Whose.
    pub keys: Vec<KeyStart>,
}

/// What uses add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Results that were used.
    pub hits: u64,
    /// What that saved.
    pub saved_ms: Millis,
}

/// How often a key had which verdict, and the newest of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How often it passed.
    pub passed: u32,
    /// How often it failed.
    pub failed: u32,
    /// How often it passed only after a retry. Counted in `passed` too.
    pub flaky: u32,
    /// The newest pass.
    pub last_pass: Option<KeyVerdict>,
    /// The newest failure.
    pub last_fail: Option<KeyVerdict>,
}

/// How often an entry was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// How often.
    pub hits: u64,
    /// When last: milliseconds since 1970; 0: never.
    pub last_ms: u64,
}

/// What earlier records of a key add up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// The key.
    pub key: Key,
    /// Its verdicts.
    pub tally: Tally,
    /// Uses of its entry.
    pub usage: Usage,
}

impl Tally {
    /// Did the same key both pass and fail? Then its result depends on something that is not in the key.
    pub fn is_split(&self) -> bool {
        self.passed > 0 && self.failed > 0
    }

    /// Adds a verdict.
    pub fn add(&mut self, verdict: KeyVerdict) {
        let (count, last) = if verdict.passed {
            (&mut self.passed, &mut self.last_pass)
        } else {
            (&mut self.failed, &mut self.last_fail)
        };
        *count = count.saturating_add(1);
        self.flaky = self.flaky.saturating_add(u32::from(verdict.passed && verdict.flaky));
        if last.as_ref().is_none_or(|last| last.at_ms <= verdict.at_ms) {
            *last = Some(verdict);
        }
    }

    /// Adds what came before.
    pub fn merge(&mut self, other: Tally) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
        self.flaky = self.flaky.saturating_add(other.flaky);
        for (mine, theirs) in [(&mut self.last_pass, other.last_pass), (&mut self.last_fail, other.last_fail)] {
            if mine.as_ref().map(|mine| mine.at_ms) < theirs.as_ref().map(|theirs| theirs.at_ms) {
                *mine = theirs;
            }
        }
    }
}

impl Usage {
    /// Adds other uses.
    pub fn merge(&mut self, other: Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.last_ms = self.last_ms.max(other.last_ms);
    }
}

impl Totals {
    /// Adds other uses.
    pub fn merge(&mut self, other: Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.saved_ms = self.saved_ms.saturating_add(other.saved_ms);
    }
}

/// Which record a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Entry = 1,
    Verdict = 2,
    Used = 3,
    Gone = 4,
    Sum = 5,
    Past = 6,
}

impl Kind {
    /// The kind that a body says; none of another wf's.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let kind = match body.first()? {
            1 => Self::Entry,
            2 => Self::Verdict,
            3 => Self::Used,
            4 => Self::Gone,
            5 => Self::Sum,
            6 => Self::Past,
            _ => return None,
        };
        (body.len() >= HEAD).then_some(kind)
    }
}

/// When a body was recorded.
pub(super) fn at_ms(body: &[u8]) -> u64 {
    body.get(1..HEAD).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// The key that a body is about.
pub(super) fn key(body: &[u8]) -> Option<Key> {
    if matches!(Kind::of(body)?, Kind::Used | Kind::Past) {
        return None;
    }
    Some(Key(crate::base::Digest::from_bytes(body.get(HEAD..HEAD + 32)?.try_into().ok()?)))
}

/// The step that an entry's body is about. Nothing else of it is decoded.
pub(super) fn step(body: &[u8]) -> Option<&str> {
    postcard::take_from_bytes(body.get(HEAD + 32..)?).ok().map(|(step, _)| step)
}

/// A value of the type that its kind says.
pub(super) fn value<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    postcard::from_bytes(body.get(HEAD..)?).ok()
}

/// The whole record.
pub(super) fn decode(body: &[u8]) -> Option<Record> {
    Some(match Kind::of(body)? {
        Kind::Entry => Record::Entry(value(body)?),
        Kind::Verdict => Record::Verdict(value(body)?),
        Kind::Used => Record::Used(value(body)?),
        Kind::Gone => Record::Gone(value(body)?),
        Kind::Sum => Record::Sum(value(body)?),
        Kind::Past => Record::Past(value(body)?),
    })
}

/// Appends a record's body.
pub(super) fn encode(record: &Record, at_ms: u64, out: Vec<u8>) -> Vec<u8> {
    fn put<T: Serialize>(kind: Kind, at_ms: u64, value: &T, mut out: Vec<u8>) -> Vec<u8> {
        out.push(kind as u8);
        out.extend_from_slice(&at_ms.to_le_bytes());
        match postcard::to_extend(value, out) {
            Ok(out) => out,
            Err(error) => unreachable!("plain data always serializes: {error}"),
        }
    }
    match record {
        Record::Entry(value) => put(Kind::Entry, at_ms, value, out),
        Record::Verdict(value) => put(Kind::Verdict, at_ms, value, out),
        Record::Used(value) => put(Kind::Used, at_ms, value, out),
        Record::Gone(value) => put(Kind::Gone, at_ms, value, out),
        Record::Sum(value) => put(Kind::Sum, at_ms, value, out),
        Record::Past(value) => put(Kind::Past, at_ms, value, out),
    }
}
