//! `ai.lock`: which answer belongs to which request, to be committed, so that a run needs no service.
//!
//! A line of JSON for each request, sorted by key, and the answers in `ai.lock.d/` beside it, one file each, named by the
//! digest of the answer. Recording the same again gives the same bytes.

use crate::ask::{Call, Difference, Parts, Recorded, differences};
use crate::base::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const FORMAT: u32 = 1;
/// In the folder of answers, while a whole recording is made: the keys of what was recorded.
const USED: &str = ".recorded";

/// A recording that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    path: PathBuf,
    lines: BTreeMap<Digest, Line>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    key: Digest,
    answer: Digest,
    /// For people: step, persona or path, file.
    label: String,
    /// Digests of the request's parts, so that a miss can say what changed.
    parts: Parts,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(rename = "ai.lock")]
    format: u32,
}

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing is recorded for it; the nearest recorded request and what differs.
    NotRecorded(Option<(String, Vec<Difference>)>),
    /// Its answer is not there, or is not the one that was recorded.
    Damaged(String),
}

impl Lock {
    /// Reads a recording; one that is not there holds nothing.
    ///
    /// # Errors
    /// It cannot be read, or is of a later format.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()));
        let mut lock = Self { path: path.to_owned(), lines: BTreeMap::new() };
        let mut lines = text.lines().enumerate();
        // What git leaves in a file that two branches changed.
        let conflict =
            text.lines().position(|line| ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|m| line.starts_with(m)));
        if let Some(at) = conflict {
            return Err(wrong(format!("line {}: a merge conflict that was not resolved", at + 1)));
        }
        if let Some((_, first)) = lines.next() {
            let head: Head = serde_json::from_str(first).map_err(|error| wrong(format!("line 1: {error}")))?;
            if head.format != FORMAT {
                return Err(wrong(format!("its format is {}, and this wf reads {FORMAT}", head.format)));
            }
        }
        for (at, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let line: Line = serde_json::from_str(line).map_err(|error| wrong(format!("line {}: {error}", at + 1)))?;
            lock.lines.insert(line.key, line);
        }
        Ok(lock)
    }

    /// How many requests it answers.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Is nothing recorded?
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The answer to a request, verified; `label` as it would be recorded.
    ///
    /// # Errors
    /// It is not recorded, or its file is not what was recorded.
    pub fn answer(&self, call: &Call, label: &str) -> Result<Recorded, Missing> {
        let Some(line) = self.lines.get(&call.key()) else { return Err(self.nearest(call, label)) };
        let path = answers(&self.path).join(format!("{}.json", line.answer));
        let damaged = |why: String| Missing::Damaged(format!("{}: {why}", path.display()));
        let bytes = std::fs::read(&path).map_err(|error| damaged(error.to_string()))?;
        let recorded: Recorded = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if recorded.digest() == line.answer {
            Ok(recorded)
        } else {
            Err(damaged("it was changed after it was recorded".into()))
        }
    }

    /// Of the same step and file, if there is one: a file that changed differs from itself, not from its neighbour.
    fn nearest(&self, call: &Call, label: &str) -> Missing {
        let parts = call.parts();
        let all = self.lines.values().map(|line| (line.label.clone(), differences(&line.parts, &parts)));
        Missing::NotRecorded(all.min_by_key(|(own, differences)| (own != label, differences.len())))
    }

    /// Adds an answer; its file is written at once, the recording itself by [`Lock::write`].
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn add(&mut self, call: &Call, recorded: &Recorded, label: &str) -> io::Result<()> {
        // When a piece came is no part of a recording: it would differ each time.
        let pieces = recorded.chunks.iter().map(|chunk| crate::ask::Chunk { after_ms: 0, bytes: chunk.bytes.clone() });
        let still = Recorded { chunks: pieces.collect(), ..recorded.clone() };
        let (key, answer) = (call.key(), still.digest());
        let folder = answers(&self.path);
        std::fs::create_dir_all(&folder)?;
        let mut bytes = serde_json::to_vec_pretty(&still)?;
        bytes.push(b'\n');
        whole(&folder.join(format!("{answer}.json")), &bytes)?;
        self.lines.insert(key, Line { key, answer, label: label.to_owned(), parts: call.parts() });
        Ok(())
    }

    /// Writes the recording, and removes answers that belong to no request any more.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&Head { format: FORMAT })?;
        for line in self.lines.values() {
            text.push(b'\n');
            serde_json::to_writer(&mut text, line)?;
        }
        text.push(b'\n');
        whole(&self.path, &text)?;
        let used: std::collections::BTreeSet<String> =
            self.lines.values().map(|line| format!("{}.json", line.answer)).collect();
        for entry in std::fs::read_dir(answers(&self.path)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.strip_suffix(".json").and_then(Digest::parse).is_some() && !used.contains(&name) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Adds one answer to a recording that several processes write: one after the other, under a lock on its folder.
///
/// # Errors
/// It cannot be read or written.
pub fn record(path: &Path, call: &Call, recorded: &Recorded, label: &str) -> io::Result<()> {
    let folder = answers(path);
    std::fs::create_dir_all(&folder)?;
    let held = std::fs::File::open(&folder)?;
    held.lock()?;
    let mut lock = Lock::read(path)?;
    lock.add(call, recorded, label)?;
    if let Ok(mut used) = std::fs::File::options().append(true).open(folder.join(USED)) {
        writeln!(used, "{}", call.key())?;
    }
    lock.write()
}

/// Begins to write down which requests are recorded from now on.
///
/// # Errors
/// The folder cannot be written.
pub fn begin(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(answers(path))?;
    std::fs::write(answers(path).join(USED), "")
}

/// Ends that. With `only`, the recording keeps those requests and no other: what nobody asks any more goes.
///
/// # Errors
/// It cannot be read or written.
pub fn end(path: &Path, only: bool) -> io::Result<()> {
    let folder = answers(path);
    let held = std::fs::File::open(&folder)?;
    held.lock()?;
    let used = std::fs::read_to_string(folder.join(USED))?;
    if only {
        let used: std::collections::BTreeSet<Digest> = used.lines().filter_map(Digest::parse).collect();
        let mut lock = Lock::read(path)?;
        lock.lines.retain(|key, _| used.contains(key));
        lock.write()?;
    }
    std::fs::remove_file(folder.join(USED))
}

/// The folder of answers of a recording.
fn answers(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".d");
    path.with_file_name(name)
}

/// Writes a file so that readers see all of it or what was there before.
fn whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let readable = std::fs::Permissions::from_mode(0o644);
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut temp = tempfile::Builder::new().prefix(".tmp-").permissions(readable).tempfile_in(dir)?;
    temp.write_all(bytes)?;
    temp.persist(path).map_err(|error| error.error)?;
    Ok(())
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRecorded(None) => write!(f, "`ai.lock` is empty"),
            Self::NotRecorded(Some((label, differences))) => {
                let named: Vec<String> = differences.iter().take(3).map(ToString::to_string).collect();
                let more = differences.len().saturating_sub(3);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                write!(
                    f,
                    "`ai.lock` does not hold this request; from the nearest ({label}): {}{more}",
                    named.join(", ")
                )
            }
            Self::Damaged(what) => write!(f, "{what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(model: &str) -> Call {
        Call { provider: "openai".into(), body: format!(r#"{{"model":"{model}"}}"#).into_bytes(), ..Call::default() }
    }

    #[test]
    fn a_whole_recording_keeps_what_was_asked_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ai.lock");
        let answer = Recorded::whole(200, b"x".to_vec(), 1);
        for (models, only, left) in [(["a", "b"], true, 2), (["b", "c"], false, 3), (["c", "c"], true, 1)] {
            begin(&path).unwrap();
            for model in models {
                record(&path, &call(model), &answer, "s").unwrap();
            }
            end(&path, only).unwrap();
            assert_eq!(Lock::read(&path).unwrap().len(), left, "{models:?}");
        }
        record(&path, &call("d"), &answer, "s").unwrap();
        assert_eq!(std::fs::read_dir(answers(&path)).unwrap().count(), 1, "one answer, and nothing else is left");
    }

    #[test]
    fn what_is_recorded_is_answered_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ai.lock");
        let mut lock = Lock::read(&path).unwrap();
        assert_eq!(lock.answer(&call("a"), "").unwrap_err().to_string(), "`ai.lock` is empty");
        lock.add(&call("b"), &Recorded::whole(200, b"two".to_vec(), 7), "step b").unwrap();
        lock.add(&call("a"), &Recorded::whole(200, b"one".to_vec(), 9), "step a").unwrap();
        lock.write().unwrap();
        let written = std::fs::read(&path).unwrap();
        let mut again = Lock::read(&path).unwrap();
        assert_eq!((again.answer(&call("a"), "").unwrap().body(), again.len()), (b"one".to_vec(), 2));
        let said = again.answer(&call("c"), "").unwrap_err().to_string();
        assert!(said.contains("from the nearest (step") && said.ends_with("model changed"), "{said}");
        // Of two that are as near, the one of the same step and file.
        for label in ["step a", "step b"] {
            let said = again.answer(&call("c"), label).unwrap_err().to_string();
            assert!(said.contains(&format!("({label})")), "{said}");
        }
        let conflict = format!("<<<<<<< HEAD\n{}=======\n>>>>>>> other\n", String::from_utf8_lossy(&written));
        std::fs::write(dir.path().join("broken"), conflict).unwrap();
        let said = Lock::read(&dir.path().join("broken")).unwrap_err().to_string();
        assert!(said.contains("line 1: a merge conflict"), "{said}");
        // The same again, at another pace: the same bytes.
        again.add(&call("a"), &Recorded::whole(200, b"one".to_vec(), 1), "step a").unwrap();
        again.write().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), written);
        // Another answer: the old one's file goes.
        again.add(&call("a"), &Recorded::whole(200, b"new".to_vec(), 1), "step a").unwrap();
        again.write().unwrap();
        assert_eq!(std::fs::read_dir(dir.path().join("ai.lock.d")).unwrap().count(), 2);
    }

    #[test]
    fn what_was_changed_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ai.lock");
        let mut lock = Lock::read(&path).unwrap();
        lock.add(&call("a"), &Recorded::whole(200, b"one".to_vec(), 9), "a").unwrap();
        lock.write().unwrap();
        let answer = std::fs::read_dir(dir.path().join("ai.lock.d")).unwrap().next().unwrap().unwrap().path();
        let text = std::fs::read_to_string(&answer).unwrap().replace("one", "two");
        std::fs::write(&answer, text).unwrap();
        assert!(lock.answer(&call("a"), "").unwrap_err().to_string().contains("changed after it was recorded"));
        std::fs::remove_file(&answer).unwrap();
        assert!(matches!(lock.answer(&call("a"), ""), Err(Missing::Damaged(_))));
        for text in ["{", "{\"ai.lock\":9}\n", "{\"ai.lock\":1}\nx\n"] {
            std::fs::write(&path, text).unwrap();
            assert!(Lock::read(&path).is_err(), "{text}");
        }
    }
}
