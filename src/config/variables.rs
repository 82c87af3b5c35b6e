//! Settings in environment variables. Pure.
//!
//! Does not know: the environment; it is handed in.

use super::setting::run::SETTINGS;
use super::source::{Origin, Override};

/// Variables with names of their own: the ancestor's for `jobs`, and the place of the cache, which machines know better
/// than repositories.
pub const OTHERS: &[(&str, &str)] = &[
    ("MAX_PARALLEL_JOBS", "jobs"),
    ("WF_CACHE_DIR", "cache.dir"),
    ("AI_CACHE_TTL_HOURS", "ai_cache.ttl_hours"),
    ("AI_MODEL", "ai.model"),
    ("AI_MAX_TOKENS", "ai.max_tokens"),
    ("AI_BATCH_SIZE", "ai.batch_size"),
];

/// The variable for a setting: `WF_` and its name in capitals.
pub fn variable(key: &str) -> String {
    format!("WF_{}", key.to_ascii_uppercase())
}

/// The settings among these variables. Empty ones and other `WF_…` variables say nothing. `WF_JOBS` wins over
/// `MAX_PARALLEL_JOBS`.
pub fn overrides_from_env<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Override> {
    let mut found = Vec::new();
    for (name, value) in variables.into_iter().filter(|(_, value)| !value.trim().is_empty()) {
        // As [`variable`] would call it; every start asks this of its whole environment.
        let rest = name.strip_prefix("WF_").filter(|rest| !rest.contains(|c: char| c.is_ascii_lowercase()));
        let key =
            rest.and_then(|rest| SETTINGS.iter().map(|key| key.about.name).find(|key| key.eq_ignore_ascii_case(rest)));
        let other = || OTHERS.iter().find(|(variable, _)| *variable == name).map(|(_, key)| *key);
        if let Some(key) = key.or_else(other) {
            let (key, value) = (key.to_owned(), value.trim().to_owned());
            found.push(Override { key, value, origin: Origin::Env(name.to_owned()) });
        }
    }
    // The last one wins when they are laid over each other.
    found.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| a.origin.describe(&[]).cmp(&b.origin.describe(&[]))));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_and_strangers_left_alone() {
        let variables = [
            ("WF_JOBS", "2"),
            ("MAX_PARALLEL_JOBS", "8"),
            ("WF_SMART_EXECUTION", "observe"),
            ("WF_CACHE_DIR", "/c"),
            ("WF_STEP", "build"),
            ("WF_OUTPUT", ""),
            ("JOBS", "9"),
        ];
        let found: Vec<_> =
            overrides_from_env(variables).into_iter().map(|o| format!("{}={}", o.key, o.value)).collect();
        assert_eq!(found, ["cache.dir=/c", "jobs=8", "jobs=2", "smart_execution=observe"]);
    }
}
