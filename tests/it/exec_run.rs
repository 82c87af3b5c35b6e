//! Attempts, run by the real executor and the real guard.

use crate::exec_rig::{Rig, block_on};
use std::time::Duration;
use wf::event::Outcome;
use wf::exec::{Progress, StopHow};

#[test]
fn outcome_output_and_usage_of_a_step() {
    block_on(async {
        let rig = Rig::new();
        let done = rig.run(rig.sh("echo out; echo err >&2; echo $WF_STEP; pwd; cat; exit 3")).await;
        assert_eq!(done.ended.outcome, Outcome::Failed { code: 3 });
        let folder = rig.folder.path().display();
        for line in ["out\n".to_owned(), "err\n".into(), "step\n".into(), format!("{folder}\n")] {
            assert!(done.output.contains(&line), "{line:?} in {:?}", done.output);
        }
        assert!(done.ended.has_log && done.ended.output_bytes == done.output.len() as u64);
        assert!(done.ended.usage.memory_bytes > 100_000, "{:?}", done.ended.usage);
        assert!(matches!(done.news.last(), Some(Progress::Output { bytes, .. }) if *bytes == done.ended.output_bytes));
        assert_eq!(done.ended.leaked, [""; 0]);

        let done = rig.run(rig.job("quiet", &["true"])).await;
        assert_eq!((done.ended.outcome, done.ended.has_log, done.news), (Outcome::Passed, false, vec![]));
        assert!(!rig.log("quiet").exists(), "no output, no log");

        let done = rig.run(rig.sh("kill -SEGV $$")).await;
        assert_eq!(done.ended.outcome, Outcome::Signalled { signal: 11 });
        rig.executor.shutdown().await;
    });
}

#[test]
fn cpu_time_is_counted() {
    block_on(async {
        let rig = Rig::new();
        let done = rig.run(rig.sh("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")).await;
        assert!(done.ended.usage.cpu_ms > 10, "{:?}", done.ended.usage);
    });
}

#[test]
fn what_cannot_be_started_says_why_and_what_to_do() {
    block_on(async {
        let rig = Rig::new();
        let folder = rig.folder.path();
        std::fs::write(folder.join("plain.txt"), "text").expect("a file");
        std::fs::write(folder.join("script"), "#!/no/such/interpreter\n").expect("a file");
        let mut mode = std::fs::metadata(folder.join("script")).expect("a file").permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
        std::fs::set_permissions(folder.join("script"), mode).expect("a mode");
        let mut lost = rig.job("e", &["true"]);
        lost.dir = folder.join("missing");
        for (job, parts) in [
            (rig.job("a", &["no-such-program"]), vec!["`no-such-program`", "PATH", "/usr/bin"]),
            (rig.job("b", &["./plain.txt"]), vec!["plain.txt is not executable", "chmod +x"]),
            (rig.job("c", &["./nothing"]), vec!["nothing does not exist"]),
            (rig.job("d", &["./script"]), vec!["interpreter", "#!"]),
            (lost, vec!["missing does not exist", "`dir`"]),
        ] {
            let done = rig.run(job).await;
            let Outcome::NotStarted { message } = done.ended.outcome else { panic!("{:?}", done.ended) };
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        }
    });
}

#[test]
fn a_step_that_ignores_term_is_killed_after_its_grace() {
    block_on(async {
        let rig = Rig::new();
        let mut job = rig.sh("trap '' TERM; echo ready; while :; do sleep 0.05; echo still; done");
        (job.timeout_ms, job.grace_ms) = (Some(300), 300);
        let done = rig.run(job).await;
        assert_eq!(done.ended.outcome, Outcome::TimedOut { after_ms: 300 });
        assert!((600..3000).contains(&done.ended.wall_ms), "{}", done.ended.wall_ms);
        assert!(done.output.starts_with("ready\nstill\n"));
    });
}

#[test]
fn output_of_the_grace_period_is_kept() {
    block_on(async {
        let rig = Rig::new();
        let mut job = rig.sh("trap 'sleep 0.2; echo cleaned up; exit 0' TERM; while :; do sleep 0.02; done");
        (job.timeout_ms, job.grace_ms) = (Some(200), 5_000);
        let done = rig.run(job).await;
        assert_eq!(done.ended.outcome, Outcome::TimedOut { after_ms: 200 });
        assert!(done.output.ends_with("cleaned up\n"), "{}", done.output);
        assert!(done.ended.wall_ms < 3_000, "{}", done.ended.wall_ms);
    });
}

#[test]
fn stopping_gently_then_now() {
    block_on(async {
        let rig = Rig::new();
        let job = rig.sh("trap '' TERM; echo ready; while :; do sleep 0.05; done");
        let (done, ()) = tokio::join!(rig.run(job), async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            rig.stop(StopHow::Gently);
            tokio::time::sleep(Duration::from_millis(200)).await;
            rig.stop(StopHow::Now);
        });
        assert_eq!(done.ended.outcome, Outcome::Stopped);
        assert!((400..3000).contains(&done.ended.wall_ms), "{}", done.ended.wall_ms);
        // Asked before it began: nothing runs.
        let done = rig.run(rig.sh("echo ran")).await;
        assert_eq!((done.ended.outcome, done.ended.has_log), (Outcome::Stopped, false));
    });
}
