//! Events for the tests of this module.

use crate::base::RunId;
use crate::event::{EventKind, FORMAT, RunStarted, SEMANTICS};

/// A run of everything on a clean tree at commit `c`.
pub(super) fn head() -> RunStarted {
    RunStarted {
        format: FORMAT,
        semantics: SEMANTICS,
        run: RunId("r".into()),
        started_at: "2026-01-01T00:00:00Z".into(),
        version: "0".into(),
        pid: 1,
        root: "/".into(),
        commit: Some("c".into()),
        clean: true,
        branch: None,
        smart: "on".into(),
        parallel: true,
        multi_stage: false,
        ml_optimize: false,
        jobs: 2,
        filtered: false,
        witnesses: true,
    }
}

/// Its first event.
pub(super) fn started() -> EventKind {
    EventKind::RunStarted(Box::new(head()))
}
