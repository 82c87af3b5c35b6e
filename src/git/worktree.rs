//! The working tree against the index: wf's own walk where it can tell everything, libgit2 for what is left.
//!
//! Does not know: the base, layers, the `git` command.

use super::cli::Cli;
use super::delta::Delta;
use super::error::GitError;
use super::ignore::Rules;
use super::index::{Index, Unreadable};
use super::look::Settings;
use super::{libgit, listed, walk};
use crate::change::Unseen;
use crate::tree::Listed;
use git2::Repository;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the working tree has that the index has not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Worktree {
    /// Tracked files that differ.
    pub changed: Vec<Delta>,
    /// Files git does not know and does not ignore.
    pub untracked: Vec<Delta>,
    /// What no diff can speak for, sorted.
    pub unseen: Vec<Unseen>,
}

/// Everything the walk needs to know about a repository, read before it starts.
pub(super) struct Look {
    root: PathBuf,
    index_file: PathBuf,
    settings: Settings,
    rules: Rules,
    /// May line endings or filters make different bytes equal, even without a `.gitattributes`?
    filters: bool,
}

impl Look {
    /// Reads configuration and the ignore files that lie outside the working tree. None if the walk cannot be trusted here:
    /// file systems that fold case or know no symlinks follow rules of their own.
    pub fn prepare(repo: &Repository, root: &Path, index_file: &Path) -> Result<Option<Self>, git2::Error> {
        let config = repo.config()?.snapshot()?;
        let flag = |name: &str, default: bool| config.get_bool(name).unwrap_or(default);
        // A clone that was copied from another system says so of a file system that tells `a` from `A`. Believing it would
        // take a file for the tracked one of the other name.
        let folds = flag("core.ignorecase", false) && root.join(".GIT").symlink_metadata().is_ok();
        if folds || !flag("core.symlinks", true) {
            return Ok(None);
        }
        let settings = Settings {
            trust_mode: flag("core.filemode", true),
            trust_ctime: flag("core.trustctime", true),
            minimal_stat: config.get_str("core.checkstat").is_ok_and(|value| value.eq_ignore_ascii_case("minimal")),
            sparse: flag("core.sparsecheckout", false),
            written: 0,
        };
        let named = |key: &str, default: &str| match config.get_path(key) {
            Ok(path) => Some(path),
            Err(_) => user_file(default),
        };
        let info = repo.commondir().join("info");
        let lowest = rules(named("core.excludesfile", "ignore"), None);
        let rules = rules(Some(info.join("exclude")), Some(Arc::new(lowest)));
        let attributes = [
            named("core.attributesfile", "attributes"),
            Some(info.join("attributes")),
            Some(PathBuf::from("/etc/gitattributes")),
        ];
        let crlf = config.get_str("core.autocrlf").is_ok_and(|value| !value.eq_ignore_ascii_case("false"));
        let filters = crlf || attributes.into_iter().flatten().any(|file| file.exists());
        let (root, index_file) = (root.to_owned(), index_file.to_owned());
        Ok(Some(Self { root, index_file, settings, rules, filters }))
    }

    /// Reads the index. None if only another backend can.
    pub fn index(&mut self) -> Result<Option<Index>, GitError> {
        use std::os::unix::fs::MetadataExt;
        let read = || {
            let mut bytes = vec![];
            let mut file = match std::fs::File::open(&self.index_file) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            let about = file.metadata()?;
            bytes.reserve_exact(about.len() as usize + 1);
            std::io::Read::read_to_end(&mut file, &mut bytes)?;
            Ok(Some((bytes, about.mtime())))
        };
        let failed = |error: std::io::Error| GitError::Failed {
            doing: format!("reading {}", self.index_file.display()),
            message: error.to_string(),
        };
        let Some((bytes, written)) = read().map_err(failed)? else { return Ok(Some(Index::default())) };
        self.settings.written = written;
        match Index::parse(bytes) {
            Ok(index) => Ok(Some(index)),
            Err(Unreadable::Unsupported | Unreadable::Corrupt) => Ok(None),
        }
    }

    /// Walks the working tree; with `list` it also tells everything that is there. None if only another backend can.
    pub fn walk(self, index: &Index, list: bool) -> Option<Seen> {
        let mut found = walk::walk(&self.root, index, self.settings, self.rules, list).ok()?;
        let sights = (std::mem::take(&mut found.sights), std::mem::take(&mut found.strangers));
        let files = list.then(|| listed::files(index, sights.0, sights.1));
        Some(Seen { filters: self.filters || found.attributes, files, found })
    }
}

/// What the walk saw, before libgit2 has decided the doubtful rest.
pub(super) struct Seen {
    found: walk::Found,
    filters: bool,
    /// Everything that is there, sorted, if it was asked for.
    pub files: Option<Vec<Listed>>,
}

impl Seen {
    /// Asks libgit2 about submodules and about files whose bytes differ, if a filter may make those equal; git itself if
    /// the filter is a program (LFS).
    pub fn settle(self, repo: &Repository, cli: &Cli) -> Result<Worktree, GitError> {
        let mut found = self.found;
        let doubtful = if self.filters { std::mem::take(&mut found.doubtful) } else { vec![] };
        let (filtered, doubtful): (Vec<Delta>, Vec<Delta>) =
            doubtful.into_iter().partition(|delta| libgit::is_filtered(repo, &delta.path));
        if !filtered.is_empty() {
            let paths: Vec<_> = filtered.iter().map(|delta| delta.path.clone()).collect();
            // What git cannot tell, because the program fails, counts as changed.
            let differ = cli.differing(&paths).unwrap_or(paths);
            found.changed.extend(filtered.into_iter().filter(|delta| differ.contains(&delta.path)));
        }
        let open = found.submodules.iter().chain(doubtful.iter().map(|delta| &delta.path));
        let really = libgit::recheck(repo, open)?;
        found.changed.append(&mut found.doubtful);
        found.changed.extend(really);
        let mut unseen = found.unseen;
        unseen.sort_unstable();
        unseen.dedup();
        Ok(Worktree { changed: found.changed, untracked: found.untracked, unseen })
    }
}

fn rules(file: Option<PathBuf>, lower: Option<Arc<Rules>>) -> Rules {
    let text = file.and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
    Rules::parse(&text, b"", lower)
}

/// git's place for a person's own ignore and attribute rules.
#[expect(clippy::disallowed_methods, reason = "this is git's configuration, not wf's: git looks it up the same way")]
pub(super) fn user_file(name: &str) -> Option<PathBuf> {
    let set = std::env::var_os("XDG_CONFIG_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let config = set.or_else(|| std::env::home_dir().map(|home| home.join(".config")))?;
    Some(config.join("git").join(name))
}
