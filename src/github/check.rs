//! From a run to checks. Pure.

use crate::ask::Finding;
use crate::base::{Millis, StepId};
use crate::config::model::Severity;
use crate::event::{Outcome, SkipReason};
use crate::report::view::{State, StepView};
use crate::report::{RunView, look, summary};
use serde_json::{Value, json};

/// GitHub takes so many annotations with one request.
const ANNOTATIONS: usize = 50;
/// And so many bytes of a summary.
const SUMMARY: usize = 60_000;

/// How a check ended. Of required checks GitHub accepts success, skipped and neutral.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// It passed, or its result was known.
    Success,
    /// It failed.
    Failure,
    /// It failed and may.
    Neutral,
    /// It was stopped, or never came to its turn.
    Cancelled,
    /// It took too long.
    TimedOut,
    /// Nothing that it looks at changed.
    Skipped,
}

impl Conclusion {
    /// The word of GitHub's API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Neutral => "neutral",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Skipped => "skipped",
        }
    }

    /// May a change be merged whose required check ended so?
    pub fn lets_merge(self) -> bool {
        matches!(self, Self::Success | Self::Neutral | Self::Skipped)
    }
}

/// One step's check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The step's id.
    pub name: String,
    /// How it ended.
    pub conclusion: Conclusion,
    /// One line.
    pub title: String,
    /// Some Markdown.
    pub summary: String,
    /// What was found, worst first.
    pub found: Vec<Finding>,
    /// When it began and ended: RFC 3339.
    pub times: Option<(String, String)>,
}

/// The checks of a run. A step that a filter or a shard left out has none: whoever was asked for it makes it.
pub fn checks(view: &RunView, found: &[(StepId, Finding)]) -> Vec<Check> {
    view.steps.iter().filter_map(|step| check(view, step, found)).collect()
}

fn check(view: &RunView, step: &StepView, found: &[(StepId, Finding)]) -> Option<Check> {
    let (conclusion, title) = match &step.state {
        State::Skipped(SkipReason::Filtered) => return None,
        State::Skipped(why) => (Conclusion::Skipped, summary::skip_words(why)),
        State::Reused(reused) => {
            let run = &reused.run;
            (
                Conclusion::Success,
                format!("known for this very state since run {run}, {} saved", look::time(reused.saved_ms)),
            )
        }
        State::Done(end) if end.outcome.passed() => {
            (Conclusion::Success, format!("passed in {}", look::time(end.wall_ms)))
        }
        State::Done(end) => {
            let conclusion = match end.outcome {
                _ if end.allowed => Conclusion::Neutral,
                Outcome::TimedOut { .. } => Conclusion::TimedOut,
                _ => Conclusion::Failure,
            };
            (conclusion, end.outcome.to_string())
        }
        State::Cancelled(_) | State::Waiting | State::Running { .. } | State::Retrying { .. } => {
            (Conclusion::Cancelled, "it did not come to its turn".into())
        }
    };
    let mut found: Vec<Finding> =
        found.iter().filter(|(of, _)| *of == step.id).map(|(_, finding)| finding.clone()).collect();
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found.truncate(ANNOTATIONS);
    Some(Check {
        name: step.id.to_string(),
        conclusion,
        summary: format!("{title}.\n\n`{}` runs it alone.", summary::reproduce(step).replace('`', "'")),
        title,
        found,
        times: times(view, step),
    })
}

fn times(view: &RunView, step: &StepView) -> Option<(String, String)> {
    let start: jiff::Timestamp = view.run.as_ref()?.started_at.parse().ok()?;
    let first = step.attempts.first()?.started_ms;
    let last = step.attempts.last()?;
    let ended = last.started_ms + last.finished.as_ref()?.wall_ms;
    let at = |ms: Millis| start.checked_add(jiff::SignedDuration::from_millis(i64::try_from(ms).ok()?)).ok();
    // GitHub takes whole seconds.
    let text = |time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    Some((text(at(first)?), text(at(ended)?)))
}

impl Check {
    /// The body of the request, for a commit.
    pub fn body(&self, head: &str, details: Option<&str>) -> Value {
        let annotation = |finding: &Finding| {
            let level = match finding.severity {
                Severity::Error => "failure",
                Severity::Warning => "warning",
                Severity::Note => "notice",
            };
            let line = finding.line.unwrap_or(1);
            let file = finding.file.as_ref()?;
            Some(json!({
                "path": file.to_string(), "start_line": line, "end_line": line,
                "annotation_level": level, "message": finding.message,
            }))
        };
        let cut = |text: &str| text.chars().take(SUMMARY).collect::<String>();
        let mut body = json!({
            "name": self.name,
            "head_sha": head,
            "status": "completed",
            "conclusion": self.conclusion.word(),
            "output": {
                "title": cut(&self.title),
                "summary": cut(&self.summary),
                "annotations": self.found.iter().filter_map(annotation).collect::<Vec<_>>(),
            },
        });
        if let Some((started, completed)) = &self.times {
            body["started_at"] = started.as_str().into();
            body["completed_at"] = completed.as_str().into();
        }
        if let Some(details) = details {
            body["details_url"] = details.into();
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_says_what_happened_and_no_text_of_a_step_is_more_than_text() {
        let found = Finding {
            file: Some("src/a\"b.rs".into()),
            line: Some(3),
            severity: Severity::Error,
            message: "\",\"conclusion\":\"success".into(),
        };
        let check = Check {
            name: "lint\n::error::x".into(),
            conclusion: Conclusion::Failure,
            title: "exit code 1".into(),
            summary: "x".repeat(100_000),
            found: vec![found],
            times: None,
        };
        let body = check.body("abc", Some("https://example.invalid/run"));
        let again: Value = serde_json::from_str(&body.to_string()).unwrap();
        assert_eq!((&again["conclusion"], &again["name"]), (&"failure".into(), &"lint\n::error::x".into()));
        assert_eq!(again["output"]["annotations"][0]["path"], "src/a\"b.rs");
        assert_eq!(again["output"]["summary"].as_str().unwrap().len(), SUMMARY);
        assert!(again.get("started_at").is_none());
    }

    #[test]
    fn what_was_not_needed_lets_a_change_be_merged_and_what_never_ran_does_not() {
        let lets = [Conclusion::Success, Conclusion::Skipped, Conclusion::Neutral].map(Conclusion::lets_merge);
        let not = [Conclusion::Failure, Conclusion::Cancelled, Conclusion::TimedOut].map(Conclusion::lets_merge);
        assert_eq!((lets, not), ([true; 3], [false; 3]));
    }
}
