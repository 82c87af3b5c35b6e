//! What a run leaves for GitHub Actions: annotations on lines, a job summary, and outputs that later steps of a job can use.
//!
//! Source: <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>. Names, messages and output are
//! hostile: none of them can begin a workflow command, or a line of these files.

use super::view::{State, StepView};
use super::{Look, Pipe, RunView, Sink, Stored, findings, markdown, timeline};
use crate::event::{Event, RunStatus};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// GitHub shows ten annotations of each kind of a step, and forgets those beyond fifty of a job.
const ANNOTATIONS: usize = 50;

/// The files of a job that runs wf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionsFiles {
    /// `GITHUB_STEP_SUMMARY`: Markdown is appended.
    pub summary: Option<PathBuf>,
    /// `GITHUB_OUTPUT`: `name=value` is appended.
    pub output: Option<PathBuf>,
    /// Are there to be annotations? Not where a problem matcher reads the same lines.
    pub annotations: bool,
}

pub(super) struct Actions {
    files: ActionsFiles,
    out: Option<Pipe>,
    run_dir: PathBuf,
    look: Look,
    stored: Stored,
}

impl Actions {
    /// Annotations go to `out`, if stdout is for people.
    pub(super) fn new(
        files: ActionsFiles,
        out: Option<Box<dyn io::Write>>,
        run_dir: PathBuf,
        look: Look,
        stored: Stored,
    ) -> Self {
        Self { files, out: out.map(Pipe::new), run_dir, look, stored }
    }
}

impl Sink for Actions {
    fn on(&mut self, _event: &Event, _view: &RunView) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, view: &RunView) -> io::Result<()> {
        let mut found = findings::of(view, &self.run_dir, &self.stored);
        if let Some(path) = &self.files.summary {
            let mut text = markdown::render(view, &self.run_dir, &self.look);
            markdown::findings(&mut text, &found);
            let picture = timeline::gantt(view);
            if !picture.is_empty() && text.len() + picture.len() < markdown::BYTES_MAX {
                let _ = writeln!(text, "\n<details><summary>over time</summary>\n\n{picture}\n</details>");
            }
            append(path, &text)?;
        }
        if let Some(path) = &self.files.output {
            append(path, &outputs(view))?;
        }
        found.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
        found.truncate(ANNOTATIONS);
        match &mut self.out {
            Some(out) => out.write(&findings::annotations(&found)),
            None => Ok(()),
        }
    }

    fn name(&self) -> &'static str {
        "GitHub Actions"
    }
}

/// These files belong to the job: they are there, and others have written to them.
fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

/// `run`, `status`, `saved-ms`, `steps` (a JSON object: what became of each step) and `failed` (a JSON list). Each is one line:
/// JSON has no line ends inside strings.
pub fn outputs(view: &RunView) -> String {
    let status = match view.finished.map(|end| end.status) {
        Some(RunStatus::Passed) => "passed",
        Some(RunStatus::Failed) => "failed",
        Some(RunStatus::Interrupted) => "interrupted",
        Some(RunStatus::Broken) | None => "broken",
    };
    let name = |step: &StepView| step.id.to_string();
    let steps: Map<String, Value> = view.steps.iter().map(|step| (name(step), word(step).into())).collect();
    let failed: Vec<String> = view.failed().map(name).collect();
    let run = view.run.as_ref().map(|run| run.run.to_string()).unwrap_or_default();
    // A run's name is wf's own; should it hold a line end all the same, it ends there.
    let run = run.lines().next().unwrap_or_default();
    format!(
        "run={run}\nstatus={status}\nsaved-ms={}\nsteps={}\nfailed={}\n",
        view.saved().ms,
        Value::Object(steps),
        Value::from(failed)
    )
}

/// What became of a step, in one word: `run` whatever came of it, `hit`, `skip`, or `cancelled`.
fn word(step: &StepView) -> &'static str {
    match &step.state {
        State::Reused(_) => "hit",
        State::Skipped(_) => "skip",
        State::Cancelled(_) => "cancelled",
        _ => "run",
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{eventful, look};
    use super::*;

    #[test]
    fn an_eventful_run_leaves_outputs_and_a_summary() {
        let dir = tempfile::tempdir().unwrap();
        let (summary, output) = (dir.path().join("summary"), dir.path().join("output"));
        std::fs::write(&output, "earlier=1\n").unwrap();
        let files = ActionsFiles { summary: Some(summary.clone()), output: Some(output.clone()), annotations: true };
        let view = eventful().view();
        Actions::new(files, None, dir.path().into(), look(), Stored::default()).finish(&view).unwrap();
        let said = std::fs::read_to_string(output).unwrap();
        insta::assert_snapshot!(said);
        let text = std::fs::read_to_string(summary).unwrap();
        assert!(text.starts_with("## wf: ") && text.contains("```mermaid\ngantt"), "{text}");
    }
}
