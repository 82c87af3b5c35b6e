//! A run in numbers: `current_run.json` and `history.jsonl` in the ancestor's shape, and `runs/<id>/metrics.json`.

mod shape;

pub use shape::{Counts, CurrentRun, counts, current_run, state, status};

use super::{RunView, Sink};
use crate::base::Millis;
use crate::event::{Event, EventKind};
use serde::Serialize;
use shape::whole_run;
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The shortest time between two versions of `current_run.json`.
const PAUSE_MS: Millis = 500;

/// Keeps the files up to date while a run goes on.
pub struct Metrics {
    state_dir: PathBuf,
    run_dir: PathBuf,
    /// When the last version of `current_run.json` was due; the first is due after a pause, and short runs have only the last.
    written_ms: Millis,
    stale: bool,
}

impl Metrics {
    /// `state_dir` gets `current_run.json` and `history.jsonl`, the run's own folder `metrics.json`.
    pub fn new(state_dir: PathBuf, run_dir: PathBuf) -> Self {
        Self { state_dir, run_dir, written_ms: 0, stale: false }
    }

    fn refresh(&mut self, now_ms: Millis, view: &RunView) -> io::Result<()> {
        let due = now_ms.saturating_sub(self.written_ms) >= PAUSE_MS;
        if !self.stale || !due {
            return Ok(());
        }
        (self.stale, self.written_ms) = (false, now_ms);
        replace(&self.state_dir.join("current_run.json"), &current_run(view), view)
    }
}

impl Sink for Metrics {
    fn on(&mut self, event: &Event, view: &RunView) -> io::Result<()> {
        self.stale |= matches!(
            event.kind,
            EventKind::Planned { .. } | EventKind::StepsReused { .. } | EventKind::StepFinished(_)
        );
        self.refresh(event.at_ms, view)
    }

    fn tick(&mut self, now_ms: Millis, view: &RunView) -> io::Result<()> {
        self.refresh(now_ms, view)
    }

    fn finish(&mut self, view: &RunView) -> io::Result<()> {
        let current = current_run(view);
        replace(&self.run_dir.join("metrics.json"), &whole_run(view), view)?;
        replace(&self.state_dir.join("current_run.json"), &current, view)?;
        append(&self.state_dir.join("history.jsonl"), &current)
    }

    fn name(&self) -> &'static str {
        "metrics"
    }
}

/// Writes beside and renames: a reader sees the old version or the new one, whole.
fn replace(path: &Path, value: &impl Serialize, view: &RunView) -> io::Result<()> {
    let run = view.run.as_ref().map_or("run", |run| run.run.0.as_str());
    let run: String = run.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let beside = path.with_extension(format!("{run}.tmp"));
    let write = || {
        let mut file = BufWriter::new(fs::File::create(&beside)?);
        serde_json::to_writer_pretty(&mut file, value)?;
        file.write_all(b"\n")?;
        file.flush()?;
        put(&beside, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    })
}

/// Puts a file in another's place. They change places where that can be had: a file system may write a file to the disk
/// before it replaces another, and nobody needs that of numbers that the log has too.
fn put(beside: &Path, path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, beside, CWD, path, RenameFlags::EXCHANGE) {
        Ok(()) => fs::remove_file(beside),
        Err(_) => fs::rename(beside, path),
    }
}

/// One line in one write, so that two runs that end together do not mix theirs.
fn append(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    // A link planted in a cloned repository must not lead to a file outside.
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let open = OpenOptions::new().create(true).append(true).custom_flags(no_link).open(path);
    open.and_then(|mut file| file.write_all(&line))
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::super::story::{self, Story, eventful};
    use super::*;
    use serde_json::{Value, json};

    fn current(view: &RunView) -> Value {
        serde_json::to_value(current_run(view)).unwrap()
    }

    #[test]
    fn the_shape_is_the_ancestors() {
        let ancestor: Value = serde_json::from_str(
            r#"{ "workflow_id": "workflow_20260209_184523", "start_time": "2026-02-09T18:45:23Z", "end_time": "2026-02-09T18:52:15Z",
              "total_duration": 412, "status": "completed", "steps_completed": 18, "total_steps": 23,
              "optimizations": { "smart_execution": true, "parallel_execution": true, "ml_optimize": true, "multi_stage": true },
              "step_timings": { "analyze": 12.4, "documentation_updates": 85.3 },
              "ai_stats": { "total_calls": 45, "cache_hits": 32, "cache_misses": 13, "hit_rate": 0.71, "tokens_saved": 125000 },
              "resource_usage": { "peak_memory_mb": 842, "disk_io_mb": 156, "cpu_avg_percent": 65 } }"#,
        )
        .unwrap();
        let ours = current(&eventful().view());
        assert_same_shape(&ancestor, &ours, "");
        assert_eq!(ours["workflow_id"], "workflow_20260209_184523");
        assert_eq!(
            (&ours["start_time"], &ours["end_time"]),
            (&"2026-02-09T18:45:23Z".into(), &"2026-02-09T18:45:35Z".into())
        );
        assert_eq!(
            (&ours["status"], &ours["steps_completed"], &ours["total_steps"]),
            (&"failed".into(), &2.into(), &8.into())
        );
        assert_eq!((&ours["total_duration"], &ours["step_timings"]["build"]), (&12.into(), &9.3.into()));
        let usage = json!({ "peak_memory_mb": 150, "disk_io_mb": 5, "cpu_avg_percent": 20 });
        assert_eq!(ours["resource_usage"], usage);
    }

    fn assert_same_shape(a: &Value, b: &Value, at: &str) {
        assert_eq!(std::mem::discriminant(a), std::mem::discriminant(b), "{at}");
        if let (Value::Number(a), Value::Number(b)) = (a, b) {
            assert_eq!(a.is_f64(), b.is_f64(), "{at}");
        }
        if let (Value::Object(a), Value::Object(b)) = (a, b)
            && !at.ends_with("step_timings")
        {
            assert!(a.keys().eq(b.keys()), "{at}: {:?}", b.keys());
            a.iter().for_each(|(key, value)| assert_same_shape(value, &b[key], &format!("{at}.{key}")));
        }
    }

    fn replay(story: &Story, dir: &Path) -> RunView {
        let mut sink = Metrics::new(dir.to_owned(), dir.to_owned());
        let mut view = RunView::default();
        for event in &story.events {
            view.apply(event);
            sink.on(event, &view).unwrap();
        }
        sink.finish(&view).unwrap();
        view
    }

    #[test]
    fn files_are_replaced_and_history_grows() {
        let dir = tempfile::tempdir().unwrap();
        let view = replay(&eventful(), dir.path());
        replay(&eventful(), dir.path());
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        let history = read("history.jsonl");
        assert_eq!(history.lines().count(), 2);
        for line in history.lines() {
            assert_eq!(serde_json::from_str::<Value>(line).unwrap(), current(&view));
        }
        assert_eq!(serde_json::from_str::<Value>(&read("current_run.json")).unwrap(), current(&view));
        let metrics: Value = serde_json::from_str(&read("metrics.json")).unwrap();
        assert_eq!((&metrics["format"], &metrics["totals"]["failed"]), (&1.into(), &2.into()));
        assert_eq!(metrics["steps"][3]["attempts"], 2);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "no file is left beside");
    }

    #[test]
    fn a_run_without_an_end_is_running() {
        let dir = tempfile::tempdir().unwrap();
        let mut story = Story::plan(vec![story::runs("a")]);
        story.start(5, "a");
        let mut sink = Metrics::new(dir.path().into(), dir.path().into());
        let view = story.view();
        sink.on(&story.events[2], &view).unwrap();
        assert!(!dir.path().join("current_run.json").exists(), "too early");
        sink.tick(PAUSE_MS, &view).unwrap();
        let current: Value =
            serde_json::from_str(&fs::read_to_string(dir.path().join("current_run.json")).unwrap()).unwrap();
        assert_eq!((&current["status"], &current["end_time"]), (&"running".into(), &Value::Null));
    }

    #[test]
    fn a_planted_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        fs::write(&outside, "precious").unwrap();
        std::os::unix::fs::symlink(&outside, dir.path().join("history.jsonl")).unwrap();
        let error = append(&dir.path().join("history.jsonl"), &json!({})).unwrap_err();
        assert!(error.to_string().contains("history.jsonl"), "{error}");
        assert_eq!(fs::read_to_string(&outside).unwrap(), "precious");
    }
}
