//! The one shape of an error that reaches people, and the one table of exit codes.

use std::error::Error;
use std::process::ExitCode;

/// wf's exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything that ran passed.
    Passed,
    /// 1: a step failed.
    StepFailed,
    /// 2: wrong usage or configuration; nothing was touched.
    Usage,
    /// 3: git, disk or network; also `--strict` failures.
    Environment,
    /// Of a command that wf only stands behind: as that ended.
    OfCommand(u8),
    /// 75: a model was asked and nobody answered (`wf ai run`).
    Unanswered,
    /// 70: a bug in wf.
    Internal,
    /// 130: interrupted by SIGINT; 143 by SIGTERM.
    Interrupted,
    /// 143: terminated.
    Terminated,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::StepFailed => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::OfCommand(code) => code,
            Self::Unanswered => crate::ai::step::UNANSWERED,
            Self::Internal => 70,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whoever typed the command or wrote the configuration.
    Usage,
    /// The same, with every error already drawn at its place.
    Config,
    /// Whoever keeps the machine.
    Environment,
    /// Us.
    Internal,
    /// Nobody: the reader of our output went away. Ends quietly.
    BrokenPipe,
}

/// What went wrong, and what to do next.
#[derive(Debug)]
pub struct Failure {
    /// Who can mend it.
    pub kind: Kind,
    /// What happened; its sources are printed as `caused by:`.
    pub error: Box<dyn Error + Send + Sync>,
    /// What to do next, one line each.
    pub hints: Vec<String>,
}

impl Failure {
    /// Wrong usage or configuration (exit 2).
    pub fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: Kind::Usage, error: error.into(), hints: vec![] }
    }

    /// The machine refuses (exit 3).
    pub fn environment(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: Kind::Environment, error: error.into(), hints: vec![] }
    }

    /// Adds a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code it leads to.
    pub fn exit(&self) -> Exit {
        match self.kind {
            Kind::Usage | Kind::Config => Exit::Usage,
            Kind::Environment => Exit::Environment,
            Kind::Internal => Exit::Internal,
            Kind::BrokenPipe => Exit::Passed,
        }
    }
}
