//! `ai` as it is shown: of all AI steps, and of one. Pure.

use super::{Item, entry, plain, texts, word};
use crate::base::duration;
use crate::config::model::{AiCacheSettings, AiFiles, AiService, AiSettings, AiTask, Budget};
use crate::config::size;

/// `ai` at the top.
pub(super) fn settings(ai: &AiSettings) -> Item {
    let manners = &ai.manners;
    let mut keys = service(&ai.service);
    keys.extend([
        entry("mode", word(ai.mode)),
        entry(
            "templates",
            ai.templates.as_ref().map_or(Item::Unsaid("built in"), |dir| Item::Text(super::folder(dir))),
        ),
        entry("batch_size", plain(manners.batch_size)),
        entry("connect_timeout", plain(duration::exact(manners.connect_timeout_ms))),
        entry("read_timeout", plain(duration::exact(manners.read_timeout_ms))),
        entry("retries", plain(manners.retries)),
        entry("requests_per_minute", manners.requests_per_minute.map_or(Item::Unsaid("no limit"), plain)),
        entry("tokens_per_minute", manners.tokens_per_minute.map_or(Item::Unsaid("no limit"), plain)),
        entry("budget", budget(&ai.budget)),
    ]);
    let price = |price: &crate::config::model::Price| {
        Item::Map(vec![entry("input", dollars(price.input)), entry("output", dollars(price.output))])
    };
    keys.push(entry("prices", Item::Map(ai.prices.iter().map(|(model, p)| (model.clone(), price(p))).collect())));
    Item::Map(keys)
}

/// `ai_cache`
pub(super) fn cache(cache: &AiCacheSettings) -> Item {
    Item::Map(vec![
        entry("enabled", plain(cache.enabled)),
        entry("ttl", plain(duration::exact(cache.ttl_ms))),
        entry("max_size", plain(size::exact(cache.size_bytes))),
        entry("max_entries", plain(cache.entries)),
        entry("policy", word(cache.policy)),
    ])
}

/// `ai` of a step.
pub(super) fn task(task: &AiTask) -> Item {
    let text = |value: &Option<String>, words| value.clone().map_or(Item::Unsaid(words), Item::Text);
    let files = match &task.files {
        AiFiles::None => Item::Unsaid("none"),
        AiFiles::Changed => Item::Text("changed".into()),
        AiFiles::Globs(set) => texts(set.texts()),
    };
    let mut keys = vec![
        entry("persona", text(&task.persona, "none")),
        entry("prompt", text(&task.prompt, "what the persona is for")),
        entry("files", files),
        entry("each", plain(task.each)),
        entry("output", task.output.as_ref().map_or(Item::Unsaid("none"), |path| Item::Text(super::folder(path)))),
        entry("fail_on", task.fail_on.map_or(Item::Unsaid("none"), word)),
        entry("required", plain(task.required)),
        entry("ttl", task.ttl_ms.map_or(Item::Unsaid("as `ai_cache` says"), |ms| plain(duration::exact(ms)))),
        entry("budget", budget(&task.budget)),
    ];
    keys.extend(service(&task.service));
    Item::Map(keys)
}

fn service(service: &AiService) -> Vec<(String, Item)> {
    let text = |value: &Option<String>, words| value.clone().map_or(Item::Unsaid(words), Item::Text);
    let temperature = |milli: u32| Item::Plain(format!("{}", f64::from(milli) / 1_000.0));
    let mut keys = vec![
        entry("provider", word(service.provider)),
        entry("base_url", text(&service.base_url, "the provider's own")),
        entry("model", text(&service.model, "none")),
        entry("api_key_env", text(&service.api_key_env, "the provider's own")),
    ];
    if !service.command.is_empty() {
        keys.push(entry("command", texts(&service.command)));
    }
    keys.extend([
        entry("max_tokens", service.max_tokens.map_or(Item::Unsaid("4096"), plain)),
        entry("temperature", service.temperature_milli.map_or(Item::Unsaid("the service's own"), temperature)),
        entry("account", text(&service.account, "none")),
    ]);
    keys
}

fn budget(budget: &Budget) -> Item {
    if *budget == Budget::default() {
        return Item::Unsaid("none");
    }
    let limit = |limit: Option<u64>| limit.map_or(Item::Unsaid("no limit"), plain);
    Item::Map(vec![
        entry("calls", limit(budget.calls)),
        entry("tokens", limit(budget.tokens)),
        entry("usd", budget.micro_usd.map_or(Item::Unsaid("no limit"), dollars)),
    ])
}

fn dollars(micro: u64) -> Item {
    Item::Plain(format!("{}", micro as f64 / 1e6))
}
