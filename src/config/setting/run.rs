//! How wf runs: the settings that flags, environment, project and user files may all set. Pure.

use super::{Draft, about};
use crate::base::Spanned;

use crate::config::key::{Key, Shape, Table};
use crate::config::value::{COUNT_MAX, put};

/// `smart_execution`; the first two are `true` and `false`.
pub const SMART: &[&str] = &["on", "off", "observe"];
/// `fail_fast`
pub const FAIL_FAST: &[&str] = &["finish", "keep-going", "kill"];
/// `skip_policy`
pub const SKIP_POLICY: &[&str] = &["trust-base", "witnessed"];
/// `resume`; the first two are `true` and `false`.
pub const RESUME: &[&str] = &["always", "never", "interrupted"];
/// `strategy`
pub const STRATEGY: &[&str] = &["balanced", "latency", "fail-fast", "cost", "memory"];
/// `optimization_level`
pub const LEVEL: &[&str] = &["balanced", "conservative", "aggressive"];
/// `output`
pub const OUTPUT: &[&str] = &["grouped", "stream", "errors"];

/// Every such setting.
pub static SETTINGS: Table<Draft> = &[
    Key {
        about: about(
            "smart_execution",
            Shape::Switch(SMART),
            "on",
            "smart_execution: observe",
            "Skip the steps that the change cannot affect. `observe` runs everything and records what would have been \
             skipped. `true` and `false` mean `on` and `off`.",
        ),
        set: |d, v, cx| put(&mut d.settings.smart_execution, cx.switch(v, SMART)),
    },
    Key {
        about: about(
            "cache",
            super::cache::SHAPE,
            "on",
            "cache: {max_size: 10GiB}",
            "Take the results of steps from the cache, and put them there. `read` and `write` do one of both, `true` and \
             `false` mean `on` and `off`; a mapping also says where the cache is and how far it may grow.",
        ),
        set: super::cache::decode_into,
    },
    Key {
        about: about(
            "resume",
            Shape::Switch(RESUME),
            "interrupted",
            "resume: never",
            "What passed in the run before, and would run again on the very same key, is not repeated: `interrupted` if \
             that run was interrupted, `always` whatever became of it. `true` and `false` mean `always` and `never`.",
        ),
        set: |d, v, cx| put(&mut d.settings.resume, cx.switch(v, RESUME)),
    },
    Key {
        about: about(
            "optimized",
            Shape::Bool,
            "true",
            "optimized: false",
            "`false` turns `smart_execution`, `cache`, `resume`, `parallel` and `ml_optimize` off, but for those that are \
             set in the same place or in one that wins over it.",
        ),
        set: |d, v, cx| put(&mut d.settings.optimized, cx.boolean(v)),
    },
    Key {
        about: about(
            "ai",
            super::ai::SHAPE,
            "none",
            "ai: {model: some-model, base_url: \"http://127.0.0.1:8000/v1\"}",
            "Whom AI steps ask, how, and what it may cost.",
        ),
        set: super::ai::decode_into,
    },
    Key {
        about: about(
            "ai_cache",
            super::ai_cache::SHAPE,
            "true",
            "ai_cache: {ttl: 7d}",
            "What models answered is not asked again; a mapping says how much is kept and for how long.",
        ),
        set: super::ai_cache::decode_into,
    },
    Key {
        about: about("parallel", Shape::Bool, "true", "parallel: false", "Start independent steps together."),
        set: |d, v, cx| put(&mut d.settings.parallel, cx.boolean(v)),
    },
    Key {
        about: about(
            "multi_stage",
            Shape::Bool,
            "true if there are `stages`",
            "multi_stage: true",
            "Stage after stage, with their triggers; a stage that fails ends the run.",
        ),
        set: |d, v, cx| d.multi_stage = cx.boolean(v).or(d.multi_stage),
    },
    Key {
        about: about(
            "jobs",
            Shape::Int(1, COUNT_MAX),
            "the number of CPUs",
            "jobs: 4",
            "Most steps at once. 1 is sequential.",
        ),
        set: |d, v, cx| d.settings.jobs = cx.whole(v, 1, COUNT_MAX).map(|n| n as u32).or(d.settings.jobs),
    },
    Key {
        about: about(
            "fail_fast",
            Shape::Switch(FAIL_FAST),
            "finish",
            "fail_fast: keep-going",
            "After a final failure: `finish` starts nothing new and lets running steps end, `kill` also stops those, \
             `keep-going` runs every step whose needs passed. `true` and `false` mean `finish` and `keep-going`.",
        ),
        set: |d, v, cx| put(&mut d.settings.fail_fast, cx.switch(v, FAIL_FAST)),
    },
    Key {
        about: about(
            "skip_policy",
            Shape::Words(SKIP_POLICY),
            "trust-base",
            "skip_policy: witnessed",
            "What allows a skip where no result is recorded at the base: `trust-base` trusts a merge base with the \
             default branch, which CI guards; `witnessed` wants a recorded pass.",
        ),
        set: |d, v, cx| put(&mut d.settings.skip_policy, cx.word(v, SKIP_POLICY)),
    },
    Key {
        about: about(
            "max_memory",
            Shape::Size,
            "no limit",
            "max_memory: 8GiB",
            "The pool that `resources.memory` of running steps is taken from. A step that claims more is an error.",
        ),
        set: |d, v, cx| {
            if let Some(bytes) = cx.size(v) {
                (d.settings.max_memory_bytes, d.max_memory_at) = (Some(bytes), Some(v.at));
            }
        },
    },
    Key {
        about: about(
            "step_timeout",
            Shape::Duration,
            "no limit",
            "step_timeout: 30m",
            "The `timeout` of every step that has none of its own.",
        ),
        set: |d, v, cx| {
            if let Some(ms) = cx.duration(v) {
                d.step_timeout = Some(Spanned::new(ms, v.at));
            }
        },
    },
    Key {
        about: about(
            "output",
            Shape::Words(OUTPUT),
            "grouped",
            "output: stream",
            "How step output is shown: `grouped` in one piece when a step ends, `stream` line by line with the step's \
             name, `errors` only that of failed steps.",
        ),
        set: |d, v, cx| put(&mut d.settings.output, cx.word(v, OUTPUT)),
    },
    Key {
        about: about(
            "secrets",
            Shape::Many(&Shape::Text),
            "none",
            "secrets: [DEPLOY_PASSWORD]",
            "Names of variables whose values wf never writes anywhere. `GITHUB_*`, `*_TOKEN` and `*_KEY` are secret \
             without being named. Names from all sources add up.",
        ),
        set: |d, v, cx| {
            for name in cx.many(v, super::command::variable_name).unwrap_or_default() {
                if !d.settings.secrets.contains(&name) {
                    d.settings.secrets.push(name);
                }
            }
        },
    },
    Key {
        about: about(
            "base",
            Shape::Text,
            "the default branch",
            "base: origin/develop",
            "The branch to compare with: a change is what HEAD and the working tree have that their merge base with \
             it has not.",
        ),
        set: |d, v, cx| d.base = cx.text(v).map(|text| text.value).or(d.base.take()),
    },
    Key {
        about: about(
            "ml_optimize",
            Shape::Bool,
            "true",
            "ml_optimize: false",
            "Predict from recorded runs how long steps take and how likely they are to fail, tell when the run will be over, \
             and start steps in the order of `strategy`. `false`: nothing is predicted, and what has the longest chain of \
             steps behind it starts first.",
        ),
        set: |d, v, cx| put(&mut d.settings.ml_optimize, cx.boolean(v)),
    },
    Key {
        about: about(
            "strategy",
            Shape::Words(STRATEGY),
            "balanced",
            "strategy: fail-fast",
            "What the order of steps is good at. `latency`: the run is over as soon as possible. `fail-fast`: the first \
             failure comes as soon as possible, as far as a green run is expected to take at most 1 % longer. `balanced`: the \
             same for at most 0.2 %. `cost`: least work is done before the first failure, whatever that does to a green run. \
             `memory`: `latency`, and what steps used of memory before counts as their claim on `max_memory`, which then is all memory unless it is set.",
        ),
        set: |d, v, cx| put(&mut d.settings.strategy, cx.word(v, STRATEGY)),
    },
    Key {
        about: about(
            "optimization_level",
            Shape::Words(LEVEL),
            "balanced",
            "optimization_level: conservative",
            "How far `strategy` may go: `conservative` lets no green run take longer, `aggressive` five times as much longer.",
        ),
        set: |d, v, cx| put(&mut d.settings.optimization_level, cx.word(v, LEVEL)),
    },
    Key {
        about: about("auto", Shape::Bool, "false", "auto: true", "Never ask; manual stages do not run."),
        set: |d, v, cx| put(&mut d.settings.auto, cx.boolean(v)),
    },
    Key {
        about: about(
            "strict",
            Shape::Bool,
            "false",
            "strict: true",
            "Every fallback (no base, unreadable history, …) is a failure instead of a warning.",
        ),
        set: |d, v, cx| put(&mut d.settings.strict, cx.boolean(v)),
    },
];
