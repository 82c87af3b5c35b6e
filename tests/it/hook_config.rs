//! The configuration that a hook goes by is the one that is staged or pushed, and what git does not look at is not taken for
//! staged.

use super::hook_rig::{LOOK, Rig};
use super::world::{Said, WF, World};

const CONFIG: &str = ".workflow-config.yaml";
const LINT: &str = "
steps:
  - {id: look, kind: lint, run: 'pwd >> $HOME/trace; ! grep -q BAD src/a.rs', inputs: ['src/**'], cache: false}
";

#[test]
fn what_runs_is_chosen_by_what_is_staged() {
    let rig = Rig::new(LINT);
    rig.write("src/a.rs", "BAD\n").git(&["add", "src/a.rs"]);
    let elsewhere = LINT.replace("kind: lint, ", "");
    let others = [elsewhere.as_str(), "steps: [", "steps: []\n", "steps:\n  - {id: other, kind: lint, run: 'true'}\n"];
    for disk in others {
        rig.write(CONFIG, disk);
        assert_ne!(rig.try_commit(&[]).code, 0, "{disk}");
        assert!(rig.ran()[0].contains("/scratch/"), "{disk}");
    }
    rig.remove(CONFIG);
    assert_ne!(rig.try_commit(&[]).code, 0);
    assert_eq!(rig.ran().len(), 1);
    // And the other way round: what is staged anew counts at once.
    rig.write(CONFIG, &elsewhere).git(&["add", CONFIG]);
    rig.write(CONFIG, LINT);
    let _ = rig.try_commit(&[]).passed();
    assert!(rig.ran().is_empty());
}

#[test]
fn a_configuration_behind_a_link_is_read_as_it_is_staged() {
    let rig = Rig::new(LINT);
    rig.write("ci/one.yaml", LINT).write("ci/two.yaml", LINT.replace("kind: lint, ", "")).remove(CONFIG);
    rig.symlink("ci/one.yaml", CONFIG);
    let _ = rig.git(&["add", "-A"]);
    rig.git(&["commit", "--quiet", "--no-verify", "--message", "x"]);
    rig.write("src/a.rs", "BAD\n").git(&["add", "src/a.rs"]);
    assert_ne!(rig.try_commit(&[]).code, 0);
    assert_eq!(rig.ran(), ["here"]);
    // The file that it leads to differs.
    rig.write("ci/one.yaml", "steps: []\n");
    assert_ne!(rig.try_commit(&[]).code, 0);
    assert!(rig.ran()[0].contains("/scratch/"));
    rig.git(&["checkout", "--quiet", "ci/one.yaml"]);
    // The link itself does.
    rig.remove(CONFIG).symlink("ci/two.yaml", CONFIG);
    assert_ne!(rig.try_commit(&[]).code, 0);
    assert!(rig.ran()[0].contains("/scratch/"));
}

#[test]
fn a_configuration_that_git_does_not_have_is_used_as_it_is() {
    let rig = Rig::new(LINT);
    rig.git(&["rm", "--quiet", "--cached", CONFIG]);
    rig.write(".gitignore", format!("{CONFIG}\n")).git(&["add", ".gitignore"]);
    rig.git(&["commit", "--quiet", "--no-verify", "--message", "x"]);
    rig.write("src/a.rs", "BAD\n").git(&["add", "src/a.rs"]);
    assert_ne!(rig.try_commit(&[]).code, 0);
    assert_eq!(rig.ran(), ["here"]);
}

#[test]
fn a_repository_without_a_configuration_passes_without_a_word() {
    let rig = Rig::new(LINT);
    for hook in ["pre-push", "commit-msg"] {
        let _ = rig.wf(&["hook", "install", hook]).passed();
    }
    let (far, other) = (rig.outside("far.git"), rig.outside("other"));
    rig.git(&["init", "--quiet", "--bare", far.to_str().unwrap()]);
    rig.git(&["init", "--quiet", "--initial-branch=main", other.to_str().unwrap()]);
    std::fs::write(other.join("x"), "x\n").unwrap();
    rig.git_in(&other, &["config", "core.hooksPath", rig.path(".git/hooks").to_str().unwrap()]);
    rig.git_in(&other, &["add", "x"]);
    let run = |args: &[&str]| {
        let mut command = rig.command_of("git");
        command.args(args).current_dir(&other);
        Said::of(command)
    };
    let said = run(&["commit", "--quiet", "--message", "x"]).passed();
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
    let said = run(&["push", "--quiet", far.to_str().unwrap(), "main"]).passed();
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
}

#[test]
fn what_git_was_told_not_to_look_at_is_not_taken_for_staged() {
    for flag in ["--assume-unchanged", "--skip-worktree"] {
        let rig = Rig::new(LOOK);
        rig.write("src/b.rs", "b\n").commit("b");
        let _ = (rig.ran(), rig.seen());
        rig.git(&["update-index", flag, "src/a.rs"]);
        rig.write("src/a.rs", "BAD\n");
        rig.write("src/b.rs", "c\n").git(&["add", "src/b.rs"]);
        let _ = rig.try_commit(&[]).passed().complains("in the scratch tree, because look may read src/a.rs");
        assert_eq!(rig.seen(), "a\n", "{flag}");
    }
}

#[test]
fn a_pushed_commit_is_checked_as_its_own_configuration_says() {
    let rig = Rig(World::new(LINT));
    let far = rig.outside("far.git");
    rig.git(&["init", "--quiet", "--bare", far.to_str().unwrap()]);
    rig.git(&["remote", "add", "origin", far.to_str().unwrap()]);
    rig.git(&["push", "--quiet", "origin", "main"]);
    rig.write("src/a.rs", "BAD\n").commit("bad");
    let line = |rig: &Rig| {
        let head = rig.git(&["rev-parse", "HEAD"]);
        let before = rig.git(&["rev-parse", "HEAD~1"]);
        format!("refs/heads/main {head} refs/heads/main {before}\n")
    };
    let hook = || {
        let mut command = rig.command_of("sh");
        command.args(["-c", &format!("printf '%s' \"$1\" | {WF} hook run pre-push"), "sh", &line(&rig)]);
        Said::of(command)
    };
    rig.write(CONFIG, "steps: [");
    let _ = hook().exits(1);
    rig.write(CONFIG, "steps: []\n");
    let _ = hook().exits(1);
    assert_eq!(rig.ran().len(), 2);
}
