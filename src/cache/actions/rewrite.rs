//! Writing the index anew without what is of no use any more.

use super::record::{self, Kind, Record, Sum};
use super::{Actions, MAGIC, frame};
use crate::cache::folder::Held;
use crate::key::Key;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write as _};

/// Looked at again when it has grown by so much; a smaller file is never rewritten.
const STEP: usize = 1 << 20;

/// What does not stay.
#[derive(Clone, Debug, Default)]
pub(in crate::cache) struct Drop {
    /// These results.
    pub entries: HashSet<Key>,
    /// Verdicts without a result whose newest is older: milliseconds since 1970.
    pub before_ms: u64,
}

/// What is recorded about one key.
#[derive(Default)]
struct About<'a> {
    entry: Option<&'a [u8]>,
    verdicts: Vec<&'a [u8]>,
}

impl Actions {
    /// Is half of a file that has grown of no use any more?
    pub(super) fn is_wasteful(&mut self) -> bool {
        if self.bytes.len() < self.looked_at + STEP {
            return false;
        }
        self.looked_at = self.bytes.len();
        let (mut waste, mut last) = (0, [(None, 0); 2]);
        for frame in self.index.all() {
            let body = frame::body(&self.bytes, frame);
            let key = record::key(body);
            let slot = match Kind::of(body) {
                Some(Kind::Entry | Kind::Gone) => &mut last[0],
                Some(Kind::Verdict | Kind::Sum) => &mut last[1],
                Some(Kind::Used | Kind::Past) | None => {
                    waste += body.len();
                    continue;
                }
            };
            // A later record of the same key makes the one before it useless, or is added to it.
            if slot.0 == key {
                waste += slot.1;
            }
            *slot = (key, body.len());
        }
        waste > self.bytes.len() / 2
    }

    /// Writes it anew. Others notice when they append next; those who only read go on with what they have.
    pub(in crate::cache) fn rewrite(&mut self, _: &Held<'_>, drop: &Drop) -> io::Result<()> {
        let bytes = self.rewritten(drop);
        let path = self.folder.path("actions");
        let mut temp = tempfile::Builder::new().prefix(".tmp-").tempfile_in(self.folder.dir())?;
        temp.write_all(&bytes)?;
        temp.persist(&path).map_err(|error| error.error)?;
        self.reset();
        self.catch_up()?;
        self.looked_at = self.bytes.len();
        Ok(())
    }

    fn rewritten(&self, drop: &Drop) -> Vec<u8> {
        let (usage, totals) = self.usage();
        let now = self.folder.now_ms();
        let mut out = MAGIC.to_vec();
        let copy = |out: &mut Vec<u8>, body: &[u8]| {
            frame::append(out, |mut out| {
                out.extend_from_slice(body);
                out
            });
        };
        if totals != super::Totals::default() {
            frame::append(&mut out, |out| record::encode(&Record::Past(totals), now, out));
        }
        let mut about: BTreeMap<Key, About<'_>> = BTreeMap::new();
        for frame in self.index.all() {
            let body = frame::body(&self.bytes, frame);
            let Some(key) = record::key(body) else { continue };
            let about = about.entry(key).or_default();
            match Kind::of(body) {
                Some(Kind::Entry) => about.entry = Some(body).filter(|_| !drop.entries.contains(&key)),
                Some(Kind::Gone) => about.entry = None,
                _ => about.verdicts.push(body),
            }
        }
        for (key, about) in about {
            if let Some(body) = about.entry {
                copy(&mut out, body);
            }
            let used = usage.get(&super::KeyStart::of(&key)).copied().filter(|_| about.entry.is_some());
            match (&about.verdicts[..], used) {
                ([], None) => {}
                ([one], None) if about.entry.is_some() => copy(&mut out, one),
                _ => {
                    let tally = self.tally(&key);
                    let newest =
                        [&tally.last_pass, &tally.last_fail].into_iter().flatten().map(|last| last.at_ms).max();
                    if about.entry.is_some() || newest.is_some_and(|newest| newest >= drop.before_ms) {
                        let sum = Sum { key, tally, usage: used.unwrap_or_default() };
                        frame::append(&mut out, |out| record::encode(&Record::Sum(sum), now, out));
                    }
                }
            }
        }
        out
    }
}
