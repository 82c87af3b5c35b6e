//! A run in the Trace Event Format, which Chrome's `about:tracing`, Perfetto and speedscope draw.
//!
//! Source: "Trace Event Format", Google, the JSON object form: times are microseconds, `X` is an event with a duration, `i` an
//! instant, `M` says what a lane is called. Does not know: files, clocks, who draws it.

use super::view::{RunView, State, StepView};
use super::{clean, metrics, narrator, summary};
use crate::base::Millis;
use serde_json::{Value, json};

/// The one process of a trace: the run.
const RUN: u32 = 1;
/// Lanes: the run itself, its stages, what did not run, and then one for each slot.
const LANE_OF_RUN: usize = 0;
const LANE_OF_STAGES: usize = 1;
const LANE_OF_OTHERS: usize = 2;
const FIRST_SLOT: usize = 3;

/// The whole document.
pub fn trace(view: &RunView) -> Value {
    let name = view.run.as_ref().map_or("wf".to_owned(), |run| format!("wf run {}", clean::text(run.run.as_str())));
    let end_ms = view.wall_ms();
    let mut events = vec![
        json!({ "ph": "M", "name": "process_name", "pid": RUN, "tid": LANE_OF_RUN, "args": { "name": name } }),
        span("run", "run", 0, end_ms, LANE_OF_RUN, &json!({ "status": metrics::status(view) })),
    ];
    let mut lanes = vec![(LANE_OF_RUN, "run".to_owned())];
    for stage in &view.stages {
        let Some(from) = stage.started_ms else { continue };
        let (to, passed) = stage.finished.map_or((end_ms, None), |(to, passed, _)| (to, Some(passed)));
        let args = json!({ "passed": passed, "trigger": clean::text(&stage.plan.trigger) });
        events.push(span(&clean::text(&stage.plan.name), "stage", from, to, LANE_OF_STAGES, &args));
    }
    if events.len() > lanes.len() + 1 {
        lanes.push((LANE_OF_STAGES, "stages".into()));
    }
    let others: Vec<Value> = view.steps.iter().filter(|step| step.attempts.is_empty()).filter_map(instant).collect();
    if !others.is_empty() {
        lanes.push((LANE_OF_OTHERS, "did not run".into()));
    }
    events.extend(others);
    let slots = attempts(view, end_ms, &mut events);
    lanes.extend((0..slots).map(|slot| (FIRST_SLOT + slot, format!("slot {}", slot + 1))));
    for (lane, name) in lanes {
        events.push(json!({ "ph": "M", "name": "thread_name", "pid": RUN, "tid": lane, "args": { "name": name } }));
        events.push(
            json!({ "ph": "M", "name": "thread_sort_index", "pid": RUN, "tid": lane, "args": { "sort_index": lane } }),
        );
    }
    let run = view.run.as_ref();
    json!({
        "displayTimeUnit": "ms",
        "otherData": {
            "format": 1,
            "run": run.map(|run| run.run.as_str()),
            "started_at": run.map(|run| &run.started_at),
            "commit": run.and_then(|run| run.commit.as_ref()),
            "version": run.map(|run| &run.version),
        },
        "traceEvents": events,
    })
}

/// Adds every attempt, each in the first lane that is free when it begins; says how many lanes there are.
fn attempts(view: &RunView, end_ms: Millis, events: &mut Vec<Value>) -> usize {
    let mut all: Vec<(Millis, Millis, &StepView, usize)> = vec![];
    for step in &view.steps {
        for (at, attempt) in step.attempts.iter().enumerate() {
            let to = attempt.finished.as_ref().map_or(end_ms, |end| attempt.started_ms.saturating_add(end.wall_ms));
            all.push((attempt.started_ms, to.max(attempt.started_ms), step, at));
        }
    }
    all.sort_by_key(|(from, to, ..)| (*from, *to));
    let mut busy_until: Vec<Millis> = vec![];
    for (from, to, step, at) in all {
        let free = busy_until.iter().position(|until| *until <= from);
        let slot = free.unwrap_or_else(|| {
            busy_until.push(0);
            busy_until.len() - 1
        });
        // Two that last no time at all still do not lie on each other.
        busy_until[slot] = to.max(from.saturating_add(1));
        let attempt = &step.attempts[at];
        let mut args = json!({
            "step": clean::text(step.id.as_str()),
            "attempt": attempt.number,
            "stage": step.stage.as_deref().map(clean::text),
            "why": clean::text(&summary::why(step)),
            "waits_for": step.waits_for.iter().map(|id| clean::text(id.as_str())).collect::<Vec<_>>(),
            "how": "running",
        });
        if let (Some(end), Some(args)) = (&attempt.finished, args.as_object_mut()) {
            args.insert("how".into(), narrator::ended(end).1.into());
            args.insert("outcome".into(), clean::text(&end.outcome.to_string()).into());
            args.insert("cpu_ms".into(), end.usage.cpu_ms.into());
            args.insert("memory_bytes".into(), end.usage.memory_bytes.into());
            args.insert("output_bytes".into(), end.output_bytes.into());
        }
        let name = match step.attempts.len() {
            1 => clean::text(step.id.as_str()),
            _ => format!("{} (attempt {})", clean::text(step.id.as_str()), attempt.number),
        };
        events.push(span(&name, "step", from, to, FIRST_SLOT + slot, &args));
    }
    busy_until.len()
}

/// A step that was skipped, known, or not started.
fn instant(step: &StepView) -> Option<Value> {
    let (what, args) = match &step.state {
        State::Reused(reused) => {
            ("cached", json!({ "saved_ms": reused.saved_ms, "of_run": clean::text(reused.run.as_str()) }))
        }
        State::Skipped(reason) => ("skipped", json!({ "why": clean::text(&summary::skip_words(reason)) })),
        State::Cancelled(reason) => ("cancelled", json!({ "why": clean::text(&reason.to_string()) })),
        State::Waiting | State::Running { .. } | State::Retrying { .. } | State::Done(_) => return None,
    };
    let name = format!("{} ({what})", clean::text(step.id.as_str()));
    Some(json!({
        "ph": "i", "name": name, "cat": what, "ts": 0, "pid": RUN, "tid": LANE_OF_OTHERS, "s": "t", "args": args,
    }))
}

fn span(name: &str, kind: &str, from: Millis, to: Millis, lane: usize, args: &Value) -> Value {
    let (ts, end) = (from.saturating_mul(1_000), to.max(from).saturating_mul(1_000));
    let dur = end - ts;
    json!({ "ph": "X", "name": name, "cat": kind, "ts": ts, "dur": dur, "pid": RUN, "tid": lane, "args": args })
}

#[cfg(test)]
mod tests {
    use super::super::story::{self, Story, eventful};
    use super::super::view::any_log;
    use super::*;
    use crate::event::{Outcome, RunStatus};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// What the format asks of every event; the lanes of those with a duration.
    fn checked(document: &Value) -> BTreeMap<u64, Vec<(u64, u64)>> {
        let mut lanes: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
        for event in document["traceEvents"].as_array().unwrap() {
            assert!(event["name"].is_string() && event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
            match event["ph"].as_str().unwrap() {
                "X" => {
                    let (ts, dur) = (event["ts"].as_u64().unwrap(), event["dur"].as_u64().unwrap());
                    assert!(event["cat"].is_string() && event["args"].is_object());
                    lanes.entry(event["tid"].as_u64().unwrap()).or_default().push((ts, ts + dur));
                }
                "i" => assert!(event["s"] == "t" && event["ts"].is_u64(), "{event}"),
                "M" => assert!(event["args"].is_object(), "{event}"),
                other => panic!("no such phase: {other}"),
            }
        }
        lanes
    }

    #[test]
    fn lanes_are_slots_and_decisions_are_there() {
        let mut story =
            Story::plan(vec![story::runs("a"), story::runs("b"), story::runs("c"), story::skips("d", true)]);
        story.start(10, "a").start(11, "b").end(50, "a", 40, Outcome::Passed).start(51, "c");
        story
            .end(60, "b", 49, Outcome::Failed { code: 2 })
            .end(80, "c", 29, Outcome::Passed)
            .done(81, RunStatus::Failed);
        let document = trace(&story.view());
        let lanes = checked(&document);
        assert_eq!(lanes[&3], [(10_000, 50_000), (51_000, 80_000)]);
        assert_eq!(lanes[&4], [(11_000, 60_000)]);
        let events = document["traceEvents"].as_array().unwrap();
        let named = |name: &str| events.iter().find(|event| event["name"] == name).unwrap();
        assert_eq!(named("b")["args"]["outcome"], "failed with exit code 2");
        assert!(named("a")["args"]["why"].as_str().unwrap().contains("src/a.rs"));
        assert!(named("d (skipped)")["args"]["why"].is_string());
        let lanes_named =
            events.iter().filter(|event| event["name"] == "thread_name").map(|event| &event["args"]["name"]);
        assert_eq!(lanes_named.collect::<Vec<_>>(), ["run", "did not run", "slot 1", "slot 2"]);
    }

    #[test]
    fn an_eventful_run_is_in_the_format() {
        let view = eventful().view();
        let document = trace(&view);
        checked(&document);
        let steps = document["traceEvents"].as_array().unwrap().iter().filter(|event| event["cat"] == "step");
        assert_eq!(steps.count(), view.steps.iter().map(|step| step.attempts.len()).sum::<usize>());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn spans_of_a_slot_never_lie_on_each_other(log in any_log()) {
            for (lane, mut spans) in checked(&trace(&RunView::of(log))) {
                spans.sort_unstable();
                let apart = spans.windows(2).all(|two| two[0].1 <= two[1].0);
                prop_assert!(apart || lane < FIRST_SLOT as u64, "lane {}: {:?}", lane, spans);
            }
        }
    }
}
