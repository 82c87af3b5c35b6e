//! What steps of a hook see of git: never the hook's own repository and index by variables, and a scratch tree that is a whole
//! repository.

use super::hook_rig::{LOOK, Rig};
use super::world::{Said, WF};

/// As a test suite does that makes a repository for itself.
const OWN: &str = "
steps:
  - id: own
    run: |
      pwd >> $HOME/trace
      test -z \"$GIT_DIR$GIT_INDEX_FILE$GIT_WORK_TREE$GIT_PREFIX\"
      rm -rf $HOME/own && mkdir $HOME/own && cd $HOME/own
      git init --quiet && touch x && git add x && git commit --quiet --message own
    inputs: ['src/**']
    tags: [pre-commit]
    cache: false
";

#[test]
fn a_step_with_a_repository_of_its_own_leaves_the_users_alone() {
    let rig = Rig::new(OWN);
    let tree = rig.outside("linked");
    rig.git(&["worktree", "add", "--quiet", tree.to_str().unwrap(), "-b", "other"]);
    for (root, args) in
        [(&tree, &[][..]), (&tree, &["-a"][..]), (&rig.root, &["-a"][..]), (&rig.root, &["src/a.rs"][..])]
    {
        let before = rig.git_in(root, &["rev-list", "--count", "HEAD"]).parse::<u32>().unwrap();
        std::fs::write(root.join("src/a.rs"), format!("{before} {args:?}\n")).unwrap();
        if args.is_empty() {
            rig.git_in(root, &["add", "src/a.rs"]);
        }
        let mut commit = rig.command_of("git");
        commit.current_dir(root).args(["commit", "--quiet", "--message", "mine"]).args(args);
        let _ = Said::of(commit).passed();
        assert_eq!(rig.git_in(root, &["rev-list", "--count", "HEAD"]), (before + 1).to_string());
        assert_eq!(rig.git_in(root, &["status", "--porcelain"]), "");
        assert_eq!(rig.git_in(root, &["log", "-1", "--format=%s"]), "mine");
    }
    assert_eq!(rig.ran().len(), 4);
}

#[test]
fn the_scratch_tree_has_the_branch_and_ends_where_history_ends() {
    let rig = Rig::new(
        "
steps:
  - id: log
    run: 'git log --format=%s > $HOME/log; git symbolic-ref --quiet --short HEAD >> $HOME/log || true; cat src/a.rs >> $HOME/log'
    inputs: ['src/**']
    tags: [pre-commit]
    cache: false
",
    );
    rig.write("src/b.rs", "b\n");
    rig.git(&["add", "-A"]);
    rig.git(&["commit", "--quiet", "--no-verify", "--message", "second"]);
    let shallow = rig.outside("shallow");
    let from = format!("file://{}", rig.root.display());
    rig.git(&["clone", "--quiet", "--depth", "1", &from, shallow.to_str().unwrap()]);
    let look = |name: &str| {
        std::fs::write(shallow.join("src/a.rs"), format!("{name}\n")).unwrap();
        rig.git_in(&shallow, &["add", "src/a.rs"]);
        std::fs::write(shallow.join("src/a.rs"), "disk\n").unwrap();
        let mut command = rig.command_of(WF);
        command.args(["hook", "run", "pre-commit"]).current_dir(&shallow);
        let _ = Said::of(command).passed();
        std::fs::read_to_string(rig.outside("log")).unwrap()
    };
    assert_eq!(look("one"), "second\nmain\none\n");
    // One name stands in the other's way.
    rig.git_in(&shallow, &["branch", "--move", "a"]);
    assert_eq!(look("two"), "second\na\ntwo\n");
    rig.git_in(&shallow, &["branch", "--move", "a/b"]);
    assert_eq!(look("three"), "second\na/b\nthree\n");
    rig.git_in(&shallow, &["checkout", "--quiet", "--force", "--detach"]);
    assert_eq!(look("four"), "second\nfour\n");
}

#[test]
fn why_a_step_runs_in_the_scratch_tree_is_said() {
    let rig = Rig::new(LOOK);
    rig.write("src/a.rs", "staged\n").git(&["add", "src/a.rs"]);
    rig.write("src/a.rs", "disk\n");
    let said = rig.try_commit(&[]).passed();
    let _ = said.complains("in the scratch tree, because look may read src/a.rs, which is not as it is staged");
}

#[test]
fn what_a_filter_makes_equal_is_as_it_is_staged() {
    let rig = Rig::new(LOOK);
    for (key, value) in [("clean", "sed 's/^/stored /'"), ("smudge", "sed 's/^stored //'"), ("required", "true")] {
        rig.git(&["config", &format!("filter.far.{key}"), value]);
    }
    rig.write(".gitattributes", "*.bin filter=far\n").write("src/x.bin", "one\n").commit("filtered");
    let _ = rig.ran();
    // Its times say that it may differ.
    rig.write("src/x.bin", "one\n");
    assert_eq!(rig.changed(None), Vec::<String>::new());
    rig.write("src/a.rs", "b\n").git(&["add", "src/a.rs"]);
    let _ = rig.try_commit(&[]).passed();
    assert_eq!(rig.ran(), ["here"]);
    // In the scratch tree it is no fix.
    rig.write("src/x.bin", "two\n").write("src/a.rs", "c\n").git(&["add", "src"]);
    rig.write("src/a.rs", "disk\n");
    let said = rig.try_commit(&[]).passed();
    assert!(!said.err.contains("x.bin is fixed here") && !said.err.contains("the commit stops"), "{}", said.err);
    rig.write("src/x.bin", "six\n");
    assert!(rig.changed(None).iter().any(|line| line.contains("src/x.bin")), "a real difference is one");
}
