//! What `.gitattributes` say of a file's bytes: text or not, or filtered.
//!
//! Does not know: libgit2, which reads every file again for each question.

use super::Repo;
use super::attribute_rules::{Macros, Rules};
use super::worktree::user_file;
use crate::base::RepoPath;
use crate::change::Unseen;
use crate::tree::{Form, Listed};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The rules of one working tree. They are read when they are first asked for, which a run that hashes nothing never does.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    root: PathBuf,
    /// Those of the machine and of its user, then the repository's own.
    outside: [Option<PathBuf>; 3],
    /// Folders with a `.gitattributes`, sorted.
    folders: Vec<RepoPath>,
    rules: OnceLock<Option<Read>>,
}

#[derive(Clone, Debug)]
struct Read {
    /// Machine and user, lowest first.
    below: Vec<Rules>,
    folders: HashMap<RepoPath, Rules>,
    /// `info/attributes`, which is above all.
    above: Option<Rules>,
    macros: Macros,
}

const NAME: &[u8] = b".gitattributes";

impl Attributes {
    /// Of the files that are listed, and of those that git ignores but reads.
    pub(super) fn of(repo: &Repo, files: &[Listed], unseen: &[Unseen]) -> Self {
        let named = files.iter().map(|file| &file.path).chain(unseen.iter().map(|hidden| &hidden.path));
        let mut folders: Vec<_> = named
            .filter(|path| path.as_bytes().ends_with(NAME) && path.file_name() == NAME)
            .map(RepoPath::parent)
            .collect();
        folders.sort_unstable();
        let user = repo.attributes_file().or_else(|| user_file("attributes"));
        let outside = [Some("/etc/gitattributes".into()), user, Some(repo.common_dir.join("info/attributes"))];
        Self { root: repo.root().to_owned(), outside, folders, rules: OnceLock::new() }
    }

    /// How the file's bytes go together with git's. What nobody can read might say anything: then it counts as filtered.
    pub fn form(&self, path: &RepoPath) -> Form {
        match self.rules.get_or_init(|| self.read()) {
            Some(read) => read.form(path.as_bytes()),
            None => Form::Filtered,
        }
    }

    fn read(&self) -> Option<Read> {
        let mut macros = Macros::default();
        let [system, user, info] = &self.outside;
        let mut read = |file: Option<&Path>, folder: &RepoPath, may_define: bool| {
            let text = file.map_or(Some(vec![]), text_of)?;
            Some(Rules::parse(&text, folder.as_bytes(), may_define.then_some(&mut macros)))
        };
        let root = RepoPath::root();
        // From the lowest to the highest: a macro that is defined twice means what the higher file says.
        let below = vec![read(system.as_deref(), &root, true)?, read(user.as_deref(), &root, true)?];
        let mut folders = HashMap::with_capacity(self.folders.len());
        for folder in &self.folders {
            let file = folder.under(&self.root).join(".gitattributes");
            // Inside the working tree git follows no symlink to its rules.
            let file = (!file.is_symlink()).then_some(file);
            folders.insert(folder.clone(), read(file.as_deref(), folder, folder.is_root())?);
        }
        let above = read(info.as_deref(), &root, true)?;
        Some(Read { below, folders, above: Some(above).filter(|rules| !rules.is_empty()), macros })
    }
}

impl Read {
    fn form(&self, path: &[u8]) -> Form {
        if self.folders.is_empty() && self.above.is_none() && self.below.iter().all(Rules::is_empty) {
            return Form::Raw;
        }
        let mut folder = RepoPath::from_bytes(path);
        let mut own = vec![];
        while !folder.is_root() {
            folder = folder.parent();
            own.extend(self.folders.get(&folder));
        }
        self.macros.form(path, self.above.iter().chain(own).chain(self.below.iter().rev()))
    }
}

/// A file's text; nothing if it is not there or is no file, none if it cannot be read.
fn text_of(file: &Path) -> Option<Vec<u8>> {
    use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    match std::fs::read(file) {
        Ok(text) => Some(text),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | IsADirectory) => Some(vec![]),
        Err(_) => None,
    }
}
