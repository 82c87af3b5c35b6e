//! What a step prints, and how it ends.

use super::Answered;
use crate::ai::asking::Tally;
use crate::ai::order::Order;
use crate::ai::problem::{Kind, Problem};
use crate::ai::prompt::Wants;
use crate::ask::{Finding, money};
use crate::base::RepoPath;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

/// What came of an order.
#[derive(Debug, Default)]
pub struct Report {
    /// By file and line.
    pub findings: Vec<Finding>,
    /// Answers in text, in the order of the files.
    pub texts: Vec<(Option<String>, String)>,
    /// What went wrong.
    pub problems: Vec<Problem>,
    /// Files that were left out, with the reason.
    pub skipped: Vec<(RepoPath, String)>,
    /// How many answers are there.
    pub answers: usize,
    /// Why nothing was asked, if there was nothing to ask about.
    pub nothing: Option<&'static str>,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All was answered, and nothing is bad enough to fail.
    Passed,
    /// Findings fail it.
    Found,
    /// Somebody did not answer.
    Unanswered,
    /// A signal ended it.
    Interrupted,
}

/// The exit code that says: nobody answered. 75 is `EX_TEMPFAIL` of sysexits.h.
pub const UNANSWERED: u8 = 75;

impl Report {
    pub(super) fn add(&mut self, answered: Answered, wants: Wants) {
        let Answered { file, text, findings } = answered;
        self.answers += 1;
        self.findings.extend(findings);
        if wants == Wants::Text {
            self.texts.push((file, text));
        }
    }

    /// Puts findings in their order, each once. Nothing is added after that.
    pub fn sort(&mut self) {
        self.findings.sort();
        self.findings.dedup();
    }

    /// How the step ends.
    pub fn ended(&self, order: &Order) -> Ended {
        let fails = |finding: &&Finding| order.fail_on.is_some_and(|least| finding.severity >= least);
        if self.problems.iter().any(|problem| problem.kind == Kind::Interrupted) {
            Ended::Interrupted
        } else if self.findings.iter().any(|finding| fails(&finding)) {
            Ended::Found
        } else if self.problems.is_empty() {
            Ended::Passed
        } else {
            Ended::Unanswered
        }
    }

    /// The answer, without what wf says about it.
    pub fn answer(&self) -> String {
        let mut text = String::new();
        for (file, answer) in &self.texts {
            if let Some(file) = file {
                let _ = writeln!(text, "## {file}\n");
            }
            let _ = writeln!(text, "{}\n", printable(answer.trim()));
        }
        for finding in &self.findings {
            let _ = writeln!(text, "{finding}");
        }
        text
    }

    /// What wf says about it.
    pub fn words(&self, tally: &Tally) -> String {
        let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let mut text = String::new();
        for (path, reason) in &self.skipped {
            let _ = writeln!(text, "left out {path}: {reason}");
        }
        if let Some(why) = self.nothing {
            let _ = writeln!(text, "{why}");
        }
        let money = of(&tally.micro_usd);
        let money = if money > 0 { format!(", {}", money::dollars(money)) } else { String::new() };
        let (known, asked) = (of(&tally.known), of(&tally.asked));
        let _ = writeln!(text, "{known} known, {asked} asked, {} tokens{money}", of(&tally.tokens));
        if of(&tally.redacted) > 0 {
            let _ = writeln!(text, "{} texts looked like secrets and were not sent", of(&tally.redacted));
        }
        for problem in &self.problems {
            let _ = writeln!(text, "error: {problem}");
        }
        let hints: std::collections::BTreeSet<&str> = self.problems.iter().map(|problem| problem.kind.hint()).collect();
        for hint in hints {
            let _ = writeln!(text, "hint: {hint}");
        }
        text
    }
}

/// Without control characters, which could lead a terminal, and characters that turn the direction of a text, which make it
/// look like another one.
fn printable(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    shown.map(|c| if crate::report::clean::turns(c) { '\u{fffd}' } else { c }).collect()
}
