//! AI steps as the rest of wf sees them: which service, what is asked, what it may cost. Pure.

use super::Eviction;
use crate::base::{GlobSet, Millis, RepoPath, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `ai`: what all AI steps share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiSettings {
    /// Whom to ask, unless a step says otherwise.
    pub service: AiService,
    /// Live, from the cache, from a recording, or not at all.
    pub mode: AiMode,
    /// A folder of the project whose personas and prompts win over the built-in ones.
    pub templates: Option<RepoPath>,
    /// How asking is done.
    pub manners: AiManners,
    /// What all AI steps of a run may cost together.
    pub budget: Budget,
    /// Prices by model: the longest name that the model's name begins with counts.
    pub prices: BTreeMap<String, Price>,
}

/// Whom to ask, and with which parameters. All of it is in the key of each answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiService {
    /// Which dialect it speaks.
    pub provider: Provider,
    /// Where it is; none is the provider's own address.
    pub base_url: Option<String>,
    /// The model's name.
    pub model: Option<String>,
    /// The variable that holds the key; never the key.
    pub api_key_env: Option<String>,
    /// For `command`: the program and its arguments.
    pub command: Vec<String>,
    /// The most tokens of an answer.
    pub max_tokens: Option<u32>,
    /// In thousandths, up to 2,000.
    pub temperature_milli: Option<u32>,
    /// A name for the account: answers of one are not given to another.
    pub account: Option<String>,
}

/// `provider`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Chat completions, as OpenAI and most other servers speak it.
    #[default]
    Openai,
    /// Messages, as Anthropic speaks it.
    Anthropic,
    /// A program: the prompt on its standard input, the answer on its standard output.
    Command,
}

impl Provider {
    /// The variable that usually holds its key.
    pub fn usual_key(self) -> Option<&'static str> {
        match self {
            Self::Openai => Some("OPENAI_API_KEY"),
            Self::Anthropic => Some("ANTHROPIC_API_KEY"),
            Self::Command => None,
        }
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Command => "command",
        }
    }
}

/// `ai.mode` and `--ai`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AiMode {
    /// What was answered before is not asked again.
    #[default]
    Cache,
    /// Everything is asked; answers are kept.
    Live,
    /// As [`Self::Cache`], and every answer is written into `ai.lock`.
    Record,
    /// Only what `ai.lock` has; anything else is a failure.
    Replay,
    /// AI steps are left out.
    Off,
}

impl AiMode {
    /// Does what was answered before serve?
    pub fn reads(self) -> bool {
        matches!(self, Self::Cache | Self::Record)
    }
}

/// How asking is done; no part of any key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiManners {
    /// Requests of one step that are sent together.
    pub batch_size: u32,
    /// Longest wait for a connection.
    pub connect_timeout_ms: Millis,
    /// Longest silence of a server.
    pub read_timeout_ms: Millis,
    /// How often a request is sent again.
    pub retries: u32,
    /// Most requests in a minute, over all steps; none: no limit.
    pub requests_per_minute: Option<u32>,
    /// Most tokens in a minute, over all steps; none: no limit.
    pub tokens_per_minute: Option<u64>,
}

impl Default for AiManners {
    fn default() -> Self {
        Self {
            batch_size: 4,
            connect_timeout_ms: 10_000,
            read_timeout_ms: 120_000,
            retries: 4,
            requests_per_minute: None,
            tokens_per_minute: None,
        }
    }
}

/// `ai_cache`: what models answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiCacheSettings {
    /// Is it used at all?
    pub enabled: bool,
    /// How long an answer is good.
    pub ttl_ms: Millis,
    /// Most bytes.
    pub size_bytes: u64,
    /// Most answers.
    pub entries: u64,
    /// Which answers go first.
    pub policy: Eviction,
}

impl Default for AiCacheSettings {
    fn default() -> Self {
        Self { enabled: true, ttl_ms: 24 * 3_600_000, size_bytes: 256 << 20, entries: 10_000, policy: Eviction::Lru }
    }
}

/// What may be spent. None: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Requests that are sent; what the cache answers is free.
    pub calls: Option<u64>,
    /// Tokens, of requests and answers together.
    pub tokens: Option<u64>,
    /// Millionths of a US dollar.
    pub micro_usd: Option<u64>,
}

/// What a model charges: millionths of a US dollar for a million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Tokens of the request.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
}

/// `ai` of a step, with what it takes over from the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AiTask {
    /// Whom to ask.
    pub service: AiService,
    /// Who answers: a template's name.
    pub persona: Option<String>,
    /// What is asked: a template's name, or the text itself.
    pub prompt: Option<String>,
    /// Which files it is about.
    pub files: AiFiles,
    /// Each file is a request of its own.
    pub each: bool,
    /// From which severity on findings fail the step.
    pub fail_on: Option<Severity>,
    /// Where the answer is written.
    pub output: Option<RepoPath>,
    /// A service that cannot be had fails the step; else it is a warning.
    pub required: bool,
    /// The folder of the project's own templates.
    pub templates: Option<RepoPath>,
    /// How long answers are good. None: as the cache says.
    #[serde(skip)]
    pub ttl_ms: Option<Millis>,
    /// What the step may cost.
    #[serde(skip)]
    pub budget: Budget,
    /// Where it is written.
    #[serde(skip)]
    pub at: Span,
}

/// `files` of an AI step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AiFiles {
    /// None.
    #[default]
    None,
    /// Those that the change touched, among what the step watches.
    Changed,
    /// Those that patterns match.
    Globs(GlobSet),
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Should be looked at.
    Warning,
    /// Must be mended.
    Error,
}

impl Severity {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}
