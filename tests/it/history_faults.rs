//! Each fault of the state folder, caused for real.

use crate::git_repo::Scratch;
use crate::history_rig::{command, history, release, repository, run_dir, start_held, until, wf};
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A file system of our own, gone when dropped.
pub struct Mounted(PathBuf);

impl Mounted {
    /// None when this machine does not let us: then the test says that it was skipped.
    #[expect(clippy::print_stderr, reason = "a test that tested nothing says so")]
    pub fn new(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let done = Scratch::new()
            .command(Path::new("/"), "mount")
            .args(["-t", "tmpfs", "-o", options, "wf-test"])
            .arg(at)
            .output();
        match done {
            Ok(output) if output.status.success() => return Some(Self(at.to_owned())),
            Ok(output) => eprintln!("SKIPPED: mount refuses: {}", String::from_utf8_lossy(&output.stderr).trim()),
            Err(error) => eprintln!("SKIPPED: no mount command: {error}"),
        }
        None
    }

    pub fn make_read_only(&self) {
        let done =
            Scratch::new().command(Path::new("/"), "mount").args(["-o", "remount,ro"]).arg(&self.0).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Scratch::new().command(Path::new("/"), "umount").arg("--lazy").arg(&self.0).output();
    }
}

#[test]
fn a_second_run_waits_and_names_the_first() {
    let scratch = repository();
    let mut first = start_held(&scratch, &["run"]);
    let refused = wf(&scratch, &["run", "--no-wait"]).exits(3);
    let pid = first.id().to_string();
    assert!(refused.err.contains(&pid) && refused.err.contains("wf run"), "{}", refused.err);
    for looking in [&["plan"][..], &["explain", "build"], &["changes"], &["history"]] {
        wf(&scratch, looking).exits(0);
    }
    let mut second = command(&scratch, &scratch.root, &["run", "--all"]);
    let second = second.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(history(&scratch).len(), 1, "it has not begun");
    release(&scratch);
    assert!(first.wait().unwrap().success());
    let second = second.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&second.stderr);
    assert!(second.status.success() && err.contains("waiting for") && err.contains(&pid), "{err}");
    assert_eq!(history(&scratch).len(), 2);
}

#[test]
fn a_killed_holder_holds_nothing() {
    let scratch = repository();
    let mut first = start_held(&scratch, &["run"]);
    first.kill().unwrap();
    first.wait().unwrap();
    release(&scratch);
    until(|| wf(&scratch, &["run", "--no-wait"]).code == 0);
}

#[test]
fn wf_inside_wf_does_not_wait_for_itself() {
    let scratch = Scratch::new();
    let inner = format!(
        "steps:\n  - id: outer\n    run: \"[ -n \\\"$INNER\\\" ] || INNER=1 {} run --all\"\n",
        env!("CARGO_BIN_EXE_wf")
    );
    scratch.write(".workflow-config.yaml", inner).commit("nested");
    wf(&scratch, &["run"]).exits(0);
    assert_eq!(history(&scratch).len(), 2);
}

#[test]
fn a_newer_folder_is_left_alone_with_a_hint() {
    let scratch = repository();
    wf(&scratch, &["run"]).exits(0);
    scratch.write(".wf/format", "99\n");
    for changing in [&["run"][..], &["clean"], &["clean", "--all"], &["history"]] {
        let said = wf(&scratch, changing).exits(3);
        assert!(said.err.contains("format 99") && said.err.contains("WF_STATE_DIR="), "{}", said.err);
    }
    wf(&scratch, &["plan"]).exits(0);
    assert_eq!(fs::read(scratch.path(".wf/format")).unwrap(), b"99\n");
    assert_eq!(fs::read_dir(scratch.path(".wf/runs")).unwrap().count(), 1);
    let elsewhere = scratch.outside("state/deep");
    let said = command(&scratch, &scratch.root, &["run"]).env("WF_STATE_DIR", &elsewhere).output().unwrap();
    assert!(said.status.success() && elsewhere.join("runs").is_dir());
}

#[test]
fn a_newer_log_is_left_alone_and_told() {
    let scratch = repository();
    wf(&scratch, &["run"]).exits(0);
    let run = run_dir(&history(&scratch)[0]);
    let log = fs::read_to_string(run.join("events.jsonl")).unwrap();
    fs::write(run.join("events.jsonl"), log.replacen("\"format\":1", "\"format\":2", 1)).unwrap();
    fs::remove_file(run.join("facts.jsonl")).unwrap();
    let said = wf(&scratch, &["history"]).exits(0);
    assert!(said.err.contains("format 2"), "{}", said.err);
    let said = wf(&scratch, &["run"]).exits(0);
    assert!(said.out.contains("format 2"), "a fallback that people see: {}", said.out);
    let said = wf(&scratch, &["clean", "--older-than", "0s"]).exits(0);
    assert!(said.err.contains("stays") && run.is_dir(), "{}", said.err);
    wf(&scratch, &["run", "--strict"]).exits(3);
}

#[test]
fn a_damaged_log_is_told_with_its_line_and_costs_only_its_own_evidence() {
    let scratch = repository();
    wf(&scratch, &["run"]).exits(0);
    wf(&scratch, &["run", "--all"]).exits(0);
    let run = run_dir(&history(&scratch)[0]);
    let mut lines: Vec<String> =
        fs::read_to_string(run.join("events.jsonl")).unwrap().lines().map(|line| line.to_owned() + "\n").collect();
    lines[2] = "garbage \u{1b}[31m\n".into();
    fs::write(run.join("events.jsonl"), lines.concat()).unwrap();
    fs::remove_file(run.join("facts.jsonl")).unwrap();
    let said = wf(&scratch, &["history"]).exits(0);
    assert!(said.err.contains("events.jsonl:3:") && !said.err.contains('\u{1b}'), "{}", said.err);
    assert_eq!(history(&scratch).len(), 1);
    let said = wf(&scratch, &["run"]).exits(0);
    assert!(said.out.contains("events.jsonl:3:") && said.out.contains("on recorded passes"), "{}", said.out);
}

#[test]
fn a_torn_last_line_is_dropped_quietly() {
    let scratch = repository();
    let mut child = start_held(&scratch, &["run"]);
    child.kill().unwrap();
    child.wait().unwrap();
    release(&scratch);
    until(|| history(&scratch)[0]["status"] == "killed");
    let log = run_dir(&history(&scratch)[0]).join("events.jsonl");
    fs::OpenOptions::new().append(true).open(log).unwrap().write_all(b"{\"seq\":9,\"at_ms").unwrap();
    let said = wf(&scratch, &["history"]).exits(0);
    assert!(said.err.is_empty() && said.out.contains("killed"), "{}{}", said.out, said.err);
}

#[test]
fn a_repository_cannot_lead_the_state_elsewhere() {
    let scratch = repository();
    let victim = scratch.outside("victim");
    fs::create_dir(&victim).unwrap();
    scratch.symlink(victim.to_str().unwrap(), ".wf");
    let said = wf(&scratch, &["run"]).exits(3);
    assert!(said.err.contains("symlink") && said.err.contains("WF_STATE_DIR="), "{}", said.err);
    wf(&scratch, &["clean", "--all"]).exits(3);
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
    wf(&scratch, &["plan"]).exits(0);
}

#[test]
fn a_file_in_the_folders_place_stops_a_run_and_nothing_else() {
    let scratch = repository();
    scratch.write(".wf", "");
    let said = wf(&scratch, &["run"]).exits(3);
    assert!(said.err.contains(".wf") && said.err.contains("hint:"), "{}", said.err);
    wf(&scratch, &["plan"]).exits(0);
}

#[test]
fn with_a_read_only_folder_plans_are_made_and_runs_refused() {
    let scratch = repository();
    let Some(mounted) = Mounted::new(&scratch.path(".wf"), "size=1m,mode=700") else { return };
    wf(&scratch, &["run"]).exits(0);
    mounted.make_read_only();
    scratch.git(&["switch", "--quiet", "--create", "topic"]);
    let said = wf(&scratch, &["plan", "--skip-policy", "witnessed"]).exits(0);
    assert!(said.out.contains("2 skipped"), "its evidence is used: {}", said.out);
    assert_eq!(history(&scratch)[0]["ran"], json!(2));
    let said = wf(&scratch, &["run"]).exits(3);
    assert!(said.err.contains("ead-only") && said.err.contains("WF_STATE_DIR="), "{}", said.err);
    wf(&scratch, &["clean", "--all"]).exits(3);
}

#[test]
fn a_disk_that_fills_up_ends_the_run_and_harms_nothing_that_was_recorded() {
    let scratch = repository();
    let Some(_mounted) = Mounted::new(&scratch.path(".wf"), "size=256k,mode=700") else { return };
    wf(&scratch, &["run"]).exits(0);
    let mut fill = "steps:\n  - {id: s0, run: cat /dev/zero > .wf/ballast || true}\n".to_owned();
    for n in 1..100 {
        let before = n - 1;
        writeln!(fill, "  - {{id: s{n}, needs: [s{before}], run: touch .git/after{n}}}").unwrap();
    }
    scratch.write(".workflow-config.yaml", fill).commit("fill the disk");
    let said = wf(&scratch, &["run", "--all"]).exits(3);
    assert!(!scratch.path(".git/after99").exists(), "it stops gently: {}{}", said.out, said.err);
    assert!((said.out + &said.err).contains("No space left"));
    let runs = history(&scratch);
    assert_eq!(runs.last().unwrap()["status"], "passed", "{runs:?}");
    fs::remove_file(scratch.path(".wf/ballast")).unwrap();
    scratch.write(".workflow-config.yaml", crate::history_rig::PIPELINE).commit("as it was");
    wf(&scratch, &["run"]).exits(0);
}
