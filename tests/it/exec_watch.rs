//! What is watched while a step runs: idleness, memory, samples, phases.

use crate::exec_rig::{Rig, block_on};
use wf::event::Outcome;
use wf::exec::Progress;

/// A shell that computes for this many seconds.
fn busy(seconds: &str) -> String {
    format!("timeout {seconds} sh -c 'while :; do :; done' || :")
}

/// Python or a shell that holds some memory: dash keeps what it reads in a variable.
fn hold(mebibytes: u32, seconds: u32) -> String {
    format!("x=$(head -c {} /dev/zero | tr '\\0' x); sleep {seconds}; echo ${{#x}}", mebibytes << 20)
}

#[test]
fn silence_and_idleness_end_a_step() {
    block_on(async {
        let rig = Rig::new();
        let mut job = rig.sh("echo begins; sleep 30");
        job.idle_timeout_ms = Some(600);
        let done = rig.run(job).await;
        assert_eq!(done.ended.outcome, Outcome::Idle { after_ms: 600 });
        assert!((600..4_000).contains(&done.ended.wall_ms), "{}", done.ended.wall_ms);
        assert_eq!(done.output.lines().next(), Some("begins"));
    });
}

#[test]
fn who_computes_or_prints_is_not_idle() {
    block_on(async {
        let rig = Rig::new();
        let mut silent = rig.job("silent", &["sh", "-c", &busy("2")]);
        // Also when others of its processes do the work, out of its group.
        let mut away = rig.job("away", &["sh", "-c", &format!("setsid -w {}", busy("2"))]);
        let mut chatty = rig.job("chatty", &["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.2; done"]);
        for job in [&mut silent, &mut away, &mut chatty] {
            job.idle_timeout_ms = Some(700);
        }
        let (silent, away, chatty) = tokio::join!(rig.run(silent), rig.run(away), rig.run(chatty));
        for done in [silent, away, chatty] {
            assert_eq!(done.ended.outcome, Outcome::Passed, "{:?}", done.ended);
            assert!(done.ended.wall_ms > 1_800, "{:?}", done.ended);
        }
    });
}

#[test]
fn memory_over_the_claim_is_told_and_stopped_on_demand() {
    block_on(async {
        let rig = Rig::new();
        let mut job = rig.job("warned", &["sh", "-c", &hold(40, 2)]);
        job.memory_bytes = 20 << 20;
        let done = rig.run(job).await;
        assert_eq!(done.ended.outcome, Outcome::Passed);
        let told: Vec<_> = done.news.iter().filter(|news| matches!(news, Progress::OverClaim { .. })).collect();
        assert!(matches!(told.as_slice(), [Progress::OverClaim { used_bytes }] if *used_bytes > 20 << 20), "{told:?}");
        assert!(done.ended.usage.memory_bytes > 40 << 20, "{:?}", done.ended.usage);

        let mut job = rig.job("stopped", &["sh", "-c", &hold(40, 30)]);
        (job.memory_bytes, job.enforce_memory) = (20 << 20, true);
        let done = rig.run(job).await;
        let limit = 20 << 20;
        assert!(
            matches!(done.ended.outcome, Outcome::OutOfMemory { used_bytes, limit_bytes } if used_bytes > limit && limit_bytes == limit),
            "{:?}",
            done.ended
        );
        assert!(done.ended.wall_ms < 20_000);
    });
}

#[test]
fn samples_come_when_asked_for_and_only_then() {
    block_on(async {
        let rig = Rig::new();
        let script = format!("{}; head -c 3000000 /dev/zero > file; sync file; sleep 0.7", busy("1"));
        let mut job = rig.job("sampled", &["sh", "-c", &script]);
        job.sample = true;
        let done = rig.run(job).await;
        let samples: Vec<_> = done
            .news
            .iter()
            .filter_map(|news| match news {
                Progress::Sample { cpu_ms, memory_bytes, disk_bytes } => Some((*cpu_ms, *memory_bytes, *disk_bytes)),
                _ => None,
            })
            .collect();
        assert!((2..6).contains(&samples.len()), "{samples:?}");
        assert!(samples.iter().all(|sample| sample.1 > 100_000), "{samples:?}");
        assert!(samples.last().is_some_and(|sample| sample.0 >= 200), "{samples:?}");
        let quiet = rig.run(rig.sh("sleep 1.2")).await;
        assert_eq!(quiet.news, []);
    });
}

#[test]
fn phases_of_a_profile() {
    block_on(async {
        let rig = Rig::new();
        let mut job = rig
            .sh("echo '##wf[phase compile]'; sleep 0.2; echo 'not ##wf[phase this]'; printf '##wf[pha'; sleep 0.1; \
             echo 'se link]'; echo; sleep 0.1");
        job.profile = true;
        let done = rig.run(job).await;
        let phases: Vec<(String, u64)> = done
            .news
            .into_iter()
            .filter_map(
                |news| if let Progress::Phase { phase, wall_ms } = news { Some((phase, wall_ms)) } else { None },
            )
            .collect();
        let names: Vec<&str> = phases.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["spawn", "compile", "link", "run", "drain"]);
        let took = |name: &str| phases.iter().find(|phase| phase.0 == name).map_or(0, |phase| phase.1);
        assert!(took("compile") >= 150 && took("link") >= 50 && took("run") >= 250, "{phases:?}");
        let done = rig.run(rig.sh("echo '##wf[phase compile]'")).await;
        assert!(done.news.iter().all(|news| matches!(news, Progress::Output { .. })), "{:?}", done.news);
    });
}
