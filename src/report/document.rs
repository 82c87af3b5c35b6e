//! A run as one JSON document, for programs that do not want to fold events themselves. Pure.

use super::view::{State, StepView};
use super::{RunView, metrics};
use serde_json::{Value, json};

/// The document's format.
pub const FORMAT: u32 = 1;

/// The whole run.
pub fn document(view: &RunView) -> Value {
    json!({
        "format": FORMAT,
        "run": view.run,
        "changes": view.changes.as_ref().map(|changes| json!({
            "base": changes.base,
            "total": changes.total,
            "files": changes.files,
            "change_type": changes.change_type,
            "impact": changes.impact,
            "impact_because": changes.impact_because,
        })),
        "finished": view.finished.map(|end| json!({
            "status": end.status, "exit_code": end.exit_code, "wall_ms": end.wall_ms })),
        "interrupted": view.interrupted.as_ref().map(|(signal, times)| json!({ "signal": signal, "times": times })),
        "metrics": metrics::current_run(view),
        "totals": metrics::counts(view),
        "saved": { "ms": view.saved().ms, "unknown_steps": view.saved().unknown },
        "stages": view.stages.iter().map(|stage| json!({
            "name": stage.plan.name,
            "trigger": stage.plan.trigger,
            "triggered": stage.plan.triggered,
            "target_ms": stage.plan.target_ms,
            "started_ms": stage.started_ms,
            "passed": stage.finished.map(|(_, passed, _)| passed),
            "wall_ms": stage.finished.map(|(_, _, wall_ms)| wall_ms),
        })).collect::<Vec<_>>(),
        "fallbacks": view.fallbacks.iter().map(|fallback| json!({
            "code": fallback.code, "message": fallback.message, "hint": fallback.hint })).collect::<Vec<_>>(),
        "warnings": view.warnings.iter().map(|warning| json!({
            "code": warning.code, "step": warning.step, "message": warning.message })).collect::<Vec<_>>(),
        "wrong_skips": view.wrong_skips().map(|(step, skip)| json!({ "step": step.id, "skip": skip })).collect::<Vec<_>>(),
        "steps": view.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

fn step(step: &StepView) -> Value {
    let mut value = json!({
        "id": step.id,
        "name": step.name,
        "stage": step.stage,
        "batch": step.batch,
        "waits_for": step.waits_for,
        "decision": step.decision,
        "status": metrics::state(step),
        "attempts": step.attempts.iter().map(|attempt| json!({
            "number": attempt.number, "started_ms": attempt.started_ms, "finished": attempt.finished,
        })).collect::<Vec<_>>(),
    });
    if let State::Cancelled(reason) = &step.state {
        value["cancelled"] = json!(reason);
    }
    if !step.phases.is_empty() {
        let phases = step.phases.iter().map(|phase| json!({ "name": phase.name, "wall_ms": phase.wall_ms }));
        value["phases"] = phases.collect();
    }
    if !step.samples.is_empty() {
        value["samples"] =
            step.samples.iter().map(|s| json!([s.at_ms, s.cpu_ms, s.memory_bytes, s.disk_bytes])).collect();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::super::story::eventful;
    use super::*;

    #[test]
    fn it_says_what_the_events_said() {
        let value = document(&eventful().view());
        assert_eq!((&value["format"], &value["run"]["branch"]), (&json!(1), &json!("topic")));
        assert_eq!(value["steps"][4]["cancelled"]["step"], "test@services/a pi");
        assert_eq!(value["steps"][3]["attempts"][0]["finished"]["outcome"]["is"], "timed-out");
        assert_eq!(value["wrong_skips"][0]["step"], "docs");
        assert_eq!((&value["finished"]["exit_code"], &value["totals"]["failed"]), (&json!(1), &json!(2)));
        assert_eq!(value["steps"][0]["samples"][0], json!([500, 400, 100 << 20, 4096]));
    }
}
