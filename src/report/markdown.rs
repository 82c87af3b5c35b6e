//! A run as Markdown, for GitHub's job summary and for pasting into a discussion.

use super::clean::{self, Colors};
use super::look::{self, Look};
use super::view::StepView;
use super::{RunView, metrics, narrator, output, summary};
use crate::ask::Finding;
use crate::base::StepId;
use crate::event::RunStatus;
use std::fmt::Write as _;
use std::path::Path;

/// GitHub refuses a summary of more than a mebibyte.
pub(super) const BYTES_MAX: usize = 900 << 10;
/// Steps that ran and are listed one by one.
const ROWS_MAX: usize = 200;
/// The end of a failed step's output.
const OUTPUT_BYTES: usize = 32 << 10;
const OUTPUT_LINES: usize = 60;

/// The whole text.
pub fn render(view: &RunView, run_dir: &Path, look: &Look) -> String {
    let mut text = String::new();
    let word = match view.finished.map(|end| end.status) {
        Some(RunStatus::Passed) => "passed",
        Some(RunStatus::Failed) => "failed",
        Some(RunStatus::Interrupted) => "interrupted",
        Some(RunStatus::Broken) => "could not go on",
        None => "unfinished",
    };
    let _ = writeln!(text, "## wf: {word} in {}\n", look::time(view.wall_ms()));
    let _ = writeln!(text, "{}.\n", escape(&summary::counts(view)));
    if let Some(changes) = &view.changes {
        let _ = writeln!(text, "Changes: {}.\n", escape(&summary::change_line(changes)));
    }
    for (step, skip) in view.wrong_skips() {
        let id = code(step.id.as_str());
        let _ = writeln!(
            text,
            "> [!CAUTION]\n> {id} failed, and would have been skipped: {}\n",
            escape(&summary::skip_words(skip))
        );
    }
    for fallback in &view.fallbacks {
        let _ = writeln!(text, "> [!WARNING]\n> {}", escape(&clean::text(&fallback.message)));
        if let Some(hint) = &fallback.hint {
            let _ = writeln!(text, "> Hint: {}", code(hint));
        }
        text.push('\n');
    }
    for step in view.failed() {
        if text.len() > BYTES_MAX {
            text.push_str("More steps failed; this text has no room for them.\n\n");
            break;
        }
        failed(&mut text, step, run_dir);
    }
    table(&mut text, view);
    not_run(&mut text, view);
    let saved = view.saved();
    if saved.ms > 0 || saved.unknown > 0 {
        let unknown = if saved.unknown > 0 {
            format!(", {} of unknown length", look::count(saved.unknown, "step"))
        } else {
            String::new()
        };
        let _ = writeln!(text, "Saved against a full run: {} of step time{unknown}.\n", look::time(saved.ms));
    }
    if let Some(run) = &view.run {
        let _ = writeln!(text, "<sub>wf {}, run {}</sub>", escape(&run.version), escape(&summary::run_line(run, look)));
    }
    text
}

/// A table of what steps found; nothing if they found nothing.
pub fn findings(text: &mut String, found: &[(StepId, Finding)]) {
    if found.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n### Findings\n\n| | where | what | step |\n|---|---|---|---|");
    for (step, finding) in found.iter().take(ROWS_MAX) {
        let place =
            finding.file.as_ref().map_or_else(String::new, |file| format!("{file}:{}", finding.line.unwrap_or(1)));
        let (word, message) = (finding.severity.name(), escape(&finding.message));
        let _ = writeln!(text, "| {word} | {} | {message} | {} |", code(&place), code(step.as_str()));
    }
    if found.len() > ROWS_MAX {
        let _ = writeln!(
            text,
            "\n{} more findings are in the report (`wf report --format sarif`).",
            found.len() - ROWS_MAX
        );
    }
}

fn failed(text: &mut String, step: &StepView, run_dir: &Path) {
    let Some(end) = step.end() else { return };
    let how = narrator::outcome(&end.outcome);
    let _ = writeln!(text, "### {} failed: {}\n", code(step.id.as_str()), escape(&how));
    let _ = writeln!(text, "Reproduce: {}\n", code(&summary::reproduce(step)));
    let Some(tail) = output::of(run_dir, end, OUTPUT_BYTES) else { return };
    let (lines, before) = tail.lines(OUTPUT_LINES, Colors::Drop);
    let fence = "`".repeat(lines.iter().map(|line| backticks(line)).max().unwrap_or(0).max(2) + 1);
    let more = if before > 0 || tail.left_out > 0 { "the end of its output" } else { "its output" };
    let _ = writeln!(
        text,
        "<details open><summary>{more}</summary>\n\n{fence}text\n{}\n{fence}\n\n</details>\n",
        lines.join("\n")
    );
}

fn table(text: &mut String, view: &RunView) {
    let mut ran: Vec<&StepView> = view.steps.iter().filter(|s| s.end().is_some()).collect();
    if ran.is_empty() {
        return;
    }
    // Failures first, then the slowest: the rows that are kept are those that are looked for.
    ran.sort_by_key(|step| (metrics::state(step) == "passed", std::cmp::Reverse(step.time_ms())));
    text.push_str("| step | result | time | processor | memory |\n|---|---|--:|--:|--:|\n");
    for step in ran.iter().take(ROWS_MAX) {
        let usage = step.usage();
        let times = if step.attempts.len() > 1 { format!(", {} attempts", step.attempts.len()) } else { String::new() };
        let _ = writeln!(
            text,
            "| {} | {}{times} | {} | {} | {} |",
            code(step.id.as_str()).replace('|', "\\|"),
            metrics::state(step),
            look::time(step.time_ms()),
            look::time(usage.cpu_ms),
            look::bytes(usage.memory_bytes)
        );
    }
    if ran.len() > ROWS_MAX {
        let _ = writeln!(text, "\nAnd {} faster ones.", look::count(ran.len() - ROWS_MAX, "step"));
    }
    text.push('\n');
}

fn not_run(text: &mut String, view: &RunView) {
    let mut groups = summary::skipped_by_reason(view);
    let known = summary::reused_steps(view);
    if !known.is_empty() {
        groups.insert("known for this very state".into(), known);
    }
    let cancelled = summary::cancelled_by_reason(view).into_iter();
    groups.extend(cancelled.map(|(why, steps)| (format!("not run: {why}"), steps)));
    for (why, steps) in &groups {
        let names: Vec<String> = steps.iter().map(|step| code(step.id.as_str())).collect();
        let _ = writeln!(text, "- {}, {}: {}", look::count(steps.len(), "step"), escape(why), look::names(&names, 10));
    }
    if !groups.is_empty() {
        text.push('\n');
    }
}

/// Text that Markdown leaves alone.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '@' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// Text between backticks, however many it has itself.
fn code(text: &str) -> String {
    let text = clean::text(text);
    match backticks(&text) {
        0 => format!("`{text}`"),
        n => format!("{0} {text} {0}", "`".repeat(n + 1)),
    }
}

/// The longest run of backticks.
fn backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::story::{eventful, look};
    use super::*;

    #[test]
    fn an_eventful_run_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let text = render(&eventful().view(), dir.path(), &look());
        insta::assert_snapshot!(text.replace(&dir.path().display().to_string(), "RUN"));
    }

    #[test]
    fn names_cannot_leave_their_quotes() {
        assert_eq!(code("a`b``c"), "``` a`b``c ```");
        assert_eq!(escape("<img>|*x*"), "&lt;img>\\|\\*x\\*");
        assert_eq!(code("a\nb"), "`a b`");
    }
}
