//! The pre-push hook looks at what is pushed; commit-msg at the message.

use super::hook_rig::Rig;
use super::world::{Said, World};

const PUSH: &str = "
steps:
  - {id: look, run: 'pwd >> $HOME/trace; ! grep -q BAD src/a.rs', inputs: ['src/**'], tags: [pre-commit, pre-push]}
";

fn rig(config: &str) -> Rig {
    let rig = Rig(World::new(config));
    rig.git(&["init", "--quiet", "--bare", rig.outside("far.git").to_str().unwrap()]);
    rig.git(&["remote", "add", "origin", rig.outside("far.git").to_str().unwrap()]);
    rig.git(&["push", "--quiet", "origin", "main"]);
    let _ = rig.wf(&["hook", "install", "pre-push"]).passed();
    rig
}

fn push(rig: &Rig, args: &[&str]) -> Said {
    let mut command = rig.command_of("git");
    command.args(["push", "--quiet", "origin"]).args(args);
    Said::of(command)
}

#[test]
fn the_commits_that_are_pushed_are_looked_at_whatever_is_on_disk() {
    let rig = rig(&PUSH.replace("]}", "], cache: false}"));
    rig.write("src/a.rs", "BAD\n").commit("bad");
    assert_ne!(push(&rig, &["main"]).code, 0);
    assert_eq!(rig.ran(), ["here"]);
    rig.write("src/a.rs", "good\n");
    assert_ne!(push(&rig, &["main"]).code, 0, "disk is not what is pushed");
    let ran = rig.ran();
    assert!(ran[0].contains("/scratch/"), "{ran:?}");
    rig.commit("good");
    rig.write("src/a.rs", "BAD\n");
    let _ = push(&rig, &["main"]).passed();
    assert!(rig.ran()[0].contains("/scratch/"));
    let _ = push(&rig, &["--delete", "main"]);
    assert!(rig.ran().is_empty(), "nothing is pushed");
}

#[test]
fn what_the_commits_hook_found_out_serves_the_push() {
    let rig = rig(PUSH);
    let _ = rig.wf(&["hook", "install", "pre-commit"]).passed();
    rig.write("src/a.rs", "b\n").git(&["add", "src/a.rs"]);
    // Partly staged, so that it is found out in the scratch tree.
    rig.write("src/a.rs", "c\n");
    let _ = rig.try_commit(&[]).passed();
    assert!(rig.ran()[0].contains("/scratch/"));
    rig.git(&["checkout", "--quiet", "src/a.rs"]);
    let _ = push(&rig, &["main"]).passed();
    assert!(rig.ran().is_empty(), "it is known by its key");
}

#[test]
fn a_message_is_looked_at_by_who_says_so() {
    let rig = Rig(World::new(
        "
steps:
  - {id: message, run: 'grep -q ^JIRA \"$WF_COMMIT_MSG_FILE\"', tags: [commit-msg]}
",
    ));
    let _ = rig.wf(&["hook", "install", "commit-msg"]).passed();
    rig.write("src/a.rs", "b\n").git(&["add", "src/a.rs"]);
    assert_ne!(rig.try_commit(&[]).code, 0);
    let _ = rig.try_commit(&["--message", "JIRA 7"]).passed();
}

#[test]
fn tags_are_checked_as_their_commits_and_once() {
    let rig = rig(&PUSH.replace("]}", "], cache: false}"));
    rig.write("src/a.rs", "new\n").commit("new");
    rig.git(&["tag", "--annotate", "--message", "v1", "v1"]);
    let _ = push(&rig, &["main", "v1"]).passed();
    assert_eq!(rig.ran(), ["here"], "a tag and its branch are one commit");
    // A tag of something that is no commit has nothing to look at.
    rig.git(&["tag", "--annotate", "--message", "tree", "tree", "HEAD^{tree}"]);
    rig.git(&["tag", "blob", "HEAD:src/a.rs"]);
    let _ = push(&rig, &["tree", "blob"]).passed();
    assert!(rig.ran().is_empty());
}

#[test]
fn an_earlier_hook_is_given_exactly_what_git_says() {
    let world = World::new(PUSH);
    let mine = "#!/bin/sh\nwc -l >> $HOME/trace\n";
    world.write(".git/hooks/pre-push", mine).chmod(".git/hooks/pre-push", 0o755);
    let rig = {
        let rig = Rig(world);
        rig.git(&["init", "--quiet", "--bare", rig.outside("far.git").to_str().unwrap()]);
        rig.git(&["remote", "add", "origin", rig.outside("far.git").to_str().unwrap()]);
        let _ = rig.wf(&["hook", "install", "pre-push"]).passed();
        rig
    };
    let _ = push(&rig, &["main"]).passed();
    assert_eq!(rig.ran(), ["1", "here"]);
    let _ = push(&rig, &["main"]).passed();
    assert_eq!(rig.ran(), ["0"], "nothing is pushed");
}
