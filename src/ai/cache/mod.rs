//! The response cache: what a model answered, by all that was asked.
//!
//! `entries/KEY.json` is the truth, one file for each answer, written whole or not at all and verified when read. A look reads
//! the one file and nothing else. `index.json` is for people and for cleaning up; it is made from the entries and from `uses`,
//! a log of what was looked up, whenever something was kept or somebody asks. What an untrusted branch keeps lies in a folder
//! of its own, which no other branch reads.

mod alone;
mod entry;
mod evict;
mod files;
mod index;
mod portable;

pub use alone::Alone;
pub use entry::{Meta, Stored};
pub use evict::Why;
pub use files::Refused;
pub use index::{Index, Line, Stats};
pub use portable::{export, import};

use crate::ask::{Call, Difference, Recorded, differences};
use crate::base::Digest;
use crate::config::model::AiCacheSettings;
use entry::Entry;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// After so many new answers of one process the cache is cleaned up, which reads the names of all entries.
const MANY: u64 = 1_000;

/// So many keys are remembered that were asked in vain.
const MOST_VAIN: usize = 10_000;

/// Who writes and who reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// A person's machine, or CI on a branch that only trusted people can push to.
    #[default]
    Trusted,
    /// A change that anybody may have proposed, by its branch.
    Branch(String),
}

/// One response cache, shared by everything that works in its folder.
#[derive(Debug)]
pub struct AiCache {
    dir: PathBuf,
    settings: AiCacheSettings,
    scope: Scope,
    /// So many answers were kept by this process since it last cleaned up.
    kept: AtomicU64,
    clock: fn() -> u64,
    /// By key: so many requests of this process got no answer that could be kept.
    vain: Mutex<HashMap<Digest, u64>>,
}

/// What is known of a call.
#[derive(Debug)]
pub enum Look {
    /// Its answer.
    Hit(Box<Stored>),
    /// Nothing that may be used.
    Miss,
}

/// The nearest earlier entry, and what differs from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// Its key.
    pub key: Digest,
    /// Is it of the same file?
    pub same_file: bool,
    /// What differs.
    pub differences: Vec<Difference>,
}

impl AiCache {
    /// Opens the cache in a folder; nothing is written before there is something to keep.
    pub fn open(dir: &Path, settings: AiCacheSettings, scope: Scope) -> Self {
        Self {
            dir: dir.to_owned(),
            settings,
            scope,
            kept: AtomicU64::new(0),
            clock: super::asking::now_ms,
            vain: Mutex::default(),
        }
    }

    /// At another time, for tests.
    #[cfg(test)]
    fn at(mut self, clock: fn() -> u64) -> Self {
        self.clock = clock;
        self
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its limits.
    pub fn settings(&self) -> &AiCacheSettings {
        &self.settings
    }

    /// The folders that this scope reads, its own first.
    fn readable(&self) -> Vec<PathBuf> {
        let trusted = self.dir.join(files::TRUSTED);
        match &self.scope {
            Scope::Trusted => vec![trusted],
            Scope::Branch(name) => vec![files::branch(&self.dir, name), trusted],
        }
    }

    fn own(&self) -> PathBuf {
        match &self.scope {
            Scope::Trusted => self.dir.join(files::TRUSTED),
            Scope::Branch(name) => files::branch(&self.dir, name),
        }
    }

    /// The answer to a call, if it is known and still good. A damaged entry is removed.
    pub fn look(&self, key: &Digest) -> Look {
        if !self.settings.enabled {
            return Look::Miss;
        }
        let now = (self.clock)();
        for folder in self.readable() {
            match entry::read(&folder, key) {
                Ok(Some(found)) if found.is_good(now) => {
                    index::used(&self.dir, &folder, &found, now);
                    return Look::Hit(Box::new(found.stored()));
                }
                Err(error) if entry::is_damage(&error) => files::remove(&folder, key),
                // What cannot be read now may be read a moment later.
                Ok(_) | Err(_) => {}
            }
        }
        Look::Miss
    }

    /// Keeps an answer. Whoever waits for one that is not kept waits no longer.
    ///
    /// # Errors
    /// It is none that may be kept, or the folder cannot be written.
    pub fn keep(&self, call: &Call, recorded: &Recorded, meta: Meta) -> io::Result<()> {
        let ttl = meta.ttl_ms.unwrap_or(self.settings.ttl_ms);
        let kept = self.put(call, recorded, meta, ttl);
        // Nobody waits for what will not be there.
        if kept.is_err() || ttl == 0 {
            self.in_vain(&call.key());
        }
        kept
    }

    fn put(&self, call: &Call, recorded: &Recorded, meta: Meta, ttl: u64) -> io::Result<()> {
        let now = (self.clock)();
        if !self.settings.enabled {
            return Ok(());
        }
        if !(200..300).contains(&recorded.status) {
            return Err(Refused::Error(recorded.status).into());
        }
        if recorded.body().is_empty() {
            return Err(Refused::Empty.into());
        }
        let entry = Entry::new(call, recorded, meta, now, now.saturating_add(ttl));
        let own = self.own();
        files::make(&self.dir, &own)?;
        index::missed(&self.dir, &call.key(), recorded.took_ms());
        entry::write(&own, &entry)?;
        // A process that serves for days keeps to the limits as well.
        if self.kept.fetch_add(1, Ordering::Relaxed) + 1 >= MANY {
            self.kept.store(0, Ordering::Relaxed);
            self.index()?;
        }
        Ok(())
    }

    /// Takes a key for this caller alone; `None` while another one has it, in whatever process.
    pub fn try_alone(&self, key: &Digest) -> Option<Alone> {
        alone::take(&self.dir, key)
    }

    /// So many requests for a key came back with nothing that could be kept, in this process. Who waits for the answer of
    /// another one waits no longer when it grows: those behind it would ask one after the other, each in vain.
    pub fn vain(&self, key: &Digest) -> u64 {
        self.vain.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied().unwrap_or_default()
    }

    /// One more came back so.
    pub fn in_vain(&self, key: &Digest) {
        let mut vain = self.vain.lock().unwrap_or_else(PoisonError::into_inner);
        if vain.len() >= MOST_VAIN {
            vain.clear();
        }
        *vain.entry(*key).or_default() += 1;
    }

    /// What is different from the entry that is nearest to a call, of the newest `most`: one of the same file before others,
    /// then the one with the fewest differences. Reads entries; for whoever asks why.
    pub fn why(&self, call: &Call, file: Option<&str>, most: usize) -> Option<Nearest> {
        let parts = call.parts();
        let mut newest: Vec<(u64, PathBuf)> = self.readable().iter().flat_map(|folder| files::by_age(folder)).collect();
        newest.sort_by(|a, b| b.cmp(a));
        let near = newest.iter().take(most).filter_map(|(_, path)| entry::read_file(path).ok()).map(|entry| Nearest {
            differences: differences(&entry.parts.read(), &parts),
            key: entry.key,
            same_file: file.is_some() && entry.meta.file.as_deref() == file,
        });
        near.min_by_key(|near| (!near.same_file, near.differences.len()))
    }

    /// The entry of a key, or of the one key that begins so.
    ///
    /// # Errors
    /// There is none, there are several, or it cannot be read.
    pub fn entry(&self, beginning: &str) -> Result<Stored, String> {
        let mut found = files::all(&self.dir).into_iter().filter(|path| files::name(path).starts_with(beginning));
        let path = found.next().filter(|_| !beginning.is_empty()).ok_or("there is no such entry")?;
        if found.next().is_some() {
            return Err("several entries begin so".into());
        }
        entry::read_file(&path).map(Entry::stored).map_err(|error| error.to_string())
    }

    /// Brings the index up to date, cleans up, and says what there is.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn index(&self) -> io::Result<Index> {
        index::fold(&self.dir, &self.settings, (self.clock)(), &|_| false)
    }

    /// Removes the entries that `which` names, whatever their age; returns how many.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn remove(&self, which: &dyn Fn(&Line) -> bool) -> io::Result<usize> {
        let before = files::all(&self.dir).len();
        let after = index::fold(&self.dir, &self.settings, (self.clock)(), which)?;
        Ok(before.saturating_sub(after.entries.len()))
    }
}

/// In one line of plain characters, for people and for a header.
impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, of) = (self.key.to_string(), if self.same_file { ", of the same file" } else { "" });
        write!(f, "from the nearest answer that is kept ({}{of}): ", key.get(..12).unwrap_or(&key))?;
        if self.differences.is_empty() {
            return write!(f, "nothing differs, and its time is over");
        }
        let named: Vec<String> =
            self.differences.iter().take(3).map(|d| d.to_string().escape_default().to_string()).collect();
        write!(f, "{}", named.join(", "))?;
        match self.differences.len().saturating_sub(3) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// What was kept is put into the index. That it cannot be is no loss: the next one does it.
impl Drop for AiCache {
    fn drop(&mut self) {
        if self.kept.load(Ordering::Relaxed) > 0 || index::is_long(&self.dir) {
            let _ = self.index();
        }
    }
}

#[cfg(test)]
mod tests;
