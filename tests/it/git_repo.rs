//! A real git repository in a temporary folder, cut off from the machine's own git configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wf::change::ChangedFile;
use wf::git::{Changes, Mode, Repo};

pub struct Scratch {
    home: tempfile::TempDir,
    pub root: PathBuf,
}

impl Scratch {
    /// An empty repository on branch `main`.
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// The same, with further arguments for `git init`.
    pub fn with(init: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap().join("repo");
        fs::create_dir(&root).unwrap();
        let scratch = Self { home, root };
        scratch.git(&[&["init", "--quiet", "--initial-branch=main"], init].concat());
        // libgit2 runs in this process and reads its HOME: what matters is pinned in the repository itself.
        for setting in
            ["core.excludesFile=", "core.attributesFile=", "core.autocrlf=false", "core.fileMode=true", "gc.auto=0"]
        {
            let (key, value) = setting.split_once('=').unwrap();
            scratch.git(&["config", key, value]);
        }
        scratch
    }

    /// Three files in one commit.
    pub fn seeded() -> Self {
        let scratch = Self::new();
        scratch.write("README.md", "# hello\n").write("src/main.rs", "fn main() {}\n").write("src/lib.rs", "//! lib\n");
        scratch.commit("seed");
        scratch
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub fn outside(&self, path: &str) -> PathBuf {
        self.home.path().canonicalize().unwrap().join(path)
    }

    pub fn write(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> &Self {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// Every file below a folder, relative to the root.
    pub fn files_below(&self, folder: &str) -> Vec<String> {
        let entries = walkdir::WalkDir::new(self.path(folder)).into_iter().map(Result::unwrap);
        let files = entries.filter(|entry| entry.file_type().is_file());
        files.map(|entry| entry.path().strip_prefix(&self.root).unwrap().to_str().unwrap().to_owned()).collect()
    }

    pub fn remove(&self, path: &str) -> &Self {
        fs::remove_file(self.path(path)).unwrap();
        self
    }

    pub fn chmod(&self, path: &str, mode: u32) -> &Self {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub fn symlink(&self, target: &str, path: &str) -> &Self {
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
        self
    }

    /// Runs git in the root; its output must be a success.
    pub fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.root, args)
    }

    pub fn git_in(&self, dir: &Path, args: &[&str]) -> String {
        let output = self.command(dir, "git").args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
    }

    /// A command with nothing of this machine in its environment but PATH.
    #[expect(clippy::disallowed_methods, reason = "tests drive real commands")]
    pub fn command(&self, dir: &Path, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home.path()).env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C").stdin(Stdio::null());
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Ann").env(format!("GIT_{who}_EMAIL"), "ann@example.com");
        }
        command.args(["-c", "protocol.file.allow=always"].into_iter().filter(|_| program == "git"));
        command
    }

    /// Commits everything and gives the commit's name.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn open(&self) -> Repo {
        Repo::discover(&self.root).unwrap()
    }

    pub fn changes(&self, base: Option<&str>) -> Changes {
        self.open().changes(base, Mode::All).unwrap()
    }

    /// One line per changed file: where it was seen, how it differs, its names.
    pub fn changed(&self, base: Option<&str>) -> Vec<String> {
        self.changes(base).files.iter().map(line).collect()
    }

    pub fn unseen(&self) -> Vec<String> {
        self.changes(None).unseen.iter().map(|hidden| hidden.path.to_string()).collect()
    }
}

pub fn line(file: &ChangedFile) -> String {
    let seen = file.seen;
    let seen: String = [(seen.committed, 'c'), (seen.staged, 's'), (seen.unstaged, 'u'), (seen.untracked, '?')]
        .into_iter()
        .filter_map(|(on, letter)| on.then_some(letter))
        .collect();
    let from = file.from.as_ref().map_or_else(String::new, |from| format!("{from} > "));
    format!("{seen} {:?} {from}{}", file.status, file.path)
}
