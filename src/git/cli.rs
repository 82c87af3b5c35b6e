//! The `git` command, for repositories that libgit2 does not read: SHA-256, reftable, sparse and split indexes.
//!
//! Does not know: when it is the one to ask. The only place outside `exec` that starts a process; it takes no lock that it
//! can do without, and runs no file system monitor. What it writes is asked for by `fetch`, `twin` and `stage` alone.

use super::delta::{Delta, GITLINK};
use super::error::GitError;
use super::libgit::is_state;
use super::worktree::Worktree;
use crate::base::RepoPath;
use crate::change::Unseen;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Variables that say which repository, which index and which objects git works on. A hook sets several of them. Those of
/// `git rev-parse --local-env-vars` that are about places, and what a push adds.
const PLACES: &[&str] = &[
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_WORK_TREE",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_QUARANTINE_PATH",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_SHALLOW_FILE",
    "GIT_NAMESPACE",
];

/// Variables that change what git prints.
const MISLEADING: &[&str] = &[
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_TRACE",
];

/// Does this variable lead git to a repository, an index or objects of its own?
pub fn leads_elsewhere(name: &OsStr) -> bool {
    PLACES.iter().any(|place| name == *place)
}

/// Runs `git` in one folder.
#[derive(Clone, Debug)]
pub(super) struct Cli {
    dir: PathBuf,
    index_file: Option<PathBuf>,
}

/// Where a repository is.
pub(super) struct Place {
    pub root: PathBuf,
    pub git_dir: PathBuf,
    pub common_dir: PathBuf,
}

/// What one status call tells.
#[derive(Debug, Default)]
pub(super) struct Status {
    pub staged: Vec<Delta>,
    pub worktree: Worktree,
}

/// A path with the mode and the name of the object that is there.
pub type NamedBlob = (RepoPath, (u32, String));

impl Cli {
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), index_file: None }
    }

    /// Reads this index in place of the repository's own.
    pub fn with_index_file(self, index: &Path) -> Self {
        Self { index_file: Some(index.to_owned()), ..self }
    }

    /// Git in this folder, cut off from what would mislead it; it asks nobody anything.
    #[expect(clippy::disallowed_methods, reason = "the one place for git's own command; it is short-lived")]
    pub(super) fn command(&self) -> Command {
        let mut git = Command::new("git");
        for name in PLACES.iter().chain(MISLEADING) {
            git.env_remove(name);
        }
        git.env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C");
        if let Some(index) = &self.index_file {
            git.env("GIT_INDEX_FILE", index);
        }
        git.arg("-C").arg(&self.dir).args(["-c", "core.fsmonitor=false", "-c", "core.quotePath=false"]);
        git.stdin(Stdio::null());
        git
    }

    fn output(&self, args: &[&OsStr]) -> Result<Output, GitError> {
        let unusable = |error| GitError::FormatUnsupported { message: format!("`git`: {error}") };
        self.command().args(args).output().map_err(unusable)
    }

    /// Its output as lines; any exit code but 0 is an error.
    pub(super) fn lines(&self, args: &[&str]) -> Result<Vec<String>, GitError> {
        Ok(text(self.run(args)?).lines().map(str::to_owned).collect())
    }

    /// Its output when it is given these bytes; any exit code but 0 is an error.
    pub fn feed(&self, args: &[&str], bytes: &[u8]) -> Result<Vec<u8>, GitError> {
        let args: Vec<_> = args.iter().map(OsStr::new).collect();
        let mut git = self.command();
        git.args(&args);
        git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut fed = || {
            let mut child = git.spawn()?;
            // It says nothing before it has read all; one that ends early says why.
            let _ = child.stdin.take().map(|mut pipe| pipe.write_all(bytes));
            child.wait_with_output()
        };
        let output = fed().map_err(|error| GitError::FormatUnsupported { message: format!("`git`: {error}") })?;
        if output.status.success() { Ok(output.stdout) } else { Err(failed(&args, &output)) }
    }

    /// Its output and its exit code.
    pub fn coded(&self, args: &[&OsStr]) -> Result<(i32, Vec<u8>), GitError> {
        let output = self.output(args)?;
        Ok((output.status.code().unwrap_or(-1), output.stdout))
    }

    /// Its output; any exit code but 0 is an error.
    pub fn run(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        self.run_os(&args.iter().map(OsStr::new).collect::<Vec<_>>())
    }

    pub fn run_os(&self, args: &[&OsStr]) -> Result<Vec<u8>, GitError> {
        let output = self.output(args)?;
        if output.status.success() { Ok(output.stdout) } else { Err(failed(args, &output)) }
    }

    /// Its output; exit code 1 means no.
    fn ask(&self, args: &[&str]) -> Result<Option<Vec<u8>>, GitError> {
        let args: Vec<_> = args.iter().map(OsStr::new).collect();
        let output = self.output(&args)?;
        match output.status.code() {
            Some(0) => Ok(Some(output.stdout)),
            Some(1) => Ok(None),
            _ => Err(failed(&args, &output)),
        }
    }

    /// Finds the repository that holds the folder.
    pub fn place(&self) -> Result<Place, GitError> {
        let one = |args: &[&str]| {
            let args: Vec<_> = ["rev-parse", "--path-format=absolute"].iter().chain(args).map(OsStr::new).collect();
            let output = self.output(&args)?;
            let said = String::from_utf8_lossy(&output.stderr);
            if output.status.success() {
                Ok(PathBuf::from(OsString::from_vec(trimmed(output.stdout))))
            } else if said.contains("dubious ownership") {
                Err(GitError::OwnershipRefused { path: super::holder(&self.dir) })
            } else if said.contains("not a git repository") {
                Err(GitError::NotARepository { dir: self.dir.clone() })
            } else if said.contains("must be run in a work tree") {
                Err(GitError::Bare { dir: self.dir.clone() })
            } else {
                Err(failed(&args, &output))
            }
        };
        let (root, git_dir) = (one(&["--show-toplevel"])?, one(&["--git-dir"])?);
        Ok(Place { root, git_dir, common_dir: one(&["--git-common-dir"])? })
    }

    pub fn head(&self) -> Result<Option<String>, GitError> {
        Ok(self.ask(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])?.map(text))
    }

    pub fn branch(&self) -> Result<Option<String>, GitError> {
        let full = self.ask(&["symbolic-ref", "--quiet", "HEAD"])?.map(text);
        Ok(full.and_then(|full| Some(full.strip_prefix("refs/heads/")?.to_owned())))
    }

    pub fn is_shallow(&self) -> bool {
        self.run(&["rev-parse", "--is-shallow-repository"]).is_ok_and(|said| text(said) == "true")
    }

    pub fn commit_of(&self, revision: &str) -> Result<Option<(String, Option<String>)>, GitError> {
        let peeled = format!("{revision}^{{commit}}");
        let quiet = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
        let Some(commit) = self.ask(&[&quiet[..], &[&peeled]].concat())?.map(text) else { return Ok(None) };
        // Asks for the name of a name only; `HEAD~1` has none.
        let named =
            self.run(&["rev-parse", "--symbolic-full-name", "--verify", "--quiet", "--end-of-options", revision]);
        let name = named.map(text).ok().filter(|name| name.starts_with("refs/"));
        let target = match &name {
            Some(name) => self.ask(&["symbolic-ref", "--quiet", name])?.map(text),
            None => None,
        };
        Ok(Some((commit, target.or(name))))
    }

    pub fn merge_base(&self, one: &str, two: &str) -> Result<Option<String>, GitError> {
        Ok(self.ask(&["merge-base", one, two])?.map(text))
    }

    pub fn ancestors(&self, of: &str, limit: usize) -> Result<Vec<String>, GitError> {
        let said = self.run(&["rev-list", "--topo-order", &format!("--max-count={limit}"), of])?;
        Ok(text(said).lines().map(str::to_owned).collect())
    }

    pub fn is_sparse(&self) -> bool {
        self.run(&["config", "--type=bool", "core.sparseCheckout"]).is_ok_and(|said| said.starts_with(b"true"))
    }

    /// A file that the configuration names.
    pub fn path_setting(&self, name: &str) -> Option<PathBuf> {
        let said = self.run(&["config", "--type=path", name]).ok()?;
        Some(PathBuf::from(OsString::from_vec(trimmed(said))))
    }

    pub fn is_tagged(&self, commit: &str) -> Result<bool, GitError> {
        Ok(!self.run(&["tag", "--points-at", commit])?.is_empty())
    }

    pub fn holds(&self, commit: &str, path: &RepoPath) -> Result<bool, GitError> {
        let literal = ["--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, "--"].map(OsStr::new);
        Ok(!self.run_os(&[&literal[..], &[OsStr::from_bytes(path.as_bytes())]].concat())?.is_empty())
    }

    pub fn blob(&self, commit: &str, path: &RepoPath) -> Result<Option<Vec<u8>>, GitError> {
        let literal = ["--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, "--"].map(OsStr::new);
        let found = self.run_os(&[&literal[..], &[OsStr::from_bytes(path.as_bytes())]].concat())?;
        let mut fields = found.split(|byte| matches!(byte, b' ' | b'\t'));
        match (fields.nth(1), fields.next()) {
            (Some(b"blob"), Some(id)) => self.run(&["cat-file", "blob", &String::from_utf8_lossy(id)]).map(Some),
            _ => Ok(None),
        }
    }

    /// Mode and object name of what a commit has at a path.
    pub fn entry(&self, commit: &str, path: &RepoPath) -> Result<Option<(u32, String)>, GitError> {
        let literal = ["--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, "--"].map(OsStr::new);
        let found = self.run_os(&[&literal[..], &[OsStr::from_bytes(path.as_bytes())]].concat())?;
        let mut fields = found.split(|byte| matches!(byte, b' ' | b'\t'));
        let read = |(first, name): (&[u8], &[u8])| Some((mode(first)?, String::from_utf8_lossy(name).into_owned()));
        Ok(fields.next().zip(fields.nth(1)).and_then(read))
    }

    /// Which of these files differ from the index, by content through their filters, or by mode.
    pub fn differing(&self, paths: &[RepoPath]) -> Result<Vec<RepoPath>, GitError> {
        let plain = ["--literal-pathspecs", "diff", "--name-only", "-z", "--no-ext-diff", "--no-renames", "--"];
        let said = self.about(&plain, paths)?;
        Ok(said.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(RepoPath::from_bytes).collect())
    }

    /// What git says of these paths, a command for some of them at a time: a command line holds only so much.
    fn about(&self, command: &[&str], paths: &[RepoPath]) -> Result<Vec<u8>, GitError> {
        let mut said = vec![];
        for paths in paths.chunks(500) {
            let paths = paths.iter().map(|path| OsStr::from_bytes(path.as_bytes()));
            said.extend(self.run_os(&command.iter().map(OsStr::new).chain(paths).collect::<Vec<_>>())?);
        }
        Ok(said)
    }

    /// Mode and object name of what the index has at these paths, without open conflicts.
    pub fn entries(&self, paths: &[RepoPath]) -> Result<Vec<NamedBlob>, GitError> {
        let said = self.about(&["--literal-pathspecs", "ls-files", "--stage", "-z", "--"], paths)?;
        let read = |line: &[u8]| {
            let tab = memchr::memchr(b'\t', line)?;
            let fields: Vec<&[u8]> = line[..tab].split(|byte| *byte == b' ').collect();
            let [bits, name, b"0"] = fields[..] else { return None };
            let entry = (mode(bits)?, String::from_utf8_lossy(name).into_owned());
            Some((RepoPath::from_bytes(&line[tab + 1..]), entry))
        };
        Ok(said.split(|byte| *byte == 0).filter_map(read).collect())
    }

    pub fn is_ignored(&self, path: &RepoPath) -> bool {
        let args =
            [OsStr::new("check-ignore"), OsStr::new("--quiet"), OsStr::new("--"), OsStr::from_bytes(path.as_bytes())];
        self.output(&args).is_ok_and(|output| output.status.success())
    }

    /// What differs between two commits.
    pub fn committed(&self, base: &str, head: &str) -> Result<Vec<Delta>, GitError> {
        let said = self.run(&["diff-tree", "-r", "-z", "--raw", "--no-commit-id", "-M", "-l200", base, head])?;
        raw(&said).ok_or_else(|| unexpected("diff-tree"))
    }

    /// The difference between a commit and the working tree, as text, by no program but git's own.
    pub fn diff_text(&self, base: &str) -> Result<Vec<u8>, GitError> {
        self.run(&["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", base, "--"])
    }

    /// HEAD against the index, and unless `only_staged` the index against the working tree.
    pub fn status(&self, only_staged: bool) -> Result<Status, GitError> {
        let mut args = vec!["status", "--porcelain=v2", "-z", "--find-renames", "--ignore-submodules=none"];
        args.extend_from_slice(if only_staged { &["-uno"] } else { &["-uall", "--ignored=matching"] });
        let mut status = porcelain(&self.run(&args)?).ok_or_else(|| unexpected("status"))?;
        if only_staged {
            status.worktree = Worktree::default();
            return Ok(status);
        }
        let sparse =
            self.ask(&["config", "--type=bool", "core.sparseCheckout"])?.is_some_and(|said| text(said) == "true");
        for line in self.run(&["ls-files", "-v", "-z"])?.split(|byte| *byte == 0).filter(|line| line.len() > 2) {
            let path = RepoPath::from_bytes(&line[2..]);
            // What a sparse checkout leaves out is not there to be watched.
            let skipped = || line[0] == b'S' && (!sparse || path.under(&self.dir).symlink_metadata().is_ok());
            if line[0].is_ascii_lowercase() || skipped() {
                status.worktree.unseen.push(Unseen { path, folder: false, assumed: true, opaque: false });
            }
        }
        status.worktree.unseen.sort_unstable();
        status.worktree.unseen.dedup();
        Ok(status)
    }

    /// Every submodule, checked out or not.
    pub fn gitlinks(&self) -> Result<Vec<RepoPath>, GitError> {
        let said = self.run(&["ls-files", "-z", "--cached", "--stage"])?;
        let link = |entry: &[u8]| {
            let at = entry.starts_with(b"160000 ").then(|| entry.iter().position(|byte| *byte == b'\t')).flatten()?;
            Some(RepoPath::from_bytes(&entry[at + 1..]))
        };
        Ok(said.split(|byte| *byte == 0).filter_map(link).collect())
    }

    /// Every tracked file, here or not.
    pub fn tracked(&self) -> Result<Vec<RepoPath>, GitError> {
        let said = self.run(&["ls-files", "-z", "--cached"])?;
        Ok(said.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(RepoPath::from_bytes).collect())
    }
}

fn failed(args: &[&OsStr], output: &Output) -> GitError {
    let command: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    GitError::Failed { doing: format!("running `git {}`", command.join(" ")), message }
}

fn unexpected(command: &str) -> GitError {
    GitError::Failed {
        doing: format!("reading what `git {command}` prints"),
        message: "it is not as documented".into(),
    }
}

pub(super) fn trimmed(mut said: Vec<u8>) -> Vec<u8> {
    said.pop_if(|byte| *byte == b'\n');
    said
}

fn text(said: Vec<u8>) -> String {
    String::from_utf8_lossy(&trimmed(said)).into_owned()
}

fn mode(octal: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(octal).ok()?, 8).ok()
}

/// `:100644 100755 <id> <id> M` NUL path NUL, or with two paths for `R`.
fn raw(said: &[u8]) -> Option<Vec<Delta>> {
    let mut parts = said.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    let mut deltas = vec![];
    while let Some(about) = parts.next() {
        let fields: Vec<_> = about.strip_prefix(b":")?.split(|byte| *byte == b' ').collect();
        let [before, after, old, new, letter] = fields[..] else { return None };
        let first = RepoPath::from_bytes(parts.next()?);
        let mut delta = Delta::plain(first, (mode(before)?, mode(after)?));
        delta.same_content = old == new;
        if matches!(letter.first()?, b'R' | b'C') {
            let to = RepoPath::from_bytes(parts.next()?);
            let from = std::mem::replace(&mut delta.path, to);
            delta.from = (letter[0] == b'R').then_some(from);
        }
        deltas.push(delta);
    }
    Some(deltas)
}

/// `git status --porcelain=v2 -z`.
fn porcelain(said: &[u8]) -> Option<Status> {
    let mut status = Status::default();
    let mut lines = said.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    while let Some(line) = lines.next() {
        let field = |n: usize| line.split(|byte| *byte == b' ').nth(n);
        let rest = |n: usize| line.splitn(n + 1, |byte| *byte == b' ').nth(n).map(RepoPath::from_bytes);
        match line[0] {
            b'1' | b'2' => {
                let [staged, unstaged] = field(1)? else { return None };
                let (head, index, now) = (mode(field(3)?)?, mode(field(4)?)?, mode(field(5)?)?);
                let path = rest(if line[0] == b'1' { 8 } else { 9 })?;
                let from = if line[0] == b'2' { Some(RepoPath::from_bytes(lines.next()?)) } else { None };
                if *staged != b'.' {
                    let mut delta = Delta::plain(path.clone(), (head, index));
                    delta.same_content = field(6)? == field(7)?;
                    delta.from = from.clone().filter(|_| *staged == b'R');
                    status.staged.push(delta);
                }
                if *unstaged != b'.' {
                    let mut delta = Delta::plain(path, (index, now));
                    delta.from = from.filter(|_| *unstaged == b'R');
                    status.worktree.changed.push(delta);
                }
            }
            b'u' => {
                let modes = (mode(field(4)?)?, mode(field(6)?)?);
                status.staged.push(Delta { conflicted: true, ..Delta::plain(rest(10)?, modes) });
            }
            letter @ (b'?' | b'!') => {
                let path = line.get(2..)?;
                let name = RepoPath::from_bytes(path);
                if is_state(&name) {
                    continue;
                }
                if letter == b'!' {
                    let folder = path.ends_with(b"/");
                    status.worktree.unseen.push(Unseen { path: name, folder, assumed: false, opaque: false });
                } else {
                    let kind = if path.ends_with(b"/") { GITLINK } else { 0o100_644 };
                    status.worktree.untracked.push(Delta::plain(name, (0, kind)));
                }
            }
            b'#' => {}
            _ => return None,
        }
    }
    Some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_diffs_are_read() {
        let said = b":100644 100755 aaaa aaaa M\0run.sh\0:100644 100644 aaaa bbbb R090\0old name\0new\nname\0\
                     :000000 120000 0000 cccc A\0link\0";
        let deltas = raw(said).unwrap();
        assert!(deltas[0].same_content && deltas[0].modes == (0o100_644, 0o100_755));
        assert_eq!(deltas[1].from, Some("old name".into()));
        assert_eq!(deltas[1].path, "new\nname".into());
        assert_eq!(deltas[2].modes, (0, 0o120_000));
        assert!(raw(b"nonsense\0").is_none() && raw(b":100644 100644 a b M\0").is_none());
    }

    #[test]
    fn statuses_are_read() {
        let said = b"1 .M N... 100644 100644 100644 aa aa with space\0\
                     2 R. N... 100644 100644 100644 aa aa R100 to\0from\0\
                     u UU N... 100644 100644 100644 100644 aa bb cc both\0? new/\0? .wf/x\0! target/\0";
        let status = porcelain(said).unwrap();
        assert_eq!(status.worktree.changed[0].path, "with space".into());
        assert_eq!(status.staged[0].from, Some("from".into()));
        assert!(status.staged[1].conflicted && status.staged[1].path == "both".into());
        assert_eq!(status.worktree.untracked, [Delta::plain("new".into(), (0, GITLINK))]);
        assert_eq!(
            status.worktree.unseen,
            [Unseen { path: "target".into(), folder: true, assumed: false, opaque: false }]
        );
        assert!(porcelain(b"1 x\0").is_none() && porcelain(b"9 what\0").is_none());
    }
}
