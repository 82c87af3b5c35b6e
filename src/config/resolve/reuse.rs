//! What may be cached, in which environment it then runs, and what `optimized: false` turns off. Pure.

use crate::config::cx::{Cx, Said};
use crate::config::error::ConfigError;
use crate::config::model::{CacheMode, CacheUse, EnvMode, Kind, Resume, RunOn, Settings, Smart, StageSpec, StepSpec};
use crate::config::setting::step::StepDraft;
use crate::config::trigger::Trigger;

/// Settles `cache` and `env_mode` of every step: those that name their inputs are cached unless they say otherwise, and
/// what is cached sees only variables that are declared or known to be harmless.
///
/// It does not ask whether this run uses a cache: a step's environment must not depend on that.
pub(super) fn settle(drafts: &[StepDraft], steps: &mut [StepSpec], stages: &[StageSpec], cx: &mut Cx) {
    for (draft, step) in drafts.iter().zip(steps) {
        let never = never(step, stages);
        step.cache = match (&draft.cache, never) {
            (Some(said), Some(why)) if said.value.is_on() => {
                let error = ConfigError::new(said.at, format!("`{}` is never cached: {why}", step.id));
                cx.error(error.hint("remove `cache`, or say `cache: false`"));
                continue;
            }
            (Some(said), _) => said.value.clone(),
            (None, None) if step.inputs.is_some() => {
                follows(step, "cache", "inputs", cx);
                CacheUse { read: true, write: true, ..CacheUse::default() }
            }
            (None, _) => CacheUse::default(),
        };
        step.env_mode = draft.env_mode.unwrap_or_else(|| {
            if step.cache.is_on() {
                follows(step, "env_mode", "cache", cx);
                EnvMode::Strict
            } else {
                EnvMode::Inherit
            }
        });
    }
}

/// Remembers that one key of a step was set by another.
fn follows(step: &StepSpec, key: &str, other: &str, cx: &mut Cx) {
    let path = |key: &str| format!("steps.{}.{key}", step.id);
    if let Some(said) = cx.origins.get(&path(other)).cloned() {
        cx.origins.insert(path(key), Said { through: Some(other.to_owned()), ..said });
    }
}

/// Why nothing this step does may ever stand in for doing it.
fn never(step: &StepSpec, stages: &[StageSpec]) -> Option<&'static str> {
    let stage = step.stage.as_ref().and_then(|name| stages.iter().find(|stage| stage.name == *name));
    if step.kind == Some(Kind::Deploy) {
        Some("it deploys")
    } else if step.run_on != RunOn::Success {
        Some("it follows what others did")
    } else if step.when.as_ref().is_some_and(Trigger::names_manual) {
        Some("its `when` is manual")
    } else if stage.is_some_and(|stage| stage.trigger.names_manual()) {
        Some("its stage is manual")
    } else {
        None
    }
}

/// A variable that one step declares secret is secret everywhere.
pub(super) fn secrets(drafts: &[StepDraft], settings: &mut Settings) {
    for name in drafts.iter().flat_map(|draft| &draft.secrets) {
        if !settings.secrets.contains(name) {
            settings.secrets.push(name.clone());
        }
    }
}

/// `optimized: false`: what nobody said in the same place, or in one that wins over it, is off.
pub(super) fn unoptimized(settings: &mut Settings, cx: &mut Cx) {
    let Some(said) = cx.origins.get("optimized").filter(|_| !settings.optimized).cloned() else { return };
    let off = Said { through: Some("optimized".into()), ..said };
    let mut free = |key: &str| {
        let stays = cx.origins.get(key).is_some_and(|own| own.origin.layer() >= off.origin.layer());
        if !stays {
            cx.origins.insert(key.to_owned(), off.clone());
        }
        !stays
    };
    if free("smart_execution") {
        settings.smart_execution = Smart::Off;
    }
    if free("cache.read") {
        settings.cache.read = CacheMode::OFF.read;
    }
    if free("cache.write") {
        settings.cache.write = CacheMode::OFF.write;
    }
    if free("resume") {
        settings.resume = Resume::Never;
    }
    if free("parallel") {
        settings.parallel = false;
    }
    if free("ml_optimize") {
        settings.ml_optimize = false;
    }
}
