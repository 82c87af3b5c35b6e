//! One story, told by every kind of repository git can make: wf must see the same in all of them.

use super::git_repo::{Scratch, line};
use std::fs;
use wf::change::Base;
use wf::git::{BaseQuery, Mode, Repo};

/// Commits on two branches, then edits of every layer; `shape` turns the repository into the format under test.
fn story(git: &Scratch, shape: impl Fn(&Scratch)) {
    git.write("README.md", "# hello\n").write("src/main.rs", "fn main() {}\n").write("src/lib.rs", "//! lib\n");
    git.write(".gitignore", "target/\n*.log\n").write("docs/guide.md", "guide\n").write("old name.txt", "same\n");
    let fork = git.commit("seed");
    git.git(&["switch", "--quiet", "--create", "topic"]);
    git.write("src/topic.rs", "// topic\n").git(&["mv", "old name.txt", "new name.txt"]);
    let topic = git.commit("topic");
    shape(git);
    git.write("src/lib.rs", "//! staged\n").git(&["add", "src/lib.rs"]);
    git.git(&["rm", "--quiet", "docs/guide.md"]);
    git.write("README.md", "# changed\n").remove("src/main.rs").write("src/new\nline.rs", "new\n");
    git.write("target/out", "x").write("a.log", "x").write(".wf/.gitignore", "*\n").write(".wf/runs/x", "x");
    git.write("README.md", "# changed\n");

    let repo = Repo::discover(&git.path("src")).unwrap();
    assert_eq!((repo.root(), repo.main_root()), (git.root.as_path(), git.root.as_path()));
    assert_eq!((repo.head().unwrap(), repo.branch().unwrap()), (Some(topic.clone()), Some("topic".into())));
    let resolved = repo.resolve_base(&BaseQuery::Default { configured: None }).unwrap();
    assert!(matches!(&resolved.base, Base::Commit { commit, .. } if *commit == fork), "{resolved:?}");
    assert_eq!(resolved.default_branch.as_deref(), Some("refs/heads/main"));
    let asked = repo.resolve_base(&BaseQuery::Asked { reference: "HEAD~1".into(), configured: None }).unwrap();
    assert!(matches!(&asked.base, Base::Commit { commit, .. } if *commit == fork), "{asked:?}");
    assert!(repo.resolve_base(&BaseQuery::Asked { reference: "--nothing".into(), configured: None }).is_err());
    let candidates = [fork.clone()].into();
    assert_eq!(repo.newest_ancestor(&candidates, 100).unwrap(), Some(fork.clone()));
    assert!(repo.is_ancestor(&fork, &topic).unwrap() && !repo.is_ancestor(&topic, &fork).unwrap());
    assert!(!repo.is_shallow());

    let changes = repo.changes(Some(&fork), Mode::All).unwrap();
    let lines: Vec<_> = changes.files.iter().map(line).collect();
    let expected = [
        "u Modified README.md",
        "s Deleted docs/guide.md",
        "c Renamed old name.txt > new name.txt",
        "s Modified src/lib.rs",
        "u Deleted src/main.rs",
        "? Added src/new\\nline.rs",
        "c Added src/topic.rs",
    ];
    assert_eq!(lines, expected);
    let unseen: Vec<_> = changes.unseen.iter().map(|hidden| hidden.path.to_string()).collect();
    assert_eq!(unseen, ["a.log", "target"]);
    let staged = repo.changes(Some(&fork), Mode::StagedOnly).unwrap();
    let lines: Vec<_> = staged.files.iter().map(line).collect();
    assert_eq!(lines, ["s Deleted docs/guide.md", "s Modified src/lib.rs"]);
    let files: Vec<_> = repo.files().unwrap().iter().map(ToString::to_string).collect();
    let here = [".gitignore", "README.md", "new name.txt", "src/lib.rs", "src/new\\nline.rs", "src/topic.rs"];
    assert_eq!(files, here);
    for mode in [Mode::All, Mode::StagedOnly] {
        let (with_listing, listing) = repo.changes_and_listing(Some(&fork), mode).unwrap();
        assert_eq!(with_listing.files, repo.changes(Some(&fork), mode).unwrap().files, "{mode:?}");
        assert_eq!(with_listing.unseen, changes.unseen, "{mode:?}");
        let listed: Vec<_> = listing.files.iter().map(|file| file.path.to_string()).collect();
        assert_eq!(listed, here, "{mode:?}");
        listing.files.iter().for_each(|file| super::git_listing::is_as_the_file_system_says(git, file));
    }
    assert_eq!(repo.read_at(&fork, &"src/lib.rs".into()).unwrap().as_deref(), Some(&b"//! lib\n"[..]));
    assert_eq!(repo.read_at(&fork, &"src".into()).unwrap(), None);
    assert_eq!(repo.read_at(&fork, &"none".into()).unwrap(), None);
    assert!(repo.is_ignored(&"target/out".into()) && !repo.is_ignored(&"src/topic.rs".into()));
    let index = fs::read(repo.git_dir().join("index")).unwrap();
    repo.changes(None, Mode::All).unwrap();
    assert!(fs::read(repo.git_dir().join("index")).unwrap() == index, "the index was written");
}

#[test]
fn plain() {
    story(&Scratch::new(), |_| {});
}

#[test]
fn index_version_4() {
    story(&Scratch::new(), |git| drop(git.git(&["update-index", "--index-version", "4"])));
}

#[test]
fn many_files_settings() {
    story(&Scratch::new(), |git| {
        git.git(&["config", "feature.manyFiles", "true"]);
        git.git(&["update-index", "--force-write-index"]);
    });
}

#[test]
fn split_index() {
    story(&Scratch::new(), |git| drop(git.git(&["update-index", "--split-index"])));
}

#[test]
fn sparse_index() {
    let git = Scratch::seeded();
    git.write("outside/deep/file", "x").commit("outside");
    git.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "src"]);
    assert!(git.git(&["ls-files", "--sparse"]).contains("outside/"), "the index is not sparse");
    git.write("src/main.rs", "fn main() { }\n").write("src/new.rs", "new\n");
    assert_eq!(git.changed(None), ["u Modified src/main.rs", "? Added src/new.rs"]);
    assert!(git.unseen().is_empty(), "what is not there is not watched");
    let files: Vec<_> = git.open().files().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(files, ["README.md", "src/lib.rs", "src/main.rs", "src/new.rs"]);
}

#[test]
fn what_git_was_told_not_to_look_at_is_unseen_to_the_command_too() {
    let git = Scratch::seeded();
    git.write("gone", "x").commit("gone");
    git.git(&["update-index", "--assume-unchanged", "src/lib.rs"]);
    git.git(&["update-index", "--skip-worktree", "src/main.rs", "gone"]);
    git.git(&["update-index", "--split-index"]);
    git.write("src/lib.rs", "changed").write("src/main.rs", "changed").remove("gone");
    assert!(git.changed(None).is_empty());
    assert_eq!(git.unseen(), ["gone", "src/lib.rs", "src/main.rs"]);
}

#[test]
fn packed_refs_and_objects() {
    story(&Scratch::new(), |git| drop(git.git(&["gc", "--quiet"])));
}

#[test]
fn case_folding_settings_are_left_to_libgit2() {
    story(&Scratch::new(), |git| drop(git.git(&["config", "core.ignoreCase", "true"])));
}

#[test]
fn sha256() {
    story(&Scratch::with(&["--object-format=sha256"]), |_| {});
}

#[test]
fn reftable() {
    story(&Scratch::with(&["--ref-format=reftable"]), |_| {});
}

#[test]
fn linked_worktrees_of_what_only_git_reads() {
    let git = Scratch::with(&["--object-format=sha256"]);
    git.write("a", "1").commit("a");
    git.git(&["branch", "other"]);
    let linked = git.outside("linked");
    git.git(&["worktree", "add", "--quiet", linked.to_str().unwrap(), "other"]);
    let repo = Repo::discover(&linked).unwrap();
    assert_eq!((repo.root(), repo.main_root()), (linked.as_path(), git.root.as_path()));
}

/// git sets these for its hooks; they must not lead wf to another repository. The stories above are told again in a
/// process of their own that has them in its environment.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test process of its own, for its environment")]
fn a_hooks_environment_leads_nowhere_else() {
    let other = Scratch::seeded();
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "git_formats::plain", "git_formats::sha256", "git_formats::split_index"]);
    again.env("GIT_DIR", other.path(".git")).env("GIT_WORK_TREE", &other.root).env("GIT_PREFIX", "src/");
    again.env("GIT_INDEX_FILE", other.path(".git/index")).env("GIT_EXTERNAL_DIFF", "false");
    let output = again.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("3 passed"), "{said}");
}
