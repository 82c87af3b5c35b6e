//! Finding recorded runs without reading any configuration: a broken one must not hide what happened.

use super::{Context, Failure};
use crate::git::Repo;
use crate::history::{self, ChosenBy, LogError, ResolveError, RunRef, StateDir};

/// The state folder for looking.
pub fn state(cx: &Context) -> Result<StateDir, Failure> {
    let (place, by) = if let Some(dir) = cx.env.get("WF_STATE_DIR") {
        (cx.cwd.join(dir), ChosenBy::Person)
    } else if let Ok(repo) = Repo::discover(&cx.cwd) {
        (repo.main_root().join(".wf"), ChosenBy::Default)
    } else {
        // Outside of git the folder lies beside the configuration.
        let folder = cx.cwd.ancestors().find(|folder| folder.join(".wf").is_dir()).unwrap_or(&cx.cwd);
        (folder.join(".wf"), ChosenBy::Default)
    };
    StateDir::open_read_only(&place, by).map_err(|error| {
        let hint = error.hint();
        Failure::environment(error).hint(hint)
    })
}

/// The run that a person means: `latest`, an id, or the start of one.
pub fn run(cx: &Context, text: &str) -> Result<RunRef, Failure> {
    history::resolve_run(&state(cx)?, text).map_err(|error| {
        let hint = error.hint();
        let failure = match error {
            ResolveError::Unreadable { .. } => Failure::environment(error),
            _ => Failure::usage(error),
        };
        failure.hint(hint)
    })
}

/// A log that cannot be read.
pub fn unreadable(error: LogError) -> Failure {
    let hint = error.hint();
    Failure::environment(error).hint(hint)
}
