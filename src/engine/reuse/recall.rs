//! What the cache's index lost of how steps ended is read again from the recorded runs.

use crate::base::RunId;
use crate::cache::Actions;
use crate::engine::fallback;
use crate::event::{EventKind, FallbackCode, WarningCode};
use crate::history::{self, StateDir, Told};
use std::collections::BTreeSet;

/// Gives an index the verdicts back that it lost, as far as runs that are recorded still tell of them, so that a key that
/// failed, or both passed and failed, serves nobody as before. `keep`: may anything be written? What was done is told.
pub fn recall(actions: &mut Actions, state: &StateDir, keep: bool) -> Vec<EventKind> {
    let Told { verdicts: told, runs, problems } = history::verdicts(state);
    // Nothing was recorded, so nothing was lost: the first run of all.
    if runs == 0 {
        return vec![];
    }
    let unreadable = |problem| fallback(FallbackCode::HistoryUnreadable, problem, None);
    let mut notes: Vec<EventKind> = problems.iter().map(unreadable).collect();
    let runs = told.iter().map(|verdict| &verdict.run).collect::<BTreeSet<&RunId>>().len();
    match actions.recall(told, keep) {
        Ok(0) => {}
        Ok(count) => {
            let verdicts = if count == 1 { "1 verdict".to_owned() } else { format!("{count} verdicts") };
            let of = if runs == 1 { "a recorded run".to_owned() } else { format!("{runs} recorded runs") };
            let message = format!("the cache had lost how steps ended; {verdicts} came back from {of}");
            notes.push(EventKind::Warning { code: WarningCode::VerdictsRebuilt, step: None, message });
        }
        Err(error) => {
            let message = format!("how steps ended cannot be recorded again: {error}");
            notes.push(fallback(FallbackCode::CacheUnwritable, &message, None));
        }
    }
    notes
}
