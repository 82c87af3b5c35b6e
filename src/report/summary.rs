//! The closing summary: what ran, what did not and why, what went wrong, and what it cost. Pure.

use super::look::{self, Look, Tone};
use super::narrator::outcome;
use super::view::{Changes, State, StepView};
use super::{RunView, clean};
use crate::change::{Base, BaseHow};
use crate::event::{Decision, Evidence, Outcome, RunStarted, RunStatus, SkipReason};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Names in one line before the rest is counted.
const NAMES_MAX: usize = 6;
/// Failed steps that are described one by one.
const FAILED_MAX: usize = 50;

/// The whole summary, each line ended; the last line says it all in one.
pub fn render(view: &RunView, look: &Look) -> String {
    let mut out = Out { text: "\n".into(), look };
    wrong_skips(view, &mut out);
    failures(view, &mut out);
    stopped(view, &mut out);
    ran(view, &mut out);
    reused(view, &mut out);
    skips(view, &mut out);
    cancelled(view, &mut out);
    stages(view, &mut out);
    notes(view, &mut out);
    for (step, what) in super::strange::strange(view) {
        out.line(Tone::Warn, "strange", &clean::text(&format!("{} {what}", step.id)));
    }
    time(view, &mut out);
    closing(view, &mut out);
    out.text
}

struct Out<'a> {
    text: String,
    look: &'a Look,
}

impl Out<'_> {
    fn line(&mut self, tone: Tone, word: &str, what: &str) {
        let what = if self.look.github { clean::disarm(what) } else { what.to_owned() };
        let line = format!("{} {what}", self.look.column(tone, word, 9));
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Steps that share a reason.
    fn group(&self, steps: &[&StepView], why: &str) -> String {
        let names: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        let shown = look::names(&names, if self.look.verbose { usize::MAX - 1 } else { NAMES_MAX });
        if steps.len() == 1 { format!("{shown}: {why}") } else { format!("{} steps, {why}: {shown}", steps.len()) }
    }
}

fn wrong_skips(view: &RunView, out: &mut Out<'_>) {
    for (step, skip) in view.wrong_skips() {
        let what =
            format!("{} failed, and would have been skipped: {}", clean::text(step.id.as_str()), skip_words(skip));
        out.line(Tone::Bad, "WRONG", &what);
        let what = "either it failed at the base already, or it reads more than it watches: then widen its `inputs`";
        out.line(Tone::Dim, "", what);
    }
}

fn failures(view: &RunView, out: &mut Out<'_>) {
    for step in view.failed().take(FAILED_MAX) {
        let Some(end) = step.end() else { continue };
        let id = clean::text(step.id.as_str());
        let attempts = if end.attempt > 1 { format!(", {} attempts", end.attempt) } else { String::new() };
        // These outcomes tell the time themselves, or have none.
        let timed = matches!(end.outcome, Outcome::TimedOut { .. } | Outcome::Idle { .. } | Outcome::NotStarted { .. });
        let after = if timed { String::new() } else { format!(" after {}", look::time(end.wall_ms)) };
        let what = format!("{id}  {}{after}{attempts}", outcome(&end.outcome));
        let (tone, word) = super::narrator::ended(end);
        out.line(tone, word, &what);
        if let (Some(_), Some(run)) = (&end.log, &view.run) {
            // The first half of a run's name is its time, which is enough to find it.
            let run: String = run.run.0.chars().take(13).collect();
            let command = look::shell(["wf", "report", &run, "--step", step.id.as_str()]);
            out.line(Tone::Dim, "", &format!("all output: {}", clean::text(&command)));
        }
        out.line(Tone::Dim, "", &format!("reproduce: {}", reproduce(step)));
        if out.look.github {
            let title = format!("step {id}");
            let line = annotation("error", &title, &format!("{id}: {}", end.outcome));
            out.text.push_str(&line);
        }
    }
    let more = view.totals.failed.saturating_sub(FAILED_MAX);
    if more > 0 {
        out.line(Tone::Bad, "failed", &format!("{more} more"));
    }
    for step in view.failed_but_allowed().take(FAILED_MAX) {
        if let Some(end) = step.end() {
            let what = format!("{}  {}, which it may", clean::text(step.id.as_str()), outcome(&end.outcome));
            out.line(Tone::Warn, "allowed", &what);
        }
    }
}

fn stopped(view: &RunView, out: &mut Out<'_>) {
    let steps: Vec<&StepView> = view.stopped().collect();
    if !steps.is_empty() {
        let broken = view.finished.is_some_and(|end| end.status == RunStatus::Broken);
        let why = match view.interrupted {
            Some(_) => "interrupted",
            None if broken => "the run broke off",
            None => "another step failed first",
        };
        let what = out.group(&steps, why);
        out.line(Tone::Warn, "stopped", &what);
    }
}

fn ran(view: &RunView, out: &mut Out<'_>) {
    let mut steps: Vec<&StepView> = view.steps.iter().filter(|s| s.end().is_some()).collect();
    if steps.is_empty() {
        return;
    }
    steps.sort_by_key(|step| std::cmp::Reverse(step.time_ms()));
    let names: Vec<String> = steps.iter().map(|s| format!("{} {}", s.id, look::time(s.time_ms()))).collect();
    let most = if out.look.verbose { usize::MAX - 1 } else { NAMES_MAX };
    let what = format!("{}: {}", look::count(steps.len(), "step"), look::names(&names, most));
    out.line(Tone::Strong, "ran", &what);
}

fn reused(view: &RunView, out: &mut Out<'_>) {
    let steps = reused_steps(view);
    if !steps.is_empty() {
        let what = out.group(&steps, "known for this very state");
        out.line(Tone::Strong, "cached", &what);
    }
    let back: Vec<&StepView> = view.steps.iter().filter(|step| step.brought_back > 0).collect();
    if !back.is_empty() {
        let what = out.group(&back, "skipped, and its outputs brought back");
        out.line(Tone::Strong, "restored", &what);
    }
}

fn skips(view: &RunView, out: &mut Out<'_>) {
    for (why, steps) in &skipped_by_reason(view) {
        let what = out.group(steps, why);
        out.line(Tone::Strong, "skipped", &what);
    }
}

fn cancelled(view: &RunView, out: &mut Out<'_>) {
    for (why, steps) in &cancelled_by_reason(view) {
        let what = out.group(steps, why);
        out.line(Tone::Warn, "not run", &what);
    }
}

fn stages(view: &RunView, out: &mut Out<'_>) {
    for stage in &view.stages {
        let name = clean::text(&stage.plan.name);
        let target = |wall: u64| match stage.plan.target_ms {
            Some(target) if wall > target => {
                format!(", {} over its target of {}", look::time(wall - target), look::time(target))
            }
            Some(target) => format!(", within its target of {}", look::time(target)),
            None => String::new(),
        };
        match stage.finished {
            Some((_, passed, wall)) => {
                let how = if passed { "passed" } else { "did not pass" };
                let tone = if passed { Tone::Strong } else { Tone::Bad };
                out.line(tone, "stage", &format!("{name} {how} in {}{}", look::time(wall), target(wall)));
            }
            None if !stage.plan.triggered => {
                let trigger = clean::text(&stage.plan.trigger);
                out.line(Tone::Dim, "stage", &format!("{name} was not triggered ({trigger})"));
            }
            None => {
                let mut steps = view.steps.iter().filter(|step| step.stage.as_ref() == Some(&stage.plan.name));
                let how = match stage.started_ms {
                    Some(_) => "did not finish",
                    None if steps.any(|step| matches!(step.decision, Some(Decision::Run(_)))) => "was not started",
                    None => "passed: nothing to run",
                };
                out.line(Tone::Dim, "stage", &format!("{name} {how}"));
            }
        }
    }
}

fn notes(view: &RunView, out: &mut Out<'_>) {
    for fallback in &view.fallbacks {
        out.line(Tone::Warn, "fallback", &clean::text(&fallback.message));
        if let Some(hint) = &fallback.hint {
            out.line(Tone::Dim, "", &format!("hint: {}", clean::text(hint)));
        }
        if out.look.github {
            out.text.push_str(&annotation("warning", "wf fallback", &fallback.message));
        }
    }
    // One line per warning and kind is enough when a thousand instances share it.
    let mut kinds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for warning in &view.warnings {
        kinds.entry(warning.code).or_default().push(warning);
    }
    for warnings in kinds.values() {
        let most = if out.look.verbose { usize::MAX } else { NAMES_MAX };
        for warning in warnings.iter().take(most) {
            let about = warning.step.as_ref().map_or(String::new(), |s| format!("{}: ", clean::text(s.as_str())));
            out.line(Tone::Warn, "warning", &format!("{about}{}", clean::text(&warning.message)));
        }
        if warnings.len() > most {
            out.line(Tone::Warn, "warning", &format!("{} more of this kind", warnings.len() - most));
        }
    }
}

fn time(view: &RunView, out: &mut Out<'_>) {
    let totals = &view.totals;
    let mut what = format!("{} in all, {} in steps", look::time(view.wall_ms()), look::time(totals.step_ms));
    if totals.cpu_ms > 0 {
        let _ = write!(what, ", {} of processor", look::time(totals.cpu_ms));
    }
    if totals.peak_memory_bytes > 0 {
        let _ = write!(what, ", at most {} of memory", look::bytes(totals.peak_memory_bytes));
    }
    out.line(Tone::Strong, "time", &what);
    predicted(view, out);
    if totals.skipped_witnessed + totals.skipped_trusted + totals.reused > 0 {
        let saved = view.saved();
        let unknown = look::count(saved.unknown, "skipped step");
        let what = match (saved.ms, saved.unknown) {
            (ms, 0) => format!("{} of step time against a full run", look::time(ms)),
            (0, _) => format!("nobody knows how long {unknown} would have taken"),
            (ms, _) => {
                format!("{} of step time against a full run, not counting {unknown} of unknown length", look::time(ms))
            }
        };
        out.line(Tone::Strong, "saved", &what);
    }
}

/// What the run was expected to take and what it took, and the step that surprised most.
fn predicted(view: &RunView, out: &mut Out<'_>) {
    let Some((told_ms, expected)) = &view.expected else { return };
    let Some(run) = expected.run.filter(|run| run.ms >= super::narrator::EXPECTED_MIN_MS) else { return };
    if view.finished.is_none_or(|end| end.status != RunStatus::Passed) {
        return;
    }
    let took = view.wall_ms().saturating_sub(*told_ms);
    let mut what = format!("{} of it, which took {}", look::span(&run), look::time(took));
    let surprise = |step: &StepView| {
        let span = step.expected.as_ref()?.span?;
        let took = step.end().filter(|end| end.outcome.passed())?.wall_ms;
        let far = took > span.high_ms || took < span.low_ms;
        far.then(|| (took.abs_diff(span.ms), step.id.clone(), span, took))
    };
    if let Some((_, id, span, took)) = view.steps.iter().filter_map(surprise).max_by_key(|(by, ..)| *by) {
        let _ = write!(what, "; {} {} instead of {}", clean::text(id.as_str()), look::time(took), look::time(span.ms));
    }
    out.line(Tone::Strong, "predicted", &what);
}

/// The line that says it all.
pub fn closing_line(view: &RunView, look: &Look) -> String {
    let mut out = Out { text: String::new(), look };
    closing(view, &mut out);
    out.text
}

fn closing(view: &RunView, out: &mut Out<'_>) {
    let (tone, word) = match view.finished.map(|end| end.status) {
        Some(RunStatus::Passed) => (Tone::Good, "PASSED"),
        Some(RunStatus::Failed) => (Tone::Bad, "FAILED"),
        Some(RunStatus::Interrupted) => (Tone::Warn, "STOPPED"),
        Some(RunStatus::Broken) => (Tone::Bad, "BROKEN"),
        None => (Tone::Warn, "UNFINISHED"),
    };
    let what = format!("{} in {}", counts(view), look::time(view.wall_ms()));
    out.line(tone, word, &what);
}

/// `3 passed, 1 failed, 12 skipped (10 on recorded passes, 2 trusting the base)`.
pub fn counts(view: &RunView) -> String {
    let t = &view.totals;
    let mut parts = vec![format!("{} passed", t.passed)];
    let mut add = |n: usize, word: &str| {
        if n > 0 {
            parts.push(format!("{n} {word}"));
        }
    };
    add(t.reused, "cached");
    add(t.failed, "failed");
    add(t.allowed, "failed but allowed");
    add(t.stopped, "stopped");
    add(t.left(), "unfinished");
    add(t.cancelled, "not run");
    if t.skipped() > 0 {
        let mut by = vec![];
        for (n, word) in [
            (t.skipped_witnessed, "on recorded passes"),
            (t.skipped_trusted, "trusting the base"),
            (t.skipped_other, "not called for"),
        ] {
            if n > 0 {
                by.push(format!("{n} {word}"));
            }
        }
        parts.push(format!("{} skipped ({})", t.skipped(), by.join(", ")));
    }
    parts.join(", ")
}

/// The skipped steps by the words of their reason.
pub fn skipped_by_reason(view: &RunView) -> BTreeMap<String, Vec<&StepView>> {
    let mut groups: BTreeMap<String, Vec<&StepView>> = BTreeMap::new();
    for step in &view.steps {
        if let State::Skipped(reason) = &step.state {
            groups.entry(skip_words(reason)).or_default().push(step);
        }
    }
    groups
}

/// The steps whose results were known.
pub fn reused_steps(view: &RunView) -> Vec<&StepView> {
    view.steps.iter().filter(|step| matches!(step.state, State::Reused(_))).collect()
}

/// The steps that were planned and did not run, by the words of their reason.
pub fn cancelled_by_reason(view: &RunView) -> BTreeMap<String, Vec<&StepView>> {
    let mut groups: BTreeMap<String, Vec<&StepView>> = BTreeMap::new();
    for step in &view.steps {
        if let State::Cancelled(reason) = &step.state {
            groups.entry(clean::text(&reason.to_string())).or_default().push(step);
        }
    }
    groups
}

/// Why a step ran, was skipped or did not run.
pub fn why(step: &StepView) -> String {
    match (&step.state, &step.decision) {
        (State::Cancelled(reason), _) => clean::text(&reason.to_string()),
        (State::Reused(reused), _) => format!("known: {}", super::narrator::reused(reused)),
        (_, Some(Decision::Skip(reason))) => skip_words(reason),
        (_, Some(Decision::Run(because))) => clean::text(&because.to_string()),
        (_, None) => String::new(),
    }
}

/// Which run, when, of what.
pub fn run_line(run: &RunStarted, look: &Look) -> String {
    let mut text = format!("{}, {}", clean::text(&run.run.0), look.time(&run.started_at));
    if let Some(commit) = &run.commit {
        let branch = run.branch.as_deref().map_or("detached HEAD".into(), clean::text);
        let dirty = if run.clean { "" } else { " with uncommitted changes" };
        text = format!("{text}, {branch} at {}{dirty}", short(commit));
    }
    text
}

/// The first digits of a commit's name.
pub fn short(commit: &str) -> String {
    clean::text(&commit.chars().take(10).collect::<String>())
}

/// Why a step is skipped, with what stands behind it.
pub fn skip_words(reason: &SkipReason) -> String {
    let text = match reason {
        SkipReason::Unaffected { evidence: Evidence::Witnessed { commit, run }, .. } => {
            // Runs of one minute share their first digits, so the end of the id tells more.
            let run: String = run.chars().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect();
            format!("{reason} (passed at {} in run …{run})", short(commit))
        }
        SkipReason::Unaffected { evidence: Evidence::Trusted { commit }, .. } => {
            format!("{reason} (trusting the base {}, context unverified)", short(commit))
        }
        other => other.to_string(),
    };
    clean::text(&text)
}

/// What changed since when, in one line.
pub fn change_line(changes: &Changes) -> String {
    let since = match &changes.base {
        Base::Commit { commit, how } => match how {
            BaseHow::Target { .. } | BaseHow::SameFiles { .. } | BaseHow::ForkPoint { .. } | BaseHow::Before => {
                format!(" since {} ({})", short(commit), clean::text(&how.to_string()))
            }
            BaseHow::Asked { reference } => format!(" since {} ({})", short(commit), clean::text(reference)),
            BaseHow::MergeBase { branch } => {
                format!(" since {} (merge base with {})", short(commit), branch_name(branch))
            }
            BaseHow::GreenAncestor { run } => format!(" since {} (green in run {})", short(commit), clean::text(run)),
        },
        Base::Staged { .. } => " staged".into(),
        Base::None => return "there is no base to compare with".into(),
    };
    let what = format!("{}{since}", look::count(changes.total, "file"));
    if changes.total == 0 {
        return what;
    }
    let mut text = format!("{what}: {}, impact {}", clean::text(&changes.change_type), clean::text(&changes.impact));
    if !changes.impact_because.is_empty() {
        let _ = write!(text, " ({})", clean::text(&changes.impact_because.join("; ")));
    }
    text
}

/// A branch as people call it.
fn branch_name(reference: &str) -> String {
    let short = ["refs/heads/", "refs/remotes/"].iter().find_map(|prefix| reference.strip_prefix(prefix));
    clean::text(short.unwrap_or(reference))
}

/// The command that runs this step alone again.
pub fn reproduce(step: &StepView) -> String {
    clean::text(&look::shell(["wf", "run", "--steps", step.id.as_str(), "--no-needs"]))
}

/// An annotation of GitHub Actions.
fn annotation(level: &str, title: &str, message: &str) -> String {
    let escape = |text: &str, property: bool| {
        let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        if property { text.replace(':', "%3A").replace(',', "%2C") } else { text }
    };
    format!("::{level} title={}::{}\n", escape(title, true), escape(message, false))
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
