//! The ancestor's spellings of settings. Pure.

use super::{Draft, about, spelling};
use crate::base::Spanned;
use crate::config::key::{About, Key, Shape, Table, abouts, decode};
use crate::config::value::{COUNT_MAX, put};

/// `optimizations`
pub static OPTIMIZATIONS: Table<Draft> = &[
    Key {
        about: spelling(
            "smart_execution",
            about(
                "smart_execution",
                Shape::Switch(super::run::SMART),
                "on",
                "smart_execution: true",
                "`smart_execution`",
            ),
        ),
        set: |d, v, cx| put(&mut d.settings.smart_execution, cx.switch(v, super::run::SMART)),
    },
    Key {
        about: spelling(
            "parallel",
            about("parallel_execution", Shape::Bool, "true", "parallel_execution: true", "`parallel`"),
        ),
        set: |d, v, cx| put(&mut d.settings.parallel, cx.boolean(v)),
    },
    Key {
        about: spelling(
            "multi_stage",
            about("multi_stage", Shape::Bool, "true if there are `stages`", "multi_stage: true", "`multi_stage`"),
        ),
        set: |d, v, cx| d.multi_stage = cx.boolean(v).or(d.multi_stage),
    },
    Key {
        about: spelling("ml_optimize", about("ml_optimize", Shape::Bool, "true", "ml_optimize: true", "`ml_optimize`")),
        set: |d, v, cx| put(&mut d.settings.ml_optimize, cx.boolean(v)),
    },
    Key {
        about: about(
            "ai_cache",
            super::ai_cache::SHAPE,
            "true",
            "ai_cache: true",
            "What models answered is not asked again, as `ai_cache` at the top says it.",
        ),
        set: super::ai_cache::decode_into,
    },
    Key {
        about: about(
            "performance",
            PERFORMANCE_SHAPE,
            "none",
            "performance: {max_parallel_jobs: 4}",
            "Limits; see below.",
        ),
        set: |d, v, cx| decode(cx, v, &[PERFORMANCE], "`performance`", d),
    },
];

/// `optimizations.performance`
pub static PERFORMANCE: Table<Draft> = &[
    Key {
        about: spelling(
            "jobs",
            about(
                "max_parallel_jobs",
                Shape::Int(1, COUNT_MAX),
                "the number of CPUs",
                "max_parallel_jobs: 4",
                "`jobs`",
            ),
        ),
        set: |d, v, cx| d.settings.jobs = cx.whole(v, 1, COUNT_MAX).map(|n| n as u32).or(d.settings.jobs),
    },
    Key {
        about: spelling(
            "step_timeout",
            about(
                "step_timeout_minutes",
                Shape::Int(1, COUNT_MAX),
                "no limit",
                "step_timeout_minutes: 30",
                "`step_timeout`, in minutes",
            ),
        ),
        set: |d, v, cx| {
            if let Some(minutes) = cx.whole(v, 1, COUNT_MAX) {
                d.step_timeout = Some(Spanned::new(minutes * 60_000, v.at));
            }
        },
    },
    Key {
        about: spelling(
            "max_memory",
            about("max_memory_mb", Shape::Int(1, 1 << 30), "no limit", "max_memory_mb: 4096", "`max_memory`, in MiB"),
        ),
        set: |d, v, cx| {
            if let Some(mib) = cx.whole(v, 1, 1 << 30) {
                (d.settings.max_memory_bytes, d.max_memory_at) = (Some(mib << 20), Some(v.at));
            }
        },
    },
];

/// The shape of [`OPTIMIZATIONS`].
pub const SHAPE: Shape = Shape::Object("optimizations", keys, &[]);
/// The shape of [`PERFORMANCE`].
pub const PERFORMANCE_SHAPE: Shape = Shape::Object("performance", performance_keys, &[]);

fn keys() -> Vec<&'static About> {
    abouts(OPTIMIZATIONS)
}

fn performance_keys() -> Vec<&'static About> {
    abouts(PERFORMANCE)
}
