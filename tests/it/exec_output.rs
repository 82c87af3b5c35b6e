//! Output of every kind: endless, binary, secret, and with no place to go.

use crate::exec_rig::{Host, Rig, block_on};
use std::ffi::OsStr;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use wf::event::{Outcome, frame};
use wf::exec::mask::Masker;
use wf::exec::{Progress, RunStep, StopHow};

#[test]
fn endless_output_takes_bounded_memory_and_disk() {
    block_on(async {
        let rig = Rig::with(|setup| setup.log_cap_bytes = 1 << 20);
        let mut job = rig.sh("exec yes 'a line that never ends'");
        (job.timeout_ms, job.grace_ms) = (Some(1_000), 100);
        let done = rig.run(job).await;
        assert_eq!(done.ended.outcome, Outcome::TimedOut { after_ms: 1_000 });
        assert!(done.ended.output_bytes > 8 << 20, "{}", done.ended.output_bytes);
        assert!(done.raw.len() < 3 << 20, "{}", done.raw.len());
        assert!(done.output.contains("[wf: the log reached its limit of 1048576 bytes;"));
        assert!(done.news.contains(&Progress::Capped));
        let told = done.news.iter().filter(|news| matches!(news, Progress::Output { .. })).count();
        assert!((3..12).contains(&told), "coalesced: {told}");
    });
    // In a process of its own, whose memory nobody else uses: two steps that print as fast as they can.
    let mut host = Host::start("exec timeout 1 yes 'a line that never ends'");
    let lines = host.lines();
    let peak = lines.iter().find_map(|line| line.strip_prefix("PEAK ")?.parse::<u64>().ok());
    assert!(peak.is_some_and(|kib| kib < 64 << 10), "{lines:?}");
}

#[test]
fn the_last_words_are_kept_beyond_the_cap() {
    block_on(async {
        let rig = Rig::with(|setup| setup.log_cap_bytes = 10_000);
        let done =
            rig.run(rig.sh("echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the cause; exit 1")).await;
        assert!(done.output.starts_with("first\nxxx") && done.output.ends_with("x\nthe cause\n"));
        assert!(done.raw.len() < 600_000, "{}", done.raw.len());
        assert_eq!(done.ended.output_bytes, 6 + 3_000_000 + 1 + 10);
    });
}

#[test]
fn a_line_of_a_megabyte_and_bytes_of_every_kind() {
    block_on(async {
        let rig = Rig::with(|setup| setup.masker = Masker::new(vec![b"unrelated".to_vec()]));
        let done = rig.run(rig.sh("head -c 1048576 /dev/zero | tr '\\0' y; echo end")).await;
        assert_eq!(done.output.len(), 1_048_576 + 4);
        assert!(done.news.iter().all(|news| !matches!(news, Progress::Output { tail, .. } if tail.len() > 400)));
        let done = rig.run(rig.sh("head -c 300000 /dev/urandom | tee random")).await;
        let random = std::fs::read(rig.folder.path().join("random")).expect("a copy");
        assert_eq!(frame::plain(&done.raw), random);
    });
}

#[test]
fn streams_are_told_apart_and_have_times() {
    block_on(async {
        let rig = Rig::new();
        let done = rig.run(rig.sh("echo a; sleep 0.1; echo b >&2")).await;
        let (frames, _) = frame::read(done.raw.strip_prefix(frame::HEADER).expect("a header"));
        let [a, b] = frames.as_slice() else { panic!("{frames:?}") };
        assert_eq!(
            (a.stream, a.bytes, b.stream, b.bytes),
            (frame::Stream::Stdout, &b"a\n"[..], frame::Stream::Stderr, &b"b\n"[..])
        );
        assert!(b.at_ms >= a.at_ms + 80, "{} {}", a.at_ms, b.at_ms);
    });
}

#[test]
fn news_comes_promptly_and_after_the_write() {
    block_on(async {
        let rig = Rig::new();
        let (out, mut news) = mpsc::unbounded_channel();
        let stop = watch::channel(None);
        let (job, log) = (rig.sh("echo hello; sleep 5"), rig.log("step"));
        let started = Instant::now();
        let run = rig.executor.run(job, stop.1, out);
        let watch = async {
            let first = news.recv().await.expect("news");
            assert_eq!(first.1, Progress::Output { bytes: 6, tail: "hello".into() });
            assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
            assert_eq!(frame::plain(&std::fs::read(&log).expect("a log")), b"hello\n");
            stop.0.send_replace(Some(StopHow::Now));
        };
        let (ended, ()) = tokio::join!(run, watch);
        assert_eq!(ended.outcome, Outcome::Stopped);
    });
}

#[test]
fn no_form_of_a_secret_reaches_the_log() {
    block_on(async {
        let secret = "s3cr3t/pass word+42";
        let rig = Rig::with(|setup| setup.masker = Masker::new(vec![secret.into()]));
        let mut job = rig.sh(
            "printf 'plain %s\\n' \"$S\"; printf 's3cr3t/pa'; sleep 0.3; printf 'ss word+42 split\\n'; \
             printf %s \"user:$S\" | base64; printf %s \"$S\" | base64 >&2; \
             printf %s \"$S\" | od -An -tx1 | tr -d ' \\n'; echo; echo 's3cr3t%2Fpass%20word%2B42'; echo 's3cr3t/pass wo'",
        );
        job.env.insert(1, (OsStr::new("S").into(), OsStr::new(secret).into()));
        let done = rig.run(job).await;
        assert_eq!(done.ended.outcome, Outcome::Passed);
        assert!(done.output.contains("plain ***\n") && done.output.contains("*** split\n"), "{}", done.output);
        let hex: String = secret.bytes().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        for form in [
            secret,
            "ss word+42",
            "s3cr3t/pass word",
            "czNjcjN0L3Bhc3Mgd29yZCs0M",
            "MzY3IzdC9wYXNzIHdvcmQrN",
            &hex,
            "s3cr3t%2F",
        ] {
            assert!(!done.output.contains(form), "{form} in {}", done.output);
        }
        for news in &done.news {
            assert!(!format!("{news:?}").contains("s3cr3t/pass word+"), "{news:?}");
        }
    });
}

#[test]
fn a_prompt_without_newline_still_shows() {
    block_on(async {
        let rig = Rig::with(|setup| setup.masker = Masker::new(vec![b"? yes please".to_vec()]));
        let mut job = rig.sh("printf 'continue?'; sleep 5");
        job.timeout_ms = Some(600);
        let done = rig.run(job).await;
        let tails: Vec<_> = done
            .news
            .iter()
            .filter_map(|news| if let Progress::Output { tail, .. } = news { Some(tail.as_str()) } else { None })
            .collect();
        assert_eq!(tails.last(), Some(&"continue?"), "{tails:?}");
    });
}

#[test]
fn a_full_disk_costs_the_log_not_the_step() {
    block_on(async {
        let rig = Rig::new();
        let mut job = rig.sh("echo kept going; exit 7");
        job.log = "/dev/full".into();
        let done = rig.run(job).await;
        assert_eq!(done.ended.outcome, Outcome::Failed { code: 7 });
        let lost: Vec<_> = done.news.iter().filter(|news| matches!(news, Progress::LogLost { .. })).collect();
        assert!(
            matches!(lost.as_slice(), [Progress::LogLost { message }] if message.contains("No space left")),
            "{lost:?}"
        );
        assert_eq!((done.ended.has_log, done.ended.output_bytes), (false, 11));
        // A folder that cannot be made.
        let mut job = rig.sh("echo still");
        std::fs::write(rig.folder.path().join("file"), "").expect("a file");
        job.log = rig.folder.path().join("file/out.log");
        let done = rig.run(job).await;
        assert_eq!(done.ended.outcome, Outcome::Passed);
        assert!(done.news.iter().any(|news| matches!(news, Progress::LogLost { .. })), "{:?}", done.news);
    });
}
