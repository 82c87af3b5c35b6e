//! The pre-commit hook looks at what is staged, and at nothing else.

use super::hook_rig::{LOOK, Rig};
use super::world::{Said, WF};
use std::path::Path;

#[test]
fn nothing_that_matters_staged_leaves_no_trace() {
    let rig = Rig::new(LOOK);
    rig.write("docs/guide.md", "more\n").git(&["add", "docs/guide.md"]);
    let _ = rig.try_commit(&[]).passed();
    let _ = rig.try_commit(&["--allow-empty"]).passed();
    assert!(rig.ran().is_empty() && !rig.exists(".wf") && rig.scratch().is_none());
}

#[test]
fn what_agrees_with_the_index_is_checked_where_it_is() {
    let rig = Rig::new(LOOK);
    rig.write("src/a.rs", "b\n").git(&["add", "src/a.rs"]);
    // Nobody who runs watches it.
    rig.write("docs/guide.md", "not staged\n");
    let _ = rig.try_commit(&[]).passed();
    assert_eq!(rig.ran(), ["here"]);
    assert!(rig.scratch().is_none());
}

#[test]
fn a_partly_staged_file_is_checked_as_it_is_staged() {
    let rig = Rig::new(LOOK);
    rig.write("src/a.rs", "BAD\n").git(&["add", "src/a.rs"]);
    rig.write("src/a.rs", "good\n");
    assert_ne!(rig.try_commit(&[]).code, 0);
    assert_eq!((rig.seen(), rig.read("src/a.rs")), ("BAD\n".into(), "good\n".into()));
    rig.git(&["add", "src/a.rs"]);
    rig.write("src/a.rs", "BAD\n");
    let _ = rig.try_commit(&[]).passed();
    assert_eq!((rig.seen(), rig.read("src/a.rs")), ("good\n".into(), "BAD\n".into()));
    let ran = rig.ran();
    assert!(
        ran.len() == 2 && ran.iter().all(|place| *place == rig.scratch().unwrap().display().to_string()),
        "{ran:?}"
    );
}

#[test]
fn what_was_forgotten_is_not_there() {
    let rig = Rig::new(
        "
steps:
  - {id: all, run: 'test ! -e src/new.rs; test ! -e src/gone.rs', tags: [pre-commit], cache: false}
",
    );
    rig.write("src/gone.rs", "x\n").git(&["add", "-A"]);
    rig.git(&["commit", "--quiet", "--no-verify", "--message", "gone"]);
    rig.git(&["rm", "--quiet", "--cached", "src/gone.rs"]);
    rig.write("src/new.rs", "x\n");
    let _ = rig.try_commit(&[]).passed();
    assert!(rig.exists("src/new.rs") && rig.exists("src/gone.rs"));
}

#[test]
fn the_scratch_tree_follows_the_index_by_what_differs() {
    let rig = Rig::new(LOOK);
    rig.write("src/a.rs", "one\n").write("src/b.rs", "b\n").git(&["add", "src"]);
    rig.write("src/a.rs", "disk\n");
    let _ = rig.hook(&[]).passed();
    let scratch = rig.scratch().unwrap();
    let about = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        let about = scratch.join(name).metadata().unwrap();
        (about.ino(), about.mtime(), about.mtime_nsec())
    };
    let before = about("src/b.rs");
    // What a step left behind is put right, what is staged anew comes, what is gone goes, and the rest is not touched.
    std::fs::write(scratch.join("README.md"), "scribbled\n").unwrap();
    std::fs::write(scratch.join("src/litter.rs"), "x\n").unwrap();
    std::fs::write(scratch.join(".git/index.lock"), "").unwrap();
    rig.write("src/a.rs", "two\n").git(&["add", "src/a.rs"]);
    rig.git(&["rm", "--quiet", "-f", "docs/guide.md"]);
    rig.write("src/a.rs", "disk\n");
    let _ = rig.hook(&[]).passed();
    assert_eq!(about("src/b.rs"), before);
    assert_eq!(std::fs::read(scratch.join("README.md")).unwrap(), b"# r\n");
    assert!(!scratch.join("src/litter.rs").exists() && !scratch.join("docs").exists());
    assert_eq!(rig.seen(), "one\ntwo\n");
    let said = rig.git_in(&scratch, &["status", "--porcelain"]);
    assert_eq!(said.lines().map(|line| &line[..2]).collect::<Vec<_>>(), ["D ", "M ", "A "], "{said}");
}

#[test]
fn scratch_trees_of_worktrees_that_are_gone_go() {
    let rig = Rig::new(LOOK);
    rig.write("src/a.rs", "one\n").commit("a");
    let stage = |folder: &Path| {
        std::fs::write(folder.join("src/a.rs"), "staged\n").unwrap();
        rig.git_in(folder, &["add", "src/a.rs"]);
        std::fs::write(folder.join("src/a.rs"), "disk\n").unwrap();
        let mut command = rig.command_of(WF);
        command.args(["hook", "run", "pre-commit"]).current_dir(folder);
        let _ = Said::of(command).passed();
    };
    let [one, two, three] = ["one", "two", "three"].map(|name| {
        let folder = rig.outside(name);
        rig.git(&["worktree", "add", "--quiet", "--detach", folder.to_str().unwrap()]);
        folder
    });
    let places = || std::fs::read_dir(rig.outside(".cache/wf/scratch")).unwrap().count();
    stage(&one);
    stage(&two);
    assert_eq!(places(), 2);
    std::fs::remove_dir_all(&one).unwrap();
    stage(&two);
    assert_eq!(places(), 2, "looked for when a new one is made");
    stage(&three);
    assert_eq!(places(), 2);
    stage(&two);
}

#[test]
fn commits_with_an_index_of_their_own_are_checked_by_that() {
    let rig = Rig::new(LOOK);
    rig.write("src/b.rs", "b\n").commit("b");
    let _ = (rig.ran(), rig.seen());
    rig.write("src/a.rs", "all\n");
    let _ = rig.try_commit(&["-a"]).passed();
    assert_eq!((rig.seen(), rig.ran()), ("all\n".into(), vec!["here".into()]));
    // Only this file; what else is staged is not part of it.
    rig.write("src/a.rs", "BAD\n").git(&["add", "src/a.rs"]);
    rig.write("src/b.rs", "more\n");
    let _ = rig.try_commit(&["src/b.rs"]).passed();
    assert_eq!(rig.seen(), "all\n");
    assert_eq!(rig.git(&["status", "--porcelain"]), "M  src/a.rs");
    assert_ne!(rig.try_commit(&[]).code, 0);
}

#[test]
fn the_scratch_tree_is_a_repository_of_its_own() {
    let rig = Rig::new(
        "
steps:
  - id: where
    run: |
      git rev-parse --show-toplevel > $HOME/top
      git check-ignore -q build.log
      test \"$(git diff --cached --name-only)\" = src/a.rs
      test -z \"$GIT_DIR$GIT_INDEX_FILE\"
      test \"$WF_HOOK\" = pre-commit
    tags: [pre-commit]
    cache: false
",
    );
    rig.write(".gitignore", "*.log\n").git(&["add", ".gitignore"]);
    rig.git(&["commit", "--quiet", "--no-verify", "--message", "x"]);
    rig.write("src/a.rs", "b\n").git(&["add", "src/a.rs"]);
    rig.write("untracked", "x\n");
    let _ = rig.try_commit(&[]).passed();
    let top = std::fs::read_to_string(rig.outside("top")).unwrap();
    assert_eq!(top.trim_end(), rig.scratch().unwrap().to_str().unwrap());
}

#[test]
fn the_first_commit_of_all_is_looked_at_too() {
    let rig = Rig::new(LOOK);
    rig.git(&["checkout", "--quiet", "--orphan", "fresh"]);
    rig.write("src/a.rs", "BAD\n").git(&["add", "-A"]);
    rig.write("src/a.rs", "good\n");
    assert_ne!(rig.try_commit(&[]).code, 0);
    assert_eq!(rig.seen(), "BAD\n");
}

#[test]
fn a_run_that_holds_the_worktree_is_not_waited_for() {
    let config = format!(
        "{LOOK}  - {{id: wait, run: 'touch $HOME/up; while test ! -e $HOME/go; do sleep 0.01; done', tags: [other], inputs: [docs/]}}\n"
    );
    let rig = Rig::new(&config);
    let mut busy = rig.command(&["run", "--steps", "wait", "--no-needs"]).spawn().unwrap();
    while !rig.outside("up").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    rig.write("src/a.rs", "b\n").git(&["add", "src/a.rs"]);
    let _ = rig.try_commit(&[]).passed();
    std::fs::write(rig.outside("go"), "").unwrap();
    assert!(busy.wait().unwrap().success());
    let ran = rig.ran();
    assert!(ran.len() == 1 && ran[0].contains("/scratch/"), "{ran:?}");
}

#[test]
fn the_configuration_that_is_staged_is_the_one_that_counts() {
    let rig = Rig::new(LOOK);
    rig.write(".workflow-config.yaml", LOOK.replace("BAD", "WORSE")).git(&["add", ".workflow-config.yaml"]);
    rig.write("src/a.rs", "BAD\n").git(&["add", "src/a.rs"]);
    rig.write(".workflow-config.yaml", LOOK);
    let _ = rig.try_commit(&[]).passed();
    assert_eq!(rig.seen(), "BAD\n");
}

#[test]
fn a_file_that_changes_while_it_is_looked_at_is_looked_at_again() {
    let rig = Rig::new(
        "
steps:
  - {id: look, run: 'cat src/a.rs >> $HOME/seen; echo meanwhile > $HOME/repo/src/a.rs', inputs: ['src/**'], tags: [pre-commit], cache: false}
",
    );
    rig.write("src/a.rs", "staged\n").git(&["add", "src/a.rs"]);
    let said = rig.hook(&[]).passed();
    let _ = said.complains("src/a.rs changed while steps looked at it");
    assert_eq!((rig.seen(), rig.read("src/a.rs")), ("staged\nstaged\n".into(), "meanwhile\n".into()));
}

#[test]
fn a_submodule_is_a_typed_fallback_for_who_watches_it() {
    let rig = Rig::new(&LOOK.replace("inputs: ['src/**']", "inputs: ['src/**', 'lib/**']"));
    let far = rig.outside("far");
    rig.git(&["init", "--quiet", far.to_str().unwrap()]);
    rig.git_in(&far, &["commit", "--quiet", "--allow-empty", "--message", "x"]);
    rig.git(&["submodule", "--quiet", "add", far.to_str().unwrap(), "lib/far"]);
    rig.write("src/a.rs", "staged\n").git(&["add", "src/a.rs"]);
    rig.write("src/a.rs", "disk\n");
    let _ = rig.hook(&[]).passed().complains("the submodule lib/far is not in the scratch tree");
    assert_eq!((rig.ran(), rig.seen(), rig.fell_back()), (vec!["here".into()], "disk\n".into(), true));
    // Nobody watches it.
    rig.write(".workflow-config.yaml", LOOK).git(&["add", ".workflow-config.yaml"]);
    rig.git(&["commit", "--quiet", "--no-verify", "--message", "x"]);
    rig.write("src/a.rs", "staged again\n").git(&["add", "src/a.rs"]);
    rig.write("src/a.rs", "disk\n");
    let _ = rig.hook(&[]).passed();
    assert_eq!(rig.seen(), "staged again\n");
}

#[test]
fn an_object_that_is_not_here_is_a_typed_fallback() {
    let rig = Rig::new(LOOK);
    // As LFS is, with an object that cannot be had.
    for (key, value) in [("clean", "cat"), ("smudge", "false"), ("required", "true")] {
        rig.git(&["config", &format!("filter.far.{key}"), value]);
    }
    rig.write("src/far.bin", "x\n").commit("as it is");
    rig.write(".gitattributes", "*.bin filter=far\n").git(&["add", ".gitattributes"]);
    let _ = (rig.ran(), rig.seen());
    rig.write("src/a.rs", "staged\n").git(&["add", "src/a.rs"]);
    rig.write("src/a.rs", "disk\n");
    let _ = rig.hook(&[]).passed().complains("what is on disk is looked at");
    assert_eq!(rig.ran(), ["here"]);
    assert!(rig.fell_back());
    rig.write(".workflow-config.yaml", format!("strict: true\n{LOOK}")).git(&["add", ".workflow-config.yaml"]);
    let _ = rig.hook(&[]).exits(3).complains("--strict");
    assert!(rig.ran().is_empty());
}

#[test]
fn dependencies_are_shared_and_lead_into_the_scratch_tree() {
    let rig = Rig::new(
        "
steps:
  - {id: deps, run: 'cat node_modules/left/x node_modules/own/x > $HOME/seen; echo made > node_modules/.cache/y', tags: [pre-commit], cache: false}
",
    );
    rig.write(".gitignore", "node_modules/\n.wf/\n").write("packages/own/x", "old\n");
    rig.write("node_modules/left/x", "left\n").write("node_modules/.cache/y", "mine\n");
    rig.symlink("../packages/own", "node_modules/own");
    rig.git(&["add", "-A"]);
    rig.git(&["commit", "--quiet", "--no-verify", "--message", "x"]);
    rig.write("packages/own/x", "staged\n").git(&["add", "-A"]);
    rig.write("packages/own/x", "disk\n");
    let _ = rig.try_commit(&[]).passed();
    assert_eq!((rig.seen().as_str(), rig.read("node_modules/.cache/y").as_str()), ("left\nstaged\n", "mine\n"));
    // Deeper inside nobody can make it lead elsewhere.
    rig.symlink("../../packages/own", "node_modules/left/deep");
    std::fs::create_dir(rig.path("node_modules/another")).unwrap();
    rig.write("packages/own/x", "staged again\n").git(&["add", "-A"]);
    rig.write("packages/own/x", "disk\n");
    let said = rig.hook(&[]).exits(3);
    let _ = said.complains("left/deep in it leads back to packages/own").complains("stage all of your changes");
}
