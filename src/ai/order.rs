//! What an AI step's process is told: everything it needs, so that it reads no configuration.

use super::cache::{AiCache, Scope};
use crate::base::{Millis, RepoPath};
use crate::cache::CachePlace;
use crate::config::model::{
    AiCacheSettings, AiFiles, AiManners, AiMode, AiService, AiTask, Budget, Price, Settings, Severity,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The hidden subcommand that carries an order out; the order itself is its argument, as JSON. It holds no secret.
pub const COMMAND: &str = "__ai";

/// The hidden subcommand that runs a step's own command behind the proxy.
pub const BEHIND: &str = "__behind";

/// A command that asks through the proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// The step's id.
    pub step: String,
    /// Its command.
    pub argv: Vec<String>,
    /// What all steps share.
    pub shared: Shared,
}

/// One AI step's work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The step's id, or `ai run`.
    pub step: String,
    /// Whom to ask.
    pub service: AiService,
    /// Who answers.
    pub persona: Option<String>,
    /// What is asked.
    pub prompt: Option<String>,
    /// About which files.
    pub files: Files,
    /// One request for each file.
    pub each: bool,
    /// From which severity on findings fail it.
    pub fail_on: Option<Severity>,
    /// Where the answer is written, from the root.
    pub output: Option<RepoPath>,
    /// The project's own templates, from the root.
    pub templates: Option<RepoPath>,
    /// How long answers are good.
    pub ttl_ms: Option<Millis>,
    /// The step's labels, which its answers have too.
    pub tags: Vec<String>,
    /// What it may cost.
    pub budget: Budget,
    /// What all steps share.
    pub shared: Shared,
}

/// What all AI steps of a run share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// The repository's root.
    pub root: PathBuf,
    /// wf's state folder.
    pub state: PathBuf,
    /// The run's id: what steps of one run spend is counted together.
    pub run: String,
    /// The project's kind, if it is known.
    pub project: Option<String>,
    /// What the change is measured against.
    pub base: Option<String>,
    /// Whom to ask.
    pub service: AiService,
    /// Live, cache, replay.
    pub mode: AiMode,
    /// How asking is done.
    pub manners: AiManners,
    /// What all of them may cost.
    pub budget: Budget,
    /// Prices by model.
    pub prices: BTreeMap<String, Price>,
    /// What was answered before.
    pub cache: AiCacheSettings,
    /// Who reads and writes that.
    pub scope: Scope,
    /// Where results of steps are, if those of this run may have been used again: a prompt may want what such a step printed.
    pub results: Option<CachePlace>,
    /// The steps that ask: of what they printed, a prompt gets the answer alone.
    #[serde(default)]
    pub asking: Vec<String>,
    /// Of each request that is sent, say what differed from the nearest one whose answer is known.
    #[serde(default)]
    pub why: bool,
    /// The names of variables whose values are secret, besides those that are called so.
    pub secrets: Vec<String>,
    /// Variables that are in the environment to be recognised in what is sent, and for nothing else: no program gets them.
    pub hidden: Vec<String>,
}

/// About which files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Files {
    /// None.
    None,
    /// Those of a list that wf wrote, NUL between paths.
    Listed(PathBuf),
    /// Those of the working tree that patterns match.
    Matching {
        /// The patterns.
        patterns: Vec<String>,
        /// The folder that `./x` is relative to.
        dir: RepoPath,
    },
    /// These.
    Named(Vec<RepoPath>),
}

impl Order {
    /// The work of a step; `changed` is the list of changed files that it is given.
    pub fn of(step: &str, task: &AiTask, shared: Shared, changed: Option<PathBuf>) -> Self {
        let files = match &task.files {
            AiFiles::None => Files::None,
            AiFiles::Changed => changed.map_or_else(everything, Files::Listed),
            AiFiles::Globs(set) => {
                Files::Matching { patterns: set.texts().map(str::to_owned).collect(), dir: set.dir().clone() }
            }
        };
        Self {
            step: step.to_owned(),
            service: task.service.clone(),
            persona: task.persona.clone(),
            prompt: task.prompt.clone(),
            files,
            each: task.each,
            fail_on: task.fail_on,
            output: task.output.clone(),
            templates: task.templates.clone(),
            ttl_ms: task.ttl_ms,
            tags: vec![],
            budget: task.budget,
            shared,
        }
    }
}

/// Without a base every file counts as changed, as everywhere in wf.
fn everything() -> Files {
    Files::Matching { patterns: vec!["**".into()], dir: RepoPath::root() }
}

impl Shared {
    /// The folder of the cache of answers.
    pub fn cache_dir(&self) -> PathBuf {
        self.state.join("ai_cache")
    }

    /// The cache of answers.
    pub fn open_cache(&self) -> AiCache {
        AiCache::open(&self.cache_dir(), self.cache.clone(), self.scope.clone())
    }

    /// From the settings.
    pub fn new(root: PathBuf, state: PathBuf, run: String, base: Option<String>, settings: &Settings) -> Self {
        let ai = &settings.ai;
        Self {
            root,
            state,
            run,
            project: None,
            base,
            service: ai.service.clone(),
            mode: ai.mode,
            manners: ai.manners.clone(),
            budget: ai.budget,
            prices: ai.prices.clone(),
            cache: settings.ai_cache.clone(),
            scope: Scope::default(),
            results: None,
            asking: vec![],
            why: false,
            secrets: settings.secrets.clone(),
            hidden: vec![],
        }
    }
}
