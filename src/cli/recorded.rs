//! Finding recorded runs without reading any configuration: a broken one must not hide what happened.

use super::{Context, Failure};
use crate::history::{self, LogError, ResolveError, RunRef, StateDir};

/// The state folder for looking.
pub fn state(cx: &Context) -> Result<StateDir, Failure> {
    let (place, by) = cx.state_place_here()?;
    Ok(StateDir::open_read_only(&place, by)?)
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
