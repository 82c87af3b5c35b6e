//! `index.json`: what the cache holds and what it was good for, made from the entries and the log of uses.

use super::entry::{self, Entry};
use super::{evict, files};
use crate::base::{Digest, Millis};
use crate::config::model::AiCacheSettings;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::Path;

const FORMAT: u32 = 1;
const INDEX: &str = "index.json";
const USES: &str = "uses";
/// A longer log is folded by whoever writes to it next.
const LONG_LOG: u64 = 1 << 20;

/// The index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    format: u32,
    /// What there is, by key; that of an untrusted branch by `KEY@FOLDER`, because several may hold one key.
    pub entries: BTreeMap<String, Line>,
    /// What it was good for.
    pub stats: Stats,
    /// The log of uses that was counted last. It is removed afterwards: one that is still there has been counted.
    #[serde(default)]
    counted: Option<Digest>,
}

/// One entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The model.
    pub model: String,
    /// The persona.
    pub persona: String,
    /// The file that was asked about.
    pub file: Option<String>,
    /// The step that asked.
    pub step: String,
    /// Labels.
    pub tags: Vec<String>,
    /// When it came: milliseconds since 1970.
    pub created_ms: u64,
    /// Until when it is good.
    pub expires_ms: u64,
    /// When it was used last; 0: never.
    pub last_ms: u64,
    /// How often it was used.
    pub hits: u64,
    /// What its file takes.
    pub bytes: u64,
    /// When its file was written: nanoseconds since 1970. An answer that replaces an older one may be as long.
    #[serde(default)]
    pub written_ns: u64,
    /// Tokens that a use saves.
    pub tokens: u64,
    /// Millionths of a dollar that a use saves.
    pub micro_usd: u64,
    /// The folder it is in.
    pub scope: String,
}

/// What the cache was good for, since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Answers from the cache.
    pub hits: u64,
    /// Answers from services.
    pub misses: u64,
    /// Tokens that were not asked for.
    pub tokens_saved: u64,
    /// Millionths of a dollar that were not spent.
    pub micro_usd_saved: u64,
    /// Time that services took, over all misses.
    pub asked_ms: Millis,
    /// How often it was cleaned up.
    pub cleanups: u64,
    /// Entries that went then.
    pub removed: u64,
}

impl Stats {
    /// All questions.
    pub fn calls(&self) -> u64 {
        self.hits + self.misses
    }
}

/// What an entry is called in the index.
pub(super) fn name(key: &Digest, folder: &Path) -> String {
    match scope_of(folder).as_str() {
        files::TRUSTED => key.to_string(),
        other => format!("{key}@{other}"),
    }
}

/// Notes that an entry of a folder was used. What cannot be noted is not counted.
pub(super) fn used(dir: &Path, folder: &Path, entry: &Entry, now: u64) {
    let name = name(&entry.key, folder);
    note(dir, &format!("h {name} {now} {} {}\n", entry.meta.usage.total(), entry.meta.micro_usd.unwrap_or_default()));
}

/// Notes that a service was asked.
pub(super) fn missed(dir: &Path, key: &Digest, took_ms: Millis) {
    note(dir, &format!("m {key} {took_ms}\n"));
}

/// One write of one line: lines of several processes do not mix.
fn note(dir: &Path, line: &str) {
    if let Ok(mut log) = files::append(&dir.join(USES)) {
        let _ = log.write_all(line.as_bytes());
    }
}

/// Is the log long enough to be folded?
pub(super) fn is_long(dir: &Path) -> bool {
    dir.join(USES).symlink_metadata().is_ok_and(|meta| meta.len() > LONG_LOG)
}

/// Brings the index up to date with entries and log, and removes what has to go. One at a time; an index that cannot be read
/// is made anew, and then only what the log counted before is lost.
pub(super) fn fold(
    dir: &Path,
    settings: &AiCacheSettings,
    now: u64,
    asked: &dyn Fn(&Line) -> bool,
) -> io::Result<Index> {
    if dir.symlink_metadata().is_err() {
        return Ok(Index { format: FORMAT, ..Index::default() });
    }
    let lock = files::options().write(true).create(true).open(dir.join("lock"))?;
    lock.lock()?;
    let before = files::read(&dir.join(INDEX)).ok().flatten();
    let mut index: Index = before.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    if index.format != FORMAT {
        index = Index { format: FORMAT, ..Index::default() };
    }
    reconcile(dir, &mut index);
    // Moved away first: what others note meanwhile goes into a new one.
    let folding = dir.join("uses.folding");
    if folding.symlink_metadata().is_err() {
        let _ = std::fs::rename(dir.join(USES), &folding);
    }
    if let Some(log) = files::read(&folding).ok().flatten() {
        let digest = Some(Digest::of_bytes(&log));
        if index.counted != digest {
            String::from_utf8_lossy(&log).lines().for_each(|line| count(&mut index, line));
            index.counted = digest;
        }
    }
    let go = evict::choose(&index.entries, settings, now, asked);
    for (name, _) in &go {
        let key = name.get(..64).and_then(Digest::parse);
        if let (Some(line), Some(key)) = (index.entries.remove(name), key) {
            files::remove(&dir.join(&line.scope), &key);
        }
    }
    if !go.is_empty() {
        index.stats.cleanups += 1;
        index.stats.removed += go.len() as u64;
    }
    let mut after = serde_json::to_vec_pretty(&index)?;
    after.push(b'\n');
    if before.as_deref() != Some(&after) {
        files::write(&dir.join(INDEX), &after)?;
    }
    let _ = std::fs::remove_file(&folding);
    Ok(index)
}

/// What is there stands in the index, and nothing else.
fn reconcile(dir: &Path, index: &mut Index) {
    let mut there = BTreeSet::new();
    for path in files::all(dir) {
        let (Some(key), Some(folder)) = (Digest::parse(&files::name(&path)), path.parent()) else { continue };
        let name = name(&key, folder);
        let file = file(&path);
        let is_known = index.entries.get(&name).is_some_and(|line| (line.bytes, line.written_ns) == file);
        there.insert(name.clone());
        if !is_known {
            match entry::read_file(&path) {
                Ok(entry) => {
                    let old = index.entries.remove(&name).unwrap_or_default();
                    index.entries.insert(name, line(entry, file, scope_of(folder), old));
                }
                Err(error) => {
                    if entry::is_damage(&error) {
                        let _ = std::fs::remove_file(&path);
                    }
                    there.remove(&name);
                }
            }
        }
    }
    index.entries.retain(|key, _| there.contains(key));
}

fn line(entry: Entry, (bytes, written_ns): (u64, u64), scope: String, old: Line) -> Line {
    let meta = entry.meta;
    Line {
        tokens: meta.usage.total(),
        micro_usd: meta.micro_usd.unwrap_or_default(),
        model: meta.model,
        persona: meta.persona,
        file: meta.file,
        step: meta.step,
        tags: meta.tags,
        created_ms: entry.created_ms,
        expires_ms: entry.expires_ms,
        last_ms: old.last_ms,
        hits: old.hits,
        bytes,
        written_ns,
        scope,
    }
}

/// How long a file is, and when it was written.
fn file(path: &Path) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    let written = |meta: &std::fs::Metadata| {
        meta.mtime().unsigned_abs().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec().unsigned_abs())
    };
    path.symlink_metadata().map_or((0, 0), |meta| (meta.len(), written(&meta)))
}

fn scope_of(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn count(index: &mut Index, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
    match (words.first(), words.get(1), number(2)) {
        (Some(&"h"), Some(name), Some(at)) => {
            index.stats.hits += 1;
            index.stats.tokens_saved += number(3).unwrap_or_default();
            index.stats.micro_usd_saved += number(4).unwrap_or_default();
            if let Some(line) = index.entries.get_mut(*name) {
                line.hits += 1;
                line.last_ms = line.last_ms.max(at);
            }
        }
        (Some(&"m"), Some(_), Some(took)) => {
            index.stats.misses += 1;
            index.stats.asked_ms += took;
        }
        _ => {}
    }
}
