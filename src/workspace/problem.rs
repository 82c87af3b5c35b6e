//! What can be wrong with a `for_each`, and what is only worth saying. Pure.

use crate::base::{RepoPath, Span, StepId};

/// Why a workflow does not expand, and where in the configuration that is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpandError {
    /// The place in the configuration.
    pub at: Span,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

/// Not wrong, but people should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// `for_each` has no instance.
    #[error("no folder matches `for_each` of step `{step}`: it has no instances")]
    NoFolders {
        /// The step.
        step: StepId,
        /// Where the step is written.
        at: Span,
    },
    /// A part of a `for_each` names no folder, though other parts do: a folder that was renamed takes its steps along.
    #[error("no folder matches `{pattern}`, which `for_each` of {} names: nothing runs for it", names(.steps))]
    NoFolder {
        /// What is written.
        pattern: String,
        /// The steps.
        steps: Vec<StepId>,
    },
    /// Nobody knows what these folders depend on, so their instances watch everything.
    #[error(
        "`{folder}`{more} is a {kind}, and wf does not read what those depend on: instances of {} there \
         watch every file; declare `inputs`, or the edges under `workspace: {{depends: …}}`",
        names(.steps),
        more = if *.others == 0 { String::new() } else { format!(" (and {others} more)") }
    )]
    WatchesEverything {
        /// The steps.
        steps: Vec<StepId>,
        /// The first such folder.
        folder: RepoPath,
        /// How many more there are.
        others: usize,
        /// What it is: `Gradle project`, `piece of a larger Go module`.
        kind: &'static str,
    },
    /// A manifest inside an instance, but not at its top, is not readable: it may be a test's fixture.
    #[error("{path} was not read: {message}")]
    NotRead {
        /// The manifest.
        path: RepoPath,
        /// What is wrong with it.
        message: String,
    },
}

fn names(steps: &[StepId]) -> String {
    steps.iter().map(|step| format!("`{step}`")).collect::<Vec<_>>().join(", ")
}
