//! `wf hook install` and `uninstall`: where hooks go, and what happens to those that are there.

use super::hook_rig::{LOOK, Rig};
use super::world::{Said, World};

#[test]
fn a_hook_that_was_there_is_called_first_and_comes_back() {
    let world = World::new(LOOK);
    let mine = "#!/bin/sh\necho mine >> $HOME/trace\nexit ${MINE:-0}\n";
    world.write(".git/hooks/pre-commit", mine).chmod(".git/hooks/pre-commit", 0o755);
    let _ = world.wf(&["hook", "install", "pre-commit"]).passed().says("after the hook that was there");
    let rig = Rig(world);
    rig.write("src/a.rs", "b\n").git(&["add", "src/a.rs"]);
    let mut refused = rig.command_of("git");
    refused.args(["commit", "--quiet", "--message", "x"]).env("MINE", "7");
    assert_ne!(Said::of(refused).code, 0);
    assert_eq!(rig.ran(), ["mine"]);
    let _ = rig.try_commit(&[]).passed();
    assert_eq!(rig.ran(), ["mine", "here"]);
    let _ = rig.wf(&["hook", "uninstall"]).passed().says("is what it was before");
    assert_eq!(rig.read(".git/hooks/pre-commit"), mine);
    let _ = rig.wf(&["hook", "uninstall"]).passed().says("is not wf's");
    rig.write("src/a.rs", "c\n").git(&["add", "src/a.rs"]);
    let _ = rig.try_commit(&[]).passed();
    assert_eq!(rig.ran(), ["mine"]);
}

#[test]
fn the_folder_is_gits_own_choice() {
    let world = World::new(LOOK);
    world.git(&["config", "core.hooksPath", "tools/hooks"]);
    let _ = world.wf(&["hook", "install"]).passed().says("tools/hooks/pre-commit");
    assert!(world.exists("tools/hooks/pre-commit") && !world.exists(".git/hooks/pre-commit"));
    let rig = Rig(world);
    rig.write("src/a.rs", "BAD\n").git(&["add", "src/a.rs"]);
    assert_ne!(rig.try_commit(&[]).code, 0);
    assert_eq!(rig.ran().len(), 1);
}

#[test]
fn linked_worktrees_share_the_hook_and_not_the_scratch_tree() {
    let rig = Rig::new(LOOK);
    let tree = rig.outside("linked");
    rig.git(&["worktree", "add", "--quiet", tree.to_str().unwrap(), "-b", "other"]);
    std::fs::write(tree.join("src/a.rs"), "BAD\n").unwrap();
    rig.git_in(&tree, &["add", "src/a.rs"]);
    std::fs::write(tree.join("src/a.rs"), "good\n").unwrap();
    let mut commit = rig.command_of("git");
    commit.current_dir(&tree).args(["commit", "--quiet", "--message", "x"]);
    assert_ne!(Said::of(commit).code, 0, "what is staged is bad, whatever is on disk");
    assert_eq!(rig.seen(), "BAD\n");
    let ran = rig.ran();
    assert!(ran.len() == 1 && ran[0].contains(".cache/wf/scratch") && ran[0].ends_with("/linked"), "{ran:?}");
}

#[test]
fn other_hooks_are_installed_by_name() {
    let world = World::new(LOOK);
    for hook in ["pre-push", "commit-msg"] {
        let _ = world.wf(&["hook", "install", hook]).passed();
        assert!(world.exists(&format!(".git/hooks/{hook}")));
        let _ = world.wf(&["hook", "uninstall", hook]).passed().says("is gone");
        assert!(!world.exists(&format!(".git/hooks/{hook}")));
    }
    let _ = world.wf(&["hook", "install", "post-commit"]).exits(2);
}

#[test]
fn hooks_that_know_themselves_by_their_name_still_do() {
    let world = World::new(LOOK);
    let mine = "#!/bin/sh\necho $(basename \"$0\") >> $HOME/trace\n";
    world.write(".git/hooks/pre-commit", mine).chmod(".git/hooks/pre-commit", 0o755);
    let _ = world.wf(&["hook", "install"]).passed().says("wf-before/pre-commit");
    let rig = Rig(world);
    rig.write("src/a.rs", "b\n").git(&["add", "src/a.rs"]);
    let _ = rig.try_commit(&[]).passed();
    assert_eq!(rig.ran(), ["pre-commit", "here"]);
    let _ = rig.wf(&["hook", "uninstall"]).passed();
    assert!(rig.read(".git/hooks/pre-commit") == mine && !rig.exists(".git/hooks/wf-before"));
}

#[test]
fn husky_is_told_to_call_wf_itself() {
    let world = World::new(LOOK);
    world.git(&["config", "core.hooksPath", ".husky/_"]);
    let theirs = "#!/usr/bin/env sh\n. \"${0%/*}/h\"\n";
    world.write(".husky/_/pre-commit", theirs).write(".husky/_/h", "n=$(basename \"$0\")\n");
    let said = world.wf(&["hook", "install"]).exits(3).complains("would not work under another");
    let _ = said.complains("put `wf hook run pre-commit` into").complains(".husky/pre-commit");
    assert_eq!(world.read(".husky/_/pre-commit"), theirs);
}

#[test]
fn hooks_that_are_switched_off_are_no_puzzle() {
    let world = World::new(LOOK);
    world.git(&["config", "core.hooksPath", "/dev/null"]);
    let _ = world.wf(&["hook", "install"]).exits(3).complains("hooks are switched off").complains("core.hooksPath");
}

#[test]
fn the_scratch_tree_goes_with_the_last_hook_and_not_under_a_running_one() {
    let rig = Rig::new(LOOK);
    let _ = rig.wf(&["hook", "install", "pre-push"]).passed();
    rig.write("src/a.rs", "b\n").git(&["add", "src/a.rs"]);
    rig.write("src/a.rs", "disk\n");
    let _ = rig.hook(&[]).passed();
    let scratch = rig.scratch().unwrap();
    let _ = rig.wf(&["hook", "uninstall", "pre-push"]).passed().says("is gone");
    assert!(scratch.exists(), "another hook uses it");
    let lock = std::fs::File::open(scratch.with_file_name("lock")).unwrap();
    lock.lock().unwrap();
    let _ = rig.wf(&["hook", "uninstall"]).passed().complains("a hook uses it now");
    assert!(scratch.exists());
    drop(lock);
    let _ = rig.wf(&["hook", "install"]).passed();
    let _ = rig.wf(&["hook", "uninstall"]).passed();
    assert!(!scratch.exists());
    let _ = rig.wf(&["hook", "uninstall"]).passed().says("there is no ");
}

#[test]
fn what_was_changed_in_a_hook_of_wfs_is_not_lost() {
    let rig = Rig::new(LOOK);
    let mine = rig.read(".git/hooks/pre-commit").replace("run pre-commit", "run pre-commit --stage-fixes");
    rig.write(".git/hooks/pre-commit", &mine);
    let _ = rig.wf(&["hook", "install"]).passed().says("changed since: it stays as it is");
    let _ = rig.wf(&["hook", "uninstall"]).exits(3).complains("changed since: it is not removed");
    assert_eq!(rig.read(".git/hooks/pre-commit"), mine);
}
