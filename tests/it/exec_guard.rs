//! Nothing that a step starts outlives it, or wf, unless it was told to stay.

use crate::exec_rig::{Host, Rig, alive, block_on, eventually};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;
use wf::event::Outcome;
use wf::exec::{Progress, StopHow};

/// A text that no other process on this machine has in its arguments.
fn marker(name: &str) -> String {
    format!("wf-test-{name}-{}", std::process::id())
}

/// A shell that sleeps for long and carries the marker in its arguments.
fn sleeper(marker: &str) -> String {
    format!("sh -c 'while :; do sleep 0.05; done' {marker}")
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).expect("a pid"), Signal::KILL).expect("it can be killed");
}

#[test]
fn a_daemon_in_its_own_session_is_found_named_and_killed() {
    block_on(async {
        let (rig, marker) = (Rig::new(), marker("daemon"));
        // It leaves the group, the session, and the pipes; its parent is gone at once.
        let script = format!("setsid {} >/dev/null 2>&1 </dev/null & sleep 0.1; echo done", sleeper(&marker));
        let done = rig.run(rig.sh(&script)).await;
        assert_eq!(done.ended.outcome, Outcome::Passed);
        assert!(done.ended.leaked.contains(&"sh".to_owned()), "{:?}", done.ended.leaked);
        assert_eq!(alive(&marker), [0; 0]);
        assert!(done.ended.wall_ms < 3_000);
    });
}

#[test]
fn a_child_that_keeps_the_pipes_gets_200_ms() {
    block_on(async {
        let (rig, marker) = (Rig::new(), marker("holder"));
        let done = rig.run(rig.sh(&format!("{} & echo done", sleeper(&marker)))).await;
        assert_eq!((done.ended.outcome, done.output.as_str()), (Outcome::Passed, "done\n"));
        assert!((200..2_000).contains(&done.ended.wall_ms), "{}", done.ended.wall_ms);
        assert!(!done.ended.leaked.is_empty());
        assert_eq!(alive(&marker), [0; 0]);
        // One that ends by itself in that time is no leak, and what it prints is kept.
        let done = rig.run(rig.sh("(sleep 0.05; echo late) & echo early")).await;
        assert_eq!((done.output.as_str(), done.ended.leaked.len()), ("early\nlate\n", 0));
    });
}

#[test]
fn of_two_steps_only_the_leaking_one_is_named() {
    block_on(async {
        let (rig, marker) = (Rig::new(), marker("whose"));
        let clean = rig.job("clean", &["sh", "-c", "sleep 0.4"]);
        let leaky =
            rig.job("leaky", &["sh", "-c", &format!("setsid {} >/dev/null 2>&1 & sleep 0.1", sleeper(&marker))]);
        let (clean, leaky) = tokio::join!(rig.run(clean), rig.run(leaky));
        assert_eq!(clean.ended.leaked, [""; 0]);
        assert!(!leaky.ended.leaked.is_empty());
        assert_eq!(alive(&marker), [0; 0]);
    });
}

#[test]
fn what_may_stay_stays_after_the_run() {
    block_on(async {
        let (rig, marker) = (Rig::new(), marker("stay"));
        let program = rig.folder.path().join("keepme");
        std::fs::copy("/bin/sh", &program).expect("a copy");
        let script = format!(
            "setsid ./keepme -c 'while :; do sleep 0.05; done' {marker} >/dev/null 2>&1 & \
             setsid {} >/dev/null 2>&1 & sleep 0.1",
            sleeper(&marker)
        );
        let mut job = rig.sh(&script);
        job.leave_running = vec!["keepme".into()];
        let done = rig.run(job).await;
        assert!(done.ended.leaked.contains(&"keepme".to_owned()), "{:?}", done.ended.leaked);
        rig.executor.shutdown().await;
        let left = alive(&marker);
        for pid in &left {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).expect("a name");
            kill(*pid);
            assert_eq!(name.trim(), "keepme");
        }
        assert_eq!(left.len(), 1, "exactly what may stay");
    });
}

#[test]
fn what_may_stay_dies_with_a_wf_that_is_killed() {
    let marker = marker("stay-killed");
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("keepme");
    std::fs::copy("/bin/sh", &program).expect("a copy");
    let host = Host::start(&format!(
        "if [ $WF_STEP = two ]; then exec {}; fi; setsid {} -c 'while :; do sleep 0.05; done' {marker} & sleep 0.1",
        sleeper(&marker),
        program.display()
    ));
    let steps =
        |name: &str| alive(&format!("WF_STEP={name}")).into_iter().filter(|pid| alive(&marker).contains(pid)).count();
    eventually("both run", || steps("one") >= 1 && steps("two") >= 1);
    // The first step has ended and left what it may leave.
    std::thread::sleep(Duration::from_millis(600));
    assert!(steps("one") >= 1, "it stays while wf lives");
    kill(host.pid());
    eventually("none is left", || alive(&marker).is_empty());
}

#[test]
fn a_stray_that_hides_whose_it_is_is_blamed_on_no_step_and_killed_at_the_end() {
    block_on(async {
        let (rig, marker) = (Rig::new(), marker("nobodys"));
        let hidden = format!("setsid env -i /bin/{} >/dev/null 2>&1 & sleep 0.2", sleeper(&marker));
        let leaky = rig.job("leaky", &["sh", "-c", &hidden]);
        let clean = rig.job("clean", &["sh", "-c", "sleep 0.8"]);
        let (clean, leaky) = tokio::join!(rig.run(clean), rig.run(leaky));
        assert_eq!((clean.ended.leaked.len(), leaky.ended.leaked.len()), (0, 0));
        assert!(!alive(&marker).is_empty(), "it is there");
        assert!(rig.executor.shutdown().await.contains(&"sh".to_owned()));
        assert_eq!(alive(&marker), [0; 0]);
        // Alone, a step cannot hide.
        let rig = Rig::new();
        let alone = rig.run(rig.sh(&hidden)).await;
        assert!(alone.ended.leaked.contains(&"sh".to_owned()), "{:?}", alone.ended);
        assert_eq!(alive(&marker), [0; 0]);
    });
}

#[test]
fn killing_a_step_reaches_what_left_its_group() {
    block_on(async {
        let (rig, marker) = (Rig::new(), marker("escaped"));
        let mut job = rig.sh(&format!("trap '' TERM; setsid {} & setsid -w {}", sleeper(&marker), sleeper(&marker)));
        (job.timeout_ms, job.grace_ms) = (Some(200), 100);
        let done = rig.run(job).await;
        assert_eq!(done.ended.outcome, Outcome::TimedOut { after_ms: 200 });
        assert_eq!(alive(&marker), [0; 0]);
    });
}

#[test]
fn an_attempt_that_nobody_waits_for_is_killed() {
    block_on(async {
        let (rig, marker) = (Rig::new(), marker("dropped"));
        let job = rig.sh(&sleeper(&marker));
        let dropped = tokio::time::timeout(Duration::from_millis(300), rig.run(job)).await;
        assert!(dropped.is_err());
        for _ in 0..500 {
            if alive(&marker).is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it still runs");
    });
}

#[test]
fn steps_do_not_inherit_the_guards_deafness() {
    block_on(async {
        let rig = Rig::new();
        for (name, number) in [("INT", 2), ("HUP", 1), ("QUIT", 3), ("TERM", 15), ("PIPE", 13)] {
            let done = rig.run(rig.sh(&format!("kill -{name} $$; sleep 0.2"))).await;
            assert_eq!(done.ended.outcome, Outcome::Signalled { signal: number }, "{name}");
        }
    });
}

/// A step that leaves its group in several ways, none of which closes anything.
fn stubborn(marker: &str) -> String {
    let sleeper = sleeper(marker);
    format!(
        "trap '' TERM HUP INT; setsid {sleeper} & (setsid env -i /bin/{sleeper} &) ; \
         setsid sh -c 'trap \"\" TERM; (setsid {0} &) ; wait' {marker} & {sleeper}",
        sleeper.replace('\'', "\"")
    )
}

/// The guard among the children of a process.
fn guard_of(parent: i32) -> Option<i32> {
    alive("__guard").into_iter().find(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().and_then(|rest| rest.split_ascii_whitespace().nth(1)?.parse().ok()) == Some(parent)
    })
}

#[test]
fn no_process_survives_a_wf_that_is_killed_at_once() {
    let marker = marker("killed-wf");
    let host = Host::start(&stubborn(&marker));
    // Per step: the step, two daemons, and one daemon's daemon, each a shell of its own.
    eventually("all run", || alive(&marker).len() >= 10);
    kill(host.pid());
    eventually("none is left", || alive(&marker).is_empty());
}

#[test]
fn wf_inside_a_step_of_wf_goes_down_with_it() {
    let marker = marker("nested");
    let me = std::env::current_exe().expect("a path");
    let inner =
        format!("exec env WF_TEST_SCRIPT=\"{}\" {} --exact exec_rig::host --ignored", sleeper(&marker), me.display());
    let host = Host::start(&inner);
    let sleepers = || alive(&marker).into_iter().filter(|pid| is_shell(*pid)).count();
    eventually("two steps in each of two inner runs", || sleepers() >= 4);
    kill(host.pid());
    eventually("none is left", || alive(&marker).is_empty());
}

fn is_shell(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sh")
}

#[test]
fn a_killed_guard_is_noticed_and_replaced() {
    let marker = marker("killed-guard");
    let mut host = Host::start(&stubborn(&marker));
    eventually("all run", || alive(&marker).iter().filter(|pid| **pid != host.pid()).count() >= 10);
    kill(guard_of(host.pid()).expect("a guard"));
    let lines = host.lines();
    let ended = lines.iter().find(|line| line.contains("ENDED")).expect("both attempts end");
    assert_eq!(ended.matches("guard process was killed").count(), 3, "two outcomes, one piece of news: {ended}");
    assert!(ended.contains("GuardLost"), "{ended}");
    assert!(lines.iter().any(|line| line.contains("AGAIN Passed")), "a new guard runs the next step: {lines:?}");
    let left: Vec<i32> = alive(&marker).into_iter().filter(|pid| *pid != host.pid()).collect();
    assert_eq!(left, [0; 0]);
}

/// In a container the session of the first process may have begun outside: there it has the number 0.
#[test]
#[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "it starts itself, and says what it did not try")]
fn a_killed_guard_is_replaced_where_the_session_is_of_outside() {
    let inside = |program: &std::path::Path, args: &[&str]| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]).arg(program).args(args);
        command.output()
    };
    if !inside("sh".as_ref(), &["-c", "test $(cut -d' ' -f6 /proc/self/stat) = 0"])
        .is_ok_and(|done| done.status.success())
    {
        eprintln!("not tried: this machine lets nobody make such a container");
        return;
    }
    let me = std::env::current_exe().expect("this test");
    let done = inside(&me, &["--exact", "exec_guard::a_killed_guard_is_noticed_and_replaced"]).expect("it runs");
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn the_guard_starts_with_the_first_step_and_ends_with_the_run() {
    block_on(async {
        let rig = Rig::new();
        rig.stop(StopHow::Gently);
        rig.run(rig.sh("true")).await;
        assert_eq!(rig.executor.shutdown().await, [""; 0], "nothing to end");
        let rig = Rig::new();
        let done = rig.run(rig.sh("echo $PPID")).await;
        let guard = done.output.trim().to_owned();
        let command = std::fs::read_to_string(format!("/proc/{guard}/cmdline")).expect("the guard runs");
        assert!(command.contains("__guard"), "{command}");
        rig.executor.shutdown().await;
        assert!(!std::path::Path::new(&format!("/proc/{guard}")).exists(), "it has ended, and was waited for");
        // Dropped without a word it ends too.
        let rig = Rig::new();
        let done = rig.run(rig.sh("echo $PPID")).await;
        drop(rig);
        assert!(!std::path::Path::new(&format!("/proc/{}", done.output.trim())).exists());
    });
}

#[test]
fn an_executor_that_is_dropped_kills_what_runs_and_spares_what_may_stay() {
    let (marker, other) = (marker("dropped-run"), marker("dropped-kept"));
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy("/bin/sh", folder.path().join("keepme")).expect("a copy");
    block_on(async {
        let rig = Rig::new();
        let mut job = rig.sh(&format!(
            "setsid {}/keepme -c 'while :; do sleep 0.05; done' {other} >/dev/null 2>&1 & sleep 0.1",
            folder.path().display()
        ));
        job.leave_running = vec!["keepme".into()];
        rig.run(job).await;
        drop(rig);
        let kept = alive(&other);
        for pid in &kept {
            kill(*pid);
        }
        assert_eq!(kept.len(), 1, "it stays");

        let rig = Rig::new();
        let job = rig.sh(&stubborn(&marker));
        let run = rig.run(job);
        assert!(tokio::time::timeout(Duration::from_millis(500), run).await.is_err());
        drop(rig);
    });
    eventually("none is left", || alive(&marker).is_empty());
}

#[test]
fn a_guard_that_cannot_start_is_told() {
    block_on(async {
        let rig = Rig::with(|setup| setup.guard = "/no/such/wf".into());
        let done = rig.run(rig.sh("true")).await;
        assert!(matches!(&done.ended.outcome, Outcome::NotStarted { message } if message.contains("guard")));
        assert!(matches!(done.news.as_slice(), [Progress::GuardLost { .. }]), "{:?}", done.news);
    });
}
