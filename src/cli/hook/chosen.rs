//! Which configuration a hook goes by: the one that is staged, or that the pushed commit has, whatever is on disk. The
//! disk's counts only where git has none at that place.
//!
//! Does not know: what a hook runs. A link is followed as git has it, so that a configuration that lies elsewhere in the
//! repository is read as it is staged too.

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::load::{CONFIG_NAME, LoadedConfig};
use super::commit::unreadable;
use crate::base::RepoPath;
use crate::change::ChangedFile;
use crate::config::Override;
use crate::git::{GitError, Repo};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// So many links are followed, as in the kernel's own walk there is an end.
const LINKS: usize = 8;

/// A configuration that a hook goes by.
pub struct Chosen {
    /// It, read.
    pub config: LoadedConfig,
    /// Every path that it is read through: where one of them is not as it is staged, the disk says something else.
    pub files: Vec<RepoPath>,
}

/// What is staged, and the configuration that is. None: nothing is staged, or there is no configuration at all.
pub fn staged(cx: &Context, flags: Vec<Override>) -> Result<Option<(Chosen, Vec<ChangedFile>)>, Failure> {
    let repo = cx.discover().map_err(unreadable)?;
    let (changes, index) = repo.staged().map_err(unreadable)?;
    if changes.files.is_empty() {
        return Ok(None);
    }
    let behind = Behind::of(&place(cx, &repo), &repo, &|path| repo.staged_entry(&index, path)).map_err(unreadable)?;
    let chosen = chosen(cx, repo, behind, ", as it is staged,", flags)?;
    Ok(chosen.map(|chosen| (chosen, changes.files)))
}

/// The configuration of a commit. None: neither the commit nor the disk has one.
pub fn pushed(cx: &Context, commit: &str) -> Result<Option<LoadedConfig>, Failure> {
    let repo = cx.discover().map_err(unreadable)?;
    let behind = Behind::of(&place(cx, &repo), &repo, &|path| repo.entry_at(commit, path)).map_err(unreadable)?;
    Ok(chosen(cx, repo, behind, ", as it is pushed,", vec![])?.map(|chosen| chosen.config))
}

/// The file that is the configuration, or would be.
fn place(cx: &Context, repo: &Repo) -> PathBuf {
    let found = cx.find_config(Some(repo.root())).ok().flatten();
    found.or_else(|| cx.config_file.clone()).unwrap_or_else(|| repo.root().join(CONFIG_NAME))
}

fn chosen(
    cx: &Context,
    repo: Repo,
    behind: Behind,
    how: &str,
    flags: Vec<Override>,
) -> Result<Option<Chosen>, Failure> {
    let Some(id) = behind.id else {
        return Ok(match cx.find_config(Some(repo.root()))? {
            Some(_) => Some(Chosen { config: cx.load_config(flags)?, files: behind.way }),
            None => None,
        });
    };
    let disk = std::fs::read(&behind.place).ok();
    let (bytes, how) = match disk.filter(|disk| repo.name_of(disk).as_deref() == Some(&id)) {
        Some(disk) => (disk, ""),
        None => (repo.blob(&id).map_err(unreadable)?, how),
    };
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::usage(format!("{}{how} is not UTF-8", cx.relative(&behind.place))).hint("save it as UTF-8")
    })?;
    let config = cx.load_text(repo, behind.place, (text, how), flags)?;
    Ok(Some(Chosen { config, files: behind.way }))
}

/// What git has at a path, through links.
struct Behind {
    place: PathBuf,
    /// The blob; none if git has no file there.
    id: Option<String>,
    way: Vec<RepoPath>,
}

/// What git has at a path: mode and name.
type Entry<'a> = &'a dyn Fn(&RepoPath) -> Result<Option<(u32, String)>, GitError>;

impl Behind {
    fn of(place: &Path, repo: &Repo, entry: Entry<'_>) -> Result<Self, GitError> {
        let (mut way, mut id) = (vec![], None);
        let mut next = place.strip_prefix(repo.root()).ok().map(Path::to_owned);
        while let Some(here) = next.take().filter(|_| way.len() < LINKS) {
            let path = RepoPath::from_bytes(here.as_os_str().as_bytes());
            match entry(&path)? {
                Some((0o120_000, name)) => {
                    let target = repo.blob(&name)?;
                    next = led(&here, Path::new(OsStr::from_bytes(&target)));
                }
                Some((mode, name)) if mode & 0o170_000 == 0o100_000 => id = Some(name),
                _ => {}
            }
            way.push(path);
        }
        Ok(Self { place: place.to_owned(), id, way })
    }
}

/// Where a link leads, both relative to the root; none if out of the repository.
fn led(link: &Path, target: &Path) -> Option<PathBuf> {
    let mut at = link.parent().unwrap_or(Path::new("")).to_owned();
    for part in target.components() {
        match part {
            Component::Normal(name) => at.push(name),
            Component::CurDir => {}
            Component::ParentDir => at.pop().then_some(())?,
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_inside_and_not_out() {
        let led = |link: &str, target: &str| led(Path::new(link), Path::new(target));
        assert_eq!(led("c.yaml", "ci/c.yaml"), Some("ci/c.yaml".into()));
        assert_eq!(led("a/c.yaml", "../ci/./c.yaml"), Some("ci/c.yaml".into()));
        assert_eq!(led("c.yaml", "../elsewhere"), None);
        assert_eq!(led("c.yaml", "/etc/passwd"), None);
    }
}
