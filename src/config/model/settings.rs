//! How wf runs, as the rest of wf sees it. Pure.

use crate::base::Millis;
use serde::{Deserialize, Serialize};

/// How wf runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Skip what the change cannot affect.
    pub smart_execution: Smart,
    /// Start independent steps together.
    pub parallel: bool,
    /// Stage barriers, early exit and triggers. Default: when stages exist.
    pub multi_stage: bool,
    /// Predict how long steps take and how likely they are to fail, and start them in the order of `strategy`.
    pub ml_optimize: bool,
    /// What the order of steps is to be good at.
    pub strategy: Strategy,
    /// How far the strategy may go.
    pub optimization_level: Level,
    /// False: smart execution, caching, resuming, parallelism and prediction are off, but for what was said after it.
    pub optimized: bool,
    /// Whether results are taken from the cache, and put into it.
    pub cache: CacheMode,
    /// Where the cache is, relative to the root. None: in the state folder.
    pub cache_dir: Option<String>,
    /// How far the cache may grow.
    pub cache_limits: CacheLimits,
    /// Whom AI steps ask, how, and what it may cost.
    pub ai: super::AiSettings,
    /// What models answered.
    pub ai_cache: super::AiCacheSettings,
    /// What an earlier run proved of the very same keys serves this one.
    pub resume: Resume,
    /// Most steps at once. None: the number of CPUs.
    pub jobs: Option<u32>,
    /// What a failure does to the rest.
    pub fail_fast: FailFast,
    /// What allows a skip where nothing is recorded.
    pub skip_policy: SkipPolicy,
    /// The pool for `resources.memory`. None: no limit.
    pub max_memory_bytes: Option<u64>,
    /// How step output is shown.
    pub output: OutputMode,
    /// Names of variables whose values must never be written anywhere.
    pub secrets: Vec<String>,
    /// No question is asked, manual stages do not run.
    pub auto: bool,
    /// Every fallback is a failure.
    pub strict: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            smart_execution: Smart::On,
            parallel: true,
            multi_stage: false,
            ml_optimize: true,
            strategy: Strategy::default(),
            optimization_level: Level::default(),
            optimized: true,
            cache: CacheMode::ON,
            cache_dir: None,
            cache_limits: CacheLimits::default(),
            ai: super::AiSettings::default(),
            ai_cache: super::AiCacheSettings::default(),
            resume: Resume::Interrupted,
            jobs: None,
            fail_fast: FailFast::Finish,
            skip_policy: SkipPolicy::TrustBase,
            max_memory_bytes: None,
            output: OutputMode::Grouped,
            secrets: vec![],
            auto: false,
            strict: false,
        }
    }
}

/// `strategy`: what the order of steps is to be good at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Over as soon as possible.
    Latency,
    /// The first failure as soon as possible, as far as a green run takes hardly longer.
    FailFast,
    /// Least work done before the first failure, whatever that does to a green run.
    Cost,
    /// As [`Self::Latency`], and what steps used of memory before counts as their claim.
    Memory,
    /// Over as soon as possible, and what is likely to fail first wherever that costs nothing.
    #[default]
    Balanced,
}

/// `optimization_level`: how far the strategy may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// No green run is expected to take longer.
    Conservative,
    /// Hardly longer.
    #[default]
    Balanced,
    /// Five times as far.
    Aggressive,
}

/// `cache.read` and `cache.write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CacheMode {
    /// Results may be taken from it.
    pub read: bool,
    /// Results may be put into it.
    pub write: bool,
}

impl CacheMode {
    /// Both.
    pub const ON: Self = Self { read: true, write: true };
    /// Neither: no cache at all.
    pub const OFF: Self = Self { read: false, write: false };

    /// Is there any use for a cache?
    pub fn is_on(self) -> bool {
        self.read || self.write
    }
}

/// How far the cache may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CacheLimits {
    /// Most bytes.
    pub size_bytes: u64,
    /// Oldest entry. None: age is no reason to go.
    pub age_ms: Option<Millis>,
    /// Most entries.
    pub entries: u64,
    /// Which entries go first.
    pub policy: Eviction,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { size_bytes: 4 << 30, age_ms: Some(30 * 86_400_000), entries: 100_000, policy: Eviction::Lru }
    }
}

/// `cache.policy`: which entries go first when a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Eviction {
    /// The longest unused.
    Lru,
    /// The least often used.
    Lfu,
    /// The oldest.
    Fifo,
    /// The least seconds saved, by the chance that it is used again, per byte.
    Value,
}

/// `resume`: when do verdicts of the run before serve this one?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resume {
    /// When there is one.
    Always,
    /// Not at all.
    Never,
    /// When it was interrupted.
    Interrupted,
}

/// `smart_execution`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Smart {
    /// Skip what is proven unaffected.
    On,
    /// Run everything.
    Off,
    /// Run everything, and record what would have been skipped.
    Observe,
}

/// `fail_fast`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailFast {
    /// Start nothing new; let running steps finish.
    Finish,
    /// Start nothing new; stop running steps gently.
    Kill,
    /// Run every step whose needs passed.
    KeepGoing,
}

/// `skip_policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipPolicy {
    /// The merge base with the default branch is guarded by CI and trusted, unless it is known to have failed.
    TrustBase,
    /// Only a recorded pass allows a skip.
    Witnessed,
}

/// `output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputMode {
    /// A step's output in one piece when it ends.
    Grouped,
    /// Lines as they come, each with its step's name.
    Stream,
    /// Only the output of failed steps.
    Errors,
}
