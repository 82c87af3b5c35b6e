//! JUnit XML: one suite per stage, or one for the run; one case per step.

use super::view::{State, StepView};
use super::{RunView, Sink, Stored, clean, narrator, output, summary};
use crate::base::Millis;
use crate::event::{Event, Outcome, StepFinished};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Output of a step that did not pass.
const FAILED_BYTES: usize = 256 << 10;
/// Output of one that did.
const PASSED_BYTES: usize = 16 << 10;
/// Output of all steps: what reads such files reads them into memory.
const ALL_BYTES: usize = 32 << 20;

/// The whole document.
pub fn render(view: &RunView, run_dir: &Path, stored: &Stored) -> String {
    let name = view.run.as_ref().map_or("wf".to_owned(), |run| format!("wf run {}", run.run));
    let mut report = Report::new(name);
    report.timestamp = view.run.as_ref().and_then(|run| run.started_at.parse().ok());
    report.set_time(time(view.wall_ms()));
    let mut suites: BTreeMap<usize, TestSuite> = BTreeMap::new();
    let mut room = ALL_BYTES;
    for step in &view.steps {
        let stage = step.stage.as_ref();
        let place = stage.and_then(|name| view.stages.iter().position(|s| s.plan.name == *name));
        let suite = suites.entry(place.unwrap_or(usize::MAX)).or_insert_with(|| match place {
            Some(at) => TestSuite::new(clean::text(&view.stages[at].plan.name)),
            None => TestSuite::new("wf"),
        });
        suite.add_test_case(case(step, run_dir, stored, &mut room));
    }
    for (place, mut suite) in suites {
        suite.timestamp = report.timestamp;
        if let Some((_, _, wall_ms)) = view.stages.get(place).and_then(|stage| stage.finished) {
            suite.set_time(time(wall_ms));
        }
        report.add_test_suite(suite);
    }
    match report.to_string() {
        Ok(text) => text,
        // quick-junit writes to memory and filters what XML cannot hold.
        Err(error) => unreachable!("plain data is always XML: {error}"),
    }
}

fn case(step: &StepView, run_dir: &Path, stored: &Stored, room: &mut usize) -> TestCase {
    let mut case = TestCase::new(clean::text(step.id.as_str()), status(step));
    case.set_classname(clean::text(step.stage.as_deref().unwrap_or("wf")));
    if !step.attempts.is_empty() {
        case.set_time(time(step.time_ms()));
    }
    if let State::Reused(reused) = &step.state
        && let Some(tail) = reused.output.and_then(|blob| stored.tail(&blob, PASSED_BYTES.min(*room)))
    {
        *room -= tail.bytes.len().min(*room);
        case.set_system_out(format!("(replayed from run {})\n{}", clean::text(reused.run.as_str()), tail.text()));
    }
    let Some(end) = step.end() else { return case };
    if matches!(case.status, TestCaseStatus::Success { .. } | TestCaseStatus::NonSuccess { .. }) {
        let earlier = step.attempts.iter().filter_map(|a| a.finished.as_ref()).filter(|f| f.attempt < end.attempt);
        earlier.for_each(|failed| {
            case.status.add_rerun(rerun(failed));
        });
    }
    let most = if end.outcome.passed() { PASSED_BYTES } else { FAILED_BYTES };
    if let Some(tail) = output::of(run_dir, end, most.min(*room)) {
        *room -= tail.bytes.len().min(*room);
        case.set_system_out(tail.text());
    }
    case
}

fn status(step: &StepView) -> TestCaseStatus {
    let skipped = |why: String| {
        let mut status = TestCaseStatus::skipped();
        status.set_message(why);
        status
    };
    match &step.state {
        State::Done(end) if end.outcome.passed() => TestCaseStatus::success(),
        // Neither a success nor a failure; what reads JUnit would stop a merge for a failure.
        State::Done(end) if end.allowed => skipped(format!("{}, which it may", clean::text(&end.outcome.to_string()))),
        State::Done(end) => {
            let mut status = TestCaseStatus::non_success(kind(&end.outcome));
            status.set_message(clean::text(&end.outcome.to_string())).set_type(narrator::ended(end).1);
            status.set_description(format!("reproduce: {}", summary::reproduce(step)));
            status
        }
        // Known to pass for this very state.
        State::Reused(_) => TestCaseStatus::success(),
        State::Skipped(reason) => skipped(summary::skip_words(reason)),
        State::Cancelled(reason) => skipped(format!("not run: {}", clean::text(&reason.to_string()))),
        State::Waiting | State::Running { .. } | State::Retrying { .. } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message("the run ended before this step did").set_type("unfinished");
            status
        }
    }
}

fn rerun(failed: &StepFinished) -> TestRerun {
    let mut rerun = TestRerun::new(kind(&failed.outcome));
    rerun
        .set_time(time(failed.wall_ms))
        .set_message(clean::text(&failed.outcome.to_string()))
        .set_type(narrator::ended(failed).1);
    rerun
}

/// A verdict of the step is a failure; whatever kept it from one is an error.
fn kind(outcome: &Outcome) -> NonSuccessKind {
    if outcome.is_verdict() { NonSuccessKind::Failure } else { NonSuccessKind::Error }
}

fn time(ms: Millis) -> Duration {
    Duration::from_millis(ms)
}

/// Writes the document when the run is over.
pub(super) struct Junit {
    path: PathBuf,
    run_dir: PathBuf,
    stored: Stored,
}

impl Junit {
    pub(super) fn new(path: PathBuf, run_dir: PathBuf, stored: Stored) -> Self {
        Self { path, run_dir, stored }
    }
}

impl Sink for Junit {
    fn on(&mut self, _event: &Event, _view: &RunView) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, view: &RunView) -> io::Result<()> {
        std::fs::write(&self.path, render(view, &self.run_dir, &self.stored))
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))
    }

    fn name(&self) -> &'static str {
        "junit"
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{self, Story, eventful, finished, id};
    use super::*;
    use crate::event::{EventKind, frame};
    use proptest::prelude::*;

    #[test]
    fn an_eventful_run_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("out")).unwrap();
        let mut log = frame::HEADER.to_vec();
        let bytes = b"\x1b[31mred\x1b[0m \x00\x01]]> & <tag>\n\xff";
        frame::write(&mut log, frame::Frame { stream: frame::Stream::Stdout, at_ms: 0, bytes });
        std::fs::write(dir.path().join("out/test.2.log"), log).unwrap();
        insta::assert_snapshot!(render(&eventful().view(), dir.path(), &Stored::default()));
    }

    #[test]
    fn what_a_known_result_printed_is_its_output() {
        let mut story = Story::plan(vec![story::runs("a")]);
        let output = Some(crate::base::BlobRef::of(b"o"));
        let key = crate::key::Key(crate::base::Digest::of_bytes(b"k"));
        let (step, run) = (id("a"), crate::base::RunId("r<1>".into()));
        let reused = crate::event::Reused { step, key, saved_ms: 1, run, restored: 0, output, resumed: false };
        story.at(2, EventKind::StepsReused { steps: vec![reused] });
        let tail = || output::Tail { bytes: b"\x1b[31mred\x00 & <tag>\n".to_vec(), left_out: 0 };
        let xml = render(&story.view(), Path::new("/nowhere"), &Stored::new(move |_, _| Ok(Some(tail()))));
        assert!(xml.contains("(replayed from run r&lt;1&gt;)\nred &amp; &lt;tag&gt;"), "{xml}");
        assert!(!render(&story.view(), Path::new("/nowhere"), &Stored::default()).contains("replayed"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_output_and_any_name_is_valid_xml(bytes in prop::collection::vec(any::<u8>(), 0..300), name in "\\PC{1,20}|[\\x00-\\x7f\\u{fffd}-\\u{ffff}]{1,20}") {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("out")).unwrap();
            let mut log = frame::HEADER.to_vec();
            frame::write(&mut log, frame::Frame { stream: frame::Stream::Stderr, at_ms: 0, bytes: &bytes });
            std::fs::write(dir.path().join("out/x.1.log"), log).unwrap();
            let mut story = Story::plan(vec![story::runs(&name)]);
            let outcome = Outcome::NotStarted { message: name.clone() };
            story.finish(3, StepFinished { step: id(&name), outcome, log: Some("out/x.1.log".into()), ..finished("x") });
            let xml = render(&story.view(), dir.path(), &Stored::default());
            let document = roxmltree::Document::parse(&xml);
            prop_assert!(document.is_ok(), "{:?}\n{xml:?}", document.err());
            prop_assert_eq!(document.unwrap().descendants().filter(|n| n.has_tag_name("error")).count(), 1);
        }
    }
}
