//! `ai`: for all AI steps, and of one step. Pure.

use super::step::StepDraft;
use super::{Draft, about};
use crate::base::{Millis, RepoPath, Span, Spanned};
use crate::config::cx::Cx;
use crate::config::error::ConfigError;
use crate::config::key::{About, Key, Shape, Table, abouts, decode};
use crate::config::model::{AiMode, AiService, Budget, Price, Provider, Severity};
use crate::config::value::{COUNT_MAX, put};
use crate::config::yaml::{Node, NodeKind, shorten};

/// `provider`
pub const PROVIDERS: &[&str] = &["openai", "anthropic", "command"];
/// `mode`
pub const MODES: &[&str] = &["cache", "live", "record", "replay", "off"];
/// `fail_on`
pub const SEVERITIES: &[&str] = &["error", "warning", "note"];

/// `ai` of a step, as it is written.
#[derive(Default)]
pub struct AiDraft {
    /// Where it begins.
    pub at: Span,
    /// What it says of the service.
    pub service: AiService,
    /// Was `provider` said?
    pub provider: Option<Provider>,
    /// `persona`
    pub persona: Option<Spanned<String>>,
    /// `prompt`
    pub prompt: Option<Spanned<String>>,
    /// `files`: none for `changed`.
    pub files: Option<Option<Vec<Spanned<String>>>>,
    /// `each`
    pub each: Option<Spanned<bool>>,
    /// `output`
    pub output: Option<RepoPath>,
    /// `fail_on`
    pub fail_on: Option<Severity>,
    /// `required`
    pub required: Option<bool>,
    /// `ttl`
    pub ttl_ms: Option<Millis>,
    /// `budget`
    pub budget: Budget,
}

/// What a step says of its own.
pub static STEP_AI: Table<AiDraft> = &[
    Key {
        about: about(
            "persona",
            Shape::Text,
            "none",
            "persona: code_reviewer",
            "Who answers: a file of `templates/personas/`, built in or your own (`wf ai personas` lists them).",
        ),
        set: |a, v, cx| a.persona = cx.text(v),
    },
    Key {
        about: about(
            "prompt",
            Shape::Text,
            "what the persona is for",
            "prompt: review",
            "What is asked: a file of `templates/prompts/`, or the text itself if it has more than one word.",
        ),
        set: |a, v, cx| a.prompt = cx.text(v),
    },
    Key {
        about: about(
            "files",
            Shape::Either(&[Shape::Words(&["changed"]), Shape::Many(&Shape::Glob)]),
            "none",
            "files: [\"src/**\"]",
            "The files it is about, which are also what the step watches: patterns, or `changed` for those that the \
             change touched. An answer about `changed` is good for its base alone.",
        ),
        set: files,
    },
    Key {
        about: about(
            "each",
            Shape::Bool,
            "false",
            "each: true",
            "Every file is a request of its own, and only files that changed are asked about again.",
        ),
        set: |a, v, cx| a.each = cx.boolean(v).map(|each| Spanned::new(each, v.at)),
    },
    Key {
        about: about(
            "output",
            Shape::Text,
            "none",
            "output: docs/review.md",
            "A file that the answer is written to; it is one of the step's `outputs`.",
        ),
        set: |a, v, cx| a.output = cx.text(v).and_then(|text| cx.folder(&text)).or(a.output.take()),
    },
    Key {
        about: about(
            "fail_on",
            Shape::Words(SEVERITIES),
            "none: findings are only told",
            "fail_on: error",
            "Findings of this severity and above fail the step.",
        ),
        set: |a, v, cx| a.fail_on = cx.word(v, SEVERITIES),
    },
    Key {
        about: about(
            "required",
            Shape::Bool,
            "true",
            "required: false",
            "`false`: that nobody answers is a warning. Findings still count.",
        ),
        set: |a, v, cx| a.required = cx.boolean(v),
    },
    Key {
        about: about(
            "ttl",
            Shape::Duration,
            "as `ai_cache` says",
            "ttl: 7d",
            "How long an answer is not asked for again.",
        ),
        set: |a, v, cx| a.ttl_ms = cx.duration(v),
    },
    Key {
        about: about(
            "budget",
            Shape::Object("budget", budget_keys, &[]),
            "none",
            "budget: {calls: 20}",
            "What this step may spend; the request that would exceed it is not sent.",
        ),
        set: |a, v, cx| decode(cx, v, &[BUDGET], "`budget`", &mut a.budget),
    },
];

/// Whom to ask: of all AI steps, and of one.
pub static SERVICE: Table<AiDraft> = &[
    Key {
        about: about(
            "provider",
            Shape::Words(PROVIDERS),
            "openai",
            "provider: anthropic",
            "`openai` is what most servers speak (OpenAI, Ollama, vLLM, LiteLLM, GitHub Models); `command` is a program \
             that reads the prompt and prints the answer.",
        ),
        set: |a, v, cx| a.provider = cx.word(v, PROVIDERS),
    },
    Key {
        about: about(
            "base_url",
            Shape::Text,
            "the provider's own",
            "base_url: \"http://127.0.0.1:8000/v1\"",
            "Where the service is.",
        ),
        set: base_url,
    },
    Key {
        about: about("model", Shape::Text, "none", "model: some-model", "The model's name (`AI_MODEL`)."),
        set: |a, v, cx| a.service.model = cx.text(v).map(|text| text.value).or(a.service.model.take()),
    },
    Key {
        about: about(
            "api_key_env",
            Shape::Text,
            "`OPENAI_API_KEY` or `ANTHROPIC_API_KEY`",
            "api_key_env: OPENAI_API_KEY",
            "The variable that holds the key. The key itself never stands in a file, and wf writes it nowhere.",
        ),
        set: |a, v, cx| a.service.api_key_env = super::command::variable_name(cx, v).or(a.service.api_key_env.take()),
    },
    Key {
        about: about(
            "command",
            Shape::List(&Shape::Text),
            "none",
            "command: [ollama, run, llama3]",
            "With `provider: command`: the program and its arguments.",
        ),
        set: |a, v, cx| put(&mut a.service.command, cx.names(v)),
    },
    Key {
        about: about(
            "max_tokens",
            Shape::Int(1, COUNT_MAX),
            "4096",
            "max_tokens: 2000",
            "The most tokens of an answer (`AI_MAX_TOKENS`).",
        ),
        set: |a, v, cx| {
            a.service.max_tokens = cx.whole(v, 1, COUNT_MAX).map(|n| n as u32).or(a.service.max_tokens);
        },
    },
    Key {
        about: about(
            "temperature",
            Shape::Text,
            "the service's own",
            "temperature: 0.2",
            "From 0, always the likeliest, to 2.",
        ),
        set: temperature,
    },
    Key {
        about: about(
            "account",
            Shape::Text,
            "none",
            "account: team-a",
            "A name for the account that pays: answers given to one are not given to another.",
        ),
        set: |a, v, cx| a.service.account = cx.text(v).map(|text| text.value),
    },
];

/// What all AI steps share, besides [`SERVICE`].
pub static AI: Table<Draft> = &[
    Key {
        about: about(
            "mode",
            Shape::Words(MODES),
            "cache",
            "mode: replay",
            "`cache` asks only what was not answered before, `live` asks everything, \
             `record` also writes every answer into `ai.lock`, `replay` answers from `ai.lock` alone \
             and fails on anything else, `off` leaves AI steps out. `--ai` says it for one run.",
        ),
        set: |d, v, cx| put(&mut d.settings.ai.mode, cx.word::<AiMode>(v, MODES)),
    },
    Key {
        about: about(
            "templates",
            Shape::Text,
            "none",
            "templates: ci/templates",
            "A folder whose `personas/` and `prompts/` win over the built-in ones.",
        ),
        set: |d, v, cx| {
            d.settings.ai.templates = cx.text(v).and_then(|text| cx.folder(&text)).or(d.settings.ai.templates.take());
        },
    },
    Key {
        about: about(
            "batch_size",
            Shape::Int(1, 1_000),
            "4",
            "batch_size: 8",
            "Requests of one step that are under way together (`AI_BATCH_SIZE`).",
        ),
        set: |d, v, cx| put(&mut d.settings.ai.manners.batch_size, cx.whole(v, 1, 1_000).map(|n| n as u32)),
    },
    Key {
        about: about(
            "connect_timeout",
            Shape::Duration,
            "10s",
            "connect_timeout: 5s",
            "Longest wait for a connection.",
        ),
        set: |d, v, cx| put(&mut d.settings.ai.manners.connect_timeout_ms, cx.duration(v)),
    },
    Key {
        about: about("read_timeout", Shape::Duration, "2m", "read_timeout: 5m", "Longest silence of the service."),
        set: |d, v, cx| put(&mut d.settings.ai.manners.read_timeout_ms, cx.duration(v)),
    },
    Key {
        about: about(
            "retries",
            Shape::Int(0, 20),
            "4",
            "retries: 2",
            "How often a request is sent again when the service is overloaded or out of reach.",
        ),
        set: |d, v, cx| put(&mut d.settings.ai.manners.retries, cx.whole(v, 0, 20).map(|n| n as u32)),
    },
    Key {
        about: about(
            "requests_per_minute",
            Shape::Int(1, COUNT_MAX),
            "no limit",
            "requests_per_minute: 60",
            "Over all steps and runs of this repository.",
        ),
        set: |d, v, cx| {
            d.settings.ai.manners.requests_per_minute = cx.whole(v, 1, COUNT_MAX).map(|n| n as u32);
        },
    },
    Key {
        about: about(
            "tokens_per_minute",
            Shape::Int(1, TOKENS_MAX),
            "no limit",
            "tokens_per_minute: 100000",
            "Over all steps and runs of this repository.",
        ),
        set: |d, v, cx| d.settings.ai.manners.tokens_per_minute = cx.whole(v, 1, TOKENS_MAX),
    },
    Key {
        about: about(
            "budget",
            Shape::Object("budget", budget_keys, &[]),
            "none",
            "budget: {usd: 0.5}",
            "What all AI steps of a run may spend together.",
        ),
        set: |d, v, cx| decode(cx, v, &[BUDGET], "`budget`", &mut d.settings.ai.budget),
    },
    Key {
        about: about(
            "prices",
            Shape::MapOf(&Shape::Object("price", price_keys, &["input", "output"])),
            "none",
            "prices: {some-model: {input: 2.5, output: 10}}",
            "US dollars for a million tokens, by the beginning of the model's name.",
        ),
        set: prices,
    },
];

/// `budget`
pub static BUDGET: Table<Budget> = &[
    Key {
        about: about("calls", Shape::Int(0, COUNT_MAX), "no limit", "calls: 20", "Requests that are sent."),
        set: |b, v, cx| b.calls = cx.whole(v, 0, COUNT_MAX),
    },
    Key {
        about: about("tokens", Shape::Int(0, TOKENS_MAX), "no limit", "tokens: 200000", "Tokens, in both directions."),
        set: |b, v, cx| b.tokens = cx.whole(v, 0, TOKENS_MAX),
    },
    Key {
        about: about("usd", Shape::Number, "no limit", "usd: 0.5", "US dollars, by `prices`."),
        set: |b, v, cx| b.micro_usd = micro(cx, v),
    },
];

/// One of `prices`
pub static PRICE: Table<Price> = &[
    Key {
        about: about("input", Shape::Number, "", "input: 2.5", "For a million tokens of the request."),
        set: |p, v, cx| put(&mut p.input, micro(cx, v)),
    },
    Key {
        about: about("output", Shape::Number, "", "output: 10", "For a million tokens of the answer."),
        set: |p, v, cx| put(&mut p.output, micro(cx, v)),
    },
];

const TOKENS_MAX: u64 = 1_000_000_000_000;

/// The shape of `ai` at the top.
pub const SHAPE: Shape = Shape::Object("ai", keys, &[]);
/// The shape of `ai` of a step.
pub const STEP_SHAPE: Shape = Shape::Object("step-ai", step_keys, &[]);

fn keys() -> Vec<&'static About> {
    abouts(SERVICE).into_iter().chain(abouts(AI)).collect()
}

fn step_keys() -> Vec<&'static About> {
    abouts(STEP_AI).into_iter().chain(abouts(SERVICE)).collect()
}

fn budget_keys() -> Vec<&'static About> {
    abouts(BUDGET)
}

fn price_keys() -> Vec<&'static About> {
    abouts(PRICE)
}

/// `ai` at the top.
pub fn decode_into(d: &mut Draft, node: &Node, cx: &mut Cx) {
    // Two tables that decode into two types: each gets the entries that are its own.
    let NodeKind::Map(entries) = &node.kind else {
        return decode(cx, node, &[AI], "`ai`", d);
    };
    let service = |name: &str| SERVICE.iter().any(|key| key.about.name == name);
    let (theirs, others): (Vec<_>, Vec<_>) = entries.iter().cloned().partition(|(name, _)| service(&name.value));
    let part = |entries| Node { at: node.at, kind: NodeKind::Map(entries) };
    let mut draft = AiDraft { service: std::mem::take(&mut d.settings.ai.service), ..AiDraft::default() };
    decode(cx, &part(theirs), &[SERVICE], "`ai`", &mut draft);
    if let Some(provider) = draft.provider {
        draft.service.provider = provider;
    }
    d.settings.ai.service = draft.service;
    decode(cx, &part(others), &[AI], "`ai`", d);
}

/// `ai` of a step.
pub fn decode_step(s: &mut StepDraft, node: &Node, cx: &mut Cx) {
    let mut draft = AiDraft { at: node.at, ..AiDraft::default() };
    decode(cx, node, &[STEP_AI, SERVICE], "`ai`", &mut draft);
    s.ai = Some(draft);
}

fn files(a: &mut AiDraft, node: &Node, cx: &mut Cx) {
    a.files = match &node.kind {
        NodeKind::Scalar { text, .. } if text == "changed" => Some(None),
        _ => cx.texts(node).map(Some),
    };
}

fn base_url(a: &mut AiDraft, node: &Node, cx: &mut Cx) {
    let Some(text) = cx.text(node) else { return };
    let url = text.value.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match rest.filter(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace)) {
        Some(rest) if rest.split('/').next().is_some_and(|host| host.contains('@')) => {
            let error = ConfigError::new(node.at, "a name or password does not belong into this URL");
            cx.error(error.hint("put the key into a variable, and name that by `api_key_env`"));
        }
        Some(_) => a.service.base_url = Some(url.to_owned()),
        None => {
            let error = ConfigError::new(node.at, format!("`{}` is no URL of a service", shorten(&text.value)));
            cx.error(error.hint("write one like `https://api.openai.com/v1`"));
        }
    }
}

fn temperature(a: &mut AiDraft, node: &Node, cx: &mut Cx) {
    let Some(text) = cx.text(node) else { return };
    match text.value.parse::<f64>() {
        Ok(number) if (0.0..=2.0).contains(&number) => {
            a.service.temperature_milli = Some((number * 1_000.0).round() as u32);
        }
        _ => cx.error(ConfigError::new(node.at, format!("`{}` is not from 0 to 2", shorten(&text.value)))),
    }
}

/// Dollars as millionths.
fn micro(cx: &mut Cx, node: &Node) -> Option<u64> {
    let text = cx.text(node)?;
    let dollars = text.value.parse::<f64>().ok().filter(|dollars| (0.0..=1e6).contains(dollars));
    if dollars.is_none() {
        cx.error(ConfigError::new(node.at, format!("`{}` is no amount of dollars", shorten(&text.value))));
    }
    dollars.map(|dollars| (dollars * 1e6).round() as u64)
}

fn prices(d: &mut Draft, node: &Node, cx: &mut Cx) {
    for (model, price) in cx.map(node, "a mapping of models to prices") {
        let mut read = Price::default();
        cx.below(&model.value, |cx| decode(cx, price, &[PRICE], "a price", &mut read));
        for key in ["input", "output"] {
            if matches!(price.kind, NodeKind::Map(_)) && !super::stage::has_key(price, key) {
                let error = ConfigError::new(model.at, format!("this price has no `{key}`"));
                cx.error(error.hint(format!("add `{key}: 2.5`, in US dollars for a million tokens")));
            }
        }
        d.settings.ai.prices.insert(model.value.clone(), read);
    }
}
