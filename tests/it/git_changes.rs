//! What differs, in all the ways a working tree can differ.

use super::git_repo::{Scratch, line};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use wf::base::RepoPath;
use wf::git::{GitError, Mode, Repo};

#[test]
fn layers_are_told_apart_and_merged() {
    let git = Scratch::seeded();
    let base = git.git(&["rev-parse", "HEAD"]);
    git.write("committed.txt", "1").write("src/lib.rs", "//! other\n").commit("second");
    git.write("staged.txt", "1").git(&["add", "staged.txt"]);
    git.write("src/main.rs", "fn main() { }\n").write("untracked.txt", "1").write("deep/er/new.txt", "1");
    git.write("src/lib.rs", "//! third\n");
    let expected = [
        "c Added committed.txt",
        "? Added deep/er/new.txt",
        "cu Modified src/lib.rs",
        "u Modified src/main.rs",
        "s Added staged.txt",
        "? Added untracked.txt",
    ];
    assert_eq!(git.changed(Some(&base)), expected);
    let staged = git.open().changes(Some(&base), Mode::StagedOnly).unwrap();
    assert_eq!(staged.files.iter().map(line).collect::<Vec<_>>(), ["s Added staged.txt"]);
}

#[test]
fn a_clean_tree_has_no_changes_even_when_every_time_stamp_moved() {
    let git = Scratch::seeded();
    assert!(git.changed(Some("HEAD").map(|_| git.git(&["rev-parse", "HEAD"])).as_deref()).is_empty());
    for path in ["README.md", "src/main.rs", "src/lib.rs"] {
        let text = fs::read(git.path(path)).unwrap();
        git.remove(path).write(path, text);
    }
    assert!(git.changed(None).is_empty());
}

#[test]
fn the_same_size_written_in_the_same_instant_is_seen() {
    let git = Scratch::seeded();
    for round in 0..20 {
        git.write("racy.txt", format!("{round:04}")).commit("racy");
        git.write("racy.txt", format!("{:04}", round + 5000));
        assert_eq!(git.changed(None), ["u Modified racy.txt"], "round {round}");
    }
}

#[test]
fn renames_count_on_both_sides() {
    let git = Scratch::seeded();
    let base = git.git(&["rev-parse", "HEAD"]);
    git.git(&["mv", "src/lib.rs", "src/Lib.rs"]);
    git.commit("case only");
    git.git(&["mv", "README.md", "docs.md"]);
    let files = git.changes(Some(&base)).files;
    let lines: Vec<_> = files.iter().map(line).collect();
    assert_eq!(lines, ["s Renamed README.md > docs.md", "c Renamed src/lib.rs > src/Lib.rs"]);
}

/// As in a clone that was copied from a system that folds case.
#[test]
#[cfg(target_os = "linux")]
fn names_that_differ_by_case_alone_are_told_apart_whatever_the_configuration_says() {
    let git = Scratch::seeded();
    git.git(&["config", "core.ignorecase", "true"]);
    fs::rename(git.path("src/lib.rs"), git.path("src/Lib.rs")).unwrap();
    assert_eq!(git.changed(None), ["? Added src/Lib.rs", "u Deleted src/lib.rs"]);
}

#[test]
fn deletions_modes_links_and_kinds() {
    let git = Scratch::seeded();
    git.write("run.sh", "#!/bin/sh\n").write("target.txt", "t\n").symlink("target.txt", "link").commit("more");
    git.chmod("run.sh", 0o755).remove("README.md").remove("link").symlink("src", "link");
    git.remove("src/lib.rs").symlink("main.rs", "src/lib.rs");
    let files = git.changes(None).files;
    let lines: Vec<_> = files.iter().map(line).collect();
    let expected = ["u Deleted README.md", "u Modified link", "u TypeChanged run.sh", "u TypeChanged src/lib.rs"];
    assert_eq!(lines, expected);
    assert_eq!(files[2].modes, (0o100_644, 0o100_755));
    assert_eq!(files[3].modes, (0o100_644, 0o120_000));
}

#[test]
fn a_folder_in_the_place_of_a_file_and_a_link_in_the_place_of_a_folder() {
    let git = Scratch::seeded();
    git.write("a/b/c.txt", "c").commit("more");
    git.remove("README.md").write("README.md/inside", "x");
    fs::rename(git.path("a"), git.outside("a")).unwrap();
    git.symlink(git.outside("a").to_str().unwrap(), "a");
    let expected = ["u Deleted README.md", "? Added README.md/inside", "? Added a", "u Deleted a/b/c.txt"];
    assert_eq!(git.changed(None), expected);
}

#[test]
fn names_are_bytes() {
    let git = Scratch::seeded();
    let odd = OsStr::from_bytes(b"caf\xe9\nline \\ \"quoted\"");
    git.write(odd, "1");
    assert_eq!(git.changes(None).files[0].path, RepoPath::from_bytes(odd.as_bytes()));
    git.commit("odd");
    assert!(git.changed(None).is_empty());
    fs::remove_file(git.root.join(odd)).unwrap();
    assert_eq!(git.changed(None), ["u Deleted caf\\xe9\\nline \\\\ \"quoted\""]);
}

#[test]
fn binary_files_and_empty_files() {
    let git = Scratch::seeded();
    git.write("data.bin", [0u8, 159, 146, 150]).write("empty", "").commit("binary");
    git.write("data.bin", [0u8, 159, 146, 151]).write("empty", "x");
    assert_eq!(git.changed(None), ["u Modified data.bin", "u Modified empty"]);
}

#[test]
fn ignored_files_are_unseen_and_folders_collapse() {
    let git = Scratch::seeded();
    git.write(".gitignore", "target/\n*.log\n!keep.log\n").commit("ignore");
    git.write("target/debug/wf", "elf").write("target/x", "1").write("a.log", "1").write("src/b.log", "1");
    git.write("keep.log", "1").write(".git/info/exclude", "private\n").write("private", "1");
    git.write(".wf/runs/1/events.jsonl", "{}").write(".wf/.gitignore", "*\n");
    assert_eq!(git.changed(None), ["? Added keep.log"]);
    assert_eq!(git.unseen(), ["a.log", "private", "src/b.log", "target"]);
    let repo = git.open();
    assert!(repo.is_ignored(&"target/debug/wf".into()) && repo.is_ignored(&"src/b.log".into()));
    assert!(!repo.is_ignored(&"keep.log".into()) && !repo.is_ignored(&"src/main.rs".into()));
    let files: Vec<_> = repo.files().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(files, [".gitignore", "README.md", "keep.log", "src/lib.rs", "src/main.rs"]);
}

#[test]
fn tracked_files_in_ignored_folders_are_seen() {
    let git = Scratch::seeded();
    git.write("gen/kept.txt", "1").commit("kept");
    git.write(".gitignore", "gen/\n").commit("ignore");
    git.write("gen/kept.txt", "22").write("gen/other.txt", "1");
    assert_eq!(git.changed(None), ["u Modified gen/kept.txt"]);
    assert_eq!(git.unseen(), ["gen/other.txt"]);
}

#[test]
fn what_git_was_told_not_to_look_at_is_unseen() {
    let git = Scratch::seeded();
    git.git(&["update-index", "--assume-unchanged", "src/lib.rs"]);
    git.git(&["update-index", "--skip-worktree", "src/main.rs"]);
    git.write("src/lib.rs", "changed").remove("src/main.rs");
    assert!(git.changed(None).is_empty());
    assert_eq!(git.unseen(), ["src/lib.rs", "src/main.rs"]);
}

#[test]
fn a_sparse_checkout_deletes_nothing() {
    let git = Scratch::seeded();
    git.write("docs/a.md", "a").commit("docs");
    git.git(&["sparse-checkout", "set", "--no-sparse-index", "docs"]);
    assert!(!git.path("src/main.rs").exists());
    assert!(git.changed(None).is_empty());
    assert!(git.unseen().is_empty(), "what is not there is not watched");
}

#[test]
fn conflicts_are_changes() {
    let git = Scratch::seeded();
    git.git(&["switch", "--quiet", "--create", "topic"]);
    git.write("README.md", "# topic\n").commit("topic");
    git.git(&["switch", "--quiet", "main"]);
    git.write("README.md", "# main\n").commit("main");
    let merge = git.command(&git.root, "git").args(["merge", "--quiet", "topic"]).output().unwrap();
    assert!(!merge.status.success());
    let changed = git.changed(None);
    assert_eq!(changed.len(), 1);
    assert!(changed[0].ends_with("Conflicted README.md"), "{changed:?}");
}

#[test]
fn before_the_first_commit_everything_is_new() {
    let git = Scratch::new();
    git.write("staged.txt", "1").git(&["add", "staged.txt"]);
    git.write("new.txt", "1");
    assert_eq!(git.changed(None), ["? Added new.txt", "s Added staged.txt"]);
    let repo = git.open();
    assert_eq!((repo.head().unwrap(), repo.branch().unwrap().as_deref()), (None, Some("main")));
}

#[test]
fn merge_commits_compare_by_tree() {
    let git = Scratch::seeded();
    let base = git.git(&["rev-parse", "HEAD"]);
    git.git(&["switch", "--quiet", "--create", "topic"]);
    git.write("topic.txt", "1").commit("topic");
    git.git(&["switch", "--quiet", "main"]);
    git.write("main.txt", "1").commit("main");
    git.git(&["merge", "--quiet", "--no-edit", "topic"]);
    assert_eq!(git.changed(Some(&base)), ["c Added main.txt", "c Added topic.txt"]);
}

#[test]
fn intent_to_add_is_a_change() {
    let git = Scratch::seeded();
    git.write("planned.txt", "1").git(&["add", "--intent-to-add", "planned.txt"]);
    let changed = git.changes(None).files;
    assert_eq!(changed.iter().map(|file| file.path.to_string()).collect::<Vec<_>>(), ["planned.txt"]);
}

#[test]
fn a_submodule_that_moved_or_is_dirty_is_a_change() {
    let inner = Scratch::seeded();
    let git = Scratch::seeded();
    git.git(&["submodule", "--quiet", "add", inner.root.to_str().unwrap(), "vendored"]);
    let base = git.commit("submodule");
    assert!(git.changed(Some(&base)).is_empty());
    git.write("vendored/README.md", "dirty\n");
    assert_eq!(git.changed(None), ["u Submodule vendored"]);
    git.git_in(&git.path("vendored"), &["commit", "--quiet", "--all", "--message", "inner"]);
    assert_eq!(git.changed(None), ["u Submodule vendored"]);
    git.commit("bump");
    assert_eq!(git.changed(Some(&base)), ["c Submodule vendored"]);
    assert_eq!(git.changed(None), Vec::<String>::new());
}

#[test]
fn a_repository_inside_counts_as_one_path() {
    let git = Scratch::seeded();
    git.git(&["init", "--quiet", "inner"]);
    git.write("inner/a.txt", "1").git_in(&git.path("inner"), &["add", "a.txt"]);
    git.git_in(&git.path("inner"), &["commit", "--quiet", "--message", "inner"]);
    let paths: Vec<_> = git.changes(None).files.iter().map(|file| file.path.to_string()).collect();
    assert_eq!(paths, ["inner"]);
}

#[test]
fn line_endings_are_compared_as_git_stores_them() {
    let git = Scratch::seeded();
    git.write(".gitattributes", "*.txt text eol=crlf\n").write("dos.txt", "one\r\ntwo\r\n").commit("crlf");
    let text = fs::read(git.path("dos.txt")).unwrap();
    git.remove("dos.txt").write("dos.txt", text);
    assert!(git.changed(None).is_empty());
    git.write("dos.txt", "one\r\nTWO\r\n");
    assert_eq!(git.changed(None), ["u Modified dos.txt"]);
}

#[test]
fn modes_do_not_count_where_the_file_system_has_none() {
    let git = Scratch::seeded();
    git.git(&["config", "core.fileMode", "false"]);
    git.chmod("README.md", 0o755);
    assert!(git.changed(None).is_empty());
}

#[test]
fn linked_worktrees_and_subfolders_and_submodules_open() {
    let git = Scratch::seeded();
    git.git(&["branch", "other"]);
    let linked = git.outside("linked");
    git.git(&["worktree", "add", "--quiet", linked.to_str().unwrap(), "other"]);
    let repo = Repo::discover(&linked.join("src")).unwrap();
    assert_eq!((repo.root(), repo.main_root()), (linked.as_path(), git.root.as_path()));
    assert_eq!(repo.branch().unwrap().as_deref(), Some("other"));
    fs::write(linked.join("README.md"), "changed").unwrap();
    let changed = repo.changes(None, Mode::All).unwrap().files;
    assert_eq!(changed.iter().map(line).collect::<Vec<_>>(), ["u Modified README.md"]);
    assert!(git.changed(None).is_empty());
}

#[test]
fn a_bare_repository_is_refused_but_its_worktrees_open() {
    let git = Scratch::seeded();
    let bare = git.outside("bare.git");
    git.git(&["clone", "--quiet", "--bare", git.root.to_str().unwrap(), bare.to_str().unwrap()]);
    assert!(matches!(Repo::discover(&bare), Err(GitError::Bare { .. })));
    let linked = git.outside("from-bare");
    git.git_in(&bare, &["worktree", "add", "--quiet", linked.to_str().unwrap(), "main"]);
    let repo = Repo::discover(&linked).unwrap();
    assert_eq!((repo.root(), repo.main_root()), (linked.as_path(), bare.as_path()));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(Repo::discover(empty.path()), Err(GitError::NotARepository { .. })));
}

#[test]
fn a_hook_sees_the_index_it_runs_on() {
    let git = Scratch::seeded();
    git.write("README.md", "# one\n").write("src/lib.rs", "//! two\n").git(&["add", "--all"]);
    // `git commit README.md` builds such an index of HEAD plus that one file.
    let index = git.outside("next-index");
    fs::copy(git.path(".git/index"), &index).unwrap();
    let mut reset = git.command(&git.root, "git");
    assert!(reset.env("GIT_INDEX_FILE", &index).args(["reset", "--quiet", "src/lib.rs"]).status().unwrap().success());
    let staged = git.open().with_index_file(&index).unwrap().changes(None, Mode::StagedOnly).unwrap();
    assert_eq!(staged.files.iter().map(line).collect::<Vec<_>>(), ["s Modified README.md"]);
}

#[test]
fn a_file_is_read_as_it_was_at_a_commit() {
    let git = Scratch::seeded();
    let base = git.git(&["rev-parse", "HEAD"]);
    git.write("README.md", "later").commit("later");
    let repo = git.open();
    assert_eq!(repo.read_at(&base, &"README.md".into()).unwrap().as_deref(), Some(&b"# hello\n"[..]));
    assert_eq!(repo.read_at(&base, &"src".into()).unwrap(), None);
    assert_eq!(repo.read_at(&base, &"nothing/here".into()).unwrap(), None);
}

#[test]
fn changed_lines_are_counted_up_to_the_tree_or_the_index_and_only_of_a_few_small_files() {
    let git = Scratch::seeded();
    git.write("a.txt", "1\n2\n3\n").write("old.txt", "a\nb\nc\nd\ne\nf\n").commit("base");
    let base = git.git(&["rev-parse", "HEAD"]);
    let count = |base: Option<&str>, mode: Mode| {
        let repo = git.open();
        let files = repo.changes(base, mode).unwrap().files;
        repo.changed_lines(base, &files, mode)
    };
    assert_eq!(count(None, Mode::All), Some(0));
    git.write("a.txt", "1\nx\n3\n").commit("two lines");
    git.git(&["mv", "old.txt", "new.txt"]);
    git.write("new.txt", "a\nb\nc\nd\ne\nf\ng\n").write("staged.txt", "1\n").git(&["add", "."]);
    git.write("a.txt", "1\nx\n3\n4\n").write("untracked.txt", "1\n2\n3").write("binary", b"\0\n\n");
    // a.txt: one removed, two added; new.txt: one more; staged.txt: one; untracked.txt: three.
    assert_eq!(count(Some(&base), Mode::All), Some(3 + 1 + 1 + 3));
    assert_eq!(count(None, Mode::All), Some(1 + 1 + 1 + 3));
    assert_eq!(count(None, Mode::StagedOnly), Some(1 + 1));
    std::os::unix::fs::symlink("a.txt", git.path("link")).unwrap();
    assert_eq!(count(None, Mode::StagedOnly), Some(2));
    assert_eq!(count(None, Mode::All), Some(6), "a symlink has no lines");
    git.write("large.txt", vec![b'\n'; (1 << 20) + 1]);
    assert_eq!(count(None, Mode::All), None, "nobody reads so much");
    git.remove("large.txt");
    for n in 0..200 {
        git.write(format!("many/{n}"), "1\n");
    }
    assert_eq!(count(None, Mode::All), None, "nor so many");
}
