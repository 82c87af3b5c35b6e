//! The tables, and the version that says which they are. Does not know: files, what is put in.
//!
//! Ids of runs are UUIDs of version 7, so that ordering by them is ordering by time. Numbers are integers: milliseconds
//! where a name ends in `_ms`, bytes where it says so; flags are 0 or 1. What nobody knows is NULL.

/// Raised with every change of [`TABLES`]. It stands in the file's `user_version`.
pub(super) const VERSION: i64 = 2;
/// Says so; it takes no parameters.
pub(super) const SET_VERSION: &str = "PRAGMA user_version = 2";

/// Everything that is created, one statement each. A file that holds anything else is not wf's.
pub(super) const TABLES: &[&str] = &[
    "CREATE TABLE runs (
        id TEXT NOT NULL PRIMARY KEY,
        started_at TEXT NOT NULL,
        semantics INTEGER NOT NULL,
        commit_id TEXT,
        branch TEXT,
        clean INTEGER NOT NULL,
        whole INTEGER NOT NULL,
        witnesses INTEGER NOT NULL,
        place TEXT NOT NULL,
        status TEXT,
        wall_ms INTEGER NOT NULL,
        ran INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        skipped INTEGER NOT NULL,
        trusted INTEGER NOT NULL,
        cancelled INTEGER NOT NULL,
        reused INTEGER NOT NULL,
        saved_ms INTEGER NOT NULL,
        circumstances TEXT
    ) STRICT",
    // `at` counts a run's attempts in the order in which they ended. `outcome` is what the log says. `verdict` is 1 or
    // 0 if the attempt says something of its step: the last one, ended by itself, and if it passed, of a run that ended
    // too. `predicted_ms` is NULL if the log does not say it. `definition` is the digest of what the step was by then.
    "CREATE TABLE attempts (
        run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
        at INTEGER NOT NULL,
        step TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        last INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        verdict INTEGER,
        flaky INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        wall_ms INTEGER NOT NULL,
        cpu_ms INTEGER NOT NULL,
        memory_bytes INTEGER NOT NULL,
        disk_bytes INTEGER NOT NULL,
        key TEXT,
        predicted_ms INTEGER,
        definition TEXT NOT NULL,
        PRIMARY KEY (run, at)
    ) STRICT, WITHOUT ROWID",
    // Holds all that costs and durations are made of: without it each row is looked up, which takes five times as long.
    "CREATE INDEX attempts_by_step ON attempts (step, run, at, verdict, wall_ms, cpu_ms, last, flaky, outcome, attempt)",
    "CREATE INDEX attempts_by_key ON attempts (key, step, verdict, flaky)
        WHERE key IS NOT NULL AND verdict IS NOT NULL",
    // Results that were known: what did not run, and how long it took when it did.
    "CREATE TABLE hits (
        run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
        step TEXT NOT NULL,
        saved_ms INTEGER NOT NULL,
        PRIMARY KEY (run, step)
    ) STRICT, WITHOUT ROWID",
    "CREATE INDEX hits_by_step ON hits (step, run, saved_ms)",
    // What somebody found strange about a run. Judged from the other tables, and forgotten with them.
    "CREATE TABLE anomalies (
        run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
        step TEXT,
        kind TEXT NOT NULL,
        message TEXT NOT NULL
    ) STRICT",
    "CREATE INDEX anomalies_by_run ON anomalies (run)",
];
