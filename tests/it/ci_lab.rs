//! A server with every kind of branch, clones as CI services make them, and what the base has to be by brute force.

use super::git_repo::Scratch;
use super::world::{Said, WF};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

/// What the base has to be, computed in the server's whole history without git's own algorithms.
#[derive(Clone, Debug)]
pub enum Oracle<'a> {
    /// A best common ancestor of HEAD and this commit.
    Best(&'a str),
    /// The newest commit of this branch with the files of one of HEAD's commits that the branch has not.
    SameFiles(&'a str),
    /// The newest ancestor among those that are recorded as green.
    Green(&'a [&'a str]),
    /// This commit.
    Is(&'a str),
    /// None: everything runs.
    Nothing,
}

const CONFIG: &str = "
steps:
  - {id: code, run: 'true', inputs: ['src/**']}
  - {id: docs, run: 'true', inputs: ['docs/**']}
";

pub struct Lab {
    pub server: Scratch,
    graph: BTreeMap<String, Vec<String>>,
}

/// One build in CI.
pub struct Build<'a> {
    lab: &'a Lab,
    name: &'a str,
    dir: PathBuf,
    env: Vec<(String, String)>,
    args: Vec<&'a str>,
}

impl Lab {
    pub fn new() -> Self {
        let server = Scratch::new();
        server.write(".workflow-config.yaml", CONFIG);
        server.write("src/a", "a\n").commit("seed");
        let git = |args: &[&str]| server.git(args);
        // A default branch longer than what any step but the last brings.
        chain(&server, "main", "main", 1_400);
        // What was squashed: `squash` leaves main, main gets its files in one commit, both go on.
        chain(&server, "squash", "main", 2);
        let squashed = git(&["commit-tree", "-p", "main", "-m", "squash", "squash^{tree}"]);
        git(&["update-ref", "refs/heads/main", &squashed]);
        chain(&server, "squash", "squash", 1);
        chain(&server, "main", "main", 8);
        for (name, from, count) in [
            ("topic", "main~5", 3),
            ("deep", "main~150", 60),
            ("old", "main~1390", 2),
            ("crossed", "main~7", 2),
            ("release", "main~40", 4),
            ("rewritten", "main~30", 2),
            ("abandoned", "main~3", 2),
            ("fresh", "main", 0),
            ("behind", "main~20", 0),
        ] {
            chain(&server, name, from, count);
        }
        chain(&server, "relfix", "release", 1);
        merge(&server, "refs/heads/crossed", "crossed", "main~3");
        chain(&server, "crossed", "crossed", 1);
        merge(&server, "refs/pull/7/merge", "main", "topic");
        merge(&server, "refs/pull/8/merge", "main", "deep");
        merge(&server, "refs/pull/9/merge", "release", "relfix");
        merge(&server, "refs/merge-requests/7/merge", "main~1", "topic");
        merge(&server, "refs/heads/queue-1", "main", "topic");
        merge(&server, "refs/heads/queue-2", "queue-1", "crossed");
        merge(&server, "refs/merge-requests/8/train", "queue-1", "deep");
        git(&["update-ref", "refs/pull/7/head", "topic"]);
        git(&["tag", "v1", "main~10"]);
        git(&["tag", "v2-side", "release~1"]);
        let island = git(&["commit-tree", "-m", "island", "topic^{tree}"]);
        git(&["update-ref", "refs/heads/island", &island]);
        for setting in ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"] {
            git(&["config", setting, "true"]);
        }
        let said = git(&["rev-list", "--all", "--parents"]);
        let line = |line: &str| {
            let mut names = line.split(' ').map(str::to_owned);
            (names.next().unwrap(), names.collect())
        };
        let graph = said.lines().map(line).collect();
        Self { server, graph }
    }

    pub fn sha(&self, name: &str) -> String {
        self.server.git(&["rev-parse", &format!("{name}^{{commit}}")])
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.server.root.display())
    }

    /// A build in a folder of its own.
    pub fn build<'a>(&'a self, name: &'a str) -> Build<'a> {
        let dir = self.server.outside(&name.replace(|c: char| !c.is_alphanumeric(), "-"));
        std::fs::create_dir_all(&dir).unwrap();
        let state = dir.with_extension("state").display().to_string();
        Build { lab: self, name, dir, env: vec![("WF_STATE_DIR".into(), state)], args: vec![] }
    }

    fn ancestors(&self, of: &str) -> BTreeSet<String> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![of.to_owned()]);
        while let Some(commit) = open.pop() {
            if seen.insert(commit.clone()) {
                open.extend(self.graph.get(&commit).into_iter().flatten().cloned());
            }
        }
        seen
    }

    /// Those of the commits that no other of them descends from them.
    fn best(&self, commits: &BTreeSet<String>) -> BTreeSet<String> {
        let mut left = commits.clone();
        for commit in commits {
            if left.contains(commit) {
                let mut older = self.ancestors(commit);
                older.remove(commit);
                left.retain(|other| !older.contains(other));
            }
        }
        left
    }

    fn tree(&self, commit: &str) -> String {
        self.server.git(&["rev-parse", &format!("{commit}^{{tree}}")])
    }
}

/// Commits one after another, each with a file of its own.
fn chain(server: &Scratch, branch: &str, from: &str, count: usize) {
    let start = server.git(&["rev-parse", from]);
    server.git(&["update-ref", &format!("refs/heads/{branch}"), &start]);
    let mut stream = String::new();
    for at in 0..count {
        let (from, path) =
            (if at == 0 { format!("from {start}\n") } else { String::new() }, format!("src/{branch}-{at}"));
        let text = format!("{branch} {at} {start}");
        write!(
            stream,
            "commit refs/heads/{branch}\ncommitter Ann <ann@example.com> {} +0000\ndata {}\n{text}\n{from}\
             M 100644 inline {path}\ndata {}\n{text}\n\n",
            1_700_000_000 + at,
            text.len(),
            text.len(),
        )
        .unwrap();
    }
    let mut git = server.command(&server.root, "git");
    let mut child = git.args(["fast-import", "--quiet", "--force"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn merge(server: &Scratch, reference: &str, one: &str, two: &str) {
    let tree = server.git(&["merge-tree", "--write-tree", one, two]);
    let commit = server.git(&["commit-tree", "-p", one, "-p", two, "-m", "merge", tree.lines().next().unwrap()]);
    server.git(&["update-ref", reference, &commit]);
}

impl<'a> Build<'a> {
    pub fn git(&self, args: &[&str]) -> String {
        self.lab.server.git_in(&self.dir, args)
    }

    fn empty(&self) {
        self.git(&["init", "--quiet", "--initial-branch=none"]);
        self.git(&["remote", "add", "origin", &self.lab.url()]);
    }

    /// As `actions/checkout` does it: one commit of a reference, so deep; 0 is everything.
    pub fn actions(self, reference: &str, depth: u32) -> Self {
        let sha = self.lab.sha(reference);
        self.empty();
        let full = self.lab.server.git(&["rev-parse", "--symbolic-full-name", reference]);
        let branch = full.strip_prefix("refs/heads/");
        let tracking = match branch {
            Some(branch) => format!("refs/remotes/origin/{branch}"),
            None if full.is_empty() => "refs/remotes/pull/at".to_owned(),
            None => full.replace("refs/pull/", "refs/remotes/pull/"),
        };
        let (spec, deep) = (format!("+{sha}:{tracking}"), format!("--depth={depth}"));
        let all = "+refs/heads/*:refs/remotes/origin/*".to_owned();
        let fetch = ["fetch", "--quiet", "--no-tags"];
        match (depth, branch) {
            (0, Some(_)) => self.git(&[&fetch[..], &["origin", &all]].concat()),
            (0, None) => self.git(&[&fetch[..], &["origin", &all, &spec]].concat()),
            _ => self.git(&[&fetch[..], &[&deep, "origin", &spec]].concat()),
        };
        match branch {
            Some(branch) => self.git(&["checkout", "--quiet", "--force", "-B", branch, &tracking]),
            None => self.git(&["checkout", "--quiet", "--force", "--detach", &tracking]),
        };
        self.env("GITHUB_ACTIONS", "true").env("CI", "true").env("GITHUB_SHA", &sha).env("GITHUB_REF", &full)
    }

    /// As GitLab's runner does it: one commit, so deep, detached.
    pub fn gitlab(self, reference: &str, depth: u32) -> Self {
        let sha = self.lab.sha(reference);
        self.empty();
        let (deep, spec) = (format!("--depth={depth}"), format!("+{sha}:refs/pipelines/1"));
        self.git(&["fetch", "--quiet", "--no-tags", &deep, "origin", &spec]);
        self.git(&["checkout", "--quiet", "--force", "--detach", &sha]);
        self.env("GITLAB_CI", "true").env("CI", "true").env("CI_COMMIT_SHA", &sha).env("CI_DEFAULT_BRANCH", "main")
    }

    /// A clone with further arguments, detached at a commit.
    pub fn cloned(self, options: &[&str], at: &str) -> Self {
        let (dir, url) = (self.dir.display().to_string(), self.lab.url());
        self.git(&[&["clone", "--quiet"], options, &[&url, &dir]].concat());
        let sha = self.lab.sha(at);
        if self.lab.server.command(&self.dir, "git").args(["cat-file", "-e", &sha]).output().unwrap().status.success() {
            self.git(&["checkout", "--quiet", "--force", "--detach", &sha]);
        } else {
            self.git(&["fetch", "--quiet", "--depth=1", "origin", &sha]);
            self.git(&["checkout", "--quiet", "--force", "--detach", &sha]);
        }
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn envs(self, all: &[(&str, &str)]) -> Self {
        all.iter().fold(self, |this, (name, value)| this.env(name, value))
    }

    pub fn args(mut self, args: &[&'a str]) -> Self {
        self.args.extend(args);
        self
    }

    /// The event's name and its file.
    pub fn event(self, name: &str, event: &Value) -> Self {
        let path = self.dir.with_extension("json");
        std::fs::write(&path, event.to_string()).unwrap();
        self.env("GITHUB_EVENT_NAME", name).env("GITHUB_EVENT_PATH", path.to_str().unwrap())
    }

    /// Records a green run at a commit, in a clone of its own.
    pub fn green(self, at: &str) -> Self {
        let dir = self.dir.with_extension("recorder");
        if !dir.exists() {
            self.lab.server.git(&["clone", "--quiet", "--no-local", &self.lab.url(), dir.to_str().unwrap()]);
        }
        self.lab.server.git_in(&dir, &["checkout", "--quiet", "--detach", &self.lab.sha(at)]);
        let mut wf = self.lab.server.command(&dir, WF);
        let _ = Said::of({
            wf.args(["run", "--all"]).env("WF_STATE_DIR", &self.env[0].1).stdout(Stdio::piped()).stderr(Stdio::piped());
            wf
        })
        .passed();
        self
    }

    pub fn wf(&self, args: &[&str]) -> Said {
        let mut wf = self.lab.server.command(&self.dir, WF);
        wf.args(args).envs(self.env.iter().map(|(k, v)| (k, v))).stdout(Stdio::piped()).stderr(Stdio::piped());
        Said::of(wf)
    }

    /// Asks wf, and compares with what the base has to be, and what then differs. `guarded`: is the base trusted?
    pub fn expect(self, oracle: &Oracle<'_>, guarded: bool) -> Value {
        let said = self.wf(&[&["changes", "--why", "--json"], &self.args[..]].concat()).passed();
        let told: Value = serde_json::from_str(&said.out).unwrap();
        let base = told["base"]["commit"].as_str().map(str::to_owned);
        let why = serde_json::to_string_pretty(&told["why"]).unwrap();
        let about = format!("{}: {oracle:?}, found {base:?}\n{why}\n{}", self.name, said.err);
        let head = self.git(&["rev-parse", "HEAD"]);
        let parents = self.git(&["cat-file", "commit", "HEAD"]);
        let parents =
            parents.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("parent "));
        let mut behind: BTreeSet<String> = parents.flat_map(|parent| self.lab.ancestors(parent)).collect();
        behind.insert(head.clone());
        let allowed = self.allowed(oracle, &behind);
        match &base {
            Some(base) => assert!(allowed.contains(base), "{about}\nallowed {allowed:?}"),
            None => assert!(allowed.is_empty(), "{about}\nallowed {allowed:?}"),
        }
        let last = told["why"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["why"], "base", "{about}");
        assert_eq!(last["guarded"], guarded, "{about}");
        let main = self.lab.ancestors(&self.lab.sha("main"));
        assert!(!guarded || main.contains(base.as_ref().unwrap()), "{about}: trusted, and not of the default branch");
        if let Some(base) = &base
            && self.lab.graph.contains_key(&head)
        {
            let differs = self.lab.server.git(&["diff", "--name-only", "--no-renames", base, &head]);
            let mut files: Vec<&str> =
                told["files"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
            files.sort_unstable();
            assert_eq!(files, differs.lines().collect::<Vec<_>>(), "{about}");
        }
        told
    }

    fn allowed(&self, oracle: &Oracle<'_>, behind: &BTreeSet<String>) -> BTreeSet<String> {
        let lab = self.lab;
        match oracle {
            Oracle::Nothing => BTreeSet::new(),
            Oracle::Is(name) => BTreeSet::from([lab.sha(name)]),
            Oracle::Best(name) => {
                let theirs = lab.ancestors(&lab.sha(name));
                lab.best(&behind.intersection(&theirs).cloned().collect())
            }
            Oracle::Green(names) => {
                let green: BTreeSet<String> = names.iter().map(|name| lab.sha(name)).collect();
                lab.best(&behind.intersection(&green).cloned().collect())
            }
            Oracle::SameFiles(name) => {
                let theirs = lab.ancestors(&lab.sha(name));
                let mine: BTreeSet<String> = behind.difference(&theirs).cloned().collect();
                let trees: BTreeSet<String> = mine.iter().map(|commit| lab.tree(commit)).collect();
                let since = theirs.iter().filter(|commit| !behind.contains(*commit));
                lab.best(&since.filter(|commit| trees.contains(&lab.tree(commit))).cloned().collect())
            }
        }
    }
}
