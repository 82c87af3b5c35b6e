//! `wf init` on real folders: what it writes, what it refuses, and that what it wrote runs.

use crate::git_repo::Scratch;
use std::fs;
use std::path::Path;

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn wf(scratch: &Scratch, dir: &Path, args: &[&str]) -> Said {
    let output = scratch.command(dir, env!("CARGO_BIN_EXE_wf")).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// A Makefile that leaves a trace of what ran.
fn with_make() -> Scratch {
    let scratch = Scratch::new();
    scratch
        .write("Makefile", "all:\n\techo built > built\ntest: all\n\ttest -f built\nlint:\n\ttrue\n")
        .write(".gitignore", "built\n");
    scratch.commit("seed");
    scratch
}

#[test]
fn what_it_writes_runs_as_it_is() {
    let scratch = with_make();
    let said = wf(&scratch, &scratch.root, &["init"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert!(said.out.starts_with("wrote .workflow-config.yaml: 3 steps from what is here (make)\n"), "{}", said.out);
    let ran = wf(&scratch, &scratch.root, &["run", "--all"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(fs::read_to_string(scratch.path("built")).unwrap(), "built\n");
    // Nothing but the configuration is new for git: the schema is in the folder that ignores itself.
    assert_eq!(scratch.git(&["status", "--porcelain"]), "?? .workflow-config.yaml");
    let text = fs::read_to_string(scratch.path(".workflow-config.yaml")).unwrap();
    let schema = text.lines().next().and_then(|line| line.split_once("$schema=")).unwrap().1;
    let schema: serde_json::Value = serde_json::from_slice(&fs::read(scratch.path(schema)).unwrap()).unwrap();
    assert_eq!(schema["title"], "wf configuration");
}

#[test]
fn it_replaces_nothing_unasked_and_writes_at_the_root_from_any_folder() {
    let scratch = with_make();
    scratch.write(".workflow-config.yaml", "# mine\n").write("deep/er/x", "");
    let said = wf(&scratch, &scratch.path("deep/er"), &["init"]);
    assert!(said.code == 2 && said.err.contains("already there") && said.err.contains("--force"), "{}", said.err);
    assert_eq!(fs::read_to_string(scratch.path(".workflow-config.yaml")).unwrap(), "# mine\n");
    assert_eq!(wf(&scratch, &scratch.path("deep/er"), &["init", "--force"]).code, 0);
    assert!(fs::read_to_string(scratch.path(".workflow-config.yaml")).unwrap().contains("make lint"));
    assert!(!scratch.path("deep/er/.workflow-config.yaml").exists());
}

#[test]
fn it_replaces_a_symlink_and_leaves_alone_what_that_names() {
    let scratch = with_make();
    fs::write(scratch.outside("precious"), "precious").unwrap();
    scratch.symlink("../precious", ".workflow-config.yaml");
    assert_eq!(wf(&scratch, &scratch.root, &["init"]).code, 2);
    assert_eq!(wf(&scratch, &scratch.root, &["init", "--force"]).code, 0);
    assert_eq!(fs::read_to_string(scratch.outside("precious")).unwrap(), "precious");
    assert!(!scratch.path(".workflow-config.yaml").is_symlink());
}

#[test]
fn print_writes_nothing_and_the_old_flag_still_works() {
    let scratch = with_make();
    let printed = wf(&scratch, &scratch.root, &["init", "--print"]);
    assert!(printed.code == 0 && printed.out.starts_with("# yaml-language-server: $schema="), "{}", printed.out);
    assert_eq!(scratch.git(&["status", "--porcelain", "--ignored"]), "");
    let said = wf(&scratch, &scratch.root, &["--init-config"]);
    assert!(
        said.code == 0 && fs::read_to_string(scratch.path(".workflow-config.yaml")).unwrap() == printed.out,
        "{}",
        said.err
    );
}

#[test]
fn kinds_and_templates() {
    let scratch = with_make();
    let said = wf(&scratch, &scratch.root, &["init", "--kind", "rust"]);
    assert!(
        said.code == 2 && said.err.contains("no rust project") && said.err.contains("--template rust"),
        "{}",
        said.err
    );
    let said = wf(&scratch, &scratch.root, &["init", "--template", "feature", "--print"]);
    assert!(said.code == 0 && said.out.contains("trigger: manual"), "{}", said.err);
    assert_eq!(wf(&scratch, &scratch.root, &["init", "--template", "nope"]).code, 2);
    let empty = Scratch::new();
    let said = wf(&empty, &empty.root, &["init"]);
    assert!(said.code == 2 && said.err.contains("--template feature"), "{}", said.err);
}

#[test]
fn a_linked_worktree_gets_its_configuration_and_no_state_of_its_own() {
    let scratch = with_make();
    let linked = scratch.outside("linked");
    scratch.git(&["worktree", "add", "--quiet", linked.to_str().unwrap()]);
    let said = wf(&scratch, &linked, &["init"]);
    assert!(said.code == 0 && said.err.contains("`wf config schema`"), "{}", said.err);
    assert!(linked.join(".workflow-config.yaml").exists() && !linked.join(".wf").exists());
}
