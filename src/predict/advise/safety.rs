//! Steps that fail for no reason, and steps that would hang for long. Pure.

use super::model::Model;
use super::{Advice, Kind, OFTEN, Spec, World};
use crate::base::{Millis, duration};

/// How many further attempts are advised: of failures by chance in one of ten runs, one in a thousand is left.
const RETRIES: u32 = 2;
/// A timeout of so many times the longest pass is far from it.
const FAR: u64 = 10;
/// A timeout of so many times the longest pass is safe.
const SAFE: u64 = 3;
/// No shorter timeout is advised, and they are told in whole ones of it.
const MINUTE_MS: Millis = 60_000;

pub(super) fn advise(world: &World<'_>, model: &Model, spec: &Spec<'_>) -> Vec<Advice> {
    [retries(world, model, spec), timeout(world, spec)].into_iter().flatten().collect()
}

fn retries(world: &World<'_>, model: &Model, spec: &Spec<'_>) -> Option<Advice> {
    let flaky = spec.record.flaky();
    let unfit = |at: &usize| {
        let step = world.graph.step(*at);
        step.retries.count > 0 || step.is_deploy()
    };
    if flaky.len() < OFTEN || spec.instances.iter().any(unfit) {
        return None;
    }
    let what = format!("try `{}` again when it fails: `retries: {RETRIES}`; better still, find out why", spec.id);
    let evidence = format!(
        "it failed {} times in {} runs on a key on which it also passed; each costs another run",
        flaky.len(),
        spec.record.runs().len()
    );
    let part = |ms: Millis| flaky.len() as u64 * ms / world.runs.max(1) as u64;
    let advice = Advice::new(Kind::Retries, Some(&spec.id), what, evidence);
    let advice = advice.seen_in(flaky.iter().map(|ended| &ended.run));
    Some(advice.saving(part(model.makespan_ms), part(model.work_ms())).edit("retries", RETRIES))
}

/// Nothing is saved as long as nothing hangs.
fn timeout(world: &World<'_>, spec: &Spec<'_>) -> Option<Advice> {
    let (longest, passes) = spec.record.longest_pass_ms()?;
    let now = spec.instances.iter().filter_map(|at| world.graph.step(*at).timeout_ms).min()?;
    let enough = (longest.saturating_mul(SAFE)).div_ceil(MINUTE_MS).max(1) * MINUTE_MS;
    if passes < super::MIN_RUNS || now < longest.saturating_mul(FAR) || enough.saturating_mul(2) > now {
        return None;
    }
    let value = duration::exact(enough);
    let what = format!("stop `{}` sooner when it hangs: `timeout: {value}`", spec.id);
    let evidence = format!(
        "its longest pass of {passes} took {}, and it may take {}",
        duration::human(longest),
        duration::human(now)
    );
    let advice = Advice::new(Kind::Timeout, Some(&spec.id), what, evidence);
    Some(advice.seen_in(spec.record.runs().into_iter()).edit("timeout", value))
}
