//! The live display on a real terminal: a pseudo-terminal whose other end a test reads.

use super::git_repo::Scratch;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;

const CONFIG: &str = "
steps:
  - id: slow
    run: \"printf 'a wide line: 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字\\\\033[2J\\\\n'; sleep 0.6\"
  - id: quiet
    run: echo should not be seen
  - id: broken
    run: \"echo should be seen; exit 3\"
";

/// Runs wf on a terminal of this width and gives all it wrote there.
fn on_terminal(columns: u16, env: &[(&str, &str)]) -> String {
    let scratch = Scratch::new();
    scratch.write(".workflow-config.yaml", CONFIG);
    scratch.commit("seed");
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let no_control = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
    let name = OsStr::from_bytes(name.as_bytes());
    let theirs = OpenOptions::new().read(true).write(true).custom_flags(no_control).open(name).unwrap();
    tcsetwinsize(&ours, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let mut command = scratch.command(&scratch.root, env!("CARGO_BIN_EXE_wf"));
    command.args(["run", "--jobs", "2"]).env("TERM", "xterm").envs(env.iter().copied());
    let mut child = command.stdout(theirs.try_clone().unwrap()).stderr(theirs).spawn().unwrap();
    // The command holds the other end too; without it our reading ends with the child.
    drop(command);
    let (mut ours, mut all, mut some) = (File::from(ours), Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = ours.read(&mut some) {
        all.extend_from_slice(&some[..n]);
    }
    assert_eq!(child.wait().unwrap().code(), Some(1));
    String::from_utf8(all).unwrap()
}

#[test]
fn running_steps_are_drawn_and_what_ended_scrolls_by() {
    let shown = on_terminal(60, &[]);
    assert!(shown.contains('⠋') || shown.contains('⠙') || shown.contains('⠹'), "a spinner: {shown:?}");
    assert!(shown.contains("3 steps to run"), "{shown:?}");
    assert!(shown.contains("should be seen"), "{shown:?}");
    // Of a step that passes only its last line is seen, beside its spinner, while it runs.
    let quiet = shown.split(['\r', '\n']).filter(|line| line.contains("should not be seen"));
    assert!(quiet.clone().all(|line| "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏".chars().any(|spinner| line.contains(spinner))), "{shown:?}");
    assert!(shown.contains("\x1b[31m\x1b[1mFAILED\x1b[0m"), "{shown:?}");
    assert!(!shown.contains("\x1b[2J"), "a step must not clear the screen: {shown:?}");
    // Between two cursor movements nothing is wider than the terminal: two steps may run, and the count stands below them.
    for line in shown.split(['\r', '\n']).filter(|line| line.contains('⠋') || line.contains("done ")) {
        for row in line.split("\x1b[1A").flat_map(|row| row.split("\x1b[2K")) {
            let cells = console::measure_text_width(row);
            assert!(cells <= 3 * 60, "{cells}: {row:?}");
        }
    }
}

#[test]
fn a_dumb_terminal_and_no_color_are_respected() {
    let shown = on_terminal(60, &[("TERM", "dumb")]);
    assert!(!shown.contains('\x1b') && shown.contains("started   slow"), "{shown:?}");
    let shown = on_terminal(60, &[("NO_COLOR", "1")]);
    assert!(!shown.contains("\x1b[3") && !shown.contains("\x1b[1m"), "{shown:?}");
    let shown = console::strip_ansi_codes(&on_terminal(20, &[("CI", "true")])).into_owned();
    assert!(!shown.contains('⠋') && shown.contains("started   slow"), "{shown:?}");
}
