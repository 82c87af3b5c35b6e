//! How steps ended with a key, as `wf cache show` tells it.

use super::super::{Context, Exit, Failure};
use super::{Opened, look, utc};
use crate::base::StepId;
use crate::engine::reuse;
use crate::history::StateDir;
use crate::key::Key;
use crate::report::{Look, clean, look as words};
use crate::verdict::KeyVerdict;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// So many are told one by one.
const TOLD: usize = 10;
/// So many other keys of the step.
const OTHERS: usize = 5;

/// What an index has lost is read from the recorded runs, to be looked at: nothing is written.
pub(super) fn recall(opened: &mut Opened, cx: &Context) {
    if opened.actions.has_lost()
        && let Ok((place, by)) = cx.state_place_here()
        && let Ok(state) = StateDir::open_read_only(&place, by)
    {
        let _ = reuse::recall(&mut opened.actions, &state, false);
    }
}

/// A key that was only judged: nothing is stored for it, or not any more.
pub(super) fn run(newest: &KeyVerdict, json: bool, opened: &Opened, cx: &Context) -> Result<Exit, Failure> {
    let key = &newest.key;
    if json {
        let verdicts = document(&newest.step, key, opened);
        cx.print_json(&json!({ "format": 1, "step": newest.step, "key": key, "entry": null, "verdicts": verdicts }))?;
    } else {
        let step = clean::text(newest.step.as_str());
        let text = format!("step     {step}\nkey      {key}\nmade     nothing is stored for it\n");
        cx.print(&(text + &told(&newest.step, key, opened, &look(cx))))?;
    }
    Ok(Exit::Passed)
}

/// As lines.
pub(super) fn told(step: &StepId, key: &Key, opened: &Opened, look: &Look) -> String {
    let tally = opened.actions.tally(key);
    let mut text =
        format!("verdicts passed {}, failed {}\n", words::count(tally.passed as usize, "time"), tally.failed);
    let verdicts = opened.actions.verdicts(key);
    for verdict in verdicts.iter().take(TOLD) {
        let _ = writeln!(text, "  {}", line(verdict, look));
    }
    let more = (tally.passed as usize + tally.failed as usize).saturating_sub(verdicts.len().min(TOLD));
    if more > 0 {
        let _ = writeln!(text, "  {more} earlier");
    }
    let others = others(step, key, opened);
    if !others.is_empty() {
        text += "other keys of this step\n";
    }
    for verdict in &others {
        let _ = writeln!(text, "  {} {}", verdict.key.0.short(), line(verdict, look));
    }
    text
}

fn line(verdict: &KeyVerdict, look: &Look) -> String {
    let how = if verdict.passed { "passed" } else { "failed" };
    let retried = if verdict.flaky { " after a retry" } else { "" };
    let (at, took, place) = (look.time(&utc(verdict.at_ms)), words::time(verdict.wall_ms), verdict.place);
    format!("{how}{retried} {at}, took {took}, {place}, run {}", clean::text(verdict.run.as_str()))
}

/// The newest verdict on each of the keys that the step had beside this one, newest first: where a failure is found that has no
/// result.
fn others(step: &StepId, key: &Key, opened: &Opened) -> Vec<KeyVerdict> {
    let mut found: Vec<KeyVerdict> =
        opened.actions.all_verdicts().filter(|verdict| verdict.step == *step && verdict.key != *key).collect();
    found.sort_by_key(|verdict| std::cmp::Reverse(verdict.at_ms));
    let mut seen = BTreeSet::new();
    found.retain(|verdict| seen.insert(verdict.key));
    found.truncate(OTHERS);
    found
}

/// As a part of a document.
pub(super) fn document(step: &StepId, key: &Key, opened: &Opened) -> Value {
    let tally = opened.actions.tally(key);
    json!({
        "passed": tally.passed,
        "failed": tally.failed,
        "flaky": tally.flaky,
        "newest": opened.actions.verdicts(key),
        "other_keys": others(step, key, opened),
    })
}
