//! What steps found: lines of their output that name a file, a line and a severity, as compilers and AI steps print them.
//!
//! Does not know: who printed them. Such a line is hostile like any output: a path leads nowhere but into the repository, and a
//! message is one line of printable text.

mod sarif;

pub use sarif::sarif;

use super::view::{State, StepView};
use super::{RunView, Stored, output};
use crate::ask::Finding;
use crate::base::StepId;
use crate::config::model::Severity;
use std::fmt::Write as _;
use std::path::Path;

/// The end of a step's output that is looked at.
const BYTES: usize = 1 << 20;
/// So many are believed of one step.
const MOST: usize = 1_000;

/// The findings of all steps, each with its step, in the order of steps; each once.
pub fn of(view: &RunView, run_dir: &Path, stored: &Stored) -> Vec<(StepId, Finding)> {
    let mut all: Vec<(StepId, Finding)> = Vec::new();
    for step in &view.steps {
        let found = of_step(step, run_dir, stored).unwrap_or_default();
        all.extend(found.into_iter().map(|finding| (step.id.clone(), finding)));
    }
    all
}

/// The findings of one step that ran or whose result was used again; sorted, each once. None if what it printed cannot be read
/// any more, or if it did neither.
pub fn of_step(step: &StepView, run_dir: &Path, stored: &Stored) -> Option<Vec<Finding>> {
    let tail = tail(step, run_dir, stored)?;
    let (lines, _) = tail.lines(usize::MAX, super::clean::Colors::Drop);
    let before = std::iter::once("").chain(lines.iter().map(String::as_str));
    let found = lines
        .iter()
        .zip(before)
        .filter_map(|(line, before)| Finding::from_line(line).or_else(|| pointed(before, line)));
    let mut found: Vec<Finding> = found.filter(|found| found.file.is_some()).take(MOST).collect();
    found.sort();
    found.dedup();
    Some(found)
}

/// Two lines as rustc prints them: `error[E0308]: mismatched types` and `  --> src/a.rs:3:5`.
fn pointed(before: &str, line: &str) -> Option<Finding> {
    let place = line.trim_start().strip_prefix("--> ")?;
    let (head, message) = before.split_once(": ")?;
    let severity = head.split('[').next()?;
    Finding::from_line(&format!("{}: {severity}: {message}", place.trim_end()))
}

fn tail(step: &StepView, run_dir: &Path, stored: &Stored) -> Option<output::Tail> {
    if let State::Reused(reused) = &step.state {
        return match &reused.output {
            Some(blob) => stored.read(blob, BYTES),
            None => Some(output::Tail::default()),
        };
    }
    match &step.end()?.log {
        Some(log) => output::tail(&output::inside(run_dir, log)?, BYTES).ok(),
        None => Some(output::Tail::default()),
    }
}

/// Workflow commands that GitHub shows as annotations: <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>.
/// Every part is escaped, so that a text can begin no command of its own.
pub fn annotations(found: &[(StepId, Finding)]) -> String {
    let value = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| value(text).replace(':', "%3A").replace(',', "%2C");
    let mut text = String::new();
    for (step, finding) in found {
        let Some(file) = &finding.file else { continue };
        let level = if finding.severity == Severity::Note { "notice" } else { finding.severity.name() };
        let (file, line) = (property(&file.to_string()), finding.line.unwrap_or(1));
        let title = property(&format!("wf: {step}"));
        let _ = writeln!(text, "::{level} file={file},line={line},title={title}::{}", value(&finding.message));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> (StepId, Finding) {
        (StepId::parse("review").unwrap(), Finding::from_line(line).unwrap())
    }

    #[test]
    fn what_rustc_prints_is_found() {
        let found = pointed("error[E0308]: mismatched: types", "  --> src/a.rs:3:5").unwrap();
        assert_eq!(found.to_string(), "src/a.rs:3: error: mismatched: types");
        assert_eq!(pointed("note: x", "  --> /etc/a.rs:3:5"), None);
        assert_eq!(pointed("hello", "--> src/a.rs:3:5"), None);
    }

    #[test]
    fn annotations_cannot_be_broken_out_of() {
        let found = [found("a,b:x.rs:3: error: 100% wrong, ::set-output name=x::y"), found("b.md:1: note: fine")];
        assert_eq!(
            annotations(&found),
            "::error file=a%2Cb%3Ax.rs,line=3,title=wf%3A review::100%25 wrong, ::set-output name=x::y\n\
             ::notice file=b.md,line=1,title=wf%3A review::fine\n"
        );
    }

    #[test]
    fn sarif_says_what_and_where() {
        let all = [found("src/a b.rs:3: error: off by one"), found("b.md:1: note: fine")];
        let document = sarif(&all, &[StepId::parse("docs").unwrap()], "1.2.3");
        assert_eq!(document["version"], "2.1.0");
        let run = &document["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "review");
        let result = &run["results"][0];
        assert_eq!((&result["level"], &result["ruleId"]), (&"error".into(), &"review".into()));
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "src/a%20b.rs");
        assert_eq!(place["region"]["startLine"], 3);
        let notes = &run["invocations"][0]["toolExecutionNotifications"];
        assert!(notes[0]["message"]["text"].to_string().contains("docs did not run"), "{notes}");
    }
}
