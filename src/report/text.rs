//! `wf report`: a whole run as text, with the output of its failed steps.

use super::clean::{self, Colors};
use super::look::{self, Look, Tone};
use super::usage::Curves;
use super::view::StepView;
use super::{RunView, metrics, narrator, output, summary};
use std::fmt::Write as _;
use std::path::Path;

/// Steps that passed and are listed one by one; the slowest are.
const PASSED_MAX: usize = 30;
/// The end of a failed step's output.
const OUTPUT_BYTES: usize = 64 << 10;
const OUTPUT_LINES: usize = 100;
/// Columns of a small picture.
const SPARK: usize = 24;

/// The whole text.
pub fn render(view: &RunView, run_dir: &Path, look: &Look) -> String {
    let mut out = String::new();
    let mut line = |word: &str, what: &str| {
        let _ = writeln!(out, "{} {what}", look.column(Tone::Strong, word, 9));
    };
    if let Some(run) = &view.run {
        line("run", &summary::run_line(run, look));
        line("wf", &format!("{}, {}", clean::text(&run.version), settings(run)));
    }
    if let Some(changes) = &view.changes {
        line("changes", &summary::change_line(changes));
    }
    table(&mut out, view, look);
    for step in view.failed().chain(view.failed_but_allowed()) {
        printed(&mut out, step, run_dir, look);
    }
    phases(&mut out, view, look);
    curves(&mut out, view, look);
    out.push_str(&summary::render(view, look));
    out
}

fn settings(run: &crate::event::RunStarted) -> String {
    let mut parts = vec![format!("smart execution {}", clean::text(&run.smart))];
    parts.push(if run.parallel { format!("up to {} at once", run.jobs) } else { "one at a time".into() });
    if run.multi_stage {
        parts.push("staged".into());
    }
    if run.filtered {
        parts.push("narrowed by a filter".into());
    }
    parts.join(", ")
}

fn table(out: &mut String, view: &RunView, look: &Look) {
    let mut ran: Vec<&StepView> = view.steps.iter().filter(|step| !step.attempts.is_empty()).collect();
    let passed = view.totals.passed;
    if passed > PASSED_MAX && !look.verbose {
        let mut times: Vec<u64> = ran.iter().filter(|s| metrics::state(s) == "passed").map(|s| s.time_ms()).collect();
        times.sort_unstable_by_key(|ms| std::cmp::Reverse(*ms));
        let slow = times.get(PASSED_MAX - 1).copied().unwrap_or(0);
        let mut room = PASSED_MAX;
        ran.retain(|step| {
            let keep = metrics::state(step) != "passed" || (step.time_ms() >= slow && room > 0);
            room -= usize::from(keep && metrics::state(step) == "passed");
            keep
        });
    }
    if ran.is_empty() {
        return;
    }
    let ids = ran.iter().map(|s| super::frame::cells(&clean::text(s.id.as_str()))).max().unwrap_or(0).min(40);
    let head = format!("\n{:<9} {:<ids$} {:>8} {:>8} {:>10}", "result", "step", "time", "cpu", "memory");
    let _ = writeln!(out, "{}", look.paint(Tone::Dim, head.trim_end()));
    for step in &ran {
        let state = metrics::state(step);
        let tone = match state {
            "passed" => Tone::Good,
            "failed" => Tone::Bad,
            _ => Tone::Warn,
        };
        let usage = step.usage();
        let id = look.column(Tone::Strong, &clean::text(step.id.as_str()), ids);
        let mut row = format!(
            "{} {id} {:>8} {:>8} {:>10}",
            look.column(tone, state, 9),
            look::time(step.time_ms()),
            look::time(usage.cpu_ms),
            look::bytes(usage.memory_bytes)
        );
        if let Some(end) = step.end().filter(|end| !end.outcome.passed()) {
            let _ = write!(row, "  {}", narrator::outcome(&end.outcome));
        }
        if step.attempts.len() > 1 {
            let _ = write!(row, "  {} attempts", step.attempts.len());
        }
        let _ = writeln!(out, "{row}");
    }
    if passed > PASSED_MAX && !look.verbose {
        let _ = writeln!(out, "{} {} more, faster", look.column(Tone::Good, "passed", 9), passed - PASSED_MAX);
    }
}

fn printed(out: &mut String, step: &StepView, run_dir: &Path, look: &Look) {
    let Some(end) = step.end() else { return };
    let id = clean::text(step.id.as_str());
    let Some(tail) = output::of(run_dir, end, OUTPUT_BYTES) else { return };
    let colors = if look.color { Colors::Keep } else { Colors::Drop };
    let (lines, before) = tail.lines(OUTPUT_LINES, colors);
    let _ = writeln!(out, "\n{}", look.paint(Tone::Strong, &format!("output of {id}")));
    if before > 0 || tail.left_out > 0 {
        let what =
            format!("  │ … the end of {}; `wf report RUN --step {id}` has all of it", look::bytes(end.output_bytes));
        let _ = writeln!(out, "{}", look.paint(Tone::Dim, &what));
    }
    for line in lines {
        let line = format!("{}{line}", look.paint(Tone::Dim, "  │ "));
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn phases(out: &mut String, view: &RunView, look: &Look) {
    let steps: Vec<&StepView> = view.steps.iter().filter(|step| !step.phases.is_empty()).collect();
    if steps.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", look.paint(Tone::Strong, "phases"));
    for step in steps {
        let _ = writeln!(out, "  {}  {}", clean::text(step.id.as_str()), phase_words(step));
    }
}

/// The phases of a step, as they ended.
pub(super) fn phase_words(step: &StepView) -> String {
    let time = |ms: u64| if ms < 1_000 { format!("{ms}ms") } else { look::time(ms) };
    let words = step.phases.iter().map(|phase| format!("{} {}", clean::text(&phase.name), time(phase.wall_ms)));
    words.collect::<Vec<_>>().join(", ")
}

fn curves(out: &mut String, view: &RunView, look: &Look) {
    let steps: Vec<&StepView> = view.steps.iter().filter(|step| !step.samples.is_empty()).collect();
    if steps.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", look.paint(Tone::Strong, "resources over time (the highest bar is the peak)"));
    for step in steps {
        let curves = Curves::of(&step.samples);
        let _ = writeln!(out, "  {}", clean::text(step.id.as_str()));
        for (name, series, peak) in [
            ("cpu", &curves.cpu, format!("{} %", curves.cpu.peak())),
            ("memory", &curves.memory, look::bytes(curves.memory.peak())),
            ("disk", &curves.disk, format!("{}/s", look::bytes(curves.disk.peak()))),
        ] {
            if !series.values.is_empty() {
                let _ = writeln!(out, "    {name:<7} {:<SPARK$} {peak}", series.spark(SPARK));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{self, Story, eventful, look};
    use super::*;
    use crate::event::{EventKind, Outcome};

    #[test]
    fn an_eventful_run_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut story = eventful();
        for n in 2..30 {
            let kind = EventKind::StepSample {
                step: story::id("build"),
                cpu_ms: 400 + n * n * 10,
                memory_bytes: (100 << 20) + n * 999_999,
                disk_bytes: n * 5_000,
            };
            story.at(n * 300, kind);
        }
        let text = render(&story.view(), dir.path(), &look());
        insta::assert_snapshot!(text.replace(&dir.path().display().to_string(), "RUN"));
    }

    #[test]
    fn ten_thousand_rows_fold() {
        let names: Vec<String> = (0..10_000).map(|n| format!("s{n}")).collect();
        let mut story = Story::plan(names.iter().map(|n| story::runs(n)).collect());
        for name in &names {
            story.start(1, name).end(2, name, 1, Outcome::Passed);
        }
        let text = render(&story.view(), Path::new("/nowhere"), &look());
        assert!(text.lines().count() < 60, "{}", text.lines().count());
        assert!(text.contains("passed    9970 more, faster"), "{text}");
    }
}
