//! A run in numbers: `current_run.json` and `history.jsonl` in the ancestor's shape, and `runs/<id>/metrics.json`.

use super::view::{State, StepView};
use super::{RunView, Sink};
use crate::base::Millis;
use crate::event::{Event, EventKind, Outcome, RunStatus};
use serde_json::{Map, Value, json};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The format of `metrics.json`.
pub const FORMAT: u32 = 1;
/// The shortest time between two versions of `current_run.json`.
const PAUSE_MS: Millis = 500;

/// The run in the ancestor's shape, finished or not. `ai_stats` are zeros: no step asks a model yet.
pub fn current_run(view: &RunView) -> Value {
    let run = view.run.as_ref();
    let started = run.and_then(|run| run.started_at.parse::<jiff::Timestamp>().ok());
    let text = |at: jiff::Timestamp, format: &str| at.strftime(format).to_string();
    let wall_ms = view.wall_ms();
    let ended = view.finished.and(started).and_then(|at| {
        let wall = jiff::SignedDuration::try_from(std::time::Duration::from_millis(wall_ms)).ok()?;
        at.checked_add(wall).ok()
    });
    let timings: Map<String, Value> = view
        .steps
        .iter()
        .filter(|step| step.end().is_some())
        .map(|step| (step.id.to_string(), json!((step.time_ms() / 100) as f64 / 10.0)))
        .collect();
    let flag = |of: fn(&crate::event::RunStarted) -> bool| run.is_some_and(of);
    let totals = &view.totals;
    json!({
        "workflow_id": started.map(|at| text(at, "workflow_%Y%m%d_%H%M%S")),
        "start_time": started.map(|at| text(at, "%Y-%m-%dT%H:%M:%SZ")),
        "end_time": ended.map(|at| text(at, "%Y-%m-%dT%H:%M:%SZ")),
        "total_duration": wall_ms / 1_000,
        "status": status(view),
        "steps_completed": totals.passed + totals.allowed + totals.reused,
        "total_steps": totals.steps(),
        "optimizations": {
            "smart_execution": flag(|run| run.smart == "on"),
            "parallel_execution": flag(|run| run.parallel),
            "ml_optimize": flag(|run| run.ml_optimize),
            "multi_stage": flag(|run| run.multi_stage),
        },
        "step_timings": timings,
        "ai_stats": { "total_calls": 0, "cache_hits": 0, "cache_misses": 0, "hit_rate": 0.0, "tokens_saved": 0 },
        "resource_usage": {
            "peak_memory_mb": totals.peak_memory_bytes >> 20,
            "disk_io_mb": totals.disk_bytes >> 20,
            // 100 is one processor, busy from the run's start to its end.
            "cpu_avg_percent": totals.cpu_ms.saturating_mul(100).checked_div(wall_ms).unwrap_or(0),
        },
    })
}

/// What `metrics.json` says: the whole run, and each step.
pub fn whole_run(view: &RunView) -> Value {
    let (totals, saved) = (&view.totals, view.saved());
    json!({
        "format": FORMAT,
        "run": view.run.as_ref().map(|run| run.run.clone()),
        "summary": current_run(view),
        "totals": {
            "passed": totals.passed,
            "failed": totals.failed,
            "failed_but_allowed": totals.allowed,
            "stopped": totals.stopped,
            "cached": totals.reused,
            "skipped_witnessed": totals.skipped_witnessed,
            "skipped_trusted": totals.skipped_trusted,
            "skipped_other": totals.skipped_other,
            "cancelled": totals.cancelled,
            "unfinished": totals.left(),
        },
        "wall_ms": view.wall_ms(),
        "step_ms": totals.step_ms,
        "cpu_ms": totals.cpu_ms,
        "saved_ms": saved.ms,
        "saved_unknown_steps": saved.unknown,
        "fallbacks": view.fallbacks.iter().map(|fallback| json!(fallback.code)).collect::<Vec<_>>(),
        "warnings": view.warnings.len(),
        "steps": view.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

fn step(step: &StepView) -> Value {
    let usage = step.usage();
    let mut value = json!({ "id": step.id, "status": state(step) });
    if let State::Reused(reused) = &step.state {
        value["saved_ms"] = json!(reused.saved_ms);
    }
    if let Some(miss) = &step.miss {
        value["miss"] = json!(miss);
    }
    if let Some(why) = &step.not_stored {
        value["not_stored"] = json!(why);
    }
    if step.attempts.is_empty() {
        return value;
    }
    value["attempts"] = json!(step.attempts.len());
    value["started_ms"] = json!(step.attempts[0].started_ms);
    value["wall_ms"] = json!(step.time_ms());
    value["cpu_ms"] = json!(usage.cpu_ms);
    value["memory_bytes"] = json!(usage.memory_bytes);
    value["disk_bytes"] = json!(usage.disk_bytes);
    value["output_bytes"] = json!(step.bytes);
    if !step.phases.is_empty() {
        let phases = step.phases.iter().map(|phase| json!({ "name": phase.name, "wall_ms": phase.wall_ms }));
        value["phases"] = phases.collect();
    }
    value
}

/// A step's state in one word.
pub fn state(step: &StepView) -> &'static str {
    match &step.state {
        State::Waiting => "waiting",
        State::Running { .. } => "running",
        State::Retrying { .. } => "retrying",
        State::Done(end) => match &end.outcome {
            Outcome::Passed => "passed",
            Outcome::Stopped => "stopped",
            _ if end.allowed => "allowed",
            _ => "failed",
        },
        State::Reused(_) => "cached",
        State::Skipped(_) => "skipped",
        State::Cancelled(_) => "cancelled",
    }
}

fn status(view: &RunView) -> &'static str {
    match view.finished.map(|end| end.status) {
        None => "running",
        Some(RunStatus::Passed) => "completed",
        Some(RunStatus::Failed | RunStatus::Broken) => "failed",
        Some(RunStatus::Interrupted) => "interrupted",
    }
}

/// Keeps the files up to date while a run goes on.
pub struct Metrics {
    state_dir: PathBuf,
    run_dir: PathBuf,
    written_ms: Option<Millis>,
    stale: bool,
}

impl Metrics {
    /// `state_dir` gets `current_run.json` and `history.jsonl`, the run's own folder `metrics.json`.
    pub fn new(state_dir: PathBuf, run_dir: PathBuf) -> Self {
        Self { state_dir, run_dir, written_ms: None, stale: false }
    }

    fn refresh(&mut self, now_ms: Millis, view: &RunView) -> io::Result<()> {
        let due = self.written_ms.is_none_or(|written| now_ms.saturating_sub(written) >= PAUSE_MS);
        if !self.stale || !due {
            return Ok(());
        }
        (self.stale, self.written_ms) = (false, Some(now_ms));
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
fn replace(path: &Path, value: &Value, view: &RunView) -> io::Result<()> {
    let run = view.run.as_ref().map_or("run", |run| run.run.0.as_str());
    let run: String = run.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let beside = path.with_extension(format!("{run}.tmp"));
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).map_err(|error| {
        let _ = fs::remove_file(&beside);
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    })
}

/// One line in one write, so that two runs that end together do not mix theirs.
fn append(path: &Path, value: &Value) -> io::Result<()> {
    let line = format!("{value}\n");
    // A link planted in a cloned repository must not lead to a file outside.
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let open = OpenOptions::new().create(true).append(true).custom_flags(no_link).open(path);
    open.and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::super::story::{self, Story, eventful};
    use super::*;

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
        let ours = current_run(&eventful().view());
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
            assert_eq!(serde_json::from_str::<Value>(line).unwrap(), current_run(&view));
        }
        assert_eq!(serde_json::from_str::<Value>(&read("current_run.json")).unwrap(), current_run(&view));
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
