//! The packed index on disk: what is known of files by path and of blobs by name, read at once.
//!
//! The file is one part or several behind each other (see [`part`]). The first is large and searched as it is. Those behind it
//! are what single runs added: they are short, and writing one leaves the others alone. What a later part says holds. Once
//! the later ones are many, everything is written anew as one.

use super::Holds;
use super::part::{self, Part};
use crate::base::{Digest, RepoPath};
use crate::cache::{Problem, file};
use crate::tree::{BlobName, FileStat};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Rows of files that nobody asked about are kept until there are so many more of them.
const SLACK: usize = 200_000;
/// Additions are written behind the rest while they are no more than this, or than an eighth of the first part.
const FEW: usize = 1_000;

/// What is known of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub stat: FileStat,
    pub holds: Holds,
    pub digest: Digest,
    /// Not to be trusted later; never written.
    pub racy: bool,
}

/// What is known of files and blobs, not packed.
#[derive(Debug, Default)]
pub struct Known {
    pub rows: HashMap<RepoPath, Row>,
    pub blobs: HashMap<(BlobName, Holds), Digest>,
}

impl Known {
    fn len(&self) -> usize {
        self.rows.len() + self.blobs.len()
    }
}

/// An index as it was read.
#[derive(Debug, Default)]
pub struct Pack {
    first: Part,
    later: Known,
    /// There was an index, and all of it could be read.
    whole: bool,
    newer: bool,
}

impl Pack {
    /// Reads an index, or says why not all of it. What stands before the damage is used.
    pub fn open(path: &Path) -> (Self, Option<Problem>) {
        let mut bytes = Vec::new();
        match file::read(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return (Self::default(), None);
            }
            Err(error) => {
                let (path, message) = (path.to_owned(), error.to_string());
                return (Self::default(), Some(Problem::Unreadable { path, message }));
            }
        }
        let path = path.to_owned();
        if let Some(found) = part::format(&bytes).filter(|found| *found > part::FORMAT) {
            let newer = Self { newer: true, ..Self::default() };
            return (newer, Some(Problem::Newer { path, found, known: part::FORMAT }));
        }
        let this = Self::parse(bytes);
        let problem = (!this.whole).then_some(Problem::Damaged { path, places: 1 });
        (this, problem)
    }

    fn parse(mut bytes: Vec<u8>) -> Self {
        let Some(len) = part::len(&bytes) else { return Self::default() };
        let mut tail = bytes.split_off(len);
        let Some(first) = Part::parse(bytes) else { return Self::default() };
        let mut this = Self { first, ..Self::default() };
        while let Some(len) = part::len(&tail) {
            let rest = tail.split_off(len);
            let Some(part) = Part::parse(std::mem::replace(&mut tail, rest)) else { return this };
            this.later.rows.extend(part.rows());
            this.later.blobs.extend(part.blobs());
        }
        this.whole = tail.is_empty();
        this
    }

    /// What is known of a path.
    pub fn row(&self, path: &RepoPath) -> Option<Row> {
        self.row_near(path, &mut 0)
    }

    /// The same for who asks in order of path: `near` is where the next row is looked for first.
    pub fn row_near(&self, path: &RepoPath, near: &mut usize) -> Option<Row> {
        let later = if self.later.rows.is_empty() { None } else { self.later.rows.get(path).cloned() };
        later.or_else(|| self.first.row_near(path, near))
    }

    /// The digest of a blob, in a form that serves.
    pub fn blob(&self, name: &BlobName, serves: impl Fn(Holds) -> bool) -> Option<Digest> {
        let later = |holds: Holds| serves(holds).then(|| self.later.blobs.get(&(*name, holds)).copied())?;
        self.first.blob(name, &serves).or_else(|| Holds::ALL.into_iter().find_map(later))
    }

    /// Keeps what is new: behind what the file holds, or in a new file that takes its place.
    pub fn save(&self, path: &Path, new: &Known, alive: &dyn Fn(&RepoPath) -> bool) -> io::Result<()> {
        if self.newer {
            return Ok(());
        }
        if self.whole && self.later.len() + new.len() <= FEW.max(self.first.len() / 8) {
            let part = part::encode(new.rows.iter().collect(), new.blobs.iter().collect())?;
            let mut file = file::append(path)?;
            let mut head = [0; 8];
            file.read_exact(&mut head)?;
            // Another wf may have written a newer one meanwhile. All in one write, so that two that add do not mix.
            return if part.starts_with(&head) { file.write_all(&part) } else { Ok(()) };
        }
        Self::open(path).0.rewrite(path, new, alive)
    }

    fn rewrite(&self, path: &Path, new: &Known, alive: &dyn Fn(&RepoPath) -> bool) -> io::Result<()> {
        if self.newer {
            return Ok(());
        }
        // They are in order, so that collecting them takes no search.
        let mut rows: BTreeMap<RepoPath, Row> = self.first.rows().collect();
        let mut blobs: BTreeMap<(BlobName, Holds), Digest> = self.first.blobs().collect();
        for known in [&self.later, new] {
            rows.extend(known.rows.iter().map(|(path, row)| (path.clone(), row.clone())));
        }
        if rows.len() > self.first.files() + SLACK / 10 || rows.len() > SLACK {
            rows.retain(|path, _| alive(path));
        }
        // Blobs of old checkouts are no use to anybody once there are far more of them than files.
        if blobs.len() > 4 * rows.len() + SLACK {
            blobs.clear();
        }
        for known in [&self.later, new] {
            blobs.extend(known.blobs.iter().map(|(blob, digest)| (*blob, *digest)));
        }
        let part = part::encode(rows.iter().collect(), blobs.iter().collect())?;
        let folder = path.parent().unwrap_or(Path::new("."));
        file::folder(folder)?;
        let mut temp = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder)?;
        temp.write_all(&part)?;
        temp.persist(path).map(drop).map_err(|error| error.error)
    }
}
