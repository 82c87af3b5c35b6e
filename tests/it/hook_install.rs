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
