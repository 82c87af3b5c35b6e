//! Faults by causing them: signals, kill -9, unwritable state, a full disk, two runs at once, planted secrets.

use super::world::{Said, World};
use std::io::Write as _;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !there() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// A step that says it began, and then sleeps; and a clean-up.
const SLEEPER: &str = "
smart_execution: false
steps:
  - {id: sleeper, run: 'touch ../began; exec sleep 60', grace: 2s}
  - {id: next, needs: [sleeper], run: 'echo next >> ../trace'}
  - {id: down, run_on: always, run: 'echo down >> ../trace'}
";

fn ended(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn one_interrupt_stops_gently_and_cleans_up() {
    for (with, code) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let world = World::topic(SLEEPER);
        let child = world.command(&["run"]).spawn().unwrap();
        wait_for("the step", || world.outside("began").exists());
        signal(&child, with);
        let _ = ended(child).exits(code).says("interrupted");
        assert_eq!(world.trace(), ["down"]);
        assert_eq!(world.events().last().unwrap()["status"], "interrupted");
    }
}

#[test]
fn a_second_interrupt_stops_at_once() {
    // Deaf before it says that it has begun.
    let deaf = "trap \"\" TERM; touch ../began; while :; do sleep 0.1; done";
    let config = SLEEPER.replace("touch ../began; exec sleep 60", deaf).replace("2s", "60s");
    let world = World::topic(&config);
    let child = world.command(&["run"]).spawn().unwrap();
    wait_for("the step", || world.outside("began").exists());
    signal(&child, rustix::process::Signal::INT);
    wait_for("the first to be noticed", || !world.events_of("interrupted").is_empty());
    signal(&child, rustix::process::Signal::INT);
    let _ = ended(child).exits(130);
    assert_eq!(world.trace(), Vec::<String>::new(), "no clean-up after the second");
}

#[test]
fn kill_9_leaves_no_orphan_and_the_next_run_goes_on() {
    let marker = format!("77{}", std::process::id());
    let world =
        World::topic(&SLEEPER.replace("exec sleep 60", &format!("setsid sleep {marker} & exec sleep {marker}")));
    let alive = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let said = processes.filter_map(|p| std::fs::read(p.path().join("cmdline")).ok());
        said.filter(|cmdline| cmdline.split(|b| *b == 0).any(|word| word == marker.as_bytes())).count()
    };
    let mut child = world.command(&["run"]).spawn().unwrap();
    wait_for("both sleepers", || alive() == 2);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("the end of all sleepers", || alive() == 0);
    let _ = world.wf(&["run", "--steps", "down"]).passed();
    let _ = world.wf(&["report", "latest"]).passed();
    let _ = world.wf(&["history"]).passed();
}

#[test]
fn a_second_run_waits_and_names_the_first() {
    let world = World::topic(SLEEPER);
    let first = world.command(&["run"]).spawn().unwrap();
    wait_for("the step", || world.outside("began").exists());
    let _ = world.wf(&["run", "--no-wait"]).exits(3).complains("is running in this worktree");
    let second = world.command(&["run", "--steps", "down"]).spawn().unwrap();
    // Looking never waits.
    let _ = world.wf(&["plan"]).passed();
    let _ = world.wf(&["explain", "next"]).passed();
    signal(&first, rustix::process::Signal::INT);
    let _ = ended(first).exits(130);
    let _ = ended(second).passed().complains("waiting for");
}

#[test]
fn state_that_cannot_be_written_is_told_before_anything_runs() {
    let world = World::topic("steps: [{id: a, run: 'echo a >> ../trace'}]");
    world.write(".wf", "a file, not a folder");
    let _ = world.wf(&["plan"]).passed();
    let _ = world.wf(&["run"]).exits(3).complains("WF_STATE_DIR");
    assert!(world.trace().is_empty());
    let elsewhere = world.outside("state");
    let _ = world.wf_env(&[("WF_STATE_DIR", elsewhere.to_str().unwrap())], &["run", "--all"]).passed();
    assert_eq!(world.trace(), ["a"]);
}

#[test]
fn a_full_disk_stops_the_run_gently() {
    // A page of the log may still be free, so that a few more events fit; not those of sixty steps.
    let chain: String = (0..60)
        .map(|n| {
            format!(
                "  - {{id: s{n}, needs: [{}], run: 'echo {n} >> ../trace'}}\n",
                if n == 0 { "fill".into() } else { format!("s{}", n - 1) }
            )
        })
        .collect();
    let world = World::topic(&format!(
        "
smart_execution: false
steps:
  - {{id: fill, run: 'head -c 300000 /dev/zero > ../state/fill || true; yes | head -c 200000; touch ../filled'}}
{chain}"
    ));
    let state = world.outside("state");
    std::fs::create_dir(&state).unwrap();
    let mount = |args: &[&str]| world.command_of("mount").args(args).output().is_ok_and(|o| o.status.success());
    if !mount(&["-t", "tmpfs", "-o", "size=128k", "tmpfs", state.to_str().unwrap()]) {
        let _ = writeln!(std::io::stderr(), "SKIPPED a_full_disk_stops_the_run_gently: tmpfs cannot be mounted here");
        return;
    }
    let said = world.wf_env(&[("WF_STATE_DIR", state.to_str().unwrap())], &["run"]);
    let _ = world.command_of("umount").arg(&state).output();
    let _ = said.exits(3).says("the event log cannot be written").complains("lacks its end").complains("WF_STATE_DIR");
    assert!(world.outside("filled").exists(), "the step itself goes on");
    assert!(world.trace().len() < 60, "nothing starts once the log cannot be written");
}

#[test]
fn a_report_that_cannot_be_written_does_not_fail_the_run() {
    let world = World::topic("steps: [{id: a, run: 'true'}]");
    let _ = world.wf(&["run", "--all", "--junit", "/proc/nowhere/junit.xml"]).passed().says("1 passed");
}

#[test]
fn a_cycle_is_printed_whole() {
    let world = World::topic(
        "steps:\n  - {id: a, run: x, needs: [c]}\n  - {id: b, run: x, needs: [a]}\n  - {id: c, run: x, needs: [b]}\n",
    );
    let said = world.wf(&["run"]).exits(2);
    for step in ["`a`", "`b`", "`c`"] {
        assert!(said.err.contains(step) || said.err.contains(&step.replace('`', "")), "{}", said.err);
    }
    assert!(said.err.matches(".workflow-config.yaml").count() >= 1, "{}", said.err);
}

#[test]
fn a_reader_that_goes_away_ends_wf_quietly() {
    let steps: String = (0..3000).map(|n| format!("  - {{id: s{n}, run: 'true'}}\n")).collect();
    let world = World::topic(&format!("steps:\n{steps}"));
    let mut command = world.command(&["plan", "--all", "--verbose"]);
    let (reader, writer) = std::io::pipe().unwrap();
    let child = command.stdout(writer).spawn().unwrap();
    drop(command);
    drop(reader);
    let said = ended(child);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

/// Every file below a folder, and its bytes.
fn everything(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            everything(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default()));
            found.push((path.display().to_string(), path.display().to_string().into_bytes()));
        }
    }
}

#[test]
fn a_planted_secret_is_nowhere_in_what_wf_wrote() {
    use base64::Engine as _;
    const SECRET: &str = "s3cr3t/Value+42";
    let world = World::topic(
        "
secrets: [DECLARED]
steps:
  - id: leak
    run:
      - sh
      - -c
      - 'echo plain $MY_TOKEN; printf %s s3cr3t/; sleep 0.15; echo Value+42; echo $MY_TOKEN | base64; printf s3cr3t%%2FValue%%2B42; echo; echo $DECLARED >&2; git diff'
      - s3cr3t/Value+42
  - {id: fails, run: 'echo $MY_TOKEN; exit 1'}
",
    );
    world
        .write("src/a.rs", format!("let key = \"{SECRET}\";\n"))
        .write(format!("src/{}", SECRET.replace('/', "_")), "x");
    world.write(SECRET, "a file name that is the secret");
    let env = [("MY_TOKEN", SECRET), ("DECLARED", "declared-Secret-99"), ("GITHUB_TOKEN", "ghp_0123456789abcdef")];
    let mut all = Vec::new();
    for args in [
        &["run", "--keep-going", "--junit", "junit.xml"][..],
        &["run", "--json", "--keep-going"],
        &["plan"],
        &["plan", "--json"],
        &["changes"],
        &["changes", "--json"],
        &["explain", "leak"],
        &["explain", "leak", "--json"],
        &["report", "latest"],
        &["report", "latest", "--format", "html"],
        &["graph"],
        &["config", "show"],
    ] {
        let said = world.wf_env(&env, args);
        all.push((args.join(" "), said.out.into_bytes()));
        all.push((args.join(" "), said.err.into_bytes()));
    }
    everything(&world.path(".wf"), &mut all);
    all.push(("junit".into(), std::fs::read(world.path("junit.xml")).unwrap()));
    let engine = base64::engine::general_purpose::STANDARD;
    let forms = [
        SECRET.to_owned(),
        "declared-Secret-99".into(),
        engine.encode(SECRET)[..16].to_owned(),
        "s3cr3t%2FValue%2B42".into(),
    ];
    for (place, bytes) in &all {
        for form in &forms {
            let found = memchr::memmem::find(bytes, form.as_bytes()).is_some();
            assert!(!found, "`{form}` in {place}:\n{}", String::from_utf8_lossy(bytes));
        }
    }
    let outputs = all.iter().filter(|(_, bytes)| memchr::memmem::find(bytes, b"***").is_some());
    assert!(outputs.count() >= 3, "the mask itself is to be seen");
}

#[test]
fn ten_thousand_steps_are_planned_and_bounded_output_is_kept() {
    let steps: String =
        (0..10_000).map(|n| format!("  - {{id: s{n}, run: 'true', inputs: ['src/p{n}/**']}}\n")).collect();
    let world = World::topic(&format!("steps:\n{steps}"));
    world.write("src/p77/x.rs", "x");
    let said = world.wf(&["plan"]).passed();
    let _ = said.says("1 to run, 9999 skipped").says("s77");
}
