//! Steps that run more often than they have to. Pure.

use super::model::{Model, is_usual};
use super::{Advice, COSTLY, Kind, OFTEN, Spec, WORTH_MS, World};
use crate::base::{Millis, duration};
use crate::graph::Inputs;

/// A step runs always if it runs in this share of all runs or more, 0 to 1.
const ALWAYS: f64 = 0.9;
/// A step that passed so often in a row fails in at most 6 of 100 runs, as 19 of 20 such records have it (the rule of
/// three, J. A. Hanley and A. Lippman-Hand, "If nothing goes wrong, is everything all right?", 1983).
const NEVER_FAILED: usize = 50;

pub(super) fn advise(world: &World<'_>, model: &Model, spec: &Spec<'_>) -> Vec<Advice> {
    if !spec.instances.iter().all(|at| is_usual(world, *at)) {
        return vec![];
    }
    [inputs(world, model, spec), seldom(world, model, spec), cache(world, model, spec)].into_iter().flatten().collect()
}

/// What one run of all its instances takes, if that is much.
fn costly(model: &Model, spec: &Spec<'_>) -> Option<Millis> {
    let ms = spec.record.median_ms()? * spec.instances.len() as u64;
    (ms >= WORTH_MS && ms as f64 >= COSTLY * model.work_ms() as f64).then_some(ms)
}

/// It does not say what it watches, and runs for every change.
fn inputs(world: &World<'_>, model: &Model, spec: &Spec<'_>) -> Option<Advice> {
    let [at] = spec.instances[..] else { return None };
    let step = world.graph.step(at);
    let runs = spec.record.runs();
    let always = runs.len() as f64 >= ALWAYS * world.runs as f64;
    if step.inputs != Inputs::Everything || step.changed_only || !always {
        return None;
    }
    let ms = costly(model, spec)?;
    let what =
        format!("say by `inputs` what `{}` watches, so that it is skipped when nothing of that changed", spec.id);
    let evidence =
        format!("it has no `inputs`, ran in {} of {} runs and takes {}", runs.len(), world.runs, duration::human(ms));
    let advice = Advice::new(Kind::Inputs, Some(&spec.id), what, evidence).seen_in(runs.into_iter());
    Some(Advice { at_most: true, ..advice.saving(model.saved_by_percent(&spec.instances, 0), ms) })
}

/// It costs much and never failed; nothing waits for it.
fn seldom(world: &World<'_>, model: &Model, spec: &Spec<'_>) -> Option<Advice> {
    let (ends, failed) = spec.record.failures();
    let is_leaf = |at: &usize| {
        let step = world.graph.step(*at);
        world.graph.dependents(*at).is_empty() && step.outputs.is_none() && step.writes.is_none()
    };
    let last = world.stages.last().map(|(name, _)| name);
    let is_late = |at: &usize| last.is_some_and(|_| world.graph.step(*at).stage.as_ref() == last);
    let unfit = !spec.instances.iter().all(is_leaf) || world.stages.len() > 1 && spec.instances.iter().any(is_late);
    if ends < NEVER_FAILED * spec.instances.len() || !failed.is_empty() || unfit {
        return None;
    }
    let ms = costly(model, spec)?;
    let what = format!("let `{}` run later: in a stage after the others, or on a schedule", spec.id);
    let evidence = format!("it passed {ends} times without a failure and takes {}", duration::human(ms));
    let advice = Advice::new(Kind::Seldom, Some(&spec.id), what, evidence).seen_in(spec.record.runs().into_iter());
    Some(advice.saving(model.saved_by_percent(&spec.instances, 0), ms))
}

/// It passed again and again on the same key, and its results are not cached.
fn cache(world: &World<'_>, model: &Model, spec: &Spec<'_>) -> Option<Advice> {
    let steps = || spec.instances.iter().map(|at| world.graph.step(*at));
    let repeated = spec.record.repeated();
    if steps().any(|step| step.cache.is_on() || step.changed_only) || repeated.len() < OFTEN {
        return None;
    }
    let again: Millis = repeated.iter().map(|ended| ended.wall_ms).sum();
    let runs = world.runs.max(1) as u64;
    // Of all runs of all instances, so many would not have taken place.
    let share = repeated.len() as u64 * 100 / (runs * spec.instances.len() as u64);
    let saves = model.saved_by_percent(&spec.instances, 100 - share.min(100));
    if again / runs < WORTH_MS {
        return None;
    }
    // A result that is put back holds the declared outputs and no others.
    let feeds = spec.instances.iter().any(|at| !world.graph.dependents(*at).is_empty());
    let safe = steps().all(|step| step.outputs.is_some()) || !feeds;
    let also = if safe { "" } else { ", and declare its `outputs`, which other steps may use" };
    let what = format!(
        "cache what `{}` does: `cache: true`{also}; it then gets only the variables that it declares, unless it says \
         `env_mode: inherit`",
        spec.id
    );
    let evidence = format!(
        "it passed {} times on the very key on which it had passed before, which took {} in all",
        repeated.len(),
        duration::human(again)
    );
    let advice = Advice::new(Kind::Cache, Some(&spec.id), what, evidence);
    let advice = advice.seen_in(repeated.iter().map(|ended| &ended.run)).saving(saves, again / runs);
    Some(if safe { advice.edit("cache", true) } else { advice })
}
