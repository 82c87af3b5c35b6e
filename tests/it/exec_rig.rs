//! What the exec tests share: an executor with the real wf as its guard, and jobs that are shell scripts.

use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use wf::base::StepId;
use wf::event::frame;
use wf::exec::mask::Masker;
use wf::exec::{Ended, Executor, Job, Progress, RunStep, Setup, StopHow};

pub struct Rig {
    pub folder: tempfile::TempDir,
    pub executor: Executor,
    stop: watch::Sender<Option<StopHow>>,
}

pub struct Done {
    pub ended: Ended,
    pub news: Vec<Progress>,
    pub output: String,
    pub raw: Vec<u8>,
}

/// A run of its own, in a runtime like wf's.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

impl Rig {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::new(env!("CARGO_BIN_EXE_wf").into(), Masker::default());
        change(&mut setup);
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, executor: Executor::new(setup), stop: watch::channel(None).0 }
    }

    pub fn job(&self, name: &str, argv: &[&str]) -> Job {
        let env = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("WF_ATTEMPT", "1"), ("WF_STEP", name)];
        Job {
            step: StepId::parse(name).expect("an id"),
            attempt: 1,
            argv: argv.iter().map(OsString::from).collect(),
            dir: self.folder.path().to_owned(),
            env: env.iter().map(|(name, value)| (OsStr::new(name).into(), OsStr::new(value).into())).collect(),
            log: self.log(name),
            timeout_ms: None,
            grace_ms: 10_000,
            idle_timeout_ms: None,
            memory_bytes: 0,
            enforce_memory: false,
            leave_running: vec![],
            sample: false,
            profile: false,
        }
    }

    pub fn sh(&self, script: &str) -> Job {
        self.job("step", &["sh", "-e", "-c", script])
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join("out").join(format!("{name}.log"))
    }

    pub fn stop(&self, how: StopHow) {
        self.stop.send_replace(Some(how));
    }

    pub async fn run(&self, job: Job) -> Done {
        let (log, (out, mut news)) = (job.log.clone(), mpsc::unbounded_channel());
        let ended =
            tokio::time::timeout(Duration::from_mins(1), self.executor.run(job, self.stop.subscribe(), out)).await;
        let raw = if log.is_file() { std::fs::read(log).unwrap_or_default() } else { vec![] };
        let mut told = vec![];
        while let Ok((_, progress)) = news.try_recv() {
            told.push(progress);
        }
        let output = String::from_utf8_lossy(&frame::plain(&raw)).into_owned();
        Done { ended: ended.expect("it ends within a minute"), news: told, output, raw }
    }
}

/// The processes that were started with this text in their arguments or environment.
pub fn alive(marker: &str) -> Vec<i32> {
    let me = i32::try_from(std::process::id()).expect("a number");
    let pids =
        std::fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let marked = |pid: &i32| {
        ["cmdline", "environ"].iter().any(|file| {
            let bytes = std::fs::read(Path::new("/proc").join(pid.to_string()).join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(marker)
        })
    };
    pids.filter(|pid| *pid != me && marked(pid)).collect()
}

/// Waits until something is so, at most ten seconds.
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Not a test: a process that runs steps, for the tests that kill it. They tell it what to run.
#[test]
#[ignore = "a process for other tests"]
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "it is a process that is told by its environment")]
fn host() {
    let Ok(script) = std::env::var("WF_TEST_SCRIPT") else { return };
    block_on(async {
        let rig = Rig::with(|setup| setup.log_cap_bytes = 1 << 20);
        let mut one = rig.job("one", &["sh", "-c", &script]);
        one.leave_running = vec!["keepme".into()];
        let two = rig.job("two", &["sh", "-c", &script]);
        let (one, two) = tokio::join!(rig.run(one), rig.run(two));
        println!("ENDED {:?} {:?} {:?}", one.ended.outcome, two.ended.outcome, one.news);
        let again = rig.run(rig.job("again", &["sh", "-c", "echo again"])).await;
        println!("PEAK {}", peak_kib());
        println!("AGAIN {:?}", again.ended.outcome);
    });
}

/// A process of its own that runs steps as wf does.
pub struct Host(pub Child);

impl Host {
    #[expect(clippy::disallowed_methods, reason = "a wf of its own, to be killed")]
    pub fn start(script: &str) -> Self {
        let me = std::env::current_exe().expect("a path");
        let child = Command::new(me)
            .args(["--exact", "exec_rig::host", "--ignored", "--nocapture"])
            .env("WF_TEST_SCRIPT", script)
            .stdout(Stdio::piped())
            .spawn();
        Self(child.expect("it starts"))
    }

    /// All it prints until it ends.
    pub fn lines(&mut self) -> Vec<String> {
        BufReader::new(self.0.stdout.take().expect("a pipe")).lines().map_while(Result::ok).collect()
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("a pid")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
